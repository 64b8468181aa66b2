"""Receipts and facts: laid out, signed, read back; everything else is refused (B7)."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from treaty.core.log import (
    FACT_KINDS,
    HostFact,
    Receipt,
    entry_hash,
    fact_body,
    read_log_record,
    receipt_body,
)
from treaty.errors import WireError
from treaty.identity.keys import Ed25519Signer
from treaty.identity.records import open_record, record_hash, seal
from treaty.wire.canonical import canonical, read_json

HOST = Ed25519Signer(hashlib.sha256(b"host").digest())
SESSION = "019526a1-8e1a-7000-8000-000000000001"
AT_MS = 1_772_892_060_000
TAGS = ["sha256:" + digit * 64 for digit in "abcd"]
ALPHA = "agent://acme.com/procurement/alpha"


def receipt(**changes: Any) -> dict[str, Any]:
    members: dict[str, Any] = {
        "session": SESSION,
        "position": 1,
        "at_ms": AT_MS,
        "previous_entry": TAGS[0],
        "hash": TAGS[1],
        "previous_hash": TAGS[2],
        "sender": ALPHA,
        "performative": "PROPOSE",
        "raw_digest": TAGS[3],
        "public_key": "key",
    }
    return receipt_body(Receipt(**{**members, **changes}))


def fact(**changes: Any) -> dict[str, Any]:
    members: dict[str, Any] = {
        "session": SESSION,
        "position": 2,
        "at_ms": AT_MS,
        "previous_entry": TAGS[0],
        "fact": "timer",
        "data": {"name": "idle"},
    }
    return fact_body(**{**members, **changes})


def test_a_receipt_is_laid_out_as_b7_names_it() -> None:
    assert receipt() == {
        "type": "receipt",
        "session": SESSION,
        "position": 1,
        "hash": TAGS[1],
        "previousHash": TAGS[2],
        "sender": ALPHA,
        "performative": "PROPOSE",
        "rawDigest": TAGS[3],
        "receivedAt": "2026-03-07T14:01:00.000Z",
        "previousEntry": TAGS[0],
        "publicKey": "key",
    }


def test_a_receipt_reads_back() -> None:
    body = receipt()

    assert read_log_record(body) == Receipt(
        SESSION, 1, AT_MS, TAGS[0], TAGS[1], TAGS[2], ALPHA, "PROPOSE", TAGS[3], "key", body
    )


def test_only_a_senders_first_receipt_shows_its_key() -> None:
    body = receipt(public_key=None)

    assert "publicKey" not in body
    found = read_log_record(body)
    assert isinstance(found, Receipt)
    assert found.public_key is None


@pytest.mark.parametrize("kind", [*sorted(FACT_KINDS), "weather"])
def test_a_fact_reads_back_also_of_a_kind_nobody_knows(kind: str) -> None:
    body = fact(fact=kind)

    assert read_log_record(body) == HostFact(
        SESSION, 2, AT_MS, TAGS[0], kind, {"name": "idle"}, body
    )


@pytest.mark.parametrize(("kind", "body"), [("receipt", receipt()), ("fact", fact())])
def test_what_is_signed_and_sent_reads_the_same(kind: str, body: dict[str, Any]) -> None:
    record = read_json(canonical(seal(kind, body, HOST)))
    opened = open_record(kind, record, HOST.key).value

    assert read_log_record(opened).position == body["position"]
    assert entry_hash(opened) == record_hash(body)


NOT_TEXT: list[Any] = [None, 5, True, [], {}]
WRONG: dict[str, list[Any]] = {
    "type": [*NOT_TEXT, "", "message", "Receipt"],
    "session": [*NOT_TEXT, "", "ase_1", SESSION + "0"],
    "position": [None, True, 0, -1, 1.0, "1", 2**53],
    "receivedAt": [*NOT_TEXT, "", "2026-03-07"],
    "at": [*NOT_TEXT, "", "yesterday"],
    "previousEntry": [*NOT_TEXT, "", "sha256:abc", TAGS[0].upper()],
    "hash": [*NOT_TEXT, "", TAGS[0] + "0"],
    "previousHash": [*NOT_TEXT, ""],
    "rawDigest": [*NOT_TEXT, "", "md5:" + "a" * 32],
    "sender": [*NOT_TEXT, "", "alpha", "agent://ACME.com"],
    "performative": [None, 5, []],
    "publicKey": [5, True, [], {}],
    "fact": [*NOT_TEXT, "", "two words"],
    "data": [None, 5, "x", []],
}


@pytest.mark.parametrize("name", [name for name in receipt() if name in WRONG])
def test_a_receipt_with_a_wrong_member_is_malformed(name: str) -> None:
    for value in WRONG[name]:
        with pytest.raises(WireError) as caught:
            read_log_record({**receipt(), name: value})
        assert caught.value.code == "malformed"


@pytest.mark.parametrize("name", list(fact()))
def test_a_fact_with_a_wrong_member_is_malformed(name: str) -> None:
    for value in WRONG[name]:
        with pytest.raises(WireError) as caught:
            read_log_record({**fact(), name: value})
        assert caught.value.code == "malformed"


@pytest.mark.parametrize("body", [receipt(), fact()])
def test_no_member_may_be_missing(body: dict[str, Any]) -> None:
    for name in body:
        if name == "publicKey":
            continue
        rest = {key: value for key, value in body.items() if key != name}
        with pytest.raises(WireError):
            read_log_record(rest)


@pytest.mark.parametrize("record", [None, 5, "receipt", [], [{}], True])
def test_an_entry_is_an_object(record: Any) -> None:
    with pytest.raises(WireError):
        read_log_record(record)


@pytest.mark.parametrize(
    "record", [{}, {"integrity": 5}, {"integrity": {}}, {"integrity": {"hash": "sha256:x"}}]
)
def test_an_entry_without_a_hash_links_to_nothing(record: dict[str, Any]) -> None:
    with pytest.raises(WireError):
        entry_hash(record)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=6,
)


@given(st.sampled_from([receipt(), fact()]), st.sampled_from(sorted({*receipt(), *fact()})), JSON)
def test_any_member_may_be_anything(body: dict[str, Any], name: str, value: Any) -> None:
    try:
        found = read_log_record({**body, name: value})
    except WireError:
        return
    assert found.record[name] == value
