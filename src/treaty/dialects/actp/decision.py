"""What a provider's policy says to a request for a quote and to a counter-offer. Pure.

Two semantics (section 3), both hardened (9.5): under *daemon* a counter below the ideal is
haggled about, under *canonical* one at the floor is accepted. Laws of both:

1. Nothing is accepted below the floor or above the hard cap; nothing is quoted there either.
2. A re-quote is never above the quote that stands, and there are at most ``max_requotes``.
3. Under concede, a counter below the floor hears what one at it would hear, as long as there are
   rounds and after them. (Canonical accepts the one at it; that is its meaning, and its price.)
4. A reason is one of few fixed sentences, without figures: it may be sent.
5. A hook may choose among lawful answers; it cannot leave these bounds.

The caller keeps a ``Position`` for every negotiation and folds each verdict into it with
``advance``; rounds are never forgotten while the negotiation is known. Read next: ``policy``.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from treaty.dialects.actp.policy import ProviderPolicy, Semantics, Strategy
from treaty.wire.evolving import evolve


class Action(StrEnum):
    """The verdict's words, as the peer writes them."""

    ACCEPT = "ACCEPT"
    COUNTER = "COUNTER"
    REJECT = "REJECT"


class Words(StrEnum):
    """Every reason that leaves this module. None says more than the verdict itself."""

    ACCEPTED = "the counter is accepted"
    COUNTERED = "the counter is too low; see the new quote"
    TOO_LOW = "no agreement at this price"
    NO_ROUNDS = "no further quote will be made"
    SETTLED = "a price has been agreed already"
    SERVICE = "this service is not offered"
    DEADLINE = "the deadline is too near"
    QUOTED = "quoted"
    NO_PRICE = "no price fits both sides"
    UNDECIDED = "no decision was made"


@dataclass(frozen=True, slots=True)
class QuoteAsk:
    """The figures of a request for a quote, in base units and seconds since 1970."""

    service: str
    amount_units: int
    """What the requester opens with; a quote is never below it."""
    max_price_units: int
    deadline_s: int


@dataclass(frozen=True, slots=True)
class QuoteDecision:
    """A price and the ``maxPrice`` to quote it with, or the reason for none."""

    units: int | None
    max_price_units: int | None
    reason: Words

    @property
    def is_offered(self) -> bool:
        """True when there is a price."""
        return self.units is not None


@dataclass(frozen=True, slots=True)
class CounterContext:
    """The figures of a counter and where its negotiation stands."""

    counter_units: int
    quote_units: int
    """The quote that the counter says it answers."""
    max_price_units: int
    """The counter's own ``maxPrice``: a re-quote above it cannot be written."""
    last_quote_units: int | None = None
    """Our quote that stands; None when we made none, then the ideal price stands for it."""
    requotes_used: int = 0
    is_settled: bool = False
    """True when a counter of this negotiation was accepted before."""
    service: str | None = None
    deadline_s: int | None = None
    """The transaction's deadline, where it is known."""
    at_ms: int = 0


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is answered to a counter."""

    action: Action
    reason: Words
    recommended_units: int | None = None
    has_reply: bool = False
    """True when a signed message goes with it: an acceptance, or a quote that can be written."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """What a hook decides; ``units`` is the price of a COUNTER."""

    action: Action
    units: int | None = None


@dataclass(frozen=True, slots=True)
class HookContext:
    """What a hook is shown: the rules, the counter, and what would be answered without it."""

    policy: ProviderPolicy
    counter: CounterContext
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Position:
    """Where our side of one negotiation stands; kept as long as the negotiation is known."""

    last_quote_units: int | None = None
    requotes_used: int = 0
    is_settled: bool = False
    is_final: bool = False
    """True after an acceptance or a rejection: its place is free for another negotiation."""


UNDECIDED: Final = Verdict(Action.REJECT, Words.UNDECIDED)
"""What is answered when a hook fails, is late or breaks the rules."""


def decide_quote(policy: ProviderPolicy, ask: QuoteAsk, at_ms: int) -> QuoteDecision:
    """Price a request: ``max(amount, min(maxPrice, ideal))``, or a reason why not.

    The reason does not tell a floor from a cap. ``max_price_units`` is what the quote names: the
    requester's own, or the policy's public one where that is lower.
    """
    if not policy.offers(ask.service):
        return _declined(Words.SERVICE)
    if _is_too_near(policy, ask.deadline_s, at_ms):
        return _declined(Words.DEADLINE)
    units = max(ask.amount_units, min(ask.max_price_units, policy.ideal_units))
    if not policy.floor_units <= units <= min(ask.max_price_units, policy.hard_cap_units):
        return _declined(Words.NO_PRICE)
    public = policy.public_max_price_units
    shown = ask.max_price_units if public is None else min(ask.max_price_units, public)
    return QuoteDecision(units, max(units, shown), Words.QUOTED)


def decide_counter(policy: ProviderPolicy, context: CounterContext) -> Verdict:
    """Answer a counter by the policy's semantics (tables of sections 3.2 and 3.3)."""
    barred = _barred(policy, context)
    if barred is not None:
        return barred
    if context.counter_units > policy.hard_cap_units:
        return _rejected(Words.TOO_LOW)
    if context.counter_units >= _accepted_from(policy):
        return _accepted(context)
    if policy.strategy is Strategy.WALK:
        return _rejected(Words.TOO_LOW)
    return _conceded(policy, context)


