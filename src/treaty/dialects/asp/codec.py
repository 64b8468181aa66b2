"""Bytes to ``Envelope`` and back: the only place that knows the spelling of the envelope.

Laws:

1. Decoding any bytes returns an ``Envelope`` or raises ``WireError``; nothing else (fuzzed).
   (An unknown currency is ``Refused``, because the message is well formed.)
2. The received bytes are kept; a hash is computed over the received document (B3).
3. ``compose`` and ``seal`` make messages that ``decode`` reads back unchanged.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from treaty.dialects.asp.bodies import read_body
from treaty.dialects.asp.choices import (
    BODY_BYTES_MAX,
    DEPTH_MAX,
    MIME,
    MIME_PACKED,
    MIMES_READ,
    SALT_BYTES,
    SIGNING_PREFIX,
    TAG,
    TURN_LEAST_MS,
)
from treaty.dialects.asp.messages import Envelope, Performative
from treaty.errors import MisuseError, WireError, shown
from treaty.identity.envelopes import sign_envelope
from treaty.identity.keys import Signer
from treaty.wire import fields
from treaty.wire.canonical import Json, canonical, read_json
from treaty.wire.digest import is_sha256_tag
from treaty.wire.encoding import b64url_encode
from treaty.wire.instants import format_instant
from treaty.wire.money import decimal_number
from treaty.wire.packed import is_packed, read_packed, write_packed

_VERSION: Final = re.compile(r"asp/0\.(0|[1-9][0-9]{0,3})", re.ASCII)
_SIGNATURE: Final = re.compile(r"ed25519:[0-9a-f]{128}", re.ASCII)


def decode(raw: bytes) -> Envelope:
    """Decode an in-session message (section 1.1, B1 to B3).

    Raises ``WireError`` (``malformed``, ``too_large``, ``version_unsupported``)
    and ``Refused`` (``currency_unsupported``).
    """
    envelope = _decode(raw)
    if envelope.session_id is None or envelope.sequence is None or envelope.proof is None:
        raise WireError("a session message carries sessionId, sequenceNumber and dpopProof")
    return envelope


def decode_pre_session(raw: bytes) -> Envelope:
    """Decode a registry QUERY or its INFORM: neither session nor sequence (B8)."""
    envelope = _decode(raw)
    if envelope.session_id is not None or envelope.sequence is not None:
        raise WireError("a message before a session carries no sessionId and no sequenceNumber")
    return envelope


def _decode(raw: bytes) -> Envelope:
    document = read_document(raw)
    if not isinstance(document, dict):
        raise WireError(f"a message is a JSON object, not {shown(document)}")
    _check_version(document)
    performative = _performative(document)
    sender = fields.obj(document, "sender")
    integrity = fields.obj(document, "integrity")
    constraints = fields.obj_or(document, "constraints") or {}
    body = _body(document)
    session = document.get("sessionId") is not None
    return Envelope(
        message_id=fields.uuid(document, "messageId"),
        session_id=fields.uuid(document, "sessionId") if session else None,
        sequence=fields.integer_or(document, "sequenceNumber"),
        timestamp_ms=fields.instant(document, "timestamp"),
        sender=fields.agent(sender, "agentId"),
        org_id=fields.text_or(sender, "orgId"),
        claimed_trust=sender.get("trustScore"),
        proof=fields.text_or(sender, "dpopProof"),
        recipient=fields.agent_or(document, "recipient"),
        performative=performative,
        body=read_body(performative, body),
        max_response_ms=fields.integer_or(constraints, "maxResponseTimeMs", least=TURN_LEAST_MS),
        required_trust=_required_trust(constraints),
        hash=_tag(integrity, "hash"),
        previous_hash=_tag(integrity, "previousHash"),
        signature=_signature(integrity),
        document=document,
        raw=raw,
    )


def read_document(raw: bytes) -> Json:
    """The value that a message's bytes spell, as JSON or as MessagePack (B3, B23).

    Raises ``WireError``.
    """
    if is_packed(raw):
        return read_packed(raw, size_max=BODY_BYTES_MAX, depth_max=DEPTH_MAX)
    return read_json(raw, size_max=BODY_BYTES_MAX, depth_max=DEPTH_MAX, exact_numbers=True)


def write_document(document: Mapping[str, Json], media_type: str) -> bytes:
    """A sealed message in one of the formats (B23)."""
    return write_packed(dict(document)) if media_type == MIME_PACKED else canonical(dict(document))


def _check_version(document: Mapping[str, Json]) -> None:
    version = fields.text(document, "version")
    if not _VERSION.fullmatch(version):
        raise WireError(f"version {shown(version)} is not asp/0.x", "version_unsupported")


def _performative(document: Mapping[str, Json]) -> Performative:
    name = fields.text(document, "performative")
    if name not in Performative.__members__:
        raise WireError(f"performative {shown(name)} is none of the thirteen")
    return Performative(name)


def _body(document: Mapping[str, Json]) -> dict[str, Json]:
    content = fields.obj(document, "content")
    mime = fields.text(content, "mimeType")
    if mime not in MIMES_READ:
        # B1 has one reason for both; 415 is about the Content-Type of a request.
        raise WireError(f"content.mimeType {shown(mime)} is not read", "version_unsupported")
    return fields.obj(content, "body")


def _required_trust(constraints: Mapping[str, Json]) -> Decimal | None:
    required = constraints.get("requiredTrustScore")
    return None if required is None else decimal_number(required)


def _tag(integrity: Mapping[str, Json], name: str) -> str:
    value = fields.text(integrity, name)
    if not is_sha256_tag(value):
        raise WireError(f"integrity.{name} must be sha256:<64 hex digits>, not {shown(value)}")
    return value


def _signature(integrity: Mapping[str, Json]) -> str:
    value = fields.text(integrity, "signature")
    if not _SIGNATURE.fullmatch(value):
        raise WireError(f"integrity.signature must be ed25519:<128 hex>, not {shown(value)}")
    return value


def compose(
    *,
    message_id: str,
    at_ms: int,
    sender: Mapping[str, Json],
    performative: Performative,
    body: Mapping[str, Json],
    previous_hash: str,
    salt: bytes,
    session_id: str | None = None,
    sequence: int | None = None,
    recipient: str | None = None,
    constraints: Mapping[str, Json] | None = None,
) -> dict[str, Json]:
    """Lay out an unsigned envelope in the member order of the protocol's own examples.

    ``sender`` holds ``agentId``, ``orgId``, ``trustScore`` and, in a session, ``dpopProof``.
    ``salt`` is 16 random bytes (B3).
    """
    if len(salt) != SALT_BYTES:
        raise MisuseError(f"a salt is {SALT_BYTES} bytes, not {len(salt)}")
    document: dict[str, Json] = {"version": TAG, "messageId": message_id}
    if session_id is not None:
        document |= {"sessionId": session_id, "sequenceNumber": sequence}
    document |= {"timestamp": format_instant(at_ms), "sender": dict(sender)}
    if recipient is not None:
        document["recipient"] = recipient
    document["performative"] = performative.value
    document["content"] = {"mimeType": MIME, "body": dict(body), "salt": b64url_encode(salt)}
    if constraints:
        document["constraints"] = dict(constraints)
    document["integrity"] = {"previousHash": previous_hash}
    return document


def seal(document: Mapping[str, Json], signer: Signer) -> dict[str, Json]:
    """Fill in ``integrity.hash`` and ``integrity.signature`` (B3, B4)."""
    return sign_envelope(document, signer, prefix=SIGNING_PREFIX)
