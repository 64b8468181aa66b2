"""A shelf: up to two thousand listed agents, neighbours in rank, with one bit for each.

For everything an agent can be asked for, a shelf keeps a mask: a whole number with a bit for
each place. Those who offer a capability are one mask, those at a level another, those up to a
price are read off a ladder of prices. A question of k filters is k conjunctions of such numbers,
whoever stands there.

Laws: a place is one agent's until it leaves; no mask knows anybody who is not there; who holds
a filter by its mask holds it by ``matching.failing_filters``, and the reverse.

Read next: ``catalogue``, which keeps shelves in the order of rank.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal
from operator import attrgetter
from sys import intern
from typing import Any, Final, TypeAlias

from treaty.core.matching import Candidate, Need, Price, Rank, rank_of
from treaty.wire.canonical import Json, canonical, read_json

SHELF_MAX: Final = 2_048
SHELF_FILLED: Final = 1_536
"""How many a shelf starts with, where many are put up at once."""
_STEP: Final = 8
"""Every so many prices of a ladder the mask of all below is written down."""

_FEW: Final = 48
"""So few of a shelf are picked out one by one."""
_NOWHERE: Final[Rank] = (Decimal(0), "")
_rank: Final = attrgetter("rank")

Mask: TypeAlias = "Callable[[Shelf], int]"
"""Who on a shelf holds one filter."""


class Placed:
    """One agent and its place. What an answer tells of it is packed as canonical JSON."""

    __slots__ = ("level", "packed", "place", "rank", "shelf")

    def __init__(self, candidate: Candidate) -> None:
        self.rank: Rank = rank_of(candidate)
        self.level = candidate.level
        self.packed = _pack(candidate)
        self.shelf: Shelf | None = None
        self.place = 0

    @property
    def candidate(self) -> Candidate:
        """The agent as discovery sees it."""
        return _unpack(self)


def _pack(candidate: Candidate) -> bytes:
    parts: list[Json] = [
        list(candidate.capabilities),
        list(candidate.schemas),
        list(candidate.protocols),
        candidate.organization,
        [[str(one.amount), one.unit, one.currency] for one in candidate.prices],
        dict(candidate.pricing),
    ]
    # The encoder hands out more room than it has written; a copy has what it needs.
    return bytes(memoryview(canonical(parts)))


def _unpack(one: Placed) -> Candidate:
    parts: Any = read_json(one.packed, size_max=len(one.packed))
    capabilities, schemas, protocols, organization, prices, pricing = parts
    return Candidate(
        uri=one.rank[1],
        score=-one.rank[0],
        level=one.level,
        capabilities=tuple(capabilities),
        schemas=tuple(schemas),
        protocols=tuple(protocols),
        organization=organization,
        prices=tuple(Price(Decimal(amount), unit, asset) for amount, unit, asset in prices),
        pricing=pricing,
    )


def words_of(candidate: Candidate) -> set[str]:
    """What an agent is found by, word for word, each kind with a letter of its own."""
    words = {f"o:{candidate.organization}"}
    words.update(f"s:{one}" for one in candidate.schemas)
    words.update(f"t:{one}" for one in candidate.protocols)
    for capability in candidate.capabilities:
        words.add(f"c:{capability}")
        # `provision.*` finds `provision.cloud`: every beginning that ends in a dot.
        dot = capability.find(".")
        while dot >= 0:
            words.add(f"p:{capability[: dot + 1]}")
            dot = capability.find(".", dot + 1)
    return words


class _Ladder:
    """Prices of one unit and currency, ascending, and who asks at most so much."""

    __slots__ = ("_amounts", "_masks", "_places", "currency")

    def __init__(self, currency: str | None) -> None:
        self.currency = currency
        self._amounts: list[Decimal] = []
        self._places: list[int] = []
        """Whose price each one is."""
        self._masks: list[int] | None = None
        """Who is below every eighth price; None until it is asked for after a change."""

    def __len__(self) -> int:
        return len(self._amounts)

    def put(self, amount: Decimal, place: int) -> None:
        """Add a price."""
        index = bisect_right(self._amounts, amount)
        self._amounts.insert(index, amount)
        self._places.insert(index, place)
        self._masks = None

    def remove(self, amount: Decimal, place: int) -> None:
        """Take a price off."""
        index = self._places.index(place, bisect_left(self._amounts, amount))
        del self._amounts[index], self._places[index]
        self._masks = None

    def up_to(self, most: Decimal) -> int:
        """Who has a price of at most this."""
        count = bisect_right(self._amounts, most)
        if self._masks is None:
            self._masks = [0]
            for start in range(0, len(self._places), _STEP):
                self._masks.append(self._masks[-1] | _bits(self._places[start : start + _STEP]))
        whole = count // _STEP
        return self._masks[whole] | _bits(self._places[whole * _STEP : count])


def _bits(places: Iterable[int]) -> int:
    mask = 0
    for place in places:
        mask |= 1 << place
    return mask


class Shelf:
    """Some agents and their masks."""

    __slots__ = ("_ladders", "_levels", "_order", "_placed", "everybody", "first", "last", "words")

    def __init__(self, placed: Iterable[Placed] = ()) -> None:
        self.everybody = 0
        """The mask of all who stand here."""
        self.first: Rank = _NOWHERE
        self.last: Rank = _NOWHERE
        """All ranks here lie between the two; they may have been those of who has left."""
        self._placed: list[Placed | None] = []
        self.words: dict[str, int] = {}
        """Word -> its mask; a single agent's place as ``~place``, for most words are rare."""
        self._levels: dict[int, int] = {}
        self._ladders: dict[str, list[_Ladder]] = {}
        """By unit, one for each currency."""
        self._order: list[Placed] = []
        """Everybody, best first."""
        for one in placed:
            self.put(one, one.candidate)

    def __len__(self) -> int:
        return self.everybody.bit_count()

    def put(self, one: Placed, candidate: Candidate) -> None:
        """Give an agent a place."""
        free = ~self.everybody & (self.everybody + 1)
        place = free.bit_length() - 1
        if place == len(self._placed):
            self._placed.append(one)
        else:
            self._placed[place] = one
        one.shelf, one.place = self, place
        self.everybody |= free
        self._levels[one.level] = self._levels.get(one.level, 0) | free
        for word in words_of(candidate):
            known = self.words.get(word)
            # The same text for all shelves.
            self.words[intern(word)] = ~place if known is None else _mask(known) | free
        for price in candidate.prices:
            self._ladder(price).put(price.amount, place)
        alone = self.everybody == free
        self.first = one.rank if alone else min(self.first, one.rank)
        self.last = one.rank if alone else max(self.last, one.rank)
        insort(self._order, one, key=_rank)

    def _ladder(self, price: Price) -> _Ladder:
        """The ladder of a price's unit and currency, made where there is none."""
        ladders = self._ladders.setdefault(price.unit, [])
        for ladder in ladders:
            if ladder.currency == price.currency:
                return ladder
        ladders.append(_Ladder(price.currency))
        return ladders[-1]

    def remove(self, one: Placed) -> None:
        """Let an agent go."""
        bit, candidate = 1 << one.place, one.candidate
        self.everybody &= ~bit
        self._levels[one.level] &= ~bit
        for word in words_of(candidate):
            left = _mask(self.words[word]) & ~bit
            if left:
                self.words[word] = left
            else:
                del self.words[word]
        for price in candidate.prices:
            self._descend(price, one.place)
        self._placed[one.place] = one.shelf = None
        del self._order[bisect_left(self._order, one.rank, key=_rank)]

    def _descend(self, price: Price, place: int) -> None:
        """Take a price off its ladder, and a bare ladder down."""
        ladder = self._ladder(price)
        ladder.remove(price.amount, place)
        if not len(ladder):
            self._ladders[price.unit].remove(ladder)
            if not self._ladders[price.unit]:
                del self._ladders[price.unit]

    def in_order(self) -> list[Placed]:
        """Everybody, best first."""
        return self._order

    def among(self, mask: int) -> Iterable[Placed]:
        """Those of a mask, best first."""
        if mask.bit_count() > _FEW:
            return (one for one in self.in_order() if mask >> one.place & 1)
        few: list[Placed] = []
        while mask:
            one = self._placed[mask.bit_length() - 1]
            assert one is not None
            few.append(one)
            mask ^= 1 << one.place
        return sorted(few, key=_rank)

    def from_level(self, least: int) -> int:
        """Who is of this level or a higher one."""
        found = 0
        for level, mask in self._levels.items():
            if level >= least:
                found |= mask
        return found

    def from_score(self, least: Decimal) -> int:
        """Who has this score or a higher one."""
        if -self.last[0] >= least:
            return self.everybody
        if -self.first[0] < least:
            return 0
        found = 0
        for one in self.in_order():
            if -one.rank[0] < least:
                break
            found |= 1 << one.place
        return found

    def within(self, unit: str, currency: str | None, most: Decimal) -> int:
        """Who has a price of this unit, of at most this, and of no other currency."""
        found = 0
        for ladder in self._ladders.get(unit, ()):
            if currency is None or ladder.currency is None or ladder.currency == currency:
                found |= ladder.up_to(most)
        return found


