"""``treaty quote``: buy over the AIP-2.1 quote channel, step by step or in one go.

Amounts are whole base units (600000 is 0.60 USDC) and nothing else is taken for one. What the
policy keeps private is never printed.

Read next: ``treaty.agent.quotes``; ``quote_steps`` for what the steps do.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from treaty.cli.options import FILE, FILE_READ, json_option, node_address
from treaty.cli.serve_quotes import chain as chain_and_kernel

if TYPE_CHECKING:
    from treaty.agent.quotes import QuoteBuyer
    from treaty.app.buying import BuyingPlan

F = TypeVar("F", bound=Callable[..., Any])
DEADLINE_S: Final = 3_600


def transaction(value: str) -> str:
    """Read a transaction id; kept in lower case."""
    import re

    if re.fullmatch(r"0x[0-9a-fA-F]{64}", value) is None:
        raise click.BadParameter(f"{value!r} is no transaction id: 0x and 64 hex digits")
    return value.lower()


def units(value: str) -> int:
    """Read an amount in base units."""
    import re

    if re.fullmatch(r"[1-9][0-9]{0,2}(?:_?[0-9]{3})*|[1-9][0-9]{0,15}", value) is None:
        raise click.BadParameter(f"{value!r} is no whole number of base units; 0.60 USDC is 600000")
    return int(value)


def _with(function: F, *options: Callable[[F], F]) -> F:
    for option in reversed(options):
        function = option(function)
    return function


def buyer_options(function: F) -> F:
    """Who buys: ``--mock``, ``--chain``, ``--evm-key``, ``--db``, ``--json``."""
    return _with(
        function,
        click.option("--mock", is_flag=True, help="Chain 84532 without a kernel, to try."),
        click.option(
            "--chain",
            type=chain_and_kernel,
            metavar="ID=KERNEL",
            help="The chain and its kernel; without it Base Sepolia's.",
        ),
        click.option(
            "--evm-key",
            type=FILE,
            metavar="FILE",
            help="Keystore of the buying account, made if missing; without it TREATY_EVM_KEY.",
        ),
        click.option(
            "--db",
            type=FILE,
            metavar="FILE",
            help="The buyer's own store, in TREATY_HOME if not said.",
        ),
        json_option,
    )


def policy_option(function: F) -> F:
    """``--policy FILE``."""
    return click.option(
        "--policy",
        type=FILE_READ,
        required=True,
        metavar="FILE",
        help="What you pay: ceiling, daily budget, strategy.",
    )(function)


def tx_option(function: F) -> F:
    """``--tx ID``."""
    return click.option(
        "--tx", type=transaction, required=True, metavar="TXID", help="The transaction."
    )(function)


def endpoint_option(function: F) -> F:
    """``--endpoint URL``."""
    return click.option(
        "--endpoint",
        type=node_address,
        required=True,
        metavar="URL",
        help="The provider's quote channel. Redirects are not followed.",
    )(function)


def terms_options(function: F) -> F:
    """What is asked for: ``--amount``, ``--deadline``, ``--service``, ``--provider``."""
    return _with(
        function,
        click.option(
            "--amount",
            type=units,
            metavar="UNITS",
            help="The amount the transaction is opened with, in base units.",
        ),
        click.option(
            "--deadline",
            type=click.IntRange(1, 365 * 86_400),
            default=DEADLINE_S,
            show_default=True,
            metavar="SECONDS",
            help="How long the whole may take, from now.",
        ),
        click.option("--service", default="any", show_default=True, help="What is bought."),
        click.option("--provider", metavar="DID", help="The provider; without it whoever quotes."),
        click.option("--anchor", metavar="HASH", help="Hash of the first quote, as on chain."),
    )


def offer_options(function: F) -> F:
    """An offer that opens: ``--offer``, ``--listed``, ``--max-price``."""
    return _with(
        function,
        click.option(
            "--offer", type=units, metavar="UNITS", help="Open with this offer instead of asking."
        ),
        click.option("--listed", type=units, metavar="UNITS", help="The price the offer answers."),
        click.option("--max-price", type=units, metavar="UNITS", help="The maxPrice it states."),
    )


@click.group()
def quote() -> None:
    """Buy over a quote channel: ask, counter, accept, or all in one go.

    Everything is kept in your own store first, so a step that was cut off is simply repeated.
    Accepting sends nothing: it records what you would commit on chain.
    """


@quote.command()
@endpoint_option
@tx_option
@policy_option
@terms_options
@buyer_options
def ask(**told: Any) -> None:
    """Ask a provider for a quote, verify it, and keep it undecided."""
    from treaty.cli import quote_steps as steps

    _run(told, steps.ask)


@quote.command()
@endpoint_option
@tx_option
@policy_option
@click.option(
    "--amount", type=units, metavar="UNITS", help="What to offer; else your policy decides."
)
@buyer_options
def counter(**told: Any) -> None:
    """Answer the quote that stands with a signed counter-offer, and take the signed reply."""
    from treaty.cli import quote_steps as steps

    _run(told, steps.counter)


@quote.command()
@tx_option
@policy_option
@buyer_options
def accept(**told: Any) -> None:
    """Accept the quote that stands. Nothing is sent; what you would commit is recorded."""
    from treaty.cli import quote_steps as steps

    _run(told, steps.accept)


@quote.command()
@tx_option
@buyer_options
def cancel(**told: Any) -> None:
    """Leave a negotiation; what it held of your budget is free again."""
    from treaty.cli import quote_steps as steps

    _run(told, steps.cancel)


@quote.command()
@click.option("--tx", type=transaction, metavar="TXID", help="One transaction; without it all.")
@click.option("--out", type=FILE, metavar="FILE", help="Write the deal file of --tx here.")
@buyer_options
def show(**told: Any) -> None:
    """Show what you negotiated, and write a negotiation as a deal file."""
    from treaty.cli import quote_steps as steps

    if told["out"] is not None and told["tx"] is None:
        raise click.UsageError("--out needs --tx TXID")
    _run(told, steps.show)


@quote.command()
@click.option("--endpoint", type=node_address, metavar="URL", help="The provider's quote channel.")
@click.option("--relay", type=node_address, metavar="URL", help="Or a relay; needs --offer.")
@tx_option
@policy_option
@terms_options
@offer_options
@click.option("--out", type=FILE, metavar="FILE", help="Write the deal file here.")
@buyer_options
def loop(**told: Any) -> None:
    """Negotiate to the end by your policy. Exits with 0 only when a price was agreed."""
    from treaty.cli import quote_steps as steps

    if (told["endpoint"] is None) == (told["relay"] is None):
        raise click.UsageError("give --endpoint URL or --relay URL")
    if told["relay"] is not None and told["offer"] is None:
        raise click.UsageError("a relay carries no requests for quotes; open with --offer UNITS")
    _run(told, steps.loop)


Step = Callable[["QuoteBuyer", dict[str, Any]], Awaitable[bool]]


def _run(told: dict[str, Any], step: Step) -> None:
    """Run one step with an opened buyer; False exits with 1."""
    import asyncio

    from treaty.app.buying import open_buyer
    from treaty.cli.failures import FAILED, Misused
    from treaty.dialects.actp.policy import PolicyError

    async def run() -> bool:
        async with open_buyer(_plan(told)) as buyer:
            return await step(buyer, told)

    try:
        done = asyncio.run(run())
    except PolicyError as error:
        raise Misused(f"{told['policy']}: {error.detail}", code=error.code) from error
    if not done:
        click.get_current_context().exit(FAILED)


def _plan(told: dict[str, Any]) -> BuyingPlan:
    from treaty.app.buying import BuyingPlan

    chain, policy = told["chain"], told.get("policy")
    if told["mock"] and chain is not None:
        raise click.UsageError("--mock is a chain of its own; leave out --chain")
    assert policy is None or isinstance(policy, Path)
    chains = {} if chain is None else dict([chain])
    return BuyingPlan(policy, told["mock"], chains, told["evm_key"], told["db"])
