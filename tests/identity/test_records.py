"""A record is sealed as one kind by one key, and opened as nothing else (ASP B4)."""

from __future__ import annotations

import copy
import hashlib
from itertools import permutations
from typing import Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from tests.identity.signers import ALPHA, BETA
from treaty.errors import MisuseError, SignatureError, WireError
from treaty.identity.keys import check_signature
from treaty.identity.records import KINDS, open_record, record_hash, seal

RECEIPT = {
    "session": "019526a1-8e1a-7000-8000-000000000001",
    "position": 7,
    "hash": "sha256:" + "ab" * 32,
    "receivedAt": "2026-03-07T14:01:00.000Z",
}

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(allow_nan=False, allow_infinity=False, width=16)
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner),
    max_leaves=8,
)
BODIES = st.dictionaries(st.text(max_size=6), JSON, max_size=4)


def test_seal_signs_the_text_that_b4_says() -> None:
    sealed = seal("receipt", RECEIPT, ALPHA)
    integrity: Any = sealed["integrity"]
    tag = "sha256:" + hashlib.sha256(rfc8785.dumps(RECEIPT)).hexdigest()

    assert {name: v for name, v in sealed.items() if name != "integrity"} == RECEIPT
    assert integrity.keys() == {"hash", "signature", "keyId"}
    assert integrity["hash"] == tag == record_hash(sealed)
    assert integrity["keyId"] == ALPHA.key.key_id
    signature = bytes.fromhex(integrity["signature"].removeprefix("ed25519:"))
    check_signature(ALPHA.key, signature, b"treaty/1 receipt " + tag.encode())


def test_kinds_are_those_of_b4() -> None:
    named = (
        "card listing rotation revocation receipt fact transfer attestation outcome loghead "
        "dispute evidence reveal vote ruling endorsement metric account identity violation "
        "challenge rejection"
    )
    assert set(named.split()) == KINDS


@given(BODIES)
def test_what_was_sealed_opens_and_the_input_is_left_alone(body: dict[str, Any]) -> None:
    before = copy.deepcopy(body)
    sealed = seal("fact", body, ALPHA)
    whole = copy.deepcopy(sealed)
    opened = open_record("fact", sealed, ALPHA.key)

    assert opened.value == sealed == whole
    assert opened.key == ALPHA.key
    assert body == before


@pytest.mark.parametrize(("sealed_as", "opened_as"), list(permutations(sorted(KINDS), 2)))
def test_no_kind_passes_as_another(sealed_as: str, opened_as: str) -> None:
    record = seal(sealed_as, RECEIPT, ALPHA)

    with pytest.raises(SignatureError) as caught:
        open_record(opened_as, record, ALPHA.key)
    assert caught.value.code == "signature_invalid"


@pytest.mark.parametrize("kind", ["", "cards", "Card", "card ", "receipt sha256:00"])
def test_an_unknown_kind_is_a_misuse(kind: str) -> None:
    with pytest.raises(MisuseError):
        seal(kind, RECEIPT, ALPHA)
    with pytest.raises(MisuseError):
        open_record(kind, seal("card", RECEIPT, ALPHA), ALPHA.key)


@given(BODIES.filter(bool), st.data())
def test_any_changed_dropped_or_added_member_is_noticed(body: dict[str, Any], data: Any) -> None:
    body.pop("integrity", None)
    sealed = seal("fact", body, ALPHA)
    name = data.draw(st.sampled_from(sorted(body) or ["x"]))
    other = data.draw(JSON.filter(lambda value: rfc8785.dumps([value]) != canonical_of(body, name)))
    dropped = {key: value for key, value in sealed.items() if key != name}
    for forged in ({**sealed, name: other}, dropped, {**sealed, name + "x" * 8: other}):
        if forged == sealed:
            continue
        with pytest.raises(SignatureError) as caught:
            open_record("fact", forged, ALPHA.key)
        assert caught.value.code == "hash_mismatch"


def canonical_of(body: dict[str, Any], name: str) -> bytes:
    return rfc8785.dumps([body[name]]) if name in body else b""


