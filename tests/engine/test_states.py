"""States in memory: the most recently used, bounded in number and in bytes."""

from __future__ import annotations

import random

import pytest

from tests.agent.local import Town
from tests.engine.speaker import introduced, people, proposal_of
from tests.simulation.clock import later, simulated
from treaty.engine import states
from treaty.engine.hosted import session_stream
from treaty.engine.states import States
from treaty.engine.transaction import Loaded


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(states, "STATES_MAX", 4)
    monkeypatch.setattr(states, "BYTES_MAX", 1_000)


def names(kept: States) -> list[str]:
    return list(kept._kept)


def test_the_ones_used_last_are_kept() -> None:
    kept = States()
    for name in "abcd":
        kept.keep(name, Loaded(1, name))
    assert kept.get("a") is not None
    kept.keep("e", Loaded(1, "e"))

    assert names(kept) == ["c", "d", "a", "e"]
    assert kept.get("b") is None


def test_heavy_states_make_room_for_each_other() -> None:
    kept = States()
    for name in "abc":
        kept.keep(name, Loaded(1, name, 400))

    assert names(kept) == ["b", "c"]


def test_the_one_in_use_stays_however_heavy_it_is() -> None:
    kept = States()
    kept.keep("a", Loaded(1, "a", 10))
    kept.keep("b", Loaded(1, "b", 5_000))

    assert names(kept) == ["b"]
    kept.keep("c", Loaded(1, "c", 10))
    assert names(kept) == ["c"]


def test_a_state_that_grows_is_weighed_anew() -> None:
    kept = States()
    for size in (100, 500, 900):
        kept.keep("a", Loaded(1, "a", size))
    kept.keep("b", Loaded(1, "b", 90))
    assert names(kept) == ["a", "b"]
    kept.drop("a")
    kept.drop("a")
    kept.keep("c", Loaded(1, "c", 900))
    assert names(kept) == ["b", "c"]


def test_what_is_pinned_stays_and_can_be_looked_at_even_when_it_was_dropped() -> None:
    kept = States()
    kept.pin("p")
    assert kept.peek("p") is None
    kept.keep("p", Loaded(1, "first"))
    for name in "abcdefgh":
        kept.keep(name, Loaded(1, name, 300))
    assert kept.get("p") is not None
    kept.drop("p")
    assert (kept.get("p"), kept.peek("p")) == (None, "first")


@pytest.mark.parametrize("seed", range(10))
def test_the_books_are_kept(seed: int) -> None:
    chance = random.Random(seed)
    kept = States()
    kept.pin("p")
    for _ in range(500):
        name = chance.choice("pabcdefgh")
        if chance.random() < 0.2:
            kept.drop(name)
        else:
            kept.keep(name, Loaded(1, name, chance.randrange(600)))
        held = sum(one.held_bytes for one in kept._kept.values())
        assert kept._bytes == held
        free = [one for one in kept._kept if one != "p"]
        assert len(free) <= 4
        assert held <= 1_000 or len(free) <= 1


@simulated
async def test_a_session_weighs_what_was_said_in_it_warm_or_cold() -> None:
    async with Town() as town:
        alpha, beta = await people(town)
        session = await introduced(alpha, beta)
        stream = session_stream(session)
        for number in range(3):
            await alpha.say(session, "PROPOSE", proposal_of(f"p{number}", pad="x" * 500))
            await later(100)
        desk = town.at_home().desk
        warm = desk._states.get(stream)
        assert warm is not None
        entries = await town.log_of(session)
        assert warm.held_bytes == sum(len(one.body) + len(one.raw or b"") for one in entries)
        desk.forget(stream)
        await desk.state(stream)
        cold = desk._states.get(stream)
        assert cold is not None
        assert cold.held_bytes == warm.held_bytes
