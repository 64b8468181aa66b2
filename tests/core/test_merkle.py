"""The Merkle tree against the definitions of RFC 6962 and the vectors of Certificate Transparency.

Origin of the vectors: google/certificate-transparency, merkle tree tests (2013); every root and
proof below is recomputed here by a second, naive implementation of sections 2.1 to 2.1.2.
"""

from __future__ import annotations

from hashlib import sha256

import pytest

from treaty.core.merkle import (
    EMPTY_ROOT,
    SIZE_MAX,
    Frontier,
    Node,
    append,
    consistency_proof,
    grow,
    inclusion_proof,
    leaf_hash,
    node_hash,
    nodes_over,
    root,
    verify_consistency,
    verify_inclusion,
)
from treaty.errors import MisuseError, SignatureError

LEAVES = [
    bytes.fromhex(text)
    for text in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
INCLUSION = {
    (0, 1): [],
    (0, 8): [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ],
    (5, 8): [
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
    (2, 3): ["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"],
    (1, 5): [
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ],
}
CONSISTENCY = {
    (1, 1): [],
    (1, 8): [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ],
    (6, 8): [
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
    (2, 5): [
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ],
}
SIZES = range(65)
WIDE = [leaf_hash(number.to_bytes(2, "big")) for number in range(64)]


def power_below(size):
    return max(2**k for k in range(10) if 2**k < size)


def mth(data):
    """MTH(D[n]) of section 2.1, from the entries themselves."""
    if len(data) == 0:
        return sha256(b"").digest()
    if len(data) == 1:
        return sha256(b"\x00" + data[0]).digest()
    k = power_below(len(data))
    return sha256(b"\x01" + mth(data[:k]) + mth(data[k:])).digest()


def path(m, data):
    """PATH(m, D[n]) of section 2.1.1."""
    if len(data) == 1:
        return []
    k = power_below(len(data))
    if m < k:
        return [*path(m, data[:k]), mth(data[k:])]
    return [*path(m - k, data[k:]), mth(data[:k])]


def subproof(m, data, b):
    """SUBPROOF(m, D[n], b) of section 2.1.2."""
    if m == len(data):
        return [] if b else [mth(data)]
    k = power_below(len(data))
    if m <= k:
        return [*subproof(m, data[:k], b), mth(data[k:])]
    return [*subproof(m - k, data[k:], False), mth(data[:k])]


def root_of(hashes):
    frontier = Frontier()
    for leaf in hashes:
        frontier = append(frontier, leaf)
    return root(frontier)


ENTRIES = [number.to_bytes(2, "big") for number in range(64)]
ROOTS_64 = [root_of(WIDE[:size]) for size in SIZES]


def refused(**check):
    with pytest.raises(SignatureError) as failure:
        verify_inclusion(**check) if "leaf" in check else verify_consistency(**check)
    return failure.value.code


@pytest.mark.parametrize("size", range(9))
def test_roots_are_those_of_certificate_transparency(size):
    assert root_of([leaf_hash(leaf) for leaf in LEAVES[:size]]).hex() == ROOTS[size]
    assert mth(LEAVES[:size]).hex() == ROOTS[size]


@pytest.mark.parametrize(("index", "size"), INCLUSION)
def test_audit_paths_are_those_of_certificate_transparency(index, size):
    proof = inclusion_proof(nodes_over([leaf_hash(leaf) for leaf in LEAVES]), index, size)
    assert [step.hex() for step in proof] == INCLUSION[index, size]
    assert [step.hex() for step in path(index, LEAVES[:size])] == INCLUSION[index, size]


@pytest.mark.parametrize(("old_size", "new_size"), CONSISTENCY)
def test_consistency_proofs_are_those_of_certificate_transparency(old_size, new_size):
    proof = consistency_proof(nodes_over([leaf_hash(leaf) for leaf in LEAVES]), old_size, new_size)
    assert [step.hex() for step in proof] == CONSISTENCY[old_size, new_size]
    naive = subproof(old_size, LEAVES[:new_size], True)
    assert [step.hex() for step in naive] == CONSISTENCY[old_size, new_size]


def test_the_empty_tree_has_the_hash_of_nothing():
    assert root(Frontier()) == EMPTY_ROOT == sha256(b"").digest()


def test_a_node_can_never_pass_for_a_leaf():
    left, right = leaf_hash(b"l"), leaf_hash(b"r")
    assert leaf_hash(left + right) != node_hash(left, right)


def test_the_frontier_keeps_one_peak_for_each_one_bit_of_the_size():
    frontier = Frontier()
    for size, leaf in enumerate(WIDE, start=1):
        frontier = append(frontier, leaf)
        assert (frontier.size, len(frontier.peaks)) == (size, size.bit_count())
        assert root(frontier) == mth(ENTRIES[:size])


def test_growing_names_the_nodes_an_append_completes():
    a, b, c, d = WIDE[:4]
    frontier, nodes = grow(Frontier(), a)
    assert nodes == (Node(0, 0, a),)
    frontier, nodes = grow(frontier, b)
    assert nodes == (Node(0, 1, b), Node(1, 0, node_hash(a, b)))
    frontier, nodes = grow(frontier, c)
    assert nodes == (Node(0, 2, c),)
    _, nodes = grow(frontier, d)
    whole = node_hash(node_hash(a, b), node_hash(c, d))
    assert nodes == (Node(0, 3, d), Node(1, 1, node_hash(c, d)), Node(2, 0, whole))


def test_proofs_from_stored_nodes_are_those_from_leaves():
    stored, frontier = {}, Frontier()
    for leaf in WIDE[:45]:
        frontier, nodes = grow(frontier, leaf)
        stored |= {(node.height, node.index): node.hash for node in nodes}

    def stored_at(height, index):
        return stored[height, index]

    over = nodes_over(WIDE)
    for index in range(45):
        assert inclusion_proof(stored_at, index, 45) == inclusion_proof(over, index, 45)
    for old_size in range(46):
        assert consistency_proof(stored_at, old_size, 45) == consistency_proof(over, old_size, 45)


@pytest.mark.parametrize("size", range(1, 65))
def test_every_leaf_of_every_size_has_the_defined_proof_and_it_verifies(size):
    over = nodes_over(WIDE)
    for index in range(size):
        proof = inclusion_proof(over, index, size)
        assert list(proof) == path(index, ENTRIES[:size])
        verify_inclusion(WIDE[index], index=index, size=size, proof=proof, root_hash=ROOTS_64[size])


@pytest.mark.parametrize("size", range(1, 65))
def test_no_proof_shows_another_leaf_index_or_root(size):
    over = nodes_over(WIDE)
    for index in range(size):
        right = {
            "leaf": WIDE[index],
            "index": index,
            "size": size,
            "proof": inclusion_proof(over, index, size),
            "root_hash": ROOTS_64[size],
        }
        assert refused(**right | {"leaf": leaf_hash(b"another")}) == "hash_mismatch"
        assert refused(**right | {"root_hash": EMPTY_ROOT}) == "hash_mismatch"
        assert refused(**right | {"proof": (*right["proof"], EMPTY_ROOT)}) == "hash_mismatch"
        if size > 1:
            other = (index + 1) % size
            assert refused(**right | {"index": other}) == "hash_mismatch"
            assert refused(**right | {"proof": right["proof"][:-1]}) == "hash_mismatch"
            broken = (EMPTY_ROOT, *right["proof"][1:])
            assert refused(**right | {"proof": broken}) == "hash_mismatch"


@pytest.mark.parametrize("new_size", SIZES)
def test_every_pair_of_sizes_has_the_defined_proof_and_it_verifies(new_size):
    over = nodes_over(WIDE)
    for old_size in range(new_size + 1):
        proof = consistency_proof(over, old_size, new_size)
        assert list(proof) == (subproof(old_size, ENTRIES[:new_size], True) if old_size else [])
        verify_consistency(
            old_size=old_size,
            old_root=ROOTS_64[old_size],
            new_size=new_size,
            new_root=ROOTS_64[new_size],
            proof=proof,
        )


@pytest.mark.parametrize("new_size", SIZES)
def test_no_consistency_proof_shows_another_root(new_size):
    over = nodes_over(WIDE)
    wrong = leaf_hash(b"another")
    for old_size in range(new_size + 1):
        right = {
            "old_size": old_size,
            "old_root": ROOTS_64[old_size],
            "new_size": new_size,
            "new_root": ROOTS_64[new_size],
            "proof": consistency_proof(over, old_size, new_size),
        }
        assert refused(**right | {"old_root": wrong}) == "hash_mismatch"
        if old_size or not new_size:
            assert refused(**right | {"new_root": wrong}) == "hash_mismatch"
        assert refused(**right | {"proof": (*right["proof"], wrong)}) == "hash_mismatch"
        if right["proof"]:
            assert refused(**right | {"proof": right["proof"][:-1]}) == "hash_mismatch"
            assert refused(**right | {"proof": (wrong, *right["proof"][1:])}) == "hash_mismatch"


def test_a_rewritten_log_is_not_consistent_with_its_past():
    forged = [*WIDE[:10], leaf_hash(b"rewritten"), *WIDE[11:30]]
    proof = consistency_proof(nodes_over(forged), 20, 30)
    assert (
        refused(
            old_size=20,
            old_root=ROOTS_64[20],
            new_size=30,
            new_root=root_of(forged),
            proof=proof,
        )
        == "hash_mismatch"
    )


@pytest.mark.parametrize(("index", "size"), [(-1, 4), (4, 4), (0, 0), (0, SIZE_MAX + 1)])
def test_a_leaf_outside_the_tree_is_misuse_to_prove_and_unproven_to_verify(index, size):
    with pytest.raises(MisuseError):
        inclusion_proof(nodes_over(WIDE), index, size)
    check = {"leaf": WIDE[0], "index": index, "size": size, "proof": (), "root_hash": EMPTY_ROOT}
    assert refused(**check) == "hash_mismatch"


@pytest.mark.parametrize(("old_size", "new_size"), [(-1, 4), (5, 4), (1, SIZE_MAX + 1)])
def test_a_tree_outside_the_other_is_misuse_to_prove_and_unproven_to_verify(old_size, new_size):
    with pytest.raises(MisuseError):
        consistency_proof(nodes_over(WIDE), old_size, new_size)
    check = {
        "old_size": old_size,
        "old_root": EMPTY_ROOT,
        "new_size": new_size,
        "new_root": EMPTY_ROOT,
        "proof": (),
    }
    assert refused(**check) == "hash_mismatch"


def test_the_longest_log_still_has_a_short_path_to_check():
    # 2^53 - 1 leaves: the path of the first one has 53 steps, and verifying costs as many.
    proof = tuple(WIDE[:53])
    expected = WIDE[63]
    for step in proof:
        expected = node_hash(expected, step)
    verify_inclusion(WIDE[63], index=0, size=SIZE_MAX, proof=proof, root_hash=expected)
    assert (
        refused(leaf=WIDE[63], index=1, size=SIZE_MAX, proof=proof, root_hash=expected)
        == "hash_mismatch"
    )
