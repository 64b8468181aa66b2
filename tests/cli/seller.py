"""A provider in a process of its own, until killed: ``python -m tests.cli.seller URI URL``."""

from __future__ import annotations

import asyncio
import sys
from decimal import Decimal
from typing import Any

from treaty import app
from treaty.agent import SellerPolicy, Service, Tier, serve


async def main(uri: str, url: str) -> None:
    """Sell boxes of ten dollars, and say that they were delivered."""
    tier = Tier(Decimal(10), Decimal(99))
    service = Service(policy=SellerPolicy(tiers=(tier,), floor=Decimal(10)))

    async def deliver(_deal: Any, _commitment: Any) -> dict[str, Any]:
        return {"what": "a box"}

    service.fulfils(deliver)
    async with app.Agent(uri, node=url) as seller:
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        await serve(seller, service)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:3]))
