"""Checks of claims end to end: a node process, two agents, and a real page that says so or not."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.cli.town import Town, serving
from tests.http.pages import Asked, Pages, Write, page, pages
from treaty import app
from treaty.agent import Deal, SellerPolicy, Service, Tier, serve
from treaty.agent.terms import commit_body
from treaty.wire.money import Money

BUYER, SELLER = "agent://checked.example/buyer", "agent://seller.example/seller"
TERMS = {"quantity": 1, "durationHours": 1, "pricePerHour": 10, "sla": {"uptime": 99}}

pytestmark = [pytest.mark.anyio, pytest.mark.slow]


@asynccontextmanager
async def bound(folder: Path, metric: dict[str, Any], *words: str) -> AsyncIterator[Deal]:
    """The buyer's side of a deal for ten dollars that a metric has to bear out."""
    home, db = folder / "home", folder / "node.db"
    with serving(home, "--db", db, *words) as listening:
        env = {"TREATY_HOME": str(home), "TREATY_NODE": listening["url"]}
        town = Town(home, db, listening["url"], listening["pid"], env=env)
        # A command has an event loop of its own.
        await asyncio.to_thread(prepare, town)
        tier = Tier(Decimal(10), Decimal(99))
        service = Service(policy=SellerPolicy(tiers=(tier,), floor=Decimal(10)))
        service.fulfils(lambda _deal, _commitment: {"what": "a box"})
        seller = app.Agent(SELLER, node=town.url, home=home)
        buyer = app.Agent(BUYER, node=town.url, home=home)
        async with seller, buyer:
            providing = asyncio.create_task(serve(seller, service))
            try:
                yield await agreed(buyer, metric)
            finally:
                providing.cancel()
                await asyncio.gather(providing, return_exceptions=True)


def prepare(town: Town) -> None:
    for uri in (BUYER, SELLER):
        town.run("agent", "new", uri)
    town.run("ledger", "fund", BUYER, "50", "USD", "--db", town.db)


async def agreed(buyer: Any, metric: dict[str, Any]) -> Deal:
    deal = await buyer.invite(SELLER, subject="A box")
    await deal.propose(TERMS)
    await deal.until(lambda now: now.agreed is not None)
    proposal = deal.agreed()
    assert proposal is not None
    body = commit_body(
        commitment="cmt", proposal=proposal, payer=BUYER, payee=SELLER,
        total=Money(1_000, "USD"), at_ms=app.now_ms(), method="metric-query",
    )  # fmt: skip
    provider = body["obligations"]["provider"]
    provider["verification"] = metric
    await deal.commit(body)
    return deal


def facts(deal: Deal) -> list[dict[str, Any]]:
    records = (one.record for one in deal.line.copy.items)
    return [record["data"] for record in records if record.get("fact") == "metric"]


def metric(served: Pages) -> dict[str, Any]:
    return {"url": f"{served.url}/metrics", "pointer": "/up/0", "op": ">=", "expect": 0.999}


async def test_a_claim_that_the_page_denies_is_made_again_until_it_holds(tmp_path: Path) -> None:
    told = iter(["0.5", "1"])

    async def answer(_asked: Asked, write: Write) -> None:
        body = json.dumps({"up": [float(next(told))]})
        await write(page(body, content_type="application/json"))

    async with (
        pages(answer) as served,
        bound(tmp_path, metric(served), "--allow-loopback") as deal,
    ):
        await deal.until(lambda _now: len(facts(deal)) == 2)

        assert [(one["status"], one["value"]) for one in facts(deal)] == [(200, 0.5), (200, 1)]
        duty = deal.conversation.commitments["cmt"].duty("provider")
        assert duty is not None
        assert (duty.state, duty.claims, duty.passed) == ("CLAIMED", 2, True)
        assert [one.target for one in served.asked] == ["/metrics", "/metrics"]
        await deal.close(rating=5)
        await deal.until(lambda now: now.ended)
        assert deal.conversation.commitments["cmt"].state == "FULFILLED"


async def test_a_node_sends_nobody_to_its_own_machine_unless_told(tmp_path: Path) -> None:
    async with (
        pages({"/metrics": page('{"up": [1]}')}) as served,
        bound(tmp_path, metric(served)) as deal,
    ):
        await deal.until(lambda _now: len(facts(deal)) == 3)

        assert {one["failure"] for one in facts(deal)} == {"address_forbidden"}
        duty = deal.conversation.commitments["cmt"].duty("provider")
        assert duty is not None
        assert duty.blind
        assert served.connections == 0
