"""How a buyer answers quotes: its own limits, the frame of the first quote, its strategy. Pure.

Laws:

1. The buyer's ceiling and what its budget leaves decide what may be paid. The ``maxPrice`` that a
   quote names is the seller's word: it can only lower the limit, never raise it (W3).
2. The first quote is the frame. It must be the one anchored on chain, where one is; every later
   quote keeps its provider and its ``maxPrice`` and is not dearer. Who leaves the frame is left.
3. No more counters are sent than ``rounds_per_provider`` allows, and every counter is below the
   quote it answers, at least the platform's minimum and within the limit.
4. An acceptance counts when it answers the counter that stands, at its price.
5. A hook may choose among lawful moves; it cannot leave these bounds.

Reasons are fixed words without figures. ``room_units`` comes from ``budget.room``; reserve the
move's ``units`` there before anything is signed. Read next: ``budget``.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final

from treaty.dialects.actp.choices import AMOUNT_LEAST, AMOUNT_MOST, TTL_MOST_S
from treaty.errors import MisuseError

ROUNDS_MAX: Final = 100


class BuyerStrategy(StrEnum):
    """How a counter is priced."""

    WALK = "walk"
    """Not at all: take a quote or leave it."""
    MIDPOINT = "midpoint"
    """Halfway between the quote and the target."""
    UNDERCUT = "undercut"
    """The target itself."""


class Move(StrEnum):
    """What a buyer does next."""

    ACCEPT = "accept"
    COUNTER = "counter"
    WALK = "walk"
    """Leave because of the price. Nobody did wrong."""
    CANCEL = "cancel"
    """Leave because the frame was broken or time ran out."""
    WAIT = "wait"
    """What came does not concern this negotiation as it stands."""


class Why(StrEnum):
    """Every reason a move is given with."""

    ON_TARGET = "the quote is within the target"
    FINAL_OFFER = "the provider's final offer is within the limit"
    LAST_ROUND = "the last round, and the quote is within the limit"
    AS_LOW = "no counter below the quote is possible"
    TRYING = "a lower price is tried"
    TOO_DEAR = "the quote is beyond the limit"
    NO_COUNTERS = "the strategy makes no counters"
    AGREED = "the provider accepted the counter"
    HOOK = "decided by the hook"
    SEEN = "this quote has been answered"
    OVER = "this negotiation is over"
    DEADLINE = "the deadline has passed"
    EXPIRED = "the quote has expired"
    NOT_ANCHORED = "the first quote is not the anchored one"
    OTHER_PROVIDER = "another provider than the first"
    MAX_PRICE_CHANGED = "maxPrice is not what it was"
    RAISED = "the new quote is dearer than the one before"
    BEYOND_MAX_PRICE = "the quote is beyond its own maxPrice"
    NO_ANSWER = "no answer in time"
    NOT_OURS = "this does not answer our counter"
    UNDECIDED = "no decision was made"


@dataclass(frozen=True, slots=True)
class BuyerPolicy:
    """What a buyer pays. Raises ``MisuseError`` whose ``data["field"]`` names the fault."""

    ceiling_units: int = field(repr=False)
    """Private: the most it pays for one job."""
    daily_units: int = field(repr=False)
    """Private: the most it spends and promises in one UTC day."""
    target_units: int | None = field(default=None, repr=False)
    """Private: what it would take without haggling; half the ceiling unless given."""
    strategy: BuyerStrategy = BuyerStrategy.WALK
    rounds_per_provider: int = 1
    """Quotes it looks at from one provider; the last is taken or left."""
    response_ttl_s: int = 900
    """How long a counter waits for its answer."""
    public_max_price_units: int | None = None
    """What a request for a quote says as ``maxPrice``; the opening amount unless given."""

    def __post_init__(self) -> None:
        _whole("ceiling_units", self.ceiling_units, AMOUNT_LEAST, AMOUNT_MOST)
        _whole("daily_units", self.daily_units, 0, AMOUNT_MOST)
        if self.target_units is not None:
            _whole("target_units", self.target_units, 1, self.ceiling_units)
        if self.public_max_price_units is not None:
            most = AMOUNT_MOST
            _whole("public_max_price_units", self.public_max_price_units, AMOUNT_LEAST, most)
        _whole("rounds_per_provider", self.rounds_per_provider, 1, ROUNDS_MAX)
        _whole("response_ttl_s", self.response_ttl_s, 1, TTL_MOST_S)
        if not isinstance(self.strategy, BuyerStrategy):
            raise _fault("strategy", "must be walk, midpoint or undercut")

    @property
    def aim_units(self) -> int:
        """The target, or half the ceiling."""
        return self.ceiling_units // 2 if self.target_units is None else self.target_units


@dataclass(frozen=True, slots=True)
class QuoteFigures:
    """A verified quote, as far as a decision needs it."""

    provider: str
    """The address in lower case; two spellings of a DID are one provider."""
    quoted_units: int
    max_price_units: int
    quote_hash: str
    expires_at_s: int
    is_final: bool = False


@dataclass(frozen=True, slots=True)
class AcceptFigures:
    """A verified counter-accept, as far as a decision needs it."""

    provider: str
    accepted_units: int
    in_reply_to: str


@dataclass(frozen=True, slots=True)
class BuyerState:
    """Where one negotiation stands on the buyer's side. Begin with what is known."""

    provider: str | None = None
    """Whom it is with: named at the start, or bound by the first quote."""
    anchor: str | None = None
    """The hash of the first quote as the chain has it, when a chain does."""
    deadline_ms: int | None = None
    max_price_units: int | None = None
    """Bound by the first quote."""
    asked_max_price_units: int | None = None
    """What our request said as ``maxPrice``, if there was one; no quote names more."""
    quoted_units: int | None = None
    """The quote that stands."""
    quote_hash: str | None = None
    counters_sent: int = 0
    counter_units: int | None = None
    """Our counter that waits for an answer."""
    counter_hash: str | None = None
    waits_until_ms: int | None = None
    is_over: bool = False


