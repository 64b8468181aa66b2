"""The composition root: the only file that names every room.

It is also the only one that looks at the clock, draws random bytes and reads the environment.
``open_node`` puts a node together and ``serve`` runs it, ``read_node`` looks into its store,
``Agent`` makes an agent, ``connect`` asks a node as one, ``verify`` picks the dialect of a deal
file. Nothing here decides anything.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import socket
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from treaty.agent.agent import Agent as _Agent
from treaty.agent.agent import Profile
from treaty.agent.copies import Copies
from treaty.core.deal import ROOTS_TAG, Report, read_roots
from treaty.dialects.asp import audit as asp_audit
from treaty.dialects.asp.choices import TAG as ASP_TAG
from treaty.dialects.asp.dialect import ASP
from treaty.engine.node import Identity, Node
from treaty.engine.ports import Store
from treaty.engine.registry import card_stream
from treaty.engine.trust import LOG as TRUST_LOG
from treaty.errors import TreatyError, UnavailableError, WireError, shown
from treaty.identity.cards import CardView, open_card
from treaty.identity.keys import Ed25519Signer, PublicKey, read_public_key
from treaty.store.keys import FILE_BYTES_MAX as KEY_FILE_BYTES_MAX
from treaty.store.keys import create_key, key_path, load_key
from treaty.store.memory import MemoryStore
from treaty.store.sqlite import SqliteStore
from treaty.wire import fields
from treaty.wire.canonical import Json, read_json
from treaty.wire.ids import parse_agent_uri

if TYPE_CHECKING:
    # Checking a deal file needs no network, so the rim is loaded by whoever uses it.
    from treaty.http.client import HttpNode
    from treaty.http.limits import Settings

HOME: Final = "TREATY_HOME"
NODE: Final = "TREATY_NODE"
PASSPHRASE: Final = "TREATY_PASSPHRASE"  # noqa: S105 - a name, not a secret
DEFAULT_NODE_URL: Final = "http://127.0.0.1:8440"
DEFAULT_NODE_URI: Final = "agent://localhost/treaty/node"
OPERATOR_PATH: Final = "/operator"
STOPS: Final = (signal.SIGINT, signal.SIGTERM)
Complain = Callable[[str], None]


def now_ms() -> int:
    """Milliseconds since 1970."""
    return time.time_ns() // 1_000_000


def entropy(size_bytes: int) -> bytes:
    """Random bytes of the operating system."""
    return secrets.token_bytes(size_bytes)


def home() -> Path:
    """Where keys and own copies lie: ``TREATY_HOME``, else ``.treaty`` in the user's home."""
    stated = os.environ.get(HOME)
    return Path(stated) if stated else Path.home() / ".treaty"


def node_url(stated: str | None = None) -> str:
    """The node to talk to: as stated, else ``TREATY_NODE``, else the local default."""
    return (stated or os.environ.get(NODE) or DEFAULT_NODE_URL).rstrip("/")


def passphrase() -> str | None:
    """The passphrase of key files, when one is given in the environment."""
    return os.environ.get(PASSPHRASE) or None


def signer_at(path: Path, *, create: bool = False, secret: str | None = None) -> Ed25519Signer:
    """Load a key file; ``create`` makes it (0600) when it is not there yet.

    ``secret`` is its passphrase, by default that of the environment.
    """
    secret = secret or passphrase()
    if create and not path.exists():
        return create_key(path, passphrase=secret)
    return load_key(path, passphrase=secret)


def agent_key_path(uri: str) -> Path:
    """Where the key of one of this user's agents lies."""
    return key_path(home(), parse_agent_uri(uri).text)


def agent_store_path(uri: str) -> Path:
    """Where an agent's own copies lie."""
    return agent_key_path(uri).with_suffix(".db")


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


@dataclass(frozen=True, slots=True)
class OpenNode:
    """A node with its store and its bound socket, not yet serving."""

    node: Node
    store: Store
    socket: socket.socket
    url: str
    operator_key: Path | None


def key_beside(db: Path, name: str) -> Path:
    """The key file that belongs to a database: ``<db>.<name>.key``."""
    return db.with_name(f"{db.name}.{name}.key")


