"""``treaty ledger``: accounts at a node's clearing, and the operator's transfers.

Read next: ``treaty.engine.clearing``.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from treaty.cli.options import (
    agent_argument,
    as_option,
    db_option,
    json_option,
    node_option,
    operator_key_option,
    operator_options,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeVar

    from treaty.cli.terminal import Cell
    from treaty.identity.keys import Ed25519Signer
    from treaty.wire.canonical import Json
    from treaty.wire.money import Money

    F = TypeVar("F", bound=Callable[..., Any])


@click.group()
def ledger() -> None:
    """Show accounts, and move money in and out as a node's operator."""


@ledger.command()
@agent_argument
@as_option(required=False)
@operator_key_option
@db_option
@node_option
@json_option
def show(
    agent: str,
    as_agent: str | None,
    operator_key: Path | None,
    db: Path | None,
    node: str | None,
    as_json: bool,
) -> None:
    """Show an agent's accounts and their last movements.

    An agent sees its own, with its key; the operator sees all, with --operator-key. With --db
    the node's database is read instead.
    """
    from treaty.cli.nodes import wait_for
    from treaty.cli.terminal import show_json

    work = _statement(agent, as_agent, operator_key, db, node)
    statement = wait_for(work, f"asking for the accounts of {agent}")
    if as_json:
        show_json(statement)
    else:
        _show_statement(statement)


async def _statement(
    agent: str, as_agent: str | None, operator_key: Path | None, db: Path | None, node: str | None
) -> dict[str, Json]:
    from treaty.cli.nodes import at_node, node_file, signer_of, unlock

    if db is not None and operator_key is None:
        async with node_file(db) as opened:
            return await opened.node.clearing.statement(agent)
    signer = unlock(operator_key) if operator_key else signer_of(as_agent or agent)
    async with at_node(node, agent, signer) as client:
        return await client.statement()


def _show_statement(statement: Mapping[str, Json]) -> None:
    from treaty.cli.terminal import heading, say, show_facts, show_table

    show_facts([("agent", (str(statement["agent"]), "bold"))])
    accounts = _objects(statement["accounts"])
    if not accounts:
        say("no money has moved yet", "yellow")
        return
    show_table(_COLUMNS, [_row(account) for account in accounts], indent=2)
    for account in accounts:
        heading(f"last movements in {account['asset']}")
        rows = [_movement(one) for one in _objects(account.get("movements"))]
        show_table((">#", "at", "kind", ">amount", "from", "to", "id"), rows, indent=2)


_COLUMNS = (">available", ">held", ">settled", "currency")


def _row(account: Mapping[str, Json]) -> tuple[Cell, ...]:
    amounts = [_amount(account.get(name)) for name in ("available", "held", "settled")]
    return (amounts[0], "bold green"), amounts[1], amounts[2], str(account["asset"])


def _movement(one: Mapping[str, Json]) -> tuple[Cell, ...]:
    from treaty.wire.instants import format_instant

    at = one.get("at")
    return (
        str(one.get("position")),
        format_instant(at) if isinstance(at, int) else "",
        str(one.get("kind")),
        (str(one.get("amount")), "yellow"),
        str(one.get("debit")),
        str(one.get("credit")),
        (str(one.get("id")), "dim"),
    )


def _objects(value: Json) -> list[dict[str, Json]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _amount(value: Json) -> str:
    return str(value.get("amount")) if isinstance(value, dict) else ""


def transfer_arguments(function: F) -> F:
    """AGENT AMOUNT CURRENCY, --id and what an operator gives."""
    amount = click.argument("amount", metavar="AMOUNT")
    currency = click.argument("currency", metavar="CURRENCY")
    name = click.option(
        "--id",
        "transfer",
        metavar="ID",
        help="Name of the transfer: with the same one it happens once. Made up without it.",
    )
    wrapped = amount(currency(name(operator_options(node_option(json_option(function))))))
    return agent_argument(wrapped)


@ledger.command()
@transfer_arguments
def fund(
    agent: str,
    amount: str,
    currency: str,
    transfer: str | None,
    operator_key: Path | None,
    db: Path | None,
    node: str | None,
    as_json: bool,
) -> None:
    """Bring money in: credit AGENT with AMOUNT, as the node's operator.

    The key is --operator-key FILE, or the one beside --db FILE.
    """
    _transfer("fund", agent, _money(amount, currency), transfer, operator_key, db, node, as_json)


@ledger.command()
@transfer_arguments
def payout(
    agent: str,
    amount: str,
    currency: str,
    transfer: str | None,
    operator_key: Path | None,
    db: Path | None,
    node: str | None,
    as_json: bool,
) -> None:
    """Let money out: debit AGENT with AMOUNT, as the node's operator.

    The key is --operator-key FILE, or the one beside --db FILE.
    """
    _transfer("payout", agent, _money(amount, currency), transfer, operator_key, db, node, as_json)


def _money(amount: str, currency: str) -> Money:
    from treaty.errors import Refused, WireError
    from treaty.wire.money import money_from_json

    try:
        money = money_from_json({"amount": amount, "currency": currency.upper()}, None)
    except (WireError, Refused) as error:
        raise click.UsageError(error.detail, click.get_current_context()) from error
    if money.units <= 0:
        raise click.UsageError("an amount is more than nothing", click.get_current_context())
    return money


def _transfer(
    direction: str,
    agent: str,
    money: Money,
    transfer: str | None,
    operator_key: Path | None,
    db: Path | None,
    node: str | None,
    as_json: bool,
) -> None:
    from treaty import app
    from treaty.cli.nodes import operator_signer, wait_for
    from treaty.cli.terminal import show_facts, show_json, show_table
    from treaty.wire.money import amount_text

    signer = operator_signer(operator_key, db)
    name = transfer or f"{direction}-{app.entropy(8).hex()}"
    work = _post(direction, agent, money, name, signer, node)
    account = wait_for(work, f"moving money of {agent}")
    if as_json:
        show_json({"id": name, "direction": direction, "account": account})
        return
    verb = "funded with" if direction == "fund" else "paid out"
    said = f"{agent} {verb} {amount_text(money)} {money.asset}"
    show_facts([("done", (said, "bold")), ("transfer", name)])
    show_table(_COLUMNS, [_row(account)], indent=2)


async def _post(
    direction: str, agent: str, money: Money, name: str, signer: Ed25519Signer, node: str | None
) -> dict[str, Json]:
    """Sign a transfer and hand it in; the same name again changes nothing."""
    from treaty import app
    from treaty.cli.failures import Failed
    from treaty.cli.nodes import as_operator
    from treaty.errors import Refused, UnavailableError
    from treaty.identity.records import seal
    from treaty.wire.instants import format_instant
    from treaty.wire.money import money_to_json

    body: dict[str, Json] = {
        "id": name,
        "direction": direction,
        "agent": agent,
        "amount": dict(money_to_json(money)),
        "at": format_instant(app.now_ms()),
    }
    async with as_operator(node, signer) as (client, _):
        try:
            return await client.post_transfer(seal("transfer", body, signer))
        except UnavailableError as error:
            advice = f"repeat it with --id {name}, then it happens once at the most"
            raise Failed(error.detail, code=error.code, advice=advice) from error
        except Refused as refusal:
            if refusal.code != "escrow_unfunded":
                raise
            advice = f"see what there is: treaty ledger show {agent}"
            raise Failed(refusal.detail, code=refusal.code, advice=advice) from refusal
