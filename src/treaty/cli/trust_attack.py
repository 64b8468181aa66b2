"""``treaty trust attack``: what it costs to move a score by ten points, played on the real fold.

Read next: ``treaty.core.trust_attacks``, which searches; ``docs/trust-attacks.md``, the table.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import click

from treaty.cli.options import json_option

if TYPE_CHECKING:
    from treaty.core.trust_attacks import Attack, Cost
    from treaty.core.trust_moves import Spent

LEVELS: Final = range(5)


@click.command(short_help="Play named attacks on the trust score, and price them.")
@click.argument("name", required=False, metavar="[NAME]")
@click.option(
    "--level",
    "levels",
    type=click.IntRange(0, 4),
    multiple=True,
    metavar="N",
    help="Start from this level only, 0 to 4; may be repeated.",
)
@click.option("--markdown", is_flag=True, help="Print the table of docs/trust-attacks.md.")
@json_option
def attack(name: str | None, levels: tuple[int, ...], markdown: bool, as_json: bool) -> None:
    """Play attacks on the fold that scores agents, and print what each one costs.

    An attack is to move a score by ten points from each level. Nothing is asked of a node: the
    deals are folded here, by the rules every node folds by. NAME is one of ring, premium,
    premiums, wash, seasoned, farm, whitewash, slander; without it all are played.
    """
    from treaty.cli.terminal import progress, say, show_json
    from treaty.core.trust_attacks import ATTACKS, GOAL, attack_named, search

    chosen = ATTACKS if name is None else (attack_named(name),)
    wanted = levels or tuple(LEVELS)
    with progress("playing"):
        found = [(one, [search(one, level) for level in wanted]) for one in chosen]
    if as_json:
        rows = [cost.to_json() for _, costs in found for cost in costs]
        show_json({"rules": "trust/1", "goal": str(GOAL), "attacks": rows})
    elif markdown:
        for line in table(found):
            click.echo(line)
    else:
        say(f"Moving a score by {GOAL} points; dollars go through escrow and may come back.", "dim")
        _show(found)


def _show(found: Sequence[tuple[Attack, Sequence[Cost]]]) -> None:
    from treaty.cli.terminal import heading, show_table

    for one, costs in found:
        heading(f"{one.name}: {one.text}")
        rows = [
            (
                str(cost.level),
                str(cost.start),
                ("yes", "bold red") if cost.reached else ("no", "green"),
                f"{cost.moved:+}",
                money(cost.tried),
                str(cost.tried.organisations),
                str(cost.tried.deals),
            )
            for cost in costs
        ]
        columns = (">level", ">score", "moved by 10", ">moved", ">dollars", ">orgs", ">deals")
        show_table(columns, rows, indent=2)


def table(found: Sequence[tuple[Attack, Sequence[Cost]]]) -> list[str]:
    """The table of the page, line by line."""
    starts = [f"level {cost.level} ({cost.start})" for cost in found[0][1]]
    lines = [_row(["attack", *starts]), _row(["---"] * (len(starts) + 1))]
    for one, costs in found:
        lines.append(_row([f"**{one.name}**: {one.text}", *map(cell, costs)]))
    return lines


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def cell(cost: Cost) -> str:
    """What one attack came to from one level."""
    tried = cost.tried
    spent = f"{money(tried)}, {_count(tried.organisations, 'org')}, {_count(tried.deals, 'deal')}"
    return spent if cost.reached else f"no: {cost.moved:+} after {spent}"


def money(spent: Spent) -> str:
    """Dollars and cents."""
    return f"${spent.cents // 100:,}.{spent.cents % 100:02}"


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
