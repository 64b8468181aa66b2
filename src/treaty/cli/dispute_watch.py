"""``treaty dispute watch`` and ``reveal``: not losing by silence (ASP B15).

Both go by the agent's own copy of the session, brought up to date and verified: a node that asks
for a secret beside its log gets none.

Read next: ``treaty.agent.vigil``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from treaty.cli.options import as_option, json_option, next_line, node_option

if TYPE_CHECKING:
    from treaty.agent.agent import Agent
    from treaty.agent.deal import Deal
    from treaty.agent.vigil import Vigil
    from treaty.core.dispute import Dispute
    from treaty.identity.keys import Ed25519Signer
    from treaty.wire.canonical import Json

F = TypeVar("F", bound=Callable[..., Any])

INBOX_PAUSE_S: Final = 1.0
"""Between two connections to the inbox."""


def dispute_argument(function: F) -> F:
    """The argument DISPUTE."""
    return click.argument("dispute", metavar="DISPUTE")(function)


@click.command()
@dispute_argument
@as_option(required=True)
@node_option
@json_option
def reveal(dispute: str, as_agent: str, node: str | None, as_json: bool) -> None:
    """Show your secret for the draw of arbiters, in the phase REVEAL: who does not, loses.

    The session is checked first: nothing is shown unless its log asks for it.
    """
    from treaty.cli.dispute_shown import show_dispute
    from treaty.cli.nodes import wait_for

    work = _reveal(dispute, as_agent, node)
    show_dispute(wait_for(work, "asking the node about the dispute"), as_json=as_json)


async def _reveal(dispute: str, uri: str, node: str | None) -> dict[str, Json]:
    from treaty import app
    from treaty.agent import disputing
    from treaty.agent.vigil import Vigil
    from treaty.cli.nodes import reaching, signer_of
    from treaty.wire import fields

    signer = signer_of(uri)
    async with reaching(), app.Agent(uri, node=node, signer=signer) as me:
        session = fields.uuid(await me.client.dispute(dispute), "sessionId")
        deal = await Vigil(me).deal(session)
        await deal.line.sync()
        return await disputing.reveal(deal, dispute, earlier_keys(uri))


def earlier_keys(uri: str) -> list[Ed25519Signer]:
    """The key an agent had before the one in force: by it was promised what was promised then."""
    from treaty import app
    from treaty.cli.nodes import unlock

    path = app.agent_key_path(uri).with_suffix(".old.key")
    return [unlock(path)] if path.exists() else []


@click.command(short_help="Stay, and reveal in your disputes when it is time.")
@as_option(required=True)
@click.option("--once", is_flag=True, help="Look once and end, for a timer such as cron.")
@node_option
@json_option
def watch(as_agent: str, once: bool, node: str | None, as_json: bool) -> None:
    """Stay, and reveal in all open disputes of AGENT when it is time; Ctrl-C ends it.

    What it keeps in mind lasts beyond it. It reveals and nothing else: evidence and votes are
    yours. With --json each event is one line: {"event", "dispute", "session", "phase", "until"};
    events are open, revealed, judge (you were drawn), and the phases; and {"event": "watching",
    "agent", "open"} after the first look.
    """
    import asyncio
    from contextlib import suppress

    from treaty.cli.nodes import signer_of

    signer = signer_of(as_agent)
    with suppress(KeyboardInterrupt):
        asyncio.run(_watch(as_agent, signer, node, once=once, as_json=as_json))


async def _watch(
    uri: str, signer: Ed25519Signer, node: str | None, *, once: bool, as_json: bool
) -> None:
    import asyncio

    from treaty import app
    from treaty.agent.vigil import Vigil
    from treaty.cli.nodes import reaching
    from treaty.cli.terminal import note, show_json

    def tell(event: str, dispute: Dispute, deal: Deal) -> None:
        _tell(event, dispute, deal, as_json=as_json)

    agent = app.Agent(uri, node=node, signer=signer)
    async with reaching(), agent as me, Vigil(me, keys=earlier_keys(uri), tell=tell) as vigil:
        await _catch_up(me, vigil)
        left = await vigil.look()
        if as_json:
            show_json({"event": "watching", "agent": uri, "open": left}, line=True)
        else:
            note(f"open disputes of {uri}: {left}" + ("" if once else "; Ctrl-C ends the watch"))
        if once:
            return
        async with asyncio.TaskGroup() as group:
            group.create_task(vigil.run())
            group.create_task(_listen(me, vigil))


async def _catch_up(me: Agent, vigil: Vigil) -> None:
    """Keep in mind every dispute the inbox tells of since it was last read for them."""
    from treaty.agent.copies import DISPUTE

    more, after = True, await me.copies.cursor(DISPUTE)
    while more:
        items, more = await me.client.inbox_page(after)
        for item in items:
            after = item.position
            if item.kind == DISPUTE:
                await vigil.note(item, own_cursor=True)
        more = more and bool(items)


async def _listen(me: Agent, vigil: Vigil) -> None:
    """The same as notices come."""
    import asyncio

    from treaty.agent.copies import DISPUTE
    from treaty.agent.patience import is_passing
    from treaty.errors import TreatyError

    after = await me.copies.cursor(DISPUTE)
    while True:
        try:
            async for item in me.client.inbox(after):
                after = item.position
                if item.kind == DISPUTE:
                    await vigil.note(item, own_cursor=True)
        except TreatyError as error:
            if not is_passing(error):
                raise
        await asyncio.sleep(INBOX_PAUSE_S)


def _tell(event: str, dispute: Dispute, deal: Deal, *, as_json: bool) -> None:
    from treaty.cli.terminal import say, show_json
    from treaty.wire.instants import format_instant

    until = format_instant(dispute.due_ms)
    if as_json:
        line: dict[str, Json] = {
            "event": event,
            "dispute": dispute.id,
            "session": deal.id,
            "phase": dispute.phase.value,
            "until": until,
        }
        show_json(line, line=True)
        return
    kind = dispute.phase.value if event == "open" else event
    says = f"{dispute.id}: {WORDS[kind].format(until=until)}"
    if kind in NEXT:
        before, *after = NEXT[kind]
        words = ("dispute", before, dispute.id, "--as", deal.me, *after)
        says += f": {next_line('treaty', *words)}"
    say(says)


WORDS: Final = {
    "EVIDENCE": "both sides show evidence until {until}",
    "REVEAL": "secrets are asked for until {until}",
    "revealed": "your secret is shown",
    "VOTES": "three arbiters are drawn, and vote until {until}",
    "PERSON": "the node's operator rules until {until}",
    "RULED": "it is ruled on",
    "judge": "you were drawn to vote, until {until}",
}
NEXT: Final = {
    "EVIDENCE": ("evidence", "--statement", "TEXT"),
    "RULED": ("show",),
    "judge": ("vote", "--to-payee", "AMOUNT"),
}
"""The commands that go with some of these."""
