"""The ASP binding: agents, discovery, sessions, their messages and streams (ASP B18)."""

from __future__ import annotations

from typing import Final

from starlette.datastructures import QueryParams
from starlette.responses import Response
from starlette.types import ASGIApp

from treaty.dialects.asp.discovery import page_to_json, read_need
from treaty.engine.inbox import inbox_stream
from treaty.engine.ports import Entry
from treaty.errors import WireError, shown
from treaty.http.answers import json, raw_json
from treaty.http.asking import Ask, Routes
from treaty.http.entries import inbox_json, page_json
from treaty.http.feeds import InboxFeed, SessionFeed, beyond_the_end, check_owner
from treaty.http.media import EVENTS, JSON, MESSAGE
from treaty.http.streams import EventStream
from treaty.identity.keys import PublicKey
from treaty.wire import fields
from treaty.wire.canonical import Json, read_json

PAGE_DEFAULT: Final = 50
PAGE_MAX: Final = 200
PAGE_BYTES_MAX: Final = 1_048_576
"""A page ends early when it gets this large; the next cursor goes on."""
READ_AT_ONCE: Final = 16

_NUMBERS: Final = frozenset(("minTrustLevel", "minTrustScore", "limit"))
_ALIASES: Final = {"min_trust": "minTrustScore"}


async def register(ask: Ask) -> Response:
    """Register a card: 201 with its listing, 200 when it was known."""
    card, new = await ask.node.registry.register(await ask.body())
    return json(card, 201 if new else 200)


async def card(ask: Ask) -> Response:
    """An agent's card with a fresh listing."""
    return json(await ask.node.registry.listed(ask.agent()))


async def revoke(ask: Ask) -> Response:
    """Take in a revocation: 201 with what is known of the agent then, 200 when it was known."""
    told, new = await ask.node.registry.revoke(ask.agent(), await ask.body())
    return json(told, 201 if new else 200)


async def proofs(ask: Ask) -> Response:
    """What is known of a name: proven or not, contended by whom, what is revoked."""
    return json(await ask.node.registry.notice(ask.agent()))


async def prove(ask: Ask) -> Response:
    """Give a token for a proof of the agent's domain, or check the one that is named.

    Whoever holds a key may ask, for the key need not be the registered one.
    """
    client = ask.scope.get("client")
    ask.ticket.gate.admit_stranger(client[0] if client else None)
    key, agent = await ask.reader(), ask.agent()
    if not isinstance(key, PublicKey):
        raise WireError("a domain is proven by the Ed25519 key of a card")
    stated = read_json(await ask.body())
    if not isinstance(stated, dict):
        raise WireError("the body is an object, empty or with the token")
    token = fields.text_or(stated, "token")
    if token is None:
        return json(ask.node.domains.challenge(agent, key).to_json(), 201)
    return json(await ask.node.domains.prove(agent, key, token))


async def trust(ask: Ask) -> Response:
    """An agent's score, by its components."""
    return json(ask.node.trust.view(ask.agent()))


async def inbox(ask: Ask) -> ASGIApp:
    """What somebody wants of an agent, for that agent: as a stream, or a page as JSON."""
    key = await ask.reader()
    agent = ask.agent()
    check_owner(ask.node, agent, key)
    if _wants_page(ask.headers.get("accept", "")):
        return await _inbox_page(ask, agent)
    after = ask.cursor()
    if after and not await ask.node.desk.store.read(inbox_stream(agent), after - 1, 1):
        raise beyond_the_end(after)
    return _stream(ask, InboxFeed(ask.node, agent, key, after))


def _wants_page(accepted: str) -> bool:
    """An inbox is a stream, unless JSON is asked for and no stream."""
    return JSON in accepted and EVENTS not in accepted


async def _inbox_page(ask: Ask, agent: str) -> Response:
    after = ask.number("after", default=0)
    limit = min(ask.number("limit", default=PAGE_DEFAULT, least=1), PAGE_MAX)
    entries = await ask.node.desk.store.read(inbox_stream(agent), after, limit + 1)
    return raw_json(inbox_json(entries[:limit], after, more=len(entries) > limit))


