"""What one message changes beside the state: numbers, names, keys, times, closings.

How the conversation goes stands in ``asp_conversation.txt``, how money goes in
``asp_escrow.txt``. The last test walks at random and looks at what must always hold.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.dialects.asp.scenes import SCENES, scene
from tests.dialects.asp.stage import DAY, HOUR, MINUTE, SECOND, SIGNERS, START_MS, URIS, Stage
from treaty.core.commitment import CommitmentState, OrderKind
from treaty.dialects.asp.codec import decode
from treaty.dialects.asp.conversation import Conversation
from treaty.dialects.asp.deadlines import deadlines
from treaty.dialects.asp.folding import both_closed, fold_message, orders
from treaty.dialects.asp.machine import STATES
from treaty.errors import Refused, TreatyError
from treaty.wire.digest import ZERO_TAG

ALPHA, BETA, GAMMA = URIS["alpha"], URIS["beta"], URIS["gamma"]


def test_an_invitation_sets_what_the_session_is() -> None:
    conversation = scene("invited").conversation
    invitation = conversation.invitation

    assert conversation.id == "019526a1-8e1a-7000-8000-000000000001"
    assert conversation.principals == (ALPHA, BETA)
    assert invitation is not None
    assert (invitation.id, invitation.subject) == ("inv", "GPUs")
    assert invitation.hash == conversation.head
    assert invitation.authorities == {URIS["umpire"]: None}
    assert conversation.participants[BETA].public_key is None


def test_each_message_moves_head_position_count_and_its_senders_number() -> None:
    stage = scene("conversing")
    before = stage.conversation
    raw = stage.beta.write("OBSERVE", {"subject": "s", "data": {}})
    stage.now_ms += MINUTE
    stage.deliver(raw)
    after = stage.conversation

    assert after.head == decode(raw).hash
    assert after.messages == before.messages + 1
    assert after.position == before.position + 1
    assert after.entry != before.entry
    assert after.active_ms == after.at_ms == stage.now_ms
    assert after.entered_ms == before.entered_ms
    assert after.participants[BETA].next_sequence == before.participants[BETA].next_sequence + 1
    assert after.participants[ALPHA] == before.participants[ALPHA]


def test_a_fact_moves_the_log_and_neither_head_nor_count() -> None:
    stage = scene("conversing")
    before = stage.conversation
    stage.outage(SECOND)
    after = stage.conversation

    assert (after.head, after.messages) == (before.head, before.messages)
    assert after.position == before.position + 1


def test_a_key_is_pinned_with_the_first_message_and_stays() -> None:
    stage = scene("in_company")
    pinned = {uri: one.public_key for uri, one in stage.conversation.participants.items()}

    assert pinned == {
        URIS[name]: SIGNERS[name].key.text for name in ("alpha", "beta", "gamma", "delta")
    }


def test_entering_a_state_is_timed_and_staying_is_not() -> None:
    stage = scene("in_company")
    stage.wait(MINUTE)
    stage.alpha.commit()
    entered_ms = stage.now_ms
    stage.wait(MINUTE)
    stage.beta.ask("q1")

    assert stage.conversation.entered_ms == entered_ms


def test_the_last_accepted_proposal_is_the_agreed_one() -> None:
    stage = scene("in_company")
    stage.beta.accept("pa")
    assert stage.conversation.agreed == "pa"
    stage.alpha.accept("pb")
    assert stage.conversation.agreed == "pb"


def test_every_name_of_the_session_is_remembered() -> None:
    stage = scene("executing")
    stage.alpha.ask("q1")
    stage.alpha.escalate("e1")

    assert stage.conversation.ids == {
        "inv", "del_gamma", "del_delta", "pa", "pb", "da", "db", "cmt", "q1", "e1",
    }  # fmt: skip


def test_a_proposal_of_a_delegate_is_its_principals() -> None:
    stage = scene("in_company")
    stage.delta.propose("p9")
    stage.delta.commit("c9")

    assert stage.conversation.proposals["p9"].author == BETA
    assert stage.commitment_of("c9").author == BETA


def test_a_delegates_commit_on_the_payers_side_reserves() -> None:
    stage = scene("in_company")
    stage.delta.commit(
        buyer={"party": BETA}, provider={"party": ALPHA}, escrow={"payer": BETA, "payee": ALPHA}
    )

    assert stage.money() == {"held": 18_000, "posted": 0, "voided": 0}


def test_a_delegate_that_left_keeps_its_numbers_and_its_key() -> None:
    stage = scene("in_company")
    stage.gamma.observe()
    before = stage.conversation.participants[GAMMA]
    stage.alpha.withdraw("del_gamma")
    assert GAMMA not in stage.conversation.participants
    assert stage.conversation.former[GAMMA] == before
    stage.alpha.delegate("again", "gamma", "binding")
    stage.beta.accept("again")
    member = stage.conversation.participants[GAMMA]

    assert (member.next_sequence, member.public_key) == (2, before.public_key)
    assert member.role == "binding"
    assert not stage.conversation.former


def test_withdrawing_an_open_delegation_removes_nobody() -> None:
    """Both asked for gamma, alpha's came first; beta takes its own request back."""
    stage = scene("conversing")
    stage.alpha.delegate("d1", "gamma")
    stage.beta.delegate("e1", "gamma")
    stage.beta.accept("d1")
    stage.beta.withdraw("e1")

    assert GAMMA in stage.conversation.participants
    assert stage.gamma.identify() == "INFORM/identity"


