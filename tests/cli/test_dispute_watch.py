"""``treaty dispute watch`` and ``reveal``: three arbiters judge, by commands and processes."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.cli.town import COMPONENTS, Town, environment, process, serving
from treaty import app
from treaty.agent.terms import commit_body
from treaty.wire.money import Money

BUYER = "agent://quarrels.example/buyer"
SELLER = "agent://delivers.example/seller"
JUDGES = [f"agent://judge{number}.example/desk" for number in range(1, 11)]


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """A node with ten agents that judge, a buyer with money, and a seller with a key."""
    folder = tmp_path_factory.mktemp("judged")
    home, db = folder / "home", folder / "node.db"
    with serving(home, "--db", db) as listening:
        env = {"TREATY_HOME": str(home), "TREATY_NODE": listening["url"]}
        made = Town(home, db, listening["url"], listening["pid"], env=env)
        for uri in (BUYER, SELLER):
            made.run("agent", "new", uri)
        made.run("ledger", "fund", BUYER, "50", "USD", "--db", db, "--id", "for-a-quarrel")
        known = ("--weight", 200, "--days", 30, "--reason", "a judge", "--db", db)
        for uri in JUDGES:
            made.run("agent", "new", uri, "--arbitrates")
            made.run("trust", "attest", uri, "--components", COMPONENTS, *known)
        yield made


@contextmanager
def selling(town: Town) -> Iterator[subprocess.Popen[str]]:
    """The seller's program; whatever is left of it is killed at the end."""
    command = [sys.executable, "-m", "tests.cli.seller", SELLER, town.url]
    with subprocess.Popen(
        command, env=environment(town.home), stdout=subprocess.PIPE, text=True
    ) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == "ready\n"
        try:
            yield running
        finally:
            running.kill()


async def delivered(town: Town) -> str:
    """A box is bought, and the seller says it has delivered; then the buyer's program ends."""
    async with app.Agent(BUYER, node=town.url, home=town.home) as buyer:
        deal = await buyer.invite(SELLER, subject="A box")
        terms = {"quantity": 1, "durationHours": 1, "pricePerHour": 10, "sla": {"uptime": 99}}
        await deal.propose(terms)
        await deal.until(lambda now: now.agreed is not None)
        agreed = deal.agreed()
        assert agreed is not None
        await deal.commit(
            commit_body(
                commitment="cmt_box", proposal=agreed, payer=BUYER, payee=SELLER,
                total=Money(1_000, "USD"), at_ms=app.now_ms(),
            )
        )  # fmt: skip
        await deal.until(
            lambda now: any(
                duty.state.value == "CLAIMED" for one in now.live for duty in one.obligations
            )
        )
        return deal.id


def until(running: subprocess.Popen[str], event: str) -> list[str]:
    """Read what a watch tells, up to an event."""
    assert running.stdout is not None
    told: list[str] = []
    while event not in told:
        line = running.stdout.readline()
        assert line, told
        told.append(json.loads(line)["event"])
    return told


