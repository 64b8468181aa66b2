"""The ASGI application of a node, and the process that serves it.

``make_app`` is one function from request to answer: let in, route, ask the node, and turn
whatever goes wrong into a problem document. ``serve`` runs it under uvicorn until told to
stop; open streams are ended then, and requests in flight are answered.

Read next: ``routes_asp`` for what can be asked, ``limits`` for how much at once.
"""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Callable
from typing import Any, Final, cast

import uvicorn
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Receive, Scope, Send

from treaty.engine.node import Node
from treaty.engine.relay import Relay
from treaty.errors import Refused, TreatyError, UnavailableError, shown
from treaty.http import (
    routes_actp,
    routes_asp,
    routes_disputes,
    routes_ledger,
    routes_mrp,
    routes_mrp_artifacts,
    routes_mrp_provider,
    routes_mrp_registry,
    routes_node,
    routes_relay,
    routes_trust,
)
from treaty.http.asking import Ask, Service
from treaty.http.connection import ABORT, guarded
from treaty.http.limits import SLOW, Gate, Settings, Ticket
from treaty.http.mrp_answers import allowed, refused, speaks_mrp
from treaty.http.pacing import Paced
from treaty.http.problems import as_error, problem
from treaty.http.routing import Router
from treaty.http.sockets import SessionSocket, denied, frame_bytes_max
from treaty.wire.ids import is_uuid

BACKLOG: Final = 2_048
PING_S: Final = 20
"""How often a WebSocket is asked whether anybody is there, and how long it may take to answer."""
_SOCKET: Final = re.compile(r"/v1/asp/sessions/(?P<session>[^/]+)/ws")
_MRP: Final = (
    routes_mrp.ROUTES,
    routes_mrp_provider.ROUTES,
    routes_mrp_registry.ROUTES,
    routes_mrp_artifacts.ROUTES,
)
STOP_S: Final = 10
"""How long requests in flight may take when the server stops."""


