"""A map that is never changed: putting an entry gives a new map that shares nearly all of the old.

Laws: what a caller holds never changes under it; ``put`` and ``without`` cost the logarithm of
the size, so that a fold over n facts costs n log n and not n²; two maps are equal when their
entries are. The order of ``items`` means nothing: sort before anything is shown or hashed.

Inside: small dicts in an eight-way tree, chosen by bits of the key's hash. Those bits differ
from process to process, which is why the order must mean nothing, and why a stranger cannot
choose keys that fall together.

Read next: ``window``, the other value a long fold needs.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final, Generic, TypeVar

_BITS: Final = 3
_MASK: Final = (1 << _BITS) - 1
_LEAF_MAX: Final = 32
_SHIFT_MAX: Final = 60
"""Below this depth the hash has no bits left; a leaf then grows instead of splitting."""

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


@dataclass(frozen=True, slots=True, eq=False)
class PersistentMap(Generic[K, V]):
    """A mapping from hashable keys to values. ``PersistentMap()`` is the empty one."""

    _root: Any = field(default_factory=dict)
    """A leaf (``dict``) or eight nodes (``tuple``); typed loosely because it nests."""
    _size: int = 0

    def get(self, key: K) -> V | None:
        """Return the value of ``key``, or None."""
        value: V | None = _leaf(self._root, key).get(key)
        return value

    def put(self, key: K, value: V) -> PersistentMap[K, V]:
        """Return this map with ``key`` standing for ``value``."""
        size = self._size if key in self else self._size + 1
        return PersistentMap(_put(self._root, 0, key, value), size)

    def without(self, key: K) -> PersistentMap[K, V]:
        """Return this map without ``key``; the same map when it is not there."""
        if key not in self:
            return self
        return PersistentMap(_without(self._root, 0, key), self._size - 1)

    def items(self) -> Iterator[tuple[K, V]]:
        """Walk over the entries in no particular order."""
        return _walk(self._root)

    def __contains__(self, key: K) -> bool:
        return key in _leaf(self._root, key)

    def __len__(self) -> int:
        return self._size

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, PersistentMap):
            return NotImplemented
        return len(self) == len(other) and dict(self.items()) == dict(other.items())


def _way(key: Hashable, shift: int) -> int:
    return hash(key) >> shift & _MASK


def _leaf(node: Any, key: Hashable) -> dict[Any, Any]:
    shift = 0
    while isinstance(node, tuple):
        node = node[_way(key, shift)]
        shift += _BITS
    leaf: dict[Any, Any] = node
    return leaf


def _put(node: Any, shift: int, key: Hashable, value: object) -> Any:
    if isinstance(node, tuple):
        way = _way(key, shift)
        return (*node[:way], _put(node[way], shift + _BITS, key, value), *node[way + 1 :])
    grown = {**node, key: value}
    return grown if len(grown) <= _LEAF_MAX or shift > _SHIFT_MAX else _split(grown, shift)


def _split(leaf: dict[Any, Any], shift: int) -> tuple[dict[Any, Any], ...]:
    ways: tuple[dict[Any, Any], ...] = tuple({} for _ in range(1 << _BITS))
    for key, value in leaf.items():
        ways[_way(key, shift)][key] = value
    return ways


def _without(node: Any, shift: int, key: Hashable) -> Any:
    if isinstance(node, tuple):
        way = _way(key, shift)
        return (*node[:way], _without(node[way], shift + _BITS, key), *node[way + 1 :])
    return {name: value for name, value in node.items() if name != key}


def _walk(node: Any) -> Iterator[tuple[Any, Any]]:
    if isinstance(node, tuple):
        for child in node:
            yield from _walk(child)
    else:
        yield from node.items()
