"""One request as the routes see it: where it went, who asks, what it carries.

Paths are routed raw: ``{agent}`` is a whole URI, percent-encoded once into one segment (ASP
B18). A read proves its reader with the ``DPoP`` header, whose ``htu`` is the node's public URL
followed by the raw path (ASP B6); the ``Host`` header means nothing here.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import unquote_to_bytes

from starlette.datastructures import Headers, QueryParams
from starlette.types import ASGIApp, Receive, Scope

from treaty.engine.node import Node
from treaty.engine.relay import Relay
from treaty.errors import Refused, WireError, shown
from treaty.http.limits import Settings, Ticket, read_body
from treaty.http.media import JSON, MESSAGE, MESSAGE_PACKED
from treaty.http.streams import Streams
from treaty.identity.keys import ProofKey
from treaty.wire.ids import is_uuid, parse_agent_uri

JSON_TYPES: Final = frozenset((MESSAGE, JSON))
CURSOR_MAX: Final = 2**53 - 1

_CHARSET: Final = re.compile(r'\s*charset\s*=\s*"?utf-8"?\s*', re.IGNORECASE)
_ENCODED: Final = re.compile(r"(?:[A-Za-z0-9._~:@!$&'()*+,;=-]|%[0-9A-Fa-f]{2})+")
_DIGITS: Final = re.compile(r"[0-9]{1,16}")


@dataclass(frozen=True, slots=True)
class Service:
    """What every route works with."""

    node: Node
    settings: Settings
    streams: Streams = field(default_factory=Streams)
    relay: Relay | None = None
    """Only where one is hosted (ACTP 2.2)."""


@dataclass(frozen=True, slots=True)
class Ask:
    """One request."""

    service: Service
    scope: Scope
    receive: Receive
    path: str
    """The raw path."""
    params: Mapping[str, str]
    """Segments of the path by name, still encoded."""
    ticket: Ticket

    @property
    def node(self) -> Node:
        """The node that is asked."""
        return self.service.node

    @property
    def headers(self) -> Headers:
        """The request's headers."""
        return Headers(scope=self.scope)

    @property
    def query(self) -> QueryParams:
        """The parameters behind the path."""
        return QueryParams(self.scope["query_string"])

    def agent(self) -> str:
        """The agent the path names. Raises ``WireError`` when it is not one URI, encoded once."""
        segment = self.params["agent"]
        if _ENCODED.fullmatch(segment) is None:
            raise WireError(f"not a percent-encoded path segment: {shown(segment)}")
        return parse_agent_uri(unquote_to_bytes(segment).decode("utf-8", "replace")).text

    def session(self) -> str:
        """The session the path names.

        Raises ``Refused`` (``unknown_session``), in the words for every other unknown session.
        """
        segment = self.params["session"]
        if not is_uuid(segment):
            raise Refused("no session of yours has this id", "unknown_session")
        return segment.lower()

    async def message(self) -> bytes:
        """The body of a session's message, in either format (ASP B23).

        Raises as ``body`` does.
        """
        kind = (self.headers.get("content-type") or "").strip().lower()
        if kind != MESSAGE_PACKED:
            _check_media_type(kind, MESSAGE_PACKED)
            return await self.body()
        most = self.service.settings.body_bytes_max
        return await read_body(self.scope, self.receive, self.ticket, most)

    async def body(self) -> bytes:
        """The body of a message.

        Raises ``WireError`` (``unsupported_media_type``, ``too_large``) and ``ClientDisconnect``.
        """
        _check_media_type(self.headers.get("content-type"))
        most = self.service.settings.body_bytes_max
        return await read_body(self.scope, self.receive, self.ticket, most)

    async def reader(self) -> ProofKey:
        """The key that asks, proven by the ``DPoP`` header, which is used up by this.

        Raises ``SignatureError`` (``proof_invalid``) and ``Refused`` (``proof_replayed``,
        ``rate_limited``).
        """
        proofs = self.headers.getlist("dpop")
        url = self.node.identity.base_url + self.path
        token = proofs[0] if len(proofs) == 1 else None
        key = await self.node.readers.check(token, method=self.scope["method"], url=url)
        # Whoever has proven who it is counts as one, however many addresses it has.
        client = self.scope.get("client")
        self.ticket.gate.admit_principal(key.key_id, client[0] if client else None)
        return key

    def cursor(self) -> int:
        """``Last-Event-ID`` or ``?after=``: the position behind which to go on; else 0."""
        resumed = self.headers.get("last-event-id")
        if resumed is not None:
            return _whole("Last-Event-ID", resumed, most=CURSOR_MAX)
        return self.number("after", default=0)

    def number(self, name: str, *, default: int, least: int = 0, most: int = CURSOR_MAX) -> int:
        """A whole number from the query. Raises ``WireError``."""
        text = self.query.get(name)
        return default if text is None else _whole(name, text, least=least, most=most)


Handler = Callable[[Ask], Awaitable[ASGIApp]]
"""Answers a request, or raises an error of ours."""

Routes = Mapping[str, Mapping[str, Handler]]
"""Path template -> method -> handler."""


def _whole(name: str, text: str, *, least: int = 0, most: int) -> int:
    if _DIGITS.fullmatch(text) is None or not least <= int(text) <= most:
        raise WireError(f"{name} is a whole number from {least} to {most}, not {shown(text)}")
    return int(text)


def _check_media_type(stated: str | None, also: str = "") -> None:
    if stated in JSON_TYPES:
        return
    kind, *parameters = (stated or "").split(";")
    known = kind.strip().lower() in JSON_TYPES
    if not known or not all(_CHARSET.fullmatch(one) for one in parameters):
        raise WireError(
            f"a message is {', '.join(filter(None, (MESSAGE, also)))} or {JSON}, "
            f"not {shown(stated)}",
            "unsupported_media_type",
        )
