"""A signature covers everything but itself, under one algorithm and a key known beforehand."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.dialects.mrp.made import raw, seeded
from treaty.dialects.mrp.codec import Profile, decode, encode
from treaty.dialects.mrp.signing import check, sign, signature_of
from treaty.dialects.mrp.validation import validate
from treaty.errors import MisuseError, SignatureError
from treaty.identity.keys import Ed25519Signer, check_signature
from treaty.wire.canonical import canonical
from treaty.wire.encoding import b64url_decode

SIGNER = Ed25519Signer(b"\x07" * 32)
OTHER = Ed25519Signer(b"\x08" * 32)
BARE = {**seeded("execute"), "nonce": "n-1", "expires_at": "2025-01-01T00:05:00Z"}


def signed(**auth: Any) -> dict[str, Any]:
    return sign({**BARE, "auth": auth} if auth else BARE, SIGNER)


def test_what_is_signed_is_the_canonical_envelope_without_the_signature() -> None:
    document = signed(scopes=["mrp:execute"])
    signature = document["auth"].pop("signature")

    assert document["auth"] == {"scopes": ["mrp:execute"], "type": "signed"}
    assert (signature["alg"], signature["key_id"]) == ("EdDSA", SIGNER.key.key_id)
    check_signature(SIGNER.key, b64url_decode(signature["value"]), canonical(document))


@pytest.mark.parametrize("profile", Profile)
def test_a_signed_envelope_is_valid_and_holds_in_any_layout(profile: Profile) -> None:
    document = signed(delegation={"delegator": "x"})

    for body in (encode(document), json.dumps(document, indent=2).encode()):
        assert validate(body, profile) is None
        check(decode(body, profile), SIGNER.key)
        assert signature_of(decode(body)).key_id == SIGNER.key.key_id


def test_signing_again_replaces_the_signature() -> None:
    twice = sign(sign(BARE, SIGNER), OTHER, "kid-2")

    check(decode(raw(twice)), OTHER.key)
    assert twice["auth"]["signature"]["key_id"] == "kid-2"
    with pytest.raises(SignatureError):
        check(decode(raw(twice)), SIGNER.key)


@pytest.mark.parametrize(
    "changes",
    [
        {"msg_id": "another-id"},
        {"nonce": "n-2"},
        {"expires_at": "2026-01-01T00:05:00Z"},
        {"receiver": {"id": "service:other"}},
        {"sender": {"id": "agent:other"}},
        {"in_reply_to": "another-id"},
        {"payload": {"route_id": "route-us-fast"}},
        {"trace": {"root": "r"}},
        {"idempotency_key": "k"},
    ],
)
def test_nothing_can_be_changed_behind_the_signature(changes: dict[str, Any]) -> None:
    with pytest.raises(SignatureError) as refusal:
        check(decode(raw({**signed(), **changes})), SIGNER.key)

    assert refusal.value.code == "signature_invalid"


@pytest.mark.parametrize(
    "change",
    [
        lambda auth: auth.update(scopes=["mrp:*"]),
        lambda auth: auth.update(type="bearer"),
        lambda auth: auth.pop("type"),
        lambda auth: auth.pop("signature"),
        lambda auth: auth["signature"].update(alg="none"),
        lambda auth: auth["signature"].update(alg="HS256"),
        lambda auth: auth["signature"].update(value=""),
        lambda auth: auth["signature"].update(value="!!"),
        lambda auth: auth["signature"].update(value=auth["signature"]["value"] + "=="),
        lambda auth: auth["signature"].update(value=auth["signature"]["value"][:-2]),
    ],
)
def test_a_signature_has_one_form(change) -> None:
    document = signed()
    change(document["auth"])

    with pytest.raises(SignatureError):
        check(decode(raw(document)), SIGNER.key)


def test_an_auth_that_is_no_object_is_a_mistake_of_ours() -> None:
    with pytest.raises(MisuseError):
        sign({**BARE, "auth": "x"}, SIGNER)


def test_an_unsigned_envelope_has_no_signature() -> None:
    assert signature_of(decode(raw(BARE))) is None
