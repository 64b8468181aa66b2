"""MessagePack as another spelling of JSON values, read as strictly as JSON is (ASP B23).

Laws: what is read is a JSON value and nothing else; what JSON has no word for (binary, extension,
32-bit floats, names that are no text or are given twice, NaN, numbers beyond 2^53-1) is refused
before a library decodes; sizes and nesting are bounded before anything is built. The hash of a
message is that of its value (RFC 8785), so it is the same in either spelling.

A document is a map, and no JSON text begins like one: ``is_packed`` tells them apart.

Read next: ``canonical`` for JSON itself.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from struct import unpack_from
from typing import Any, Final

from treaty.errors import WireError, shown
from treaty.wire.canonical import DEPTH_MAX, INT_MAX, Json

_MAP16: Final = 0xDE
_MAP32: Final = 0xDF


def is_packed(raw: bytes) -> bool:
    """True for a document in MessagePack: it begins with a map, as no JSON does."""
    first = raw[0] if raw else 0
    return 0x80 <= first <= 0x8F or first in (_MAP16, _MAP32)


def read_packed(raw: bytes, *, size_max: int, depth_max: int = DEPTH_MAX) -> Json:
    """Read one document strictly. Raises ``WireError``, ``too_large`` for its size."""
    if len(raw) > size_max:
        raise WireError(f"{len(raw)} bytes of MessagePack, the limit is {size_max}", "too_large")
    _Scan(raw, depth_max).check()
    import msgpack

    try:
        value: Json = msgpack.unpackb(
            raw,
            raw=False,
            strict_map_key=True,
            object_pairs_hook=_object,
        )
    except (ValueError, msgpack.exceptions.UnpackException) as error:
        raise WireError(f"not MessagePack: {shown(str(error))}") from None
    return value


def write_packed(value: Json) -> bytes:
    """A JSON value in MessagePack. Raises ``WireError`` for what has no such form."""
    import msgpack

    try:
        packed: bytes = msgpack.packb(value, use_bin_type=True, strict_types=True)
    except (TypeError, ValueError, OverflowError) as error:
        raise WireError(f"no MessagePack of this: {shown(str(error))}") from None
    return packed


def _object(pairs: list[tuple[Any, Any]]) -> dict[str, Json]:
    found: dict[str, Json] = dict(pairs)
    if len(found) != len(pairs):
        raise WireError("a map gives one name twice")
    return found


def raw_to_json(raw: bytes) -> Json:
    """Received bytes as a value of JSON: the text, or ``{base64}`` for MessagePack (ASP B22)."""
    return {"base64": b64encode(raw).decode("ascii")} if is_packed(raw) else raw.decode("utf-8")


def raw_from_json(value: Json) -> bytes:
    """The received bytes again. Raises ``WireError``."""
    if isinstance(value, dict) and value.keys() == {"base64"}:
        text = value["base64"]
        try:
            raw = b64decode(text, validate=True) if isinstance(text, str) else b""
        except ValueError:
            raw = b""
        if not is_packed(raw) or b64encode(raw).decode("ascii") != text:
            raise WireError("what was received is a text, or MessagePack in base64")
        return raw
    if not isinstance(value, str):
        raise WireError("what was received is a text, or MessagePack in base64")
    try:
        return value.encode("utf-8")
    except UnicodeEncodeError:
        raise WireError("the received text holds a lone surrogate") from None


class _Scan:
    """A walk over the marks of a document, without its values."""

    def __init__(self, raw: bytes, depth_max: int) -> None:
        self._raw = raw
        self._depth_max = depth_max
        self._at = 0

    def check(self) -> None:
        """Raise ``WireError`` unless this is exactly one document of JSON values."""
        # What is still to come on each level: (values, whether names alternate with them).
        levels: list[list[Any]] = [[1, False]]
        while levels:
            top = levels[-1]
            if top[0] == 0:
                levels.pop()
                continue
            top[0] -= 1
            must_be_name = top[1] and top[0] % 2 == 1
            inside = self._value(must_be_name=must_be_name)
            if inside is not None:
                levels.append(inside)
                if len(levels) - 1 > self._depth_max:
                    raise WireError(f"nested deeper than {self._depth_max}")
        if self._at != len(self._raw):
            raise WireError("something follows the document")

    def _value(self, *, must_be_name: bool) -> list[Any] | None:
        """Step over one mark and its bytes; gives what a map or list still holds."""
        mark = self._byte()
        if 0xA0 <= mark <= 0xBF or 0xD9 <= mark <= 0xDB:
            self._skip(mark & 0x1F if mark < 0xC0 else self._number(1 << (mark - 0xD9)))
            return None
        if must_be_name:
            raise WireError("a name of a map is a text")
        if 0x80 <= mark <= 0x8F or mark in (_MAP16, _MAP32):
            count = mark & 0x0F if mark < 0xC0 else self._number(2 << (mark - _MAP16))
            return self._inside(2 * count, is_map=True)
        if 0x90 <= mark <= 0x9F or mark in (0xDC, 0xDD):
            count = mark & 0x0F if mark < 0xC0 else self._number(2 << (mark - 0xDC))
            return self._inside(count, is_map=False)
        self._scalar(mark)
        return None

    def _inside(self, count: int, *, is_map: bool) -> list[Any]:
        # Each value takes a byte at least, so a count beyond that is a lie.
        if count > len(self._raw) - self._at:
            raise WireError("the document ends too early")
        return [count, is_map]

    def _scalar(self, mark: int) -> None:
        if mark <= 0x7F or mark >= 0xE0 or mark in (0xC0, 0xC2, 0xC3):
            return
        if mark == 0xCB:
            start = self._skip(8)
            (number,) = unpack_from(">d", self._raw, start)
            if number != number or number in (float("inf"), float("-inf")):
                raise WireError("a number is finite")
            if number.is_integer() and INT_MAX < abs(number) < 1e21:
                raise WireError(f"integer beyond 2^53-1: {number!r}")
            return
        if 0xCC <= mark <= 0xCF:
            self._check_integer(self._number(1 << (mark - 0xCC)))
            return
        if 0xD0 <= mark <= 0xD3:
            size = 1 << (mark - 0xD0)
            start = self._skip(size)
            self._check_integer(int.from_bytes(self._raw[start : self._at], "big", signed=True))
            return
        raise WireError(f"mark 0x{mark:02x} of MessagePack has no meaning in JSON")

    def _check_integer(self, number: int) -> None:
        if abs(number) > INT_MAX:
            raise WireError(f"integer beyond 2^53-1: {number}")

    def _byte(self) -> int:
        return self._raw[self._skip(1)]

    def _number(self, size: int) -> int:
        start = self._skip(size)
        return int.from_bytes(self._raw[start : self._at], "big")

    def _skip(self, size: int) -> int:
        """Step over bytes; gives where they began."""
        start = self._at
        self._at += size
        if self._at > len(self._raw):
            raise WireError("the document ends too early")
        return start
