"""MRP: the registry of providers, and the texts by which a provider proves its origin (10).

These answers are plain JSON, as real clients expect; a failure is ``{"error", "message"}`` beside
what helps to mend it. Reading is for anybody; what is submitted is fetched and proven first; a
text for another registry is put up by the operator alone.
"""

from __future__ import annotations

from typing import Final

from starlette.responses import Response

from treaty.dialects.mrp.choices import VERSION
from treaty.engine.publications import PAGE_MAX, Publications
from treaty.errors import MisuseError, TreatyError, WireError
from treaty.http.answers import HEADERS, json
from treaty.http.asking import Ask, Handler, Routes
from treaty.http.problems import headers_of
from treaty.http.routes_mrp import client_of, posted_json, said
from treaty.identity.records import open_record
from treaty.wire import fields
from treaty.wire.canonical import Json, canonical

LIMIT: Final = 50
BODY_BYTES_MAX: Final = 16_384
NAME_CHARS_MAX: Final = 256


async def query(ask: Ask) -> Response:
    """A page of entries that have the capability and the policy asked for."""
    capability, policy = _named(ask, "capability"), _named(ask, "policy")
    limit = ask.number("limit", default=LIMIT, least=1, most=1_000)
    after = ask.number("cursor", default=0)
    found, following = _registry(ask).query(capability, policy, min(limit, PAGE_MAX), after)
    results: list[Json] = [dict(one) for one in found]
    page = None if following is None else str(following)
    return json({"mrp_version": VERSION, "results": results, "next_page": page})


async def submit(ask: Ask) -> Response:
    """Begin to publish a manifest: a token, and the text to serve under it."""
    ask.ticket.gate.admit_stranger(client_of(ask))
    body = await _body(ask)
    url = fields.text(body, "manifest_url")
    challenge = await _registry(ask).submit(url)
    path = challenge.url.partition("://")[2].partition("/")[2]
    shown_at: dict[str, Json] = {
        "expected": challenge.expected,
        "path": f"/{path}",
        "url": challenge.url,
    }
    return json({"token": challenge.token, "challenge": shown_at})


async def verify(ask: Ask) -> Response:
    """Look whether the text is served, and list the provider."""
    ask.ticket.gate.admit_stranger(client_of(ask))
    entry = await _registry(ask).verify(fields.text(await _body(ask), "token"))
    return json({"status": "verified", "entry": dict(entry)})


async def put_up(ask: Ask) -> Response:
    """Serve a text for another registry; signed by the operator."""
    record = open_record("challenge", await _body(ask), ask.node.identity.operator).value
    token, expected = fields.text(record, "token"), fields.text(record, "expected")
    await _registry(ask).serve(token, expected)
    return json({"served": True}, 201)


async def served(ask: Ask) -> Response:
    """The text under a token, as it is and nothing around it."""
    text = await _registry(ask).served(ask.params["token"])
    return Response(text, 200, HEADERS, "text/plain")


def _registry(ask: Ask) -> Publications:
    registry = ask.node.publications
    if registry is None:
        raise MisuseError("a node without capabilities has no routes of MRP")
    return registry


def _named(ask: Ask, name: str) -> str | None:
    text = ask.query.get(name)
    if text is not None and len(text) > NAME_CHARS_MAX:
        raise WireError(f"{name} has at most {NAME_CHARS_MAX} characters")
    return text or None


async def _body(ask: Ask) -> dict[str, Json]:
    body, _ = await posted_json(ask, BODY_BYTES_MAX)
    return body


def _plainly(handler: Handler) -> Handler:
    """A handler whose refusals are what clients of a registry print."""

    async def answer(ask: Ask) -> Response:
        try:
            response = await handler(ask)
        except TreatyError as error:
            if error.code == "internal":
                raise
            status = error.reason.status
            members: dict[str, Json] = {
                **error.data,
                "error": error.code,
                "message": error.detail,
            }
            headers = headers_of(status, error.data)
            return Response(canonical(members), status, headers, "application/json")
        assert isinstance(response, Response)
        return response

    return said(answer)


ROUTES: Final[Routes] = {
    "/mrp/registry/query": {"GET": _plainly(query), "HEAD": _plainly(query)},
    "/mrp/registry/submit": {"POST": _plainly(submit)},
    "/mrp/registry/verify": {"POST": _plainly(verify)},
    "/mrp/registry/challenges": {"POST": _plainly(put_up)},
    "/.well-known/mrp-registry-challenge/{token}": {"GET": served, "HEAD": served},
}
