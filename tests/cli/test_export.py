"""``treaty export``: from an agent's own copy to a file that verifies without it."""

from __future__ import annotations

import json
import shutil
import sqlite3
import stat
from pathlib import Path
from typing import Any

import pytest

from tests.cli.town import ALPHA, BETA, STRANGER, UNKNOWN, Town, run, serving


def _first_line(path: Path) -> str:
    return run("verify", path).stdout.splitlines()[0]


def _deal(path: Path) -> Any:
    return json.loads(path.read_bytes())


def test_the_file_holds_the_whole_deal(town: Town, deal_file: Path) -> None:
    deal = _deal(deal_file)

    assert deal["treaty"] == "deal/1"
    assert deal["session"]["id"] == town.session
    assert len(deal["messages"]) == 2 + 14, "discovery and the session"
    assert [line["uri"] for line in deal["trust"]] == [ALPHA, BETA]
    assert deal["trust"][0]["before"]["score"] == 49
    assert deal["trust"][0]["after"]["score"] == 60.8
    assert deal["logHead"]["size"] >= len(deal["outcomes"])
    assert all(card["listing"] for card in deal["cards"])


def test_one_own_copy_is_private_and_a_shared_one_is_not(town: Town, tmp_path: Path) -> None:
    own, shared = tmp_path / "own.json", tmp_path / "shared.json"
    town.run("export", town.session, "--as", ALPHA, "--out", own)
    town.run("export", town.session, "--as", ALPHA, "--share", "--out", shared)

    assert stat.S_IMODE(own.stat().st_mode) == 0o600
    assert stat.S_IMODE(shared.stat().st_mode) & 0o077 == 0o044
    assert len(_deal(shared)["messages"]) == len(_deal(own)["messages"]) - 2
    assert _first_line(shared) == _first_line(own)


def test_it_says_what_it_wrote_and_how_to_check_it(town: Town, tmp_path: Path) -> None:
    out = tmp_path / "deal.json"
    done = town.run("export", town.session, "--as", ALPHA, "--out", out)

    assert done.stdout == ""
    assert done.stderr.splitlines() == [
        f"{out}: 16 messages, 17 log entries",
        f"check it: treaty verify {out}",
    ]
    quiet = town.run("export", town.session, "--as", ALPHA, "--out", out, "--json")
    assert quiet.output == ""


def test_standard_output_can_be_piped_into_verify(town: Town) -> None:
    printed = town.run("export", town.session, "--as", ALPHA, "--json").stdout
    done = run("verify", "-", input=printed)

    assert done.exit_code == 0
    assert json.loads(printed)["session"]["id"] == town.session


def test_offline_it_lacks_only_the_trust_records(town: Town, tmp_path: Path) -> None:
    out = tmp_path / "deal.json"
    town.run("export", town.session, "--as", BETA, "--offline", "--out", out, "--node", "http://x")
    deal = _deal(out)

    assert (deal["outcomes"], deal["trust"], deal["logHead"]) == ([], [], None)
    assert len(deal["log"]) == 17
    assert _first_line(out) == "self-consistent, identities not anchored"


def test_a_host_that_is_away_is_said_and_no_failure(
    town: Town, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("treaty.cli.nodes.OPTIONAL_MS", 50)
    out = tmp_path / "deal.json"
    away = ("--node", "http://127.0.0.1:9")
    done = town.run("export", town.session, "--as", ALPHA, "--out", out, *away)

    assert done.stderr.startswith("without trust records: the host did not answer")
    assert _deal(out)["logHead"] is None


def test_an_unknown_session_is_a_failure(town: Town) -> None:
    done = town.fail("export", UNKNOWN, "--as", ALPHA)

    assert done.exit_code == 1
    assert "(unknown_session)" in done.stderr
    assert "treaty session list" in done.stderr


def test_somebody_without_a_key_has_no_copies(town: Town) -> None:
    assert town.fail("export", town.session, "--as", STRANGER).exit_code == 2


def test_a_folder_that_is_not_there_is_a_failure_with_its_name(town: Town, tmp_path: Path) -> None:
    out = tmp_path / "none" / "deal.json"
    done = town.fail("export", town.session, "--as", ALPHA, "--out", out)

    assert done.exit_code == 1
    assert "No such file or directory" in done.stderr
    assert str(tmp_path / "none") in done.stderr


def test_another_node_is_not_taken_for_the_host(town: Town, tmp_path: Path) -> None:
    out = tmp_path / "deal.json"
    with serving(tmp_path) as other:
        done = town.run("export", town.session, "--as", ALPHA, "--out", out, "--node", other["url"])

    assert "without trust records" in done.stderr
    assert len(_deal(out)["log"]) == 17


def test_the_host_adds_what_came_last(town: Town, tmp_path: Path) -> None:
    home = tmp_path / "home"
    shutil.copytree(town.home, home)
    (store,) = (home / "keys").glob("*alpha*.db")
    with sqlite3.connect(store) as db:
        db.execute(
            "DELETE FROM entry WHERE position > 10 AND stream ="
            " (SELECT id FROM stream WHERE name LIKE 'log/%')"
        )
    db.close()
    env = {"TREATY_HOME": str(home)}
    kept = town.read("session", "show", town.session, "--as", ALPHA, env=env)
    full, short = tmp_path / "full.json", tmp_path / "short.json"
    export = ("export", town.session, "--as", ALPHA, "--out")
    town.run(*export, full, env=env)
    town.run(*export, short, "--offline", env=env)

    assert (kept["position"], kept["state"]) == (10, "AGREEING")
    assert len(_deal(short)["log"]) == 10
    assert len(_deal(full)["log"]) == 17
    assert _first_line(full) == "self-consistent, identities not anchored"
