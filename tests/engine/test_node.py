"""The node as a whole: how it starts, beats, and describes itself."""

from __future__ import annotations

from typing import Any

import pytest

from tests.agent.local import ALPHA, BASE_URL, BETA, NODE, OPERATOR, Town
from tests.engine.speaker import bound, introduced, people
from tests.simulation.clock import later, now_ms, simulated
from treaty.engine.node import HEARTBEAT_MS
from treaty.engine.ports import Unit
from treaty.errors import UnavailableError
from treaty.identity.cards import open_card
from treaty.store.memory import MemoryStore
from treaty.wire.canonical import read_json


@simulated
async def test_a_node_says_who_it_is_and_who_operates_it() -> None:
    async with Town() as town:
        described: Any = await town.at_home().describe()

        assert described["uri"] == NODE
        assert described["versions"] == ["asp/0.1"]
        assert described["url"] == BASE_URL
        assert described["publicKey"] == town.signer.key.text
        assert described["operator"]["uri"] == OPERATOR
        assert described["operator"]["publicKey"] == town.operator.key.text
        assert open_card(described["card"]).key == town.signer.key
        assert described["endpoints"]["asp"] == f"{BASE_URL}/v1/asp"


@simulated
async def test_the_heart_beats_every_five_seconds() -> None:
    async with Town() as town:
        beats = set()
        for _ in range(60):
            beats.add(read_json(await town.inner.setting("heartbeat") or b"0"))
            await later(500)

        gaps = sorted(beats)
        assert 5 <= len(gaps) <= 8
        assert all(HEARTBEAT_MS <= b - a <= HEARTBEAT_MS + 300 for a, b in zip(gaps, gaps[1:]))  # type: ignore[operator]  # noqa: B905, RUF007


@simulated
async def test_a_heartbeat_that_cannot_be_written_is_tried_again() -> None:
    class Failing(MemoryStore):
        failing = False

        async def commit(self, unit: Unit) -> None:
            if self.failing:
                raise UnavailableError("no disk")
            await super().commit(unit)

    store = Failing()
    async with Town(store=store) as town:
        store.failing = True
        await later(12_000)
        assert town.complaints
        store.failing = False
        await later(1_000)

        beat = read_json(await town.inner.setting("heartbeat") or b"0")
        assert isinstance(beat, int)
        assert now_ms() - beat < 2_000


@simulated
async def test_everything_is_as_it_was_after_a_restart() -> None:
    async with Town() as town:
        alpha, beta = await people(town)
        sessions = [await introduced(alpha, beta), await bound(alpha, beta)]
        node = town.at_home()
        before = [await node.desk.state(f"session/{one}") for one in sessions]
        money = [await node.clearing.statement(one) for one in (ALPHA, BETA)]
        await town.stop()
        await town.wake()
        node = town.at_home()

        assert [await node.desk.state(f"session/{one}") for one in sessions] == before
        assert [await node.clearing.statement(one) for one in (ALPHA, BETA)] == money


@simulated
async def test_a_first_start_notes_no_outage() -> None:
    async with Town() as town:
        assert await town.inner.streams("session/") == []
        assert await town.inner.last("trust/log") == 1
        assert town.complaints == []


@pytest.mark.parametrize("changed", ["url", "nothing"])
def test_a_node_that_moved_registers_a_successor_of_its_card(changed: str) -> None:
    @simulated
    async def check() -> None:
        async with Town() as town:
            await town.stop()
            if changed == "url":
                town.base_url = "http://elsewhere.example"
            await town.wake()

            card = await town.at_home().registry.listed(NODE)
            assert card["version"] == (2 if changed == "url" else 1)

    check()
