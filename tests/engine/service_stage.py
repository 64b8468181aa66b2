"""A provider's service desk in memory, with a clock and somebody who asks."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.http.mrp_world import PROVIDER
from tests.http.nodes import NODE, Clock, entropy, signer
from treaty.app.services import Workshop
from treaty.dialects.mrp import codec
from treaty.dialects.mrp.authority import Authority
from treaty.dialects.mrp.listing import Publishing
from treaty.dialects.mrp.offering import Offering
from treaty.dialects.mrp.serving import MRP
from treaty.engine.capability import Capability
from treaty.engine.desk import Desk
from treaty.engine.ports import Store
from treaty.engine.service_dialect import Asked, Mark, Serving
from treaty.engine.services import Services
from treaty.errors import Refused
from treaty.store.memory import MemoryStore


class Nobody:
    """Fetches nothing."""

    async def fetch(self, url: str, **_: Any) -> Any:
        raise Refused(f"nothing is fetched here, {url} neither", "address_forbidden")


@dataclass
class Stage:
    """A started service desk."""

    services: Services
    desk: Desk
    clock: Clock
    workshop: Workshop
    said: list[str] = field(default_factory=list)

    def asked(
        self,
        msg_type: str,
        payload: Mapping[str, Any],
        *,
        principal: str = "from:here/agent:x",
        marks: tuple[Mark, ...] = (),
        **members: Any,
    ) -> Asked:
        """A message of somebody, as the routes hand it on."""
        dialect, endpoint = self.services.dialect, msg_type.lower()
        document = codec.compose(
            msg_type,
            payload,
            sender="agent:x",
            at_ms=self.clock(),
            entropy=self.desk.entropy(16),
            **members,
        )
        read = dialect.read(document, codec.encode(document), endpoint)
        request = dialect.judge(read, endpoint, "here", self.clock())
        return Asked(
            message=request,
            principal=principal,
            endpoint=endpoint,
            digest=dialect.digest(request),
            idempotency_key=read.idempotency_key,
            marks=marks,
            at_ms=self.clock(),
            entropy=self.desk.entropy(32),
        )


async def stage(
    *capabilities: Capability, store: Store | None = None, clock: Clock | None = None
) -> Stage:
    """A service desk with these capabilities, started."""
    clock = clock or Clock()
    desk = Desk(store or MemoryStore(), clock=clock, entropy=entropy())
    said: list[str] = []
    workshop = Workshop(said.append)
    serving = Serving(
        dialect=MRP(signer(NODE), Offering(PROVIDER, capabilities), Authority()),
        capabilities={one.name: one for one in capabilities},
        worker=workshop,
        fetcher=Nobody(),
        publisher=Publishing(),
    )
    services = Services(desk, serving)
    await services.start()
    return Stage(services, desk, clock, workshop, said)


def staged(test: Callable[[], Awaitable[None]]) -> Callable[[], None]:
    """Run an async test."""

    def run() -> None:
        asyncio.run(test())

    run.__name__ = test.__name__
    return run
