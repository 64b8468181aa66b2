"""Machine checks: what a URL must answer for a promise to count as kept (ASP decision B13).

A check is agreed in the commitment; the host fetches, and states what it read as a signed fact.
Everybody who folds that fact decides here, from the same status and value, whether it holds.
Numbers are compared exactly, by their RFC 8785 rendering.

    {"url": "https://…", "by": "agent://…", "pointer": "/uptime", "op": ">=", "expect": 0.9995}

Read next: ``obligation``, which asks for checks and acts on what they say.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType
from typing import Final
from urllib.parse import urlsplit

from treaty.errors import Refused, WireError, shown
from treaty.wire import fields
from treaty.wire.canonical import Json, canonical, read_json
from treaty.wire.money import decimal_number

FETCHES_MAX: Final = 3
"""A fetch without an answer is tried so often; then the check cannot be made (B13)."""
URL_CHARS_MAX: Final = 2_048
POINTER_STEPS_MAX: Final = 32
METRIC_SKEW_MS: Final = 60_000
"""How far ahead of the host's the clock of whoever signs a metric may be."""
METRIC_AGE_MS: Final = 300_000
"""A signed metric may have been measured so long ago, unless ``maxAgeMs`` says otherwise."""
METRIC_AGE_LEAST_MS: Final = 1_000
METRIC_AGE_MOST_MS: Final = 86_400_000
VALUE_BYTES_MAX: Final = 1_024
"""A value that is longer is not stated in the log; no check holds for it."""

_OPS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "==": "eq", "=": "eq", "eq": "eq", "!=": "ne", "ne": "ne",
        ">=": "ge", "gte": "ge", "ge": "ge", ">": "gt", "gt": "gt",
        "<=": "le", "lte": "le", "le": "le", "<": "lt", "lt": "lt",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Check:
    """What to fetch, where to look in the answer, and what must be found there."""

    url: str
    by: str | None = None
    """The agent whose measurement it is; said for people."""
    key: str | None = None
    """The key that signs the answer, a record of kind ``metric``; without it the host's word."""
    pointer: str | None = None
    """JSON pointer (RFC 6901); None asks for the status alone."""
    op: str = "eq"
    expect: Json = None
    max_age_ms: int = METRIC_AGE_MS
    """How old a signed answer may be; what is not signed is as old as its fetch."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What one fetch gave."""

    status: int | None
    """None when there was no answer."""
    value: Json = None
    body_hash: str | None = None

    @property
    def answered(self) -> bool:
        """True when somebody answered, whatever it was."""
        return self.status is not None


def read_check(
    stated: fields.Object, *, needs_value: bool, max_age_ms: int = METRIC_AGE_MS
) -> Check:
    """Read ``verification``, or the ``metric`` of a schedule.

    ``needs_value``: a pointer, an op and a value to compare with must be there; else the status
    may be all. ``max_age_ms`` holds where no ``maxAgeMs`` is stated. ``key`` is the caller's to
    read. Raises ``Refused`` (``commitment_invalid``).
    """
    try:
        url = fields.text(stated, "url", chars_max=URL_CHARS_MAX)
        pointer = fields.text_or(stated, "pointer")
        op = fields.text_or(stated, "op")
        age = fields.integer_or(
            stated, "maxAgeMs", least=METRIC_AGE_LEAST_MS, most=METRIC_AGE_MOST_MS
        )
        check = Check(
            url=_fetchable(url),
            by=fields.text_or(stated, "by"),
            pointer=_pointer(pointer),
            op="eq" if op is None else _OPS.get(op, ""),
            expect=stated.get("expect"),
            max_age_ms=max_age_ms if age is None else age,
        )
    except WireError as error:
        raise Refused(f"verification: {error.detail}", "commitment_invalid") from error
    # A signed answer is read for what it states; its status is nobody's statement.
    _check_comparison(check, op, needs_value=needs_value or stated.get("key") is not None)
    return check


