"""Holds and rates: nobody is starved, nobody can block (B7)."""

from __future__ import annotations

import random

import pytest

from treaty.engine.courtesy import BURST, HOLD_MS, SESSIONS_MAX, Holds, Rates

A, B, S = "agent://a.example/a", "agent://b.example/b", "session"


def test_nobody_holds_anything_at_first() -> None:
    holds = Holds()

    assert holds.wait_ms(S, A, 0) == holds.wait_ms(S, B, 0) == 0


def test_who_was_refused_speaks_next_and_the_other_waits() -> None:
    holds = Holds()
    holds.refused(S, A, 100)

    assert holds.wait_ms(S, A, 150) == 0
    assert holds.wait_ms(S, B, 150) == HOLD_MS - 50


def test_a_hold_is_used_by_speaking() -> None:
    holds = Holds()
    holds.refused(S, A, 0)
    holds.accepted(S, A, 10)

    assert holds.wait_ms(S, B, 20) == 0


def test_who_was_turned_away_holds_next() -> None:
    holds = Holds()
    holds.refused(S, A, 0)
    assert holds.wait_ms(S, B, 5)
    holds.accepted(S, A, 10)

    assert holds.wait_ms(S, B, 20) == 0
    assert holds.wait_ms(S, A, 20) == HOLD_MS - 10
    holds.accepted(S, B, 30)
    assert holds.wait_ms(S, A, 40) == 0


def test_a_refusal_during_the_others_hold_takes_nothing_away() -> None:
    holds = Holds()
    holds.refused(S, A, 0)
    holds.refused(S, B, 10)

    assert holds.wait_ms(S, A, 20) == 0
    assert holds.wait_ms(S, B, 20) > 0


def test_a_refusal_does_not_prolong_the_own_hold() -> None:
    holds = Holds()
    for at_ms in range(0, HOLD_MS, 100):
        holds.refused(S, A, at_ms)

    assert holds.wait_ms(S, B, HOLD_MS - 1) == 1
    assert holds.wait_ms(S, B, HOLD_MS) == 0


def test_who_lets_a_hold_lapse_gets_none_until_it_has_spoken() -> None:
    holds = Holds()
    holds.refused(S, A, 0)
    holds.refused(S, A, HOLD_MS)
    assert holds.wait_ms(S, B, HOLD_MS + 1) == 0

    holds.accepted(S, B, HOLD_MS + 2)
    holds.refused(S, A, HOLD_MS + 3)
    assert holds.wait_ms(S, B, HOLD_MS + 4) == 0

    holds.accepted(S, A, HOLD_MS + 5)
    holds.refused(S, A, HOLD_MS + 6)
    assert holds.wait_ms(S, B, HOLD_MS + 7) > 0


def test_a_lapsed_hold_passes_to_who_waited_for_it() -> None:
    holds = Holds()
    holds.refused(S, A, 0)
    assert holds.wait_ms(S, B, 5)

    assert holds.wait_ms(S, A, HOLD_MS + 5) == HOLD_MS - 5
    assert holds.wait_ms(S, B, HOLD_MS + 5) == 0
    assert holds.wait_ms(S, A, 2 * HOLD_MS) == 0


def test_sessions_do_not_concern_each_other() -> None:
    holds = Holds()
    holds.refused("one", A, 0)

    assert holds.wait_ms("two", B, 1) == 0


def test_an_authority_on_nobodys_side_holds_nothing() -> None:
    holds = Holds()
    holds.refused(S, "", 0)

    assert holds.wait_ms(S, A, 1) == 0


def test_a_clock_that_goes_back_blocks_nobody() -> None:
    holds = Holds()
    holds.refused(S, A, 3_600_000)

    assert holds.wait_ms(S, B, 0) == 0


@pytest.mark.parametrize("seed", range(30))
def test_each_side_gets_its_turn_whatever_the_other_does(seed: int) -> None:
    """One is honest and slow, the other does whatever it likes: the honest one still speaks."""
    chance = random.Random(seed)
    holds = Holds()
    now_ms, spoken, last_ms, longest_ms = 0, 0, 0, 0
    while spoken < 20:
        now_ms += chance.randrange(1, 400)
        for _ in range(chance.randrange(3)):
            if not holds.wait_ms(S, B, now_ms):
                if chance.random() < 0.5:
                    holds.refused(S, B, now_ms)
                else:
                    holds.accepted(S, B, now_ms)
        if holds.wait_ms(S, A, now_ms):
            continue
        if chance.random() < 0.3:
            holds.refused(S, A, now_ms)
            continue
        holds.accepted(S, A, now_ms)
        longest_ms = max(longest_ms, now_ms - last_ms)
        spoken, last_ms = spoken + 1, now_ms

    assert longest_ms <= 4 * HOLD_MS


def test_holds_are_bounded_in_number() -> None:
    holds = Holds()
    for number in range(SESSIONS_MAX + 10):
        holds.refused(f"s{number}", A, 0)

    assert len(holds._turns) == SESSIONS_MAX


def test_holds_that_are_over_are_forgotten() -> None:
    holds = Holds()
    for number in range(100):
        holds.refused(f"s{number}", A, 0)
        holds.accepted(f"s{number}", A, 1)

    assert not holds._turns


def test_a_burst_passes_and_then_ten_a_second() -> None:
    rates = Rates()

    assert [rates.wait_ms(S, A, 0) for _ in range(BURST)] == [0] * BURST
    assert rates.wait_ms(S, A, 0) == 101
    assert rates.wait_ms(S, A, 101) == 0
    passed = sum(rates.wait_ms(S, A, at_ms) == 0 for at_ms in range(1_000, 11_000, 10))
    assert 99 <= passed <= 110


def test_refused_tries_cost_nothing() -> None:
    rates = Rates()
    for _ in range(BURST + 50):
        rates.wait_ms(S, A, 0)

    assert rates.wait_ms(S, A, 100) == 0


def test_each_sender_has_its_own_tokens_in_each_session() -> None:
    rates = Rates()
    for _ in range(BURST):
        rates.wait_ms(S, A, 0)

    assert rates.wait_ms(S, B, 0) == 0
    assert rates.wait_ms("other", A, 0) == 0
    assert rates.wait_ms(S, A, 0) > 0


def test_after_the_clock_went_back_tokens_come_again() -> None:
    rates = Rates()
    for _ in range(BURST):
        rates.wait_ms(S, A, 3_600_000)
    assert rates.wait_ms(S, A, 0) > 0

    assert rates.wait_ms(S, A, 101) == 0


def test_buckets_are_bounded_in_number() -> None:
    rates = Rates()
    for number in range(2 * SESSIONS_MAX + 10):
        rates.wait_ms(f"s{number}", A, 0)

    assert len(rates._buckets) == 2 * SESSIONS_MAX