def next_quote(last_units: int, target_units: int, concede_pct: int) -> int:
    """The next concession: a share of the way from the standing quote to the target.

    Never above ``last_units``; the share is rounded down and clamped to 1 to 99 %.
    """
    pct = min(99, max(1, concede_pct))
    conceded = last_units - (last_units - target_units) * pct // 100
    return min(last_units, max(target_units, conceded))


def judge(policy: ProviderPolicy, context: CounterContext, proposed: object) -> Verdict:
    """Make a hook's answer the verdict, where it keeps the rules; else ``UNDECIDED``.

    ``None`` leaves the decision to ``decide_counter``. The hook itself is run at the rim, with
    a time limit; when it raises or is late, the verdict is ``UNDECIDED`` as well.
    """
    barred = _barred(policy, context)
    if barred is not None:
        return barred
    if proposed is None:
        return decide_counter(policy, context)
    if not isinstance(proposed, Proposal):
        return UNDECIDED
    if proposed.action is Action.ACCEPT and _may_accept(policy, context, proposed.units):
        return _accepted(context)
    if proposed.action is Action.COUNTER and _may_quote(policy, context, proposed.units):
        return _countered(context, proposed.units or 0)
    return _rejected(Words.TOO_LOW) if proposed.action is Action.REJECT else UNDECIDED


def advance(position: Position, verdict: Verdict) -> Position:
    """Fold a verdict into the position. Only a quote that was signed uses up a round."""
    match verdict.action:
        case Action.ACCEPT:
            return Position(
                position.last_quote_units, position.requotes_used, is_settled=True, is_final=True
            )
        case Action.COUNTER if verdict.has_reply:
            return Position(verdict.recommended_units, position.requotes_used + 1)
        case Action.COUNTER:
            return position
        case _:
            return evolve(position, is_final=True)


def _barred(policy: ProviderPolicy, context: CounterContext) -> Verdict | None:
    """Refuse what no price can change."""
    if context.is_settled:
        return _rejected(Words.SETTLED)
    if context.service is not None and not policy.offers(context.service):
        return _rejected(Words.SERVICE)
    if context.deadline_s is not None and _is_too_near(policy, context.deadline_s, context.at_ms):
        return _rejected(Words.DEADLINE)
    return None


def _is_too_near(policy: ProviderPolicy, deadline_s: int, at_ms: int) -> bool:
    return deadline_s * 1_000 - at_ms < policy.min_deadline_s * 1_000


def _accepted_from(policy: ProviderPolicy) -> int:
    """The price from which a counter is accepted whatever was said before."""
    is_daemon = policy.semantics is Semantics.DAEMON
    return policy.ideal_units if is_daemon else policy.floor_units


def _conceded(policy: ProviderPolicy, context: CounterContext) -> Verdict:
    if context.requotes_used >= policy.max_requotes:
        return _rejected(Words.NO_ROUNDS)
    last = _standing(policy, context)
    units = min(
        next_quote(last, policy.target_units, policy.concede_pct),
        policy.hard_cap_units,
    )
    is_daemon = policy.semantics is Semantics.DAEMON
    if is_daemon and policy.floor_units <= context.counter_units >= units:
        return _accepted(context)
    # A quote below the floor stands where the policy was raised after it; nothing is left to
    # concede. The canonical engine does not concede from its floor either.
    least = policy.floor_units if is_daemon else policy.floor_units + 1
    return _countered(context, units) if last >= least else _rejected(Words.NO_ROUNDS)


def _standing(policy: ProviderPolicy, context: CounterContext) -> int:
    last = context.last_quote_units
    return policy.ideal_units if last is None else last


def _may_accept(policy: ProviderPolicy, context: CounterContext, units: int | None) -> bool:
    counter = context.counter_units
    is_bounded = policy.floor_units <= counter <= policy.hard_cap_units
    return is_bounded and units in (None, counter)


def _may_quote(policy: ProviderPolicy, context: CounterContext, units: int | None) -> bool:
    if type(units) is not int or context.requotes_used >= policy.max_requotes:
        return False
    highest = min(_standing(policy, context), policy.hard_cap_units)
    return max(policy.floor_units, context.counter_units + 1) <= units <= highest


def _accepted(context: CounterContext) -> Verdict:
    return Verdict(Action.ACCEPT, Words.ACCEPTED, context.counter_units, has_reply=True)


def _countered(context: CounterContext, units: int) -> Verdict:
    fits = units <= context.max_price_units
    return Verdict(Action.COUNTER, Words.COUNTERED, units, has_reply=fits)


def _rejected(reason: Words) -> Verdict:
    return Verdict(Action.REJECT, reason)


def _declined(reason: Words) -> QuoteDecision:
    return QuoteDecision(None, None, reason)
