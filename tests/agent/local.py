"""A town in one process: a node, its store, agents around it, and the roads between them.

``LocalNode`` is a ``NodeClient`` that asks a ``Node`` without a socket. The roads (``Roads``)
delay, drop, double and reorder what travels on them, by a seed; the store (``MortalStore``) may
end the node's life at any commit. Everything happens in simulated time, so a run is repeated by
its seed.

    async with Town() as town:
        alpha = town.agent("alpha")
        async with alpha:
            ...
"""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Decimal
from types import TracebackType
from typing import Any, Self, TypeVar

from tests.simulation.clock import later, now_ms
from treaty.agent import Agent, Profile
from treaty.agent.ports import InboxItem, LogItem, Page
from treaty.core.deal import Anchor
from treaty.dialects.asp.dialect import ASP
from treaty.engine.fetching import Fetcher
from treaty.engine.hosted import session_stream
from treaty.engine.inbox import inbox_stream
from treaty.engine.node import Identity, Node
from treaty.engine.ports import Entry, Store, Unit
from treaty.errors import Refused, UnavailableError
from treaty.identity.keys import Ed25519Signer
from treaty.identity.records import seal
from treaty.store.memory import MemoryStore
from treaty.wire.canonical import Json, canonical, read_json
from treaty.wire.instants import format_instant
from treaty.wire.money import Money, money_to_json

NODE = "agent://node.example/treaty/node"
OPERATOR = "agent://node.example/operator"
BASE_URL = "http://node.example"
ALPHA = "agent://acme.com/procurement/alpha"
BETA = "agent://cloudprime.io/gpu/beta"
DAY_MS = 86_400_000
BETA_COMPONENTS = {
    "IV": 100, "CH": 90, "CF": 95, "BC": 90, "RQ": 92, "SP": 75, "ER": 94, "PE": 68,
}  # fmt: skip

T = TypeVar("T")


def signer_of(name: str) -> Ed25519Signer:
    """A key that is the same in every run: its seed is the hash of a name."""
    return Ed25519Signer(hashlib.sha256(f"town {name}".encode()).digest())


class Gone(Exception):
    """The node's process has ended; whoever waited for it is left without an answer."""


@dataclass
class Roads:
    """What happens to what travels between agents and node. Chances are of 1."""

    seed: int = 0
    delay_ms: tuple[float, float] = (0.0, 0.0)
    drop: float = 0.0
    """A request is lost, or the answer is."""
    double: float = 0.0
    """A request arrives twice, an event is told twice."""
    reorder: float = 0.0
    """Two events change places."""
    cut: float = 0.0
    """A stream ends."""
    calm: bool = False
    """Nothing goes wrong any more."""

    def __post_init__(self) -> None:
        self.chance = random.Random(f"roads {self.seed}")

    async def travel(self) -> None:
        """Take the time it takes."""
        least_ms, most_ms = self.delay_ms
        if most_ms:
            await later(self.chance.uniform(least_ms, most_ms))

    def happens(self, share: float) -> bool:
        """Draw whether something that is this likely happens."""
        return not self.calm and share > 0 and self.chance.random() < share


class MortalStore:
    """A store whose node may die of a commit: before it, or after it and before the answer."""

    def __init__(self, inner: Store, town: Town) -> None:
        self.inner = inner
        self._town = town
        self.alive = True

    async def commit(self, unit: Unit) -> None:
        """Commit, or end the node's life."""
        self._check()
        fate = self._town.fate(unit)
        if fate == "before":
            self._town.die()
        self._check()
        await self.inner.commit(unit)
        if fate == "after":
            self._town.die()
        self._check()

    def _check(self) -> None:
        if not self.alive:
            raise Gone

    def __getattr__(self, name: str) -> Any:
        self._check()
        return getattr(self.inner, name)


