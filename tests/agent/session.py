"""One session between two agents of a town, without loops: each is made to speak by the test."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from tests.agent.local import ALPHA, BETA, Roads, Town
from tests.agent.scene import FUNDS_UNITS, TERMS, alpha_of, beta_of
from tests.simulation.clock import now_ms
from treaty.agent import Agent, Deal
from treaty.agent.terms import commit_body
from treaty.wire.money import Money


@asynccontextmanager
async def session(town: Town | None = None) -> AsyncIterator[tuple[Town, Deal, Deal]]:
    """A session in INTRODUCED, as each of its parties follows it."""
    async with town or Town() as here, beta_of(here) as beta, alpha_of(here) as alpha:
        await here.fund(ALPHA, FUNDS_UNITS)
        await here.attest(BETA)
        answering = asyncio.create_task(answer(beta))
        deal = await alpha.invite(BETA)
        yield here, deal, await answering


async def answer(beta: Agent) -> Deal:
    """Take the first invitation."""
    async for item in beta.client.inbox(0):
        deal = await beta.join(str(item.body["session"]), ALPHA)
        await deal.accept()
        await deal.until(lambda now: ALPHA in now.session.marks)
        await deal.introduce(beta.card)
        return deal
    raise AssertionError("nobody was invited")


async def agreed(alpha: Deal, beta: Deal) -> None:
    """Alpha's terms, accepted by Beta and known to both."""
    await alpha.propose({**TERMS, "pricePerHour": 3.75})
    await seen(beta, alpha)
    await beta.accept()
    await seen(alpha, beta)


async def committed(alpha: Deal, beta: Deal, **changes: Any) -> None:
    """A COMMIT by Alpha that Beta knows of."""
    await agreed(alpha, beta)
    await commit(alpha, **changes)
    await seen(beta, alpha)


async def commit(deal: Deal, **changes: Any) -> None:
    """Alpha pays Beta 180 dollars for the accepted terms."""
    proposal = deal.agreed()
    assert proposal is not None
    stated: dict[str, Any] = {
        "commitment": deal.new_id("cmt"),
        "proposal": proposal,
        "payer": ALPHA,
        "payee": BETA,
        "total": Money(18_000, "USD"),
        "at_ms": now_ms(),
    }
    await deal.commit(commit_body(**{**stated, **changes}))


async def seen(one: Deal, other: Deal) -> None:
    """Wait until one knows what the other knows."""
    await one.until(lambda now: now.position >= other.conversation.position)


def bad_roads(**changes: Any) -> Roads:
    """Roads on which these things happen."""
    return Roads(7, **changes)
