"""Log entries on the wire: the received text unchanged, everything on one line."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from treaty.engine.ports import Entry
from treaty.http.entries import entry_json, notice_json, page_json

RECEIPT = b'{"position":7,"type":"receipt"}'


def receipt(raw: bytes, position: int = 7) -> Entry:
    return Entry("session/x", position, "receipt", RECEIPT, raw)


def fact(position: int = 8) -> Entry:
    return Entry("session/x", position, "fact", b'{"fact":"timer"}', None)


def test_a_receipt_comes_with_the_message_as_json_and_as_received() -> None:
    raw = b'{ "subject":\t"caf\xc3\xa9 \\"quoted\\"" }'

    assert json.loads(entry_json(receipt(raw))) == {
        "position": 7,
        "receipt": json.loads(RECEIPT),
        "envelope": {"subject": 'café "quoted"'},
        "raw": raw.decode(),
    }


def test_a_fact_has_no_message() -> None:
    assert json.loads(entry_json(fact())) == {"position": 8, "fact": {"fact": "timer"}}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(st.text(), JSON), st.sampled_from(["\n", "\r\n", "\r", " \n\t "]), JSON)
def test_any_text_survives_on_one_line(value: Any, white: str, other: Any) -> None:
    text = json.dumps(value, indent=1, ensure_ascii=False).replace("\n", white)
    raw = (white + text).encode("utf-8", "replace")

    line = entry_json(receipt(raw))

    assert b"\n" not in line
    assert b"\r" not in line
    read = json.loads(line)
    assert read["raw"].encode() == raw
    assert read["envelope"] == json.loads(raw)


def test_a_notice_is_its_body_with_the_text_that_caused_it() -> None:
    notice = Entry("inbox/x", 1, "invitation", b'{"session":"s"}', b'{"a": 1}')

    assert json.loads(notice_json(notice)) == {"session": "s", "raw": '{"a": 1}'}


def test_a_notice_without_a_message_is_its_body() -> None:
    notice = Entry("inbox/x", 1, "session", b'{"session":"s"}', None)

    assert notice_json(notice) == b'{"session":"s"}'


@pytest.mark.parametrize("more", [True, False])
def test_a_page_says_where_to_go_on(more: bool) -> None:
    page = json.loads(page_json([receipt(b"{}"), fact()], 6, more=more))

    assert [entry["position"] for entry in page["entries"]] == [7, 8]
    assert (page["next"], page["more"]) == (8, more)


def test_an_empty_page_goes_on_where_it_began() -> None:
    assert json.loads(page_json([], 41, more=False)) == {"entries": [], "next": 41, "more": False}
