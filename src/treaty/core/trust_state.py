"""What a prefix of the trust log amounts to: one value per agent and per organisation.

Laws: nothing here depends on when it is asked, only on the log; weights are whole numbers of
10^-12, so that sums are exact; what a window holds it may forget when it expires, and what never
expires is a running sum. A thousand outcomes of one agent cost it little more than its windows.

Read next: ``trust_components`` (values and formulas), then ``trust_fold`` (records to state).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import ROUND_HALF_EVEN, Context, Decimal
from functools import lru_cache
from typing import Final

from treaty.core.persistent import PersistentMap
from treaty.core.trust_records import PLACES, Attestation
from treaty.core.window import Window
from treaty.wire.ids import AGENT_SCHEME, parse_agent_uri, registrable_domain

DAY_MS: Final = 86_400_000
YEAR_MS: Final = 365 * DAY_MS
CAP_MS: Final = 90 * DAY_MS
"""How long breaches sum towards a cap, and how long a cap lasts."""

ONE: Final = 10**PLACES
"""A weight of 1."""

ENDORSEMENTS_MAX: Final = 50
"""Endorsements an agent keeps (ASP 5.5)."""
VIOLATIONS_MAX: Final = 100
"""Distinct violations that are remembered; long before, BC is 0."""

CONTEXT: Final = Context(prec=28, rounding=ROUND_HALF_EVEN)
"""All decimal arithmetic of scores, whatever the caller's context is."""


@dataclass(frozen=True, slots=True)
class Roots:
    """Whom a trust node believes: clearings for outcomes, attesters for attestations."""

    clearings: frozenset[str] = frozenset()
    attesters: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Tally:
    """A weighted share: what was kept of what there was."""

    kept: int = 0
    total: int = 0


@dataclass(frozen=True, slots=True)
class Endorser:
    """An endorsement in force and its q when it was made."""

    agent: str
    q: int


@dataclass(frozen=True, slots=True)
class Cap:
    """A bound on the score after breaches."""

    most: Decimal
    until_ms: int


@dataclass(frozen=True, slots=True)
class AgentState:
    """Everything the log says of one agent that still matters."""

    key_proven: bool = False
    domain_proven: bool = False
    legal: bool = False
    rotated: bool = False
    attested_signer: bool = False
    born_ms: int | None = None
    """When its identity first came on record."""
    attestation: Attestation | None = None
    """The last one in the log: it replaces those before it, even when its time is over."""
    violations: frozenset[str] = frozenset()
    number: int = 0
    """Its last running number."""
    missing: int = 0
    """Running numbers that were never seen, of this log and of each clearing that reports."""
    reported: PersistentMap[str, int] = field(default_factory=PersistentMap)
    """The highest running number each other clearing has reported."""
    weight: int = 0
    """Σw."""
    weighted_ms: int | None = None
    """When it last had a deal of w > 0."""
    fulfilled: Tally = field(default_factory=Tally)
    honoured: Tally = field(default_factory=Tally)
    rated: int = 0
    """Σ w·(0.6·rating/5 + 0.4·outcome), in hundredths."""
    breached: Window = field(default_factory=Window)
    """v of breaches in 365 days: B."""
    defaulted: Window = field(default_factory=Window)
    """v of failed escrows in 365 days: the B of ER."""
    toward_cap: Window = field(default_factory=Window)
    """v of breaches in 90 days that no cap has counted yet."""
    severe_ms: int | None = None
    """When a breach of severity 5 was last confirmed."""
    cap: Cap | None = None
    received: PersistentMap[str, Window] = field(default_factory=PersistentMap)
    """Weights of 365 days by the organisation they came from."""
    dealt: PersistentMap[str, int] = field(default_factory=PersistentMap)
    """Time of the last deal of w > 0, by counterparty."""
    endorsers: tuple[Endorser, ...] = ()


@dataclass(frozen=True, slots=True)
class OrganisationState:
    """What an organisation's agents received, conferred and breached in 365 days."""

    received: Window = field(default_factory=Window)
    conferred: Window = field(default_factory=Window)
    breached: Window = field(default_factory=Window)
    """Breaches of v >= 1."""


@dataclass(frozen=True, slots=True)
class TrustState:
    """The fold of a log prefix. ``TrustState(roots)`` is that of the empty log."""

    roots: Roots = field(default_factory=Roots)
    size: int = 0
    """Records folded."""
    agents: PersistentMap[str, AgentState] = field(default_factory=PersistentMap)
    organisations: PersistentMap[str, OrganisationState] = field(default_factory=PersistentMap)
    attested: PersistentMap[str, tuple[str, ...]] = field(default_factory=PersistentMap)
    """Agents that were ever attested, by the domain they claim."""


_NEW_AGENT: Final = AgentState()
_NEW_ORGANISATION: Final = OrganisationState()


def agent_state(state: TrustState, agent: str) -> AgentState:
    """Return what the log says of an agent; the blank state when it says nothing."""
    return state.agents.get(agent) or _NEW_AGENT


def organisation_state(state: TrustState, name: str) -> OrganisationState:
    """Return what the log says of an organisation."""
    return state.organisations.get(name) or _NEW_ORGANISATION


@lru_cache(maxsize=4_096)
def domain_of(agent: str) -> str:
    """Return the registrable domain an agent URI claims."""
    return registrable_domain(parse_agent_uri(agent).host)


def same_domain(one: str, other: str) -> bool:
    """True when two agents claim one domain: they then confer nothing on each other."""
    return domain_of(one) == domain_of(other)


def organisation(state: TrustState, agent: str) -> str:
    """Return an agent's organisation: its domain once proven, until then its own URI (B16)."""
    return domain_of(agent) if agent_state(state, agent).domain_proven else agent


def valid_attestation(of: AgentState, at_ms: int) -> Attestation | None:
    """Return the attestation in force at a time, or None."""
    found = of.attestation
    return found if found is not None and found.at_ms <= at_ms < found.until_ms else None


def vouched(of: AgentState, at_ms: int) -> bool:
    """True when an agent is domain-proven or attested: only such a one confers weight."""
    return of.domain_proven or valid_attestation(of, at_ms) is not None


def allowance(state: TrustState, name: str, at_ms: int) -> int:
    """Return what an organisation may confer beyond half of what it received.

    It is attested if one of its agents is; with several, the largest allowance counts once.
    """
    if name.startswith(AGENT_SCHEME):
        agents: tuple[str, ...] = (name,)
    else:
        attested = state.attested.get(name) or ()
        agents = tuple(agent for agent in attested if organisation(state, agent) == name)
    found = (valid_attestation(agent_state(state, agent), at_ms) for agent in agents)
    return max((to_units(valid.allowance) for valid in found if valid is not None), default=0)


def to_units(value: Decimal) -> int:
    """A decimal as whole 10^-12, half-even."""
    return int(value.scaleb(PLACES, CONTEXT).to_integral_value(ROUND_HALF_EVEN))


def from_units(units: int) -> Decimal:
    """Whole 10^-12 as a decimal, exactly."""
    return Decimal(units).scaleb(-PLACES, CONTEXT)


def product(one: int, other: int) -> int:
    """Multiply two values of 10^-12, rounding half-even to 10^-12."""
    return quotient(one * other, ONE)


def quotient(dividend: int, divisor: int) -> int:
    """Divide whole numbers (not below zero), rounding half-even."""
    whole, rest = divmod(dividend, divisor)
    return whole + (2 * rest > divisor or (2 * rest == divisor and whole & 1))
