"""A filter of names: whether a stream may be in the file, or certainly is not.

Most messages that open something name a stream nobody has heard of, and asking the file about
each of them was a tenth of what such a message cost. The filter answers for the file without
being wrong about a name that is there: it says *perhaps* for all of those, and for few others.

It has a fixed size. With a million names in it, one unknown name in seventy is looked up in vain;
with very many more all of them are, as without it.
"""

from __future__ import annotations

from typing import Final

FILTER_BYTES: Final = 2 * 1_048_576

_BITS: Final = FILTER_BYTES * 8
_MASK: Final = _BITS - 1


class Names:
    """Two bits for every name, out of sixteen million."""

    __slots__ = ("_bits",)

    def __init__(self) -> None:
        self._bits = bytearray(FILTER_BYTES)

    def add(self, name: str) -> None:
        """Perhaps it is there, from now on."""
        for bit in _bits_of(name):
            self._bits[bit >> 3] |= 1 << (bit & 7)

    def may_have(self, name: str) -> bool:
        """False only for a name that was never added."""
        return all(self._bits[bit >> 3] >> (bit & 7) & 1 for bit in _bits_of(name))


def _bits_of(name: str) -> tuple[int, int]:
    """Two places for a name; the hash has a key of this process, so nobody can aim at them."""
    mixed = hash(name)
    return mixed & _MASK, mixed >> 32 & _MASK
