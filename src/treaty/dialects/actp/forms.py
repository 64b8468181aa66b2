"""Whether the members of a message have the form that is signed, and whether they are possible.

Two questions, asked before and after the signature: ``check_…_form`` reads texts (1.7, 9.4, 9.8)
and returns the account that must have signed; ``check_…_bands`` compares amounts and times (1.7).
Builders ask both before they sign, so that nothing leaves that would be refused. What is refused
here a kernel refuses too, but for ``Limits``.

Read next: ``rules``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from treaty.dialects.actp.choices import (
    ABOVE_MAX_PRICE,
    AMOUNT_ABOVE_MAXIMUM,
    AMOUNT_BELOW_MINIMUM,
    AMOUNT_LEAST,
    AMOUNT_MOST,
    COUNTER_NOT_BELOW_QUOTE,
    CREATED_IN_FUTURE,
    CURRENCY,
    DECIMALS,
    EXPIRY_BEFORE_CREATION,
    GRACE_S,
    JUSTIFICATION_BYTES_MAX,
    JUSTIFICATION_TOO_LARGE,
    OFFER_EXPIRED,
    QUOTE_BELOW_ORIGINAL,
    SAME_PARTY,
    SCHEMA_INVALID,
    SERVICE_CHARS_MAX,
    SKEW_S,
    TTL_DEFAULT_S,
    TTL_EXCEEDED,
    TTL_MOST_S,
    UINT256_MAX,
    VERSION_CHARS_MAX,
)
from treaty.dialects.actp.dids import did_account
from treaty.dialects.actp.hashes import canonical_justification
from treaty.dialects.actp.messages import (
    CounterAccept,
    CounterOffer,
    Message,
    PriceQuote,
    QuoteRead,
    QuoteRequest,
)
from treaty.errors import MisuseError, Refused, WireError, shown

_HASH: Final = re.compile(r"0x[0-9a-f]{64}")
_ADDRESS: Final = re.compile(r"0x[0-9a-fA-F]{40}")
_AMOUNT: Final = re.compile(r"0|[1-9][0-9]{0,77}")
_VERSION: Final = re.compile(r"[0-9]+\.[0-9]+\.[0-9]+")
_SERVICE: Final = re.compile(r"[!-~]+")


@dataclass(frozen=True, slots=True)
class Limits:
    """What a node may set itself; seconds.

    ``max_counter_ttl_s`` lies in 1..86,400 (``MisuseError``) and bounds counters alone; quotes
    have the channel's own 86,400.
    """

    max_counter_ttl_s: int = TTL_DEFAULT_S
    skew_s: int = SKEW_S
    grace_s: int = GRACE_S

    def __post_init__(self) -> None:
        """Refuse what no kernel would honour."""
        if not 1 <= self.max_counter_ttl_s <= TTL_MOST_S:
            raise MisuseError(f"max_counter_ttl lies in 1 to {TTL_MOST_S} seconds")


DEFAULT_LIMITS: Final = Limits()


def check_counter_form(counter: CounterOffer) -> str:
    """The consumer's account of a well-formed counter. Raises ``WireError`` or ``Refused``."""
    _check_version(counter.version)
    check_hash("txId", counter.tx_id)
    check_hash("inReplyTo", counter.in_reply_to)
    account = _parties(counter.consumer, counter.provider, counter.chain_id)
    _check_amount("counterAmount", counter.counter_amount)
    _check_amount("quoteAmount", counter.quote_amount)
    _check_amount("maxPrice", counter.max_price)
    _check_asset(counter)
    _check_justification(counter)
    return account


def check_counter_bands(counter: CounterOffer, at_s: int, limits: Limits) -> None:
    """Check amounts and times of a well-formed counter. Raises ``Refused``."""
    offered, quoted = counter.units, counter.quote_units
    _check_lockable("counterAmount", offered)
    if offered >= quoted:
        raise Refused(
            f"counterAmount {offered} is not below quoteAmount {quoted}; accept the quote instead",
            COUNTER_NOT_BELOW_QUOTE,
        )
    _check_max_price("counterAmount", offered, counter.max_price_units)
    _check_times(counter, at_s, limits.max_counter_ttl_s)
    _check_created(counter, at_s, limits)


def check_quote_form(quote: PriceQuote) -> str:
    """The provider's account of a well-formed quote. Raises ``WireError`` or ``Refused``."""
    _check_version(quote.version)
    check_hash("txId", quote.tx_id)
    account = _parties(quote.provider, quote.consumer, quote.chain_id)
    _check_amount("quotedAmount", quote.quoted_amount)
    _check_amount("originalAmount", quote.original_amount)
    _check_amount("maxPrice", quote.max_price)
    _check_asset(quote)
    _check_justification(quote)
    return account


def check_quote_bands(quote: PriceQuote, at_s: int, limits: Limits) -> None:
    """Check amounts and times of a well-formed quote. Raises ``Refused``."""
    quoted = quote.units
    if quoted < int(quote.original_amount):
        raise Refused(
            f"quotedAmount {quoted} is below originalAmount {quote.original_amount}",
            QUOTE_BELOW_ORIGINAL,
        )
    _check_max_price("quotedAmount", quoted, quote.max_price_units)
    _check_lockable("quotedAmount", quoted)
    _check_times(quote, at_s, TTL_MOST_S)
    _check_created(quote, at_s, limits)


