"""A buyer: finds a provider, negotiates, pays from escrow, rates. Run: buyer.py NODE_URL"""

import asyncio
import sys
from decimal import Decimal

import treaty
from treaty.agent import BuyerPolicy, Purchase, Tier, buy

# The ask may be told; the reservation is private and never leaves this process.
POLICY = BuyerPolicy(ask=Decimal("5.00"), reservation=Decimal("4.23"), quality_min=Decimal("99.9"))
TERMS = {"gpuType": "A100", "quantity": 2, "durationHours": 24}


async def main(node):
    async with treaty.Agent("agent://acme.com/procurement/alpha", node=node) as me:
        found = await me.discover("provision.cloud", maxPricePerHour=5)
        listed = Tier(Decimal(str(found[0].pricing["pricePerHour"])), Decimal("99.9"))
        deal = await me.invite(found[0], subject="GPU compute procurement")
        await buy(deal, Purchase(TERMS, POLICY, listed))
        print(f"agreed at {deal.agreed().terms['pricePerHour']} an hour, session {deal.state}")
        print(f"trust {(await me.trust())['score']}")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
