"""The fold of the trust log: one record in, one state out; and the weight of an outcome.

ASP decision B16. In log order: a weight depends on what was folded before it, never on what
came after. Believed are only outcomes of listed clearings and attestations of listed attesters;
others stay in the log and change nothing but the running numbers.

What the decision leaves open, and how it is read here:

* ``before`` in an outcome is S, the standing stored before the session: the host writes it down
  with the invitation, so nobody's score can be raised inside a session that already runs. It is
  used where it stands, and names the prefix and the time it was computed of; where it is missing,
  the standing at the outcome's time is computed. Whether the counterparty is proven or attested,
  and the organisations, are always taken from the log itself, as of the outcome.
* A breached commitment has weight too: it stands in Σw (so CF falls by it twice, through Σw and
  through B), as the formula with its factor ``kept`` says.
* Each v of a breach counts towards one cap: after a cap the sum starts again. So a second breach
  in full lowers the level once more, and a small one does not.
* An outcome whose running number was seen already is a repeat and changes nothing.

Read next: ``trust_components`` for what becomes of the state.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from treaty.core.levels import LEVELS
from treaty.core.trust_components import dealt_lately, score, standing_units
from treaty.core.trust_records import (
    SEVERITY_MAX,
    Attestation,
    Before,
    Endorsement,
    Identity,
    Outcome,
    Party,
    Proof,
    Record,
    Violation,
)
from treaty.core.trust_state import (
    CAP_MS,
    ENDORSEMENTS_MAX,
    ONE,
    VIOLATIONS_MAX,
    YEAR_MS,
    AgentState,
    Cap,
    Endorser,
    Tally,
    TrustState,
    agent_state,
    allowance,
    domain_of,
    from_units,
    organisation,
    organisation_state,
    product,
    same_domain,
    to_units,
    vouched,
)
from treaty.core.window import EMPTY, Entry, Window, added, recent
from treaty.wire.evolving import evolve

CAP_BELOW_FLOOR: Final = Decimal("0.1")
SEVERE_CAP: Final = Decimal("24.9")
"""The cap after a breach of severity 5."""

RATING_FLOOR: Final = 3
"""What a rating on a kept, undisputed commitment counts at least."""

_RATING_PERCENT: Final = 12
_OUTCOME_PERCENT: Final = 40
"""0.6·rating/5 + 0.4·outcome, in hundredths: 12 a star, 40 for a success."""


@dataclass(frozen=True, slots=True)
class Weight:
    """What an outcome weighs for one of its parties; all with 12 decimals."""

    q: Decimal
    """How much the counterparty's word counts."""
    v: Decimal
    w: Decimal
    """q·v, within what the counterparty's organisation may still confer."""


def fold(state: TrustState, record: Record) -> TrustState:
    """Fold the next record of the log. Never refuses: what is not believed changes nothing."""
    state = evolve(state, size=state.size + 1)
    match record:
        case Outcome():
            return _outcome(state, record)
        case Identity():
            return _identity(state, record)
        case Attestation():
            return _attestation(state, record)
        case Endorsement():
            return _endorsement(state, record)
        case Violation():
            return _violation(state, record)


def outcome_weight(state: TrustState, outcome: Outcome, agent: str) -> Weight:
    """Say what an outcome would weigh for one of its parties if it were folded next."""
    one, other = _sides(state, outcome)
    q, v, w = _weigh(state, outcome, one if one.party.agent == agent else other)
    return Weight(from_units(q), from_units(v), from_units(w))


def standing_before(state: TrustState, agent: str, at_ms: int) -> Before:
    """Return an agent's standing at a time."""
    now = score(state, agent, at_ms)
    return Before(now.score, now.provisional)


def standing_at_opening(state: TrustState, agent: str, at_ms: int) -> Before:
    """Return the standing to store when a session begins, and of what it was computed."""
    return evolve(standing_before(state, agent, at_ms), size=state.size, at_ms=at_ms)


@dataclass(frozen=True, slots=True)
class _Side:
    """An outcome as one of its parties sees it."""

    party: Party
    other: Party
    organisation: str
    other_organisation: str


def _sides(state: TrustState, outcome: Outcome) -> tuple[_Side, _Side]:
    one, other = outcome.parties
    its, others = organisation(state, one.agent), organisation(state, other.agent)
    return _Side(one, other, its, others), _Side(other, one, others, its)


def _put(state: TrustState, agent: str, of: AgentState) -> TrustState:
    return evolve(state, agents=state.agents.put(agent, of))


def endorser_word(state: TrustState, record: Endorsement) -> int:
    """Return q of an endorsement if it were folded next, as whole 10^-12."""
    return _word(state, record.at_ms, record.agent, record.endorser, None)


