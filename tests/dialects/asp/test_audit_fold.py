"""Playing a deal again: lawful moves, timers, the end of the session, the accepted terms."""

from __future__ import annotations

from typing import Any

import pytest

from tests.dialects.asp.deal_stage import (
    ALPHA,
    BETA,
    NODE,
    SESSION,
    DealStage,
    clock,
    golden,
    play_negotiation,
    play_opening,
    play_performance,
    played,
    signer,
    whole,
)
from tests.dialects.asp.deal_zoo import check_named, check_open, failed, put, reseal
from treaty.core.deal import Verdict
from treaty.dialects.asp.audit import verify
from treaty.errors import Refused
from treaty.identity.cards import make_card
from treaty.identity.records import seal
from treaty.wire.instants import format_instant

ROOTS = whole().roots()
NO_TRUST: dict[str, Any] = {"outcomes": [], "trust": [], "log_head": None}
NO_MONEY = ("terms", "reserved", "released", "trust")


def conversing() -> DealStage:
    """Alpha and Beta have agreed on terms."""
    stage = DealStage()
    play_opening(stage)
    play_negotiation(stage)
    return stage


def with_fact(stage: DealStage, kind: str, at_ms: int, **data: Any) -> dict[str, Any]:
    """The deal of a stage, with a fact behind it that the node signed without cause."""
    deal = stage.export(**NO_TRUST)
    last = deal["log"][-1]
    body = {
        "type": "fact",
        "session": SESSION,
        "position": last["position"] + 1,
        "fact": kind,
        "data": data,
        "at": format_instant(at_ms),
        "previousEntry": last["integrity"]["hash"],
    }
    deal["log"].append(seal("fact", body, stage.signers[NODE]))
    return deal


# Moves.


def test_the_first_unlawful_move_is_named_and_the_play_stops_there() -> None:
    stage = conversing()
    # The first offer was superseded; a fold takes the ACCEPT, no judge does.
    stage.say("14:03:30", BETA, "ACCEPT", {"referenceId": "prop_gpu_001"})
    stage.say("14:03:40", BETA, "ACCEPT", {"referenceId": "prop_gpu_001"})
    deal = stage.export(**NO_TRUST)
    claim = verify(deal, ROOTS).claim("states")

    assert claim.verdict is Verdict.FAILED
    assert claim.where == ("message 9",)
    assert claim.detail.startswith("message 9: transition_invalid")


def test_a_host_that_took_a_close_with_a_wrong_count_is_found_out() -> None:
    stage = conversing()
    outcome = {"chainHead": stage.conversation.head, "messageCount": 7}
    body = {"reason": "cancelled", "summary": "", "outcome": outcome}
    stage.say("14:03:30", ALPHA, "CLOSE", body)
    deal = stage.export(**NO_TRUST)

    assert failed(deal, ROOTS) == {"states", "complete"}
    check_named(deal, ROOTS, "complete", "message 9")


@pytest.mark.parametrize(
    ("member", "value", "claim"),
    [
        ("state", "EXECUTING", "states"),
        ("subject", "Something else", "form"),
        ("inviter", BETA, "form"),
        ("invitee", ALPHA, "form"),
        ("url", "https://elsewhere.example", "signatures"),
        ("openedAt", "2026-03-07T14:01:00.001Z", "times"),
        ("endedAt", "2026-03-07T14:15:05.001Z", "times"),
        ("endedAt", None, "times"),
        ("id", SESSION[:-1] + "2", "links"),
    ],
)
def test_the_heading_is_what_the_messages_say(member: str, value: Any, claim: str) -> None:
    check_named(put(golden(), ("session", member), value), ROOTS, claim)


# Timers and outages.


def test_an_invitation_that_lapsed_is_a_deal_file_too() -> None:
    stage = DealStage()
    stage.say(
        "14:01:00",
        ALPHA,
        "PROPOSE",
        {"proposalId": "inv", "type": "session-invitation", "subject": "GPUs", "terms": {}},
        recipient=BETA,
    )
    stage.fire("14:01:30")
    deal = stage.export(**NO_TRUST)

    assert deal["session"]["state"] == "FAILED"
    # Nobody closed: it is the host's word that nothing follows, so the host must be known.
    check_open(deal, stage.roots(), "keys", *NO_MONEY)
    check_open(deal, None, "keys", "times", "complete", *NO_MONEY)


def test_a_timer_that_fired_early_is_named() -> None:
    stage = conversing()
    at_ms = stage.now_ms + 1_000
    deal = with_fact(stage, "timer", at_ms, name="idle", due=format_instant(at_ms))

    assert failed(deal, ROOTS) == {"times"}
    check_named(deal, ROOTS, "times", f"log {len(deal['log'])}")


def test_a_timer_that_was_not_running_is_named() -> None:
    stage = conversing()
    deal = with_fact(stage, "timer", stage.now_ms + 86_400_000, name="closing")

    check_named(deal, ROOTS, "times", f"log {len(deal['log'])}")


def test_a_timer_that_never_fired_is_named() -> None:
    stage = conversing()
    # Half an hour of silence ends a session; the host let somebody speak long after it.
    stage.say("14:34:20", ALPHA, "OBSERVE", {"subject": "Weather", "data": {}})
    deal = stage.export(**NO_TRUST)

    check_named(deal, ROOTS, "times", f"log {len(deal['log'])}")


def test_a_host_has_a_minute_to_let_a_timer_fire() -> None:
    stage = conversing()
    stage.say("14:34:00", ALPHA, "OBSERVE", {"subject": "Weather", "data": {}})

    assert "times" not in failed(stage.export(**NO_TRUST), ROOTS)


