"""Two nodes in two processes: deals are cleared at one, and counted by the other.

The host is killed with SIGKILL between the settlement and the report, while the trust node is
away; both are started again. What they tell each other goes over real sockets, through the guarded
client.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.cli.town import (
    ALPHA,
    BETA,
    COMPONENTS,
    STOP_S,
    Town,
    _provision,
    environment,
    process,
    run,
    serving,
)
from treaty import app
from treaty.agent import BuyerPolicy, Purchase, SellerPolicy, Service, Tier, buy, serve
from treaty.agent.export import export_deal

HOST = "agent://host.example/treaty"
TRUST = "agent://trust.example/treaty"
PATIENCE_S = 90
TIERS = (Tier(Decimal("3.50"), Decimal("99.9")), Tier(Decimal("4.00"), Decimal("99.95")))


@contextmanager
def node(folder: Path, name: str, uri: str, *words: object) -> Iterator[Town]:
    """A node in a process, under the same address and key whenever it is started."""
    home, db, port = folder / "home", folder / f"{name}.db", folder / f"{name}.port"
    taken = ("--port", port.read_text()) if port.exists() else ()
    with serving(home, "--db", db, "--agent", uri, *taken, *words) as listening:
        port.write_text(listening["url"].rpartition(":")[2])
        env = {"TREATY_HOME": str(home), "TREATY_NODE": listening["url"]}
        yield Town(home, db, listening["url"], listening["pid"], env=env)


def prepared(folder: Path) -> tuple[Path, dict[str, Any]]:
    """The host's roots for the trust node, and ``terms.trust`` for the host's sessions."""
    roots = folder / "host.json"
    with node(folder, "host", HOST) as host:
        host.run("agent", "new", ALPHA)
        host.run("agent", "new", BETA)
        host.run("ledger", "fund", ALPHA, "1000", "USD", "--db", host.db, "--id", "first")
        host.run("roots", "export", "--out", roots)
    with node(folder, "trust", TRUST, "--clearings", roots) as trust:
        why = ("--weight", 200, "--days", 300, "--reason", "known elsewhere", "--db", trust.db)
        trust.run("trust", "attest", BETA, "--components", COMPONENTS, *why)
        key = app.public_key_at(app.key_beside(trust.db, "node"))
        assert key is not None
        return roots, {"uri": TRUST, "keyId": key.key_id, "url": trust.url}


async def deal(host: Town, terms: Mapping[str, Any]) -> str:
    """Alpha buys of Beta at the host; done when the money has moved."""
    service = Service(policy=SellerPolicy(tiers=TIERS, floor=Decimal("3.75")), rating=4)
    service.fulfils(_provision)
    beta = app.Agent(BETA, node=host.url, capabilities=["provision.gpu"])
    alpha = app.Agent(ALPHA, node=host.url)
    async with beta, alpha:
        providing = asyncio.create_task(serve(beta, service))
        bought = await alpha.invite(BETA, terms={"trust": dict(terms)})
        policy = BuyerPolicy(ask=None, reservation=Decimal("4.23"), quality_min=Decimal("99.9"))
        wanted = {"gpuType": "A100", "quantity": 2, "durationHours": 24}
        await buy(bought, Purchase(wanted, policy, TIERS[0]))
        await alpha.copies.flush()
        providing.cancel()
        await asyncio.gather(providing, return_exceptions=True)
        return str(bought.id)


async def outcome(host: Town, session: str) -> dict[str, Any]:
    """Wait for the fact that says what the trust node answered; and the deal as a file."""
    async with app.Agent(ALPHA, node=host.url) as alpha, asyncio.timeout(PATIENCE_S):
        async for item in alpha.client.events(session, 0):
            if item.record.get("fact") == "outcome":
                return dict(await export_deal(alpha, session))
    raise AssertionError("the stream ended without an outcome")


def records(town: Town, kind: str) -> list[Any]:
    """Records of a kind in a node's trust log."""
    taken = json.loads(town.run("trust", "log").stdout)
    return [one["record"] for one in taken["records"] if one["kind"] == kind]


@pytest.mark.slow
def test_a_deal_that_is_cleared_at_one_node_counts_at_another_whatever_dies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TREATY_HOME", str(tmp_path / "home"))
    roots, terms = prepared(tmp_path)
    with node(tmp_path, "host", HOST, "--allow-loopback") as host, ExitStack() as dying:
        # The trust node is away, so that the report is still to be made when the host dies.
        session = asyncio.run(deal(host, terms))
        dying.callback(kill, host.pid)
    with (
        node(tmp_path, "trust", TRUST, "--clearings", roots) as trust,
        node(tmp_path, "host", HOST, "--allow-loopback") as host,
    ):
        document = asyncio.run(outcome(host, session))

        # Counted there, once, and not at home.
        assert trust.read("trust", "show", ALPHA)["score"] == 60.8
        assert host.read("trust", "show", ALPHA)["score"] == 49
        (entry,) = records(trust, "outcome")
        assert (entry["clearing"], entry["report"]["session"]) == (HOST, session)
        assert records(host, "outcome") == []
        check_recomputed(trust, tmp_path)
        check_deal(document, entry)


def kill(pid: int) -> None:
    """End a process at once."""
    os.kill(pid, signal.SIGKILL)


def check_recomputed(trust: Town, folder: Path) -> None:
    """Anybody computes the score again, the clearing's signature checked, with or without roots."""
    told = trust.read("trust", "recompute", ALPHA)
    assert {one["verdict"] for one in told["report"]["claims"]} == {"verified"}
    assert told["score"]["score"] == "60.8"
    own = folder / "trust.json"
    trust.run("roots", "export", "--out", own)
    assert [one["uri"] for one in json.loads(own.read_bytes())["clearing"]] == [TRUST, HOST]
    done = trust.run("trust", "recompute", ALPHA, "--roots", own)
    assert done.stdout.startswith("verified, every claim\n")
    # And from the database alone, which knows whom the node lists.
    told = trust.read("trust", "recompute", ALPHA, "--db", trust.db)
    assert {one["verdict"] for one in told["report"]["claims"]} == {"verified"}


def check_deal(document: Any, entry: Any) -> None:
    """The deal file shows the entry elsewhere; what it cannot show it says."""
    facts = [one["data"] for one in document["log"] if one.get("fact") == "outcome"]
    assert [one["record"] for one in facts] == [entry]
    report = app.verify(document)
    assert report.ok, report.to_json()
    trust = report.claim("trust")
    assert trust is not None
    assert trust.verdict == "not checkable"
    assert TRUST in trust.detail


@pytest.mark.slow
def test_a_clearing_of_the_same_name_is_told_apart_or_not_listed(tmp_path: Path) -> None:
    roots = tmp_path / "host.json"
    with node(tmp_path, "host", TRUST) as host:
        host.run("roots", "export", "--out", roots)
    words = ("serve", "--port", 0, "--db", tmp_path / "trust.db", "--agent", TRUST)
    done = run(*words, "--clearings", roots, env=environment(tmp_path / "home"))

    assert done.exit_code == 2
    assert "another --agent" in done.output


@pytest.mark.parametrize("content", ["", "{}", '{"treaty": "roots/1", "clearing": [1]}'])
def test_what_is_no_roots_file_lists_nobody(tmp_path: Path, content: str) -> None:
    file = tmp_path / "roots.json"
    file.write_text(content)
    with process(tmp_path, "serve", "--port", 0, "--clearings", file) as running:
        _, errors = running.communicate(timeout=STOP_S)

    assert running.returncode == 2
    assert str(file) in errors
