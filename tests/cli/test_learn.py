"""``treaty learn show``: an agent's own notes, from its own store."""

from __future__ import annotations

from tests.cli.town import ALPHA, BETA, STRANGER, Town


def test_an_agent_reads_what_it_noted(town: Town) -> None:
    document = town.read("learn", "show", BETA, "--as", ALPHA)
    (note,) = document["observations"]

    assert (document["agent"], document["counterparty"]) == (ALPHA, BETA)
    assert note["visibility"] == "private"
    assert note["data"]["counterparty"] == BETA
    text = town.run("learn", "show", BETA, "--as", ALPHA).stdout
    assert note["data"]["observation"] in text


def test_statistics_come_from_the_agents_own_copies(town: Town) -> None:
    figures = town.read("learn", "show", BETA, "--as", ALPHA)["statistics"]

    assert (figures["negotiations"], figures["deals"], figures["kept"]) == (1, 1, "1.000000")
    assert (figures["openingGap"], figures["acceptance"]) == ("0.142857", "-0.062500")
    text = town.run("learn", "show", BETA, "--as", ALPHA).stdout
    assert "14.3 % against list price" in text
    # The other side knows Alpha too, without ever having noted anything.
    assert town.read("learn", "show", ALPHA, "--as", BETA)["statistics"]["deals"] == 1


def test_the_other_side_has_noted_nothing(town: Town) -> None:
    assert town.read("learn", "show", ALPHA, "--as", BETA)["observations"] == []
    assert "has noted nothing about" in town.run("learn", "show", ALPHA, "--as", BETA).stdout


def test_somebody_without_a_key_has_no_notes(town: Town) -> None:
    assert town.fail("learn", "show", ALPHA, "--as", STRANGER).exit_code == 2
