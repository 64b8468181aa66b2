"""A served node: overload, deadlines, a whole network between, and an orderly end."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import pytest

from tests.http.nodes import (
    ALPHA,
    MESSAGES,
    SESSION,
    Agent,
    World,
    connection,
    introduced,
    served,
    session_stream,
    world,
)
from tests.simulation.clock import simulated
from treaty.errors import UnavailableError
from treaty.http.limits import Settings
from treaty.http.server import listen
from treaty.store.sqlite import SqliteStore


class Slow:
    """A request whose body does not come to its end until it is told to."""

    def __init__(self, here: World, body: bytes = b"{}") -> None:
        self._body = body
        self._rest = asyncio.Event()
        self.sent: list[dict[str, Any]] = []
        scope = {
            "type": "http",
            "method": "POST",
            "path": "/",
            "raw_path": b"/v1/asp/agents",
            "query_string": b"",
            "headers": [(b"content-type", b"application/json")],
            "client": ("127.0.0.1", 1),
        }
        self.task = asyncio.create_task(here.app(scope, self._receive, self._send))

    async def _receive(self) -> dict[str, Any]:
        if self._body:
            piece, self._body = self._body, b""
            return {"type": "http.request", "body": piece, "more_body": True}
        await self._rest.wait()
        return {"type": "http.request", "body": b"", "more_body": False}

    async def _send(self, message: Any) -> None:
        self.sent.append(message)

    async def finish(self) -> int:
        self._rest.set()
        await self.task
        status: int = self.sent[0]["status"]
        return status


@simulated
async def test_the_sixty_fifth_request_is_asked_to_come_again() -> None:
    async with world() as here:
        slow = [Slow(here) for _ in range(64)]
        await asyncio.sleep(0)

        answer = await here.http.get("/healthz")

        assert (answer.status_code, answer.json()["code"]) == (503, "overloaded")
        assert answer.headers["retry-after"] == "1"
        assert [await one.finish() for one in slow] == [400] * 64
        assert (await here.http.get("/healthz")).status_code == 200
        assert here.app.gate.in_flight == 0


@simulated
async def test_an_open_stream_takes_no_room_from_requests() -> None:
    async with world(settings=Settings(in_flight_max=1)) as here:
        _, alpha, _ = await introduced(here)
        stream = session_stream(here, alpha)
        await stream.begun()

        assert (await here.http.get("/healthz")).status_code == 200
        await stream.leave()


@simulated
async def test_a_body_that_does_not_end_is_cut_off() -> None:
    async with world() as here:
        loop = asyncio.get_running_loop()
        start = loop.time()
        slow = Slow(here)

        await slow.task

        assert loop.time() - start == pytest.approx(10, abs=0.1)
        assert slow.sent[0]["status"] == 408
        assert json.loads(slow.sent[1]["body"])["code"] == "timeout"
        assert here.app.gate.in_flight == 0


@simulated
async def test_an_answer_that_does_not_come_is_given_up() -> None:
    async with world() as here:

        async def never(_raw):
            await asyncio.Event().wait()

        here.node.registry.register = never
        alpha = Agent(ALPHA, here.clock)

        answer = await here.post("/v1/asp/agents", alpha.card())

        assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
        assert here.app.gate.in_flight == 0


@simulated
async def test_a_client_that_leaves_is_not_answered() -> None:
    async with world() as here:
        sent: list[Any] = []

        async def gone() -> dict[str, Any]:
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {
            "type": "http",
            "method": "POST",
            "raw_path": b"/v1/asp/agents",
            "headers": [(b"content-type", b"application/json")],
            "client": None,
            "query_string": b"",
        }
        await here.app(scope, gone, send)

        assert (sent, here.app.gate.in_flight) == ([], 0)


@simulated
async def test_an_address_over_its_rate_is_refused() -> None:
    async with world(settings=Settings(rate_per_minute=2)) as here:
        answers = [await here.http.get("/healthz") for _ in range(3)]

        assert [one.status_code for one in answers] == [200, 200, 429]
        assert answers[2].json()["code"] == "rate_limited"
        assert answers[2].headers["retry-after"] == "31"


async def one_mebibyte() -> None:
    async with served() as here:
        chain, alpha, _ = await introduced(here)

        answer = await here.post(MESSAGES, b"x" * 2**20)

        assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
        await here.say(chain.said(chain.observation(alpha)))
        assert (await here.view(alpha))["messageCount"] == 5


def test_a_body_of_one_mebibyte_is_refused_and_the_node_lives() -> None:
    asyncio.run(one_mebibyte())


async def chunked_flood() -> None:
    async with served() as here, connection(here) as (reader, writer):
        writer.write(
            b"POST /v1/asp/agents HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
            b"transfer-encoding: chunked\r\n\r\n"
        )
        chunk = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
        for _ in range(5):
            writer.write(chunk)

        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 413 ")
        writer.write(b"0\r\n\r\nGET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")
        await reader.readuntil(b"HTTP/1.1 200 ")


def test_a_body_without_a_length_is_refused_when_it_gets_too_large() -> None:
    asyncio.run(chunked_flood())


async def deep() -> None:
    async with served() as here:
        answer = await here.post(MESSAGES, b"[" * 10_000 + b"]" * 10_000)

        assert (answer.status_code, answer.json()["code"]) == (400, "malformed")
        assert (await here.http.get("/healthz")).status_code == 200


def test_json_ten_thousand_levels_deep_is_refused_and_the_node_lives() -> None:
    asyncio.run(deep())


async def restarted(path) -> None:
    async with served(store=await SqliteStore.open(path)) as here:
        chain, alpha, beta = await introduced(here)
        message = chain.said(chain.observation(alpha))
        receipt = await here.send(message)
        port = int(here.url.rpartition(":")[2])
    async with served(store=await SqliteStore.open(path), port=port) as here:
        again = await here.send(message)

        assert again.content == receipt.content
        view = await here.view(alpha)
        assert (view["messageCount"], view["head"]) == (5, chain.head)
        await here.say(chain.said(chain.observation(beta)))


def test_what_was_acknowledged_is_there_after_a_restart(tmp_path) -> None:
    asyncio.run(restarted(tmp_path / "node.db"))


async def stopped() -> None:
    async with served() as here:
        _, alpha, _ = await introduced(here)
        path = f"/v1/asp/sessions/{SESSION}/events"
        headers = {"DPoP": alpha.proof(path)}
        async with here.http.stream("GET", path, headers=headers) as stream:
            chunks = stream.aiter_bytes()
            assert await anext(chunks) == b"retry: 1000\n\n"
            here.app.close_streams()
            rest = [chunk async for chunk in chunks]
        assert b"id: 4" in b"".join(rest)


def test_streams_end_in_order_when_the_server_stops() -> None:
    asyncio.run(stopped())


async def ended_with_a_request_in_flight() -> None:
    going = asyncio.Event()
    async with httpx.AsyncClient(trust_env=False) as client:
        async with served() as here:
            register = here.node.registry.register

            async def slowly(raw: bytes):
                going.set()
                for _ in range(100):
                    await asyncio.sleep(0)
                return await register(raw)

            here.node.registry.register = slowly
            card = Agent(ALPHA, here.clock, here.url).card()
            path = f"{here.url}/v1/asp/agents"
            headers = {"content-type": "application/json"}
            asked = asyncio.create_task(client.post(path, content=card, headers=headers))
            await going.wait()
            assert not asked.done()
        assert (await asked).status_code == 201


def test_a_request_in_flight_is_answered_when_the_server_stops() -> None:
    asyncio.run(ended_with_a_request_in_flight())


def test_a_port_that_is_taken_is_unavailable() -> None:
    with (
        listen("127.0.0.1", 0) as taken,
        pytest.raises(UnavailableError, match=r"cannot listen on 127\.0\.0\.1"),
    ):
        listen("127.0.0.1", taken.getsockname()[1])


def test_a_port_is_bound_on_the_sixth_version_too() -> None:
    try:
        listening = listen("::1", 0)
    except UnavailableError:
        pytest.skip("this machine has no IPv6 loopback")
    with listening:
        assert listening.getsockname()[1] > 0
