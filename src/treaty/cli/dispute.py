"""``treaty dispute``: file one, show evidence, judge, and rule as a node's operator (ASP B15).

Read next: ``treaty.core.dispute`` for how a dispute comes to its ruling.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from treaty.cli.dispute_watch import dispute_argument, reveal, watch
from treaty.cli.options import (
    FILE_READ,
    as_option,
    json_option,
    next_line,
    node_option,
    operator_options,
    session_argument,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any

    from treaty.http.client import HttpNode
    from treaty.identity.keys import Ed25519Signer
    from treaty.wire.canonical import Json
    from treaty.wire.money import Money

REASONS: Final = (
    *("timeout-breach", "fulfillment-mismatch", "specification-mismatch", "non-delivery"),
    *("escrow-violation", "unauthorized-modification"),
)
"""Grounds that the protocol names; a filing may give another."""


severity_option = click.option(
    "--severity",
    type=click.IntRange(1, 5),
    metavar="N",
    help="How much it weighs, 1 to 5; 5 costs most trust.",
)
amount_option = click.option(
    "--to-payee",
    required=True,
    metavar="AMOUNT",
    help="How much of the disputed amount goes to the payee; the rest returns to the payer.",
)
reason_option = click.option("--reason", default="", metavar="TEXT", help="Why; kept in the log.")


@click.group()
def dispute() -> None:
    """File disputes about bound commitments, show evidence, vote, and rule."""


@dispute.command(short_help="File a dispute about a commitment.")
@session_argument
@as_option(required=True)
@click.option(
    "--commitment",
    metavar="ID",
    help="Which commitment; not needed where the session has one that is bound.",
)
@click.option("--part", metavar="ID", help="One milestone or interval of its schedule.")
@click.option(
    "--reason", required=True, metavar="REASON", help=f"The ground: {', '.join(REASONS)}."
)
@click.option("--statement", metavar="TEXT", help="What happened, in words.")
@click.option("--id", "name", metavar="ID", help="Name of the dispute; made up without it.")
@severity_option
@node_option
@json_option
def file(
    session: str,
    as_agent: str,
    commitment: str | None,
    part: str | None,
    reason: str,
    statement: str | None,
    name: str | None,
    severity: int | None,
    node: str | None,
    as_json: bool,
) -> None:
    """File a dispute about a commitment of SESSION.

    A bond of 5 % of the disputed amount, at least a dollar, is held until the ruling; it goes to
    the other party if the ruling finds nothing for you.
    """
    from treaty import app
    from treaty.identity.disputes import make_filing

    async def work(client: HttpNode, signer: Ed25519Signer) -> dict[str, Json]:
        view = await client.session(session)
        record = make_filing(
            signer,
            dispute=name or f"dsp_{app.entropy(8).hex()}",
            session=session,
            commitment=commitment or _bound(view),
            filer=as_agent,
            against=_other(view, as_agent),
            reason=reason,
            at_ms=app.now_ms(),
            part=part,
            severity=severity,
            evidence=None if statement is None else {"statement": statement},
        )
        return await client.file_dispute(record)

    _run(work, as_agent, node, as_json=as_json)


def _bound(view: Mapping[str, Json]) -> str:
    """The one commitment that can be meant."""
    from treaty.cli.dispute_shown import objects
    from treaty.cli.failures import Misused

    live = [
        str(one["commitmentId"])
        for one in objects(view.get("commitments"))
        if one.get("state") in ("BOUND", "DISPUTED")
    ]
    if len(live) != 1:
        many = f"it has {len(live)} that are bound: {', '.join(live)}" if live else "none is bound"
        raise Misused(f"which commitment? {many}", advice="name it with --commitment ID")
    return live[0]


def _other(view: Mapping[str, Json], agent: str) -> str:
    inviter, invitee = str(view.get("inviter")), str(view.get("invitee"))
    return invitee if agent == inviter else inviter


@dispute.command()
@dispute_argument
@as_option(required=False)
@operator_options
@node_option
@json_option
def show(
    dispute: str,
    as_agent: str | None,
    operator_key: Path | None,
    db: Path | None,
    node: str | None,
    as_json: bool,
) -> None:
    """Show a dispute: as a party or an arbiter with --as, or as the operator."""
    from treaty.cli.failures import Misused

    async def work(client: HttpNode, _signer: Ed25519Signer) -> dict[str, Json]:
        return await client.dispute(dispute)

    if as_agent is not None:
        _run(work, as_agent, node, as_json=as_json)
    elif operator_key is None and db is None:
        as_party = next_line("treaty", "dispute", "show", dispute, "--as", "AGENT")
        advice = f"the operator gives --operator-key FILE; a party or an arbiter: {as_party}"
        raise Misused("who asks?", advice=advice)
    else:
        _run_operator(work, operator_key, db, node, as_json=as_json)


@dispute.command()
@dispute_argument
@as_option(required=True)
@click.option("--statement", required=True, metavar="TEXT", help="What it shows, in words.")
@click.option("--documents", type=FILE_READ, metavar="FILE", help="JSON to go with it.")
@click.option("--last", is_flag=True, help="You bring no more; after both say so it is judged.")
@node_option
@json_option
def evidence(
    dispute: str,
    as_agent: str,
    statement: str,
    documents: Path | None,
    last: bool,
    node: str | None,
    as_json: bool,
) -> None:
    """Show a piece of evidence, within a day of the filing."""
    from treaty import app
    from treaty.identity.disputes import make_evidence
    from treaty.wire.canonical import read_json

    shown = None if documents is None else read_json(documents.read_bytes())

    async def work(client: HttpNode, signer: Ed25519Signer) -> dict[str, Json]:
        record = make_evidence(
            signer,
            dispute=dispute,
            by=as_agent,
            session=_session_of(await client.dispute(dispute)),
            statement=statement,
            at_ms=app.now_ms(),
            documents=shown,
            last=last,
        )
        return await client.post_dispute(dispute, "evidence", record)

    _run(work, as_agent, node, as_json=as_json)


@dispute.command()
@dispute_argument
@as_option(required=True)
@amount_option
@severity_option
@reason_option
@node_option
@json_option
def vote(
    dispute: str,
    as_agent: str,
    to_payee: str,
    severity: int | None,
    reason: str,
    node: str | None,
    as_json: bool,
) -> None:
    """Vote as an arbiter that was drawn; the ruling is the median of three."""

    async def work(client: HttpNode, signer: Ed25519Signer) -> dict[str, Json]:
        record = await _finding(
            "vote", client, signer, dispute, as_agent, to_payee, severity, reason
        )
        return await client.post_dispute(dispute, "vote", record)

    _run(work, as_agent, node, as_json=as_json)


@dispute.command()
@dispute_argument
@amount_option
@severity_option
@reason_option
@operator_options
@node_option
@json_option
def resolve(
    dispute: str,
    to_payee: str,
    severity: int | None,
    reason: str,
    operator_key: Path | None,
    db: Path | None,
    node: str | None,
    as_json: bool,
) -> None:
    """Rule as the node's operator, in the phase PERSON: so much to the payee, the rest back.

    The key is --operator-key FILE, or the one beside --db FILE.
    """

    async def work(client: HttpNode, signer: Ed25519Signer) -> dict[str, Json]:
        operator = (await client.describe()).get("operator")
        by = str(operator.get("uri")) if isinstance(operator, dict) else ""
        record = await _finding("ruling", client, signer, dispute, by, to_payee, severity, reason)
        return await client.post_dispute(dispute, "ruling", record)

    _run_operator(work, operator_key, db, node, as_json=as_json)


async def _finding(
    kind: str,
    client: HttpNode,
    signer: Ed25519Signer,
    dispute: str,
    by: str,
    to_payee: str,
    severity: int | None,
    reason: str,
) -> dict[str, Json]:
    from treaty import app
    from treaty.identity.disputes import make_finding

    view = await client.dispute(dispute)
    return make_finding(
        kind,
        signer,
        dispute=dispute,
        by=by,
        to_payee=_money(to_payee, view.get("amount")),
        at_ms=app.now_ms(),
        severity=severity,
        reason=reason,
        session=_session_of(view),
    )


def _session_of(view: Mapping[str, Json]) -> str:
    """The session that what is signed is good for, and no other."""
    return str(view["sessionId"])


def _money(amount: str, disputed: Json) -> Money:
    """An amount in the currency of what is disputed; ``60`` is 60.00."""
    from treaty.errors import TreatyError
    from treaty.wire.money import money_from_json

    currency = str(disputed.get("currency")) if isinstance(disputed, dict) else ""
    try:
        return money_from_json({"amount": amount, "currency": currency}, None)
    except TreatyError as error:
        raise click.BadParameter(error.detail, param_hint="--to-payee") from error


def _run(
    work: Callable[[HttpNode, Ed25519Signer], Coroutine[Any, Any, dict[str, Json]]],
    agent: str,
    node: str | None,
    *,
    as_json: bool,
) -> None:
    from treaty.cli.dispute_shown import next_step, show_dispute
    from treaty.cli.nodes import at_node, signer_of, wait_for
    from treaty.cli.terminal import note

    async def ask() -> dict[str, Json]:
        signer = signer_of(agent)
        async with at_node(node, agent, signer) as client:
            return await work(client, signer)

    view = wait_for(ask(), "asking the node about the dispute")
    show_dispute(view, as_json=as_json)
    if not as_json and (hint := next_step(view, agent)):
        note(hint)


def _run_operator(
    work: Callable[[HttpNode, Ed25519Signer], Coroutine[Any, Any, dict[str, Json]]],
    operator_key: Path | None,
    db: Path | None,
    node: str | None,
    *,
    as_json: bool,
) -> None:
    from treaty.cli.dispute_shown import show_dispute
    from treaty.cli.nodes import as_operator, operator_signer, wait_for

    async def ask() -> dict[str, Json]:
        signer = operator_signer(operator_key, db)
        async with as_operator(node, signer) as (client, _):
            return await work(client, signer)

    show_dispute(wait_for(ask(), "asking the node about the dispute"), as_json=as_json)


for _command in (reveal, watch):
    dispute.add_command(_command)
