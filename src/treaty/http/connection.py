"""What uvicorn leaves unbounded before a request is whole: the time and the size of its head.

uvicorn's protocol keeps every header it is sent and waits for the rest for ever. A guard
stands before it, one per connection, passes everything through and ends a connection whose
head takes too long or grows too large. A request that comes in one piece costs it one
comparison and no timer.

Read next: ``limits`` for what is bounded once the head is there.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable
from typing import Any, Final, cast

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from treaty.http.limits import EXPECT, Settings

ABORT: Final = "abort"
"""Key in ``scope["state"]``: a function that ends the connection at once."""
HEAD: Final = b"HTTP/1.1 "
DISCARDED_BYTES_MAX: Final = 2 * 1_048_576
"""What is left of a body that was refused is taken and thrown away up to this size: a
connection that is closed before would often take the answer with it."""
_AT_ONCE: Final = struct.pack("ii", 1, 0)
BODY_OVERHEAD: Final = 2
"""A chunked body may be so many times larger on the wire than in itself."""


def guarded(settings: Settings) -> Callable[..., Guard]:
    """A maker of connections for ``uvicorn.Config(http=…)``."""

    def connect(
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> Guard:
        return Guard(settings, config, server_state, app_state)

    return connect


def reset(transport: asyncio.Transport) -> None:
    """End a connection that is not lost yet, and let go of all that its peer has not read.

    Otherwise the system keeps that for minutes, outside of this process and of its limits.
    """
    connected = transport.get_extra_info("socket")
    if connected is not None:
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
    transport.abort()


class Corked:
    """A transport that keeps the head of an answer until its body comes, for one system call.

    A head alone waits for the end of this turn of the loop.
    """

    __slots__ = ("_head", "_loop", "_transport")

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._head = b""

    def write(self, data: bytes) -> None:
        """Keep a head, and write anything else, behind the head if one is kept."""
        if self._head:
            data, self._head = self._head + data, b""
        elif data.startswith(HEAD):
            self._head = data
            self._loop.call_soon(self.flush)
            return
        self._transport.write(data)

    def flush(self) -> None:
        """Write a head that nothing followed."""
        if self._head:
            data, self._head = self._head, b""
            self._transport.write(data)

    def close(self) -> None:
        """Write what is kept, then close."""
        self.flush()
        self._transport.close()

    def __getattr__(self, name: str) -> Any:
        """The transport's own."""
        return getattr(self._transport, name)


class Guard:
    """One connection: an ``asyncio`` protocol around uvicorn's."""

    __slots__ = ("_body_bytes_max", "_inner", "_pending", "_settings", "_timer", "_transport")

    def __init__(
        self,
        settings: Settings,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
    ) -> None:
        state = {**app_state, ABORT: self.abort, EXPECT: self.expect}
        self._inner = HttpToolsProtocol(config, server_state, state, asyncio.get_running_loop())
        self._settings = settings
        self._pending = 0
        self._body_bytes_max = settings.body_bytes_max
        self._timer: asyncio.TimerHandle | None = None
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:
        """Begin to wait for a first request."""
        self._transport = transport
        loop = asyncio.get_running_loop()
        self._inner.connection_made(cast(asyncio.Transport, Corked(transport, loop)))
        self._await_head()

    def data_received(self, data: bytes) -> None:
        """Pass bytes on, and see whether they completed something."""
        inner = self._inner
        cycle: RequestResponseCycle | None = inner.cycle
        unread = cycle is not None and cycle.more_body
        answered = cycle is not None and cycle.response_complete
        inner.data_received(data)
        protocol: object = inner.transport.get_protocol()
        if protocol is not self:
            # It has become a WebSocket, whose protocol has limits of its own.
            self._stop_timer()
            return
        if inner.cycle is not cycle or (unread and not inner.cycle.more_body):
            self._pending = 0
            self._stop_timer()
            if inner.cycle is not cycle:
                self._body_bytes_max = self._settings.body_bytes_max
            return
        self._pending += len(data)
        if self._pending > self._most(unread, answered):
            self.abort()
        elif answered or not unread:
            # The time of a body that is read is bounded by the deadline of its request.
            self._await_head()

    def _most(self, unread: bool, answered: bool) -> int:
        """How many bytes may come without completing anything."""
        if not unread:
            return self._settings.head_bytes_max
        if answered:
            # Its sender hears the answer once it has sent the rest, which is thrown away.
            return DISCARDED_BYTES_MAX
        return BODY_OVERHEAD * self._body_bytes_max

    def eof_received(self) -> None:
        """Pass it on."""
        self._inner.eof_received()

    def connection_lost(self, error: Exception | None) -> None:
        """Pass it on."""
        self._stop_timer()
        self._inner.connection_lost(error)

    def pause_writing(self) -> None:
        """Pass it on."""
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        """Pass it on."""
        self._inner.resume_writing()

    def abort(self) -> None:
        """End the connection at once; what was not sent is lost."""
        self._stop_timer()
        if self._transport is None:
            return
        if self._transport.is_closing():
            # It may be lost already, and its number be another connection's.
            self._transport.abort()
        else:
            reset(self._transport)

    def expect(self, bytes_max: int) -> None:
        """Let the body of the request that is being read be larger than others."""
        self._body_bytes_max = max(bytes_max, self._settings.body_bytes_max)

    def _await_head(self) -> None:
        if self._timer is None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(self._settings.head_ms / 1000, self.abort)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
