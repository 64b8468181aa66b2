"""Bytes to envelopes and back: the only place that knows their spelling.

Laws:

1. Decoding any bytes returns a record or raises ``WireError``; nothing else (fuzzed).
2. Whoever serves decodes with ``decode``: JSON of one meaning, in the form of a profile. Whoever
   asked decodes the answer with ``decode_reply``: as much as can be read, and what is wrong
   with it beside it, because real peers answer in forms that are none (M3, M7, M9, M12).
3. ``compose`` writes what both profiles take: never null, ``receiver`` and ``in_reply_to`` as
   soon as they are known.
4. A reply is never told from its request by ``msg_id`` alone: mrpd's errors repeat it (3).

Read next: ``reading`` for the payloads.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from treaty.dialects.mrp import choices as mrp
from treaty.dialects.mrp.checking import CHECK_ENVELOPE, Fault
from treaty.dialects.mrp.choices import Profile as Profile
from treaty.dialects.mrp.messages import Envelope
from treaty.dialects.mrp.reading import read_discover as read_discover
from treaty.dialects.mrp.reading import read_evidence as read_evidence
from treaty.dialects.mrp.reading import read_execute as read_execute
from treaty.dialects.mrp.reading import read_failure as read_failure
from treaty.dialects.mrp.reading import read_negotiate as read_negotiate
from treaty.dialects.mrp.reading import read_offers as read_offers
from treaty.errors import WireError, shown
from treaty.wire.canonical import Json, canonical, read_json
from treaty.wire.ids import uuid7
from treaty.wire.instants import format_instant

_BOUNDED: Final = ("msg_id", "in_reply_to", "nonce", "idempotency_key", "timestamp", "expires_at")


def decode(raw: bytes, profile: Profile = Profile.COMPAT) -> Envelope:
    """Read one envelope of at most 1 MiB in the form of a profile.

    Raises ``WireError`` (``malformed``, ``too_large``, ``version_unsupported`` for another
    major version).
    """
    return decode_document(read_document(raw), raw, profile)


def read_document(raw: bytes) -> dict[str, Json]:
    """Read a body as one JSON object, without judging it. Raises ``WireError``."""
    value = read_json(raw, size_max=mrp.ENVELOPE_BYTES_MAX, depth_max=mrp.DEPTH_MAX)
    if not isinstance(value, dict):
        raise WireError(f"an envelope is a JSON object, not {shown(value)}")
    return value


def decode_document(
    document: Mapping[str, Json], raw: bytes, profile: Profile = Profile.COMPAT
) -> Envelope:
    """The same for a document that was already read; ``raw`` are its bytes as received."""
    # The version is asked first: a message of another major has another form.
    check_version(document.get("mrp_version"))
    fault = CHECK_ENVELOPE[profile](document)
    if fault is not None:
        raise WireError(fault.text)
    return _checked(document, raw)


def decode_reply(raw: bytes) -> tuple[Envelope, Fault | None]:
    """Read an answer as far as it can be read, and what mrpd's schema would say against it.

    An answer needs a known ``msg_type`` and a payload that is an object; other members that are
    not what they should be are read as empty or absent. Raises ``WireError`` for all else.
    """
    document = read_document(raw)
    payload, msg_type = document.get("payload"), document.get("msg_type")
    if not isinstance(payload, dict) or msg_type not in mrp.MSG_TYPES:
        raise WireError(f"no envelope: msg_type {shown(msg_type)}, payload {shown(payload)}")
    return _envelope(document, raw), CHECK_ENVELOPE[Profile.COMPAT](document)


def check_version(version: Json) -> None:
    """Refuse another major version (3). What is no version at all is left to the form."""
    if not isinstance(version, str):
        return
    major, dot, minor = version.partition(".")
    is_version = dot and version.isascii() and major.isdigit() and minor.isdigit()
    if is_version and major.lstrip("0") != "":
        raise WireError(f"MRP {shown(version)} is not spoken here", "version_unsupported")


def common_version(version: str) -> str:
    """The version to answer with: the lower of theirs and ours, of the same major (3)."""
    minor = version.rpartition(".")[2].lstrip("0") or "0"
    return f"{mrp.MAJOR}.{minor}" if len(minor) == 1 and int(minor) < mrp.MINOR else mrp.VERSION


def _checked(document: Mapping[str, Any], raw: bytes) -> Envelope:
    """The envelope of a document that has the form of one: every member is of its type."""
    get, sender, receiver = document.get, document["sender"]["id"], document.get("receiver")
    addressee = None if receiver is None else receiver["id"]
    bounded: list[Any] = [get(name) for name in _BOUNDED]
    if max(map(len, filter(None, (*bounded, sender, addressee)))) > mrp.ID_CHARS_MAX:
        for name, value in zip(_BOUNDED, bounded, strict=True):
            _check_length(name, value)
        _check_length("sender.id", sender)
        _check_length("receiver.id", addressee)
    msg_id, in_reply_to, nonce, idempotency_key, timestamp, expires_at = bounded
    return Envelope(
        raw=raw,
        document=document,
        version=document["mrp_version"],
        msg_id=msg_id,
        msg_type=document["msg_type"],
        timestamp=timestamp,
        sender=sender,
        receiver=addressee,
        in_reply_to=in_reply_to,
        payload=document["payload"],
        trace=get("trace"),
        auth=get("auth"),
        nonce=nonce,
        expires_at=expires_at,
        idempotency_key=idempotency_key,
    )


def _check_length(name: str, value: Json) -> None:
    if isinstance(value, str) and len(value) > mrp.ID_CHARS_MAX:
        raise WireError(f"{name} has {len(value)} characters, at most {mrp.ID_CHARS_MAX} are read")


def _envelope(document: Mapping[str, Json], raw: bytes) -> Envelope:
    payload = document.get("payload")
    return Envelope(
        raw=raw,
        document=document,
        version=_text(document, "mrp_version") or "",
        msg_id=_text(document, "msg_id") or "",
        msg_type=_text(document, "msg_type") or "",
        timestamp=_text(document, "timestamp") or "",
        sender=_text(_object(document, "sender") or {}, "id") or "",
        receiver=_text(_object(document, "receiver") or {}, "id"),
        in_reply_to=_text(document, "in_reply_to"),
        payload=payload if isinstance(payload, dict) else {},
        trace=_object(document, "trace"),
        auth=_object(document, "auth"),
        nonce=_text(document, "nonce"),
        expires_at=_text(document, "expires_at"),
        idempotency_key=_text(document, "idempotency_key"),
    )


def _text(document: Mapping[str, Json], name: str) -> str | None:
    value = document.get(name)
    return value if isinstance(value, str) else None


def _object(document: Mapping[str, Json], name: str) -> dict[str, Json] | None:
    value = document.get(name)
    return value if isinstance(value, dict) else None


def compose(
    msg_type: str,
    payload: Mapping[str, Json],
    *,
    sender: str,
    at_ms: int,
    entropy: bytes,
    receiver: str | None = None,
    in_reply_to: str | None = None,
    trace: Mapping[str, Json] | None = None,
    version: str = mrp.VERSION,
    auth: Mapping[str, Json] | None = None,
    nonce: str | None = None,
    expires_at_ms: int | None = None,
    idempotency_key: str | None = None,
) -> dict[str, Json]:
    """Make an envelope with a new ``msg_id`` of its time and 10 or more random bytes.

    What is None is left out, so that no member is ever null.
    """
    members: dict[str, Json] = {
        "mrp_version": version,
        "msg_id": uuid7(at_ms, entropy),
        "msg_type": msg_type,
        "timestamp": format_instant(at_ms),
        "sender": {"id": sender},
        "receiver": None if receiver is None else {"id": receiver},
        "in_reply_to": in_reply_to,
        "trace": None if trace is None else dict(trace),
        "auth": None if auth is None else dict(auth),
        "nonce": nonce,
        "expires_at": None if expires_at_ms is None else format_instant(expires_at_ms),
        "idempotency_key": idempotency_key,
        "payload": dict(payload),
    }
    return {name: value for name, value in members.items() if value is not None}


def encode(document: Mapping[str, Json]) -> bytes:
    """Write an envelope as its RFC 8785 bytes. Raises ``WireError`` for what has none."""
    return canonical(dict(document))
