"""The Merkle tree of RFC 6962 (Certificate Transparency): one root for a log of any length.

Laws: a leaf is hashed behind a zero byte and a node behind a one, so neither can pass for the
other; the tree of n leaves splits at the largest power of two below n; a proof has exactly the
length its sizes demand, no more and no less.

Building needs no more than a ``Frontier`` (the roots of the complete subtrees). Proofs need
stored nodes: ``NodeAt`` answers for the complete node of a height and index; ``grow`` says
which nodes an append completes, and ``nodes_over`` answers from leaf hashes in memory.

Read next: ``trust_records``, what stands in the leaves.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from treaty.errors import MisuseError, SignatureError, shown
from treaty.wire.digest import sha256

SIZE_MAX: Final = 2**53 - 1
"""The longest log; a proof then has at most 106 hashes."""

EMPTY_ROOT: Final = sha256(b"")

NodeAt = Callable[[int, int], bytes]
"""(height, index) -> hash of the complete node over leaves [index·2^height, (index+1)·2^height)."""


def leaf_hash(leaf: bytes) -> bytes:
    """Hash one entry (section 2.1)."""
    return sha256(b"\x00" + leaf)


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash two neighbours into their parent (section 2.1)."""
    return sha256(b"\x01" + left + right)


@dataclass(frozen=True, slots=True)
class Frontier:
    """All a writer has to keep: the size, and the roots of the complete subtrees, largest first."""

    size: int = 0
    peaks: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class Node:
    """A complete node, as a store keeps it."""

    height: int
    index: int
    hash: bytes


def grow(frontier: Frontier, leaf: bytes) -> tuple[Frontier, tuple[Node, ...]]:
    """Append the hash of a leaf; also return the nodes this completes, the leaf first."""
    carry, peaks = Node(0, frontier.size, leaf), list(frontier.peaks)
    nodes = [carry]
    # Every trailing one bit of the size is a subtree that the new one is merged with.
    while carry.index & 1:
        carry = Node(carry.height + 1, carry.index >> 1, node_hash(peaks.pop(), carry.hash))
        nodes.append(carry)
    return Frontier(frontier.size + 1, (*peaks, carry.hash)), tuple(nodes)


def append(frontier: Frontier, leaf: bytes) -> Frontier:
    """Append the hash of a leaf (``leaf_hash`` of the entry's bytes)."""
    return grow(frontier, leaf)[0]


def root(frontier: Frontier) -> bytes:
    """The tree's root; that of the empty tree is the hash of nothing."""
    if not frontier.peaks:
        return EMPTY_ROOT
    *others, top = frontier.peaks
    for peak in reversed(others):
        top = node_hash(peak, top)
    return top


def root_of(node_at: NodeAt, size: int) -> bytes:
    """The root of the tree of the first ``size`` leaves, from stored nodes."""
    return _range_root(node_at, 0, size) if size else EMPTY_ROOT


def nodes_over(leaf_hashes: Sequence[bytes]) -> NodeAt:
    """Answer for complete nodes from the leaf hashes, at a cost of the node's width."""

    def node_at(height: int, index: int) -> bytes:
        if height == 0:
            return leaf_hashes[index]
        return node_hash(node_at(height - 1, 2 * index), node_at(height - 1, 2 * index + 1))

    return node_at


def inclusion_proof(node_at: NodeAt, index: int, size: int) -> tuple[bytes, ...]:
    """The audit path of leaf ``index`` in the tree of the first ``size`` leaves (section 2.1.1).

    Raises ``MisuseError`` when there is no such leaf.
    """
    if not 0 <= index < size <= SIZE_MAX:
        raise MisuseError(f"no leaf {index} in a tree of {size}")
    return tuple(_range_root(node_at, start, end) for start, end in _path(index, 0, size))


def consistency_proof(node_at: NodeAt, old_size: int, new_size: int) -> tuple[bytes, ...]:
    """What shows that the first ``old_size`` leaves of both trees are the same (section 2.1.2).

    Raises ``MisuseError`` when the old tree is not the smaller one.
    """
    if not 0 <= old_size <= new_size <= SIZE_MAX:
        raise MisuseError(f"no tree of {old_size} leaves inside one of {new_size}")
    if old_size == 0:
        return ()
    ranges = _consistency_path(old_size, 0, new_size, known=True)
    return tuple(_range_root(node_at, start, end) for start, end in ranges)


