"""A buyer's daily budget: what is promised and what is spent, folded from entries. Pure.

A promise is reserved before it is signed, so that two negotiations cannot promise the same money.
Laws:

1. Conserved: whatever was reserved is held, spent or released. Asserted after every entry.
2. Within one UTC day, what was spent and what is held never exceed the limit that was in force
   when something was reserved. A hold counts on every day on which it stands, and money counts
   as spent on the day on which it is spent: no trick with midnight spends a day twice.
3. A day never goes back: an entry from before is booked on the latest day known.
4. What a key was spent on is not spent again on that day, and cannot be without a new hold.

Deciding and folding are apart: ``reserve``, ``release`` and ``spend`` return entries or refuse;
``apply`` folds an entry that was stored. A key is a negotiation (its transaction id). The
limit is private: it is an argument, kept nowhere here, and in no text. Read next: ``buying``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final

from treaty.core.persistent import PersistentMap
from treaty.errors import MisuseError, Refused, WireError, shown
from treaty.wire import fields
from treaty.wire.canonical import Json
from treaty.wire.money import UNITS_MAX

DAY_MS: Final = 86_400_000
HOLDS_MAX: Final = 10_000
KEY_CHARS_MAX: Final = 128

_UNITS: Final = re.compile(r"[1-9][0-9]{0,18}")


class Kind(StrEnum):
    """What an entry does."""

    RESERVE = "reserve"
    RELEASE = "release"
    SPEND = "spend"


@dataclass(frozen=True, slots=True)
class Entry:
    """One fact of the budget. A reserve adds to what its key holds; the others take from it."""

    kind: Kind
    key: str
    units: int
    at_ms: int


@dataclass(frozen=True, slots=True)
class Budget:
    """What entries add up to. Only open holds and the current day's spending are kept."""

    day: int = 0
    """Days since 1970, UTC."""
    holds: PersistentMap[str, int] = field(default_factory=PersistentMap)
    spent_today: PersistentMap[str, int] = field(default_factory=PersistentMap)
    today_units: int = 0
    """The sum of what was spent today."""
    reserved_units: int = 0
    """Of all time, as are the next two."""
    released_units: int = 0
    spent_units: int = 0

    @property
    def held_units(self) -> int:
        """What is promised and neither spent nor given up."""
        return self.reserved_units - self.released_units - self.spent_units


EMPTY: Final = Budget()


def day_of(at_ms: int) -> int:
    """The UTC day of an instant, in days since 1970."""
    return at_ms // DAY_MS


def held(budget: Budget, key: str) -> int:
    """What a key has promised and neither spent nor given up."""
    return budget.holds.get(key) or 0


def spent_on_day(budget: Budget, at_ms: int) -> int:
    """What was spent on the day of an instant, as far as it is the latest day known."""
    return budget.today_units if day_of(at_ms) <= budget.day else 0


def room(budget: Budget, limit_units: int, key: str, at_ms: int) -> int:
    """How much a key may promise in all, its own hold included; never below zero."""
    others = budget.held_units - held(budget, key)
    return max(0, limit_units - spent_on_day(budget, at_ms) - others)


def reserve(
    budget: Budget, limit_units: int, key: str, units: int, at_ms: int
) -> tuple[Entry, ...]:
    """Hold at least ``units`` for a key, before a promise of them is signed.

    A second, smaller promise of one negotiation holds no less than the first, which may still be
    accepted. Raises ``Refused``: ``budget_exceeded`` beyond the limit, ``duplicate`` for a key
    that was spent, ``overloaded`` for more than 10,000 holds.
    """
    _check(key, units)
    if key in budget.spent_today and day_of(at_ms) <= budget.day:
        raise Refused("this negotiation has been paid for", "duplicate")
    missing = units - held(budget, key)
    if units > room(budget, limit_units, key, at_ms):
        raise Refused("the day's budget does not allow it", "budget_exceeded")
    if missing <= 0:
        return ()
    if key not in budget.holds and len(budget.holds) >= HOLDS_MAX:
        raise Refused(f"more than {HOLDS_MAX} open reservations", "overloaded")
    return (Entry(Kind.RESERVE, key, missing, at_ms),)


