"""How a node says things to those who speak MRP: envelopes, and errors as envelopes too (2).

A message that could be read is answered under 200 whatever becomes of it, because real clients
take any other status for a broken server; in strict mode its ERROR has the status of its code.
What was never a message, and what is asked of a place that does not exist, keeps its 4xx, with an
ERROR as its body.

Read next: ``routes_mrp``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from treaty.dialects.mrp import codec
from treaty.dialects.mrp.answering import status_of
from treaty.dialects.mrp.choices import (
    ENVELOPE_BYTES_MAX,
    ENVELOPE_MEDIA,
    ERROR,
    STATUSES,
    Profile,
)
from treaty.dialects.mrp.messages import Envelope
from treaty.engine.node import Node
from treaty.errors import TreatyError, WireError
from treaty.http.answers import HEADERS
from treaty.http.limits import Allowance
from treaty.http.problems import headers_of, log_unexpected
from treaty.wire.canonical import Json
from treaty.wire.lax import read_lax_json

_SAID: Final = (
    (b"content-type", ENVELOPE_MEDIA.encode()),
    *((name.encode(), value.encode()) for name, value in HEADERS.items()),
)
PREFIXES: Final = ("/mrp/", "/.well-known/mrp")
MESSAGE_PATHS: Final = frozenset(
    ("/mrp/hello", "/mrp/discover", "/mrp/negotiate", "/mrp/execute"),
)
"""Where messages are posted."""
OURS: Final = frozenset(("rate_limited", "overloaded", "unavailable", "internal"))
"""Reasons that say nothing about the request, and so are no fault of its form."""


def speaks_mrp(node: Node, path: str) -> bool:
    """True for a place where errors are said as ERROR envelopes."""
    return node.services is not None and path.startswith(PREFIXES)


class Said:
    """An envelope under 200 with nothing else to say: an answer of few instructions."""

    __slots__ = ("_body", "_headers")

    def __init__(self, body: bytes) -> None:
        self._body = body
        self._headers = [*_SAID, (b"content-length", b"%d" % len(body))]

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        """Send it."""
        await send({"type": "http.response.start", "status": 200, "headers": self._headers})
        await send({"type": "http.response.body", "body": self._body})


def envelope(body: bytes, status: int = 200, media_type: str = ENVELOPE_MEDIA) -> Response:
    """An envelope that was made already."""
    return Response(body, status, HEADERS, media_type)


def error_body(
    node: Node,
    error: TreatyError,
    *,
    to: Envelope | None = None,
    salvaged: Mapping[str, Json] | None = None,
) -> bytes:
    """An ERROR, to a message or to whatever can be made out of what is none."""
    if error.code == "internal":
        log_unexpected(error)
    desk = node.desk
    assert node.services is not None
    made: bytes = node.services.dialect.error(
        error, desk.clock(), desk.entropy(16), envelope=to, salvaged=salvaged
    )
    return made


def failed(
    node: Node,
    error: TreatyError,
    *,
    status: int | None = None,
    to: Envelope | None = None,
    salvaged: Mapping[str, Json] | None = None,
) -> Response:
    """An ERROR as an answer of its own; ``status`` is by default that of its reason."""
    status = status or error.reason.status
    headers = headers_of(error.reason.status, error.data)
    body = error_body(node, error, to=to, salvaged=salvaged)
    return Response(body, status, headers, ENVELOPE_MEDIA)


def refused(node: Node, error: TreatyError, path: str) -> Response:
    """What is said before a message was read, or where there is nothing to read."""
    is_message = path in MESSAGE_PATHS and error.code in OURS
    return failed(node, error, status=said_status(node, error) if is_message else None)


def said_status(node: Node, error: TreatyError) -> int:
    """The status of an ERROR to a message."""
    assert node.services is not None
    is_strict = node.services.dialect.profile is Profile.STRICT
    return status_of(error) if is_strict else 200


def made_status(node: Node, body: bytes) -> int:
    """The status of an answer that was made before, such as the ERROR of a job."""
    assert node.services is not None
    if node.services.dialect.profile is not Profile.STRICT:
        return 200
    read = codec.decode(body)
    return STATUSES.get(codec.read_failure(read).code, 500) if read.msg_type == ERROR else 200


def allowed(answer: ASGIApp, allowance: Allowance) -> ASGIApp:
    """Say what is left of a rate, whatever the answer."""
    told = (
        (b"mrp-ratelimit-limit", b"%d" % allowance.limit),
        (b"mrp-ratelimit-remaining", b"%d" % allowance.remaining),
        (b"mrp-ratelimit-reset", b"%d" % allowance.reset_s),
    )

    async def answered(scope: Scope, receive: Receive, send: Send) -> None:
        async def sent(event: Message) -> None:
            if event["type"] == "http.response.start":
                event = {**event, "headers": [*event["headers"], *told]}
            await send(event)

        await answer(scope, receive, sent)

    return answered


def salvage(raw: bytes) -> Mapping[str, Json] | None:
    """What may be read of a body that is no message, to answer its sender at all."""
    try:
        value = read_lax_json(raw, size_max=ENVELOPE_BYTES_MAX)
    except WireError:
        return None
    return value if isinstance(value, dict) else None
