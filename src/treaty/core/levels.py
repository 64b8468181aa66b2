"""Trust levels, and what each one opens: the table of ASP decision B17 as data.

Laws: a level is read from the *rounded* score; ceilings are whole minor units, rounded down; a
currency without a configured rate has no ceiling and is refused, never guessed.

Who enforces what: ``ledger.reserve`` the ceilings, under the account's own lock; the node the
sessions a day and the inbox.

Read next: ``ledger``, then ``trust`` for where scores come from.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from math import ceil
from typing import Final

from treaty.errors import MisuseError, Refused, shown


@dataclass(frozen=True, slots=True)
class Level:
    """One row of the table."""

    number: int
    name: str
    floor: Decimal
    """The lowest score of this level; it ends just below the next one's floor."""
    ceiling_usd: int
    """The largest single commitment, in whole dollars."""
    sessions_a_day: int
    """Invitations sent in a day."""


LEVELS: Final = (
    Level(0, "Unverified", Decimal(0), 100, 20),
    Level(1, "Verified", Decimal(25), 1_000, 100),
    Level(2, "Established", Decimal(50), 10_000, 500),
    Level(3, "Trusted", Decimal(70), 100_000, 2_000),
    Level(4, "Premium", Decimal(90), 1_000_000, 10_000),
)

SCORE_MAX: Final = Decimal(100)

OPEN_FACTOR: Final = 10
"""All open commitments of an agent together may reach this many times its ceiling."""
PROVISIONAL_OPEN_USD: Final = 1_000
"""What a provisional agent may have open in sum; agents of one organisation share it."""
PROVISIONAL_AGENTS_MAX: Final = 5
"""Provisional agents of one proven organisation that may share that sum."""
INBOX_MAX: Final = 64
"""Unanswered invitations an inbox holds; half are for inviters with evidence."""
INBOX_PER_INVITER_MAX: Final = 4

Rates = Mapping[str, int | Fraction]
"""Minor units of an asset that one US dollar buys, by asset code."""

USD_ONLY: Final[Rates] = {"USD": 100}


def level(number: int) -> Level:
    """Return the row of a level 0 to 4. Raises ``MisuseError`` for any other number."""
    if not 0 <= number < len(LEVELS):
        raise MisuseError(f"there is no trust level {shown(number)}")
    return LEVELS[number]


def level_of(score: Decimal | str) -> int:
    """Return the level of a rounded score. Raises ``MisuseError`` outside 0 to 100."""
    try:
        value = Decimal(score)
    except InvalidOperation as error:
        raise MisuseError(f"not a score: {shown(score)}") from error
    if not value.is_finite() or not 0 <= value <= SCORE_MAX:
        raise MisuseError(f"not a score from 0 to 100: {shown(score)}")
    return max(row.number for row in LEVELS if value >= row.floor)


def ceiling_units(number: int, asset: str = "USD", rates: Rates = USD_ONLY) -> int:
    """Return the ceiling of one commitment in minor units of ``asset``.

    Raises ``Refused`` (``currency_unsupported``) for an asset without a rate.
    """
    return _units(level(number).ceiling_usd, asset, rates)


def dollar_units(asset: str = "USD", rates: Rates = USD_ONLY) -> int:
    """Return the least amount of ``asset`` that is worth a US dollar, in minor units.

    Raises ``Refused`` (``currency_unsupported``) for an asset without a rate.
    """
    return ceil(_rate(asset, rates))


def sessions_a_day(number: int) -> int:
    """Return how many invitations an agent of this level may send in a day."""
    return level(number).sessions_a_day


@dataclass(frozen=True, slots=True)
class Standing:
    """What a ceiling depends on, read when the COMMIT arrives."""

    level: int
    provisional: bool


@dataclass(frozen=True, slots=True)
class Ceilings:
    """The bounds of one reservation, in minor units of its asset.

    A sum that is open on accounts outside the book (other agents of the same organisations) is
    to be taken off the bound by the caller, with ``dataclasses.replace``.
    """

    commitment_units: int
    """This commitment alone."""
    pair_units: int
    """All that is open between the two organisations."""
    payer_units: int
    """All that the payer has open, as payer or payee."""
    payee_units: int
    """All that the payee has open, as payer or payee."""


def ceilings(
    payer: Standing, payee: Standing, asset: str = "USD", rates: Rates = USD_ONLY
) -> Ceilings:
    """Return the bounds between two parties (ASP B17).

    The commitment and the pair are bound by the lower level of the two. Each agent's own open
    sum is bound by ten times the ceiling of *its own* level: measured by the lower one, a
    provider with 10,000 dollars open would be closed to every newcomer.
    Raises ``Refused`` (``currency_unsupported``) for an asset without a rate.
    """
    lower = ceiling_units(min(payer.level, payee.level), asset, rates)
    return Ceilings(
        commitment_units=lower,
        pair_units=lower,
        payer_units=_open_units(payer, asset, rates),
        payee_units=_open_units(payee, asset, rates),
    )


def _open_units(standing: Standing, asset: str, rates: Rates) -> int:
    own = OPEN_FACTOR * ceiling_units(standing.level, asset, rates)
    return min(own, _units(PROVISIONAL_OPEN_USD, asset, rates)) if standing.provisional else own


def provisional_units(asset: str = "USD", rates: Rates = USD_ONLY) -> int:
    """Return what provisional agents of one organisation may have open together, in ``asset``.

    Raises ``Refused`` (``currency_unsupported``) for an asset without a rate.
    """
    return _units(PROVISIONAL_OPEN_USD, asset, rates)


def _units(dollars: int, asset: str, rates: Rates) -> int:
    return int(dollars * _rate(asset, rates))


def _rate(asset: str, rates: Rates) -> int | Fraction:
    rate = rates.get(asset)
    if rate is None:
        raise Refused(f"no US dollar rate is configured for {shown(asset)}", "currency_unsupported")
    return rate