async def open_node(plan: NodePlan, complain: Complain = print) -> OpenNode:
    """Open the store, make or load the keys, bind the port; the node is loaded, not serving.

    Raises ``UnavailableError`` when the database or the port is taken.
    """
    from treaty.http.server import listen

    bound = listen(plan.host, plan.port)
    with ExitStack() as undo:
        undo.callback(bound.close)
        port = bound.getsockname()[1]
        url = (plan.public_url or f"http://{_in_url(plan.host)}:{port}").rstrip("/")
        store: Store = MemoryStore() if plan.db is None else await SqliteStore.open(plan.db)
        signer, operator, operator_path = _node_keys(plan)
        uri = parse_agent_uri(plan.uri).text
        identity = Identity(uri, signer, url, operator_uri(uri), operator)
        node = Node(store, ASP, identity, clock=now_ms, entropy=entropy, complain=complain)
        await node.start()
        undo.pop_all()
    return OpenNode(node, store, bound, url, operator_path)


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
    app = make_app(opened.node, settings=settings)
    try:
        await serve_http(app, opened.socket, stop, on_ready=lambda: on_ready(opened))
    finally:
        working.cancel()
        with suppress(asyncio.CancelledError):
            await working
        await opened.store.close()


def operator_uri(node_uri: str) -> str:
    """Who the operator of a node is, as an agent."""
    return f"agent://{parse_agent_uri(node_uri).host}{OPERATOR_PATH}"


def _node_keys(plan: NodePlan) -> tuple[Ed25519Signer, PublicKey, Path | None]:
    if plan.db is None:
        operator_path = plan.operator_key
        signer = signer_at(plan.key, create=True) if plan.key else _fresh()
        operator = signer_at(operator_path, create=True) if operator_path else _fresh()
        return signer, operator.key, operator_path
    signer = signer_at(plan.key or key_beside(plan.db, "node"), create=True)
    operator_path = plan.operator_key or key_beside(plan.db, "operator")
    return signer, signer_at(operator_path, create=True).key, operator_path


def _fresh() -> Ed25519Signer:
    return Ed25519Signer(entropy(32))


def _in_url(host: str) -> str:
    shown_host = "127.0.0.1" if host in ("0.0.0.0", "::", "") else host  # noqa: S104
    return f"[{shown_host}]" if ":" in shown_host else shown_host


@dataclass(frozen=True, slots=True)
class NodeFile:
    """A node's store, opened to read only, with the node as it stands in it."""

    node: Node
    card: CardView
    """The node's own card."""
    operator: PublicKey | None
    """None where the operator's key file is not beside the store."""

    def roots(self) -> dict[str, Json]:
        """The node's keys as roots; with a log head only where its key file can be loaded."""
        own = self.node.identity
        head = self.node.trust.head() if own.signer.key == self.card.key else None
        operator = _anchor(own.operator_uri, self.operator) if self.operator else None
        return roots_of(_anchor(own.uri, self.card.key), operator, head)


@asynccontextmanager
async def read_node(db: Path) -> AsyncIterator[NodeFile]:
    """A node's store as its node would see it, only read; works beside the running node.

    Raises ``UnavailableError`` when there is no such store, or not of a node.
    """
    store = await SqliteStore.open(db, read_only=True)
    try:
        first = await store.read(TRUST_LOG, 0, 1)
        if not first:
            raise UnavailableError(f"{db} is not the store of a node that ever ran")
        # The first thing a node records is that its own key was proven.
        uri = fields.agent(_object(first[0].body), "agent")
        cards = await store.read(card_stream(uri))
        card = open_card(_object(cards[-1].body))
        base_url = fields.text(fields.obj(card.card, "endpoints"), "asp").removesuffix("/v1/asp")
        operator = public_key_at(key_beside(db, "operator"))
        try:
            signer = signer_at(key_beside(db, "node"))
        except TreatyError:
            # To read needs no key; what the node would sign is then not shown.
            signer = _fresh()
        identity = Identity(uri, signer, base_url, operator_uri(uri), operator or signer.key)
        node = Node(store, ASP, identity, clock=now_ms, entropy=entropy, complain=print)
        await node.trust.load()
        await node.registry.load()
        yield NodeFile(node, card, operator)
    finally:
        await store.close()


def _object(raw: bytes) -> dict[str, Json]:
    value = read_json(raw, size_max=len(raw))
    if not isinstance(value, dict):
        raise WireError(f"not a JSON object: {shown(value)}")
    return value


