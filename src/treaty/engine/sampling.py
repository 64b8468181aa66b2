"""Measuring an interval: samples at instants that follow from a secret of the host (B13).

The secret is drawn with the reservation; its hash stands in the reservation's fact, itself in
the last measurement, and where the last of the escrow is settled: not every deal is measured to
its end. What was counted so far is kept in a stream of its own, ``sampling/…``,
written down every half minute: a sample the host missed is not counted, whatever the reason.

Laws: a sample is taken once, tried again when it fails, and counts as failed only then; while one
waits to be tried again the others are taken at their instants, or what is down would be looked at
less often than what is up; an interval is stated once, after it is over.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from treaty.core.checks import holds
from treaty.core.commitment import Order, OrderKind
from treaty.core.schedule import (
    SAMPLE_LATE_MS,
    SAMPLE_RETRY_MS,
    SAMPLE_TRIES,
    sample_ms,
)
from treaty.engine.background import Background
from treaty.engine.checks import read_url, retry_ms
from treaty.engine.desk import Desk, Kind, Transaction
from treaty.engine.dialect import Sampling, SessionDialect
from treaty.engine.fetching import Fetcher
from treaty.engine.follow_up import FollowUp
from treaty.engine.hosted import session_stream
from treaty.engine.ports import Entry, Task
from treaty.errors import Refused
from treaty.wire import fields
from treaty.wire.canonical import Json, canonical, read_json
from treaty.wire.digest import sha256_tag
from treaty.wire.encoding import hex_decode
from treaty.wire.instants import format_instant

TASK: Final = "sample"
STREAM: Final = "sampling"
SECRET_BYTES: Final = 32
KEPT_EVERY_MS: Final = 30_000
"""How much of the counting a crash may lose at the most."""
FAILURES_STATED_MAX: Final = 32
"""Failed samples of an interval that are stated one by one."""


@dataclass(frozen=True, slots=True)
class Failing:
    """A sample that has failed and is tried again."""

    number: int
    tries: int
    """How often it has failed."""
    due_ms: int


@dataclass(frozen=True, slots=True)
class Tally:
    """What was counted of one interval."""

    secret: bytes = b""
    part: str = ""
    next: int = 0
    """The sample that comes next."""
    failing: tuple[Failing, ...] = ()
    """Samples before that one which are not decided; a crash forgets them."""
    ok: int = 0
    taken: int = 0
    failures: tuple[Mapping[str, Json], ...] = ()
    kept_ms: int = 0


def sampling_stream(session: str, commitment: str) -> str:
    """The stream of a commitment's secret and counts."""
    return f"{STREAM}/{session}/{commitment}"


def _fold(tally: Tally, entry: Entry, _parsed: object) -> Tally:
    body = read_json(entry.body)
    assert isinstance(body, dict)
    if entry.kind == "secret":
        return Tally(secret=hex_decode(body["secret"], SECRET_BYTES))
    failures = tuple(one for one in fields.items(body, "failures") if isinstance(one, dict))
    return Tally(
        secret=tally.secret,
        part=fields.text(body, "part"),
        next=fields.integer(body, "next"),
        ok=fields.integer(body, "ok"),
        taken=fields.integer(body, "taken"),
        failures=failures,
        kept_ms=fields.integer(body, "at"),
    )


def _tally_body(tally: Tally, at_ms: int) -> bytes:
    return canonical(
        {
            "part": tally.part,
            "next": tally.next,
            "ok": tally.ok,
            "taken": tally.taken,
            "failures": [dict(one) for one in tally.failures],
            "at": at_ms,
        }
    )


