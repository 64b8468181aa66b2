"""Real processes and files: a limit and a note are on nobody else's disk, in no log and no export.

Beside ``tests/simulation/test_leaks.py``, which searches every byte of a simulated deal, this
one searches what a node process leaves behind: its database, what it printed, both deal files.
"""

from __future__ import annotations

import asyncio
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.cli.town import ALPHA, BETA, COMPONENTS, NODE, run, serving
from tests.simulation.test_leaks import forms
from treaty import app
from treaty.agent import BuyerPolicy, Purchase, SellerPolicy, Service, Tier, buy, learn, serve
from treaty.core.learning import Observation

FLOOR, RESERVATION = Decimal("3.6173"), Decimal("4.2317")
LISTED = Tier(Decimal("3.50"), Decimal("99.9"))
TERMS = {"gpuType": "A100", "quantity": 2, "durationHours": 24}


def bytes_below(folder: Path) -> bytes:
    """Every byte of every file."""
    return b"\n".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


def exact(limit: Decimal) -> list[bytes]:
    """A limit as it might be written; rounded it might be part of any time of the day."""
    return [form for form in forms(limit) if len(form) >= len(str(limit)) - 1]


async def deal(url: str, homes: dict[str, Path]) -> tuple[str, Observation]:
    """Both parties deal, each at home in its own folder; Alpha notes what it learnt."""
    tiers = (LISTED, Tier(Decimal("4.00"), Decimal("99.95")))
    service = Service(policy=SellerPolicy(tiers=tiers, floor=FLOOR), rating=4)
    listed = {"gpu": "A100", "pricePerHour": 3.5, "currency": "USD"}
    offers: dict[str, Any] = {"capabilities": ["provision.gpu"], "pricing": listed}
    policy = BuyerPolicy(ask=None, reservation=RESERVATION, quality_min=Decimal("99.9"))
    beta = app.Agent(BETA, node=url, home=homes[BETA], **offers)
    alpha = app.Agent(ALPHA, node=url, home=homes[ALPHA])
    async with beta, alpha:
        providing = asyncio.create_task(serve(beta, service))
        found = await alpha.discover("provision.gpu")
        done = await buy(await alpha.invite(found[0]), Purchase(TERMS, policy, LISTED))
        note = await learn(alpha, done)
        await alpha.copies.flush()
        providing.cancel()
        await asyncio.gather(providing, return_exceptions=True)
        return done.id, note


@pytest.mark.slow
def test_no_limit_and_no_note_leaves_its_owner(tmp_path: Path) -> None:
    homes = {uri: tmp_path / uri.rsplit("/", 1)[-1] for uri in (ALPHA, BETA)}
    host, db = tmp_path / "host", tmp_path / "host" / "node.db"
    host.mkdir()
    with serving(host, "--db", db, "--agent", NODE) as listening:
        env = {"TREATY_NODE": listening["url"]}
        for uri, home in homes.items():
            assert run("agent", "new", uri, env={**env, "TREATY_HOME": str(home)}).exit_code == 0
        key = ("--db", db)
        operator = {**env, "TREATY_HOME": str(host)}
        run("ledger", "fund", ALPHA, "500", "USD", *key, env=operator)
        given = ("--components", COMPONENTS, "--weight", 200, "--days", 9, "--reason", "x", *key)
        run("trust", "attest", BETA, *given, env=operator)
        session, note = asyncio.run(deal(listening["url"], homes))
        exports = []
        for uri, home in homes.items():
            out = tmp_path / f"{home.name}.json"
            words = ("export", session, "--as", uri, "--out", out)
            assert run(*words, env={**env, "TREATY_HOME": str(home)}).exit_code == 0
            exports.append(out.read_bytes())
        listening["process"].terminate()
        printed = "".join(listening["process"].communicate(timeout=20)).encode()
    public = b"\n".join((bytes_below(host), printed, *exports))
    alphas, betas = (bytes_below(homes[uri]) for uri in (ALPHA, BETA))

    assert all(spoken in public for spoken in (b"3.75", b"99.95", session.encode()))
    for place in (public, alphas, betas):
        assert not any(form in place for limit in (FLOOR, RESERVATION) for form in exact(limit))
    assert note.observation.encode() in alphas
    for place in (public, betas):
        assert note.observation.encode() not in place
        assert b"observationType" not in place
