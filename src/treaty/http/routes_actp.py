"""The quote channel of a provider: its counter-offers, requests, reads and health (ACTP 2.1, 9).

Statuses and members are those of the peer's daemon; ``reply`` is what it lacks, the signed
answer. A refusal here is ``{"accepted": false, "reason", "code"}``, with the peer's words where
it has some; other paths of a node answer with problem documents. A node without a policy has
none of these routes.

Read next: ``treaty.engine.quotes`` for what is done, ``docs/reasons.md`` for the codes.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Any, Final

from starlette.responses import Response

from treaty.dialects.actp.choices import BODY_BYTES_MAX
from treaty.dialects.actp.offers import PEER
from treaty.dialects.actp.peer import peer_reason
from treaty.engine.quotes import Quotes, Told
from treaty.errors import MisuseError, SignatureError, TreatyError, WireError, shown
from treaty.http.answers import json, raw_json
from treaty.http.asking import Ask, Handler, Routes
from treaty.http.entries import exchange_json
from treaty.http.limits import read_body
from treaty.http.problems import headers_of
from treaty.wire.canonical import Json, canonical

SERVICE: Final = "treaty"
KINDS: Final = {
    "agirails.counteraccept.v1": "CounterAccept",
    "agirails.quote.v1": "PriceQuote",
}
"""The recipe's ``kind`` of a reply; without one it is ``Rejected``."""

_CHAIN: Final = re.compile(r"0|[1-9][0-9]{0,15}")


async def front(ask: Ask) -> Response:
    """The peer's health: who answers, for which chains."""
    dialect = _quotes(ask).dialect
    chains: list[Json] = list(dialect.chain_ids)
    return json(
        {"status": "ok", "provider": dialect.provider, "chains": chains, "service": SERVICE}
    )


async def health(ask: Ask) -> Response:
    """The recipe's health: how many negotiations are open."""
    return json({"status": "ok", "ok": True, "negotiations_active": _quotes(ask).active})


async def counter(ask: Ask) -> Response:
    """Take a counter-offer; 201 with verdict and signed reply, 200 for a repeat."""
    chain_id, tx_id = _place(ask)
    told = await _quotes(ask).counter(await _body(ask), chain_id, tx_id)
    return json(_accepted(told), 200 if told.is_repeat else 201)


async def bare_counter(ask: Ask) -> Response:
    """The recipe's counter-offer: a message alone in, ``{kind, payload}`` out."""
    told = await _quotes(ask).bare_counter(await _body(ask))
    reply = told.reply
    kind, payload = "Rejected", None
    if isinstance(reply, dict):
        kind, payload = KINDS[str(reply["type"])], reply["message"]
    answer: dict[str, Json] = {**_accepted(told), "kind": kind, "payload": payload}
    return json(answer, 200 if told.is_repeat else 201)


async def request(ask: Ask) -> Response:
    """Take a request for a quote; the answer is the quote in its envelope."""
    told = await _quotes(ask).request(await _body(ask))
    assert isinstance(told.reply, dict)
    return json(told.reply, 200 if told.is_repeat else 201)


async def negotiation(ask: Ask) -> Response:
    """What was said so far, for the two parties, proven by a signed read."""
    chain_id, tx_id = _place(ask)
    stated = ask.headers.getlist("authorization")
    if len(stated) != 1:
        raise SignatureError("this read needs one Authorization header: QuoteRead", "proof_invalid")
    view, entries = await _quotes(ask).readers.read(stated[0], chain_id, tx_id)
    said = canonical({"chainId": chain_id, "txId": tx_id, **view})
    lines = b",".join(exchange_json(entry) for entry in entries)
    return raw_json(b'%s,"entries":[%s]}' % (said[:-1], lines))


def _accepted(told: Told) -> dict[str, Json]:
    return {
        "accepted": True,
        "duplicate": told.is_repeat,
        "verdict": told.verdict,
        "reply": told.reply,
    }


def _quotes(ask: Ask) -> Quotes:
    quotes = ask.node.quotes
    if quotes is None:
        raise MisuseError("a node without a policy has no quote channel")
    return quotes


def _place(ask: Ask) -> tuple[int, str]:
    chain, tx_id = ask.params["chain"], ask.params["transaction"]
    if _CHAIN.fullmatch(chain) is None:
        raise _NoChainError(f"{shown(chain)} is no chain id", data={"path": chain})
    return int(chain), tx_id.lower()


async def _body(ask: Ask) -> bytes:
    """A body of at most 64 KiB; its media type means nothing, as it does to the peer."""
    return await read_body(ask.scope, ask.receive, ask.ticket, BODY_BYTES_MAX)


class _NoChainError(WireError):
    """The path names no chain id: a 422 in the shape of the peer's framework."""


def _spoken(
    handler: Callable[[Ask], Awaitable[Response]], says: Callable[[TreatyError], str]
) -> Handler:
    """A handler behind the limit for strangers, whose refusals have the peer's shape."""

    async def answer(ask: Ask) -> Response:
        try:
            _admit(ask)
            return await handler(ask)
        except TreatyError as error:
            if error.reason.status >= 500 and error.code == "internal":
                raise
            return _refused(error, says(error))

    return answer


def _admit(ask: Ask) -> None:
    client = ask.scope.get("client")
    ask.ticket.gate.admit_stranger(client[0] if client else None)


def _refused(error: TreatyError, words: str) -> Response:
    status = error.reason.status
    members: dict[str, Any] = {
        **{name: value for name, value in error.data.items() if name not in (PEER, "path")},
        "accepted": False,
        "reason": words,
        "code": error.code,
    }
    if words != error.detail:
        members["detail"] = error.detail
    if isinstance(error, _NoChainError):
        status = 422
        fault: dict[str, Json] = {
            "type": "int_parsing",
            "loc": ["path", "chain_id"],
            "msg": "Input should be a valid integer, unable to parse string as an integer",
            "input": str(error.data["path"])[:80],
        }
        members["detail"] = [fault]
    return Response(canonical(members), status, headers_of(status, error.data), "application/json")


def _own_words(error: TreatyError) -> str:
    return error.detail


ROUTES: Final[Routes] = {
    "/quote-channel/{chain}/{transaction}": {
        "POST": _spoken(counter, peer_reason),
        "GET": _spoken(negotiation, _own_words),
    },
    "/actp/quote-requests": {"POST": _spoken(request, _own_words)},
    "/actp/counter-offer": {"POST": _spoken(bare_counter, peer_reason)},
    "/healthz": {"GET": health, "HEAD": health},
    "/": {"GET": front, "HEAD": front},
}
