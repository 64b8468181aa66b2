"""``treaty roots``: a node's keys as a file, to anchor the verification of deals.

Read next: ``treaty.core.deal`` for what roots are.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from treaty.cli.options import FILE, db_option, json_option, node_option

if TYPE_CHECKING:
    from treaty.wire.canonical import Json


@click.group()
def roots() -> None:
    """Export a node's keys as roots, for treaty verify --roots."""


@roots.command(short_help="Write the keys of a node and its operator.")
@node_option
@db_option
@click.option("--out", type=FILE, metavar="FILE", help="Write here instead of standard output.")
@json_option
def export(node: str | None, db: Path | None, out: Path | None, as_json: bool) -> None:
    """Write the keys of a node and of its operator, and the signed head of its trust log.

    An address can be anybody's: ask the operator by another way whether the key ids are theirs.
    With --db they come from the node's own database. Standard output is JSON in any case;
    --json leaves out the remarks on standard error.
    """
    from treaty import app
    from treaty.cli import nodes
    from treaty.cli.nodes import node_file, reaching, wait_for
    from treaty.cli.output import write_json

    async def work() -> dict[str, Json]:
        if db is not None:
            async with node_file(db) as opened:
                return opened.roots()
        async with reaching():
            return await app.export_roots(node, budget_ms=nodes.BUDGET_MS)

    made = wait_for(work(), "reading the node's keys")
    write_json(made, out)
    if not as_json:
        _remark(made, db)


def _remark(made: Mapping[str, Json], db: Path | None) -> None:
    from treaty.cli.terminal import note

    for role, owner in (("registry", "node"), ("attester", "operator")):
        anchors = made.get(role)
        for anchor in anchors if isinstance(anchors, list) else []:
            if isinstance(anchor, dict):
                note(f"{owner} {anchor.get('uri')} has the key {anchor.get('keyId')}")
    clearings = made.get("clearing")
    for anchor in clearings[1:] if isinstance(clearings, list) else []:
        if isinstance(anchor, dict):
            note(f"it counts what {anchor.get('uri')} clears, by the key {anchor.get('keyId')}")
    if made.get("logHead") is None:
        note("no log head: the node's key file is not beside the database, or locked")
    if db is None:
        note("check these key ids with the operator by another way before you rely on them")
