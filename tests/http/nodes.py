"""A node to ask, and agents that sign what they say, for the tests of this room."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
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
from treaty.http.server import App, listen, make_app, serve
from treaty.http.sse import Event, Reader
from treaty.identity.cards import make_card
from treaty.identity.dpop import MessageBinding, header_proof, message_proof
from treaty.identity.keys import Ed25519Signer
from treaty.identity.records import seal as seal_record
from treaty.store.memory import MemoryStore
from treaty.wire.canonical import canonical
from treaty.wire.digest import ZERO_TAG, sha256
from treaty.wire.ids import uuid7
from treaty.wire.instants import format_instant

URL = "http://node.test"
START_MS = 1_772_892_000_000
ALPHA = "agent://acme.com/procurement/alpha"
BETA = "agent://cloudprime.io/gpu/beta"
NODE = "agent://node.test/treaty"
OPERATOR = "agent://operator.test/treasury"
SESSION = "019526a1-8e1a-7000-8000-000000000001"
OTHER_SESSION = "019526a1-8e1a-7000-8000-000000000002"
MESSAGES = f"/v1/asp/sessions/{SESSION}/messages"


def signer(name: str) -> Ed25519Signer:
    """The key that a name always has."""
    return Ed25519Signer(sha256(name.encode()))


@dataclass
class Clock:
    """The time, as a test wants it."""

    now_ms: int = START_MS

    def __call__(self) -> int:
        return self.now_ms


def entropy() -> Callable[[int], bytes]:
    """Bytes that look random and are always the same."""
    numbers = count()

    def draw(size: int) -> bytes:
        return b"".join(sha256(b"%d" % next(numbers)) for _ in range(-(-size // 32)))[:size]

    return draw


def make_node(store: Store, clock: Clock, *, url: str = URL) -> Node:
    """A node that was not started."""
    identity = Identity(NODE, signer(NODE), url, OPERATOR, signer(OPERATOR).key)
    return Node(store, ASP, identity, clock=clock, entropy=entropy(), complain=print)


@dataclass
class World:
    """A started node, its application, a client in the process, and a clock."""

    node: Node
    app: App
    http: httpx.AsyncClient
    clock: Clock
    url: str = URL

    async def agent(self, uri: str, **card: Any) -> Agent:
        """An agent that is registered."""
        agent = Agent(uri, self.clock, self.url)
        answer = await self.post("/v1/asp/agents", agent.card(**card))
        assert answer.status_code in (200, 201), answer.text
        return agent

    async def post(self, path: str, body: bytes, **headers: str) -> httpx.Response:
        stated = {"content-type": "application/asp+json", **headers}
        return await self.http.post(path, content=body, headers=stated)

    async def read(self, agent: Agent, path: str, query: str = "") -> httpx.Response:
        """GET with the agent's own proof."""
        return await self.http.get(path + query, headers={"DPoP": agent.proof(path)})

    async def send(self, message: bytes) -> httpx.Response:
        """Send a message where it belongs."""
        session = json.loads(message)["sessionId"]
        return await self.post(f"/v1/asp/sessions/{session}/messages", message)

    async def say(self, *messages: bytes) -> None:
        """Send messages that must be accepted."""
        for message in messages:
            answer = await self.send(message)
            assert answer.status_code == 201, answer.text

    async def view(self, agent: Agent, session: str = SESSION) -> Any:
        """The session as the node shows it."""
        answer = await self.read(agent, f"/v1/asp/sessions/{session}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def fund(self, agent: str, amount: str) -> None:
        """Put money into an agent's account."""
        answer = await self.post("/v1/ledger/transfers", transfer("fund", agent, amount))
        assert answer.status_code == 201, answer.text

    async def do_what_is_due(self) -> None:
        """Run the node's outbox until nothing is due."""
        while await self.node.outbox.run_due():
            pass


@asynccontextmanager
async def world(
    *, settings: Settings | None = None, store: Store | None = None
) -> AsyncIterator[World]:
    """A node behind its application, without a network; in memory unless told otherwise."""
    clock = Clock()
    node = make_node(store or MemoryStore(), clock)
    await node.start()
    app = make_app(node, settings=settings)
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url=URL) as client:
        yield World(node, app, client, clock)
    await node.desk.store.close()


