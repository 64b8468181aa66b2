"""An envelope's hash covers what was received, its signature the dialect and the hash."""

from __future__ import annotations

import copy
import hashlib
from typing import Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from tests.identity.signers import ALPHA, BETA
from treaty.errors import SignatureError, WireError
from treaty.identity.envelopes import envelope_hash, open_envelope, sign_envelope
from treaty.identity.keys import check_signature
from treaty.identity.records import open_record, seal
from treaty.wire.digest import ZERO_TAG

PREFIX = "asp/0.1 "
ENVELOPE: dict[str, Any] = {
    "version": "asp/0.1",
    "messageId": "019526a1-9a1b-7000-8000-000000000005",
    "sender": {"agentId": "agent://acme.com/procurement/alpha", "trustScore": 60.8},
    "content": {"body": {"price": 3.5, "salt": "AAAAAAAAAAAAAAAAAAAAAA"}},
    "integrity": {"previousHash": ZERO_TAG},
    "unknown": {"field": ["kept", None]},
}


def test_hash_is_that_of_b3() -> None:
    signed = sign_envelope(ENVELOPE, ALPHA, prefix=PREFIX)
    tag = "sha256:" + hashlib.sha256(rfc8785.dumps(ENVELOPE)).hexdigest()

    assert envelope_hash(ENVELOPE) == envelope_hash(signed) == tag
    assert signed["integrity"]["hash"] == tag  # type: ignore[index, call-overload]


def test_signature_is_that_of_b4() -> None:
    integrity: Any = sign_envelope(ENVELOPE, ALPHA, prefix=PREFIX)["integrity"]
    signature = bytes.fromhex(integrity["signature"].removeprefix("ed25519:"))

    assert integrity["previousHash"] == ZERO_TAG
    check_signature(ALPHA.key, signature, b"asp/0.1 " + integrity["hash"].encode())


def test_the_input_is_never_changed() -> None:
    before = copy.deepcopy(ENVELOPE)
    signed = sign_envelope(ENVELOPE, ALPHA, prefix=PREFIX)
    after = copy.deepcopy(signed)
    envelope_hash(signed)
    opened = open_envelope(signed, ALPHA.key, prefix=PREFIX)

    assert before == ENVELOPE
    assert signed == after == opened.value
    assert opened.key == ALPHA.key


def paths(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of every leaf."""
    if isinstance(value, dict):
        return [path for name, v in value.items() for path in paths(v, (*at, name))]
    if isinstance(value, list):
        return [path for n, v in enumerate(value) for path in paths(v, (*at, n))]
    return [at]


LEAVES = [path for path in paths(ENVELOPE) if path[-1] not in ("hash", "signature")]


@pytest.mark.parametrize("path", LEAVES, ids=[".".join(map(str, path)) for path in LEAVES])
def test_every_changed_leaf_is_noticed(path: tuple[Any, ...]) -> None:
    signed: Any = copy.deepcopy(sign_envelope(ENVELOPE, ALPHA, prefix=PREFIX))
    place = signed
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = "changed"

    with pytest.raises(SignatureError) as caught:
        open_envelope(signed, ALPHA.key, prefix=PREFIX)
    assert caught.value.code == "hash_mismatch"


@pytest.mark.parametrize("where", ["envelope", "integrity"])
def test_an_added_member_is_noticed(where: str) -> None:
    signed: Any = sign_envelope(ENVELOPE, ALPHA, prefix=PREFIX)
    (signed if where == "envelope" else signed["integrity"])["added"] = 1

    with pytest.raises(SignatureError) as caught:
        open_envelope(signed, ALPHA.key, prefix=PREFIX)
    assert caught.value.code == "hash_mismatch"


def test_another_key_and_another_dialect_are_noticed() -> None:
    signed = sign_envelope(ENVELOPE, ALPHA, prefix=PREFIX)
    for key, prefix in ((BETA.key, PREFIX), (ALPHA.key, "mrp/0.1 "), (ALPHA.key, "")):
        with pytest.raises(SignatureError) as caught:
            open_envelope(signed, key, prefix=prefix)
        assert caught.value.code == "signature_invalid"


def test_an_envelope_is_no_record_and_a_record_no_envelope() -> None:
    body = {"a": 1}
    record = seal("fact", body, ALPHA)
    with pytest.raises(SignatureError):
        open_envelope(record, ALPHA.key, prefix=PREFIX)

    envelope = sign_envelope({**body, "integrity": {}}, ALPHA, prefix=PREFIX)
    with pytest.raises(WireError, match="keyId"):
        open_record("fact", envelope, ALPHA.key)
    with pytest.raises(SignatureError):
        open_record("card", envelope, ALPHA.key)


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        "text",
        {},
        {"integrity": None},
        {"integrity": {}},
        {"integrity": {"hash": ZERO_TAG}},
        {"integrity": {"hash": ZERO_TAG, "signature": 1}},
        {"integrity": {"hash": 1, "signature": ""}},
    ],
)
def test_another_form_is_no_envelope(value: Any) -> None:
    with pytest.raises(WireError):
        open_envelope(value, ALPHA.key, prefix=PREFIX)


def test_an_envelope_without_integrity_is_not_signed() -> None:
    with pytest.raises(WireError, match="integrity"):
        sign_envelope({"version": "asp/0.1"}, ALPHA, prefix=PREFIX)


@given(
    st.dictionaries(
        st.text(max_size=8),
        st.integers(-(2**53) + 1, 2**53 - 1) | st.text(max_size=8) | st.booleans() | st.none(),
    )
)
def test_what_was_signed_opens(fields: dict[str, Any]) -> None:
    signed = sign_envelope({**fields, "integrity": {**fields}}, ALPHA, prefix=PREFIX)

    assert open_envelope(signed, ALPHA.key, prefix=PREFIX).value == signed