def release(budget: Budget, key: str, at_ms: int) -> tuple[Entry, ...]:
    """Give up what a key holds; nothing to do when it holds nothing."""
    units = held(budget, key)
    return (Entry(Kind.RELEASE, key, units, at_ms),) if units else ()


def spend(budget: Budget, key: str, units: int, at_ms: int) -> tuple[Entry, ...]:
    """Spend from a hold and give up the rest. The same again, on the same day, is no new entry.

    Raises ``Refused``: ``duplicate`` when the key was spent with another amount,
    ``budget_exceeded`` when less is held.
    """
    _check(key, units)
    before = budget.spent_today.get(key)
    if before is not None and day_of(at_ms) <= budget.day:
        if before != units:
            raise Refused("spent before, and not this amount", "duplicate")
        return ()
    left = held(budget, key) - units
    if left < 0:
        raise Refused("not reserved before it is spent", "budget_exceeded")
    rest = (Entry(Kind.RELEASE, key, left, at_ms),) if left else ()
    return (Entry(Kind.SPEND, key, units, at_ms), *rest)


def apply(budget: Budget, entry: Entry) -> Budget:
    """Fold one entry. Raises ``MisuseError`` for one that cannot follow."""
    _check(entry.key, entry.units)
    change = entry.units if entry.kind is Kind.RESERVE else -entry.units
    kept = held(budget, entry.key) + change
    if kept < 0:
        raise MisuseError(f"{entry.kind} of more than is held for {shown(entry.key)}")
    folded = _counted(_on_day(budget, day_of(entry.at_ms)), entry)
    holds = folded.holds.put(entry.key, kept) if kept else folded.holds.without(entry.key)
    folded = replace(folded, holds=holds)
    assert folded.held_units == budget.held_units + change >= 0
    return folded


def fold(entries: Iterable[Entry], budget: Budget = EMPTY) -> Budget:
    """Fold stored entries in their order, and check that the sums are conserved."""
    for entry in entries:
        budget = apply(budget, entry)
    assert budget.held_units == sum(units for _, units in budget.holds.items())
    return budget


def entry_to_json(entry: Entry) -> dict[str, Json]:
    """Write an entry for the store; the amount as text, because it may be beyond 2^53."""
    return {
        "kind": str(entry.kind),
        "key": entry.key,
        "units": str(entry.units),
        "atMs": entry.at_ms,
    }


def entry_from_json(value: Mapping[str, Json]) -> Entry:
    """Read a stored entry. Raises ``WireError`` for what is none."""
    kind, units = fields.text(value, "kind"), fields.text(value, "units")
    if kind not in tuple(Kind) or not _UNITS.fullmatch(units) or int(units) > UNITS_MAX:
        raise WireError("not an entry of a budget")
    at_ms = fields.integer(value, "atMs")
    return Entry(Kind(kind), fields.ident(value, "key"), int(units), at_ms)


def _on_day(budget: Budget, day: int) -> Budget:
    if day <= budget.day:
        return budget
    return replace(budget, day=day, spent_today=PersistentMap(), today_units=0)


def _counted(budget: Budget, entry: Entry) -> Budget:
    """Add an entry to the sums of all time, and to the day's when it is spent."""
    match entry.kind:
        case Kind.RESERVE:
            return replace(budget, reserved_units=budget.reserved_units + entry.units)
        case Kind.RELEASE:
            return replace(budget, released_units=budget.released_units + entry.units)
        case Kind.SPEND:
            before = budget.spent_today.get(entry.key) or 0
            return replace(
                budget,
                spent_today=budget.spent_today.put(entry.key, before + entry.units),
                today_units=budget.today_units + entry.units,
                spent_units=budget.spent_units + entry.units,
            )


def _check(key: str, units: int) -> None:
    if not 0 < len(key) <= KEY_CHARS_MAX:
        raise MisuseError("a reservation needs a key")
    if type(units) is not int or not 0 < units <= UNITS_MAX:
        raise MisuseError("a reservation is of a whole number of units, more than none")
