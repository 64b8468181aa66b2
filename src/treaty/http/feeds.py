"""What is streamed: the log of a session to its participants, an inbox to its owner (ASP B18).

``message`` and ``fact`` carry a log entry and its position as id, so that ``Last-Event-ID``
resumes exactly. ``session_state``, ``trust_update`` and ``heartbeat`` are told beside the log
and have no id; everything in them can be worked out from the entries. States that a session
passes between two reads are told as one change.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Final

from treaty.engine.hosted import session_stream
from treaty.engine.inbox import inbox_stream
from treaty.engine.node import Node
from treaty.engine.ports import Entry
from treaty.errors import Refused
from treaty.http.entries import entry_json, notice_json
from treaty.http.streams import event, event_of
from treaty.identity.keys import ProofKey
from treaty.wire.canonical import Json, read_json
from treaty.wire.instants import format_instant

ENTRIES_AT_ONCE: Final = 16
BYTES_AT_ONCE: Final = 65_536
"""What a slow reader holds in memory is one message, or many that are small together."""
ANSWERED: Final = "answered"
"""The kind of inbox entry that only makes room again."""


Read = Callable[[int, int], Awaitable[Sequence[Entry]]]
"""Entries of one log behind a position, at most so many."""


class Pages:
    """A log, a few entries at a time, and not many bytes of them."""

    def __init__(self, read: Read) -> None:
        self._read = read
        self._most = ENTRIES_AT_ONCE

    async def behind(self, position: int) -> list[Entry]:
        """The next entries behind a position; none at the end."""
        found = await self._read(position, self._most)
        taken, size = 0, 0
        while taken < len(found) and (taken == 0 or size < BYTES_AT_ONCE):
            size += len(found[taken].body) + len(found[taken].raw or b"")
            taken += 1
        # What was read for nothing is not read for nothing again.
        whole = taken == len(found)
        self._most = min(ENTRIES_AT_ONCE, 2 * self._most) if whole else taken
        return list(found[:taken])


class SessionFeed:
    """The log of one session for one participant."""

    def __init__(self, node: Node, session: str, key: ProofKey, after: int) -> None:
        self._node = node
        self._session = session
        self._key = key
        self._after = after
        self._state: Json = None
        self._pages = Pages(partial(node.sessions.entries, session))
        self.stream = session_stream(session)

    async def more(self) -> bytes:
        """Entries behind the last ones; at the end of the log, the state if it is another."""
        sessions = self._node.sessions
        since = await sessions.since(self._session, self._key)
        self._after = max(self._after, since)
        entries = await self._pages.behind(self._after)
        events = [_entry_events(entry) for entry in entries]
        if entries:
            self._after = entries[-1].position
        view = sessions.view(await sessions.reader(self._session, self._key))
        # A view that is ahead of the entries sent is told after them.
        if view["position"] == self._after and view["state"] != self._state:
            events.append(self._state_event(view))
        return b"".join(events)

    def _state_event(self, view: Mapping[str, Json]) -> bytes:
        previous, self._state = self._state, view["state"]
        data = {"state": self._state, "previous": previous, "timestamp": view["updatedAt"]}
        return event_of("session_state", data)

    def beat(self) -> bytes:
        """A heartbeat with the session's state."""
        now = format_instant(self._node.desk.clock())
        return event_of("heartbeat", {"timestamp": now, "state": self._state})


def _entry_events(entry: Entry) -> bytes:
    if entry.raw is not None:
        return event("message", entry_json(entry), entry.position)
    fact = event("fact", entry_json(entry), entry.position)
    return fact + b"".join(event_of("trust_update", one) for one in trust_updates(entry))


def trust_updates(entry: Entry) -> list[dict[str, Json]]:
    """What an ``outcome`` fact says about scores: ``{agentId, score, previous}`` each."""
    record = read_json(entry.body, size_max=len(entry.body))
    assert isinstance(record, dict)
    data = record.get("data")
    if record.get("fact") != "outcome" or not isinstance(data, dict):
        return []
    scores = data.get("scores")
    assert isinstance(scores, dict)
    return [_update(agent, change) for agent, change in scores.items()]


def _update(agent: str, change: Json) -> dict[str, Json]:
    assert isinstance(change, dict)
    before, after = change["before"], change["after"]
    assert isinstance(before, dict)
    assert isinstance(after, dict)
    return {"agentId": agent, "score": after["score"], "previous": before["score"]}


class InboxFeed:
    """One agent's inbox, for that agent."""

    def __init__(self, node: Node, agent: str, key: ProofKey, after: int) -> None:
        self._node = node
        self._agent = agent
        self._key = key
        self._after = after
        self.stream = inbox_stream(agent)
        self._pages = Pages(partial(node.desk.store.read, self.stream))

    async def more(self) -> bytes:
        """Entries behind the last ones, named by their kind."""
        check_owner(self._node, self._agent, self._key)
        while entries := await self._pages.behind(self._after):
            self._after = entries[-1].position
            told = [
                event(entry.kind, notice_json(entry), entry.position)
                for entry in entries
                if entry.kind != ANSWERED
            ]
            if told:
                return b"".join(told)
        return b""

    def beat(self) -> bytes:
        """A heartbeat."""
        return event_of("heartbeat", {"timestamp": format_instant(self._node.desk.clock())})


def beyond_the_end(after: int) -> Refused:
    """The refusal to go on behind a position that is not there.

    Who has read further than a log goes has read another one: it hears so, and not nothing.
    """
    return Refused(f"this log ends before position {after}", "reference_unknown")


def check_owner(node: Node, agent: str, key: ProofKey) -> None:
    """Refuse everybody but the agent itself, by the keys of its registered card.

    Raises ``Refused`` (``unknown_agent``, ``unauthorized``).
    """
    card = node.registry.find(agent)
    if card is None:
        raise Refused("no agent is registered under this URI", "unknown_agent")
    if card.barred or key not in (card.key, card.proof_key):
        raise Refused(f"only {agent} itself may ask this", "unauthorized")
