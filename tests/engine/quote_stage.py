"""A provider's quote desk in memory, with accounts that sign what they say to it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from treaty.dialects.actp import codec
from treaty.dialects.actp.builders import CounterOfferBuilder, build_read, build_request
from treaty.dialects.actp.chains import MOCK, Chains
from treaty.dialects.actp.dialect import ACTP
from treaty.dialects.actp.dids import make_did
from treaty.dialects.actp.hashes import message_hash
from treaty.dialects.actp.messages import CounterOffer, PriceQuote
from treaty.dialects.actp.policy import ProviderPolicy
from treaty.engine.desk import Desk
from treaty.engine.outbox import Outbox
from treaty.engine.ports import Store
from treaty.engine.quote_dialect import ChainTransaction
from treaty.engine.quote_timers import TASK
from treaty.engine.quotes import Quotes, Selling, Told
from treaty.identity.secp256k1 import EvmSigner
from treaty.store.memory import MemoryStore
from treaty.wire.digest import sha256

CHAIN = 84532
KERNELS = Chains({CHAIN: "0x" + "aa" * 20})
START_MS = 1_772_892_000_000
INVENTED = "0x" + "bb" * 32
TTL_MS = 300_000
NUMBERS = count(1_000_001)
"""Nonces of counters; a buyer goes on where it was when its provider restarts."""


def account(name: str) -> EvmSigner:
    """The key that a name always has."""
    return EvmSigner(sha256(name.encode()))


BUYER, OTHER, PROVIDER = account("buyer"), account("other"), account("provider")


def tx(number: int) -> str:
    """The id of a transaction."""
    return f"0x{number:064x}"


def seed_policy(**changes: Any) -> ProviderPolicy:
    """The seed's figures: 0.50 at least, 1.00 ideally, never above 10.00."""
    figures: dict[str, Any] = {
        "floor_units": 500_000,
        "ideal_units": 1_000_000,
        "hard_cap_units": 10_000_000,
        "max_active": 50,
        "session_ttl_s": 300,
        "quote_ttl_s": 300,
    }
    return ProviderPolicy(**{**figures, **changes})


@dataclass
class Clock:
    """The time, as a test wants it."""

    now_ms: int = START_MS

    def __call__(self) -> int:
        return self.now_ms


@dataclass
class Chain:
    """A chain of which a test says what stands on it."""

    transactions: dict[str, ChainTransaction] = field(default_factory=dict)

    async def transaction(self, chain_id: int, tx_id: str) -> ChainTransaction | None:
        return self.transactions.get(tx_id)

    def put(self, tx_id: str, *, requester: str = BUYER.address, **changes: Any) -> None:
        """A transaction between the buyer and the provider."""
        figures: dict[str, Any] = {
            "requester": requester,
            "provider": PROVIDER.address,
            "state": "INITIATED",
            "amount_units": 600_000,
            "deadline_s": START_MS // 1_000 + 86_400,
        }
        self.transactions[tx_id] = ChainTransaction(**{**figures, **changes})


@dataclass
class Stage:
    """A started desk and whoever speaks to it."""

    quotes: Quotes
    desk: Desk
    outbox: Outbox
    clock: Clock
    chains: Chains
    numbers: Any = NUMBERS

    def offer(
        self,
        tx_id: str,
        amount: int,
        *,
        signer: EvmSigner = BUYER,
        provider: str = PROVIDER.address,
        quote: PriceQuote | None = None,
        nonce: int | None = None,
        **changes: Any,
    ) -> CounterOffer:
        """A signed counter; to our quote where one is given, else to an invented one."""
        members: dict[str, Any] = {
            "tx_id": tx_id,
            "provider": make_did(CHAIN, provider),
            "quote_amount": 1_500_000 if quote is None else quote.units,
            "counter_amount": amount,
            "max_price": 2_000_000 if quote is None else quote.max_price_units,
            "in_reply_to": INVENTED if quote is None else message_hash(quote),
            "chain_id": CHAIN,
            "nonce": next(self.numbers) if nonce is None else nonce,
            "at_ms": self.clock(),
        }
        return CounterOfferBuilder(self.chains, signer).build(**{**members, **changes})

    async def say(self, counter: CounterOffer) -> Told:
        """Post a counter where it belongs."""
        return await self.quotes.counter(codec.encode(counter), CHAIN, counter.tx_id)

    async def counter(self, tx_id: str, amount: int, **options: Any) -> Told:
        """Make a counter and post it."""
        return await self.say(self.offer(tx_id, amount, **options))

    def asked(self, tx_id: str, *, signer: EvmSigner = BUYER, **changes: Any) -> bytes:
        """The body of a signed request for a quote."""
        figures: dict[str, Any] = {
            "tx_id": tx_id,
            "chain_id": CHAIN,
            "service": "translate",
            "amount": 600_000,
            "max_price": 2_000_000,
            "deadline": self.clock() // 1_000 + 86_400,
            "at_ms": self.clock(),
        }
        return codec.encode_request(build_request(self.chains, signer, **{**figures, **changes}))

    async def ask(self, tx_id: str, **options: Any) -> PriceQuote:
        """Ask for a quote and read it."""
        return quote_of(await self.quotes.request(self.asked(tx_id, **options)))

    def read_header(self, tx_id: str, signer: EvmSigner = BUYER, **changes: Any) -> str:
        """The header of a signed read."""
        figures = {"tx_id": tx_id, "chain_id": CHAIN, "at_ms": self.clock(), **changes}
        return codec.encode_read(build_read(self.chains, signer, **figures))

    async def do_what_is_due(self) -> None:
        """Run the outbox until nothing is due."""
        while await self.outbox.run_due():
            pass


@asynccontextmanager
async def stage(
    store: Store | None = None,
    *,
    clock: Clock | None = None,
    chains: Chains = MOCK,
    view: Chain | None = None,
    decider: Any = None,
    policy: ProviderPolicy | None = None,
) -> AsyncIterator[Stage]:
    """A desk that was started; the store outlives it, as a file outlives a process."""
    clock = clock or Clock()
    desk = Desk(store or MemoryStore(), clock=clock, entropy=bytes)
    dialect = ACTP(policy or seed_policy(), chains, PROVIDER)
    quotes = Quotes(desk, Selling(dialect, view, decider))
    await quotes.start()

    async def nothing() -> None:
        """No heart beats here."""

    outbox = Outbox(desk, {TASK: quotes.expire}, print, nothing)
    yield Stage(quotes, desk, outbox, clock, chains)


def reply_of(told: Told) -> Any:
    """The signed reply as a message."""
    assert isinstance(told.reply, dict), told
    return codec.decode_envelope(told.reply)


def quote_of(told: Told) -> PriceQuote:
    """The reply, which is a quote."""
    quote = reply_of(told)
    assert isinstance(quote, PriceQuote)
    return quote


def verdict_of(told: Told) -> tuple[str, str | None]:
    """What was decided, and the amount it names."""
    assert isinstance(told.verdict, dict)
    return told.verdict["action"], told.verdict["recommended_amount"]
