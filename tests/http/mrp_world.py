"""A provider of capabilities to ask over MRP: a node in this process and a clock."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import count
from typing import Any

import httpx

from tests.http.nodes import NODE, OPERATOR, Clock, entropy, signer
from treaty.agent.capability import Markdown, Url, capability
from treaty.app.services import KeyRing, Workshop, own_entries
from treaty.dialects.asp.dialect import ASP
from treaty.dialects.mrp import codec, signing
from treaty.dialects.mrp.authority import Authority, Mode
from treaty.dialects.mrp.choices import Profile
from treaty.dialects.mrp.listing import Publishing
from treaty.dialects.mrp.offering import Offering
from treaty.dialects.mrp.serving import MRP
from treaty.engine.capability import Call, Capability, Item, Result
from treaty.engine.node import Identity, Node
from treaty.engine.ports import Store
from treaty.engine.service_dialect import Serving
from treaty.errors import UnavailableError
from treaty.http.guarded import GuardedClient
from treaty.http.limits import Settings
from treaty.http.server import App, listen, make_app, serve
from treaty.identity.keys import Ed25519Signer, PublicKey
from treaty.store.memory import MemoryStore
from treaty.wire.digest import sha256, sha256_tag
from treaty.wire.instants import format_instant

URL = "http://provider.test"
PROVIDER = f"service:treaty/{signer(NODE).key.key_id}"
BUYER = signer("agent://buyer.test/router")
PAGE = "https://example.com/pricing"

SEED_DISCOVER: dict[str, Any] = {
    "intent": "summarize pricing",
    "inputs": [{"type": "url", "value": PAGE}],
    "constraints": {
        "max_cost": 0.02,
        "max_latency_ms": 400,
        "data_residency": "us",
        "data_retention_days": 0,
        "policy": ["no_training", "no_pii"],
    },
    "proofs_required": ["attestation"],
}
SEED_NEGOTIATE: dict[str, Any] = {
    "route_id": "route-us-fast",
    "constraints": {
        "max_cost": 0.02,
        "policy": ["no_training", "no_pii"],
        "allowed_domains": ["example.com"],
    },
    "proofs": ["attestation"],
    "inputs": [{"type": "url", "value": PAGE}],
}
SEED_EXECUTE: dict[str, Any] = {
    "route_id": "route-us-fast",
    "inputs": [{"type": "url", "value": PAGE}],
    "output_format": "markdown",
}


async def _summarize(call: Call) -> Result:
    url = str(call.values("url")[0])
    text = f"# Summary of {url}"
    return Result(
        outputs=(Item(type="markdown", value=text),),
        citations=(url,),
        source_hashes=(sha256_tag(text.encode()),),
    )


SUMMARIZE = Capability(
    name="summarize",
    perform=_summarize,
    inputs=("url",),
    outputs=("markdown",),
    cost=Decimal("0.018"),
    latency_ms=280,
    confidence=Decimal("0.86"),
    policy=("no_training", "no_pii"),
    proofs=("attestation",),
    retention_days=0,
    training_use="none",
    route_id="route-us-fast",
)
"""The seed's provider A."""
CHEAP = Capability(
    name="summarize",
    perform=_summarize,
    inputs=("url",),
    outputs=("markdown",),
    cost=Decimal("0.012"),
    latency_ms=520,
    confidence=Decimal("0.78"),
    policy=("no_pii",),
    proofs=("attestation",),
    retention_days=14,
    training_use="optional",
    route_id="route-global-cheap",
)
"""The seed's provider B."""


@capability(cost="0.01", floor="0.006", route_id="route-shout")
async def shout(text: str) -> str:
    """Say it louder."""
    return text.upper() + "!"


@capability(needs_agreement=True, route_id="route-careful")
async def careful(text: str) -> str:
    """Work for those who have agreed on it."""
    return text


@capability(route_id="route-fetch")
async def fetch(url: Url, call: Call) -> Markdown:
    """Give back a page."""
    return Markdown((await call.fetch(url)).body.decode())


@capability(route_id="route-broken")
async def broken(text: str) -> str:
    """Fail as code fails."""
    raise ValueError(f"secret {text}")


class Gate:
    """A capability that goes on until it is let."""

    def __init__(self) -> None:
        self.opened = asyncio.Event()
        self.calls = 0

    def capability(self) -> Capability:
        """The capability."""

        async def perform(call: Call) -> Result:
            self.calls += 1
            await self.opened.wait()
            return Result(outputs=(Item(type="text", value=f"call {self.calls}"),))

        return Capability(name="wait", perform=perform, route_id="route-wait")


async def _refuse(_call: Call) -> Result:
    raise UnavailableError("the page is answered with 404", "fetch_failed")


FAILING = Capability(name="failing", perform=_refuse, route_id="route-failing")


