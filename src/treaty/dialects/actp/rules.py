"""May this message be believed? Numbered checks in the peer's order; the first failure is told.

Laws:

1. The order is that of the peer's handler (2.1), so that both name the same fault of a message
   that has several: where it was sent, its chain, long expired, its form, its signature, its
   amounts and times.
2. What returns is a ``VerifiedByAccount``, which nothing else makes.
3. Nothing here knows the negotiation; ``bindings`` asks whether a message belongs to what was
   said before, and the engine whether its nonce is new.

Times are given in milliseconds and compared in the seconds of the messages. Every function raises
``WireError`` or ``Refused`` with a reason of ``choices``, ``SignatureError``
(``signature_invalid``) and, with ``contracts``, ``UnavailableError``.

Read next: ``bindings``.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeVar

from treaty.dialects.actp.chains import Chains
from treaty.dialects.actp.choices import (
    MESSAGE_EXPIRED,
    PATH_MISMATCH,
    REQUEST_STALE,
    REQUEST_WINDOW_MS,
    SIGNATURE_BYTES_MAX,
    SIGNATURE_MALFORMED,
)
from treaty.dialects.actp.forms import (
    DEFAULT_LIMITS,
    Limits,
    check_accept_bands,
    check_accept_form,
    check_counter_bands,
    check_counter_form,
    check_quote_bands,
    check_quote_form,
    check_read_form,
    check_request_bands,
    check_request_form,
)
from treaty.dialects.actp.messages import (
    CounterAccept,
    CounterOffer,
    Message,
    PriceQuote,
    QuoteRead,
    QuoteRequest,
    Signed,
)
from treaty.dialects.actp.typed import digest_of
from treaty.errors import Refused, SignatureError, shown
from treaty.identity.accounts import (
    ContractAccounts,
    VerifiedByAccount,
    is_key_signature,
    verify_account,
)

S = TypeVar("S", bound=Signed)
M = TypeVar("M", PriceQuote, CounterOffer, CounterAccept)

_SIGNATURE: Final = re.compile(r"0x((?:[0-9a-fA-F]{2})+)")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a message was sent: the chain and transaction of the address it was posted to."""

    chain_id: int
    tx_id: str


def verify_counter(
    counter: CounterOffer,
    chains: Chains,
    *,
    at_ms: int,
    place: Place | None = None,
    limits: Limits = DEFAULT_LIMITS,
    contracts: ContractAccounts | None = None,
) -> VerifiedByAccount[CounterOffer]:
    """Verify a counter-offer by its consumer (1.7, 2.1, 9.4)."""
    at_s = at_ms // 1000
    dead_at_s = at_s - limits.grace_s
    verified = _verify(counter, check_counter_form, chains, place, contracts, dead_at_s=dead_at_s)
    check_counter_bands(counter, at_s, limits)
    return verified


def verify_quote(
    quote: PriceQuote,
    chains: Chains,
    *,
    at_ms: int,
    place: Place | None = None,
    limits: Limits = DEFAULT_LIMITS,
    contracts: ContractAccounts | None = None,
) -> VerifiedByAccount[PriceQuote]:
    """Verify a quote by its provider, the first or a later one."""
    at_s = at_ms // 1000
    dead_at_s = at_s - limits.grace_s
    verified = _verify(quote, check_quote_form, chains, place, contracts, dead_at_s=dead_at_s)
    check_quote_bands(quote, at_s, limits)
    return verified


