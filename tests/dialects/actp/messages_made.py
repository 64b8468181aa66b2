"""Messages for the tests of the quote channel: two keys, one kernel, one time."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from treaty.dialects.actp.builders import CounterAcceptBuilder, CounterOfferBuilder, QuoteBuilder
from treaty.dialects.actp.chains import Chains
from treaty.dialects.actp.dids import make_did
from treaty.dialects.actp.messages import CounterAccept, CounterOffer, PriceQuote
from treaty.dialects.actp.typed import digest_of
from treaty.identity.secp256k1 import EvmSigner

CHAIN = 84_532
KERNEL = "0x" + "AA" * 20
CHAINS = Chains({CHAIN: KERNEL})
BUYER = EvmSigner(b"\x11" * 32)
SELLER = EvmSigner(b"\x22" * 32)
STRANGER = EvmSigner(b"\x33" * 32)
NOW = 1_700_000_000
AT_MS = NOW * 1000
TX = "0x" + "ab" * 32
OTHER_TX = "0x" + "ac" * 32


def did(signer: EvmSigner, chain: int = CHAIN) -> str:
    """The DID of a signer as we write it."""
    return make_did(chain, signer.address)


def quote(**changes: Any) -> PriceQuote:
    """A quote of 1.50 by the seller."""
    members: dict[str, Any] = {
        "tx_id": TX, "consumer": did(BUYER), "quoted_amount": 1_500_000,
        "original_amount": 500_000, "max_price": 2_000_000, "chain_id": CHAIN, "nonce": 1,
        "at_ms": AT_MS,
    }  # fmt: skip
    return QuoteBuilder(CHAINS, SELLER).build(**members | changes)


def counter(**changes: Any) -> CounterOffer:
    """A counter of 0.80 by the buyer, in answer to ``quote()``."""
    members: dict[str, Any] = {"counter_amount": 800_000, "nonce": 1, "at_ms": AT_MS}
    return CounterOfferBuilder(CHAINS, BUYER).answer(quote(), **members | changes)


def accept(**changes: Any) -> CounterAccept:
    """The seller's acceptance of ``counter()``."""
    members: dict[str, Any] = {"nonce": 1, "at_ms": AT_MS}
    return CounterAcceptBuilder(CHAINS, SELLER).answer(counter(), **members | changes)


def signed(message: Any, signer: EvmSigner, chains: Chains = CHAINS) -> Any:
    """A message signed as it stands, with none of a builder's checks."""
    digest = digest_of(message, chains.separator(message.chain_id))
    return replace(message, signature="0x" + signer.sign_digest(digest).hex())
