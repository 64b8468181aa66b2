"""Builders by the names of the peer's SDK: they lay out a message, check it and sign it.

Laws:

1. A builder signs nothing that ``rules`` would refuse; it raises the same reason instead.
2. Amounts go in as integers of base units, never as human dollars (W17). Nonces, times and
   justifications are given; nothing is counted, read or remembered here. A nonce is recorded
   durably before its message leaves.
3. ``kernel`` addresses come from ``Chains`` alone.

``verify`` and ``compute_hash`` need no signer. Read next: ``bindings``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

from treaty.dialects.actp.chains import Chains
from treaty.dialects.actp.choices import TTL_DEFAULT_S
from treaty.dialects.actp.dids import make_did
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
from treaty.dialects.actp.hashes import message_hash
from treaty.dialects.actp.messages import (
    CounterAccept,
    CounterOffer,
    Justification,
    PriceQuote,
    QuoteRead,
    QuoteRequest,
    Signed,
)
from treaty.dialects.actp.rules import Place, verify_accept, verify_counter, verify_quote
from treaty.dialects.actp.typed import digest_of
from treaty.errors import MisuseError
from treaty.identity.accounts import ContractAccounts, VerifiedByAccount
from treaty.identity.secp256k1 import DigestSigner

S = TypeVar("S", bound=Signed)


@dataclass(frozen=True, slots=True)
class CounterOfferBuilder:
    """Build and verify counter-offers; ``signer`` is the consumer's, needed to build."""

    chains: Chains
    signer: DigestSigner | None = None
    contracts: ContractAccounts | None = None
    limits: Limits = DEFAULT_LIMITS

    def build(
        self,
        *,
        tx_id: str,
        provider: str,
        quote_amount: int,
        counter_amount: int,
        max_price: int,
        in_reply_to: str,
        chain_id: int,
        nonce: int,
        at_ms: int,
        expires_at: int | None = None,
        justification: Justification | None = None,
        consumer: str | None = None,
    ) -> CounterOffer:
        """Sign a counter-offer made at ``at_ms``; it lives an hour unless ``expires_at`` says.

        ``consumer`` defaults to the signer's DID; another one is for contract accounts.
        """
        at_s = at_ms // 1000
        counter = CounterOffer(
            tx_id=tx_id,
            consumer=consumer or _own_did(self.signer, chain_id),
            provider=provider,
            quote_amount=str(quote_amount),
            counter_amount=str(counter_amount),
            max_price=str(max_price),
            in_reply_to=in_reply_to,
            countered_at=at_s,
            expires_at=_expiry(at_s, expires_at, self.limits.max_counter_ttl_s),
            chain_id=chain_id,
            nonce=nonce,
            signature="",
            justification=justification,
        )
        account = check_counter_form(counter)
        check_counter_bands(counter, at_s, self.limits)
        return _sign(counter, account, self.chains, self.signer, self.contracts)

    def answer(
        self,
        quote: PriceQuote,
        *,
        counter_amount: int,
        nonce: int,
        at_ms: int,
        expires_at: int | None = None,
        justification: Justification | None = None,
    ) -> CounterOffer:
        """Counter a quote: parties, price, ``maxPrice`` and hash are the quote's."""
        return self.build(
            tx_id=quote.tx_id,
            provider=quote.provider,
            consumer=quote.consumer,
            quote_amount=quote.units,
            counter_amount=counter_amount,
            max_price=quote.max_price_units,
            in_reply_to=message_hash(quote),
            chain_id=quote.chain_id,
            nonce=nonce,
            at_ms=at_ms,
            expires_at=expires_at,
            justification=justification,
        )

    def verify(
        self, message: CounterOffer, *, at_ms: int, place: Place | None = None
    ) -> VerifiedByAccount[CounterOffer]:
        """Verify a received counter-offer (``rules.verify_counter``)."""
        return verify_counter(
            message,
            self.chains,
            at_ms=at_ms,
            place=place,
            limits=self.limits,
            contracts=self.contracts,
        )

    def compute_hash(self, message: CounterOffer) -> str:
        """The message hash that an acceptance names in ``inReplyTo``."""
        return message_hash(message)


