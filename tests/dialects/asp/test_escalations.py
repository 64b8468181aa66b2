"""How long escalations may last, and whose deadlines they hold (B9)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.dialects.asp.scenes import CALM, scene
from tests.dialects.asp.stage import DAY, HOUR, MINUTE, SIGNERS, URIS, Stage, check_refused
from treaty.dialects.asp.escalations import allowance_ms

ALPHA, BETA = URIS["alpha"], URIS["beta"]


def calm_with(**timeouts: int) -> Stage:
    """A session in CONVERSING with these timeouts."""
    stage = Stage()
    terms: dict[str, Any] = {**CALM, "timeouts": {"idleMs": 7 * DAY, **timeouts}}
    stage.alpha.invite(terms=terms)
    stage.beta.accept("inv")
    stage.alpha.identify()
    stage.beta.identify()
    stage.alpha.observe()
    return stage


def test_an_escalation_lasts_its_timeout_at_most() -> None:
    stage = calm_with(escalatedMs=HOUR)
    stage.alpha.escalate("esc")

    assert stage.timers == {"escalated:esc": HOUR}
    stage.wait(HOUR)
    assert stage.state == "CONVERSING"
    assert not stage.conversation.escalations


def test_what_was_used_is_counted_per_party() -> None:
    stage = calm_with(escalatedMs=10 * HOUR)
    stage.alpha.escalate("e1")
    stage.wait(4 * HOUR)
    stage.umpire.resolve("resume", "e1")
    stage.alpha.escalate("e2")
    stage.wait(10 * HOUR)

    assert stage.conversation.escalated_ms == {ALPHA: 14 * HOUR}
    assert allowance_ms(stage.conversation, ALPHA) == 10 * HOUR
    assert allowance_ms(stage.conversation, BETA) == 10 * HOUR
    stage.alpha.escalate("e3")
    stage.wait(9 * HOUR)
    stage.umpire.resolve("resume", "e3")
    assert allowance_ms(stage.conversation, ALPHA) == HOUR


def test_a_late_host_takes_no_more_of_the_day_than_was_allowed() -> None:
    stage = calm_with(escalatedMs=HOUR)
    stage.alpha.escalate("esc")
    stage.lag(5 * HOUR)
    stage.fire("escalated:esc")

    assert stage.conversation.escalated_ms == {ALPHA: HOUR}


def test_an_outage_is_not_part_of_the_escalation() -> None:
    stage = calm_with(escalatedMs=HOUR)
    stage.alpha.escalate("esc")
    stage.outage(5 * HOUR)
    stage.wait(20 * MINUTE)
    stage.umpire.resolve("resume")

    assert stage.conversation.escalated_ms == {ALPHA: 20 * MINUTE}


def bound(**timeouts: int) -> Stage:
    """Alpha and beta both owe something; beta within the hour, alpha within the day."""
    stage = calm_with(**timeouts)
    stage.alpha.commit(amount=None)
    stage.beta.accept("cmt")
    return stage


@pytest.mark.parametrize(("caller", "held", "running"), [
    ("alpha", "provider", "buyer"), ("beta", "buyer", "provider"),
])  # fmt: skip
def test_only_the_other_partys_deadlines_are_held(caller: str, held: str, running: str) -> None:
    stage = bound(escalatedMs=3 * HOUR)
    due_ms = {role: stage.duty(role).due_ms for role in (held, running)}
    getattr(stage, caller).escalate("esc")

    assert stage.duty(held).due_ms == due_ms[held] + 3 * HOUR
    assert stage.duty(running).due_ms == due_ms[running]
    stage.wait(10 * MINUTE)
    stage.umpire.resolve("resume")
    assert stage.duty(held).due_ms == due_ms[held] + 10 * MINUTE
    assert stage.duty(running).due_ms == due_ms[running]


@pytest.mark.parametrize("how", ["resume", "timeout", "close", "abort"])
def test_however_it_ends_the_deadlines_move_by_what_it_lasted(how: str) -> None:
    stage = bound(escalatedMs=30 * MINUTE)
    due_ms = stage.duty("provider").due_ms
    stage.alpha.escalate("esc", to="boss")
    stage.wait(30 * MINUTE if how == "timeout" else 20 * MINUTE)
    if how in ("resume", "abort"):
        stage.boss.resolve(how)
    if how == "close":
        stage.beta.fulfil("cmt")
        stage.alpha.fulfil("cmt")
        stage.alpha.close("completed")
        assert stage.duty("provider").due_ms == stage.now_ms + DAY  # its window, not a deadline
        return

    lasted_ms = 30 * MINUTE if how == "timeout" else 20 * MINUTE
    assert not stage.conversation.escalations
    assert stage.duty("provider").due_ms == due_ms + lasted_ms


def test_the_agreement_timer_begins_anew_after_an_escalation() -> None:
    stage = scene("escalated_agreeing")
    stage.wait(HOUR)
    stage.umpire.resolve("resume")

    assert stage.timers["agreeing"] == 10 * MINUTE


def test_an_escalation_of_a_listed_authority_is_common() -> None:
    assert scene("escalated").conversation.escalations[ALPHA].common
    assert not scene("escalated_one_sided").conversation.escalations[ALPHA].common


def test_the_accepted_counters_authorities_are_the_common_ones() -> None:
    stage = Stage()
    stage.alpha.invite(terms={"authorities": [URIS["umpire"]]})
    stage.beta.counter("inv", "inv2", terms={"authorities": [{"uri": URIS["boss"]}]})
    stage.alpha.accept("inv2")
    stage.alpha.identify()
    stage.beta.identify()
    stage.alpha.observe()
    for number, (name, common) in enumerate([("umpire", False), ("boss", True)]):
        fork = stage.fork()
        fork.alpha.escalate(f"e{number}", to=name)
        assert fork.conversation.escalations[ALPHA].common is common


@pytest.mark.parametrize("key", ["umpire", "boss"])
def test_an_authority_is_heard_by_the_key_that_both_agreed_on(key: str) -> None:
    stage = Stage()
    agreed = {"uri": URIS["umpire"], "keyId": SIGNERS[key].key.key_id}
    stage.alpha.invite(terms={"authorities": [agreed]})
    stage.beta.accept("inv")
    stage.alpha.identify()
    stage.beta.identify()
    stage.alpha.observe()
    stage.alpha.escalate("esc")
    if key == "umpire":
        stage.umpire.resolve("abort")
        assert stage.state == "CLOSED"
    else:
        with check_refused(stage, "authority_missing"):
            stage.umpire.resolve("abort")


def test_an_authority_becomes_a_participant_and_stays_one() -> None:
    stage = scene("escalated")
    stage.umpire.resolve("resume")
    member = stage.conversation.participants[URIS["umpire"]]

    assert (member.role, member.side, member.messages) == ("authority", "", 1)


def test_an_abort_by_ones_own_authority_with_nothing_bound_is_a_close() -> None:
    stage = scene("escalated_one_sided")
    stage.boss.resolve("abort")

    assert stage.state == "CLOSING"
    assert stage.conversation.wire_state == "CONVERSING"
    assert stage.conversation.closings[ALPHA].reason == "cancelled"
    assert stage.conversation.closings[ALPHA].counts
    stage.beta.close("cancelled")
    assert stage.state == "CLOSED"


def test_an_abort_by_ones_own_authority_is_an_offer_while_something_is_bound() -> None:
    stage = scene("escalated_one_sided_executing")
    stage.boss.resolve("abort")

    assert stage.state == "EXECUTING"
    assert stage.conversation.closings[ALPHA].offers
    stage.beta.close("cancelled")
    assert stage.state == "CLOSED"
    assert stage.commitment_of().state.name == "ENDED"


def test_two_run_at_once_and_each_is_booked_for_its_own_party() -> None:
    stage = calm_with(escalatedMs=10 * HOUR)
    stage.alpha.escalate("e1", to="boss")
    stage.wait(2 * HOUR)
    stage.beta.escalate("e2", to="chief")
    assert stage.timers == {"escalated:e1": 8 * HOUR, "escalated:e2": 10 * HOUR}
    stage.wait(HOUR)
    stage.boss.resolve("resume", "e1")
    assert stage.conversation.escalated_ms == {ALPHA: 3 * HOUR}
    stage.wait(HOUR)
    stage.chief.resolve("resume", "e2")

    assert stage.conversation.escalated_ms == {ALPHA: 3 * HOUR, BETA: 2 * HOUR}
    assert stage.state == "CONVERSING"


def test_when_a_party_closes_every_escalation_is_over_and_booked() -> None:
    stage = calm_with()
    stage.alpha.escalate("e1", to="boss")
    stage.wait(2 * HOUR)
    stage.beta.escalate("e2", to="chief")
    stage.wait(HOUR)
    stage.alpha.close("cancelled")

    assert not stage.conversation.escalations
    assert stage.conversation.escalated_ms == {ALPHA: 3 * HOUR, BETA: HOUR}


def test_a_claim_that_fails_its_check_has_no_more_time_than_the_escalation_took() -> None:
    stage = calm_with()
    metric = {"url": "https://metrics.example/gpu", "by": BETA}
    provider = {"verificationMethod": "health-check-endpoint", "verification": metric}
    stage.alpha.commit(provider=provider)
    stage.beta.accept("cmt")
    due_ms = stage.duty("provider").due_ms
    stage.alpha.escalate("esc")
    stage.beta.fulfil("cmt")
    stage.wait(10 * MINUTE)
    stage.umpire.resolve("resume")
    stage.answer("provider", 500)

    assert stage.duty("provider").state == "PENDING"
    assert stage.duty("provider").due_ms == due_ms + 10 * MINUTE


def test_a_turn_that_begins_under_an_escalation_is_held_by_it() -> None:
    stage = calm_with(escalatedMs=HOUR)
    stage.alpha.escalate("esc", to="boss")
    stage.wait(20 * MINUTE)
    note = {"informType": "progress", "subject": "n", "data": {}}
    stage.alpha.say("INFORM", note, constraints={"maxResponseTimeMs": MINUTE})
    stage.wait(10 * MINUTE)
    stage.boss.resolve("resume")

    assert stage.timers[f"turn:{BETA}"] == MINUTE
