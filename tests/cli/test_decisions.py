"""``treaty decisions``: what was decided, read again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.agent.stalls import open_stalls, seed_stall
from tests.cli.town import run


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home in which three things were decided."""
    folder = tmp_path_factory.mktemp("decided")
    with open_stalls(stall := seed_stall("a")):
        for intent in ("first", "second", "third"):
            done = called(folder, "route", intent, "--manifest", stall.manifest_url)
            assert done.exit_code == 0
    return folder


def called(home: Path, *words: object) -> Any:
    return run(*words, env={"TREATY_HOME": str(home), "NO_COLOR": "1"})


def told(home: Path, *words: object) -> Any:
    done = called(home, *words, "--json")
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def test_the_newest_come_first(home: Path) -> None:
    found = told(home, "decisions", "list", "--limit", 2)

    assert [one["intent"] for one in found["decisions"]] == ["third", "second"]
    assert found["count"] == 3
    assert found["decisions"][0].keys() == {
        "decision_id", "at", "intent", "status", "provider", "route_id", "considered",
    }  # fmt: skip


def test_one_is_shown_by_its_id_or_as_the_last(home: Path) -> None:
    newest, middle, _ = told(home, "decisions", "list")["decisions"]

    assert told(home, "decisions", "show", "--last")["intent"] == "third"
    assert told(home, "decisions", "show")["intent"] == "third"
    assert [one["intent"] for one in told(home, "decisions", "list", "--last")["decisions"]] == [
        "third"
    ]
    assert told(home, "decisions", "show", newest["decision_id"])["intent"] == "third"
    assert told(home, "decisions", "show", middle["decision_id"].upper())["intent"] == "second"


def test_one_is_exported_as_a_deal_file(home: Path, tmp_path: Path) -> None:
    out = tmp_path / "deal.json"
    printed = json.loads(called(home, "decisions", "export", "--last").stdout)
    assert called(home, "decisions", "export", "--last", "--out", out).exit_code == 0

    assert json.loads(out.read_text()) == printed
    assert (printed["treaty"], printed["dialect"]) == ("deal/1", "mrp/0.1")
    assert [one["msg_type"] for one in printed["messages"]] == ["DISCOVER", "OFFER"]
    assert printed["decision"] == told(home, "decisions", "show", "--last")


def test_people_read_the_same(home: Path) -> None:
    listed, shown = called(home, "decisions", "list"), called(home, "decisions", "show", "--last")

    assert "third" in listed.stdout
    assert "route-us-fast of service:a wins" in shown.stdout


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("show", "--last", "x"), 2),
        (("show", "x"), 1),
        (("show", "01a22268-8ff0-78dd-9ae9-562df8fea334"), 1),
        (("list", "--limit", "0"), 2),
        (("list", "--db", "/nowhere/at/all.db"), 2),
        (("nonsense",), 2),
    ],
)
def test_what_is_not_there_is_said(home: Path, words: tuple[str, ...], code: int) -> None:
    done = called(home, "decisions", *words)

    assert done.exit_code == code
    assert done.stderr


def test_in_an_empty_home_nothing_was_decided(tmp_path: Path) -> None:
    assert told(tmp_path, "decisions", "list") == {"decisions": [], "count": 0}
    assert called(tmp_path, "decisions", "list").exit_code == 0
    assert called(tmp_path, "decisions", "show", "--last").exit_code == 1


def test_a_file_that_is_no_store_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    path.write_text("nonsense")
    done = called(tmp_path, "decisions", "list", "--db", path)

    assert done.exit_code == 1
    assert "Traceback" not in done.output