@dataclass
class World:
    """A started provider and a client in the process."""

    node: Node
    app: App
    http: httpx.AsyncClient
    clock: Clock
    workshop: Workshop
    numbers: Any = field(default_factory=count)

    def envelope(self, msg_type: str, payload: Mapping[str, Any], **members: Any) -> dict[str, Any]:
        """A message of a buyer whom nobody knows."""
        number = next(self.numbers)
        return {
            "mrp_version": "0.1",
            "msg_id": f"message-{number:06}",
            "msg_type": msg_type,
            "timestamp": "2025-01-01T00:00:00Z",
            "sender": {"id": "agent:test/buyer"},
            "payload": dict(payload),
            **members,
        }

    def signed(
        self, msg_type: str, payload: Mapping[str, Any], key: Ed25519Signer = BUYER, **members: Any
    ) -> dict[str, Any]:
        """The same, signed as it has to be."""
        document = self.envelope(msg_type, payload)
        document |= {
            "receiver": {"id": PROVIDER},
            "nonce": document["msg_id"],
            "expires_at": format_instant(self.clock() + 60_000),
        }
        document |= members
        stated = {name: value for name, value in document.items() if value is not None}
        return signing.sign(stated, key)

    async def send(self, endpoint: str, document: Any, **headers: str) -> httpx.Response:
        """Post a document as it is."""
        stated = {"content-type": "application/mrp+json", **headers}
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        return await self.http.post(f"/mrp/{endpoint}", content=body, headers=stated)

    async def say(self, endpoint: str, payload: Mapping[str, Any], **members: Any) -> Any:
        """Post a message to its endpoint; returns the answer, which is under 200."""
        answer = await self.send(endpoint, self.envelope(endpoint.upper(), payload, **members))
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"] == "application/mrp+json"
        codec.decode(
            answer.content, Profile.STRICT if answer.json().get("receiver") else Profile.COMPAT
        )
        return answer.json()

    async def get(self, path: str, **headers: str) -> httpx.Response:
        """GET a path."""
        return await self.http.get(path, headers=headers)

    async def do_what_is_due(self) -> None:
        """Run the node's outbox until nothing is due."""
        while await self.node.outbox.run_due():
            pass


@asynccontextmanager
async def provider(
    *capabilities: Capability,
    mode: Mode = Mode.NONE,
    tokens: Mapping[str, Sequence[str]] | None = None,
    keys: Sequence[PublicKey] = (),
    profile: Profile = Profile.COMPAT,
    store: Store | None = None,
    clock: Clock | None = None,
    settings: Settings | None = None,
    listed: Sequence[Mapping[str, Any]] = (),
    allow_loopback: bool = False,
) -> AsyncIterator[World]:
    """A provider behind its application, without a network; in memory unless told otherwise."""
    known = capabilities or (SUMMARIZE,)
    clock = clock or Clock()
    ring = KeyRing({one.key_id: one for one in keys})
    hashed = {
        sha256(token.encode()).hex(): frozenset(scopes) for token, scopes in (tokens or {}).items()
    }
    own = signer(NODE)
    dialect = MRP(own, Offering(PROVIDER, known), Authority(mode, hashed, ring), profile=profile)
    fetcher = GuardedClient(allow_loopback=allow_loopback)
    workshop = Workshop(print)
    serving = Serving(
        dialect=dialect,
        capabilities={one.name: one for one in known},
        worker=workshop,
        fetcher=fetcher,
        publisher=Publishing(),
        own=own_entries(dialect, known, URL),
        listed=listed,
    )
    identity = Identity(NODE, own, URL, OPERATOR, signer(OPERATOR).key)
    node = Node(
        store or MemoryStore(),
        ASP,
        identity,
        clock=clock,
        entropy=entropy(),
        complain=print,
        serving=serving,
    )
    ring.join(node.publications)
    await node.start()
    app = make_app(node, settings=settings)
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url=URL) as client:
        yield World(node, app, client, clock, workshop)
    await workshop.close()
    await fetcher.close()
    if store is None:
        await node.desk.store.close()


@asynccontextmanager
async def over_loopback(here: World) -> AsyncIterator[httpx.AsyncClient]:
    """The provider under uvicorn on a loopback port, and a client of it."""
    bound = listen("127.0.0.1", 0)
    url = f"http://127.0.0.1:{bound.getsockname()[1]}"
    ready, stop = asyncio.Event(), asyncio.Event()
    serving = asyncio.create_task(serve(here.app, bound, stop, on_ready=ready.set))
    try:
        await ready.wait()
        async with httpx.AsyncClient(base_url=url, trust_env=False) as client:
            yield client
    finally:
        stop.set()
        await serving


def error_of(answer: Any) -> tuple[str, str]:
    """The code and the reason of an ERROR."""
    assert answer["msg_type"] == "ERROR", answer
    return answer["payload"]["code"], answer["payload"]["details"]["reason"]


def agreement_of(answer: Any) -> Any:
    """The agreement in a NEGOTIATE."""
    assert answer["msg_type"] == "NEGOTIATE", answer
    return answer["payload"]["constraints"]["agreement"]
