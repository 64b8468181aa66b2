"""``treaty session``: what was negotiated, what binds, where the money is, who said what.

Read next: ``seen`` for where a session is taken from, ``gist`` for the words of a message.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from treaty.cli.options import (
    as_option,
    db_option,
    is_explicit,
    json_option,
    node_option,
    session_argument,
)

if TYPE_CHECKING:
    from collections.abc import Coroutine, Mapping

    from treaty.cli.seen import Seen, Unreadable
    from treaty.cli.terminal import Cell
    from treaty.wire.canonical import Json

LAST: Final = 5
"""Messages shown when not all are asked for."""
STYLES: Final = {"CLOSED": "green", "FAILED": "red", "ESCALATED": "yellow"}


@click.group()
def session() -> None:
    """List and show sessions: your own copies, a node's database, or live from the node."""


@session.command("list", short_help="List sessions, newest first.")
@as_option(required=False)
@db_option
@click.option(
    "--limit",
    type=click.IntRange(1, 1_000),
    default=20,
    show_default=True,
    metavar="N",
    help="How many, newest first.",
)
@json_option
def list_sessions(as_agent: str | None, db: Path | None, limit: int, as_json: bool) -> None:
    """List sessions: those AGENT keeps copies of, or all in a node's database."""
    from treaty.cli import seen
    from treaty.cli.nodes import wait_for
    from treaty.cli.terminal import say, show_json, show_table

    if db is not None:
        work = seen.all_in_file(db, limit)
    else:
        work = seen.all_in_copies(_required(as_agent), limit)
    found, count = wait_for(work, "reading sessions")
    if as_json:
        show_json({"sessions": [_summary(one) for one in found], "total": count})
        return
    if not found:
        say("no sessions")
        return
    columns = ("session", "state", "inviter", "invitee", "subject", ">messages", "last entry")
    show_table(columns, [_row(_summary(one)) for one in found])
    if count > len(found):
        say(f"{len(found)} of {count} shown; raise --limit to see more", "dim")


def _required(as_agent: str | None) -> str:
    from treaty.cli.failures import Misused

    if as_agent is None:
        raise Misused("whose sessions?", advice="name an agent with --as, or a node's --db FILE")
    return as_agent


def _summary(one: Seen | Unreadable) -> dict[str, Json]:
    from treaty.cli.seen import Unreadable
    from treaty.dialects.asp.views import session_view

    if isinstance(one, Unreadable):
        return {"session": one.session, "state": "unreadable", "subject": one.why}
    names = ("session", "state", "inviter", "invitee", "subject", "messageCount", "updatedAt")
    view = session_view(one.conversation)
    return {name: view[name] for name in names}


def _row(view: Mapping[str, Json]) -> tuple[Cell, ...]:
    state = str(view["state"])
    return (
        str(view["session"]),
        (state, STYLES.get(state, "")),
        str(view.get("inviter", "")),
        str(view.get("invitee", "")),
        str(view["subject"]),
        str(view.get("messageCount", "")),
        str(view.get("updatedAt", "")),
    )


@session.command(short_help="Show one session with all that was said.")
@session_argument
@click.option("--messages", is_flag=True, help=f"Show all messages, not only the last {LAST}.")
@as_option(required=False)
@db_option
@node_option
@json_option
def show(
    session: str,
    messages: bool,
    as_agent: str | None,
    db: Path | None,
    node: str | None,
    as_json: bool,
) -> None:
    """Show one session: state, parties, commitments, escrow, and who said what.

    Taken from AGENT's own copy; live from the node when --node is given as well; or from a
    node's database with --db.
    """
    from treaty.cli.nodes import wait_for
    from treaty.cli.terminal import show_json

    found = wait_for(_find(session, as_agent, db, node), "reading the session")
    document = _document(found, None if messages else LAST)
    if as_json:
        show_json(document)
    else:
        _show(document)


def _find(
    session: str, as_agent: str | None, db: Path | None, node: str | None
) -> Coroutine[None, None, Seen]:
    from treaty.cli import seen

    if db is not None:
        return seen.in_file(db, session)
    uri = _required(as_agent)
    return seen.at_host(node, uri, session) if is_explicit("node") else seen.in_copies(uri, session)


def _document(found: Seen, last: int | None) -> dict[str, Json]:
    """Everything shown, as JSON; the text for people is made from the same."""
    from treaty.core.log import HostFact, read_log_record
    from treaty.dialects.asp.deal import escrow_line, is_escrow
    from treaty.dialects.asp.views import session_view

    entries = [read_log_record(dict(item.record)) for item in found.items]
    facts = [one for one in entries if isinstance(one, HostFact)]
    said = list(_messages(found))
    return {
        **session_view(found.conversation),
        "source": found.source,
        "escrow": [escrow_line(one) for one in facts if is_escrow(one)],
        "outcomes": [dict(one.data) for one in facts if one.fact == "outcome"],
        "messages": list(said if last is None else said[-last:]),
    }


