"""``treaty route`` and ``treaty run``: find the provider that fits, say why, and let it work.

Whom to ask is given as manifests or registries. An address you type yourself may be on this
machine; one that a provider or a registry names may not, unless you allow it.

Read next: ``treaty.agent.router``; ``route_screen`` for how it is shown.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from treaty.cli.options import FILE, json_option

if TYPE_CHECKING:
    from treaty.agent.router import Order
    from treaty.app.routing import RoutingPlan
    from treaty.wire.canonical import Json

F = TypeVar("F", bound=Callable[..., Any])
WINDOW_MS: Final = 2_000
WINDOW_MS_MAX: Final = 600_000
COUNT_MAX: Final = 366 * 86_400_000
DAYS_MAX: Final = 1_000_000
HTTP_PORT: Final = 80
INPUTS: Final = ("url", "text", "json", "markdown")


def address(value: str) -> str:
    """Read the address of a manifest, a registry or a page."""
    from treaty.errors import Refused
    from treaty.wire.hosts import read_url

    try:
        read_url(value)
    except Refused as refusal:
        raise click.BadParameter(refusal.detail) from refusal
    return value


def amount(value: str) -> Decimal:
    """Read an amount in usd."""
    import re

    if re.fullmatch(r"[0-9]{1,12}(?:\.[0-9]{1,12})?|\.[0-9]{1,12}", value) is None:
        raise click.BadParameter(f"{value!r} is no amount; write it as 0.02")
    return Decimal(value)


def item(value: str) -> dict[str, Json]:
    """Read an input: ``url=…``, ``text=…``, ``json=…`` or ``markdown=…``."""
    from treaty.errors import WireError
    from treaty.wire.canonical import read_json

    kind, sign, rest = value.partition("=")
    if not sign or kind not in INPUTS:
        raise click.BadParameter(f"{value!r} is no input; write url=…, text=… or json=…")
    if kind == "url":
        return {"type": kind, "value": address(rest)}
    try:
        return {"type": kind, "value": read_json(rest.encode()) if kind == "json" else rest}
    except (WireError, UnicodeEncodeError) as error:
        raise click.BadParameter(f"what follows json= is not JSON: {error}") from error


def domain(value: str) -> str:
    """Read a host that may be fetched from, with everything below it; ``*.`` is the same."""
    from treaty.errors import Refused
    from treaty.wire.hosts import read_url

    bare = value.strip().removeprefix("*").removeprefix(".")
    try:
        place = read_url(f"http://{bare}/")
    except Refused as refusal:
        raise click.BadParameter(f"{value!r} is no host; write it as example.com") from refusal
    if place.target != "/" or place.port != HTTP_PORT or place.host != place.host.strip("."):
        raise click.BadParameter(f"{value!r} is no host; write it as example.com")
    return value.strip()


def option_name(value: str) -> str:
    """Read a name: anything but nothing."""
    if not value.strip():
        raise click.BadParameter("an empty name says nothing")
    return value


def with_options(function: F, *options: Callable[[F], F]) -> F:
    """Add options to a command, shown in this order."""
    for option in reversed(options):
        function = option(function)
    return function


def source_options(function: F) -> F:
    """Whom to ask: ``--manifest``, ``--registry``, ``--capability``."""
    return with_options(
        function,
        click.option(
            "--manifest",
            "manifests",
            type=address,
            multiple=True,
            metavar="URL",
            help="A provider's manifest, or just its address; may be repeated.",
        ),
        click.option(
            "--registry",
            "registries",
            type=address,
            multiple=True,
            metavar="URL",
            help="Ask the providers a registry names; may be repeated.",
        ),
        click.option(
            "--capability", type=option_name, metavar="C", help="Take no offer for another."
        ),
    )


def input_options(function: F) -> F:
    """What it is about: ``--input``, ``--url``."""
    return with_options(
        function,
        click.option(
            "--input",
            "inputs",
            type=item,
            multiple=True,
            metavar="KIND=VALUE",
            help="url=…, text=… or json=…; may be repeated.",
        ),
        click.option(
            "--url",
            "urls",
            type=address,
            multiple=True,
            metavar="URL",
            help="The same as --input url=URL.",
        ),
    )


def wish_options(function: F) -> F:
    """What is wanted, and within what."""
    limited = with_options(
        function,
        click.option("--max-cost", type=amount, metavar="USD", help="The most it may cost."),
        click.option(
            "--max-latency-ms",
            type=click.IntRange(0, COUNT_MAX),
            metavar="MS",
            help="The median, at most.",
        ),
        click.option(
            "--residency",
            type=option_name,
            metavar="PLACE",
            help="Where data has to stay, such as us.",
        ),
        click.option(
            "--retention-days",
            type=click.IntRange(0, DAYS_MAX),
            metavar="DAYS",
            help="How long data may be kept; 0 is not at all.",
        ),
    )
    return input_options(limited)


def promise_options(function: F) -> F:
    """What is to be promised, and in what form it is delivered."""
    return with_options(
        function,
        click.option(
            "--policy",
            type=option_name,
            multiple=True,
            metavar="NAME",
            help="A policy to hold, such as no_training; may be repeated.",
        ),
        click.option(
            "--proof",
            "proofs",
            type=option_name,
            multiple=True,
            metavar="NAME",
            help="A proof to give, such as attestation; may be repeated.",
        ),
        click.option(
            "--allowed-domain",
            "domains",
            type=domain,
            multiple=True,
            metavar="HOST",
            help="What may be fetched from and cited; without it the hosts of your urls.",
        ),
        click.option(
            "--format", "output_format", type=option_name, metavar="TYPE", help="Such as markdown."
        ),
    )


def way_options(function: F) -> F:
    """How it is decided and where it is kept."""
    return with_options(
        function,
        click.option(
            "--require-negotiation",
            is_flag=True,
            help="Do not run without an agreement; else a provider that knows none may do.",
        ),
        click.option(
            "--strict-unknown", is_flag=True, help="Reject an offer for what it does not state."
        ),
        click.option(
            "--window-ms",
            type=click.IntRange(1, WINDOW_MS_MAX),
            default=WINDOW_MS,
            show_default=True,
            metavar="MS",
            help="How long offers are waited for; who answers first has no advantage.",
        ),
        click.option(
            "--allow-loopback",
            is_flag=True,
            help="Let providers and registries name addresses of this machine.",
        ),
        click.option(
            "--key",
            type=FILE,
            metavar="FILE",
            help="Sign with this key, made if missing; FILE.jwks is for the providers.",
        ),
        click.option(
            "--token",
            envvar="TREATY_MRP_TOKEN",
            show_envvar=True,
            metavar="TOKEN",
            help="Bearer token, for providers whose --manifest you give.",
        ),
        click.option(
            "--tell-losers", is_flag=True, help="Tell providers that ask for it why they lost."
        ),
        click.option(
            "--db",
            type=FILE,
            metavar="FILE",
            help="Where decisions are kept; in TREATY_HOME if not said.",
        ),
        json_option,
    )


@click.command()
@click.argument("intent")
@source_options
@wish_options
@promise_options
@way_options
def route(intent: str, **told: Any) -> None:
    """Ask providers for offers, and say which wins and why the others do not.

    INTENT says what is wanted, in words or as mrp://capability/NAME?intent=…&budget=….
    Nothing is carried out. The decision is kept and can be read again with treaty decisions.
    Exits with 1 when no offer is acceptable.
    """
    _carry_out(intent, told, runs=False)


@click.command()
@click.argument("intent")
@source_options
@wish_options
@promise_options
@way_options
@click.option(
    "--refetch", is_flag=True, help="Fetch the cited sources again and compare their hashes."
)
@click.option("--out", type=FILE, metavar="FILE", help="Write the deal file here.")
def run(intent: str, **told: Any) -> None:
    """Choose a provider as treaty route does, let it work, and check its evidence.

    Exits with 0 when evidence came and no claim about it failed, else with 1.
    """
    _carry_out(intent, told, runs=True)


def _carry_out(intent: str, told: dict[str, Any], *, runs: bool) -> None:
    import asyncio

    from treaty.cli.failures import FAILED
    from treaty.cli.route_steps import carry_out

    order = _order(intent, told)
    plan = _plan(told, order)
    steps = carry_out(plan, order, runs=runs, as_json=told["as_json"], out=told.get("out"))
    if not asyncio.run(steps):
        click.get_current_context().exit(FAILED)


def _order(intent: str, told: dict[str, Any]) -> Order:
    from treaty.agent.router import Order
    from treaty.dialects.mrp.buying import Wish

    intent, told = _spelt_out(intent, told)
    if not intent.strip():
        raise click.UsageError("an empty intent asks for nothing")
    if not told["manifests"] and not told["registries"]:
        raise click.UsageError("give --manifest URL, or --registry URL --capability C")
    if told["registries"] and not told["capability"]:
        raise click.UsageError("--registry needs --capability C")
    inputs = (*told["inputs"], *(item(f"url={url}") for url in told["urls"]))
    wish = Wish(
        intent=intent,
        inputs=inputs,
        max_cost=told["max_cost"],
        max_latency_ms=told["max_latency_ms"],
        residency=told["residency"],
        retention_days=told["retention_days"],
        policy=tuple(dict.fromkeys(told["policy"])),
        proofs=tuple(dict.fromkeys(told["proofs"])),
        capability=told["capability"],
        allowed_domains=tuple(dict.fromkeys(told["domains"])),
        output_format=told["output_format"],
    )
    return Order(
        wish=wish,
        manifests=tuple(dict.fromkeys(told["manifests"])),
        registries=tuple(dict.fromkeys(told["registries"])),
        window_ms=told["window_ms"],
        is_strict=told["strict_unknown"],
        needs_agreement=told["require_negotiation"],
        refetches=told.get("refetch", False),
        tells_losers=told["tell_losers"],
    )


def _spelt_out(intent: str, told: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """An intent that is an mrp:// address, as the options it stands for; given ones win."""
    if not intent.startswith("mrp://"):
        return intent, told
    from treaty.dialects.mrp.addresses import CapabilityAddress, parse_address
    from treaty.errors import WireError

    try:
        address = parse_address(intent)
    except WireError as error:
        raise click.UsageError(error.detail) from error
    if not isinstance(address, CapabilityAddress):
        raise click.UsageError("a route is offered anew each time; name a capability")
    asked = dict(address.constraints)
    stated = {
        "capability": address.capability,
        "max_cost": address.max_cost,
        "output_format": address.output_format,
        "max_latency_ms": asked.pop("max_latency_ms", None),
        "residency": asked.pop("data_residency", None),
        "retention_days": asked.pop("data_retention_days", None),
        "policy": asked.pop("policy", ()),
        "domains": asked.pop("allowed_domains", ()),
    }
    if asked:
        raise click.UsageError(f"no such constraint: {min(asked)!r}")
    given = {name: one for name, one in told.items() if one not in (None, ())}
    return address.intent or address.capability, {**told, **stated, **given}


def _plan(told: dict[str, Any], order: Order) -> RoutingPlan:
    from treaty.app.routing import RoutingPlan

    pages = tuple(str(one["value"]) for one in order.wish.inputs if one["type"] == "url")
    return RoutingPlan(
        db=told["db"],
        allows_loopback=told["allow_loopback"],
        providers=(*order.manifests, *order.registries),
        pages=pages,
        key=told["key"],
        token=told["token"],
    )
