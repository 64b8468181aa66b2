"""Machine checks: what a claim rests on is fetched, and what was read becomes a fact (B13).

A duty that waits for a check shows it in its session's state; a task in the outbox asks for it.
The answer, or that there was none, is written as a signed fact ``metric``. Everybody folds it
alike; nothing is decided here.

Read next: ``background`` for how a fetch is kept from holding up timers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from treaty.core.checks import Check, Reading, is_timely, value_in
from treaty.engine.background import Background
from treaty.engine.desk import Desk, Transaction
from treaty.engine.dialect import SessionDialect, Wanted
from treaty.engine.fetching import Fetched, Fetcher
from treaty.engine.follow_up import FollowUp
from treaty.engine.hosted import session_stream
from treaty.engine.ports import Task, Unit
from treaty.errors import Refused, SignatureError, TreatyError, UnavailableError, WireError, shown
from treaty.identity.keys import read_public_key
from treaty.identity.records import open_record
from treaty.wire import fields
from treaty.wire.canonical import Json, canonical, read_json
from treaty.wire.digest import sha256_tag
from treaty.wire.instants import format_instant

TASK: Final = "check"
RETRY_MS: Final = 4_000
"""Between two tries of a fetch that nobody answered; three tries fit into ten seconds."""
ANSWER_BYTES_MAX: Final = 65_536
ANSWER_MS: Final = 4_000
DEPTH_MAX: Final = 32
POSTPONED: Final = "rate_limited"
STALE: Final = "metric_stale"
"""What is stated of a signed metric that was measured at another time."""
RECORD_BYTES_MAX: Final = 16_384
"""A signed metric that is longer is not stated in the log."""


class NoFetcher:
    """The port of a node that fetches nothing: no check can be made there."""

    async def fetch(self, url: str, **_limits: Any) -> Fetched:
        """Say so."""
        raise UnavailableError(f"this node fetches nothing: {shown(url)}")


class Checks:
    """Makes the checks that the sessions of one host wait for."""

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
        follow_up.also(self._put)

    def _put(self, transaction: Transaction, state: Any) -> None:
        """Ask for what the session waits for, unless that is asked for already."""
        for wanted in self._dialect.wanted(state):
            name = _task_name(state.id, wanted)
            if self._desk.due_ms(name) is None and name not in transaction.tasks:
                transaction.put_task(self._task(state.id, wanted, transaction.now_ms))

    def _task(self, session: str, wanted: Wanted, due_ms: int) -> Task:
        payload: dict[str, Json] = {
            "session": session,
            "commitment": wanted.commitment,
            "obligation": wanted.obligation,
        }
        return Task(_task_name(session, wanted), TASK, due_ms, canonical(payload))

    async def run(self, task: Task) -> None:
        """Begin one check; called by the outbox."""
        await self._background.begin(task, lambda: self._check(task))

    async def _check(self, task: Task) -> None:
        payload = read_json(task.payload)
        assert isinstance(payload, dict)
        stream = session_stream(fields.text(payload, "session"))
        hosted = await self._desk.state(stream)
        wanted = _find(self._dialect, hosted.state, payload)
        try:
            data = {} if wanted is None else await self._read(wanted, hosted.state.id)
        except Refused as refusal:
            await self._put_off(task, refusal)
            return

        def decide(transaction: Transaction) -> None:
            state = transaction.state(stream).state
            now = _find(self._dialect, state, payload)
            transaction.drop_task(task.id)
            # A confirmation or a dispute may have come between: then nobody waits any more.
            if now is None or wanted is None or now.probe != wanted.probe:
                if now is not None:
                    transaction.put_task(self._task(state.id, now, transaction.now_ms))
                return
            at_ms = max(transaction.now_ms, state.at_ms)
            stated = {**data, "at": format_instant(at_ms)}
            self._follow_up.write_fact(transaction, stream, "metric", stated, at_ms)
            again = _find(self._dialect, transaction.state(stream).state, payload)
            if again is not None:
                transaction.put_task(self._task(state.id, again, at_ms + RETRY_MS))
            self._follow_up.settle(transaction, stream, at_ms)

        await self._desk.transact((stream,), decide)

    async def _put_off(self, task: Task, refusal: Refused) -> None:
        """Others ask there as well; a check that waits is made all the same, and is no failure."""
        later = replace(task, due_ms=self._desk.clock() + retry_ms(refusal))
        await self._desk.store.commit(Unit(put_tasks=(later,)))

    async def _read(self, wanted: Wanted, session: str) -> dict[str, Json]:
        data: dict[str, Json] = {
            "commitmentId": wanted.commitment,
            "obligation": wanted.obligation,
            "check": wanted.probe,
        }
        _, stated = await read_url(
            self._fetcher, wanted.check, asker=session, clock=self._desk.clock
        )
        return {**data, **stated}


def _task_name(session: str, wanted: Wanted) -> str:
    return f"{TASK}/{session}/{wanted.commitment}/{wanted.obligation}"


def _find(dialect: SessionDialect, state: Any, payload: fields.Object) -> Wanted | None:
    for wanted in dialect.wanted(state):
        if (wanted.commitment, wanted.obligation) == (payload["commitment"], payload["obligation"]):
            return wanted
    return None


def retry_ms(refusal: Refused) -> int:
    """When to come back to a place that was asked too often.

    Raises the refusal itself when it is about something else.
    """
    wait_ms = refusal.data.get("retryAfterMs")
    if refusal.code != POSTPONED or not isinstance(wait_ms, int):
        raise refusal
    return wait_ms


async def read_url(
    fetcher: Fetcher, check: Check, *, asker: str, clock: Callable[[], int]
) -> tuple[Reading, dict[str, Json]]:
    """Fetch; what was read, and what is stated of it: status, value, the hash of the body.

    With a key agreed, the value is what that key has signed, and the record goes along whole; one
    that was not measured by ``clock`` when it was asked for is no answer. Raises ``Refused``
    (``rate_limited``) where the ``asker``, a session, has to wait its turn.
    """
    try:
        answer = await fetcher.fetch(
            check.url, bytes_max=ANSWER_BYTES_MAX, timeout_ms=ANSWER_MS, asker=asker
        )
    except TreatyError as error:
        if isinstance(error, Refused) and error.code == POSTPONED:
            raise
        nothing: dict[str, Json] = {"status": None, "value": None, "bodyHash": None}
        return Reading(None), {**nothing, "failure": error.code}
    more: dict[str, Json] = {}
    value = value_in(check, answer.body, DEPTH_MAX)
    if check.key is not None:
        more = _record(check.key, answer)
        value = value if more else None
        if more and not is_timely(check, fields.obj(more, "record"), clock()):
            stale: dict[str, Json] = {"status": None, "value": None, "failure": STALE}
            return Reading(None), {**stale, "bodyHash": sha256_tag(answer.body), **more}
    reading = Reading(answer.status, value, sha256_tag(answer.body))
    data: dict[str, Json] = {
        "status": answer.status,
        "value": value,
        "bodyHash": reading.body_hash,
    }
    return reading, {**data, **more}


def _record(key: str, answer: Fetched) -> dict[str, Json]:
    """The signed metric in an answer, or nothing when it is not what was agreed."""
    if len(answer.body) > RECORD_BYTES_MAX:
        return {}
    try:
        record = read_json(answer.body, size_max=RECORD_BYTES_MAX, depth_max=DEPTH_MAX)
        open_record("metric", record, read_public_key(key))
    except (WireError, SignatureError):
        return {}
    return {"record": record}