def _mask(known: int) -> int:
    return known if known >= 0 else 1 << ~known


def masks_of(need: Need) -> tuple[Mask, ...]:
    """The filters that are asked, each as the mask of who holds it; the rarest kinds first."""
    masks = [_by_word(word) for word in _wanted_words(need)]
    level, score, price = need.min_level, need.min_score, need.max_price
    if level is not None:
        masks.append(lambda shelf: shelf.from_level(level))
    if score is not None:
        masks.append(lambda shelf: shelf.from_score(score))
    if price is not None:
        unit, currency, most = price.unit, price.currency, price.amount
        masks.append(lambda shelf: shelf.within(unit, currency, most))
    return tuple(masks)


def _wanted_words(need: Need) -> Iterator[str]:
    if need.organization is not None:
        yield f"o:{need.organization}"
    if need.capability is not None:
        prefix = need.capability.endswith(".*")
        yield f"p:{need.capability[:-1]}" if prefix else f"c:{need.capability}"
    if need.schema is not None:
        yield f"s:{need.schema}"
    if need.protocol is not None:
        yield f"t:{need.protocol}"


def _by_word(word: str) -> Mask:
    def mask(shelf: Shelf) -> int:
        known = shelf.words.get(word, 0)
        return known if known >= 0 else 1 << ~known

    return mask
