"""JSON at the edge: RFC 8785 bytes out, strict JSON in.

Laws: one function makes canonical bytes, and everything hashed or signed passes through it; one
function reads JSON, and what it accepts has exactly one meaning (ASP B3, B12). Whatever
``read_json`` accepts has canonical bytes, and ``read_json`` accepts those again. Hostile input
ends in ``WireError`` after work linear in its size.

Read next: ``digest`` for what is made of the bytes, ``money`` for what numbers mean.
"""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation
from typing import Any, Final, TypeAlias

import orjson
import rfc8785

from treaty.errors import WireError, shown

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"

INT_MAX: Final = 2**53 - 1
"""The largest integer that every JSON reader keeps exactly (I-JSON)."""

SIZE_MAX_BYTES: Final = 262_144
DEPTH_MAX: Final = 32
CANONICAL_DEPTH_MAX: Final = 64
"""Deeper than ``DEPTH_MAX``: files of ours hold received messages inside their own nesting."""

# Which numbers keep orjson from writing a document canonically, as bits that add up.
_NONE: Final = 0
_WHOLE_FLOATS: Final = 1
_ODD_FLOATS: Final = 2

_ATOMS: Final = frozenset((str, int, bool, type(None)))
_ORJSON_OPTIONS: Final = orjson.OPT_SORT_KEYS | orjson.OPT_STRICT_INTEGER
_BELOW_ASTRAL: Final = bytes(range(0xF0))
"""The bytes that begin or continue a UTF-8 character up to U+FFFF."""

_NUMBER: Final = re.compile(rb"-?[0-9][0-9.eE+-]*")
_INTEGER: Final = re.compile(rb"-?[0-9]+")
# Fifteen characters without an exponent are at most fifteen digits: below 2^53, and exactly the
# value that the nearest double prints as. Only what matches here needs a closer look.
_UNUSUAL_NUMBER: Final = re.compile(rb"[0-9](?:[eE]|[0-9.]{15})")

_ONE_BRACKET: Final = bytes.maketrans(b"{}", b"[]")
_NOT_BRACKETS: Final = bytes(set(range(256)) - set(b"[]{}"))


def canonical(value: Json) -> bytes:
    """The RFC 8785 bytes of a JSON value (ASP B3).

    Raises ``WireError`` for what has none: NaN and infinities, lone surrogates, integers beyond
    ±(2^53-1), keys that are not strings, other types, more than 64 levels of nesting.
    """
    foreign = _foreign_numbers(value)
    try:
        if foreign & _ODD_FLOATS:
            return rfc8785.dumps(value)
        written = orjson.dumps(_lowered(value) if foreign else value, option=_ORJSON_OPTIONS)
        # RFC 8785 sorts names by UTF-16 units, orjson by UTF-8 bytes: the same order, unless
        # there are characters beyond U+FFFF.
        if written.isascii() or not written.translate(None, _BELOW_ASTRAL):
            return written
        return rfc8785.dumps(value)
    except (rfc8785.CanonicalizationError, UnicodeEncodeError, TypeError) as error:
        raise WireError(f"no canonical form: {error}") from error
    except RecursionError as error:
        # Only a caller who stands near the end of the interpreter's stack gets here.
        raise WireError("no stack left to write this nesting") from error


def _foreign_numbers(value: Json) -> int:
    """Check types and nesting of a document, and say which floats orjson writes differently."""
    foreign = _NONE
    stack: list[tuple[Any, int]] = [([value], 0)]
    while stack:
        children, depth = stack.pop()
        if depth > CANONICAL_DEPTH_MAX:
            raise WireError(f"nested deeper than {CANONICAL_DEPTH_MAX}")
        for child in children:
            kind = type(child)
            if kind in _ATOMS:
                continue
            if kind is dict:
                stack.append((child.values(), depth + 1))
            elif kind is list:
                stack.append((child, depth + 1))
            elif kind is float:
                foreign |= _foreign_float(child)
            else:
                raise WireError(f"not a JSON value: {kind.__name__}")
    return foreign


def _foreign_float(number: float) -> int:
    if number.is_integer():
        return _WHOLE_FLOATS if abs(number) <= INT_MAX else _ODD_FLOATS
    # In this range both write the shortest digits without an exponent. A fraction is always
    # below 2^53; what the upper bound keeps out is infinity, and NaN fails both comparisons.
    return _NONE if 1e-4 <= abs(number) <= INT_MAX else _ODD_FLOATS


def _lowered(value: Any) -> Any:
    """A copy in which 180.0 is the integer 180, which is how RFC 8785 writes it."""
    kind = type(value)
    if kind is str:
        return value
    if kind is dict:
        return {name: _lowered(member) for name, member in value.items()}
    if kind is list:
        return [_lowered(item) for item in value]
    return int(value) if kind is float and value.is_integer() else value


