"""What a buyer may tell a provider whose offer lost: a signed receipt of its own shortcomings (7).

A receipt names the loser's own figures against limits of the DISCOVER it answered. It has no
place for anything else: not who won, not the winner's figures, not a limit that was never sent.
Where the offer was lawful and only came behind another, it says that and no figure.

The receipt is signed by a key that stands in it. That shows that two receipts come from the same
buyer, not who it is.

Read next: ``treaty.core.losses``, which counts them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from treaty.core.losses import Loss
from treaty.dialects.mrp import choices as mrp
from treaty.errors import WireError, shown
from treaty.identity.keys import Signer, read_public_key
from treaty.identity.records import INTEGRITY, open_record, seal
from treaty.wire import fields
from treaty.wire.canonical import Json
from treaty.wire.instants import format_instant
from treaty.wire.money import decimal_number

PATH: Final = "/mrp/rejections"
KIND: Final = "rejection"
REASONS_MAX: Final = 16
UNITS: Final[Mapping[str, str]] = {
    "cost_over_cap": "usd",
    "latency_miss": "ms",
    "retention_risk": "days",
    "policy_mismatch": "",
    "residency_mismatch": "",
    "proof_missing": "",
    "capability_mismatch": "",
    "malformed_offer": "",
}
"""Reasons with a limit that was sent, and what their figures are counted in."""
BEHIND: Final = (
    "confidence_lower", "cost_higher", "latency_higher", "trust_lower", "tie_route_id",
)  # fmt: skip
"""Reasons that compare with another offer, of which nothing is told."""
_MEMBERS: Final = frozenset(
    ("route_id", "discover_id", "offer_id", "reasons", "at", "public_key", INTEGRITY)
)
_OF_REASON: Final = frozenset(("code", "field", "required", "got"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejection:
    """One receipt, its signature checked."""

    route_id: str
    discover_id: str
    """``msg_id`` of the DISCOVER."""
    offer_id: str
    """``msg_id`` of the OFFER."""
    key_id: str
    reasons: tuple[Loss, ...]


def make_rejection(
    *,
    route_id: str,
    discover_id: str,
    offer_id: str,
    reasons: Sequence[Mapping[str, Json]],
    at_ms: int,
    signer: Signer,
) -> dict[str, Json]:
    """A receipt of reasons in the form of a decision record; what may not be told is left out."""
    body: dict[str, Json] = {
        "route_id": route_id,
        "discover_id": discover_id,
        "offer_id": offer_id,
        "reasons": [_told(one) for one in reasons[:REASONS_MAX] if _is_known(one)],
        "at": format_instant(at_ms),
        "public_key": signer.key.text,
    }
    return seal(KIND, body, signer)


def read_rejection(document: Json) -> Rejection:
    """Check a receipt and read it. Raises ``WireError`` and ``SignatureError``."""
    if not isinstance(document, dict):
        raise WireError(f"a rejection is an object, not {shown(document)}")
    foreign = sorted(document.keys() - _MEMBERS)
    if foreign:
        raise WireError(f"a rejection has no {shown(foreign[0])}")
    key = read_public_key(document.get("public_key"))
    body = open_record(KIND, document, key).value
    reasons = fields.items(body, "reasons", most=REASONS_MAX)
    if not reasons:
        raise WireError("a rejection has a reason")
    fields.instant(body, "at")
    return Rejection(
        route_id=fields.text(body, "route_id", chars_max=mrp.ID_CHARS_MAX),
        discover_id=fields.text(body, "discover_id", chars_max=mrp.ID_CHARS_MAX),
        offer_id=fields.text(body, "offer_id", chars_max=mrp.ID_CHARS_MAX),
        key_id=key.key_id,
        reasons=tuple(_loss(one) for one in reasons),
    )


def _is_known(reason: Mapping[str, Json]) -> bool:
    return reason.get("code") in (*UNITS, *BEHIND)


def _told(reason: Mapping[str, Json]) -> dict[str, Json]:
    code = reason["code"]
    told: dict[str, Json] = {"code": code, "field": reason.get("field") or ""}
    if code in UNITS:
        told |= {name: reason[name] for name in ("required", "got") if reason.get(name) is not None}
    return told


def _loss(reason: Json) -> Loss:
    if not isinstance(reason, dict) or reason.keys() - _OF_REASON:
        raise WireError(f"no reason of a rejection: {shown(reason)}")
    code = fields.text(reason, "code")
    if code in BEHIND and not reason.keys() <= {"code", "field"}:
        raise WireError(f"{code} tells no figures")
    if code not in UNITS:
        if code in BEHIND:
            return Loss(code)
        raise WireError(f"no reason of a rejection: {shown(code)}")
    unit = UNITS[code]
    over = _over(reason.get("required"), reason.get("got")) if unit else None
    return Loss(code, over, unit)


def _over(required: Json, got: Json) -> Decimal | None:
    """By how much a figure passed its limit; None where one of them is no number."""
    try:
        margin = decimal_number(got) - decimal_number(required)
    except WireError:
        return None
    return margin if margin > 0 else None
