"""A node to ask, and agents that sign what they say, for the tests of this room."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import httpx

from treaty.dialects.asp.codec import compose, seal
from treaty.dialects.asp.dialect import ASP
from treaty.dialects.asp.messages import Performative
from treaty.dialects.asp.rules import messages_url
from treaty.engine.node import Identity, Node
from treaty.engine.ports import Store
from treaty.http.limits import Settings
from treaty.http.server import App, make_app
from treaty.identity.cards import make_card
from treaty.identity.dpop import MessageBinding, header_proof, message_proof
from treaty.identity.keys import Ed25519Signer
from treaty.identity.records import seal as seal_record
from treaty.store.memory import MemoryStore
from treaty.wire.canonical import canonical
from treaty.wire.digest import ZERO_TAG, sha256
from treaty.wire.ids import uuid7

URL = "http://node.test"
START_MS = 1_772_892_000_000
NODE_URI = "agent://node.test/treaty"
OPERATOR_URI = "agent://operator.test/treasury"
SESSION = "019526a1-8e1a-7000-8000-000000000001"


def signer(name: str) -> Ed25519Signer:
    """The key that a name always has."""
    return Ed25519Signer(sha256(name.encode()))


OPERATOR = signer(OPERATOR_URI)


@dataclass
class Clock:
    """The time, as a test wants it."""

    now_ms: int = START_MS

    def __call__(self) -> int:
        return self.now_ms


def entropy() -> Any:
    """Bytes that look random and are always the same."""
    numbers = count()

    def draw(size: int) -> bytes:
        return b"".join(sha256(b"%d" % next(numbers)) for _ in range(-(-size // 32)))[:size]

    return draw


def make_node(store: Store, clock: Clock, *, url: str = URL) -> Node:
    """A node that was not started."""
    identity = Identity(NODE_URI, signer(NODE_URI), url, OPERATOR_URI, OPERATOR.key)
    return Node(store, ASP, identity, clock=clock, entropy=entropy(), complain=print)


@dataclass
class World:
    """A started node, its application, a client in the process, and a clock."""

    node: Node
    app: App
    http: httpx.AsyncClient
    clock: Clock

    async def agent(self, uri: str, **card: Any) -> Agent:
        """An agent that is registered."""
        agent = Agent(uri, self.clock)
        answer = await self.post("/v1/asp/agents", agent.card(**card))
        assert answer.status_code in (200, 201), answer.text
        return agent

    async def post(self, path: str, body: bytes, **headers: str) -> httpx.Response:
        headers = {"content-type": "application/asp+json", **headers}
        return await self.http.post(path, content=body, headers=headers)

    async def read(self, agent: Agent, path: str, query: str = "") -> httpx.Response:
        """GET with the agent's own proof."""
        return await self.http.get(path + query, headers={"DPoP": agent.proof(path)})

    async def send(self, message: bytes) -> httpx.Response:
        session = json.loads(message)["sessionId"]
        return await self.post(f"/v1/asp/sessions/{session}/messages", message)


@asynccontextmanager
async def world(
    *, settings: Settings | None = None, store: Store | None = None
) -> AsyncIterator[World]:
    """A node in memory behind its application, without a network."""
    clock = Clock()
    node = make_node(store or MemoryStore(), clock)
    await node.start()
    app = make_app(node, settings=settings)
    transport = httpx.ASGITransport(app, raise_app_exceptions=True)
    async with httpx.AsyncClient(transport=transport, base_url=URL) as client:
        yield World(node, app, client, clock)
    await node.desk.store.close()


class Agent:
    """Somebody with a URI and a key."""

    def __init__(self, uri: str, clock: Clock) -> None:
        self.uri = uri
        self.signer = signer(uri)
        self.clock = clock
        self._numbers = count()

    def card(self, **extra: Any) -> bytes:
        capabilities = extra.pop("capabilities", ("negotiate.compute",))
        version = extra.pop("version", 1)
        return canonical(
            make_card(
                self.signer,
                uri=self.uri,
                name=self.uri.rsplit("/", 1)[-1],
                organization=self.uri.split("/")[2],
                org_id="org",
                capabilities=capabilities,
                endpoints={"asp": f"{URL}/v1/asp"},
                version=version,
                extra=extra,
            )
        )

    def fresh_id(self) -> str:
        return uuid7(self.clock(), sha256(f"{self.uri}{next(self._numbers)}".encode()))

    def proof(self, path: str, *, method: str = "GET", jti: str | None = None) -> str:
        return header_proof(
            self.signer,
            method=method,
            url=URL + path,
            jti=jti or self.fresh_id(),
            at_ms=self.clock(),
        )


