"""The relay over HTTP, in the peer's words (spec 2.2): envelopes in, cursors and envelopes out.

A cursor is a whole number of at most sixteen digits; NaN, signs, fractions and what is beyond are
400, never a replay from the beginning. Reads carry ``Authorization: QuoteRead`` unless the relay
is open. Refusals are ``{"error", "code"}``.

Read next: ``treaty.engine.relay``.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final
from urllib.parse import unquote_to_bytes

from starlette.responses import Response

from treaty.dialects.actp.choices import BODY_BYTES_MAX
from treaty.engine.relay import Kept, Relay
from treaty.errors import MisuseError, SignatureError, TreatyError, WireError, shown
from treaty.http.answers import json, raw_json
from treaty.http.asking import Ask, Handler, Routes
from treaty.http.limits import read_body
from treaty.http.problems import headers_of
from treaty.wire.canonical import Json, canonical
from treaty.wire.instants import format_instant

_SEGMENT: Final = re.compile(r"(?:[A-Za-z0-9._~:-]|%[0-9A-Fa-f]{2}){1,240}")


async def post(ask: Ask) -> Response:
    """Keep an envelope; 201 when it is new, 200 when it is kept already."""
    body = await read_body(ask.scope, ask.receive, ask.ticket, BODY_BYTES_MAX)
    if await _relay(ask).post(body, _segment(ask, "transaction")):
        return json({"ok": True}, 201)
    return json({"ok": True, "duplicate": True})


async def messages(ask: Ask) -> Response:
    """What was left for a transaction, behind a cursor."""
    transaction, after = _segment(ask, "transaction"), ask.number("after", default=0)
    relay = _relay(ask)
    return _page(await relay.messages(transaction, after, _header(ask, relay)), named=False)


async def inbox(ask: Ask) -> Response:
    """What is for or by a DID, behind a cursor, whatever the transaction."""
    did, after = _segment(ask, "did"), ask.number("after", default=0)
    relay = _relay(ask)
    return _page(await relay.inbox(did, after, _header(ask, relay)), named=True)


def _page(page: Sequence[Kept], *, named: bool) -> Response:
    lines = []
    for kept in page:
        members: dict[str, Json] = {
            "cursor": str(kept.cursor),
            "receivedAt": format_instant(kept.at_ms),
        }
        if named:
            members["txId"] = kept.tx_id
        # The envelope is canonical already and stands as it is kept.
        lines.append(b'%s,"envelope":%s}' % (canonical(members)[:-1], kept.envelope))
    return raw_json(b'{"messages":[%s]}' % b",".join(lines))


def _relay(ask: Ask) -> Relay:
    relay = ask.service.relay
    if relay is None:
        raise MisuseError("this server has no relay")
    return relay


def _segment(ask: Ask, name: str) -> str:
    segment = ask.params[name]
    if _SEGMENT.fullmatch(segment) is None:
        raise WireError(f"not a percent-encoded path segment: {shown(segment)}")
    return unquote_to_bytes(segment).decode("utf-8", "replace")


def _header(ask: Ask, relay: Relay) -> str | None:
    stated = ask.headers.getlist("authorization")
    if relay.is_open:
        return None
    if len(stated) != 1:
        raise SignatureError("this read needs one Authorization header: QuoteRead", "proof_invalid")
    return stated[0]


def _spoken(handler: Callable[[Ask], Awaitable[Response]]) -> Handler:
    """A handler behind the limit for strangers, whose refusals have the peer's shape."""

    async def answer(ask: Ask) -> Response:
        try:
            client = ask.scope.get("client")
            ask.ticket.gate.admit_stranger(client[0] if client else None)
            return await handler(ask)
        except TreatyError as error:
            if error.code == "internal":
                raise
            return _refused(error)

    return answer


def _refused(error: TreatyError) -> Response:
    status = error.reason.status
    members: dict[str, Any] = {**error.data, "error": error.detail, "code": error.code}
    return Response(canonical(members), status, headers_of(status, error.data), "application/json")


ROUTES: Final[Routes] = {
    "/api/v1/negotiations/inbox/{did}": {"GET": _spoken(inbox)},
    "/api/v1/negotiations/{transaction}/messages": {
        "POST": _spoken(post),
        "GET": _spoken(messages),
    },
}
