"""What comes back for a request: an envelope, an ERROR, or something that is neither (section 2).

Laws:

1. ``msg_type`` decides first and the HTTP status second: an ERROR under 200 is an ERROR, and an
   OFFER under 500 is none.
2. Reading any bytes gives one of the three and raises nothing.
3. An ERROR with the ``msg_id`` of the message it answers is no repeat of that message (3).

Read next: ``codec.decode_reply``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeAlias

from treaty.dialects.mrp.choices import DEPTH_MAX, ENVELOPE_BYTES_MAX, ERROR
from treaty.dialects.mrp.codec import decode_reply, read_failure
from treaty.dialects.mrp.messages import Envelope, Failure
from treaty.errors import WireError, shown
from treaty.wire.canonical import read_json

ANSWER_DEPTH_MAX: Final = 40
"""Less than a request may have: answers are kept inside records and deal files, which have limits
of their own."""
EXCERPT_BYTES: Final = 200
"""Shown of an answer that is no envelope."""


@dataclass(frozen=True, slots=True)
class Said:
    """An envelope that is no ERROR; what it holds is to be read and believed elsewhere."""

    status: int
    envelope: Envelope


@dataclass(frozen=True, slots=True)
class Failed:
    """An ERROR."""

    status: int
    envelope: Envelope
    failure: Failure

    @property
    def detail(self) -> str:
        """Code and message in one line."""
        return f"{self.failure.code}: {' '.join(self.failure.message.split())}"


@dataclass(frozen=True, slots=True)
class NoEnvelope:
    """Anything else, and what it is."""

    status: int
    detail: str


Answer: TypeAlias = Said | Failed | NoEnvelope


def read_answer(status: int, raw: bytes) -> Answer:
    """Read an answer, whatever it is."""
    try:
        read_json(raw, size_max=ENVELOPE_BYTES_MAX, depth_max=ANSWER_DEPTH_MAX)
        envelope, _ = decode_reply(raw)
    except WireError as error:
        excerpt = _excerpt(raw)
        return NoEnvelope(status, f"HTTP {status}, {excerpt or error.detail}")
    if envelope.msg_type == ERROR:
        return Failed(status, envelope, _failure(envelope))
    if not 200 <= status < 300:
        return NoEnvelope(status, f"HTTP {status} with a {envelope.msg_type}")
    return Said(status, envelope)


def _failure(envelope: Envelope) -> Failure:
    try:
        return read_failure(envelope)
    except WireError as error:
        return Failure(code="unnamed", message=error.detail)


def _excerpt(raw: bytes) -> str:
    """What an answer that is no envelope says of itself; empty for an object that says nothing."""
    try:
        document = read_json(raw, size_max=ENVELOPE_BYTES_MAX, depth_max=DEPTH_MAX)
    except WireError:
        text = raw[:EXCERPT_BYTES].decode("utf-8", "replace").strip()
        return shown(text) if text else "no body"
    if not isinstance(document, dict):
        return shown(document)
    return shown(document["detail"]) if "detail" in document else ""