def _messages(found: Seen) -> Iterator[Json]:
    from treaty.cli.gist import gist
    from treaty.dialects.asp.codec import decode

    for item in found.items:
        if item.raw is None:
            continue
        envelope = decode(item.raw)
        yield {
            "position": item.position,
            "at": item.record.get("receivedAt"),
            "sender": envelope.sender,
            "recipient": envelope.recipient,
            "performative": envelope.performative.value,
            "gist": gist(envelope.body),
            "hash": envelope.hash,
        }


def _show(document: Mapping[str, Json]) -> None:
    from treaty.cli.terminal import heading, show_facts, show_table

    state = str(document["state"])
    phase = "" if document["phase"] == state else f" ({document['phase']})"
    show_facts(
        [
            ("session", (str(document["session"]), "bold")),
            ("state", (state + phase, STYLES.get(state, "bold"))),
            ("subject", str(document["subject"])),
            ("inviter", str(document["inviter"])),
            ("invitee", str(document["invitee"])),
            ("others", ", ".join(_others(document))),
            ("last entry", f"{document['updatedAt']}, position {document['position']}"),
            ("seen in", str(document["source"])),
        ]
    )
    if asked := _objects(document["escalations"]):
        heading("waits for a decision")
        show_table(_ASKED, [[str(one[name]) for name in _ASKED] for one in asked], indent=2)
    for commitment in _objects(document["commitments"]):
        heading(f"commitment {commitment['commitmentId']}: {commitment['state']}")
        duties = _objects(commitment["obligations"])
        show_table(_DUTY, [[str(duty[name]) for name in _DUTY] for duty in duties], indent=2)
    if filed := _objects(document["disputes"]):
        heading("disputes")
        show_table(_DISPUTE, [[str(one[name]) for name in _DISPUTE] for one in filed], indent=2)
    if lines := _objects(document["escrow"]):
        heading("escrow")
        show_table(("at", "movement", "amount", "from", "to"), map(_escrow_row, lines), indent=2)
    if outcomes := _objects(document["outcomes"]):
        heading("trust")
        rows = [row for outcome in outcomes for row in _score_rows(outcome)]
        show_table(("agent", ">before", ">after"), rows, indent=2)
    _show_messages(document)


_ASKED: Final = ("escalationId", "by", "authority", "until")
_DISPUTE: Final = ("disputeId", "commitmentId", "filedBy", "reason", "phase")
_DUTY: Final = ("role", "party", "action", "deadline", "method", "state")


def _show_messages(document: Mapping[str, Json]) -> None:
    from treaty.cli.terminal import heading, show_table

    said = _objects(document["messages"])
    heading(f"messages, {len(said)} of {document['messageCount']}")
    columns = (">#", "at", "sender", "performative", "says", "hash")
    rows = [
        (
            str(one["position"]),
            str(one["at"]),
            _short(one["sender"]),
            (str(one["performative"]), "green"),
            str(one["gist"]),
            (str(one["hash"])[7:15], "dim"),
        )
        for one in said
    ]
    show_table(columns, rows, indent=2)


def _others(document: Mapping[str, Json]) -> list[str]:
    principals = (document["inviter"], document["invitee"])
    members = _objects(document["participants"])
    return [f"{one['uri']} ({one['role']})" for one in members if one["uri"] not in principals]


def _objects(value: Json) -> list[dict[str, Json]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _escrow_row(line: Mapping[str, Json]) -> tuple[Cell, ...]:
    if line.get("movement") == "reserve":
        amount = _amount(line.get("amount"))
    else:
        amount = f"{_amount(line.get('posted'))} posted, {_amount(line.get('voided'))} back"
    movement = str(line.get("movement"))
    payer, payee = _short(line.get("payer")), _short(line.get("payee"))
    return str(line.get("at")), movement, (amount, "yellow"), payer, payee


def _amount(value: Json) -> str:
    return f"{value.get('amount')} {value.get('currency')}" if isinstance(value, dict) else ""


def _score_rows(outcome: Mapping[str, Json]) -> Iterator[tuple[Cell, ...]]:
    scores = outcome.get("scores")
    for agent, change in scores.items() if isinstance(scores, dict) else ():
        if isinstance(change, dict):
            yield agent, _standing(change.get("before")), (_standing(change.get("after")), "bold")


def _standing(value: Json) -> str:
    return f"{value.get('score')} (level {value.get('level')})" if isinstance(value, dict) else ""


def _short(uri: Json) -> str:
    """The last part of an agent URI, for a narrow column."""
    return str(uri).rsplit("/", 1)[-1]
