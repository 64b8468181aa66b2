"""Decompression that stops at a limit, so that a small answer cannot become a large one."""

from __future__ import annotations

import zlib
from typing import Final

STEP_BYTES: Final = 64 * 1024
MEMBERS_MAX: Final = 64

_GZIP: Final = zlib.MAX_WBITS | 16


class UnreadableError(Exception):
    """The body is not in the encoding it names, or in one that was not asked for."""


class Inflated:
    """A body as it comes, plain or in gzip, counted after decompression."""

    def __init__(self, encoding: str, bytes_max: int) -> None:
        name = encoding.strip().lower()
        if name not in ("", "identity", "gzip", "x-gzip"):
            raise UnreadableError("the answer has an encoding nobody asked for")
        self._inflater = zlib.decompressobj(_GZIP) if name.endswith("gzip") else None
        self._body = bytearray()
        self._members = 1
        self.bytes_max = bytes_max

    def feed(self, chunk: bytes) -> bool:
        """Take a chunk; False when the body passes the limit, and nothing more is read."""
        if self._inflater is None:
            self._body += chunk
            return len(self._body) <= self.bytes_max
        try:
            return self._inflate(chunk)
        except zlib.error as error:
            raise UnreadableError("the answer is not compressed as it says") from error

    def whole(self) -> bytes:
        """The body, once all of it came."""
        if self._inflater is not None and self._body and not self._inflater.eof:
            raise UnreadableError("the answer ends before its compressed body does")
        return bytes(self._body)

    def _inflate(self, chunk: bytes) -> bool:
        while chunk:
            inflater = self._current()
            piece = inflater.decompress(chunk, STEP_BYTES)
            self._body += piece
            if len(self._body) > self.bytes_max:
                return False
            chunk = inflater.unused_data if inflater.eof else inflater.unconsumed_tail
            if not chunk and len(piece) == STEP_BYTES:
                # All input is taken, and more output may wait inside.
                self._body += inflater.decompress(b"", STEP_BYTES)
        return len(self._body) <= self.bytes_max

    def _current(self) -> zlib._Decompress:
        """The decompressor for what comes next; gzip may have several members in a row."""
        assert self._inflater is not None
        if self._inflater.eof:
            self._members += 1
            if self._members > MEMBERS_MAX:
                raise UnreadableError("the answer is compressed in too many parts")
            self._inflater = zlib.decompressobj(_GZIP)
        return self._inflater
