"""A buyer on a quote channel: asks, verifies, decides, counters, accepts; all of it durable.

Laws:

1. Its own ceiling and daily budget are reserved in its own store before a counter-offer is
   signed, and whatever is sent was written down before. After a kill it goes on from there.
2. Nothing is believed that does not verify and bind: to this chain and transaction, to this
   consumer, to the provider it is with, to the counter-offer that waits. What does not is refused
   and changes nothing, so a stranger cannot end a negotiation either.
3. Accepting a quote sends nothing: it is recorded, and exported as the call that would commit it.
4. A hook may choose among lawful moves (``dialects.actp.buying``); one that fails or is slow
   leaves the negotiation.

Read next: ``quote_loop``, which drives this against a provider; ``quote_journal`` for what is kept.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

from treaty.agent import quote_journal as kept
from treaty.agent.quote_book import ENDINGS, Book
from treaty.agent.quote_journal import BUDGET_STREAM, Journal, Promise, figures_of
from treaty.agent.quote_terms import Outcome, Status, Terms
from treaty.dialects.actp import budget
from treaty.dialects.actp.bindings import check_parties
from treaty.dialects.actp.builders import CounterOfferBuilder, build_request
from treaty.dialects.actp.buying import (
    BuyerHookContext,
    BuyerMove,
    BuyerPolicy,
    QuoteFigures,
    decide_on_quote,
    decide_on_time,
)
from treaty.dialects.actp.chains import Chains
from treaty.dialects.actp.choices import TTL_DEFAULT_S, ZERO_HASH
from treaty.dialects.actp.codec import encode, encode_request
from treaty.dialects.actp.dids import did_account
from treaty.dialects.actp.messages import CounterAccept, CounterOffer, Message, PriceQuote
from treaty.dialects.actp.rules import Place, verify_accept, verify_quote
from treaty.engine.desk import Desk, Draw, Transaction
from treaty.engine.ports import Store
from treaty.errors import Refused
from treaty.identity.accounts import ContractAccounts
from treaty.identity.secp256k1 import DigestSigner
from treaty.wire.canonical import canonical
from treaty.wire.fields import INTEGER_MAX

HOOK_S: Final = 5.0
"""How long a hook may think."""
BY_OWNER: Final = "cancelled by the buyer's owner"
UNSIGNED: Final = "the peer answered and signed nothing"

BROKEN: Final = "no move"
"""What stands for the proposal of a hook that failed; it is no move, so none is made."""

Hook = Callable[[BuyerHookContext], object]
"""Proposes a ``BuyerMove``, or None for the policy's own; may be a coroutine function."""


@dataclass(frozen=True, slots=True)
class Ask:
    """Send this request for a quote."""

    raw: bytes


@dataclass(frozen=True, slots=True)
class Send:
    """Send this counter-offer, also again, until it is answered."""

    raw: bytes
    counter: CounterOffer


@dataclass(frozen=True, slots=True)
class Wait:
    """Wait for a quote, at most until then."""

    until_ms: int


@dataclass(frozen=True, slots=True)
class Choose:
    """A quote stands and nothing was decided on it: ``choose``."""

    quote: PriceQuote


@dataclass(frozen=True, slots=True)
class Done:
    """It is over."""

    outcome: Outcome


Step = Ask | Send | Wait | Choose | Done


