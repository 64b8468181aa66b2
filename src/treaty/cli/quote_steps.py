"""What each step of ``treaty quote`` does, and how it is shown. Private limits are in none.

Each step returns True when it did what was asked, False when nothing was agreed.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import click

from treaty import app
from treaty.agent.quote_export import export_quotes
from treaty.agent.quote_journal import Journal
from treaty.agent.quote_loop import exchange, negotiate, negotiate_by_relay
from treaty.agent.quote_terms import Opening, Outcome, Status, Terms
from treaty.agent.quotes import Ask, QuoteBuyer, Send
from treaty.app.buying import open_relay
from treaty.cli.output import write_json
from treaty.cli.terminal import note, say, show_facts, show_json, show_table
from treaty.dialects.actp.buying import BuyerMove, Move, Why
from treaty.dialects.actp.choices import DECIMALS
from treaty.dialects.actp.deal import intended
from treaty.dialects.actp.hashes import message_hash
from treaty.dialects.actp.messages import CounterAccept, CounterOffer, Message, PriceQuote
from treaty.http.quote_client import QuoteClient
from treaty.wire.canonical import Json

KINDS: Final = {PriceQuote: "quote", CounterOffer: "counter", CounterAccept: "accept"}
STYLES: Final = {Status.AGREED: "bold green", Status.OPEN: "bold"}


def usdc(units: int) -> str:
    """Base units as people read them."""
    whole, part = divmod(units, 10**DECIMALS)
    return f"{whole}.{part:0{DECIMALS}d}".rstrip("0").ljust(len(str(whole)) + 3, "0") + " USDC"


async def ask(buyer: QuoteBuyer, told: dict[str, Any]) -> bool:
    """Ask for a quote and keep it."""
    terms = await _terms(buyer, told)
    await buyer.begin(terms)
    async with _client(told["endpoint"]) as client:
        step = await buyer.next(terms.key)
        if isinstance(step, Ask):
            await buyer.take(await client.ask(step.raw), holds=True)
    return await _told(buyer, terms.key, told)


async def counter(buyer: QuoteBuyer, told: dict[str, Any]) -> bool:
    """Send a counter-offer, or the one again that waits for its answer."""
    key = _key(buyer, told)
    journal = await buyer.journal(key)
    if journal.is_undecided:
        amount = told["amount"]
        proposed = None if amount is None else BuyerMove(Move.COUNTER, Why.HOOK, amount)
        await buyer.choose(key, proposed)
    step, terms = await buyer.next(key), (await buyer.journal(key)).terms
    if isinstance(step, Send) and terms is not None:
        async with _client(told["endpoint"]) as client:
            await exchange(buyer, client, terms, step, holds=True)
    return await _told(buyer, key, told)


async def accept(buyer: QuoteBuyer, told: dict[str, Any]) -> bool:
    """Accept the quote that stands."""
    key = _key(buyer, told)
    if not (await buyer.journal(key)).accepted:
        await buyer.choose(key, BuyerMove(Move.ACCEPT, Why.HOOK))
    return await _told(buyer, key, told)


async def cancel(buyer: QuoteBuyer, told: dict[str, Any]) -> bool:
    """Leave a negotiation that goes on."""
    key = _key(buyer, told)
    outcome = await buyer.cancel(key)
    await _told(buyer, key, told)
    return outcome.status is Status.CANCELLED


async def show(buyer: QuoteBuyer, told: dict[str, Any]) -> bool:
    """Show one negotiation or all, and write a deal file."""
    if told["tx"] is None:
        return await _all(buyer, as_json=told["as_json"])
    key = _key(buyer, told)
    if told["out"] is not None:
        write_json(await export_quotes(buyer, key), told["out"])
        note(f"wrote {told['out']}; check it with treaty verify")
    await _told(buyer, key, told)
    return True


async def loop(buyer: QuoteBuyer, told: dict[str, Any]) -> bool:
    """Negotiate to the end."""
    terms = await _terms(buyer, told)
    if told["relay"] is not None:
        async with open_relay(told["relay"], buyer, terms.chain_id, note) as line:
            outcome = await negotiate_by_relay(buyer, line, terms)
    else:
        async with _client(told["endpoint"]) as client:
            outcome = await negotiate(buyer, client, terms)
    if told["out"] is not None and (await buyer.journal(terms.key)).lines:
        write_json(await export_quotes(buyer, terms.key), told["out"])
    await _told(buyer, terms.key, told)
    return outcome.status is Status.AGREED


@asynccontextmanager
async def _client(url: str) -> AsyncIterator[QuoteClient]:
    client = QuoteClient(url)
    try:
        yield client
    finally:
        await client.close()


def _key(buyer: QuoteBuyer, told: dict[str, Any]) -> str:
    return f"{buyer.chains.ids[0]}/{told['tx']}"


async def _terms(buyer: QuoteBuyer, told: dict[str, Any]) -> Terms:
    """The terms of a negotiation that goes on, or those that were told."""
    known = (await buyer.journal(_key(buyer, told))).terms
    if known is not None:
        return known
    opening = None
    if told.get("offer") is not None:
        if told["listed"] is None:
            raise click.UsageError("--offer needs --listed UNITS, the price it answers")
        most = told["max_price"] or told["listed"]
        opening = Opening(told["listed"], told["offer"], most)
    amount = told["amount"] or told.get("offer")
    if amount is None:
        raise click.UsageError("a new negotiation needs --amount UNITS")
    return Terms(
        tx_id=told["tx"],
        chain_id=buyer.chains.ids[0],
        amount_units=amount,
        deadline_s=app.now_ms() // 1_000 + told["deadline"],
        service=told["service"],
        provider=told["provider"],
        anchor=told["anchor"],
        opening=opening,
    )


async def _told(buyer: QuoteBuyer, key: str, told: dict[str, Any]) -> bool:
    """Show where a negotiation stands; False when it ended without a price."""
    journal, outcome = await buyer.journal(key), await buyer.outcome(key)
    if told["as_json"]:
        show_json(_document(journal, outcome, buyer.account))
    else:
        _show(journal, outcome)
    return outcome.status in (Status.AGREED, Status.OPEN)


def _document(journal: Journal, outcome: Outcome, account: str) -> dict[str, Json]:
    lines: list[Json] = [
        {
            "kind": KINDS[type(line.message)],
            "amount": str(line.message.units),
            "hash": message_hash(line.message),
            "atMs": line.at_ms,
        }
        for line in journal.lines
    ]
    return {**outcome.to_json(), "account": account, "messages": lines, "moves": _moves(journal)}


def _moves(journal: Journal) -> list[Json]:
    return [{"move": one.move, "reason": one.reason} for one in journal.decided]


def _show(journal: Journal, outcome: Outcome) -> None:
    say(f"{outcome.status}: {outcome.reason}", STYLES.get(outcome.status, "bold yellow"))
    rows = [_row(line.message) for line in journal.lines]
    if rows:
        show_table(("message", ">amount", "by", "hash"), rows, indent=2)
    call = intended(outcome.tx_id, outcome.accepted)
    if call is not None:
        facts = f"acceptQuote({call['txId']}, {call['newAmount']})"
        show_facts([("to commit", facts), ("", "nothing was sent")])
    if outcome.said:
        note(f"the peer said {outcome.said} without a signature, which binds nobody")


def _row(message: Message) -> tuple[str, str, str, str]:
    by = message.consumer if isinstance(message, CounterOffer) else message.provider
    return KINDS[type(message)], usdc(message.units), by, message_hash(message)[:18] + "…"


async def _all(buyer: QuoteBuyer, *, as_json: bool) -> bool:
    outcomes = [await buyer.outcome(key) for key in await buyer.keys()]
    if as_json:
        show_json({"negotiations": [one.to_json() for one in outcomes]})
        return True
    rows = [
        (one.key, one.status.value, "" if one.units is None else usdc(one.units), one.reason)
        for one in outcomes
    ]
    show_table(("negotiation", "status", ">amount", "reason"), rows)
    return True
