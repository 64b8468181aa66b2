"""Windows sum what is younger than their span."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from treaty.core.window import EMPTY, Window, added, recent


def of(*entries, span_ms=100):
    window = EMPTY
    for entry in entries:
        window = added(window, entry, span_ms=span_ms)
    return window


def test_an_empty_window_sums_to_nothing():
    assert (EMPTY.total, EMPTY.oldest_ms, EMPTY.latest_ms) == (0, None, None)
    assert recent(EMPTY, 10**6, span_ms=1) is EMPTY


def test_it_sums_what_was_added():
    window = of((1, 10), (2, 20), (3, 30))
    assert (window.total, window.oldest_ms, window.latest_ms) == (60, 1, 3)


def test_an_entry_counts_while_it_is_younger_than_the_span():
    window = of((0, 10), (1, 20))
    assert recent(window, 99, span_ms=100).total == 30
    # At 100 the first is exactly 100 old: out. At 101 the second is.
    assert recent(window, 100, span_ms=100).total == 20
    assert recent(window, 101, span_ms=100) == EMPTY


def test_nothing_to_drop_gives_the_same_window():
    window = of((0, 10), (1, 20))
    assert recent(window, 99, span_ms=100) is window


def test_adding_drops_what_is_then_too_old():
    assert of((0, 10), (50, 20), (120, 30)) == Window(50, (((50, 20), (120, 30)),))


def test_time_never_runs_backward_in_a_window():
    # The entry dated 10 counts at 50, so it stays as long as the one before it.
    window = of((50, 1), (10, 2))
    assert window == Window(3, (((50, 1), (50, 2)),))


def test_old_windows_are_not_changed_by_new_entries():
    window = of((0, 10))
    added(window, (1, 20), span_ms=100)
    assert window.total == 10


@settings(max_examples=100)
@given(
    st.lists(st.tuples(st.integers(0, 30), st.integers(1, 9)), max_size=200),
    st.integers(0, 200),
    st.integers(1, 3_000),
)
def test_it_agrees_with_a_list_that_is_summed_anew(steps, later, span_ms):
    window, model, now = EMPTY, [], 0
    for step, amount in steps:
        now += step
        window = added(window, (now, amount), span_ms=span_ms)
        model.append((now, amount))
    end = now + later
    left = [(at, amount) for at, amount in model if end - at < span_ms]
    kept = recent(window, end, span_ms=span_ms)
    assert kept.total == sum(amount for _, amount in left)
    assert [entry for chunk in kept.chunks for entry in chunk] == left
    assert kept.oldest_ms == (left[0][0] if left else None)
