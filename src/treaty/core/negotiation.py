"""Negotiation: from a policy and the bids so far to the next move.

A *strategy* is one function here, from what it sees (``View``) to what it would bid next
(``Aim``), and one line in ``STRATEGIES``. Everything that must hold for all of them is said
once, in ``_decide``:

1. No bid and no acceptance is worse for oneself than one's limit, whatever a strategy aims at
   and whatever the statistics say.
2. One's own bids for a quality only ever move towards the other side.
3. The last of ``rounds_max`` bids is one's limit, and final; so it ends, and with an agreement
   whenever a zone of agreement exists, both strategies concede, and each side's wish for
   quality was heard before the other's last bid.
4. A final bid is meant: one's own is not improved, the other's is answered with yes or no.

Prices are exact decimals in whole smallest units of the currency. Decisions depend on the
arguments alone. Read next: ``policy`` for the knobs, ``bids`` for the words.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal, localcontext
from types import MappingProxyType
from typing import Any, Final, Literal, TypeAlias, overload

from treaty.core.bids import (
    ARITHMETIC,
    Bid,
    Decision,
    DecisionKind,
    History,
    Side,
    TermsShape,
    Tier,
    read_bid,
    total,
    write_terms,
)
from treaty.core.learning import Statistics
from treaty.core.policy import (
    Acceptance,
    BuyerPolicy,
    Policy,
    Role,
    SellerPolicy,
    read_buyer,
    read_seller,
)
from treaty.errors import MisuseError, shown

__all__ = [
    "STRATEGIES",
    "Acceptance",
    "Aim",
    "Bid",
    "BuyerPolicy",
    "Decision",
    "DecisionKind",
    "History",
    "Policy",
    "Role",
    "SellerPolicy",
    "Side",
    "Strategy",
    "TermsShape",
    "Tier",
    "View",
    "buyer",
    "concede",
    "policy_from_toml",
    "read_bid",
    "seller",
    "split_the_difference",
    "take_it_or_leave_it",
    "total",
    "write_terms",
]

DECIMALS_MAX: Final = 12
"""Of a currency."""


@dataclass(frozen=True, slots=True)
class View:
    """What a strategy sees; the same for both sides, since it only says how far to move."""

    share: Decimal
    """0 to 1, from the policy."""
    opening: Decimal
    limit: Decimal
    mine: Decimal | None
    """One's last bid for this quality."""
    theirs: Decimal | None
    statistics: Statistics | None = None
    """What one's own transcripts say about the other side (ASP B21); private, like the limit."""


@dataclass(frozen=True, slots=True)
class Aim:
    """What a strategy would bid next, before limits and rounding."""

    price: Decimal
    final: bool = False


Strategy: TypeAlias = Callable[[View], Aim]


def split_the_difference(view: View) -> Aim:
    """Open, then go the share of the way to the other's bid: at 0.5, meet in the middle."""
    if view.mine is None or view.theirs is None:
        return Aim(view.opening)
    return Aim(view.mine + view.share * (view.theirs - view.mine))


def concede(view: View) -> Aim:
    """Open, then go the share of the way that is left to one's own limit."""
    if view.mine is None:
        return Aim(view.opening)
    return Aim(view.mine + view.share * (view.limit - view.mine))


def take_it_or_leave_it(view: View) -> Aim:
    """Say the opening price once, as final."""
    return Aim(view.opening, final=True)


STRATEGIES: Final[Mapping[str, Strategy]] = MappingProxyType(
    {
        "split_the_difference": split_the_difference,
        "concede": concede,
        "take_it_or_leave_it": take_it_or_leave_it,
    }
)
"""Every strategy by the name a policy gives."""


@overload
def policy_from_toml(table: Mapping[str, Any], role: Literal["seller"]) -> SellerPolicy: ...


@overload
def policy_from_toml(table: Mapping[str, Any], role: Literal["buyer"]) -> BuyerPolicy: ...


def policy_from_toml(table: Mapping[str, Any], role: Role) -> Policy:
    """Read a ``[strategy]`` table of a seller or buyer, amounts exactly as written.

    Amounts are text or numbers. A buyer's public ``ask`` usually stands elsewhere, with what it
    searches for, and is put into the table by the caller. Raises ``MisuseError`` naming the key
    that is unknown, missing or wrong, without its value, which may be private.
    """
    return read_seller(table, STRATEGIES) if role == "seller" else read_buyer(table, STRATEGIES)


