"""The moves an attacker of trust scores has, each as records that the real fold judges.

A ``Play`` is the log as it was folded so far, with what it has cost. A move takes a play and the
cents of its deals, and gives the next play; nothing else moves a score here (ASP B16).

Read next: ``trust_attacks``, which plays them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cache
from types import MappingProxyType
from typing import Final

from treaty.core.levels import LEVELS, level_of
from treaty.core.trust import outcome_value
from treaty.core.trust_components import score
from treaty.core.trust_fold import fold
from treaty.core.trust_records import Attestation, Endorsement, Identity, Outcome, Party, Record
from treaty.core.trust_state import CAP_MS, DAY_MS, Roots, TrustState, agent_state
from treaty.errors import MisuseError
from treaty.wire.canonical import Json
from treaty.wire.money import Money

FULL_CENTS: Final = 100_00
"""A deal of this value counts in full; a larger one counts no more."""

_START_MS: Final = 1_772_892_000_000
_STEP_MS: Final = 60_000
_CAP_OVER_MS: Final = CAP_MS + DAY_MS
_BEST: Final = len(LEVELS) - 1
_WEIGHT: Final = Decimal(200)
_NODE: Final = "agent://node.example/treaty"
_OPERATOR: Final = "agent://node.example/operator"
TARGET: Final = "agent://target.example/agent"
_PREMIUM: Final[Mapping[str, Decimal]] = MappingProxyType(
    {
        "IV": Decimal(100), "CH": Decimal(90), "CF": Decimal(95), "BC": Decimal(90),
        "RQ": Decimal(92), "SP": Decimal(75), "ER": Decimal(94), "PE": Decimal(68),
    }
)  # fmt: skip
"""The components of the seed's Beta: 91.0."""


@dataclass(frozen=True, slots=True, order=True)
class Spent:
    """What an attack has cost; the cheaper one is the smaller."""

    cents: int = 0
    """Put through escrow, real deals of the helpers included."""
    organisations: int = 0
    """Brought by the attacker, each with a proven domain or an attestation."""
    deals: int = 0

    def to_json(self) -> dict[str, Json]:
        """For programs; dollars as decimal text."""
        return {
            "dollars": f"{self.cents // 100}.{self.cents % 100:02}",
            "organisations": self.organisations,
            "deals": self.deals,
        }


@dataclass(frozen=True, slots=True)
class Play:
    """An attack so far."""

    state: TrustState
    """The log as it was folded."""
    at_ms: int = _START_MS
    spent: Spent = Spent()

    def after(self, *records: Record) -> Play:
        """The play when these records are folded, a minute later."""
        state = self.state
        for record in records:
            state = fold(state, record)
        return replace(self, state=state, at_ms=self.at_ms + _STEP_MS)

    def paying(self, cents: int = 0, organisations: int = 0, deals: int = 0) -> Play:
        """The play when so much more was spent."""
        was = self.spent
        spent = Spent(was.cents + cents, was.organisations + organisations, was.deals + deals)
        return replace(self, spent=spent)


Move = Callable[[Play, int], Play]
"""(what was played, cents of each deal in this move) -> what is then played."""


# Parts of moves.


def _newcomer(play: Play, agent: str, *, proven: bool = True) -> Play:
    """An agent registers; a proven one brings an organisation."""
    rows: list[Record] = [Identity(agent, "key", play.at_ms)]
    if proven:
        rows.append(Identity(agent, "domain", play.at_ms))
    return play.after(*rows).paying(organisations=int(proven))


def _premium(play: Play, agent: str) -> Play:
    """An attested agent of an organisation of its own, as good as the seed's Beta."""
    until_ms = play.at_ms + 3_650 * DAY_MS
    row = Attestation(agent, _PREMIUM, _WEIGHT, until_ms, _OPERATOR, play.at_ms)
    return play.after(row)


def _deal(play: Play, one: str, other: str, cents: int, *, rating: int = 5) -> Play:
    """A settled deal that both have kept; ``rating`` is what ``one`` receives."""
    return _settled(play, Party(one, True, _value(cents), True, rating), other, cents)


