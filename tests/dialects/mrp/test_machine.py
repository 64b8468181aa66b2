"""Who may say what where, and how a job and an exchange go on: every state, sender and act."""

from __future__ import annotations

import pytest

from treaty.core.session import Session, acts, advance, is_final
from treaty.dialects.mrp.choices import MSG_TYPES
from treaty.dialects.mrp.machine import (
    ASKED,
    EXCHANGE,
    EXCHANGE_STATES,
    JOB_STATES,
    JOB_TERMINAL,
    JOBS,
    PLACES,
    TAKEN,
    answers,
)
from treaty.errors import Refused

# Written by hand from the protocol, independently of the table.
ANSWERED_BY = {
    "HELLO": {"HELLO", "ERROR"},
    "DISCOVER": {"OFFER", "ERROR"},
    "NEGOTIATE": {"NEGOTIATE", "ERROR"},
    "EXECUTE": {"EVIDENCE", "JOB_ACCEPTED", "ERROR"},
}


@pytest.mark.parametrize("msg_type", MSG_TYPES)
def test_each_type_is_answered_as_the_protocol_says(msg_type: str) -> None:
    assert set(answers(msg_type)) == ANSWERED_BY.get(msg_type, set())
    assert (msg_type in TAKEN) == (msg_type in ANSWERED_BY)


@pytest.mark.parametrize("name", PLACES)
def test_each_place_takes_one_type(name: str) -> None:
    assert PLACES[name].path == f"/mrp/{name}"
    assert PLACES[name].takes == name.upper()


JOB_LAWFUL = {
    "accepted": {"provider": {"CANCEL", "FAIL", "START"}, "asker": {"CANCEL"}},
    "running": {"provider": {"CANCEL", "FAIL", "FINISH", "START"}, "asker": {"CANCEL"}},
    "done": {"clock": {"EXPIRE"}},
    "failed": {"clock": {"EXPIRE"}},
    "canceled": {"clock": {"EXPIRE"}},
    "gone": {},
}
EXCHANGE_LAWFUL = {
    "new": {"buyer": {"DISCOVER"}},
    "asked": {"provider": {"OFFER", "ERROR"}},
    "offered": {"provider": {"OFFER", "ERROR"}, "buyer": {"NEGOTIATE", "EXECUTE"}},
    "negotiating": {"provider": {"NEGOTIATE", "ERROR"}, "buyer": {"EXECUTE"}},
    "terms": {"buyer": {"NEGOTIATE", "EXECUTE"}},
    "ordered": {"provider": {"JOB_ACCEPTED", "EVIDENCE", "ERROR"}},
    "working": {"provider": {"JOB_STATUS", "STREAM_CHUNK", "EVIDENCE", "ERROR"}},
    "ended": {},
}


@pytest.mark.parametrize(
    ("rules", "states", "lawful", "words"),
    [
        (JOBS, JOB_STATES, JOB_LAWFUL, ("START", "FINISH", "FAIL", "CANCEL", "EXPIRE")),
        (EXCHANGE, EXCHANGE_STATES, EXCHANGE_LAWFUL, MSG_TYPES),
    ],
    ids=["jobs", "exchange"],
)
def test_every_state_sender_and_act(rules, states, lawful, words) -> None:
    assert set(states) == set(lawful)
    for state in states:
        for who in ("provider", "asker", "buyer", "clock"):
            allowed = lawful[state].get(who, set())
            assert set(acts(rules, Session(state), frozenset((who,)))) == allowed
            for act in set(words) - allowed:
                with pytest.raises(Refused) as refusal:
                    advance(rules, Session(state), act, frozenset((who,)), party=who)
                assert refusal.value.code == "transition_invalid"


@pytest.mark.parametrize("state", JOB_STATES)
def test_a_job_that_ended_never_ends_otherwise(state: str) -> None:
    assert is_final(JOBS, Session(state)) == (state in JOB_TERMINAL)


def walk(*steps: tuple[str, str]) -> str:
    session = Session(EXCHANGE.start)
    for who, act in steps:
        session = advance(EXCHANGE, session, act, frozenset((who,)), party=who)
    return session.state


def test_the_seeds_exchange_and_one_without_negotiation() -> None:
    asked = [("buyer", "DISCOVER"), ("provider", "OFFER"), ("provider", "OFFER")]
    done = [("buyer", "EXECUTE"), ("provider", "EVIDENCE")]

    assert walk(*asked, ("buyer", "NEGOTIATE"), ("provider", "NEGOTIATE"), *done) == "ended"
    assert walk(*asked, *done) == "ended"
    assert walk(*asked[:1], ("provider", "ERROR")) == ASKED
