"""What the quote desk asks of a dialect of signed quotes, and of whoever can read the chain.

The engine never looks inside a message, a policy or a negotiation: it asks these questions,
writes down the answers and keeps nonces, places and time. ACTP satisfies it; ``app`` brings the
two together. Accounts are ``0x`` and lower-case hex, money is in base units.

Read next: ``quotes``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from treaty.errors import Reason
from treaty.wire.canonical import Json


@dataclass(frozen=True, slots=True)
class ChainTransaction:
    """A transaction as its kernel has it."""

    requester: str
    provider: str
    state: str
    """The kernel's word: ``INITIATED``, ``QUOTED``, ``COMMITTED`` ..."""
    amount_units: int
    deadline_s: int
    """Seconds since 1970."""


class ChainView(Protocol):
    """Whoever can read the configured chains."""

    async def transaction(self, chain_id: int, tx_id: str) -> ChainTransaction | None:
        """A transaction, or None where the kernel knows none.

        Raises ``UnavailableError`` when the chain cannot be read; that is never None.
        """
        ...


class Decider(Protocol):
    """A provider's own decision, run at the rim with a time limit."""

    async def __call__(self, context: Any) -> object:
        """What is proposed; None leaves it to the policy. Raises nothing."""
        ...


class CounterVerifying(Protocol):
    """Whoever verifies counters beside the loop, many at a time."""

    async def counter(
        self, raw: bytes, chain_id: int, tx_id: str, at_ms: int, under_way: int
    ) -> Heard | None:
        """A counter, read and verified as the dialect does; None says to do it here.

        ``under_way`` is how many counters wait for anything now. Raises nothing.
        """


class Heard(Protocol):
    """A verified message and what is kept of it."""

    @property
    def message(self) -> Any:
        """The message itself."""

    @property
    def signer(self) -> str:
        """The account that signed it."""

    @property
    def type(self) -> str:
        """Its type on the wire; nonces are counted per type."""

    @property
    def nonce(self) -> int | None:
        """Its nonce; None for messages that have none."""

    @property
    def hash(self) -> str:
        """The hash of everything but the signature."""


class Reading(Protocol):
    """A verified request to read a negotiation."""

    @property
    def account(self) -> str:
        """Who reads."""

    @property
    def digest(self) -> bytes:
        """What was signed; used once."""


class Answer(Protocol):
    """What is written down about one message, and said."""

    @property
    def kind(self) -> str:
        """Kind of the entry."""

    @property
    def record(self) -> Mapping[str, Json]:
        """What the fold needs; its ``verdict`` and ``reply`` are what is answered."""

    @property
    def parsed(self) -> Any:
        """The signed reply as a message, which spares the fold from reading it."""


class QuoteDialect(Protocol):
    """A provider's side of signed quotes, as functions over the dialect's own state."""

    @property
    def provider(self) -> str:
        """The provider's account."""

    @property
    def chain_ids(self) -> tuple[int, ...]:
        """The configured chains."""

    @property
    def max_active(self) -> int:
        """How many negotiations may be open."""

    @property
    def signer_slots(self) -> int:
        """How many of them one signer may hold."""

    @property
    def session_ttl_ms(self) -> int:
        """How long a negotiation stays open."""

    @property
    def reply_types(self) -> tuple[str, ...]:
        """The types of what we sign; nonces are counted per type."""

    @property
    def nonce_conflict(self) -> Reason:
        """Why a nonce that was used for another message is refused."""

    @property
    def negotiations_full(self) -> Reason:
        """Why nothing is opened when all places are taken."""

    @property
    def quote_declined(self) -> Reason:
        """Why a request gets no quote."""

    def kernel(self, chain_id: int) -> str:
        """The kernel's account. Raises ``Refused`` for a chain that is not configured."""

    def is_mock(self, chain_id: int) -> bool:
        """True when nothing settles there, so that transactions are only names."""

    def read_counter(self, raw: bytes, *, bare: bool) -> Any:
        """A counter-offer in its envelope, or ``bare``. Raises ``WireError``."""

    def place_of(self, message: Any) -> tuple[int, str]:
        """The chain and transaction a message says it is for."""

    def verify_counter(self, message: Any, chain_id: int, tx_id: str, at_ms: int) -> Heard:
        """Verify a counter sent to this place. Raises ``Refused``, ``SignatureError`` ..."""

    def read_request(self, raw: bytes) -> Any:
        """A request for a quote. Raises ``WireError``."""

    def verify_request(self, message: Any, at_ms: int) -> Heard:
        """Verify a request. Raises ``Refused``, ``SignatureError`` ..."""

    def verify_read(self, header: str, chain_id: int, tx_id: str, at_ms: int) -> Reading:
        """Verify who reads. Raises ``WireError``, ``Refused``, ``SignatureError``."""

    def start(self) -> Any:
        """The state of a negotiation of which nothing was heard."""

    def check(
        self, state: Any, heard: Any, transaction: ChainTransaction | None, at_ms: int
    ) -> None:
        """Refuse what does not belong here or comes too late. Raises ``Refused``.

        ``transaction`` is None where no chain is read; then a stranger's counter may open.
        """

    def context(
        self, state: Any, heard: Any, transaction: ChainTransaction | None, at_ms: int
    ) -> Any:
        """What a ``Decider`` is shown."""

    def decide(
        self,
        state: Any,
        heard: Any,
        transaction: ChainTransaction | None,
        at_ms: int,
        proposed: object,
    ) -> Any:
        """The decision on a message that may be heard; ``proposed`` is a decider's, or None."""

    def reply_type(self, decision: Any) -> str | None:
        """The type of the message a decision signs; None when it signs nothing."""

    def answer(
        self, state: Any, heard: Any, decision: Any, nonce: int | None, at_ms: int
    ) -> Answer:
        """Sign the reply and say what is written down."""

    def fold(self, state: Any, kind: str, record: Mapping[str, Json], parsed: Any) -> Any:
        """Fold one entry; ``parsed`` is the answer's, or None when read from the store."""

    def consumer(self, state: Any) -> str:
        """Whose negotiation it is; empty when nobody's yet."""

    def opened_ms(self, state: Any) -> int:
        """When it was opened."""

    def is_open(self, state: Any) -> bool:
        """True while it holds a place."""

    def view(self, state: Any) -> dict[str, Json]:
        """The negotiation for its parties, but for the messages."""
