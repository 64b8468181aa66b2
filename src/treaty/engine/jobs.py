"""Jobs: work that was asked for, in ``job/<key>``, and what of it is kept for how long.

Entries are ``accepted``, then one of ``done``, ``failed``, ``canceled``. They hold who asked,
for what, when, and digests; the order as received and the answer stand beside the stream, where
they can be erased: the order as soon as the work has ended, the answer a day after it, or after as
many days as the capability states. That is what an offer's ``data_retention_days`` promises.

A job's key is 128 bits of chance, and whoever knows it may read the answer. A job also has the
name its asker gave it, where nobody took that name before.

Read next: ``services``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final

from treaty.engine.desk import Desk, Kind
from treaty.engine.ports import Entry, Nonce, Task, Unit
from treaty.engine.service_dialect import holder_of
from treaty.engine.transaction import Transaction
from treaty.wire import fields
from treaty.wire.canonical import Json, canonical, read_json
from treaty.wire.digest import sha256
from treaty.wire.ids import is_uuid

STREAM: Final = "job"
OPEN_TASK: Final = "job"
"""Work that has not ended; a restart begins it again."""
ERASE_TASK: Final = "job-erase"

ACCEPTED: Final = "accepted"
DONE: Final = "done"
FAILED: Final = "failed"
CANCELED: Final = "canceled"
ENDS: Final = (DONE, FAILED, CANCELED)

DAY_MS: Final = 86_400_000
NAMED_MS: Final = 7 * DAY_MS
"""How long a job is found under the name its asker gave it."""
JOB_ID_CHARS_MAX: Final = 128
OPEN_DUE_MS: Final = 253_402_300_799_000
"""Open jobs are found by their kind, never by being due."""


@dataclass(frozen=True, slots=True)
class Job:
    """One job; ``status`` is empty for none at all."""

    key: str
    status: str = ""
    principal: str = ""
    job_id: str = ""
    """How it is called outside: the asker's name for it, else the key."""
    is_async: bool = False
    retention_days: int = 0
    record: Mapping[str, Json] = field(default_factory=dict)
    """What the dialect needs to answer for it."""
    accepted_ms: int = 0
    ended_ms: int = 0

    @property
    def has_ended(self) -> bool:
        """True once nothing more will happen to it."""
        return self.status in ENDS


def job_stream(key: str) -> str:
    """Name of a job's stream."""
    return f"{STREAM}/{key}"


def _fold(before: Job, entry: Entry, _parsed: object) -> Job:
    body = read_json(entry.body, size_max=len(entry.body))
    assert isinstance(body, dict)
    at_ms = fields.integer(body, "at")
    if entry.kind != ACCEPTED:
        return replace(before, status=entry.kind, ended_ms=at_ms)
    return replace(
        before,
        status=ACCEPTED,
        principal=fields.text(body, "principal"),
        job_id=fields.text(body, "jobId"),
        is_async=fields.flag(body, "isAsync"),
        retention_days=fields.integer(body, "retentionDays"),
        record=fields.obj(body, "record"),
        accepted_ms=at_ms,
    )


class Jobs:
    """The jobs of one provider."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._open: dict[str, str] = {}
        """Job that has not ended -> its principal."""
        desk.register(STREAM, Kind(lambda stream: Job(_key_of(stream)), _fold))

    async def load(self) -> list[str]:
        """The keys of the jobs that had not ended when the node went down."""
        after = ""
        while tasks := await self._desk.store.tasks(OPEN_TASK, 1_000, after):
            for task in tasks:
                job: Job = await self._desk.state(task.id)
                self._open[job.key] = job.principal
            after = tasks[-1].id
        return list(self._open)

    def open_of(self, principal: str) -> tuple[int, int]:
        """How many jobs have not ended: in all, and of a principal's holder."""
        holder = holder_of(principal)
        return len(self._open), sum(holder_of(one) == holder for one in self._open.values())

    async def find(self, name: str) -> Job:
        """The job with this key or name; an empty ``Job`` where there is none."""
        key = name
        if not is_uuid(name):
            if not 0 < len(name) <= JOB_ID_CHARS_MAX:
                return Job("")
            stored = await self._desk.store.nonce(*_name_row(name))
            if stored is None:
                return Job("")
            key = stored.decode("ascii")
        job: Job = await self._desk.state(job_stream(key))
        if not job.status and key == name:
            stored = await self._desk.store.nonce(*_name_row(name))
            if stored is not None:
                job = await self._desk.state(job_stream(stored.decode("ascii")))
        return job

    async def is_named(self, name: str) -> bool:
        """True when a job has this name."""
        return await self._desk.store.nonce(*_name_row(name)) is not None

    def accept(self, transaction: Transaction, job: Job, order: bytes, *, takes_name: bool) -> None:
        """Write a job down with its order, before anything of it is done."""
        stream = job_stream(job.key)
        body: dict[str, Json] = {
            "at": job.accepted_ms,
            "principal": job.principal,
            "jobId": job.job_id,
            "isAsync": job.is_async,
            "retentionDays": job.retention_days,
            "orderHash": sha256(order).hex(),
            "record": dict(job.record),
        }
        transaction.append(stream, ACCEPTED, canonical(body))
        transaction.put_setting(_order(job.key), order)
        transaction.put_task(Task(stream, OPEN_TASK, OPEN_DUE_MS, b"{}"))
        if takes_name:
            scope, key = _name_row(job.job_id)
            until_ms = job.accepted_ms + NAMED_MS
            transaction.consume(Nonce(scope, key, until_ms, job.key.encode("ascii")))
        transaction.afterwards(lambda: self._open.__setitem__(job.key, job.principal))

    def end(
        self, transaction: Transaction, key: str, status: str, answer: bytes, at_ms: int
    ) -> None:
        """Write down how a job ended; nothing happens to one that has ended."""
        stream = job_stream(key)
        job: Job = transaction.state(stream)
        if job.has_ended or not job.status:
            return
        body: dict[str, Json] = {"at": at_ms, "answerHash": sha256(answer).hex()}
        transaction.append(stream, status, canonical(body))
        transaction.put_setting(_order(key), b"")
        transaction.put_setting(_answer(key), answer)
        transaction.drop_task(stream)
        erased_ms = at_ms + max(1, job.retention_days) * DAY_MS
        transaction.put_task(Task(f"{stream}/erase", ERASE_TASK, erased_ms, b"{}"))
        transaction.afterwards(partial(self._leave, key))

    def _leave(self, key: str) -> None:
        self._open.pop(key, None)

    async def order(self, key: str) -> bytes:
        """The order as received; empty once the work has ended."""
        return await self._desk.store.setting(_order(key)) or b""

    async def answer(self, key: str) -> bytes:
        """The answer as it was given; empty before the end, and once it was erased."""
        return await self._desk.store.setting(_answer(key)) or b""

    async def erase(self, task: Task) -> None:
        """Forget an answer whose time is over; the outbox calls this."""
        key = _key_of(task.id.removesuffix("/erase"))
        unit = Unit(settings=((_answer(key), b""),), drop_tasks=(task.id,))
        await self._desk.store.commit(unit)


def _key_of(stream: str) -> str:
    return stream.removeprefix(f"{STREAM}/")


def _order(key: str) -> str:
    return f"{STREAM}/{key}/order"


def _answer(key: str) -> str:
    return f"{STREAM}/{key}/answer"


def _name_row(name: str) -> tuple[str, str]:
    return "service/job", sha256(canonical(name)).hex()
