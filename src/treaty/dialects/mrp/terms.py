"""What a provider agrees to, and what it holds itself to afterwards (6).

Laws:

1. An agreement binds to a route, a price, the domains that may be fetched from, and the inputs it
   was made about; terms nobody here understands are not agreed to and not repeated.
2. Below the price a capability states, its operator may have a floor. Terms between the two are
   countered once, half way, and then taken as they are; the floor itself is told to nobody.
3. Whoever asks for the impossible is told every reason at once.

Read next: ``treaty.engine.services``, which writes agreements down.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import ROUND_UP, Decimal
from typing import Final

from treaty.core.routing import RouteReason, judge
from treaty.core.routing_reasons import COST_OVER_CAP, FILTERS
from treaty.dialects.mrp import choices as mrp
from treaty.dialects.mrp.messages import Execute, Item, Negotiate
from treaty.dialects.mrp.numbers import amount
from treaty.dialects.mrp.offering import Ability, Route, need_of, takes
from treaty.errors import Refused, WireError, shown
from treaty.wire.canonical import Json
from treaty.wire.digest import content_tag
from treaty.wire.hosts import is_within, read_url
from treaty.wire.money import number_to_json

LIFE_MS: Final = 900_000
"""How long an agreement may wait for its EXECUTE."""
COUNTER_STEP: Final = Decimal("0.000001")
TWO: Final = 2
CAP_UNIT: Final = "usd"
"""What ``max_cost`` is in."""

ACCEPTED: Final = "accepted"
COUNTERED: Final = "countered"


@dataclass(frozen=True, slots=True)
class Agreed:
    """What a NEGOTIATE is answered with."""

    status: str
    record: Mapping[str, Json]
    constraints: Mapping[str, Json]
    """Those that are agreed to, as they are repeated."""


def agree(asked: Negotiate, route: Route, before: Mapping[str, Json] | None) -> Agreed:
    """Answer terms; ``before`` is the record of what we countered them with.

    Raises ``Refused`` with ``data["reasons"]``.
    """
    ability = route.ability
    check_inputs(ability, asked.inputs)
    cap = spendable(asked)
    # What was countered for another route is nothing here.
    is_same = before is not None and before["routeId"] == route.id
    price, is_final = price_for(ability, cap, before if is_same else None)
    found = _against(asked, route, cap if price is None else None)
    if found or price is None:
        raise _refused(found)
    status = ACCEPTED if is_final else COUNTERED
    return Agreed(status, _record(asked, route, price), _repeated(asked, price, is_final=is_final))


def spendable(asked: Negotiate) -> Decimal | None:
    """What may be spent: the smaller of ``max_cost`` and the payment intent's."""
    intent = asked.payment_intent or {}
    stated = amount(intent.get("max_amount"), "payment_intent.max_amount", mrp.COST_MAX)
    caps = [one for one in (asked.constraints.max_cost, stated) if one is not None]
    return min(caps, default=None)


def price_for(
    ability: Ability, cap: Decimal | None, before: Mapping[str, Json] | None
) -> tuple[Decimal | None, bool]:
    """The price for somebody who may spend ``cap``, and whether it is agreed; None for none."""
    if cap is None:
        return ability.cost, True
    if ability.cost_unit != CAP_UNIT:
        return None, False
    if cap >= ability.cost:
        return ability.cost, True
    if ability.floor is None or cap < ability.floor:
        return None, False
    if before is None:
        middle = (ability.cost + cap) / TWO
        return middle.quantize(COUNTER_STEP, ROUND_UP), False
    countered = max(ability.floor, Decimal(str(before["price"])))
    return min(cap, countered), True


def check_inputs(ability: Ability, inputs: Sequence[Item]) -> None:
    """Raise ``Refused`` for inputs of a type the capability does not take."""
    kind = takes(ability, inputs)
    if kind is not None:
        detail = f"{ability.name} takes {', '.join(ability.inputs)}, not {shown(kind)}"
        raise Refused(detail, "input_unsupported")


def check_execution(
    asked: Execute, ability: Ability, route_id: str, agreed: Mapping[str, Json] | None
) -> None:
    """Hold an EXECUTE against its agreement, or against having none. Raises ``Refused``."""
    check_inputs(ability, asked.inputs)
    wanted = asked.output_format
    if wanted is not None and not gives(ability, wanted):
        detail = f"{ability.name} gives {', '.join(ability.outputs)}, not {shown(wanted)}"
        raise Refused(detail, mrp.FORMAT_UNSUPPORTED)
    if agreed is None:
        if ability.needs_agreement:
            raise Refused("this route needs an agreement first", mrp.AGREEMENT_REQUIRED)
        return
    if agreed["routeId"] != route_id:
        raise Refused("the agreement is about another route", mrp.AGREEMENT_UNKNOWN)
    if agreed["inputs"] not in (None, inputs_tag(asked.inputs)):
        raise Refused("the agreement is about other inputs", mrp.INPUTS_MISMATCH)
    check_domains(asked.inputs, domains_of(agreed))


