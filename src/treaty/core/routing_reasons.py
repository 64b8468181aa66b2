"""Why an offer lost: stable codes in the order they are asked, and the words for people.

Laws: a reason is data (code, member, required, got) and its text is made of nothing else; text of
strangers in it is escaped and cut. Both values are public: what was asked, and what was offered
or what the winner's offer says. Nobody's private limit is ever a reason.

Read next: ``routing``, which finds them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Final, NamedTuple, TypeAlias

from treaty.errors import WireError, shown
from treaty.wire.canonical import Json
from treaty.wire.money import number_to_json

MALFORMED_OFFER: Final = "malformed_offer"
CAPABILITY_MISMATCH: Final = "capability_mismatch"
POLICY_MISMATCH: Final = "policy_mismatch"
COST_OVER_CAP: Final = "cost_over_cap"
LATENCY_MISS: Final = "latency_miss"
RETENTION_RISK: Final = "retention_risk"
RESIDENCY_MISMATCH: Final = "residency_mismatch"
PROOF_MISSING: Final = "proof_missing"
FILTERS: Final = (
    MALFORMED_OFFER, CAPABILITY_MISMATCH, POLICY_MISMATCH, COST_OVER_CAP, LATENCY_MISS,
    RETENTION_RISK, RESIDENCY_MISMATCH, PROOF_MISSING,
)  # fmt: skip
"""Why an offer is rejected, in the order in which it is asked."""

CONFIDENCE_LOWER: Final = "confidence_lower"
COST_HIGHER: Final = "cost_higher"
LATENCY_HIGHER: Final = "latency_higher"
TRUST_LOWER: Final = "trust_lower"
TIE_ROUTE_ID: Final = "tie_route_id"
RANKED_BY: Final = (CONFIDENCE_LOWER, COST_HIGHER, LATENCY_HIGHER, TRUST_LOWER, TIE_ROUTE_ID)
"""Why an offer that passes comes after the winner: the first difference in this order."""

NAME_CHARS_MAX: Final = 64
NAMES_SHOWN_MAX: Final = 8

Value: TypeAlias = Decimal | int | str | tuple[str, ...] | None


class RouteReason(NamedTuple):
    """Why an offer lost, or, as a warning, what could not be compared."""

    code: str
    field: str
    """The member of the offer that decided."""
    required: Value
    """What was asked for; among offers that pass, what the winner has."""
    got: Value
    """What was offered; None when nothing was stated."""
    missing: tuple[str, ...] = ()
    """Of several names that were asked for, those that were not offered."""
    against: str = ""
    """What was stated beside them that contradicts: a use for training, another unit."""
    is_unknown: bool = False
    """True when nothing comparable was stated: it warns, unless asked to reject."""

    @property
    def text(self) -> str:
        """One sentence for people."""
        return _SENTENCES[self.code](self)

    def to_json(self) -> dict[str, Json]:
        """The reason for programs, as decision records hold it."""
        return {
            "code": self.code,
            "field": self.field,
            "required": _json(self.required),
            "got": _json(self.got),
            "text": self.text,
        }


def _json(value: Value) -> Json:
    if isinstance(value, Decimal):
        return figure_json(value)
    return list(value) if isinstance(value, tuple) else value


def figure_json(figure: Decimal) -> Json:
    """A figure as a JSON number, or as its digits where no double holds it."""
    try:
        return number_to_json(figure)
    except WireError:
        return plain(figure)


def plain(figure: Decimal | int) -> str:
    """A figure in plain digits: no exponent, no zeros behind."""
    text = f"{figure:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def named(text: str) -> str:
    """A stranger's name as it stands when it is plain, else escaped and cut."""
    is_plain = text.isascii() and text.isprintable() and 0 < len(text) <= NAME_CHARS_MAX
    return text if is_plain else shown(text)


def names(several: tuple[str, ...]) -> str:
    """Names in a row, cut to a limit."""
    listed = [named(one) for one in several[:NAMES_SHOWN_MAX]]
    more = len(several) - len(listed)
    return ", ".join(listed) + (f" and {more} more" if more else "")


def _said(value: Value) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, str):
        return named(value)
    return names(value) if isinstance(value, tuple) else plain(value)


def _malformed(reason: RouteReason) -> str:
    where = f" in {reason.field}" if reason.field else ""
    return f"Malformed offer{where}: {reason.against}"


def _capability(reason: RouteReason) -> str:
    return f"Capability mismatch: {_said(reason.got)}, not {_said(reason.required)}"


def _policy(reason: RouteReason) -> str:
    parts = []
    if reason.missing:
        parts.append(f"omitted {names(reason.missing)}")
    if reason.against:
        parts.append(f"allowed training_use: {named(reason.against)}")
    return f"Policy mismatch: {' and '.join(parts)}"


# What is stated nowhere is a warning as well as a reason, so its words blame nobody.


def _cost(reason: RouteReason) -> str:
    cap = f"the cap of {_said(reason.required)}"
    if reason.against:
        return f"Cost: in {named(reason.against)}, not comparable with {cap}"
    if reason.got is None:
        return f"Cost: stated nowhere, not shown to be within {cap}"
    return f"Cost over cap: {_said(reason.got)} exceeded {cap}"


def _latency(reason: RouteReason) -> str:
    ceiling = f"the {_said(reason.required)}ms ceiling"
    if reason.got is None:
        return f"Latency: p50 stated nowhere, not shown to be within {ceiling}"
    return f"Latency miss: p50 {_said(reason.got)}ms exceeded {ceiling}"


def _retention(reason: RouteReason) -> str:
    limit = "no retention" if reason.required == 0 else f"at most {_said(reason.required)} days"
    if reason.got is None:
        return f"Retention: stated nowhere, {limit} was asked for"
    return f"Retention risk: {_said(reason.got)}-day retention where {limit} was asked for"


def _residency(reason: RouteReason) -> str:
    if reason.got is None:
        return (
            f"Residency: stated nowhere, not contradicted; {_said(reason.required)} was asked for"
        )
    return f"Residency mismatch: {_said(reason.got)}, not {_said(reason.required)}"


def _proof(reason: RouteReason) -> str:
    return f"Proof missing: {names(reason.missing)}"


def _ranked(what: str, unit: str = "") -> Callable[[RouteReason], str]:
    def sentence(reason: RouteReason) -> str:
        if reason.got is None:
            return f"{what}: not stated, the winner's is {_said(reason.required)}{unit}"
        mine, its = f"{_said(reason.got)}{unit}", f"{_said(reason.required)}{unit}"
        return f"{what}: {mine}, the winner's is {its}"

    return sentence


def _tied(reason: RouteReason) -> str:
    return f"Tie, broken by name: {_said(reason.required)} comes before {_said(reason.got)}"


_SENTENCES: Final[Mapping[str, Callable[[RouteReason], str]]] = {
    MALFORMED_OFFER: _malformed,
    CAPABILITY_MISMATCH: _capability,
    POLICY_MISMATCH: _policy,
    COST_OVER_CAP: _cost,
    LATENCY_MISS: _latency,
    RETENTION_RISK: _retention,
    RESIDENCY_MISMATCH: _residency,
    PROOF_MISSING: _proof,
    CONFIDENCE_LOWER: _ranked("Lower confidence"),
    COST_HIGHER: _ranked("Higher cost"),
    LATENCY_HIGHER: _ranked("Higher latency", "ms"),
    TRUST_LOWER: _ranked("Lower trust"),
    TIE_ROUTE_ID: _tied,
}
