"""What of an arbiter the trust log alone can tell: its score, and whom it has dealt with (B15).

The node that writes candidates down asks it, and so does whoever checks, from the same records,
whether those who were drawn could be drawn at all.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from treaty.core.trust_state import YEAR_MS, TrustState, agent_state

SCORE_LEAST: Final = Decimal(70)


def have_dealt(state: TrustState, one: str, other: str, at_ms: int) -> bool:
    """True when a deal of theirs in the last year weighs in either one's score."""
    times = (agent_state(state, one).dealt.get(other), agent_state(state, other).dealt.get(one))
    return any(dealt_ms is not None and at_ms - dealt_ms < YEAR_MS for dealt_ms in times)
