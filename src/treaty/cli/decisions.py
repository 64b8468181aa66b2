"""``treaty decisions``: what was decided, by whose offers, and what came of it.

Read next: ``treaty.agent.decisions``, which keeps them.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from treaty.cli.options import FILE, FILE_READ, json_option

if TYPE_CHECKING:
    from treaty.agent.decisions import Decision, Decisions

SHOWN: Final = 20
LISTED_MAX: Final = 1_000

db_option = click.option(
    "--db",
    type=FILE_READ,
    metavar="FILE",
    help="Where decisions are kept; in TREATY_HOME if not said.",
)
last_option = click.option(
    "--last", is_flag=True, help="The newest decision, as without a DECISION."
)


@click.group()
def decisions() -> None:
    """Read again what treaty route and treaty run decided, and why."""


@decisions.command("list")
@click.option(
    "--limit",
    type=click.IntRange(1, LISTED_MAX),
    default=SHOWN,
    show_default=True,
    help="How many, the newest first.",
)
@click.option("--last", is_flag=True, help="The newest alone.")
@db_option
@json_option
def list_(limit: int, last: bool, db: Path | None, as_json: bool) -> None:
    """List decisions, the newest first."""
    import asyncio

    records, count = asyncio.run(_newest(db, 1 if last else limit))
    if as_json:
        from treaty.cli.terminal import show_json

        show_json({"decisions": [_short(one) for one in records], "count": count})
        return
    _show_list(records, count)


@decisions.command()
@click.argument("decision", required=False, metavar="[DECISION]")
@last_option
@db_option
@json_option
def show(decision: str | None, last: bool, db: Path | None, as_json: bool) -> None:
    """Show one decision: the winner and why, and why each other offer lost."""
    import asyncio

    from treaty.cli.route_screen import show_decision, show_outputs
    from treaty.cli.terminal import show_json

    found = asyncio.run(_one(db, decision, last=last))
    if as_json:
        show_json(found.document())
    else:
        show_decision(found.record)
        show_outputs(found.document())


@decisions.command()
@click.argument("decision", required=False, metavar="[DECISION]")
@last_option
@click.option("--out", type=FILE, metavar="FILE", help="Write here instead of standard output.")
@db_option
def export(decision: str | None, last: bool, out: Path | None, db: Path | None) -> None:
    """Write a decision, its messages and its evidence as a deal file for treaty verify."""
    import asyncio

    from treaty.cli.output import write_json

    write_json(asyncio.run(_exported(db, decision, last=last)), out)


async def _exported(db: Path | None, decision: str | None, *, last: bool) -> dict[str, Any]:
    from treaty.agent.decision_export import export_decision
    from treaty.app.routing import open_decisions

    async with open_decisions(db) as kept:
        return await export_decision(*await _named(kept, decision, last=last))


async def _newest(db: Path | None, limit: int) -> tuple[list[Mapping[str, Any]], int]:
    from treaty.app.routing import open_decisions

    async with open_decisions(db) as kept:
        if kept is None:
            return [], 0
        ids, count = await kept.newest(limit)
        records = [(await kept.peek(one)).record for one in ids]
        return [one for one in records if one], count


async def _one(db: Path | None, decision: str | None, *, last: bool) -> Decision:
    from treaty.app.routing import open_decisions

    async with open_decisions(db) as kept:
        store, found = await _named(kept, decision, last=last)
        return await store.read(found)


async def _named(
    kept: Decisions | None, decision: str | None, *, last: bool
) -> tuple[Decisions, str]:
    """The decision that was meant."""
    from treaty.errors import Refused

    if last and decision is not None:
        raise click.UsageError("name a DECISION, or give --last")
    if kept is None:
        raise Refused("no decision is kept here yet", "not_found")
    if decision is not None:
        return kept, decision
    ids, _ = await kept.newest(1)
    if not ids:
        raise Refused("no decision is kept here yet", "not_found")
    return kept, ids[0]


def _short(record: Mapping[str, Any]) -> dict[str, Any]:
    winner = record["winner"]
    return {
        "decision_id": record["decision_id"],
        "at": record["at"],
        "intent": record["intent"],
        "status": record["status"],
        "provider": None if winner is None else winner["provider"],
        "route_id": None if winner is None else winner["route_id"],
        "considered": len(record["considered"]),
    }


def _show_list(records: list[Mapping[str, Any]], count: int) -> None:
    from treaty.cli.terminal import note, show_table

    rows = [
        (one["decision_id"], one["at"], one["status"], one["route_id"] or "", one["intent"])
        for one in map(_short, records)
    ]
    if not rows:
        note("nothing was decided yet")
        return
    show_table(("decision", "at", "status", "route", "intent"), rows)
    if count > len(rows):
        note(f"{count - len(rows)} older ones; ask with --limit")
