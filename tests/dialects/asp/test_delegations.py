"""Delegates act within the limits their principal wrote down, and leave when time is up (B14)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.dialects.asp.scenes import scene
from tests.dialects.asp.stage import URIS, Stage, check_refused
from treaty.dialects.asp.delegations import read_limits
from treaty.dialects.asp.terms import read_listed
from treaty.errors import TreatyError, WireError

HOUR = 3_600_000
USD = "USD"


def money(amount: str, currency: str = USD) -> dict[str, str]:
    return {"amount": amount, "currency": currency}


def with_binding(**more: Any) -> Stage:
    """Delta speaks for Beta, within limits; Alpha pays what Delta commits to."""
    stage = scene("conversing")
    stage.alpha.delegate("d1", "delta", "binding", **more)
    stage.beta.accept("d1")
    return stage


@pytest.mark.parametrize(
    "limits",
    [
        {"maxSpend": 5},
        {"performatives": "INFORM"},
        {"performatives": ["SHOUT"]},
        {"maxAmount": 5},
        {"maxAmount": {"amount": "5.00"}},
        {"maxTotal": {"amount": "x", "currency": "USD"}},
        {"maxCommitments": -1},
        {"maxCommitments": 1.5},
    ],
)
def test_a_limit_that_is_not_kept_here_is_refused_when_it_is_written(limits: Any) -> None:
    with pytest.raises(TreatyError):
        read_limits(limits)
    stage = scene("conversing")
    with pytest.raises(TreatyError):
        stage.alpha.delegate("d1", "delta", limits=limits)


def test_without_limits_nothing_is_limited() -> None:
    stage = with_binding()
    stage.delta.commit("c1")
    assert stage.conversation.delegations["d1"].commitments == ("c1",)


def test_a_delegate_says_only_what_it_may() -> None:
    stage = with_binding(limits={"performatives": ["INFORM", "QUERY"]})
    assert stage.delta.identify() == "INFORM/identity"
    assert stage.delta.ask("q1") == "QUERY"
    with check_refused(stage, "authority_missing"):
        stage.delta.propose("p1")


@pytest.mark.parametrize(
    ("limits", "lawful"),
    [
        ({"maxAmount": money("180.00")}, True),
        ({"maxAmount": money("179.99")}, False),
        ({"maxAmount": money("1000.00", "EUR")}, False),
        ({"maxTotal": money("180.00")}, True),
        ({"maxTotal": money("179.99")}, False),
        ({"maxCommitments": 1}, True),
        ({"maxCommitments": 0}, False),
    ],
)
def test_a_commitment_stays_within_the_limits_whoever_proposes_it(
    limits: Any, lawful: bool
) -> None:
    offering = with_binding(limits=limits)
    accepting = with_binding(limits=limits)
    accepting.beta.commit("c1")
    if lawful:
        offering.delta.commit("c1")
        accepting.delta.accept("c1")
        return
    with check_refused(offering, "authority_missing"):
        offering.delta.commit("c1")
    with check_refused(accepting, "authority_missing"):
        accepting.delta.accept("c1")


def test_totals_count_what_stands_and_not_what_came_to_nothing() -> None:
    stage = with_binding(limits={"maxTotal": money("200.00"), "maxCommitments": 2})
    stage.delta.commit("c1")
    stage.beta.reject("c1")
    stage.delta.commit("c2")
    stage.beta.accept("c2")
    with check_refused(stage, "authority_missing"):
        stage.delta.commit("c3")
    # Its principal is bound by no limit of its own delegate.
    assert stage.alpha.commit("c3") == "COMMIT"


def test_limits_are_each_delegates_own() -> None:
    stage = with_binding(limits={"maxCommitments": 0})
    stage.alpha.delegate("d2", "gamma", "binding")
    stage.beta.accept("d2")
    assert stage.gamma.commit("c1") == "COMMIT"


def test_a_delegate_leaves_when_its_time_is_over_and_what_it_bound_stays() -> None:
    stage = with_binding(expiresAt=_in(scene("conversing"), HOUR))
    stage.delta.commit("c1")
    stage.beta.accept("c1")
    stage.wait(HOUR - 1)
    assert URIS["delta"] in stage.conversation.participants
    stage.wait(1)
    assert URIS["delta"] not in stage.conversation.participants
    assert stage.conversation.delegations["d1"].state == "ended"
    assert stage.conversation.commitments["c1"].live
    with check_refused(stage, "unknown_session"):
        stage.delta.observe()


def test_its_time_is_over_at_once_even_where_the_timer_comes_late() -> None:
    stage = with_binding(expiresAt=_in(scene("conversing"), HOUR))
    stage.now_ms += HOUR
    with check_refused(stage, "authority_missing"):
        stage.delta.observe()


def _in(stage: Stage, span_ms: int) -> str:
    from treaty.wire.instants import format_instant

    return format_instant(stage.now_ms + span_ms)


@pytest.mark.parametrize(
    ("terms", "listed"),
    [
        ({}, {}),
        ({"delegates": [URIS["gamma"]]}, {URIS["gamma"]: False}),
        ({"delegates": [{"uri": URIS["gamma"], "history": True}]}, {URIS["gamma"]: True}),
    ],
)
def test_an_invitation_may_name_who_joins_without_a_further_yes(terms: Any, listed: Any) -> None:
    assert read_listed(terms) == listed


@pytest.mark.parametrize("delegates", ["x", [5], ["http://x"], [{}], [URIS["gamma"]] * 17])
def test_a_list_of_delegates_that_is_none_is_malformed(delegates: Any) -> None:
    with pytest.raises(WireError):
        read_listed({"delegates": delegates})


@pytest.mark.parametrize(
    ("wanted", "granted", "since"), [(True, True, 0), (True, False, 1), (False, True, 1)]
)
def test_history_is_shown_when_both_say_so(wanted: bool, granted: bool, since: int) -> None:
    stage = scene("conversing")
    stage.alpha.delegate("d1", "gamma", history=wanted)
    position = stage.conversation.position
    stage.beta.say("ACCEPT", {"referenceId": "d1", "history": granted})
    assert stage.conversation.participants[URIS["gamma"]].since == since * position


def test_who_is_named_in_the_invitation_joins_at_once() -> None:
    stage = Stage()
    stage.alpha.invite(terms={"delegates": [{"uri": URIS["gamma"], "history": True}]})
    stage.beta.accept("inv")
    stage.alpha.identify()
    stage.beta.identify()
    stage.alpha.observe()
    stage.alpha.delegate("d1", "gamma", history=True)
    assert stage.conversation.delegations["d1"].state == "joined"
    assert stage.conversation.participants[URIS["gamma"]].since == 0
    assert stage.gamma.observe() == "OBSERVE"
