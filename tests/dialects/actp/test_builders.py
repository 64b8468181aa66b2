"""Builders sign what verifies, and refuse to sign anything else."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.dialects.actp.messages_made import (
    AT_MS,
    BUYER,
    CHAIN,
    CHAINS,
    NOW,
    SELLER,
    TX,
    accept,
    counter,
    did,
    quote,
)
from treaty.dialects.actp.builders import (
    CounterAcceptBuilder,
    CounterOfferBuilder,
    QuoteBuilder,
    build_read,
    build_request,
)
from treaty.dialects.actp.chains import Chains
from treaty.dialects.actp.dids import checksummed, make_did
from treaty.dialects.actp.forms import Limits
from treaty.dialects.actp.hashes import message_hash
from treaty.dialects.actp.rules import Place, verify_read, verify_request
from treaty.errors import MisuseError, TreatyError, WireError


def code(build: Any, **changes: Any) -> str:
    with pytest.raises(TreatyError) as refusal:
        build(**changes)
    return refusal.value.code


@given(
    st.integers(50_000, 10**15),
    st.integers(1, 10**9),
    st.integers(0, 10**9),
    st.integers(0, 2**53 - 1),
    st.none() | st.dictionaries(st.text(max_size=5), st.integers(-9, 9), max_size=3),
)
@settings(max_examples=60)
def test_what_is_built_verifies(
    amount: int, above: int, room: int, nonce: int, justification: Any
) -> None:
    offers, quotes = CounterOfferBuilder(CHAINS, BUYER), QuoteBuilder(CHAINS, SELLER)
    accepts = CounterAcceptBuilder(CHAINS, SELLER)
    asked = min(amount + above, 10**15)
    if asked == amount:
        amount -= 1
    first = quotes.build(
        tx_id=TX, consumer=did(BUYER), quoted_amount=asked, original_amount=0, nonce=nonce,
        max_price=asked + room, chain_id=CHAIN, at_ms=AT_MS, justification=justification,
    )  # fmt: skip
    offered = offers.answer(
        first, counter_amount=amount, nonce=nonce, at_ms=AT_MS, justification=justification
    )
    accepted = accepts.answer(offered, nonce=nonce, at_ms=AT_MS)
    place = Place(CHAIN, TX)

    assert quotes.verify(first, at_ms=AT_MS, place=place).account == SELLER.address
    assert offers.verify(offered, at_ms=AT_MS, place=place).account == BUYER.address
    assert accepts.verify(accepted, at_ms=AT_MS, place=place).account == SELLER.address
    assert offered.in_reply_to == quotes.compute_hash(first)
    assert accepted.in_reply_to == offers.compute_hash(offered)
    assert accepts.compute_hash(accepted) == message_hash(accepted)
    assert (accepted.units, offered.quote_units, first.max_price_units) == (
        amount, asked, asked + room,
    )  # fmt: skip


def test_the_same_words_are_signed_the_same() -> None:
    assert counter() == counter()
    assert counter(nonce=2).signature != counter().signature


def test_amounts_are_base_units_and_never_human_dollars() -> None:
    """W17: the peer's recipe says "600000" where its adapter reads dollars."""
    assert counter(counter_amount=600_000).counter_amount == "600000"


def test_a_message_lives_an_hour_unless_it_says() -> None:
    assert counter().expires_at == quote().expires_at == NOW + 3_600
    assert quote(expires_at=NOW + 300).expires_at == NOW + 300
    short = CounterOfferBuilder(CHAINS, BUYER, limits=Limits(max_counter_ttl_s=60))
    assert short.answer(quote(), counter_amount=50_000, nonce=1, at_ms=AT_MS).expires_at == NOW + 60


def test_a_party_may_be_spelled_as_people_see_it() -> None:
    shown = make_did(CHAIN, checksummed(SELLER.address))

    assert QuoteBuilder(CHAINS).verify(quote(provider=shown), at_ms=AT_MS).account == SELLER.address


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"counter_amount": 49_999}, "amount_below_minimum"),
        ({"counter_amount": 1_500_000}, "counter_not_below_quote"),
        ({"counter_amount": -1}, "schema_invalid"),
        ({"expires_at": NOW}, "expiry_before_creation"),
        ({"expires_at": NOW + 86_401}, "ttl_exceeded"),
        ({"expires_at": NOW - 1}, "offer_expired"),
        ({"justification": {"reason": "x" * 2_048}}, "justification_too_large"),
        ({"justification": {"rate": float("nan")}}, "malformed"),
        ({"nonce": -1}, "malformed"),
        ({"nonce": 2**256}, "malformed"),
    ],
)
def test_no_counter_is_signed_that_would_be_refused(change: dict[str, Any], said: str) -> None:
    assert code(counter, **change) == said


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"quoted_amount": 2_000_001}, "above_max_price"),
        ({"quoted_amount": 499_999}, "quote_below_original"),
        ({"tx_id": TX.upper()}, "schema_invalid"),
        ({"consumer": "did:ethr:" + BUYER.address}, "did_invalid"),
        ({"consumer": did(SELLER)}, "same_party"),
        ({"chain_id": 1, "consumer": did(BUYER, 1)}, "chain_unsupported"),
    ],
)
def test_no_quote_is_signed_that_would_be_refused(change: dict[str, Any], said: str) -> None:
    assert code(quote, **change) == said