def test_another_key_is_noticed_whatever_key_id_says() -> None:
    sealed: Any = seal("fact", RECEIPT, BETA)
    with pytest.raises(SignatureError, match="another key"):
        open_record("fact", sealed, ALPHA.key)

    sealed["integrity"]["keyId"] = ALPHA.key.key_id
    with pytest.raises(SignatureError, match="does not hold"):
        open_record("fact", sealed, ALPHA.key)


def test_a_changed_key_id_is_noticed_although_it_is_not_signed() -> None:
    sealed: Any = seal("fact", RECEIPT, ALPHA)
    sealed["integrity"]["keyId"] = BETA.key.key_id

    with pytest.raises(SignatureError) as caught:
        open_record("fact", sealed, ALPHA.key)
    assert caught.value.code == "signature_invalid"


def test_a_new_hash_with_the_old_signature_is_noticed() -> None:
    sealed: Any = seal("fact", RECEIPT, ALPHA)
    forged: Any = seal("fact", {**RECEIPT, "position": 8}, BETA)
    forged["integrity"] = {**sealed["integrity"], "hash": forged["integrity"]["hash"]}

    with pytest.raises(SignatureError) as caught:
        open_record("fact", forged, ALPHA.key)
    assert caught.value.code == "signature_invalid"


@pytest.mark.parametrize(
    "change",
    [
        {"integrity": None},
        {"integrity": []},
        {"integrity": {}},
        {"integrity": {"hash": "sha256:" + "0" * 64}},
        {"integrity": {"hash": 1, "signature": "x", "keyId": "x"}},
        {"integrity": {"hash": "x", "signature": None, "keyId": "x"}},
        {"integrity": {"hash": "x", "signature": "x", "keyId": 1}},
        {"integrity": {"hash": "x", "signature": "x"}},
        {"integrity": {"hash": "x", "signature": "x", "keyId": "x", "note": "unsigned"}},
        {"integrity": {"hash": "x", "signature": "x", "note": "in place of keyId"}},
    ],
)
def test_another_form_of_integrity_is_no_record(change: dict[str, Any]) -> None:
    with pytest.raises(WireError):
        open_record("fact", {**seal("fact", RECEIPT, ALPHA), **change}, ALPHA.key)


@given(JSON)
def test_any_json_is_a_record_or_an_error_of_ours(value: Any) -> None:
    for attempt in (value, {"integrity": value}, {"integrity": {"hash": value, "signature": ""}}):
        with pytest.raises((WireError, SignatureError)):
            open_record("card", attempt, ALPHA.key)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 2**53, "\ud800", {1: 2}, {1}, b""])
def test_what_has_no_canonical_form_is_neither_sealed_nor_opened(value: Any) -> None:
    with pytest.raises(WireError):
        seal("fact", {"value": value}, ALPHA)
    sealed = seal("fact", {}, ALPHA)
    with pytest.raises(WireError):
        open_record("fact", {**sealed, "value": value}, ALPHA.key)


def test_unsigned_members_may_change_and_are_not_vouched_for() -> None:
    body = {"uri": "agent://acme.com", "trustScore": 49}
    sealed = seal("card", body, ALPHA, unsigned=("trustScore", "listing"))
    sealed["trustScore"] = 100
    sealed["listing"] = {"by": "somebody"}
    opened = open_record("card", sealed, ALPHA.key, unsigned=("trustScore", "listing"))

    assert opened.value.keys() == {"uri", "integrity"}
    with pytest.raises(SignatureError):
        open_record("card", sealed, ALPHA.key)


def test_sealing_a_record_again_replaces_its_integrity() -> None:
    sealed = seal("fact", RECEIPT, BETA)

    assert seal("fact", sealed, ALPHA) == seal("fact", RECEIPT, ALPHA)


def test_a_key_id_that_is_null_is_none() -> None:
    """Nothing in ``integrity`` may be changed unnoticed, not even to nothing."""
    record = seal("fact", {"a": 1}, ALPHA)
    integrity = record["integrity"]
    assert isinstance(integrity, dict)

    with pytest.raises(WireError):
        open_record("fact", {**record, "integrity": {**integrity, "keyId": None}}, ALPHA.key)
