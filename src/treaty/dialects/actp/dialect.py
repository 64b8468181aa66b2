"""ACTP as the quote desk of the engine asks for it: a provider's policy, chains and key together.

It keeps nothing: what a question means is said where it is answered. A private figure leaves
only as the price of a signed message or of a verdict.

Read next: ``negotiation`` for the state, ``decision`` for the prices, ``rules`` for belief.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from treaty.core.session import permitted
from treaty.dialects.actp import answering, codec, rules
from treaty.dialects.actp.answering import OnChain
from treaty.dialects.actp.bindings import check_counter, check_parties
from treaty.dialects.actp.builders import CounterAcceptBuilder, QuoteBuilder
from treaty.dialects.actp.chains import Chains
from treaty.dialects.actp.choices import (
    ACCEPT_TYPE,
    COUNTER_TYPE,
    NEGOTIATIONS_FULL,
    NONCE_CONFLICT,
    PARTY_MISMATCH,
    PATH_MISMATCH,
    QUOTE_DECLINED,
    QUOTE_TYPE,
    REPLY_MISMATCH,
    TAG,
    ZERO_ADDRESS,
)
from treaty.dialects.actp.decision import (
    Action,
    HookContext,
    QuoteDecision,
    Verdict,
    decide_counter,
    decide_quote,
    judge,
)
from treaty.dialects.actp.forms import Limits, check_hash
from treaty.dialects.actp.hashes import message_hash
from treaty.dialects.actp.machine import COUNTER, RULES
from treaty.dialects.actp.messages import CounterAccept, CounterOffer, PriceQuote, QuoteRequest
from treaty.dialects.actp.negotiation import (
    COUNTER_ENTRY,
    DECLINED_ENTRY,
    NOTHING_HEARD,
    REQUEST_ENTRY,
    Negotiation,
    Said,
    fold,
)
from treaty.dialects.actp.offers import read_counter
from treaty.dialects.actp.policy import ProviderPolicy
from treaty.errors import Reason, Refused
from treaty.identity.accounts import ContractAccounts
from treaty.identity.secp256k1 import DigestSigner
from treaty.wire.canonical import Json, canonical
from treaty.wire.digest import sha256

QUOTABLE: Final = frozenset(("INITIATED", "QUOTED"))
"""States of a transaction whose price may still change."""
REQUEST_TYPE: Final = "quote-request"

_BOTH: Final = frozenset(("consumer", "opener"))
_CONSUMER: Final = frozenset(("consumer",))


@dataclass(frozen=True, slots=True)
class Heard:
    """A verified counter-offer or request, and what is kept of it."""

    message: CounterOffer | QuoteRequest
    signer: str
    type: str
    nonce: int | None
    hash: str


@dataclass(frozen=True, slots=True)
class Reading:
    """A verified request to read."""

    account: str
    digest: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """What is written down about one message, and said."""

    kind: str
    record: dict[str, Json]
    parsed: Any


@dataclass(frozen=True, slots=True)
class ACTP:
    """One provider's side of the quote channel."""

    policy: ProviderPolicy
    chains: Chains
    signer: DigestSigner
    contracts: ContractAccounts | None = None
    limits: Limits = field(init=False)
    """Of counters, as the policy sets them."""
    _accepts: CounterAcceptBuilder = field(init=False)
    _quotes: QuoteBuilder = field(init=False)

    def __post_init__(self) -> None:
        """Take the policy's limits and make the builders."""
        limits = Limits(self.policy.max_counter_ttl_s)
        tools = (self.chains, self.signer, self.contracts, limits)
        object.__setattr__(self, "limits", limits)
        object.__setattr__(self, "_accepts", CounterAcceptBuilder(*tools))
        object.__setattr__(self, "_quotes", QuoteBuilder(*tools))

    tag = TAG
    reply_types = (ACCEPT_TYPE, QUOTE_TYPE)
    nonce_conflict: Reason = field(init=False, default=NONCE_CONFLICT)
    negotiations_full: Reason = field(init=False, default=NEGOTIATIONS_FULL)
    quote_declined: Reason = field(init=False, default=QUOTE_DECLINED)

    @property
    def provider(self) -> str:
        """The provider's account."""
        return self.signer.address

    @property
    def chain_ids(self) -> tuple[int, ...]:
        """The configured chains."""
        return self.chains.ids

    @property
    def max_active(self) -> int:
        """How many negotiations may be open."""
        return self.policy.max_active

    @property
    def signer_slots(self) -> int:
        """How many of them one signer may hold (9.6)."""
        return self.policy.signer_slots

    @property
    def session_ttl_ms(self) -> int:
        """How long a negotiation stays open."""
        return self.policy.session_ttl_s * 1_000

    def kernel(self, chain_id: int) -> str:
        """The kernel's account. Raises ``Refused`` (``chain_unsupported``)."""
        return self.chains.kernel(chain_id)

    def is_mock(self, chain_id: int) -> bool:
        """True for the zero kernel, the peer's ``--mock``."""
        return self.kernel(chain_id) == ZERO_ADDRESS

    # Reading and believing.

    def read_counter(self, raw: bytes, *, bare: bool) -> CounterOffer:
        """A counter-offer in its envelope, or ``bare`` (``offers.read_counter``)."""
        return read_counter(raw, bare=bare)

    def read_request(self, raw: bytes) -> QuoteRequest:
        """A request for a quote. Raises ``WireError``."""
        return codec.decode_request(raw)

    def place_of(self, message: CounterOffer | QuoteRequest) -> tuple[int, str]:
        """The chain and transaction a message says it is for. Raises ``WireError``."""
        check_hash("txId", message.tx_id)
        return message.chain_id, message.tx_id

    def verify_counter(self, message: CounterOffer, chain_id: int, tx_id: str, at_ms: int) -> Heard:
        """Verify a counter-offer (``hear_counter``)."""
        return hear_counter(
            message,
            self.chains,
            (chain_id, tx_id),
            at_ms=at_ms,
            limits=self.limits,
            contracts=self.contracts,
        )

    def verify_request(self, message: QuoteRequest, at_ms: int) -> Heard:
        """Verify a request for a quote (``rules.verify_request``)."""
        verified = rules.verify_request(message, self.chains, at_ms=at_ms, contracts=self.contracts)
        said = sha256(canonical(codec.unsigned_document(message))).hex()
        return Heard(message, verified.account, REQUEST_TYPE, None, said)

    def verify_read(self, header: str, chain_id: int, tx_id: str, at_ms: int) -> Reading:
        """Verify a signed read of this negotiation (9.6)."""
        read = codec.decode_read(header)
        verified = rules.verify_read(read, self.chains, at_ms=at_ms, contracts=self.contracts)
        if (read.chain_id, read.tx_id) != (chain_id, tx_id):
            raise Refused("the read was signed for another negotiation", PATH_MISMATCH)
        return Reading(verified.account, verified.digest)

    # What belongs here.

    def start(self) -> Negotiation:
        """A negotiation of which nothing was heard."""
        return NOTHING_HEARD

    def check(
        self, state: Negotiation, heard: Heard, transaction: OnChain | None, at_ms: int
    ) -> None:
        """Refuse what does not belong to this negotiation, or comes too late (9.3)."""
        message = heard.message
        if isinstance(message, CounterOffer):
            # W8: one provider's counters are not another's.
            check_parties(message, consumer=heard.signer, provider=self.provider)
        if transaction is not None:
            _check_on_chain(transaction, heard.signer, self.provider)
        if state.is_known and state.consumer != heard.signer:
            # W4: a transaction has one consumer.
            raise Refused("this negotiation is somebody else's", PARTY_MISMATCH)
        if isinstance(message, QuoteRequest):
            _check_first(state)
        else:
            self._check_turn(state, message, transaction, at_ms)

    def _check_turn(
        self,
        state: Negotiation,
        counter: CounterOffer,
        transaction: OnChain | None,
        at_ms: int,
    ) -> None:
        if state.is_known and at_ms >= state.opened_ms + self.session_ttl_ms:
            raise Refused("the time of this negotiation is over", "transition_invalid")
        if transaction is not None and state.last_quote is None:
            raise Refused("there is no quote of ours to answer", REPLY_MISMATCH)
        standing = _BOTH if transaction is None else _CONSUMER
        if permitted(RULES, state.session, COUNTER, standing) is None:
            raise Refused(
                f"nothing can be countered in a negotiation that is {state.session.state}",
                "transition_invalid",
            )
        if state.last_quote is not None:
            check_counter(counter, state.last_quote)

    # Deciding and answering.

    def context(
        self, state: Negotiation, heard: Heard, transaction: OnChain | None, at_ms: int
    ) -> HookContext:
        """What a provider's own hook is shown."""
        asked = answering.asked(state, heard.message, transaction, at_ms)
        return HookContext(self.policy, asked, decide_counter(self.policy, asked))

    def decide(
        self,
        state: Negotiation,
        heard: Heard,
        transaction: OnChain | None,
        at_ms: int,
        proposed: object,
    ) -> Verdict | QuoteDecision:
        """The policy's answer, or a hook's within the policy's bounds."""
        message = heard.message
        if isinstance(message, QuoteRequest):
            return decide_quote(self.policy, answering.ask(message, transaction), at_ms)
        asked = answering.asked(state, message, transaction, at_ms)
        return judge(self.policy, asked, proposed)

    def reply_type(self, decision: Verdict | QuoteDecision) -> str | None:
        """The type of the message a decision signs."""
        if isinstance(decision, QuoteDecision):
            return QUOTE_TYPE if decision.is_offered else None
        if not decision.has_reply:
            return None
        return ACCEPT_TYPE if decision.action is Action.ACCEPT else QUOTE_TYPE

    def answer(
        self,
        state: Negotiation,
        heard: Heard,
        decision: Verdict | QuoteDecision,
        nonce: int | None,
        at_ms: int,
    ) -> Answer:
        """Sign the reply, and write down what the fold needs."""
        message = heard.message
        record: dict[str, Json] = {"at": at_ms}
        if not state.is_known:
            record |= answering.opening(message, heard.signer)
        reply = self._sign(state, heard, decision, nonce, at_ms)
        envelope: Json = None
        if reply is not None:
            envelope = {"type": reply.type, "message": codec.document_of(reply)}
        record["reply"] = envelope
        if isinstance(decision, QuoteDecision):
            kind = DECLINED_ENTRY if reply is None else REQUEST_ENTRY
            return Answer(kind, record, Said(reply))
        record["verdict"] = answering.verdict_json(decision)
        if isinstance(reply, CounterAccept) and isinstance(message, CounterOffer):
            record["expiresAt"] = message.expires_at
        return Answer(COUNTER_ENTRY, record, Said(reply, decision))

    def _sign(
        self,
        state: Negotiation,
        heard: Heard,
        decision: Verdict | QuoteDecision,
        nonce: int | None,
        at_ms: int,
    ) -> PriceQuote | CounterAccept | None:
        message = heard.message
        if nonce is None:
            return None
        if isinstance(message, CounterOffer) and _is_acceptance(decision):
            return self._accepts.build(
                tx_id=message.tx_id,
                provider=message.provider,
                consumer=message.consumer,
                accepted_amount=message.units,
                in_reply_to=heard.hash,
                chain_id=message.chain_id,
                nonce=nonce,
                at_ms=at_ms,
            )
        figures = answering.figures(self.policy, state, message, decision, at_ms)
        return answering.quote(self._quotes, message, figures, nonce=nonce, at_ms=at_ms)

    # The state.

    def fold(
        self, state: Negotiation, kind: str, record: Mapping[str, Json], parsed: Any
    ) -> Negotiation:
        """Fold one entry (``negotiation.fold``)."""
        return fold(state, kind, record, parsed)

    def consumer(self, state: Negotiation) -> str:
        """Whose negotiation it is."""
        return state.consumer

    def opened_ms(self, state: Negotiation) -> int:
        """When it was opened."""
        return state.opened_ms

    def is_open(self, state: Negotiation) -> bool:
        """True while it holds a place."""
        return state.is_open

    def view(self, state: Negotiation) -> dict[str, Json]:
        """The negotiation for its parties; nothing private is in it."""
        agreed = state.agreed_units
        return {
            "state": state.session.state,
            "consumer": state.consumer,
            "provider": self.provider,
            "openedAt": state.opened_ms // 1_000,
            "expiresAt": (state.opened_ms + self.session_ttl_ms) // 1_000,
            "agreedAmount": None if agreed is None else str(agreed),
            "agreedUntil": state.agreed_until_s,
        }