async def discover(ask: Ask) -> Response:
    """Answer a signed question with a signed answer (B8)."""
    return raw_json(await ask.node.registry.answer(await ask.body()), media_type=MESSAGE)


async def look(ask: Ask) -> Response:
    """The same without signatures, for people and for a first look (B19)."""
    asked = _filters(ask.query)
    return json(page_to_json(ask.node.registry.search(read_need(asked)), asked))


def _filters(query: QueryParams) -> dict[str, Json]:
    filters: dict[str, Json] = {}
    for given, text in query.multi_items():
        name = _ALIASES.get(given, given)
        if name in filters:
            raise WireError(f"{shown(given)} is given twice")
        filters[name] = _number(name, text) if _is_number(name) else text
    return filters


def _is_number(name: str) -> bool:
    return name in _NUMBERS or name.startswith("maxPricePer")


def _number(name: str, text: str) -> Json:
    value = read_json(text.encode("utf-8", "replace"), exact_numbers=True)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise WireError(f"{name} is a number, not {shown(text)}")
    return value


async def open_session(ask: Ask) -> Response:
    """Open a session by its invitation; the answer is the receipt."""
    return raw_json(await ask.node.sessions.open(await ask.message()), 201)


async def submit(ask: Ask) -> Response:
    """Accept a message; the answer is the receipt, the same one for the same bytes."""
    session = ask.session()
    return raw_json(await ask.node.sessions.submit(session, await ask.message()), 201)


async def session(ask: Ask) -> Response:
    """Where a session stands."""
    key = await ask.reader()
    return json(ask.node.sessions.view(await ask.node.sessions.reader(ask.session(), key)))


async def messages(ask: Ask) -> Response:
    """A page of a session's log."""
    key = await ask.reader()
    name = ask.session()
    since = await ask.node.sessions.since(name, key)
    after = max(since, ask.number("after", default=0))
    limit = ask.number("limit", default=PAGE_DEFAULT, least=1)
    entries, more = await _page(ask, name, after, min(limit, PAGE_MAX))
    return raw_json(page_json(entries, after, more=more))


async def _page(ask: Ask, name: str, after: int, limit: int) -> tuple[list[Entry], bool]:
    """At most ``limit`` entries and about one MiB, and whether there is more behind them."""
    page: list[Entry] = []
    size = 0
    while True:
        some = await ask.node.sessions.entries(name, after, READ_AT_ONCE)
        for entry in some:
            if len(page) == limit or size > PAGE_BYTES_MAX:
                return page, True
            page.append(entry)
            size += len(entry.body) + 2 * len(entry.raw or b"")
            after = entry.position
        if len(some) < READ_AT_ONCE:
            return page, False


async def events(ask: Ask) -> EventStream:
    """A session as it happens."""
    key = await ask.reader()
    name = ask.session()
    hosted, after = await ask.node.sessions.reader(name, key), ask.cursor()
    if after > hosted.state.position:
        raise beyond_the_end(after)
    return _stream(ask, SessionFeed(ask.node, name, key, after))


def _stream(ask: Ask, feed: InboxFeed | SessionFeed) -> EventStream:
    ask.ticket.start_stream()
    service = ask.service
    return EventStream(feed, ask.node.desk.watch(feed.stream), service.streams, service.settings)


ROUTES: Final[Routes] = {
    # The messages come first: they are most of what is asked, and the table is read in order.
    "/v1/asp/sessions/{session}/messages": {"POST": submit, "GET": messages},
    "/v1/asp/sessions/{session}/events": {"GET": events},
    "/v1/asp/sessions/{session}": {"GET": session},
    "/v1/asp/sessions": {"POST": open_session},
    "/v1/asp/agents/{agent}/card": {"GET": card, "HEAD": card},
    "/v1/asp/agents/{agent}/trust": {"GET": trust, "HEAD": trust},
    "/v1/asp/agents/{agent}/inbox": {"GET": inbox},
    "/v1/asp/agents/{agent}/revocations": {"POST": revoke},
    "/v1/asp/agents/{agent}/proofs": {"POST": prove, "GET": proofs, "HEAD": proofs},
    "/v1/asp/agents": {"POST": register},
    "/v1/asp/discover": {"POST": discover, "GET": look, "HEAD": look},
}
