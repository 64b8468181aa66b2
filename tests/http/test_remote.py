"""A node's answers, read back as what they stood for."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from treaty.engine.ports import Entry
from treaty.errors import (
    REASONS,
    Refused,
    SignatureError,
    TreatyError,
    UnavailableError,
    UnverifiableError,
    WireError,
)
from treaty.http.entries import notice_json, page_json
from treaty.http.problems import problem
from treaty.http.remote import Answer, error_of, inbox_item, log_item, page_of

URL = "http://node.test/v1"
RECEIPT = Entry("session/x", 3, "receipt", b'{"position":3}', b'{ "a": "\xc3\xa9" }')
FACT = Entry("session/x", 4, "fact", b'{"fact":"timer"}', None)


def returned(error: TreatyError) -> TreatyError:
    """What a client raises for what a node raised."""
    sent = problem(error)
    return Answer(URL, sent.status_code, sent.media_type, sent.body).error()


@pytest.mark.parametrize("code", sorted(set(REASONS) - {"internal"}))
def test_every_reason_comes_back_as_itself(code: str) -> None:
    error = returned(Refused("because", code, data={"n": 1}))

    assert (error.code, error.reason, error.detail) == (code, REASONS[code], "because")
    assert error.data == {"n": 1}


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (WireError("x"), WireError),
        (WireError("x", "too_large"), WireError),
        (WireError("x", "unsupported_media_type"), WireError),
        (SignatureError("x"), SignatureError),
        (SignatureError("x", "proof_replayed"), SignatureError),
        (UnverifiableError("x"), Refused),
        (Refused("x", "chain_stale"), Refused),
        (Refused("x", "rate_limited"), Refused),
        (UnavailableError("x", "overloaded"), UnavailableError),
    ],
)
def test_an_error_comes_back_as_its_kind(error: TreatyError, kind: type[TreatyError]) -> None:
    assert type(returned(error)) is kind


def test_a_reason_not_known_here_is_kept() -> None:
    error = error_of(418, {"code": "short_and_stout", "detail": "tip me over"})

    assert (error.code, error.reason.status) == ("short_and_stout", 418)
    assert isinstance(error, Refused)


def test_missed_entries_come_back_as_items() -> None:
    error = returned(Refused("stale", "chain_stale", data={"missed": [RECEIPT, FACT]}))

    receipt, fact = error.data["missed"]
    assert (receipt.position, receipt.raw, receipt.record) == (3, RECEIPT.raw, {"position": 3})
    assert (fact.position, fact.raw, fact.record) == (4, None, {"fact": "timer"})


def test_a_page_comes_back() -> None:
    page = page_of(json.loads(page_json([RECEIPT, FACT], 2, more=True)))

    assert [item.position for item in page.items] == [3, 4]
    assert page.more


def test_a_notice_comes_back() -> None:
    entry = Entry("inbox/x", 9, "invitation", b'{"session":"s"}', b'{"a":1}')

    item = inbox_item("invitation", "9", json.loads(notice_json(entry)))

    assert (item.position, item.kind, item.body, item.raw) == (
        9,
        "invitation",
        {"session": "s"},
        b'{"a":1}',
    )


def test_a_notice_may_have_no_message() -> None:
    assert inbox_item("session", "9", {"session": "s"}).raw is None


@pytest.mark.parametrize("position", [None, "", "-1", "x", "9" * 17, "\u0661"])
def test_a_notice_has_a_position(position: str | None) -> None:
    with pytest.raises(WireError):
        inbox_item("invitation", position, {})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["position", "fact", "receipt", "raw", "entries", "more", "code"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)


@given(JSON)
def test_any_json_is_an_item_or_a_wire_error(value: Any) -> None:
    given_as = value if isinstance(value, dict) else {"entries": value}
    for read in (log_item, page_of, lambda one: error_of(409, one)):
        with suppress(WireError):
            assert read(given_as) is not None


@pytest.mark.parametrize(
    ("status", "media_type", "body"),
    [
        (200, "text/html", b"<html>hello</html>"),
        (502, "text/html", b"<html>bad gateway</html>"),
        (404, "application/json", b'{"detail":"Not Found"}'),
        (404, "application/problem+json", b'{"title":"no code"}'),
        (409, "application/problem+json", b"[]"),
        (409, "application/problem+json", b"{"),
        (409, "application/problem+json", b'{"code":"chain_stale","missed":7}'),
        (302, "", b""),
    ],
)
def test_what_no_node_says_is_unavailable_and_says_where_to_look(
    status: int, media_type: str, body: bytes
) -> None:
    answer = Answer(URL, status, media_type, body)

    error = answer.error()

    assert type(error) is UnavailableError
    assert URL in error.detail
    assert str(status) in error.detail
    assert "check the address" in error.detail


@pytest.mark.parametrize("body", [b"", b"[]", b"null", b"{", b'{"a":1,"a":2}'])
def test_an_answer_that_is_no_object_is_unavailable(body: bytes) -> None:
    with pytest.raises(UnavailableError, match="not what a treaty node says"):
        Answer(URL, 200, "application/json", body).json()


@pytest.mark.parametrize(
    ("stated", "wait_s"), [("3", 3.0), (None, None), ("soon", None), ("-1", None), ("1.5", None)]
)
def test_a_wait_is_read_in_seconds(stated: str | None, wait_s: float | None) -> None:
    assert Answer(URL, 503, "", b"", stated).wait_s == wait_s