def test_no_acceptance_is_signed_that_would_be_refused() -> None:
    builder = CounterAcceptBuilder(CHAINS, SELLER)
    members = {"tx_id": TX, "consumer": did(BUYER), "in_reply_to": "0x" + "cd" * 32,
               "chain_id": CHAIN, "nonce": 1, "at_ms": AT_MS}  # fmt: skip

    assert code(builder.build, **members, accepted_amount=49_999) == "amount_below_minimum"
    assert code(builder.build, **members | {"in_reply_to": "0x"}, accepted_amount=50_000) == (
        "schema_invalid"
    )
    assert builder.build(**members, accepted_amount=50_000).provider == did(SELLER)


def test_w2_an_acceptance_is_for_the_counter_it_answers() -> None:
    """The peer signs the channel's transaction with another counter's amount."""
    assert accept().tx_id == counter().tx_id
    assert accept().accepted_amount == counter().counter_amount
    assert accept().consumer == counter().consumer


def test_a_builder_without_a_signer_only_verifies() -> None:
    with pytest.raises(MisuseError):
        CounterOfferBuilder(CHAINS).answer(quote(), counter_amount=50_000, nonce=1, at_ms=AT_MS)
    with pytest.raises(MisuseError):
        CounterAcceptBuilder(CHAINS).answer(counter(), nonce=1, at_ms=AT_MS)
    assert CounterOfferBuilder(CHAINS).verify(counter(), at_ms=AT_MS)


def test_a_key_signs_for_its_own_account_alone() -> None:
    with pytest.raises(MisuseError):
        CounterAcceptBuilder(CHAINS, BUYER).answer(counter(), nonce=1, at_ms=AT_MS)


def test_an_owner_signs_for_a_contract_account() -> None:
    """W18: the signer is not the account; its code says whether it may sign."""

    def contracts(chain_id: int, account: str, digest: bytes, signature: bytes) -> bool:
        return account == "0x" + "42" * 20

    wallet = make_did(CHAIN, "0x" + "42" * 20)
    builder = CounterOfferBuilder(CHAINS, BUYER, contracts)
    offered = builder.answer(quote(consumer=wallet), counter_amount=800_000, nonce=1, at_ms=AT_MS)

    assert offered.consumer == wallet
    assert builder.verify(offered, at_ms=AT_MS).by_contract


def test_other_chains_than_base_are_a_matter_of_configuration() -> None:
    chains = Chains({31_337: "0x" + "cc" * 20})
    offered = QuoteBuilder(chains, SELLER).build(
        tx_id=TX, consumer=did(BUYER, 31_337), quoted_amount=50_000, original_amount=50_000,
        max_price=50_000, chain_id=31_337, nonce=1, at_ms=AT_MS,
    )  # fmt: skip

    assert QuoteBuilder(chains).verify(offered, at_ms=AT_MS).account == SELLER.address


def test_requests_and_reads_verify_as_built() -> None:
    request = build_request(
        CHAINS, BUYER, tx_id=TX, chain_id=CHAIN, service="translate", amount=50_000,
        max_price=50_000, deadline=NOW + 60, at_ms=AT_MS,
    )  # fmt: skip
    read = build_read(CHAINS, BUYER, tx_id="0x" + "0" * 64, chain_id=CHAIN, at_ms=AT_MS)

    assert verify_request(request, CHAINS, at_ms=AT_MS).value.consumer == did(BUYER)
    assert (request.units, request.max_price_units) == (50_000, 50_000)
    assert verify_read(read, CHAINS, at_ms=AT_MS).account == BUYER.address
    with pytest.raises(WireError):
        build_read(CHAINS, BUYER, tx_id="0x0", chain_id=CHAIN, at_ms=AT_MS)
