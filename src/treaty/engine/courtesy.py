"""Who may speak next when two speak at once, and how fast (decision B7).

After a refusal because the chain moved on, the refused side holds the next position for two
seconds. Who is turned away by a hold has the next one, so holds alternate and a side that is
slow or far away is never starved. Who lets a hold lapse unused gets none until it has spoken
again, so being late on purpose blocks nobody. This is courtesy, not truth: it lives in memory
and is gone after a restart.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final

HOLD_MS: Final = 2_000
SESSIONS_MAX: Final = 4_096
RATE_PER_SECOND: Final = 10
BURST: Final = 64
AGENT_PER_SECOND: Final = 500
AGENT_BURST: Final = 5_000
"""What one agent may say in all its sessions together."""


@dataclass(slots=True)
class _Turn:
    """Whose turn it is in one session."""

    holder: str = ""
    until_ms: int = 0
    waiting: str = ""
    """The side that this hold has turned away; it holds next."""
    idle: set[str] = field(default_factory=set)
    """Sides that let their last hold lapse."""


class Holds:
    """Holds on the next position, per session."""

    def __init__(self) -> None:
        self._turns: OrderedDict[str, _Turn] = OrderedDict()

    def wait_ms(self, session: str, side: str, now_ms: int) -> int:
        """How long this side must wait for the other's hold; 0 when it may speak."""
        turn = self._turns.get(session)
        if turn is None:
            return 0
        _lapse(turn, now_ms)
        if turn.holder in ("", side):
            return 0
        turn.waiting = side
        return turn.until_ms - now_ms

    def refused(self, session: str, side: str, now_ms: int) -> None:
        """Give the refused side the next position, unless it is held or this side idles."""
        turn = self._turns.setdefault(session, _Turn())
        self._turns.move_to_end(session)
        _lapse(turn, now_ms)
        if not turn.holder and side and side not in turn.idle:
            turn.holder, turn.until_ms = side, now_ms + HOLD_MS
        while len(self._turns) > SESSIONS_MAX:
            self._turns.popitem(last=False)

    def accepted(self, session: str, side: str, now_ms: int) -> None:
        """A message of this side was accepted: its hold is used, and who was waiting is next."""
        turn = self._turns.get(session)
        if turn is None:
            return
        _lapse(turn, now_ms)
        turn.idle.discard(side)
        if turn.holder == side:
            _pass_on(turn, now_ms)
        if not turn.holder and not turn.idle:
            del self._turns[session]


def _lapse(turn: _Turn, now_ms: int) -> None:
    """End a hold whose time is over; it goes to the side it has turned away."""
    if turn.until_ms - now_ms > HOLD_MS:
        # The clock went back; nobody waits for it to come here again.
        turn.holder = ""
    while turn.holder and turn.until_ms <= now_ms:
        turn.idle.add(turn.holder)
        _pass_on(turn, turn.until_ms)


def _pass_on(turn: _Turn, at_ms: int) -> None:
    turn.holder, turn.waiting = turn.waiting, ""
    turn.until_ms = at_ms + HOLD_MS if turn.holder else 0


class Rates:
    """A token bucket per (session, sender): ten messages a second, short bursts allowed.

    With ``""`` as its session a bucket is an agent's, over all its sessions.
    """

    def __init__(self, per_second: int = RATE_PER_SECOND, burst: int = BURST) -> None:
        self._per_second = per_second
        self._burst = float(burst)
        self._buckets: OrderedDict[tuple[str, str], tuple[float, int]] = OrderedDict()

    def wait_ms(self, session: str, sender: str, now_ms: int) -> int:
        """Take one token; returns 0, or how long to wait for the next one."""
        key = (session, sender)
        tokens, then_ms = self._buckets.get(key, (self._burst, now_ms))
        tokens = min(self._burst, tokens + max(0, now_ms - then_ms) * self._per_second / 1000)
        taken = tokens >= 1
        self._buckets[key] = (tokens - 1 if taken else tokens, now_ms)
        self._buckets.move_to_end(key)
        while len(self._buckets) > 2 * SESSIONS_MAX:
            self._buckets.popitem(last=False)
        return 0 if taken else int((1 - tokens) * 1000 / self._per_second) + 1