@pytest.mark.slow
def test_a_dispute_is_judged_though_both_parties_programs_had_ended(
    town: Town, tmp_path: Path
) -> None:
    with selling(town) as seller:
        session = asyncio.run(delivered(town))
        about = ("--reason", "specification-mismatch", "--statement", "It is empty.")
        town.run("dispute", "file", session, "--as", BUYER, *about, "--id", "dsp_box")
        seller.kill()
        seller.wait()
    for uri in (BUYER, SELLER):
        shown = town.read(
            "dispute", "evidence", "dsp_box", "--as", uri, "--statement", "A photo.", "--last"
        )
    assert (shown["phase"], shown["arbiters"]) == ("REVEAL", [])
    for uri in (BUYER, SELLER):
        disputes = [
            (one["id"], one["state"])
            for one in town.read("inbox", "--as", uri)["waiting"]
            if one["kind"] == "dispute"
        ]
        assert disputes == [("dsp_box", "REVEAL")]
    assert "evidence" not in town.run("dispute", "show", "dsp_box", "--as", BUYER).stderr

    # Whoever stays for the buyer reveals; the seller's program does so when it is back.
    once = town.run("dispute", "watch", "--as", BUYER, "--once", "--json").stdout
    assert [json.loads(line)["event"] for line in once.splitlines()] == [
        "open", "revealed", "watching",
    ]  # fmt: skip
    assert town.read("dispute", "show", "dsp_box", "--as", BUYER)["phase"] == "REVEAL"
    watch = ("dispute", "watch", "--as", BUYER, "--json", "--node", town.url)
    with process(town.home, *watch) as watching:
        assert until(watching, "watching") == ["open", "watching"]
        with selling(town) as seller:
            told = json_of(town, "dsp_box", "VOTES")
            seller.kill()
            seller.wait()
        judge_all(town, told["arbiters"])
        judged = town.read("dispute", "show", "dsp_box", "--as", BUYER)
        # The median of 2.50, 4.00 and 9.00, and of the severities.
        assert judged["ruling"]["toPayee"] == {"amount": "4.00", "currency": "USD"}
        assert (judged["ruling"]["by"], judged["ruling"]["severity"]) == ("peers", 3)
    assert town.read("ledger", "show", BUYER)["accounts"][0]["available"]["amount"] == "46.00"
    check_files(town, session, tmp_path)


def json_of(town: Town, dispute: str, phase: str) -> Any:
    """The dispute, once it is in a phase: asked again and again, as a person would."""
    while True:
        told = town.read("dispute", "show", dispute, "--as", BUYER)
        if told["phase"] == phase:
            return told


def judge_all(town: Town, arbiters: list[str]) -> None:
    for uri, amount, severity in zip(arbiters, ("9", "2.5", "4"), (1, 3, 5), strict=True):
        (waiting,) = town.read("inbox", "--as", uri)["waiting"]
        assert (waiting["kind"], waiting["id"], waiting["state"]) == ("vote", "dsp_box", "VOTES")
        told = town.run("dispute", "watch", "--as", uri, "--once").stdout
        assert f"treaty dispute vote dsp_box --as {uri} --to-payee AMOUNT" in told
        town.run(
            "dispute", "vote", "dsp_box", "--as", uri, "--to-payee", amount,
            "--severity", severity, "--reason", "I have looked at it.",
        )  # fmt: skip
        assert "were drawn" not in town.run("dispute", "watch", "--as", uri, "--once").stdout
        assert town.read("inbox", "--as", uri)["waiting"] == []


def check_files(town: Town, session: str, folder: Path) -> None:
    """Each party's deal file verifies by the node's roots, votes and all."""
    roots = folder / "roots.json"
    town.run("roots", "export", "--out", roots)
    for uri in (BUYER, SELLER):
        file = folder / f"{uri.rsplit('/', 1)[1]}.json"
        town.run("export", session, "--as", uri, "--out", file)
        kinds = [one["kind"] for one in json.loads(file.read_text())["disputes"]]
        assert kinds.count("vote") == 3
        done = town.read("verify", file, "--roots", roots)
        verdicts = {one["name"]: one["verdict"] for one in done["claims"]}
        for claim in ("signatures", "states", "keys", "reserved", "released", "trust"):
            assert verdicts[claim] == "verified", done


def test_nothing_is_open_and_nothing_is_shown(town: Town) -> None:
    assert town.run("dispute", "watch", "--as", JUDGES[0], "--once", "--json").stdout == (
        json.dumps({"event": "watching", "agent": JUDGES[0], "open": 0}) + "\n"
    )
    done = town.fail("dispute", "reveal", "dsp_none", "--as", BUYER)
    assert "(reference_unknown)" in done.stderr
    nobody = ("--as", "agent://nobody.example/x")
    assert town.fail("dispute", "watch", *nobody).exit_code == 2
