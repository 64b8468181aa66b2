"""What a command says to run next is run as it is printed, and works."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest

from tests.cli.town import ALPHA, BETA, NODE, Town, run
from treaty.cli.options import next_line, node_option

HINT = re.compile(r"treaty [^\n]*$", re.MULTILINE)
"""A command stands at the end of its line."""
MEANT = {"AGENT": ALPHA, "URI": ALPHA, "AMOUNT": "1.00", "CURRENCY": "USD"}
"""What a reader puts where a hint can only name the kind of thing."""
REVOKED, FUNDED = "agent://hints.example/revoked", "agent://hints.example/funded"
"""The town is shared, so what is changed there is of agents that nobody else asks about."""


def hints(told: str) -> list[list[str]]:
    """The commands in what was printed, as a shell would read them."""
    return [shlex.split(line)[1:] for line in HINT.findall(told.replace("`", ""))]


def followed(town: Town, told: str, **more: str) -> None:
    """Run every hint as printed, with placeholders filled in."""
    found = hints(told)
    assert found, told
    meant = {**MEANT, **more}
    for words in found:
        town.run(*(meant.get(word, word) for word in words))


def dispute_of(town: Town) -> str:
    """The town's deal is settled, so there is none: any name will do to ask who asks."""
    return f"dsp_{town.session[:8]}"


def test_who_asks_about_a_dispute_has_to_be_said(town: Town) -> None:
    done = town.fail("dispute", "show", dispute_of(town))
    assert done.exit_code == 2
    (words,) = hints(done.stderr)
    assert words == ["dispute", "show", dispute_of(town), "--as", "AGENT"]
    assert "--operator-key FILE" in done.stderr
    # The question is put then; here nobody knows the dispute.
    asked = run(*[MEANT.get(word, word) for word in words], env=town.env)
    assert (asked.exit_code, "who asks" in asked.stderr) == (1, False)


def test_a_node_that_was_named_is_named_again(town: Town) -> None:
    done = town.fail("dispute", "show", "dsp_1", "--node", town.url)
    assert done.stderr.rstrip().endswith(f"--as AGENT --node {town.url}")
    told = town.run("agent", "prove", ALPHA, "--node", town.url).stdout
    assert hints(told)[0][-2:] == ["--node", town.url]
    assert "--node" not in hints(town.run("agent", "prove", ALPHA).stdout)[0]


def test_a_key_that_is_there_is_shown(town: Town) -> None:
    followed(town, town.fail("agent", "new", ALPHA).stderr)


def test_who_has_no_next_key_makes_one(town: Town) -> None:
    town.run("agent", "new", REVOKED, "--name", "Revoked")
    followed(town, town.fail("agent", "revoke", REVOKED).stderr)
    town.run("agent", "revoke", REVOKED)


def test_who_has_no_key_makes_one(town: Town, tmp_path: Path) -> None:
    elsewhere = {"TREATY_HOME": str(tmp_path)}
    for words in (("agent", "rotate", BETA), ("inbox", "--as", BETA), ("agent", "prove", BETA)):
        done = town.fail(*words, env=elsewhere)
        assert hints(done.stderr) == [["agent", "new", BETA]]
    town.run("agent", "new", BETA, env=elsewhere)
    # It is another's name at the node, and that is said.
    assert "card_conflict" in town.fail("agent", "register", BETA, env=elsewhere).stderr


def test_two_files_that_prove_nothing_are_compared_as_printed(town: Town, deal_file: Path) -> None:
    odd = deal_file.with_name("a deal's file.json")
    odd.write_bytes(deal_file.read_bytes())
    followed(town, town.fail("trust", "report", odd, odd).stderr)


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("agent", "show", "agent://nobody.example/x"), "unknown_agent"),
        (("dispute", "file", "019526a1-8e1a-7000-8000-000000000001", "--as", ALPHA,
          "--reason", "non-delivery"), "unknown_session"),
    ],
)  # fmt: skip
def test_what_is_unknown_is_looked_up_as_printed(
    town: Town, words: tuple[str, ...], code: str
) -> None:
    done = town.fail(*words)
    assert code in done.stderr
    for found in hints(done.stderr):
        line = [MEANT.get(word, word) for word in found]
        if line[-2:] == ["--node", "URL"]:
            line[-1] = town.url
        town.run(*line)


def test_an_account_that_lacks_money_is_funded_as_printed(town: Town) -> None:
    from treaty.cli.failures import ADVICE

    followed(town, ADVICE["escrow_unfunded"], FILE=f"{town.db}.operator.key", AGENT=FUNDED)
    followed(town, ADVICE["ceiling_exceeded"])
    followed(town, ADVICE["unauthorized"])


@pytest.mark.parametrize("word", ["plain", "two words", "it's", "$(rm -rf /)", ";", "`x`", "-x"])
def test_what_strangers_named_is_one_word_to_a_shell(word: str) -> None:
    assert shlex.split(next_line("treaty", "inbox", word)) == ["treaty", "inbox", word]


def test_a_node_that_the_environment_names_is_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = []

    @click.command()
    @node_option
    def one(node: str | None) -> None:
        lines.append(next_line("treaty", "x"))

    monkeypatch.setenv("TREATY_NODE", "http://env.example")
    one.main([], standalone_mode=False)
    one.main(["--node", "http://said.example"], standalone_mode=False)
    assert lines == ["treaty x", "treaty x --node http://said.example"]
    assert NODE not in lines[1]
