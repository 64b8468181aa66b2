"""Sessions from three places, and a copy that somebody tampered with."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from pathlib import Path

import pytest

from tests.cli.town import ALPHA, BETA, Town
from treaty.cli import seen
from treaty.errors import Refused


@pytest.fixture
def home(town: Town, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the town's home, to spoil."""
    copy = tmp_path / "home"
    shutil.copytree(town.home, copy)
    monkeypatch.setenv("TREATY_HOME", str(copy))
    return copy


def test_a_session_is_the_same_wherever_it_is_seen(town: Town, home: Path) -> None:
    own = asyncio.run(seen.in_copies(ALPHA, town.session))
    filed = asyncio.run(seen.in_file(town.db, town.session))
    live = asyncio.run(seen.at_host(town.url, BETA, town.session))

    assert [item.record for item in own.items] == [item.record for item in filed.items]
    assert [item.raw for item in own.items] == [item.raw for item in live.items]
    assert own.conversation.state == filed.conversation.state == live.conversation.state


def test_only_a_participant_sees_it_live(town: Town, home: Path) -> None:
    uri = "agent://seen.example/other"
    town.run("agent", "new", uri, "--name", "Other", env={"TREATY_HOME": str(home)})
    with pytest.raises(Refused) as refusal:
        asyncio.run(seen.at_host(town.url, uri, town.session))

    assert refusal.value.code == "unknown_session"


def test_a_copy_that_was_tampered_with_is_named_and_hides_no_other(town: Town, home: Path) -> None:
    (store,) = (home / "keys").glob("*alpha*.db")
    with sqlite3.connect(store) as db:
        db.execute("UPDATE entry SET raw = CAST(replace(raw, '180.00', '100.00') AS BLOB)")
    db.close()
    found, count = asyncio.run(seen.all_in_copies(ALPHA, 10))

    assert count == 1
    (one,) = found
    assert isinstance(one, seen.Unreadable)
    assert one.session == town.session
    text = town.run("session", "list", "--as", ALPHA, env={"TREATY_HOME": str(home)}).stdout
    assert "unreadable" in text


def test_the_newest_sessions_come_first_and_all_are_counted(town: Town, home: Path) -> None:
    found, count = asyncio.run(seen.all_in_file(town.db, 1))

    assert len(found) == 1
    assert count >= 1