def test_a_close_is_recorded_with_its_rating_and_what_it_names() -> None:
    stage = scene("executing_claimed")
    stage.alpha.close("completed", "cmt", rating=5)
    closing = stage.conversation.closings[ALPHA]

    assert (closing.reason, closing.rating, closing.fulfilled) == ("completed", 5, ("cmt",))
    assert (closing.counts, closing.offers) == (True, False)
    assert not both_closed(stage.conversation)


def test_an_offer_does_not_count_as_a_close() -> None:
    closing = scene("executing_offered").conversation.closings[ALPHA]

    assert (closing.reason, closing.counts, closing.offers) == ("cancelled", False, True)


def test_a_silent_party_closes_without_rating_and_confirms_nothing() -> None:
    stage = scene("closed_silent")
    closing = stage.conversation.closings[BETA]

    assert (closing.reason, closing.rating, closing.fulfilled) == ("expired", None, ())
    assert not closing.counts
    assert not both_closed(stage.conversation)


def test_naming_a_commitment_confirms_the_others_part_only() -> None:
    stage = scene("in_company")
    stage.alpha.commit(amount=None)
    stage.beta.accept("cmt")
    stage.alpha.fulfil("cmt")
    stage.beta.fulfil("cmt")
    stage.alpha.close("completed", "cmt")

    assert stage.duty("provider").state == "KEPT"
    assert stage.duty("buyer").state == "CLAIMED"


def test_what_the_clearing_has_to_do_comes_oldest_first() -> None:
    stage = scene("executing")
    stage.alpha.commit("two", amount=20)
    stage.beta.accept("two")
    stage.is_clearing = False
    stage.alpha.close("cancelled")
    stage.beta.close("cancelled")

    assert [(one.kind, one.commitment, one.post_units) for one in orders(stage.conversation)] == [
        (OrderKind.SETTLE, "cmt", 0),
        (OrderKind.SETTLE, "two", 0),
    ]


def test_settled_are_those_that_were_bound_and_ended() -> None:
    stage = scene("executing")
    assert (len(stage.conversation.live), len(stage.conversation.settled)) == (1, 0)
    stage.beta.commit("two")
    stage.alpha.reject("two")
    stage.alpha.close("cancelled")
    stage.beta.close("cancelled")

    assert [one.id for one in stage.conversation.settled] == ["cmt"]
    assert stage.commitment_of("two").state is CommitmentState.REJECTED


def test_the_same_log_makes_the_same_session_for_everybody() -> None:
    assert SCENES["closed_live"]().conversation == SCENES["closed_live"]().conversation


@pytest.mark.parametrize("name", SCENES)
def test_a_log_that_is_not_trusted_cannot_force_a_move(name: str) -> None:
    """Folding without judging still refuses what the automaton has no row for."""
    stage = scene(name)
    raw = stage.stranger.write("OBSERVE", {"subject": "s", "data": {}})
    with pytest.raises(Refused) as caught:
        fold_message(stage.conversation, decode(raw), at_ms=0, position=1, entry=ZERO_TAG)

    assert caught.value.code == "transition_invalid"


def test_before_anything_happened_the_session_is_empty() -> None:
    empty = Conversation()

    assert (empty.state, empty.wire_state, empty.head) == ("IDLE", "IDLE", ZERO_TAG)
    assert (empty.duration_ms, empty.timeout_ms("idleMs")) == (HOUR, 30 * MINUTE)
    assert empty.side(ALPHA) == ""
    assert not empty.ended
    assert empty == Stage().conversation