# Outcomes.


def _outcome(state: TrustState, outcome: Outcome) -> TrustState:
    if any(_is_repeat(state, party) for party in outcome.parties):
        return state
    believed = outcome.clearing in state.roots.clearings
    # Both sides are weighed by the state before this outcome; then both are folded.
    after = state
    for side in _sides(state, outcome):
        agent, number = side.party.agent, side.party.number
        of = agent_state(state, agent)
        if number is not None:
            of = evolve(of, number=number, missing=of.missing + number - of.number - 1)
        if side.party.reported is not None:
            of = _counted(of, outcome.clearing, side.party.reported)
        if believed:
            entry = (outcome.at_ms, _weigh(state, outcome, side)[2])
            of = _weighed(of, outcome, side, entry)
            if not side.party.kept:
                of = _breached(state, of, outcome, side.party)
            after = _grouped(after, side, entry)
        after = _put(after, agent, of)
    return after


def _counted(of: AgentState, clearing: str, number: int) -> AgentState:
    """Count what a clearing has left out so far; what comes late was counted as missing."""
    last = of.reported.get(clearing) or 0
    if number < last:
        return evolve(of, missing=max(0, of.missing - 1))
    missing = of.missing + number - last - 1
    return evolve(of, missing=missing, reported=of.reported.put(clearing, number))


def _is_repeat(state: TrustState, party: Party) -> bool:
    return party.number is not None and party.number <= agent_state(state, party.agent).number


def _weigh(state: TrustState, outcome: Outcome, side: _Side) -> tuple[int, int, int]:
    """q, v and w of an outcome for one side, as whole 10^-12."""
    party, other, at_ms = side.party, side.other, outcome.at_ms
    q, v = _word(state, at_ms, party.agent, other.agent, other.before), to_units(party.v)
    if not q:
        return q, v, 0
    room = min(_room_to_receive(state, side, at_ms), _room_to_confer(state, side, at_ms))
    return q, v, max(0, min(product(q, v), room))


def _word(state: TrustState, at_ms: int, agent: str, other: str, before: Before | None) -> int:
    """q: how much ``other``'s word counts for ``agent``."""
    if same_domain(agent, other) or not vouched(agent_state(state, other), at_ms):
        return 0
    standing = before or standing_before(state, other, at_ms)
    return 0 if standing.provisional else standing_units(standing.score)


def _room_to_receive(state: TrustState, side: _Side, at_ms: int) -> int:
    """Weights received from one organisation stop at a sum of 1 in 365 days."""
    received = agent_state(state, side.party.agent).received.get(side.other_organisation)
    return ONE - recent(received or EMPTY, at_ms, span_ms=YEAR_MS).total


def _room_to_confer(state: TrustState, side: _Side, at_ms: int) -> int:
    """What an organisation confers stops at half of what it received, plus its allowance."""
    group = organisation_state(state, side.other_organisation)
    received = recent(group.received, at_ms, span_ms=YEAR_MS).total
    conferred = recent(group.conferred, at_ms, span_ms=YEAR_MS).total
    return received // 2 + allowance(state, side.other_organisation, at_ms) - conferred


def _weighed(of: AgentState, outcome: Outcome, side: _Side, entry: Entry) -> AgentState:
    party, (at_ms, weight) = side.party, entry
    if party.escrow is False:
        of = evolve(of, defaulted=_in_year(of.defaulted, (at_ms, to_units(party.v))))
    if not weight:
        return of
    received = of.received.get(side.other_organisation) or EMPTY
    dealt_ms = of.dealt.get(side.other.agent)
    return evolve(
        of,
        weight=of.weight + weight,
        weighted_ms=at_ms if of.weighted_ms is None else max(of.weighted_ms, at_ms),
        fulfilled=_tallied(of.fulfilled, weight, kept=party.kept),
        honoured=of.honoured
        if party.escrow is None
        else _tallied(of.honoured, weight, kept=party.escrow),
        rated=of.rated + weight * _rated_percent(outcome, party),
        received=of.received.put(side.other_organisation, _in_year(received, entry)),
        dealt=of.dealt.put(side.other.agent, at_ms if dealt_ms is None else max(dealt_ms, at_ms)),
    )


def _in_year(window: Window, entry: Entry) -> Window:
    return added(window, entry, span_ms=YEAR_MS)


def _tallied(tally: Tally, weight: int, *, kept: bool) -> Tally:
    return Tally(tally.kept + weight * kept, tally.total + weight)


