"""The provider's quote desk: whom it answers, what, once, and what it remembers."""

from __future__ import annotations

import asyncio
import gc
import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.engine.quote_stage import (
    BUYER,
    CHAIN,
    KERNELS,
    OTHER,
    PROVIDER,
    TTL_MS,
    Chain,
    Clock,
    account,
    quote_of,
    reply_of,
    seed_policy,
    stage,
    tx,
    verdict_of,
)
from treaty.dialects.actp import bindings, codec
from treaty.dialects.actp.builders import CounterAcceptBuilder, QuoteBuilder
from treaty.dialects.actp.decision import Action, HookContext, Proposal
from treaty.dialects.actp.hashes import message_hash
from treaty.dialects.actp.messages import CounterAccept, PriceQuote
from treaty.dialects.actp.negotiation import NOTHING_HEARD, Negotiation
from treaty.engine.channels import Channel, channel_stream
from treaty.engine.quotes import MESSAGES_MAX
from treaty.errors import Refused, SignatureError, TreatyError, WireError
from treaty.store.memory import MemoryStore


async def refusal(answer: Awaitable[Any]) -> TreatyError:
    """The error that an answer ends in."""
    with pytest.raises(TreatyError) as caught:
        await answer
    return caught.value


def run(scene: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(scene())


# What is answered.


def test_w7_a_counter_at_the_ideal_gets_a_signed_acceptance_of_itself() -> None:
    async def scene() -> None:
        async with stage() as desk:
            counter = desk.offer(tx(1), 1_100_000)
            told = await desk.say(counter)
            accept = reply_of(told)
            assert isinstance(accept, CounterAccept)
            CounterAcceptBuilder(desk.chains).verify(accept, at_ms=desk.clock())
            bindings.check_acceptance(accept, counter)
            assert verdict_of(told) == ("ACCEPT", "1100000")

    run(scene)


def test_w7_a_low_counter_gets_a_signed_quote_in_answer() -> None:
    async def scene() -> None:
        async with stage() as desk:
            told = await desk.counter(tx(1), 600_000)
            quote = reply_of(told)
            assert isinstance(quote, PriceQuote)
            QuoteBuilder(desk.chains).verify(quote, at_ms=desk.clock())
            assert (quote.units, quote.max_price_units) == (850_000, 2_000_000)
            assert quote.expires_at == (desk.clock() + TTL_MS) // 1_000
            assert verdict_of(told) == ("COUNTER", "850000")

    run(scene)


def test_a_walking_provider_sends_nothing() -> None:
    async def scene() -> None:
        from treaty.dialects.actp.policy import Strategy

        async with stage(policy=seed_policy(strategy=Strategy.WALK)) as desk:
            told = await desk.counter(tx(1), 600_000)
            assert (verdict_of(told), told.reply) == (("REJECT", None), None)

    run(scene)


def test_a_concession_above_the_counters_max_price_is_named_but_not_signed() -> None:
    async def scene() -> None:
        async with stage() as desk:
            told = await desk.counter(tx(1), 600_000, max_price=800_000)
            assert (verdict_of(told), told.reply) == (("COUNTER", "850000"), None)
            # No round is used, so the opening may be tried again; its first maxPrice stays.
            again = await desk.counter(tx(1), 700_000, max_price=900_000)
            assert (verdict_of(again), again.reply) == (("COUNTER", "850000"), None)

    run(scene)


def test_no_verdict_names_a_figure_in_words() -> None:
    async def scene() -> None:
        async with stage() as desk:
            for number, amount in enumerate((400_000, 600_000, 1_100_000)):
                told = await desk.counter(tx(number), amount)
                assert isinstance(told.verdict, dict)
                assert not any(letter.isdigit() for letter in str(told.verdict["reason"]))

    run(scene)


# Requests for quotes.


def test_a_request_gets_the_ideal_price_within_the_buyers_limit() -> None:
    async def scene() -> None:
        async with stage() as desk:
            assert (await desk.ask(tx(1))).units == 1_000_000
            assert (await desk.ask(tx(2), max_price=800_000)).units == 800_000
            assert (await desk.ask(tx(3), amount=1_200_000)).units == 1_200_000

    run(scene)


def test_the_first_quote_is_final_whatever_is_asked_next() -> None:
    async def scene() -> None:
        async with stage() as desk:
            first = await desk.quotes.request(desk.asked(tx(1)))
            again = await desk.quotes.request(desk.asked(tx(1)))
            other = await desk.quotes.request(desk.asked(tx(1), max_price=800_000))
            assert [one.is_repeat for one in (first, again, other)] == [False, True, True]
            assert first.reply == again.reply == other.reply

    run(scene)


def test_a_declined_request_stays_declined_and_tells_no_figure() -> None:
    async def scene() -> None:
        async with stage() as desk:
            low = await refusal(desk.ask(tx(1), amount=60_000, max_price=400_000))
            high = await refusal(desk.ask(tx(2), amount=11_000_000, max_price=12_000_000))
            assert low.code == high.code == "quote_declined"
            assert low.detail == high.detail
            assert (await refusal(desk.ask(tx(1)))).code == "quote_declined"
            assert (await refusal(desk.counter(tx(1), 1_100_000))).code == "transition_invalid"
            assert desk.quotes.active == 0

    run(scene)


def test_a_stale_request_is_refused_and_leaves_nothing() -> None:
    async def scene() -> None:
        store = MemoryStore()
        async with stage(store) as desk:
            old = desk.asked(tx(1), at_ms=desk.clock() - 61_000)
            assert (await refusal(desk.quotes.request(old))).code == "request_stale"
            assert await store.streams("quote/") == []

    run(scene)


def test_a_quote_is_countered_and_accepted_with_figures_that_follow() -> None:
    async def scene() -> None:
        async with stage() as desk:
            first = await desk.ask(tx(1))
            second = quote_of(await desk.counter(tx(1), 600_000, quote=first))
            bindings.check_requote(second, first)
            assert second.units == 850_000
            third = quote_of(await desk.counter(tx(1), 600_000, quote=second))
            assert third.units == 745_000
            told = await desk.counter(tx(1), 744_999, quote=third)
            assert (verdict_of(told), told.reply) == (("REJECT", None), None)

    run(scene)


# Whose negotiation it is.


def test_w2_a_counter_signed_for_another_transaction_is_refused() -> None:
    async def scene() -> None:
        async with stage() as desk:
            raw = codec.encode(desk.offer(tx(1), 1_100_000))
            error = await refusal(desk.quotes.counter(raw, CHAIN, tx(2)))
            assert error.code == "path_mismatch"

    run(scene)


def test_w4_a_stranger_has_no_part_in_somebodys_negotiation() -> None:
    async def scene() -> None:
        async with stage() as desk:
            quote = await desk.ask(tx(1))
            for options in ({}, {"quote": quote}):
                error = await refusal(desk.counter(tx(1), 700_000, signer=OTHER, **options))
                assert error.code == "party_mismatch"
            assert (await refusal(desk.ask(tx(1), signer=OTHER))).code == "party_mismatch"
            # The buyer's own negotiation goes on as if nothing had been said.
            assert verdict_of(await desk.counter(tx(1), 900_000, quote=quote))[0] == "ACCEPT"

    run(scene)


def test_w4_an_invented_quote_is_not_our_last_one() -> None:
    async def scene() -> None:
        async with stage() as desk:
            quote = await desk.ask(tx(1))
            assert (await refusal(desk.counter(tx(1), 900_000))).code == "reply_mismatch"
            later = quote_of(await desk.counter(tx(1), 600_000, quote=quote))
            stale = await refusal(desk.counter(tx(1), 900_000, quote=quote))
            assert stale.code == "reply_mismatch"
            assert verdict_of(await desk.counter(tx(1), 840_000, quote=later))[0] == "ACCEPT"

    run(scene)


def test_w8_a_counter_for_another_provider_is_refused() -> None:
    async def scene() -> None:
        async with stage() as desk:
            error = await refusal(desk.counter(tx(1), 1_100_000, provider=OTHER.address))
            assert error.code == "party_mismatch"

    run(scene)


# With a chain.


def test_on_a_chain_the_transaction_must_exist_name_both_and_be_quotable() -> None:
    async def scene() -> None:
        chain = Chain()
        async with stage(chains=KERNELS, view=chain) as desk:
            assert (await refusal(desk.ask(tx(1)))).code == "not_found"
            chain.put(tx(2), requester=OTHER.address)
            assert (await refusal(desk.ask(tx(2)))).code == "party_mismatch"
            chain.put(tx(3), provider=OTHER.address)
            assert (await refusal(desk.ask(tx(3)))).code == "party_mismatch"
            chain.put(tx(4), state="COMMITTED")
            assert (await refusal(desk.ask(tx(4)))).code == "transition_invalid"
            chain.put(tx(5))
            assert (await desk.ask(tx(5))).units == 1_000_000

    run(scene)


def test_w5_on_a_chain_a_counter_opens_nothing() -> None:
    async def scene() -> None:
        chain, store = Chain(), MemoryStore()
        chain.put(tx(1))
        async with stage(store, chains=KERNELS, view=chain) as desk:
            assert (await refusal(desk.counter(tx(1), 1_100_000))).code == "reply_mismatch"
            assert (await refusal(desk.counter(tx(2), 1_100_000))).code == "not_found"
            assert await store.streams("quote/") == []

    run(scene)


def test_on_a_chain_amount_and_deadline_are_the_kernels() -> None:
    async def scene() -> None:
        chain = Chain()
        async with stage(chains=KERNELS, view=chain) as desk:
            chain.put(tx(1), amount_units=1_300_000)
            assert (await desk.ask(tx(1))).units == 1_300_000
            chain.put(tx(2), deadline_s=desk.clock() // 1_000 + 59)
            assert (await refusal(desk.ask(tx(2)))).code == "quote_declined"

    run(scene)


def test_a_transaction_that_moved_on_makes_counters_late() -> None:
    async def scene() -> None:
        chain = Chain()
        chain.put(tx(1))
        async with stage(chains=KERNELS, view=chain) as desk:
            quote = await desk.ask(tx(1))
            chain.put(tx(1), state="COMMITTED")
            late = await refusal(desk.counter(tx(1), 900_000, quote=quote))
            assert late.code == "transition_invalid"

    run(scene)


# Repeats and nonces.


def test_w9_the_same_bytes_get_the_same_reply_also_after_a_restart() -> None:
    async def scene() -> None:
        store = MemoryStore()
        async with stage(store) as desk:
            counter = desk.offer(tx(1), 600_000)
            first, again = await desk.say(counter), await desk.say(counter)
        async with stage(store) as desk:
            later = await desk.say(counter)
        assert [one.is_repeat for one in (first, again, later)] == [False, True, True]
        assert first.reply == again.reply == later.reply
        assert first.verdict == again.verdict == later.verdict
        assert len(await store.read(channel_stream(CHAIN, tx(1)))) == 1

    run(scene)


def test_w10_no_flood_and_no_time_makes_a_repeat_fresh() -> None:
    async def scene() -> None:
        async with stage(policy=seed_policy(max_active=100_000)) as desk:
            counter = desk.offer(tx(1), 1_100_000)
            first = await desk.say(counter)
            for number in range(2, 300):
                await desk.counter(tx(number), 1_100_000, signer=account(f"flood {number}"))
            desk.clock.now_ms += 30 * 86_400_000
            again = await desk.say(counter)
            assert (again.is_repeat, again.reply) == (True, first.reply)

    run(scene)


def test_a_hundred_posts_at_once_have_one_effect() -> None:
    async def scene() -> None:
        store = MemoryStore()
        async with stage(store) as desk:
            counter = desk.offer(tx(1), 600_000)
            told = await asyncio.gather(*(desk.say(counter) for _ in range(100)))
            assert sum(not one.is_repeat for one in told) == 1
            assert len({json.dumps(one.reply, sort_keys=True) for one in told}) == 1
            assert len(await store.read(channel_stream(CHAIN, tx(1)))) == 1

    run(scene)


def test_the_same_message_in_other_bytes_is_verified_and_gets_the_stored_reply() -> None:
    async def scene() -> None:
        store = MemoryStore()
        async with stage(store) as desk:
            counter = desk.offer(tx(1), 600_000)
            first = await desk.say(counter)
            spaced = json.dumps(json.loads(codec.encode(counter)), indent=1).encode()
            again = await desk.quotes.counter(spaced, CHAIN, tx(1))
            assert (again.is_repeat, again.reply) == (True, first.reply)
            assert len(await store.read(channel_stream(CHAIN, tx(1)))) == 1

    run(scene)


def test_a_known_message_with_a_wrong_signature_gets_nothing() -> None:
    async def scene() -> None:
        async with stage() as desk:
            counter = desk.offer(tx(1), 600_000)
            await desk.say(counter)
            other = desk.offer(tx(1), 600_000, signer=OTHER, nonce=77).signature
            with pytest.raises(SignatureError):
                await desk.say(replace(counter, signature=other))

    run(scene)


def test_another_message_under_a_used_nonce_is_a_conflict_that_names_a_free_one() -> None:
    async def scene() -> None:
        chain = Chain()
        async with stage(chains=KERNELS, view=chain, policy=seed_policy(max_active=1_000)) as desk:
            for number in range(1, 8):
                chain.put(tx(number))
                quote = await desk.ask(tx(number))
                await desk.counter(tx(number), 900_000, quote=quote, nonce=number)
            chain.put(tx(9))
            quote = await desk.ask(tx(9))
            error = await refusal(desk.counter(tx(9), 900_000, quote=quote, nonce=2))
            assert (error.code, error.data["next_nonce"]) == ("nonce_conflict", 8)
            # Nothing was used up: the free nonce is taken.
            told = await desk.counter(tx(9), 900_000, quote=quote, nonce=8)
            assert (told.is_repeat, verdict_of(told)[0]) == (False, "ACCEPT")

    run(scene)


def test_nonces_that_were_seen_are_known_after_a_restart() -> None:
    async def scene() -> None:
        store, chain = MemoryStore(), Chain()
        for number in (1, 2):
            chain.put(tx(number))
        async with stage(store, chains=KERNELS, view=chain) as desk:
            await desk.counter(tx(1), 900_000, quote=await desk.ask(tx(1)), nonce=5)
        async with stage(store, chains=KERNELS, view=chain) as desk:
            quote = await desk.ask(tx(2))
            error = await refusal(desk.counter(tx(2), 900_000, quote=quote, nonce=5))
            assert (error.code, error.data["next_nonce"]) == ("nonce_conflict", 6)

    run(scene)


def test_w11_a_buyer_that_began_again_at_one_is_heard_on_another_mock_transaction() -> None:
    async def scene() -> None:
        async with stage() as desk:
            await desk.counter(tx(1), 1_100_000, nonce=1)
            told = await desk.counter(tx(2), 1_100_000, nonce=1)
            assert (told.is_repeat, reply_of(told).tx_id) == (False, tx(2))
            error = await refusal(desk.counter(tx(2), 1_200_000, nonce=1))
            assert error.code == "nonce_conflict"

    run(scene)


def test_the_same_account_in_another_case_has_the_same_nonces() -> None:
    async def scene() -> None:
        async with stage() as desk:
            await desk.counter(tx(1), 600_000, nonce=1)
            upper = f"did:ethr:{CHAIN}:0x{BUYER.address[2:].upper()}"
            error = await refusal(desk.counter(tx(1), 650_000, nonce=1, consumer=upper))
            assert error.code == "nonce_conflict"

    run(scene)


def test_a_refused_counter_uses_nothing_up() -> None:
    async def scene() -> None:
        async with stage() as desk:
            quote = await desk.ask(tx(1))
            await refusal(desk.counter(tx(1), 900_000, nonce=1))
            told = await desk.counter(tx(1), 900_000, nonce=1, quote=quote)
            assert not told.is_repeat

    run(scene)


def test_our_own_nonces_grow_over_restarts_and_are_never_given_twice() -> None:
    async def scene() -> None:
        store, given = MemoryStore(), []
        for life in range(4):
            async with stage(store, policy=seed_policy(max_active=1_000)) as desk:
                for number in range(3):
                    told = await desk.counter(tx(10 * life + number), 1_100_000)
                    given.append(reply_of(told).nonce)
        assert given == sorted(set(given))

    run(scene)


# Rounds, places, time.


def test_w6_rounds_are_not_forgotten_when_they_are_used_up_nor_by_a_restart() -> None:
    async def scene() -> None:
        store = MemoryStore()
        async with stage(store) as desk:
            quote = quote_of(await desk.counter(tx(1), 600_000))
            assert quote.units == 850_000
        async with stage(store) as desk:
            quote = quote_of(await desk.counter(tx(1), 600_000, quote=quote))
            assert quote.units == 745_000
            for _ in range(3):
                told = await desk.counter(tx(1), 600_000, quote=quote)
                assert verdict_of(told)[0] == "REJECT"
        async with stage(store) as desk:
            told = await desk.counter(tx(1), 600_000, quote=quote)
            assert verdict_of(told)[0] == "REJECT"

    run(scene)


def test_w5_junk_counters_open_a_bounded_number_of_negotiations() -> None:
    async def scene() -> None:
        async with stage(policy=seed_policy(max_active=20)) as desk:
            codes = []
            for number in range(60):
                answer = desk.counter(tx(number), 600_000, signer=account(f"junk {number}"))
                if number < 20:
                    await answer
                else:
                    error = await refusal(answer)
                    codes.append((error.code, error.data["retryAfterMs"]))
            assert codes == [("negotiations_full", TTL_MS)] * 40
            assert desk.quotes.active == 20

    run(scene)


def test_one_signer_holds_a_tenth_of_the_places_at_most() -> None:
    async def scene() -> None:
        async with stage(policy=seed_policy(max_active=20)) as desk:
            for number in (1, 2):
                await desk.counter(tx(number), 600_000)
            assert (await refusal(desk.counter(tx(3), 600_000))).code == "negotiations_full"
            await desk.counter(tx(4), 600_000, signer=OTHER)

    run(scene)


def test_an_ended_negotiation_gives_its_place_back() -> None:
    async def scene() -> None:
        async with stage(policy=seed_policy(max_active=1)) as desk:
            quote = quote_of(await desk.counter(tx(1), 600_000))
            assert (await refusal(desk.counter(tx(2), 600_000))).code == "negotiations_full"
            await desk.counter(tx(1), 900_000 - 60_000, quote=quote)
            assert desk.quotes.active == 0
            await desk.counter(tx(2), 600_000)

    run(scene)


def test_places_are_found_again_after_a_restart_and_lapse_with_time() -> None:
    async def scene() -> None:
        store, clock = MemoryStore(), Clock()
        policy = seed_policy(max_active=1)
        async with stage(store, clock=clock, policy=policy) as desk:
            await desk.counter(tx(1), 600_000)
        clock.now_ms += 100_000
        async with stage(store, clock=clock, policy=policy) as desk:
            error = await refusal(desk.counter(tx(2), 600_000))
            assert (error.code, error.data["retryAfterMs"]) == ("negotiations_full", 200_000)
            clock.now_ms += 200_000
            await desk.counter(tx(2), 600_000)

    run(scene)


def test_a_place_taken_for_a_commit_that_failed_is_given_back() -> None:
    class Broken(MemoryStore):
        fails = False

        async def commit(self, unit: Any) -> None:
            if self.fails and unit.appends:
                raise WireError("the disk is gone")
            await super().commit(unit)

    async def scene() -> None:
        store = Broken()
        async with stage(store, policy=seed_policy(max_active=1)) as desk:
            store.fails = True
            await refusal(desk.counter(tx(1), 600_000))
            assert desk.quotes.active == 0
            store.fails = False
            await desk.counter(tx(1), 600_000)

    run(scene)


def test_when_its_time_is_over_a_negotiation_ends_by_itself() -> None:
    async def scene() -> None:
        store = MemoryStore()
        async with stage(store) as desk:
            quote = quote_of(await desk.counter(tx(1), 600_000))
            desk.clock.now_ms += TTL_MS
            late = await refusal(desk.counter(tx(1), 700_000, quote=quote))
            assert late.code == "transition_invalid"
            await desk.do_what_is_due()
            entries = await store.read(channel_stream(CHAIN, tx(1)))
            assert [one.kind for one in entries] == ["counter", "expired"]
            assert await store.next_due_ms() is None
            view, _ = await desk.quotes.readers.read(desk.read_header(tx(1)), CHAIN, tx(1))
            assert view["state"] == "EXPIRED"

    run(scene)


def test_w20_an_agreement_names_when_it_lapses_and_nothing_follows_it() -> None:
    async def scene() -> None:
        async with stage() as desk:
            counter = desk.offer(tx(1), 1_100_000)
            accept = reply_of(await desk.say(counter))
            view, _ = await desk.quotes.readers.read(desk.read_header(tx(1)), CHAIN, tx(1))
            assert view["agreedUntil"] == counter.expires_at
            late = replace(accept, accepted_at=counter.expires_at + 1)
            with pytest.raises(Refused) as caught:
                bindings.check_acceptance(late, counter)
            assert caught.value.code == "acceptance_mismatch"
            again = await refusal(desk.counter(tx(1), 1_200_000))
            assert again.code == "transition_invalid"

    run(scene)


def test_a_negotiation_hears_a_bounded_number_of_messages() -> None:
    async def scene() -> None:
        async with stage() as desk:
            for _ in range(MESSAGES_MAX):
                await desk.counter(tx(1), 600_000, max_price=700_000)
            error = await refusal(desk.counter(tx(1), 600_000, max_price=700_000))
            assert error.code == "session_full"

    run(scene)


@pytest.mark.slow
def test_ten_thousand_negotiations_of_every_outcome_leave_nothing_in_memory() -> None:
    async def scene() -> None:
        signers = [account(f"one of many {number}") for number in range(8)]
        async with stage(policy=seed_policy(max_active=100_000)) as desk:
            for number in range(10_000):
                signer, tx_id = signers[number % 8], tx(number)
                match number % 5:
                    case 0:
                        await desk.counter(tx_id, 1_100_000, signer=signer)
                    case 1:
                        too_near = desk.clock() // 1_000
                        await refusal(desk.ask(tx_id, signer=signer, deadline=too_near))
                    case 2:
                        quote = quote_of(await desk.counter(tx_id, 600_000, signer=signer))
                        await desk.counter(tx_id, 849_999, signer=signer, quote=quote)
                    case 3:
                        await desk.counter(tx_id, 600_000, signer=signer)
                    case 4:
                        misled = desk.counter(
                            tx_id, 1_100_000, signer=signer, provider=BUYER.address
                        )
                        await refusal(misled)
            desk.clock.now_ms += TTL_MS
            await desk.do_what_is_due()
            gc.collect()
            left = [one for one in gc.get_objects() if isinstance(one, Channel | Negotiation)]
            assert (desk.quotes.active, left) == (0, [NOTHING_HEARD])

    run(scene)


# A provider's own decision.


def decide_with(answer: Any) -> Any:
    async def decider(context: HookContext) -> object:
        return answer(context) if callable(answer) else answer

    return decider


@pytest.mark.parametrize(
    ("proposed", "expected"),
    [
        (None, ("COUNTER", "850000")),
        (Proposal(Action.ACCEPT), ("ACCEPT", "600000")),
        (Proposal(Action.COUNTER, 700_000), ("COUNTER", "700000")),
        (Proposal(Action.REJECT), ("REJECT", None)),
        # Beyond the guardrails: above what stands, below the floor, and nonsense.
        (Proposal(Action.COUNTER, 1_000_001), ("REJECT", None)),
        ("accept!", ("REJECT", None)),
    ],
)
def test_a_hook_may_decide_within_the_policy(proposed: Any, expected: Any) -> None:
    async def scene() -> None:
        async with stage(decider=decide_with(proposed)) as desk:
            assert verdict_of(await desk.counter(tx(1), 600_000)) == expected

    run(scene)


def test_a_hook_cannot_accept_below_the_floor() -> None:
    async def scene() -> None:
        async with stage(decider=decide_with(Proposal(Action.ACCEPT))) as desk:
            assert verdict_of(await desk.counter(tx(1), 499_999)) == ("REJECT", None)

    run(scene)


def test_a_hook_is_asked_again_when_the_negotiation_moved_while_it_thought() -> None:
    async def scene() -> None:
        seen: list[int] = []
        async with stage() as desk:
            quote = await desk.ask(tx(1))

            async def slow(context: HookContext) -> object:
                seen.append(context.counter.requotes_used)
                if len(seen) == 1:
                    # Meanwhile the buyer's other counter comes in and is decided.
                    await desk.counter(tx(1), 600_000, quote=quote)
                return None

            object.__setattr__(desk.quotes.selling, "decider", slow)
            late = await refusal(desk.counter(tx(1), 650_000, quote=quote))
            assert late.code == "reply_mismatch"
            assert seen == [0, 0]

    run(scene)


def test_the_provider_is_the_one_whose_key_signs() -> None:
    async def scene() -> None:
        async with stage() as desk:
            accept = reply_of(await desk.counter(tx(1), 1_100_000))
            assert accept.provider.endswith(PROVIDER.address)
            assert accept.in_reply_to != message_hash(accept)

    run(scene)
