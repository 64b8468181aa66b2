"""The deal file of a routed deal: one JSON document that anybody can verify offline.

``make_deal`` lays out one decision as its buyer kept it: the record and every envelope that
passed. The published form is ``deal.schema.json`` beside this module. Its members:

* ``treaty``, ``dialect``: ``deal/1`` and ``mrp/0.1``
* ``session``: ``id`` (the decision's), ``buyer`` (its sender id), ``provider`` (the winner, or
  null), ``status`` (the record's)
* ``decision``: the record of ``decision``, with what the buyer added to it: ``inputs``,
  ``allowed_domains``, ``output_format``, ``negotiation``, ``job_id``, ``claims`` (what it saw
  when it checked the evidence), ``provider_keys`` (the JWKs the winner's origin showed before it
  was given work)
* ``raw``: the envelopes as they travelled, as text; ``messages``: ``messages[i]`` is the parsed
  form of ``raw[i]``; ``sent``: true for what the buyer said; ``at``: when, in ms; ``manifests``:
  the address of the manifest of the provider it went to or came from

Laws: nothing in the file was not told to somebody, but for what the record says of the buyer's own
reasons; a limit appears as the DISCOVER that everybody got states it.

Read next: ``audit``, which checks such a file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from treaty.core.deal import DEAL_TAG
from treaty.dialects.mrp.choices import DEPTH_MAX, ENVELOPE_BYTES_MAX, TAG
from treaty.errors import MisuseError
from treaty.wire import fields
from treaty.wire.canonical import Json, read_json

MESSAGES_MAX: Final = 4_096


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One envelope that passed between the buyer and a provider."""

    raw: bytes = field(repr=False)
    is_sent: bool
    """True for what the buyer said."""
    manifest_url: str
    """Which provider it went to or came from."""
    at_ms: int


def make_deal(record: Mapping[str, Json], lines: Sequence[Line]) -> dict[str, Json]:
    """Assemble the file of one decision.

    ``lines`` are all messages of it, in order, that are JSON objects. Raises ``MisuseError`` for
    a record that is none, and ``WireError`` for a message that is none.
    """
    decision_id = record.get("decision_id")
    if not isinstance(decision_id, str):
        raise MisuseError("a decision record has a decision_id")
    messages = [_parsed(line.raw) for line in lines]
    winner = record.get("winner")
    return {
        "treaty": DEAL_TAG,
        "dialect": TAG,
        "session": {
            "id": decision_id,
            "buyer": _buyer(lines, messages),
            "provider": winner.get("provider") if isinstance(winner, dict) else None,
            "status": record.get("status"),
        },
        "decision": dict(record),
        "messages": list(messages),
        "raw": [line.raw.decode("utf-8") for line in lines],
        "sent": [line.is_sent for line in lines],
        "at": [line.at_ms for line in lines],
        "manifests": [line.manifest_url for line in lines],
    }


def _parsed(raw: bytes) -> Json:
    return read_json(raw, size_max=ENVELOPE_BYTES_MAX, depth_max=DEPTH_MAX)


def _buyer(lines: Sequence[Line], messages: Sequence[Json]) -> Json:
    said = [one for line, one in zip(lines, messages, strict=True) if line.is_sent]
    first = said[0] if said else None
    sender = fields.obj_or(first, "sender") if isinstance(first, dict) else None
    return None if sender is None else sender.get("id")