def read_json(
    raw: bytes,
    *,
    size_max: int = SIZE_MAX_BYTES,
    depth_max: int = DEPTH_MAX,
    exact_numbers: bool = False,
) -> Json:
    """Read one JSON document strictly (ASP B3): UTF-8 without a mark, nothing after it.

    ``size_max`` is in bytes, ``depth_max`` in nested arrays and objects; both are checked before
    anything is built. Raises ``WireError``, reason ``too_large`` for the size and ``malformed``
    for all else: names given twice (however escaped), NaN, overflow, lone surrogates, numbers
    whose canonical form is an integer beyond ±(2^53-1). With ``exact_numbers`` also a number
    whose decimal value differs from that of its RFC 8785 rendering (ASP B12).
    """
    if len(raw) > size_max:
        raise WireError(f"{len(raw)} bytes of JSON, the limit is {size_max}", "too_large")
    # Most messages are flat and have no escapes, and need no skeleton: with every quote of the
    # bytes found again in the value no name was lost, and the walk that counts them has seen
    # every number. That is half of the time of this function.
    plain = b"\\" not in raw and raw.count(b"[") + raw.count(b"{") <= depth_max
    if not plain:
        _check_depth(_without_strings(raw), depth_max)
    try:
        value: Json = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        # Not chained: the original error keeps the whole document alive.
        raise WireError(f"not JSON: {error.msg} at byte {error.pos}") from None
    if plain and raw.count(b'"') == 2 * _count_texts(value):
        return value
    skeleton = _without_strings(raw)
    if _UNUSUAL_NUMBER.search(skeleton) is not None:
        _check_numbers(skeleton, exact_numbers)
    # A repeated name is written twice and kept once, so the parser itself decides what "the
    # same name" means, escapes decoded.
    if skeleton.count(b":") != _count_members(value):
        raise WireError("an object gives one name twice")
    return value


def _without_strings(raw: bytes) -> bytes:
    """The document without its strings: brackets, commas, colons, numbers and literals.

    Exact for well-formed JSON, where backslashes stand in strings only: pairs of them are taken
    out first, then a quote behind one that is left is an escaped quote. Of what the quotes that
    remain set apart, every other piece is a string.
    """
    if b"\\" in raw:
        raw = raw.replace(b"\\\\", b"").replace(b'\\"', b"")
    return b"".join(raw.split(b'"')[::2])


def _check_depth(skeleton: bytes, depth_max: int) -> None:
    if skeleton.count(b"[") + skeleton.count(b"{") <= depth_max:
        return
    # Each round takes the innermost brackets away, so the rounds count the levels.
    brackets = skeleton.translate(_ONE_BRACKET, _NOT_BRACKETS)
    for _ in range(depth_max):
        brackets = brackets.replace(b"[]", b"")
    if brackets:
        raise WireError(f"nested deeper than {depth_max}, or brackets that do not match")


def _check_numbers(skeleton: bytes, exact_numbers: bool) -> None:
    for token in set(_NUMBER.findall(skeleton)):
        text = token.decode("ascii")
        number = float(text)
        # Written out, such an integer could not be read again; RFC 8785 writes it out up to 1e21.
        if abs(number) > INT_MAX and (abs(number) < 1e21 or _INTEGER.fullmatch(token)):
            raise WireError(f"integer beyond 2^53-1: {shown(text)}")
        if exact_numbers and not _is_exact(text, number):
            raise WireError(f"number that no double holds: {shown(text)}")


def _is_exact(text: str, number: float) -> bool:
    # repr gives the digits of RFC 8785, only laid out differently.
    try:
        return Decimal(text) == Decimal(repr(number))
    except InvalidOperation:
        # An exponent beyond what Decimal reads, so beyond any double.
        return False


def _count_texts(value: Json) -> int:
    """How many names and texts there are; -1 where a number needs a closer look."""
    total = 0
    stack: list[Any] = [(value,)]
    while stack:
        for child in stack.pop():
            kind = type(child)
            if kind is str:
                total += 1
            elif kind is dict:
                total += len(child)
                stack.append(child.values())
            elif kind is list:
                stack.append(child)
            elif kind is float or (kind is int and not -INT_MAX <= child <= INT_MAX):
                return -1
    return total


def _count_members(value: Json) -> int:
    total = 0
    stack: list[Any] = [[value]]
    while stack:
        for child in stack.pop():
            kind = type(child)
            if kind is dict:
                total += len(child)
                stack.append(child.values())
            elif kind is list:
                stack.append(child)
    return total
