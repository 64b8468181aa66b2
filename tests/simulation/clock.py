"""A loop whose time is simulated: when nothing is left to do, it is later.

``@simulated`` runs an async test on it. Sleeps and timeouts of the code under test cost nothing
and happen in an order that is the same in every run; a day passes in a millisecond. When nothing
can ever happen again the loop says so instead of hanging.

Work of other threads (the writer of a SQLite store) takes real time: while ``outside`` counts
such work, the loop waits for it and its own time stands still.
"""

from __future__ import annotations

import asyncio
import functools
import math
import selectors
from collections.abc import Callable, Coroutine
from typing import Any

from treaty.wire.instants import parse_instant

START_MS = parse_instant("2026-03-07T14:00:00.000Z")
STALLED_S = 30.0
"""Real seconds that a thread may take; more is a hang."""


class SimulatedLoop(asyncio.SelectorEventLoop):
    """An event loop with a clock of its own, in whole microseconds."""

    def __init__(self, start_ms: int = START_MS) -> None:
        self.outside = 0
        self.start_ms = start_ms
        self._past_us = 0
        super().__init__(_Selector(self))
        self._clock_resolution = 1e-6

    def time(self) -> float:
        return self._past_us / 1e6

    def now_ms(self) -> int:
        """Milliseconds since 1970, as everybody in the simulation sees it."""
        return self.start_ms + round(self._past_us / 1000)

    def pass_s(self, span_s: float) -> None:
        """Let time pass; at least a little, or it might never be later."""
        self._past_us += max(1, math.ceil(span_s * 1e6))


class _Selector(selectors.DefaultSelector):
    """Passes simulated time instead of waiting."""

    def __init__(self, loop: SimulatedLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> Any:
        found = super().select(0)
        if found or (timeout is not None and timeout <= 0):
            return found
        if self._loop.outside:
            found = super().select(STALLED_S)
            assert found, "a thread has not answered"
            return found
        assert timeout is not None, "everybody waits and nothing will ever happen"
        self._loop.pass_s(timeout)
        return found


def simulate(main: Coroutine[Any, Any, Any], start_ms: int = START_MS) -> Any:
    """Run to the end in simulated time."""
    with asyncio.Runner(loop_factory=functools.partial(SimulatedLoop, start_ms)) as runner:
        return runner.run(main)


def simulated(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Run an async test in simulated time."""

    @functools.wraps(test)
    def run(*args: Any, **kwargs: Any) -> None:
        simulate(test(*args, **kwargs))

    return run


def now_ms() -> int:
    """The simulated time."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, SimulatedLoop)
    return loop.now_ms()


async def later(span_ms: float) -> None:
    """Come back when so much simulated time has passed."""
    loop = asyncio.get_running_loop()
    done = loop.create_future()
    loop.call_later(span_ms / 1000, _arrive, done)
    await done


def jump(span_ms: float) -> None:
    """Let so much simulated time pass at once, without what would have happened meanwhile."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, SimulatedLoop)
    loop.pass_s(span_ms / 1000)


def _arrive(done: asyncio.Future[None]) -> None:
    if not done.done():
        done.set_result(None)
