"""Money: whole minor units of a known asset, and the two ways it is written in JSON.

Laws (ASP B12): inside treaty money is an integer; a JSON number is read from its RFC 8785
rendering, because that is what is signed; nothing is rounded. An amount the asset cannot hold
exactly is refused. There is no binary arithmetic on amounts anywhere in this module.

Read next: ``treaty.core.ledger``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, cast

from treaty.errors import MisuseError, Refused, WireError, shown
from treaty.wire.canonical import INT_MAX, Json, canonical, read_json

UNITS_MAX: Final = 2**63 - 1
"""The largest amount a store holds, in minor units; only the string form reaches it."""

# Canonical decimal text: no sign but minus, no leading zeros, no exponent, ASCII digits.
_AMOUNT: Final = re.compile(r"(-?)(0|[1-9][0-9]{0,18})(?:\.([0-9]{1,18}))?")


@dataclass(frozen=True, slots=True)
class Asset:
    """A currency or token by its code, and how many decimals its minor unit has."""

    code: str
    decimals: int


_BY_DECIMALS: Final[Mapping[int, str]] = {
    0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF",
    2: (
        "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BOV BRL BSD BTN BWP BYN BZD "
        "CAD CDF CHE CHF CHW CNY COP COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP "
        "GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK "
        "LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO "
        "NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS "
        "SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD USN UYU UZS VED VES WST "
        "XAD XCD XCG YER ZAR ZMW ZWG"
    ),
    3: "BHD IQD JOD KWD LYD OMR TND",
    4: "CLF UYW",
    6: "USDC",
}
"""The currencies of ISO 4217 by the decimals they have there; and USDC, a token."""

ASSETS: Final[Mapping[str, Asset]] = {
    code: Asset(code, decimals)
    for decimals, codes in _BY_DECIMALS.items()
    for code in codes.split()
}
"""Every asset treaty can hold, by code."""


@dataclass(frozen=True, slots=True)
class Money:
    """An amount in minor units (cents for USD) of a known asset.

    Raises ``Refused`` (``currency_unsupported``) for an unknown asset and ``MisuseError`` for
    units that are not an integer within 64 bits.
    """

    units: int
    asset: str

    def __post_init__(self) -> None:
        _asset(self.asset)
        if type(self.units) is not int or not -UNITS_MAX <= self.units <= UNITS_MAX:
            raise MisuseError(f"not an amount in minor units: {shown(self.units)}")


def _asset(code: Json) -> Asset:
    found = ASSETS.get(code) if isinstance(code, str) else None
    if found is None:
        raise Refused(f"unknown currency {shown(code)}", "currency_unsupported")
    return found


def decimals_of(code: str) -> int:
    """How many decimals a currency has. Raises ``Refused`` (``currency_unsupported``)."""
    return _asset(code).decimals


def money_from_json(value: Json, currency: str | None) -> Money:
    """Read money: a JSON number of ``currency``, or ``{"amount", "currency"}`` (ASP B12).

    Inside the object the amount is canonical decimal text or, as in the seed's escrow, a number;
    a ``currency`` given beside it must agree. Raises ``Refused`` (``currency_unsupported``) for
    an unknown currency and ``WireError`` for all that is not exactly an amount of it.
    """
    if not isinstance(value, dict):
        return _from_number(value, _named(currency))
    code = value.get("currency")
    if currency is not None and code != currency:
        raise WireError(f"amount in {shown(code)} where {shown(currency)} was named")
    asset, amount = _named(code), value.get("amount")
    return _from_text(amount, asset) if isinstance(amount, str) else _from_number(amount, asset)


def _named(code: Json) -> Asset:
    if not isinstance(code, str):
        raise WireError(f"an amount needs a currency code, got {shown(code)}")
    return _asset(code)


def _from_number(value: Json, asset: Asset) -> Money:
    sign, digits, exponent = decimal_number(value).as_tuple()
    shift = cast(int, exponent) + asset.decimals
    magnitude = int("".join(map(str, digits)))
    units, lost = _shifted(magnitude, shift)
    if lost:
        raise WireError(f"{shown(value)} has more than {asset.decimals} decimals for {asset.code}")
    if units > INT_MAX:
        raise WireError(f"{shown(value)} {asset.code} needs the string form")
    return Money(-units if sign else units, asset.code)


def _shifted(magnitude: int, shift: int) -> tuple[int, int]:
    # A double has exponents of at most about 324, so the powers stay small.
    return (magnitude * 10**shift, 0) if shift >= 0 else divmod(magnitude, 10**-shift)


def _from_text(amount: str, asset: Asset) -> Money:
    match = _AMOUNT.fullmatch(amount)
    if match is None:
        raise WireError(f"not a canonical amount: {shown(amount)}")
    sign, whole, fraction = match.group(1), match.group(2), match.group(3) or ""
    if len(fraction) > asset.decimals:
        raise WireError(f"{shown(amount)} has more than {asset.decimals} decimals of {asset.code}")
    units = int(whole + fraction.ljust(asset.decimals, "0"))
    if units > UNITS_MAX or (sign and not units):
        raise WireError(f"not an amount of {asset.code}: {shown(amount)}")
    return Money(-units if sign else units, asset.code)


def amount_text(money: Money) -> str:
    """The amount with all decimals of its asset: ``180.00`` USD, ``180`` JPY."""
    decimals = ASSETS[money.asset].decimals
    digits = str(abs(money.units)).rjust(decimals + 1, "0")
    sign = "-" if money.units < 0 else ""
    if not decimals:
        return sign + digits
    return f"{sign}{digits[:-decimals]}.{digits[-decimals:]}"


def money_to_json(money: Money) -> dict[str, Json]:
    """The string form, ``{"amount": "180.00", "currency": "USD"}``."""
    return {"amount": amount_text(money), "currency": money.asset}


def decimal_number(value: Json) -> Decimal:
    """The exact decimal value of a JSON number, read from its RFC 8785 rendering (ASP B12).

    Raises ``WireError`` for everything that is not a finite number, booleans included.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise WireError(f"not a number: {shown(value)}")
    return Decimal(canonical(value).decode("ascii"))


def number_to_json(number: Decimal) -> int | float:
    """The JSON number whose RFC 8785 rendering has exactly this value.

    Raises ``WireError`` when there is none, or when peers would refuse it (ASP B3).
    """
    # Two readings: the first refuses what is not exact, the second turns 180.00 into 180.
    exact = read_json(str(number).encode("ascii"), exact_numbers=True)
    return cast("int | float", read_json(canonical(exact)))


def split(units: int, share_numerator: int, share_denominator: int) -> tuple[int, int]:
    """Cut an amount into the share, rounded down, and the rest; the two always sum to it.

    Raises ``MisuseError`` for a negative amount or a share outside 0 to 1.
    """
    if units < 0 or not 0 <= share_numerator <= share_denominator or not share_denominator:
        raise MisuseError(f"no share {share_numerator}/{share_denominator} of {units}")
    share = units * share_numerator // share_denominator
    return share, units - share
