"""Messages in both directions: what one side signs, the other's own builders believe."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import pytest

from tests.interop.agirails_venv import Peer, PeerError
from tests.interop.daemons import (
    BUYER,
    BUYER_SECRET,
    CHAIN,
    PROVIDER,
    PROVIDER_SECRET,
    ZERO_KERNEL,
    did,
    low_did,
    tx,
)
from treaty.dialects.actp import codec
from treaty.dialects.actp.builders import CounterAcceptBuilder, CounterOfferBuilder, QuoteBuilder
from treaty.dialects.actp.chains import BASE_MAINNET, KNOWN_KERNELS, MOCK, Chains
from treaty.dialects.actp.hashes import message_hash
from treaty.dialects.actp.rules import verify
from treaty.dialects.actp.typed import digest_of
from treaty.errors import Refused, SignatureError
from treaty.wire.canonical import read_json

# The environment may have to be made first.
pytestmark = [pytest.mark.timeout(300), pytest.mark.slow]

REAL = Chains(KNOWN_KERNELS)
SAYINGS: list[dict[str, Any] | None] = [
    None,
    {"reason": "der Markt ist günstiger"},
    {"reason": "市場より高い 🙂", "marketRate": 0.75},
    {"reason": 'quotes " and \\ and \n\t\x01\x7f\u2028', "marketRate": 1e-7},
    {"marketRate": 1e21, "breakdown": {"größe": [1, 2.5, None, True], "a": {"z": 1, "b": -1.5}}},
]
QUOTED: dict[str, Any] = {"quoted_amount": 1_500_000, "original_amount": 600_000}


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def counter_params(**changes: Any) -> dict[str, Any]:
    """A counter of 0.80 to a quote of 1.50, as the peer's builder takes it."""
    return {
        "txId": tx("messages"),
        "consumer": did(BUYER),
        "provider": did(PROVIDER),
        "quoteAmount": "1500000",
        "counterAmount": "800000",
        "maxPrice": "2000000",
        "inReplyTo": "0x" + "bb" * 32,
        "chainId": CHAIN,
        "kernelAddress": ZERO_KERNEL,
        **changes,
    }


def quote_params(**changes: Any) -> dict[str, Any]:
    """A quote of 1.50, as the peer's builder takes it."""
    return {
        "tx_id": tx("messages"),
        "provider": did(PROVIDER),
        "consumer": did(BUYER),
        "quoted_amount": "1500000",
        "original_amount": "600000",
        "max_price": "2000000",
        "chain_id": CHAIN,
        "kernel_address": ZERO_KERNEL,
        **changes,
    }


def check_believed(document: dict[str, Any], peer: Peer, chains: Chains = MOCK) -> None:
    """Our rules accept a message of the peer, write it as it stood, and hash it alike."""
    message = codec.decode_message(document)
    verify(message, chains, at_ms=now_ms())
    assert codec.document_of(message) == document
    assert message_hash(message) == peer("hash", message=document)


def check_believed_there(message: Any, peer: Peer, kernel: str = ZERO_KERNEL) -> None:
    """The peer's builder accepts a message of ours and hashes it alike."""
    document = read_json(codec.encode(message))["message"]
    assert peer("verify", message=document, kernel=kernel) is True
    assert peer("hash", message=document) == message_hash(message)


@pytest.mark.parametrize("said", SAYINGS)
def test_the_peers_counters_verify_here(peer: Peer, said: dict[str, Any] | None) -> None:
    params = counter_params()
    if said is not None:
        rename = {"marketRate": "market_rate"}
        params["justification"] = {rename.get(name, name): it for name, it in said.items()}
    check_believed(peer("counter", key=BUYER_SECRET, **params), peer)


@pytest.mark.parametrize("said", SAYINGS)
def test_the_peers_quotes_verify_here(peer: Peer, said: dict[str, Any] | None) -> None:
    check_believed(peer("quote", key=PROVIDER_SECRET, **quote_params(justification=said)), peer)


def test_the_peers_acceptances_verify_here(peer: Peer) -> None:
    names = ("txId", "consumer", "provider", "inReplyTo", "chainId", "kernelAddress")
    params = {name: counter_params()[name] for name in names}
    check_believed(peer("accept", key=PROVIDER_SECRET, acceptedAmount="800000", **params), peer)


