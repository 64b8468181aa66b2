"""Putting a node together and running it: ``treaty serve``, and a node inside one's own program."""

from __future__ import annotations

import asyncio
import gc
import signal
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

from treaty.app.agents import connect
from treaty.app.places import entropy, fresh_signer, key_beside, now_ms, signer_at
from treaty.app.quotes import QuotePlan, open_selling
from treaty.app.relays import RelayPlan, listening, open_host
from treaty.app.services import Opened, ServicePlan, open_services
from treaty.app.verifying import Verifying, open_verifying
from treaty.core.rates import UsdRates
from treaty.dialects.asp.dialect import ASP
from treaty.engine.node import Identity, Node
from treaty.engine.ports import Store
from treaty.errors import MisuseError
from treaty.identity.keys import Ed25519Signer, PublicKey
from treaty.identity.records import seal
from treaty.store.memory import MemoryStore
from treaty.store.sqlite import SqliteStore
from treaty.wire.canonical import Json
from treaty.wire.ids import parse_agent_uri
from treaty.wire.instants import format_instant

if TYPE_CHECKING:
    from treaty.core.deal import Anchor
    from treaty.http.limits import Settings

DEFAULT_NODE_URI: Final = "agent://localhost/treaty/node"
OPERATOR_PATH: Final = "/operator"
STOPS: Final = (signal.SIGINT, signal.SIGTERM)
GC_ALLOCATIONS: Final = 20_000
"""Container objects between two collections of the youngest, instead of Python's 700."""
Complain = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class NodePlan:
    """What ``treaty serve`` was told."""

    db: Path | None
    uri: str = DEFAULT_NODE_URI
    key: Path | None = None
    operator_key: Path | None = None
    host: str = "127.0.0.1"
    port: int = 8440
    public_url: str | None = None
    quotes: QuotePlan | None = None
    """With a policy the node sells as well (ACTP)."""
    relays: RelayPlan = field(default_factory=RelayPlan)
    services: ServicePlan | None = field(default_factory=ServicePlan)
    """What it offers over MRP; None for nothing."""
    usd_rates: UsdRates = field(default_factory=dict)
    """What other currencies are worth in US dollars; in these alone deals are made beside them."""
    clearings: tuple[Path, ...] | None = None
    """Roots whose clearings its trust log believes; None for those it was told of last."""


@dataclass(frozen=True, slots=True)
class OpenNode:
    """A node with its store and its bound socket, not yet serving."""

    node: Node
    store: Store
    socket: socket.socket
    url: str
    operator_key: Path | None
    services: Opened | None = None
    verifying: Verifying | None = None

    async def close(self) -> None:
        """Stop working, then close the store."""
        if self.verifying is not None:
            self.verifying.close()
        if self.services is not None:
            await self.services.close()
        await self.store.close()


async def open_node(plan: NodePlan, complain: Complain = print) -> OpenNode:
    """Open the store, make or load the keys, bind the port; the node is loaded, not serving.

    Raises ``UnavailableError`` when the database or the port is taken, ``MisuseError`` for a file
    that is not what it should be.
    """
    from treaty.http.server import listen

    # First: a policy that cannot be used must not leave a store or a socket behind.
    selling = None if plan.quotes is None else open_selling(plan.quotes, plan.db, complain)
    clearings = None if plan.clearings is None else _listed(plan.clearings)
    bound = listen(plan.host, plan.port)
    with ExitStack() as undo:
        undo.callback(bound.close)
        port = bound.getsockname()[1]
        url = (plan.public_url or f"http://{_in_url(plan.host)}:{port}").rstrip("/")
        store: Store = MemoryStore() if plan.db is None else await SqliteStore.open(plan.db)
        signer, operator, operator_path = _node_keys(plan)
        uri = parse_agent_uri(plan.uri).text
        identity = Identity(uri, signer, url, operator_uri(uri), operator)
        _check_names(clearings or (), uri, signer.key)
        services = None
        if plan.services is not None:
            services = open_services(plan.services, signer, url, complain)
        verifying = open_verifying(None if selling is None else selling.dialect, complain)
        if selling is not None:
            selling = replace(selling, verifying=verifying)
        node = Node(
            store,
            ASP,
            identity,
            clock=now_ms,
            entropy=entropy,
            complain=complain,
            selling=selling,
            serving=None if services is None else services.serving,
            fetcher=None if services is None else services.fetcher,
            verifying=verifying,
            usd_rates=plan.usd_rates,
            clearings=clearings,
        )
        if services is not None:
            services.ring.join(node.publications)
        await node.start()
        undo.pop_all()
    return OpenNode(node, store, bound, url, operator_path, services, verifying)


