"""Rates: what other currencies are worth in US dollars, so that ceilings and trust can be counted.

A node's operator writes down what one whole unit of a currency is worth (ASP B17). The rate in
force when a COMMIT arrives is stated in the session's log and holds for that commitment to its
end: its ceiling, a dispute's least bond, what its outcome counts. So whoever has the deal file
computes all three again, whatever the rate is by then.

Laws: rates are exact decimals; a conversion that bounds somebody rounds against whom it bounds,
what is open up and what is allowed down.

Read next: ``levels``, the ceilings in dollars.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from math import ceil
from typing import Final

from treaty.core.levels import USD_ONLY, Rates
from treaty.errors import Refused, WireError, shown
from treaty.wire.canonical import Json
from treaty.wire.money import ASSETS

DOLLAR: Final = "USD"
WHOLE_DIGITS_MAX: Final = 9
PLACES_MAX: Final = 12

UsdRates = Mapping[str, Decimal]
"""Currency -> what one whole unit of it is worth in US dollars."""

_RATE: Final = re.compile(
    rf"(?:0|[1-9][0-9]{{0,{WHOLE_DIGITS_MAX - 1}}})(?:\.[0-9]{{1,{PLACES_MAX}}})?"
)


def read_rate(text: Json) -> Decimal:
    """Read a rate: plain decimal text above zero, such as ``1.08``. Raises ``WireError``."""
    if not isinstance(text, str) or not _RATE.fullmatch(text) or not Decimal(text):
        raise WireError(f"a rate is decimal text above zero, such as 1.08, not {shown(text)}")
    return Decimal(text)


def rate_text(rate: Decimal) -> str:
    """Write a rate, always the same way: without zeros at its end."""
    text = format(rate, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def check_rated(code: str) -> str:
    """Return the code of a currency that may be given a rate.

    Raises ``Refused`` (``currency_unsupported``) for one that is unknown, and for the dollar,
    which is what the others are counted in.
    """
    if code not in ASSETS or code == DOLLAR:
        raise Refused(f"no rate is set for {shown(code)}", "currency_unsupported")
    return code


def rates_at(asset: str, rate: Decimal | None) -> Rates:
    """What a dollar buys of an asset when one whole unit of it is worth ``rate``.

    Without a rate it is known of the dollar alone.
    """
    if rate is None or asset == DOLLAR:
        return USD_ONLY
    return {**USD_ONLY, asset: 10 ** ASSETS[asset].decimals / Fraction(rate)}


def converted_up(units: int, asset: str, into: str, rates: Rates) -> int:
    """Convert minor units of one asset into another's, rounded up: what is open counts in full.

    Both need a rate.
    """
    return ceil(Fraction(units) / rates[asset] * rates[into])
