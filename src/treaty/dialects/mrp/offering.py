"""What a provider offers: its routes, offers and manifests, made of what a capability states.

Laws:

1. A route's id is a pure function of provider, capability and version, so an offer needs no
   memory and outlives a restart; an operator may give a route another name.
2. An offer states what the capability states and nothing more; what is not stated is absent.
3. The best offer comes first (C4). Offers that miss what was asked for are left out, unless the
   asker compares for itself and says so: ``constraints.include_unmatched`` (12).

Read next: ``terms`` for what is agreed about an offer.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final, Protocol
from urllib.parse import quote

from treaty.core.routing import RouteNeed, RouteOffer, RouteVerdict, rank
from treaty.dialects.mrp import choices as mrp
from treaty.dialects.mrp.manifest import ENDPOINTS, make_manifest
from treaty.dialects.mrp.messages import Constraints, Item
from treaty.dialects.mrp.reading import read_constraints, read_proofs
from treaty.errors import MisuseError, WireError
from treaty.wire import fields
from treaty.wire.canonical import Json, canonical
from treaty.wire.money import number_to_json

UNMATCHED: Final = "include_unmatched"
"""The constraint by which an asker wants the offers that miss its other constraints too."""
ENCODED_MAX: Final = 1_024
"""Answers that are remembered."""
KEY_CHARS_MAX: Final = 4_096
OFFERED_MAX: Final = 100
"""Offers in one answer."""
_DISCOVER: Final = frozenset(("intent", "inputs", "constraints", "proofs_required"))
HELD: Final[Mapping[str, str]] = {
    "text/plain": mrp.TEXT,
    "text/markdown": mrp.MARKDOWN,
    "application/json": mrp.JSON,
}
"""Media type of an artifact -> the type of item its content is."""
CAPABILITY_PREFIX: Final = "capability:treaty/"
"""Before a capability's name, its id."""


class Ability(Protocol):
    """A capability as its operator states it; the engine's record is one."""

    @property
    def name(self) -> str:
        """Its name."""

    @property
    def version(self) -> str:
        """Its version."""

    @property
    def inputs(self) -> tuple[str, ...]:
        """Types of items it takes."""

    @property
    def outputs(self) -> tuple[str, ...]:
        """Types of items it gives."""

    @property
    def cost(self) -> Decimal:
        """The price of one call."""

    @property
    def cost_unit(self) -> str:
        """What the price is in."""

    @property
    def floor(self) -> Decimal | None:
        """Private: the lowest price that is agreed to; None for the price itself."""

    @property
    def latency_ms(self) -> int | None:
        """The median to expect."""

    @property
    def confidence(self) -> Decimal:
        """0 to 1."""

    @property
    def policy(self) -> tuple[str, ...]:
        """What it promises."""

    @property
    def proofs(self) -> tuple[str, ...]:
        """What its evidence attests."""

    @property
    def retention_days(self) -> int | None:
        """How long what it is given is kept."""

    @property
    def training_use(self) -> str | None:
        """Whether it is trained on."""

    @property
    def residency(self) -> str | None:
        """Where it stays."""

    @property
    def subprocessors(self) -> tuple[str, ...]:
        """Who else gets it."""

    @property
    def tags(self) -> tuple[str, ...]:
        """Words to find it by."""

    @property
    def constraints(self) -> Mapping[str, Json]:
        """Further statements for the manifest."""

    @property
    def needs_agreement(self) -> bool:
        """True when it is carried out only after a negotiation."""

    @property
    def route_id(self) -> str | None:
        """The name of its route, where it has one of its own."""


@dataclass(frozen=True, slots=True)
class Route:
    """One capability as it is offered."""

    id: str
    ability: Ability
    stated: RouteOffer
    """The offer in the terms in which offers are compared."""
    offer: Mapping[str, Json] = field(repr=False)


