"""A router of a test's own: in memory, with a clock that counts, over real sockets of loopback."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from itertools import count
from typing import Any, Final

from tests.agent.stalls import Stall
from treaty.agent.decisions import Decisions
from treaty.agent.router import Order, Router
from treaty.agent.speaking import Speaker
from treaty.dialects.mrp.buying import Wish
from treaty.http.guarded import GuardedClient
from treaty.http.mrp_client import MrpClient
from treaty.identity.keys import Ed25519Signer
from treaty.store.memory import MemoryStore
from treaty.wire.digest import sha256

SIGNER: Final = Ed25519Signer(b"\x09" * 32)
AT_MS: Final = 1_772_892_000_000
PAGE: Final = "https://example.com/pricing"
SEED_WISH: Final = Wish(
    intent="summarize pricing",
    inputs=({"type": "url", "value": PAGE},),
    max_cost=Decimal("0.02"),
    max_latency_ms=400,
    residency="us",
    retention_days=0,
    policy=("no_training", "no_pii"),
    proofs=("attestation",),
    output_format="markdown",
)
BARE: Final = Wish(intent="x", inputs=({"type": "url", "value": PAGE},))


@asynccontextmanager
async def router(
    store: MemoryStore | None = None,
    *,
    allow_loopback: bool = True,
    trusted: tuple[str, ...] = (),
    speaker: Speaker | None = None,
) -> AsyncIterator[Router]:
    """A router; by default every address of this machine may be named."""
    ticks, chance = count(AT_MS), count()

    def entropy(size: int) -> bytes:
        return sha256(str(next(chance)).encode())[:size]

    def clock() -> int:
        return next(ticks)

    kept = Decisions(store or MemoryStore(), clock=clock, entropy=entropy)
    async with (
        GuardedClient(allow_loopback=allow_loopback, trusted=trusted) as providers,
        GuardedClient(allow_loopback=allow_loopback) as pages,
    ):
        client = MrpClient(providers, pages)
        yield Router(
            client, kept, clock=clock, entropy=entropy, signer=lambda: SIGNER, speaker=speaker
        )


def order(*stalls: Stall, wish: Wish = SEED_WISH, **members: Any) -> Order:
    """An order to stalls that are open."""
    manifests = tuple(one.manifest_url for one in stalls)
    return Order(wish=wish, manifests=manifests, **{"window_ms": 10_000, **members})


async def routed(*stalls: Stall, wish: Wish = SEED_WISH, **members: Any) -> dict[str, Any]:
    """The record of a decision."""
    async with router() as one:
        outcome = await one.route(order(*stalls, wish=wish, **members))
        return dict((await one.decisions.read(outcome.decision_id)).record)
