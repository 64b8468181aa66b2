"""What a node says of itself, to anyone."""

from __future__ import annotations

from typing import Final

from starlette.responses import Response

from treaty.dialects.asp.choices import FORMATS
from treaty.http.answers import HEADERS, json
from treaty.http.asking import Ask, Routes


async def describe(ask: Ask) -> Response:
    """The node's card, endpoints, versions, keys and operator."""
    described = await ask.node.describe()
    base = ask.node.identity.base_url
    return json(
        {
            **described,
            "formats": list(FORMATS),
            "webSocket": f"ws{base.removeprefix('http')}/v1/asp/sessions/{{sessionId}}/ws",
        }
    )


async def health(_ask: Ask) -> Response:
    """The process answers."""
    return json({"status": "ok"})


async def front(ask: Ask) -> Response:
    """A few words for whoever opens the address in a browser."""
    identity = ask.node.identity
    text = (
        f"This is a treaty node: {identity.uri}\n"
        f"It describes itself at {identity.base_url}/.well-known/asp.json\n"
    )
    return Response(text, 200, HEADERS, "text/plain")


ROUTES: Final[Routes] = {
    "/.well-known/asp.json": {"GET": describe, "HEAD": describe},
    "/healthz": {"GET": health, "HEAD": health},
    "/": {"GET": front, "HEAD": front},
}
