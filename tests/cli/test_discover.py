"""``treaty discover``: who fits, and who only just does not."""

from __future__ import annotations

import click
import pytest

from tests.cli.town import ALPHA, BETA, STRANGER, Town
from treaty.cli.discover import PRICE, WHY, decimal
from treaty.core.matching import Candidate, Need, Price, failing_filters


def test_who_offers_it_is_found_without_an_agent(town: Town) -> None:
    data = town.read("discover", "provision.*")

    assert data["signed"] is False
    (agent,) = data["agents"]
    assert (agent["uri"], agent["trustLevel"]) == (BETA, 4)
    assert agent["pricing"]["pricePerHour"] == 3.5


def test_an_agent_asks_and_is_answered_under_signatures(town: Town) -> None:
    asked = town.read("discover", "provision.gpu", "--as", ALPHA)
    looked = town.read("discover", "provision.gpu")

    assert asked["signed"] is True
    assert asked["agents"] == looked["agents"]
    assert asked["totalResults"] == 1
    assert asked["queryId"].startswith("qry_")


@pytest.mark.parametrize("asking", [(), ("--as", ALPHA)])
@pytest.mark.parametrize(
    ("filters", "why"),
    [
        (("--max-price-per-hour", "3.49"), WHY[PRICE]),
        (("--min-score", "91.1"), WHY["minTrustScore"]),
    ],
)
def test_a_near_miss_is_told_with_its_reason(
    town: Town, filters: tuple[str, str], why: str, asking: tuple[str, ...]
) -> None:
    text = town.run("discover", "provision.gpu", *filters, *asking).stdout

    assert text.startswith("nobody fits\n")
    assert f"{BETA}  {why}" in text


def test_people_read_a_table(town: Town) -> None:
    heading, row = town.run("discover", "provision.gpu").stdout.splitlines()[:2]

    assert heading.split() == ["agent", "score", "level", "price", "capabilities"]
    assert row.split() == [BETA, "91", "4", "3.5", "USD/hour", "provision.gpu"]


def test_a_cut_list_says_that_there_is_more(town: Town) -> None:
    assert "1 of " in town.run("discover", "--limit", "1").stdout


def test_every_filter_has_its_reason() -> None:
    need = Need("a", 4, decimal("99"), Price(decimal("1"), "hour", None), "s", "p", "o")

    assert set(failing_filters(need, Candidate("agent://x", decimal("0"), 0, ()))) == WHY.keys()


def test_an_agent_that_is_not_registered_is_told_how(town: Town) -> None:
    uri = "agent://discover.example/new"
    town.run("agent", "new", uri)
    done = town.fail("discover", "provision.gpu", "--as", uri)

    assert done.exit_code == 1
    assert "(unknown_agent)" in done.stderr
    assert "treaty agent register" in done.stderr


@pytest.mark.parametrize(
    "words",
    [
        ("--min-level", "5"),
        ("--min-score", "high"),
        ("--max-price-per-hour", "-1"),
        ("--limit", "51"),
        ("--as", "somebody"),
        ("--as", STRANGER),
    ],
)
def test_misuse(town: Town, words: tuple[str, str]) -> None:
    assert town.fail("discover", "provision.gpu", *words).exit_code == 2


@pytest.mark.parametrize("text", ["", "1e400", "NaN", "-1", "0x10", "1" * 40])
def test_what_is_no_number_is_refused(text: str) -> None:
    with pytest.raises(click.BadParameter):
        decimal(text)
