"""The host's log of a session: receipts and facts, one hash-linked sequence.

A *receipt* says that a message was accepted at a position; a *fact* says what the host itself
observed or did (a timer, an escrow movement, an outage). Both are signed by the host, carry
the hash of the entry before, and are kept by every participant (ASP decision B7). Two entries
for one position are portable proof against the host.

This module knows the shape; ``identity.records`` signs and checks it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from treaty.errors import WireError, shown
from treaty.wire import fields
from treaty.wire.canonical import Json
from treaty.wire.digest import is_sha256_tag
from treaty.wire.instants import format_instant, parse_instant

FACT_KINDS: Final = frozenset(
    (
        *("timer", "escrow", "outage", "outcome", "revocation", "metric"),
        *("dispute", "evidence", "reveal", "vote", "ruling"),
    )
)
"""What a host may observe. Readers pass unknown kinds through without acting on them."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """A message was accepted."""

    session: str
    position: int
    at_ms: int
    previous_entry: str
    hash: str
    previous_hash: str
    sender: str
    performative: str
    raw_digest: str
    public_key: str | None
    """The key pinned for the sender, on its first message only."""
    record: Mapping[str, Json] = field(default_factory=dict, repr=False)
    """What was signed, for a receipt that was read."""


@dataclass(frozen=True, slots=True)
class HostFact:
    """The host observed or did something."""

    session: str
    position: int
    at_ms: int
    previous_entry: str
    fact: str
    data: Mapping[str, Json]
    record: Mapping[str, Json] = field(repr=False)


def receipt_body(receipt: Receipt) -> dict[str, Json]:
    """Lay out a receipt, unsigned."""
    body: dict[str, Json] = {
        "type": "receipt",
        "session": receipt.session,
        "position": receipt.position,
        "hash": receipt.hash,
        "previousHash": receipt.previous_hash,
        "sender": receipt.sender,
        "performative": receipt.performative,
        "rawDigest": receipt.raw_digest,
        "receivedAt": format_instant(receipt.at_ms),
        "previousEntry": receipt.previous_entry,
    }
    if receipt.public_key is not None:
        body["publicKey"] = receipt.public_key
    return body


def fact_body(
    *,
    session: str,
    position: int,
    at_ms: int,
    previous_entry: str,
    fact: str,
    data: Mapping[str, Json],
) -> dict[str, Json]:
    """Lay out a fact, unsigned."""
    return {
        "type": "fact",
        "session": session,
        "position": position,
        "fact": fact,
        "data": dict(data),
        "at": format_instant(at_ms),
        "previousEntry": previous_entry,
    }


def read_log_record(record: Json) -> Receipt | HostFact:
    """Read a receipt or a fact; the signature is the caller's to check. Raises ``WireError``."""
    if not isinstance(record, dict):
        raise WireError(f"a log entry is an object, not {shown(record)}")
    kind = fields.text(record, "type")
    if kind == "receipt":
        return _receipt(record)
    if kind == "fact":
        return _fact(record)
    raise WireError(f"a log entry is a receipt or a fact, not {shown(kind)}")


def _receipt(record: dict[str, Json]) -> Receipt:
    return Receipt(
        session=fields.uuid(record, "session"),
        position=fields.integer(record, "position", least=1),
        at_ms=parse_instant(fields.text(record, "receivedAt")),
        previous_entry=_tag(record, "previousEntry"),
        hash=_tag(record, "hash"),
        previous_hash=_tag(record, "previousHash"),
        sender=fields.agent(record, "sender"),
        performative=fields.text(record, "performative"),
        raw_digest=_tag(record, "rawDigest"),
        public_key=fields.text_or(record, "publicKey"),
        record=record,
    )


def _fact(record: dict[str, Json]) -> HostFact:
    return HostFact(
        session=fields.uuid(record, "session"),
        position=fields.integer(record, "position", least=1),
        at_ms=parse_instant(fields.text(record, "at")),
        previous_entry=_tag(record, "previousEntry"),
        fact=fields.ident(record, "fact"),
        data=fields.obj(record, "data"),
        record=record,
    )


def _tag(record: Mapping[str, Json], name: str) -> str:
    value = fields.text(record, name)
    if not is_sha256_tag(value):
        raise WireError(f"{name} must be sha256:<64 hex digits>, not {shown(value)}")
    return value


def entry_hash(record: Mapping[str, Json]) -> str:
    """The hash a signed log entry carries, which the next entry links to."""
    return _tag(fields.obj(record, "integrity"), "hash")
