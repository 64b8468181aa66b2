"""How fast a WebSocket is read: over a transport in memory, in the time of a simulated loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.uri import parse_uri

from tests.simulation.clock import simulated
from treaty.http.pacing import (
    FAREWELL_S,
    FRAGMENTS_MAX,
    FRAMES_A_TURN,
    FRAMES_BURST,
    FRAMES_PER_SECOND,
    PIECE_BYTES,
    Paced,
)

LEAST_FRAME_BYTES = 6


async def passes(seconds: float) -> None:
    """Let the loop's own time pass."""
    later = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_later(seconds, later.set_result, None)
    await later


class Wire(asyncio.Transport):
    """One end of a connection, as its peer and its network see it."""

    def __init__(self) -> None:
        super().__init__()
        self.written = bytearray()
        self.is_read = True
        self.is_aborted = False
        self._closing = False

    def write(self, data: Any) -> None:
        self.written += data

    def pause_reading(self) -> None:
        self.is_read = False

    def resume_reading(self) -> None:
        self.is_read = True

    def is_closing(self) -> bool:
        return self._closing

    def close(self) -> None:
        self._closing = True

    def abort(self) -> None:
        self._closing = self.is_aborted = True


class Connected:
    """A WebSocket that was opened, and what came out of it."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self.takes = asyncio.Event()
        self.takes.set()
        config = uvicorn.Config(
            self._app, interface="asgi3", ws=Paced, ws_ping_interval=None,
            ws_per_message_deflate=False, log_config=None, proxy_headers=False,
        )  # fmt: skip
        config.load()
        self.paced = Paced(config=config, server_state=ServerState(), app_state={})
        self.wire = Wire()
        self.client = ClientProtocol(parse_uri("ws://localhost/"))

    async def _app(self, _scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        while (event := await receive())["type"] == "websocket.receive":
            self.heard.append(event["text"])
            await self.takes.wait()

    async def opened(self) -> None:
        self.paced.connection_made(self.wire)
        self.client.send_request(self.client.connect())
        self.paced.data_received(b"".join(self.client.data_to_send()))
        await passes(0.01)
        self.answers()

    def say(self, *frames: Frame) -> None:
        """The frames come all at once."""
        self.paced.data_received(b"".join(one.serialize(mask=True) for one in frames))

    def answers(self) -> list[Any]:
        """What was written since this was last asked."""
        self.client.receive_data(bytes(self.wire.written))
        self.wire.written.clear()
        return self.client.events_received()

    def pongs(self) -> int:
        return sum(isinstance(one, Frame) and one.opcode is Opcode.PONG for one in self.answers())


@asynccontextmanager
async def connected() -> AsyncIterator[Connected]:
    here = Connected()
    await here.opened()
    yield here
    here.paced.connection_lost(None)
    await passes(0)


@simulated
async def check_pace() -> None:
    async with connected() as here:
        here.say(*[Frame(Opcode.PING, b"")] * 3_000)

        # One turn of the loop takes a few of them, though all are there.
        in_a_turn = here.pongs()
        assert 0 < in_a_turn <= FRAMES_A_TURN + PIECE_BYTES // LEAST_FRAME_BYTES
        assert not here.wire.is_read

        await passes(0.5)
        so_far = in_a_turn + here.pongs()
        most = FRAMES_BURST + FRAMES_PER_SECOND + PIECE_BYTES // LEAST_FRAME_BYTES
        assert FRAMES_BURST < so_far < most
        assert not here.wire.is_read

        await passes(3_000 / FRAMES_PER_SECOND)
        assert so_far + here.pongs() == 3_000
        assert here.wire.is_read


def test_what_comes_too_fast_waits_and_none_of_it_is_lost() -> None:
    check_pace()


@simulated
async def check_choked() -> None:
    async with connected() as here:
        here.paced.pause_writing()
        here.say(*[Frame(Opcode.PING, b"x" * 100)] * 200)
        await passes(60)
        assert here.pongs() <= PIECE_BYTES // 106 + 1
        assert not here.wire.is_read

        here.paced.resume_writing()
        await passes(60)
        assert here.wire.is_read
        assert here.pongs() >= 190


def test_pings_are_not_answered_to_a_peer_that_does_not_read() -> None:
    check_choked()


@simulated
async def check_taken_in_order() -> None:
    async with connected() as here:
        here.takes.clear()
        here.say(*[Frame(Opcode.TEXT, b"%d" % number) for number in range(500)])
        await passes(60)
        assert here.heard == ["0"]
        assert not here.wire.is_read

        here.takes.set()
        await passes(60)
        assert here.heard == [str(number) for number in range(500)]
        assert here.wire.is_read


def test_an_application_that_is_busy_is_given_the_rest_later_and_in_order() -> None:
    check_taken_in_order()


@simulated
async def check_pieces() -> None:
    async with connected() as here:
        here.say(Frame(Opcode.TEXT, b"a", fin=False), *[Frame(Opcode.CONT, b"b", fin=False)] * 900)
        here.say(Frame(Opcode.CONT, b"c"))
        await passes(60)
        assert here.heard == ["a" + 900 * "b" + "c"]

        here.say(Frame(Opcode.TEXT, b"", fin=False))
        here.say(*[Frame(Opcode.CONT, b"", fin=False)] * 2 * FRAGMENTS_MAX)
        await passes(60)
        here.answers()
        assert here.client.close_rcvd is not None
        assert here.client.close_rcvd.code == 1009
        assert here.wire.is_closing()


def test_a_message_that_never_ends_is_refused() -> None:
    check_pieces()


@simulated
async def check_farewell() -> None:
    async with connected() as here:
        here.say(*[Frame(Opcode.PING, b"")] * 3_000)
        here.paced.transport.close()
        await passes(FAREWELL_S - 1)
        assert not here.wire.is_aborted
        await passes(2)
        assert here.wire.is_aborted


def test_a_closed_connection_ends_though_its_peer_does_not_read() -> None:
    check_farewell()


@simulated
async def check_text(caplog: pytest.LogCaptureFixture) -> None:
    async with connected() as here:
        here.say(Frame(Opcode.TEXT, "half of Ü: ".encode() + b"\xc3", fin=False))
        here.say(Frame(Opcode.CONT, b"\x9c"))
        await passes(1)
        assert here.heard == ["half of Ü: Ü"]

        here.say(Frame(Opcode.TEXT, b"\xff"))
        await passes(1)
        here.answers()
        assert here.client.close_rcvd is not None
        assert here.client.close_rcvd.code == 1007
        assert not caplog.records


def test_a_text_that_is_none_is_refused_and_nobody_is_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    check_text(caplog)
