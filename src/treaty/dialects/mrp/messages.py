"""MRP's messages as frozen records, read once and never changed.

Laws:

1. ``Envelope.raw`` holds the bytes as received; ``document`` is what they parse to, members
   nobody knows included. A record names only what somebody decides by.
2. Numbers that are compared are ``Decimal``, read from their RFC 8785 rendering; None means that
   nothing was stated, and never zero.
3. A record says what a stranger said. Whether it is lawful, affordable or true is asked
   elsewhere.

Read next: ``codec`` for the spelling, ``rules`` for what is lawful.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TypeAlias

from treaty.wire.canonical import Json

Object: TypeAlias = Mapping[str, Json]


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """One message as it travelled (3)."""

    raw: bytes = field(repr=False)
    document: Object = field(repr=False)
    version: str
    msg_id: str
    msg_type: str
    timestamp: str
    sender: str
    """The sender's id; nobody has proven it unless a signature was checked."""
    receiver: str | None = None
    in_reply_to: str | None = None
    payload: Object = field(repr=False)
    trace: Object | None = None
    auth: Object | None = field(default=None, repr=False)
    nonce: str | None = None
    expires_at: str | None = None
    idempotency_key: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One input, output or stream chunk (4)."""

    type: str
    document: Object = field(repr=False)
    value: Json = None
    uri: str | None = None
    hash: str | None = None
    size: int | None = None
    """Bytes, as stated."""
    mime: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Constraints:
    """What must hold for the asking side; everything may be unstated (4)."""

    max_cost: Decimal | None = None
    """In the unit of the offers, usd; ``budget`` is read as the same."""
    max_latency_ms: int | None = None
    residency: str | None = None
    retention_days: int | None = None
    policy: tuple[str, ...] = ()
    allowed_domains: tuple[str, ...] = ()
    """Hosts that may be fetched from, subdomains included; empty means that none was named."""
    capability: str | None = None
    document: Object = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Discover:
    """The question who can do this, under these constraints."""

    intent: str
    inputs: tuple[Item, ...] = ()
    constraints: Constraints = field(default_factory=Constraints)
    proofs_required: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """One route a provider offers. What it does not state is None or empty, never a default."""

    route_id: str
    capability: str
    confidence: Decimal | None = None
    """0 to 1."""
    cost_unit: str | None = None
    """Lower case, ``usd``."""
    cost: Decimal | None = None
    latency_ms: Decimal | None = None
    """The median, from ``latency.p50`` in any of its spellings."""
    proofs: tuple[str, ...] = ()
    policy: tuple[str, ...] = ()
    retention_days: Decimal | None = None
    training_use: str | None = None
    residency: str | None = None
    endpoint: str | None = None
    """The call that comes next, as named; addresses come from the manifest alone."""
    document: Object = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Malformed:
    """An offer that cannot be one, kept so that it can be told why."""

    route_id: str
    """As stated, or empty."""
    member: str
    """What is wrong: ``cost.estimate``."""
    detail: str
    document: Json = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Negotiate:
    """Terms for one route, put to its provider; also the provider's answer (6)."""

    route_id: str
    constraints: Constraints = field(default_factory=Constraints)
    proofs: tuple[str, ...] = ()
    inputs: tuple[Item, ...] = ()
    payment_intent: Object | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Execute:
    """Do it."""

    route_id: str
    inputs: tuple[Item, ...] = ()
    output_format: str | None = None
    job: Object = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What was done, and from what (4)."""

    route_id: str
    job_id: str | None = None
    """A stranger's text: no path, no file name."""
    outputs: tuple[Item, ...] = ()
    provenance: Object = field(default_factory=dict)
    citations: tuple[str, ...] = ()
    source_hashes: tuple[str, ...] = ()
    attestations: tuple[str, ...] = ()
    usage: Object = field(default_factory=dict)
    settlement: Object = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """The payload of an ERROR."""

    code: str
    message: str
    retryable: bool = False
    retry_after_ms: int | None = None
    details: Object = field(default_factory=dict)
