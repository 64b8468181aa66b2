"""What a buyer keeps of its decisions: one stream each, in its own store.

``decision/<id>`` holds ``message`` entries (raw: the bytes as sent or received) and ``record``
entries, whose members replace those of the record before. The id is a UUIDv7, so streams are in
the order of time.

Law: what is sent next was written down first. A choice is durable before EXECUTE leaves, so a
process that is killed in between leaves a decision that says so.

Read next: ``router``, which writes these.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from treaty.dialects.mrp.choices import EVIDENCE
from treaty.dialects.mrp.codec import decode_reply
from treaty.dialects.mrp.deal import Line
from treaty.engine.desk import Desk, Draw, Kind
from treaty.engine.ports import Entry, Store
from treaty.errors import MisuseError, Refused, shown
from treaty.wire import fields
from treaty.wire.canonical import CANONICAL_DEPTH_MAX, Json, canonical, read_json
from treaty.wire.ids import is_uuid

DECISION: Final = "decision"
MESSAGE: Final = "message"
RECORD: Final = "record"
PAGE: Final = 1_000

Record = dict[str, Json]


@dataclass(frozen=True, slots=True)
class Decision:
    """A decision as it is kept."""

    record: Mapping[str, Json]
    messages: tuple[Line, ...] = ()

    def document(self) -> dict[str, Json]:
        """The record for programs, with the evidence that came where one did."""
        evidence_id = self.record.get("evidence_msg_id")
        if evidence_id is None:
            return dict(self.record)
        for line in reversed(self.messages):
            envelope, _ = decode_reply(line.raw)
            is_it = not line.is_sent and envelope.msg_type == EVIDENCE
            if is_it and envelope.msg_id == evidence_id:
                return {**self.record, "evidence": dict(envelope.payload)}
        return dict(self.record)


EMPTY: Final = Decision({})


class Decisions:
    """All decisions of one store."""

    def __init__(self, store: Store, *, clock: Callable[[], int], entropy: Draw) -> None:
        self.store = store
        self._desk = Desk(store, clock=clock, entropy=entropy)
        self._desk.register(DECISION, Kind(lambda _stream: EMPTY, _fold, retains=True))

    async def keep(
        self, decision_id: str, changes: Mapping[str, Json], messages: Sequence[Line] = ()
    ) -> None:
        """Write messages and what changed of the record, as one unit."""
        stream = f"{DECISION}/{decision_id}"

        def write(tx: Any) -> None:
            for one in messages:
                tx.append(stream, MESSAGE, _body_of(one), one.raw)
            if changes:
                tx.append(stream, RECORD, canonical(dict(changes)))

        await self._desk.transact((stream,), write)

    async def read(self, decision_id: str) -> Decision:
        """One decision. Raises ``Refused`` (``not_found``)."""
        found = await self.peek(decision_id) if is_uuid(decision_id) else EMPTY
        if not found.record:
            raise Refused(f"no decision {shown(decision_id)} is kept here", "not_found")
        return found

    async def peek(self, decision_id: str) -> Decision:
        """One decision as far as it has come; without a record while it is being made."""
        found = await self._desk.state(f"{DECISION}/{decision_id.lower()}")
        assert isinstance(found, Decision)
        return found

    async def newest(self, limit: int) -> tuple[list[str], int]:
        """The ids of the newest decisions, newest first, and how many there are in all."""
        newest: deque[str] = deque(maxlen=limit)
        count, after = 0, ""
        while page := await self.store.streams(f"{DECISION}/", after, PAGE):
            newest.extend(page)
            count += len(page)
            after = page[-1]
        return [name.removeprefix(f"{DECISION}/") for name in reversed(newest)], count


def _body_of(message: Line) -> bytes:
    return canonical(
        {
            "isSent": message.is_sent,
            "manifestUrl": message.manifest_url,
            "atMs": message.at_ms,
        }
    )


def _fold(decision: Decision, entry: Entry, _parsed: object) -> Decision:
    body = read_json(entry.body, size_max=len(entry.body), depth_max=CANONICAL_DEPTH_MAX)
    if not isinstance(body, dict):
        raise MisuseError(f"entry {entry.position} of {entry.stream} is no record")
    if entry.kind == RECORD:
        return replace(decision, record={**decision.record, **body})
    message = Line(
        raw=entry.raw or b"",
        is_sent=fields.flag(body, "isSent"),
        manifest_url=fields.text(body, "manifestUrl"),
        at_ms=fields.integer(body, "atMs"),
    )
    return replace(decision, messages=(*decision.messages, message))