def _settled(play: Play, mine: Party, other: str, cents: int) -> Play:
    theirs = Party(other, True, _value(cents), True, 5)
    row = Outcome("attack", "attack", "attack", _NODE, (mine, theirs), play.at_ms)
    return play.after(row).paying(cents, deals=1)


def _value(cents: int) -> Decimal:
    return outcome_value(Money(cents, "USD"))


def _endorse(play: Play, endorser: str, agent: str) -> Play:
    return play.after(Endorsement(endorser, agent, play.at_ms))


def _real_deal(play: Play, agent: str) -> tuple[Play, str]:
    """A deal of full value with a reputable stranger that nobody here has met before."""
    stranger = name_of("stranger", play.state.size)
    return _deal(_premium(play, stranger), agent, stranger, FULL_CENTS), stranger


def name_of(kind: str, number: int) -> str:
    """An agent of an organisation of its own."""
    return f"agent://{kind}{number}.example/agent"


# Moves, once it is known with whom.


def join_ring(number: int, proven: bool, play: Play, cents: int) -> Play:
    """A newcomer joins, and does what ``meet_ring`` does."""
    return meet_ring(number, _newcomer(play, name_of("ring", number), proven=proven), cents)


def meet_ring(number: int, play: Play, cents: int) -> Play:
    """A member of the ring deals with the target and all members before it, and endorses."""
    own = name_of("ring", number)
    for other in (TARGET, *(name_of("ring", one) for one in range(number))):
        play = _deal(play, other, own, cents)
    return _endorse(play, own, TARGET)


def meet(own: str, play: Play, cents: int) -> Play:
    """An agent deals with the target and endorses it."""
    return _endorse(_deal(play, TARGET, own, cents), own, TARGET)


def meet_premium(own: str, play: Play, cents: int) -> Play:
    """A premium agent that colludes does that."""
    return meet(own, _premium(play, own).paying(organisations=1), cents)


def buy_praise(own: str, play: Play, _cents: int) -> Play:
    """A premium agent endorses, for one cent."""
    return meet_premium(own, play, 1)


def rate_badly(own: str, play: Play, cents: int) -> Play:
    """A premium agent deals with the target and rates it 1."""
    play = _premium(play, own).paying(organisations=1)
    return _deal(play, TARGET, own, cents, rating=1)


def season(own: str, play: Play, _cents: int) -> Play:
    """A puppet of the attacker's, new or not, makes one real deal."""
    if not agent_state(play.state, own).key_proven:
        play = _newcomer(play, own)
    return _real_deal(play, own)[0]


def come_back(own: str, proven: bool, play: Play, _cents: int) -> Play:
    """The target registers under another name."""
    return _newcomer(play, own, proven=proven)


# Where a target starts from.


@cache
def start(level: int) -> Play:
    """A target that came to a level honestly, by the fewest real deals of 100 dollars.

    0: it breached one, and its cap has just ended. 1: a newcomer. 2, 3: its domain is proven.
    4: also a rotated key, a legal identity and an attested signer, and its partners endorse it.
    """
    roots = Roots(frozenset({_NODE}), frozenset({_OPERATOR}))
    play = _newcomer(Play(TrustState(roots)), TARGET)
    if level == 0:
        victim = name_of("victim", 0)
        breached = Party(TARGET, False, _value(FULL_CENTS), False, 1)
        play = _settled(_premium(play, victim), breached, victim, FULL_CENTS)
        play = replace(play, at_ms=play.at_ms + _CAP_OVER_MS)
    elif level == _BEST:
        proofs = ("rotation", "legal", "signer")
        play = play.after(*(Identity(TARGET, one, play.at_ms, _OPERATOR) for one in proofs))
    while level > 1 and score_of(play) < LEVELS[level].floor:
        play, partner = _real_deal(play, TARGET)
        if level == _BEST:
            play = _endorse(play, partner, TARGET)
    if level_of(score_of(play)) != level:
        raise MisuseError(f"a target at {score_of(play)} is not at level {level}")
    return Play(play.state, play.at_ms)


def score_of(play: Play, agent: str = TARGET) -> Decimal:
    """The score of an agent at the end of a play."""
    return score(play.state, agent, play.at_ms).score
