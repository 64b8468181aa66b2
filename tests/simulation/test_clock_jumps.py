"""The clock jumps an hour forward or back: no timer fires twice, and none is lost (B10)."""

from __future__ import annotations

import asyncio
import json
from itertools import product
from typing import Any

import pytest

from tests.http.nodes import ALPHA, BETA, SESSION, Agent, Chain, Clock, make_node
from treaty.engine.hosted import Hosted, session_stream
from treaty.engine.node import Node
from treaty.engine.ports import Store
from treaty.store.memory import MemoryStore

HOUR, MINUTE = 3_600_000, 60_000
STREAM = session_stream(SESSION)
STEPS = 400


async def opened(store: Store, clock: Clock) -> tuple[Node, Chain]:
    node = make_node(store, clock)
    await node.start()
    alpha, beta = (Agent(uri, clock) for uri in (ALPHA, BETA))
    for agent in (alpha, beta):
        await node.registry.register(agent.card())
    return node, Chain(alpha, beta)


async def say(node: Node, chain: Chain, messages: list[bytes]) -> None:
    for number, message in enumerate(messages):
        if number == 0:
            await node.sessions.open(message)
        else:
            await node.sessions.submit(chain.session, message)


async def timers(store: Store) -> list[str]:
    """Names of the timers that have fired, in the order of the log."""
    found = []
    for entry in await store.read(STREAM, 0, 10_000):
        body: Any = json.loads(entry.body)
        if body.get("fact") == "timer":
            found.append(body["data"]["name"])
    return found


async def state(node: Node) -> str:
    hosted: Hosted = await node.desk.state(STREAM)
    return str(hosted.state.state)


async def work(node: Node) -> None:
    """Do all that is due now, as the node does in every round."""
    for _ in range(10):
        if not await node.outbox.run_due():
            return
    raise AssertionError("there is always something due: a timer fires for ever")


@pytest.mark.parametrize(("first", "second"), list(product((HOUR, -HOUR, 0), repeat=2)))
def test_an_invitation_expires_once_whatever_the_clock_does(first: int, second: int) -> None:
    async def check() -> None:
        store, clock = MemoryStore(), Clock()
        node, chain = await opened(store, clock)
        await say(node, chain, [chain.invitation()])
        for jump in (first, second):
            clock.now_ms += jump
            await work(node)
            clock.now_ms += 10_000
            await work(node)
        fired = await timers(store)
        assert fired in ([], ["invitation"])
        # None is lost: in the end, by whatever the clock then shows, it has fired, and once.
        clock.now_ms += 3 * HOUR
        await work(node)
        await work(node)
        assert await timers(store) == ["invitation"]
        assert await state(node) == "FAILED"

    asyncio.run(check())


@pytest.mark.parametrize("jumps", [(HOUR, -HOUR), (-HOUR, HOUR), (HOUR, HOUR), (-HOUR, -HOUR)])
def test_turn_and_idle_fire_once_each_in_a_session_that_is_left_alone(
    jumps: tuple[int, int],
) -> None:
    async def check() -> None:
        store, clock = MemoryStore(), Clock()
        node, chain = await opened(store, clock)
        await say(node, chain, chain.welcome(timeouts={"idleMs": 2 * MINUTE}))
        body = {"queryId": "q1", "queryType": "status"}
        limit = {"maxResponseTimeMs": MINUTE}
        await node.sessions.submit(
            SESSION, chain.next(chain.inviter, "QUERY", body, constraints=limit)
        )
        at = iter((30_000, 90_000))
        due, passed = next(at), 0
        moves = list(jumps)
        for _ in range(STEPS):
            clock.now_ms += 1_000
            passed += 1_000
            if moves and passed >= due:
                clock.now_ms += moves.pop(0)
                due = next(at, due)
            await work(node)
        # However far back it went, the clock has caught up by then.
        clock.now_ms += 4 * HOUR
        await work(node)
        fired = await timers(store)
        assert sorted(fired) in (
            [*("idle", f"turn:{BETA}")],
            # Far enough ahead the session itself has lasted its hour before anything else.
            [*("session", f"turn:{BETA}")],
        )
        assert len(set(fired)) == len(fired)
        assert await state(node) == "FAILED"

    asyncio.run(check())


def test_a_restart_between_two_jumps_fires_nothing_again() -> None:
    async def check() -> None:
        store, clock = MemoryStore(), Clock()
        node, chain = await opened(store, clock)
        await say(node, chain, [chain.invitation()])
        clock.now_ms += HOUR
        await work(node)
        assert await timers(store) == ["invitation"]
        for jump in (-HOUR, HOUR, HOUR):
            clock.now_ms += jump
            again = make_node(store, clock)
            await again.start()
            await work(again)
        assert await timers(store) == ["invitation"]

    asyncio.run(check())
