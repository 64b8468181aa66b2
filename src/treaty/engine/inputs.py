"""Inputs as a capability takes them: artifacts are fetched and checked, and become what they hold.

A capability that takes artifacts gets them as they are. For any other an artifact of text,
Markdown or JSON stands for its content, which must have the hash and size it was named with. Ours
are read from the store, others fetched through the guarded port, within the domains agreed on.

Read next: ``artifacts``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from treaty.engine.artifacts import ARTIFACT_BYTES_MAX, Artifacts
from treaty.engine.capability import Item
from treaty.engine.fetching import Fetcher
from treaty.engine.service_dialect import Thing
from treaty.errors import Refused, WireError, shown
from treaty.wire.canonical import Json, read_json
from treaty.wire.digest import hash_agrees

ARTIFACT: Final = "artifact"
PATH: Final = "/mrp/artifacts/"
HELD: Final[Mapping[str, str]] = {
    "text/plain": "text",
    "text/markdown": "markdown",
    "application/json": "json",
}
"""Media type of an artifact -> what it stands for."""
FETCH_MS: Final = 10_000


class Inputs:
    """Reads the inputs of jobs."""

    __slots__ = ("_artifacts", "_fetcher")

    def __init__(self, artifacts: Artifacts, fetcher: Fetcher) -> None:
        self._artifacts = artifacts
        self._fetcher = fetcher

    async def read(
        self, things: Sequence[Thing], takes: Sequence[str], domains: Sequence[str]
    ) -> tuple[Item, ...]:
        """The inputs for a capability that takes these types.

        Raises ``Refused`` (``input_unsupported``) for an artifact that does not hold what it was
        named as, and what the fetcher raises.
        """
        found = []
        for one in things:
            if one.type == ARTIFACT and ARTIFACT not in takes:
                found.append(await self._held(one, domains))
            else:
                found.append(_item(one))
        return tuple(found)

    async def _held(self, thing: Thing, domains: Sequence[str]) -> Item:
        data = await self._bytes(thing.uri or "", domains)
        if not hash_agrees(thing.hash, data) or thing.size not in (None, len(data)):
            raise _unfit(thing, "it has another hash or size than it was named with")
        kind = held_kind(thing.mime)
        if kind is None:
            raise _unfit(thing, "it is neither text nor JSON")
        try:
            value: Json = data.decode("utf-8")
            if kind == "json":
                value = read_json(data, size_max=ARTIFACT_BYTES_MAX)
        except (UnicodeDecodeError, WireError):
            raise _unfit(thing, "it is not what its type says") from None
        return Item(type=kind, value=value)

    async def _bytes(self, uri: str, domains: Sequence[str]) -> bytes:
        if uri.startswith(PATH):
            _, data = await self._artifacts.read(uri.removeprefix(PATH))
            return data
        got = await self._fetcher.fetch(
            uri, bytes_max=ARTIFACT_BYTES_MAX, timeout_ms=FETCH_MS, allowed_domains=domains
        )
        if not got.is_success:
            raise Refused(f"{shown(uri)} is answered with {got.status}", "input_unsupported")
        return got.body


def held_kind(mime: str | None) -> str | None:
    """What an artifact of this media type stands for; None for what it cannot."""
    return HELD.get((mime or "").partition(";")[0].strip().lower())


def _item(thing: Thing) -> Item:
    return Item(
        type=thing.type,
        value=thing.value,
        uri=thing.uri,
        hash=thing.hash,
        size=thing.size,
        mime=thing.mime,
    )


def _unfit(thing: Thing, why: str) -> Refused:
    return Refused(f"the artifact {shown(thing.uri)} is not worked on: {why}", "input_unsupported")
