"""Signed envelopes: Ed25519 over the RFC 8785 bytes without ``auth.signature`` (7).

Laws:

1. Everything but the signature's value is signed: ids, nonce, receiver, payload and the rest of
   ``auth``, whatever members it has. What was signed is made again from the bytes received.
2. Whose key it is, is the caller's to know. A key is never taken from the message.
3. A signature says who, not when: nonces, ends and repetitions are asked elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from treaty.dialects.mrp.messages import Envelope
from treaty.errors import MisuseError, SignatureError, WireError, shown
from treaty.identity.keys import PublicKey, Signer, check_signature
from treaty.wire.canonical import Json, canonical
from treaty.wire.encoding import b64url_decode, b64url_encode

ALGORITHM: Final = "EdDSA"
SIGNED: Final = "signed"


@dataclass(frozen=True, slots=True)
class Signature:
    """The signature an envelope carries; nothing about it is checked yet."""

    algorithm: str
    key_id: str
    value: str


def sign(
    document: Mapping[str, Json], signer: Signer, key_id: str | None = None
) -> dict[str, Json]:
    """A copy of an envelope with ``auth.type`` signed, and signed by a key.

    ``key_id`` names the key to whoever checks, by default by its thumbprint. An ``auth`` that is
    there keeps its other members. Raises ``MisuseError`` for an ``auth`` that is no object.
    """
    given = document.get("auth") or {}
    if not isinstance(given, dict):
        raise MisuseError(f"auth is an object, not {shown(given)}")
    auth: dict[str, Json] = {
        **{name: value for name, value in given.items() if name != "signature"},
        "type": SIGNED,
    }
    value = b64url_encode(signer.sign(canonical({**document, "auth": auth})))
    signature: Json = {
        "alg": ALGORITHM,
        "key_id": key_id or signer.key.key_id,
        "value": value,
    }
    return {**document, "auth": {**auth, "signature": signature}}


def signature_of(envelope: Envelope) -> Signature | None:
    """The signature an envelope carries, or None.

    Raises ``SignatureError`` for one that is none.
    """
    stated = (envelope.auth or {}).get("signature")
    if stated is None:
        return None
    members = stated if isinstance(stated, dict) else {}
    found = [members.get(name) for name in ("alg", "key_id", "value")]
    algorithm, key_id, value = (one if isinstance(one, str) else "" for one in found)
    if not (algorithm and key_id and value):
        raise SignatureError(f"auth.signature is none: {shown(stated)}")
    return Signature(algorithm, key_id, value)


def check(envelope: Envelope, key: PublicKey) -> None:
    """Check that a key signed an envelope as received. Raises ``SignatureError``."""
    found = signature_of(envelope)
    auth = envelope.auth
    if found is None or auth is None:
        raise SignatureError("the envelope is not signed")
    if auth.get("type") != SIGNED:
        raise SignatureError(
            f"a signed envelope has auth.type signed, not {shown(auth.get('type'))}"
        )
    if found.algorithm != ALGORITHM:
        raise SignatureError(f"only EdDSA is checked here, not {shown(found.algorithm)}")
    rest: dict[str, Json] = {name: one for name, one in auth.items() if name != "signature"}
    try:
        value = b64url_decode(found.value)
        signed = canonical({**envelope.document, "auth": rest})
    except WireError as error:
        raise SignatureError(error.detail) from None
    check_signature(key, value, signed)