@dataclass(frozen=True, slots=True)
class BuyerMove:
    """What to do. ``units`` is what an ACCEPT pays or a COUNTER offers: reserve it first."""

    move: Move
    reason: Why
    units: int | None = None


@dataclass(frozen=True, slots=True)
class BuyerHookContext:
    """What a hook is shown: the rules, the quote, and what would be done without it."""

    policy: BuyerPolicy
    state: BuyerState
    quote: QuoteFigures
    room_units: int
    move: BuyerMove


def decide_on_quote(
    policy: BuyerPolicy, state: BuyerState, quote: QuoteFigures, at_ms: int, *, room_units: int
) -> BuyerMove:
    """Answer a verified quote (tables of section 3.4).

    ``room_units`` is what the day's budget leaves for this negotiation, its own reservation
    included.
    """
    out = out_of_frame(state, quote, at_ms)
    if out is not None:
        return out
    quoted, limit = quote.quoted_units, _limit(policy, quote, room_units)
    if quote.is_final:
        return _take_or_leave(quoted, limit, Why.FINAL_OFFER)
    if quoted <= min(policy.aim_units, limit):
        return BuyerMove(Move.ACCEPT, Why.ON_TARGET, quoted)
    if state.counters_sent + 1 >= policy.rounds_per_provider:
        return _take_or_leave(quoted, limit, Why.LAST_ROUND)
    if policy.strategy is BuyerStrategy.WALK:
        return BuyerMove(Move.WALK, Why.NO_COUNTERS)
    units = min(counter_price(policy.strategy, quoted, policy.aim_units), limit)
    if units < AMOUNT_LEAST or units >= quoted:
        return _take_or_leave(quoted, limit, Why.AS_LOW)
    return BuyerMove(Move.COUNTER, Why.TRYING, units)


def counter_price(strategy: BuyerStrategy, quoted_units: int, aim_units: int) -> int:
    """What a strategy would offer against a quote, at least the platform's minimum."""
    is_midpoint = strategy is BuyerStrategy.MIDPOINT
    units = (quoted_units + aim_units) // 2 if is_midpoint else aim_units
    return max(AMOUNT_LEAST, units)


def out_of_frame(state: BuyerState, quote: QuoteFigures, at_ms: int) -> BuyerMove | None:
    """Say what to do with a quote that no price can save; None when it may be looked at."""
    if state.is_over:
        return BuyerMove(Move.WAIT, Why.OVER)
    if quote.quote_hash == state.quote_hash:
        return BuyerMove(Move.WAIT, Why.SEEN)
    if state.deadline_ms is not None and at_ms >= state.deadline_ms:
        return BuyerMove(Move.CANCEL, Why.DEADLINE)
    broken = _broken_frame(state, quote)
    if broken is not None:
        return BuyerMove(Move.CANCEL, broken)
    if quote.expires_at_s * 1_000 <= at_ms:
        return BuyerMove(Move.WALK, Why.EXPIRED)
    return None


def decide_on_accept(state: BuyerState, accept: AcceptFigures, at_ms: int) -> BuyerMove:
    """Answer a verified counter-accept: commit when it answers the counter that stands.

    Another's, an older counter's or another amount changes nothing, so that a forged acceptance
    cannot end a negotiation either.
    """
    if state.is_over or state.counter_units is None:
        return BuyerMove(Move.WAIT, Why.OVER if state.is_over else Why.NOT_OURS)
    answers = accept.in_reply_to == state.counter_hash and accept.provider == state.provider
    if not answers or accept.accepted_units != state.counter_units:
        return BuyerMove(Move.WAIT, Why.NOT_OURS)
    if state.deadline_ms is not None and at_ms >= state.deadline_ms:
        return BuyerMove(Move.CANCEL, Why.DEADLINE)
    return BuyerMove(Move.ACCEPT, Why.AGREED, state.counter_units)


