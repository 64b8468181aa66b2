"""Log entries as JSON, put together from the bytes that were signed and received.

A receipt is ``{"position", "receipt", "envelope", "raw"}``, a fact ``{"position", "fact"}``.
``envelope`` is the message as JSON for whoever only reads; ``raw`` is the text as it was
received, which is what hashes and signatures are checked over. Nothing is encoded anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from treaty.engine.ports import Entry
from treaty.wire.canonical import canonical

_BREAKS_TO_BLANKS: Final = bytes.maketrans(b"\r\n", b"  ")


def entry_json(entry: Entry) -> bytes:
    """One entry of a session's log, on one line."""
    if entry.raw is None:
        return b'{"position":%d,"fact":%s}' % (entry.position, entry.body)
    # Between strings a line break is white space, and in strings JSON has none.
    envelope = entry.raw.translate(_BREAKS_TO_BLANKS)
    return b'{"position":%d,"receipt":%s,"envelope":%s,"raw":%s}' % (
        entry.position,
        entry.body,
        envelope,
        text_json(entry.raw),
    )


def notice_json(entry: Entry) -> bytes:
    """One inbox entry: its body, with the text of the message that caused it."""
    if entry.raw is None:
        return entry.body
    return b'%s,"raw":%s}' % (entry.body[:-1], text_json(entry.raw))


def exchange_json(entry: Entry) -> bytes:
    """One entry of a negotiation: what was received, and the record with our answer to it."""
    if entry.raw is None:
        return b'{"position":%d,"record":%s}' % (entry.position, entry.body)
    envelope = entry.raw.translate(_BREAKS_TO_BLANKS)
    parts = (entry.position, entry.body, envelope, text_json(entry.raw))
    return b'{"position":%d,"record":%s,"envelope":%s,"raw":%s}' % parts


def page_json(entries: Sequence[Entry], after: int, *, more: bool) -> bytes:
    """A page of a session's log; ``next`` is the cursor for the page behind it."""
    last = entries[-1].position if entries else after
    items = b",".join(entry_json(entry) for entry in entries)
    return b'{"entries":[%s],"next":%d,"more":%s}' % (items, last, b"true" if more else b"false")


def inbox_json(entries: Sequence[Entry], after: int, *, more: bool) -> bytes:
    """A page of an inbox; ``next`` is the cursor for the page behind it."""
    last = entries[-1].position if entries else after
    items = b",".join(
        b'{"position":%d,"kind":%s,"notice":%s}'
        % (entry.position, canonical(entry.kind), notice_json(entry))
        for entry in entries
    )
    return b'{"entries":[%s],"next":%d,"more":%s}' % (items, last, b"true" if more else b"false")


def text_json(raw: bytes) -> bytes:
    """Received JSON text as a JSON string."""
    return canonical(raw.decode())
