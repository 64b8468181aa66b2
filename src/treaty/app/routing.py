"""Putting a router together: its store, and two clients for what strangers name.

What ``treaty route`` and ``treaty run`` need. Read next: ``treaty.agent.router``.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from treaty.agent.decisions import Decisions
from treaty.agent.hearing import PROVIDERS_MAX
from treaty.agent.router import Router
from treaty.agent.speaking import Speaker
from treaty.app.places import entropy, home, now_ms, signer_at
from treaty.dialects.mrp.keysets import write_keys
from treaty.errors import UnavailableError
from treaty.http.guarded import GuardedClient
from treaty.http.mrp_client import MrpClient
from treaty.identity.keys import Ed25519Signer
from treaty.store.brief import BriefStore
from treaty.wire.canonical import canonical
from treaty.wire.hosts import read_url

STORE: Final = "decisions.db"
KEY: Final = "buyer.key"
"""In ``TREATY_HOME``; it names nobody, but whoever sees two receipts sees they are of one buyer."""


@dataclass(frozen=True, slots=True)
class RoutingPlan:
    """What a router was told."""

    db: Path | None = None
    """Where decisions are kept; ``decisions.db`` in ``TREATY_HOME`` if not said."""
    allows_loopback: bool = False
    """Whether a stranger's word may lead to this machine."""
    providers: tuple[str, ...] = ()
    """Manifests and registries the user wrote down: their origins may be anywhere."""
    pages: tuple[str, ...] = ()
    """Pages the user wrote down; the same for what is fetched again of them."""
    key: Path | None = None
    """Key file to sign with, made if missing; its key set for providers lies beside it."""
    token: str | None = field(default=None, repr=False)


@asynccontextmanager
async def open_talk(plan: RoutingPlan) -> AsyncIterator[tuple[MrpClient, Speaker]]:
    """Reaching providers, and what is said to them."""
    signer = None if plan.key is None else _signing(plan.key)
    # As many at once as are asked at once: a slow provider must not hold another one's place.
    providers = GuardedClient(
        allow_loopback=plan.allows_loopback,
        trusted=_origins(plan.providers),
        fetches_max=PROVIDERS_MAX,
    )
    pages = GuardedClient(allow_loopback=plan.allows_loopback, trusted=_origins(plan.pages))
    try:
        yield MrpClient(providers, pages), Speaker(now_ms, entropy, plan.token, signer)
    finally:
        await providers.close()
        await pages.close()


@asynccontextmanager
async def open_router(plan: RoutingPlan) -> AsyncIterator[Router]:
    """A router with its store. Raises ``UnavailableError``."""
    # Held for each write alone: one run waits a minute for its provider, and others may not.
    store = BriefStore(plan.db or home() / STORE)
    async with open_talk(plan) as (client, speaker):
        decisions = Decisions(store, clock=now_ms, entropy=entropy)
        yield Router(
            client, decisions, clock=now_ms, entropy=entropy, speaker=speaker, signer=_signer
        )
    await store.close()


@asynccontextmanager
async def open_decisions(db: Path | None) -> AsyncIterator[Decisions | None]:
    """What was decided, only read; works beside a running router. None where nothing was."""
    path = db or home() / STORE
    if not path.exists():
        if db is not None:
            raise UnavailableError(f"there is no store of decisions at {db}")
        yield None
        return
    yield Decisions(BriefStore(path), clock=now_ms, entropy=entropy)


def _signing(path: Path) -> Ed25519Signer:
    """The key to sign with; what a provider needs to know it by is written beside it."""
    signer = signer_at(path, create=True)
    shown = path.with_name(f"{path.name}.jwks")
    if not shown.exists():
        shown.write_bytes(canonical(write_keys([signer.key])) + b"\n")
    return signer


def _signer() -> Ed25519Signer:
    """The key that receipts to losers are signed with, made at first use."""
    path = home() / KEY
    path.parent.mkdir(parents=True, exist_ok=True)
    return signer_at(path, create=True)


def _origins(urls: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(read_url(one).origin for one in urls))
