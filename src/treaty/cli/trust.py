"""``treaty trust``: what an agent's score is made of, and others' word for an agent.

Read next: ``treaty.core.trust`` for the formulas, ``treaty.core.levels`` for the levels.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from treaty.cli.discover import decimal
from treaty.cli.options import (
    agent_argument,
    as_option,
    db_option,
    instant,
    json_option,
    node_option,
    operator_options,
)
from treaty.cli.trust_attack import attack
from treaty.cli.trust_log import explain, log, recompute
from treaty.cli.trust_report import report

if TYPE_CHECKING:
    from treaty.core.trust import Attestation
    from treaty.identity.keys import Ed25519Signer
    from treaty.wire.canonical import Json

NAMES: Final = {
    "IV": "identity verification",
    "CH": "communication history",
    "CF": "commitment fulfilment",
    "BC": "behavioural consistency",
    "RQ": "response quality",
    "SP": "security posture",
    "ER": "economic reliability",
    "PE": "peer endorsements",
}
DAY_MS: Final = 86_400_000
DAYS_MAX: Final = 3_660


def components(value: str) -> dict[str, Decimal]:
    """Read ``IV=100,CH=90``."""
    found: dict[str, Decimal] = {}
    for part in value.split(","):
        name, _, number = part.strip().partition("=")
        if name not in NAMES or name in found or not number:
            raise click.BadParameter(
                f"{part.strip()!r} is none; write them as IV=100,CH=90 with {', '.join(NAMES)}"
            )
        found[name] = decimal(number)
        if found[name] > 100:
            raise click.BadParameter(f"{name} lies in 0 to 100, not {number}")
    return found


@click.group()
def trust() -> None:
    """Show what an agent's trust score is made of, compute it again, and vouch for an agent."""


for _command in (explain, recompute, log, attack, report):
    trust.add_command(_command)


@trust.command(short_help="Show an agent's score, components and level.")
@agent_argument
@node_option
@db_option
@json_option
def show(agent: str, node: str | None, db: Path | None, as_json: bool) -> None:
    """Show an agent's score by its components, its level, and what that level allows."""
    from treaty.cli.nodes import at_node, node_file, wait_for
    from treaty.cli.terminal import show_json

    async def work() -> dict[str, Json]:
        if db is not None:
            async with node_file(db) as opened:
                return opened.node.trust.view(agent)
        async with at_node(node) as client:
            return await client.trust(agent)

    view = wait_for(work(), f"asking for the score of {agent}")
    if as_json:
        show_json(view)
    else:
        _show(view)


def _show(view: Mapping[str, Json]) -> None:
    from treaty.cli.terminal import heading, show_facts, show_table

    provisional = "provisional: less than one full deal of evidence" if view["provisional"] else ""
    show_facts(
        [
            ("agent", (str(view["agent"]), "bold")),
            ("score", (str(view["score"]), "bold")),
            ("level", _level(view["level"])),
            ("", (provisional, "yellow")),
            ("evidence", str(view["evidence"])),
            ("attested", _attestation(view.get("attestation")) if view["attested"] else ""),
            ("endorsed", _endorsed(view.get("endorsements"))),
            ("", (_capped(view), "yellow")),
            ("as of", str(view["at"])),
        ]
    )
    parts = view["components"]
    values = parts if isinstance(parts, dict) else {}
    heading("components")
    rows = [(name, text, str(values.get(name, ""))) for name, text in NAMES.items()]
    show_table(("", "", ">of 100"), rows, indent=2)


def _level(number: Json) -> str:
    from treaty.core.levels import LEVELS

    row = next((one for one in LEVELS if one.number == number), None)
    if row is None:
        return str(number)
    return (
        f"{row.number} {row.name}: up to {row.ceiling_usd:,} USD a commitment, "
        f"{row.sessions_a_day:,} invitations a day"
    )


def _attestation(record: Json) -> str:
    if not isinstance(record, dict):
        return "yes"
    return (
        f"by {record.get('by')}, weight {record.get('weight')}, until {record.get('until')}: "
        f"{record.get('reason')}"
    )


def _endorsed(endorsements: Json) -> str:
    given = (
        [one for one in endorsements if isinstance(one, dict)]
        if isinstance(endorsements, list)
        else []
    )
    counting = sum(one.get("counts") is True for one in given)
    return f"by {len(given)}, of which {counting} count: they dealt with it lately" if given else ""


