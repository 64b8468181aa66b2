"""A provider behind its real HTTP application, and buyers with stores of their own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.dialects.actp.messages_made import BUYER, CHAIN, SELLER, TX
from tests.http.nodes import NODE, OPERATOR, URL, Clock, entropy, signer
from treaty.agent.quote_loop import negotiate
from treaty.agent.quote_terms import Opening, Outcome, Terms
from treaty.agent.quotes import QuoteBuyer
from treaty.dialects.actp.buying import BuyerPolicy, BuyerStrategy
from treaty.dialects.actp.chains import MOCK
from treaty.dialects.actp.dialect import ACTP
from treaty.dialects.actp.dids import make_did
from treaty.dialects.actp.policy import ProviderPolicy
from treaty.dialects.asp.dialect import ASP
from treaty.engine.node import Identity, Node
from treaty.engine.ports import Store
from treaty.engine.quotes import Selling
from treaty.http.limits import Settings
from treaty.http.quote_client import QuoteClient
from treaty.http.server import make_app
from treaty.identity.secp256k1 import EvmSigner
from treaty.store.memory import MemoryStore

SEED = ProviderPolicy(
    floor_units=500_000, ideal_units=1_000_000, hard_cap_units=10_000_000, max_active=50,
    session_ttl_s=300, quote_ttl_s=300,
)  # fmt: skip
HAGGLER = BuyerPolicy(
    ceiling_units=950_000,
    daily_units=5_000_000,
    target_units=600_000,
    strategy=BuyerStrategy.MIDPOINT,
    rounds_per_provider=3,
    public_max_price_units=2_000_000,
)
PROVIDER = make_did(CHAIN, SELLER.address)


@dataclass
class Market:
    """One provider, and the time as a test wants it."""

    node: Node
    clock: Clock
    transport: httpx.ASGITransport
    stores: dict[str, Store] = field(default_factory=dict)

    def client(self) -> QuoteClient:
        """The provider's endpoint."""
        return QuoteClient(URL, transport=self.transport)

    def buyer(
        self,
        policy: BuyerPolicy = HAGGLER,
        *,
        key: EvmSigner = BUYER,
        store: Store | None = None,
        **more: Any,
    ) -> QuoteBuyer:
        """A buyer; the same key has the same store, unless told otherwise."""
        kept = store or self.stores.setdefault(key.address, MemoryStore())
        return QuoteBuyer(
            key, policy, kept, chains=MOCK, clock=self.clock, entropy=entropy(), **more
        )

    def terms(self, **changes: Any) -> Terms:
        """A job of 0.50 within the hour."""
        members: dict[str, Any] = {
            "tx_id": TX, "chain_id": CHAIN, "amount_units": 500_000,
            "deadline_s": self.clock.now_ms // 1_000 + 3_600,
        }  # fmt: skip
        return Terms(**members | changes)

    def opening(self, counter_units: int = 700_000, **changes: Any) -> Terms:
        """The same, opened with an offer."""
        offer = Opening(1_000_000, counter_units, 2_000_000)
        return self.terms(opening=offer, provider=PROVIDER, **changes)

    async def negotiate(self, buyer: QuoteBuyer, terms: Terms) -> Outcome:
        """A whole negotiation over HTTP."""
        client = self.client()
        try:
            return await negotiate(buyer, client, terms, tries=1)
        finally:
            await client.close()


@asynccontextmanager
async def market(
    policy: ProviderPolicy = SEED, store: Store | None = None
) -> AsyncIterator[Market]:
    """A provider behind its application, without a network."""
    clock = Clock()
    identity = Identity(NODE, signer(NODE), URL, OPERATOR, signer(OPERATOR).key)
    selling = Selling(ACTP(policy, MOCK, SELLER))
    node = Node(
        store or MemoryStore(), ASP, identity, clock=clock, entropy=entropy(), complain=print,
        selling=selling,
    )  # fmt: skip
    await node.start()
    yield Market(node, clock, httpx.ASGITransport(make_app(node, settings=Settings())))
