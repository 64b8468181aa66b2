"""``treaty trust``: a score by its components, and an operator's word for one."""

from __future__ import annotations

from decimal import Decimal

import click
import pytest

from tests.cli.town import ALPHA, BETA, COMPONENTS, NODE, Town
from treaty.cli.trust import NAMES, components, instant
from treaty.core.trust import COMPONENTS as KNOWN

SOMEBODY = "agent://trust.example/one"


def test_every_component_has_a_name() -> None:
    assert tuple(NAMES) == KNOWN


def test_a_score_is_shown_with_what_it_is_made_of(town: Town) -> None:
    view = town.read("trust", "show", ALPHA)

    assert (view["agent"], view["score"], view["level"]) == (ALPHA, 60.8, 2)
    assert view["components"].keys() == set(KNOWN)
    assert view["attested"] is False


def test_the_database_says_the_same(town: Town) -> None:
    asked = town.read("trust", "show", BETA)
    read = town.read("trust", "show", BETA, "--db", town.db)

    assert {**asked, "at": ""} == {**read, "at": ""}


def test_people_read_the_level_and_what_it_allows(town: Town) -> None:
    text = town.run("trust", "show", ALPHA).stdout

    assert "2 Established: up to 10,000 USD a commitment, 500 invitations a day" in text
    assert "CF  commitment fulfilment       100" in text
    assert "provisional" not in text


def test_an_attestation_is_shown_with_who_gave_it_and_why(town: Town) -> None:
    text = town.run("trust", "show", BETA).stdout

    assert "by agent://node.example/operator, weight 200, until 20" in text
    assert "known elsewhere" in text


def test_a_newcomer_is_provisional(town: Town) -> None:
    assert "provisional: less than one full deal" in town.run("trust", "show", NODE).stdout


def _attest(town: Town, *words: object) -> tuple[object, ...]:
    return ("trust", "attest", SOMEBODY, "--db", town.db, "--reason", "a test", *words)


def test_an_operator_attests(town: Town) -> None:
    given = ("--components", COMPONENTS, "--weight", "10", "--until", "2036-01-31")
    view = town.read(*_attest(town, *given, "--allowance", "7.5"))

    assert view["attested"] is True
    record = view["attestation"]
    assert record["until"] == "2036-01-31T00:00:00.000Z"
    assert (record["weight"], record["allowance"]) == ("10", "7.5")
    assert record["components"]["SP"] == "75"
    assert record["by"] == "agent://node.example/operator"
    assert town.read("trust", "show", SOMEBODY)["attestation"] == record


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "say until when"),
        (("--days", "3", "--until", "2036-01-01"), "say until when"),
        (("--until", "2020-01-01"), "lies in the past"),
        (("--until", "tomorrow"), "'tomorrow' is no day"),
        (("--days", "0"), "0 is not in the range"),
    ],
)
def test_an_attestation_ends_in_the_future(town: Town, words: tuple[str, ...], said: str) -> None:
    done = town.fail(*_attest(town, "--components", "IV=50", "--weight", "1", *words))

    assert done.exit_code == 2
    assert said in done.stderr


def test_components_are_read_by_name() -> None:
    assert components("IV=100, CH=90.5") == {"IV": Decimal(100), "CH": Decimal("90.5")}


@pytest.mark.parametrize("text", ["", "IV", "IV=", "XX=1", "IV=1,IV=2", "IV=101", "IV=-1", "IV=x"])
def test_components_nobody_knows_are_misuse(text: str) -> None:
    with pytest.raises(click.BadParameter):
        components(text)


def test_a_day_is_an_instant() -> None:
    assert instant("2026-03-07") == instant("2026-03-07T00:00:00Z") == 1_772_841_600_000


def test_only_the_operator_attests(town: Town, tmp_path) -> None:
    words = ("--components", "IV=50", "--weight", "1", "--days", "3", "--reason", "none")
    done = town.fail("trust", "attest", SOMEBODY, *words)

    assert done.exit_code == 2
    assert "only the node's operator may do this" in done.stderr


def test_an_agent_endorses_another_and_takes_it_back(town: Town) -> None:
    given = town.read("trust", "endorse", ALPHA, "--as", BETA)
    assert (given["endorser"], given["agent"], given["counts"]) == (BETA, ALPHA, True)
    assert "by 1, of which 1 count" in town.run("trust", "show", ALPHA).stdout
    assert town.read("trust", "show", ALPHA)["components"]["PE"] == 4

    said = town.run("trust", "endorse", ALPHA, "--as", BETA, "--withdraw").stdout
    assert "taken back" in said
    assert town.read("trust", "show", ALPHA)["components"]["PE"] == 0


def test_a_weak_agents_word_is_refused(town: Town) -> None:
    done = town.fail("trust", "endorse", BETA, "--as", ALPHA)

    assert done.exit_code == 1
    assert "insufficient_trust_score" in done.stderr
