"""Bytes to messages and back: the only place that knows their spelling.

Laws:

1. Decoding any bytes returns a record or raises ``WireError``; nothing else (fuzzed).
2. Nothing is coerced: a number is no text, ``true`` is no integer, ``1.0`` is no integer. Every
   member must be there, ``justification`` alone may be absent (never null), and no other member
   may be: what is not signed could be changed on the way (9.4).
3. This is form only, status 400. Whether a text is a hash, a DID or an amount is asked by
   ``rules``, after the cheaper questions, in the peer's order (2.1).
4. ``encode`` writes what ``decode`` reads back to the same record.

Read next: ``typed``, ``rules``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from operator import attrgetter
from types import MappingProxyType
from typing import Any, Final, TypeVar

from treaty.dialects.actp.choices import (
    BODY_BYTES_MAX,
    DEPTH_MAX,
    READ_CHARS_MAX,
    READ_SCHEME,
    SCHEMA_INVALID,
    TYPE_UNSUPPORTED,
)
from treaty.dialects.actp.messages import (
    KINDS,
    CounterAccept,
    CounterOffer,
    Message,
    PriceQuote,
    QuoteRead,
    QuoteRequest,
    Signed,
)
from treaty.errors import WireError, shown
from treaty.wire import fields
from treaty.wire.canonical import Json, canonical, read_json
from treaty.wire.encoding import b64url_decode, b64url_encode

Reader = Callable[[fields.Object, str], Any]
Layout = tuple[tuple[str, str, Reader], ...]
Record = TypeVar("Record", bound=Signed)


def _names(reader: Reader, *names: str) -> Layout:
    return tuple((name, _snake(name), reader) for name in names)


def _snake(name: str) -> str:
    return "".join(f"_{one.lower()}" if one.isupper() else one for one in name)


# Per record: JSON name, attribute, reader; in the order in which the peer writes them (1.3).
_PARTS: Final[Mapping[type, Layout]] = MappingProxyType(
    {
        PriceQuote: (
            *_names(fields.text, "version", "txId", "provider", "consumer"),
            *_names(fields.text, "quotedAmount", "originalAmount", "maxPrice", "currency"),
            *_names(fields.integer, "decimals", "quotedAt", "expiresAt", "chainId", "nonce"),
        ),
        CounterOffer: (
            *_names(fields.text, "version", "txId", "consumer", "provider"),
            *_names(fields.text, "quoteAmount", "counterAmount", "maxPrice", "currency"),
            *_names(fields.integer, "decimals"),
            *_names(fields.text, "inReplyTo"),
            *_names(fields.integer, "counteredAt", "expiresAt", "chainId", "nonce"),
        ),
        CounterAccept: (
            *_names(fields.text, "version", "txId", "provider", "consumer"),
            *_names(fields.text, "acceptedAmount", "inReplyTo"),
            *_names(fields.integer, "acceptedAt", "chainId", "nonce"),
        ),
        QuoteRequest: (
            *_names(fields.text, "txId"),
            *_names(fields.integer, "chainId"),
            *_names(fields.text, "consumer", "service", "amount", "maxPrice"),
            *_names(fields.integer, "deadline", "issuedAt"),
        ),
        QuoteRead: (
            *_names(fields.text, "txId", "reader"),
            *_names(fields.integer, "issuedAt", "chainId"),
        ),
    }
)
_MEMBERS: Final[Mapping[type, tuple[tuple[str, ...], Callable[[Any], tuple[Json, ...]]]]] = (
    MappingProxyType(
        {
            kind: (
                tuple(name for name, _, _ in parts),
                attrgetter(*(attribute for _, attribute, _ in parts)),
            )
            for kind, parts in _PARTS.items()
        }
    )
)
"""Per record the names, and what gets all their values at once; this runs twice a counter."""
_TYPED: Final[Mapping[type, str]] = MappingProxyType({kind: name for name, kind in KINDS.items()})
_JUSTIFIED: Final = frozenset((PriceQuote, CounterOffer))
_NAMES: Final[Mapping[type, frozenset[str]]] = MappingProxyType(
    {
        kind: frozenset(
            (
                *(name for name, _, _ in parts),
                "signature",
                *(("type",) if kind in _TYPED else ()),
                *(("justification",) if kind in _JUSTIFIED else ()),
            )
        )
        for kind, parts in _PARTS.items()
    }
)
_ENVELOPE: Final = frozenset(("type", "message"))
SHORT_CHARS: Final = 256
"""No text that a rule accepts is longer, and every reader of texts takes one of this length."""


def read_body(raw: bytes) -> dict[str, Json]:
    """Read a body of at most 64 KiB as one JSON object.

    Raises ``WireError`` (``malformed``, ``too_large``).
    """
    document = read_json(raw, size_max=BODY_BYTES_MAX, depth_max=DEPTH_MAX)
    if not isinstance(document, dict):
        raise WireError(f"a body is a JSON object, not {shown(document)}")
    return document


def decode(raw: bytes) -> Message:
    """Decode an envelope ``{"type", "message"}`` around a quote, counter or acceptance.

    Raises ``WireError`` (``malformed``, ``too_large``, ``message_type_unsupported``,
    ``schema_invalid`` when the two types differ).
    """
    return decode_envelope(read_body(raw))


def decode_envelope(envelope: Mapping[str, Json]) -> Message:
    """The same for an envelope that was already read from JSON."""
    kind = KINDS.get(fields.text(envelope, "type"))
    if kind is None:
        raise WireError(f"no message type {shown(envelope['type'])}", TYPE_UNSUPPORTED)
    _check_names(envelope, _ENVELOPE)
    return _read_message(fields.obj(envelope, "message"), kind)


def decode_message(document: Mapping[str, Json]) -> Message:
    """Decode a message that stands alone; its own ``type`` says what it is.

    Raises ``WireError`` (``malformed``, ``message_type_unsupported``).
    """
    kind = KINDS.get(fields.text(document, "type"))
    if kind is None:
        raise WireError(f"no message type {shown(document['type'])}", TYPE_UNSUPPORTED)
    return _read_message(document, kind)


def decode_request(raw: bytes) -> QuoteRequest:
    """Decode the body of a request for a quote. Raises ``WireError``."""
    return _read(read_body(raw), QuoteRequest)


def decode_read(authorization: str) -> QuoteRead:
    """Decode an ``Authorization`` header: ``QuoteRead`` and base64url of a JSON object (9.6).

    Raises ``WireError``.
    """
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != READ_SCHEME.lower() or len(token) > READ_CHARS_MAX:
        raise WireError(f"not {READ_SCHEME} and a short token: {shown(authorization)}")
    return _read(read_body(b64url_decode(token)), QuoteRead)


def _read_message(
    document: Mapping[str, Json],
    kind: type[PriceQuote] | type[CounterOffer] | type[CounterAccept],
) -> Message:
    if fields.text(document, "type") != kind.type:
        raise WireError(
            f"the envelope says {kind.type}, its message {shown(document['type'])}", SCHEMA_INVALID
        )
    return _read(document, kind)


def _read(document: Mapping[str, Json], kind: type[Record]) -> Record:
    _check_names(document, _NAMES[kind])
    members: dict[str, Any] = {}
    for name, attribute, reader in _PARTS[kind]:
        value = document.get(name)
        # A text of ordinary length is what nearly every member is; the reader asks the rest.
        if type(value) is not str or len(value) > SHORT_CHARS or reader is not fields.text:
            value = reader(document, name)
        members[attribute] = value
    if "justification" in document:
        members["justification"] = fields.obj(document, "justification")
    return kind(signature=fields.text(document, "signature"), **members)


def _check_names(document: Mapping[str, Json], names: frozenset[str]) -> None:
    if not document.keys() <= names:
        raise WireError(f"no such member: {shown(min(document.keys() - names))}")


def document_of(message: Signed) -> dict[str, Json]:
    """A message as its JSON object, in the peer's member order."""
    return {**unsigned_document(message), "signature": message.signature}


def unsigned_document(message: Signed) -> dict[str, Json]:
    """A message as its JSON object without ``signature``: what the message hash covers (1.5)."""
    kind = type(message)
    document: dict[str, Json] = {}
    if kind in _TYPED:
        document["type"] = _TYPED[kind]
    names, values_of = _MEMBERS[kind]
    document.update(zip(names, values_of(message), strict=True))
    if kind in _JUSTIFIED:
        justification = getattr(message, "justification", None)
        if justification is not None:
            document["justification"] = dict(justification)
    return document


def encode(message: Message) -> bytes:
    """Write an envelope ``{"type", "message"}`` as RFC 8785 bytes.

    Raises ``WireError`` when a justification made by hand has no such form.
    """
    return canonical({"type": message.type, "message": document_of(message)})


def encode_request(request: QuoteRequest) -> bytes:
    """Write the body of a request for a quote."""
    return canonical(document_of(request))


def encode_read(read: QuoteRead) -> str:
    """Write the value of an ``Authorization`` header (9.6)."""
    return f"{READ_SCHEME} {b64url_encode(canonical(document_of(read)))}"
