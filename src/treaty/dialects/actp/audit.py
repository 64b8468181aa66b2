"""Checking a deal file of the quote channel offline, claim by claim (decision B22).

The claims, in order:

* ``form``: the file has the members it must have, and every message the form that is signed
* ``bytes``: what is shown parsed, and the hashes, are those of the messages as they travelled
* ``signatures``: each message is signed by the party it names, for this chain and kernel
* ``parties``: all are between one consumer and one provider, in this transaction
* ``replies``: counters answer the quote before them, the acceptance its counter
* ``amounts``: possible, below what they answer, within one ``maxPrice``, never raised
* ``order``: the table of ``machine`` allows who spoke when; no nonce is used twice
* ``expiry``: nothing was answered after it had expired
* ``complete``: the state is the one the messages lead to, and signed by who ended it
* ``accepted``: what was agreed, what would be committed and the exporter's account agree
* ``account``: what the exporter says of itself, which nobody else vouches for
* ``kernel``: it is the one the reader's roots name for this chain

A chain's receipts, where there are any, are a claim of their own. Nothing here raises for what
is in the file. Read next: ``audit_file``, ``audit_end``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Final

from treaty.core.deal import Finding, Report, Roots, Verdict, judged, lack
from treaty.core.session import Session, advance
from treaty.dialects.actp.audit_end import (
    ACCEPTED,
    ACCOUNT,
    COMPLETE,
    accepted_findings,
    accepted_message,
    account_findings,
    amount_of,
    complete_findings,
)
from treaty.dialects.actp.audit_file import BYTES, FORM, File, Spoken, read_file
from treaty.dialects.actp.bindings import (
    check_acceptance,
    check_counter,
    check_parties,
    check_requote,
)
from treaty.dialects.actp.chains import Chains
from treaty.dialects.actp.choices import (
    PARTY_MISMATCH,
    SKEW_S,
    TAG,
    TTL_MOST_S,
    ZERO_ADDRESS,
)
from treaty.dialects.actp.dids import did_account
from treaty.dialects.actp.forms import Limits
from treaty.dialects.actp.machine import (
    ACCEPT_COUNTER,
    COUNTER,
    COUNTERED,
    DECLINE,
    QUOTE,
    RULES,
)
from treaty.dialects.actp.messages import CounterAccept, CounterOffer, PriceQuote
from treaty.dialects.actp.rules import Place, verify_request
from treaty.dialects.actp.rules import verify as verify_message
from treaty.errors import MisuseError, Refused, SignatureError, TreatyError
from treaty.identity.secp256k1 import SIGNATURE_BYTES
from treaty.wire.canonical import Json

SIGNATURES: Final = "signatures"
PARTIES: Final = "parties"
REPLIES: Final = "replies"
AMOUNTS: Final = "amounts"
ORDER: Final = "order"
EXPIRY: Final = "expiry"
KERNEL: Final = "kernel"
RECEIPTS: Final = "receipts"
CLAIMS: Final = (
    FORM, BYTES, SIGNATURES, PARTIES, REPLIES, AMOUNTS, ORDER, EXPIRY, COMPLETE, ACCEPTED,
    ACCOUNT, KERNEL,
)  # fmt: skip

_LIMITS: Final = Limits(max_counter_ttl_s=TTL_MOST_S)
_OF_TIME: Final = frozenset(
    ("expiry_before_creation", "ttl_exceeded", "offer_expired", "message_expired")
)
_OF_AMOUNT: Final = frozenset(
    (
        "amount_below_minimum", "amount_above_maximum", "counter_not_below_quote",
        "above_max_price", "quote_below_original",
    )
)  # fmt: skip
_OF_PARTIES: Final = frozenset(
    ("party_mismatch", "path_mismatch", "did_invalid", "did_chain_mismatch", "same_party")
)
_BY_CONTRACT: Final = "no key makes it; only its chain can ask a contract about it"


def verify(deal: Json, roots: Roots | None = None) -> Report:
    """Check a parsed deal file; ``roots`` are what the reader trusts. Raises nothing."""
    file = read_file(deal)
    names = (*CLAIMS, RECEIPTS) if file.receipts else CLAIMS
    findings = list(file.findings)
    if not file.is_headed:
        findings += [lack(name, "", "the heading cannot be read") for name in names[1:]]
    else:
        findings += _found(file, roots)
    claims = judged(names, findings, _verified(file))
    kernel = next(one for one in claims if one.name == KERNEL)
    signed = next(one for one in claims if one.name == SIGNATURES)
    anchored = all(one.verdict is Verdict.VERIFIED for one in (kernel, signed))
    return Report(TAG, file.id, anchored, claims)


def _found(file: File, roots: Roots | None) -> Iterator[Finding]:
    if len(file.spoken) != file.count:
        for name in (SIGNATURES, REPLIES, ORDER, COMPLETE):
            yield lack(name, "", "not every message can be read")
    yield from _signatures(file)
    yield from _parties(file)
    yield from _replies(file)
    yield from _order(file)
    yield from _expiry(file)
    yield from complete_findings(file)
    yield from accepted_findings(file)
    yield from account_findings(file)
    yield from _kernel(file, roots)
    if file.receipts:
        yield lack(RECEIPTS, "", "receipts of a chain are not read here")


def _signatures(file: File) -> Iterator[Finding]:
    try:
        chains = Chains({file.chain_id: file.kernel})
    except MisuseError as error:
        yield Finding(FORM, "session", error.detail)
        yield lack(SIGNATURES, "session", "no kernel can be there")
        return
    place = Place(file.chain_id, file.tx_id)
    for one in file.spoken:
        at_ms = one.message.created_at * 1000
        try:
            verify_message(one.message, chains, at_ms=at_ms, place=place, limits=_LIMITS)
        except TreatyError as error:
            yield _fault(one.where, error, one.message.signature)
    request = file.request
    if request is not None:
        try:
            verify_request(request, chains, at_ms=request.issued_at * 1000)
            if request.tx_id != file.tx_id:
                raise Refused("it is for another transaction", PARTY_MISMATCH)
        except TreatyError as error:
            yield _fault("request", error, request.signature)


def _fault(where: str, error: TreatyError, signature: str) -> Finding:
    if error.code == "signature_malformed" and len(signature) != 2 + 2 * SIGNATURE_BYTES:
        return lack(SIGNATURES, where, _BY_CONTRACT)
    if isinstance(error, SignatureError):
        return Finding(SIGNATURES, where, error.detail)
    for claim, codes in ((EXPIRY, _OF_TIME), (AMOUNTS, _OF_AMOUNT), (PARTIES, _OF_PARTIES)):
        if error.code in codes:
            return Finding(claim, where, error.detail)
    return Finding(FORM, where, error.detail)


def _parties(file: File) -> Iterator[Finding]:
    try:
        consumer = did_account(file.consumer, file.chain_id)
        provider = did_account(file.provider, file.chain_id)
    except Refused as error:
        yield Finding(PARTIES, "session", error.detail)
        return
    for one in file.spoken:
        try:
            check_parties(one.message, consumer=consumer, provider=provider)
        except Refused as error:
            yield Finding(PARTIES, one.where, error.detail)
    if file.request is not None:
        try:
            if did_account(file.request.consumer, file.chain_id) != consumer:
                yield Finding(PARTIES, "request", "asked by somebody else")
        except Refused as error:
            yield Finding(PARTIES, "request", error.detail)


def _replies(file: File) -> Iterator[Finding]:
    quotes: list[PriceQuote] = []
    counter: CounterOffer | None = None
    for one in file.spoken:
        match one.message:
            case PriceQuote() as quote:
                yield from _requoted(one, quote, quotes)
                quotes.append(quote)
            case CounterOffer() as offer:
                counter = offer
                yield from _countered(one, offer, quotes)
            case CounterAccept() as accept:
                if counter is None:
                    yield Finding(REPLIES, one.where, "an acceptance of no counter-offer")
                else:
                    yield from _bound(one, partial(check_acceptance, accept, counter))


def _requoted(one: Spoken, quote: PriceQuote, before: list[PriceQuote]) -> Iterator[Finding]:
    if not before:
        return
    yield from _bound(one, partial(check_requote, quote, before[0]))
    try:
        is_raised = quote.units > before[-1].units
    except ValueError:
        return
    if is_raised:
        yield Finding(AMOUNTS, one.where, "dearer than the quote before it")


def _countered(one: Spoken, offer: CounterOffer, quotes: list[PriceQuote]) -> Iterator[Finding]:
    if not quotes:
        yield lack(REPLIES, one.where, "it opens the negotiation; the quote it names is not here")
        return
    yield from _bound(one, partial(check_counter, offer, quotes[-1]))
    if offer.max_price != quotes[0].max_price:
        yield Finding(AMOUNTS, one.where, "maxPrice is not that of the quote")


def _bound(one: Spoken, check: Callable[[], None]) -> Iterator[Finding]:
    try:
        check()
    except TreatyError as error:
        claim = AMOUNTS if error.code == "requote_mismatch" else REPLIES
        yield Finding(PARTIES if error.code in _OF_PARTIES else claim, one.where, error.detail)


def _order(file: File) -> Iterator[Finding]:
    session, nonces = Session(RULES.start), set()
    for one in file.spoken:
        number = (one.message.type, one.message.nonce)
        if number in nonces:
            yield Finding(ORDER, one.where, f"nonce {one.message.nonce} was used before")
        nonces.add(number)
        try:
            session = _next(session, one)
        except Refused as error:
            yield Finding(ORDER, one.where, error.detail)
            return


def _next(session: Session, one: Spoken) -> Session:
    match one.message:
        case PriceQuote():
            return advance(RULES, session, QUOTE, frozenset(("provider",)), party="provider")
        case CounterAccept():
            provider = frozenset(("provider",))
            return advance(RULES, session, ACCEPT_COUNTER, provider, party="provider")
        case CounterOffer():
            if session.state == COUNTERED:
                # The one before was declined without a message: the quote stands again.
                session = advance(
                    RULES, session, DECLINE, frozenset(("provider",)), party="provider"
                )
            consumer = frozenset(("consumer", "opener"))
            return advance(RULES, session, COUNTER, consumer, party="consumer")


def _expiry(file: File) -> Iterator[Finding]:
    quote: PriceQuote | None = None
    for one in file.spoken:
        message = one.message
        if isinstance(message, PriceQuote):
            quote = message
        late_s = 0 if quote is None else message.created_at - quote.expires_at
        if isinstance(message, CounterOffer) and late_s > SKEW_S:
            yield Finding(EXPIRY, one.where, "the quote it answers had expired")
    accepted = accepted_message(file)
    if file.accepted is None or not isinstance(accepted, PriceQuote):
        return
    at_ms = file.accepted.get("at")
    if type(at_ms) is not int or at_ms > accepted.expires_at * 1000:
        yield Finding(EXPIRY, "accepted", "the quote had expired when it was accepted")
    else:
        yield lack(EXPIRY, "accepted", f"when it was accepted is the {file.by}'s own word")


def _kernel(file: File, roots: Roots | None) -> Iterator[Finding]:
    named = [] if roots is None else [_kernel_of(root, file.chain_id) for root in roots.chains]
    kernels = {kernel for kernel in named if kernel is not None}
    if not kernels:
        about = (
            "the mock kernel, which settles nothing"
            if file.kernel == ZERO_ADDRESS
            else "no root names it"
        )
        yield lack(KERNEL, "session", f"chain {file.chain_id}: {about}")
    elif file.kernel.lower() not in kernels:
        yield Finding(KERNEL, "session", f"your roots name another kernel on {file.chain_id}")


def _kernel_of(root: Json, chain_id: int) -> str | None:
    if not isinstance(root, Mapping) or root.get("chainId") != chain_id:
        return None
    kernel = root.get("kernel")
    return kernel.lower() if isinstance(kernel, str) else None


def _verified(file: File) -> Mapping[str, str]:
    accepted = accepted_message(file)
    agreed = "nothing was agreed, and nothing says so"
    if accepted is not None:
        kind = "quote" if isinstance(accepted, PriceQuote) else "acceptance"
        agreed = f"{amount_of(accepted)} base units, by the provider's signed {kind}"
    return {
        FORM: f"{file.count} messages, each in the form that is signed",
        BYTES: "texts, parsed forms and hashes are the same messages",
        SIGNATURES: f"each by its party, for chain {file.chain_id} and kernel {file.kernel}",
        PARTIES: f"{file.consumer} buys from {file.provider}",
        REPLIES: "each answer names the hash of what it answers",
        AMOUNTS: "within one maxPrice, and no price was raised",
        ORDER: "the table allows who spoke when",
        EXPIRY: "nothing was answered too late",
        COMPLETE: "the last word is the provider's signed acceptance",
        ACCEPTED: agreed,
        KERNEL: "as your roots have it",
    }