@dataclass(frozen=True, slots=True)
class _Position:
    """One side's stand in this round, with what differs between the two already settled."""

    direction: int
    """1 when more is better (a seller), -1 when less is."""
    view: View
    quality: Decimal | None
    """Of the next bid."""
    content: Callable[[Bid], bool]
    """Whether a bid's quality will do."""
    strategy: Strategy
    accept: Acceptance
    rounds_max: int
    impatient: bool
    unit: Decimal
    """The currency's smallest."""


def seller(
    policy: SellerPolicy,
    history: History,
    statistics: Statistics | None = None,
    *,
    decimals: int = 2,
) -> Decision:
    """Decide a provider's next move; ``decimals`` are those of the currency.

    It asks the list price of the lowest quality that serves the bid and is not below its floor.
    Raises ``MisuseError`` when the last bid is its own.
    """
    with localcontext(ARITHMETIC):
        unit = _unit(decimals)
        offer, mine = _turn(history)
        wanted = _quality_rank(offer.quality if offer else None)
        if mine:
            wanted = max(wanted, _quality_rank(mine[-1].quality))
        tier, best = _tier(policy, wanted)
        least = _whole(policy.floor, unit, ROUND_CEILING)
        # More was never asked for less: only bids of this quality or better bind.
        rank = _quality_rank(tier.quality)
        bound = [one.price for one in mine if _quality_rank(one.quality) >= rank]
        position = _Position(
            direction=1,
            view=_view(policy.concede, tier.price, least, min(bound, default=None), offer),
            quality=tier.quality,
            content=lambda bid: _quality_rank(bid.quality) <= best,
            strategy=_strategy(policy.strategy),
            accept=policy.accept,
            rounds_max=policy.rounds_max,
            impatient=False,
            unit=unit,
        )
        return _decide(position, history, statistics)


def buyer(
    policy: BuyerPolicy,
    listed: Tier | None,
    history: History,
    statistics: Statistics | None = None,
    *,
    decimals: int = 2,
) -> Decision:
    """Decide a customer's next move; ``decimals`` are those of the currency.

    It opens at the price ``listed`` on the provider's card, and takes over a quality that is
    better than it asked for. Raises ``MisuseError`` when the last bid is its own.
    """
    with localcontext(ARITHMETIC):
        unit = _unit(decimals)
        offer, mine = _turn(history)
        seen = offer.quality if offer else listed.quality if listed else None
        enough = _quality_rank(policy.quality_min)
        most = _whole(policy.reservation, unit, ROUND_FLOOR)
        bound = max((one.price for one in mine), default=None)
        position = _Position(
            direction=-1,
            view=_view(policy.split, _opening(policy, listed), most, bound, offer),
            quality=seen if _quality_rank(seen) >= enough else policy.quality_min,
            content=lambda bid: _quality_rank(bid.quality) >= enough,
            strategy=_strategy(policy.strategy),
            accept=policy.accept,
            rounds_max=policy.rounds_max,
            impatient=_stalled(history, policy.walk_after),
            unit=unit,
        )
        return _decide(position, history, statistics)


def _turn(history: History) -> tuple[Bid | None, tuple[Bid, ...]]:
    """The bid to answer, if any, and one's own."""
    if history and history[-1].side == "own":
        raise MisuseError("the last bid is one's own: it is the other side's turn")
    mine = tuple(bid for bid in history if bid.side == "own")
    return (history[-1] if history else None), mine


def _view(
    share: Decimal, opening: Decimal, limit: Decimal, mine: Decimal | None, offer: Bid | None
) -> View:
    return View(share, opening, limit, mine, None if offer is None else offer.price)


def _strategy(name: str) -> Strategy:
    found = STRATEGIES.get(name)
    if found is None:
        raise MisuseError(f"no strategy is called {shown(name)}")
    return found


def _unit(decimals: int) -> Decimal:
    if not 0 <= decimals <= DECIMALS_MAX:
        raise MisuseError(f"a currency has 0 to {DECIMALS_MAX} decimals, not {decimals}")
    return Decimal(1).scaleb(-decimals)


def _whole(price: Decimal, unit: Decimal, rounding: str | None = None) -> Decimal:
    return price.quantize(unit, rounding=rounding)


def _quality_rank(quality: Decimal | None) -> Decimal:
    return Decimal("-Infinity") if quality is None else quality


