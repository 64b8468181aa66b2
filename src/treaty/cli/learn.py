"""``treaty learn``: what an agent has noted about its counterparties. Nothing of it is ever sent.

Read next: ``treaty.core.learning`` for how the notes are made.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from treaty.cli.options import agent_uri, as_option, json_option

if TYPE_CHECKING:
    from decimal import Decimal

    from treaty.core.learning import Statistics
    from treaty.wire.canonical import Json


@click.group()
def learn() -> None:
    """Show what an agent has learnt, privately: it lies in its own store and stays there."""


@learn.command()
@click.argument("counterparty", type=agent_uri, metavar="COUNTERPARTY")
@as_option(required=True)
@json_option
def show(counterparty: str, as_agent: str, as_json: bool) -> None:
    """Show what AGENT knows of one counterparty: statistics, and observations, oldest first.

    The statistics are computed from the agent's own verified copies of its last sessions.
    """
    from treaty.agent.learn import statistics_of
    from treaty.cli.nodes import own_copies, wait_for
    from treaty.cli.terminal import heading, say, show_facts, show_json, show_table
    from treaty.core.learning import Statistics

    async def work() -> tuple[list[dict[str, Json]], Statistics]:
        async with own_copies(as_agent) as copies:
            if copies is None:
                return [], Statistics()
            known = await statistics_of(copies, as_agent, counterparty)
            return await copies.learnt(counterparty), known

    found, known = wait_for(work(), "reading the agent's store")
    if as_json:
        whose: dict[str, Json] = {"agent": as_agent, "counterparty": counterparty}
        show_json({**whose, "statistics": known.to_json(), "observations": list(found)})
        return
    if known.negotiations:
        show_facts(_facts(known))
    if found:
        heading("observations")
        show_table(("subject", "observation", ">confidence"), [_row(one) for one in found])
    else:
        say(f"{as_agent} has noted nothing about {counterparty}")


def _facts(known: Statistics) -> list[tuple[str, str]]:
    wait = "" if known.response_ms is None else f"{known.response_ms} ms"
    return [
        ("negotiations", f"{known.negotiations}, of which {known.deals} ended in a deal"),
        ("opens at", _share(known.opening_gap, "against list price")),
        ("comes nearer", _share(known.concession, "of its first bid with each bid")),
        ("bids", "" if known.rounds is None else f"{known.rounds.normalize():f}"),
        ("answers in", wait),
        ("agrees at", _share(known.acceptance, "against its first bid")),
        ("keeps", _share(known.kept, "of its promises")),
    ]


def _share(value: Decimal | None, of_what: str) -> str:
    return "" if value is None else f"{value * 100:.1f} % {of_what}"


def _row(observation: dict[str, Json]) -> tuple[str, str, str]:
    data = observation.get("data")
    said = data.get("observation") if isinstance(data, dict) else ""
    return str(observation.get("subject")), str(said), str(observation.get("confidence"))
