"""Reports of outcomes: read strictly, written exactly, compared with what the log made of them."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from treaty.core.trust import Before, record_from_json, record_to_json
from treaty.core.trust_fold import fold
from treaty.core.trust_reports import as_logged, departures, read_report, report_to_json
from treaty.core.trust_state import Roots, TrustState, agent_state
from treaty.errors import WireError
from treaty.wire.evolving import evolve

ALPHA = "agent://acme.com/procurement/alpha"
BETA = "agent://cloudprime.io/gpu/beta"
CLEARING = "agent://far.example/clearing"
HEAD = "sha256:" + "ab" * 32
AT = "2026-03-07T14:15:05.000Z"
AT_MS = 1_772_892_905_000


def side(agent: str, **changes: Any) -> dict[str, Any]:
    kept = {"agent": agent, "result": "kept", "v": "1", "escrow": "honoured", "number": 1}
    return {name: value for name, value in {**kept, **changes}.items() if value is not None}


BODY: dict[str, Any] = {
    "session": "019526a1-8e1a-7000-8000-000000000001",
    "head": HEAD,
    "commitment": "cmt_001",
    "clearing": CLEARING,
    "parties": [side(ALPHA, rating=4), side(BETA, number=7)],
    "disputed": False,
    "at": AT,
    "trust": {"uri": "agent://trust.example/node", "keyId": "k"},
    "openedAt": "2026-03-07T14:00:00.000Z",
    "shown": [{"sender": BETA, "publicKey": "p", "hash": HEAD, "signature": "s"}],
}


def test_what_is_read_is_written_again() -> None:
    report = read_report(BODY)

    assert report_to_json(report) == BODY
    assert (report.trust_uri, report.trust_key_id) == ("agent://trust.example/node", "k")
    assert [party.number for party in report.outcome.parties] == [1, 7]
    assert report.shown[0].sender == BETA


BREACHED = side(BETA, result="breached", escrow="failed", v="0.5")


@pytest.mark.parametrize(
    "changes",
    [
        {"parties": [side(ALPHA, rating=1), BREACHED]},
        {"parties": [side(ALPHA, v="0"), BREACHED]},
        {"disputed": True, "severity": 5, "parties": [side(ALPHA), BREACHED]},
        {"at": "2026-03-07T14:00:00.000Z"},
        {"shown": []},
        {"note": "members nobody knows are passed over"},
    ],
)
def test_an_outcome_that_a_deal_can_have_is_read(changes: dict[str, Any]) -> None:
    assert read_report({**BODY, **changes}).outcome.clearing == CLEARING


@pytest.mark.parametrize(
    "changes",
    [
        {"session": "not a uuid"},
        {"session": None},
        {"head": "sha256:AB"},
        {"head": None},
        {"commitment": ""},
        {"commitment": "two words"},
        {"clearing": "far.example"},
        {"parties": [side(ALPHA)]},
        {"parties": [side(ALPHA), side(ALPHA)]},
        {"parties": [side(ALPHA), side(BETA), side(CLEARING)]},
        {"parties": [side(ALPHA), side(BETA, number=None)]},
        {"parties": [side(ALPHA), side(BETA, number=0)]},
        {"parties": [side(ALPHA), side(BETA, escrow=None)]},
        {"parties": [side(ALPHA), side(BETA, escrow="perhaps")]},
        {"parties": [side(ALPHA), side(BETA, result="nearly")]},
        # The least ceiling is 100 dollars, where v is 1: no deal of any level weighs more.
        {"parties": [side(ALPHA, v="1.000000000001"), side(BETA, v="1.000000000001")]},
        {"parties": [side(ALPHA, v="1e0"), side(BETA, v="1e0")]},
        {"parties": [side(ALPHA, v="-1"), side(BETA, v="-1")]},
        {"parties": [side(ALPHA, v=0.5), side(BETA, v=0.5)]},
        {"parties": [side(ALPHA, v="0"), side(BETA, v="0")]},
        {"parties": [side(ALPHA, v="1"), side(BETA, v="0.5")]},
        {"parties": [side(ALPHA, rating=0), side(BETA)]},
        {"parties": [side(ALPHA, rating=6), side(BETA)]},
        {"parties": [side(ALPHA, rating=4.5), side(BETA)]},
        {"severity": 3},
        {"disputed": True, "severity": 0},
        {"disputed": True, "severity": 6},
        {"disputed": "no"},
        {"at": "yesterday"},
        {"at": "2026-03-07T13:59:59.999Z"},
        {"openedAt": None},
        {"trust": None},
        {"trust": {"uri": "agent://trust.example/node"}},
        {"trust": {"uri": "trust", "keyId": "k"}},
        {"shown": [{}]},
        {"shown": ["x"]},
        {"shown": BODY["shown"] * 5},
    ],
)
def test_what_no_deal_comes_to_is_malformed(changes: dict[str, Any]) -> None:
    body = {name: value for name, value in {**BODY, **changes}.items() if value is not None}
    with pytest.raises(WireError) as caught:
        read_report(body)

    assert caught.value.code == "malformed"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner),
    max_leaves=8,
)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(sorted(BODY)), JSON)
def test_any_member_may_be_anything_and_ends_in_our_own_error(name: str, value: Any) -> None:
    try:
        report = read_report({**BODY, name: value})
    except WireError:
        return
    assert read_report(report_to_json(report)) == report


@settings(max_examples=100, deadline=None)
@given(JSON)
def test_whatever_is_no_report_is_our_own_error(value: Any) -> None:
    with pytest.raises(WireError):
        read_report(value)


# What the log makes of it.


def logged() -> Any:
    """The entry of the trust node: stamped, at its own time."""
    plain = as_logged(read_report(BODY), AT_MS + 5_000)
    one, other = plain.parties
    stamp: dict[str, Any] = {
        "organisation": "acme.com", "q": Decimal(1), "w": Decimal(1), "number": 3,
        "before": Before(Decimal("49.0"), provisional=True),
    }  # fmt: skip
    return evolve(plain, parties=(evolve(one, **stamp), evolve(other, **stamp)))


def test_the_entry_keeps_what_was_said_and_numbers_it_apart() -> None:
    entry = logged()

    assert departures(entry, read_report(BODY)) == ()
    assert [party.reported for party in entry.parties] == [1, 7]
    assert record_from_json("outcome", json.loads(json.dumps(record_to_json(entry)))) == entry


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("session", "019526a1-8e1a-7000-8000-000000000002"),
        ("head", "sha256:" + "cd" * 32),
        ("commitment", "cmt_002"),
        ("clearing", "agent://other.example/clearing"),
        ("disputed", True),
        ("severity", 3),
        ("at_ms", AT_MS - 60_001),
    ],
)
def test_an_entry_that_says_something_else_is_named(name: str, value: Any) -> None:
    (found,) = departures(evolve(logged(), **{name: value}), read_report(BODY))

    assert name.removesuffix("_ms") in found


@pytest.mark.parametrize(
    "change", [{"rating": 5}, {"kept": False}, {"v": Decimal("0.5")}, {"reported": 2}]
)
def test_an_entry_that_changes_a_party_is_named(change: dict[str, Any]) -> None:
    entry = logged()
    one, other = entry.parties
    changed = evolve(entry, parties=(evolve(one, **change), other))

    assert departures(changed, read_report(BODY)) == ("its parties is not what the report says",)


def test_stamps_of_the_clearing_are_passed_over() -> None:
    dreamt = side(ALPHA, q="1", w="1", organisation="moon", rating=4, reported=9)
    report = read_report({**BODY, "parties": [dreamt, side(BETA, number=7)]})

    one = as_logged(report, AT_MS).parties[0]
    assert (one.q, one.w, one.organisation, one.number, one.reported) == (None, None, None, None, 1)


def test_numbers_that_were_passed_over_are_missing_until_they_come() -> None:
    """Each clearing is counted by itself, and so is the log."""
    state = TrustState(Roots(frozenset({CLEARING})))
    counts = []
    for place, (clearing, number) in enumerate(
        [(CLEARING, 1), (CLEARING, 3), ("agent://other.example/c", 2), (CLEARING, 2)], start=1
    ):
        plain = as_logged(read_report(BODY), AT_MS)
        one, other = (evolve(party, reported=number, number=place) for party in plain.parties)
        state = fold(state, evolve(plain, clearing=clearing, parties=(one, other)))
        counts.append(agent_state(state, ALPHA).missing)

    assert counts == [0, 1, 2, 1]
