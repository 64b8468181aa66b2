"""Does this message belong to what was said before? Pure comparisons of verified messages.

Laws:

1. An answer names the hash of exactly the message it answers, its transaction, its chain, its
   two accounts and its amount; one difference and it is for another deal (9.3, attack 1).
2. A later quote keeps the first one's parties and ``maxPrice`` (3.4, attack 6). ``maxPrice`` is
   no permission: the consumer's own ceiling is checked where it is kept (9.7).
3. Hashes are compared as text in lower case, parties as accounts, since one account has several
   spellings.

Read next: ``machine`` for who may speak when.
"""

from __future__ import annotations

from treaty.dialects.actp.choices import (
    ACCEPTANCE_MISMATCH,
    PARTY_MISMATCH,
    REPLY_MISMATCH,
    REQUOTE_MISMATCH,
    SKEW_S,
)
from treaty.dialects.actp.dids import did_account
from treaty.dialects.actp.hashes import message_hash
from treaty.dialects.actp.messages import CounterAccept, CounterOffer, Message, PriceQuote
from treaty.errors import Refused, shown


def check_parties(message: Message, *, consumer: str, provider: str) -> None:
    """Check that a message is between these two accounts (``0x``, lower case).

    Raises ``Refused`` (``party_mismatch``): addressed to another provider, or by somebody who
    has no part in this transaction.
    """
    for role, did, account in (
        ("consumer", message.consumer, consumer),
        ("provider", message.provider, provider),
    ):
        if did_account(did, message.chain_id) != account:
            raise Refused(f"{shown(did)} is not the {role} of this transaction", PARTY_MISMATCH)


def check_counter(counter: CounterOffer, quote: PriceQuote) -> None:
    """Check that a counter answers this quote, the provider's last.

    Raises ``Refused`` (``party_mismatch``, ``reply_mismatch``).
    """
    _check_same_parties(counter, quote)
    if counter.in_reply_to != message_hash(quote):
        raise Refused("inReplyTo is not the hash of the last quote", REPLY_MISMATCH)
    if counter.quote_amount != quote.quoted_amount:
        raise Refused(
            f"quoteAmount is {counter.quote_amount}, the quote says {quote.quoted_amount}",
            REPLY_MISMATCH,
        )


def check_acceptance(accept: CounterAccept, counter: CounterOffer) -> None:
    """Check that an acceptance is of this counter and was made in its lifetime (9.8).

    Raises ``Refused`` (``party_mismatch``, ``acceptance_mismatch``).
    """
    _check_same_parties(accept, counter)
    if accept.in_reply_to != message_hash(counter):
        raise Refused("inReplyTo is not the hash of the counter", ACCEPTANCE_MISMATCH)
    if accept.accepted_amount != counter.counter_amount:
        raise Refused(
            f"acceptedAmount is {accept.accepted_amount}, offered was {counter.counter_amount}",
            ACCEPTANCE_MISMATCH,
        )
    if not counter.countered_at - SKEW_S <= accept.accepted_at <= counter.expires_at:
        raise Refused(
            "accepted before the counter was made or after it expired", ACCEPTANCE_MISMATCH
        )


def check_requote(quote: PriceQuote, first: PriceQuote) -> None:
    """Check that a later quote keeps the parties and ``maxPrice`` of the first.

    Raises ``Refused`` (``party_mismatch``, ``requote_mismatch``).
    """
    _check_same_parties(quote, first)
    if quote.max_price != first.max_price:
        raise Refused(
            f"maxPrice is {quote.max_price}, the first quote said {first.max_price}",
            REQUOTE_MISMATCH,
        )


def _check_same_parties(message: Message, earlier: Message) -> None:
    if message.chain_id != earlier.chain_id or message.tx_id != earlier.tx_id:
        raise Refused("the message is for another transaction", PARTY_MISMATCH)
    check_parties(
        message,
        consumer=did_account(earlier.consumer, earlier.chain_id),
        provider=did_account(earlier.provider, earlier.chain_id),
    )
