"""Whatever agents sign, the node answers in its own words, keeps every cent, and means it."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.attacks.liars import Liars
from tests.http.nodes import ALPHA, BETA, World, make_node, transfer, world
from tests.simulation.clock import simulated
from treaty.store.memory import MemoryStore

AGENTS = (ALPHA, BETA, "agent://gamma.example/trade/c", "agent://delta.example/trade/d")
FUNDS = 90_000
STEPS = 1_500
SESSION, ACCOUNT = "session", "account"


async def lied(here: World, seed: int, steps: int) -> Liars:
    """So many steps of lies among four agents with money."""
    agents = [await here.agent(uri) for uri in AGENTS]
    for number, uri in enumerate(AGENTS):
        funds = await here.post(
            "/v1/ledger/transfers", transfer("fund", uri, "900.00", f"f{number}")
        )
        assert funds.status_code == 201
    liars = Liars(here, agents, seed)
    for _ in range(steps):
        await liars.step()
    await here.do_what_is_due()
    return liars


async def check_money(here: World, funded: Counter[str]) -> None:
    """No account is below zero, and what all have is what came from outside."""
    desk = here.node.desk
    accounts = [await desk.state(name) for name in await desk.store.streams(f"{ACCOUNT}/")]
    held = Counter()
    for one in accounts:
        held[one.id.asset] += one.settled_units
        assert one.available_units >= 0
    assert held == funded + Counter(USD=len(AGENTS) * FUNDS)


async def check_fold(here: World, store: MemoryStore) -> None:
    """A node that reads what is stored knows what this one knows."""
    again = make_node(store, here.clock)
    for prefix in (SESSION, ACCOUNT):
        for name in await store.streams(f"{prefix}/"):
            assert await again.desk.state(name) == await here.node.desk.state(name), name


@pytest.mark.slow
@pytest.mark.parametrize("seed", [3, 5, 8])
@simulated
async def test_nothing_that_is_signed_ends_in_a_mistake_of_the_node(seed: int) -> None:
    store = MemoryStore()
    async with world(store=store) as here:
        liars = await lied(here, seed, STEPS)

        assert not liars.found.wrong, "\n".join(liars.found.wrong)
        await check_money(here, liars.found.funded)
        await check_fold(here, store)

    # They get as far as where it matters, or this proves little.
    assert liars.found.said.keys() >= {"COMMIT", "ACCEPT", "CLOSE", "ESCALATE"}
