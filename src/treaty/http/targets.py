"""How often one place is asked on strangers' word: so many times a minute, by name and by address.

Whoever makes a deal may name any URL as what a promise is measured by, and the host then asks
there again and again. A place that nobody asked for this is asked no more often than it bears,
however many sessions name it, by whatever names.

Laws: slots are given in the order in which they were asked for, and whoever waits has one at a
place, so that many tasks of one session do not push back those of another. A slot that nobody takes
up is lost. Time is an argument, in milliseconds that only grow.

Read next: ``guarded``, which asks before each connection.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final

MINUTE_MS: Final = 60_000
PER_MINUTE: Final = 600
"""Requests a minute to one host, or one address."""
AT_ONCE: Final = 10
"""Requests that may follow one another at once, after a rest."""
PLACES_MAX: Final = 10_000
"""Places that are remembered; the one that was asked longest ago is forgotten first."""
WAITING_MAX: Final = 1_000
"""Askers that have a slot at one place; further ones are told to come back and get none."""
LATE_MS: Final = 30_000
"""How long a slot is kept for whoever was given it."""


@dataclass(slots=True)
class _Queue:
    """The slots of one place."""

    next_ms: float = 0.0
    """When the next slot would be, if there were no rest to make up for."""
    slots: OrderedDict[str, float] = field(default_factory=OrderedDict)
    """Asker -> its slot, in their order."""


class Targets:
    """All places that are asked on strangers' word, with their queues."""

    def __init__(self, per_minute: int = PER_MINUTE) -> None:
        self._spacing_ms = MINUTE_MS / per_minute
        self._rest_ms = (min(AT_ONCE, per_minute) - 1) * self._spacing_ms
        self._places: OrderedDict[str, _Queue] = OrderedDict()

    def wait_ms(self, place: str, asker: str, now_ms: float) -> int:
        """Take a slot; returns 0, or how long this asker waits for the one it was given."""
        queue = self._queue(place)
        slot_ms = queue.slots.get(asker)
        if slot_ms is None:
            slot_ms = self._slot_ms(queue, now_ms)
            if slot_ms > now_ms and len(queue.slots) >= WAITING_MAX:
                return _whole(slot_ms - now_ms)
            queue.next_ms = max(queue.next_ms, now_ms) + self._spacing_ms
        if slot_ms <= now_ms:
            queue.slots.pop(asker, None)
            return 0
        queue.slots[asker] = slot_ms
        return _whole(slot_ms - now_ms)

    def _slot_ms(self, queue: _Queue, now_ms: float) -> float:
        while queue.slots and next(iter(queue.slots.values())) + LATE_MS < now_ms:
            queue.slots.popitem(last=False)
        return max(queue.next_ms, now_ms) - self._rest_ms

    def _queue(self, place: str) -> _Queue:
        queue = self._places.setdefault(place, _Queue())
        self._places.move_to_end(place)
        if len(self._places) > PLACES_MAX:
            self._places.popitem(last=False)
        return queue


def _whole(span_ms: float) -> int:
    return int(span_ms) + 1
