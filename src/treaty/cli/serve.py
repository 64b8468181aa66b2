"""``treaty serve``: run a node until it is told to stop.

Read next: ``treaty.app.serve``, which puts it together.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from treaty.cli.options import FILE, FILE_READ, agent_uri, json_option, node_address, rate
from treaty.cli.serve_quotes import (
    quote_members,
    quote_plan,
    relay_options,
    relay_plan,
    selling_options,
    show_quotes,
)
from treaty.cli.serve_services import service_members, service_options, show_services
from treaty.errors import Refused, WireError

if TYPE_CHECKING:
    from decimal import Decimal

    from treaty.app import NodePlan, OpenNode
    from treaty.app.services import ServicePlan
    from treaty.wire.canonical import Json

LOOPBACK: Final = ("127.0.0.1", "::1", "localhost")


def usd_rate(value: str) -> tuple[str, Decimal]:
    """Read ``EUR=1.08``: what one whole unit of a currency is worth in US dollars."""
    from treaty.core.rates import check_rated, read_rate

    code, _, text = value.partition("=")
    try:
        return check_rated(code.upper()), read_rate(text)
    except (Refused, WireError) as error:
        raise click.BadParameter(f"{error.detail}; write it as EUR=1.08") from error


def usd_rates(
    _context: click.Context, _param: click.Parameter, given: tuple[tuple[str, Decimal], ...]
) -> dict[str, Decimal]:
    """Put rates together; one currency has one."""
    if len(dict(given)) != len(given):
        raise click.BadParameter("a currency is given two rates")
    return dict(given)


@click.command()
@click.option(
    "--host", default="127.0.0.1", show_default=True, metavar="ADDRESS", help="Where to listen."
)
@click.option(
    "--port",
    type=click.IntRange(0, 65_535),
    default=8440,
    show_default=True,
    metavar="PORT",
    help="Port to listen on; 0 takes any free one.",
)
@click.option("--db", type=FILE, metavar="FILE", help="Keep everything in this SQLite file.")
@click.option(
    "--public-url",
    type=node_address,
    metavar="URL",
    help="The address agents use, if it is not the one listened on.",
)
@click.option(
    "--agent",
    "uri",
    type=agent_uri,
    default="agent://localhost/treaty/node",
    show_default=True,
    metavar="URI",
    help="The node's own name.",
)
@click.option(
    "--key",
    type=FILE,
    metavar="FILE",
    help="The node's key file, made if missing; by default beside the database.",
)
@click.option(
    "--operator-key",
    type=FILE,
    metavar="FILE",
    help="Key file of the operator, who funds and attests; likewise.",
)
@click.option(
    "--rate",
    type=rate,
    metavar="N/min",
    help="Requests a minute of one address; without it 600, and no limit on loopback.",
)
@click.option(
    "--usd-rate",
    "rates",
    type=usd_rate,
    multiple=True,
    callback=usd_rates,
    metavar="CURRENCY=USD",
    help="Take deals in this currency, one unit being worth so many US dollars: EUR=1.08; may be"
    " repeated.",
)
@click.option(
    "--clearings",
    type=FILE_READ,
    multiple=True,
    metavar="FILE",
    help="Roots of other nodes: count the outcomes their clearings report; may be repeated.",
)
@selling_options
@relay_options
@service_options
@json_option
def serve(
    host: str,
    port: int,
    db: Path | None,
    public_url: str | None,
    uri: str,
    key: Path | None,
    operator_key: Path | None,
    rate: int | None,
    rates: dict[str, Decimal],
    clearings: tuple[Path, ...],
    policy: Path | None,
    mock: bool,
    chains: tuple[tuple[int, str], ...],
    evm_key: Path | None,
    relay_serve: bool,
    relay_open: bool,
    relay: str | None,
    services: ServicePlan,
    as_json: bool,
) -> None:
    """Run a node: registry, sessions, clearing and trust in one process.

    Stops on Ctrl-C or SIGTERM, after answering what is in flight. With --db nothing that was
    acknowledged is lost, whenever the process ends; without it nothing is kept.

    Over MRP it offers capabilities and is a registry of providers: see /mrp/manifest.

    Trust scores rest on what its own clearing settles, and with --clearings on what those report.

    With --policy it also sells: buyers ask and counter at /quote-channel, and get signed answers.
    """
    from treaty import app

    quotes = quote_plan(policy, mock=mock, chains=chains, evm_key=evm_key, relays=relay_serve)
    relays = relay_plan(
        quotes, serves=relay_serve, is_open=relay_open, url=relay, mock=mock, chains=chains
    )
    plan = app.NodePlan(
        db,
        uri,
        key,
        operator_key,
        host,
        port,
        public_url,
        quotes,
        relays,
        services,
        rates,
        clearings,
    )
    run_node(plan, rate, as_json=as_json)


def run_node(
    plan: NodePlan,
    rate: int | None,
    *,
    as_json: bool,
    close: Callable[[], Awaitable[None]] | None = None,
) -> None:
    """Run a node until it is told to stop, and say where it listens; then ``close``.

    ``rate`` is in requests a minute of one address.
    """
    import asyncio

    import uvloop

    from treaty import app
    from treaty.cli.failures import Failed
    from treaty.cli.terminal import note
    from treaty.errors import UnavailableError
    from treaty.http.limits import Settings

    def ready(opened: OpenNode) -> None:
        show = _tell_programs if as_json else _tell_people
        show(plan, opened)

    async def whole() -> None:
        try:
            await app.serve(plan, Settings(rate_per_minute=rate), ready, note)
        finally:
            if close is not None:
                await close()

    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(whole())
    except UnavailableError as error:
        advice = "take another --port or --db, or stop what uses this one"
        raise Failed(error.detail, code=error.code, advice=advice) from error


def _tell_programs(plan: NodePlan, opened: OpenNode) -> None:
    import os

    from treaty.cli.terminal import show_json
    from treaty.core.rates import rate_text

    own = opened.node.identity
    event: dict[str, Json] = {
        "event": "listening",
        "url": opened.url,
        "uri": own.uri,
        "keyId": own.signer.key.key_id,
        "publicKey": own.signer.key.text,
        "db": _text(plan.db),
        "operatorKey": _text(opened.operator_key),
        "usdRates": {code: rate_text(rate) for code, rate in plan.usd_rates.items()},
        "pid": os.getpid(),
        "clearings": [one.uri for one in opened.node.outcomes.listed],
        **quote_members(opened.node),
        **service_members(opened),
    }
    show_json(event, line=True)


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)


def _tell_people(plan: NodePlan, opened: OpenNode) -> None:
    from treaty.cli.terminal import note, say, show_facts
    from treaty.core.rates import rate_text

    own = opened.node.identity
    say(f"treaty node {own.uri} listens at {opened.url}", "bold")
    nothing = ("nothing is kept when it stops; --db FILE keeps it", "yellow")
    nobody = ("nobody; with --operator-key FILE somebody can fund accounts", "yellow")
    show_facts(
        [
            ("key", own.signer.key.key_id),
            ("database", _text(plan.db) or nothing),
            ("operator", _text(opened.operator_key) or nobody),
            *(
                ("rate", f"1 {code} = {rate_text(rate)} USD")
                for code, rate in plan.usd_rates.items()
            ),
        ]
    )
    if opened.node.outcomes.listed:
        listed = ", ".join(one.uri for one in opened.node.outcomes.listed)
        show_facts([("believes", listed)])
    show_quotes(opened.node, plan.quotes)
    show_services(opened, plan.services)
    if plan.public_url is None and plan.host not in LOOPBACK:
        note("agents on other machines need the address they reach: give --public-url URL")
    note("Ctrl-C stops it")