def _capped(view: Mapping[str, Json]) -> str:
    cap = view.get("cappedAt")
    return "" if cap is None else f"held at {cap} or less after a breach"


@trust.command(short_help="Give an agent's word for another agent.")
@agent_argument
@as_option(required=True)
@click.option("--withdraw", is_flag=True, help="Take an earlier word back.")
@node_option
@json_option
def endorse(agent: str, as_agent: str, withdraw: bool, node: str | None, as_json: bool) -> None:
    """Give the word of one of your agents for another one; it is signed, and public.

    It counts by the endorser's own standing, and only while the two have dealt in a year.
    """
    from treaty import app
    from treaty.cli.nodes import at_node, signer_of, wait_for
    from treaty.cli.terminal import say, show_json
    from treaty.identity.records import seal
    from treaty.wire.instants import format_instant

    signer = signer_of(as_agent)
    body: dict[str, Json] = {"endorser": as_agent, "agent": agent, "withdrawn": withdraw}

    async def work() -> dict[str, Json]:
        async with at_node(node, as_agent, signer) as client:
            record = seal("endorsement", {**body, "at": format_instant(app.now_ms())}, signer)
            return await client.post_endorsement(record)

    answer = wait_for(work(), f"endorsing {agent}")
    if as_json:
        show_json(answer)
    elif withdraw:
        say(f"{as_agent} has taken back its word for {agent}")
    else:
        now = "counts" if answer.get("counts") else "counts once the two have dealt"
        say(f"{as_agent} endorses {agent}; it {now}, with q {answer.get('q')}")


@trust.command(short_help="Vouch for an agent as the node's operator.")
@agent_argument
@click.option(
    "--components",
    "values",
    type=components,
    required=True,
    metavar="IV=100,CH=90,…",
    help=f"The attested components, 0 to 100: {', '.join(NAMES)}.",
)
@click.option(
    "--weight",
    type=decimal,
    required=True,
    metavar="E",
    help="How much evidence they count as; a full deal with a good partner counts as 1.",
)
@click.option(
    "--allowance",
    type=decimal,
    default="100",
    show_default=True,
    metavar="A",
    help="Weight its organisation may confer on others beyond half of what it earned.",
)
@click.option("--until", type=instant, metavar="DAY", help="Until this day begins: 2027-01-31.")
@click.option("--days", type=click.IntRange(1, DAYS_MAX), metavar="N", help="Or for so many days.")
@click.option("--reason", required=True, metavar="TEXT", help="Why; everybody can read it.")
@operator_options
@node_option
@json_option
def attest(
    agent: str,
    values: dict[str, Decimal],
    weight: Decimal,
    allowance: Decimal,
    until: int | None,
    days: int | None,
    reason: str,
    operator_key: Path | None,
    db: Path | None,
    node: str | None,
    as_json: bool,
) -> None:
    """Vouch for an agent as the node's operator, for a time; it is shown as attested.

    The key is --operator-key FILE, or the one beside --db FILE.
    """
    from treaty import app
    from treaty.cli.nodes import operator_signer, wait_for
    from treaty.cli.terminal import show_json
    from treaty.core.trust import Attestation

    if (until is None) == (days is None):
        raise click.UsageError("say until when: --until DAY, or --days N", _context())
    now_ms = app.now_ms()
    until_ms = until if until is not None else now_ms + (days or 0) * DAY_MS
    if until_ms <= now_ms:
        raise click.UsageError("--until lies in the past", _context())
    record = Attestation(
        agent=agent,
        components=values,
        weight=weight,
        until_ms=until_ms,
        by="",
        at_ms=now_ms,
        allowance=allowance,
        reason=reason,
    )
    signer = operator_signer(operator_key, db)
    view = wait_for(_attest(record, signer, node), f"attesting {agent}")
    if as_json:
        show_json(view)
    else:
        _show(view)


def _context() -> click.Context:
    return click.get_current_context()


async def _attest(record: Attestation, signer: Ed25519Signer, node: str | None) -> dict[str, Json]:
    from dataclasses import replace

    from treaty.cli.nodes import as_operator
    from treaty.core.trust import record_to_json
    from treaty.identity.records import seal

    async with as_operator(node, signer) as (client, uri):
        body = record_to_json(replace(record, by=uri))
        return await client.post_attestation(seal("attestation", body, signer))
