"""``treaty bridge``: offer other people's services as capabilities, over MRP.

Read next: ``treaty.app.bridging``, which puts a bridge together.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import replace
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from treaty.cli.options import FILE, json_option, node_address
from treaty.cli.options import rate as read_rate
from treaty.cli.serve import run_node
from treaty.cli.serve_services import access_options

if TYPE_CHECKING:
    from treaty.app.bridging import Bridged
    from treaty.app.services import ServicePlan
    from treaty.bridges.stated import Stated
    from treaty.wire.canonical import Json


def price(value: str) -> Decimal:
    """Read an amount of dollars."""
    try:
        amount = Decimal(value)
    except InvalidOperation:
        amount = Decimal(-1)
    if not amount.is_finite() or not 0 <= amount <= 1_000_000:
        raise click.BadParameter(f"{value!r} is no price; write it as 0.01")
    return amount


def header(value: str) -> tuple[str, str]:
    """Read ``NAME=VARIABLE``."""
    name, sign, variable = value.partition("=")
    if not (name and sign and variable):
        raise click.BadParameter(f"{value!r} is not NAME=VARIABLE")
    return name, variable


_STATED: Final = (
    click.option("--prefix", default="", metavar="TEXT", help="Put before each name."),
    click.option(
        "--only",
        multiple=True,
        metavar="NAME",
        help="Offer this capability and no other; may be repeated.",
    ),
    click.option(
        "--cost", type=price, default="0", show_default=True, metavar="USD",
        help="Price of one call.",
    ),
    click.option(
        "--latency-ms", type=click.IntRange(0), metavar="N", help="Median that callers may expect."
    ),
    click.option(
        "--policy", multiple=True, metavar="WORD", help="What you promise, such as no_training."
    ),
    click.option(
        "--retention-days", type=click.IntRange(0), metavar="N", help="How long inputs are kept."
    ),
    click.option("--residency", metavar="WORD", help="Where they stay, such as us."),
    click.option("--list", "listing", is_flag=True, help="Say what would be offered, and stop."),
)  # fmt: skip
_SERVED: Final = (
    click.option(
        "--host", default="127.0.0.1", show_default=True, metavar="ADDRESS", help="Where to listen."
    ),
    click.option(
        "--port",
        type=click.IntRange(0, 65_535),
        default=8440,
        show_default=True,
        metavar="PORT",
        help="Port to listen on; 0 takes any free one.",
    ),
    click.option("--db", type=FILE, metavar="FILE", help="Keep everything in this SQLite file."),
    click.option(
        "--public-url", type=node_address, metavar="URL", help="The address buyers use, if another."
    ),
    click.option("--key", type=FILE, metavar="FILE", help="The node's key file, made if missing."),
    click.option(
        "--rate", type=read_rate, metavar="N/min", help="Requests a minute of one address."
    ),
)


def bridge_options(function: Callable[..., None]) -> Callable[..., None]:
    """What both bridges take beside their own."""
    function = json_option(function)
    function = access_options(function)
    for option in reversed((*_STATED, *_SERVED)):
        function = option(function)
    return function


@click.group()
def bridge() -> None:
    """Offer other people's services as capabilities: an OpenAPI description, an MCP server."""


@bridge.command("openapi")
@click.argument("spec", metavar="SPEC")
@click.option(
    "--backend",
    "--backend-base-url",
    "backend",
    type=node_address,
    metavar="URL",
    help="Where calls go, instead of the description's first server.",
)
@click.option(
    "--header",
    "headers",
    type=header,
    multiple=True,
    metavar="NAME=VARIABLE",
    help="Send a header whose value is in this environment variable; may be repeated.",
)
@bridge_options
def openapi(
    spec: str, backend: str | None, headers: tuple[tuple[str, str], ...], **options: Any
) -> None:
    """Offer each operation of an OpenAPI 3 description, a file or URL in JSON or YAML.

    A call has one json input with path_params, query, headers and body. Redirects are not
    followed, and an answer that is not 2xx is an error.
    """
    from treaty.app.bridging import bridge_openapi, environment_of

    values = environment_of([variable for _, variable in headers])
    private = {name: values[variable] for name, variable in headers}
    _offer(lambda stated: bridge_openapi(spec, stated, backend=backend, headers=private), options)


@bridge.command("mcp", context_settings={"ignore_unknown_options": True,
                                         "allow_interspersed_args": False})  # fmt: skip
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED, metavar="COMMAND...")
@click.option(
    "--env",
    "names",
    multiple=True,
    metavar="VARIABLE",
    help="Pass this environment variable to the server; may be repeated.",
)
@bridge_options
def mcp(command: tuple[str, ...], names: tuple[str, ...], **options: Any) -> None:
    """Offer each tool of an MCP server that COMMAND starts, over its standard input and output.

    Options go before the command. A call has one json input, the tool's arguments; a tool
    with a single text argument also takes a text or url input.
    """
    from treaty.app.bridging import bridge_mcp, environment_of

    if command[0].startswith("-"):
        raise click.UsageError(f"no such option: {command[0]}")
    passed = environment_of(names)
    _offer(lambda stated: bridge_mcp(command, stated, passed), options)


def _offer(make: Callable[[Stated], Coroutine[Any, Any, Bridged]], options: dict[str, Any]) -> None:
    import asyncio

    from treaty.bridges.stated import Stated

    stated = Stated(
        prefix=options.pop("prefix"),
        cost=options.pop("cost"),
        latency_ms=options.pop("latency_ms"),
        policy=options.pop("policy"),
        retention_days=options.pop("retention_days"),
        residency=options.pop("residency"),
    )
    bridged = asyncio.run(make(stated)).only(options.pop("only"))
    if options.pop("listing"):
        _list(bridged, as_json=options["as_json"])
        return
    _note(bridged)
    _serve(bridged, **options)


def _serve(
    bridged: Bridged,
    *,
    host: str,
    port: int,
    db: Path | None,
    public_url: str | None,
    key: Path | None,
    rate: int | None,
    services: ServicePlan,
    as_json: bool,
) -> None:
    from treaty import app

    offered = replace(services, capabilities=bridged.capabilities, trusted=bridged.trusted)
    plan = app.NodePlan(
        db=db, key=key, host=host, port=port, public_url=public_url, services=offered
    )
    run_node(plan, rate, as_json=as_json, close=bridged.close)


def _note(bridged: Bridged) -> None:
    from treaty.cli.terminal import clean, note

    note(clean(f"bridges {bridged.source}"))
    for one in bridged.left_out:
        note(clean(f"left out: {one}"))


def _list(bridged: Bridged, *, as_json: bool) -> None:
    from treaty.cli.terminal import clean, show_facts, show_json

    if as_json:
        listed: list[Json] = [
            {
                "name": one.name,
                "description": one.description,
                "inputs": list(one.inputs),
                "input_schema": one.constraints.get("input_schema"),
            }
            for one in bridged.capabilities
        ]
        left: list[Json] = list(bridged.left_out)
        show_json({"source": bridged.source, "capabilities": listed, "left_out": left})
        return
    _note(bridged)
    show_facts([(one.name, clean(one.description)) for one in bridged.capabilities])