def _rated_percent(outcome: Outcome, party: Party) -> int:
    if party.rating is None:
        # A missing rating makes its term equal to the outcome.
        return 100 if party.kept else 0
    if not party.kept:
        return _RATING_PERCENT * party.rating
    rating = party.rating if outcome.disputed else max(party.rating, RATING_FLOOR)
    return _RATING_PERCENT * rating + _OUTCOME_PERCENT


def _breached(state: TrustState, of: AgentState, outcome: Outcome, party: Party) -> AgentState:
    at_ms, entry = outcome.at_ms, (outcome.at_ms, to_units(party.v))
    toward = added(of.toward_cap, entry, span_ms=CAP_MS)
    severe_ms = at_ms if outcome.severity == SEVERITY_MAX else of.severe_ms
    of = evolve(of, breached=_in_year(of.breached, entry), toward_cap=toward, severe_ms=severe_ms)
    if toward.total < ONE:
        return of
    severe = severe_ms is not None and at_ms - severe_ms < CAP_MS
    most = _cap_of(score(state, party.agent, at_ms).level, severe=severe)
    return evolve(of, cap=Cap(most, at_ms + CAP_MS), toward_cap=EMPTY)


def _cap_of(level: int, *, severe: bool) -> Decimal:
    """Just below the floor of the level the agent had, at least 0; 24.9 if that is less."""
    most = max(Decimal("0.0"), LEVELS[level].floor - CAP_BELOW_FLOOR)
    return min(most, SEVERE_CAP) if severe else most


def _grouped(state: TrustState, side: _Side, entry: Entry) -> TrustState:
    """Book a weight with both organisations, and a full breach with the breaching one."""
    groups, (at_ms, weight) = state.organisations, entry
    own = organisation_state(state, side.organisation)
    if not side.party.kept and to_units(side.party.v) >= ONE:
        own = evolve(own, breached=_in_year(own.breached, (at_ms, 1)))
        groups = groups.put(side.organisation, own)
    if weight:
        # Two organisations: within one, q and so the weight is 0.
        other = organisation_state(state, side.other_organisation)
        own = evolve(own, received=_in_year(own.received, entry))
        other = evolve(other, conferred=_in_year(other.conferred, entry))
        groups = groups.put(side.organisation, own).put(side.other_organisation, other)
    return state if groups is state.organisations else evolve(state, organisations=groups)


# The other records.


def _identity(state: TrustState, record: Identity) -> TrustState:
    of = agent_state(state, record.agent)
    by_attester = record.by in state.roots.attesters
    match record.proof:
        case Proof.KEY:
            of = evolve(of, key_proven=True)
        case Proof.DOMAIN:
            of = evolve(of, domain_proven=True)
        case Proof.ROTATION:
            of = evolve(of, rotated=True)
        case Proof.DISPLACEMENT:
            # The name has a new owner; running numbers go on, because the log does.
            of = AgentState(
                key_proven=True,
                domain_proven=True,
                number=of.number,
                missing=of.missing,
                reported=of.reported,
            )
        case Proof.LEGAL if by_attester:
            of = evolve(of, legal=True)
        case Proof.SIGNER if by_attester:
            of = evolve(of, attested_signer=True)
        case _:
            return state
    born = of if of.born_ms is not None else evolve(of, born_ms=record.at_ms)
    return _put(state, record.agent, born)


def _attestation(state: TrustState, record: Attestation) -> TrustState:
    if record.by not in state.roots.attesters:
        return state
    domain = domain_of(record.agent)
    named = state.attested.get(domain) or ()
    if record.agent not in named:
        state = evolve(state, attested=state.attested.put(domain, (*named, record.agent)))
    of = evolve(agent_state(state, record.agent), attestation=record)
    return _put(state, record.agent, of)


def _violation(state: TrustState, record: Violation) -> TrustState:
    of = agent_state(state, record.agent)
    if record.evidence in of.violations or len(of.violations) >= VIOLATIONS_MAX:
        return state
    return _put(state, record.agent, evolve(of, violations=of.violations | {record.evidence}))


def _endorsement(state: TrustState, record: Endorsement) -> TrustState:
    """Keep the endorser's q; a later endorsement by the same agent replaces the earlier one.

    q is that of the endorser's standing in the log: its own record cannot say how much it counts.
    """
    of = agent_state(state, record.agent)
    q = 0 if record.withdrawn else endorser_word(state, record)
    kept = tuple(known for known in of.endorsers if known.agent != record.endorser)
    if len(kept) >= ENDORSEMENTS_MAX:
        # Full: endorsers without a recent deal count nothing and give way.
        kept = tuple(known for known in kept if dealt_lately(of, known.agent, record.at_ms))
    if q and len(kept) < ENDORSEMENTS_MAX:
        kept = (*kept, Endorser(record.endorser, q))
    return _put(state, record.agent, evolve(of, endorsers=kept))
