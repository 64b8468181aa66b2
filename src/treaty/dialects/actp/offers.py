"""Reading a posted counter-offer, question by question in the order of the peer's handler (2.1).

Laws: any bytes end in a ``CounterOffer`` or in ``WireError``; where the peer has words for the
fault they go along in the error's ``data`` under ``PEER``, and our own stay in its detail.

Read next: ``codec`` for the spelling, ``peer`` for the words of later faults.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from treaty.dialects.actp import codec
from treaty.dialects.actp.choices import (
    BODY_BYTES_MAX,
    COUNTER_TYPE,
    DEPTH_MAX,
    TYPE_UNSUPPORTED,
)
from treaty.dialects.actp.messages import CounterOffer
from treaty.errors import WireError
from treaty.wire.canonical import Json, read_json

PEER: Final = "peer"
"""In an error's ``data``: the words that the peer's daemon has for it."""


def read_counter(raw: bytes, *, bare: bool = False) -> CounterOffer:
    """A counter-offer in its envelope, or ``bare`` as the recipe posts it.

    Raises ``WireError`` (``malformed``, ``too_large``, ``message_type_unsupported``,
    ``schema_invalid``).
    """
    document = _read_object(raw)
    if not bare:
        _check_envelope(document)
    try:
        decode = codec.decode_message if bare else codec.decode_envelope
        message = decode(document)
    except WireError as error:
        if error.code != "malformed":
            raise
        text = f"Malformed CounterOffer: {error.detail}"
        raise WireError(error.detail, data={PEER: text}) from None
    if not isinstance(message, CounterOffer):
        raise WireError("only counter-offers are taken here", TYPE_UNSUPPORTED)
    return message


def _read_object(raw: bytes) -> dict[str, Json]:
    try:
        document = read_json(raw, size_max=BODY_BYTES_MAX, depth_max=DEPTH_MAX)
    except WireError as error:
        if error.code != "malformed":
            raise
        raise WireError(error.detail, data={PEER: "Invalid JSON"}) from None
    if not isinstance(document, dict):
        raise WireError("a body is a JSON object", data={PEER: "Invalid payload shape"})
    return document


def _check_envelope(document: Mapping[str, Json]) -> None:
    if document.get("type") != COUNTER_TYPE:
        raise WireError("only counter-offers are taken here", TYPE_UNSUPPORTED)
    if not isinstance(document.get("message"), dict):
        raise WireError("message must be an object", data={PEER: "Missing message field"})