def _fetchable(url: str) -> str:
    """Refuse what no host would fetch; where it leads is looked at when it is fetched."""
    try:
        parts = urlsplit(url)
        sound = parts.scheme in ("http", "https") and parts.hostname and parts.username is None
    except ValueError:
        sound = False
    if not sound or not url.isascii() or not url.isprintable() or " " in url:
        raise WireError(f"url must be an http or https address, not {shown(url)}")
    return url


def _pointer(pointer: str | None) -> str | None:
    if pointer is None:
        return None
    if (pointer and not pointer.startswith("/")) or pointer.count("/") > POINTER_STEPS_MAX:
        raise WireError(f"pointer must be a JSON pointer, not {shown(pointer)}")
    return pointer


def _check_comparison(check: Check, op: str | None, *, needs_value: bool) -> None:
    if not check.op:
        raise Refused(f"op {shown(op)} is not known", "commitment_invalid")
    if check.pointer is None:
        if needs_value:
            raise Refused("a metric needs pointer, op and expect", "commitment_invalid")
        return
    if check.expect is None:
        raise Refused("a pointer needs a value to expect there, not null", "commitment_invalid")
    ordering = check.op not in ("eq", "ne")
    if not _is_scalar(check.expect) or (ordering and _number(check.expect) is None):
        raise Refused(
            f"expect is a plain value, and a number for {shown(op)}, not {shown(check.expect)}",
            "commitment_invalid",
        )


def _is_scalar(value: Json) -> bool:
    return not isinstance(value, dict | list) and len(canonical(value)) <= VALUE_BYTES_MAX


def _number(value: Json) -> Decimal | None:
    """A JSON number, or decimal text, exactly."""
    try:
        if isinstance(value, str):
            number = Decimal(value) if value.isascii() and len(value) <= 64 else None
            return number if number is not None and number.is_finite() else None
        return decimal_number(value)
    except (WireError, ArithmeticError):
        return None


def value_in(check: Check, body: bytes, depth_max: int) -> Json:
    """The plain value a check looks for in an answer; None when it is not there.

    An answer that is no JSON, or has something larger in that place, holds no value.
    """
    if check.pointer is None:
        return None
    try:
        found = look_up(
            read_json(body, size_max=len(body) or 1, depth_max=depth_max), check.pointer
        )
        return found if _is_scalar(found) else None
    except (WireError, LookupError):
        return None


def look_up(document: Json, pointer: str) -> Json:
    """Follow a JSON pointer. Raises ``LookupError`` where it leads nowhere."""
    found = document
    for step in pointer.split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~")
        if isinstance(found, dict):
            found = found[name]
        elif isinstance(found, list) and name.isascii() and name.isdigit() and len(name) <= 9:
            found = found[int(name)]
        else:
            raise LookupError(name)
    return found


def is_timely(check: Check, signed: fields.Object, at_ms: int) -> bool:
    """Tell whether a signed metric was measured when it was asked for, by its member ``at``.

    Otherwise a good answer could be given again for ever. One that does not say when is not.
    """
    try:
        measured_ms = fields.instant(signed, "at")
    except WireError:
        return False
    return at_ms - check.max_age_ms <= measured_ms <= at_ms + METRIC_SKEW_MS


def holds(check: Check, reading: Reading) -> bool:
    """Tell whether an answer is what was agreed: a 2xx status and, if asked for, the value.

    Where no value was found nothing holds, ``ne`` neither: an answer that cannot be read, or that
    another key has signed, says nothing.
    """
    if reading.status is None or not 200 <= reading.status < 300:
        return False
    if check.pointer is None:
        return True
    if reading.value is None:
        return False
    found, expected = _number(reading.value), _number(check.expect)
    if found is not None and expected is not None:
        return _compare(check.op, found, expected)
    same = _same(reading.value, check.expect)
    return same if check.op == "eq" else check.op == "ne" and not same


def _compare(op: str, found: Decimal, expected: Decimal) -> bool:
    match op:
        case "eq":
            return found == expected
        case "ne":
            return found != expected
        case "ge":
            return found >= expected
        case "gt":
            return found > expected
        case "le":
            return found <= expected
    return found < expected


def _same(one: Json, other: Json) -> bool:
    # Canonical bytes, because Python finds 1 equal to true.
    return canonical(one) == canonical(other)