class Offering:
    """The routes of one provider. Made once; what it remembers is only what it said."""

    def __init__(self, provider: str, abilities: Sequence[Ability]) -> None:
        routes = [make_route(provider, one) for one in abilities]
        self.first = routes[0].ability.name if routes else ""
        """The capability whose manifest is the provider's."""
        self.by_id: Mapping[str, Route] = {one.id: one for one in routes}
        self.by_name: Mapping[str, Route] = {one.ability.name: one for one in routes}
        self._encoded: dict[str, bytes] = {}
        """Constraints, proofs and types of inputs -> the offers for them."""
        if not len(self.by_id) == len(self.by_name) == len(routes):
            raise MisuseError("two capabilities have the same name, or the same route")

    @property
    def names(self) -> list[str]:
        """The capabilities, in the order they were given in."""
        return list(self.by_name)

    @property
    def proofs(self) -> list[str]:
        """What any of them attests."""
        found = (proof for one in self.by_name.values() for proof in one.ability.proofs)
        return list(dict.fromkeys(found))

    def encoded(self, payload: Mapping[str, Json], named: str | None = None) -> bytes:
        """The offers for a DISCOVER as canonical JSON; ``named`` is a capability of the address.

        They depend on the constraints, the proofs and the types of the inputs alone, so what was
        made for these once is given again. Raises ``WireError`` for a payload that is none.
        """
        if not payload.keys() <= _DISCOVER or not fields.text(payload, "intent"):
            raise WireError("a DISCOVER has an intent")
        inputs = fields.items(payload, "inputs", most=mrp.ITEMS_MAX)
        kinds = sorted({str(one.get("type")) for one in inputs if isinstance(one, dict)})
        # What is asked in other words may be remembered twice; what differs never is one.
        key = repr((payload.get("constraints"), payload.get("proofs_required"), kinds, named))
        found = self._encoded.get(key)
        if found is None:
            constraints, proofs = read_constraints(payload), read_proofs(payload)
            found = canonical(self.offers(constraints, proofs, kinds, named))
            self._remember(key, found)
        return found

    def _remember(self, key: str, found: bytes) -> None:
        if len(key) > KEY_CHARS_MAX:
            return
        self._encoded[key] = found
        if len(self._encoded) > ENCODED_MAX:
            del self._encoded[next(iter(self._encoded))]

    def offers(
        self,
        constraints: Constraints,
        proofs: Sequence[str],
        kinds: Collection[str],
        named: str | None = None,
    ) -> list[Json]:
        """The offers under these constraints, best first; ``kinds`` are the inputs' types."""
        # What the message says counts; the address speaks for clients that say nothing.
        wanted = constraints.capability or named
        name = None if wanted is None else wanted.removeprefix(CAPABILITY_PREFIX)
        need = need_of(constraints, proofs, name)
        ranked = rank(need, [one.stated for one in self.by_id.values()]).considered
        if constraints.document.get(UNMATCHED) is not True:
            ranked = tuple(one for one in ranked if one.verdict is not RouteVerdict.REJECTED)
        elif name is not None:
            ranked = tuple(one for one in ranked if one.offer.capability == name)
        routes = [self.by_id[one.offer.route_id] for one in ranked]
        # What can take the inputs at all goes before what cannot.
        routes.sort(key=lambda one: not set(one.ability.inputs).issuperset(kinds))
        return [dict(one.offer) for one in routes[:OFFERED_MAX]]

    def manifest(self, name: str) -> dict[str, Json]:
        """The manifest of one capability. Raises ``KeyError`` for another."""
        own = self.by_name[name].ability
        constraints: dict[str, Json] = {
            "policy": list(own.policy),
            **_present(data_residency=own.residency, data_retention_days=own.retention_days),
            **own.constraints,
        }
        return make_manifest(
            capability_id=CAPABILITY_PREFIX + own.name,
            capability=own.name,
            version=own.version,
            inputs=own.inputs,
            outputs=own.outputs,
            tags=own.tags,
            constraints=constraints,
            cost=_cost(own),
            latency=_latency(own),
            proofs_required=own.proofs,
            endpoints=self._endpoints(name),
        )

    def _endpoints(self, name: str) -> Mapping[str, str]:
        """Where to ask; clients that name no capability are led to the one of this manifest."""
        if len(self.by_name) == 1:
            return ENDPOINTS
        return {**ENDPOINTS, "discover": f"{ENDPOINTS['discover']}?capability={quote(name)}"}


def make_route(provider: str, ability: Ability) -> Route:
    """The route to a capability, with its offer."""
    name = f"{provider.removeprefix('service:')}/{ability.name}@{ability.version}"
    ident = ability.route_id or f"route:{name}"
    risk = _present(
        data_retention_days=ability.retention_days,
        training_use=ability.training_use,
        data_residency=ability.residency,
    )
    if ability.subprocessors:
        risk["subprocessors"] = list(ability.subprocessors)
    offer: dict[str, Json] = {
        "route_id": ident,
        "capability": ability.name,
        "confidence": number_to_json(ability.confidence),
        "cost": _cost(ability),
        "proofs": list(ability.proofs),
        "policy": list(ability.policy),
        "risk": risk,
        "endpoint": ENDPOINTS["negotiate" if ability.needs_agreement else "execute"],
    }
    latency = _latency(ability)
    stated = _stated(provider, ident, ability)
    return Route(ident, ability, stated, _with(offer, latency))


def _stated(provider: str, ident: str, ability: Ability) -> RouteOffer:
    days, latency_ms = ability.retention_days, ability.latency_ms
    return RouteOffer(
        provider=provider,
        route_id=ident,
        capability=ability.name,
        confidence=ability.confidence,
        cost=ability.cost,
        unit=ability.cost_unit,
        latency_ms=None if latency_ms is None else Decimal(latency_ms),
        policy=ability.policy,
        training_use=ability.training_use,
        retention_days=None if days is None else Decimal(days),
        residency=ability.residency,
        proofs=ability.proofs,
    )


def _with(offer: dict[str, Json], latency: dict[str, Json] | None) -> dict[str, Json]:
    return offer if latency is None else {**offer, "latency": latency}


def need_of(
    constraints: Constraints, proofs: Sequence[str], capability: str | None = None
) -> RouteNeed:
    """What is asked of an offer, in the terms in which offers are compared."""
    most_ms, days = constraints.max_latency_ms, constraints.retention_days
    return RouteNeed(
        capability=capability,
        policy=constraints.policy,
        max_cost=constraints.max_cost,
        max_latency_ms=None if most_ms is None else Decimal(most_ms),
        retention_days=None if days is None else Decimal(days),
        residency=constraints.residency,
        proofs=tuple(proofs),
    )


def takes(ability: Ability, inputs: Sequence[Item]) -> str | None:
    """The first type among the inputs that a capability does not take; None when it takes all.

    An artifact of text, Markdown or JSON is taken wherever its content is.
    """
    for one in inputs:
        media = (one.mime or "").partition(";")[0].strip().lower()
        held = HELD.get(media) if one.type == mrp.ARTIFACT else None
        if one.type not in ability.inputs and held not in ability.inputs:
            return one.type
    return None


def _cost(ability: Ability) -> dict[str, Json]:
    return {"unit": ability.cost_unit, "estimate": number_to_json(ability.cost)}


def _latency(ability: Ability) -> dict[str, Json] | None:
    return None if ability.latency_ms is None else {"p50": f"{ability.latency_ms}ms"}


def _present(**members: Json) -> dict[str, Json]:
    return {name: value for name, value in members.items() if value is not None}
