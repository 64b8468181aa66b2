"""``treaty offers``: how a provider's offers fare with buyers.

Read next: ``treaty.core.losses`` for what is counted.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from treaty.cli.options import FILE_READ, json_option

if TYPE_CHECKING:
    from treaty.core.losses import Tally
    from treaty.wire.canonical import Json


@click.group()
def offers() -> None:
    """Learn how your offers fare with buyers."""


@offers.command()
@click.option(
    "--db",
    type=FILE_READ,
    required=True,
    metavar="FILE",
    help="The file of your treaty serve --db; works while it runs.",
)
@click.option("--capability", metavar="C", help="One capability; without it all.")
@json_option
def lost(db: Path, capability: str | None, as_json: bool) -> None:
    """Show why offers lost, of what buyers told: reasons, and by how much.

    A buyer that chose another offer may leave a signed receipt (treaty run --tell-losers). It names
    your own figures against the limits you were sent, never who won.
    """
    import asyncio

    from treaty.app.files import read_losses
    from treaty.cli.failures import Failed
    from treaty.cli.terminal import show_json

    tallies = asyncio.run(read_losses(db))
    if capability is not None:
        if capability not in tallies:
            raise Failed(f"no offer of {capability} was told lost", code="not_found")
        tallies = {capability: tallies[capability]}
    if as_json:
        show_json({"capabilities": [_document(name, one) for name, one in tallies.items()]})
    else:
        _show(tallies)


def _document(name: str, tally: Tally) -> dict[str, Json]:
    from treaty.core.losses import lines
    from treaty.wire.instants import format_instant
    from treaty.wire.money import number_to_json

    reasons: list[Json] = [
        {
            "code": one.code,
            "losses": one.losses,
            "percent": number_to_json(one.percent),
            "median_over": None if one.median_over is None else number_to_json(one.median_over),
            "unit": one.unit,
            "text": one.text,
        }
        for one in lines(tally)
    ]
    return {
        "capability": name,
        "losses": tally.losses,
        "from": format_instant(tally.first_ms),
        "until": format_instant(tally.last_ms),
        "reasons": reasons,
    }


def _show(tallies: Mapping[str, Tally]) -> None:
    from treaty.cli.terminal import note, say
    from treaty.core.losses import lines
    from treaty.wire.instants import format_instant

    if not tallies:
        note("no buyer has told of a loss yet")
    for name, tally in tallies.items():
        since = format_instant(tally.first_ms)
        say(f"{name}: {tally.losses} losses since {since}", "bold")
        for one in lines(tally):
            say(f"  - {one.text}")
