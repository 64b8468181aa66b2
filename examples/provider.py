"""A provider: sells GPU hours by a policy, delivers, and closes. Run: provider.py NODE_URL"""

import asyncio
import sys
from decimal import Decimal

import treaty
from treaty.agent import SellerPolicy, Service, Tier, serve

PRICES = (Tier(Decimal("3.50"), Decimal("99.9")), Tier(Decimal("4.00"), Decimal("99.95")))
service = Service(policy=SellerPolicy(tiers=PRICES, floor=Decimal("3.75")), rating=4)


@service.fulfils
async def provision(deal, commitment):
    await deal.progress("provisioning", 50, f"1 of 2 instances for {commitment.id} runs")
    return {"instances": [{"id": "gpu-1"}, {"id": "gpu-2"}]}


async def main(node):
    listed = {"gpu": "A100", "pricePerHour": 3.5, "currency": "USD"}
    uri = "agent://cloudprime.io/gpu/beta"
    async with treaty.Agent(uri, node=node, capabilities=["provision.cloud"], pricing=listed) as me:
        print(f"{me.uri} serves", flush=True)
        await serve(me, service)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