def test_an_outage_moves_the_deadlines_it_covered() -> None:
    stage = conversing()
    stage.now_ms = clock("15:30:00")
    gone = {"from": "2026-03-07T14:03:20.000Z", "to": "2026-03-07T15:30:00.000Z"}
    stage.state_fact("outage", gone)
    stage.say("15:31:00", ALPHA, "OBSERVE", {"subject": "Weather", "data": {}})

    assert "times" not in failed(stage.export(**NO_TRUST), ROOTS)


@pytest.mark.parametrize(
    ("begin", "end"),
    [
        ("2026-03-07T14:01:00.000Z", "2026-03-07T14:04:00.000Z"),
        ("2026-03-07T14:03:20.000Z", "2026-03-07T14:06:00.000Z"),
        ("2026-03-07T14:03:20.000Z", "2026-03-07T14:03:10.000Z"),
        ("2026-03-07T14:03:20.000Z", "soon"),
    ],
)
def test_an_outage_that_cannot_have_been_is_named(begin: str, end: str) -> None:
    stage = conversing()
    deal = with_fact(stage, "outage", clock("14:04:00"), **{"from": begin, "to": end})

    check_named(deal, ROOTS, "times", f"log {len(deal['log'])}")


def test_times_that_run_backwards_are_named() -> None:
    deal = golden()
    deal["log"][4] = reseal(
        deal["log"][4], "receipt", whole().signers[NODE], receivedAt="2026-03-07T14:01:06.000Z"
    )

    check_named(deal, ROOTS, "times", "log 5")


def test_a_message_received_long_after_it_was_written_is_named() -> None:
    stage = conversing()
    stage.now_ms = clock("14:05:01")
    raw = stage.write(
        ALPHA, "OBSERVE", {"subject": "x", "data": {}}, timestamp_ms=clock("14:04:00")
    )
    stage.receive(raw)

    check_named(stage.export(**NO_TRUST), ROOTS, "times", "message 9")


# Completeness.


def test_closes_that_count_nothing_leave_the_end_open() -> None:
    stage = played(counted=False)

    check_open(stage.export(), stage.roots(), "complete")


def test_one_close_does_not_make_a_deal_complete() -> None:
    deal = whole().export(entries=14)

    assert verify(deal, ROOTS).claim("complete").verdict is Verdict.NOT_CHECKABLE


# Terms.


def test_a_commitment_without_its_proposal_cannot_be_compared() -> None:
    stage = played(proposalId=None)

    check_open(stage.export(), stage.roots(), "terms")


def test_a_commitment_that_leaves_out_accepted_terms_is_named() -> None:
    deal = played(terms={"gpu": "A100", "totalCost": 180}).export()

    check_named(deal, ROOTS, "terms", "message 11")
    check_named(deal, ROOTS, "states", "message 11")


def test_a_commitment_to_a_proposal_nobody_accepted_is_named() -> None:
    deal = played(proposalId="prop_gpu_002").export()

    check_named(deal, ROOTS, "terms", "message 11")


def test_a_commitment_nobody_accepted_contains_nothing_yet() -> None:
    deal = whole().export(entries=10)

    assert deal["messages"][-1]["performative"] == "COMMIT"
    assert verify(deal, ROOTS).claim("terms").verdict is Verdict.NOT_CHECKABLE


# A key that is revoked on the way.


def with_successor() -> DealStage:
    """Beta's key is revoked after the negotiation; Beta goes on with another one."""
    stage = conversing()
    old = stage.signers[BETA].key
    stage.now_ms = clock("14:03:20")
    since = {"agent": BETA, "keyId": old.key_id, "since": format_instant(stage.now_ms)}
    stage.state_fact("revocation", since)
    stage.signers[BETA] = signer("beta's next")
    card = make_card(
        stage.signers[BETA],
        uri=BETA,
        name="beta",
        organization="An organisation",
        org_id="org",
        capabilities=[],
        endpoints={},
        version=2,
    )
    stage.cards["next"] = {**card, "listing": stage.listing(card)}
    shown = {"uri": BETA, "publicKey": stage.signers[BETA].key.text}
    stage.say("14:03:30", BETA, "INFORM", {"informType": "identity", "data": {"agentCard": shown}})
    return stage


def test_a_successor_speaks_with_its_own_key_after_a_revocation() -> None:
    stage = with_successor()
    play_performance(stage)
    report = verify(stage.export(**NO_TRUST), stage.roots())

    assert report.ok, report.first_line
    assert report.claim("keys").verdict is Verdict.VERIFIED
    assert report.claim("signatures").verdict is Verdict.VERIFIED


def test_a_successor_must_be_listed_too() -> None:
    stage = with_successor()
    del stage.cards["next"]
    play_performance(stage)

    check_named(stage.export(**NO_TRUST), stage.roots(), "keys")


def test_nobody_speaks_with_a_revoked_key() -> None:
    stage = conversing()
    old = stage.signers[BETA].key
    data = {"agent": BETA, "keyId": old.key_id, "since": format_instant(stage.now_ms)}
    stage.state_fact("revocation", data)
    stage.now_ms = clock("14:03:30")
    raw = stage.write(BETA, "OBSERVE", {"subject": "x", "data": {}})
    with pytest.raises(Refused):
        stage.receive(raw)


def test_a_file_without_a_log_plays_nothing() -> None:
    deal = golden()
    for name in ("messages", "raw"):
        deal[name] = deal[name][:2]
    deal["log"] = []

    assert verify(deal, ROOTS).claim("states").verdict is Verdict.NOT_CHECKABLE