def hear_counter(
    message: CounterOffer,
    chains: Chains,
    place: tuple[int, str],
    *,
    at_ms: int,
    limits: Limits,
    contracts: ContractAccounts | None = None,
) -> Heard:
    """Verify a counter-offer that was posted to a chain and transaction (``rules``)."""
    verified = rules.verify_counter(
        message,
        chains,
        at_ms=at_ms,
        place=rules.Place(*place),
        limits=limits,
        contracts=contracts,
    )
    return Heard(message, verified.account, COUNTER_TYPE, message.nonce, message_hash(message))


def _is_acceptance(decision: Verdict | QuoteDecision) -> bool:
    return isinstance(decision, Verdict) and decision.action is Action.ACCEPT


def _check_on_chain(transaction: OnChain, requester: str, provider: str) -> None:
    if (transaction.requester, transaction.provider) != (requester, provider):
        raise Refused("the kernel names other parties for this transaction", PARTY_MISMATCH)
    if transaction.state not in QUOTABLE:
        raise Refused(f"the transaction is {transaction.state}", "transition_invalid")


def _check_first(state: Negotiation) -> None:
    """A request comes first, or repeats the request that came first."""
    if state.is_known and state.service is None:
        raise Refused("this negotiation was opened by a counter-offer", "transition_invalid")
