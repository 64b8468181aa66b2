"""Looking into stores without a node: a node's file, an agent's own copies. Both only read."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from treaty.agent.copies import Copies
from treaty.app.deals import anchor_of, anchors_to_json, roots_of
from treaty.app.nodes import operator_uri
from treaty.app.places import (
    agent_store_path,
    entropy,
    fresh_signer,
    key_beside,
    now_ms,
    public_key_at,
    read_object,
    signer_at,
)
from treaty.core.losses import Tally
from treaty.dialects.asp.dialect import ASP
from treaty.engine.losses import read_tallies
from treaty.engine.node import Identity, Node
from treaty.engine.registry import card_stream
from treaty.engine.trust import LOG as TRUST_LOG
from treaty.errors import TreatyError, UnavailableError
from treaty.identity.cards import CardView, open_card
from treaty.identity.keys import PublicKey
from treaty.store.sqlite import SqliteStore
from treaty.wire import fields
from treaty.wire.canonical import Json


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
        operator = anchor_of(own.operator_uri, self.operator) if self.operator else None
        listed = anchors_to_json(self.node.outcomes.listed)
        return roots_of(anchor_of(own.uri, self.card.key), operator, head, listed)


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
        uri = fields.agent(read_object(first[0].body), "agent")
        cards = await store.read(card_stream(uri))
        card = open_card(read_object(cards[-1].body))
        base_url = fields.text(fields.obj(card.card, "endpoints"), "asp").removesuffix("/v1/asp")
        operator = public_key_at(key_beside(db, "operator"))
        try:
            signer = signer_at(key_beside(db, "node"))
        except TreatyError:
            # To read needs no key; what the node would sign is then not shown.
            signer = fresh_signer()
        identity = Identity(uri, signer, base_url, operator_uri(uri), operator or signer.key)
        node = Node(store, ASP, identity, clock=now_ms, entropy=entropy, complain=print)
        await node.load()
        yield NodeFile(node, card, operator)
    finally:
        await store.close()


async def read_losses(db: Path) -> dict[str, Tally]:
    """The losses buyers told a provider of, by capability; works beside the running node.

    Raises ``UnavailableError`` when there is no such store.
    """
    store = await SqliteStore.open(db, read_only=True)
    try:
        return await read_tallies(store)
    finally:
        await store.close()


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
