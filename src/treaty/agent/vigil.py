"""Being there for an agent's disputes: who does not reveal in time loses, and they last for days.

A ``Vigil`` keeps in mind which disputes the agent is a party of, durably, and looks at each now
and then: it brings the agent's own verified copy of the session up to date, and reveals where that
says so. The provider's loop keeps one, and so does ``treaty dispute watch`` for agents whose
program has ended.

Laws:

1. A dispute is kept in mind before its notice counts as read, and dropped when its ruling is in
   the copy: no crash between loses one.
2. It decides nothing. Evidence and votes are for somebody who knows what happened: what a loop
   could show is in the signed log already, and what was said last cannot be taken back.
3. A session that does not hold, or a host that is away, disturbs no other dispute.

Read next: ``disputing``, for what is revealed and when.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Final, Self

from treaty.agent.agent import Agent
from treaty.agent.copies import DISPUTE
from treaty.agent.deal import Deal
from treaty.agent.disputing import reveal_due, waiting
from treaty.agent.patience import PAUSE_S, is_passing
from treaty.agent.ports import InboxItem, LogItem
from treaty.core.dispute import Dispute, Phase
from treaty.dialects.asp.disputes import FACTS
from treaty.errors import Refused, TreatyError
from treaty.identity.keys import Signer
from treaty.wire import fields
from treaty.wire.canonical import Json

LOOK_S: Final = 300.0
"""How long it rests between two looks; a secret is waited for a day."""
HELD_MAX: Final = 64
"""Sessions it holds the copies of between two looks; more are verified anew each time."""
DISPUTES_MAX: Final = 10_000
"""Disputes it keeps in mind; each of them costs its filer a bond."""

STIRRING: Final = frozenset((*FACTS, "timer"))
"""Facts after which a dispute may stand elsewhere."""

_LOG: Final = logging.getLogger("treaty.agent")

Tell = Callable[[str, Dispute, Deal], None]
"""(event, dispute, deal): ``open`` when it is first seen, then its new phase, ``revealed``, or
``judge`` for an arbiter that was drawn and has not voted."""


def _say_nothing(_event: str, _dispute: Dispute, _deal: Deal) -> None:
    pass


class Vigil:
    """Attends to the disputes one agent is a party of."""

    def __init__(
        self, agent: Agent, *, keys: Sequence[Signer] = (), tell: Tell = _say_nothing
    ) -> None:
        self._agent = agent
        self._keys = tuple(keys)
        self._tell = tell
        self._news = asyncio.Event()
        self._held: dict[str, Deal] = {}
        self._seen: dict[str, Phase] = {}
        self._complained: set[str] = set()

    async def __aenter__(self) -> Self:
        self._agent.watchers.append(self._watch)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with suppress(ValueError):
            self._agent.watchers.remove(self._watch)

    def _watch(self, session: str, item: LogItem) -> None:
        """Look at once when something about a dispute, or a timer, is in a log that is followed."""
        if item.record.get("fact") in STIRRING and self._agent.is_following(session):
            self._news.set()

    async def note(self, item: InboxItem, *, own_cursor: bool = False) -> bool:
        """Keep in mind the dispute a notice is about; False for one that is not this agent's.

        ``own_cursor``: the inbox is read for disputes alone, and this is how far.
        """
        try:
            dispute, session = fields.ident(item.body, DISPUTE), fields.uuid(item.body, "session")
        except TreatyError:
            return False
        if len(await self._agent.copies.open_disputes()) >= DISPUTES_MAX:
            _LOG.warning("dispute %s is one too many to attend to", dispute)
            return False
        at = item.position if own_cursor else None
        await self._agent.copies.note_dispute(dispute, session, at)
        self._news.set()
        return True

    async def run(self) -> None:
        """Look again and again, until cancelled."""
        while True:
            self._news.clear()
            left = await self.look()
            await asyncio.sleep(PAUSE_S)
            with suppress(TimeoutError):
                # Without a dispute there is nothing to look at before a notice comes.
                async with asyncio.timeout(LOOK_S if left else None):
                    await self._news.wait()

    async def look(self) -> int:
        """Look at every dispute once, and reveal where that is waited for; how many stay open."""
        await self._find_followed()
        open_still = 0
        for dispute, session in (await self._agent.copies.open_disputes()).items():
            try:
                open_still += await self._attend(dispute, session)
            except TreatyError as error:
                open_still += 1
                self._complain(dispute, error)
        return open_still

    async def _find_followed(self) -> None:
        """Disputes in sessions that are followed here need no notice."""
        known = await self._agent.copies.open_disputes()
        for deal in self._agent.following():
            for one in deal.conversation.disputes.values():
                if one.phase is not Phase.RULED and one.id not in known:
                    await self._agent.copies.note_dispute(one.id, deal.id)

    def _complain(self, dispute: str, error: TreatyError) -> None:
        if not is_passing(error) and dispute not in self._complained:
            self._complained.add(dispute)
            _LOG.warning("dispute %s cannot be attended to: %s", dispute, error.detail)

    async def _attend(self, dispute: str, session: str) -> bool:
        """Look at one dispute; False when it needs no more of that."""
        deal = await self.deal(session)
        await deal.line.sync()
        found = deal.conversation.disputes.get(dispute)
        if found is None:
            raise Refused("the session's log holds no such dispute", "reference_unknown")
        self._tell_change(found, deal)
        if deal.me in found.parties and dispute in await reveal_due(deal, self._keys):
            found = deal.conversation.disputes[dispute]
            self._tell("revealed", found, deal)
            self._tell_change(found, deal)
        if found.phase is not Phase.RULED and _concerns(found, deal.me):
            return True
        await self._drop(found, deal)
        return False

    async def _drop(self, found: Dispute, deal: Deal) -> None:
        """What became of it is kept before it is no longer in mind."""
        await self._agent.copies.flush()
        await self._agent.copies.drop_dispute(found.id)
        others = any(_concerns(one, deal.me) for one in waiting(deal))
        if not others and not self._agent.is_following(deal.id):
            self._held.pop(deal.id, None)
            if deal.over or deal.me not in deal.conversation.principals:
                self._agent.copies.finish(deal.id)
        self._seen.pop(found.id, None)

    def _tell_change(self, found: Dispute, deal: Deal) -> None:
        if deal.me not in found.parties:
            if found.id not in self._seen and _concerns(found, deal.me):
                self._tell("judge", found, deal)
            self._seen[found.id] = found.phase
            return
        before = self._seen.get(found.id)
        self._seen[found.id] = found.phase
        if before is None:
            self._tell("open", found, deal)
        elif before is not found.phase:
            self._tell(found.phase.value, found, deal)

    async def deal(self, session: str) -> Deal:
        """The session as this agent keeps it; without a copy it is verified from its start."""
        if self._agent.is_following(session):
            return self._agent.deal(session)
        held = self._held.get(session)
        if held is not None:
            return held
        try:
            deal = await self._agent.peruse(session)
        except Refused as refusal:
            if refusal.code != "unknown_session":
                raise
            other = _other(await self._agent.client.session(session), self._agent.uri)
            deal = await self._agent.begin(session, other)
        if len(self._held) < HELD_MAX:
            self._held[session] = deal
        return deal


def _concerns(found: Dispute, agent: str) -> bool:
    """True for a party, and for an arbiter until it has voted."""
    return agent in found.parties or (agent in found.arbiters and agent not in found.votes)


def _other(view: dict[str, Json], agent: str) -> str:
    inviter, invitee = fields.agent(view, "inviter"), fields.agent(view, "invitee")
    return invitee if agent == inviter else inviter
