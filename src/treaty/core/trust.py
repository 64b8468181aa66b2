"""Trust: what an agent's record is worth. The door to the ``trust_*`` modules (ASP B16).

A score is a function of (log prefix, time, roots) under the rules named ``trust/1``, and of
nothing else: whoever has the log and the roots computes the same number, to the last digit.

* ``trust_records``: what may stand in the log, and its JSON.
* ``trust_state`` and ``trust_fold``: the log folded record by record, ``fold``.
* ``trust_components``: ``score``, formula by formula.
* ``merkle``: the tree whose root a trust node signs.

A trust node that appends an outcome first calls ``stamped``, so that the record carries what it
was given: organisations, standings before, running numbers, q and w. Whoever reads the log asks
``discrepancies`` which of these do not follow from the records before.

Read next: ``trust_records``.
"""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Final

from treaty.core.levels import USD_ONLY, Rates
from treaty.core.trust_components import WEIGHTS, Score, score
from treaty.core.trust_fold import (
    Weight,
    endorser_word,
    fold,
    outcome_weight,
    standing_at_opening,
    standing_before,
)
from treaty.core.trust_records import (
    COMPONENTS,
    Attestation,
    Before,
    Endorsement,
    Identity,
    Outcome,
    Party,
    Proof,
    Record,
    Violation,
    before_from_json,
    before_to_json,
    decimal_text,
    record_from_json,
    record_kind,
    record_to_json,
)
from treaty.core.trust_state import ONE, Roots, TrustState, agent_state, from_units, organisation
from treaty.errors import MisuseError, Refused, shown
from treaty.wire.canonical import Json
from treaty.wire.evolving import evolve
from treaty.wire.money import Money

__all__ = [
    "COMPONENTS",
    "RULES",
    "WEIGHTS",
    "Attestation",
    "Before",
    "Endorsement",
    "Identity",
    "Outcome",
    "Party",
    "Proof",
    "Record",
    "Roots",
    "Score",
    "TrustState",
    "Violation",
    "Weight",
    "before_from_json",
    "before_to_json",
    "decimal_text",
    "discrepancies",
    "endorser_word",
    "fold",
    "outcome_value",
    "outcome_weight",
    "record_from_json",
    "record_kind",
    "record_to_json",
    "score",
    "score_to_json",
    "stamped",
    "standing_at_opening",
    "standing_before",
]

RULES: Final = "trust/1"
"""The name of the rules in this version; other formulas get another name."""

FULL_VALUE_USD: Final = 100
"""The value from which a deal counts in full."""


def outcome_value(money: Money, rates: Rates = USD_ONLY) -> Decimal:
    """Return v = min(1, value / 100 USD) with 12 decimals, half-even.

    ``money`` is what was posted to the payee for what was kept, or what was reserved for what
    was breached. Raises ``Refused`` (``currency_unsupported``) for an asset without a rate.
    """
    rate = rates.get(money.asset)
    if rate is None:
        raise Refused(f"no US dollar rate is configured for {money.asset}", "currency_unsupported")
    if money.units < 0:
        raise MisuseError(f"a value is not below zero: {shown(money.units)}")
    units = round(Fraction(money.units * ONE) / (FULL_VALUE_USD * rate))
    return from_units(min(ONE, units))


def stamped(state: TrustState, outcome: Outcome) -> Outcome:
    """Fill in what a trust node records of an outcome that it appends next.

    A standing before that is given stays; the rest is overwritten: it is the trust node's to say.
    """
    one, other = (_with_before(state, outcome, party) for party in outcome.parties)
    outcome = evolve(outcome, parties=(one, other))
    one, other = (_with_stamp(state, outcome, party) for party in outcome.parties)
    return evolve(outcome, parties=(one, other))


def _with_before(state: TrustState, outcome: Outcome, party: Party) -> Party:
    before = party.before or standing_before(state, party.agent, outcome.at_ms)
    return evolve(party, before=before)


def _with_stamp(state: TrustState, outcome: Outcome, party: Party) -> Party:
    weight = outcome_weight(state, outcome, party.agent)
    return evolve(
        party,
        number=agent_state(state, party.agent).number + 1,
        organisation=organisation(state, party.agent),
        q=weight.q,
        w=weight.w,
    )


def discrepancies(state: TrustState, outcome: Outcome) -> tuple[str, ...]:
    """Name what a recorded outcome says of itself that the log before it does not bear out.

    The answers read ``<agent>: <member> <recorded>, computed <value>``. Empty means that every
    stamp holds; a member that was never stamped is not compared.
    """
    found = []
    for was, computed in zip(outcome.parties, stamped(state, outcome).parties, strict=True):
        for name in ("number", "organisation", "q", "w"):
            recorded, right = getattr(was, name), getattr(computed, name)
            if recorded is not None and recorded != right:
                found.append(f"{was.agent}: {name} {_said(recorded)}, computed {_said(right)}")
    return tuple(found)


def _said(value: Decimal | str | int) -> str:
    return decimal_text(value) if isinstance(value, Decimal) else str(value)


def score_to_json(value: Score) -> dict[str, Json]:
    """Write a score as it is shown and signed: numbers as decimal text, with the rules' name."""
    capped = {} if value.capped_at is None else {"cappedAt": decimal_text(value.capped_at)}
    return {
        "rules": RULES,
        "agent": value.agent,
        "score": str(value.score),
        "level": value.level,
        "provisional": value.provisional,
        "attested": value.attested,
        "components": {name: str(value.components[name]) for name in COMPONENTS},
        "evidence": str(value.evidence),
        "breaches": decimal_text(value.breaches),
        "prior": str(value.prior),
        "missing": value.missing,
        **capped,
    }
