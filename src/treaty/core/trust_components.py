"""The arithmetic of a score: evidence, the eight components, and how they become one number.

ASP decision B16, formula by formula; every function is pure, its arithmetic decimal with 28
digits (``CONTEXT``). Components are rounded half-even to 4 places *before* they are weighted, so
that whoever sees them can recompute the score; the score is rounded to 1.

Read next: ``trust``, the door to all of this.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, localcontext
from typing import Final

from treaty.core.levels import SCORE_MAX, level_of
from treaty.core.trust_records import COMPONENTS, Attestation
from treaty.core.trust_state import (
    CONTEXT,
    DAY_MS,
    YEAR_MS,
    AgentState,
    TrustState,
    agent_state,
    from_units,
    organisation,
    organisation_state,
    same_domain,
    to_units,
    valid_attestation,
)
from treaty.core.window import EMPTY, recent

WEIGHTS: Final[Mapping[str, Decimal]] = {
    "IV": Decimal("0.20"),
    "CH": Decimal("0.15"),
    "CF": Decimal("0.20"),
    "BC": Decimal("0.10"),
    "RQ": Decimal("0.10"),
    "SP": Decimal("0.10"),
    "ER": Decimal("0.10"),
    "PE": Decimal("0.05"),
}
"""What each component counts; they sum to 1."""

PRIOR_PROVEN: Final = Decimal(49)
PRIOR_UNPROVEN: Final = Decimal(20)
"""Where a score starts from without evidence (P)."""

IDLE_DAYS: Final = 30
HALF_LIFE_DAYS: Final = 90
"""After 30 days without a weighted deal, evidence halves every 90."""

DAMPED_ABOVE: Final = Decimal(50)
DAMPING_EVIDENCE: Final = 10
"""What IV and SP have above 50 counts in full from this much evidence on."""

_ZERO: Final = Decimal(0)
_ONE: Final = Decimal(1)
_FOUR_PLACES: Final = Decimal("0.0001")
_ONE_PLACE: Final = Decimal("0.1")


@dataclass(frozen=True, slots=True)
class Score:
    """An agent's standing at a time, with what it was made of."""

    agent: str
    score: Decimal
    """0 to 100, one place."""
    level: int
    provisional: bool
    attested: bool
    components: Mapping[str, Decimal]
    """0 to 100, four places, in the order of ``COMPONENTS``."""
    evidence: Decimal
    """E, four places."""
    breaches: Decimal
    """B: v of confirmed breaches in 365 days, four places."""
    prior: Decimal
    """P: what the score is without evidence."""
    capped_at: Decimal | None
    """The cap after breaches that is in force, or None."""
    missing: int
    """Outcomes that are not in the log, by the agent's running numbers."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What an agent's events amount to at a time."""

    own: Decimal
    """Σw."""
    attested: Decimal
    """E0, 0 without a valid attestation."""
    decay: Decimal
    breaches: Decimal
    """B."""
    defaults: Decimal
    """B of the escrow events."""

    @property
    def total(self) -> Decimal:
        """E."""
        return (self.attested + self.own) * self.decay


def score(state: TrustState, agent: str, at_ms: int) -> Score:
    """Compute an agent's score at a time (B16). Its cost is that of the agent's own events."""
    with localcontext(CONTEXT):
        return _score(state, agent, at_ms)


def newcomer_score(state: TrustState, agent: str, at_ms: int) -> Decimal | None:
    """The score of an agent of whom only its identity is on record; None for any other.

    Without evidence it is the prior alone, whatever the components are. Most agents of a large
    registry are such, and their score costs next to nothing.
    """
    of = agent_state(state, agent)
    if of.weight or of.attestation is not None or of.cap is not None or of.breached != EMPTY:
        return None
    return _prior(state, agent, at_ms).quantize(_ONE_PLACE)


def _score(state: TrustState, agent: str, at_ms: int) -> Score:
    of = agent_state(state, agent)
    attestation = valid_attestation(of, at_ms)
    evidence = _evidence(of, attestation, at_ms)
    own = _own_components(of, evidence, _endorsed(of, agent, at_ms))
    components = {name: _component(name, own[name], evidence, attestation) for name in COMPONENTS}
    prior = _prior(state, agent, at_ms)
    maturity = min(_ONE, evidence.total + evidence.breaches)
    full = sum((WEIGHTS[name] * components[name] for name in COMPONENTS), _ZERO)
    value = _clamped((_ONE - maturity) * prior + maturity * full).quantize(_ONE_PLACE)
    cap = of.cap.most if of.cap is not None and at_ms < of.cap.until_ms else None
    value = value if cap is None else min(value, cap)
    return Score(
        agent=agent,
        score=value,
        level=level_of(value),
        provisional=attestation is None and evidence.total < _ONE,
        attested=attestation is not None,
        components=components,
        evidence=evidence.total.quantize(_FOUR_PLACES),
        breaches=evidence.breaches.quantize(_FOUR_PLACES),
        prior=prior,
        capped_at=cap,
        missing=of.missing,
    )


def _clamped(value: Decimal) -> Decimal:
    return max(_ZERO, min(SCORE_MAX, value))


