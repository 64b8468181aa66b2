"""JSON at the edge: RFC 8785 bytes out, strict JSON in.

Laws: one function makes canonical bytes, and everything hashed or signed passes through it;
one function reads JSON, and what it accepts has exactly one meaning (ASP B3, B12).

Read next: ``digest`` for what is made of the bytes, ``money`` for what numbers mean.
"""

from __future__ import annotations

import math
import re
from decimal import Decimal, InvalidOperation
from typing import Final, TypeAlias

import orjson
import rfc8785

from treaty.errors import WireError, shown

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"

INT_MAX: Final = 2**53 - 1
"""The largest integer that every JSON reader keeps exactly (I-JSON)."""

SIZE_MAX_BYTES: Final = 262_144
DEPTH_MAX: Final = 32
CANONICAL_DEPTH_MAX: Final = 128


def canonical(value: Json) -> bytes:
    """The RFC 8785 bytes of a JSON value."""
    _check(value)
    try:
        return rfc8785.dumps(value)
    except rfc8785.CanonicalizationError as error:
        raise WireError(f"no canonical form: {error}") from error


def _check(value: object) -> None:
    stack = [(value, 0)]
    while stack:
        item, depth = stack.pop()
        if depth > CANONICAL_DEPTH_MAX:
            raise WireError("nested too deep")
        if type(item) is dict:
            for key in item:
                if type(key) is not str:
                    raise WireError(f"object key is not a string: {shown(key)}")
                _encodable(key)
            stack.extend((child, depth + 1) for child in item.values())
        elif type(item) is list:
            stack.extend((child, depth + 1) for child in item)
        elif type(item) is str:
            _encodable(item)
        elif item is not None and type(item) not in (bool, int, float):
            raise WireError(f"not a JSON value: {shown(item)}")


def _encodable(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise WireError(f"lone surrogate in {shown(text)}") from error


def read_json(
    raw: bytes,
    *,
    size_max: int = SIZE_MAX_BYTES,
    depth_max: int = DEPTH_MAX,
    exact_numbers: bool = False,
) -> Json:
    """Read one strict JSON document."""
    if len(raw) > size_max:
        raise WireError(f"body of {len(raw)} bytes, the limit is {size_max}", "too_large")
    outside = _outside_strings(raw)
    _check_depth(outside, depth_max)
    try:
        value: Json = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise WireError(f"not JSON: {error.msg} at {error.pos}") from None
    _check_numbers(outside, exact_numbers)
    if _count_keys(value) != outside.count(b":"):
        raise WireError("an object has two members of one name")
    return value


def _outside_strings(raw: bytes) -> bytes:
    if b"\\" in raw:
        raw = raw.replace(b"\\\\", b"").replace(b'\\"', b"")
    return b"".join(raw.split(b'"')[::2])


def _check_depth(outside: bytes, depth_max: int) -> None:
    if outside.count(b"{") + outside.count(b"[") <= depth_max:
        return
    brackets = re.sub(rb"[^\[\]{}]+", b"", outside).replace(b"{", b"[").replace(b"}", b"]")
    for _ in range(depth_max):
        brackets = brackets.replace(b"[]", b"")
    if brackets:
        raise WireError(f"nested deeper than {depth_max}")


_NUMBER: Final = re.compile(rb"-?[0-9][0-9.eE+-]*")


def _check_numbers(outside: bytes, exact: bool) -> None:
    for token in _NUMBER.findall(outside):
        text = token.decode("ascii")
        number = float(text)
        if abs(number) > INT_MAX and (abs(number) < 1e21 or text.lstrip("-").isdigit()):
            raise WireError(f"integer beyond 2^53-1: {shown(text)}")
        try:
            same = Decimal(text) == Decimal(repr(number))
        except InvalidOperation:
            same = False
        if math.isinf(number) or (exact and not same):
            raise WireError(f"number is not what it says: {shown(text)}")


def _count_keys(value: Json) -> int:
    total, stack = 0, [value]
    while stack:
        item = stack.pop()
        if isinstance(item, dict):
            total += len(item)
            stack.extend(item.values())
        elif isinstance(item, list):
            stack.extend(item)
    return total