class QuoteBuyer:
    """One account that buys. Everything it must remember is in ``store``."""

    def __init__(
        self,
        signer: DigestSigner,
        policy: BuyerPolicy,
        store: Store,
        *,
        chains: Chains,
        clock: Callable[[], int],
        entropy: Draw,
        hook: Hook | None = None,
        contracts: ContractAccounts | None = None,
    ) -> None:
        self.policy = policy
        self.chains = chains
        self.store = store
        self.signer = signer
        self.clock = clock
        self._hook = hook
        self._contracts = contracts
        self._desk = Desk(store, clock=clock, entropy=entropy)
        self._book = Book(policy, chains, signer.address)
        kept.register(self._desk)

    @property
    def account(self) -> str:
        """The account that buys, ``0x`` and lower-case hex."""
        return self.signer.address

    async def begin(self, terms: Terms) -> Journal:
        """Open a negotiation, or go on with it; its terms cannot be changed.

        Raises ``Refused`` (``duplicate``) for other terms, ``chain_unsupported``.
        """
        self.chains.kernel(terms.chain_id)
        stream = kept.bought_stream(terms.key)
        await self._desk.transact((stream,), partial(self._book.begin, stream, terms))
        return await self.journal(terms.key)

    async def journal(self, key: str) -> Journal:
        """A negotiation as it is kept; empty for one that was never begun."""
        found = await self._desk.state(kept.bought_stream(key))
        assert isinstance(found, Journal)
        return found

    async def keys(self) -> list[str]:
        """The negotiations that are kept, by chain and transaction."""
        names: list[str] = []
        after = ""
        while page := await self.store.streams(f"{kept.BOUGHT}/", after):
            names += [name.removeprefix(f"{kept.BOUGHT}/") for name in page]
            after = page[-1]
        return names

    async def next(self, key: str, *, asks: bool = True) -> Step:
        """What is to be done now, from what is kept: the same again after a crash.

        Without ``asks`` a quote is waited for and not asked for.
        """
        journal = await self._begun(key)
        late = decide_on_time(journal.state, self.clock())
        if late is not None and journal.end is None:
            await self._end(key, ENDINGS[late.move], str(late.reason))
            journal = await self.journal(key)
        assert journal.terms is not None
        opens = journal.quote is None and not journal.lines and journal.terms.opening is not None
        if journal.end is None and opens and journal.promise is None:
            await self._transact(key, partial(self._book.open_with_offer, key))
            journal = await self.journal(key)
        terms = journal.terms
        assert terms is not None
        if journal.promise is not None:
            await self._sign(key, journal, journal.promise)
            journal = await self.journal(key)
        if journal.end is not None:
            return Done(await self.outcome(key))
        if journal.waits and journal.counter is not None:
            return Send(encode(journal.counter), journal.counter)
        if journal.quote is None and asks:
            return Ask(await self._request(key, terms))
        if journal.quote is not None:
            return Choose(journal.quote)
        return Wait(terms.deadline_s * 1_000)

    async def choose(self, key: str, proposed: BuyerMove | None = None) -> Journal:
        """Decide on the quote that stands: as proposed, within the limits, or by the policy.

        Raises ``Refused`` (``policy_violation``, ``transition_invalid``).
        """
        await self._begun(key)
        await self._transact(key, partial(self._book.choose, key, proposed))
        return await self.journal(key)

    async def take(self, message: Message, *, holds: bool = False) -> Journal:
        """Take what a provider sent, verify it, and decide; ``next`` says what follows.

        With ``holds`` a quote is kept and decided on by ``choose``.

        Raises ``Refused``, ``SignatureError``, ``WireError``; then nothing has changed.
        """
        key = f"{message.chain_id}/{message.tx_id}"
        journal = await self._begun(key)
        match message:
            case PriceQuote():
                await self._take_quote(key, journal, message, holds=holds)
            case CounterAccept():
                await self._take_accept(key, journal, message)
            case CounterOffer():
                raise Refused("a buyer takes no counter-offers", "unauthorized")
        return await self.journal(key)

    async def declined(self, key: str) -> Journal:
        """The provider declined the counter that waits: the quote before it stands again."""
        await self._transact(key, partial(self._book.decline, key))
        return await self.journal(key)

    async def unsigned(self, key: str, said: str) -> Journal:
        """The peer answered without a signature; that is no agreement, whatever it ``said``."""
        await self._end(key, Status.UNSIGNED, UNSIGNED, said)
        return await self.journal(key)

    async def renumber(self, key: str, next_nonce: object) -> Journal:
        """The provider refused our nonce as used: number the counter anew and sign it again."""
        least = next_nonce if type(next_nonce) is int and 0 < next_nonce <= INTEGER_MAX else 1
        await self._transact(key, partial(self._book.renumber, key, least))
        return await self.journal(key)

    async def cancel(self, key: str) -> Outcome:
        """Leave a negotiation; what it held of the budget is free again."""
        await self._end(key, Status.CANCELLED, BY_OWNER)
        return await self.outcome(key)

    async def outcome(self, key: str) -> Outcome:
        """How a negotiation stands."""
        journal = await self._begun(key)
        assert journal.terms is not None
        end, tx_id = journal.end, journal.terms.tx_id
        if end is None:
            return Outcome(key, tx_id, Status.OPEN, "it goes on")
        return Outcome(key, tx_id, end.status, end.reason, journal.accepted, end.said)

    async def spent_today(self) -> int:
        """What was agreed today (UTC), in base units."""
        state = await self._desk.state(BUDGET_STREAM)
        return budget.spent_on_day(state, self.clock())

    async def _begun(self, key: str) -> Journal:
        journal = await self.journal(key)
        if journal.terms is None:
            raise Refused(f"no negotiation {key} was begun here", "not_found")
        return journal

    async def _request(self, key: str, terms: Terms) -> bytes:
        request = build_request(
            self.chains,
            self.signer,
            tx_id=terms.tx_id,
            chain_id=terms.chain_id,
            service=terms.service,
            amount=terms.amount_units,
            max_price=self._book.asked_max_price(terms),
            deadline=terms.deadline_s,
            at_ms=self.clock(),
        )
        raw, stream = encode_request(request), kept.bought_stream(key)
        body = canonical({"atMs": self.clock()})
        await self._transact(key, lambda tx: tx.append(stream, kept.ASKED, body, raw))
        return raw

    async def _take_quote(
        self, key: str, journal: Journal, quote: PriceQuote, *, holds: bool
    ) -> None:
        now_ms, place = self.clock(), _place(journal)
        verify_quote(quote, self.chains, at_ms=now_ms, place=place, contracts=self._contracts)
        quoted_by = did_account(quote.provider, quote.chain_id)
        # A stranger's quote is refused, not decided on: else anybody could end a negotiation.
        provider = journal.state.provider or quoted_by
        check_parties(quote, consumer=self.account, provider=provider)
        figures = figures_of(quote)
        proposed = None if holds else await self._ask_hook(key, journal, figures)
        await self._transact(
            key, partial(self._book.decide, key, quote, figures, proposed, holds=holds)
        )

    async def _ask_hook(self, key: str, journal: Journal, quote: QuoteFigures) -> object:
        if self._hook is None or quote.quote_hash in journal.seen:
            return None
        now_ms = self.clock()
        room = await self._room(key)
        usual = decide_on_quote(self.policy, journal.state, quote, now_ms, room_units=room)
        context = BuyerHookContext(self.policy, journal.state, quote, room, usual)
        try:
            async with asyncio.timeout(HOOK_S):
                proposed = self._hook(context)
                return await proposed if inspect.isawaitable(proposed) else proposed
        except Exception:  # noqa: BLE001 - it is somebody else's code; whatever it does, we leave.
            return BROKEN

    async def _room(self, key: str) -> int:
        state = await self._desk.state(BUDGET_STREAM)
        return budget.room(state, self.policy.daily_units, key, self.clock())

    async def _take_accept(self, key: str, journal: Journal, accept: CounterAccept) -> None:
        now_ms, place = self.clock(), _place(journal)
        verify_accept(accept, self.chains, at_ms=now_ms, place=place, contracts=self._contracts)
        await self._transact(key, partial(self._book.agree, key, accept))

    async def _end(self, key: str, status: Status, reason: str, said: str = "") -> None:
        await self._begun(key)
        await self._transact(key, partial(self._book.end, key, status, reason, said=said))

    async def _sign(self, key: str, journal: Journal, promise: Promise) -> None:
        """Sign what was promised, and keep it before anybody sees it."""
        counter = self._counter(journal, promise)
        await self._transact(key, partial(self._book.keep_counter, key, promise, counter))

    def _counter(self, journal: Journal, promise: Promise) -> CounterOffer:
        terms, now_ms = journal.terms, self.clock()
        assert terms is not None
        builder = CounterOfferBuilder(self.chains, self.signer)
        ttl_s = min(self.policy.response_ttl_s, TTL_DEFAULT_S)
        expires_at = max(now_ms // 1_000 + 1, min(now_ms // 1_000 + ttl_s, terms.deadline_s))
        if journal.quote is not None:
            return builder.answer(
                journal.quote,
                counter_amount=promise.units,
                nonce=promise.nonce,
                at_ms=now_ms,
                expires_at=expires_at,
            )
        assert terms.opening is not None
        assert terms.provider is not None
        return builder.build(
            tx_id=terms.tx_id,
            provider=terms.provider,
            quote_amount=terms.opening.listed_units,
            counter_amount=promise.units,
            max_price=terms.opening.max_price_units,
            in_reply_to=ZERO_HASH,
            chain_id=terms.chain_id,
            nonce=promise.nonce,
            at_ms=now_ms,
            expires_at=expires_at,
        )

    async def _transact(self, key: str, decide: Callable[[Transaction], object]) -> None:
        await self._desk.transact((kept.bought_stream(key), BUDGET_STREAM), decide)


def _place(journal: Journal) -> Place:
    assert journal.terms is not None
    return Place(journal.terms.chain_id, journal.terms.tx_id)
