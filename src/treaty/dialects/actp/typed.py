"""What is signed: each message's EIP-712 type, in its exact field order (1.2).

Laws:

1. The order differs between types: quotes and acceptances name the provider first, counters the
   consumer. ``type`` and ``version`` are not signed.
2. A digest is computed from the record alone and the domain of its own chain.

The functions are written out by hand, one word a line, because this runs for every message.

Read next: ``rules``.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from treaty.dialects.actp.choices import CURRENCY
from treaty.dialects.actp.hashes import justification_hash
from treaty.dialects.actp.messages import (
    CounterAccept,
    CounterOffer,
    PriceQuote,
    QuoteRead,
    QuoteRequest,
    Signed,
)
from treaty.identity.eip712 import (
    address_word,
    bytes32_word,
    string_word,
    struct_hash,
    type_hash,
    typed_digest,
    uint_word,
)

QUOTE_FIELDS: Final = (
    "PriceQuote(bytes32 txId,string provider,string consumer,string quotedAmount,"
    "string originalAmount,string maxPrice,string currency,uint8 decimals,uint256 quotedAt,"
    "uint256 expiresAt,bytes32 justificationHash,uint256 chainId,uint256 nonce)"
)
COUNTER_FIELDS: Final = (
    "CounterOffer(bytes32 txId,string consumer,string provider,string quoteAmount,"
    "string counterAmount,string maxPrice,string currency,uint8 decimals,bytes32 inReplyTo,"
    "uint256 counteredAt,uint256 expiresAt,bytes32 justificationHash,uint256 chainId,"
    "uint256 nonce)"
)
ACCEPT_FIELDS: Final = (
    "CounterAccept(bytes32 txId,string provider,string consumer,string acceptedAmount,"
    "bytes32 inReplyTo,uint256 acceptedAt,uint256 chainId,uint256 nonce)"
)
REQUEST_FIELDS: Final = (
    "QuoteRequest(bytes32 txId,uint256 chainId,string consumer,string service,string amount,"
    "string maxPrice,uint256 deadline,uint256 issuedAt)"
)
READ_FIELDS: Final = "QuoteRead(bytes32 txId,address reader,uint256 issuedAt,uint256 chainId)"

QUOTE_HASH: Final = type_hash(QUOTE_FIELDS)
COUNTER_HASH: Final = type_hash(COUNTER_FIELDS)
ACCEPT_HASH: Final = type_hash(ACCEPT_FIELDS)
REQUEST_HASH: Final = type_hash(REQUEST_FIELDS)
READ_HASH: Final = type_hash(READ_FIELDS)

_CURRENCY_WORD: Final = string_word(CURRENCY)
WORDS_KEPT: Final = 4_096
"""Texts whose word is remembered: parties and prices come again with nearly every message."""
_word: Final = lru_cache(maxsize=WORDS_KEPT)(string_word)


def digest_of(message: Signed, separator: bytes) -> bytes:
    """The 32 bytes to be signed for a message in the domain of ``separator``.

    Raises ``WireError`` for members that their types cannot hold.
    """
    return typed_digest(separator, struct_of(message))


def struct_of(message: Signed) -> bytes:
    """The struct hash of a message, the part of its digest that no domain changes."""
    match message:
        case CounterOffer():
            return _counter(message)
        case CounterAccept():
            return _accept(message)
        case PriceQuote():
            return _quote(message)
        case QuoteRequest():
            return _request(message)
        case QuoteRead():
            return _read(message)


def _currency(text: str) -> bytes:
    return _CURRENCY_WORD if text == CURRENCY else string_word(text)


def _counter(message: CounterOffer) -> bytes:
    return struct_hash(
        COUNTER_HASH,
        bytes32_word(message.tx_id),
        _word(message.consumer),
        _word(message.provider),
        _word(message.quote_amount),
        _word(message.counter_amount),
        _word(message.max_price),
        _currency(message.currency),
        uint_word(message.decimals, 8),
        bytes32_word(message.in_reply_to),
        uint_word(message.countered_at),
        uint_word(message.expires_at),
        justification_hash(message.justification),
        uint_word(message.chain_id),
        uint_word(message.nonce),
    )


def _accept(message: CounterAccept) -> bytes:
    return struct_hash(
        ACCEPT_HASH,
        bytes32_word(message.tx_id),
        _word(message.provider),
        _word(message.consumer),
        _word(message.accepted_amount),
        bytes32_word(message.in_reply_to),
        uint_word(message.accepted_at),
        uint_word(message.chain_id),
        uint_word(message.nonce),
    )


def _quote(message: PriceQuote) -> bytes:
    return struct_hash(
        QUOTE_HASH,
        bytes32_word(message.tx_id),
        _word(message.provider),
        _word(message.consumer),
        _word(message.quoted_amount),
        _word(message.original_amount),
        _word(message.max_price),
        _currency(message.currency),
        uint_word(message.decimals, 8),
        uint_word(message.quoted_at),
        uint_word(message.expires_at),
        justification_hash(message.justification),
        uint_word(message.chain_id),
        uint_word(message.nonce),
    )


def _request(message: QuoteRequest) -> bytes:
    return struct_hash(
        REQUEST_HASH,
        bytes32_word(message.tx_id),
        uint_word(message.chain_id),
        string_word(message.consumer),
        string_word(message.service),
        string_word(message.amount),
        _word(message.max_price),
        uint_word(message.deadline),
        uint_word(message.issued_at),
    )


def _read(message: QuoteRead) -> bytes:
    return struct_hash(
        READ_HASH,
        bytes32_word(message.tx_id),
        address_word(message.reader),
        uint_word(message.issued_at),
        uint_word(message.chain_id),
    )
