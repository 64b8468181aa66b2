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
from treaty.wire.packed import is_packed, raw_to_json, read_packed

_BREAKS_TO_BLANKS: Final = bytes.maketrans(b"\r\n", b"  ")


def entry_json(entry: Entry) -> bytes:
    """One entry of a session's log, on one line."""
    if entry.raw is None:
        return b'{"position":%d,"fact":%s}' % (entry.position, entry.body)
    return b'{"position":%d,"receipt":%s,"envelope":%s,"raw":%s}' % (
        entry.position,
        entry.body,
        _envelope(entry.raw),
        raw_json(entry.raw),
    )


def _envelope(raw: bytes) -> bytes:
    """A received message as JSON on one line."""
    if is_packed(raw):
        return canonical(read_packed(raw, size_max=len(raw)))
    # Between strings a line break is white space, and in strings JSON has none.
    return raw.translate(_BREAKS_TO_BLANKS)


def notice_json(entry: Entry) -> bytes:
    """One inbox entry: its body, with the text of the message that caused it."""
    if entry.raw is None:
        return entry.body
    return b'%s,"raw":%s}' % (entry.body[:-1], raw_json(entry.raw))


def exchange_json(entry: Entry) -> bytes:
    """One entry of a negotiation: what was received, and the record with our answer to it."""
    if entry.raw is None:
        return b'{"position":%d,"record":%s}' % (entry.position, entry.body)
    parts = (entry.position, entry.body, _envelope(entry.raw), raw_json(entry.raw))
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


def raw_json(raw: bytes) -> bytes:
    """Received bytes as JSON: a string, or ``{base64}`` for MessagePack."""
    return canonical(raw_to_json(raw))
