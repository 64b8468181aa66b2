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


def test_the_other_side_has_noted_nothing(town: Town) -> None:
    assert town.read("learn", "show", ALPHA, "--as", BETA)["observations"] == []
    assert "has noted nothing about" in town.run("learn", "show", ALPHA, "--as", BETA).stdout


def test_somebody_without_a_key_has_no_notes(town: Town) -> None:
    assert town.fail("learn", "show", ALPHA, "--as", STRANGER).exit_code == 2
