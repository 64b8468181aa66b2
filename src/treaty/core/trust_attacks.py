"""What it costs to move a score by ten points dishonestly, played on the real fold (ASP B16).

Each attack is a sequence of moves against a target that stands at a level; a move is records that
the fold itself judges. ``search`` plays them one by one, and stops when the score has moved by
``GOAL``; the deals of the last move are then made as small as still suffices. So the numbers are
the fold's, not ours, and a formula that grew weaker would show here.

What is counted: every dollar that goes through escrow, real deals of the attacker's helpers
included (in a collusive deal the money comes back, so this is what has to be moved, not lost);
organisations the attacker has to bring, each with a proven domain or an attestation; deals.

Read next: ``trust_fold`` for the rules that the attacks run into.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import partial
from itertools import repeat
from typing import Final

from treaty.core.trust_moves import (
    FULL_CENTS,
    TARGET,
    Move,
    Play,
    Spent,
    buy_praise,
    come_back,
    join_ring,
    meet,
    meet_premium,
    meet_ring,
    name_of,
    rate_badly,
    score_of,
    season,
    start,
)
from treaty.core.trust_state import ENDORSEMENTS_MAX
from treaty.errors import MisuseError, shown
from treaty.wire.canonical import Json

GOAL: Final = Decimal(10)
"""Points."""
RING_SIZES: Final = (1, 2, 3, 4, 6, 8, 16)
RING_ROUNDS: Final = 4
"""How many join a ring, and how often all of it deals with all of it again."""
ORGANISATIONS_MAX: Final = 1_000
PUPPETS_MAX: Final = 200
"""Organisations that an attacker brings, where each one more changes something."""
DEALS_MAX: Final = 20
"""Further deals with the same agent."""
SEASONS: Final = ((1, True), (2, True), (3, True), (2, False))
"""Real deals of a puppet, and whether they all come before its deals with the target."""


@dataclass(frozen=True, slots=True)
class Variant:
    """One way to carry out an attack."""

    moves: Iterable[Move]
    target: str = TARGET
    """Whose score is looked at in the end."""


@dataclass(frozen=True, slots=True)
class Attack:
    """A named attack."""

    name: str
    text: str
    variants: Callable[[], Sequence[Variant]]
    sign: int = 1
    """-1 for an attack that is to lower the score."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What an attack came to at one level: its price when it reached the goal, else its best."""

    attack: str
    level: int
    start: Decimal
    reached: bool
    moved: Decimal
    """Points, below zero for a score that fell."""
    spent: Spent
    """What the goal cost, else what it cost to come as near as this."""
    tried: Spent
    """All that was played before giving up; the same as ``spent`` where the goal was reached."""

    def to_json(self) -> dict[str, Json]:
        """The row for programs."""
        return {
            "attack": self.attack,
            "level": self.level,
            "start": str(self.start),
            "reached": self.reached,
            "moved": str(self.moved),
            **self.spent.to_json(),
            "tried": self.tried.to_json(),
        }


# The attacks.


def _ring() -> Sequence[Variant]:
    """Newcomers deal with the target and with each other, for rounds, and endorse it."""

    def moves(size: int, *, proven: bool) -> Iterator[Move]:
        for number in range(size):
            yield partial(join_ring, number, proven)
        for number in range(size * RING_ROUNDS):
            yield partial(meet_ring, number % size)

    unproven = Variant(moves(RING_SIZES[-1], proven=False))
    return [unproven, *(Variant(moves(size, proven=True)) for size in RING_SIZES)]


def _one_premium() -> Sequence[Variant]:
    """One attested agent deals with the target again and again, and endorses it."""
    own = name_of("premium", 0)
    more = repeat(partial(meet, own), DEALS_MAX)
    return [Variant([partial(meet_premium, own), *more])]


def _premiums() -> Sequence[Variant]:
    """Attested agents, each with one deal and one endorsement."""
    names = (name_of("premium", number) for number in range(ORGANISATIONS_MAX))
    return [Variant(partial(meet_premium, own) for own in names)]


