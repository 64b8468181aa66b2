"""A buyer of capabilities: asks many providers, chooses, says why, and lets the chosen one work.

Laws:

1. Whatever is decided by was heard before the window closed, and the decision follows from it
   alone: the same offers give the same winner and the same reasons.
2. The decision is durable before anything else is said to anybody.
3. Offers come from strangers. What was heard is kept as received beside what was made of it.

Read next: ``hearing`` for the window, ``working`` for what follows, ``treaty.core.routing`` for
the choice itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

from treaty.agent.choosing import Chosen, choose
from treaty.agent.decisions import Decisions
from treaty.agent.hearing import PROVIDERS_MAX, Heard, Named, Source, listen, look_up
from treaty.agent.route_ports import Providers
from treaty.agent.speaking import Saying, Speaker
from treaty.agent.telling import tell_losers
from treaty.agent.working import Choice, Done, Worker
from treaty.dialects.mrp.buying import Wish, discover_payload
from treaty.dialects.mrp.choices import DISCOVER
from treaty.engine.desk import Draw
from treaty.errors import MisuseError
from treaty.identity.keys import Signer
from treaty.wire.ids import uuid7

WINDOW_MS: Final = 2_000
ENTROPY: Final = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is wanted, of whom, and how to go about it."""

    wish: Wish
    manifests: tuple[str, ...] = ()
    registries: tuple[str, ...] = ()
    window_ms: int = WINDOW_MS
    is_strict: bool = False
    """What an offer does not state counts against it."""
    needs_agreement: bool = False
    refetches: bool = False
    tells_losers: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of an order; ``done`` is None where nothing was carried out."""

    decision_id: str
    done: Done | None


class Router:
    """Decides, and keeps what it decided in ``decisions``."""

    def __init__(
        self,
        providers: Providers,
        decisions: Decisions,
        *,
        clock: Callable[[], int],
        entropy: Draw,
        speaker: Speaker | None = None,
        signer: Callable[[], Signer] | None = None,
    ) -> None:
        self.decisions = decisions
        self._speaker = speaker or Speaker(clock, entropy)
        self._signer = signer
        self._providers = providers
        self._clock = clock
        self._entropy = entropy

    async def route(self, order: Order) -> Outcome:
        """Ask, choose, and keep the decision. Raises ``UnavailableError`` for a dead registry."""
        decision_id, chosen = await self._decide(order)
        await self._tell(order, decision_id, chosen)
        return Outcome(decision_id, None)

    async def run(self, order: Order) -> Outcome:
        """The same, and then the work and its evidence."""
        decision_id, chosen = await self._decide(order)
        if chosen.offer is None or chosen.heard is None:
            await self._tell(order, decision_id, chosen)
            return Outcome(decision_id, None)
        worker = Worker(self._providers, self.decisions, self._speaker, self._clock, self._entropy)
        choice = Choice(decision_id, order.wish, chosen.heard, chosen.offer)
        done = await worker.work(
            choice, needs_agreement=order.needs_agreement, refetches=order.refetches
        )
        await self._tell(order, decision_id, chosen)
        return Outcome(decision_id, done)

    async def _tell(self, order: Order, decision_id: str, chosen: Chosen) -> None:
        """Tell the losers, after all else is done; where the buyer wants that and has a key."""
        if order.tells_losers and self._signer is not None:
            told = await tell_losers(self._providers, chosen, self._signer(), self._clock())
            await self.decisions.keep(decision_id, {"losers_told": told})

    async def _decide(self, order: Order) -> tuple[str, Chosen]:
        at_ms = self._clock()
        decision_id = uuid7(at_ms, self._entropy(ENTROPY))
        named = await self._named(order)
        heard = await listen(
            self._providers,
            named.sources,
            partial(self._discover, order.wish),
            window_ms=order.window_ms,
            clock=self._clock,
            names_all=self._speaker.signs,
        )
        chosen = choose(order.wish, heard, is_strict=order.is_strict)
        passed = [message for one in heard for message in one.messages]
        if passed:
            await self.decisions.keep(decision_id, {}, passed)
        record = chosen.record(decision_id, at_ms, order.window_ms, named.passed_over)
        await self.decisions.keep(decision_id, record)
        return decision_id, chosen

    async def _named(self, order: Order) -> Named:
        """Everybody who is asked: those the user named, then those the registries name."""
        sources = {url: Source(url, is_known=True) for url in order.manifests}
        over: list[tuple[str, str]] = []
        for registry in order.registries:
            found = await look_up(self._providers, registry, order.wish.capability)
            over += found.passed_over
            for one in found.sources:
                sources.setdefault(one.manifest_url, one)
        if len(order.manifests) > PROVIDERS_MAX:
            raise MisuseError(f"at most {PROVIDERS_MAX} providers are asked at once")
        return Named(tuple(sources.values())[:PROVIDERS_MAX], tuple(over))

    def _discover(self, wish: Wish, heard: Heard, url: str, name: str | None) -> Saying:
        return self._speaker.say(
            DISCOVER,
            discover_payload(wish),
            receiver=name or heard.source.name or None,
            is_known=heard.knows(url),
        )
