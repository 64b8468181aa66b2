"""What a provider can do: the protocol ``serve`` asks for, and ``Service``, made of functions.

The rest of the provider, taking one step after another, is ``provider``'s affair.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from treaty.agent.deal import Deal
from treaty.agent.moves import Accept, Answer, Counter, Reject
from treaty.core.bids import History, Side
from treaty.core.commitment import Commitment
from treaty.core.learning import Statistics
from treaty.core.negotiation import (
    DecisionKind,
    SellerPolicy,
    TermsShape,
    read_bid,
    seller,
    write_terms,
)
from treaty.dialects.asp.conversation import Proposal
from treaty.dialects.asp.messages import Counter as CounterBody
from treaty.dialects.asp.messages import Propose
from treaty.errors import WireError
from treaty.wire.canonical import Json
from treaty.wire.money import decimals_of

Negotiate = Callable[[Deal, Proposal], Answer | Awaitable[Answer]]
Fulfil = Callable[[Deal, Commitment], Mapping[str, Json] | Awaitable[Mapping[str, Json]]]
Welcome = Callable[[Deal], bool | Awaitable[bool]]
End = Callable[[Deal], Awaitable[None] | None]
Learnt = Callable[[str], Awaitable[Statistics | None]]
"""Counterparty -> what this agent's own transcripts say about it (B21)."""


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
    currency: str = "USD"
    """What it is paid in."""
    learnt: Learnt | None = None
    """Asked before each answer by the policy, such as ``partial(statistics, agent)``."""
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
        if self.learnt is None:
            return self._by_policy(deal, proposal, self.policy)
        return self._by_experience(deal, proposal, self.policy, self.learnt)

    async def _by_experience(
        self, deal: Deal, proposal: Proposal, policy: SellerPolicy, learnt: Learnt
    ) -> Answer:
        known = await learnt(deal.counterparty)
        return self._by_policy(deal, proposal, policy, known)

    def _by_policy(
        self,
        deal: Deal,
        proposal: Proposal,
        policy: SellerPolicy,
        known: Statistics | None = None,
    ) -> Answer:
        shape = self.shape or TermsShape()
        return by_policy(deal, proposal, policy, shape, known, decimals=decimals_of(self.currency))

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


def by_policy(
    deal: Deal,
    proposal: Proposal,
    policy: SellerPolicy,
    shape: TermsShape,
    statistics: Statistics | None = None,
    *,
    decimals: int = 2,
) -> Answer:
    """Answer a proposal by a seller's policy from ``core.negotiation``."""
    try:
        known = bids(deal, shape, until=proposal)
        decision = seller(policy, known, statistics, decimals=decimals)
    except WireError as error:
        return Reject(error.detail, "schema_unsupported")
    if decision.kind is DecisionKind.ACCEPT:
        return Accept(decision.reason)
    if decision.kind is DecisionKind.COUNTER:
        terms = write_terms(proposal.terms, decision, shape)
        return Counter(terms, decision.reason, decision.final)
    return Reject(decision.reason)