class Town:
    """One node and everybody who deals at it."""

    def __init__(
        self,
        *,
        store: Store | None = None,
        reopen: Callable[[], Awaitable[Store]] | None = None,
        roads: Roads | None = None,
        seed: int = 0,
        fate: Callable[[Unit], str | None] | None = None,
        fetcher: Fetcher | None = None,
        usd_rates: Mapping[str, str] | None = None,
        clearings: tuple[Anchor, ...] | None = None,
        name: str = "node",
    ) -> None:
        self.usd_rates = dict(usd_rates or {})
        """What other currencies are worth, in the node's next life."""
        self.uri = NODE if name == "node" else f"agent://{name}.example/treaty/node"
        self._clearings = clearings
        self.inner: Store = store or MemoryStore()
        self._reopen = reopen
        self.roads = roads or Roads()
        self.chance = random.Random(f"town {seed}")
        self.signer = signer_of(name)
        self.operator = signer_of("operator")
        self.base_url = BASE_URL if name == "node" else f"http://{name}.example"
        self.complaints: list[str] = []
        self.skew_ms = 0
        """How far the node's clock is ahead."""
        self.node: Node | None = None
        self.died = asyncio.Event()
        self.deaths = 0
        self.units = 0
        """Commits so far, over all lives of the node."""
        self._fate = fate
        self._fetcher = fetcher
        self._store: MortalStore | None = None
        self._outbox: asyncio.Task[None] | None = None
        self._agents: dict[str, MemoryStore] = {}
        self._transfers = 0
        self.sent: list[tuple[str, bytes]] = []
        """(agent, bytes) of everything that was handed in."""

    async def __aenter__(self) -> Self:
        await self.wake()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop()

    def clock(self) -> int:
        """The node's clock."""
        return now_ms() + self.skew_ms

    def fate(self, unit: Unit) -> str | None:
        """What this commit does to the node: ``before``, ``after`` or nothing."""
        self.units += 1
        return self._fate(unit) if self._fate else None

    async def wake(self) -> Node:
        """Start a node on the store, as another process would."""
        identity = Identity(self.uri, self.signer, self.base_url, OPERATOR, self.operator.key)
        self.died = asyncio.Event()
        if self._reopen is not None:
            self.inner = await self._reopen()
        self._store = MortalStore(self.inner, self)
        node = Node(
            self._store,
            ASP,
            identity,
            clock=self.clock,
            entropy=self.chance.randbytes,
            complain=self.complaints.append,
            fetcher=self._fetcher,
            usd_rates={code: Decimal(rate) for code, rate in self.usd_rates.items()},
            clearings=self._clearings,
        )
        await node.start()
        self.node = node
        self._outbox = asyncio.create_task(self._run(node), name="outbox")
        return node

    async def _run(self, node: Node) -> None:
        with suppress(Gone):
            await node.run()

    def die(self) -> None:
        """End the node as kill -9 does: nothing is finished, nothing is answered."""
        self.deaths += 1
        self._end()

    def _end(self) -> None:
        assert self._store is not None
        self._store.alive = False
        self.node = None
        self.died.set()

    async def stop(self) -> None:
        """End the node; what it has acknowledged is in the store."""
        self._end()
        if self._outbox is not None:
            self._outbox.cancel()
            await asyncio.gather(self._outbox, return_exceptions=True)
            self._outbox = None

    async def keep_alive(self, pause_ms: float = 700.0) -> None:
        """Start the node again whenever it has died, a moment later; until cancelled."""
        while True:
            await self.died.wait()
            await self.stop()
            await later(pause_ms)
            # A node may also die while it starts.
            with suppress(Gone):
                await self.wake()

    def at_home(self) -> Node:
        """The node, if it lives."""
        if self.node is None:
            raise UnavailableError("nobody answers at the node's address")
        return self.node

    def client(self, name: str, uri: str) -> LocalNode:
        """An agent's way to the node."""
        return LocalNode(self, uri, signer_of(name))

    def agent(self, name: str, uri: str, **profile: Any) -> Agent:
        """An agent of this town; its own store lives as long as the town."""
        kept = self._agents.setdefault(uri, MemoryStore())

        async def open_store() -> Store:
            return _Lent(kept)

        return Agent(
            uri,
            client=self.client(name, uri),
            signer=signer_of(name),
            open_store=open_store,
            clock=now_ms,
            entropy=self.chance.randbytes,
            profile=Profile(**profile),
        )

    def store_of(self, uri: str) -> MemoryStore:
        """An agent's own store."""
        return self._agents[uri]

    async def fund(self, agent: str, units: int, asset: str = "USD") -> dict[str, Json]:
        """Bring money in, as the operator."""
        self._transfers += 1
        return await self.at_home().clearing.transfer(
            self.transfer(f"fund-{self._transfers}", agent, units, asset)
        )

    def transfer(
        self, name: str, agent: str, units: int, asset: str = "USD", direction: str = "fund"
    ) -> dict[str, Json]:
        """A transfer signed by the operator."""
        body: dict[str, Json] = {
            "id": name,
            "direction": direction,
            "agent": agent,
            "amount": dict(money_to_json(Money(units, asset))),
            "at": format_instant(now_ms()),
        }
        return seal("transfer", body, self.operator)

    def attestation(self, agent: str, **changes: Json) -> dict[str, Json]:
        """The operator's word for an agent; by itself the one for Beta in the demo."""
        body: dict[str, Json] = {
            "agent": agent,
            "components": {name: str(value) for name, value in BETA_COMPONENTS.items()},
            "weight": "200",
            "allowance": "100",
            "until": format_instant(now_ms() + 365 * DAY_MS),
            "by": OPERATOR,
            "at": format_instant(now_ms()),
            **changes,
        }
        return seal("attestation", body, self.operator)

    async def attest(self, agent: str, **changes: Json) -> dict[str, Json]:
        """Have the trust node take in an attestation."""
        return await self.at_home().trust.attest(self.attestation(agent, **changes))

    async def log_of(self, session: str) -> list[Entry]:
        """A session's log as it is in the store."""
        return await self.inner.read(session_stream(session), 0, 10_000)