def verify_accept(
    accept: CounterAccept,
    chains: Chains,
    *,
    at_ms: int,
    place: Place | None = None,
    limits: Limits = DEFAULT_LIMITS,
    contracts: ContractAccounts | None = None,
) -> VerifiedByAccount[CounterAccept]:
    """Verify an acceptance by its provider; whether it answers *our* counter say ``bindings``."""
    verified = _verify(accept, check_accept_form, chains, place, contracts)
    check_accept_bands(accept, at_ms // 1000, limits)
    return verified


def verify(
    message: Message,
    chains: Chains,
    *,
    at_ms: int,
    place: Place | None = None,
    limits: Limits = DEFAULT_LIMITS,
    contracts: ContractAccounts | None = None,
) -> VerifiedByAccount[Message]:
    """Verify whichever of the three travels in an envelope, by its own function."""
    match message:
        case CounterOffer():
            return verify_counter(
                message, chains, at_ms=at_ms, place=place, limits=limits, contracts=contracts
            )
        case PriceQuote():
            return verify_quote(
                message, chains, at_ms=at_ms, place=place, limits=limits, contracts=contracts
            )
        case CounterAccept():
            return verify_accept(
                message, chains, at_ms=at_ms, place=place, limits=limits, contracts=contracts
            )


def verify_request(
    request: QuoteRequest,
    chains: Chains,
    *,
    at_ms: int,
    contracts: ContractAccounts | None = None,
) -> VerifiedByAccount[QuoteRequest]:
    """Verify a request for a quote by its consumer, issued within 60 s of ``at_ms``.

    Reason ``request_stale`` for an older or earlier one.
    """
    separator = chains.separator(request.chain_id)
    verified = _signed(request, check_request_form(request), separator, contracts)
    check_request_bands(request)
    if abs(request.issued_at - at_ms // 1000) > REQUEST_WINDOW_MS // 1000:
        raise Refused("issuedAt is more than a minute away from now", REQUEST_STALE)
    return verified


def verify_read(
    read: QuoteRead,
    chains: Chains,
    *,
    at_ms: int,
    contracts: ContractAccounts | None = None,
) -> VerifiedByAccount[QuoteRead]:
    """Verify a signed read, issued within 60 s of ``at_ms`` (9.6).

    That it is used once is kept by the caller, under the verified ``digest``. Reason
    ``proof_invalid`` for an older or earlier one.
    """
    separator = chains.separator(read.chain_id)
    verified = _signed(read, check_read_form(read), separator, contracts)
    if abs(read.issued_at - at_ms) > REQUEST_WINDOW_MS:
        raise SignatureError("issuedAt is more than a minute away from now", "proof_invalid")
    return verified


def _verify(
    message: M,
    check_form: Callable[[M], str],
    chains: Chains,
    place: Place | None,
    contracts: ContractAccounts | None,
    *,
    dead_at_s: int | None = None,
) -> VerifiedByAccount[M]:
    # (1) It was sent to the address of its own chain and transaction.
    if place is not None:
        _check_place(message, place)
    # (2) The chain is configured.
    separator = chains.separator(message.chain_id)
    # (3) It has not been over for longer than the grace; asked before any real work.
    if dead_at_s is not None and not isinstance(message, CounterAccept):
        _check_alive(message.expires_at, dead_at_s)
    # (4) Its members have the form that is signed.
    account = check_form(message)
    # (5) The party it names has signed it. (6) Amounts and times are the caller's next question.
    return _signed(message, account, separator, contracts)


def _check_place(message: Message, place: Place) -> None:
    if message.chain_id != place.chain_id:
        raise Refused(
            f"chainId is {message.chain_id}, the address says {place.chain_id}", PATH_MISMATCH
        )
    if message.tx_id.lower() != place.tx_id.lower():
        raise Refused(
            f"txId is {shown(message.tx_id)}, the address says {shown(place.tx_id)}", PATH_MISMATCH
        )


def _check_alive(expires_at: int, dead_at_s: int) -> None:
    if expires_at < dead_at_s:
        raise Refused(f"expired more than {dead_at_s - expires_at} s ago", MESSAGE_EXPIRED)


def _signed(
    message: S, account: str, separator: bytes, contracts: ContractAccounts | None
) -> VerifiedByAccount[S]:
    match = _SIGNATURE.fullmatch(message.signature)
    if match is None or len(match[1]) > 2 * SIGNATURE_BYTES_MAX:
        raise Refused("signature must be 0x and hex digits in pairs", SIGNATURE_MALFORMED)
    signature = bytes.fromhex(match[1])
    if contracts is None and not is_key_signature(signature):
        raise Refused(f"no key makes signatures of {len(signature)} bytes", SIGNATURE_MALFORMED)
    return verify_account(
        message,
        account=account,
        digest=digest_of(message, separator),
        signature=signature,
        chain_id=message.chain_id,
        contracts=contracts,
    )
