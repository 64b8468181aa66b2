"""``treaty dispute``: from the filing to the ruling by commands alone, on a real node."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.cli.town import STRANGER, Town, serving
from treaty import app
from treaty.agent import SellerPolicy, Service, Tier, serve
from treaty.agent.terms import commit_body
from treaty.wire.money import Money

BUYER = "agent://disputes.example/buyer"
SELLER = "agent://sold.example/seller"


async def _delivered(url: str, home: Path) -> str:
    """A deal of ten dollars that the seller says it has delivered, and nobody confirmed."""
    tier = Tier(Decimal(10), Decimal(99))
    service = Service(policy=SellerPolicy(tiers=(tier,), floor=Decimal(10)))

    async def deliver(_deal: Any, _commitment: Any) -> dict[str, Any]:
        return {"what": "a box"}

    service.fulfils(deliver)
    seller = app.Agent(SELLER, node=url, home=home)
    buyer = app.Agent(BUYER, node=url, home=home)
    async with seller, buyer:
        providing = asyncio.create_task(serve(seller, service))
        try:
            deal = await buyer.invite(SELLER, subject="A box")
            terms = {"quantity": 1, "durationHours": 1, "pricePerHour": 10, "sla": {"uptime": 99}}
            await deal.propose(terms)
            await deal.until(lambda now: now.agreed is not None)
            agreed = deal.agreed()
            assert agreed is not None
            body = commit_body(
                commitment="cmt_box", proposal=agreed, payer=BUYER, payee=SELLER,
                total=Money(1_000, "USD"), at_ms=app.now_ms(),
            )  # fmt: skip
            await deal.commit(body)
            await deal.until(
                lambda now: any(
                    duty.state.value == "CLAIMED" for one in now.live for duty in one.obligations
                )
            )
            return deal.id
        finally:
            providing.cancel()
            await asyncio.gather(providing, return_exceptions=True)


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """A node of its own: what happens here is not seen by the tests of other commands."""
    folder = tmp_path_factory.mktemp("disputes")
    home, db = folder / "home", folder / "node.db"
    with serving(home, "--db", db) as listening:
        env = {"TREATY_HOME": str(home), "TREATY_NODE": listening["url"]}
        yield Town(home, db, listening["url"], listening["pid"], env=env)


@pytest.fixture(scope="module")
def session(town: Town) -> str:
    town.run("agent", "new", BUYER)
    town.run("agent", "new", SELLER)
    town.run("ledger", "fund", BUYER, "50", "USD", "--db", town.db, "--id", "for-disputes")
    return asyncio.run(_delivered(town.url, town.home))


def test_a_dispute_by_commands_alone(town: Town, session: str, tmp_path: Path) -> None:
    about = ("--reason", "specification-mismatch", "--statement", "It is empty.")
    filed = town.read("dispute", "file", session, "--as", BUYER, *about, "--id", "dsp_box")
    assert (filed["phase"], filed["commitmentId"]) == ("EVIDENCE", "cmt_box")
    assert filed["bond"] == {"amount": "1.00", "currency": "USD"}

    town.run("dispute", "evidence", "dsp_box", "--as", BUYER, "--statement", "A photo.", "--last")
    papers = tmp_path / "papers.json"
    papers.write_text(json.dumps({"receipt": 7}))
    shown = town.read(
        "dispute", "evidence", "dsp_box", "--as", SELLER, "--statement", "It was full.",
        "--documents", papers, "--last",
    )  # fmt: skip
    assert shown["phase"] == "PERSON"
    assert shown["records"][-1]["record"]["documents"] == {"receipt": 7}

    ruled = town.read(
        "dispute", "resolve", "dsp_box", "--to-payee", "2.5", "--severity", "4", "--db", town.db
    )
    assert ruled["ruling"]["toPayee"] == {"amount": "2.50", "currency": "USD"}
    assert ruled["ruling"]["toPayer"] == {"amount": "7.50", "currency": "USD"}

    text = town.run("dispute", "show", "dsp_box", "--as", SELLER).stdout
    for word in ("RULED", "2.50 USD", "operator", "It is empty.", "It was full.", "cmt_box"):
        assert word in text
    assert town.read("dispute", "show", "dsp_box", "--db", town.db) == ruled
    accounts = town.read("ledger", "show", BUYER)["accounts"]
    assert accounts[0]["available"]["amount"] == "47.50"


def test_what_cannot_be_done_says_what_to_do(town: Town, session: str) -> None:
    about = ("--reason", "non-delivery")
    assert town.fail("dispute", "file", session, "--as", STRANGER, *about).exit_code == 2
    done = town.fail("dispute", "show", "dsp_none", "--as", BUYER)
    assert "(reference_unknown)" in done.stderr
    amount = ("--to-payee", "much", "--db", town.db)
    assert town.fail("dispute", "resolve", "dsp_none", *amount).exit_code == 1
    assert town.fail("dispute", "show", "dsp_none").exit_code == 2
    wrong = ("--commitment", "cmt_other", *about)
    assert (
        "(reference_unknown)" in town.fail("dispute", "file", session, "--as", BUYER, *wrong).stderr
    )
