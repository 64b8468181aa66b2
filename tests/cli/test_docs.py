"""docs/cli.md shows the help of every command as it is."""

from __future__ import annotations

from tools.cli_docs import PAGE, blocks, commands, refreshed


def test_the_page_shows_the_help_of_today() -> None:
    page = PAGE.read_text(encoding="utf-8")

    assert refreshed(page) == page, "stale: run python -m tools.cli_docs"


def test_every_command_has_its_place_once() -> None:
    assert sorted(blocks(PAGE.read_text(encoding="utf-8"))) == sorted(dict(commands()))


def test_a_stale_block_is_written_anew_and_the_rest_is_left_alone() -> None:
    page = "before\n\n```text\nUsage: treaty verify [OLD]\n\n  Old.\n```\n\nafter\n"
    after = refreshed(page)

    assert after.startswith("before\n\n```text\nUsage: treaty verify [OPTIONS] FILE [FILE]\n")
    assert "Old." not in after
    assert after.endswith("```\n\nafter\n")
