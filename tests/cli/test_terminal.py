"""What reaches the terminal: nothing of a stranger's is obeyed, colour only where it is seen."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.cli.town import environment
from treaty.cli import terminal
from treaty.cli.terminal import clean, progress, show_facts, show_json, show_table

ESCAPES = re.compile(r"\x1b\[[0-9;]*m")
HOSTILE = "\x1b]0;owned\x07\x1b[2J\r\n\x9b31m\u202egnp.exe\u2028\x7f"


@given(st.text())
def test_nothing_but_print_comes_through(text: str) -> None:
    assert clean(text).isprintable()


@given(st.text().filter(str.isprintable))
def test_print_comes_through_as_it_is(text: str) -> None:
    assert clean(text) == text


def test_what_is_escaped_can_still_be_read() -> None:
    assert clean("\x1b[31m") == "\\x1b[31m"
    assert clean("a\nb") == "a\\nb"
    assert clean("\u202e") == "\\u202e"


def test_what_is_very_long_is_cut() -> None:
    assert clean("x" * 10_000) == "x" * terminal.TEXT_CHARS_MAX + "…"


def test_a_table_of_hostile_text_is_harmless(capsys: pytest.CaptureFixture[str]) -> None:
    show_table(("name", ">number"), [(HOSTILE, "1"), (("[bold red]x[/]", "bold"), "22")])
    show_facts([("who", HOSTILE)])
    out = capsys.readouterr().out

    assert out.replace("\n", "").isprintable()
    assert len(out.splitlines()) == 4
    assert "[bold red]x[/]" in out, "a stranger's markup is text"


def test_json_is_ascii_and_says_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    show_json({"said": HOSTILE, "amount": 60.8})
    out = capsys.readouterr().out

    assert out.replace("\n", "").isascii()
    assert out.replace("\n", "").isprintable()
    assert json.loads(out) == {"said": HOSTILE, "amount": 60.8}


def test_json_for_streams_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    show_json({"event": "listening", "db": None}, line=True)

    assert capsys.readouterr().out == '{"event": "listening", "db": null}\n'


def test_an_empty_fact_is_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    show_facts([("name", "Alpha"), ("pricing", ""), ("", ("", "yellow"))])

    assert capsys.readouterr().out == "name  Alpha\n"


def _timers() -> list[threading.Timer]:
    return [one for one in threading.enumerate() if isinstance(one, threading.Timer)]


def test_what_takes_long_says_so_once(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(terminal, "PATIENCE_S", 0.0)
    with progress("asking\x07 the node"):
        for timer in _timers():
            timer.join()
    said = capsys.readouterr()

    assert said.err == "asking\\x07 the node …\n"
    assert said.out == ""


def test_what_is_quick_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with progress("asking the node"):
        assert len(_timers()) == 1
    for timer in _timers():
        timer.join()

    assert capsys.readouterr().err == ""


def _on_a_terminal(words: list[str], home: Path, **more: str) -> str:
    """What a command prints when its standard output is a terminal."""
    master, slave = os.openpty()
    command = [sys.executable, "-m", "treaty.cli", *words]
    env = environment(home, TERM="xterm-256color", COLUMNS="200", **more)
    env = {name: value for name, value in env.items() if name != "NO_COLOR" or more}
    with subprocess.Popen(command, stdout=slave, stderr=subprocess.PIPE, env=env) as running:
        os.close(slave)
        printed = b""
        try:
            while some := os.read(master, 65_536):
                printed += some
        except OSError:
            # Linux says so when the other side is closed.
            pass
        finally:
            os.close(master)
        assert running.wait() == 0
    return printed.decode()


def test_colour_is_for_terminals(town, deal_file: Path) -> None:
    words = ["verify", str(deal_file)]
    coloured = _on_a_terminal(words, town.home)
    plain = _on_a_terminal(words, town.home, NO_COLOR="1")

    assert "\x1b[32mverified" in coloured
    assert "\x1b[32m" not in plain
    seen = [ESCAPES.sub("", text).replace("\r", "") for text in (coloured, plain)]
    assert [line.rstrip() for line in seen[0].splitlines()] == [
        line.rstrip() for line in seen[1].splitlines()
    ]
    assert "\x1b" not in town.run("verify", deal_file).stdout
