"""A sum over the last days: dated whole amounts that are added at the end and expire at the front.

Laws: amounts are integers, so the sum is exact in any order; time in one window never runs
backward (an entry dated before the last one counts at the last one's time); an entry counts
while its age is *less* than the span.

Values, not objects: adding or expiring gives a new window that shares the old one's chunks.

Read next: ``trust_state``, which keeps breaches and conferred weights in windows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

_CHUNK_MAX: Final = 64

Entry = tuple[int, int]
"""A time in ms and an amount. One entry may stand in many windows."""


@dataclass(frozen=True, slots=True)
class Window:
    """Dated amounts in order of time, in chunks, and their running total."""

    total: int = 0
    chunks: tuple[tuple[Entry, ...], ...] = ()
    """Entries in chunks, none of them empty."""

    @property
    def oldest_ms(self) -> int | None:
        """The time of the first entry that is still in, or None."""
        return self.chunks[0][0][0] if self.chunks else None

    @property
    def latest_ms(self) -> int | None:
        """The time of the last entry, or None."""
        return self.chunks[-1][-1][0] if self.chunks else None


EMPTY: Final = Window()


def added(window: Window, entry: Entry, *, span_ms: int) -> Window:
    """Add an entry and drop what is then ``span_ms`` old or older."""
    latest = window.latest_ms
    if latest is not None and entry[0] < latest:
        entry = (latest, entry[1])
    fresh = recent(window, entry[0], span_ms=span_ms)
    chunks = fresh.chunks
    if chunks and len(chunks[-1]) < _CHUNK_MAX:
        chunks = (*chunks[:-1], (*chunks[-1], entry))
    else:
        chunks = (*chunks, (entry,))
    return Window(fresh.total + entry[1], chunks)


def recent(window: Window, at_ms: int, *, span_ms: int) -> Window:
    """Drop what is ``span_ms`` old or older at a time; the same window when nothing is."""
    start, chunks, total = at_ms - span_ms, window.chunks, window.total
    if not chunks or chunks[0][0][0] > start:
        return window
    stale = 0
    while stale < len(chunks) and chunks[stale][-1][0] <= start:
        total -= sum(amount for _, amount in chunks[stale])
        stale += 1
    chunks = chunks[stale:]
    if chunks:
        kept = tuple(entry for entry in chunks[0] if entry[0] > start)
        total -= sum(amount for _, amount in chunks[0]) - sum(amount for _, amount in kept)
        chunks = (kept, *chunks[1:])
    return Window(total, chunks)
