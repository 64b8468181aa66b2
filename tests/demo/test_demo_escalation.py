"""``treaty demo --story escalation``: an agent asks, a person decides, and the file proves it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.cli.town import environment
from tests.house.reading import ROOT

EXAMPLES = ROOT / "examples"
PERSON = "agent://acme.com/people/finance"
PRIVATE = "150.00"
"""Where the buyer's mandate ends; nobody else learns it."""


def play(out: Path, examples: Path = EXAMPLES) -> dict[str, Any]:
    command = [sys.executable, "-m", "treaty.cli", "demo", "--story", "escalation", "--json"]
    done = subprocess.run(
        [*command, "--out", str(out), "--examples", str(examples)],
        env=environment(out / "home"),
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def said(told: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Who said what, and the state it led to."""
    found = []
    for event in told["events"]:
        if event["event"] == "message" and event["state"]:
            message = json.loads(event["raw"])
            who = message["sender"]["agentId"].rsplit("/", 1)[1]
            found.append((who, message["performative"], event["state"]))
    return found


@pytest.mark.slow
def test_the_deal_goes_on_when_the_person_says_so(tmp_path: Path) -> None:
    told = play(tmp_path)
    talk = said(told)
    asked = talk.index(("alpha", "ESCALATE", "ESCALATED"))
    # Nothing is said until the person has spoken, by a message of her own key.
    assert talk[asked + 1] == ("finance", "INFORM", "CONVERSING")
    assert talk[asked + 2][:2] == ("alpha", "COMMIT")
    assert talk[-1] == ("beta", "CLOSE", "CLOSED")
    verdicts = {one["name"]: one["verdict"] for one in told["verification"]["claims"]}
    assert {verdicts[name] for name in ("signatures", "states", "complete")} == {"verified"}
    deal = json.loads(Path(told["deal"]).read_bytes())
    assert PERSON in {card["uri"] for card in deal["cards"]}
    assert PRIVATE not in Path(told["deal"]).read_text()


@pytest.mark.slow
def test_nothing_is_bound_when_the_person_ends_it(tmp_path: Path) -> None:
    examples = tmp_path / "examples"
    shutil.copytree(EXAMPLES, examples)
    file = examples / "finance.toml"
    file.write_text(file.read_text().replace('"resume" # or "abort"', '"abort"'))
    told = play(tmp_path, examples)
    talk = said(told)
    assert talk[-1] == ("finance", "INFORM", "CLOSED")
    assert "COMMIT" not in {performative for _, performative, _ in talk}
    deal = json.loads(Path(told["deal"]).read_bytes())
    assert deal["escrow"] == []
