"""What a buyer says, and what it makes of an answer to NEGOTIATE (sections 6 and 12).

Laws:

1. A wish is sent as it stands: a limit that a provider is not to know is not part of a wish.
2. NEGOTIATE narrows: it repeats cost and policy and adds the domains that may be fetched from;
   what is not repeated was settled by choosing the offer.
3. An answer is *accepted* only when it says so and its terms lie within what was asked. A
   provider that knows no negotiation is *unsupported*, which is not a refusal.

Read next: ``treaty.agent.router``, which sends these.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum
from typing import Final

from treaty.dialects.mrp.answers import Answer, Failed, NoEnvelope, Said
from treaty.dialects.mrp.choices import (
    COST_MAX,
    MRP_NOT_IMPLEMENTED,
    NEGOTIATE,
    TEXT_CHARS_MAX,
    URL,
)
from treaty.dialects.mrp.messages import Discover, Failure
from treaty.dialects.mrp.numbers import amount
from treaty.dialects.mrp.reading import read_constraints, read_items
from treaty.errors import MisuseError, Refused, WireError, shown
from treaty.wire import fields
from treaty.wire.canonical import Json
from treaty.wire.hosts import read_url

REASONS_MAX: Final = 16
"""Reasons of a refusal that are kept."""
NOT_SUPPORTED: Final = frozenset((404, 405, 410, 501))
"""Statuses of a provider that has no such place."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What is wanted, and within what. All of it is told to every provider that is asked."""

    intent: str
    inputs: tuple[Mapping[str, Json], ...] = ()
    max_cost: Decimal | None = None
    """In usd."""
    max_latency_ms: int | None = None
    residency: str | None = None
    retention_days: int | None = None
    policy: tuple[str, ...] = ()
    proofs: tuple[str, ...] = ()
    capability: str | None = None
    allowed_domains: tuple[str, ...] = ()
    output_format: str | None = None

    @property
    def domains(self) -> tuple[str, ...]:
        """The domains that may be fetched from: as named, else those of the url inputs."""
        if self.allowed_domains:
            return self.allowed_domains
        hosts = (_host(one.get("value")) for one in self.inputs if one.get("type") == URL)
        return tuple(dict.fromkeys(one for one in hosts if one))


def _host(url: Json) -> str:
    """The host of a URL; without ``www.``, since pages move between the two."""
    try:
        host = read_url(url).host
    except Refused:
        return ""
    bare = host.removeprefix("www.")
    return bare if "." in bare else host


def number(value: Decimal) -> int | float:
    """A decimal as a JSON number of the same value.

    Raises ``MisuseError`` for one that no JSON number holds exactly.
    """
    written = int(value) if value == value.to_integral_value() else float(value)
    if Decimal(repr(written)) != value:
        raise MisuseError(f"{value} has more digits than a JSON number holds")
    return written


def discover_payload(wish: Wish) -> dict[str, Json]:
    """The payload of a DISCOVER.

    It asks for offers that do not fit as well: whoever compares for itself can say why not.
    """
    constraints = _stated(
        max_cost=None if wish.max_cost is None else number(wish.max_cost),
        max_latency_ms=wish.max_latency_ms,
        data_residency=wish.residency,
        data_retention_days=wish.retention_days,
        policy=list(wish.policy),
        capability=wish.capability,
        include_unmatched=True,
    )
    payload: dict[str, Json] = {"intent": wish.intent}
    more = _stated(inputs=_inputs(wish), constraints=constraints, proofs_required=list(wish.proofs))
    return payload | more


def discover_of(wish: Wish) -> Discover:
    """A wish as whoever is asked reads it, so that one decides by what was said."""
    payload = discover_payload(wish)
    return Discover(
        intent=wish.intent,
        inputs=read_items(payload, "inputs"),
        constraints=read_constraints(payload),
        proofs_required=wish.proofs,
    )


def negotiate_payload(
    wish: Wish, route_id: str, more: Mapping[str, Json] | None = None
) -> dict[str, Json]:
    """The payload of a NEGOTIATE; ``more`` are constraints beside the usual ones."""
    constraints = _stated(
        max_cost=None if wish.max_cost is None else number(wish.max_cost),
        policy=list(wish.policy),
        allowed_domains=list(wish.domains),
    )
    payload: dict[str, Json] = {
        "route_id": route_id,
        "constraints": {**constraints, **(more or {})},
    }
    return payload | _stated(proofs=list(wish.proofs), inputs=_inputs(wish))


def execute_payload(
    wish: Wish, route_id: str, job_id: str, agreement: str | None
) -> dict[str, Json]:
    """The payload of an EXECUTE."""
    job = {"id": job_id, "intent": wish.intent} | _stated(agreement=agreement)
    payload: dict[str, Json] = {"route_id": route_id, "inputs": _inputs(wish)}
    return payload | _stated(output_format=wish.output_format) | {"job": job}


def _inputs(wish: Wish) -> list[Json]:
    return [dict(one) for one in wish.inputs]


def _stated(**members: Json) -> dict[str, Json]:
    """Members that say something: never null, never empty."""
    return {name: one for name, one in members.items() if one is not None and one not in ([], {})}


class Stand(StrEnum):
    """How a negotiation stands."""

    ACCEPTED = "accepted"
    COUNTERED = "countered"
    UNSUPPORTED = "unsupported"
    REFUSED = "refused"
    SKIPPED = "skipped"
    """Nobody was asked: the offer's next step is EXECUTE."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What a provider's answer to NEGOTIATE says."""

    stand: Stand
    detail: str
    agreement: str | None = None
    """The id of the agreement, where one was made."""
    price: Decimal | None = None
    expires_at: str | None = None
    constraints: Mapping[str, Json] | None = None
    """As agreed or offered; None for a counter that lies beyond the wish."""
    reasons: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Json]:
        """For a decision record."""
        price = None if self.price is None else str(self.price)
        stated = _stated(
            agreement=self.agreement,
            price=price,
            expires_at=self.expires_at,
            reasons=list(self.reasons),
        )
        return {"status": self.stand.value, "detail": self.detail, **stated}