@asynccontextmanager
async def served(
    *, settings: Settings | None = None, store: Store | None = None, port: int = 0
) -> AsyncIterator[World]:
    """A node under uvicorn on a loopback port."""
    listening = listen("127.0.0.1", port)
    url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    clock = Clock()
    node = make_node(store or MemoryStore(), clock, url=url)
    await node.start()
    app = make_app(node, settings=settings)
    ready, stop = asyncio.Event(), asyncio.Event()
    serving = asyncio.create_task(serve(app, listening, stop, on_ready=ready.set))
    try:
        await ready.wait()
        async with httpx.AsyncClient(base_url=url, trust_env=False) as client:
            yield World(node, app, client, clock, url)
    finally:
        stop.set()
        await serving
        await node.desk.store.close()


class Agent:
    """Somebody with a URI and a key."""

    def __init__(self, uri: str, clock: Clock, url: str = URL) -> None:
        self.uri = uri
        self.signer = signer(uri)
        self.clock = clock
        self.url = url
        self._numbers = count()

    def card(self, **extra: Any) -> bytes:
        """A signed card."""
        capabilities = extra.pop("capabilities", ("negotiate.compute",))
        version = extra.pop("version", 1)
        card = make_card(
            self.signer,
            uri=self.uri,
            name=self.uri.rsplit("/", 1)[-1],
            organization=self.uri.split("/")[2],
            org_id="org",
            capabilities=capabilities,
            endpoints={"asp": f"{self.url}/v1/asp"},
            version=version,
            extra=extra,
        )
        return canonical(card)

    def fresh_id(self) -> str:
        """An id not used before."""
        return uuid7(self.clock(), sha256(f"{self.uri}{next(self._numbers)}".encode()))

    def proof(self, path: str, *, method: str = "GET", jti: str | None = None) -> str:
        """A header proof for one request."""
        return header_proof(
            self.signer,
            method=method,
            url=self.url + path,
            jti=jti or self.fresh_id(),
            at_ms=self.clock(),
        )


@dataclass
class Chain:
    """The messages of one session, each made to extend the last."""

    inviter: Agent
    invitee: Agent
    session: str = SESSION
    head: str = ZERO_TAG
    count: int = 0
    sequences: dict[str, int] = field(default_factory=dict)

    def make(self, sender: Agent, performative: str, body: dict[str, Any], **options: Any) -> bytes:
        """A signed message; the chain moves on only when it is ``said``."""
        session = options.pop("session", self.session)
        previous = options.pop("previous", self.head)
        sequence = options.pop("sequence", self.sequences.get(sender.uri, 0))
        message_id = options.pop("message_id", None) or sender.fresh_id()
        at_ms = options.pop("at_ms", sender.clock())
        url = messages_url(options.pop("url", sender.url), session)
        binding = MessageBinding(message_id, session, sequence, previous, url)
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

    def said(self, message: bytes) -> bytes:
        """The host will accept this message."""
        document = json.loads(message)
        self.head = document["integrity"]["hash"]
        self.sequences[document["sender"]["agentId"]] = document["sequenceNumber"] + 1
        self.count += 1
        return message

    def next(self, sender: Agent, performative: str, body: dict[str, Any], **options: Any) -> bytes:
        """A message that will be accepted."""
        return self.said(self.make(sender, performative, body, **options))

    def invitation(self, **terms: Any) -> bytes:
        """The invitation of this session."""
        body = {
            "proposalId": "inv_1",
            "type": "session-invitation",
            "subject": "GPU compute",
            "terms": {"proposedDuration": 3_600_000, **terms},
        }
        return self.next(self.inviter, "PROPOSE", body, recipient=self.invitee.uri)

    def welcome(self, **terms: Any) -> list[bytes]:
        """Everything until the session is INTRODUCED, the invitation first."""
        messages = [self.invitation(**terms)]
        messages.append(self.next(self.invitee, "ACCEPT", {"referenceId": "inv_1"}))
        for agent in (self.inviter, self.invitee):
            card = json.loads(agent.card())
            body = {"informType": "identity", "subject": "me", "data": {"agentCard": card}}
            messages.append(self.next(agent, "INFORM", body))
        return messages

    def observation(self, sender: Agent, **options: Any) -> bytes:
        """A message that may be sent at any time."""
        body = {"subject": "all is well", "data": {"n": self.count}}
        return self.make(sender, "OBSERVE", body, **options)

    def offer(self, sender: Agent, name: str, **body: Any) -> bytes:
        """A proposal."""
        said = {"proposalId": name, "type": "terms", "subject": "hours", "terms": {}, **body}
        return self.make(sender, "PROPOSE", said)

    def commitment(self, sender: Agent, *, amount: float = 180, currency: str = "USD") -> bytes:
        """Alpha pays, Beta provides, within an hour."""
        deadline = format_instant(sender.clock() + 3_600_000)

        def duty(party: Agent, method: str) -> dict[str, str]:
            return {
                "party": party.uri,
                "action": "its part",
                "deadline": deadline,
                "verificationMethod": method,
            }

        body = {
            "commitmentId": "cmt_1",
            "type": "resource-allocation",
            "subject": "hours",
            "terms": {},
            "obligations": {
                "buyer": duty(self.inviter, "escrow-release"),
                "provider": duty(self.invitee, "counterparty-confirm"),
            },
            "escrow": {
                "amount": amount,
                "currency": currency,
                "releaseCondition": "obligation-met",
            },
        }
        return self.make(sender, "COMMIT", body)


