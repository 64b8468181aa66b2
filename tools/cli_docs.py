"""Write the help of every command into docs/cli.md, where a block of it stands.

Usage: ``python -m tools.cli_docs``. A block is fenced as ``text`` and opens with
``Usage: treaty …``; everything else on the page is written by people and left alone. The test
of the page fails while a block is stale, or a command has none.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import click

PAGE = Path(__file__).resolve().parent.parent / "docs" / "cli.md"
BLOCK = re.compile(r"^```text\nUsage: (treaty(?: [a-z]+)*).*?^```\n", re.MULTILINE | re.DOTALL)
WIDTH = 80


def commands() -> Iterator[tuple[str, str]]:
    """Yield (name, help) of every command: the root, and all that do something."""
    from treaty.cli.root import root

    context = click.Context(root, info_name="treaty", terminal_width=WIDTH, **root.context_settings)
    yield from _below(root, context)


def _below(command: click.Command, context: click.Context) -> Iterator[tuple[str, str]]:
    group = isinstance(command, click.Group) and not command.invoke_without_command
    if context.parent is None or not group:
        yield context.command_path, command.get_help(context)
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            assert found is not None, f"{context.command_path} lists {name} and does not have it"
            yield from _below(found, click.Context(found, info_name=name, parent=context))


def blocks(page: str) -> list[str]:
    """The names of the commands whose help stands on the page, in its order."""
    return [match[1] for match in BLOCK.finditer(page)]


def refreshed(page: str) -> str:
    """The page with the help as it is now. Raises ``KeyError`` for a command there is not."""
    helps = dict(commands())
    return BLOCK.sub(lambda match: f"```text\n{helps[match[1]]}\n```\n", page)


def main() -> int:
    """Rewrite the page."""
    before = PAGE.read_text(encoding="utf-8")
    after = refreshed(before)
    PAGE.write_text(after, encoding="utf-8")
    print("unchanged" if after == before else f"rewrote {PAGE.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
