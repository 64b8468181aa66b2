"""What a buyer asks for on a quote channel, and what comes of it.

Amounts are base units, times in terms seconds since 1970 as in the messages. Nothing private is
in these records: they may be shown and stored.

Read next: ``quotes``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from treaty.dialects.actp.choices import (
    AMOUNT_LEAST,
    AMOUNT_MOST,
    UINT256_MAX,
    ZERO_HASH,
)
from treaty.dialects.actp.deal import intended
from treaty.dialects.actp.dids import did_account
from treaty.dialects.actp.forms import check_hash
from treaty.dialects.actp.messages import CounterAccept, PriceQuote
from treaty.errors import MisuseError, TreatyError, WireError
from treaty.wire import fields
from treaty.wire.canonical import Json

ANY_SERVICE: Final = "any"


@dataclass(frozen=True, slots=True)
class Opening:
    """A counter-offer that opens a negotiation, where no quote can be asked for.

    It answers a price known from elsewhere, such as a card; the provider may start from its own.
    """

    listed_units: int
    counter_units: int
    max_price_units: int

    def __post_init__(self) -> None:
        """Refuse what no counter-offer could say."""
        if not AMOUNT_LEAST <= self.counter_units <= AMOUNT_MOST:
            raise MisuseError(f"an offer lies between {AMOUNT_LEAST} and {AMOUNT_MOST} base units")
        if not self.counter_units < self.listed_units <= UINT256_MAX:
            raise MisuseError("an opening offer is below the listed price")
        if not self.counter_units <= self.max_price_units <= UINT256_MAX:
            raise MisuseError("an opening offer is not above the maxPrice it states")


@dataclass(frozen=True, slots=True)
class Terms:
    """One job. Raises ``MisuseError`` for what cannot be asked."""

    tx_id: str
    """``0x`` and 64 hex digits; kept in lower case."""
    chain_id: int
    amount_units: int
    """The opening amount, the one a transaction is created with."""
    deadline_s: int
    service: str = ANY_SERVICE
    provider: str | None = None
    """DID; None takes whoever quotes first."""
    anchor: str | None = None
    """Hash of the first quote as the chain has it, where there is a chain."""
    opening: Opening | None = None
    """Open with a counter-offer instead of a request; ``provider`` is needed then."""

    def __post_init__(self) -> None:
        """Check what the messages will be asked anyway."""
        object.__setattr__(self, "tx_id", self.tx_id.lower())
        try:
            check_hash("txId", self.tx_id)
            if self.anchor not in (None, ZERO_HASH):
                check_hash("anchor", str(self.anchor))
            if self.provider is not None:
                did_account(self.provider, self.chain_id)
        except TreatyError as error:
            raise MisuseError(error.detail) from error
        if not AMOUNT_LEAST <= self.amount_units <= AMOUNT_MOST:
            raise MisuseError(f"an amount lies between {AMOUNT_LEAST} and {AMOUNT_MOST} base units")
        if self.opening is not None and self.provider is None:
            raise MisuseError("an opening offer is made to a provider; name it")

    @property
    def key(self) -> str:
        """The name of the negotiation: chain and transaction."""
        return f"{self.chain_id}/{self.tx_id}"


class Status(StrEnum):
    """Where a negotiation ended, or that it has not."""

    OPEN = "open"
    AGREED = "agreed"
    WALKED = "walked"
    """Left because of the price."""
    CANCELLED = "cancelled"
    """Left because the frame was broken, time ran out, or the buyer's owner said so."""
    UNSIGNED = "unsigned"
    """The peer answered, and signed nothing: there is no agreement, whatever it said."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a negotiation stands."""

    key: str
    tx_id: str
    status: Status
    reason: str
    """Fixed words, without figures."""
    accepted: PriceQuote | CounterAccept | None = None
    """What was agreed: the provider's acceptance, or the quote that was taken."""
    said: str = ""
    """What an unsigned answer said; worth nothing as evidence."""

    @property
    def units(self) -> int | None:
        """The price agreed, in base units."""
        return None if self.accepted is None else self.accepted.units

    def to_json(self) -> dict[str, Json]:
        """The outcome for programs."""
        return {
            "negotiation": self.key,
            "status": self.status.value,
            "reason": self.reason,
            "amount": None if self.units is None else str(self.units),
            "intended": intended(self.tx_id, self.accepted),
            "unsignedVerdict": self.said or None,
        }


def terms_to_json(terms: Terms) -> dict[str, Json]:
    """Write terms for the store; amounts as text, because they may be beyond 2^53."""
    opening: Json = None
    if terms.opening is not None:
        opening = {
            "listed": str(terms.opening.listed_units),
            "counter": str(terms.opening.counter_units),
            "maxPrice": str(terms.opening.max_price_units),
        }
    return {
        "txId": terms.tx_id,
        "chainId": terms.chain_id,
        "amount": str(terms.amount_units),
        "deadline": terms.deadline_s,
        "service": terms.service,
        "provider": terms.provider,
        "anchor": terms.anchor,
        "opening": opening,
    }


def terms_from_json(value: Mapping[str, Json]) -> Terms:
    """Read stored terms. Raises ``WireError``."""
    opening = fields.obj_or(value, "opening")
    try:
        return Terms(
            tx_id=fields.text(value, "txId"),
            chain_id=fields.integer(value, "chainId"),
            amount_units=int(fields.text(value, "amount")),
            deadline_s=fields.integer(value, "deadline"),
            service=fields.text(value, "service"),
            provider=fields.text_or(value, "provider"),
            anchor=fields.text_or(value, "anchor"),
            opening=None if opening is None else _opening(opening),
        )
    except (ValueError, MisuseError) as error:
        raise WireError(f"not stored terms: {error}") from error


def _opening(value: Mapping[str, Json]) -> Opening:
    names = ("listed", "counter", "maxPrice")
    return Opening(*(int(fields.text(value, name)) for name in names))
