"""Whose turn it is: every state, sender and act, and every walk through them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from treaty.core.session import Session, acts, advance, is_final
from treaty.dialects.actp.machine import (
    ACCEPT_COUNTER,
    ACCEPT_QUOTE,
    AGREED,
    CANCEL,
    CANCELLED,
    COMMIT,
    COMMITTED,
    COUNTER,
    COUNTERED,
    DECLINE,
    EXPIRE,
    EXPIRED,
    QUOTE,
    QUOTED,
    RULES,
    STATES,
    TERMINAL,
    UNQUOTED,
    WALK,
    WALKED,
)
from treaty.errors import Refused

WHO = ("consumer", "provider", "opener", "clock", "chain")
ACTS = (QUOTE, COUNTER, ACCEPT_COUNTER, ACCEPT_QUOTE, DECLINE, WALK, EXPIRE, COMMIT, CANCEL)
LAWFUL = {
    UNQUOTED: {"consumer": [WALK], "provider": [QUOTE, WALK], "opener": [COUNTER]},
    QUOTED: {"consumer": [ACCEPT_QUOTE, COUNTER, WALK], "provider": [WALK]},
    COUNTERED: {"consumer": [WALK], "provider": [ACCEPT_COUNTER, DECLINE, QUOTE, WALK]},
    AGREED: {},
    WALKED: {},
    EXPIRED: {},
    CANCELLED: {},
    COMMITTED: {},
}


def at(state: str, came_from: str = QUOTED) -> Session:
    return Session(state, (came_from,)) if state == COUNTERED else Session(state)


def go(session: Session, who: str, act: str) -> Session:
    standing = {"consumer", "opener"} if who == "opener" else {who}
    return advance(RULES, session, act, frozenset(standing), party=who)


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("who", ["consumer", "provider", "opener"])
def test_who_may_speak_when(state: str, who: str) -> None:
    allowed = LAWFUL[state].get(who, [])

    assert list(acts(RULES, at(state), frozenset((who,)))) == allowed
    for act in set(ACTS) - set(allowed):
        with pytest.raises(Refused) as refusal:
            advance(RULES, at(state), act, frozenset((who,)), party=who)
        assert refusal.value.code == "transition_invalid"


def test_a_negotiation_to_its_agreement() -> None:
    session = Session(RULES.start)
    for who, act, state in (
        ("provider", QUOTE, QUOTED),
        ("consumer", COUNTER, COUNTERED),
        ("provider", QUOTE, QUOTED),
        ("consumer", COUNTER, COUNTERED),
        ("provider", ACCEPT_COUNTER, AGREED),
        ("chain", COMMIT, COMMITTED),
    ):
        session = go(session, who, act)
        assert session.state == state
    assert is_final(RULES, session)


def test_a_declined_counter_leaves_the_quote_standing() -> None:
    countered = go(Session(QUOTED), "consumer", COUNTER)

    assert go(countered, "provider", DECLINE) == Session(QUOTED)


def test_a_counter_may_open_in_mock_mode_and_is_declined_to_nothing() -> None:
    opened = go(Session(UNQUOTED), "opener", COUNTER)

    assert opened.state == COUNTERED
    assert go(opened, "provider", DECLINE) == Session(UNQUOTED)
    assert go(opened, "provider", QUOTE) == Session(QUOTED)


def test_w6_after_the_end_no_counter_begins_anew() -> None:
    """The peer drops the state of an exhausted budget, so the next counter starts afresh."""
    for state in TERMINAL:
        for who in ("consumer", "opener", "provider"):
            assert acts(RULES, Session(state), frozenset((who,))) == ()


@pytest.mark.parametrize("state", [UNQUOTED, QUOTED, COUNTERED, AGREED])
def test_time_ends_what_is_not_final(state: str) -> None:
    assert go(at(state), "clock", EXPIRE).state == EXPIRED


def test_the_chain_has_the_last_word() -> None:
    for state in set(STATES) - {COMMITTED, CANCELLED}:
        assert go(at(state), "chain", COMMIT).state == COMMITTED
        assert go(at(state), "chain", CANCEL).state == CANCELLED


@given(st.lists(st.tuples(st.sampled_from(WHO), st.sampled_from(ACTS)), max_size=60))
@settings(max_examples=200)
def test_no_walk_grows_or_leaves_the_table(walk: list[tuple[str, str]]) -> None:
    session = Session(RULES.start)
    for who, act in walk:
        before = session
        try:
            session = go(session, who, act)
        except Refused:
            assert session is before
        assert session.state in STATES
        assert len(session.returns) <= 1
        assert not (before.state in TERMINAL and session.state not in TERMINAL)
