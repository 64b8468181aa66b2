"""Kill -9 of the node at every commit of a deal: the agents finish, nothing is lost or doubled.

The node is a real process on a real file. It dies at each unit it makes durable, is started
again on the same file and port, and dies at the next one, until the deal is done. Both sides
of a commit are tried: just after it (durable, nobody answered) and just before the next one.
"""

import asyncio
import json
import socket
import sys
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path

import pytest

from treaty import app
from treaty.agent import BuyerPolicy, Purchase, SellerPolicy, Service, Tier, buy, serve
from treaty.agent.export import export_deal
from treaty.identity.keys import Ed25519Signer
from treaty.identity.records import seal
from treaty.store.memory import MemoryStore
from treaty.wire.instants import format_instant

HERE = Path(__file__).parent
ALPHA = "agent://acme.com/procurement/alpha"
BETA = "agent://cloudprime.io/gpu/beta"
LIVES_MAX = 80
TIERS = (Tier(Decimal("3.50"), Decimal("99.9")), Tier(Decimal("4.00"), Decimal("99.95")))


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Graveyard:
    """Keeps a node alive: starts it again whenever it has died."""

    def __init__(self, db, port):
        self.db = db
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self.lives = 0
        self.deaths = 0
        self.process = None

    async def start(self, mode, number):
        self.process = await asyncio.create_subprocess_exec(
            sys.executable,
            str(HERE / "mortal_node.py"),
            mode,
            str(number),
            "--",
            *("serve", "--port", str(self.port), "--db", str(self.db), "--json"),
            stdout=asyncio.subprocess.PIPE,
        )
        self.lives += 1
        line = await self.process.stdout.readline()
        return json.loads(line) if line else None

    async def haunt(self, mode, number):
        """Restart the node after each death, doomed again, until cancelled."""
        while self.lives < LIVES_MAX:
            code = await self.process.wait()
            assert code == -9, f"the node ended by itself with {code}"
            self.deaths += 1
            await self.start(mode, number)

    async def stop(self):
        if self.process is not None and self.process.returncode is None:
            self.process.kill()
            await self.process.wait()


@asynccontextmanager
async def party(uri, url, **card):
    store = MemoryStore()
    signer = Ed25519Signer(uri.encode().ljust(32, b"-")[:32])
    async with app.Agent(uri, node=url, signer=signer, store=store, **card) as agent:
        yield agent


async def fund(url, operator_key):
    operator = app.signer_at(operator_key)
    client = app.connect(url, signer=operator)
    at = format_instant(app.now_ms())
    amount = {"amount": "500.00", "currency": "USD"}
    transfer = {"id": "t1", "direction": "fund", "agent": ALPHA, "amount": amount, "at": at}
    await client.post_transfer(seal("transfer", transfer, operator))
    await client.close()


def beta_service(delivered):
    service = Service(policy=SellerPolicy(tiers=TIERS, floor=Decimal("3.75")), rating=4)

    @service.fulfils
    async def provision(deal, commitment):
        delivered.append(commitment.id)
        await deal.progress("provisioning", 50, "half way")
        return {"instances": []}

    return service


async def deal_with_mortal_node(tmp_path, mode, number):
    node = Graveyard(tmp_path / "node.db", free_port())
    try:
        first = await node.start("never", 0)
        await fund(node.url, Path(first["operatorKey"]))
        listed = {"pricePerHour": 3.5, "currency": "USD"}
        async with (
            party(BETA, node.url, capabilities=["provision.cloud"], pricing=listed) as beta,
            party(ALPHA, node.url) as alpha,
        ):
            delivered = []
            serving = asyncio.create_task(serve(beta, beta_service(delivered)))
            await node.stop()
            await node.start(mode, number)
            haunting = asyncio.create_task(node.haunt(mode, number))
            wanted = Purchase(
                {"gpuType": "A100", "quantity": 2, "durationHours": 24},
                BuyerPolicy(ask=None, reservation=Decimal("4.23"), quality_min=Decimal("99.9")),
                TIERS[0],
            )
            deal = await buy(await alpha.invite(BETA), wanted)
            haunting.cancel()
            await node.stop()
            await node.start("never", 0)
            statements = [await one.balance() for one in (alpha, beta)]
            trust = await alpha.trust()
            log = await alpha.client.entries(deal.id, 0)
            document = await export_deal(alpha, deal.id)
            serving.cancel()
            return node, deal, delivered, statements, trust, log, document
    finally:
        await node.stop()


@pytest.mark.parametrize(("mode", "number"), [("after", 1), ("before", 2)])
def test_a_deal_survives_the_death_of_its_node_at_every_commit(tmp_path, mode, number):
    async def run():
        async with asyncio.timeout(170):
            return await deal_with_mortal_node(tmp_path, mode, number)

    node, deal, delivered, statements, trust, log, document = asyncio.run(run())

    assert node.deaths >= 14, "each of the deal's messages should have cost the node a life"
    assert deal.state == "CLOSED"
    assert len(deal.messages) == 14
    kinds = [one.performative.value for one in deal.messages]
    assert kinds.count("COMMIT") == 1
    movements = [
        e.record["data"]["movement"] for e in log.items if e.record.get("fact") == "escrow"
    ]
    assert movements == ["reserve", "settle"]
    available = [one["accounts"][0]["available"]["amount"] for one in statements]
    assert available == ["320.00", "180.00"]
    assert [one["accounts"][0]["held"]["amount"] for one in statements] == ["0.00", "0.00"]
    outcomes = [e for e in log.items if e.record.get("fact") == "outcome"]
    assert len(outcomes) == 1
    assert trust["score"] == 49
    assert delivered, "the provider never worked"
    report = app.verify(document)
    assert report.ok, report.to_json()