class App:
    """A node over HTTP, as an ASGI application."""

    def __init__(self, node: Node, settings: Settings, relay: Relay | None = None) -> None:
        self.settings = settings
        self.gate = Gate(settings)
        self._service = Service(node, settings, relay=relay)
        # A provider's front and health come before those of every node.
        quotes = (routes_actp.ROUTES,) if node.quotes is not None else ()
        relays = (routes_relay.ROUTES,) if relay is not None else ()
        services = _MRP if node.services is not None else ()
        self._router = Router(
            *quotes,
            *relays,
            *services,
            routes_asp.ROUTES,
            routes_disputes.ROUTES,
            routes_ledger.ROUTES,
            routes_trust.ROUTES,
            routes_node.ROUTES,
        )

    def close_streams(self) -> None:
        """End all streams, for good."""
        self._service.streams.close()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or serve one WebSocket."""
        if scope["type"] == "websocket":
            await self._sockets(scope)(scope, receive, send)
            return
        if scope["type"] != "http":
            raise RuntimeError(f"only HTTP is served here, not {scope['type']}")
        client = scope.get("client")
        try:
            ticket = self.gate.enter(client[0] if client else None)
        except TreatyError as error:
            await self._refused(error, scope)(scope, receive, send)
            return
        try:
            await self._within_time(scope, receive, send, ticket)
        finally:
            ticket.leave()

    def _sockets(self, scope: Scope) -> ASGIApp:
        """What is at the path of a WebSocket: the log of a session, or a refusal."""
        path = scope["raw_path"].decode("ascii", "replace")
        match = _SOCKET.fullmatch(path)
        if match is None or not is_uuid(match["session"]):
            return denied(Refused(f"there is no WebSocket at {shown(path)}", "not_found"))
        base = self._service.node.identity.base_url
        url = f"ws{base.removeprefix('http')}{path}"
        return SessionSocket(self._service, self.gate, match["session"].lower(), url)

    async def _within_time(
        self, scope: Scope, receive: Receive, send: Send, ticket: Ticket
    ) -> None:
        answer: ASGIApp | None = None
        try:
            async with asyncio.timeout(self.settings.request_ms / 1000) as ticket.deadline:
                answer = await self._answer(scope, receive, ticket)
                await answer(scope, receive, send)
        except ClientDisconnect:
            return
        except TimeoutError:
            if answer is None:
                await self._refused(_too_slow(ticket), scope)(scope, receive, send)
            else:
                await _abort(scope)

    async def _answer(self, scope: Scope, receive: Receive, ticket: Ticket) -> ASGIApp:
        path = scope["raw_path"].decode("ascii", "replace")
        try:
            handler, params = self._router.find(scope["method"], path)
            return await handler(Ask(self._service, scope, receive, path, params, ticket))
        except TreatyError as error:
            return self._refused(error, scope)
        except ClientDisconnect:
            raise
        except Exception as error:  # noqa: BLE001 - this is the rim: logged, and told apart.
            return self._refused(as_error(error), scope)

    def _refused(self, error: TreatyError, scope: Scope) -> ASGIApp:
        """How a place says no: as a problem document, or as the messages it speaks."""
        node, path = self._service.node, scope["raw_path"].decode("ascii", "replace")
        if not speaks_mrp(node, path):
            return problem(error)
        said = refused(node, error, path)
        client = scope.get("client")
        allowance = self.gate.allowance(client[0] if client else None)
        return said if allowance is None else allowed(said, allowance)


async def _abort(scope: Scope) -> None:
    """End the connection of a client that does not read its answer."""
    abort = scope.get("state", {}).get(ABORT)
    if abort is not None:
        abort()
        # The server hears of the lost connection in the next turn of the loop.
        await asyncio.sleep(0)


def _too_slow(ticket: Ticket) -> TreatyError:
    if ticket.reading:
        return Refused("the request did not come to its end in time", SLOW)
    return UnavailableError("the node did not come to an answer in time")


def make_app(node: Node, *, settings: Settings | None = None, relay: Relay | None = None) -> App:
    """The ASGI application for a node, and maybe a relay, that were started."""
    return App(node, settings or Settings(), relay)


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 takes a free one, ``getsockname`` tells which.

    Raises ``UnavailableError`` when the address is taken or not of this machine.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listening = socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise UnavailableError(f"cannot listen on {host} port {port}: {error.strerror}") from error
    # Inherited by every connection. The event loop does not do it for a socket that was made
    # outside; an answer in two writes would then wait 40 ms for the reader's delayed ACK.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening


async def serve(
    app: App,
    listening: socket.socket,
    stop: asyncio.Event,
    *,
    on_ready: Callable[[], None] | None = None,
) -> None:
    """Serve until ``stop`` is set, or until cancelled.

    Then no connection is taken any more, streams end, and what is in flight is answered.
    ``on_ready`` is called when the first request can be answered. Signals are the caller's
    affair; the socket is closed at the end.
    """
    server = uvicorn.Server(_config(app))
    server.config.load()
    server.lifespan = server.config.lifespan_class(server.config)
    await server.startup(sockets=[listening])
    ticking = asyncio.create_task(server.main_loop())
    try:
        if on_ready is not None:
            on_ready()
        await stop.wait()
    finally:
        app.close_streams()
        server.should_exit = True
        await ticking
        await server.shutdown(sockets=[listening])


def _config(app: App) -> uvicorn.Config:
    settings = app.settings
    return uvicorn.Config(
        app,
        http=cast(Any, guarded(settings)),
        ws=Paced,
        ws_max_size=frame_bytes_max(settings.body_bytes_max),
        ws_ping_interval=PING_S,
        ws_ping_timeout=PING_S,
        # Compressed text of strangers would be unbounded work.
        ws_per_message_deflate=False,
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        backlog=BACKLOG,
        limit_concurrency=settings.connections_max,
        timeout_keep_alive=settings.idle_ms // 1000,
        timeout_graceful_shutdown=STOP_S,
    )