def _tier(policy: SellerPolicy, wanted: Decimal) -> tuple[Tier, Decimal]:
    """The tier to offer, and the rank of the best quality that is for sale."""
    ranked = sorted(
        (tier for tier in policy.tiers if tier.price >= policy.floor),
        key=lambda tier: (_quality_rank(tier.quality), tier.price),
    )
    fitting = [tier for tier in ranked if _quality_rank(tier.quality) >= wanted]
    return (fitting or ranked[-1:])[0], _quality_rank(ranked[-1].quality)


def _opening(policy: BuyerPolicy, listed: Tier | None) -> Decimal:
    """The list price; where that is out of reach or missing, a share of what is in reach."""
    reach = policy.reservation if policy.ask is None else min(policy.ask, policy.reservation)
    if listed is not None and listed.price <= reach:
        return listed.price
    return policy.split * reach


def _stalled(history: History, walk_after: int | None) -> bool:
    """Whether so many of the other's latest bids conceded nothing."""
    if walk_after is None:
        return False
    prices = [bid.price for bid in history if bid.side == "other"][-walk_after - 1 :]
    return len(prices) > walk_after and min(prices[1:]) >= prices[0]


def _decide(at: _Position, history: History, statistics: Statistics | None) -> Decision:
    offer, mine = _turn(history)
    said_last = bool(mine) and mine[-1].final
    if said_last or len(mine) >= at.rounds_max or (offer is not None and offer.final):
        # Nothing is left but yes or no.
        return _answer(at, offer, mine[-1].price if said_last else at.view.limit)
    aim = at.strategy(replace(at.view, statistics=statistics))
    if not aim.final:
        is_last = at.impatient or len(mine) + 1 == at.rounds_max
        aim = Aim(at.view.limit, True) if is_last else _firmer(at, aim, history, statistics)
    price = _within(at, aim.price)
    enough = at.view.limit if at.accept is Acceptance.LIMIT else price
    if offer is not None and _suits(at, offer, enough):
        return _answer(at, offer, enough)
    return _bid(at, offer, price, aim.final)


def _firmer(at: _Position, aim: Aim, history: History, statistics: Statistics | None) -> Aim:
    """Do not give more than the other has been content with before (ASP B21)."""
    first = next((bid.price for bid in history if bid.side == "other"), None)
    if statistics is None or statistics.acceptance is None or first is None:
        return aim
    if at.view.mine is None:
        return aim
    expected = first * (1 + statistics.acceptance)
    return Aim(max(aim.price, expected) if at.direction > 0 else min(aim.price, expected))


def _within(at: _Position, price: Decimal) -> Decimal:
    """Not back from one's last bid, not beyond one's limit, in whole units."""
    bounded = _bounded(at, price)
    # Rounding may step over a bound that was just kept, so the bounds have the last word.
    return _bounded(at, _whole(bounded, at.unit))


def _bounded(at: _Position, price: Decimal) -> Decimal:
    mine, limit = at.view.mine, at.view.limit
    if at.direction > 0:
        return max(price if mine is None else min(price, mine), limit)
    return min(price if mine is None else max(price, mine), limit)


def _suits(at: _Position, bid: Bid, least: Decimal) -> bool:
    return _payable(at, bid) and at.content(bid) and at.direction * (bid.price - least) >= 0


def _payable(at: _Position, bid: Bid) -> bool:
    return bid.price == _whole(bid.price, at.unit)


def _answer(at: _Position, offer: Bid | None, least: Decimal) -> Decision:
    if offer is None or not _suits(at, offer, least):
        said = "This is not acceptable, and there is no better bid to make."
        return Decision(DecisionKind.WALK, None, None, True, said)
    said = "Terms accepted."
    return Decision(DecisionKind.ACCEPT, offer.price, offer.quality, False, said)


def _bid(at: _Position, offer: Bid | None, price: Decimal, final: bool) -> Decision:
    is_counter = offer is not None and at.direction > 0
    kind = DecisionKind.COUNTER if is_counter else DecisionKind.PROPOSE
    return Decision(kind, price, at.quality, final, _reason(at, offer, final))


def _reason(at: _Position, offer: Bid | None, final: bool) -> str:
    """Say why without a figure: a figure might be a limit."""
    if offer is None:
        return "An opening bid, and a final one." if final else "An opening bid."
    if final:
        return "This is the last bid."
    if not _payable(at, offer):
        return "The price is not in whole units of the currency."
    if not at.content(offer):
        return "Too high a quality." if at.direction > 0 else "Too low a quality."
    if at.direction < 0:
        return "Too high a price."
    if _quality_rank(at.quality) > _quality_rank(offer.quality):
        return "Too low a price; a better quality is offered for a higher one."
    return "Too low a price."
