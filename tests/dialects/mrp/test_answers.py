"""What comes back is an envelope, an ERROR or neither; the message's type decides before HTTP's."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.dialects.mrp.made import document, raw, seeded
from treaty.dialects.mrp.answers import Failed, NoEnvelope, Said, read_answer

ERROR = {"code": "MRP_INTERNAL_ERROR", "message": "line one\n  line two", "retryable": False}


def test_an_offer_is_said() -> None:
    answer = read_answer(200, raw(seeded("offer_a")))

    assert isinstance(answer, Said)
    assert answer.envelope.msg_type == "OFFER"


@pytest.mark.parametrize("status", [200, 400, 500])
def test_an_error_is_one_under_every_status(status: int) -> None:
    answer = read_answer(status, raw(document("ERROR", ERROR)))

    assert isinstance(answer, Failed)
    assert answer.detail == "MRP_INTERNAL_ERROR: line one line two"


def test_an_error_with_an_unknown_code_or_none_is_one_too() -> None:
    odd = read_answer(200, raw(document("ERROR", {**ERROR, "code": "MRP_NOT_IMPLEMENTED"})))
    bare = read_answer(200, raw(document("ERROR", {})))

    assert isinstance(odd, Failed)
    assert odd.failure.code == "MRP_NOT_IMPLEMENTED"
    assert isinstance(bare, Failed)
    assert bare.failure.code == "unnamed"


@pytest.mark.parametrize(
    ("status", "body", "detail"),
    [
        (422, b'{"detail":[{"loc":["body"]}]}', "HTTP 422, [{'loc': ['body']}]"),
        (404, b'{"detail":"Not Found"}', "HTTP 404, 'Not Found'"),
        (500, b"Internal Server Error", "HTTP 500, 'Internal Server Error'"),
        (502, b"", "HTTP 502, no body"),
        (200, b"[]", "HTTP 200, []"),
        (200, b"\xff\xfe\x00", "HTTP 200, '\ufffd\ufffd\\x00'"),
        (302, b"", "HTTP 302, no body"),
    ],
)
def test_what_is_no_envelope_is_told(status: int, body: bytes, detail: str) -> None:
    assert read_answer(status, body) == NoEnvelope(status, detail)


def test_an_offer_under_a_bad_status_is_none() -> None:
    assert read_answer(500, raw(seeded("offer_a"))) == NoEnvelope(500, "HTTP 500 with a OFFER")


def test_what_is_nested_too_deep_to_be_kept_is_no_envelope() -> None:
    deep: Any = 1
    for _ in range(45):
        deep = [deep]

    assert isinstance(read_answer(200, raw(seeded("offer_a", offers=[deep]))), NoEnvelope)


def test_null_members_are_read_past() -> None:
    answer = read_answer(200, raw(seeded("evidence") | {"receiver": None, "in_reply_to": None}))

    assert isinstance(answer, Said)
    assert answer.envelope.in_reply_to is None


@given(st.integers(100, 599), st.binary(max_size=200))
def test_any_bytes_are_one_of_the_three(status: int, body: bytes) -> None:
    assert isinstance(read_answer(status, body), Said | Failed | NoEnvelope)


@given(
    st.dictionaries(
        st.sampled_from(["msg_type", "payload", "sender", "auth"]),
        st.none() | st.integers() | st.text() | st.dictionaries(st.text(), st.integers()),
    )
)
def test_any_object_is_one_of_the_three(members: dict[str, Any]) -> None:
    body = raw(seeded("offer_a") | members)

    assert isinstance(read_answer(200, body), Said | Failed | NoEnvelope)
