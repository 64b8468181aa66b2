"""What a message says in a few words, whatever a stranger has put into it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from treaty.cli.gist import TEXT_CHARS_MAX, gist, money
from treaty.dialects.asp.messages import (
    Accept,
    Clarify,
    Close,
    Commit,
    Counter,
    Delegate,
    Escalate,
    EscrowTerms,
    Inform,
    Observe,
    Propose,
    Query,
    Reject,
    Withdraw,
)
from treaty.wire.money import Money

TERMS = {
    "gpuType": "A100",
    "quantity": 2,
    "durationHours": 24,
    "pricePerHour": 3.75,
    "sla": {"uptimePercent": 99.95},
}
CARD = {"name": "Beta", "publicKey": "eyJjcnYiOiJFZ"}
ESCROW = EscrowTerms(Money(18_000, "USD"), "obligation-met", None, None, None, 0)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (Propose("p", "session-invitation", "GPU deal", {}, None), "invites: GPU deal"),
        (Propose("p", "terms", "s", TERMS, None), "2x A100, 24 h, $3.75/h, 99.95 %"),
        (Propose("p", "terms", "an essay on tea", {}, None), "an essay on tea"),
        (
            Counter("p", "q", "too low", "s", TERMS, True, None),
            "2x A100, 24 h, $3.75/h, 99.95 % (final): too low",
        ),
        (Accept("p", None, None), "accepts p"),
        (Accept("p", None, "Terms accepted."), "Terms accepted."),
        (Reject("p", "budget_exceeded", "too dear"), "too dear (budget_exceeded)"),
        (Commit("c", "Two A100", {}, (), ESCROW, None, None), "Two A100; escrow 180.00 USD"),
        (Commit("c", "", {}, (), ESCROW, None, None), "escrow 180.00 USD"),
        (Commit("c", "Tea", {}, (), None, None, None), "Tea"),
        (
            Inform("identity", "s", {"agentCard": CARD}, ()),
            "card of Beta, key eyJjcnYiOiJF…",
        ),
        (
            Inform("progress", "s", {"percentComplete": 50, "details": "half way"}, ()),
            "50 %: half way",
        ),
        (
            Inform("result", "s", {"status": "fulfilled", "instances": [{"id": "gpu-1"}]}, ()),
            "fulfilled: gpu-1",
        ),
        (
            Inform(
                "result",
                "s",
                {"status": "fulfilled", "instances": [{"id": "a", "pid": 7, "status": "up"}]},
                (),
            ),
            "fulfilled: a (process 7) up",
        ),
        (
            Inform(
                "result",
                "s",
                {
                    "agents": [
                        {
                            "uri": "agent://b",
                            "trustScore": 91,
                            "trustLevel": 4,
                            "pricing": {"pricePerHour": 3.5},
                        }
                    ]
                },
                (),
            ),
            "agent://b (trust 91, level 4, $3.50/h)",
        ),
        (Inform("result", "s", {"agents": []}, ()), "nobody fits"),
        (Inform("weather", "It rains", {}, ()), "It rains"),
        (
            Query("q", "capability", "s", {"capability": "gpu", "maxPricePerHour": 4}, ),
            "gpu, at most $4.00/h",
        ),
        (Clarify("p", "Which region?", None), "Which region?"),
        (Clarify("p", None, "Europe"), "Europe"),
        (
            Delegate("d", "agent://lawyer", "the contract", "advisory", {}, 0, False),
            "brings in agent://lawyer: the contract",
        ),
        (Escalate("e", "too much", "agent://boss", None, ()), "calls agent://boss: too much"),
        (Withdraw("p", None), "takes back p"),
        (Withdraw("p", "a mistake"), "a mistake"),
        (Observe("it is late", {}, ()), "it is late"),
        (Close("completed", "s", (), None, 5, None, None), "completed, rates 5 of 5"),
        (Close("cancelled", "s", (), None, None, None, None), "cancelled"),
    ],
)  # fmt: skip
def test_what_a_message_says(body, said: str) -> None:
    assert gist(body) == said


@pytest.mark.parametrize(
    "amount", ["1e999999999", "NaN", "-Infinity", "1e-999999999", "cheap", "", True, [], 1e300]
)
def test_an_amount_nobody_would_write_is_a_question_mark_and_no_work(amount) -> None:
    assert money(amount) == "?"


@pytest.mark.parametrize(
    ("amount", "currency", "shown"),
    [
        ("180.00", "USD", "$180.00"),
        (3.5, "USD", "$3.50"),
        (1e6, "USD", "$1,000,000.00"),
        (-1, "USD", "$-1.00"),
        ("180.5", "EUR", "€180.50"),
        (26866, "JPY", "JPY 26,866"),
        ("55.1", "KWD", "KWD 55.100"),
        (1, "points", "points 1.00"),
    ],
)
def test_an_amount_has_the_decimals_of_its_currency(amount, currency: str, shown: str) -> None:
    assert money(amount, currency) == shown


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)
MEMBERS = st.sampled_from(
    [
        *("agents", "agentCard", "status", "instances", "percentComplete", "details"),
        *("pricePerHour", "sla", "quantity", "capability", "maxPricePerHour", "minTrustLevel"),
    ]
)
DATA = st.dictionaries(MEMBERS, JSON | st.just("fulfilled") | st.just("9" * 400), max_size=5)


@given(DATA, st.sampled_from(["progress", "result", "identity", "x"]))
def test_whatever_a_stranger_says_is_a_short_text(data, kind: str) -> None:
    for body in (
        Inform(kind, "subject", data, ()),
        Query("q", "capability", "subject", data),
        Propose("p", "terms", "subject", data, None),
        Counter("p", "q", "r" * 5_000, "s", data, False, None),
    ):
        assert len(gist(body)) <= TEXT_CHARS_MAX
