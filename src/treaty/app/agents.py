"""Agents and clients with their ports filled in: HTTP, a store, a key below ``TREATY_HOME``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from treaty.agent.agent import Agent as _Agent
from treaty.agent.agent import Profile
from treaty.app.places import (
    agent_key_path,
    agent_store_path,
    entropy,
    fresh_signer,
    node_url,
    now_ms,
    signer_at,
)
from treaty.engine.ports import Store
from treaty.identity.keys import Ed25519Signer
from treaty.store.sqlite import SqliteStore
from treaty.wire.canonical import Json

if TYPE_CHECKING:
    # Checking a deal file needs no network, so the rim is loaded by whoever uses it.
    from treaty.http.client import HttpNode


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

    return HttpNode(node_url(node), signer or fresh_signer(), uri, budget_ms=budget_ms)


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
    home: Path | None = None,
    **card: Json,
) -> _Agent:
    """An agent at a node over HTTP; use it with ``async with``.

    Its key is ``signer``, else the key file of ``uri`` below ``home``, by default
    ``TREATY_HOME`` (made when there is none); its copies are kept in ``store``, else beside the
    key. Further keyword arguments are members of its card (``pricing``, ``schemas``, …).
    """
    own = signer or signer_at(agent_key_path(uri, home), create=True)
    client = connect(node, uri, own)
    profile = Profile(name, organization, org_id, capabilities, card)

    async def open_store() -> Store:
        return store or await SqliteStore.open(agent_store_path(uri, home))

    return _Agent(
        uri,
        client=client,
        signer=own,
        open_store=open_store,
        clock=now_ms,
        entropy=entropy,
        profile=profile,
    )
