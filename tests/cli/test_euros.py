"""A deal in euros, as people make it: node, money, deal, trust, file, verification."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from tests.cli.town import ALPHA, BETA, COMPONENTS, Town, make_deal, run, serving


def test_a_deal_in_euros_from_the_money_to_the_verified_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, db, out, roots = (tmp_path / name for name in ("home", "node.db", "deal", "roots"))
    monkeypatch.setenv("TREATY_HOME", str(home))
    with serving(home, "--db", db, "--usd-rate", "EUR=1.08", "--usd-rate", "jpy=0.0067") as node:
        assert node["usdRates"] == {"EUR": "1.08", "JPY": "0.0067"}
        monkeypatch.setenv("TREATY_NODE", node["url"])
        town = Town(home, db, node["url"], node["pid"])
        for uri in (ALPHA, BETA):
            town.run("agent", "new", uri)
        town.run("ledger", "fund", ALPHA, "1000", "EUR", "--db", db)
        known = ("--weight", 200, "--days", 300, "--reason", "known elsewhere", "--db", db)
        town.run("trust", "attest", BETA, "--components", COMPONENTS, *known)
        session = asyncio.run(make_deal(node["url"], "EUR"))

        (account,) = town.read("ledger", "show", BETA)["accounts"]
        assert account["available"] == {"amount": "180.00", "currency": "EUR"}
        (commitment,) = town.read("session", "show", session, "--as", ALPHA)["commitments"]
        assert commitment["escrow"]["usdRate"] == "1.08"
        # 180 euros are more than 100 dollars, so the deal counts in full, as the seed's does.
        assert town.read("trust", "show", ALPHA)["score"] == 60.8
        town.run("export", session, "--as", ALPHA, "--out", out)
        town.run("roots", "export", "--out", roots)

    # Offline, by the file alone; and a rate that was raised afterwards is found out.
    done = run("verify", out, "--roots", roots, "--require", "trust", "--json")
    assert done.exit_code == 0, done.output
    deal = json.loads(out.read_text())
    stated = [one for one in deal["log"] if one.get("fact") == "rate"]
    assert [one["data"]["usdRate"] for one in stated] == ["1.08"]
    stated[0]["data"]["usdRate"] = "10.8"
    out.write_text(json.dumps(deal))
    assert run("verify", out, "--roots", roots).exit_code != 0


@pytest.mark.parametrize(
    "value", ["EUR", "EUR=", "EUR=0", "EUR=-1", "EUR=1e3", "EUR=1,08", "USD=1", "XXX=1", "=1"]
)
def test_what_is_no_rate_is_misuse(value: str, tmp_path: Path) -> None:
    done = run("serve", "--port", 0, "--usd-rate", value, env={"TREATY_HOME": str(tmp_path)})

    assert done.exit_code == 2
    assert "write it as EUR=1.08" in done.output


def test_one_currency_has_one_rate(tmp_path: Path) -> None:
    words = ("--usd-rate", "EUR=1", "--usd-rate", "eur=1.1")
    done = run("serve", "--port", 0, *words, env={"TREATY_HOME": str(tmp_path)})

    assert done.exit_code == 2
    assert "two rates" in done.output
