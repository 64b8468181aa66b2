"""Artifacts: bytes that somebody uploads, found by their hash and size, and forgotten in a day.

An upload is announced with its size and hash; what comes is taken only when it has both. The
stream ``artifact/<id>`` says what was announced and when it came; the bytes stand beside it,
where they can be erased. The id is 128 bits of chance, and whoever knows it may read.

Laws:

1. Room is taken when an upload is announced, and given back when it is erased: what is kept is
   bounded, for everybody and for one principal.
2. What was stored never changes: other bytes have another hash, and are refused.

Read next: ``jobs``, which keeps its answers in the same way.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from treaty.engine.desk import Desk, Kind
from treaty.engine.ports import Entry, Task
from treaty.engine.transaction import Transaction
from treaty.errors import Refused, WireError
from treaty.wire import fields
from treaty.wire.canonical import Json, canonical, read_json
from treaty.wire.digest import sha256_tag
from treaty.wire.ids import is_uuid, uuid7

STREAM: Final = "artifact"
ERASE_TASK: Final = "artifact-erase"

ARTIFACT_BYTES_MAX: Final = 8 * 1_048_576
HELD_BYTES_MAX: Final = 512 * 1_048_576
"""Bytes of all artifacts that are kept or announced."""
HELD_BYTES_EACH_MAX: Final = 64 * 1_048_576
"""The same of one principal."""
HELD_MAX: Final = 10_000
ANNOUNCED_MS: Final = 600_000
"""How long an upload is waited for."""
KEPT_MS: Final = 86_400_000

ANNOUNCED: Final = "announced"
STORED: Final = "stored"
ERASED: Final = "erased"


@dataclass(frozen=True, slots=True)
class Artifact:
    """One artifact; ``status`` is empty for none at all."""

    id: str
    status: str = ""
    name: str = ""
    mime: str = ""
    size: int = 0
    """Bytes."""
    hash: str = ""
    principal: str = ""


def _fold(before: Artifact, entry: Entry, _parsed: object) -> Artifact:
    if entry.kind != ANNOUNCED:
        return replace(before, status=entry.kind)
    body = read_json(entry.body)
    assert isinstance(body, dict)
    return Artifact(
        before.id,
        ANNOUNCED,
        fields.text(body, "name"),
        fields.text(body, "mime"),
        fields.integer(body, "size"),
        fields.text(body, "hash"),
        fields.text(body, "principal"),
    )


class Artifacts:
    """The artifacts of one node."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._held: dict[str, tuple[str, int]] = {}
        """Stream -> whose it is, and its bytes."""
        desk.register(STREAM, Kind(lambda stream: Artifact(_id_of(stream)), _fold))

    async def load(self) -> None:
        """Count what is held."""
        after = ""
        while tasks := await self._desk.store.tasks(ERASE_TASK, 1_000, after):
            for task in tasks:
                payload = read_json(task.payload)
                assert isinstance(payload, dict)
                whose, size = fields.text(payload, "principal"), fields.integer(payload, "size")
                self._held[task.id] = (whose, size)
            after = tasks[-1].id

    async def announce(self, name: str, mime: str, size: int, tag: str, principal: str) -> Artifact:
        """Take room for an upload.

        Raises ``WireError`` (``too_large``) and ``Refused`` (``capacity_unavailable``).
        """
        if size > ARTIFACT_BYTES_MAX:
            raise WireError(f"an artifact has at most {ARTIFACT_BYTES_MAX} bytes", "too_large")
        at_ms = self._desk.clock()
        ident = uuid7(at_ms, self._desk.entropy(16))
        artifact = Artifact(ident, ANNOUNCED, name, mime, size, tag, principal)

        def decide(transaction: Transaction) -> None:
            self._check_room(principal, size)
            body: dict[str, Json] = {
                "name": name,
                "mime": mime,
                "size": size,
                "hash": tag,
                "principal": principal,
                "at": at_ms,
            }
            transaction.append(_stream(ident), ANNOUNCED, canonical(body))
            transaction.put_task(_erase(artifact, at_ms + ANNOUNCED_MS))
            transaction.afterwards(
                lambda: self._held.__setitem__(_stream(ident), (principal, size))
            )

        await self._desk.transact((_stream(ident),), decide)
        return artifact

    async def store(self, ident: str, data: bytes) -> Artifact:
        """Take the bytes of an upload; the same bytes again are no error.

        Raises ``Refused`` (``not_found``) and ``WireError`` (``malformed``: another hash or
        size than announced).
        """
        found = await self.find(ident)
        stream = _stream(found.id)
        if len(data) != found.size or sha256_tag(data) != found.hash:
            raise WireError("these bytes have another size or hash than was announced")

        def decide(transaction: Transaction) -> Artifact:
            artifact: Artifact = transaction.state(stream)
            if artifact.status == ANNOUNCED:
                transaction.append(stream, STORED, canonical({"at": transaction.now_ms}))
                transaction.put_setting(_content(found.id), data)
                transaction.put_task(_erase(artifact, transaction.now_ms + KEPT_MS))
            stored: Artifact = transaction.state(stream)
            return stored

        return await self._desk.transact((stream,), decide)

    async def find(self, ident: str) -> Artifact:
        """An artifact that is announced or kept. Raises ``Refused`` (``not_found``)."""
        if is_uuid(ident):
            artifact: Artifact = await self._desk.state(_stream(ident.lower()))
            if artifact.status in (ANNOUNCED, STORED):
                return artifact
        raise Refused("there is no such artifact", "not_found")

    async def read(self, ident: str) -> tuple[Artifact, bytes]:
        """An artifact with its bytes. Raises ``Refused`` (``not_found``)."""
        artifact = await self.find(ident)
        data = await self._desk.store.setting(_content(artifact.id))
        if artifact.status != STORED or data is None:
            raise Refused("there is no such artifact", "not_found")
        return artifact, data

    async def erase(self, task: Task) -> None:
        """Forget an artifact whose time is over; the outbox calls this."""

        def decide(transaction: Transaction) -> None:
            artifact: Artifact = transaction.state(task.id)
            transaction.append(task.id, ERASED, canonical({"at": transaction.now_ms}))
            transaction.put_setting(_content(artifact.id), b"")
            transaction.drop_task(task.id)
            transaction.afterwards(partial(self._leave, task.id))

        await self._desk.transact((task.id,), decide)
        self._desk.forget(task.id)

    def _leave(self, stream: str) -> None:
        self._held.pop(stream, None)

    def _check_room(self, principal: str, size: int) -> None:
        total = sum(held for _, held in self._held.values()) + size
        own = sum(held for whose, held in self._held.values() if whose == principal) + size
        full = len(self._held) >= HELD_MAX or total > HELD_BYTES_MAX
        if full or own > HELD_BYTES_EACH_MAX:
            detail = "no more can be kept at the moment"
            raise Refused(detail, "capacity_unavailable", data={"retryAfterMs": ANNOUNCED_MS})


def _stream(ident: str) -> str:
    return f"{STREAM}/{ident}"


def _id_of(stream: str) -> str:
    return stream.removeprefix(f"{STREAM}/")


def _content(ident: str) -> str:
    return f"{STREAM}/{ident}/content"


def _erase(artifact: Artifact, due_ms: int) -> Task:
    payload: dict[str, Json] = {"principal": artifact.principal, "size": artifact.size}
    return Task(_stream(artifact.id), ERASE_TASK, due_ms, canonical(payload))
