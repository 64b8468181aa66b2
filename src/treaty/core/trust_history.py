"""Why a score is what it is: which record of the log moved which component, by how much.

``history`` folds the log once and gives the steps of one agent: each record that names it, and
between two of them what time and others' records did (decay, an attestation that ended, a breach
that left its window). Every step begins where the one before ended, so the steps sum to the
score, from the 20.0 of somebody nobody knows (ASP decision B16).

Read next: ``trust_components`` for the formulas.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal

from treaty.core.trust_components import Score, score
from treaty.core.trust_fold import Weight, fold, outcome_weight
from treaty.core.trust_records import COMPONENTS, Outcome, Record, decimal_text, record_kind
from treaty.core.trust_state import Roots, TrustState
from treaty.wire.canonical import Json
from treaty.wire.instants import format_instant

PASSAGE = "time"
"""The kind of a step that no record of the agent's own explains."""


@dataclass(frozen=True, slots=True)
class Step:
    """What moved a score at one place of the log."""

    kind: str
    """The record's kind, or ``time``."""
    at_ms: int
    before: Score
    after: Score
    index: int | None = None
    """Place in the log, from 0; None for ``time``."""
    record: Record | None = None
    weight: Weight | None = None
    """What an outcome weighed for the agent."""

    @property
    def moved(self) -> Mapping[str, Decimal]:
        """Component -> by how much it changed; those that did not are left out."""
        was, now = self.before.components, self.after.components
        return {name: now[name] - was[name] for name in COMPONENTS if now[name] != was[name]}

    @property
    def by(self) -> Decimal:
        """By how much the score changed."""
        return self.after.score - self.before.score


def history(records: Iterable[Record], agent: str, roots: Roots, at_ms: int) -> Iterator[Step]:
    """The steps of an agent's score, in the order of the log, up to a time.

    ``records`` are the log from its beginning. Records dated behind ``at_ms`` count as of then.
    """
    state = TrustState(roots)
    last: Score | None = None
    last_ms = 0
    for index, record in enumerate(records):
        after = fold(state, record)
        if agent in names(record):
            then_ms = min(at_ms, max(record.at_ms, last_ms))
            before = score(state, agent, then_ms)
            yield from _passage(last or before, before, then_ms)
            last, last_ms = score(after, agent, then_ms), then_ms
            weight = outcome_weight(state, record, agent) if isinstance(record, Outcome) else None
            yield Step(record_kind(record), then_ms, before, last, index, record, weight)
        state = after
    now = score(state, agent, at_ms)
    yield from _passage(last or now, now, at_ms)


def _passage(was: Score, now: Score, at_ms: int) -> Iterator[Step]:
    if (was.score, was.components) != (now.score, now.components):
        yield Step(PASSAGE, at_ms, was, now)


def names(record: Record) -> tuple[str, ...]:
    """The agents whose score a record may move."""
    if isinstance(record, Outcome):
        return tuple(party.agent for party in record.parties)
    return (record.agent,)


def step_to_json(step: Step, agent: str) -> dict[str, Json]:
    """A step for programs: numbers as decimal text."""
    found: dict[str, Json] = {
        "index": step.index,
        "kind": step.kind,
        "at": format_instant(step.at_ms),
        "before": str(step.before.score),
        "after": str(step.after.score),
        "by": str(step.by),
        "moved": {name: str(value) for name, value in step.moved.items()},
        "evidence": str(step.after.evidence),
    }
    if isinstance(step.record, Outcome) and step.weight is not None:
        one, other = step.record.parties
        mine, theirs = (one, other) if one.agent == agent else (other, one)
        found |= {
            "session": step.record.session,
            "commitment": step.record.commitment,
            "counterparty": theirs.agent,
            "result": "kept" if mine.kept else "breached",
            "rating": mine.rating,
            "q": decimal_text(step.weight.q),
            "v": decimal_text(step.weight.v),
            "w": decimal_text(step.weight.w),
        }
    return found
