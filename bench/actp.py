"""What a message of the quote channel costs, beside its floor: one digest and one curve operation.

Run ``python bench/actp.py``. The floor is a digest written out for one record with the domain
already known, and libsecp256k1's recovery or signature with the account of the result; nothing is
decoded, checked or compared there. Figures are the best of several rounds, in microseconds a call;
the last column is floor over cost, of which at least 60 % is the aim.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import sha3
from coincurve import PrivateKey, PublicKey

from treaty.dialects.actp.builders import CounterAcceptBuilder, CounterOfferBuilder, QuoteBuilder
from treaty.dialects.actp.chains import Chains
from treaty.dialects.actp.codec import decode, encode
from treaty.dialects.actp.dids import make_did
from treaty.dialects.actp.hashes import message_hash
from treaty.dialects.actp.messages import CounterAccept, CounterOffer
from treaty.dialects.actp.rules import Place, verify_counter
from treaty.dialects.actp.typed import ACCEPT_HASH, COUNTER_HASH, digest_of
from treaty.identity.secp256k1 import EvmSigner

ROUNDS = 15
CALLS = 400
CHAIN = 84_532
AT_MS = 1_700_000_000_000
CHAINS = Chains({CHAIN: "0x" + "AA" * 20})
BUYER, SELLER = EvmSigner(b"\x11" * 32), EvmSigner(b"\x22" * 32)
TX = "0x" + "ab" * 32
PREFIX = b"\x19\x01" + CHAINS.separator(CHAIN)


def keccak(data: bytes) -> bytes:
    """Keccak-256, as near to the library as it gets."""
    return sha3.keccak_256(data).digest()


def counter_floor(message: CounterOffer) -> bytes:
    """The digest of a counter without a justification, written out."""
    words = (
        COUNTER_HASH,
        bytes.fromhex(message.tx_id[2:]),
        keccak(message.consumer.encode()),
        keccak(message.provider.encode()),
        keccak(message.quote_amount.encode()),
        keccak(message.counter_amount.encode()),
        keccak(message.max_price.encode()),
        keccak(message.currency.encode()),
        message.decimals.to_bytes(32, "big"),
        bytes.fromhex(message.in_reply_to[2:]),
        message.countered_at.to_bytes(32, "big"),
        message.expires_at.to_bytes(32, "big"),
        bytes(32),
        message.chain_id.to_bytes(32, "big"),
        message.nonce.to_bytes(32, "big"),
    )
    return keccak(PREFIX + keccak(b"".join(words)))


def accept_floor(message: CounterAccept) -> bytes:
    """The digest of an acceptance, written out."""
    words = (
        ACCEPT_HASH,
        bytes.fromhex(message.tx_id[2:]),
        keccak(message.provider.encode()),
        keccak(message.consumer.encode()),
        keccak(message.accepted_amount.encode()),
        bytes.fromhex(message.in_reply_to[2:]),
        message.accepted_at.to_bytes(32, "big"),
        message.chain_id.to_bytes(32, "big"),
        message.nonce.to_bytes(32, "big"),
    )
    return keccak(PREFIX + keccak(b"".join(words)))


def recover_floor(digest: bytes, signature: bytes) -> str:
    """The account of a signature, without asking whether it is a lawful one."""
    key = PublicKey.from_signature_and_message(signature, digest, hasher=None)
    return "0x" + keccak(key.format(compressed=False)[1:])[12:].hex()


def round_us(call: Callable[[], object]) -> float:
    """The mean of one round, in microseconds."""
    begun = time.perf_counter()
    for _ in range(CALLS):
        call()
    return (time.perf_counter() - begun) / CALLS * 1e6


def show(name: str, call: Callable[[], object], floor: Callable[[], object] | None = None) -> None:
    """One row. Rounds alternate, so that a busy machine is busy for both."""
    rounds = [(round_us(call), round_us(floor) if floor else 0.0) for _ in range(ROUNDS)]
    cost_us, floor_us = (min(column) for column in zip(*rounds, strict=True))
    if floor is None:
        print(f"{name:<34}{cost_us:8.1f}")
    else:
        print(f"{name:<34}{cost_us:8.1f}{floor_us:8.1f}{floor_us / cost_us:7.0%}")


def main() -> None:
    """Print the table."""
    consumer = make_did(CHAIN, BUYER.address)
    quotes, offers = QuoteBuilder(CHAINS, SELLER), CounterOfferBuilder(CHAINS, BUYER)
    accepts, place = CounterAcceptBuilder(CHAINS, SELLER), Place(CHAIN, TX)
    quote = quotes.build(
        tx_id=TX, consumer=consumer, quoted_amount=1_500_000, original_amount=500_000,
        max_price=2_000_000, chain_id=CHAIN, nonce=1, at_ms=AT_MS,
    )  # fmt: skip
    counter = offers.answer(quote, counter_amount=800_000, nonce=1, at_ms=AT_MS)
    reasoned = offers.answer(
        quote, counter_amount=800_000, nonce=2, at_ms=AT_MS,
        justification={"reason": "market rate is lower", "marketRate": 0.75},
    )  # fmt: skip
    accept = accepts.answer(counter, nonce=1, at_ms=AT_MS)
    raw, separator = encode(counter), CHAINS.separator(CHAIN)
    signature = bytes.fromhex(counter.signature[2:])
    recoverable = signature[:64] + bytes((signature[64] - 27,))
    buyer, seller = PrivateKey(b"\x11" * 32), PrivateKey(b"\x22" * 32)
    answered = message_hash(counter)
    assert counter_floor(counter) == digest_of(counter, separator)
    assert accept_floor(accept) == digest_of(accept, separator)
    assert recover_floor(counter_floor(counter), recoverable) == BUYER.address

    def verified() -> object:
        return verify_counter(counter, CHAINS, at_ms=AT_MS, place=place)

    def recovered() -> object:
        return recover_floor(counter_floor(counter), recoverable)

    print(f"{'us a call':<34}{'cost':>8}{'floor':>8}{'':>7}")
    show("verify a counter", verified, recovered)
    show(
        "decode and verify a counter",
        lambda: verify_counter(decode(raw), CHAINS, at_ms=AT_MS, place=place),
        recovered,
    )
    show(
        "verify a counter with reasons",
        lambda: verify_counter(reasoned, CHAINS, at_ms=AT_MS, place=place),
        recovered,
    )
    show(
        "build and sign a counter",
        lambda: offers.build(
            tx_id=TX, provider=quote.provider, consumer=consumer, quote_amount=1_500_000,
            counter_amount=800_000, max_price=2_000_000, in_reply_to=counter.in_reply_to,
            chain_id=CHAIN, nonce=1, at_ms=AT_MS,
        ),
        lambda: buyer.sign_recoverable(counter_floor(counter), hasher=None),
    )  # fmt: skip
    show(
        "build and sign an acceptance",
        lambda: accepts.build(
            tx_id=TX, consumer=consumer, provider=accept.provider, accepted_amount=800_000,
            in_reply_to=answered, chain_id=CHAIN, nonce=1, at_ms=AT_MS,
        ),
        lambda: seller.sign_recoverable(accept_floor(accept), hasher=None),
    )  # fmt: skip
    show(
        "digest of a counter", lambda: digest_of(counter, separator), lambda: counter_floor(counter)
    )
    show("message hash of a counter", lambda: message_hash(counter))
    show("decode a counter", lambda: decode(raw))
    show("encode a counter", lambda: encode(counter))


if __name__ == "__main__":
    main()
