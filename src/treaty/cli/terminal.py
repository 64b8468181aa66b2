"""What reaches the terminal: tables and lines for people, JSON for programs, progress.

Laws:

1. What a stranger wrote is shown, never obeyed: no control character, escape sequence or
   change of writing direction of theirs reaches the terminal (``clean``).
2. Colour only on a terminal, and not where NO_COLOR is set.
3. Output for people goes to standard output, what is only said along the way to standard error.
"""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias

import click

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.text import Text

PATIENCE_S: Final = 1.0
"""What takes longer says so."""
PIPE_COLUMNS: Final = 4_096
"""Where nobody looks, nothing is wrapped."""
TEXT_CHARS_MAX: Final = 2_000
"""Of one cell; what is longer is cut."""

Cell: TypeAlias = "str | tuple[str, str]"
"""A text, or a text and its style."""


def clean(foreign: object) -> str:
    """A stranger's text for a terminal: everything that is not plain print is escaped."""
    text = str(foreign)
    if len(text) > TEXT_CHARS_MAX:
        text = text[:TEXT_CHARS_MAX] + "…"
    return text if text.isprintable() else "".join(map(_plain, text))


def _plain(one: str) -> str:
    return one if one.isprintable() else one.encode("unicode_escape").decode("ascii")


def command() -> str:
    """How this program was called, so that a line shown can be pasted."""
    called = Path(sys.argv[0])
    return str(called) if called.name == "treaty" else "treaty"


def console() -> Console:
    """Standard output for people."""
    from rich.console import Console

    width = None if sys.stdout.isatty() else PIPE_COLUMNS
    return Console(file=sys.stdout, width=width, highlight=False, markup=False, emoji=False)


def say(text: str, style: str = "") -> None:
    """A line of text."""
    from rich.text import Text

    console().print(Text(clean(text), style=style), soft_wrap=True)


def heading(text: str) -> None:
    """An empty line and a title."""
    click.echo()
    say(text, "bold")


def show_facts(pairs: Iterable[tuple[str, Cell]]) -> None:
    """Names and values, one a line; a value that is empty is left out."""
    from rich.table import Table

    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    for name, value in pairs:
        if value if isinstance(value, str) else value[0]:
            grid.add_row(_text((name, "dim")), _text(value))
    _print(grid)


def show_table(columns: Sequence[str], rows: Iterable[Sequence[Cell]], *, indent: int = 0) -> None:
    """A table; a column called ``>name`` holds numbers and is set to the right."""
    from rich.padding import Padding
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for name in columns:
        is_number = name.startswith(">")
        table.add_column(
            name.lstrip(">"), justify="right" if is_number else "left", overflow="fold"
        )
    for row in rows:
        table.add_row(*(_text(cell) for cell in row))
    _print(Padding(table, (0, 0, 0, indent), expand=False))


def _print(shown: RenderableType) -> None:
    """Print without the blanks that fill the last column."""
    screen = console()
    with screen.capture() as capture:
        screen.print(shown)
    for line in capture.get().splitlines():
        click.echo(line.rstrip(), color=True)


def _text(cell: Cell) -> Text:
    from rich.text import Text

    text, style = (cell, "") if isinstance(cell, str) else cell
    return Text(clean(text), style=style)


def show_json(value: object, *, line: bool = False) -> None:
    """One JSON document, ASCII throughout, so that no terminal reads anything into it."""
    text = json.dumps(value, indent=None if line else 2, ensure_ascii=True, allow_nan=False)
    click.echo(text.replace("\x7f", "\\u007f"))


def warn(label: str, text: str, *, style: str = "") -> None:
    """A labelled line on standard error; ``style`` as in ``bold red``."""
    bold, _, colour = style.partition(" ")
    click.secho(label, err=True, nl=False, bold=bold == "bold", fg=colour or None)
    click.echo(f" {text}", err=True)


def note(text: str) -> None:
    """A remark on standard error."""
    click.echo(clean(text), err=True)


@contextmanager
def progress(what: str) -> Iterator[None]:
    """Say on standard error what is going on, once it has taken more than a second."""
    line = _Line(what, sys.stderr.isatty())
    timer = threading.Timer(PATIENCE_S, line.show)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        line.clear()


class _Line:
    """The progress line; on a terminal it is taken back at the end."""

    def __init__(self, what: str, transient: bool) -> None:
        self._what = what
        self._transient = transient
        self._lock = threading.Lock()
        self._shown = self._over = False

    def show(self) -> None:
        with self._lock:
            if not self._over:
                self._shown = True
                click.echo(f"{clean(self._what)} …", err=True, nl=not self._transient)

    def clear(self) -> None:
        with self._lock:
            self._over = True
            if self._shown and self._transient:
                click.echo("\r\x1b[2K", err=True, nl=False)
