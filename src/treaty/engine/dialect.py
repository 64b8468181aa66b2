"""What the session host asks of a dialect of signed sessions. ASP satisfies it; so may others.

The engine never looks inside a message or a session: it asks these questions and writes down
what follows. ``app`` brings the two together.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Protocol

from treaty.core.checks import Check
from treaty.core.commitment import Order
from treaty.core.log import HostFact, Receipt
from treaty.core.matching import Need, Page
from treaty.core.rates import UsdRates
from treaty.core.schedule import Schedule
from treaty.identity.keys import ProofKey, PublicKey, Signer
from treaty.wire.canonical import Json


@dataclass(frozen=True, slots=True)
class Standing:
    """What the trust node says about one agent at this moment."""

    score: Decimal
    level: int
    provisional: bool


class NamedNode(Protocol):
    """A node that an invitation names for one of the roles (B7)."""

    @property
    def uri(self) -> str:
        """Who it is."""

    @property
    def key_id(self) -> str | None:
        """Which key it has; None when only the name was given."""

    @property
    def url(self) -> str | None:
        """Where it is, if that was said."""


class Notice(Protocol):
    """Something for an agent's inbox."""

    @property
    def agent(self) -> str:
        """Whose inbox."""

    @property
    def kind(self) -> str:
        """``invitation``, ``answered``, ``delegation``, ``escalation``."""

    @property
    def body(self) -> Mapping[str, Json]:
        """What to tell."""


class Settled(Protocol):
    """A commitment that has ended, as the trust node wants to hear of it."""

    @property
    def commitment(self) -> str:
        """Its id."""

    @property
    def payer(self) -> str:
        """Who paid."""

    @property
    def payee(self) -> str:
        """Who was paid."""

    @property
    def asset(self) -> str:
        """In what."""

    @property
    def value_units(self) -> int:
        """Posted for what was kept; reserved for what was breached (B16). 0: no outcome."""

    @property
    def values(self) -> Mapping[str, int]:
        """Agent -> the same by whether it kept its own part."""

    @property
    def kept(self) -> Mapping[str, bool]:
        """Agent -> whether it kept its own obligations."""

    @property
    def ratings(self) -> Mapping[str, int]:
        """Agent -> the rating it *received*."""

    @property
    def consent(self) -> bool:
        """True when both ended it early by consent."""

    @property
    def disputed(self) -> bool:
        """True when a dispute about it was ruled on."""

    @property
    def severity(self) -> int | None:
        """The resolver's, 1 to 5, when a ruling found a breach."""

    @property
    def usd_rate(self) -> Decimal | None:
        """What one whole unit of the asset was worth in US dollars; none for dollars."""


class Wanted(Protocol):
    """One machine check that a duty waits for."""

    @property
    def commitment(self) -> str:
        """Whose duty."""

    @property
    def obligation(self) -> str:
        """The duty."""

    @property
    def probe(self) -> str:
        """``claim`` or ``window``."""

    @property
    def check(self) -> Check:
        """What to fetch."""


class Sampling(Protocol):
    """One interval of a schedule that is being measured, or waits to be."""

    @property
    def commitment(self) -> str:
        """Whose schedule."""

    @property
    def part(self) -> str:
        """The interval."""

    @property
    def begin_ms(self) -> int:
        """When it begins."""

    @property
    def end_ms(self) -> int:
        """When it is over."""

    @property
    def schedule(self) -> Schedule:
        """How it is measured."""

    @property
    def last(self) -> bool:
        """True for the last one: with its measurement the secret is revealed."""


class MessageVerifying(Protocol):
    """Whoever checks hash, signature and proof of messages beside the loop, many at a time."""

    async def message(
        self, raw: bytes, key: PublicKey, at_ms: int, base_url: str, under_way: int
    ) -> bool:
        """True when ``authenticate`` would raise nothing, with ``key`` for the proof as well.

        False says to find out here. ``under_way`` is how many messages wait for anything now.
        Raises nothing.
        """


