"""Who may speak next when two speak at once, and how fast (decision B7).

After a refusal because the chain moved on, the refused sender holds the next position for two
seconds. Holds alternate: who held last and did not use it waits for the other's turn, so
nobody is starved and nobody can block by being late on purpose. This is courtesy, not truth:
it lives in memory and is gone after a restart.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

HOLD_MS: Final = 2_000
SESSIONS_MAX: Final = 4_096
RATE_PER_SECOND: Final = 10
BURST: Final = 64


@dataclass(slots=True)
class _Hold:
    side: str
    until_ms: int


class Holds:
    """Holds on the next position, per session."""

    def __init__(self) -> None:
        self._holds: OrderedDict[str, _Hold] = OrderedDict()

    def wait_ms(self, session: str, side: str, now_ms: int) -> int:
        """How long this side must wait for the other's hold; 0 when it may speak."""
        hold = self._holds.get(session)
        if hold is None or hold.side == side:
            return 0
        return max(0, hold.until_ms - now_ms)

    def refused(self, session: str, side: str, now_ms: int) -> None:
        """Give the refused side the next position, unless it let its last hold lapse."""
        hold = self._holds.get(session)
        if hold is not None and (hold.side == side or hold.until_ms > now_ms):
            return
        self._holds[session] = _Hold(side, now_ms + HOLD_MS)
        self._holds.move_to_end(session)
        while len(self._holds) > SESSIONS_MAX:
            self._holds.popitem(last=False)

    def accepted(self, session: str) -> None:
        """A message was accepted: any hold is used up or was not needed."""
        self._holds.pop(session, None)


class Rates:
    """A token bucket per (session, sender): ten messages a second, short bursts allowed."""

    def __init__(self) -> None:
        self._buckets: OrderedDict[tuple[str, str], tuple[float, int]] = OrderedDict()

    def wait_ms(self, session: str, sender: str, now_ms: int) -> int:
        """Take one token; returns 0, or how long to wait for the next one."""
        key = (session, sender)
        tokens, then_ms = self._buckets.get(key, (float(BURST), now_ms))
        tokens = min(float(BURST), tokens + max(0, now_ms - then_ms) * RATE_PER_SECOND / 1000)
        taken = tokens >= 1
        self._buckets[key] = (tokens - 1 if taken else tokens, max(now_ms, then_ms))
        self._buckets.move_to_end(key)
        while len(self._buckets) > 2 * SESSIONS_MAX:
            self._buckets.popitem(last=False)
        return 0 if taken else int((1 - tokens) * 1000 / RATE_PER_SECOND) + 1
