"""Agreements: terms a provider is bound to, each for one use, in ``agreement/<id>``.

Entries are ``agreed`` or ``countered`` (the terms and the reply) and ``used`` (the job that used
the agreement up). What was worked on is not in them, only its digest. Which agreements are open
is kept in memory for those who do not name theirs, and is found again from the store's tasks.

Read next: ``services``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from treaty.engine.desk import Desk, Kind
from treaty.engine.places import Places
from treaty.engine.ports import Entry, Task
from treaty.engine.service_dialect import holder_of
from treaty.engine.transaction import Transaction
from treaty.errors import Refused
from treaty.wire import fields
from treaty.wire.canonical import Json, canonical, read_json
from treaty.wire.ids import is_uuid

STREAM: Final = "agreement"
TASK: Final = "agreement"
AGREED: Final = "agreed"
COUNTERED: Final = "countered"
USED: Final = "used"

OPEN_MAX: Final = 10_000
"""Agreements that are open at a provider."""
OPEN_EACH_MAX: Final = 1_024
"""The same of one holder: a principal, or an address of those who prove nothing."""
LIFE_MS_MAX: Final = 86_400_000
"""An agreement that nobody uses ends within a day."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """One agreement, or terms that were countered; ``status`` is empty for none at all."""

    status: str = ""
    terms: Mapping[str, Json] | None = None
    reply: str = ""
    """The reply as text, as it was sent."""
    principal: str = ""
    expires_ms: int = 0
    used_by: str | None = None
    """The job."""

    @property
    def is_agreed(self) -> bool:
        """True for an agreement, used or not, lapsed or not."""
        return self.status == AGREED


def agreement_stream(ident: str) -> str:
    """Name of an agreement's stream."""
    return f"{STREAM}/{ident}"


def is_agreement_id(text: str) -> bool:
    """True for what could name an agreement of ours."""
    return is_uuid(text) and text == text.lower()


def _fold(before: Agreement, entry: Entry, _parsed: object) -> Agreement:
    body = read_json(entry.body, size_max=len(entry.body))
    assert isinstance(body, dict)
    if entry.kind == USED:
        return replace(before, used_by=fields.text(body, "job"))
    return Agreement(
        status=entry.kind,
        terms=fields.obj(body, "terms"),
        reply=fields.text(body, "reply", chars_max=len(entry.body)),
        principal=fields.text(body, "principal"),
        expires_ms=fields.integer(body, "expiresMs"),
    )


class Agreements:
    """The agreements of one provider."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._places = Places(most=OPEN_MAX, per_signer=OPEN_EACH_MAX, ttl_ms=LIFE_MS_MAX)
        self._open: dict[str, dict[str, None]] = {}
        """Binding -> the open agreements with it."""
        self._binding_of: dict[str, str] = {}
        desk.register(STREAM, Kind(lambda _stream: Agreement(), _fold))

    async def load(self) -> None:
        """Find the agreements that were open when the node went down."""
        after = ""
        while tasks := await self._desk.store.tasks(TASK, 1_000, after):
            for task in tasks:
                payload = _payload(task)
                at_ms = task.due_ms - LIFE_MS_MAX
                self._enter(task.id, payload["binding"], payload["principal"], max(0, at_ms))
            after = tasks[-1].id

    async def find(self, ident: str) -> Agreement:
        """What is known under an id; an empty ``Agreement`` where nothing is."""
        if not is_agreement_id(ident):
            return Agreement()
        agreement: Agreement = await self._desk.state(agreement_stream(ident))
        return agreement

    def only(self, binding: str | None) -> str | None:
        """The id of the one open agreement with this binding; None for none or several."""
        found = self._open.get(binding or "", {})
        return next(iter(found)) if len(found) == 1 else None

    def check_place(self, principal: str, at_ms: int) -> None:
        """Raise ``Refused`` (``capacity_unavailable``) where no more may be open."""
        wait_ms = self._places.wait_ms(holder_of(principal), at_ms)
        if wait_ms:
            detail = "too many agreements are open"
            raise Refused(detail, "capacity_unavailable", data={"retryAfterMs": wait_ms})

    def write(
        self,
        transaction: Transaction,
        ident: str,
        agreement: Agreement,
        binding: str | None,
    ) -> None:
        """Write an agreement or a counter down."""
        body: dict[str, Json] = {
            "terms": dict(agreement.terms or {}),
            "reply": agreement.reply,
            "principal": agreement.principal,
            "expiresMs": agreement.expires_ms,
        }
        stream = agreement_stream(ident)
        transaction.append(stream, agreement.status, canonical(body))
        if not agreement.is_agreed:
            return
        held: dict[str, Json] = {"binding": binding or "", "principal": agreement.principal}
        transaction.put_task(Task(stream, TASK, agreement.expires_ms, canonical(held)))
        at_ms = transaction.now_ms
        transaction.afterwards(
            lambda: self._enter(stream, binding or "", agreement.principal, at_ms)
        )

    def use(self, transaction: Transaction, ident: str, job: str) -> None:
        """Use an agreement up; that it is free was looked at in this decision."""
        stream = agreement_stream(ident)
        transaction.append(stream, USED, canonical({"job": job}))
        transaction.drop_task(stream)
        transaction.afterwards(lambda: self._leave(stream))

    async def expire(self, task: Task) -> None:
        """Let go of an agreement whose time is over; the outbox calls this."""

        def decide(transaction: Transaction) -> None:
            transaction.drop_task(task.id)
            transaction.afterwards(lambda: self._leave(task.id))

        await self._desk.transact((task.id,), decide)

    def _enter(self, stream: str, binding: str, principal: str, at_ms: int) -> None:
        self._places.take(stream, holder_of(principal), at_ms)
        if binding:
            self._binding_of[stream] = binding
            self._open.setdefault(binding, {})[_id_of(stream)] = None

    def _leave(self, stream: str) -> None:
        self._places.give(stream)
        binding = self._binding_of.pop(stream, None)
        if binding is not None:
            del self._open[binding][_id_of(stream)]
            if not self._open[binding]:
                del self._open[binding]


def _id_of(stream: str) -> str:
    return stream.removeprefix(f"{STREAM}/")


def _payload(task: Task) -> dict[str, str]:
    payload = read_json(task.payload)
    assert isinstance(payload, dict)
    return {name: fields.text(payload, name) for name in ("binding", "principal")}