def gives(ability: Ability, wanted: str) -> bool:
    """True when a capability gives this form; text is markdown as it stands."""
    return wanted in ability.outputs or (wanted == mrp.MARKDOWN and mrp.TEXT in ability.outputs)


def check_domains(inputs: Sequence[Item], domains: tuple[str, ...]) -> None:
    """Raise ``Refused`` for a URL outside of the domains; redirects are checked as they come."""
    for one in inputs:
        if one.type == mrp.URL and domains and not is_within(read_url(one.value).host, domains):
            detail = f"{shown(one.value)} is none of the domains agreed on"
            raise Refused(detail, "domain_forbidden")


def domains_of(agreed: Mapping[str, Json] | None) -> tuple[str, ...]:
    """The hosts that may be fetched from; empty allows all."""
    found = (agreed or {}).get("allowedDomains")
    return tuple(str(one) for one in found) if isinstance(found, list) else ()


def price_of(agreed: Mapping[str, Json] | None, ability: Ability) -> Decimal:
    """What a job costs: as agreed, else as stated."""
    return ability.cost if agreed is None else Decimal(str(agreed["price"]))


def inputs_tag(inputs: Sequence[Item]) -> str:
    """The hash of inputs as they were sent, in their order."""
    documents: list[Json] = [dict(one.document) for one in inputs]
    return content_tag(documents)


def _record(asked: Negotiate, route: Route, price: Decimal) -> dict[str, Json]:
    return {
        "routeId": route.id,
        "price": str(price),
        "unit": route.ability.cost_unit,
        "allowedDomains": list(asked.constraints.allowed_domains),
        "policy": list(asked.constraints.policy),
        "proofs": list(asked.proofs),
        # Terms that name no inputs hold for whatever is sent under the agreement's id.
        "inputs": inputs_tag(asked.inputs) if asked.inputs else None,
    }


def _repeated(asked: Negotiate, price: Decimal, *, is_final: bool) -> dict[str, Json]:
    given = asked.constraints
    cap = given.max_cost if is_final else price
    stated: dict[str, Json | None] = {
        "max_cost": None if cap is None else number_to_json(cap),
        "max_latency_ms": given.max_latency_ms,
        "data_residency": given.residency,
        "data_retention_days": given.retention_days,
        "policy": list(given.policy) or None,
        "allowed_domains": list(given.allowed_domains) or None,
    }
    return {name: value for name, value in stated.items() if value is not None}


def _against(asked: Negotiate, route: Route, cap: Decimal | None) -> tuple[RouteReason, ...]:
    """Every reason against terms; the price is one only where a cap is given."""
    need = replace(need_of(asked.constraints, asked.proofs), max_cost=cap)
    found, unknown = judge(need, route.stated)
    # A price that cannot be compared with what may be spent is none to agree on.
    costs = [one for one in unknown if one.code == COST_OVER_CAP]
    order = sorted((*found, *costs), key=lambda one: FILTERS.index(one.code))
    return tuple(order)


def _refused(found: Sequence[RouteReason]) -> Refused:
    only_cost = all(one.code == COST_OVER_CAP for one in found)
    reason = mrp.COST_ABOVE_CAP if only_cost else "policy_violation"
    detail = "; ".join(one.text for one in found)
    return Refused(detail, reason, data={"reasons": [one.to_json() for one in found]})


def read_job_id(job: Mapping[str, Json]) -> str | None:
    """How an EXECUTE calls its job: at most 128 letters, digits, ``._-``, as a file name can be.

    Raises ``WireError``: an id that cannot be given back safely is not given back otherwise.
    """
    name = job.get("id")
    if name is None:
        return None
    if not isinstance(name, str) or not 0 < len(name) <= mrp.JOB_ID_CHARS_MAX:
        raise WireError(f"job.id must be a text of at most {mrp.JOB_ID_CHARS_MAX} characters")
    plain = name.replace("-", "").replace("_", "").replace(".", "")
    if not (plain.isascii() and plain.isalnum()) or name.startswith("."):
        raise WireError(f"job.id must consist of letters, digits and ._-, not {shown(name)}")
    return name


def is_async(job: Mapping[str, Json]) -> bool:
    """True for an asker who does not wait: ``job.async`` true, or ``job.mode`` "async" (9)."""
    return job.get("async") is True or job.get("mode") == "async"
