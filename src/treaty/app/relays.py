"""Putting relays together: one that a node hosts, and one that a provider listens to.

What ``treaty serve --relay-serve`` and ``--relay`` need. Read next: ``treaty.engine.relay``.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from treaty.app.places import now_ms
from treaty.dialects.actp.chains import Chains
from treaty.dialects.actp.dialect import ACTP
from treaty.dialects.actp.relaying import ActpRelay
from treaty.engine.node import Node
from treaty.engine.ports import Store
from treaty.engine.relay import Relay
from treaty.errors import MisuseError

if TYPE_CHECKING:
    from treaty.http.relay_client import RelayClient


@dataclass(frozen=True, slots=True)
class RelayPlan:
    """What ``treaty serve`` was told about relays."""

    hosted_for: Chains | None = None
    """The chains of the relay it hosts; None hosts none."""
    is_open: bool = False
    """Serve the peer's unsigned reads: everybody sees everything."""
    url: str | None = None
    """The relay at which a provider is found."""


async def open_host(plan: RelayPlan, store: Store) -> Relay | None:
    """The relay that a node hosts, with what it kept."""
    if plan.hosted_for is None:
        return None
    relay = Relay(store, ActpRelay(plan.hosted_for), now_ms, is_open=plan.is_open)
    await relay.start()
    return relay


@asynccontextmanager
async def listening(
    plan: RelayPlan, node: Node, store: Store, complain: Callable[[str], None]
) -> AsyncIterator[None]:
    """Answer what is left for this provider at its relay, while the block lasts.

    Raises ``MisuseError`` for a node that sells nothing.
    """
    if plan.url is None:
        yield
        return
    import asyncio

    from treaty.http.relay_selling import sell_by_relay

    quotes = node.quotes
    if quotes is None or not isinstance(quotes.dialect, ACTP):
        raise MisuseError("only a provider is found at a relay: it needs a policy")
    clients = [
        _client(plan.url, quotes.dialect, one, store, complain) for one in quotes.dialect.chain_ids
    ]
    tasks = [asyncio.create_task(sell_by_relay(quotes, one, complain)) for one in clients]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for client in clients:
            await client.close()


def _client(
    url: str, dialect: ACTP, chain_id: int, store: Store, complain: Callable[[str], None]
) -> RelayClient:
    from treaty.http.relay_client import RelayClient

    return RelayClient(
        url,
        dialect.signer,
        chains=dialect.chains,
        chain_id=chain_id,
        clock=now_ms,
        store=store,
        complain=complain,
    )
