"""The provider's loop: answers invitations, negotiates, delivers, closes. One step at a time.

A ``Service`` is what a provider can do, as functions (decorators) or as a subclass-free object
with the same members. ``serve`` reads the inbox and runs each session by looking at its state
and taking the next step; being overtaken only means to look again, so races and restarts need
no case of their own.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from typing import Any, Final, Protocol

from treaty.agent.agent import Agent
from treaty.agent.deal import Deal
from treaty.agent.line import OvertakenError
from treaty.agent.moves import Accept, Answer, Counter, Reject
from treaty.agent.patience import PAUSE_S, is_passing
from treaty.core.bids import History, Side
from treaty.core.commitment import Commitment, CommitmentState, has_pending
from treaty.core.negotiation import (
    DecisionKind,
    SellerPolicy,
    TermsShape,
    read_bid,
    seller,
    total,
    write_terms,
)
from treaty.dialects.asp.conversation import Proposal
from treaty.dialects.asp.messages import Commit, Propose
from treaty.dialects.asp.messages import Counter as CounterBody
from treaty.errors import TreatyError, UnavailableError, WireError
from treaty.wire.canonical import Json
from treaty.wire.money import Money, amount_text

PATIENCE_S: Final = 3_600.0
"""How long a provider waits for the next entry of a session, or for its node."""
SESSIONS_MAX: Final = 1_024
"""Sessions served at once; further invitations wait in the inbox."""

_LOG: Final = logging.getLogger("treaty.agent")

Negotiate = Callable[[Deal, Proposal], Answer | Awaitable[Answer]]
Fulfil = Callable[[Deal, Commitment], Mapping[str, Json] | Awaitable[Mapping[str, Json]]]
Welcome = Callable[[Deal], bool | Awaitable[bool]]
End = Callable[[Deal], Awaitable[None] | None]


class Provider(Protocol):
    """What ``serve`` asks of a provider. Answers may be awaitable."""

    def welcome(self, deal: Deal) -> bool | Awaitable[bool]:
        """Say whether to take this invitation."""

    def negotiate(self, deal: Deal, proposal: Proposal) -> Answer | Awaitable[Answer]:
        """Answer the open proposal."""

    def fulfil(
        self, deal: Deal, commitment: Commitment
    ) -> Mapping[str, Json] | Awaitable[Mapping[str, Json]]:
        """Do the work; report with ``deal.progress``; return what the result says."""

    def rate(self, deal: Deal) -> int | None:
        """Rate the buyer, 1 to 5, or not."""

    def ended(self, deal: Deal) -> Awaitable[None] | None:
        """Clean up: the session is over, whichever way."""


@dataclass(slots=True)
class Service:
    """A provider made of functions.

    For example::

    service = Service(policy=SellerPolicy(...))

    @service.fulfils
    async def work(deal, commitment):
        ...
        return {"instances": [...]}
    """

    policy: SellerPolicy | None = None
    shape: TermsShape | None = None
    rating: int | None = 5
    _negotiate: Negotiate | None = None
    _fulfil: Fulfil | None = None
    _welcome: Welcome | None = None
    _end: End | None = None

    def negotiates(self, function: Negotiate) -> Negotiate:
        """Decorator: answer proposals with this function instead of the policy."""
        self._negotiate = function
        return function

    def fulfils(self, function: Fulfil) -> Fulfil:
        """Decorator: do the work with this function."""
        self._fulfil = function
        return function

    def welcomes(self, function: Welcome) -> Welcome:
        """Decorator: decide with this function which invitations to take."""
        self._welcome = function
        return function

    def ends(self, function: End) -> End:
        """Decorator: clean up with this function when a session is over."""
        self._end = function
        return function

    def ended(self, deal: Deal) -> Awaitable[None] | None:
        """Clean up with the function given."""
        return self._end(deal) if self._end else None

    def welcome(self, deal: Deal) -> bool | Awaitable[bool]:
        """Take every invitation, unless told otherwise."""
        return self._welcome(deal) if self._welcome else True

    def negotiate(self, deal: Deal, proposal: Proposal) -> Answer | Awaitable[Answer]:
        """Answer with the function given, else by the policy, else accept as asked."""
        if self._negotiate is not None:
            return self._negotiate(deal, proposal)
        if self.policy is None:
            return Accept()
        return by_policy(deal, proposal, self.policy, self.shape or TermsShape())

    def fulfil(
        self, deal: Deal, commitment: Commitment
    ) -> Mapping[str, Json] | Awaitable[Mapping[str, Json]]:
        """Do the work with the function given; without one there is nothing to do."""
        return self._fulfil(deal, commitment) if self._fulfil else {}

    def rate(self, deal: Deal) -> int | None:
        """The fixed rating of this service; none for a deal that was not fulfilled."""
        return self.rating if deal.conversation.commitments else None


def bids(deal: Deal, shape: TermsShape, until: Proposal | None = None) -> History:
    """The negotiation so far as bids, oldest first, seen from this agent's side.

    It ends with ``until``, the proposal to be answered. Terms without a readable price are no
    bid. Raises ``WireError`` when those of ``until`` are none.
    """
    found = []
    for envelope in deal.messages:
        body = envelope.body
        if not isinstance(body, CounterBody | Propose):
            continue
        if isinstance(body, Propose) and body.is_invitation:
            continue
        is_last = until is not None and envelope.hash == until.hash
        side: Side = "own" if deal.conversation.side(envelope.sender) == deal.me else "other"
        final = isinstance(body, CounterBody) and body.final
        try:
            found.append(read_bid(body.terms, side, shape, final=final))
        except WireError:
            if is_last:
                raise
        if is_last:
            break
    return tuple(found)


def by_policy(deal: Deal, proposal: Proposal, policy: SellerPolicy, shape: TermsShape) -> Answer:
    """Answer a proposal by a seller's policy from ``core.negotiation``."""
    try:
        decision = seller(policy, bids(deal, shape, until=proposal))
    except WireError as error:
        return Reject(error.detail, "schema_unsupported")
    if decision.kind is DecisionKind.ACCEPT:
        return Accept(decision.reason)
    if decision.kind is DecisionKind.COUNTER:
        terms = write_terms(proposal.terms, decision, shape)
        return Counter(terms, decision.reason, decision.final)
    return Reject(decision.reason)


async def serve(agent: Agent, provider: Provider, *, sessions_max: int = SESSIONS_MAX) -> None:
    """Serve invitations until cancelled; sessions that were open before are taken up again."""
    slots = asyncio.Semaphore(sessions_max)
    async with asyncio.TaskGroup() as group:
        serving = _Serving(agent, provider, group, slots)
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
    problem = commitment_problem(deal, commitment, _shape(provider))
    if problem is None:
        await deal.accept("Commitment accepted.")
    else:
        await deal.reject(problem, "policy_violation")
    return True


def _shape(provider: Provider) -> TermsShape:
    shape = getattr(provider, "shape", None)
    return shape if isinstance(shape, TermsShape) else TermsShape()


def commitment_problem(deal: Deal, commitment: Commitment, shape: TermsShape) -> str | None:
    """Why this provider would not be bound by a commitment as it stands, or None.

    It names the accepted proposal (B11), pays this agent, and pays what the terms come to.
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
