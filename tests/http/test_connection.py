"""What a connection may do before its request is whole."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from tests.http.nodes import World, connection, served
from treaty.http.connection import reset
from treaty.http.limits import Settings

QUICK = Settings(head_ms=150, request_ms=150)
GET = b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n"


def over_the_network(
    settings: Settings = QUICK,
) -> Callable[[Callable[[World], Awaitable[None]]], Callable[[], None]]:
    """Run a test against a served node."""

    def decorate(test: Callable[[World], Awaitable[None]]) -> Callable[[], None]:
        async def main() -> None:
            async with served(settings=settings) as here:
                await test(here)
                assert (await here.http.get("/healthz")).status_code == 200

        def run() -> None:
            asyncio.run(main())

        run.__name__ = test.__name__
        return run

    return decorate


async def drip(writer, data: bytes) -> None:
    """Send byte by byte, slowly, until the other side has enough."""
    try:
        for byte in data:
            writer.write(bytes((byte,)))
            await writer.drain()
            await tick(0.02)
    except ConnectionError:
        return


async def tick(seconds: float) -> None:
    """Wait for the network, which has a clock of its own."""
    try:
        async with asyncio.timeout(seconds):
            await asyncio.Event().wait()
    except TimeoutError:
        return


async def ends(reader) -> bytes:
    """What comes before the connection ends, however it ends."""
    async with asyncio.timeout(20):
        try:
            return await reader.read()
        except ConnectionError:
            return b""


@over_the_network()
async def test_a_head_that_drips_is_cut_off_while_others_are_served(here: World) -> None:
    async with connection(here) as (reader, writer):
        dripping = asyncio.create_task(drip(writer, GET[:-2] + b"x-a: 1\r\n" * 100))
        for _ in range(5):
            assert (await here.http.get("/healthz")).status_code == 200

        assert await ends(reader) == b""
        await dripping


@over_the_network()
async def test_silence_is_cut_off(here: World) -> None:
    async with connection(here) as (reader, _):
        assert await ends(reader) == b""


@over_the_network()
async def test_a_body_that_drips_is_told_and_cut_off(here: World) -> None:
    async with connection(here) as (reader, writer):
        writer.write(
            b"POST /v1/asp/agents HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
            b"content-length: 1000\r\n\r\n"
        )
        dripping = asyncio.create_task(drip(writer, b" " * 1_000))

        answer = await reader.readuntil(b"}")
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert b'"code":"timeout"' in answer
        assert await ends(reader) == b""
        await dripping


@over_the_network(Settings())
async def test_what_follows_a_refused_body_is_thrown_away_up_to_a_size(here: World) -> None:
    async with connection(here) as (reader, writer):
        writer.write(
            b"POST /v1/asp/agents HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
            b"content-length: 100000000\r\n\r\n"
        )
        assert (await reader.readuntil(b"}")).startswith(b"HTTP/1.1 413 ")
        for _ in range(50):
            writer.write(b" " * 100_000)

        assert await ends(reader) == b""


@over_the_network(Settings())
async def test_a_head_without_end_is_cut_off(here: World) -> None:
    async with connection(here) as (reader, writer):
        writer.write(b"GET /healthz HTTP/1.1\r\n")
        for number in range(40):
            writer.write(b"x-%d: " % number + b"a" * 2_000 + b"\r\n")

        assert await ends(reader) == b""


@over_the_network(Settings())
async def test_trailers_without_end_are_cut_off(here: World) -> None:
    async with connection(here) as (reader, writer):
        writer.write(
            b"POST /v1/asp/agents HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
            b"transfer-encoding: chunked\r\n\r\n0\r\n"
        )
        for number in range(400):
            writer.write(b"x-%d: " % number + b"a" * 2_000 + b"\r\n")

        assert await ends(reader) == b""


@over_the_network()
async def test_a_second_request_may_be_cut_off_too(here: World) -> None:
    async with connection(here) as (reader, writer):
        writer.write(GET)
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 ")
        await reader.readexactly(len(b'{"status":"ok"}'))
        writer.write(b"GET /heal")

        assert await ends(reader) == b""


@over_the_network()
async def test_many_requests_on_one_connection_are_answered(here: World) -> None:
    async with connection(here) as (reader, writer):
        for _ in range(5):
            for piece in (GET[:10], GET[10:]):
                writer.write(piece)
                await tick(0.06)
            await reader.readuntil(b'{"status":"ok"}')


@over_the_network(Settings())
async def test_requests_sent_ahead_are_answered_in_order(here: World) -> None:
    async with connection(here) as (reader, writer):
        writer.write(GET * 3 + GET.replace(b"healthz", b"nothing"))

        for _ in range(3):
            await reader.readuntil(b'{"status":"ok"}')
        assert b"404" in await reader.readuntil(b"\r\n\r\n")


@pytest.mark.parametrize("nonsense", [b"\x16\x03\x01\x02\x00", b"HELO there\r\n\r\n"])
def test_what_is_no_http_is_refused(nonsense: bytes) -> None:
    @over_the_network(Settings())
    async def test(here: World) -> None:
        async with connection(here) as (reader, writer):
            writer.write(nonsense)

            assert (await ends(reader)).startswith(b"HTTP/1.1 400 ")

    test()


@over_the_network(Settings())
async def test_a_websocket_is_offered_for_sessions_alone(here: World) -> None:
    async with connection(here) as (reader, writer):
        writer.write(
            b"GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n"
            b"sec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        )

        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 404 ")


async def crowded() -> None:
    settings = Settings(connections_max=2)
    async with served(settings=settings) as here, connection(here) as (one, first):
        first.write(GET)
        assert (await one.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
        async with connection(here) as (other, second):
            second.write(GET)
            assert (await other.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 503 ")


def test_connections_are_bounded() -> None:
    asyncio.run(crowded())


def test_a_connection_that_is_reset_leaves_nothing_to_read() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        made: asyncio.Future[asyncio.Transport] = loop.create_future()

        class Served(asyncio.Protocol):
            def connection_made(self, transport: asyncio.BaseTransport) -> None:
                assert isinstance(transport, asyncio.Transport)
                transport.write(b"x" * 1_000_000)
                made.set_result(transport)

        async with await loop.create_server(Served, "127.0.0.1") as server:
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            reset(await made)
            with pytest.raises(ConnectionResetError):
                await reader.read()
            writer.close()

    asyncio.run(main())
