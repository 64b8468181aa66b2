"""Payloads as records: what somebody decides by, read without coercion and within limits.

Every reader takes an envelope whose payload may be anything an object can be, and raises
``WireError`` (``malformed``) and nothing else. Only the members that are decided by are read;
the rest stays in ``document``.

Read next: ``numbers`` for what a figure may be, ``rules`` for what is done with them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import TypeVar

from treaty.dialects.mrp import choices as mrp
from treaty.dialects.mrp import numbers
from treaty.dialects.mrp.messages import (
    Constraints,
    Discover,
    Envelope,
    Evidence,
    Execute,
    Failure,
    Item,
    Malformed,
    Negotiate,
    Object,
    Offer,
)
from treaty.errors import WireError, shown
from treaty.wire import fields
from treaty.wire.canonical import Json

Value = TypeVar("Value")


def read_discover(envelope: Envelope) -> Discover:
    """Read a DISCOVER. Raises ``WireError``."""
    payload = envelope.payload
    intent = fields.text(payload, "intent")
    if not intent:
        raise WireError("intent must not be empty")
    return Discover(
        intent=intent,
        inputs=read_items(payload, "inputs"),
        constraints=read_constraints(payload),
        proofs_required=read_proofs(payload),
    )


def read_proofs(payload: Object) -> tuple[str, ...]:
    """The proofs a DISCOVER asks for. Raises ``WireError``."""
    return _names(payload, "proofs_required")


def read_negotiate(envelope: Envelope) -> Negotiate:
    """Read a NEGOTIATE, a request's or an answer's. Raises ``WireError``."""
    payload = envelope.payload
    return Negotiate(
        route_id=_route_id(payload),
        constraints=read_constraints(payload),
        proofs=_names(payload, "proofs"),
        inputs=read_items(payload, "inputs"),
        payment_intent=fields.obj_or(payload, "payment_intent"),
    )


def read_execute(envelope: Envelope) -> Execute:
    """Read an EXECUTE. Raises ``WireError``."""
    payload = envelope.payload
    return Execute(
        route_id=_route_id(payload),
        inputs=read_items(payload, "inputs"),
        output_format=_text_or(payload, "output_format"),
        job=fields.obj_or(payload, "job") or {},
    )


def read_evidence(envelope: Envelope) -> Evidence:
    """Read an EVIDENCE; ``job_id`` may be null (M12). Raises ``WireError``."""
    payload = envelope.payload
    provenance = fields.obj_or(payload, "provenance") or {}
    return Evidence(
        route_id=_route_id(payload),
        job_id=_text_or(payload, "job_id"),
        outputs=read_items(payload, "outputs"),
        provenance=provenance,
        citations=_names(provenance, "citations", most=mrp.CITATIONS_MAX),
        source_hashes=_names(provenance, "source_hashes", most=mrp.CITATIONS_MAX),
        attestations=_names(payload, "attestations"),
        usage=fields.obj_or(payload, "usage") or {},
        settlement=fields.obj_or(payload, "settlement") or {},
    )


def read_failure(envelope: Envelope) -> Failure:
    """Read an ERROR; codes nobody knows are read too. Raises ``WireError``."""
    payload = envelope.payload
    details = payload.get("details")
    return Failure(
        code=fields.text(payload, "code", chars_max=mrp.ID_CHARS_MAX),
        # mrpd puts a whole schema report in here; only its beginning is for people.
        message=_shortened(payload.get("message")),
        retryable=payload.get("retryable") is True,
        retry_after_ms=numbers.whole(
            payload.get("retry_after_ms"), "retry_after_ms", fields.INTEGER_MAX
        ),
        details=details if isinstance(details, dict) else {},
    )


def _shortened(message: Json) -> str:
    return message[: mrp.TEXT_CHARS_MAX] if isinstance(message, str) else ""


def read_items(parent: Object, name: str) -> tuple[Item, ...]:
    """Read a list of inputs or outputs (4). Raises ``WireError``."""
    values = fields.items(parent, name, most=mrp.ITEMS_MAX)
    return tuple(read_item(value, f"{name}[{at}]") for at, value in enumerate(values))


def read_item(value: Json, name: str) -> Item:
    """Read one item: with a value, or an artifact with an address and a hash (4)."""
    if not isinstance(value, dict):
        raise WireError(f"{name} must be an object, not {shown(value)}")
    kind = value.get("type")
    if kind == mrp.ARTIFACT:
        return Item(
            type=mrp.ARTIFACT,
            document=value,
            uri=fields.text(value, "uri", chars_max=mrp.URL_CHARS_MAX),
            hash=fields.text(value, "hash", chars_max=mrp.ID_CHARS_MAX),
            size=numbers.whole(value.get("size"), f"{name}.size", fields.INTEGER_MAX),
            mime=fields.text_or(value, "mime"),
        )
    if not isinstance(kind, str) or kind not in mrp.VALUE_TYPES or "value" not in value:
        raise WireError(f"{name} is no item: type {shown(kind)}")
    return Item(
        type=kind,
        document=value,
        value=value["value"],
        uri=fields.text_or(value, "uri"),
        hash=fields.text_or(value, "hash"),
        mime=fields.text_or(value, "mime"),
    )


def read_constraints(parent: Object) -> Constraints:
    """Read ``constraints`` of a payload; absent constrains nothing. Raises ``WireError``.

    ``budget`` is another name of ``max_cost``; of both the smaller holds.
    """
    given = fields.obj_or(parent, "constraints") or {}
    caps = [
        numbers.amount(given.get(name), f"constraints.{name}", mrp.COST_MAX)
        for name in ("max_cost", "budget")
    ]
    return Constraints(
        max_cost=min((cap for cap in caps if cap is not None), default=None),
        max_latency_ms=_whole(given, "max_latency_ms", mrp.LATENCY_MS_MAX),
        residency=_text_or(given, "data_residency"),
        retention_days=_whole(given, "data_retention_days", mrp.RETENTION_DAYS_MAX),
        policy=_names(given, "policy"),
        allowed_domains=_names(given, "allowed_domains"),
        capability=_text_or(given, "capability"),
        document=given,
    )


def _whole(given: Object, name: str, most: int) -> int | None:
    return numbers.whole(given.get(name), f"constraints.{name}", most)


def read_offers(envelope: Envelope) -> tuple[Offer | Malformed, ...]:
    """Read an OFFER. One bad offer spoils only itself: it comes back as ``Malformed``.

    Raises ``WireError`` when there is no list of offers, or one of more than 1,000.
    """
    if "offers" not in envelope.payload:
        raise WireError("an OFFER has no offers")
    values = fields.items(envelope.payload, "offers", most=mrp.OFFERS_MAX)
    return tuple(read_offer(value) for value in values)


class _Wrong(Exception):
    def __init__(self, member: str, detail: str) -> None:
        super().__init__(detail)
        self.member, self.detail = member, detail


def read_offer(value: Json) -> Offer | Malformed:
    """Read one offer, in any of the spellings that are in use (M5)."""
    if not isinstance(value, dict):
        detail = f"an offer is an object, not {shown(value)}"
        return Malformed(route_id="", member="", detail=detail, document=value)
    try:
        return _offer(value)
    except _Wrong as wrong:
        named = value.get("route_id")
        return Malformed(
            route_id=named[: mrp.ID_CHARS_MAX] if isinstance(named, str) else "",
            member=wrong.member,
            detail=wrong.detail,
            document=value,
        )


def _try(member: str, read: Callable[[], Value]) -> Value:
    try:
        return read()
    except WireError as error:
        raise _Wrong(member, error.detail) from None


def _part(value: Object, name: str) -> Object:
    return _try(name, lambda: fields.obj_or(value, name)) or {}


def _offer(value: dict[str, Json]) -> Offer:
    cost, risk, terms = (_part(value, name) for name in ("cost", "risk", "constraints"))
    days = _first(
        (risk.get("data_retention_days"), "risk.data_retention_days"),
        (terms.get("data_retention_days"), "constraints.data_retention_days"),
    )
    return Offer(
        route_id=_try("route_id", lambda: _route_id(value)),
        capability=_try("capability", lambda: fields.text(value, "capability")),
        confidence=_try(
            "confidence", lambda: _strict_amount(value.get("confidence"), "confidence", 1)
        ),
        cost_unit=_try("cost.unit", lambda: _lower(cost, "unit")),
        cost=_try(
            "cost.estimate",
            lambda: numbers.amount(cost.get("estimate"), "cost.estimate", mrp.COST_MAX),
        ),
        latency_ms=_latency(value),
        proofs=_try("proofs", lambda: _names(value, "proofs")),
        policy=_policy(value, terms),
        retention_days=_try(
            days[1], lambda: numbers.amount(days[0], days[1], mrp.RETENTION_DAYS_MAX)
        ),
        training_use=_try("risk.training_use", lambda: _lower(risk, "training_use")),
        residency=_residency(value, risk, terms),
        endpoint=_try("endpoint", lambda: _text_or(value, "endpoint")),
        document=value,
    )


def _strict_amount(value: Json, name: str, most: int) -> Decimal | None:
    if isinstance(value, str):
        raise WireError(f"{name} must be a number, not {shown(value)}")
    return numbers.amount(value, name, most)


def _first(*places: tuple[Json, str]) -> tuple[Json, str]:
    """The first place that states something, and its name."""
    return next((one for one in places if one[0] is not None), places[0])


def _latency(value: dict[str, Json]) -> Decimal | None:
    latency = _part(value, "latency")
    found, name = _first(
        (latency.get("p50"), "latency.p50"),
        (latency.get("p50_ms"), "latency.p50_ms"),
        (value.get("latency_ms"), "latency_ms"),
    )
    return _try(name, lambda: numbers.latency_ms(found, name))


def _policy(value: dict[str, Json], terms: Object) -> tuple[str, ...]:
    """Generated providers state their policy among the constraints (M5)."""
    if value.get("policy") is not None:
        return _try("policy", lambda: _names(value, "policy"))
    return _try("constraints.policy", lambda: _names(terms, "policy"))


def _residency(value: dict[str, Json], risk: Object, terms: Object) -> str | None:
    found, name = _first(
        (value.get("data_residency"), "data_residency"),
        (risk.get("data_residency"), "risk.data_residency"),
        (terms.get("data_residency"), "constraints.data_residency"),
    )
    return _try(name, lambda: _text_or({name: found}, name))


def _lower(parent: Object, name: str) -> str | None:
    value = _text_or(parent, name)
    return None if value is None else value.strip().lower()


def _route_id(parent: Mapping[str, Json]) -> str:
    value = fields.text(parent, "route_id", chars_max=mrp.ID_CHARS_MAX)
    if not value:
        raise WireError("route_id must not be empty")
    return value


def _text_or(parent: Object, name: str) -> str | None:
    if parent.get(name) is None:
        return None
    return fields.text(parent, name, chars_max=mrp.TEXT_CHARS_MAX)


def _names(parent: Object, name: str, *, most: int = mrp.NAMES_MAX) -> tuple[str, ...]:
    values = fields.items(parent, name, most=most)
    return tuple(fields.text({name: value}, name) for value in values)