# What may be tried at any moment of a random walk; most of it is refused most of the time.
MOVES: list[Callable[[Stage, str, int], object]] = [
    lambda stage, who, n: getattr(stage, who).propose(f"p{n}"),
    lambda stage, who, n: getattr(stage, who).accept(_some(stage.conversation.proposals, n)),
    lambda stage, who, n: getattr(stage, who).counter(
        _some(stage.conversation.proposals, n), f"p{n}", final=n % 5 == 0
    ),
    lambda stage, who, n: getattr(stage, who).reject(_some(stage.conversation.proposals, n)),
    lambda stage, who, n: getattr(stage, who).withdraw(_some(stage.conversation.proposals, n)),
    lambda stage, who, n: getattr(stage, who).commit(f"c{n}", amount=n + 1),
    lambda stage, who, n: getattr(stage, who).accept(_some(stage.conversation.commitments, n)),
    lambda stage, who, n: getattr(stage, who).reject(_some(stage.conversation.commitments, n)),
    lambda stage, who, n: getattr(stage, who).counter(
        _some(stage.conversation.commitments, n), f"p{n}"
    ),
    lambda stage, who, n: getattr(stage, who).withdraw(_some(stage.conversation.commitments, n)),
    lambda stage, who, n: getattr(stage, who).fulfil(_some(stage.conversation.commitments, n)),
    lambda stage, who, n: getattr(stage, who).confirm(_some(stage.conversation.commitments, n)),
    lambda stage, who, n: getattr(stage, who).escalate(f"e{n}", ("umpire", "boss")[n % 2]),
    lambda stage, who, n: stage.umpire.resolve(("resume", "abort")[n % 2], _running(stage)),
    lambda stage, who, n: stage.boss.resolve(("resume", "abort")[n % 2], _running(stage)),
    lambda stage, who, n: stage.boss.resolve(("resume", "abort")[n % 2], _newest(stage)),
    lambda stage, who, n: getattr(stage, who).close("completed", *stage.conversation.commitments),
    lambda stage, who, n: getattr(stage, who).close(("cancelled", "failed")[n % 2]),
    lambda stage, who, n: getattr(stage, who).delegate(f"d{n}", "gamma"),
    lambda stage, who, n: getattr(stage, who).accept(_some(stage.conversation.delegations, n)),
    lambda stage, who, n: stage.wait((SECOND, MINUTE, HOUR, DAY)[n % 4]),
    lambda stage, who, n: stage.outage((SECOND, HOUR)[n % 2]),
]


def _some(things: Any, n: int) -> str:
    names = list(things)
    return names[n % len(names)] if names else "nothing"


def _running(stage: Stage) -> str:
    return next((one.id for one in stage.conversation.escalations.values()), "nothing")


def _newest(stage: Stage) -> str:
    return next((one.id for one in reversed(stage.conversation.escalations.values())), "nothing")


WALK = st.lists(
    st.tuples(st.sampled_from(MOVES), st.sampled_from(["alpha", "beta", "delta"])),
    min_size=1,
    max_size=30,
)


@given(st.sampled_from(["conversing", "in_company", "executing", "closing_claimed"]), WALK)
def test_whatever_is_tried_the_session_stays_sound(name: str, walk: list[Any]) -> None:
    stage = scene(name)
    for number, (move, who) in enumerate(walk):
        before = stage.conversation
        try:
            move(stage, who, number)
        except TreatyError:
            # What was refused, or a log that only a broken host could write: nothing changed.
            assert stage.conversation is before
        stage.fired.clear()
        check_soundness(stage, before)
    stage.wait(800 * DAY)

    assert stage.conversation.ended
    assert not deadlines(stage.conversation)
    for commitment in stage.conversation.commitments:
        assert stage.money(commitment)["held"] == 0


def check_soundness(stage: Stage, before: Conversation) -> None:
    """Laws of every session, after every step."""
    now = stage.conversation
    assert now.state in STATES
    assert now.at_ms >= before.at_ms
    assert not (before.ended and now.state != before.state)
    assert now.messages == sum(
        one.messages for one in (*now.participants.values(), *now.former.values())
    )
    assert now.ids >= before.ids
    assert bool(now.escalations) == (now.state == "ESCALATED")
    for side, running in now.escalations.items():
        assert running.author == side
        assert running.since_ms <= stage.now_ms
    held = {now.other(side) for side in now.escalations}
    assert all(duty.party in held for one in now.live for duty in one.obligations if duty.held)
    assert START_MS <= now.started_ms <= stage.now_ms
    assert not orders(now)
    for name, commitment in now.commitments.items():
        money = stage.money(name)
        assert commitment.escrow is not None
        if commitment.live:
            assert money["held"] == commitment.escrow.money.units
        elif commitment.state is not CommitmentState.PROPOSED:
            assert money["held"] == 0
        if not commitment.bound_ms:
            assert money["posted"] == 0
    proposed = [one for one in now.commitments.values() if one.state is CommitmentState.PROPOSED]
    assert len(proposed) <= 1
    assert not (proposed and now.ended)
