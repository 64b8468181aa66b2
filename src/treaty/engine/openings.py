"""What a host writes down when a session opens: who stood where, and one more of the day.

The standings of both parties *before* the session are what its outcomes are weighed by (decision
B16), so that nobody's score can be raised inside a session that already runs. And the inviter has
used one of the sessions its level allows in a day (B17): a day is one of UTC, and the count is
the position of the stream ``invited/<day>/<agent>``, so it is durable and never read twice.

Read next: ``sessions``, which opens them, and ``trust``, which weighs by what stands here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from treaty.core.levels import sessions_a_day
from treaty.core.trust import Before, before_from_json, before_to_json
from treaty.engine.desk import Desk, Kind, Transaction
from treaty.engine.dialect import Standing
from treaty.engine.ports import Entry
from treaty.errors import Refused
from treaty.wire import fields
from treaty.wire.canonical import Json, canonical, read_json
from treaty.wire.instants import format_instant

OPENING: Final = "opening"
INVITED: Final = "invited"
DAY_MS: Final = 86_400_000
_DAY_CHARS: Final = len("2026-03-07")

Stood = Mapping[str, Before]
"""Agent -> where it stood when the session opened. Empty for a session that is not known."""


def opening_stream(session: str) -> str:
    """Name of the stream that holds who stood where before a session."""
    return f"{OPENING}/{session}"


def invited_stream(agent: str, at_ms: int) -> str:
    """Name of the stream that counts what an agent sent on the day of an instant."""
    return f"{INVITED}/{format_instant(at_ms)[:_DAY_CHARS]}/{agent}"


def _fold(_before: Stood, entry: Entry, _parsed: object) -> Stood:
    body = read_json(entry.body)
    assert isinstance(body, dict)
    stood = fields.obj(body, "standings")
    found = {agent: before_from_json(fields.obj(stood, agent)) for agent in stood}
    return {agent: before for agent, before in found.items() if before is not None}


class Openings:
    """What is kept of the beginnings of sessions."""

    def __init__(
        self,
        desk: Desk,
        *,
        standing: Callable[[str], Standing],
        before: Callable[[str, int], Before],
    ) -> None:
        self._standing = standing
        self._before = before
        desk.register(OPENING, Kind(lambda _stream: {}, _fold))
        desk.register(INVITED, Kind(lambda _stream: None, lambda _state, _entry, _parsed: None))

    def streams(self, session: str, inviter: str, at_ms: int) -> tuple[str, ...]:
        """The streams that opening a session locks."""
        return opening_stream(session), invited_stream(inviter, at_ms)

    def note(
        self, transaction: Transaction, session: str, inviter: str, invitee: str, at_ms: int
    ) -> None:
        """Write down one opening. Raises ``Refused`` (``session_quota_exceeded``)."""
        day, level = invited_stream(inviter, at_ms), self._standing(inviter).level
        most = sessions_a_day(level)
        if transaction.position(day) >= most:
            raise Refused(
                f"trust level {level} sends {most} invitations a day",
                "session_quota_exceeded",
                data={"limit": most, "retryAfterMs": DAY_MS - at_ms % DAY_MS},
            )
        transaction.append(day, "invited", canonical({"session": session}))
        stood: dict[str, Json] = {
            agent: before_to_json(self._before(agent, at_ms)) for agent in (inviter, invitee)
        }
        transaction.append(opening_stream(session), "standings", canonical({"standings": stood}))
