"""What the service desk asks of a dialect in which capabilities are offered and carried out.

The engine never looks inside a message: it asks these questions, writes down the answers and
keeps agreements, jobs, time and what may be used once. MRP satisfies it; ``app`` brings the two
together.

Read next: ``services``.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, Protocol

from treaty.engine.capability import Capability, Result
from treaty.engine.fetching import Fetcher
from treaty.errors import Reason, TreatyError
from treaty.wire.canonical import Json

ANONYMOUS: Final = "from:"
"""What the principal of somebody who proves nothing begins with; address and name follow."""
Record = Mapping[str, Json]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """Something a message uses up for its sender: a nonce, an id."""

    scope: str
    key: str
    until_ms: int
    """Last instant at which it must still be known."""
    reason: Reason
    """Why the message is refused when it was used before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request that was read, and whose sender is as certain as the node wants."""

    message: Any
    """The dialect's own."""
    principal: str
    """Whose nonces, agreements and jobs these are."""
    endpoint: str
    digest: str
    """SHA-256 of the payload, as hex."""
    idempotency_key: str | None
    marks: tuple[Mark, ...]
    at_ms: int
    entropy: bytes
    """32 bytes for the ids of the answer."""


def holder_of(principal: str) -> str:
    """Whose share of what is bounded somebody takes: of who proves nothing, their address's.

    A name that anybody may give themselves does not open another share.
    """
    return principal.partition("/")[0] if principal.startswith(ANONYMOUS) else principal


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What is answered to somebody who negotiates."""

    record: Record
    """What the agreement binds to; the dialect's own."""
    expires_ms: int
    is_agreed: bool
    """False for a counter: other terms, which bind nobody."""


class Thing(Protocol):
    """An input as the dialect read it."""

    type: str
    value: Json
    uri: str | None
    hash: str | None
    size: int | None
    mime: str | None


class Order(Protocol):
    """Work to be done, as the dialect read it."""

    @property
    def capability(self) -> str:
        """The capability's name."""

    @property
    def intent(self) -> str:
        """What for, in words."""

    @property
    def inputs(self) -> Sequence[Thing]:
        """What to work on."""

    @property
    def output_format(self) -> str | None:
        """The form that is wanted."""

    @property
    def allowed_domains(self) -> tuple[str, ...]:
        """Hosts that may be fetched from; empty allows all."""

    @property
    def max_cost(self) -> Decimal | None:
        """What it may cost at most."""

    @property
    def is_async(self) -> bool:
        """True when the asker does not wait."""

    @property
    def job_id(self) -> str | None:
        """How the asker calls the job."""

    @property
    def record(self) -> Record:
        """What is needed to answer for it, without what it works on."""


class ServiceDialect(Protocol):
    """A provider's side of the dialect: pure, and asked inside decisions."""

    conflict: Reason
    agreement_unknown: Reason
    agreement_used: Reason
    agreement_expired: Reason
    job_unknown: Reason

    def terms(self, asked: Asked, before: Record | None) -> Terms:
        """The answer to terms put to us; ``before`` is what we countered them with.

        Raises ``Refused`` with its reasons.
        """

    def terms_reply(self, asked: Asked, terms: Terms) -> bytes:
        """The signed reply; its id is ``agreement_id``."""

    def agreement_id(self, asked: Asked) -> str:
        """The id under which an answer to these terms is kept."""

    def named_agreement(self, asked: Asked) -> tuple[str | None, bool]:
        """The agreement a message names, and whether it can name nothing else."""

    def binding(self, asked: Asked) -> str | None:
        """By whom, for which route and on which inputs: what finds an agreement not named."""

    def job_id(self, asked: Asked) -> str | None:
        """How the asker calls its job. Raises ``WireError`` for what is no name."""

    def order(self, asked: Asked, agreed: Record | None) -> Order:
        """The work a message asks for, within what was agreed. Raises ``Refused``."""

    def read_order(self, raw: bytes, record: Record) -> Order:
        """The same from the bytes that were kept, after a restart."""

    def raw(self, asked: Asked) -> bytes:
        """The message as received."""

    def evidence(self, record: Record, result: Result, at_ms: int, entropy: bytes) -> bytes:
        """The signed answer to work that was done."""

    def failure(self, record: Record, error: TreatyError, at_ms: int, entropy: bytes) -> bytes:
        """The answer to work that failed."""


class Worker(Protocol):
    """Whoever carries work out, beside whatever else the process does."""

    def start(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        """Begin ``work``; a few at a time. What it raises is told to the operator."""

    def stop(self, name: str) -> None:
        """Give work up, if it goes on."""

    async def within(self, limit_ms: int, work: Awaitable[Result]) -> Result:
        """Await ``work``, for so long. Raises what it raises, ``Refused`` (``timeout``)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """What a node needs to offer capabilities."""

    dialect: Any
    """A ``ServiceDialect``, and what the routes ask of it beyond that."""
    capabilities: Mapping[str, Capability]
    worker: Worker
    fetcher: Fetcher
    publisher: Any
    """A ``Publisher`` of ``publications``."""
    own: Sequence[Record] = ()
    """The registry's entries of this node's own capabilities."""
    listed: Sequence[Record] = ()
    """Entries the operator lists."""
