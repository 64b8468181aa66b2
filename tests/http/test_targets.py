"""How often one place is asked on strangers' word, and whose turn it is."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from treaty.http.targets import AT_ONCE, LATE_MS, MINUTE_MS, PLACES_MAX, WAITING_MAX, Targets


def test_a_few_may_follow_one_another_and_then_each_has_its_slot() -> None:
    targets = Targets(60)

    assert [targets.wait_ms("host", f"s{number}", 0) for number in range(AT_ONCE)] == [0] * AT_ONCE
    assert [targets.wait_ms("host", name, 0) for name in "abc"] == [1_001, 2_001, 3_001]
    assert targets.wait_ms("other host", "a", 0) == 0


def test_a_slot_is_kept_for_whom_it_was_given_to() -> None:
    targets = Targets(1)
    assert targets.wait_ms("host", "a", 0) == 0
    waits = [targets.wait_ms("host", name, 0) for name in "bcb"]

    # Asking again neither costs nor gains anything.
    assert waits == [60_001, 120_001, 60_001]
    assert targets.wait_ms("host", "c", 60_000) == 60_001
    assert targets.wait_ms("host", "b", 60_000) == 0
    assert targets.wait_ms("host", "c", 120_000) == 0


def test_many_tasks_of_one_session_do_not_push_back_another() -> None:
    targets = Targets(1)
    targets.wait_ms("host", "greedy", 0)
    for _ in range(50):
        targets.wait_ms("host", "greedy", 0)

    assert targets.wait_ms("host", "modest", 0) == 2 * MINUTE_MS + 1


def test_a_slot_nobody_takes_up_is_lost() -> None:
    targets = Targets(1)
    targets.wait_ms("host", "a", 0)
    targets.wait_ms("host", "gone", 0)
    now_ms = MINUTE_MS + LATE_MS + 1

    assert targets.wait_ms("host", "b", now_ms) > 0
    assert targets.wait_ms("host", "gone", now_ms) > targets.wait_ms("host", "b", now_ms)


def test_after_a_rest_there_is_no_more_than_before() -> None:
    targets = Targets(600)
    for start_ms in (0, 10 * MINUTE_MS):
        taken = sum(targets.wait_ms("host", f"{start_ms} {n}", start_ms) == 0 for n in range(100))
        assert taken == AT_ONCE


def test_places_and_waiting_are_bounded() -> None:
    targets = Targets(1)
    for number in range(PLACES_MAX + 10):
        targets.wait_ms(f"h{number}", "a", 0)
    assert len(targets._places) == PLACES_MAX
    for number in range(WAITING_MAX + 10):
        assert targets.wait_ms("host", f"s{number}", 0) == 0 or number
    assert len(targets._places["host"].slots) == WAITING_MAX
    # Whoever finds no room is told when to come back, and moves nobody.
    last = targets.wait_ms("host", "beyond", 0)
    assert targets.wait_ms("host", "beyond too", 0) == last


@pytest.mark.parametrize("per_minute", [1, 7, 60, 600, 6_000])
@given(seed=st.randoms(use_true_random=False))
def test_no_minute_has_more_than_was_allowed_and_a_rest(per_minute: int, seed: Random) -> None:
    targets, now_ms, taken = Targets(per_minute), 0.0, []
    for _ in range(300):
        now_ms += seed.choice((0, 1, 50, 1_000, 20_000))
        asker = seed.choice("abcdef")
        if not targets.wait_ms("host", asker, now_ms):
            taken.append(now_ms)
    # A slot given to a waiting asker may be taken up to LATE_MS after it: those are added.
    spare = AT_ONCE + LATE_MS * per_minute // MINUTE_MS + 1
    for place, first in enumerate(taken):
        within = sum(first <= at < first + MINUTE_MS for at in taken[place:])
        assert within <= per_minute + spare


@given(st.integers(2, 12))
def test_whoever_waits_is_served_in_turn(sessions: int) -> None:
    """Each comes back when it was told to; after some rounds all have been served as often."""
    targets, served = Targets(60), dict.fromkeys(range(sessions), 0)
    due = dict.fromkeys(range(sessions), 0)
    for _ in range(60 * sessions):
        session = min(due, key=lambda one: (due[one], one))
        wait_ms = targets.wait_ms("host", str(session), due[session])
        served[session] += not wait_ms
        due[session] += wait_ms or 1

    assert max(served.values()) - min(served.values()) <= AT_ONCE + 1