def _evidence(of: AgentState, attestation: Attestation | None, at_ms: int) -> Evidence:
    return Evidence(
        own=from_units(of.weight),
        attested=_ZERO if attestation is None else attestation.weight,
        decay=_decay(of, attestation, at_ms),
        breaches=from_units(recent(of.breached, at_ms, span_ms=YEAR_MS).total),
        defaults=from_units(recent(of.defaulted, at_ms, span_ms=YEAR_MS).total),
    )


def _decay(of: AgentState, attestation: Attestation | None, at_ms: int) -> Decimal:
    """2^(-(idle - 30)/90) after 30 idle days.

    Idle time runs from the last deal of w > 0, or from the attestation when that is later: it
    is evidence of its own date.
    """
    starts = [of.weighted_ms] if of.weighted_ms is not None else []
    starts += [attestation.at_ms] if attestation is not None else []
    if not starts:
        return _ONE
    idle_days = Decimal(at_ms - max(starts)) / DAY_MS
    if idle_days <= IDLE_DAYS:
        return _ONE
    # exp and ln are correctly rounded everywhere, a power of a fraction is not.
    return ((IDLE_DAYS - idle_days) / HALF_LIFE_DAYS * Decimal(2).ln()).exp()


def _own_components(of: AgentState, evidence: Evidence, endorsed: int) -> dict[str, Decimal]:
    """The formulas over the agent's own events alone: Σw, decayed, without E0."""
    amount = evidence.own * evidence.decay
    growth = (_ONE + amount).ln() / Decimal(2).ln()
    damping = min(_ONE, amount / DAMPING_EVIDENCE)
    return {
        "IV": _damped(_identity(of), damping),
        "CH": 10 * growth,
        "CF": _share(of.fulfilled.kept, of.fulfilled.total, evidence.breaches),
        "BC": 50 + 5 * growth - 10 * len(of.violations),
        "RQ": Decimal(of.rated) / Decimal(of.weight) if of.weight else _ZERO,
        "SP": _damped(_security(of), damping),
        "ER": _share(of.honoured.kept, of.honoured.total, evidence.defaults),
        "PE": 4 * from_units(endorsed),
    }


def _identity(of: AgentState) -> Decimal:
    if of.legal:
        return Decimal(100)
    if of.domain_proven:
        return Decimal(80)
    return Decimal(50) if of.key_proven else _ZERO


def _security(of: AgentState) -> Decimal:
    # Signatures and proofs of possession need a proven key: without one there is no posture.
    base = 50 if of.key_proven else 0
    return Decimal(base + 25 * of.rotated + 25 * of.attested_signer)


def _damped(value: Decimal, damping: Decimal) -> Decimal:
    return min(value, DAMPED_ABOVE) + max(_ZERO, value - DAMPED_ABOVE) * damping


def _share(kept: int, total: int, breaches: Decimal) -> Decimal:
    whole = from_units(total) + breaches
    return 100 * from_units(kept) / whole if whole else _ZERO


def _endorsed(of: AgentState, agent: str, at_ms: int) -> int:
    """Σq over the endorsers that count."""
    return sum(
        endorser.q
        for endorser in of.endorsers
        if endorsement_counts(of, endorser.agent, agent, at_ms)
    )


def endorsement_counts(of: AgentState, endorser: str, agent: str, at_ms: int) -> bool:
    """True when an endorsement counts: another domain, and a deal of weight in 365 days."""
    return dealt_lately(of, endorser, at_ms) and not same_domain(endorser, agent)


def dealt_lately(of: AgentState, other: str, at_ms: int) -> bool:
    """True when an agent had a deal of w > 0 with another in the last 365 days."""
    dealt_ms = of.dealt.get(other)
    return dealt_ms is not None and at_ms - dealt_ms < YEAR_MS


def _component(
    name: str, own: Decimal, evidence: Evidence, attestation: Attestation | None
) -> Decimal:
    """Blend the attested value in, by E0 against Σw, then clamp and round."""
    clamped = _clamped(own)
    value = None if attestation is None else attestation.components.get(name)
    both = evidence.attested + evidence.own
    if value is not None and both:
        clamped = _clamped((evidence.attested * value + evidence.own * clamped) / both)
    return clamped.quantize(_FOUR_PLACES)


def _prior(state: TrustState, agent: str, at_ms: int) -> Decimal:
    """49 with a proven key, else 20; also 20 for who came after a breach of its organisation."""
    of = agent_state(state, agent)
    if not of.key_proven or of.born_ms is None:
        return PRIOR_UNPROVEN
    group = organisation_state(state, organisation(state, agent))
    breached_ms = recent(group.breached, at_ms, span_ms=YEAR_MS).oldest_ms
    renewed = breached_ms is not None and breached_ms < of.born_ms
    return PRIOR_UNPROVEN if renewed else PRIOR_PROVEN


def standing_units(score_before: Decimal) -> int:
    """Return q for a score, clamp((S - 30)/60, 0, 1), as whole 10^-12."""
    with localcontext(CONTEXT):
        return to_units(max(_ZERO, min(_ONE, (score_before - 30) / 60)))
