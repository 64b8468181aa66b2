"""The messages of the quote channel as frozen records, members as they are signed.

Laws:

1. A record holds exactly what stood on the wire: amounts stay text, because text is what is
   signed (1.2); the ``…_units`` properties give the integers of a verified record.
2. ``justification`` is the object as received, all keys kept (1.4). Nobody changes it.
3. ``signature`` is text and means the same in any hex case; nothing is looked up by it.

Read next: ``codec`` for the spelling, ``typed`` for what is signed, ``rules`` for what is lawful.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Final, TypeAlias

from treaty.dialects.actp.choices import (
    ACCEPT_TYPE,
    COUNTER_TYPE,
    CURRENCY,
    DECIMALS,
    QUOTE_TYPE,
    VERSION,
)
from treaty.wire.canonical import Json

Justification: TypeAlias = Mapping[str, Json]


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceQuote:
    """The provider's price: the first one, or a new one in answer to a counter-offer."""

    type: ClassVar[str] = QUOTE_TYPE
    tx_id: str
    provider: str
    consumer: str
    quoted_amount: str
    original_amount: str
    max_price: str
    quoted_at: int
    expires_at: int
    chain_id: int
    nonce: int
    signature: str
    justification: Justification | None = field(default=None, hash=False)
    currency: str = CURRENCY
    decimals: int = DECIMALS
    version: str = VERSION

    @property
    def units(self) -> int:
        """The price in base units."""
        return int(self.quoted_amount)

    @property
    def max_price_units(self) -> int:
        """The most this negotiation may come to, in base units."""
        return int(self.max_price)

    @property
    def created_at(self) -> int:
        """When it says it was made, in seconds since 1970."""
        return self.quoted_at


@dataclass(frozen=True, slots=True, kw_only=True)
class CounterOffer:
    """The consumer's lower price, in answer to one quote."""

    type: ClassVar[str] = COUNTER_TYPE
    tx_id: str
    consumer: str
    provider: str
    quote_amount: str
    counter_amount: str
    max_price: str
    in_reply_to: str
    countered_at: int
    expires_at: int
    chain_id: int
    nonce: int
    signature: str
    justification: Justification | None = field(default=None, hash=False)
    currency: str = CURRENCY
    decimals: int = DECIMALS
    version: str = VERSION

    @property
    def units(self) -> int:
        """The price offered, in base units."""
        return int(self.counter_amount)

    @property
    def quote_units(self) -> int:
        """The price it answers, in base units."""
        return int(self.quote_amount)

    @property
    def max_price_units(self) -> int:
        """The most this negotiation may come to, in base units."""
        return int(self.max_price)

    @property
    def created_at(self) -> int:
        """When it says it was made, in seconds since 1970."""
        return self.countered_at


@dataclass(frozen=True, slots=True, kw_only=True)
class CounterAccept:
    """The provider's yes to one counter-offer."""

    type: ClassVar[str] = ACCEPT_TYPE
    tx_id: str
    provider: str
    consumer: str
    accepted_amount: str
    in_reply_to: str
    accepted_at: int
    chain_id: int
    nonce: int
    signature: str
    version: str = VERSION

    @property
    def units(self) -> int:
        """The price agreed, in base units."""
        return int(self.accepted_amount)

    @property
    def created_at(self) -> int:
        """When it says it was made, in seconds since 1970."""
        return self.accepted_at


@dataclass(frozen=True, slots=True, kw_only=True)
class QuoteRequest:
    """A consumer asks for a price: the amount it escrows, and the most it says it pays."""

    tx_id: str
    chain_id: int
    consumer: str
    service: str
    amount: str
    max_price: str
    deadline: int
    """Seconds since 1970."""
    issued_at: int
    """Seconds since 1970."""
    signature: str

    @property
    def units(self) -> int:
        """The opening amount in base units."""
        return int(self.amount)

    @property
    def max_price_units(self) -> int:
        """The most the consumer says it pays, in base units."""
        return int(self.max_price)


@dataclass(frozen=True, slots=True, kw_only=True)
class QuoteRead:
    """A party asks to see a negotiation; transaction zero asks for its inbox (9.6)."""

    tx_id: str
    reader: str
    issued_at: int
    """Milliseconds since 1970."""
    chain_id: int
    signature: str


Message: TypeAlias = PriceQuote | CounterOffer | CounterAccept
Signed: TypeAlias = PriceQuote | CounterOffer | CounterAccept | QuoteRequest | QuoteRead

KINDS: Final[Mapping[str, type[PriceQuote] | type[CounterOffer] | type[CounterAccept]]] = {
    kind.type: kind for kind in (PriceQuote, CounterOffer, CounterAccept)
}
"""The three that travel in an envelope ``{"type", "message"}``, by their type."""


def signer_of(message: Message | QuoteRequest) -> str:
    """The DID that must have signed: the provider of quotes and acceptances, else the consumer."""
    if isinstance(message, PriceQuote | CounterAccept):
        return message.provider
    return message.consumer
