"""Our buyer at real daemons: the peer's ``actp serve --mock``, and our own beside it."""

from __future__ import annotations

import secrets
import time

import pytest

from tests.interop.agirails_venv import Peer
from tests.interop.daemons import BUYER, CHAIN, PROVIDER, ZERO_KERNEL, Both, Daemon, did, tx
from treaty.agent.quote_loop import negotiate
from treaty.agent.quote_terms import Opening, Outcome, Status, Terms
from treaty.agent.quotes import QuoteBuyer
from treaty.dialects.actp import codec
from treaty.dialects.actp.builders import CounterOfferBuilder
from treaty.dialects.actp.buying import BuyerPolicy, BuyerStrategy
from treaty.dialects.actp.chains import MOCK
from treaty.dialects.actp.messages import CounterOffer, PriceQuote
from treaty.errors import Refused, SignatureError
from treaty.http.quote_client import QuoteClient, QuoteReply
from treaty.store.memory import MemoryStore

pytestmark = [pytest.mark.timeout(300), pytest.mark.slow, pytest.mark.anyio]

POLICY = BuyerPolicy(
    ceiling_units=1_200_000,
    daily_units=5_000_000,
    target_units=600_000,
    strategy=BuyerStrategy.MIDPOINT,
    rounds_per_provider=3,
    public_max_price_units=2_000_000,
)


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def buyer() -> QuoteBuyer:
    """A buyer with a store of its own."""
    return QuoteBuyer(
        BUYER, POLICY, MemoryStore(), chains=MOCK, clock=now_ms, entropy=secrets.token_bytes
    )


def terms(name: str, counter_units: int) -> Terms:
    """A job opened with an offer, since the peer's daemon takes nothing else."""
    opening = Opening(1_500_000, counter_units, 2_000_000)
    return Terms(
        tx_id=tx(name),
        chain_id=CHAIN,
        amount_units=500_000,
        deadline_s=now_ms() // 1_000 + 3_600,
        provider=did(PROVIDER),
        opening=opening,
    )


async def dealt(daemon: Daemon, wanted: Terms) -> Outcome:
    """How our buyer ends at a daemon."""
    client = QuoteClient(daemon.url)
    try:
        return await negotiate(buyer(), client, wanted)
    finally:
        await client.close()


async def sent(daemon: Daemon, counter: CounterOffer) -> QuoteReply:
    """What our client makes of an answer to a counter."""
    client = QuoteClient(daemon.url)
    try:
        return await client.counter(CHAIN, counter.tx_id, codec.encode(counter))
    finally:
        await client.close()


def offer(name: str, amount: int, nonce: int) -> CounterOffer:
    """A counter of our builder, in words of another script."""
    return CounterOfferBuilder(MOCK, BUYER).build(
        tx_id=tx(name),
        provider=did(PROVIDER),
        quote_amount=1_500_000,
        counter_amount=amount,
        max_price=2_000_000,
        in_reply_to="0x" + "bb" * 32,
        chain_id=CHAIN,
        nonce=nonce,
        at_ms=now_ms(),
        justification={"reason": "価格が高い 🙂"},
    )


@pytest.mark.parametrize(
    ("amount", "action"), [(1_000_000, "ACCEPT"), (600_000, "COUNTER"), (400_000, "REJECT")]
)
async def test_the_peers_daemon_takes_our_counters(both: Both, amount: int, action: str) -> None:
    counter = offer(f"our builder {action}", amount, 1_000_000 + amount)
    told = await sent(both.theirs, counter)
    again = await sent(both.theirs, counter)

    assert (told.action, told.is_repeat, again.is_repeat) == (action, False, True)
    assert (told.signs, told.reply) == (False, None)


async def test_the_peers_daemon_refuses_in_words_that_we_understand(both: Both) -> None:
    counter = offer("spoilt", 600_000, 77)
    spoilt = codec.encode(counter).replace(b'"600000"', b'"600001"')
    client = QuoteClient(both.theirs.url)
    try:
        with pytest.raises(SignatureError):
            await client.counter(CHAIN, counter.tx_id, spoilt)
    finally:
        await client.close()


async def test_w7_a_verdict_that_nobody_signed_is_no_agreement(both: Both) -> None:
    outcome = await dealt(both.theirs, terms("our buyer, theirs", 1_000_000))

    assert (outcome.status, outcome.said, outcome.units) == (Status.UNSIGNED, "ACCEPT", None)


async def test_the_same_buyer_has_a_signed_agreement_with_our_daemon(
    both: Both, peer: Peer
) -> None:
    outcome = await dealt(both.ours, terms("our buyer, ours", 1_000_000))

    assert (outcome.status, outcome.units) == (Status.AGREED, 1_000_000)
    assert outcome.accepted is not None
    accept = codec.document_of(outcome.accepted)
    assert peer("verify", message=accept, kernel=ZERO_KERNEL) is True


async def test_rounds_with_our_daemon_end_in_a_quote_the_peer_would_believe(
    both: Both, peer: Peer
) -> None:
    outcome = await dealt(both.ours, terms("our buyer, rounds", 600_000))

    assert outcome.accepted is not None
    assert outcome.units is not None
    assert 500_000 <= outcome.units <= 1_000_000
    if isinstance(outcome.accepted, PriceQuote):
        quote = codec.document_of(outcome.accepted)
        assert peer("verify", message=quote, kernel=ZERO_KERNEL) is True


async def test_a_request_for_a_quote_is_known_to_our_daemon_alone(both: Both) -> None:
    asked = Terms(
        tx_id=tx("asked"), chain_id=CHAIN, amount_units=500_000,
        deadline_s=now_ms() // 1_000 + 3_600,
    )  # fmt: skip
    with pytest.raises(Refused):
        await dealt(both.theirs, asked)
    assert (await dealt(both.ours, asked)).units is not None