async def serve(
    plan: NodePlan,
    settings: Settings,
    on_ready: Callable[[OpenNode], None],
    complain: Complain = print,
) -> None:
    """Run a node until SIGINT or SIGTERM; what is in flight is answered, then the store closes.

    Raises as ``open_node`` does, and what stopped the node from doing what falls due.
    """
    from treaty.http.server import make_app
    from treaty.http.server import serve as serve_http

    opened = await open_node(plan, complain)
    stop = asyncio.Event()
    for number in STOPS:
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    working = asyncio.create_task(opened.node.run(), name="node")
    # A node that no longer does what falls due must not go on taking messages.
    working.add_done_callback(lambda _: stop.set())
    try:
        relay = await open_host(plan.relays, opened.store)
        app = make_app(opened.node, settings=settings, relay=relay)
        settle_memory()
        async with listening(plan.relays, opened.node, opened.store, complain):
            await serve_http(app, opened.socket, stop, on_ready=lambda: on_ready(opened))
    finally:
        working.cancel()
        with suppress(asyncio.CancelledError):
            await working
        await opened.close()


def settle_memory() -> None:
    """Spare the garbage collector what will live as long as the process.

    Modules, cards and the folded log are not part of any rubbish; without this every collection
    walks them again. A message makes next to no cycles, so collections may also be rarer.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(GC_ALLOCATIONS, 20, 20)


def operator_uri(node_uri: str) -> str:
    """Who the operator of a node is, as an agent."""
    return f"agent://{parse_agent_uri(node_uri).host}{OPERATOR_PATH}"


def _listed(files: tuple[Path, ...]) -> tuple[Anchor, ...]:
    if not files:
        return ()
    from treaty.app.deals import listed_clearings

    return listed_clearings(files)


def _check_names(clearings: tuple[Anchor, ...], uri: str, key: PublicKey) -> None:
    """Two nodes of one name cannot tell each other's outcomes apart. Raises ``MisuseError``."""
    for one in clearings:
        if one.uri == uri and one.key_id != key.key_id:
            raise MisuseError(
                f"a listed clearing is called {uri} like this node, and has another key: start one "
                "of them with another --agent"
            )


def _node_keys(plan: NodePlan) -> tuple[Ed25519Signer, PublicKey, Path | None]:
    if plan.db is None:
        operator_path = plan.operator_key
        signer = signer_at(plan.key, create=True) if plan.key else fresh_signer()
        operator = signer_at(operator_path, create=True) if operator_path else fresh_signer()
        return signer, operator.key, operator_path
    signer = signer_at(plan.key or key_beside(plan.db, "node"), create=True)
    operator_path = plan.operator_key or key_beside(plan.db, "operator")
    return signer, signer_at(operator_path, create=True).key, operator_path


def _in_url(host: str) -> str:
    shown_host = "127.0.0.1" if host in ("0.0.0.0", "::", "") else host  # noqa: S104
    return f"[{shown_host}]" if ":" in shown_host else shown_host


@dataclass(frozen=True, slots=True)
class LocalNode:
    """A node inside this program: everything real, nothing kept."""

    url: str
    home: Path
    """A folder for the keys and copies of agents that need not outlive it."""
    operator: Ed25519Signer

    async def fund(self, agent: str, amount: str, currency: str) -> None:
        """Put money into an agent's account, as the operator."""
        transfer: dict[str, Json] = {
            "id": f"fund-{entropy(8).hex()}",
            "direction": "fund",
            "agent": agent,
            "amount": {"amount": amount, "currency": currency},
            "at": format_instant(now_ms()),
        }
        client = connect(self.url, signer=self.operator)
        try:
            await client.post_transfer(seal("transfer", transfer, self.operator))
        finally:
            await client.close()


@asynccontextmanager
async def local_node(
    complain: Complain = print, *, usd_rates: UsdRates | None = None
) -> AsyncIterator[LocalNode]:
    """A real node on a free loopback port, in this process, for trying things and for tests.

    It speaks HTTP like any other node; its store is memory and ends with the block. Beside
    dollars it takes the currencies that are given a rate.
    """
    from treaty.http.limits import Settings
    from treaty.http.server import make_app
    from treaty.http.server import serve as serve_http

    with TemporaryDirectory(prefix="treaty-local-") as folder:
        home = Path(folder)
        operator_key = home / "operator.key"
        plan = NodePlan(
            db=None, operator_key=operator_key, port=0, services=None, usd_rates=usd_rates or {}
        )
        opened = await open_node(plan, complain)
        stop, ready = asyncio.Event(), asyncio.Event()
        app = make_app(opened.node, settings=Settings())
        tasks = (
            asyncio.create_task(serve_http(app, opened.socket, stop, on_ready=ready.set)),
            asyncio.create_task(opened.node.run()),
        )
        try:
            await ready.wait()
            yield LocalNode(opened.url, home, signer_at(operator_key))
        finally:
            stop.set()
            tasks[1].cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await opened.close()
