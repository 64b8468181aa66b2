"""A whole negotiation, driven: against a provider's endpoint, or over a relay.

Each turn asks the buyer what is to be done now, does it, and hands back what came. Since the
buyer keeps everything, a loop that ends in an error or with its process may be started again with
the same terms and goes on.

Read next: ``quotes``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import Final, Protocol, TypeVar

from treaty.agent.quote_journal import Journal
from treaty.agent.quote_terms import Outcome, Terms
from treaty.agent.quotes import Ask, Choose, Done, QuoteBuyer, Send, Wait
from treaty.dialects.actp.choices import NONCE_CONFLICT
from treaty.dialects.actp.messages import Message
from treaty.errors import Refused, SignatureError, UnavailableError, WireError

RENUMBERED_MAX: Final = 4
"""How often one negotiation may be told that its nonce was taken."""
TRIES_MAX: Final = 5
PAUSE_S: Final = 0.2
ACCEPTED: Final = "ACCEPT"
NOT_AN_ANSWER: Final = "the provider's answer does not answer the counter-offer that waits"


T = TypeVar("T")


class Reply(Protocol):
    """What a provider's endpoint answered to a counter-offer; nothing of it is verified."""

    @property
    def action(self) -> str:
        """The word of an unsigned verdict."""

    @property
    def signs(self) -> bool:
        """True for an endpoint that signs its answers."""

    @property
    def reply(self) -> Message | None:
        """The signed answer, if there is one."""


class Peer(Protocol):
    """A provider's endpoint, as ``http.quote_client`` reaches it."""

    async def ask(self, raw: bytes) -> Message:
        """Ask for a quote."""

    async def counter(self, chain_id: int, tx_id: str, raw: bytes) -> Reply:
        """Send a counter-offer."""


class Left(Protocol):
    """A verified message that was left at a relay."""

    @property
    def message(self) -> Message:
        """What was left."""


class Line(Protocol):
    """A relay, as ``http.relay_client`` reaches it."""

    async def post(self, tx_id: str, raw: bytes) -> None:
        """Leave an envelope."""

    async def poll_transaction(self, tx_id: str, told: Callable[[Left], Awaitable[None]]) -> int:
        """Hear what is new, each once, and how many that were; moves on behind what was told."""

    async def pause(self) -> None:
        """Wait until it is time to look again."""


async def negotiate(
    buyer: QuoteBuyer, peer: Peer, terms: Terms, *, tries: int = TRIES_MAX
) -> Outcome:
    """Negotiate with an endpoint to the end.

    An endpoint out of reach is asked ``tries`` times. Raises what the provider refuses with,
    ``SignatureError`` and ``Refused`` for an answer that does not verify or bind, and
    ``UnavailableError``; the negotiation then stands where it stood.
    """
    await buyer.begin(terms)
    while True:
        step = await buyer.next(terms.key)
        match step:
            case Done():
                return step.outcome
            case Ask():
                quote = await _patiently(partial(peer.ask, step.raw), tries)
                await buyer.take(quote)
            case Send():
                await exchange(buyer, peer, terms, step, tries)
            case Choose():
                await buyer.choose(terms.key)
            case Wait():
                raise UnavailableError(NOT_AN_ANSWER)


async def exchange(
    buyer: QuoteBuyer,
    peer: Peer,
    terms: Terms,
    step: Send,
    tries: int = TRIES_MAX,
    *,
    holds: bool = False,
) -> Journal:
    """Send the counter-offer that waits, and hand over what came back for it.

    A nonce that the provider knows as used is replaced. With ``holds`` a new quote is kept and
    not decided on. Raises as ``negotiate`` does.
    """
    for _ in range(RENUMBERED_MAX):
        try:
            return await _exchanged(buyer, peer, terms, step, tries, holds=holds)
        except Refused as refusal:
            if refusal.code != NONCE_CONFLICT.code:
                raise
            await buyer.renumber(terms.key, refusal.data.get("next_nonce"))
        again = await buyer.next(terms.key)
        if not isinstance(again, Send):
            break
        step = again
    raise UnavailableError("the provider refuses every nonce")


async def _exchanged(
    buyer: QuoteBuyer, peer: Peer, terms: Terms, step: Send, tries: int, *, holds: bool
) -> Journal:
    chain_id, tx_id = terms.chain_id, terms.tx_id
    reply = await _patiently(partial(peer.counter, chain_id, tx_id, step.raw), tries)
    if reply.reply is not None:
        journal = await buyer.take(reply.reply, holds=holds)
        if journal.waits and journal.counter == step.counter:
            raise UnavailableError(NOT_AN_ANSWER)
        return journal
    if reply.signs and reply.action != ACCEPTED:
        return await buyer.declined(terms.key)
    return await buyer.unsigned(terms.key, reply.action)


async def _patiently(ask: Callable[[], Awaitable[T]], tries: int) -> T:
    """Ask again while nobody is there; the same bytes get the same answer."""
    for left in range(tries - 1, -1, -1):
        try:
            return await ask()
        except UnavailableError:
            if not left:
                raise
        await asyncio.sleep(PAUSE_S * (tries - left))
    raise UnavailableError("nobody was asked")


async def negotiate_by_relay(buyer: QuoteBuyer, line: Line, terms: Terms) -> Outcome:
    """Negotiate over a relay to the end; neither side needs a port.

    A relay carries no requests for quotes: either the terms open with an offer, or a provider
    that sees the transaction quotes first. What does not verify or bind is passed over, since
    anybody may leave it there.
    """
    await buyer.begin(terms)
    posted: set[bytes] = set()
    while True:
        step = await buyer.next(terms.key, asks=False)
        if isinstance(step, Done):
            return step.outcome
        if isinstance(step, Choose):
            await buyer.choose(terms.key)
            continue
        if isinstance(step, Send) and step.raw not in posted:
            await line.post(terms.tx_id, step.raw)
            posted.add(step.raw)
        if not await line.poll_transaction(terms.tx_id, partial(_take, buyer)):
            await line.pause()


async def _take(buyer: QuoteBuyer, left: Left) -> None:
    with suppress(WireError, SignatureError, Refused):
        await buyer.take(left.message)
