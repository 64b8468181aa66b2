"""Two agents without manners: each says whatever its own copy of the session allows, at once.

They wait for nobody, so they collide all the time; who is overtaken decides again. A wanderer
never says what its copy shows to be unlawful, so that any refusal but those for order is a
mistake of somebody else.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from tests.agent.local import ALPHA, BETA
from tests.agent.scene import TERMS
from tests.simulation.clock import later, now_ms
from treaty.agent import Deal, OvertakenError
from treaty.agent.terms import commit_body
from treaty.core.commitment import Commitment, CommitmentState, ObligationState, has_pending
from treaty.dialects.asp.messages import Performative
from treaty.wire.canonical import Json
from treaty.wire.money import Money

Move = Callable[[], Awaitable[Any]]

PRICES = (2.5, 3.0, 3.5, 4.0)


@dataclass
class Wanderer:
    """One agent that says what it likes."""

    deal: Deal
    chance: random.Random
    patience: int
    """After so many moves it wants to go home."""
    overtaken: int = 0
    said: Counter[str] = field(default_factory=Counter)

    async def wander(self, until_ms: int) -> None:
        """Speak until the session has ended and nothing is bound any more."""
        while not self._done():
            assert now_ms() < until_ms, f"it does not end: {self.deal.state}, {self.said}"
            if self.chance.random() < 0.3:
                await later(self.chance.uniform(0, 40))
            position = self.deal.conversation.position
            name, move = self._choose()
            if move is None:
                await self._wait(position)
                continue
            try:
                await move()
                self.said[name] += 1
            except OvertakenError:
                self.overtaken += 1

    def _done(self) -> bool:
        now = self.deal.conversation
        return now.ended and not now.live

    async def _wait(self, position: int) -> None:
        try:
            await self.deal.line.changed(position, timeout_s=2.0)
        except TimeoutError:
            return

    def _choose(self) -> tuple[str, Move | None]:
        """One of the moves that are lawful by the own copy, the likelier ones more often."""
        moves = self._moves()
        if not moves:
            return "nothing", None
        names = list(moves)
        name = self.chance.choices(names, [moves[one][0] for one in names])[0]
        return name, moves[name][1]

    def _moves(self) -> dict[str, tuple[float, Move]]:
        state = self.deal.state
        if state in ("INTRODUCED", "CONVERSING"):
            return self._converse()
        if state == "AGREEING":
            return self._agree()
        if state == "EXECUTING":
            return self._execute()
        if state == "CLOSING" and self.deal.me not in self.deal.conversation.closings:
            return {"close": (1, self._close)}
        return {}

    @property
    def _is_final(self) -> bool:
        """After the other's final offer there is only yes, no, or goodbye (B9)."""
        proposals = self.deal.conversation.proposals.values()
        return any(
            one.final and one.state == "open" and one.author != self.deal.me for one in proposals
        )

    @property
    def _tired(self) -> bool:
        return self.said.total() + self.overtaken >= self.patience

    def _converse(self) -> dict[str, tuple[float, Move]]:
        deal = self.deal
        proposal, is_final = deal.open_proposal(), self._is_final
        moves: dict[str, tuple[float, Move]] = {}
        if not is_final:
            moves["propose"] = (3, lambda: deal.propose(self._terms()))
        if not is_final and deal.state == "CONVERSING":
            moves["observe"] = (1, self._observe)
            own = self._own_open()
            if own is not None:
                moves["withdraw"] = (0.5, lambda: deal.withdraw(own))
            if deal.agreed() is not None:
                moves["commit"] = (6, self._commit)
        if proposal is not None:
            moves["accept"] = (3, deal.accept)
            moves["reject"] = (1, lambda: deal.reject("no"))
            if not is_final:
                is_last = self.chance.random() < 0.1
                moves["counter"] = (2, lambda: deal.counter(self._terms(), final=is_last))
        moves["close"] = (20 if self._tired else 0.1, lambda: deal.close(reason="cancelled"))
        return moves

    def _agree(self) -> dict[str, tuple[float, Move]]:
        deal, commitment = self.deal, self.deal.commitment()
        assert commitment is not None
        mine = deal.conversation.side(commitment.author) == deal.me
        moves: dict[str, tuple[float, Move]] = {}
        if not self._is_final:
            moves["observe"] = (1, self._observe)
        if mine and not self._is_final:
            moves["withdraw"] = (0.5, lambda: deal.withdraw(commitment.id))
        if not mine:
            moves["accept"] = (4, deal.accept)
            moves["reject"] = (1, lambda: deal.reject("no"))
        return moves

    def _execute(self) -> dict[str, tuple[float, Move]]:
        deal = self.deal
        moves: dict[str, tuple[float, Move]] = {}
        if not self._is_final:
            moves["observe"] = (1, self._observe)
        live = deal.conversation.live
        if any(has_pending(one, deal.me) for one in live[:1]):
            moves["progress"] = (1, lambda: deal.progress("work", 50))
            moves["fulfil"] = (4, deal.fulfil)
        if any(_is_claimed(one, deal.counterparty) for one in live[:1]):
            moves["confirm"] = (1, deal.confirm)
        if not self._tired and len(deal.conversation.commitments) < 3:
            proposal = deal.open_proposal()
            if not self._is_final:
                moves["propose"] = (1, lambda: deal.propose(self._terms()))
            if proposal is not None:
                moves["accept"] = (1, deal.accept)
        pending = any(
            duty.state is ObligationState.PENDING for one in live for duty in one.obligations
        )
        if not pending and deal.me not in deal.conversation.closings:
            moves["close"] = (8 if self._tired else 2, self._close)
        return moves

    def _own_open(self) -> str | None:
        for proposal in self.deal.conversation.proposals.values():
            if proposal.state == "open" and proposal.author == self.deal.me:
                return proposal.id
        return None

    def _terms(self) -> dict[str, Json]:
        return {**TERMS, "pricePerHour": self.chance.choice(PRICES)}

    def _observe(self) -> Awaitable[Any]:
        body: dict[str, Json] = {"subject": "Weather", "data": {"sky": "blue"}}
        return self.deal.line.send(Performative.OBSERVE, body)

    def _commit(self) -> Awaitable[Any]:
        """Alpha pays, whoever offers to be bound: on its COMMIT, or on its ACCEPT."""
        deal = self.deal
        agreed = deal.agreed()
        assert agreed is not None
        body = commit_body(
            commitment=deal.new_id("cmt"),
            proposal=agreed,
            payer=ALPHA,
            payee=BETA,
            total=Money(self.chance.randrange(1, 500), "USD"),
            at_ms=now_ms(),
        )
        return deal.commit(body)

    def _close(self) -> Awaitable[Any]:
        return self.deal.close(rating=self.chance.randint(1, 5))


def _is_claimed(commitment: Commitment, party: str) -> bool:
    return commitment.state is CommitmentState.BOUND and any(
        duty.party == party and duty.state is ObligationState.CLAIMED
        for duty in commitment.obligations
    )
