"""Signed messages: the hash and the signature of an envelope (ASP B3, B4).

Laws:

1. The hash covers the whole envelope as it was received, unknown fields and ``previousHash``
   included, without ``integrity.hash`` and ``integrity.signature``.
2. The signature covers ``prefix`` and the hash. The prefix is the dialect's; this room knows
   none. It keeps messages apart from records, whose text begins with ``treaty/1``.
3. The caller's envelope is never changed.

Read next: ``dpop``, which binds a message to its place; ``records`` for all other objects.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from treaty.errors import SignatureError, WireError, shown
from treaty.identity.keys import PublicKey, Signer, check_signature_text, sign_text
from treaty.identity.verified import Verified, _verified
from treaty.wire.canonical import Json
from treaty.wire.digest import content_tag, is_sha256_tag

_NOT_HASHED: Final = frozenset({"hash", "signature"})


def envelope_hash(envelope: Mapping[str, Json]) -> str:
    """The envelope's ``sha256:`` tag by ASP B3. WireError if it has no object ``integrity``."""
    integrity = _integrity(envelope)
    rest = {name: v for name, v in integrity.items() if name not in _NOT_HASHED}
    return content_tag({**envelope, "integrity": rest})


def sign_envelope(envelope: Mapping[str, Json], signer: Signer, *, prefix: str) -> dict[str, Json]:
    """A copy of ``envelope`` with ``integrity.hash`` and ``integrity.signature`` filled in.

    ``integrity`` must be there already, since it holds ``previousHash`` (WireError otherwise).
    """
    tag = envelope_hash(envelope)
    signature = sign_text(signer, _signed_text(prefix, tag))
    integrity = {**_integrity(envelope), "hash": tag, "signature": signature}
    return {**envelope, "integrity": integrity}


def open_envelope(envelope: Json, key: PublicKey, *, prefix: str) -> Verified[dict[str, Json]]:
    """Check the hash and the signature of a received envelope.

    1. It is an object with ``integrity`` holding the texts hash and signature (WireError).
    2. The hash is that of the envelope (SignatureError ``hash_mismatch``).
    3. The signature over prefix and hash holds (SignatureError ``signature_invalid``).
    """
    if not isinstance(envelope, dict):
        raise WireError("an envelope is an object")
    integrity = _integrity(envelope)
    tag, signature = integrity.get("hash"), integrity.get("signature")
    if not (isinstance(tag, str) and isinstance(signature, str)):
        raise WireError("the envelope's `integrity` has the texts `hash` and `signature`")
    if envelope_hash(envelope) != tag:
        raise SignatureError("the envelope does not have the hash it states", "hash_mismatch")
    check_signature_text(key, signature, _signed_text(prefix, tag))
    return _verified(envelope, key)


def check_unseen(tag: str, signature: str, key: PublicKey, *, prefix: str) -> None:
    """Check the signature of an envelope of which only the hash is known.

    Raises WireError for a text that is no hash of ours, SignatureError for a signature that does
    not hold.
    """
    if not is_sha256_tag(tag):
        raise WireError(f"a hash is sha256:<64 hex digits>, not {shown(tag)}")
    check_signature_text(key, signature, _signed_text(prefix, tag))


def _integrity(envelope: Mapping[str, Json]) -> dict[str, Json]:
    integrity = envelope.get("integrity")
    if not isinstance(integrity, dict):
        raise WireError("an envelope has an object `integrity`")
    return integrity


def _signed_text(prefix: str, tag: str) -> bytes:
    return (prefix + tag).encode("ascii")
