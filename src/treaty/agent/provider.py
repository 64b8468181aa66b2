"""The provider's loop: answers invitations, negotiates, delivers, closes. One step at a time.

What a provider can do is a ``Provider`` (module ``service``). ``serve`` reads the inbox and runs
each session by looking at its state and taking the next step; being overtaken only means to
look again, so races and restarts need no case of their own.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from typing import Any, Final

from treaty.agent.agent import Agent
from treaty.agent.copies import DISPUTE
from treaty.agent.deal import Deal
from treaty.agent.line import OvertakenError
from treaty.agent.moves import Accept, Answer, Counter
from treaty.agent.patience import PAUSE_S, is_passing
from treaty.agent.service import Provider
from treaty.agent.vigil import Vigil
from treaty.core.commitment import Commitment, CommitmentState, has_pending
from treaty.core.negotiation import (
    TermsShape,
    read_bid,
    total,
)
from treaty.dialects.asp.conversation import Proposal
from treaty.dialects.asp.messages import Commit
from treaty.errors import TreatyError, UnavailableError, WireError
from treaty.wire.money import Money, amount_text

PATIENCE_S: Final = 3_600.0
"""How long a provider waits for the next entry of a session, or for its node."""
SESSIONS_MAX: Final = 1_024
"""Sessions served at once; further invitations wait in the inbox."""

_LOG: Final = logging.getLogger("treaty.agent")


async def serve(agent: Agent, provider: Provider, *, sessions_max: int = SESSIONS_MAX) -> None:
    """Serve invitations until cancelled; sessions that were open before are taken up again.

    In disputes it reveals what the agent has promised (``vigil``), and says no more than that.
    """
    slots = asyncio.Semaphore(sessions_max)
    async with asyncio.TaskGroup() as group, Vigil(agent) as vigil:
        serving = _Serving(agent, provider, group, slots, vigil)
        group.create_task(vigil.run(), name="vigil")
        for session in await agent.copies.unfinished():
            await serving.take_up(session, None)
        while True:
            try:
                await _read_inbox(serving)
            except TreatyError as error:
                if not is_passing(error):
                    raise
            await asyncio.sleep(PAUSE_S)


@dataclass(slots=True)
class _Serving:
    """The sessions one provider attends to."""

    agent: Agent
    provider: Provider
    group: asyncio.TaskGroup
    slots: asyncio.Semaphore
    vigil: Vigil
    running: dict[str, asyncio.Task[None]] = field(default_factory=dict)

    async def take_up(self, session: str, inviter: str | None) -> None:
        """Begin to attend to a session, once there is a slot for it."""
        if session in self.running or self.agent.is_following(session):
            return
        await self.slots.acquire()
        task = self.group.create_task(self._attend(session, inviter), name=f"attend {session}")
        self.running[session] = task
        task.add_done_callback(partial(self._leave, session))

    def _leave(self, session: str, _task: asyncio.Task[None]) -> None:
        self.running.pop(session, None)
        self.slots.release()

    async def _attend(self, session: str, inviter: str | None) -> None:
        deal = await self._join(session, inviter)
        if deal is None:
            return
        if deal.conversation.invitee == self.agent.uri:
            await _run(self.agent, self.provider, deal)
        else:
            await self.agent.forget(deal)

    async def _join(self, session: str, inviter: str | None) -> Deal | None:
        """Follow a session; None when it is gone, or its inviter has no card any more."""
        while True:
            try:
                if inviter is None:
                    return await self.agent.resume(session)
                return await self.agent.join(session, inviter)
            except TreatyError as error:
                if not is_passing(error):
                    _LOG.warning("session %s cannot be joined: %s", session, error.detail)
                    self.agent.copies.finish(session)
                    return None
            await asyncio.sleep(PAUSE_S)


async def _read_inbox(serving: _Serving) -> None:
    copies = serving.agent.copies
    async for item in serving.agent.client.inbox(await copies.cursor()):
        if item.kind == "invitation":
            session, inviter = str(item.body.get("session")), str(item.body.get("from"))
            await serving.take_up(session, inviter)
        elif item.kind == DISPUTE:
            await serving.vigil.note(item)
        await copies.set_cursor(item.position)


async def _run(agent: Agent, provider: Provider, deal: Deal) -> None:
    """Take one step after another until the session has ended and is settled."""
    try:
        while not deal.over:
            position = deal.conversation.position
            try:
                stepped = await step(agent, provider, deal)
            except OvertakenError:
                continue
            except UnavailableError:
                await deal.line.sync(PATIENCE_S)
                continue
            if not stepped:
                await deal.line.changed(position, timeout_s=PATIENCE_S)
        agent.copies.finish(deal.id)
    except (TimeoutError, TreatyError) as error:
        # This session cannot go on; its copy stays, and the others are not disturbed.
        _LOG.warning("session %s is left as it stands: %s", deal.id, error)
    except Exception:  # noqa: BLE001 - whatever a provider's own functions raise.
        _LOG.exception("the provider failed in session %s", deal.id)
    finally:
        await _clean_up(provider, deal)
        await agent.copies.flush()
        await agent.forget(deal)


async def _clean_up(provider: Provider, deal: Deal) -> None:
    try:
        await _settled(provider.ended(deal))
    except Exception:  # noqa: BLE001 - as above: the other sessions go on.
        _LOG.exception("the provider failed to clean up after session %s", deal.id)


async def step(agent: Agent, provider: Provider, deal: Deal) -> bool:
    """Take the provider's next step in a session; False when it is the other's turn."""
    now = deal.conversation
    if now.state == "INVITED":
        return await _answer_invitation(provider, deal)
    if now.state == "INVITED_ACCEPTED":
        # As in the protocol's example the inviter shows its card first.
        if deal.me in now.session.marks or deal.counterparty not in now.session.marks:
            return False
        await deal.introduce(agent.card)
        return True
    if now.state == "AGREEING":
        return await _answer_commitment(provider, deal)
    if now.state in ("CONVERSING", "EXECUTING"):
        proposal = deal.open_proposal()
        if proposal is not None:
            await _answer(deal, proposal, await _settled(provider.negotiate(deal, proposal)))
            return True
    return await _perform(provider, deal)


async def _answer_invitation(provider: Provider, deal: Deal) -> bool:
    if await _settled(provider.welcome(deal)):
        await deal.accept()
    else:
        await deal.reject("not at this time", "capacity_unavailable")
    return True


async def _answer(deal: Deal, proposal: Proposal, answer: Answer) -> None:
    if deal.open_proposal() != proposal:
        # The answer was thought over; by now it would meet other terms.
        raise OvertakenError("the proposal is no longer the one on the table")
    if isinstance(answer, Accept):
        await deal.accept(answer.note)
    elif isinstance(answer, Counter):
        await deal.counter(answer.terms, reason=answer.reason, final=answer.final)
    else:
        await deal.reject(answer.reason, answer.code)


async def _answer_commitment(provider: Provider, deal: Deal) -> bool:
    commitment = deal.commitment()
    if commitment is None or deal.conversation.side(commitment.author) == deal.me:
        return False
    currency = str(getattr(provider, "currency", "USD"))
    problem = commitment_problem(deal, commitment, _shape(provider), currency)
    if problem is None:
        await deal.accept("Commitment accepted.")
    else:
        await deal.reject(problem, "policy_violation")
    return True


def _shape(provider: Provider) -> TermsShape:
    shape = getattr(provider, "shape", None)
    return shape if isinstance(shape, TermsShape) else TermsShape()


def commitment_problem(
    deal: Deal, commitment: Commitment, shape: TermsShape, currency: str = "USD"
) -> str | None:
    """Why this provider would not be bound by a commitment as it stands, or None.

    It names the accepted proposal (B11), pays this agent, and pays what the terms come to in the
    currency this agent is paid in.
    """
    body = next(
        (
            one.body
            for one in reversed(deal.messages)
            if isinstance(one.body, Commit) and one.body.commitment_id == commitment.id
        ),
        None,
    )
    agreed = deal.agreed()
    if body is None or agreed is None or body.proposal_id != agreed.id:
        return "the commitment does not name the accepted proposal"
    escrow = commitment.escrow
    if escrow is None or escrow.payee != deal.me:
        return "the commitment does not pay this agent from escrow"
    if escrow.money.asset != currency:
        return f"the escrow holds {escrow.money.asset} where the price is in {currency}"
    problem = _price_problem(agreed, escrow.money, shape)
    if problem is not None:
        return problem
    if commitment.state is not CommitmentState.PROPOSED:
        return "the commitment is not open"
    return None


def _price_problem(agreed: Proposal, held: Money, shape: TermsShape) -> str | None:
    """Why the escrow does not pay for the terms; terms without a price cannot tell."""
    try:
        read_bid(agreed.terms, "own", shape)
    except WireError:
        return None
    try:
        due = total(agreed.terms, shape)
    except WireError as error:
        return error.detail
    paid = Decimal(amount_text(held))
    return None if due == paid else f"the escrow holds {paid} where the terms come to {due}"


async def _perform(provider: Provider, deal: Deal) -> bool:
    now = deal.conversation
    for commitment in now.live:
        if commitment.reserved and has_pending(commitment, deal.me):
            result = await _settled(provider.fulfil(deal, commitment))
            await deal.fulfil(**dict(result))
            return True
    if now.state == "CLOSING" and deal.me not in now.closings:
        await deal.close(rating=provider.rate(deal), summary="Delivered as agreed")
        return True
    return False


async def _settled(value: Any) -> Any:
    """Await what is awaitable: a provider's functions may be plain or async."""
    return await value if inspect.isawaitable(value) else value
