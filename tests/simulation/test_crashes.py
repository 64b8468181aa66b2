"""The node dies at every commit of the seed deal, before it and after it, and the deal is done.

What was acknowledged is not lost, and what was done is not done again (ARCHITECTURE, law 11).
Processes and real signals are for another test; here every moment is tried.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Container
from pathlib import Path

import pytest

from tests.agent.local import ALPHA, Town
from tests.agent.scene import audit, end, market, strike
from tests.simulation.clock import simulate
from tests.simulation.disk import Disk
from treaty.agent import Deal
from treaty.engine.ports import Unit

COMMITS = 15
"""Commits of the seed deal: one for each of its fourteen messages, and one for the outcome."""

SAID = [
    "PROPOSE", "ACCEPT", "INFORM", "INFORM", "PROPOSE", "COUNTER", "PROPOSE", "ACCEPT",
    "COMMIT", "ACCEPT", "INFORM", "INFORM", "CLOSE", "CLOSE",
]  # fmt: skip


class Reaper:
    """Takes the node's life at some of its commits, once it is told to."""

    def __init__(self, at: Container[int], when: str) -> None:
        self.at = at
        self.when = when
        self.waits = True
        self.seen = 0

    def __call__(self, _unit: Unit) -> str | None:
        if self.waits:
            return None
        self.seen += 1
        return self.when if self.seen in self.at else None


async def deal_beside(reaper: Reaper, pause_ms: float = 700, disk: Disk | None = None) -> Deal:
    """The seed deal while the reaper is about; the node comes back a moment after each death."""
    town = Town(fate=reaper, reopen=disk.reopen if disk else None)
    async with market(town) as (_, alpha, _beta):
        keeper = asyncio.create_task(town.keep_alive(pause_ms))
        reaper.waits = False
        deal = await strike(alpha)
        reaper.waits = True
        await end(keeper)
        await check_done_once(town, deal)
        assert (await alpha.trust(ALPHA))["score"] == 60.8
        assert town.deaths == len([one for one in range(reaper.seen + 1) if one in reaper.at])
    if disk:
        await disk.close()
    return deal


async def check_done_once(town: Town, deal: Deal) -> None:
    """Every message was accepted once, in the order of the seed; the rest is the audit's."""
    assert [one.performative.value for one in deal.messages] == SAID
    await audit(town, deal.id)


def facts(deal: Deal, kind: str) -> int:
    return sum(one.record.get("fact") == kind for one in deal.line.copy.items)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("at", range(1, COMMITS + 1))
def test_the_deal_survives_a_death_at_any_commit(at: int, when: str) -> None:
    deal = simulate(deal_beside(Reaper({at}, when)))

    assert facts(deal, "outage") == 0


def test_there_are_no_other_commits() -> None:
    reaper = Reaper((), "before")
    simulate(deal_beside(reaper))

    assert reaper.seen == COMMITS


@pytest.mark.parametrize("seed", range(12))
def test_the_deal_survives_death_after_death(seed: int) -> None:
    """Four of ten commits kill the node, those by which it comes back as well."""
    chance = random.Random(f"deaths {seed}")
    fatal = {number for number in range(2, 1_000) if chance.random() < 0.4}

    simulate(deal_beside(Reaper(fatal, "before" if seed % 2 else "after"), 50))


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(
    ("at", "away_s"), [(2, 35), (3, 35), (4, 35), (9, 330), (10, 330), (13, 330)]
)
def test_a_long_absence_is_noted_and_no_deadline_passes_in_it(
    at: int, away_s: int, when: str
) -> None:
    """Longer than the invitation, the identities, the agreement, the closing may take."""
    deal = simulate(deal_beside(Reaper({at}, when), away_s * 1_000))

    assert facts(deal, "outage") == 1
    assert facts(deal, "timer") == 0


def test_an_absence_after_the_end_moves_nothing() -> None:
    deal = simulate(deal_beside(Reaper({14}, "after"), 330_000))

    assert facts(deal, "outage") == 0


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("at", [1, 9, 14, 15])
def test_the_deal_survives_on_a_disk_that_is_opened_again(
    tmp_path: Path, at: int, when: str
) -> None:
    simulate(deal_beside(Reaper({at}, when), disk=Disk(tmp_path / "node.db")))
