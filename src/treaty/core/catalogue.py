"""The catalogue: everybody who is listed, so kept that a question costs little, a million listed.

Agents stand on shelves in the order of rank (score descending, uri), two thousand to a shelf. A
question walks over the shelves from the best one and stops when its page is full, its near
misses are found and its total is beyond counting; at worst it looks at every shelf once, at
some whole numbers of two thousand bits each.

Laws:

1. Every answer is the one ``matching.search`` gives over the same agents: it is the naive
   search that says what is right, and a property that holds this one to it.
2. To put, move or remove an agent touches its shelf alone, whoever else is listed.
3. The words agents are found by are counted, and have a limit (``WORDS_MAX``).

Not pure in the narrow sense: a catalogue changes. It reads no clock and does no I/O.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from decimal import Decimal
from itertools import islice
from typing import Final

from treaty.core.matching import (
    COUNTED_MAX,
    NEAR_MISSES_MAX,
    PAGE_MAX,
    Candidate,
    NearMiss,
    Need,
    Page,
    Rank,
    failing_filters,
)
from treaty.core.shelf import SHELF_FILLED, SHELF_MAX, Mask, Placed, Shelf, masks_of, words_of
from treaty.errors import Refused

WORDS_MAX: Final = 16_000_000
"""Capabilities, their prefixes, schemas, protocols and organisations of all agents together."""


class Catalogue:
    """Listed agents, by rank. ``put`` and ``search`` are all a registry needs."""

    def __init__(self, candidates: Iterable[Candidate] = ()) -> None:
        self._placed: dict[str, Placed] = {}
        self._shelves: list[Shelf] = []
        self._lasts: list[Rank] = []
        """The last rank of each shelf."""
        self._words = 0
        self._fill(candidates)

    def __len__(self) -> int:
        return len(self._placed)

    def _fill(self, candidates: Iterable[Candidate]) -> None:
        """Put up many at once, each shelf with room for those who come later."""
        for candidate in candidates:
            self.hold(candidate)
        self.put_up()

    def hold(self, candidate: Candidate) -> None:
        """Keep an agent to be put up with many others; until then nobody finds it."""
        self._words += len(words_of(candidate))
        self._placed[candidate.uri] = Placed(candidate)

    def put_up(self) -> None:
        """Put up all that are held, each shelf with room for those who come later.

        For a catalogue that has put up nothing yet.
        """
        ranked = iter(sorted(self._placed.values(), key=lambda one: one.rank))
        while some := list(islice(ranked, SHELF_FILLED)):
            self._shelves.append(Shelf(some))
            self._lasts.append(some[-1].rank)

    def get(self, uri: str) -> Candidate | None:
        """An agent as it is listed, or None."""
        one = self._placed.get(uri)
        return None if one is None else one.candidate

    def check_room(self, candidate: Candidate) -> None:
        """Raise ``Refused`` (``capacity_unavailable``) when there are too many words already."""
        old = self.get(candidate.uri)
        words = self._words + len(words_of(candidate)) - (len(words_of(old)) if old else 0)
        if words > WORDS_MAX:
            raise Refused("this registry is full", "capacity_unavailable")

    def put(self, candidate: Candidate) -> None:
        """List an agent, in place of what was listed under its URI."""
        self.remove(candidate.uri)
        one = Placed(candidate)
        self._words += len(words_of(candidate))
        self._placed[candidate.uri] = one
        self._place(one, candidate)

    def rerank(self, uri: str, score: Decimal, level: int) -> None:
        """Move an agent to where a new score puts it. Nothing happens to who is not listed."""
        one = self._placed.get(uri)
        if one is None or (one.rank[0], one.level) == (-score, level):
            return
        candidate = one.candidate
        self._take_down(one)
        one.rank, one.level = (-score, uri), level
        self._place(one, candidate)

    def remove(self, uri: str) -> None:
        """List an agent no longer."""
        one = self._placed.pop(uri, None)
        if one is not None:
            self._words -= len(words_of(one.candidate))
            self._take_down(one)

    def _place(self, one: Placed, candidate: Candidate) -> None:
        if not self._shelves:
            self._shelves.append(Shelf())
            self._lasts.append(one.rank)
        index = min(bisect_left(self._lasts, one.rank), len(self._shelves) - 1)
        shelf = self._shelves[index]
        shelf.put(one, candidate)
        self._lasts[index] = shelf.last
        if len(shelf) >= SHELF_MAX:
            self._split(index)

    def _split(self, index: int) -> None:
        here = self._shelves[index].in_order()
        half = len(here) // 2
        halves = [Shelf(here[:half]), Shelf(here[half:])]
        self._shelves[index : index + 1] = halves
        self._lasts[index : index + 1] = [one.last for one in halves]

    def _take_down(self, one: Placed) -> None:
        shelf = one.shelf
        assert shelf is not None
        shelf.remove(one)
        if not len(shelf):
            index = self._shelves.index(shelf, bisect_left(self._lasts, one.rank))
            del self._shelves[index], self._lasts[index]

    def search(self, need: Need) -> Page:
        """Answer a need as ``matching.search`` does over everybody listed (B19)."""
        asked = _Asked(need)
        for shelf in self._shelves:
            asked.look(shelf)
            if asked.done:
                break
        return asked.page()


class _Asked:
    """One question on its way over the shelves."""

    def __init__(self, need: Need) -> None:
        self._need = need
        self._masks: tuple[Mask, ...] = masks_of(need)
        self._after = None if need.after is None else (-need.after[0], need.after[1])
        self._limit = max(1, min(need.limit, PAGE_MAX))
        self._found: list[Placed] = []
        """One more than the page holds, when there is more."""
        self._near: list[Placed] = []
        self._total = 0

    @property
    def _full(self) -> bool:
        return len(self._found) > self._limit

    @property
    def done(self) -> bool:
        """True when no further shelf can change the answer."""
        return self._full and self._total > COUNTED_MAX

    def look(self, shelf: Shelf) -> None:
        """Take from a shelf what fits and what nearly does."""
        passed = self._after is not None and shelf.last <= self._after
        if passed or self._full or len(self._near) >= NEAR_MISSES_MAX:
            fits = shelf.everybody
            for mask in self._masks:
                fits &= mask(shelf)
                if not fits:
                    return
        else:
            fits, near = self._sift(shelf)
            # Those behind the last of a full page are left out at the end.
            self._near.extend(self._taken(shelf, near, NEAR_MISSES_MAX - len(self._near)))
        self._total += fits.bit_count()
        if not passed and not self._full:
            self._found.extend(self._taken(shelf, fits, self._limit + 1 - len(self._found)))

    def _sift(self, shelf: Shelf) -> tuple[int, int]:
        """Who fails no filter, and who fails exactly one."""
        fits, near = shelf.everybody, 0
        for mask in self._masks:
            holds = mask(shelf)
            both = fits & holds
            near = near & holds | fits ^ both
            fits = both
        return fits, near

    def _taken(self, shelf: Shelf, mask: int, most: int) -> list[Placed]:
        if not mask:
            return []
        after = self._after
        those = shelf.among(mask)
        return list(islice((one for one in those if after is None or one.rank > after), most))

    def page(self) -> Page:
        """The answer."""
        shown = self._found[: self._limit]
        last = shown[-1].rank if self._full else None
        near = (one for one in self._near if last is None or one.rank <= last)
        return Page(
            found=tuple(one.candidate for one in shown),
            total=min(self._total, COUNTED_MAX),
            exact=self._total <= COUNTED_MAX,
            more=self._full,
            near_misses=tuple(self._miss(one) for one in near),
        )

    def _miss(self, one: Placed) -> NearMiss:
        candidate = one.candidate
        (failed,) = failing_filters(self._need, candidate)
        return NearMiss(candidate, failed)