async def introduced(world: World, session: str = SESSION) -> tuple[Chain, Agent, Agent]:
    """A session of Alpha and Beta that has reached INTRODUCED."""
    alpha, beta = await world.agent(ALPHA), await world.agent(BETA)
    chain = Chain(alpha, beta, session)
    invitation, *rest = chain.welcome()
    answer = await world.post("/v1/asp/sessions", invitation)
    assert answer.status_code == 201, answer.text
    await world.say(*rest)
    return chain, alpha, beta


def operator_record(kind: str, body: dict[str, Any]) -> bytes:
    """A record signed by the operator."""
    return canonical(seal_record(kind, body, signer(OPERATOR)))


def transfer(direction: str, agent: str, amount: str, name: str = "tr_1") -> bytes:
    """A transfer of US dollars signed by the operator."""
    body = {
        "id": name,
        "direction": direction,
        "agent": agent,
        "amount": {"amount": amount, "currency": "USD"},
        "at": format_instant(START_MS),
    }
    return operator_record("transfer", body)


class Stream:
    """One reader of one event stream, inside the process.

    ``held`` makes it a reader who does not read.
    """

    def __init__(self, app: App, path: str, *, query: str = "", **headers: str) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.body = b""
        self.held = asyncio.Event()
        self.held.set()
        self.aborted = False
        self._app = app
        self._events: asyncio.Queue[Event] = asyncio.Queue()
        self._reader = Reader()
        self._gone = asyncio.Event()
        self._begun = asyncio.Event()
        self._scope = {
            "type": "http",
            "method": "GET",
            "path": path,
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "headers": [(k.replace("_", "-").encode(), v.encode()) for k, v in headers.items()],
            "client": ("127.0.0.1", 1),
            "state": {"abort": self._abort},
        }
        self.task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        await self._app(self._scope, self._receive, self._send)
        self._begun.set()

    def _abort(self) -> None:
        self.aborted = True

    async def _receive(self) -> dict[str, Any]:
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = {k.decode(): v.decode() for k, v in message["headers"]}
            return
        await self.held.wait()
        self.body += message.get("body", b"")
        for event in self._reader.feed(message.get("body", b"")):
            self._events.put_nowait(event)
        self._begun.set()

    async def begun(self) -> int:
        """Wait for the first bytes; returns the status."""
        await self._begun.wait()
        return self.status

    async def next(self, *names: str) -> Event:
        """The next event, of these names if any are given."""
        async with asyncio.timeout(30):
            while True:
                event = await self._events.get()
                if not names or event.name in names:
                    return event

    async def several(self, number: int, *names: str) -> list[Event]:
        """The next few events."""
        return [await self.next(*names) for _ in range(number)]

    def waiting(self) -> int:
        """Events that have come and were not looked at."""
        return self._events.qsize()

    async def leave(self) -> None:
        """Hang up, and wait until the stream has ended."""
        self._gone.set()
        await self.task


def session_stream(world: World, agent: Agent, **options: Any) -> Stream:
    """A stream of the session's events."""
    path = f"/v1/asp/sessions/{SESSION}/events"
    return Stream(world.app, path, dpop=agent.proof(path), **options)


def inbox_stream(world: World, agent: Agent, whose: str | None = None, **options: Any) -> Stream:
    """A stream of an inbox."""
    path = f"/v1/asp/agents/{encoded(whose or agent.uri)}/inbox"
    return Stream(world.app, path, dpop=agent.proof(path), **options)


def encoded(uri: str) -> str:
    """An agent's URI as one segment of a path."""
    return uri.replace("%", "%25").replace(":", "%3A").replace("/", "%2F")


async def settle() -> None:
    """Let everything that is ready run."""
    for _ in range(50):
        await asyncio.sleep(0)


@asynccontextmanager
async def connection(world: World) -> AsyncIterator[tuple[Any, Any]]:
    """A bare connection to a served node."""
    host, _, port = world.url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        yield reader, writer
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()
