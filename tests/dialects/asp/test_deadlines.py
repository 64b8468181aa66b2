"""Timers: their defaults and bounds (B10), and what a host's facts may say.

How timers move a session stands in ``asp_timers.txt``.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.dialects.asp.scenes import SCENES, scene
from tests.dialects.asp.stage import DAY, HOUR, MINUTE, SECOND, SESSION, URIS, Stage, check_refused
from treaty.core.log import HostFact
from treaty.dialects.asp.deadlines import Deadline, deadlines, due, fold_fact
from treaty.dialects.asp.folding import orders
from treaty.errors import Refused, WireError
from treaty.wire.digest import ZERO_TAG

# B10: name in terms.timeouts, timer, default, least, most.
TIMEOUTS = [
    ("invitationMs", "invitation", 30 * SECOND, 5 * SECOND, DAY),
    ("identityMs", "identity", 30 * SECOND, 5 * SECOND, 10 * MINUTE),
    ("idleMs", "idle", 30 * MINUTE, MINUTE, 7 * DAY),
    ("agreeingMs", "agreeing", 5 * MINUTE, 10 * SECOND, DAY),
    ("escalatedMs", "escalated:esc", DAY, 10 * SECOND, DAY),
    ("closingMs", "closing", MINUTE, 10 * SECOND, HOUR),
    ("proposedDuration", "session", HOUR, SECOND, 366 * DAY),
]


def invitation_with(name: str, *value: Any) -> Stage:
    """A stage invited with this one timeout stated, or none."""
    stage = Stage()
    terms: dict[str, Any] = {"timeouts": dict.fromkeys([name], *value)} if value else {}
    if name == "proposedDuration" and value:
        terms = {name: value[0]}
    stage.alpha.invite(terms=terms)
    return stage


def played_to(stage: Stage, timer: str) -> Stage:
    """Bring an invited session to where this timer has just begun to run."""
    if timer == "invitation":
        return stage
    stage.beta.accept("inv")
    if timer == "identity":
        return stage
    stage.alpha.identify()
    stage.beta.identify()
    if timer == "agreeing":
        stage.alpha.observe()
        stage.alpha.commit()
    elif timer == "escalated:esc":
        stage.alpha.observe()
        stage.alpha.escalate()
    elif timer == "closing":
        stage.alpha.close("cancelled")
    return stage


@pytest.mark.parametrize(("name", "timer", "default", "least", "most"), TIMEOUTS)
def test_without_a_word_the_default_runs(
    name: str, timer: str, default: int, least: int, most: int
) -> None:
    assert played_to(invitation_with(name), timer).timers[timer] == default


@pytest.mark.parametrize(("name", "timer", "default", "least", "most"), TIMEOUTS)
def test_a_timeout_within_its_bounds_is_taken(
    name: str, timer: str, default: int, least: int, most: int
) -> None:
    for asked in (least, most, (least + most) // 2):
        assert played_to(invitation_with(name, asked), timer).timers[timer] == asked


@pytest.mark.parametrize(("name", "timer", "default", "least", "most"), TIMEOUTS)
def test_a_timeout_outside_its_bounds_is_malformed(
    name: str, timer: str, default: int, least: int, most: int
) -> None:
    for asked in (least - 1, most + 1, 0, -1, True, f"{default}", default + 0.5, [], {}):
        stage = Stage()
        with check_refused(stage, "malformed"):
            if name == "proposedDuration":
                stage.alpha.invite(terms={name: asked})
            else:
                stage.alpha.invite(terms={"timeouts": {name: asked}})


def test_timeouts_are_an_object() -> None:
    for wrong in (5, "30s", [], True):
        stage = Stage()
        with check_refused(stage, "malformed"):
            stage.alpha.invite(terms={"timeouts": wrong})


@pytest.mark.parametrize(
    ("until", "answer_ms", "own", "expires"),
    [
        (None, None, None, 30 * SECOND),
        (10 * SECOND, None, None, 10 * SECOND),
        (None, 8 * SECOND, None, 8 * SECOND),
        (10 * SECOND, 8 * SECOND, 6 * SECOND, 6 * SECOND),
        (10 * SECOND, 8 * SECOND, MINUTE, 8 * SECOND),
        (5 * SECOND, 8 * SECOND, MINUTE, 5 * SECOND),
        (HOUR, HOUR, None, 30 * SECOND),
        (HOUR, 2 * HOUR, DAY, HOUR),
    ],
)
def test_an_invitation_expires_at_the_earliest_of_three(
    until: int | None, answer_ms: int | None, own: int | None, expires: int
) -> None:
    stage = Stage()
    stage.alpha.invite(
        terms={} if own is None else {"timeouts": {"invitationMs": own}},
        valid_until=None if until is None else stage.now_ms + until,
        constraints=None if answer_ms is None else {"maxResponseTimeMs": answer_ms},
    )

    assert stage.timers == {"invitation": expires}


def test_the_accepted_counters_timeouts_hold() -> None:
    stage = Stage()
    stage.alpha.invite(terms={"timeouts": {"identityMs": MINUTE, "idleMs": HOUR}})
    stage.beta.counter(
        "inv", "inv2", terms={"timeouts": {"idleMs": 2 * HOUR}, "proposedDuration": DAY}
    )
    stage.alpha.accept("inv2")

    assert stage.timers == {"identity": 30 * SECOND}
    stage.alpha.identify()
    stage.beta.identify()
    assert stage.timers == {"idle": 2 * HOUR, "session": DAY}


def test_the_declined_counters_timeouts_do_not() -> None:
    stage = Stage()
    stage.alpha.invite(terms={"timeouts": {"identityMs": MINUTE}})
    stage.beta.counter("inv", "inv2", terms={"timeouts": {"identityMs": 10 * MINUTE}})
    stage.alpha.reject("inv2")
    stage.beta.accept("inv")

    assert stage.timers == {"identity": MINUTE}


@pytest.mark.parametrize(
    "terms",
    [{"timeouts": {"idleMs": 1}}, {"proposedDuration": 0}, {"authorities": "umpire"}],
)
def test_a_counter_invitation_states_lawful_terms(terms: dict[str, Any]) -> None:
    stage = Stage()
    stage.alpha.invite()
    with check_refused(stage, "malformed"):
        stage.beta.counter("inv", "inv2", terms=terms)


def test_the_session_runs_from_the_acceptance_of_the_invitation() -> None:
    stage = Stage()
    stage.alpha.invite()
    stage.wait(20 * SECOND)
    stage.beta.accept("inv")
    stage.wait(10 * SECOND)
    stage.alpha.identify()
    stage.beta.identify()

    assert stage.timers == {"idle": 30 * MINUTE, "session": HOUR - 10 * SECOND}


def test_a_message_that_stays_in_a_state_does_not_restart_its_timer() -> None:
    stage = scene("agreeing")
    stage.wait(MINUTE)
    stage.beta.ask("q1")

    assert stage.timers["agreeing"] == 9 * MINUTE


def test_the_earliest_timer_comes_first_and_only_what_is_due_is_named() -> None:
    stage = scene("conversing")
    idle = Deadline("idle", stage.now_ms + 7 * DAY)

    assert deadlines(stage.conversation) == (idle, Deadline("session", stage.now_ms + 30 * DAY))
    assert due(stage.conversation, stage.now_ms + 7 * DAY - 1) is None
    assert due(stage.conversation, stage.now_ms + 7 * DAY) == idle
    assert due(scene("closed").conversation, stage.now_ms + 999 * DAY) is None


@pytest.mark.parametrize("name", SCENES)
def test_time_alone_brings_every_session_to_rest(name: str) -> None:
    """Nothing fires twice, nothing stays bound for ever, and money is held by nobody."""
    stage = scene(name)
    stage.fired.clear()
    stage.wait(800 * DAY)

    assert not deadlines(stage.conversation)
    assert stage.conversation.ended or name == "idle"
    assert not stage.conversation.live
    for commitment in stage.conversation.commitments:
        assert stage.money(commitment)["held"] == 0
    # A commitment's timer is one per instant: the breach, then the end of the window.
    timers = [one for one in stage.fired if not one.startswith("commitment:")]
    assert len(timers) == len(set(timers))


@pytest.mark.parametrize("name", SCENES)
def test_a_fired_timer_no_longer_runs(name: str) -> None:
    stage = scene(name)
    first = due(stage.conversation, stage.now_ms + 800 * DAY)
    if first is None:
        assert stage.state in ("IDLE", "CLOSED", "FAILED")
        return
    stage.now_ms = first.due_ms
    stage.fire(first.name)

    assert first not in deadlines(stage.conversation)


@pytest.mark.parametrize("name", SCENES)
def test_a_late_host_fires_what_was_due_and_ends_the_same(name: str) -> None:
    prompt, late = scene(name), scene(name)
    prompt.wait(800 * DAY)
    late.lag(400 * DAY)
    late.wait(400 * DAY)

    assert late.state == prompt.state
    assert late.movements == prompt.movements


def test_an_unknown_fact_only_moves_the_log_on() -> None:
    stage = scene("executing")
    before = stage.conversation
    stage.fact("weather", sky="blue")
    stage.fact("timer", name="lunch")
    after = stage.conversation

    assert after.position == before.position + 2
    assert after.entry != before.entry
    assert (after.session, after.commitments, after.head) == (
        before.session,
        before.commitments,
        before.head,
    )


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("timer", {}),
        ("timer", {"name": 5}),
        ("escrow", {}),
        ("escrow", {"commitmentId": "cmt"}),
        ("escrow", {"commitmentId": "nothing", "movement": "reserve"}),
        ("escrow", {"commitmentId": ["cmt"], "movement": "reserve"}),
        ("outage", {}),
        ("outage", {"from": "2026-03-07T14:00:00Z"}),
        ("outage", {"from": "2026-03-07T14:00:00Z", "to": "2026-03-07T13:59:59Z"}),
        ("outage", {"from": 5, "to": 6}),
        # The host spoke in the meantime, or has not lived so long yet.
        ("outage", {"from": "2026-03-07T13:00:00Z", "to": "2026-03-07T14:00:00Z"}),
        ("outage", {"from": "2026-03-07T14:04:10Z", "to": "2027-03-07T14:00:00Z"}),
        ("revocation", {}),
        ("revocation", {"agent": "alpha", "keyId": "x"}),
        ("revocation", {"agent": URIS["alpha"]}),
    ],
)
def test_a_fact_of_another_form_is_no_fact(kind: str, data: dict[str, Any]) -> None:
    stage = scene("executing")
    with check_refused(stage, "malformed"):
        stage.fact(kind, **data)


@pytest.mark.parametrize(
    ("scene_name", "movement"),
    [
        ("agreeing", "reserve"),
        ("agreeing", "settle"),
        ("executing", "reserve"),
        ("executing", "settle"),
        ("executing", "post"),
        ("executing_settled", "reserve"),
        ("executing_settled", "settle"),
    ],
)
def test_a_movement_that_nothing_ordered_is_refused(scene_name: str, movement: str) -> None:
    stage = scene(scene_name)
    posted = {"amount": "180.00", "currency": "USD"}
    with check_refused(stage, "transition_invalid"):
        stage.fact("escrow", commitmentId="cmt", movement=movement, posted=posted)


def ordered_to_settle() -> Stage:
    stage = scene("executing")
    stage.is_clearing = False
    stage.alpha.close("cancelled")
    stage.beta.close("cancelled")
    return stage


@pytest.mark.parametrize(
    ("posted", "reason"),
    [
        ({"amount": "180.01", "currency": "USD"}, "malformed"),
        ({"amount": "-0.01", "currency": "USD"}, "malformed"),
        ({"amount": "1.00", "currency": "EUR"}, "malformed"),
        ("180.00", "malformed"),
        (None, "malformed"),
        ({"amount": "1.00", "currency": "XYZ"}, "malformed"),
    ],
)
def test_no_more_is_posted_than_was_held(posted: Any, reason: str) -> None:
    stage = ordered_to_settle()
    ordered = stage.movement(orders(stage.conversation)[0])
    with check_refused(stage, reason):
        stage.fact("escrow", **{**ordered, "posted": posted})


@pytest.mark.parametrize(
    "change",
    [
        {"voided": {"amount": "0.00", "currency": "USD"}},
        {"payer": URIS["beta"]},
        {"payee": URIS["alpha"]},
        {"commitHash": "sha256:" + "0" * 64},
        {"reservation": "another"},
        {"amount": {"amount": "1.00", "currency": "USD"}},
    ],
)
def test_a_movement_is_the_one_that_was_ordered(change: dict[str, Any]) -> None:
    stage = ordered_to_settle()
    ordered = stage.movement(orders(stage.conversation)[0])
    with check_refused(stage, "malformed"):
        stage.fact("escrow", **{**ordered, **change})


def test_a_settlement_is_recorded_once() -> None:
    stage = ordered_to_settle()
    ordered = stage.movement(orders(stage.conversation)[0])
    stage.fact("escrow", **ordered)

    assert stage.commitment_of().posted_units == 0
    with check_refused(stage, "transition_invalid"):
        stage.fact("escrow", **ordered)


def test_an_escrow_movement_needs_a_commitment_with_escrow() -> None:
    stage = scene("in_company")
    stage.alpha.commit(amount=None)
    with check_refused(stage, "malformed"):
        stage.fact("escrow", commitmentId="cmt", movement="reserve")


def test_a_hostile_log_ends_in_our_own_errors() -> None:
    """Whatever timer a forged log claims, in whatever state: it is due, or it is refused."""
    names = ["invitation", "identity", "idle", "session", "agreeing", "escalated:esc", "closing",
             "commitment:cmt", "commitment:", "commitment:nothing", "escalated:",
             "escalated:nothing"]  # fmt: skip
    answers = set()
    for scene_name in SCENES:
        conversation = scene(scene_name).conversation
        for name in names:
            fact = HostFact(SESSION, 99, 0, ZERO_TAG, "timer", {"name": name}, {})
            with pytest.raises((Refused, WireError)) as caught:
                fold_fact(conversation, fact, entry=ZERO_TAG)
            answers.add(caught.value.code)

    assert answers == {"transition_invalid"}


def test_only_the_pinned_key_can_be_revoked() -> None:
    stage = scene("conversing")
    stage.fact("revocation", agent=URIS["stranger"], keyId="x")
    stage.fact("revocation", agent=URIS["alpha"], keyId="another")

    assert not any(one.revoked for one in stage.conversation.participants.values())


def test_whoever_has_not_spoken_has_no_key_to_revoke() -> None:
    stage = scene("invited")
    stage.fact("revocation", agent=URIS["beta"], keyId="x")

    assert not stage.conversation.participants[URIS["beta"]].revoked
