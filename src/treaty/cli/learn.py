"""``treaty learn``: what an agent has noted about its counterparties. Nothing of it is ever sent.

Read next: ``treaty.core.learning`` for how the notes are made.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from treaty.cli.options import agent_uri, as_option, json_option

if TYPE_CHECKING:
    from treaty.wire.canonical import Json


@click.group()
def learn() -> None:
    """Show what an agent has learnt, privately: it lies in its own store and stays there."""


@learn.command()
@click.argument("counterparty", type=agent_uri, metavar="COUNTERPARTY")
@as_option(required=True)
@json_option
def show(counterparty: str, as_agent: str, as_json: bool) -> None:
    """Show the observations about one counterparty, oldest first."""
    from treaty.cli.nodes import own_copies, wait_for
    from treaty.cli.terminal import say, show_json, show_table

    async def work() -> list[dict[str, Json]]:
        async with own_copies(as_agent) as copies:
            return [] if copies is None else await copies.learnt(counterparty)

    found = wait_for(work(), "reading the agent's store")
    if as_json:
        show_json({"agent": as_agent, "counterparty": counterparty, "observations": list(found)})
    elif found:
        show_table(("subject", "observation", ">confidence"), [_row(one) for one in found])
    else:
        say(f"{as_agent} has noted nothing about {counterparty}")


def _row(observation: dict[str, Json]) -> tuple[str, str, str]:
    data = observation.get("data")
    said = data.get("observation") if isinstance(data, dict) else ""
    return str(observation.get("subject")), str(said), str(observation.get("confidence"))
