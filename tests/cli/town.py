"""A real node in a process of its own, two agents with a finished deal, and a way to run commands.

with built(tmp_path) as town:
    done = town.run("session", "list", "--as", ALPHA)
    assert done.exit_code == 0
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from tests.house.reading import ROOT, SRC
from treaty import app
from treaty.agent import BuyerPolicy, Purchase, SellerPolicy, Service, Tier, buy, learn, serve
from treaty.cli.root import root

ALPHA = "agent://acme.com/procurement/alpha"
BETA = "agent://cloudprime.io/gpu/beta"
NODE = "agent://node.example/treaty"
STRANGER = "agent://stranger.example/nobody"
UNKNOWN = "019526a1-8e1a-7000-8000-000000000001"
"""A session nobody has."""
COMPONENTS = "IV=100,CH=90,CF=95,BC=90,RQ=92,SP=75,ER=94,PE=68"
STOP_S = 20


def run(*words: object, env: Mapping[str, str | None] | None = None, **options: Any) -> Result:
    """Run a command in this process, as its main program would."""
    return CliRunner().invoke(
        root, [str(word) for word in words], prog_name="treaty", env=env, **options
    )


def environment(home: Path, **more: str) -> dict[str, str]:
    """What a ``treaty`` process of its own needs."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TREATY_")}
    return {**kept, "PYTHONPATH": f"{SRC}:{ROOT}", "TREATY_HOME": str(home), **more}


@contextmanager
def process(home: Path, *words: object, **options: Any) -> Iterator[subprocess.Popen[str]]:
    """A ``treaty`` process; it is stopped at the end."""
    command = [sys.executable, "-m", "treaty.cli", *map(str, words)]
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(
        command, env=environment(home), text=True, **{**pipes, **options}
    ) as running:
        try:
            yield running
        finally:
            running.terminate()
            try:
                running.wait(STOP_S)
            except subprocess.TimeoutExpired:
                running.kill()


@contextmanager
def serving(home: Path, *words: object) -> Iterator[dict[str, Any]]:
    """A node on a free port; gives the line it prints when it listens."""
    with process(home, "serve", "--port", 0, "--json", *words) as running:
        assert running.stdout is not None
        line = running.stdout.readline()
        assert line, running.stderr.read() if running.stderr else "no line"
        yield {**json.loads(line), "process": running}


@dataclass(frozen=True)
class Town:
    """A node, Alpha's and Beta's home, and the session of their deal."""

    home: Path
    db: Path
    url: str
    pid: int
    session: str = ""
    env: Mapping[str, str] = field(default_factory=dict)

    def run(self, *words: object, **options: Any) -> Result:
        """Run a command in this town; it fails the test when it does not end well."""
        done = run(*words, env={**self.env, **options.pop("env", {})}, **options)
        assert done.exit_code == 0, f"{words}\n{done.output}"
        return done

    def fail(self, *words: object, **options: Any) -> Result:
        """Run a command in this town that must not end well."""
        done = run(*words, env={**self.env, **options.pop("env", {})}, **options)
        assert done.exit_code != 0, f"{words}\n{done.output}"
        return done

    def read(self, *words: object, **options: Any) -> Any:
        """What a command prints with ``--json``."""
        return json.loads(self.run(*words, "--json", **options).stdout)


@contextmanager
def built(folder: Path) -> Iterator[Town]:
    """A town whose two agents have made a deal."""
    home, db = folder / "home", folder / "node.db"
    with serving(home, "--db", db, "--agent", NODE) as listening:
        env = {"TREATY_HOME": str(home), "TREATY_NODE": listening["url"]}
        town = Town(home, db, listening["url"], listening["pid"], env=env)
        town.run("agent", "new", ALPHA, "--name", "Alpha", "--organization", "Acme")
        town.run("agent", "new", BETA)
        town.run("ledger", "fund", ALPHA, "1000", "USD", "--db", db, "--id", "first")
        known = ("--weight", 200, "--days", 300, "--reason", "known elsewhere", "--db", db)
        town.run("trust", "attest", BETA, "--components", COMPONENTS, *known)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("TREATY_HOME", str(home))
            session = asyncio.run(make_deal(town.url))
        yield Town(home, db, town.url, town.pid, session, env)


async def make_deal(url: str, currency: str = "USD") -> str:
    """Alpha buys two GPUs for a day from Beta; returns the session."""
    prices = (
        Tier(Decimal("3.50"), Decimal("99.9")),
        Tier(Decimal("4.00"), Decimal("99.95")),
    )
    service = Service(policy=SellerPolicy(tiers=prices, floor=Decimal("3.75")), rating=4)
    service.currency = currency
    service.fulfils(_provision)
    listed = {"gpu": "A100", "pricePerHour": 3.5, "currency": currency}
    beta = app.Agent(BETA, node=url, capabilities=["provision.gpu"], pricing=listed)
    alpha = app.Agent(ALPHA, node=url, name="Alpha", organization="Acme")
    async with beta, alpha:
        providing = asyncio.create_task(serve(beta, service))
        try:
            return await _buy(alpha, currency)
        finally:
            providing.cancel()
            await asyncio.gather(providing, return_exceptions=True)


async def _provision(deal: Any, commitment: Any) -> dict[str, Any]:
    await deal.progress("provisioning", 50, f"1 of 2 instances for {commitment.id} runs")
    return {"instances": [{"id": "gpu-1"}, {"id": "gpu-2"}]}


async def _buy(alpha: Any, currency: str) -> str:
    policy = BuyerPolicy(
        ask=Decimal("5.00"), reservation=Decimal("4.23"), quality_min=Decimal("99.9")
    )
    terms = {"gpuType": "A100", "quantity": 2, "durationHours": 24}
    found = await alpha.discover("provision.gpu")
    deal = await alpha.invite(found[0], subject="GPU compute")
    tier = Tier(Decimal("3.50"), Decimal("99.9"))
    wanted = Purchase(terms, policy, tier, subject="Two A100 for a day", currency=currency)
    await buy(deal, wanted)
    await learn(alpha, deal)
    await alpha.copies.flush()
    return str(deal.id)