class Samples:
    """Takes the samples that the sessions of one host have agreed."""

    def __init__(
        self,
        desk: Desk,
        dialect: SessionDialect,
        follow_up: FollowUp,
        *,
        fetcher: Fetcher,
        background: Background,
    ) -> None:
        self._desk = desk
        self._dialect = dialect
        self._follow_up = follow_up
        self._fetcher = fetcher
        self._background = background
        self._counting: dict[str, Tally] = {}
        """Task -> what is counted in the interval under way; one a measured commitment."""
        desk.register(STREAM, Kind(lambda _stream: Tally(), _fold))
        follow_up.also(self._put, self._seal)

    def _seal(self, transaction: Transaction, session: str, order: Order) -> Mapping[str, Json]:
        """Draw the secret of a reservation that will be measured; only its hash is stated.

        When the last of it is settled the secret itself is.
        """
        schedule = order.escrow.schedule
        if schedule is None or not schedule.measured:
            return {}
        stream = sampling_stream(session, order.commitment)
        if order.kind is not OrderKind.RESERVE:
            return {"secret": transaction.state(stream).secret.hex()}
        secret = transaction.entropy(SECRET_BYTES)
        transaction.append(stream, "secret", canonical({"secret": secret.hex()}))
        return {"secretHash": sha256_tag(secret)}

    def _put(self, transaction: Transaction, state: Any) -> None:
        for one in self._dialect.samplings(state):
            name = _task_name(state.id, one.commitment)
            if self._desk.due_ms(name) is None and name not in transaction.tasks:
                due_ms = max(transaction.now_ms, one.begin_ms)
                transaction.put_task(_task(state.id, one.commitment, due_ms))

    async def run(self, task: Task) -> None:
        """Take the sample that is due; called by the outbox."""
        await self._background.begin(task, lambda: self._step(task))

    async def _step(self, task: Task) -> None:
        payload = read_json(task.payload)
        assert isinstance(payload, dict)
        session, commitment = str(payload["session"]), str(payload["commitment"])
        stream = session_stream(session)
        hosted = await self._desk.state(stream)
        interval = self._interval(hosted.state, commitment)
        if interval is None:
            self._counting.pop(task.id, None)
            await self._desk.transact((stream,), lambda one: one.drop_task(task.id))
            return
        kept: Tally = await self._desk.state(sampling_stream(session, commitment))
        tally = self._counting.get(task.id, kept)
        if tally.part != interval.part:
            tally = Tally(secret=kept.secret, part=interval.part, kept_ms=self._desk.clock())
        tally = _after_missed(tally, interval, self._desk.clock())
        wait_ms = 0
        try:
            tally = await self._look(tally, interval, session)
        except Refused as refusal:
            # Others ask there as well: what comes too late by that is missed, and not counted.
            wait_ms = retry_ms(refusal)
        self._counting[task.id] = tally
        await self._go_on(task, stream, tally, interval, wait_ms)

    def _interval(self, state: Any, commitment: str) -> Sampling | None:
        found = self._dialect.samplings(state)
        return next((one for one in found if one.commitment == commitment), None)

    async def _look(self, tally: Tally, interval: Sampling, session: str) -> Tally:
        """Take the samples whose instants have come, old ones again and new ones, with one look."""
        now_ms = self._desk.clock()
        metric = interval.schedule.metric
        after, due = _taken_up(tally, interval, now_ms)
        if metric is None or not due:
            return tally
        reading, _ = await read_url(self._fetcher, metric, asker=session, clock=self._desk.clock)
        if holds(metric, reading):
            return replace(after, ok=after.ok + len(due), taken=after.taken + len(due))
        for one in due:
            after = _failed(after, one, reading.status, now_ms)
        return after

    async def _go_on(
        self, task: Task, stream: str, tally: Tally, interval: Sampling, wait_ms: int
    ) -> None:
        """State the interval when it is over, else come back for the next sample."""
        session, commitment = stream.partition("/")[2], interval.commitment
        own = sampling_stream(session, commitment)

        def decide(transaction: Transaction) -> None:
            state = transaction.state(stream).state
            now = self._interval(state, commitment)
            if now is None or now.part != interval.part:
                transaction.put_task(_task(session, commitment, transaction.now_ms))
                return
            due_ms = _due_ms(tally, interval, transaction.now_ms)
            if due_ms is None:
                at_ms = max(transaction.now_ms, state.at_ms)
                data = _statement(tally, interval)
                # Before the settling, which asks for the next interval unless it is asked for.
                transaction.put_task(_task(session, commitment, transaction.now_ms))
                self._follow_up.write_fact(transaction, stream, "metric", data, at_ms)
                self._follow_up.settle(transaction, stream, at_ms)
                return
            due_ms = max(due_ms, transaction.now_ms + wait_ms)
            transaction.put_task(_task(session, commitment, due_ms))
            if transaction.now_ms - tally.kept_ms >= KEPT_EVERY_MS:
                body = _tally_body(tally, transaction.now_ms)
                transaction.append(own, "tally", body)
                kept = replace(tally, kept_ms=transaction.now_ms)
                transaction.afterwards(lambda: self._counting.__setitem__(task.id, kept))

        await self._desk.transact((stream, own), decide)


