"""Inboxes: how an agent in another process learns that somebody wants something of it.

The stream ``inbox/<agent>`` holds notices (kind ``invitation``, ``delegation``, …) with the
message that caused them, and ``answered`` entries that make room again. An inbox is bounded
(decision B17): 64 unanswered invitations, at most 4 of one inviter.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from treaty.engine.desk import Desk, Kind, Transaction
from treaty.engine.dialect import Notice
from treaty.engine.ports import Entry
from treaty.errors import Refused
from treaty.wire.canonical import canonical, read_json

STREAM: Final = "inbox"
UNANSWERED_MAX: Final = 64
UNANSWERED_PER_INVITER_MAX: Final = 4


@dataclass(frozen=True, slots=True)
class Waiting:
    """One unanswered invitation."""

    inviter: str
    expires_ms: int


@dataclass(frozen=True, slots=True)
class Inbox:
    """What waits for one agent."""

    waiting: Mapping[str, Waiting] = field(default_factory=dict)
    """Session -> who invited, and until when."""


def inbox_stream(agent: str) -> str:
    """Name of an agent's inbox stream."""
    return f"{STREAM}/{agent}"


def _fold(inbox: Inbox, entry: Entry, _parsed: object) -> Inbox:
    body = read_json(entry.body)
    assert isinstance(body, dict)
    session = str(body.get("session"))
    if entry.kind == "invitation":
        at_ms, expires_ms = body.get("atMs"), body.get("expiresMs")
        assert isinstance(at_ms, int)
        assert isinstance(expires_ms, int)
        open_still = {k: v for k, v in inbox.waiting.items() if v.expires_ms > at_ms}
        return Inbox({**open_still, session: Waiting(str(body.get("from")), expires_ms)})
    if entry.kind == "answered":
        return Inbox({k: v for k, v in inbox.waiting.items() if k != session})
    return inbox


class Inboxes:
    """All inboxes of one node."""

    def __init__(self, desk: Desk) -> None:
        desk.register(STREAM, Kind(lambda _stream: Inbox(), _fold))

    def streams(self, agent: str) -> tuple[str, ...]:
        """The streams a delivery to this agent locks."""
        return (inbox_stream(agent),)

    def deliver(self, transaction: Transaction, notice: Notice, raw: bytes, at_ms: int) -> None:
        """Put a notice into an inbox. Raises ``Refused`` (``inbox_full``) for an invitation."""
        stream = inbox_stream(notice.agent)
        inbox: Inbox = transaction.state(stream)
        if notice.kind == "answered" and notice.body.get("session") not in inbox.waiting:
            return
        if notice.kind == "invitation":
            _check_room(inbox, str(notice.body.get("from")), at_ms)
        body = canonical({**notice.body, "atMs": at_ms})
        transaction.append(stream, notice.kind, body, raw)


def _check_room(inbox: Inbox, inviter: str, at_ms: int) -> None:
    waiting = [one for one in inbox.waiting.values() if one.expires_ms > at_ms]
    if len(waiting) >= UNANSWERED_MAX:
        raise Refused(
            f"{UNANSWERED_MAX} invitations wait there already",
            "inbox_full",
            data={"retryAfterMs": 30_000},
        )
    if sum(one.inviter == inviter for one in waiting) >= UNANSWERED_PER_INVITER_MAX:
        raise Refused(
            f"{UNANSWERED_PER_INVITER_MAX} of your invitations wait there already",
            "inbox_full",
            data={"retryAfterMs": 30_000},
        )