def _seasoned(most: int) -> Sequence[Variant]:
    """Puppets earn their standing in real deals; each deals with the target, and endorses it.

    Either first all of a puppet's real deals, or one for each deal with the target: what it may
    confer is half of what it received, and its honest partners take their part of that.
    """

    def moves(real: int, *, first: bool) -> Iterator[Move]:
        for number in range(most):
            own = name_of("puppet", number)
            earn, spend = partial(season, own), partial(meet, own)
            if first:
                yield from repeat(earn, real)
                yield from repeat(spend, real)
            else:
                yield from (one for _ in range(real) for one in (earn, spend))

    return [Variant(moves(real, first=first)) for real, first in SEASONS]


def _farm() -> Sequence[Variant]:
    """Attested agents with a deal of one cent each, for the sake of the endorsement."""
    names = (name_of("farm", number) for number in range(ENDORSEMENTS_MAX))
    return [Variant(partial(buy_praise, own) for own in names)]


def _whitewash() -> Sequence[Variant]:
    """Leave the name behind and come back: unproven, of another domain, or of the same one."""
    fresh, sibling = name_of("fresh", 0), "agent://target.example/again"
    ways = ((fresh, False), (fresh, True), (sibling, True))
    return [Variant([partial(come_back, own, proven)], own) for own, proven in ways]


def _slander() -> Sequence[Variant]:
    """Attested agents deal with a victim that keeps every deal, and rate it 1."""
    names = (name_of("slander", number) for number in range(PUPPETS_MAX))
    return [Variant(partial(rate_badly, own) for own in names)]


ATTACKS: Final = (
    Attack("ring", "new agents that deal with each other and the target", _ring),
    Attack("premium", "one colluding premium agent", _one_premium),
    Attack("premiums", "as many colluding premium agents as it takes", _premiums),
    Attack("wash", "wash deals with one puppet that earned its standing", partial(_seasoned, 1)),
    Attack(
        "seasoned",
        "a ring of puppets that earned their standing",
        partial(_seasoned, PUPPETS_MAX),
    ),
    Attack("farm", "an endorsement farm of premium agents", _farm),
    Attack("whitewash", "a new identity after a bad record", _whitewash),
    Attack("slander", "premium agents that rate 1, to lower a score", _slander, sign=-1),
)
"""Every attack, in the order of the page."""


# The search.


def attack_named(name: str) -> Attack:
    """Return an attack. Raises ``MisuseError`` for a name nobody knows."""
    for one in ATTACKS:
        if one.name == name:
            return one
    raise MisuseError(f"no attack is called {shown(name)}")


def search(attack: Attack, level: int) -> Cost:
    """Play an attack from a level; the cheapest of its variants that reaches the goal.

    Where none does, the one that came nearest, at the least it cost to come so near.
    """
    found = [_search(attack, level, variant) for variant in attack.variants()]
    reached = [one for one in found if one.reached]
    if reached:
        return min(reached, key=lambda one: one.spent)
    best = max(attack.sign * one.moved for one in found)
    nearest = [one for one in found if attack.sign * one.moved == best]
    return replace(min(nearest, key=lambda one: one.spent), tried=max(one.tried for one in found))


def _search(attack: Attack, level: int, variant: Variant) -> Cost:
    first = play = best = start(level)
    before = score_of(first)

    def gained(one: Play) -> Decimal:
        # Before the first move nothing has moved, also where the name is to change.
        now = before if one is first else score_of(one, variant.target)
        return attack.sign * (now - before)

    for move in variant.moves:
        after = move(play, FULL_CENTS)
        if gained(after) >= GOAL:
            play = best = _least(play, move, gained)
            break
        play, best = after, after if gained(after) > gained(best) else best
    moved = attack.sign * gained(best)
    reached = gained(best) >= GOAL
    return Cost(attack.name, level, before, reached, moved, best.spent, play.spent)


def _least(play: Play, move: Move, gained: Callable[[Play], Decimal]) -> Play:
    """The same move with deals of as few cents as still reach the goal, by halving."""
    low, high = 1, FULL_CENTS
    while low < high:
        middle = (low + high) // 2
        if gained(move(play, middle)) >= GOAL:
            high = middle
        else:
            low = middle + 1
    return move(play, high)
