"""``treaty trust report``: two copies of a deal, and what they prove."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.town import ALPHA, NODE, Town
from treaty import app
from treaty.identity.records import seal


@pytest.fixture
def deal(town: Town, tmp_path: Path) -> Path:
    """Alpha's copy of the town's deal."""
    path = tmp_path / "deal.json"
    town.run("export", town.session, "--as", ALPHA, "--out", path)
    return path


def other_story(town: Town, deal: Path, *, name: str = "node") -> Path:
    """A copy in which one fact of the log is another one, signed with a key beside the node's."""
    document: Any = json.loads(deal.read_bytes())
    log = document["log"]
    place = next(at for at, one in enumerate(log) if one["type"] == "fact")
    signer = app.signer_at(app.key_beside(town.db, name))
    log[place] = seal("fact", {**log[place], "fact": "outage"}, signer)
    path = deal.with_name("other.json")
    path.write_text(json.dumps(document))
    return path


def test_a_host_that_told_two_stories_is_reported(town: Town, deal: Path) -> None:
    before = town.read("trust", "show", NODE)["components"]["BC"]
    told = town.read("trust", "report", deal, other_story(town, deal))

    (violation,) = told["violations"]
    assert (violation["agent"], violation["violation"]) == (NODE, "two-entries")
    assert town.read("trust", "show", NODE)["components"]["BC"] == before - 10
    assert "BC -10" in town.run("trust", "explain", NODE).stdout
    assert town.read("trust", "recompute", NODE)["ok"] is True


def test_what_somebody_else_signed_convicts_nobody(town: Town, deal: Path) -> None:
    done = town.fail("trust", "report", deal, other_story(town, deal, name="operator"))

    assert done.exit_code == 1
    assert "signature_invalid" in done.stderr


def test_two_equal_copies_prove_nothing(town: Town, deal: Path) -> None:
    done = town.fail("trust", "report", deal, deal)

    assert done.exit_code == 1
    assert "prove nothing" in done.stderr


def test_a_file_of_another_kind_is_misuse(town: Town, deal: Path) -> None:
    other = deal.with_name("x.json")
    for text in ("{}", "nonsense"):
        other.write_text(text)
        assert town.fail("trust", "report", deal, other).exit_code == 2
