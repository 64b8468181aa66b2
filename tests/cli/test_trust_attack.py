"""``treaty trust attack``, and the page that shows its table."""

from __future__ import annotations

import json

import pytest

from tests.cli.town import run
from tests.house.reading import DOCS
from treaty.core.trust_attacks import ATTACKS

PAGE = DOCS / "trust-attacks.md"


@pytest.mark.slow
def test_the_page_shows_the_table_of_today() -> None:
    done = run("trust", "attack", "--markdown")

    assert done.exit_code == 0
    assert done.stdout in PAGE.read_text(encoding="utf-8"), "run treaty trust attack --markdown"


def test_the_page_says_of_every_attack_what_it_is() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert all(f"- **{one.name}**: " in text for one in ATTACKS)


def test_one_attack_from_one_level_for_programs() -> None:
    told = json.loads(run("trust", "attack", "premium", "--level", "1", "--json").stdout)

    assert (told["rules"], told["goal"]) == ("trust/1", "10")
    (row,) = told["attacks"]
    assert (row["attack"], row["level"], row["dollars"]) == ("premium", 1, "75.01")


def test_people_read_a_table_an_attack() -> None:
    text = run("trust", "attack", "whitewash", "--level", 0, "--level", 2).stdout

    assert "whitewash: a new identity after a bad record" in text
    assert "23.0  yes" in text
    assert "62.6  no" in text


@pytest.mark.parametrize("words", [("bribery",), ("ring", "--level", "5"), ("--level", "x")])
def test_what_nobody_knows_is_misuse(words: tuple[str, ...]) -> None:
    assert run("trust", "attack", *words).exit_code == 2