@dataclass
class Chain:
    """The messages of one session, each made to extend the last."""

    inviter: Agent
    invitee: Agent
    session: str = SESSION
    url: str = URL
    head: str = ZERO_TAG
    count: int = 0
    sequences: dict[str, int] = field(default_factory=dict)

    def make(
        self, sender: Agent, performative: str, body: dict[str, Any], **options: Any
    ) -> bytes:
        """A signed message; it moves the chain on only when ``said``."""
        session = options.pop("session", self.session)
        previous = options.pop("previous", self.head)
        sequence = options.pop("sequence", self.sequences.get(sender.uri, 0))
        message_id = options.pop("message_id", None) or sender.fresh_id()
        at_ms = options.pop("at_ms", sender.clock())
        binding = MessageBinding(
            message_id, session, sequence, previous, messages_url(self.url, session)
        )
        document = compose(
            message_id=message_id,
            at_ms=at_ms,
            sender={
                "agentId": sender.uri,
                "orgId": "org",
                "trustScore": 49,
                "dpopProof": message_proof(sender.signer, binding, at_ms),
            },
            performative=Performative(performative),
            body=body,
            previous_hash=previous,
            salt=sha256(message_id.encode())[:16],
            session_id=session,
            sequence=sequence,
            **options,
        )
        return canonical(seal(document, sender.signer))

    def said(self, message: bytes) -> None:
        """The host has accepted a message."""
        document = json.loads(message)
        self.head = document["integrity"]["hash"]
        self.sequences[document["sender"]["agentId"]] = document["sequenceNumber"] + 1
        self.count += 1

    def next(
        self, sender: Agent, performative: str, body: dict[str, Any], **options: Any
    ) -> bytes:
        """A message that will be accepted."""
        message = self.make(sender, performative, body, **options)
        self.said(message)
        return message

    def invitation(self, **terms: Any) -> bytes:
        body = {
            "proposalId": "inv_1",
            "type": "session-invitation",
            "subject": "GPU compute",
            "terms": {"proposedDuration": 3_600_000, **terms},
        }
        return self.next(self.inviter, "PROPOSE", body, recipient=self.invitee.uri)

    def welcome(self) -> list[bytes]:
        """Everything until the session is INTRODUCED, the invitation first."""
        messages = [self.invitation()]
        accept = {"referenceId": "inv_1"}
        messages.append(self.next(self.invitee, "ACCEPT", accept, recipient=self.inviter.uri))
        for agent in (self.inviter, self.invitee):
            card = json.loads(agent.card())
            body = {"informType": "identity", "subject": "me", "data": {"agentCard": card}}
            messages.append(self.next(agent, "INFORM", body))
        return messages

    def observation(self, sender: Agent, **options: Any) -> bytes:
        body = {"subject": "all is well", "data": {"n": self.count}}
        return self.next(sender, "OBSERVE", body, **options)


async def introduced(world: World, **options: Any) -> tuple[Chain, Agent, Agent]:
    """A session of Alpha and Beta that has reached INTRODUCED."""
    alpha = await world.agent("agent://acme.com/procurement/alpha")
    beta = await world.agent("agent://cloudprime.io/gpu/beta")
    chain = Chain(alpha, beta, **options)
    invitation, *rest = chain.welcome()
    answers = [await world.post("/v1/asp/sessions", invitation)]
    answers += [await world.send(message) for message in rest]
    assert [one.status_code for one in answers] == [201] * 4, [one.text for one in answers]
    return chain, alpha, beta


def operator_record(kind: str, body: dict[str, Any]) -> bytes:
    """A record signed by the operator."""
    return canonical(seal_record(kind, body, OPERATOR))


def run(test: Any) -> None:
    """Run an asynchronous test."""
    asyncio.run(test)
