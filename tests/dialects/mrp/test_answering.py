"""What a provider says: canonical, addressed, signed where it binds, mute about its faults."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.http.mrp_world import PROVIDER, SUMMARIZE
from tests.http.nodes import NODE, signer
from treaty.dialects.mrp import codec
from treaty.dialects.mrp.answering import error_payload, status_of
from treaty.dialects.mrp.authority import Authority
from treaty.dialects.mrp.offering import Offering
from treaty.dialects.mrp.serving import MRP
from treaty.dialects.mrp.validation import validate
from treaty.errors import MisuseError, Refused, TreatyError, UnavailableError, WireError
from treaty.wire.canonical import canonical, read_json

AT_MS = 1_772_892_000_000
MRP_PROVIDER = MRP(signer(NODE), Offering(PROVIDER, [SUMMARIZE]), Authority())
TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=8, max_size=20)


@given(msg_id=TEXT, sender=TEXT, trace=st.none() | st.fixed_dictionaries({"root": TEXT}))
def test_a_reply_in_bytes_is_the_reply_in_canonical_form(
    msg_id: str, sender: str, trace: dict[str, Any] | None
) -> None:
    document: dict[str, Any] = {
        "mrp_version": "0.1",
        "msg_id": msg_id,
        "msg_type": "DISCOVER",
        "timestamp": "2025-01-01T00:00:00Z",
        "sender": {"id": sender},
        "payload": {"intent": "x"},
    }
    document |= {} if trace is None else {"trace": trace}
    read = codec.decode(canonical(document))
    request = MRP_PROVIDER.judge(read, "discover", "127.0.0.1", AT_MS)

    made = MRP_PROVIDER.offer(request, None, AT_MS, bytes(16))

    offers = [dict(one.offer) for one in MRP_PROVIDER.offering.by_id.values()]
    composed = MRP_PROVIDER.reply(request, "OFFER", {"offers": offers}, AT_MS, bytes(16))
    assert made == codec.encode(composed)
    assert read_json(made) == composed


@pytest.mark.parametrize(
    ("error", "code", "retryable", "status"),
    [
        (WireError("x"), "MRP_INVALID_REQUEST", False, 400),
        (Refused("x", "policy_violation"), "MRP_POLICY_VIOLATION", False, 403),
        (Refused("x", "rate_limited"), "MRP_RATE_LIMITED", True, 429),
        (UnavailableError("x", "overloaded"), "MRP_RATE_LIMITED", True, 429),
        (UnavailableError("x", "fetch_failed"), "MRP_INTERNAL_ERROR", True, 500),
        (UnavailableError("x", "capability_failed"), "MRP_INTERNAL_ERROR", False, 500),
    ],
)
def test_an_error_has_code_reason_and_status(
    error: TreatyError, code: str, retryable: bool, status: int
) -> None:
    payload = error_payload(error, caused_by="message-1")

    assert (payload["code"], payload["retryable"]) == (code, retryable)
    assert payload["details"] == {"reason": error.code, "caused_by": "message-1"}
    assert status_of(error) == status


def test_our_own_fault_is_said_without_particulars() -> None:
    payload = error_payload(MisuseError("the key is 12345", data={"key": "12345"}))

    assert "12345" not in canonical(payload).decode()
    assert payload["code"] == "MRP_INTERNAL_ERROR"


def test_when_to_come_back_has_a_member_of_its_own() -> None:
    payload = error_payload(Refused("x", "rate_limited", data={"retryAfterMs": 250}))

    assert payload["retry_after_ms"] == 250
    assert payload["details"] == {"reason": "rate_limited"}


@pytest.mark.parametrize(
    "salvaged",
    [
        {},
        {"msg_id": None, "sender": None},
        {"msg_id": "short", "sender": {"id": "a"}},
        {"msg_id": "x" * 300, "sender": {"id": "x" * 300}},
        {"msg_id": "\ud800" * 10, "sender": {"id": "\ud800" * 10}},
        {"msg_id": ["x"], "sender": "x"},
    ],
)
def test_an_error_to_what_is_no_message_is_a_message(salvaged: dict[str, Any]) -> None:
    made = MRP_PROVIDER.error(WireError("x"), AT_MS, bytes(16), salvaged=salvaged)

    assert validate(made) is None
    assert b"in_reply_to" not in made
    assert b"receiver" not in made


def test_an_error_finds_its_way_where_it_can() -> None:
    salvaged = {"msg_id": "message-1", "sender": {"id": "agent:x", "more": 1}}
    made = codec.decode(MRP_PROVIDER.error(WireError("x"), AT_MS, bytes(16), salvaged=salvaged))

    assert (made.in_reply_to, made.receiver) == ("message-1", "agent:x")
