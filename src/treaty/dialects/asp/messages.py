"""ASP messages as frozen records: one envelope, and a body per performative.

The field names follow the wire, in Python's spelling; what the records do not know stays in
``Envelope.document``, as received (law 4 of the house). Amounts are ``Money``, times
milliseconds, and ids the texts that came.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

from treaty.dialects.asp.choices import MIME, MIME_PACKED
from treaty.wire.canonical import Json
from treaty.wire.money import Money
from treaty.wire.packed import is_packed


class Performative(StrEnum):
    """The thirteen speech acts of ASP."""

    PROPOSE = "PROPOSE"
    ACCEPT = "ACCEPT"
    REJECT = "REJECT"
    COUNTER = "COUNTER"
    INFORM = "INFORM"
    QUERY = "QUERY"
    CLARIFY = "CLARIFY"
    COMMIT = "COMMIT"
    DELEGATE = "DELEGATE"
    ESCALATE = "ESCALATE"
    WITHDRAW = "WITHDRAW"
    OBSERVE = "OBSERVE"
    CLOSE = "CLOSE"


@dataclass(frozen=True, slots=True)
class Propose:
    """A proposal, or (type ``session-invitation``) the invitation."""

    proposal_id: str
    type: str
    subject: str
    terms: Mapping[str, Json]
    valid_until_ms: int | None

    @property
    def is_invitation(self) -> bool:
        """True for the message that opens a session."""
        return self.type == "session-invitation"


@dataclass(frozen=True, slots=True)
class Accept:
    """Yes to a proposal, a commitment, a delegation or the invitation."""

    reference_id: str
    reference_hash: str | None
    """Hash of the accepted message, when the sender pins it (B11)."""
    acknowledgment: str | None
    history: bool = False
    """Of a delegation: the delegate may see what came before it joined (B14)."""
    arbiter_seed: str | None = None
    """Of an accepted commitment: hash of a secret for the draw of arbiters (B15)."""


@dataclass(frozen=True, slots=True)
class Reject:
    """No, with a code of the rejection registry."""

    reference_id: str
    code: str
    reason: str


@dataclass(frozen=True, slots=True)
class Counter:
    """No to a proposal and a new one in the same breath."""

    reference_id: str
    counter_id: str
    rejection_reason: str
    subject: str
    terms: Mapping[str, Json]
    final: bool
    """After ``final`` the other may only accept, reject or close (B9)."""
    valid_until_ms: int | None


@dataclass(frozen=True, slots=True)
class Inform:
    """A statement: identity, progress, result, error, resolution, or any other type."""

    inform_type: str
    subject: str
    data: Mapping[str, Json]
    references: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Query:
    """A question with parameters."""

    query_id: str
    query_type: str
    subject: str
    parameters: Mapping[str, Json]


@dataclass(frozen=True, slots=True)
class Clarify:
    """A question about something on the table, or the answer to one (B11)."""

    reference_id: str
    question: str | None
    answer: str | None


@dataclass(frozen=True, slots=True)
class Promise:
    """One obligation as the COMMIT states it."""

    role: str
    party: str
    action: str
    deadline_ms: int
    method: str
    verification: Mapping[str, Json] | None


@dataclass(frozen=True, slots=True)
class EscrowTerms:
    """The escrow of a COMMIT."""

    money: Money
    condition: str
    payer: str | None
    payee: str | None
    schedule: Mapping[str, Json] | None
    penalty_bps: int


@dataclass(frozen=True, slots=True)
class Commit:
    """A binding offer: obligations and escrow."""

    commitment_id: str
    subject: str
    terms: Mapping[str, Json]
    obligations: tuple[Promise, ...]
    escrow: EscrowTerms | None
    proposal_id: str | None
    """The accepted proposal whose terms this commitment contains (B11)."""
    dispute_window_ms: int | None
    arbiter_seed: str | None = None
    """Hash of the author's secret for the draw of arbiters (B15)."""


@dataclass(frozen=True, slots=True)
class Delegate:
    """A request to bring in a third agent (B14)."""

    delegation_id: str
    target_agent: str
    scope: str
    authority: str
    limits: Mapping[str, Json]
    expires_at_ms: int
    history: bool


@dataclass(frozen=True, slots=True)
class Escalate:
    """A call for a person or a higher authority (B11)."""

    escalation_id: str
    reason: str
    authority: str
    reference_id: str | None
    options: tuple[Json, ...]


@dataclass(frozen=True, slots=True)
class Withdraw:
    """Taking back one's own proposal, commitment or delegation."""

    reference_id: str
    reason: str | None


@dataclass(frozen=True, slots=True)
class Observe:
    """A shared observation; binds nobody."""

    subject: str
    data: Mapping[str, Json]
    references: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Close:
    """The end of a session, as one party sees it."""

    reason: str
    summary: str
    commitments_fulfilled: tuple[str, ...]
    total: Json
    """``outcome.totalTransactionValue`` as received; shown, never computed with."""
    peer_rating: int | None
    chain_head: str | None
    message_count: int | None


Body = (
    Propose | Accept | Reject | Counter | Inform | Query | Clarify | Commit
    | Delegate | Escalate | Withdraw | Observe | Close
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Envelope:
    """One ASP message, decoded; its signature not yet checked."""

    message_id: str
    session_id: str | None
    """Absent before a session exists (B8)."""
    sequence: int | None
    timestamp_ms: int
    sender: str
    org_id: str | None
    claimed_trust: Json
    """``sender.trustScore``: recorded, never believed (B16)."""
    proof: str | None
    recipient: str | None
    performative: Performative
    body: Body
    max_response_ms: int | None
    required_trust: Decimal | None
    """``constraints.requiredTrustScore``."""
    hash: str
    previous_hash: str
    signature: str
    document: dict[str, Json] = field(repr=False)
    """The whole envelope as received."""
    raw: bytes = field(repr=False)
    """The bytes as received."""

    @property
    def media_type(self) -> str:
        """The format it came in (B23)."""
        return MIME_PACKED if is_packed(self.raw) else MIME

    @property
    def content(self) -> Mapping[str, Json]:
        """The body as received."""
        content = self.document["content"]
        assert isinstance(content, dict)
        body = content["body"]
        assert isinstance(body, dict)
        return body
