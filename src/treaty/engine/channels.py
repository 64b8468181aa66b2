"""One negotiation as its provider keeps it: the stream ``quote/<chain>/<transaction>``.

Entries are ``counter`` and ``request`` (raw: the body as received; body: what was answered and
what the fold needs), ``declined`` (a request that got no quote) and ``expired``. The fold is the
dialect's; beside it stands the index that recognises repeats. A cold start reads no message
again: the record says what the fold needs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count
from typing import Any, Final

from treaty.engine.desk import Kind
from treaty.engine.ports import Entry
from treaty.engine.quote_dialect import Heard, QuoteDialect
from treaty.errors import MisuseError
from treaty.wire import fields
from treaty.wire.canonical import Json, canonical, read_json
from treaty.wire.evolving import evolve

STREAM: Final = "quote"
EXPIRED: Final = "expired"
RECORD_BYTES_MAX: Final = 262_144


@dataclass(frozen=True, slots=True)
class Known:
    """A message that was heard, and where its answer is."""

    digest: str
    """SHA-256 of the whole body as received."""
    hash: str
    signer: str
    type: str
    nonce: int | None
    position: int


@dataclass(frozen=True, slots=True)
class Channel:
    """One negotiation at its provider."""

    state: Any
    known: tuple[Known, ...] = ()
    """Bounded by ``MESSAGES_MAX`` of ``quotes``."""

    # Plain loops, because nearly every counter finds nothing here, and that is the common case.

    def by_digest(self, digest: str) -> Known | None:
        """The message that came in exactly these bytes."""
        for one in self.known:
            if one.digest == digest:
                return one
        return None

    def by_hash(self, heard: Heard) -> Known | None:
        """The message that says exactly this, by the same signer, in whatever bytes."""
        for one in self.known:
            if one.hash == heard.hash and one.signer == heard.signer:
                return one
        return None

    def used_for(self, heard: Heard) -> str | None:
        """The hash of the message that this signer used the nonce for here; None if for none."""
        wanted = (heard.signer, heard.type, heard.nonce)
        for one in self.known:
            if (one.signer, one.type, one.nonce) == wanted:
                return one.hash
        return None

    def free_nonce(self, heard: Heard, above: int) -> int:
        """The first nonce above ``above`` that this signer has not used here for this type."""
        wanted = (heard.signer, heard.type)
        used = {one.nonce for one in self.known if (one.signer, one.type) == wanted}
        return next(nonce for nonce in count(above + 1) if nonce not in used)


@dataclass(frozen=True, slots=True)
class Written:
    """An entry just made, so that it need not be read back from its bytes."""

    record: Mapping[str, Json]
    known: Known | None
    parsed: Any


def channel_stream(chain_id: int, tx_id: str) -> str:
    """Name of a negotiation's stream."""
    return f"{STREAM}/{chain_id}/{tx_id}"


def channel_kind(dialect: QuoteDialect) -> Kind:
    """How these streams are folded."""

    def fold(channel: Channel, entry: Entry, parsed: object) -> Channel:
        written = parsed if isinstance(parsed, Written) else _read(entry)
        state = dialect.fold(channel.state, entry.kind, written.record, written.parsed)
        if written.known is None:
            return evolve(channel, state=state)
        return Channel(state, (*channel.known, written.known))

    return Kind(lambda _stream: Channel(dialect.start()), fold)


def write_record(record: Mapping[str, Json], known: Known | None) -> bytes:
    """The body of an entry: the dialect's record, and by what a repeat is recognised."""
    whole = dict(record)
    if known is not None:
        whole["digest"], whole["hash"] = known.digest, known.hash
        whole["signer"], whole["type"], whole["nonce"] = known.signer, known.type, known.nonce
    return canonical(whole)


def read_record(entry: Entry) -> dict[str, Json]:
    """The body of an entry of ours."""
    record = read_json(entry.body, size_max=RECORD_BYTES_MAX)
    if not isinstance(record, dict):
        raise MisuseError(f"entry {entry.position} of {entry.stream} is no record")
    return record


def _read(entry: Entry) -> Written:
    record = read_record(entry)
    if "digest" not in record:
        return Written(record, None, None)
    known = Known(
        fields.text(record, "digest"),
        fields.text(record, "hash"),
        fields.text(record, "signer"),
        fields.text(record, "type"),
        fields.integer_or(record, "nonce"),
        entry.position,
    )
    return Written(record, known, None)
