"""What was negotiated and given to do, against what was asked and offered.

Read next: ``audit``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Final

from treaty.core.deal import Finding
from treaty.dialects.mrp import choices as mrp
from treaty.dialects.mrp import numbers
from treaty.dialects.mrp.audit_decision import wanted_of
from treaty.dialects.mrp.audit_file import File, Spoken
from treaty.dialects.mrp.messages import Discover, Negotiate
from treaty.dialects.mrp.reading import read_execute, read_negotiate
from treaty.errors import TreatyError, WireError, shown
from treaty.wire import fields
from treaty.wire.canonical import Json, canonical
from treaty.wire.instants import parse_instant

TERMS: Final = "terms"
EXECUTION: Final = "execution"
ACCEPTED: Final = "accepted"


def term_findings(file: File) -> Iterator[Finding]:
    """What was put to the winner, and what it agreed to."""
    wanted = wanted_of(file)
    for one in file.said(mrp.NEGOTIATE, is_sent=True):
        try:
            put = read_negotiate(one.envelope)
        except WireError as error:
            yield Finding(TERMS, one.where, error.detail)
            continue
        if wanted is not None:
            for detail in _beyond(wanted, put):
                yield Finding(TERMS, one.where, detail)
        domains = list(put.constraints.allowed_domains)
        if domains and file.record.get("allowed_domains", domains) != domains:
            yield Finding(TERMS, one.where, "its domains are not those of the record")
        if put.route_id != _route(file):
            yield Finding(TERMS, one.where, f"about the route {shown(put.route_id)}")
    agreed = file.last(mrp.NEGOTIATE, is_sent=False)
    if agreed is not None:
        yield from _answered(file, wanted, agreed)


def _route(file: File) -> Json:
    return None if file.winner is None else file.winner.get("route_id")


def _beyond(wanted: Discover, put: Negotiate) -> Iterator[str]:
    """Terms narrow what was asked; they do not widen it."""
    cap, asked = put.constraints.max_cost, wanted.constraints.max_cost
    if cap is not None and asked is not None and cap > asked:
        yield f"its cap of {cap} is above the {asked} that was asked"
    lost = [one for one in wanted.constraints.policy if one not in put.constraints.policy]
    if put.constraints.policy and lost:
        yield f"it leaves out the policy {shown(lost[0])}"
    missing = [one for one in wanted.proofs_required if one not in put.proofs]
    if put.proofs and missing:
        yield f"it leaves out the proof {shown(missing[0])}"
    if put.inputs and _documents(put) != _documents(wanted):
        yield "its inputs are not those that were asked about"


def _documents(message: Discover | Negotiate) -> bytes:
    return canonical([dict(one.document) for one in message.inputs])


def agreement_of(spoken: Spoken | None) -> Mapping[str, Json] | None:
    """The agreement in an answer to NEGOTIATE, where it has one in our form (6)."""
    if spoken is None:
        return None
    constraints = spoken.envelope.payload.get("constraints")
    found = constraints.get("agreement") if isinstance(constraints, dict) else None
    return found if isinstance(found, dict) else None


def _answered(file: File, wanted: Discover | None, agreed: Spoken) -> Iterator[Finding]:
    payload = agreed.envelope.payload
    route = payload.get("route_id")
    if route is not None and route != _route(file):
        yield Finding(TERMS, agreed.where, f"it agrees about the route {shown(route)}")
    agreement = agreement_of(agreed)
    ordered = file.last(mrp.EXECUTE, is_sent=True)
    if agreement is None:
        return
    try:
        price = price_of(agreement)
    except WireError as error:
        yield Finding(TERMS, agreed.where, error.detail)
        return
    cap = None if wanted is None else wanted.constraints.max_cost
    if ordered is not None and price is not None and cap is not None and price > cap:
        yield Finding(TERMS, agreed.where, f"its price {price} is above the cap of {cap}")
    if ordered is not None and agreement.get("status", ACCEPTED) != ACCEPTED:
        detail = f"work was given on terms that are {shown(agreement.get('status'))}"
        yield Finding(TERMS, agreed.where, detail)


def price_of(agreement: Mapping[str, Json]) -> Decimal | None:
    """Its price, in any of the spellings that are in use. Raises ``WireError``."""
    stated = agreement.get("price")
    if isinstance(stated, dict):
        stated = stated.get("amount", stated.get("estimate"))
    return numbers.amount(stated, "price", mrp.COST_MAX)


def execution_findings(file: File) -> Iterator[Finding]:
    """What was given to do."""
    orders = list(file.said(mrp.EXECUTE, is_sent=True))
    if len(orders) > 1:
        yield Finding(EXECUTION, orders[1].where, "work was given more than once")
    for one in orders:
        try:
            yield from _ordered(file, one)
        except TreatyError as error:
            yield Finding(EXECUTION, one.where, error.detail)


def _ordered(file: File, one: Spoken) -> Iterator[Finding]:
    order, wanted = read_execute(one.envelope), wanted_of(file)
    if order.route_id != _route(file):
        yield Finding(EXECUTION, one.where, f"on the route {shown(order.route_id)}")
    inputs = canonical([dict(item.document) for item in order.inputs])
    if wanted is not None and inputs != _documents(wanted):
        yield Finding(EXECUTION, one.where, "on inputs that were not asked about")
    for name, got in (
        ("job_id", order.job.get("id")),
        ("inputs", one.envelope.payload.get("inputs")),
    ):
        if file.record.get(name, got) != got:
            yield Finding(EXECUTION, one.where, f"its {name} is not that of the record")
    if order.output_format != file.record.get("output_format"):
        yield Finding(EXECUTION, one.where, f"in the format {shown(order.output_format)}")
    agreement = agreement_of(file.last(mrp.NEGOTIATE, is_sent=False))
    if agreement is None:
        return
    named = order.job.get("agreement", agreement.get("id"))
    if named != agreement.get("id"):
        yield Finding(EXECUTION, one.where, f"it names the agreement {shown(named)}")
    ends = fields.text_or(agreement, "expires_at")
    if ends is not None and one.at_ms > parse_instant(ends):
        yield Finding(EXECUTION, one.where, f"the agreement ended at {shown(ends)}")