def public_key_at(path: Path) -> PublicKey | None:
    """The public half of a key file, which is not secret even when the file is locked."""
    try:
        return read_public_key(_object(path.read_bytes()[:KEY_FILE_BYTES_MAX]).get("publicKey"))
    except (OSError, WireError):
        return None


def connect(
    node: str | None = None,
    uri: str = "",
    signer: Ed25519Signer | None = None,
    budget_ms: int = 10_000,
) -> HttpNode:
    """A node over HTTP, asked as ``uri`` with its key; without one, as nobody in particular.

    ``budget_ms`` is how long it may be away before that is an error.
    """
    from treaty.http.client import HttpNode

    return HttpNode(node_url(node), signer or _fresh(), uri, budget_ms=budget_ms)


@asynccontextmanager
async def own_copies(uri: str) -> AsyncIterator[Copies]:
    """An agent's own store, only read; works beside the running agent.

    Raises ``UnavailableError`` when it has none.
    """
    store = await SqliteStore.open(agent_store_path(uri), read_only=True)
    try:
        yield Copies(store)
    finally:
        await store.close()


async def export_roots(node: str | None = None) -> dict[str, Json]:
    """The keys and the log head of a node as roots, as its own address gives them (B22).

    Whether they are the right keys, the reader has to find out by another way.
    """
    client = connect(node)
    try:
        described, log = await client.describe(), await client.trust_log(0, 0)
    finally:
        await client.close()
    operator = fields.obj(described, "operator")
    return roots_of(described, operator, fields.obj(log, "head"))


def roots_of(
    own: Mapping[str, Json], operator: Mapping[str, Json] | None, head: Mapping[str, Json] | None
) -> dict[str, Json]:
    """Lay out roots: a node is registry, host and clearing at once, its operator attests."""
    names = ("uri", "keyId", "publicKey")
    anchor: dict[str, Json] = {name: own.get(name) for name in names}
    attester: list[Json] = [{name: operator.get(name) for name in names}] if operator else []
    roots: dict[str, Json] = {
        "treaty": ROOTS_TAG,
        **{role: [dict(anchor)] for role in ("registry", "host", "clearing")},
        "attester": attester,
        "metric": [],
        "logHead": None if head is None else dict(head),
        "chains": [],
    }
    read_roots(roots)
    return roots


def _anchor(uri: str, key: PublicKey) -> dict[str, Json]:
    return {"uri": uri, "keyId": key.key_id, "publicKey": key.text}


def Agent(  # noqa: N802 - it stands for the class it makes
    uri: str,
    *,
    node: str | None = None,
    name: str = "",
    organization: str = "",
    org_id: str = "",
    capabilities: Sequence[str] = (),
    signer: Ed25519Signer | None = None,
    store: Store | None = None,
    **card: Json,
) -> _Agent:
    """An agent at a node over HTTP; use it with ``async with``.

    Its key is ``signer``, else the key file of ``uri`` below ``TREATY_HOME`` (made when there
    is none); its copies are kept in ``store``, else beside the key. Further keyword arguments
    are members of its card (``pricing``, ``schemas``, …).
    """
    own = signer or signer_at(agent_key_path(uri), create=True)
    client = connect(node, uri, own)
    profile = Profile(name, organization, org_id, capabilities, card)

    async def open_store() -> Store:
        return store or await SqliteStore.open(agent_store_path(uri))

    return _Agent(
        uri,
        client=client,
        signer=own,
        open_store=open_store,
        clock=now_ms,
        entropy=entropy,
        profile=profile,
    )


def verify(deal: Json, roots: Json = None, *, require: Sequence[str] = ()) -> Report:
    """Check a deal file claim by claim, offline (decision B22).

    ``deal`` and ``roots`` are parsed JSON; without roots nobody's identity is anchored.
    ``require`` names claims that must be verified, not merely not failed. Raises ``WireError``
    only for roots that are none, or a dialect that is not known here; a bad deal is a report.
    """
    anchors = None if roots is None else read_roots(roots)
    dialect = deal.get("dialect") if isinstance(deal, Mapping) else None
    if dialect != ASP_TAG:
        raise WireError(f"this is no deal file of a known dialect: {shown(dialect)}")
    return asp_audit.verify(deal, anchors).require(require)


def compare(deal: Json, other: Json, roots: Json = None) -> Report:
    """Compare two copies of one deal; two receipts for one position convict the host (B7)."""
    anchors = None if roots is None else read_roots(roots)
    return asp_audit.compare(deal, other, anchors)
