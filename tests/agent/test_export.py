"""The extract of the trust log in a deal file: enough for the scores, under one head.

That a whole deal exports and verifies is shown against a real node in ``tests/cli``.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import pytest

from tests.core.trust_world import (
    ALPHA,
    BETA,
    CLEARING,
    DAY,
    T0,
    attest,
    folded,
    key,
    outcome,
    partner,
    side,
)
from treaty.agent import export
from treaty.agent.copy import Known, VerifiedCopy
from treaty.agent.export import Extract, scores, take_extract
from treaty.agent.ports import LogItem
from treaty.core.trust import Record, record_kind, record_to_json, stamped
from treaty.dialects.asp.conversation import Conversation
from treaty.errors import WireError
from treaty.identity.keys import Ed25519Signer

SESSION = outcome(side(ALPHA), side(BETA)).session
NODE_PAGE = 200


@dataclass
class Log:
    """A trust log as a node hands it out, in pages; it may grow between two of them."""

    records: list[Record]
    growing: int = 0
    """How many more requests find a longer log each time."""
    asked: list[tuple[int, int]] = field(default_factory=list)

    async def trust_log(self, start: int, end: int) -> dict[str, Any]:
        self.asked.append((start, end))
        if self.growing:
            self.growing -= 1
            self.records.append(key(partner(len(self.records))))
        end = min(end, len(self.records), start + NODE_PAGE)
        entries = [
            {
                "index": index,
                "kind": record_kind(self.records[index]),
                "record": record_to_json(self.records[index]),
                "proof": [],
            }
            for index in range(start, end)
        ]
        return {"records": entries, "head": {"size": len(self.records)}, "next": end}


def world(strangers: int = 0) -> tuple[Log, VerifiedCopy]:
    """A log with so many strangers before the outcome, and the session that announced it."""
    before = [key(ALPHA), key(BETA), attest(BETA)]
    before += [key(partner(number)) for number in range(strangers)]
    deal = stamped(
        folded(*before), outcome(side(ALPHA, rating=4), side(BETA, rating=5), at=T0 + DAY)
    )
    fact = {"type": "fact", "fact": "outcome", "data": {"index": len(before)}}
    copy = VerifiedCopy(Known(Ed25519Signer(b"h" * 32).key, "http://node.test"))
    copy.conversation = Conversation(id=SESSION, inviter=ALPHA, invitee=BETA)
    copy.items.append(LogItem(1, fact, None))
    return Log([*before, deal]), copy


def taken(log: Log, copy: VerifiedCopy) -> Extract:
    return asyncio.run(take_extract(log, copy))  # type: ignore[arg-type]


def indexes(extract: Extract) -> list[Any]:
    return [entry["index"] for entry in extract.entries]


def test_a_short_log_is_taken_whole_up_to_the_outcome() -> None:
    log, copy = world(strangers=300)
    log.records += [key(partner(number)) for number in range(1_000, 1_100)]
    extract = taken(log, copy)

    assert indexes(extract) == list(range(304))
    assert extract.head == {"size": 404}
    assert log.asked == [(0, 200), (200, 304)]


def test_a_session_without_outcomes_asks_for_nothing() -> None:
    log, copy = world()
    copy.items.clear()

    assert taken(log, copy) == Extract()
    assert log.asked == []


def test_of_a_long_log_only_what_names_a_party_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "RECORDS_MAX", 100)
    log, copy = world(strangers=300)
    extract = taken(log, copy)

    assert indexes(extract) == [0, 1, 2, 303]
    assert scores(copy, extract, CLEARING, SESSION)[ALPHA].after.score == Decimal("60.8")


def test_a_log_that_grew_meanwhile_is_read_again() -> None:
    log, copy = world(strangers=300)
    log.growing = 3
    extract = taken(log, copy)

    assert indexes(extract) == list(range(304))
    assert extract.head == {"size": 307}


def test_a_log_that_never_rests_gives_the_outcome_alone() -> None:
    log, copy = world(strangers=300)
    log.growing = 1_000
    extract = taken(log, copy)

    assert indexes(extract) == [303]
    assert extract.head is not None
    assert scores(copy, extract, CLEARING, SESSION) == {}, "one record bears out no score"


def test_a_log_too_long_to_search_gives_the_outcome_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(export, "SEARCHED_MAX", 100)
    log, copy = world(strangers=300)

    assert indexes(taken(log, copy)) == [303]
    assert len(log.asked) == 1


def test_a_log_that_ends_before_what_was_announced_is_no_log() -> None:
    log, copy = world()
    log.records.pop()

    with pytest.raises(WireError, match="ends before the outcomes"):
        taken(log, copy)


def test_scores_are_those_of_the_records() -> None:
    log, copy = world()
    found = scores(copy, taken(log, copy), CLEARING, SESSION)

    assert found[ALPHA].before.score == Decimal(49)
    assert found[ALPHA].after.score == Decimal("60.8")
    assert found[BETA].before.score == found[BETA].after.score == Decimal("91.0")


def test_a_score_that_the_records_do_not_bear_out_is_not_stated() -> None:
    log, copy = world()
    extract = taken(log, copy)
    without_attestation = Extract(
        extract.entries[:2] + extract.entries[3:],
        extract.head,
        extract.records[:2] + extract.records[3:],
    )

    assert scores(copy, without_attestation, CLEARING, SESSION) == {}


def test_an_outcome_of_a_clearing_nobody_believes_moves_no_score() -> None:
    log, copy = world()
    found = scores(copy, taken(log, copy), "agent://other.example/clearing", SESSION)

    assert found[ALPHA].after.score == found[ALPHA].before.score
