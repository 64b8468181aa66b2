"""Form: any bytes are an envelope or a WireError; what real peers send is read."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.dialects.mrp.made import AT_MS, BUYER, PROVIDER, document, payload, raw, seeded
from treaty.dialects.mrp.codec import (
    Profile,
    common_version,
    compose,
    decode,
    decode_reply,
    encode,
)
from treaty.dialects.mrp.validation import validate
from treaty.errors import WireError


def refused(body: bytes) -> str:
    with pytest.raises(WireError) as refusal:
        decode(body)
    return refusal.value.code


def test_an_envelope_keeps_its_bytes_and_what_nobody_knows() -> None:
    auth = {"type": "bearer", "token": "t", "delegation": {"to": "x"}}
    body = raw(seeded("discover") | {"auth": auth, "trace": {"root": "r"}, "nonce": "n"})

    envelope = decode(body)

    assert envelope.raw == body
    assert envelope.document == json.loads(body)
    assert (envelope.sender, envelope.receiver) == (BUYER, PROVIDER)
    assert (envelope.auth, envelope.trace, envelope.nonce) == (auth, {"root": "r"}, "n")
    assert "pricing" not in repr(envelope)


@pytest.mark.parametrize(
    ("members", "code"),
    [
        ({"mrp_version": "9.9"}, "version_unsupported"),
        ({"mrp_version": "1.0"}, "version_unsupported"),
        ({"mrp_version": "1"}, "malformed"),
        ({"sender": "agent:x"}, "malformed"),
        ({"sender": None}, "malformed"),
        ({"msg_id": "abc"}, "malformed"),
        ({"msg_id": "x" * 257}, "malformed"),
        ({"msg_type": "NOPE"}, "malformed"),
        ({"payload": []}, "malformed"),
        ({"receiver": {"id": "ab"}}, "malformed"),
        ({"more": 1}, "malformed"),
    ],
)
def test_what_is_no_envelope_is_refused(members: dict[str, Any], code: str) -> None:
    assert refused(raw(document("DISCOVER", payload("discover"), **members))) == code


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"5", b"nope", b"null", b"\xff\xfe", b'{"a":1,"a":1}', b'{"a":NaN}'],
)
def test_what_is_no_object_of_one_meaning_is_refused(body: bytes) -> None:
    assert refused(body) == "malformed"


def test_sizes_and_depths_are_limited() -> None:
    deep: Any = 1
    for _ in range(60):
        deep = [deep]

    assert refused(b" " * 1_048_577) == "too_large"
    assert refused(raw(seeded("discover", inputs=[{"type": "json", "value": deep}]))) == "malformed"


@pytest.mark.parametrize(
    ("theirs", "answer"), [("0.1", "0.1"), ("0.9", "0.1"), ("0.0", "0.0"), ("0.10", "0.1")]
)
def test_any_minor_of_our_major_is_answered_with_the_lower(theirs: str, answer: str) -> None:
    assert decode(raw(seeded("discover") | {"mrp_version": theirs})).version == theirs
    assert common_version(theirs) == answer


def test_what_is_composed_is_taken_by_both_profiles_and_never_null() -> None:
    made = compose(
        "ERROR",
        {"code": "MRP_INVALID_REQUEST", "message": "no", "retryable": False},
        sender=PROVIDER,
        receiver=BUYER,
        in_reply_to="12345678",
        at_ms=AT_MS,
        entropy=bytes(range(10)),
    )

    assert None not in made.values()
    assert {validate(encode(made), profile) for profile in Profile} == {None}
    assert decode(encode(made)).timestamp == "2025-01-01T00:00:00.000Z"


@pytest.mark.parametrize(
    ("body", "says"),
    [
        # mrpd's error answers repeat the msg_id, or have null (3, M9).
        (
            {"msg_id": None, "msg_type": "ERROR", "payload": {"code": "MRP_X", "message": "m"}},
            "has no",
        ),
        ({"msg_type": "NEGOTIATE", "payload": {"accepted": False, "reason": "no"}}, "has no"),
        # Generated providers (11): null instead of absent.
        ({"msg_type": "OFFER", "receiver": None, "payload": {"offers": [{}]}}, "receiver"),
        ({"msg_type": "EVIDENCE", "payload": {"route_id": "r", "job_id": None}}, "job_id"),
    ],
)
def test_answers_of_real_peers_are_read_and_their_fault_named(body, says: str) -> None:
    is_whole = "receiver" in body or body["msg_type"] == "EVIDENCE"
    whole = document("HELLO", {}) | body if is_whole else body

    envelope, fault = decode_reply(raw(whole))

    assert envelope.msg_type == body["msg_type"]
    assert envelope.payload == body["payload"]
    assert fault is not None
    assert says in fault.text


@pytest.mark.parametrize("body", [b'{"detail":[]}', b"Internal Server Error", b"", b"[]", b"{}"])
def test_what_is_no_answer_is_refused(body: bytes) -> None:
    with pytest.raises(WireError):
        decode_reply(body)


@given(
    st.binary(max_size=200)
    | st.recursive(
        st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(max_size=8),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(("payload", "msg_type", "sender", "id", "auth", "receiver")),
                inner,
                max_size=6,
            )
        ),
        max_leaves=12,
    ).map(raw)
)
def test_any_bytes_are_decoded_or_refused(body: bytes) -> None:
    for read in (decode, decode_reply):
        with suppress(WireError):
            assert read(body)
