"""Numbers that strangers write: amounts, latencies, days. Exact, bounded, never guessed.

What is absent or null is None: unknown. What is stated and cannot be such a number (a boolean, a
negative, a text that is no number, a figure beyond the limits) is a ``WireError``: whoever
states it wrongly is not taken for one who said nothing.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Final

from treaty.dialects.mrp import choices as mrp
from treaty.errors import WireError, shown
from treaty.wire.canonical import Json
from treaty.wire.money import decimal_number

# [0-9]: \d would let other scripts' digits through.
_PLAIN: Final = re.compile(r"[0-9]{1,20}(?:\.[0-9]{1,18})?")
_SPAN: Final = re.compile(r"([0-9]{1,20}(?:\.[0-9]{1,18})?) ?(ms|s|us|µs|μs|)", re.IGNORECASE)
_UNIT_MS: Final = {
    "": Decimal(1),
    "ms": Decimal(1),
    "s": Decimal(1000),
    "us": Decimal("0.001"),
    "µs": Decimal("0.001"),
    "μs": Decimal("0.001"),
}


def amount(value: Json, name: str, most: int) -> Decimal | None:
    """A number, or the same as plain decimal text, from 0 to ``most``. Raises ``WireError``."""
    if value is None:
        return None
    if isinstance(value, str):
        number = Decimal(value) if _PLAIN.fullmatch(value) else None
    else:
        number = _number(value)
    if number is None or not 0 <= number <= most:
        raise WireError(f"{name} must be a number from 0 to {most}, not {shown(value)}")
    return number


def latency_ms(value: Json, name: str) -> Decimal | None:
    """Milliseconds: a number of them, or text such as ``280ms``, ``0.28s``. ``WireError``."""
    if value is None:
        return None
    match = _SPAN.fullmatch(value) if isinstance(value, str) else None
    if match is not None:
        number: Decimal | None = Decimal(match[1]) * _UNIT_MS[match[2].lower()]
    else:
        number = None if isinstance(value, str) else _number(value)
    if number is None or not 0 <= number <= mrp.LATENCY_MS_MAX:
        raise WireError(f"{name} must be a latency such as 280ms, not {shown(value)}")
    return number


def whole(value: Json, name: str, most: int) -> int | None:
    """A whole number from 0 to ``most``; 400.0 is one. Raises ``WireError``."""
    number = None if value is None else _number(value)
    if number is None and value is not None:
        raise WireError(f"{name} must be an integer, not {shown(value)}")
    if number is None:
        return None
    if number != number.to_integral_value() or not 0 <= number <= most:
        raise WireError(f"{name} must be an integer from 0 to {most}, not {shown(value)}")
    return int(number)


def _number(value: Json) -> Decimal | None:
    try:
        return decimal_number(value)
    except WireError:
        # No number, or one without a canonical form: NaN, infinity, an integer beyond 2^53.
        return None
