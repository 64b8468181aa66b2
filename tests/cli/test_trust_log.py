"""``treaty trust log``, ``recompute`` and ``explain`` against a real node."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.town import ALPHA, BETA, STRANGER, Town, run


@pytest.fixture
def extract(town: Town, tmp_path: Path) -> Path:
    """The node's log in a file."""
    path = tmp_path / "log.json"
    town.run("trust", "log", "--out", path)
    return path


def test_a_node_is_asked_for_its_log_and_the_score_is_computed_again(town: Town) -> None:
    for agent in (ALPHA, BETA):
        stated = town.read("trust", "show", agent)
        told = town.read("trust", "recompute", agent)

        assert told["ok"] is True
        assert float(told["score"]["score"]) == stated["score"]
        assert {one["verdict"] for one in told["report"]["claims"]} == {"verified"}
        assert told["report"]["firstLine"] == "self-consistent, identities not anchored"


def test_with_roots_every_claim_is_verified_offline(
    town: Town, extract: Path, tmp_path: Path
) -> None:
    roots, view = tmp_path / "roots.json", tmp_path / "view.json"
    town.run("roots", "export", "--out", roots)
    view.write_text(town.run("trust", "show", ALPHA, "--json").stdout)
    town.run("trust", "log", "--out", extract)
    given = ("--extract", extract, "--roots", roots, "--expect", view, "--require", "score")
    # No node is asked: this address answers nothing.
    done = town.run("trust", "recompute", ALPHA, *given, env={"TREATY_NODE": "http://127.0.0.1:1"})

    assert done.stdout.startswith("verified, every claim\n")
    assert "computed" in done.stdout


def test_the_database_gives_the_same(town: Town) -> None:
    told = town.read("trust", "recompute", ALPHA, "--db", town.db)

    assert {one["verdict"] for one in told["report"]["claims"]} == {"verified"}


def test_a_tampered_log_ends_in_1_and_says_where(town: Town, extract: Path) -> None:
    taken: Any = json.loads(extract.read_bytes())
    line = next(one for one in taken["records"] if one["kind"] == "outcome")
    for party in line["record"]["parties"]:
        party["rating"] = 5
    extract.write_text(json.dumps(taken))
    done = town.fail("trust", "recompute", ALPHA, "--extract", extract)

    assert done.exit_code == 1
    assert done.stdout.startswith("failed: log, signatures")
    assert f"record {line['index']}" in done.stdout


def test_a_stated_score_that_does_not_follow_ends_in_1(
    town: Town, extract: Path, tmp_path: Path
) -> None:
    stated = town.read("trust", "show", ALPHA)
    view = tmp_path / "view.json"
    view.write_text(json.dumps({**stated, "score": 99.9}))
    town.run("trust", "log", "--out", extract)
    done = town.fail("trust", "recompute", ALPHA, "--extract", extract, "--expect", view)

    assert done.exit_code == 1
    assert "stated '99.9', computed '6" in done.stdout


def test_a_score_of_another_time_can_be_asked_for(town: Town, extract: Path) -> None:
    at = "2036-01-31"
    told = town.read("trust", "recompute", ALPHA, "--extract", extract, "--at", at)

    assert told["at"] == "2036-01-31T00:00:00.000Z"
    assert (told["score"]["score"], told["score"]["provisional"]) == ("49.0", True)


def test_of_an_earlier_time_no_later_record_counts() -> None:
    """Half-way through the vectors' log: what came after it breaks the first one's score."""
    vectors = Path(__file__).parents[2] / "conformance" / "vectors" / "trust"
    scores = json.loads((vectors / "scores.json").read_text("utf-8"))["scores"]
    then, now = (one for one in scores[:1] + scores[11:12])
    assert {then["agent"], now["agent"]} == {"agent://org0.example/agent"}
    assert (then["score"], now["score"]) == ("89.9", "24.9")

    for stated, last in ((then, "89.9"), (now, "24.9")):
        about = (stated["agent"], "--extract", vectors / "log.json", "--at", stated["at"], "--json")
        made = json.loads(run("trust", "recompute", *about).stdout)["score"]
        steps = json.loads(run("trust", "explain", *about).stdout)["steps"]
        assert (made["score"], made["components"]) == (last, stated["components"])
        assert steps[-1]["after"] == last


@pytest.mark.parametrize(
    ("option", "said"), [("--extract", "treaty trust log"), ("--expect", "treaty trust show")]
)
def test_a_file_of_another_kind_is_misuse(
    town: Town, tmp_path: Path, option: str, said: str
) -> None:
    path = tmp_path / "x.json"
    path.write_text('{"treaty": "deal/1"}')
    done = town.fail("trust", "recompute", ALPHA, option, path)

    assert done.exit_code == 2
    assert said in done.stderr


def test_the_deal_that_moved_a_score_is_explained(town: Town) -> None:
    told = town.read("trust", "explain", ALPHA)

    first = next(one for one in told["steps"] if one["kind"] == "outcome")
    assert (first["before"], first["after"], first["counterparty"]) == ("49.0", "60.8", BETA)
    assert first["moved"] == {
        "CH": "10.0000",
        "CF": "100.0000",
        "BC": "5.0000",
        "RQ": "88.0000",
        "ER": "100.0000",
    }
    assert float(told["score"]) == town.read("trust", "show", ALPHA)["score"]


def test_people_read_which_deal_moved_what(town: Town, extract: Path) -> None:
    text = town.run("trust", "explain", ALPHA, "--extract", extract).stdout

    assert "CH +10, CF +100, BC +5, RQ +88, ER +100" in text
    assert "attested by" in town.run("trust", "explain", BETA).stdout
    last = town.run("trust", "explain", ALPHA, "--last", 1).stdout
    assert "proven: key" not in last


def test_a_stranger_has_no_history(town: Town) -> None:
    assert "the log says nothing of" in town.run("trust", "explain", STRANGER).stdout


def test_standard_output_is_json_and_the_remark_is_not(town: Town) -> None:
    done = town.run("trust", "log")

    assert json.loads(done.stdout)["treaty"] == "trustlog/1"
    assert "check the key of the node" in done.stderr
