"""Open negotiations: their places in memory, their timers in the store, their end.

A negotiation that is open has one task, named like its stream. A restart takes the places again
from the tasks; when a task is due, the negotiation ends with an entry of its own. What has ended
gives its place back and leaves the memory.

Read next: ``places``.
"""

from __future__ import annotations

from functools import partial
from typing import Any, Final

from treaty.engine.channels import EXPIRED, Channel, Written, write_record
from treaty.engine.desk import Desk
from treaty.engine.places import Places
from treaty.engine.ports import Task
from treaty.engine.quote_dialect import QuoteDialect
from treaty.engine.transaction import Transaction
from treaty.errors import Refused
from treaty.wire import fields
from treaty.wire.canonical import Json, canonical, read_json

TASK: Final = "quote"


class OpenQuotes:
    """The negotiations of one provider that have not ended."""

    __slots__ = ("_desk", "_dialect", "_places")

    def __init__(self, desk: Desk, dialect: QuoteDialect) -> None:
        self._desk = desk
        self._dialect = dialect
        self._places = Places(
            most=dialect.max_active,
            per_signer=dialect.signer_slots,
            ttl_ms=dialect.session_ttl_ms,
        )

    @property
    def active(self) -> int:
        """How many negotiations are open now."""
        return self._places.taken(self._desk.clock())

    async def load(self) -> None:
        """Take the places of the negotiations that were open when the node went down."""
        found: list[tuple[int, str, str]] = []
        after = ""
        while tasks := await self._desk.store.tasks(TASK, 1_000, after):
            found.extend(_read_task(task) for task in tasks)
            after = tasks[-1].id
        for opened_ms, stream, signer in sorted(found):
            self._places.take(stream, signer, opened_ms)

    def take(self, stream: str, state: Any, signer: str, at_ms: int) -> bool:
        """Take a place for a negotiation that has none; True when one was taken.

        Raises ``Refused`` when there is none for this signer.
        """
        if self._dialect.is_open(state) or self._places.holds(stream):
            return False
        wait_ms = self._places.wait_ms(signer, at_ms)
        if wait_ms:
            reason = self._dialect.negotiations_full
            raise Refused("no place is free", reason, data={"retryAfterMs": wait_ms})
        self._places.take(stream, signer, at_ms)
        return True

    def give(self, stream: str) -> None:
        """Give a place back."""
        self._places.give(stream)

    def follow(self, transaction: Transaction, stream: str, before: Any) -> None:
        """Keep the timer of an open negotiation; let go of one that has ended."""
        after = transaction.state(stream).state
        was_open = self._dialect.is_open(before)
        if self._dialect.is_open(after):
            if not was_open:
                transaction.put_task(self._task(stream, after))
            return
        if was_open:
            transaction.drop_task(stream)
        transaction.afterwards(partial(self._end, stream))

    async def expire(self, task: Task) -> None:
        """End a negotiation whose time is over."""
        await self._desk.transact((task.id,), partial(self._expire, task.id))

    def _expire(self, stream: str, transaction: Transaction) -> None:
        channel: Channel = transaction.state(stream)
        if not self._dialect.is_open(channel.state):
            transaction.drop_task(stream)
            transaction.afterwards(partial(self._end, stream))
            return
        task = self._task(stream, channel.state)
        if transaction.now_ms < task.due_ms:
            transaction.put_task(task)
            return
        record: dict[str, Json] = {"at": transaction.now_ms}
        body = write_record(record, None)
        transaction.append(stream, EXPIRED, body, None, Written(record, None, None))
        transaction.drop_task(stream)
        transaction.afterwards(partial(self._end, stream))

    def _end(self, stream: str) -> None:
        self._places.give(stream)
        self._desk.forget(stream)

    def _task(self, stream: str, state: Any) -> Task:
        opened_ms = self._dialect.opened_ms(state)
        payload: dict[str, Json] = {"signer": self._dialect.consumer(state), "openedMs": opened_ms}
        due_ms = opened_ms + self._dialect.session_ttl_ms
        return Task(stream, TASK, due_ms, canonical(payload))


def _read_task(task: Task) -> tuple[int, str, str]:
    payload = read_json(task.payload)
    assert isinstance(payload, dict)
    return fields.integer(payload, "openedMs"), task.id, fields.text(payload, "signer")
