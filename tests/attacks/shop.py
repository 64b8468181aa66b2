"""A provider behind its application, for whoever wants to attack it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from tests.engine.quote_stage import CHAIN, PROVIDER, Stage, seed_policy, tx
from tests.http.nodes import NODE, OPERATOR, URL, Clock, entropy, signer
from treaty.dialects.actp import codec
from treaty.dialects.actp.chains import MOCK
from treaty.dialects.actp.dialect import ACTP
from treaty.dialects.actp.messages import CounterOffer
from treaty.dialects.actp.policy import ProviderPolicy
from treaty.dialects.asp.dialect import ASP
from treaty.engine.node import Identity, Node
from treaty.engine.quotes import Selling
from treaty.http.server import App, make_app
from treaty.store.memory import MemoryStore


@dataclass
class Shop:
    """The provider, a client, and a buyer's side of it that signs."""

    app: App
    http: httpx.AsyncClient
    node: Node
    stage: Stage

    def offer(self, number: int = 1, amount: int = 1_100_000, **changes: Any) -> CounterOffer:
        """A good counter."""
        return self.stage.offer(tx(number), amount, **changes)

    async def post(self, body: Any, number: int = 1, **headers: str) -> httpx.Response:
        """Post to the channel of a transaction."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        path = f"/quote-channel/{CHAIN}/{tx(number)}"
        return await self.http.post(path, content=raw, headers=headers)

    async def say(self, counter: CounterOffer) -> httpx.Response:
        """Post a counter where it belongs."""
        path = f"/quote-channel/{counter.chain_id}/{counter.tx_id}"
        return await self.http.post(path, content=codec.encode(counter))


@asynccontextmanager
async def shop(policy: ProviderPolicy | None = None) -> AsyncIterator[Shop]:
    """A provider that was started, in memory."""
    clock = Clock()
    identity = Identity(NODE, signer(NODE), URL, OPERATOR, signer(OPERATOR).key)
    selling = Selling(ACTP(policy or seed_policy(), MOCK, PROVIDER))
    node = Node(
        MemoryStore(), ASP, identity, clock=clock, entropy=entropy(), complain=print,
        selling=selling,
    )  # fmt: skip
    await node.start()
    assert node.quotes is not None
    app = make_app(node)
    stage = Stage(node.quotes, node.desk, node.outbox, clock, MOCK)  # type: ignore[arg-type]
    transport = httpx.ASGITransport(app, client=("127.0.0.1", 1))
    async with httpx.AsyncClient(transport=transport, base_url=URL) as client:
        yield Shop(app, client, node, stage)
