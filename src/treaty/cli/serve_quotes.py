"""The part of ``treaty serve`` that sells: its options, and what it says of the provider.

What a policy keeps private is not shown, not even to its owner's terminal: logs travel.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from treaty.cli.options import FILE, FILE_READ, node_address

if TYPE_CHECKING:
    from treaty.app import QuotePlan
    from treaty.app.relays import RelayPlan
    from treaty.dialects.actp.dialect import ACTP
    from treaty.engine.node import Node
    from treaty.wire.canonical import Json

F = TypeVar("F", bound=Callable[..., Any])
_CHAIN: Final = re.compile(r"([1-9][0-9]{0,15})=(0x[0-9a-fA-F]{40})")


def chain(value: str) -> tuple[int, str]:
    """Read ``84532=0x…``."""
    match = _CHAIN.fullmatch(value)
    if match is None:
        raise click.BadParameter(f"{value!r} is no chain; write it as 84532=0x and 40 hex digits")
    return int(match[1]), match[2]


def selling_options(function: F) -> F:
    """``--policy``, ``--mock``, ``--chain``, ``--evm-key``."""
    options = (
        click.option(
            "--policy",
            type=FILE_READ,
            metavar="FILE",
            help="Sell by this provider policy, over the AIP-2.1 quote channel.",
        ),
        click.option(
            "--mock", is_flag=True, help="With --policy: chain 84532 without a kernel, to try."
        ),
        click.option(
            "--chain",
            "chains",
            type=chain,
            multiple=True,
            metavar="ID=KERNEL",
            help="With --policy: a chain and its kernel [Base Sepolia]; may be repeated.",
        ),
        click.option(
            "--evm-key",
            type=FILE,
            metavar="FILE",
            help="With --policy: keystore of the selling account, made if missing; it is"
            " unlocked by TREATY_PASSPHRASE. Without it TREATY_EVM_KEY [FILE.evm.key].",
        ),
    )
    for option in reversed(options):
        function = option(function)
    return function


def relay_options(function: F) -> F:
    """``--relay-serve``, ``--relay-open``, ``--relay``."""
    options = (
        click.option(
            "--relay-serve",
            is_flag=True,
            help="Host a relay of the quote channel, for parties without a port.",
        ),
        click.option(
            "--relay-open",
            is_flag=True,
            help="With --relay-serve: unsigned reads, as the peer's. Such a relay is not private.",
        ),
        click.option(
            "--relay",
            type=node_address,
            metavar="URL",
            help="With --policy: also answer what is left at this relay.",
        ),
    )
    for option in reversed(options):
        function = option(function)
    return function


def relay_plan(
    quotes: QuotePlan | None,
    *,
    serves: bool,
    is_open: bool,
    url: str | None,
    mock: bool,
    chains: tuple[tuple[int, str], ...],
) -> RelayPlan:
    """What was told about relays; the chains are those of the quote channel."""
    from treaty.app.relays import RelayPlan
    from treaty.dialects.actp.chains import BASE_SEPOLIA, KNOWN_KERNELS, MOCK, Chains

    if is_open and not serves:
        raise click.UsageError("--relay-open needs --relay-serve")
    if url is not None and quotes is None:
        raise click.UsageError("--relay needs --policy FILE")
    if not serves:
        return RelayPlan(url=url)
    known = {BASE_SEPOLIA: KNOWN_KERNELS[BASE_SEPOLIA]}
    hosted = MOCK if mock else Chains(dict(chains) or known)
    return RelayPlan(hosted, is_open, url)


def quote_plan(
    policy: Path | None,
    *,
    mock: bool,
    chains: tuple[tuple[int, str], ...],
    evm_key: Path | None,
    relays: bool = False,
) -> QuotePlan | None:
    """What was told about selling; None without a policy. A relay needs chains alone."""
    from treaty import app

    if mock and chains:
        raise click.UsageError("--mock is a chain of its own; leave out --chain")
    if policy is None:
        if evm_key is not None or ((mock or chains) and not relays):
            raise click.UsageError("--mock, --chain and --evm-key need --policy FILE")
        return None
    if len(dict(chains)) < len(chains):
        raise click.UsageError("--chain gives a chain twice")
    return app.QuotePlan(policy, mock, dict(chains), evm_key)


def quote_members(node: Node) -> dict[str, Json]:
    """What programs are told of the provider."""
    dialect = _dialect(node)
    if dialect is None:
        return {}
    return {
        "provider": dialect.provider,
        "chains": {str(one): dialect.kernel(one) for one in dialect.chain_ids},
        "policy": dict(_public(dialect)),
        "warnings": list(_warnings(dialect)),
    }


def show_quotes(node: Node, plan: QuotePlan | None) -> None:
    """Tell people who sells, how, and what they should think about again."""
    from treaty.cli.terminal import note, show_facts
    from treaty.dialects.actp.dids import checksummed

    dialect = _dialect(node)
    if dialect is None or plan is None:
        return
    facts: list[tuple[str, str]] = [("sells as", checksummed(dialect.provider))]
    facts += [
        ("on chain", f"{one}, kernel {checksummed(dialect.kernel(one))}")
        for one in dialect.chain_ids
    ]
    facts += [(name.replace("_", " "), str(value)) for name, value in _public(dialect).items()]
    show_facts(facts)
    if plan.view is None and not plan.is_mock:
        note("transactions are not looked up on the chain; a counter may name any")
    for one in _warnings(dialect):
        note(one)


def _dialect(node: Node) -> ACTP | None:
    from treaty.dialects.actp.dialect import ACTP

    quotes = node.quotes
    return quotes.dialect if quotes is not None and isinstance(quotes.dialect, ACTP) else None


def _public(dialect: ACTP) -> dict[str, Json]:
    """What of a policy is no secret; prices are."""
    policy = dialect.policy
    return {
        "strategy": policy.strategy.value,
        "decision": policy.semantics.value,
        "max_requotes": policy.max_requotes,
        "services": ", ".join(policy.services) or "any",
        "max_active_negotiations": policy.max_active,
        "ttl_seconds": policy.session_ttl_s,
    }


def _warnings(dialect: ACTP) -> tuple[str, ...]:
    from treaty.dialects.actp.policy import warnings

    return warnings(dialect.policy)
