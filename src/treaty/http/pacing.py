"""What uvicorn leaves unbounded on a WebSocket: how many frames come, and who has to hold them.

A frame costs far more to read than to send, and many of them never reach the application: pings,
pongs, pieces of a message that never ends. So what comes is read a little at a time, at a rate;
who sends more waits, as the network makes any sender wait. Nobody is told off for it.

Laws:

1. One connection takes a turn of the event loop for a few frames, never for all that arrived.
2. A ping is answered only while its answers are read. A message has a limited number of pieces.
3. A connection that is closed ends soon, whether or not its peer reads what is left.

Read next: ``connection``, the same before a request is whole; ``sockets``, what is said.
"""

from __future__ import annotations

import asyncio
from asyncio.transports import BaseTransport, Transport
from collections.abc import Callable
from typing import Any, Final, cast

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import CloseCode, Frame

from treaty.http.connection import reset

FRAMES_PER_SECOND: Final = 256
"""More than sixteen participants may say in one session."""
FRAMES_BURST: Final = 1_024
FRAMES_A_TURN: Final = 64
PIECE_BYTES: Final = 512
"""What is read without looking at the count: 85 of the smallest frames."""
TURN_BYTES: Final = 65_536
LEAST_WAIT_S: Final = 0.001
FRAGMENTS_MAX: Final = 1_024
FAREWELL_S: Final = 10.0
"""How long what is left to send may take once a connection is closed."""


class Valve:
    """A transport that reads only when neither the application nor its pace says no."""

    __slots__ = ("_is_closing", "_is_stopped", "_on_open", "_transport", "is_lost", "is_shut")

    def __init__(self, transport: Transport, on_open: Callable[[], None]) -> None:
        self._transport = transport
        self._on_open = on_open
        self._is_closing = False
        self._is_stopped = False
        self.is_lost = False
        self.is_shut = False
        """True while the application has not taken what came."""

    def pause_reading(self) -> None:
        """The application has enough for now."""
        self.is_shut = True
        self.stop()

    def resume_reading(self) -> None:
        """The application takes more: first what is here already."""
        self.is_shut = False
        self._on_open()

    def stop(self) -> None:
        """Take nothing more from the network."""
        if not self._is_stopped and not self._transport.is_closing():
            self._is_stopped = True
            self._transport.pause_reading()

    def go_on(self) -> None:
        """Take more from the network, unless the application says no."""
        if self._is_stopped and not self.is_shut and not self._transport.is_closing():
            self._is_stopped = False
            self._transport.resume_reading()

    def close(self) -> None:
        """Close, and do not wait for ever for a peer that does not read."""
        self._transport.close()
        if not self._is_closing:
            self._is_closing = True
            asyncio.get_running_loop().call_later(FAREWELL_S, self._end)

    def _end(self) -> None:
        if not self.is_lost:
            reset(self._transport)

    def __getattr__(self, name: str) -> Any:
        """The transport's own."""
        return getattr(self._transport, name)


class Paced(WebSocketsSansIOProtocol):
    """uvicorn's WebSocket, fed at a rate."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._ahead = bytearray()
        """What has come and was not read. Nothing more is taken meanwhile."""
        self._left = float(FRAMES_BURST)
        self._counted_s = self.loop.time()
        self._turn: asyncio.Handle | None = None
        self._is_choked = False
        """True while answers to pings wait for a peer that does not read."""
        self._valve: Valve

    def connection_made(self, transport: BaseTransport) -> None:
        """Put the valve between."""
        self._valve = Valve(cast(Transport, transport), self._soon)
        super().connection_made(cast(Transport, self._valve))

    def data_received(self, data: bytes) -> None:
        """Read some of it now, the rest in later turns."""
        self._ahead += data
        if self._turn is None:
            self._take()

    def connection_lost(self, exc: Exception | None) -> None:
        """What was not read is gone."""
        self._valve.is_lost = True
        self._ahead.clear()
        self._forget_turn()
        super().connection_lost(exc)

    def resume_writing(self) -> None:
        """The peer reads again."""
        super().resume_writing()
        if self._is_choked:
            self._is_choked = False
            self._soon()

    def _take(self) -> None:
        """Read for one turn; then go on with the network, or wait."""
        self._turn = None
        view, taken, least = bytes(self._ahead), 0, self._left - FRAMES_A_TURN
        while taken < min(len(view), TURN_BYTES) and self._may_read() and self._left > least:
            super().data_received(view[taken : taken + PIECE_BYTES])
            taken += PIECE_BYTES
        del self._ahead[:taken]
        if self.transport.is_closing():
            self._ahead.clear()
            return
        if self._wait_s() == 0 and not self._ahead:
            if not self._is_choked:
                self._valve.go_on()
            return
        self._valve.stop()
        if self._valve.is_shut or self._is_choked:
            # Whoever opens it goes on.
            return
        self._turn = self.loop.call_later(self._wait_s(), self._take)

    def _may_read(self) -> bool:
        shut = self._valve.is_shut or self._is_choked or self.transport.is_closing()
        return not shut and self._wait_s() == 0

    def _wait_s(self) -> float:
        """How long until the next frame may be read; 0 when it may be now."""
        now_s = self.loop.time()
        more = (now_s - self._counted_s) * FRAMES_PER_SECOND
        self._left, self._counted_s = min(float(FRAMES_BURST), self._left + more), now_s
        return 0.0 if self._left >= 0 else max(LEAST_WAIT_S, -self._left / FRAMES_PER_SECOND)

    def _soon(self) -> None:
        self._forget_turn()
        self._turn = self.loop.call_soon(self._take)

    def _forget_turn(self) -> None:
        if self._turn is not None:
            self._turn.cancel()
            self._turn = None

    def handle_text(self, event: Frame) -> None:
        """Count it."""
        self._left -= 1
        super().handle_text(event)

    def handle_bytes(self, event: Frame) -> None:
        """Count it."""
        self._left -= 1
        super().handle_bytes(event)

    def handle_cont(self, event: Frame) -> None:
        """Count it, and refuse a message in more pieces than anybody needs."""
        self._left -= 1
        if len(self.frames) < FRAGMENTS_MAX:
            super().handle_cont(event)
        elif not self.close_sent:
            self._refuse(CloseCode.MESSAGE_TOO_BIG, "a message has too many pieces")

    def send_receive_event_to_app(self) -> None:
        """Refuse a text that is none; uvicorn fills the log with a traceback for each."""
        if self.curr_msg_data_type == "bytes" or self.close_sent or _is_utf8(self.frames):
            super().send_receive_event_to_app()
            return
        self._refuse(CloseCode.INVALID_DATA, "a text frame is UTF-8")

    def _refuse(self, code: CloseCode, why: str) -> None:
        self.frames = []
        self.conn.fail(code, why)
        self.handle_parser_exception()

    def handle_ping(self) -> None:
        """Count it, and answer no more of them to a peer that does not read."""
        self._left -= 1
        super().handle_ping()
        self._is_choked = not self.writable.is_set()

    def handle_pong(self, event: Frame) -> None:
        """Count it."""
        self._left -= 1
        super().handle_pong(event)


def _is_utf8(pieces: list[bytes]) -> bool:
    try:
        b"".join(pieces).decode()
    except UnicodeDecodeError:
        return False
    return True
