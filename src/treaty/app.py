"""The composition root: the only file that names every room.

It is also the only one that looks at the clock, draws random bytes and reads the environment.
``open_node`` puts a node together, ``agent`` an agent, ``verify`` picks the dialect of a deal
file. Nothing here decides anything.
"""

from __future__ import annotations

import os
import secrets
import socket
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from treaty.agent.agent import Agent as _Agent
from treaty.agent.agent import Profile
from treaty.core.deal import Report, read_roots
from treaty.dialects.asp import audit as asp_audit
from treaty.dialects.asp.choices import TAG as ASP_TAG
from treaty.dialects.asp.dialect import ASP
from treaty.engine.node import Identity, Node
from treaty.engine.ports import Store
from treaty.errors import MisuseError, WireError, shown
from treaty.http.client import HttpNode
from treaty.identity.keys import Ed25519Signer, PublicKey
from treaty.store.keys import create_key, key_path, load_key
from treaty.store.memory import MemoryStore
from treaty.store.sqlite import SqliteStore
from treaty.wire.canonical import Json
from treaty.wire.ids import parse_agent_uri

HOME: Final = "TREATY_HOME"
NODE: Final = "TREATY_NODE"
PASSPHRASE: Final = "TREATY_PASSPHRASE"  # noqa: S105 - a name, not a secret
DEFAULT_NODE_URL: Final = "http://127.0.0.1:8440"
DEFAULT_NODE_URI: Final = "agent://localhost/treaty/node"
OPERATOR_PATH: Final = "/operator"


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


def signer_at(path: Path, *, create: bool = False) -> Ed25519Signer:
    """Load a key file; ``create`` makes it (0600) when it is not there yet."""
    if create and not path.exists():
        return create_key(path, passphrase=passphrase())
    return load_key(path, passphrase=passphrase())


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


async def open_node(plan: NodePlan, complain: object = None) -> OpenNode:
    """Open the store, make or load the keys, bind the port; the node is loaded, not serving.

    Raises ``UnavailableError`` when the database or the port is taken.
    """
    bound = _bind(plan.host, plan.port)
    port = bound.getsockname()[1]
    url = (plan.public_url or f"http://{_in_url(plan.host)}:{port}").rstrip("/")
    store: Store = MemoryStore() if plan.db is None else await SqliteStore.open(plan.db)
    signer, operator, operator_path = _node_keys(plan)
    identity = Identity(
        uri=parse_agent_uri(plan.uri).text,
        signer=signer,
        base_url=url,
        operator_uri=operator_uri(plan.uri),
        operator=operator,
    )
    say = complain if callable(complain) else print
    node = Node(store, ASP, identity, clock=now_ms, entropy=entropy, complain=say)
    await node.start()
    return OpenNode(node, store, bound, url, operator_path)


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


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
    except OSError as error:
        bound.close()
        raise MisuseError(
            f"cannot listen on {host} port {port}: {error.strerror}. "
            "Choose another with --port, or 0 for any free one."
        ) from error
    return bound


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
    client = HttpNode(node_url(node), own, uri)
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
