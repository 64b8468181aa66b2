"""A session as its host holds it: the dialect's state, and the index that recognises repeats.

The stream ``session/<id>`` is the log of B7: entries of kind ``receipt`` (body: the signed
receipt; raw: the message as received) and ``fact`` (body: the signed fact). ``fold_session``
is their fold; a cold start decodes the raw messages again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

from treaty.core.log import HostFact, Receipt, entry_hash, read_log_record
from treaty.core.persistent import PersistentMap
from treaty.engine.desk import Kind
from treaty.engine.dialect import SessionDialect
from treaty.engine.ports import Entry
from treaty.errors import MisuseError, Refused
from treaty.identity.keys import PublicKey, read_public_key
from treaty.wire.canonical import Json, read_json
from treaty.wire.evolving import evolve
from treaty.wire.fields import instant

STREAM: Final = "session"
RECENT_MAX: Final = 64
"""Message hashes kept, to find what a sender has missed."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A message id that is used."""

    digest: str
    position: int


@dataclass(frozen=True, slots=True)
class Hosted:
    """One session at its host."""

    state: Any
    seen: PersistentMap[tuple[str, str], Seen] = field(default_factory=PersistentMap)
    """(sender, messageId) -> what came under it (B2)."""
    recent: tuple[tuple[str, int], ...] = ()
    """(message hash, position) of the last messages, oldest first."""
    away_until_ms: int = 0
    """To when outages of the host are noted in the log."""


@dataclass(frozen=True, slots=True)
class Written:
    """A log entry just made, so that it need not be read back from its bytes."""

    record: Mapping[str, Json]
    log: Receipt | HostFact
    message: Any = None


@lru_cache(maxsize=4_096)
def pinned(text: str) -> PublicKey:
    """Read a pinned key; the same few are asked for with every message."""
    return read_public_key(text)


def unknown_session() -> Refused:
    """The same words for "no such session" and "not yours", so that neither can be told apart."""
    return Refused("no session of yours has this id", "unknown_session")


def session_stream(session_id: str) -> str:
    """Name of a session's stream."""
    return f"{STREAM}/{session_id}"


def session_kind(dialect: SessionDialect) -> Kind:
    """How session streams of this dialect are folded."""

    def fold(hosted: Hosted, entry: Entry, parsed: object) -> Hosted:
        written = parsed if isinstance(parsed, Written) else _read(dialect, entry)
        return fold_session(dialect, hosted, entry, written)

    return Kind(lambda _stream: Hosted(dialect.start()), fold, retains=True)


def _read(dialect: SessionDialect, entry: Entry) -> Written:
    record = read_json(entry.body, size_max=len(entry.body))
    if not isinstance(record, dict):
        raise MisuseError(f"entry {entry.position} of {entry.stream} is no record")
    message = dialect.decode(entry.raw) if entry.raw is not None else None
    return Written(record, read_log_record(record), message)


def fold_session(dialect: SessionDialect, hosted: Hosted, entry: Entry, written: Written) -> Hosted:
    """Fold one log entry."""
    tag = entry_hash(written.record)
    if isinstance(written.log, HostFact):
        fact = written.log
        away_ms = instant(fact.data, "to") if fact.fact == "outage" else hosted.away_until_ms
        state = dialect.fold_fact(hosted.state, fact, tag)
        return evolve(hosted, state=state, away_until_ms=away_ms)
    receipt, message = written.log, written.message
    key = (receipt.sender, message.message_id)
    return evolve(
        hosted,
        state=dialect.fold_message(hosted.state, message, receipt, tag),
        seen=hosted.seen.put(key, Seen(receipt.raw_digest, entry.position)),
        recent=(*hosted.recent[1 - RECENT_MAX :], (receipt.hash, entry.position)),
    )


def position_after(hosted: Hosted, message_hash: str) -> int:
    """The position behind which a sender that extends ``message_hash`` has missed entries."""
    for known, position in reversed(hosted.recent):
        if known == message_hash:
            return position
    return 0