@pytest.mark.parametrize("said", SAYINGS)
def test_our_counters_verify_there(peer: Peer, said: dict[str, Any] | None) -> None:
    quote = QuoteBuilder(MOCK, PROVIDER).build(
        tx_id=tx("messages"), consumer=low_did(BUYER), **QUOTED, max_price=2_000_000,
        chain_id=CHAIN, nonce=1, at_ms=now_ms(), justification=said,
    )  # fmt: skip
    counter = CounterOfferBuilder(MOCK, BUYER).answer(
        quote, counter_amount=800_000, nonce=1, at_ms=now_ms(), justification=said
    )
    accept = CounterAcceptBuilder(MOCK, PROVIDER).answer(counter, nonce=1, at_ms=now_ms())

    for message in (quote, counter, accept):
        check_believed_there(message, peer)


@pytest.mark.parametrize("chain", sorted(KNOWN_KERNELS))
def test_the_real_kernels_bind_alike_on_both_sides(peer: Peer, chain: int) -> None:
    place = {"chainId": chain, "kernelAddress": KNOWN_KERNELS[chain]}
    parties = {"consumer": did(BUYER, chain), "provider": did(PROVIDER, chain)}
    theirs = peer("counter", key=BUYER_SECRET, **counter_params(**place, **parties))
    check_believed(theirs, peer, REAL)
    ours = CounterOfferBuilder(REAL, BUYER).build(
        tx_id=tx("real"), provider=did(PROVIDER, chain), nonce=1,
        quote_amount=1_500_000, counter_amount=800_000, max_price=2_000_000,
        in_reply_to="0x" + "bb" * 32, chain_id=chain, at_ms=now_ms(),
    )  # fmt: skip
    check_believed_there(ours, peer, KNOWN_KERNELS[chain])

    other = KNOWN_KERNELS[BASE_MAINNET if chain == CHAIN else CHAIN]
    with pytest.raises(PeerError, match="SignatureVerificationError"):
        check_believed_there(ours, peer, other)
    with pytest.raises(SignatureError):
        verify(codec.decode_message(theirs), Chains({chain: other}), at_ms=now_ms())


@pytest.mark.parametrize("spelled", [did(BUYER), low_did(BUYER)])
def test_an_account_is_one_in_both_spellings(peer: Peer, spelled: str) -> None:
    theirs = peer("counter", key=BUYER_SECRET, **counter_params(consumer=spelled))
    check_believed(theirs, peer)
    ours = CounterOfferBuilder(MOCK, BUYER).build(
        tx_id=tx("messages"), consumer=spelled, provider=did(PROVIDER), quote_amount=1_500_000,
        counter_amount=800_000, max_price=2_000_000, in_reply_to="0x" + "bb" * 32, chain_id=CHAIN,
        nonce=1, at_ms=now_ms(),
    )  # fmt: skip
    check_believed_there(ours, peer)


def test_both_forms_of_v_are_read_on_both_sides(peer: Peer) -> None:
    document = peer("counter", key=BUYER_SECRET, **counter_params())
    short = {**document, "signature": document["signature"][:-2] + "%02x"}
    short["signature"] %= int(document["signature"][-2:], 16) - 27

    assert peer("verify", message=short, kernel=ZERO_KERNEL) is True
    check_believed(short, peer)


def test_w15_the_high_s_twin_is_believed_there_and_refused_here(peer: Peer) -> None:
    document = peer("counter", key=BUYER_SECRET, **counter_params())
    raw = bytes.fromhex(document["signature"][2:])
    order = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
    high = (order - int.from_bytes(raw[32:64], "big")).to_bytes(32, "big")
    twin = {**document, "signature": "0x" + (raw[:32] + high + bytes([55 - raw[64]])).hex()}

    assert peer("verify", message=twin, kernel=ZERO_KERNEL) is True
    with pytest.raises(SignatureError):
        verify(codec.decode_message(twin), MOCK, at_ms=now_ms())


def test_w10_a_lifetime_of_ten_years_verifies_there_and_is_refused_here(peer: Peer) -> None:
    offer = codec.decode_message(peer("counter", key=BUYER_SECRET, **counter_params()))
    eternal = replace(offer, expires_at=offer.created_at + 10 * 365 * 86_400, signature="")
    digest = digest_of(eternal, MOCK.separator(CHAIN))
    eternal = replace(eternal, signature="0x" + BUYER.sign_digest(digest).hex())

    check_believed_there(eternal, peer)
    with pytest.raises(Refused) as refused:
        verify(eternal, MOCK, at_ms=now_ms())
    assert refused.value.code == "ttl_exceeded"


def test_w2_members_that_both_sign_change_the_signer_on_both_sides(peer: Peer) -> None:
    document = peer("counter", key=BUYER_SECRET, **counter_params())
    moved = {**document, "txId": tx("another")}

    with pytest.raises(PeerError, match="SignatureVerificationError"):
        peer("verify", message=moved, kernel=ZERO_KERNEL)
    with pytest.raises(SignatureError):
        verify(codec.decode_message(moved), MOCK, at_ms=now_ms())
