"""Folded states kept in memory: those used last, bounded in number and in bytes.

A state is a fold of durable entries, so any of them may be dropped any time; only what is
pinned stays. A state that holds on to its entries weighs what they weigh, any other next to
nothing: a session of ten thousand messages cannot push the node out of memory, and a busy
account does not push out the sessions.

Read next: ``desk``, which loads and keeps them.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any, Final

from treaty.engine.transaction import Loaded

STATES_MAX: Final = 4_096
BYTES_MAX: Final = 64 * 1_048_576
"""Of entries behind the states that hold on to them; parsed they take about as much again."""


class States:
    """The states of streams by name."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, Loaded] = OrderedDict()
        self._pinned: dict[str, Any] = {}
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, stream: str) -> Loaded | None:
        """What is kept of a stream; asking for it counts as use."""
        loaded = self._kept.get(stream)
        if loaded is not None:
            self._kept.move_to_end(stream)
        return loaded

    def keep(self, stream: str, loaded: Loaded) -> None:
        """Keep a state, and drop those that were not used for longest when there are too many."""
        self.drop(stream)
        if stream in self._pinned:
            self._pinned[stream] = loaded.state
        self._kept[stream] = loaded
        self._bytes += loaded.held_bytes
        while self._has_too_many():
            oldest = next(iter(self._kept))
            if oldest in self._pinned:
                self._kept.move_to_end(oldest)
            else:
                self.drop(oldest)

    def _has_too_many(self) -> bool:
        free = len(self._kept) - sum(name in self._kept for name in self._pinned)
        # The one that was just used stays, however much it weighs.
        return free > STATES_MAX or (free > 1 and self._bytes > BYTES_MAX)

    def drop(self, stream: str) -> None:
        """Forget a state, pinned or not; ``peek`` still shows the last one of a pinned stream."""
        loaded = self._kept.pop(stream, None)
        if loaded is not None:
            self._bytes -= loaded.held_bytes

    def pin(self, stream: str) -> None:
        """Keep a stream's state for good from now on."""
        self._pinned.setdefault(stream, None)

    def is_pinned(self, stream: str) -> bool:
        """True when the stream's state is kept for good."""
        return stream in self._pinned

    def peek(self, stream: str) -> Any:
        """The last known state of a pinned stream."""
        return self._pinned[stream]
