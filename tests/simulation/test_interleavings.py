"""Both speak at the same moment, hundreds of times: one wins, the other decides again (B7).

Every run is repeated by its seed, which is the number in the test's name.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal

import pytest

from tests.agent.local import ALPHA, BETA, Roads, Town
from tests.agent.scene import (
    FUNDS_UNITS,
    alpha_of,
    audit,
    beta_of,
    beta_service,
    end,
    strike,
)
from tests.simulation.clock import later, now_ms, simulate
from tests.simulation.wanderers import Wanderer
from treaty.agent import Agent, BuyerPolicy, Deal, SellerPolicy, Tier, serve
from treaty.errors import Refused

HOUR_MS = 3_600_000
DELAYS_MS = (0, 3, 40, 400)


def calm(seed: int) -> Roads:
    """Messages take their time and arrive."""
    return Roads(seed, delay_ms=(0, DELAYS_MS[seed % len(DELAYS_MS)]))


def bad(seed: int) -> Roads:
    """Requests and answers are lost and doubled; streams break, stutter and change their order."""
    return Roads(
        seed, delay_ms=(0, DELAYS_MS[seed % len(DELAYS_MS)]),
        drop=0.06, double=0.1, reorder=0.2, cut=0.1,
    )  # fmt: skip


@asynccontextmanager
async def introduced(seed: int, roads: Roads) -> AsyncIterator[tuple[Town, Deal, Deal]]:
    """A town and one session in it, with both identities shown."""
    async with (
        Town(seed=seed, roads=Roads()) as town,
        beta_of(town) as beta,
        alpha_of(town) as alpha,
    ):
        await town.fund(ALPHA, FUNDS_UNITS)
        await town.attest(BETA)
        town.roads = roads
        answering = asyncio.create_task(answer(beta))
        deal = await alpha.invite(BETA)
        yield town, deal, await answering


async def answer(beta: Agent) -> Deal:
    """Take the first invitation."""
    async for item in beta.client.inbox(0):
        deal = await beta.join(str(item.body["session"]), ALPHA)
        await deal.accept()
        await deal.until(lambda now: ALPHA in now.session.marks)
        await deal.introduce(beta.card)
        return deal
    raise AssertionError("nobody was invited")


async def wander(seed: int, roads: Roads) -> Counter[str]:
    """Two wanderers in one session, to its end."""
    async with introduced(seed, roads) as (town, alpha, beta):
        both = [
            Wanderer(deal, random.Random(f"{deal.me} {seed}"), patience=20)
            for deal in (alpha, beta)
        ]
        until_ms = now_ms() + HOUR_MS
        await asyncio.gather(*(one.wander(until_ms) for one in both))
        roads.calm = True
        await later(10_000)
        assert alpha.conversation == beta.conversation
        assert alpha.state == "CLOSED"
        await audit(town, alpha.id)
        assert not town.complaints
        return both[0].said + both[1].said + Counter(overtaken=sum(one.overtaken for one in both))


@pytest.mark.parametrize("seed", range(160))
def test_whoever_is_overtaken_decides_again_and_the_session_ends_well(seed: int) -> None:
    said = simulate(wander(seed, calm(seed)))

    assert said["close"] >= 2


@pytest.mark.parametrize("seed", range(1_000, 1_060))
def test_bad_roads_change_nothing_but_the_time_it_takes(seed: int) -> None:
    said = simulate(wander(seed, bad(seed)))

    assert said["close"] >= 1


async def wander_among_deaths(seed: int) -> int:
    """Two wanderers, bad roads, and a node that dies of some of its commits."""
    chance = random.Random(f"deaths {seed}")
    roads = bad(seed)
    async with introduced(seed, Roads()) as (town, alpha, beta):
        keeper = asyncio.create_task(town.keep_alive(300))
        town.roads = roads
        town._fate = lambda _unit: (
            chance.choice(["before", "after"]) if chance.random() < 0.06 else None
        )
        both = [
            Wanderer(deal, random.Random(f"{deal.me} {seed}"), patience=16)
            for deal in (alpha, beta)
        ]
        until_ms = now_ms() + HOUR_MS
        await asyncio.gather(*(one.wander(until_ms) for one in both))
        town._fate = None
        roads.calm = True
        await later(20_000)
        await end(keeper)
        assert alpha.conversation == beta.conversation
        assert alpha.state == "CLOSED"
        await audit(town, alpha.id)
        return town.deaths


@pytest.mark.parametrize("seed", range(2_000, 2_030))
def test_a_node_that_dies_again_and_again_changes_nothing_either(seed: int) -> None:
    assert simulate(wander_among_deaths(seed)) >= 0


def test_they_do_die() -> None:
    assert sum(simulate(wander_among_deaths(seed)) for seed in range(2_000, 2_008)) > 5


def test_they_do_collide() -> None:
    """What the tests above are for happens in them, again and again."""
    said: Counter[str] = sum((simulate(wander(seed, calm(seed))) for seed in range(16)), Counter())

    assert said["overtaken"] > 60
    assert {"propose", "counter", "accept", "reject", "withdraw", "commit", "fulfil"} <= set(said)


async def bargain(seed: int, roads: Roads) -> Deal | None:
    """Both loops with policies drawn by the seed; None when they cannot agree."""
    chance = random.Random(f"policies {seed}")
    service = beta_service(policy=seller_of(chance), rating=chance.choice([None, 1, 3, 5]))
    async with (
        Town(seed=seed, roads=Roads()) as town,
        beta_of(town) as beta,
        alpha_of(town) as alpha,
    ):
        await town.fund(ALPHA, 100_000)
        await town.attest(BETA)
        town.roads = roads
        serving = asyncio.create_task(serve(beta, service))
        listed = Tier(chance.choice([Decimal("3.50"), Decimal("5.00")]), Decimal("99.9"))
        try:
            deal = await strike(alpha, policy=buyer_of(chance), listed=listed)
        except Refused as refusal:
            if refusal.code != "unspecified":
                raise
            return None
        finally:
            await end(serving)
        await audit(town, deal.id, funded_units=100_000)
        return deal


def price(chance: random.Random, least: int, most: int) -> Decimal:
    return Decimal(chance.randrange(least, most)) / 100


def seller_of(chance: random.Random) -> SellerPolicy:
    floor = price(chance, 200, 450)
    tiers = (
        Tier(floor + price(chance, 0, 150), Decimal("99.9")),
        Tier(floor + price(chance, 50, 250), Decimal("99.95")),
    )
    return SellerPolicy(
        tiers=tiers,
        floor=floor,
        concede=Decimal(chance.choice(["0.2", "0.5", "0.9"])),
        rounds_max=chance.randrange(1, 6),
        strategy=chance.choice(["concede", "split_the_difference", "take_it_or_leave_it"]),
    )


def buyer_of(chance: random.Random) -> BuyerPolicy:
    return BuyerPolicy(
        ask=Decimal("5.00"),
        reservation=price(chance, 250, 600),
        split=Decimal(chance.choice(["0.3", "0.5", "0.8"])),
        quality_min=Decimal("99.9"),
        rounds_max=chance.randrange(1, 6),
        strategy=chance.choice(["concede", "split_the_difference"]),
    )


@pytest.mark.parametrize("seed", range(40))
def test_random_policies_come_to_an_end_within_their_limits(seed: int) -> None:
    chance = random.Random(f"policies {seed}")
    floor, _ = seller_of(chance).floor, chance.choice([None, 1, 3, 5])
    chance.choice([1, 2])
    reservation = buyer_of(chance).reservation

    deal = simulate(bargain(seed, bad(seed) if seed % 2 else calm(seed)))

    if deal is not None:
        agreed = deal.agreed()
        assert agreed is not None
        assert floor <= Decimal(str(agreed.terms["pricePerHour"])) <= reservation
        assert deal.state == "CLOSED"


def test_policies_agree_and_fail_to_agree() -> None:
    deals = [simulate(bargain(seed, calm(seed))) for seed in range(18)]

    assert any(deals)
    assert not all(deals)


@pytest.mark.parametrize("winner", ["alpha", "beta"])
def test_of_two_at_once_one_is_told_what_it_missed(winner: str) -> None:
    """The bare exchange: same head, same moment; 409 with the missed message, then a hold."""
    simulate(check_collision(winner))


async def check_collision(winner: str) -> None:
    async with introduced(1, Roads()) as (_, alpha, beta):
        first, second = (alpha, beta) if winner == "alpha" else (beta, alpha)
        head = first.conversation.head
        won, lost = await asyncio.gather(
            first.propose({"pricePerHour": 3}), second.propose({"pricePerHour": 4}),
            return_exceptions=True,
        )  # fmt: skip
        assert not isinstance(won, BaseException)
        assert won.previous_hash == head
        assert type(lost).__name__ == "OvertakenError"
        refusal = lost.__cause__
        assert isinstance(refusal, Refused)
        assert (refusal.code, refusal.reason.status) == ("chain_stale", 409)
        assert refusal.data["head"] == won.hash
        assert [item.raw for item in refusal.data["missed"]] == [won.raw]
        assert refusal.data["more"] is False
        assert second.conversation.head == won.hash