class SessionDialect(Protocol):
    """A protocol of signed sessions, as pure functions over its own state (``Any`` here)."""

    @property
    def tag(self) -> str:
        """Name and version, as in a deal file."""

    def decode(self, raw: bytes) -> Any:
        """Bytes to message. Raises ``WireError``."""

    def start(self) -> Any:
        """The state of a session nobody has opened."""

    def performative(self, message: Any) -> str:
        """Name of the message's kind, for receipts."""

    def authenticate(
        self,
        message: Any,
        key: PublicKey,
        *,
        proof_key: ProofKey,
        received_at_ms: int,
        base_url: str,
    ) -> None:
        """Check signature and proof. Raises ``SignatureError``."""

    def judge(
        self,
        state: Any,
        message: Any,
        at_ms: int,
        standing: Callable[[str], Standing],
        usd_rates: UsdRates,
        key: PublicKey,
    ) -> None:
        """Refuse what is not lawful now, said by this key. Raises ``Refused``."""

    def invited(self, message: Any) -> str | None:
        """The agent an opening message invites; None for any other message."""

    def host_named(self, message: Any) -> tuple[tuple[str, str | None], ...]:
        """The nodes an opening message names, by URI and key id, for all it leaves to a node."""

    def operator_named(self, message: Any) -> str | None:
        """The key id of the operator an opening message names. Raises ``WireError``."""

    def trust_named(self, message: Any) -> NamedNode | None:
        """The trust node an opening message names; None for the host's own."""

    def trust_node(self, state: Any) -> NamedNode | None:
        """The trust node of a session, as its invitation named it."""

    def signature(self, message: Any) -> str:
        """The signature of a message, as text."""

    def check_shown(self, tag: str, signature: str, key: PublicKey) -> None:
        """Check that a key signed the message of this hash, unseen. Raises ``SignatureError``."""

    def fold_message(self, state: Any, message: Any, receipt: Receipt, entry: str) -> Any:
        """Fold an accepted message."""

    def fold_fact(self, state: Any, fact: HostFact, entry: str) -> Any:
        """Fold what the host observed."""

    def unrated(self, state: Any) -> Mapping[str, str]:
        """Commitments whose currency needs a rate that was not stated yet, with the currency."""

    def orders(self, state: Any) -> tuple[Order, ...]:
        """What the clearing must do now."""

    def due(self, state: Any, now_ms: int) -> tuple[str, int] | None:
        """The earliest timer that is due: its name and when it was due."""

    def next_due_ms(self, state: Any) -> int | None:
        """When a timer is due next."""

    def notices(self, before: Any, after: Any, message: Any) -> tuple[Notice, ...]:
        """What an accepted message means for inboxes."""

    def unreported(self, state: Any) -> tuple[str, ...]:
        """Commitments that have ended, money and all, and whose outcome is not in the log."""

    def wanted(self, state: Any) -> tuple[Wanted, ...]:
        """Machine checks that duties of this session wait for (B13)."""

    def samplings(self, state: Any) -> tuple[Sampling, ...]:
        """Measurements that are under way, by the interval each is in (B13)."""

    def judge_dispute(self, state: Any, record: Mapping[str, Json], at_ms: int) -> None:
        """Refuse a filing that is not lawful now. Raises ``TreatyError``."""

    def dispute(self, state: Any, dispute: str) -> Any:
        """One dispute: ``id``, ``filer``, ``against``, ``arbiters``. Raises ``Refused``."""

    def dispute_records(self, state: Any, dispute: str) -> frozenset[str]:
        """Hashes of the records about a dispute that are in the log."""

    def dispute_view(self, state: Any, dispute: str) -> dict[str, Json]:
        """One dispute, for those who may read it."""

    def arbiters(self, state: Any) -> tuple[Any, ...]:
        """Arbiters of this session's disputes, as participants that only read."""

    def settled(self, state: Any, commitment: str) -> Settled:
        """How a commitment ended."""

    def view(self, state: Any) -> dict[str, Json]:
        """The session for its participants, as JSON."""

    def read_query(self, raw: bytes) -> tuple[Any, Need]:
        """A discovery question: the message and what it asks for."""

    def check_signature(self, message: Any, key: PublicKey) -> None:
        """Check a message's signature, and nothing else of it. Raises ``SignatureError``."""

    def answer_query(
        self, message: Any, page: Page, *, signer: Signer, uri: str, at_ms: int, entropy: bytes
    ) -> bytes:
        """The signed answer to a discovery question."""