def read_terms(wish: Wish, route_id: str, answer: Answer) -> Terms:
    """Classify an answer to NEGOTIATE (6)."""
    match answer:
        case Failed():
            return _refusal(answer.failure)
        case NoEnvelope(status=status) if status in NOT_SUPPORTED:
            return _unsupported(f"the provider has no such place ({status})")
        case NoEnvelope():
            return _refused(answer.detail)
        case Said(envelope=envelope) if envelope.msg_type != NEGOTIATE:
            return _refused(f"a {envelope.msg_type} answers the NEGOTIATE")
        case Said(envelope=envelope):
            return _answered(wish, route_id, envelope.payload)


def _answered(wish: Wish, route_id: str, payload: Mapping[str, Json]) -> Terms:
    if payload.get("accepted") is False:
        reason = _text(payload, "reason") or "without a reason"
        is_absent = any(one in reason.lower() for one in ("not implemented", "unsupported"))
        return _unsupported(reason) if is_absent else _refused(reason)
    if payload.get("accepted") is not True and payload.get("route_id") is None:
        return _refused("the answer neither accepts nor names the route")
    if payload.get("route_id", route_id) != route_id:
        return _refused(f"the answer is about the route {shown(payload['route_id'])}")
    return _agreed(wish, payload)


def _refusal(failure: Failure) -> Terms:
    if failure.code == MRP_NOT_IMPLEMENTED:
        return _unsupported(failure.message or failure.code)
    reasons = failure.details.get("reasons")
    texts = map(_reason, reasons[:REASONS_MAX]) if isinstance(reasons, list) else ()
    detail = f"{failure.code}: {' '.join(failure.message.split())}"
    return Terms(stand=Stand.REFUSED, detail=detail, reasons=tuple(one for one in texts if one))


def _reason(value: Json) -> str:
    if isinstance(value, dict):
        return _text(value, "text") or _text(value, "code")
    return value[:TEXT_CHARS_MAX] if isinstance(value, str) else ""


def _agreed(wish: Wish, payload: Mapping[str, Json]) -> Terms:
    constraints = _object(payload, "constraints")
    agreement = _object(constraints, "agreement")
    status = agreement.get("status", Stand.ACCEPTED)
    if status not in (Stand.ACCEPTED, Stand.COUNTERED):
        return _refused(f"the agreement's status is {shown(status)}")
    stand = Stand(str(status))
    try:
        terms = Terms(
            stand=stand,
            detail="the provider agrees" if stand is Stand.ACCEPTED else "other terms are offered",
            agreement=fields.text_or(agreement, "id"),
            price=_price(agreement.get("price")),
            expires_at=fields.text_or(agreement, "expires_at"),
            constraints=constraints,
        )
    except WireError as error:
        return _refused(f"its agreement cannot be read: {error.detail}")
    beyond = _beyond(wish, terms)
    if beyond and stand is Stand.COUNTERED:
        # Its own terms can still be put again; these ones are not taken.
        return replace(terms, detail=beyond, constraints=None)
    return _refused(beyond) if beyond else terms


def _beyond(wish: Wish, terms: Terms) -> str:
    """What of the terms lies outside of the wish; empty when nothing does."""
    assert terms.constraints is not None
    if wish.max_cost is not None and terms.price is not None and terms.price > wish.max_cost:
        return f"the price {terms.price} is above {wish.max_cost}"
    domains = terms.constraints.get("allowed_domains")
    if isinstance(domains, list) and wish.domains:
        more = [one for one in domains if one not in wish.domains]
        if more:
            return f"the agreement lets {shown(more[0])} be fetched from, which was not asked"
    policy = terms.constraints.get("policy")
    if isinstance(policy, list):
        lost = [one for one in wish.policy if one not in policy]
        if lost:
            return f"the agreement leaves out the policy {lost[0]}"
    return ""


def _price(value: Json) -> Decimal | None:
    """A price, as a number or text, or an object with an ``amount`` or ``estimate``."""
    if isinstance(value, dict):
        value = value.get("amount", value.get("estimate"))
    return amount(value, "price", COST_MAX)


def _unsupported(detail: str) -> Terms:
    return Terms(stand=Stand.UNSUPPORTED, detail=detail[:TEXT_CHARS_MAX])


def _refused(detail: str) -> Terms:
    return Terms(stand=Stand.REFUSED, detail=detail[:TEXT_CHARS_MAX])


def _text(parent: Mapping[str, Json], name: str) -> str:
    value = parent.get(name)
    return value[:TEXT_CHARS_MAX] if isinstance(value, str) else ""


def _object(parent: Mapping[str, Json], name: str) -> Mapping[str, Json]:
    value = parent.get(name)
    return value if isinstance(value, dict) else {}


def input_of(kind: str, text: str, value: Json) -> dict[str, Json]:
    """An input item of a wish: ``value`` as it travels. Raises ``MisuseError`` for no URL."""
    if kind == URL:
        try:
            read_url(text)
        except Refused as refusal:
            raise MisuseError(refusal.detail) from refusal
    return {"type": kind, "value": value}


def leads_to_negotiate(endpoint: str | None) -> bool:
    """True for an offer whose next call is NEGOTIATE: it says so, or says nothing (5, 16)."""
    if endpoint is None:
        return True
    return endpoint.partition("?")[0].rstrip("/").rpartition("/")[2].lower() != "execute"