@dataclass(frozen=True, slots=True)
class CounterAcceptBuilder:
    """Build and verify acceptances; ``signer`` is the provider's, needed to build."""

    chains: Chains
    signer: DigestSigner | None = None
    contracts: ContractAccounts | None = None
    limits: Limits = DEFAULT_LIMITS

    def build(
        self,
        *,
        tx_id: str,
        consumer: str,
        accepted_amount: int,
        in_reply_to: str,
        chain_id: int,
        nonce: int,
        at_ms: int,
        provider: str | None = None,
    ) -> CounterAccept:
        """Sign an acceptance made at ``at_ms``; ``provider`` defaults to the signer's DID."""
        accept = CounterAccept(
            tx_id=tx_id,
            provider=provider or _own_did(self.signer, chain_id),
            consumer=consumer,
            accepted_amount=str(accepted_amount),
            in_reply_to=in_reply_to,
            accepted_at=at_ms // 1000,
            chain_id=chain_id,
            nonce=nonce,
            signature="",
        )
        account = check_accept_form(accept)
        check_accept_bands(accept, at_ms // 1000, self.limits)
        return _sign(accept, account, self.chains, self.signer, self.contracts)

    def answer(self, counter: CounterOffer, *, nonce: int, at_ms: int) -> CounterAccept:
        """Accept a counter-offer: parties, amount and hash are the counter's."""
        return self.build(
            tx_id=counter.tx_id,
            provider=counter.provider,
            consumer=counter.consumer,
            accepted_amount=counter.units,
            in_reply_to=message_hash(counter),
            chain_id=counter.chain_id,
            nonce=nonce,
            at_ms=at_ms,
        )

    def verify(
        self, message: CounterAccept, *, at_ms: int, place: Place | None = None
    ) -> VerifiedByAccount[CounterAccept]:
        """Verify a received acceptance (``rules.verify_accept``)."""
        return verify_accept(
            message,
            self.chains,
            at_ms=at_ms,
            place=place,
            limits=self.limits,
            contracts=self.contracts,
        )

    def compute_hash(self, message: CounterAccept) -> str:
        """The message hash of an acceptance."""
        return message_hash(message)


@dataclass(frozen=True, slots=True)
class QuoteBuilder:
    """Build and verify quotes; ``signer`` is the provider's, needed to build."""

    chains: Chains
    signer: DigestSigner | None = None
    contracts: ContractAccounts | None = None
    limits: Limits = DEFAULT_LIMITS

    def build(
        self,
        *,
        tx_id: str,
        consumer: str,
        quoted_amount: int,
        original_amount: int,
        max_price: int,
        chain_id: int,
        nonce: int,
        at_ms: int,
        expires_at: int | None = None,
        justification: Justification | None = None,
        provider: str | None = None,
    ) -> PriceQuote:
        """Sign a quote made at ``at_ms``; it lives an hour unless ``expires_at`` says.

        ``provider`` defaults to the signer's DID; another one is for contract accounts.
        """
        at_s = at_ms // 1000
        quote = PriceQuote(
            tx_id=tx_id,
            provider=provider or _own_did(self.signer, chain_id),
            consumer=consumer,
            quoted_amount=str(quoted_amount),
            original_amount=str(original_amount),
            max_price=str(max_price),
            quoted_at=at_s,
            expires_at=_expiry(at_s, expires_at, TTL_DEFAULT_S),
            chain_id=chain_id,
            nonce=nonce,
            signature="",
            justification=justification,
        )
        account = check_quote_form(quote)
        check_quote_bands(quote, at_s, self.limits)
        return _sign(quote, account, self.chains, self.signer, self.contracts)

    def verify(
        self, message: PriceQuote, *, at_ms: int, place: Place | None = None
    ) -> VerifiedByAccount[PriceQuote]:
        """Verify a received quote (``rules.verify_quote``)."""
        return verify_quote(
            message,
            self.chains,
            at_ms=at_ms,
            place=place,
            limits=self.limits,
            contracts=self.contracts,
        )

    def compute_hash(self, message: PriceQuote) -> str:
        """The message hash that a counter names in ``inReplyTo`` and a chain may anchor."""
        return message_hash(message)


def build_request(
    chains: Chains,
    signer: DigestSigner,
    *,
    tx_id: str,
    chain_id: int,
    service: str,
    amount: int,
    max_price: int,
    deadline: int,
    at_ms: int,
    consumer: str | None = None,
) -> QuoteRequest:
    """Sign a request for a quote, issued at ``at_ms``; ``deadline`` in seconds since 1970."""
    request = QuoteRequest(
        tx_id=tx_id,
        chain_id=chain_id,
        consumer=consumer or _own_did(signer, chain_id),
        service=service,
        amount=str(amount),
        max_price=str(max_price),
        deadline=deadline,
        issued_at=at_ms // 1000,
        signature="",
    )
    check_request_form(request)
    check_request_bands(request)
    return _signed(request, chains, signer)


def build_read(
    chains: Chains,
    signer: DigestSigner,
    *,
    tx_id: str,
    chain_id: int,
    at_ms: int,
    reader: str | None = None,
) -> QuoteRead:
    """Sign a read of a negotiation, or of an inbox when ``tx_id`` is zero (9.6)."""
    read = QuoteRead(
        tx_id=tx_id,
        reader=reader or signer.address,
        issued_at=at_ms,
        chain_id=chain_id,
        signature="",
    )
    check_read_form(read)
    return _signed(read, chains, signer)


def _own_did(signer: DigestSigner | None, chain_id: int) -> str:
    if signer is None:
        raise MisuseError("a builder without a signer only verifies")
    return make_did(chain_id, signer.address)


def _expiry(at_s: int, asked: int | None, most_s: int) -> int:
    return at_s + min(TTL_DEFAULT_S, most_s) if asked is None else asked


def _sign(
    message: S,
    account: str,
    chains: Chains,
    signer: DigestSigner | None,
    contracts: ContractAccounts | None,
) -> S:
    if signer is None:
        raise MisuseError("a builder without a signer only verifies")
    if contracts is None and account != signer.address:
        raise MisuseError(f"{signer.address} cannot sign for {account}; only its own key can")
    return _signed(message, chains, signer)


def _signed(message: S, chains: Chains, signer: DigestSigner) -> S:
    digest = digest_of(message, chains.separator(message.chain_id))
    # Nobody has seen the record yet, and a copy of it would cost a quarter of a signature.
    object.__setattr__(message, "signature", "0x" + signer.sign_digest(digest).hex())
    return message
