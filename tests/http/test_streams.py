"""Streams go on, resume, wait for slow readers and let go of those who stopped."""

from __future__ import annotations

import asyncio
import json

import pytest

from tests.http.nodes import (
    ALPHA,
    BETA,
    Stream,
    inbox_stream,
    introduced,
    session_stream,
    settle,
    world,
)
from tests.simulation.clock import simulated
from treaty.http.limits import Settings
from treaty.http.streams import FAREWELL_S, Streams, event, event_of


def test_an_event_is_named_and_numbered() -> None:
    assert event("message", b"{}", 7) == b"id: 7\nevent: message\ndata: {}\n\n"


def test_an_event_beside_the_log_has_no_number() -> None:
    assert event_of("heartbeat", {"b": 1, "a": None}) == (
        b'event: heartbeat\ndata: {"a":null,"b":1}\n\n'
    )


@simulated
async def test_a_stream_is_an_event_stream_that_nobody_keeps() -> None:
    async with world() as here:
        _, alpha, _ = await introduced(here)
        stream = session_stream(here, alpha)

        assert await stream.begun() == 200
        assert stream.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert stream.headers["cache-control"] == "no-store"
        await stream.leave()


@simulated
async def test_what_comes_is_told_to_every_reader() -> None:
    async with world() as here:
        chain, alpha, beta = await introduced(here)
        readers = [session_stream(here, agent, query="after=4") for agent in (alpha, beta)]
        for reader in readers:
            await reader.begun()
        message = chain.said(chain.observation(alpha))

        await here.say(message)

        for reader in readers:
            told = await reader.next("message")
            assert (told.id, json.loads(told.data)["raw"].encode()) == ("5", message)
            await reader.leave()


@pytest.mark.parametrize("how", ["query", "header"])
@simulated
async def test_a_stream_resumes_behind_the_last_event(how: str) -> None:
    async with world() as here:
        _, alpha, _ = await introduced(here)
        resumed = {"query": "after=2"} if how == "query" else {"last_event_id": "2"}

        stream = session_stream(here, alpha, **resumed)

        assert [told.id for told in await stream.several(2, "message")] == ["3", "4"]
        await stream.leave()


@simulated
async def test_the_last_event_counts_more_than_the_address() -> None:
    async with world() as here:
        _, alpha, _ = await introduced(here)
        stream = session_stream(here, alpha, query="after=0", last_event_id="3")

        assert (await stream.next("message")).id == "4"
        await stream.leave()


@simulated
async def test_a_heartbeat_comes_every_fifteen_seconds() -> None:
    async with world() as here:
        _, alpha, _ = await introduced(here)
        loop = asyncio.get_running_loop()
        stream = session_stream(here, alpha)
        await stream.begun()
        start = loop.time()

        for number in (1, 2, 3):
            beat = await stream.next("heartbeat")
            assert loop.time() - start == pytest.approx(15 * number, abs=0.01)
            assert json.loads(beat.data) == {
                "state": "INTRODUCED",
                "timestamp": "2026-03-07T14:00:00.000Z",
            }
        await stream.leave()


@simulated
async def test_the_heart_beats_while_there_is_much_to_tell() -> None:
    async with world() as here:
        chain, alpha, beta = await introduced(here)
        stream = session_stream(here, alpha, query="after=4")
        await stream.begun()
        for number in range(4):
            await pass_time(6)
            await here.say(chain.said(chain.observation((alpha, beta)[number % 2])))
            await stream.next("message")

        assert (await stream.next("heartbeat")).name == "heartbeat"
        await stream.leave()


async def pass_time(seconds: float) -> None:
    """Let simulated time pass."""
    try:
        async with asyncio.timeout(seconds):
            await asyncio.Event().wait()
    except TimeoutError:
        return


@simulated
async def test_a_reader_who_leaves_makes_room_at_once() -> None:
    async with world(settings=Settings(streams_max=1)) as here:
        _, alpha, beta = await introduced(here)
        stream = session_stream(here, alpha)
        await stream.begun()
        assert (here.app.gate.in_flight, here.app.gate.streams) == (0, 1)

        full = session_stream(here, beta)
        assert await full.begun() == 503
        assert json.loads(full.body)["code"] == "overloaded"

        await stream.leave()
        assert here.app.gate.streams == 0
        again = session_stream(here, beta)
        assert await again.begun() == 200
        await again.leave()


@simulated
async def test_a_slow_reader_costs_no_memory_and_misses_nothing() -> None:
    async with world() as here:
        chain, alpha, beta = await introduced(here)
        stream = session_stream(here, alpha, query="after=4")
        await stream.begun()
        await stream.next("session_state")
        reads = 0
        read = here.node.sessions.entries

        async def counted(*args):
            nonlocal reads
            reads += 1
            return await read(*args)

        here.node.sessions.entries = counted
        stream.held.clear()
        for number in range(100):
            here.clock.now_ms += 200
            await here.say(chain.said(chain.observation((alpha, beta)[number % 2])))
        await settle()
        assert reads <= 2, "nothing is read ahead of the reader"

        stream.held.set()

        told = await stream.several(100, "message")
        assert [int(one.id) for one in told] == list(range(5, 105))
        await stream.leave()


@simulated
async def test_a_reader_who_stops_reading_is_let_go() -> None:
    async with world() as here:
        chain, alpha, _ = await introduced(here)
        loop = asyncio.get_running_loop()
        stream = session_stream(here, alpha, query="after=4")
        await stream.begun()
        await stream.next("session_state")
        stream.held.clear()
        start = loop.time()

        await here.say(chain.said(chain.observation(alpha)))
        await stream.task

        assert stream.aborted
        assert loop.time() - start == pytest.approx(60, abs=1)
        assert here.app.gate.streams == 0


@simulated
async def test_a_closing_server_ends_its_streams() -> None:
    async with world() as here:
        _, alpha, beta = await introduced(here)
        streams = [session_stream(here, alpha), inbox_stream(here, beta)]
        for stream in streams:
            await stream.begun()

        here.app.close_streams()

        for stream in streams:
            await stream.task
        late = session_stream(here, alpha)
        await late.task
        assert late.status == 200
        assert late.waiting() == 0


@simulated
async def test_a_stream_outlasts_the_deadline_of_a_request() -> None:
    async with world(settings=Settings(request_ms=1_000)) as here:
        _, alpha, _ = await introduced(here)
        stream = session_stream(here, alpha)

        beats = await stream.several(3, "heartbeat")

        assert len(beats) == 3
        await stream.leave()


@simulated
async def test_no_watch_is_left_behind() -> None:
    async with world() as here:
        _, alpha, _ = await introduced(here)
        path = "/v1/asp/sessions/nothing/events"
        refused = Stream(here.app, path, dpop=alpha.proof(path))
        await refused.task
        stream = session_stream(here, alpha)
        await stream.begun()
        await stream.leave()

        assert here.node.desk._watches == {}
        assert {ALPHA, BETA} == {one["uri"] for one in (await here.view(alpha))["participants"]}


@simulated
async def test_who_does_not_read_is_hardly_waited_for_when_the_streams_end() -> None:
    streams, loop = Streams(), asyncio.get_running_loop()
    began = loop.time()
    waiting = asyncio.create_task(streams.sent(loop.create_future(), stall_s=60))
    loop.call_later(5, streams.close)
    with pytest.raises(TimeoutError):
        await waiting
    with pytest.raises(TimeoutError):
        await streams.sent(loop.create_future(), stall_s=60)
    assert loop.time() - began == pytest.approx(5 + 2 * FAREWELL_S, abs=0.01)
