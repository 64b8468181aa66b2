"""Inboxes: how an agent in another process learns that somebody wants something of it.

The stream ``inbox/<agent>`` holds notices (kind ``invitation``, ``delegation``, …) with the
message that caused them, and ``answered`` entries that make room again. An inbox is bounded
(decision B17): 64 unanswered invitations, at most 4 of one inviter, and half of the room is for
inviters with a record, so that newcomers cannot fill it. An agent that lets five different
inviters wait in vain is spared and spares others for a minute, longer each time, with one trial in
between; any answer of its own ends that. All of it is a fold of the stream, so it survives.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from treaty.core.levels import INBOX_MAX, INBOX_PER_INVITER_MAX
from treaty.engine.desk import Desk, Kind, Transaction
from treaty.engine.dialect import Notice, Standing
from treaty.engine.ports import Entry
from treaty.errors import Refused
from treaty.wire.canonical import canonical, read_json

STREAM: Final = "inbox"
NEWCOMERS_MAX: Final = INBOX_MAX // 2
SILENT_MAX: Final = 5
"""So many different inviters that heard nothing open the breaker (section 11, threat 7)."""
FAIR_MS: Final = 20_000
"""Who had less time to answer than this was not silent."""
PAUSE_MS: Final = 60_000
PAUSE_MOST_MS: Final = 900_000
RETRY_MS: Final = 30_000
"""An invitation that states nothing else has lapsed by then."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """One unanswered invitation."""

    inviter: str
    expires_ms: int
    newcomer: bool
    """The inviter had no record when it invited."""
    since_ms: int

    @property
    def fair(self) -> bool:
        """True when there was time enough to answer."""
        return self.expires_ms - self.since_ms >= FAIR_MS


@dataclass(frozen=True, slots=True)
class Silence:
    """Invitations that lapsed without a word since the agent last answered one."""

    inviters: frozenset[str] = frozenset()
    last_ms: int = 0
    """When the last of them lapsed."""

    def until_ms(self) -> int:
        """Until when nobody else need try; in the past for an agent that answers."""
        over = len(self.inviters) - SILENT_MAX
        if over < 0:
            return 0
        return self.last_ms + min(PAUSE_MS << min(over, 10), PAUSE_MOST_MS)


@dataclass(frozen=True, slots=True)
class Inbox:
    """What waits for one agent."""

    waiting: Mapping[str, Waiting] = field(default_factory=dict)
    """Session -> who invited, and until when."""
    silence: Silence = field(default_factory=Silence)

    def silence_at(self, at_ms: int) -> Silence:
        """The silence with what has lapsed since the last entry."""
        lapsed = [one for one in self.waiting.values() if one.expires_ms <= at_ms and one.fair]
        if not lapsed:
            return self.silence
        inviters = self.silence.inviters.union(one.inviter for one in lapsed)
        if len(inviters) > SILENT_MAX + 10:
            inviters = self.silence.inviters
        return Silence(inviters, max(self.silence.last_ms, *(one.expires_ms for one in lapsed)))


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
        newcomer = body.get("newcomer") is True
        waiting = Waiting(str(body.get("from")), expires_ms, newcomer, at_ms)
        return Inbox({**open_still, session: waiting}, inbox.silence_at(at_ms))
    if entry.kind == "answered":
        rest = {k: v for k, v in inbox.waiting.items() if k != session}
        agent = entry.stream.removeprefix(f"{STREAM}/")
        # What its inviter took back was not answered.
        answers = body.get("by", agent) == agent
        return Inbox(rest, Silence() if answers else inbox.silence)
    return inbox


class Inboxes:
    """All inboxes of one node."""

    def __init__(self, desk: Desk, standing: Callable[[str], Standing]) -> None:
        self._standing = standing
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
        body = {**notice.body, "atMs": at_ms}
        if notice.kind == "invitation":
            inviter = str(notice.body.get("from"))
            newcomer = self._standing(inviter).provisional
            body["newcomer"] = newcomer
            waiting = [one for one in inbox.waiting.values() if one.expires_ms > at_ms]
            _check_room(waiting, inviter, newcomer=newcomer)
            _check_breaker(inbox.silence_at(at_ms), waiting, at_ms)
        transaction.append(stream, notice.kind, canonical(body), raw)


def _check_room(waiting: Sequence[Waiting], inviter: str, *, newcomer: bool) -> None:
    if sum(one.inviter == inviter for one in waiting) >= INBOX_PER_INVITER_MAX:
        raise _full(f"{INBOX_PER_INVITER_MAX} of your invitations wait there already")
    if len(waiting) >= INBOX_MAX:
        raise _full(f"{INBOX_MAX} invitations wait there already")
    if newcomer and sum(one.newcomer for one in waiting) >= NEWCOMERS_MAX:
        raise _full(f"{NEWCOMERS_MAX} invitations by agents without a record wait there already")


def _check_breaker(silence: Silence, waiting: Sequence[Waiting], at_ms: int) -> None:
    """Spare others an agent that does not answer; now and then one of them may try."""
    if len(silence.inviters) < SILENT_MAX:
        return
    until_ms = silence.until_ms()
    if at_ms >= until_ms and waiting:
        # One tries; the others hear what comes of it.
        until_ms = min(one.expires_ms for one in waiting)
    if at_ms < until_ms:
        raise Refused(
            f"{len(silence.inviters)} invitations of different agents went unanswered there",
            "unresponsive",
            data={"retryAfterMs": until_ms - at_ms},
        )


def _full(detail: str) -> Refused:
    return Refused(detail, "inbox_full", data={"retryAfterMs": RETRY_MS})
