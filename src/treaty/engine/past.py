"""How the trust log stood at earlier times, as far back as is remembered (ASP B16).

An outcome is weighed by the standings before its session. The host of a session writes them down
when it opens; of a session that another node hosts, the trust node hears when it is over. So it
remembers the states after its last records: values that share nearly everything, so each costs
about what its record changed. A session older than all of them is taken as of the oldest one,
which the record then says.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from treaty.core.trust import TrustState

STATES_MAX: Final = 1_024
"""Records back to which the log is remembered as it stood."""


class Past:
    """The last states of one log, with when each came about."""

    def __init__(self, empty: TrustState) -> None:
        self._states: deque[tuple[int, TrustState]] = deque(((0, empty),), STATES_MAX)

    def keep(self, at_ms: int, state: TrustState) -> None:
        """Remember the state after a record of this time.

        One of the same size that is there already was of a decision that came to nothing.
        """
        while self._states and self._states[-1][1].size >= state.size:
            self._states.pop()
        latest_ms = self._states[-1][0] if self._states else 0
        self._states.append((max(at_ms, latest_ms), state))

    def at(self, at_ms: int, size: int) -> tuple[TrustState, int]:
        """The log as it stood at a time, of at most ``size`` records; and as of when that is."""
        known = [one for one in self._states if one[1].size <= size]
        for since_ms, state in reversed(known):
            if since_ms <= at_ms:
                return state, at_ms
        since_ms, state = known[0]
        return state, since_ms