def _task_name(session: str, commitment: str) -> str:
    return f"{TASK}/{session}/{commitment}"


def _task(session: str, commitment: str, due_ms: int) -> Task:
    payload = canonical({"session": session, "commitment": commitment})
    return Task(_task_name(session, commitment), TASK, due_ms, payload)


def _instant(tally: Tally, interval: Sampling, number: int) -> int:
    return sample_ms(
        interval.schedule,
        tally.secret,
        part=interval.part,
        begin_ms=interval.begin_ms,
        number=number,
    )


def _after_missed(tally: Tally, interval: Sampling, now_ms: int) -> Tally:
    """Pass over samples whose time is long gone, also those that were to be tried again."""
    number = tally.next
    while number < interval.schedule.samples and (
        _instant(tally, interval, number) + SAMPLE_LATE_MS < now_ms
    ):
        number += 1
    failing = tuple(one for one in tally.failing if one.due_ms + SAMPLE_LATE_MS >= now_ms)
    return replace(tally, next=number, failing=failing)


def _taken_up(tally: Tally, interval: Sampling, now_ms: int) -> tuple[Tally, tuple[Failing, ...]]:
    """The samples that are due, and the tally without them."""
    number = tally.next
    while number < interval.schedule.samples and _instant(tally, interval, number) <= now_ms:
        number += 1
    again = tuple(one for one in tally.failing if one.due_ms <= now_ms)
    new = tuple(Failing(one, 0, now_ms) for one in range(tally.next, number))
    later = tuple(one for one in tally.failing if one.due_ms > now_ms)
    return replace(tally, next=number, failing=later), (*again, *new)


def _failed(tally: Tally, one: Failing, status: int | None, now_ms: int) -> Tally:
    """Try a sample again in a while, or count it as failed."""
    if one.tries + 1 < SAMPLE_TRIES:
        again = Failing(one.number, one.tries + 1, now_ms + SAMPLE_RETRY_MS)
        return replace(tally, failing=(*tally.failing, again))
    failure: dict[str, Json] = {
        "sample": one.number,
        "at": format_instant(now_ms),
        "status": status,
    }
    stated = (*tally.failures, failure)[:FAILURES_STATED_MAX]
    return replace(tally, taken=tally.taken + 1, failures=stated)


def _due_ms(tally: Tally, interval: Sampling, now_ms: int) -> int | None:
    """When to come back; None when the interval is over and all of it was looked at."""
    waits = [one.due_ms for one in tally.failing]
    if tally.next < interval.schedule.samples:
        waits.append(_instant(tally, interval, tally.next))
    if waits:
        return max(now_ms, min(waits))
    return None if now_ms >= interval.end_ms else interval.end_ms


def _statement(tally: Tally, interval: Sampling) -> dict[str, Json]:
    data: dict[str, Json] = {
        "commitmentId": interval.commitment,
        "part": interval.part,
        "samples": interval.schedule.samples,
        "taken": tally.taken,
        "ok": tally.ok,
        "failures": [dict(one) for one in tally.failures],
    }
    if interval.last:
        data["secret"] = tally.secret.hex()
    return data
