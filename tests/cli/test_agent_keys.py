"""``treaty agent rotate``, ``revoke`` and ``prove``: the next key, and the domain (B5)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from tests.cli.town import run, serving

AGENT = "agent://acme.com/procurement/alpha"


@dataclass
class Desk:
    """A running node, and somebody with a key."""

    url: str
    home: Path

    def run(self, *words: str) -> Result:
        return run(*words, env={"TREATY_HOME": str(self.home), "TREATY_NODE": self.url})

    def read(self, *words: str) -> Any:
        done = self.run(*words, "--json")
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with serving(tmp_path / "node", "--db", str(tmp_path / "node.db")) as node:
        here = Desk(node["url"], tmp_path / "mine")
        here.read("agent", "new", AGENT, "--name", "Alpha", "--capability", "negotiate.compute")
        yield here


def test_a_key_is_rotated_as_often_as_one_likes(desk: Desk) -> None:
    first = desk.read("agent", "show", AGENT)
    seen = [first["key"]["keyId"]]
    for _ in range(2):
        told = desk.read("agent", "rotate", AGENT)
        now = desk.read("agent", "show", AGENT)
        # The file that is the agent's key now is the one the node knows.
        assert now["key"]["keyId"] == told["keyId"] == now["card"]["keys"][0]["keyId"]
        assert told["keyId"] not in seen
        seen.append(told["keyId"])
    assert now["card"]["name"] == "Alpha"
    assert now["card"]["capabilities"] == ["negotiate.compute"]
    assert now["trust"]["components"]["SP"] >= first["trust"]["components"]["SP"]
    assert Path(told["nextFile"]).stat().st_mode & 0o777 == 0o600
    # Whatever else is said about the card keeps the commitment.
    desk.read("agent", "register", AGENT, "--name", "Alpha II")
    assert desk.read("agent", "rotate", AGENT)["keyId"] not in seen


def test_a_rotation_that_was_cut_short_is_finished(desk: Desk) -> None:
    told = desk.read("agent", "rotate", AGENT)
    key, following = Path(told["file"]), Path(told["nextFile"])
    old = Path(told["oldFile"])
    # As if the process had died after the node agreed and before the files moved.
    following.replace(following.with_suffix(".after"))
    key.replace(following)
    old.replace(key)
    again = desk.read("agent", "rotate", AGENT)
    assert again["keyId"] == told["keyId"]
    assert desk.read("agent", "show", AGENT)["key"]["keyId"] == told["keyId"]


def test_a_lost_key_is_revoked_by_the_next_one_alone(desk: Desk) -> None:
    told = desk.read("agent", "rotate", AGENT)
    key = Path(told["file"])
    lost = key.read_bytes()
    key.unlink()
    after = desk.read("agent", "revoke", AGENT)
    assert after["revoked"] == told["keyId"]
    assert desk.read("agent", "show", AGENT)["card"]["keys"][0]["keyId"] == after["keyId"]
    # Whoever has the old key can do nothing with it.
    key.replace(key.with_suffix(".mine"))
    key.write_bytes(lost)
    key.chmod(0o600)
    done = desk.run("agent", "register", AGENT, "--name", "Mallory")
    assert done.exit_code == 1
    assert desk.read("agent", "show", AGENT)["card"]["name"] == "Alpha"


def test_without_a_next_key_nothing_is_revoked(desk: Desk) -> None:
    done = desk.run("agent", "revoke", AGENT)
    assert done.exit_code == 2
    assert f"treaty agent rotate {AGENT}" in done.stderr


def test_a_domain_is_proven_in_two_steps(desk: Desk) -> None:
    told = desk.read("agent", "prove", AGENT)
    key = desk.read("agent", "show", AGENT)["key"]["keyId"]
    assert told["thumbprint"] == key
    assert told["url"] == f"https://acme.com/.well-known/treaty-challenge/{told['token']}"
    shown = desk.run("agent", "prove", AGENT).stdout
    assert key in shown
    assert f"treaty agent prove {AGENT} --token " in shown
    done = desk.run("agent", "prove", AGENT, "--token", "none")
    assert done.exit_code == 1
    assert "domain_unproven" in done.stderr or "token" in done.stderr