def decide_on_time(state: BuyerState, at_ms: int) -> BuyerMove | None:
    """Say whether waiting has ended: the deadline, or a counter that nobody answered."""
    if state.is_over:
        return None
    if state.deadline_ms is not None and at_ms >= state.deadline_ms:
        return BuyerMove(Move.CANCEL, Why.DEADLINE)
    if state.waits_until_ms is not None and at_ms >= state.waits_until_ms:
        return BuyerMove(Move.CANCEL, Why.NO_ANSWER)
    return None


def judge_move(
    policy: BuyerPolicy,
    state: BuyerState,
    quote: QuoteFigures,
    at_ms: int,
    *,
    room_units: int,
    proposed: object,
) -> BuyerMove:
    """Make a hook's answer the move, where it keeps the rules; else walk.

    ``None`` leaves the decision to ``decide_on_quote``. A hook that raises or is late is, at the
    rim, ``UNDECIDED``.
    """
    usual = decide_on_quote(policy, state, quote, at_ms, room_units=room_units)
    if proposed is None or out_of_frame(state, quote, at_ms) is not None:
        return usual
    if not isinstance(proposed, BuyerMove):
        return UNDECIDED
    limit = _limit(policy, quote, room_units)
    match proposed.move:
        case Move.ACCEPT if proposed.units in (None, quote.quoted_units):
            return _take_or_leave(quote.quoted_units, limit, Why.HOOK)
        case Move.COUNTER if _may_counter(policy, state, quote, limit, proposed.units):
            return BuyerMove(Move.COUNTER, Why.HOOK, proposed.units)
        case Move.WALK | Move.CANCEL:
            return BuyerMove(proposed.move, Why.HOOK)
        case _:
            return UNDECIDED


def after_quote(state: BuyerState, quote: QuoteFigures) -> BuyerState:
    """Fold in a quote that was within the frame: the first one sets it."""
    return replace(
        state,
        provider=quote.provider,
        max_price_units=quote.max_price_units,
        quoted_units=quote.quoted_units,
        quote_hash=quote.quote_hash,
        counter_units=None,
        counter_hash=None,
        waits_until_ms=None,
    )


def after_counter(
    policy: BuyerPolicy, state: BuyerState, units: int, counter_hash: str, at_ms: int
) -> BuyerState:
    """Fold in a counter that was signed. It waits as long as the policy says."""
    return replace(
        state,
        counters_sent=state.counters_sent + 1,
        counter_units=units,
        counter_hash=counter_hash,
        waits_until_ms=at_ms + policy.response_ttl_s * 1_000,
    )


def after_end(state: BuyerState) -> BuyerState:
    """Fold in an acceptance, a walk or a cancellation."""
    return replace(state, is_over=True, waits_until_ms=None)


UNDECIDED: Final = BuyerMove(Move.WALK, Why.UNDECIDED)
"""The move when a hook fails, is late or breaks the rules."""


def _broken_frame(state: BuyerState, quote: QuoteFigures) -> Why | None:
    asked = state.asked_max_price_units
    if state.provider is not None and quote.provider != state.provider:
        return Why.OTHER_PROVIDER
    if quote.quoted_units > quote.max_price_units:
        return Why.BEYOND_MAX_PRICE
    if state.quoted_units is None:
        if state.anchor is not None and quote.quote_hash != state.anchor:
            return Why.NOT_ANCHORED
        is_raised = asked is not None and quote.max_price_units > asked
        return Why.MAX_PRICE_CHANGED if is_raised else None
    if quote.max_price_units != state.max_price_units:
        return Why.MAX_PRICE_CHANGED
    return Why.RAISED if quote.quoted_units > state.quoted_units else None


def _limit(policy: BuyerPolicy, quote: QuoteFigures, room_units: int) -> int:
    return min(policy.ceiling_units, quote.max_price_units, room_units)


def _take_or_leave(quoted_units: int, limit_units: int, reason: Why) -> BuyerMove:
    if quoted_units <= limit_units:
        return BuyerMove(Move.ACCEPT, reason, quoted_units)
    return BuyerMove(Move.WALK, Why.TOO_DEAR)


def _may_counter(
    policy: BuyerPolicy, state: BuyerState, quote: QuoteFigures, limit: int, units: int | None
) -> bool:
    has_rounds = state.counters_sent + 1 < policy.rounds_per_provider
    if type(units) is not int or not has_rounds:
        return False
    return AMOUNT_LEAST <= units < quote.quoted_units and units <= limit


def _whole(name: str, number: object, least: int, most: int) -> None:
    if type(number) is not int or not least <= number <= most:
        raise _fault(name, f"must be a whole number between {least} and its most")


def _fault(name: str, text: str) -> MisuseError:
    return MisuseError(f"{name} {text}", data={"field": name, "text": text})