class _Lent:
    """A store that outlives who closes it."""

    def __init__(self, inner: MemoryStore) -> None:
        self._inner = inner

    async def close(self) -> None:
        """Stay open for the next one."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


@dataclass
class LocalNode:
    """A node as an agent of the town reaches it. See ``treaty.agent.ports.NodeClient``."""

    town: Town
    uri: str
    signer: Ed25519Signer
    asked: int = field(default=0, init=False)

    async def _ask(self, act: Callable[[Node], Awaitable[T]]) -> T:
        """Carry a question to the node and its answer back, if they arrive."""
        self.asked += 1
        roads = self.town.roads
        await roads.travel()
        if roads.happens(roads.drop):
            raise UnavailableError("the request was lost")
        node = self.town.at_home()
        try:
            if roads.happens(roads.double):
                answers = asyncio.gather(act(node), act(node), return_exceptions=True)
                first, _ = await answers
                if isinstance(first, BaseException):
                    raise first
                answer: T = first
            else:
                answer = await act(node)
        except Gone:
            raise UnavailableError("the connection broke") from None
        await roads.travel()
        if roads.happens(roads.drop):
            raise UnavailableError("the answer was lost")
        return answer

    async def describe(self) -> dict[str, Json]:
        return await self._ask(lambda node: node.describe())

    async def register(self, card: Mapping[str, Json]) -> dict[str, Json]:
        raw = canonical(dict(card))
        return (await self._ask(lambda node: node.registry.register(raw)))[0]

    async def card(self, agent: str) -> dict[str, Json]:
        return await self._ask(lambda node: node.registry.listed(agent))

    async def trust(self, agent: str) -> dict[str, Json]:
        async def act(node: Node) -> dict[str, Json]:
            return node.trust.view(agent)

        return await self._ask(act)

    async def trust_log(self, start: int, end: int) -> dict[str, Json]:
        return await self._ask(lambda node: node.trust.extract(start, end))

    async def post_endorsement(self, record: Mapping[str, Json]) -> dict[str, Json]:
        return await self._ask(lambda node: node.endorsements.endorse(dict(record)))

    async def discover(self, raw: bytes) -> bytes:
        return await self._ask(lambda node: node.registry.answer(raw))

    async def open_session(self, raw: bytes) -> dict[str, Json]:
        self.town.sent.append((self.uri, raw))
        return _object(await self._ask(lambda node: node.sessions.open(raw)))

    async def send(self, session: str, raw: bytes) -> dict[str, Json]:
        self.town.sent.append((self.uri, raw))
        try:
            return _object(await self._ask(lambda node: node.sessions.submit(session, raw)))
        except Refused as refusal:
            raise _with_items(refusal) from None

    async def session(self, session: str) -> dict[str, Json]:
        async def act(node: Node) -> dict[str, Json]:
            return node.sessions.view(await node.sessions.reader(session, self.signer.key))

        return await self._ask(act)

    async def entries(self, session: str, after: int, limit: int = 200) -> Page:
        async def act(node: Node) -> Page:
            since = await node.sessions.since(session, self.signer.key)
            found = await node.sessions.entries(session, max(after, since), limit)
            return Page(tuple(map(log_item, found)), len(found) == limit)

        return await self._ask(act)

    async def events(self, session: str, after: int) -> AsyncIterator[LogItem]:
        async for entry in self._stream(session_stream(session), session, after):
            yield log_item(entry)

    async def inbox(self, after: int) -> AsyncIterator[InboxItem]:
        async for entry in self._stream(inbox_stream(self.uri), None, after):
            body = _object(entry.body)
            yield InboxItem(entry.position, entry.kind, body, entry.raw)

    async def inbox_page(self, after: int) -> tuple[tuple[InboxItem, ...], bool]:
        entries = await self.town.at_home().desk.store.read(inbox_stream(self.uri), after, 50)
        items = (InboxItem(one.position, one.kind, _object(one.body), one.raw) for one in entries)
        return tuple(items), len(entries) == 50

    async def _stream(self, stream: str, session: str | None, after: int) -> AsyncIterator[Entry]:
        """Entries as they come; the stream breaks off when the node dies or a road is cut."""
        roads = self.town.roads
        node = self.town.at_home()
        watch = node.desk.watch(stream)
        try:
            if session is not None:
                after = max(after, await node.sessions.since(session, self.signer.key))
            while True:
                for entry in await self._travelled(node, stream, session, after):
                    yield entry
                    after = max(after, entry.position)
                    if roads.happens(roads.cut):
                        return
                await self._news(watch)
        except Gone:
            raise UnavailableError("the stream broke") from None
        finally:
            watch.close()

    async def _travelled(
        self, node: Node, stream: str, session: str | None, after: int
    ) -> list[Entry]:
        roads = self.town.roads
        if session is None:
            entries = await node.desk.store.read(stream, after, 16)
        else:
            entries = await node.sessions.entries(session, after, 16)
        await roads.travel()
        for place in range(1, len(entries)):
            if roads.happens(roads.reorder):
                entries[place - 1], entries[place] = entries[place], entries[place - 1]
        return [one for one in entries for _ in range(1 + roads.happens(roads.double))]

    async def _news(self, watch: Any) -> None:
        """Wait for the stream to grow, or for the node to die."""
        died = self.town.died
        waits = {asyncio.ensure_future(watch.wait(15.0)), asyncio.ensure_future(died.wait())}
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in waits:
                one.cancel()
            await asyncio.gather(*waits, return_exceptions=True)
        if died.is_set():
            raise UnavailableError("the stream broke")

    async def statement(self) -> dict[str, Json]:
        return await self._ask(lambda node: node.clearing.statement(self.uri))

    async def post_transfer(self, record: Mapping[str, Json]) -> dict[str, Json]:
        return await self._ask(lambda node: node.clearing.transfer(dict(record)))

    async def post_attestation(self, record: Mapping[str, Json]) -> dict[str, Json]:
        return await self._ask(lambda node: node.trust.attest(dict(record)))

    async def file_dispute(self, record: Mapping[str, Json]) -> dict[str, Json]:
        raw = canonical(dict(record))
        return (await self._ask(lambda node: node.disputes.file(raw)))[0]

    async def dispute(self, dispute: str) -> dict[str, Json]:
        return await self._ask(lambda node: node.disputes.view(dispute, self.signer.key))

    async def post_dispute(
        self, dispute: str, kind: str, record: Mapping[str, Json]
    ) -> dict[str, Json]:
        raw = canonical(dict(record))
        return (await self._ask(lambda node: node.disputes.submit(dispute, kind, raw)))[0]

    async def close(self) -> None:
        """Nothing is open."""


def log_item(entry: Entry) -> LogItem:
    """A log entry as it travels."""
    return LogItem(entry.position, _object(entry.body), entry.raw)


def _object(raw: bytes) -> dict[str, Json]:
    value = read_json(raw, size_max=len(raw))
    assert isinstance(value, dict)
    return value


def _with_items(refusal: Refused) -> Refused:
    missed = refusal.data.get("missed")
    if missed is None:
        return refusal
    items = [log_item(entry) for entry in missed]
    return Refused(refusal.detail, refusal.reason, data={**refusal.data, "missed": items})
