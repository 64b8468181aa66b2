"""Two copies of one session, side by side (B7): the claims session, agreement and host.

Every participant keeps the host's signed log. Where two copies differ at one position, either
one of them was changed, and its signature shows it, or the host signed two stories.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, cast

from treaty.core.deal import Finding, lack
from treaty.core.log import Receipt
from treaty.dialects.asp.audit_file import Deal, Entry, Message
from treaty.errors import SignatureError, WireError
from treaty.identity.keys import PublicKey
from treaty.identity.records import open_record
from treaty.wire.canonical import Json

COMPARED: Final = ("session", "agreement", "host")
"""The claims about two copies: they are of one session, they agree, the host told one story."""


def compared(first: Deal, second: Deal) -> Iterator[Finding]:
    """Everything in which two copies differ."""
    if first.heading.id != second.heading.id:
        detail = f"the files are of the sessions {first.heading.id} and {second.heading.id}"
        yield Finding("session", "session.id", detail)
        yield lack("agreement", "", "the files are of two sessions")
        yield lack("host", "", "the files are of two sessions")
        return
    if first.heading.host_key != second.heading.host_key:
        yield Finding("session", "session.host", "the files name two different host keys")
    shared = _shared(first, second)
    if not shared:
        yield lack("agreement", "", "the files share no position of the log")
    for one, other in shared:
        yield from _compare_entries(first, one, other)
    for mine, theirs in _shared_messages(first, second):
        if _raw(mine) != _raw(theirs):
            detail = f"the second file has another text for it, as {theirs.where}"
            yield Finding("agreement", mine.where, detail)


def agreed(first: Deal, second: Deal) -> dict[str, str]:
    """The details of the claims when nothing differs."""
    count, lengths = len(_shared(first, second)), sorted((len(first.log), len(second.log)))
    rest = "" if lengths[0] == lengths[1] else f"; one goes on to position {lengths[1]}"
    return {
        "session": f"both are of session {first.heading.id}",
        "agreement": f"the same entry at each of {count} shared positions{rest}",
        "host": "no position has two entries that the host signed",
    }


def _shared(first: Deal, second: Deal) -> list[tuple[Entry, Entry]]:
    """Pairs of entries for one position, within a copy as well as across the two."""
    by_position: dict[int, Entry] = {}
    pairs: list[tuple[Entry, Entry]] = []
    for entry in first.log:
        twin = by_position.setdefault(entry.log.position, entry)
        if twin is not entry:
            pairs.append((twin, entry))
    for entry in second.log:
        twin_or_none = by_position.get(entry.log.position)
        if twin_or_none is not None:
            pairs.append((twin_or_none, entry))
    return pairs


def _compare_entries(first: Deal, one: Entry, other: Entry) -> Iterator[Finding]:
    if one.log.record == other.log.record:
        return
    where = f"log {one.log.position}"
    key, name = first.heading.host_key, first.heading.host
    if one.hash == other.hash or not (_is_signed(one, key) and _is_signed(other, key)):
        yield Finding("agreement", where, "the copies differ, and the host did not sign both")
        return
    yield Finding("agreement", where, "the copies differ, and the host signed both")
    detail = (
        f"{name} signed two different entries for position {one.log.position} with key "
        f"{key.key_id}: it has lied, and these two files prove it"
    )
    yield Finding("host", where, detail)


def _is_signed(entry: Entry, key: PublicKey) -> bool:
    kind = "receipt" if isinstance(entry.log, Receipt) else "fact"
    try:
        open_record(kind, cast(Json, entry.log.record), key)
    except (WireError, SignatureError):
        return False
    return True


def _shared_messages(first: Deal, second: Deal) -> list[tuple[Message, Message]]:
    """Messages that both files show, by their hash."""
    by_hash = {message.hash: message for message in second.messages if message.envelope}
    return [
        (message, by_hash[message.hash])
        for message in first.messages
        if message.envelope is not None and message.hash in by_hash
    ]


def _raw(message: Message) -> bytes:
    assert message.envelope is not None
    return message.envelope.raw
