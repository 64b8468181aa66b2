"""``treaty inbox``: what waits for one of this user's agents, and what a person decides.

An escalation pauses a session until the authority it names has decided. The decision is that
authority's own signed message; this command makes it, after checking the whole session.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import click

from treaty.cli.options import as_option, json_option, next_line, node_option

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from treaty.cli.terminal import Cell
    from treaty.engine.items import InboxItem
    from treaty.http.client import HttpNode
    from treaty.wire.canonical import Json

DECISIONS: Final = ("resume", "abort")
PAGES_MAX: Final = 100
"""Pages of an inbox that are looked through for what still waits."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """One thing in an inbox, and whether anything still depends on it."""

    kind: str
    session: str
    by: str
    open: bool
    state: str
    """Of the session, or phase of the dispute; empty where this agent may not see it (any more)."""
    until: str
    name: str
    """Of the escalation or delegation."""
    says: str
    options: tuple[Json, ...]

    def row(self) -> tuple[Cell, ...]:
        """As people read it."""
        kind = (self.kind, "bold" if self.open else "dim")
        return kind, self.session, self.by, self.until, self.name, self.says

    def to_json(self) -> dict[str, Json]:
        """As programs read it."""
        return {
            "kind": self.kind,
            "session": self.session,
            "from": self.by,
            "waiting": self.open,
            "state": self.state or None,
            "until": self.until or None,
            "id": self.name or None,
            "says": self.says,
            "options": list(self.options),
        }


@click.group(invoke_without_command=True)
@as_option(required=False)
@click.option("--all", "everything", is_flag=True, help="Show also what waits no longer.")
@node_option
@json_option
@click.pass_context
def inbox(
    context: click.Context,
    as_agent: str | None,
    everything: bool,
    node: str | None,
    as_json: bool,
) -> None:
    """List what waits for AGENT: escalations to decide, invitations, delegations, disputes."""
    from treaty.cli.failures import Misused
    from treaty.cli.nodes import signer_of, wait_for
    from treaty.cli.terminal import note, say, show_json, show_table

    if context.invoked_subcommand is not None:
        context.obj = (as_agent, node)
        return
    if as_agent is None:
        raise Misused("whose inbox?", advice="name an agent with --as")
    work = _waiting(as_agent, signer_of(as_agent), node)
    found = [one for one in wait_for(work, "reading the inbox") if everything or one.open]
    if as_json:
        show_json({"agent": as_agent, "waiting": [one.to_json() for one in found]})
        return
    if not found:
        say("nothing waits")
        return
    columns = ("waits for", "session", "from", "until", "id", "says")
    show_table(columns, [one.row() for one in found])
    asked = next((one for one in found if one.kind == "decision" and one.open), None)
    if asked is not None:
        # An id that would be read as an option is no good on a command line.
        name = asked.session if asked.name.startswith("-") else asked.name
        words = ("inbox", "decide", name, "resume", "--as", as_agent)
        note(f"let it go on: {next_line('treaty', *words)}")
        note("or end it: the same with abort")


async def _waiting(uri: str, signer: object, node: str | None) -> list[Waiting]:
    from treaty.cli.nodes import at_node

    async with at_node(node, uri, signer) as client:  # type: ignore[arg-type]
        found = []
        after, more = 0, True
        for _ in range(PAGES_MAX):
            if not more:
                break
            items, more = await client.inbox_page(after)
            for item in items:
                after = item.position
                if item.kind in _LOOKS:
                    found.append(await _look(client, uri, item))
                elif item.kind == "dispute":
                    found.append(await _dispute(client, uri, item))
        return found


async def _look(client: HttpNode, uri: str, item: InboxItem) -> Waiting:
    """Whether a notice still matters, as its session stands."""
    from treaty.errors import Refused

    session = str(item.body.get("session"))
    try:
        view = await client.session(session)
    except Refused:
        view = {}
    return _LOOKS[item.kind](uri, item, view)


def _escalation(_uri: str, item: InboxItem, view: Mapping[str, Json]) -> Waiting:
    from treaty.dialects.asp.codec import decode
    from treaty.dialects.asp.messages import Escalate

    name = str(item.body.get("escalation"))
    all_running = view.get("escalations")
    running = [
        one
        for one in (all_running if isinstance(all_running, list) else [])
        if isinstance(one, dict) and one.get("escalationId") == name
    ]
    body = decode(item.raw).body if item.raw is not None else None
    called = body if isinstance(body, Escalate) else None
    return Waiting(
        "decision",
        str(item.body.get("session")),
        str(item.body.get("from")),
        bool(running),
        str(view.get("state", "")),
        str(running[0].get("until")) if running else "",
        name,
        called.reason if called else "",
        called.options if called else (),
    )


def _invitation(_uri: str, item: InboxItem, view: Mapping[str, Json]) -> Waiting:
    is_open = view.get("phase") in ("INVITED", "INVITED_COUNTERED")
    return Waiting(
        "answer",
        str(item.body.get("session")),
        str(item.body.get("from")),
        is_open,
        str(view.get("state", "")),
        str(item.body.get("expires", "")),
        "",
        str(item.body.get("subject", "")),
        (),
    )


def _delegation(uri: str, item: InboxItem, view: Mapping[str, Json]) -> Waiting:
    delegations = view.get("delegations")
    name = str(item.body.get("delegation"))
    here = [
        one
        for one in (delegations if isinstance(delegations, list) else [])
        if isinstance(one, dict) and one.get("delegationId") == name and one.get("agent") == uri
    ]
    is_open = bool(here) and here[0].get("state") == "joined"
    return Waiting(
        "delegate",
        str(item.body.get("session")),
        str(item.body.get("from")),
        is_open and view.get("state") not in ("CLOSED", "FAILED"),
        str(view.get("state", "")),
        str(here[0].get("expires")) if here else "",
        name,
        "you take part in this session",
        (),
    )


async def _dispute(client: HttpNode, uri: str, item: InboxItem) -> Waiting:
    """A dispute one is a party of, or was drawn to judge: open while there is something to do."""
    from treaty.cli.dispute_shown import next_step
    from treaty.errors import Refused

    name = str(item.body.get("dispute"))
    try:
        view = await client.dispute(name)
    except Refused:
        view = {}
    arbiters = view.get("arbiters")
    is_drawn = isinstance(arbiters, list) and uri in arbiters
    is_open = bool(view) and bool(next_step(view, uri))
    return Waiting(
        "vote" if is_drawn else "dispute",
        str(item.body.get("session")),
        str(item.body.get("from")),
        is_open,
        str(view.get("phase", "")),
        str(view.get("due", "")),
        name,
        str(view.get("reason", "")),
        (),
    )


_LOOKS: Final = {
    "escalation": _escalation,
    "invitation": _invitation,
    "delegation": _delegation,
}


@inbox.command(short_help="Decide what waits for you: go on, or end it.")
@click.argument("waiting", metavar="ID")
@click.argument("decision", type=click.Choice(DECISIONS))
@click.option("--note", default="", metavar="TEXT", help="Why, for both parties to read.")
@as_option(required=False)
@node_option
@json_option
@click.pass_obj
def decide(
    above: tuple[str | None, str | None],
    waiting: str,
    decision: str,
    note: str,
    as_agent: str | None,
    node: str | None,
    as_json: bool,
) -> None:
    """Decide an escalation, as the authority it names: resume the session, or abort it.

    ID is that of the escalation or of its session. The session is fetched and checked from its
    beginning; the decision is signed with your key and binds as the parties agreed: both of
    them if both listed you as an authority, else the one that called you.
    """
    from treaty.cli.failures import Misused
    from treaty.cli.nodes import signer_of, wait_for
    from treaty.cli.terminal import say, show_json

    uri = as_agent or above[0]
    if uri is None:
        raise Misused("who decides?", advice="name an agent with --as")
    signer_of(uri)
    receipt = wait_for(_decide(uri, waiting, decision, note, node or above[1]), "deciding")
    if as_json:
        show_json(receipt)
    else:
        say(f"{receipt['decision']}: session {receipt['session']} is {receipt['state']}", "bold")


def several(waiting: str, uri: str, still: Sequence[Waiting]) -> Exception:
    """One session may have two escalations, and one id may stand in several sessions."""
    from treaty.cli.failures import Misused

    if waiting == still[0].session:
        names = ", ".join(one.name for one in still)
        return Misused(f"both parties of {waiting} wait for {uri}", advice=f"name one: {names}")
    sessions = ", ".join(one.session for one in still)
    return Misused(
        f"{waiting} waits for {uri} in several sessions", advice=f"name the session: {sessions}"
    )


async def _decide(
    uri: str, waiting: str, decision: str, note: str, node: str | None
) -> dict[str, Json]:
    from treaty import app
    from treaty.cli.nodes import reaching, signer_of
    from treaty.errors import Refused

    signer = signer_of(uri)
    found = [
        one
        for one in await _waiting(uri, signer, node)
        if one.kind == "decision" and waiting in (one.name, one.session)
    ]
    if not found:
        raise Refused(f"nothing called {waiting} ever waited for {uri}", "reference_unknown")
    still = [one for one in found if one.open]
    if not still:
        raise Refused(f"{waiting} waits no longer", "reference_unknown")
    if len(still) > 1:
        raise several(waiting, uri, still)
    async with reaching(), app.Agent(uri, node=node, signer=signer) as me:
        deal = await me.join(still[0].session, still[0].by)
        envelope = await deal.resolve(decision, note, escalation=still[0].name)
        await deal.line.sync()
        return {
            "session": deal.id,
            "escalationId": still[0].name,
            "decision": decision,
            "hash": envelope.hash,
            "state": deal.conversation.wire_state,
        }
