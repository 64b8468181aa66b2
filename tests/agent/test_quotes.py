"""A buyer on the quote channel: whole negotiations, its limits, and what it does not believe."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.agent.market import HAGGLER, PROVIDER, SEED, Market, market
from tests.dialects.actp.messages_made import (
    BUYER,
    CHAIN,
    OTHER_TX,
    SELLER,
    STRANGER,
    TX,
    did,
    signed,
)
from treaty.agent.quote_export import export_quotes
from treaty.agent.quote_loop import negotiate
from treaty.agent.quote_terms import Opening, Status, Terms
from treaty.agent.quotes import Ask, Choose, Done, QuoteBuyer, Send
from treaty.dialects.actp.audit import verify
from treaty.dialects.actp.builders import CounterAcceptBuilder, QuoteBuilder
from treaty.dialects.actp.buying import BuyerMove, BuyerPolicy, BuyerStrategy, Move, Why
from treaty.dialects.actp.chains import MOCK
from treaty.dialects.actp.codec import decode, decode_request
from treaty.dialects.actp.hashes import message_hash
from treaty.dialects.actp.messages import CounterOffer, Message, PriceQuote
from treaty.engine.ports import Unit
from treaty.errors import MisuseError, Refused, SignatureError, UnavailableError
from treaty.http.quote_client import QuoteReply
from treaty.identity.secp256k1 import EvmSigner
from treaty.store.memory import MemoryStore

pytestmark = pytest.mark.anyio

OPEN_HANDED = BuyerPolicy(ceiling_units=2_000_000, daily_units=5_000_000, target_units=1_000_000,
                          public_max_price_units=2_000_000)  # fmt: skip


def quote(at: Market, units: int = 1_000_000, signer: EvmSigner = SELLER, **changes: Any) -> Any:
    """A quote by hand, for what no honest provider of ours would say."""
    members: dict[str, Any] = {
        "tx_id": TX, "consumer": did(BUYER), "quoted_amount": units, "original_amount": 500_000,
        "max_price": 2_000_000, "chain_id": CHAIN, "nonce": 7, "at_ms": at.clock(),
        "expires_at": at.clock() // 1_000 + 300,
    }  # fmt: skip
    return QuoteBuilder(MOCK, signer).build(**members | changes)


async def asked(at: Market, buyer: QuoteBuyer, terms: Terms | None = None) -> Terms:
    """A buyer that has asked for a quote."""
    wanted = terms or at.terms()
    await buyer.begin(wanted)
    assert isinstance(await buyer.next(wanted.key), Ask)
    return wanted


async def countered(at: Market, buyer: QuoteBuyer) -> CounterOffer:
    """A buyer whose counter-offer waits for its answer."""
    terms = await asked(at, buyer)
    await buyer.take(quote(at))
    step = await buyer.next(terms.key)
    assert isinstance(step, Send)
    return step.counter


class Scripted:
    """An endpoint that answers what a test says."""

    def __init__(self, first: Message | None, *replies: Any) -> None:
        self.first = first
        self.replies = list(replies)
        self.asked: list[bytes] = []
        self.countered: list[CounterOffer] = []

    async def ask(self, raw: bytes) -> Message:
        self.asked.append(raw)
        if self.first is None:
            raise Refused("no quote is given at these terms", "policy_violation")
        return self.first

    async def counter(self, chain_id: int, tx_id: str, raw: bytes) -> QuoteReply:
        counter = decode(raw)
        assert isinstance(counter, CounterOffer)
        assert (chain_id, tx_id) == (counter.chain_id, counter.tx_id)
        self.countered.append(counter)
        reply = self.replies.pop(0)
        if isinstance(reply, Exception):
            raise reply
        return reply(counter) if callable(reply) else reply


def said(reply: Message | None, action: str = "COUNTER") -> QuoteReply:
    return QuoteReply(is_repeat=False, action=action, signs=True, reply=reply)


async def test_the_seed_flow_ends_in_the_providers_second_requote() -> None:
    async with market() as at:
        buyer, terms = at.buyer(), at.terms()

        outcome = await at.negotiate(buyer, terms)

        journal = await buyer.journal(terms.key)
        units = [line.message.units for line in journal.lines]  # type: ignore[union-attr]
        assert units == [1_000_000, 800_000, 850_000, 725_000, 745_000]
        assert (outcome.status, outcome.units) == (Status.AGREED, 745_000)
        assert isinstance(outcome.accepted, PriceQuote)
        assert outcome.to_json()["intended"] == {
            "function": "acceptQuote(bytes32,uint256)", "txId": TX, "newAmount": "745000",
        }  # fmt: skip


async def test_a_counter_the_provider_likes_is_accepted_by_its_signature() -> None:
    async with market(replace(SEED, floor_units=500_000, ideal_units=600_000)) as at:
        policy = replace(HAGGLER, strategy=BuyerStrategy.UNDERCUT, target_units=550_000)
        buyer = at.buyer(policy)

        outcome = await at.negotiate(buyer, at.terms())

        assert outcome.status is Status.AGREED
        assert verify(await export_quotes(buyer, at.terms().key)).ok


async def test_an_opening_offer_needs_no_quote_before_it() -> None:
    async with market() as at:
        buyer, terms = at.buyer(), at.opening(1_000_000 - 1)

        outcome = await at.negotiate(buyer, terms)

        # Above the buyer's own ceiling of 0.95: it leaves without having said a word.
        assert (outcome.status, outcome.reason) == (Status.WALKED, Why.TOO_DEAR.value)

        outcome = await at.negotiate(buyer, at.opening(700_000, tx_id=OTHER_TX))

        assert outcome.status is Status.AGREED


async def test_an_agreement_is_not_negotiated_again() -> None:
    async with market() as at:
        buyer, terms = at.buyer(), at.terms()
        first = await at.negotiate(buyer, terms)

        again = await negotiate(at.buyer(), Scripted(None), terms)

        assert again == first
        assert await buyer.spent_today() == 745_000


async def test_other_terms_for_the_same_transaction_are_refused() -> None:
    async with market() as at:
        buyer = at.buyer()
        await buyer.begin(at.terms())

        with pytest.raises(Refused) as refused:
            await buyer.begin(at.terms(amount_units=600_000))

        assert refused.value.code == "duplicate"


# Its own limits.


async def test_w3_the_max_price_of_a_quote_permits_nothing() -> None:
    """A first quote of 95 that claims a maxPrice of 99 was committed against a ceiling of 10."""
    async with market() as at:
        policy = BuyerPolicy(ceiling_units=10_000_000, daily_units=100_000_000,
                             public_max_price_units=99_000_000)  # fmt: skip
        buyer = at.buyer(policy)
        await asked(at, buyer)

        await buyer.take(quote(at, 95_000_000, max_price=99_000_000))

        outcome = await buyer.outcome(at.terms().key)
        assert (outcome.status, outcome.reason) == (Status.WALKED, Why.TOO_DEAR.value)
        assert await buyer.spent_today() == 0


async def test_the_days_budget_is_shared_by_all_negotiations() -> None:
    async with market() as at:
        buyer = at.buyer(replace(OPEN_HANDED, daily_units=1_500_000))
        assert (await at.negotiate(buyer, at.terms())).units == 1_000_000

        second = await at.negotiate(buyer, at.terms(tx_id=OTHER_TX))

        assert second.status is Status.WALKED
        assert await buyer.spent_today() == 1_000_000


async def test_a_promise_is_reserved_before_it_is_signed() -> None:
    async with market() as at:
        order: list[str] = []

        class Watching(MemoryStore):
            async def commit(self, unit: Unit) -> None:
                order.extend(e.kind for a in unit.appends for e in a.entries)
                await super().commit(unit)

        class Signing:
            address = BUYER.address

            def sign_digest(self, digest: bytes) -> bytes:
                order.append("signed")
                return BUYER.sign_digest(digest)

        buyer = at.buyer(key=Signing(), store=Watching())  # type: ignore[arg-type]
        await countered(at, buyer)

        assert order[:3] == ["opened", "signed", "asked"]
        # One unit holds the quote, the move, what it reserves and the nonce it gives away.
        assert sorted(order[3:7]) == ["move", "nonce", "quote", "reserve"]
        assert order[7:] == ["signed", "counter"]


async def test_a_cancelled_negotiation_gives_its_budget_back() -> None:
    async with market() as at:
        buyer = at.buyer(replace(HAGGLER, daily_units=800_000))
        await countered(at, buyer)

        outcome = await buyer.cancel(at.terms().key)

        assert outcome.status is Status.CANCELLED
        other = at.terms(tx_id=OTHER_TX)
        await buyer.begin(other)
        await buyer.next(other.key)
        await buyer.take(quote(at, tx_id=OTHER_TX))
        assert isinstance(await buyer.next(other.key), Send)


async def test_the_deadline_ends_it() -> None:
    async with market() as at:
        buyer = at.buyer()
        await countered(at, buyer)
        at.clock.now_ms += 3_600_000

        step = await buyer.next(at.terms().key)

        assert isinstance(step, Done)
        assert step.outcome.reason == Why.DEADLINE.value


async def test_a_counter_nobody_answers_ends_it() -> None:
    async with market() as at:
        buyer, terms = at.buyer(), at.terms()
        await countered(at, buyer)
        at.clock.now_ms += HAGGLER.response_ttl_s * 1_000

        step = await buyer.next(terms.key)

        assert isinstance(step, Done)
        assert step.outcome.reason == Why.NO_ANSWER.value


async def test_a_walker_makes_no_counter_and_no_more_rounds_than_allowed_are_made() -> None:
    async with market() as at:
        walker = replace(HAGGLER, strategy=BuyerStrategy.WALK)
        outcome = await at.negotiate(at.buyer(walker), at.terms())
        assert outcome.reason == Why.NO_COUNTERS.value

        peer = Scripted(
            quote(at, tx_id=OTHER_TX),
            lambda c: said(quote(at, 940_000, tx_id=OTHER_TX)),
            lambda c: said(quote(at, 930_000, tx_id=OTHER_TX)),
        )
        outcome = await negotiate(at.buyer(), peer, at.terms(tx_id=OTHER_TX), tries=1)
        assert (outcome.units, len(peer.countered)) == (930_000, 2)


async def test_a_hook_chooses_within_the_bounds_and_a_failing_one_leaves() -> None:
    async with market() as at:

        async def dear(context: Any) -> BuyerMove:
            return BuyerMove(Move.COUNTER, Why.HOOK, context.policy.ceiling_units + 1)

        def modest(context: Any) -> BuyerMove | None:
            first = context.state.quote_hash is None
            return BuyerMove(Move.COUNTER, Why.HOOK, 600_000) if first else None

        def broken(_context: Any) -> None:
            raise ValueError("a hook of somebody else")

        reasons = []
        for number, hook in enumerate((dear, broken, modest)):
            terms = at.terms(tx_id="0x" + f"{number:064x}")
            buyer = at.buyer(hook=hook, store=MemoryStore())
            await asked(at, buyer, terms)
            await buyer.take(quote(at, tx_id=terms.tx_id))
            step = await buyer.next(terms.key)
            if isinstance(step, Send):
                reasons.append(step.counter.counter_amount)
            else:
                reasons.append((await buyer.outcome(terms.key)).reason)

        assert reasons == [Why.UNDECIDED.value, Why.UNDECIDED.value, "600000"]


# What it does not believe.


async def test_attack_1_an_unsigned_acceptance_agrees_on_nothing() -> None:
    async with market() as at:
        peer = Scripted(quote(at), QuoteReply(False, "ACCEPT", signs=True, reply=None))

        outcome = await negotiate(at.buyer(), peer, at.terms(), tries=1)

        assert (outcome.status, outcome.said) == (Status.UNSIGNED, "ACCEPT")
        assert (outcome.units, outcome.to_json()["intended"]) == (None, None)
        assert await at.buyer().spent_today() == 0


@pytest.mark.parametrize(
    ("change", "by", "code"),
    [
        ({}, STRANGER, "signature_invalid"),
        ({"provider": did(STRANGER)}, STRANGER, "party_mismatch"),
        ({"accepted_amount": "500000"}, SELLER, "acceptance_mismatch"),
        ({"in_reply_to": "0x" + "00" * 32}, SELLER, "acceptance_mismatch"),
        ({"chain_id": 8453, "provider": did(SELLER, 8453), "consumer": did(BUYER, 8453)},
         SELLER, "not_found"),
        ({"tx_id": OTHER_TX}, SELLER, "not_found"),
    ],
)  # fmt: skip
async def test_attack_1_a_forged_acceptance_is_refused_and_changes_nothing(
    change: Any, by: EvmSigner, code: str
) -> None:
    async with market() as at:
        buyer = at.buyer()
        counter = await countered(at, buyer)
        accept = CounterAcceptBuilder(MOCK, SELLER).answer(counter, nonce=1, at_ms=at.clock())
        unsigned = replace(accept, **change)
        forged = unsigned if unsigned.chain_id != CHAIN else signed(unsigned, by, MOCK)

        with pytest.raises((Refused, SignatureError)) as refused:
            await buyer.take(forged)

        assert refused.value.code == code
        assert (await buyer.journal(at.terms().key)).waits
        await buyer.take(accept)
        assert (await buyer.outcome(at.terms().key)).units == counter.units


async def test_w20_an_acceptance_of_an_expired_counter_is_refused() -> None:
    async with market() as at:
        buyer = at.buyer()
        counter = await countered(at, buyer)
        at.clock.now_ms = counter.expires_at * 1_000 + 1_000
        late = CounterAcceptBuilder(MOCK, SELLER).answer(counter, nonce=1, at_ms=at.clock())

        with pytest.raises(Refused) as refused:
            await buyer.take(late)

        assert refused.value.code == "acceptance_mismatch"


async def test_attack_6_a_raised_max_price_cancels() -> None:
    async with market() as at:
        buyer = at.buyer()
        await countered(at, buyer)

        await buyer.take(quote(at, 900_000, max_price=3_000_000, nonce=8))

        outcome = await buyer.outcome(at.terms().key)
        assert (outcome.status, outcome.reason) == (
            Status.CANCELLED, Why.MAX_PRICE_CHANGED.value,
        )  # fmt: skip


async def test_attack_6_also_in_the_first_quote() -> None:
    async with market() as at:
        buyer = at.buyer()
        await asked(at, buyer)

        await buyer.take(quote(at, max_price=2_000_001))

        assert (await buyer.outcome(at.terms().key)).reason == Why.MAX_PRICE_CHANGED.value


async def test_w4_a_strangers_quote_ends_nothing() -> None:
    async with market() as at:
        buyer = at.buyer()
        await countered(at, buyer)

        with pytest.raises(Refused) as refused:
            await buyer.take(quote(at, 700_000, signer=STRANGER))

        assert refused.value.code == "party_mismatch"
        assert (await buyer.journal(at.terms().key)).waits


async def test_an_older_quote_that_comes_again_changes_nothing() -> None:
    async with market() as at:
        buyer, first = at.buyer(), quote(at)
        await asked(at, buyer)
        await buyer.take(first)
        await buyer.next(at.terms().key)
        await buyer.take(quote(at, 940_000, nonce=8))
        before = await buyer.journal(at.terms().key)

        await buyer.take(first)

        assert await buyer.journal(at.terms().key) == before


async def test_an_endpoint_that_repeats_the_old_quote_is_no_answer() -> None:
    async with market() as at:
        first = quote(at)
        peer = Scripted(first, said(first))

        with pytest.raises(UnavailableError):
            await negotiate(at.buyer(), peer, at.terms(), tries=1)


async def test_attack_14_a_quote_for_another_transaction_or_chain_is_not_taken() -> None:
    async with market() as at:
        buyer = at.buyer()
        await asked(at, buyer)

        for foreign in (quote(at, tx_id=OTHER_TX), replace(quote(at), chain_id=8453)):
            with pytest.raises(Refused) as refused:
                await buyer.take(foreign)
            assert refused.value.code == "not_found"


async def test_attack_14_an_expired_quote_is_not_taken() -> None:
    async with market() as at:
        buyer = at.buyer()
        await asked(at, buyer)
        old = quote(at)
        at.clock.now_ms += 360_000

        with pytest.raises(Refused) as refused:
            await buyer.take(old)

        assert refused.value.code == "message_expired"


async def test_w16_the_first_quote_is_the_anchored_one_or_none() -> None:
    async with market() as at:
        buyer, real = at.buyer(), quote(at)
        await asked(at, buyer, at.terms(anchor=message_hash(real)))
        await buyer.take(quote(at, 990_000, nonce=9))
        assert (await buyer.outcome(at.terms().key)).reason == Why.NOT_ANCHORED.value

        other = quote(at, tx_id=OTHER_TX)
        await asked(at, buyer, at.terms(tx_id=OTHER_TX, anchor=message_hash(other)))
        await buyer.take(other)
        assert (await buyer.journal(f"{CHAIN}/{OTHER_TX}")).promise is not None


def test_w17_amounts_are_base_units_and_nothing_reads_human_dollars() -> None:
    with pytest.raises(MisuseError):
        Terms(tx_id=TX, chain_id=CHAIN, amount_units=600_000 * 10**6 * 10**6, deadline_s=1)
    assert Opening(1_000_000, 600_000, 1_000_000).counter_units == 600_000


async def test_w18_a_provider_may_be_a_contract_where_a_chain_says_so() -> None:
    async with market() as at:
        contract = "0x" + "c0" * 20

        def vouches(chain_id: int, account: str, digest: bytes, signature: bytes) -> bool:
            return (chain_id, account) == (CHAIN, contract)

        by_contract = replace(quote(at), provider=f"did:ethr:{CHAIN}:{contract}")
        plain = at.buyer(store=MemoryStore())
        await asked(at, plain)
        with pytest.raises(SignatureError):
            await plain.take(by_contract)

        buyer = at.buyer(store=MemoryStore(), contracts=vouches)
        await asked(at, buyer)
        await buyer.take(by_contract)
        assert (await buyer.journal(at.terms().key)).state.provider == contract


async def test_attack_13_a_chain_that_cannot_be_read_is_not_a_no() -> None:
    async with market() as at:

        def unreachable(*_question: Any) -> bool:
            raise UnavailableError("no RPC")

        buyer = at.buyer(contracts=unreachable)
        await asked(at, buyer)
        by_contract = replace(quote(at), provider=f"did:ethr:{CHAIN}:0x{'c0' * 20}")

        with pytest.raises(UnavailableError):
            await buyer.take(by_contract)

        assert (await buyer.outcome(at.terms().key)).status is Status.OPEN


async def test_a_quote_that_is_held_is_decided_on_when_it_is_said() -> None:
    async with market() as at:
        buyer, terms = at.buyer(), at.terms()
        await asked(at, buyer)
        await buyer.take(quote(at, 940_000), holds=True)
        assert isinstance(await buyer.next(terms.key), Choose)

        for units in (960_000, None):
            beyond = BuyerMove(Move.COUNTER, Why.HOOK, units)
            with pytest.raises(Refused) as refused:
                await buyer.choose(terms.key, beyond)
            assert refused.value.code == "policy_violation"
        await buyer.choose(terms.key, BuyerMove(Move.ACCEPT, Why.HOOK))

        assert (await buyer.outcome(terms.key)).units == 940_000
        with pytest.raises(Refused) as refused:
            await buyer.choose(terms.key)
        assert refused.value.code == "transition_invalid"


# It survives.


async def test_w11_nonces_go_on_after_a_restart_and_across_transactions() -> None:
    async with market() as at:
        store = MemoryStore()
        nonces = []
        for number in range(3):
            terms = at.terms(tx_id="0x" + f"{number:064x}")
            buyer = at.buyer(store=store)
            await asked(at, buyer, terms)
            await buyer.take(quote(at, tx_id=terms.tx_id))
            step = await buyer.next(terms.key)
            assert isinstance(step, Send)
            nonces.append(step.counter.nonce)

        assert nonces == [1, 2, 3]


async def test_a_lost_store_learns_the_free_nonce_from_the_provider() -> None:
    async with market() as at:
        taken = Refused("used", "duplicate")
        taken.reason = type(taken.reason)("nonce_conflict", 409)
        taken.data = {"next_nonce": 41}
        peer = Scripted(quote(at), taken, lambda c: said(quote(at, 940_000, nonce=8)),
                        lambda c: said(quote(at, 930_000, nonce=9)))  # fmt: skip

        outcome = await negotiate(at.buyer(), peer, at.terms(), tries=1)

        assert outcome.status is Status.AGREED
        assert [one.nonce for one in peer.countered] == [1, 41, 42]
        assert len({one.counter_amount for one in peer.countered[:2]}) == 1


class Mortal(MemoryStore):
    """A store whose process dies at a commit, before or after it took hold."""

    def __init__(self) -> None:
        super().__init__()
        self.left = -1
        self.keeps = False

    async def commit(self, unit: Unit) -> None:
        self.left -= 1
        if self.left == 0:
            if self.keeps:
                await super().commit(unit)
            raise UnavailableError("killed")
        await super().commit(unit)


@pytest.mark.parametrize("keeps", [False, True])
async def test_a_buyer_killed_at_any_commit_goes_on_to_the_same_agreement(keeps: bool) -> None:
    commits = 0
    for at_commit in range(1, 40):
        async with market() as at:
            store, terms = Mortal(), at.terms()
            store.left, store.keeps = at_commit, keeps
            try:
                await at.negotiate(at.buyer(store=store), terms)
                commits = at_commit
            except UnavailableError:
                store.left = -1
            buyer = at.buyer(store=store)
            outcome = await at.negotiate(buyer, terms)
            assert outcome.units == 745_000
            assert await buyer.spent_today() == 745_000
            sent = [line.message for line in (await buyer.journal(terms.key)).lines]
            numbers = [one.nonce for one in sent if isinstance(one, CounterOffer)]
            assert len(set(numbers)) == len(numbers) == 2
            assert verify(await export_quotes(buyer, terms.key)).ok
        if commits:
            break
    assert commits > 6


async def test_a_request_is_signed_anew_each_time_it_is_asked() -> None:
    async with market() as at:
        buyer, terms = at.buyer(), at.terms()
        await buyer.begin(terms)
        first = await buyer.next(terms.key)
        at.clock.now_ms += 61_000
        second = await buyer.next(terms.key)

        assert isinstance(first, Ask)
        assert isinstance(second, Ask)
        issued = [decode_request(one.raw).issued_at for one in (first, second)]
        assert issued[1] - issued[0] == 61
        assert decode_request(first.raw).max_price == "2000000"


async def test_a_declined_counter_leaves_the_quote_before_it() -> None:
    async with market() as at:
        peer = Scripted(quote(at, 940_000), said(None, "REJECT"))
        outcome = await negotiate(at.buyer(), peer, at.terms(), tries=1)
        assert (outcome.units, outcome.reason) == (940_000, Why.FINAL_OFFER.value)

        dear = Scripted(quote(at, 1_000_000, tx_id=OTHER_TX), said(None, "REJECT"))
        outcome = await negotiate(at.buyer(), dear, at.terms(tx_id=OTHER_TX), tries=1)
        assert (outcome.status, outcome.reason) == (Status.WALKED, Why.TOO_DEAR.value)


async def test_the_peers_daemon_signs_nothing_and_the_outcome_says_so() -> None:
    async with market() as at:
        peer = Scripted(None, QuoteReply(False, "ACCEPT", signs=False, reply=None))

        outcome = await negotiate(at.buyer(), peer, at.opening(), tries=1)

        assert outcome.status is Status.UNSIGNED
        assert outcome.to_json()["unsignedVerdict"] == "ACCEPT"


async def test_its_private_limits_are_in_nothing_it_says_or_exports() -> None:
    async with market() as at:
        policy = replace(HAGGLER, ceiling_units=987_654, daily_units=4_567_891)
        buyer, terms = at.buyer(policy), at.terms()
        outcome = await at.negotiate(buyer, terms)

        shown = str(await export_quotes(buyer, terms.key)) + str(outcome) + repr(policy)
        for figure in ("987654", "987_654", "4567891", "4_567_891", "600000"):
            assert figure not in shown


async def test_a_buyer_takes_no_counter_offers() -> None:
    async with market() as at:
        buyer = at.buyer()
        counter = await countered(at, buyer)

        with pytest.raises(Refused):
            await buyer.take(counter)


async def test_what_was_never_begun_is_not_known() -> None:
    async with market() as at:
        buyer = at.buyer()

        with pytest.raises(Refused) as refused:
            await buyer.next(at.terms().key)

        assert refused.value.code == "not_found"
        assert await buyer.keys() == []
        await buyer.begin(at.terms(provider=PROVIDER))
        assert await buyer.keys() == [at.terms().key]
