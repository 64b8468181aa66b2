"""The simulated loop itself."""

from __future__ import annotations

import asyncio
from threading import Thread

import pytest

from tests.simulation.clock import START_MS, later, now_ms, simulate, simulated


@simulated
async def test_a_day_passes_at_once_and_exactly() -> None:
    await later(86_400_000)

    assert now_ms() == START_MS + 86_400_000


@simulated
async def test_a_timeout_fires_at_its_time() -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(5):
            await asyncio.Event().wait()

    assert now_ms() == START_MS + 5_000


@simulated
async def test_what_is_due_earlier_happens_earlier() -> None:
    order = []

    async def come(span_ms: int) -> None:
        await later(span_ms)
        order.append(span_ms)

    await asyncio.gather(*(come(span_ms) for span_ms in (30, 10, 20)))

    assert order == [10, 20, 30]


def test_waiting_for_what_never_comes_is_a_failure_and_no_hang() -> None:
    with pytest.raises(AssertionError, match="nothing will ever happen"):
        simulate(asyncio.Event().wait())


@simulated
async def test_time_stands_still_while_a_thread_works() -> None:
    loop = asyncio.get_running_loop()
    done = loop.create_future()
    loop.outside += 1
    Thread(target=lambda: loop.call_soon_threadsafe(done.set_result, None)).start()

    await done
    loop.outside -= 1

    assert now_ms() == START_MS
