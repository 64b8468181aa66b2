"""The part of ``treaty serve`` that offers capabilities: its options, and what it says of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from treaty.cli.options import FILE_READ, rate

if TYPE_CHECKING:
    from treaty.app.nodes import OpenNode
    from treaty.app.services import ServicePlan
    from treaty.wire.canonical import Json

MODES: Final = ("none", "bearer", "signed")

_OFFERED: Final = (
    click.option(
        "--capability",
        "capabilities",
        multiple=True,
        metavar="MODULE:NAME",
        help="Offer this decorated function too, of a module or a FILE.py; may be repeated.",
    ),
    click.option(
        "--no-summarize",
        "bare",
        is_flag=True,
        help="Do not offer the capability that is built in, summarize.",
    ),
)
_ACCESS: Final = (
    click.option(
        "--allow-loopback",
        is_flag=True,
        help="Let what is fetched for others lead to this machine, to try.",
    ),
    click.option(
        "--fetch-rate",
        type=rate,
        metavar="N/min",
        help="Checks and samples a minute that are made at one host or address [600].",
    ),
    click.option(
        "--mrp-auth",
        "mode",
        type=click.Choice(MODES),
        default="none",
        show_default=True,
        help="What is asked of whoever asks for capabilities.",
    ),
    click.option(
        "--mrp-tokens",
        "tokens",
        type=FILE_READ,
        metavar="FILE",
        help="Bearer tokens, one a line, with scopes such as mrp:execute behind each.",
    ),
    click.option(
        "--mrp-keys",
        "keys",
        type=FILE_READ,
        metavar="FILE",
        help="Key set (JWKS) of those whose signed messages are believed.",
    ),
    click.option(
        "--mrp-strict",
        "strict",
        is_flag=True,
        help="Take the newer forms only, and say errors with their HTTP status.",
    ),
    click.option(
        "--registry-entries",
        "entries",
        type=FILE_READ,
        metavar="FILE",
        help="JSON list of providers that the registry lists as well.",
    ),
)


def service_options(function: Callable[..., None]) -> Callable[..., None]:
    """The options of a provider; they reach the command as one ``services``."""

    @wraps(function)
    def told(
        *, capabilities: tuple[str, ...], bare: bool, services: ServicePlan, **others: Any
    ) -> None:
        from treaty.app.services import load_capability, with_built_in

        given = tuple(load_capability(one) for one in capabilities)
        offered = given if bare else with_built_in(given)
        function(services=replace(services, capabilities=offered), **others)

    command = access_options(told)
    for option in reversed(_OFFERED):
        command = option(command)
    return command


def access_options(function: Callable[..., None]) -> Callable[..., None]:
    """Whom a provider serves, and how; they reach the command as one ``services``."""

    @wraps(function)
    def told(
        *,
        allow_loopback: bool,
        fetch_rate: int | None,
        mode: str,
        tokens: Path | None,
        keys: Path | None,
        strict: bool,
        entries: Path | None,
        **others: Any,
    ) -> None:
        from treaty.app.services import ServicePlan
        from treaty.dialects.mrp.authority import Mode

        if mode == "bearer" and tokens is None:
            raise click.UsageError("--mrp-auth bearer needs --mrp-tokens FILE")
        plan = ServicePlan(
            allow_loopback=allow_loopback,
            mode=Mode(mode),
            tokens=tokens,
            keys=keys,
            is_strict=strict,
            entries=entries,
            fetch_rate=fetch_rate,
        )
        function(services=plan, **others)

    for option in reversed(_ACCESS):
        told = option(told)
    return told


def service_members(opened: OpenNode) -> dict[str, Json]:
    """What programs are told of the provider."""
    services = opened.node.services
    if services is None:
        return {}
    offering = services.dialect.offering
    return {
        "mrpProvider": services.dialect.provider,
        "manifest": f"{opened.url}/mrp/manifest" if offering.names else None,
        "capabilities": list(offering.names),
        "mrpAuth": str(services.dialect.authority.mode),
    }


def show_services(opened: OpenNode, plan: ServicePlan | None) -> None:
    """Tell people what is offered, and to whom."""
    from treaty.cli.terminal import note, show_facts

    services = opened.node.services
    if services is None or plan is None or not services.dialect.offering.names:
        return
    facts = [
        ("offers", ", ".join(services.dialect.offering.names)),
        ("manifest", f"{opened.url}/mrp/manifest"),
    ]
    show_facts(facts)
    if plan.allow_loopback:
        note("strangers may have pages of this machine fetched (--allow-loopback)")
