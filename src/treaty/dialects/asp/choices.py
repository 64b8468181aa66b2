"""What the ASP documents leave open, decided: constants with the number of their decision.

The decisions are kept in ``docs/spec/asp.md``; part B of the project's reading of ASP. A value
that appears on the wire or bounds it stands here and nowhere else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

TAG: Final = "asp/0.1"
"""B1: the version we emit, and the dialect's name in a deal file."""
MIME: Final = "application/asp+json"
MIME_PACKED: Final = "application/asp+msgpack"
"""B23: the other format, where the invitation's ``terms.format`` asks for it."""
FORMATS: Final = (MIME, MIME_PACKED)
MIMES_READ: Final = frozenset((MIME, MIME_PACKED, "application/json"))
"""B1: media types accepted for bodies."""
SIGNING_PREFIX: Final = "asp/0.1 "
"""B4: stands before the hash in what an envelope's signature covers; envelopes only."""
SALT_BYTES: Final = 16
"""B3: random bytes in ``content.salt``, so that a withheld message cannot be guessed."""

TURN_LEAST_MS: Final = 5_000
"""B10: ``constraints.maxResponseTimeMs`` may not ask for less."""
FRESHNESS_MS: Final = 60_000
"""B6: how far proof and timestamp may lie from the host's clock."""

BODY_BYTES_MAX: Final = 262_144
DEPTH_MAX: Final = 32
PARTICIPANTS_MAX: Final = 16
MESSAGES_MAX: Final = 10_000
"""B18: messages a session; half for each principal."""
MESSAGES_KEPT: Final = 32
"""B18: the last of each principal's positions, kept for ending a session decently."""
MISSED_MESSAGES_MAX: Final = 16
MISSED_BYTES_MAX: Final = 65_536
"""B7: what a 409 carries at most."""
HOLD_MS: Final = 2_000
"""B7: how long a refused sender holds the next position."""
MESSAGES_PER_SECOND: Final = 10
MESSAGES_BURST: Final = 64
"""B7: rate of one sender in one session; short bursts (a whole deal) pass."""
DELEGATES_MAX: Final = 4

INFORM_LAST_WORDS: Final = frozenset(("result", "error"))
LAST_WORDS: Final = frozenset(("REJECT", "WITHDRAW", "ESCALATE", "CLOSE"))
"""B18: what may still be said in the kept positions."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """A default with the least and the most a session may ask for, in milliseconds."""

    default_ms: int
    least_ms: int
    most_ms: int


_SECOND, _MINUTE, _HOUR, _DAY = 1_000, 60_000, 3_600_000, 86_400_000

TIMEOUTS: Final[Mapping[str, Bounds]] = MappingProxyType(
    {
        "invitationMs": Bounds(30 * _SECOND, 5 * _SECOND, _DAY),
        "identityMs": Bounds(30 * _SECOND, 5 * _SECOND, 10 * _MINUTE),
        "idleMs": Bounds(30 * _MINUTE, _MINUTE, 7 * _DAY),
        "agreeingMs": Bounds(5 * _MINUTE, 10 * _SECOND, _DAY),
        "escalatedMs": Bounds(_DAY, 10 * _SECOND, _DAY),
        "closingMs": Bounds(60 * _SECOND, 10 * _SECOND, _HOUR),
    }
)
"""B10: ``terms.timeouts`` of the invitation."""
DURATION: Final = Bounds(_HOUR, _SECOND, 366 * _DAY)
"""B10: ``terms.proposedDuration``."""
ESCALATED_SUM_MS: Final = _DAY
"""B9: what one party's escalations of a session may last in sum."""
DISPUTE_WINDOW: Final = Bounds(_DAY, _HOUR, 30 * _DAY)
"""B13: ``disputeWindowMs`` of a COMMIT."""
DEADLINE_LEAST_MS: Final = _MINUTE
DEADLINE_MOST_MS: Final = 366 * _DAY
"""B13: an obligation's deadline lies in now + this .. now + that."""

CLOSE_REASONS: Final = frozenset(("completed", "cancelled", "failed", "expired"))
CONDITIONS: Final = frozenset(("obligation-met", "fulfillment-verified"))
"""B13: read alike."""
RATING_LEAST: Final = 1
RATING_MOST: Final = 5