def verify_inclusion(
    leaf: bytes, *, index: int, size: int, proof: Sequence[bytes], root_hash: bytes
) -> None:
    """Check that ``leaf`` (its hash) is number ``index`` of the ``size`` under ``root_hash``.

    Raises ``SignatureError`` (``hash_mismatch``) when it is not shown.
    """
    if not 0 <= index < size <= SIZE_MAX or len(proof) != len(_path(index, 0, size)):
        raise _unproven(f"no inclusion proof for leaf {shown(index)} of {shown(size)}")
    if _climbed(leaf, index, size, proof) != root_hash:
        raise _unproven(f"leaf {index} is not in the tree of {size} with that root")


def verify_consistency(
    *, old_size: int, old_root: bytes, new_size: int, new_root: bytes, proof: Sequence[bytes]
) -> None:
    """Check that the larger tree begins with the smaller one.

    Raises ``SignatureError`` (``hash_mismatch``) when that is not shown.
    """
    if not 0 <= old_size <= new_size <= SIZE_MAX:
        raise _unproven(f"no tree of {shown(old_size)} inside one of {shown(new_size)}")
    if old_size == 0:
        # Every log begins with the empty one; an empty log has one root only.
        roots, length = (EMPTY_ROOT, new_root if new_size else EMPTY_ROOT), 0
    else:
        length = len(_consistency_path(old_size, 0, new_size, known=True))
        roots = (old_root, old_root)
        if len(proof) == length:
            roots = _rebuilt(old_size, new_size, proof, old_root=old_root)
    if len(proof) != length or roots != (old_root, new_root):
        raise _unproven(f"the tree of {new_size} is not shown to begin with that of {old_size}")


def _unproven(detail: str) -> SignatureError:
    return SignatureError(detail, "hash_mismatch")


def _split(size: int) -> int:
    """The largest power of two below ``size`` (which is at least 2)."""
    return 1 << (size - 1).bit_length() - 1


def _range_root(node_at: NodeAt, start: int, end: int) -> bytes:
    width = end - start
    if width & (width - 1) == 0:
        height = width.bit_length() - 1
        return node_at(height, start >> height)
    middle = start + _split(width)
    return node_hash(_range_root(node_at, start, middle), _range_root(node_at, middle, end))


def _path(index: int, start: int, end: int) -> list[tuple[int, int]]:
    """Siblings of leaf ``index`` on its way up, as ranges of leaves: PATH(m, D[n])."""
    siblings: list[tuple[int, int]] = []
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            siblings.append((middle, end))
            end = middle
        else:
            siblings.append((start, middle))
            start = middle
    return siblings[::-1]


def _consistency_path(size: int, start: int, end: int, *, known: bool) -> list[tuple[int, int]]:
    """The ranges of SUBPROOF(m, D[n], b): ``known`` is b, that the verifier has this subtree."""
    if size == end - start:
        return [] if known else [(start, end)]
    middle = start + _split(end - start)
    if size <= middle - start:
        return [*_consistency_path(size, start, middle, known=known), (middle, end)]
    rest = size - (middle - start)
    return [*_consistency_path(rest, middle, end, known=False), (start, middle)]


def _climbed(leaf: bytes, index: int, size: int, proof: Sequence[bytes]) -> bytes:
    if size == 1:
        return leaf
    middle = _split(size)
    if index < middle:
        return node_hash(_climbed(leaf, index, middle, proof[:-1]), proof[-1])
    return node_hash(proof[-1], _climbed(leaf, index - middle, size - middle, proof[:-1]))


def _rebuilt(
    old_size: int, new_size: int, proof: Sequence[bytes], *, old_root: bytes | None
) -> tuple[bytes, bytes]:
    """Both roots from a proof; ``old_root`` stands where the proof leaves the old tree out."""
    if old_size == new_size:
        known = proof[0] if old_root is None else old_root
        return known, known
    middle, last = _split(new_size), proof[-1]
    if old_size <= middle:
        old, new = _rebuilt(old_size, middle, proof[:-1], old_root=old_root)
        return old, node_hash(new, last)
    old, new = _rebuilt(old_size - middle, new_size - middle, proof[:-1], old_root=None)
    return node_hash(last, old), node_hash(last, new)
