"""How the trust log stood earlier: exactly, as far back as is remembered."""

from __future__ import annotations

from treaty.core.trust import TrustState
from treaty.engine.past import STATES_MAX, Past


def grown(count: int, *, step_ms: int = 10) -> Past:
    """A log of so many records, one every ten milliseconds."""
    past = Past(TrustState())
    for size in range(1, count + 1):
        past.keep(size * step_ms, TrustState(size=size))
    return past


def test_the_log_stands_as_of_the_last_record_before() -> None:
    past = grown(5)

    found = [past.at(at_ms, 5) for at_ms in (0, 9, 10, 25, 50, 1_000)]
    assert [(state.size, as_of_ms) for state, as_of_ms in found] == [
        (0, 0), (0, 9), (1, 10), (2, 25), (5, 50), (5, 1_000),
    ]  # fmt: skip


def test_what_is_not_durable_yet_is_not_seen() -> None:
    """A decision that came to nothing left its state behind; the next one takes its place."""
    past = grown(5)
    assert past.at(1_000, 4)[0].size == 4

    past.keep(70, TrustState(size=5))
    assert past.at(60, 5)[0].size == 4
    assert past.at(70, 5)[0].size == 5


def test_a_record_that_is_dated_before_the_last_one_came_after_it() -> None:
    past = grown(2)
    past.keep(1, TrustState(size=3))

    assert past.at(19, 3)[0].size == 1
    assert past.at(20, 3)[0].size == 3


def test_beyond_what_is_remembered_the_oldest_state_is_taken_as_of_its_own_time() -> None:
    past = grown(STATES_MAX + 5)
    oldest = 6

    state, as_of_ms = past.at(0, STATES_MAX + 5)
    assert (state.size, as_of_ms) == (oldest, oldest * 10)


def test_a_log_that_is_folded_again_is_remembered_again() -> None:
    past = grown(STATES_MAX + 5)
    for size in range(1, 4):
        past.keep(size * 10, TrustState(size=size))

    assert past.at(25, 3)[0].size == 2
