"""What the README and the docs say is true: their Python runs, their commands exist.

Python in a fence marked ``python`` is run in a process of its own, in an empty folder, with a
home of its own. One that cannot run opens with ``# doctest: skip`` and the reason.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import click
import pytest

from tests.house.reading import DOCS, ROOT, SRC, report

README = ROOT / "README.md"
FENCE = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
SKIP = re.compile(r"\A# doctest: skip\b[ :,-]*(.*)")
BLOCK_SECONDS_MAX = 60

SHELL = {"sh", "bash", "console", "shell"}


class Block(NamedTuple):
    """A fenced block: where it stands, its language and its text."""

    page: Path
    line: int
    language: str
    text: str

    @property
    def shown(self) -> str:
        """Where a reader finds it."""
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def pages() -> list[Path]:
    """Return the README and every page of the docs."""
    return [page for page in (README, *sorted(DOCS.rglob("*.md"))) if page.exists()]


def blocks(page: Path) -> Iterator[Block]:
    """Yield the fenced blocks of a page."""
    text = page.read_text(encoding="utf-8")
    for match in FENCE.finditer(text):
        line = text.count("\n", 0, match.start()) + 1
        yield Block(page, line, match[1], match[2])


PYTHON = [block for page in pages() for block in blocks(page) if block.language == "python"]


@pytest.mark.slow
@pytest.mark.parametrize("block", PYTHON, ids=lambda block: block.shown)
def test_the_python_in_the_docs_runs(block: Block, tmp_path: Path) -> None:
    if skip := SKIP.match(block.text):
        assert skip[1], f"{block.shown} is skipped without a reason"
        pytest.skip(f"{block.shown} {skip[1]}")
    script = tmp_path / "block.py"
    script.write_text(block.text, encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": str(SRC), "TREATY_HOME": str(tmp_path / "home")}

    done = subprocess.run(
        [sys.executable, "-W", "error", script.name],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=BLOCK_SECONDS_MAX,
    )

    assert done.returncode == 0, f"{block.shown}\n{done.stdout}\n{done.stderr}"


def commands(page: Path) -> Iterator[tuple[str, str]]:
    """Yield (where, command) of every ``treaty`` and ``make`` command a page mentions."""
    text = page.read_text(encoding="utf-8")
    for block in blocks(page):
        if block.language in SHELL:
            for line in block.text.replace("\\\n", " ").splitlines():
                yield from ((block.shown, one) for one in _commands_in(line))
    prose = FENCE.sub("", text)
    for span in re.findall(r"(?<!`)`([^`\n]+)`(?!`)", prose):
        yield from ((str(page.relative_to(ROOT)), one) for one in _commands_in(span))


def _commands_in(line: str) -> Iterator[str]:
    """Yield the commands of a line: after the prompt, on both sides of && and pipes."""
    for part in re.split(r"&&|\|\||[|;&]", line.split(" #")[0]):
        words = part.strip().removeprefix("$ ")
        words = re.sub(r"^(?:[A-Z_]+=\S+\s+)*(?:\.venv/bin/)?", "", words)
        if re.match(r"(treaty|make)(\s|$)", words):
            yield words


def _unknown_in(command: str, root: click.Command, targets: set[str]) -> str | None:
    """Say what of a command does not exist."""
    try:
        program, *words = shlex.split(re.sub(r"[…\[\]()]", " ", command))
    except ValueError as error:
        return f"not a command line: {error}"
    if program == "make":
        named = [word for word in words if not word.startswith("-") and "=" not in word]
        return next((f"no target {word}" for word in named if word not in targets), None)
    return _unknown_word(words, root)


def _unknown_word(words: list[str], command: click.Command) -> str | None:
    context = click.Context(command)
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        # `a|b` in prose names two commands of one group.
        below = [command.get_command(context, name) for name in words[0].split("|")]
        if None in below or below[0] is None:
            return f"no command {words[0]}"
        command, words = below[0], words[1:]
        context = click.Context(command, parent=context)
    known = {name for one in command.params for name in (*one.opts, *one.secondary_opts)}
    known |= {name for one in _above(context) for name in one.opts} | {"--help", "--version"}
    options = [word.split("=")[0] for word in words if word.startswith("--") and word != "--"]
    return next((f"no option {option}" for option in options if option not in known), None)


def _above(context: click.Context) -> Iterator[click.Parameter]:
    while context.parent is not None:
        context = context.parent
        yield from context.command.params


def _targets() -> set[str]:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    return set(re.findall(r"^([a-z]+):(?!=)", makefile, re.MULTILINE))


def _root() -> click.Command:
    from treaty.cli.root import root

    return root


def test_the_commands_in_the_docs_exist() -> None:
    found = [
        f"{where} {command!r}: {unknown}"
        for page in pages()
        for where, command in commands(page)
        if (unknown := _unknown_in(command, _root(), _targets()))
    ]

    assert not found, report("README and docs name commands and options that exist.", found)


def test_the_readme_tells_the_two_commands() -> None:
    assert README.exists(), "there is no README.md"
    told = {command for _, command in commands(README)}

    assert {"make demo", "make test"} <= told


def _every_command(name: str, command: click.Command) -> Iterator[tuple[str, click.Command]]:
    yield name, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for below in command.list_commands(context):
            found = command.get_command(context, below)
            assert found is not None, f"{name} lists {below} and does not have it"
            yield from _every_command(f"{name} {below}", found)


def test_every_command_and_option_has_help() -> None:
    found = []
    for name, command in _every_command("treaty", _root()):
        if not command.help:
            found.append(name)
        options = [one for one in command.params if isinstance(one, click.Option)]
        found += [f"{name} {one.opts[0]}" for one in options if not one.help]

    assert not found, report("A command and an option say what they are for.", found)


@click.group()
def sample() -> None:
    """Stand in for the real command line."""


@sample.group()
def ledger() -> None:
    """Hold a group below a group."""


@ledger.command()
@click.option("--node")
def show(node: str) -> None:
    """Take an option."""


@pytest.mark.parametrize(
    ("command", "unknown"),
    [
        ("treaty ledger show --node URL", None),
        ("treaty ledger", None),
        ("treaty --help", None),
        ("treaty ledger burn", "no command burn"),
        ("treaty ledger show|burn", "no command show|burn"),
        ("treaty pay", "no command pay"),
        ("treaty ledger show --colour=red", "no option --colour"),
        ("make demo ARGS=--json", None),
        ("make coffee", "no target coffee"),
    ],
)
def test_an_unknown_command_is_caught(command: str, unknown: str | None) -> None:
    assert _unknown_in(command, sample, {"demo"}) == unknown


def test_commands_are_found_in_a_line() -> None:
    line = "$ cd treaty && TREATY_NODE=http://x .venv/bin/treaty demo | less; make test  # all"

    assert list(_commands_in(line)) == ["treaty demo", "make test"]


DECISIONS = sorted((DOCS / "decisions").glob("[0-9]*.md"))


@pytest.mark.parametrize("page", DECISIONS, ids=lambda page: page.stem)
def test_a_decision_has_its_parts(page: Path) -> None:
    """One page: context, options, outcome, and what it costs."""
    headings = re.findall(r"^## (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)

    assert headings == ["Context", "Options", "Outcome", "Negative consequences"]


def test_decisions_are_numbered_without_gap() -> None:
    numbers = [int(page.stem[:4]) for page in DECISIONS]

    assert numbers == list(range(1, len(DECISIONS) + 1))


def test_links_between_pages_lead_somewhere() -> None:
    found = [
        f"{page.relative_to(ROOT)} -> {target}"
        for page in pages()
        for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text(encoding="utf-8"))
        if "://" not in target and not (page.parent / target).exists()
    ]

    assert not found, report("A link in the docs leads to a file.", found)


def test_the_glossary_is_sorted_and_says_each_term_once() -> None:
    text = (DOCS / "glossary.md").read_text(encoding="utf-8")
    terms = re.findall(r"^- \*\*(.+?)\*\*: \S", text, re.MULTILINE)
    lines = [line for line in text.splitlines() if line.startswith("- ")]

    assert len(lines) == len(terms), "each line reads '- **term**: what it is'"
    assert terms == sorted(set(terms), key=str.lower)
