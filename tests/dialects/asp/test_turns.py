"""Turn limits: an answer that did not come is on record, and allows to close for it (B10)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.dialects.asp.scenes import SCENES, scene
from tests.dialects.asp.stage import URIS, Stage, check_refused
from treaty.dialects.asp.choices import TURN_LEAST_MS

ALPHA, BETA = URIS["alpha"], URIS["beta"]
LIMIT = 20_000


def asked(limit_ms: int = LIMIT, name: str = "conversing") -> Stage:
    """Alpha has asked something, and waits for Beta so long."""
    stage = scene(name)
    stage.alpha.say(
        "QUERY", {"queryId": "q1", "queryType": "status"},
        constraints={"maxResponseTimeMs": limit_ms},
    )  # fmt: skip
    return stage


def test_the_limit_runs_for_the_other_party_and_fires_once() -> None:
    stage = asked()
    assert stage.timers[f"turn:{BETA}"] == LIMIT
    stage.wait(LIMIT - 1)
    assert stage.fired == []
    stage.wait(1)
    assert stage.fired == [f"turn:{BETA}"]
    stage.wait(LIMIT)
    assert f"turn:{BETA}" not in stage.fired or stage.fired.count(f"turn:{BETA}") == 1
    assert stage.conversation.turns[BETA].late
    assert stage.state == "CONVERSING"


def test_whatever_the_other_says_answers_it() -> None:
    stage = asked()
    stage.wait(LIMIT - 1)
    stage.beta.observe()
    stage.wait(LIMIT)
    assert stage.fired == []
    assert not stage.conversation.turns


def test_a_late_answer_is_an_answer() -> None:
    stage = asked()
    stage.wait(LIMIT)
    stage.beta.observe()
    with check_refused(stage, "transition_invalid"):
        stage.alpha.close("expired")


def test_a_later_limit_takes_the_place_of_the_first() -> None:
    stage = asked()
    stage.wait(1_000)
    body = {"queryId": "q2", "queryType": "status"}
    stage.alpha.say("QUERY", body, constraints={"maxResponseTimeMs": 2 * LIMIT})
    assert stage.timers[f"turn:{BETA}"] == 2 * LIMIT
    # Another message of one's own that sets none leaves it running.
    stage.alpha.observe()
    assert stage.timers[f"turn:{BETA}"] == 2 * LIMIT


def test_both_may_wait_for_each_other_one_after_the_other() -> None:
    stage = asked()
    body = {"queryId": "q2", "queryType": "status"}
    stage.beta.say("QUERY", body, constraints={"maxResponseTimeMs": LIMIT})
    assert f"turn:{BETA}" not in stage.timers
    assert stage.timers[f"turn:{ALPHA}"] == LIMIT


def test_a_delegates_word_is_its_sides_and_an_authoritys_is_nobodys() -> None:
    stage = scene("in_company")
    body = {"queryId": "q1", "queryType": "status"}
    stage.gamma.say("QUERY", body, constraints={"maxResponseTimeMs": LIMIT})
    assert stage.timers[f"turn:{BETA}"] == LIMIT
    stage.delta.observe()
    assert f"turn:{BETA}" not in stage.timers


def test_the_fact_lets_the_waiting_party_close_as_expired_and_nobody_else() -> None:
    stage = asked()
    with check_refused(stage, "transition_invalid"):
        stage.alpha.close("expired")
    stage.wait(LIMIT)
    with check_refused(stage, "transition_invalid"):
        stage.beta.close("expired")
    assert stage.alpha.close("expired") == "CLOSE"
    assert stage.state == "CLOSING"


def _lapsed_proposal() -> Stage:
    stage = scene("conversing")
    stage.alpha.propose("p1", valid_until=stage.now_ms + LIMIT)
    stage.now_ms += LIMIT
    return stage


def _breached() -> Stage:
    stage = scene("executing")
    stage.wait(25 * 3_600_000)
    return stage


@pytest.mark.parametrize("make", [_lapsed_proposal, _breached])
def test_other_things_that_have_run_out_allow_it_as_well(make: Any) -> None:
    assert make().alpha.close("expired").startswith("CLOSE")


@pytest.mark.parametrize(
    "name", [one for one in SCENES if one in ("introduced", "conversing", "executing")]
)
def test_without_anything_that_ran_out_nobody_closes_as_expired(name: str) -> None:
    stage = scene(name)
    with check_refused(stage, "transition_invalid"):
        stage.alpha.close("expired")


def test_an_outage_and_an_escalation_give_the_silent_party_more_time() -> None:
    stage = asked()
    stage.wait(1_000)
    stage.outage(60_000)
    # What the host was away for is added; it is as much later now.
    assert stage.timers[f"turn:{BETA}"] == LIMIT - 1_000
    stage.alpha.escalate("esc")
    held = stage.timers[f"turn:{BETA}"]
    assert held > LIMIT
    stage.wait(5_000)
    stage.umpire.resolve("resume")
    assert stage.timers[f"turn:{BETA}"] == LIMIT - 1_000


def test_a_limit_is_five_seconds_at_least() -> None:
    assert asked(TURN_LEAST_MS).timers[f"turn:{BETA}"] == TURN_LEAST_MS
    stage = scene("conversing")
    with check_refused(stage, "malformed"):
        asked_raw = {"queryId": "q1", "queryType": "status"}
        stage.alpha.say("QUERY", asked_raw, constraints={"maxResponseTimeMs": TURN_LEAST_MS - 1})


def test_nothing_runs_in_a_session_that_is_over() -> None:
    stage = asked()
    stage.alpha.close("cancelled")
    stage.beta.close("cancelled")
    assert f"turn:{BETA}" not in stage.timers
