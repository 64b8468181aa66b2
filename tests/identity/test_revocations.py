"""Revocations: the next key's word that a key is not heard any more (B5)."""

from __future__ import annotations

import pytest

from treaty.errors import SignatureError, TreatyError, WireError
from treaty.identity.keys import Ed25519Signer
from treaty.identity.revocations import make_revocation, open_revocation
from treaty.wire.digest import sha256

URI = "agent://acme.com/alpha"
AT = 1_772_892_000_000
NEXT = Ed25519Signer(sha256(b"next"))
RECORD = make_revocation(NEXT, uri=URI, key_id="lost", since_ms=AT)


def test_what_was_said_is_read_back():
    word = open_revocation(RECORD)
    assert (word.uri, word.key_id, word.since_ms, word.by) == (URI, "lost", AT, NEXT.key)
    assert word.record == RECORD


@pytest.mark.parametrize("member", ["uri", "keyId", "since", "publicKey", "integrity"])
def test_no_member_may_change_or_go(member):
    with pytest.raises(TreatyError):
        open_revocation({name: value for name, value in RECORD.items() if name != member})
    with pytest.raises(TreatyError):
        open_revocation({**RECORD, member: "agent://acme.com/beta"})


def test_another_keys_signature_is_refused():
    other = Ed25519Signer(sha256(b"other"))
    forged = {**make_revocation(other, uri=URI, key_id="lost", since_ms=AT)}
    with pytest.raises(SignatureError):
        open_revocation({**forged, "publicKey": NEXT.key.text})


def test_a_key_does_not_revoke_itself():
    record = make_revocation(NEXT, uri=URI, key_id=NEXT.key.key_id, since_ms=AT)
    with pytest.raises(WireError):
        open_revocation(record)


@pytest.mark.parametrize("record", [None, [], "x", 1])
def test_what_is_no_object_is_no_revocation(record):
    with pytest.raises(WireError):
        open_revocation(record)