def check_accept_form(accept: CounterAccept) -> str:
    """The provider's account of a well-formed acceptance. Raises ``WireError`` or ``Refused``."""
    _check_version(accept.version)
    check_hash("txId", accept.tx_id)
    check_hash("inReplyTo", accept.in_reply_to)
    account = _parties(accept.provider, accept.consumer, accept.chain_id)
    _check_amount("acceptedAmount", accept.accepted_amount)
    return account


def check_accept_bands(accept: CounterAccept, at_s: int, limits: Limits) -> None:
    """Check amount and time of a well-formed acceptance; it has no expiry. Raises ``Refused``."""
    _check_lockable("acceptedAmount", accept.units)
    _check_created(accept, at_s, limits)


def check_request_form(request: QuoteRequest) -> str:
    """The consumer's account of a well-formed request. Raises ``WireError`` or ``Refused``."""
    check_hash("txId", request.tx_id)
    account = did_account(request.consumer, request.chain_id)
    if len(request.service) > SERVICE_CHARS_MAX or _SERVICE.fullmatch(request.service) is None:
        raise _wrong("service is 1 to 128 printable ASCII characters without spaces")
    _check_amount("amount", request.amount)
    _check_amount("maxPrice", request.max_price)
    return account


def check_request_bands(request: QuoteRequest) -> None:
    """Check the amounts of a well-formed request. Raises ``Refused``."""
    _check_lockable("amount", request.units)
    _check_max_price("amount", request.units, request.max_price_units)


def check_read_form(read: QuoteRead) -> str:
    """The account that reads, in lower case. Raises ``WireError``."""
    check_hash("txId", read.tx_id)
    if _ADDRESS.fullmatch(read.reader) is None:
        raise _wrong(f"reader must be 0x and 40 hex digits, not {shown(read.reader)}")
    return read.reader.lower()


def check_hash(name: str, value: str) -> None:
    """Check one spelling of 32 bytes: ``0x`` and 64 lower-case hex digits (9.4)."""
    if _HASH.fullmatch(value) is None:
        raise _wrong(f"{name} must be 0x and 64 lower-case hex digits, not {shown(value)}")


def _check_version(version: str) -> None:
    if len(version) > VERSION_CHARS_MAX or _VERSION.fullmatch(version) is None:
        raise _wrong(f"version must be three numbers, not {shown(version)}")


def _check_amount(name: str, text: str) -> None:
    if _AMOUNT.fullmatch(text) is None or int(text) > UINT256_MAX:
        raise _wrong(f"{name} must be a canonical decimal of base units, not {shown(text)}")


def _check_asset(message: PriceQuote | CounterOffer) -> None:
    if message.currency != CURRENCY:
        raise Refused(
            f"currency must be {CURRENCY}, not {shown(message.currency)}", "currency_unsupported"
        )
    if message.decimals != DECIMALS:
        raise _wrong(f"{CURRENCY} has {DECIMALS} decimals, not {message.decimals}")


def _parties(signer: str, other: str, chain_id: int) -> str:
    """Read both DIDs, which are of two accounts, and return the signer's."""
    account = did_account(signer, chain_id)
    if did_account(other, chain_id) == account:
        raise Refused("consumer and provider are the same account", SAME_PARTY)
    return account


def _check_justification(message: PriceQuote | CounterOffer) -> None:
    if not message.justification:
        return
    size = len(canonical_justification(message.justification))
    if size > JUSTIFICATION_BYTES_MAX:
        raise Refused(
            f"justification has {size} bytes, at most {JUSTIFICATION_BYTES_MAX} are read",
            JUSTIFICATION_TOO_LARGE,
        )


def _check_lockable(name: str, units: int) -> None:
    if units < AMOUNT_LEAST:
        raise Refused(f"{name} {units} is below {AMOUNT_LEAST}", AMOUNT_BELOW_MINIMUM)
    if units > AMOUNT_MOST:
        raise Refused(f"{name} {units} is above {AMOUNT_MOST}", AMOUNT_ABOVE_MAXIMUM)


def _check_max_price(name: str, units: int, most: int) -> None:
    if units > most:
        raise Refused(f"{name} {units} exceeds maxPrice {most}", ABOVE_MAX_PRICE)


def _check_times(message: PriceQuote | CounterOffer, at_s: int, ttl_most_s: int) -> None:
    expires, created = message.expires_at, message.created_at
    if expires < at_s:
        raise Refused(f"expired {at_s - expires} s ago", OFFER_EXPIRED)
    if expires <= created:
        raise Refused("expires before it was made", EXPIRY_BEFORE_CREATION)
    if expires - created > ttl_most_s:
        raise Refused(
            f"lives for {expires - created} s, at most {ttl_most_s} are taken",
            TTL_EXCEEDED,
            data={"max_ttl": ttl_most_s},
        )


def _check_created(message: Message, at_s: int, limits: Limits) -> None:
    if message.created_at > at_s + limits.skew_s:
        raise Refused(f"made {message.created_at - at_s} s in the future", CREATED_IN_FUTURE)


def _wrong(detail: str) -> WireError:
    return WireError(detail, SCHEMA_INVALID)
