"""Signed objects other than messages: cards, listings, receipts, facts, rulings … (ASP B4).

Laws:

1. A record is signed over ``treaty/1 <kind> `` and its hash. The kind stands in the signed text
   and is named by the verifier, so nothing signed as one kind is ever taken for another.
2. The hash covers every member, known or not, except ``integrity`` and the members that the
   kind declares ``unsigned``. These are left out of what ``open_record`` returns.
3. ``integrity`` holds nothing that could be changed without being noticed.

Read next: ``cards``, the richest kind; ``envelopes`` for messages, which are no records.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from treaty.errors import MisuseError, SignatureError, WireError
from treaty.identity.keys import PublicKey, Signer, check_signature_text, sign_text
from treaty.identity.verified import Verified, _verified
from treaty.wire.canonical import Json
from treaty.wire.digest import content_tag

KINDS: Final = frozenset(
    {
        *("card", "listing", "rotation", "revocation", "identity"),
        *("receipt", "fact", "evidence", "reveal", "dispute", "vote", "ruling"),
        *("transfer", "account", "outcome", "attestation", "endorsement", "metric", "loghead"),
        "violation",
        *("rejection", "challenge"),
    }
)
"""Every kind of record there is (ASP B4; ``identity`` and ``violation``: the trust log's, B16)."""

INTEGRITY: Final = "integrity"
_MEMBERS: Final = frozenset({"hash", "signature", "keyId"})
_CARD_MEMBERS: Final = frozenset({"hash", "signature"})
"""What B5 shows in a card. Ours carry ``keyId`` as well, like every record."""


def seal(
    kind: str,
    body: Mapping[str, Json],
    signer: Signer,
    *,
    unsigned: tuple[str, ...] = (),
) -> dict[str, Json]:
    """Sign ``body`` as a record of ``kind``: a copy with ``integrity`` {hash, signature, keyId}.

    An ``integrity`` already there is replaced. Members named ``unsigned`` stay in the record
    but not under the signature. Raises MisuseError for an unknown kind, WireError for values
    that have no canonical form.
    """
    record = dict(body)
    tag = record_hash(record, unsigned=unsigned)
    record[INTEGRITY] = {
        "hash": tag,
        "signature": sign_text(signer, _signed_text(kind, tag)),
        "keyId": signer.key.key_id,
    }
    return record


def open_record(
    kind: str, record: Json, key: PublicKey, *, unsigned: tuple[str, ...] = ()
) -> Verified[dict[str, Json]]:
    """Check that ``record`` was sealed as ``kind`` by ``key`` (ASP B4).

    1. It is an object with an ``integrity`` of the right form (WireError).
    2. The hash is that of the record (SignatureError ``hash_mismatch``).
    3. The key it names is the one expected (SignatureError ``signature_invalid``).
    4. The signature over kind and hash holds (SignatureError ``signature_invalid``).

    The result holds the signed members and ``integrity``, not the ``unsigned`` ones.
    """
    signed, tag, signature, key_id = _parts(kind, record, unsigned)
    if record_hash(signed) != tag:
        raise SignatureError(f"the {kind} does not have the hash it states", "hash_mismatch")
    if key_id is not None and key_id != key.key_id:
        raise SignatureError(f"the {kind} is signed with another key than {key.key_id}")
    check_signature_text(key, signature, _signed_text(kind, tag))
    return _verified(signed, key)


def record_hash(record: Mapping[str, Json], *, unsigned: tuple[str, ...] = ()) -> str:
    """The ``sha256:`` tag of a record without ``integrity`` and the ``unsigned`` members."""
    return content_tag(
        {name: v for name, v in record.items() if name != INTEGRITY and name not in unsigned}
    )


def _signed_text(kind: str, tag: str) -> bytes:
    if kind not in KINDS:
        raise MisuseError(f"there is no record kind {kind!r}")
    return f"treaty/1 {kind} {tag}".encode("ascii")


def _parts(
    kind: str, record: Json, unsigned: tuple[str, ...]
) -> tuple[dict[str, Json], str, str, str | None]:
    """The signed members with ``integrity``, and its hash, signature and key id."""
    if not isinstance(record, dict):
        raise WireError(f"the {kind} is an object")
    integrity = record.get(INTEGRITY)
    if not isinstance(integrity, dict):
        raise WireError(f"the {kind} has an object `integrity`")
    tag, signature = integrity.get("hash"), integrity.get("signature")
    stated = integrity.get("keyId")
    if not (isinstance(tag, str) and isinstance(signature, str)):
        raise WireError(f"the {kind}'s `integrity` has the texts `hash` and `signature`")
    members = integrity.keys()
    if not (members == _MEMBERS or (kind == "card" and members == _CARD_MEMBERS)):
        raise WireError(f"the {kind}'s `integrity` has exactly `hash`, `signature`, `keyId`")
    if "keyId" in integrity and not isinstance(stated, str):
        raise WireError(f"the {kind}'s `keyId` is a text")
    key_id = stated if isinstance(stated, str) else None
    return {name: v for name, v in record.items() if name not in unsigned}, tag, signature, key_id
