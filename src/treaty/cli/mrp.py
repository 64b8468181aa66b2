"""``treaty mrp``: the messages of MRP one by one, to one provider; nothing is decided or kept.

For trying a provider by hand. ``treaty run`` does all of it, chooses, checks and remembers.

Read next: ``mrp_steps``.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from treaty.cli.options import FILE, json_option
from treaty.cli.route import (
    address,
    amount,
    domain,
    input_options,
    item,
    option_name,
    with_options,
)

if TYPE_CHECKING:
    from treaty.app.routing import RoutingPlan
    from treaty.cli.mrp_steps import Talk
    from treaty.dialects.mrp.buying import Wish

F = TypeVar("F", bound=Callable[..., Any])
Step = Callable[["Talk", dict[str, Any]], Awaitable[bool]]


def place_options(function: F) -> F:
    """Whom to talk to: ``--manifest``, ``--key``, ``--token``, ``--json``."""
    return with_options(
        function,
        click.option(
            "--manifest",
            type=address,
            required=True,
            metavar="URL",
            help="The provider's manifest, or just its address.",
        ),
        click.option(
            "--allow-loopback", is_flag=True, help="Let the manifest name this machine's addresses."
        ),
        click.option("--key", type=FILE, metavar="FILE", help="Sign with this key."),
        click.option(
            "--token",
            envvar="TREATY_MRP_TOKEN",
            show_envvar=True,
            metavar="TOKEN",
            help="Bearer token.",
        ),
        json_option,
    )


def limit_options(function: F) -> F:
    """Within what: ``--budget``, ``--policy``, ``--proof``."""
    return with_options(
        function,
        click.option("--budget", type=amount, metavar="USD", help="The most it may cost."),
        click.option("--policy", type=option_name, multiple=True, metavar="NAME", help="To hold."),
        click.option(
            "--proof", "proofs", type=option_name, multiple=True, metavar="NAME", help="To give."
        ),
    )


route_option = click.option(
    "--route", type=option_name, required=True, metavar="ID", help="The route, as offered."
)


@click.group()
def mrp() -> None:
    """Say the messages of MRP one by one, to one provider. Nothing is kept."""


@mrp.command()
@click.option("--intent", type=option_name, required=True, help="What is wanted, in words.")
@click.option("--capability", type=option_name, metavar="C", help="Offers of this one alone.")
@input_options
@limit_options
@place_options
def discover(**told: Any) -> None:
    """Ask for offers, and show them as they came. Exits with 1 when there are none."""
    from treaty.cli import mrp_steps

    _run(told, mrp_steps.discover)


@mrp.command()
@route_option
@click.option(
    "--allowed-domain", "domains", type=domain, multiple=True, metavar="HOST", help="To fetch from."
)
@input_options
@limit_options
@place_options
def negotiate(**told: Any) -> None:
    """Ask for an agreement. Exits with 0 when there is one; its id is for execute."""
    from treaty.cli import mrp_steps

    _run(told, mrp_steps.negotiate)


@mrp.command()
@route_option
@click.option(
    "--format", "output_format", type=option_name, metavar="TYPE", help="Such as markdown."
)
@click.option("--agreement", type=option_name, metavar="ID", help="The agreement to use up.")
@click.option("--intent", type=option_name, default="execute", help="What for, in words.")
@input_options
@place_options
def execute(**told: Any) -> None:
    """Have the work done, and show what came back, unchecked."""
    from treaty.cli import mrp_steps

    _run(told, mrp_steps.execute)


def _run(told: dict[str, Any], step: Step) -> None:
    import asyncio

    from treaty.app.routing import open_talk
    from treaty.cli.failures import FAILED
    from treaty.cli.terminal import progress

    async def run() -> bool:
        async with open_talk(_plan(told)) as (providers, speaker):
            from treaty.cli.mrp_steps import Talk

            return await step(Talk(providers, speaker, told["manifest"], _wish(told)), told)

    with progress("waiting for the provider"):
        done = asyncio.run(run())
    if not done:
        click.get_current_context().exit(FAILED)


def _plan(told: dict[str, Any]) -> RoutingPlan:
    from treaty.app.routing import RoutingPlan

    return RoutingPlan(
        allows_loopback=told["allow_loopback"],
        providers=(told["manifest"],),
        key=told["key"],
        token=told["token"],
    )


def _wish(told: dict[str, Any]) -> Wish:
    from treaty.dialects.mrp.buying import Wish

    return Wish(
        intent=told.get("intent") or "",
        inputs=(*told["inputs"], *(item(f"url={url}") for url in told["urls"])),
        max_cost=told.get("budget"),
        policy=tuple(dict.fromkeys(told.get("policy") or ())),
        proofs=tuple(dict.fromkeys(told.get("proofs") or ())),
        capability=told.get("capability"),
        allowed_domains=tuple(dict.fromkeys(told.get("domains") or ())),
        output_format=told.get("output_format"),
    )
