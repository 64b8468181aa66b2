"""``treaty offers lost``: what buyers told a real provider, from its file."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from tests.cli.town import run, serving

SHOUT = '''
from treaty.agent.capability import Text, capability


@capability(
    cost="0.03", latency_ms=520, confidence="0.8", retention_days=0, policy=("no_pii",),
    proofs=("attestation",),
)
def shout(text: Text) -> str:
    """Say it louder."""
    return text.upper()


@capability(name="shout", cost="0.01", latency_ms=10, confidence="0.9", policy=("no_pii",))
def fast(text: Text) -> str:
    """Say it louder and sooner."""
    return text.upper() + "!"
'''


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where two providers and a buyer live."""
    made = tmp_path_factory.mktemp("offers")
    (made / "shouts.py").write_text(SHOUT)
    return made


def called(folder: Path, *words: object) -> Any:
    return run(*words, env={"TREATY_HOME": str(folder / "buyer"), "NO_COLOR": "1"})


def offering(folder: Path, name: str) -> Any:
    words = ("--db", folder / f"{name}.db", "--capability", f"{folder / 'shouts.py'}:{name}")
    return serving(folder / name, *words)


@pytest.fixture(scope="module")
def lost(folder: Path) -> Path:
    """The file of a provider that lost three times and was told so."""
    with offering(folder, "shout") as shout, offering(folder, "fast") as fast:
        found = [one["url"] + "/mrp/manifest/shout" for one in (shout, fast)]
        manifests = [word for url in found for word in ("--manifest", url)]
        for limits in (("--max-latency-ms", 400), ("--max-latency-ms", 300), ("--max-cost", 1)):
            words = ("run", "say it", "--input", "text=hello", *manifests, *limits)
            done = called(folder, *words, "--tell-losers", "--json")
            assert done.exit_code == 0, done.output
            told = json.loads(done.stdout)
            assert told["evidence"]["outputs"][0]["value"] == "HELLO!"
            assert told["losers_told"] == 1
    return folder / "shout.db"


@pytest.mark.slow
def test_losses_are_told_with_their_reasons(folder: Path, lost: Path) -> None:
    done = called(folder, "offers", "lost", "--db", lost, "--json")
    (shout,) = json.loads(done.stdout)["capabilities"]

    assert (shout["capability"], shout["losses"]) == ("shout", 3)
    assert [(one["code"], one["losses"], one["median_over"]) for one in shout["reasons"]] == [
        ("latency_miss", 2, 170), ("confidence_lower", 1, None),
    ]  # fmt: skip
    assert shout["reasons"][0]["text"] == (
        "67 % of losses: latency; median over the limit by 170 ms"
    )


@pytest.mark.slow
def test_people_read_the_same(folder: Path, lost: Path) -> None:
    shown = called(folder, "offers", "lost", "--db", lost, "--capability", "shout").stdout

    assert "shout: 3 losses since" in shown
    assert "67 % of losses: latency; median over the limit by 170 ms" in shown


@pytest.mark.slow
def test_the_winner_lost_nothing(folder: Path, lost: Path) -> None:
    done = called(folder, "offers", "lost", "--db", lost.with_name("fast.db"), "--json")

    assert json.loads(done.stdout) == {"capabilities": []}


@pytest.mark.parametrize(
    ("words", "code"),
    [((), 2), (("--db", "/nowhere/x.db"), 2), (("--capability", "x"), 2)],
)
def test_a_file_must_be_named(folder: Path, words: tuple[str, ...], code: int) -> None:
    assert called(folder, "offers", "lost", *words).exit_code == code


def test_what_is_no_store_is_an_error(folder: Path, tmp_path: Path) -> None:
    text, other = tmp_path / "x.db", tmp_path / "y.db"
    text.write_text("nonsense")
    with sqlite3.connect(other) as database:
        database.execute("create table x (y)")

    for path in (text, other):
        done = called(folder, "offers", "lost", "--db", path)
        assert done.exit_code == 1
        assert "Traceback" not in done.output
