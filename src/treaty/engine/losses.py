"""The losses a provider was told of, by capability: one tally each, kept as a whole.

A tally is overwritten, so what is kept does not grow. A buyer is heard once for an offer.

Read next: ``treaty.core.losses`` for what a tally is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from functools import partial
from typing import Final

from treaty.core.losses import Count, Loss, Tally, count
from treaty.engine.desk import Desk, Kind
from treaty.engine.ports import Nonce, Store
from treaty.engine.transaction import Transaction
from treaty.wire import fields
from treaty.wire.canonical import Json, canonical, read_json

STREAM: Final = "losses"
HEARD_MS: Final = 30 * 86_400_000
"""How long it is remembered that a buyer was heard about an offer."""
TALLY_BYTES_MAX: Final = 1_048_576
NAMES_MAX: Final = 1_000
"""Capabilities whose losses are found again."""


class Losses:
    """The tallies of one provider."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._tallies: dict[str, Tally] = {}
        self._names: list[str] = []
        """Whatever was ever offered here, so that a reader finds the tallies."""
        # Nothing is ever written to these streams: they are locks.
        desk.register(STREAM, Kind(lambda _stream: None, lambda state, _entry, _parsed: state))

    async def load(self, capabilities: Sequence[str]) -> None:
        """Load what is known of these capabilities."""
        known = await read_names(self._desk.store)
        self._names = list(dict.fromkeys([*capabilities, *known]))[:NAMES_MAX]
        for name in capabilities:
            self._tallies[name] = await read_tally(self._desk.store, name)

    async def hear(self, capability: str, reasons: Sequence[Loss], heard: str) -> None:
        """Count a loss of one of the loaded capabilities.

        ``heard`` is a digest of who tells of which offer. Raises ``Refused``
        (``proof_replayed``) for what was told before.
        """
        decide = partial(self._count, capability, reasons, heard)
        await self._desk.transact((_stream(capability),), decide)

    def _count(
        self, capability: str, reasons: Sequence[Loss], heard: str, transaction: Transaction
    ) -> None:
        tally = count(self._tallies[capability], reasons, transaction.now_ms)
        transaction.consume(Nonce("service/loss", heard, transaction.now_ms + HEARD_MS))
        transaction.put_setting(_stream(capability), canonical(_written(tally)))
        transaction.put_setting(STREAM, canonical({"capabilities": list(self._names)}))
        transaction.afterwards(partial(self._tallies.__setitem__, capability, tally))

    def tally(self, capability: str) -> Tally:
        """What is known of one of the loaded capabilities."""
        return self._tallies[capability]


async def read_tallies(store: Store) -> dict[str, Tally]:
    """What a store knows, by capability; only those of which a loss was told."""
    found = {name: await read_tally(store, name) for name in await read_names(store)}
    return {name: tally for name, tally in found.items() if tally.losses}


async def read_names(store: Store) -> list[str]:
    """The capabilities of which a store may know something."""
    stored = await store.setting(STREAM)
    if not stored:
        return []
    body = read_json(stored, size_max=TALLY_BYTES_MAX)
    assert isinstance(body, dict)
    names = fields.items(body, "capabilities", most=NAMES_MAX)
    return [str(name) for name in names]


async def read_tally(store: Store, capability: str) -> Tally:
    """What a store knows of a capability; an empty tally where nothing is."""
    stored = await store.setting(_stream(capability))
    if not stored:
        return Tally()
    body = read_json(stored, size_max=TALLY_BYTES_MAX)
    assert isinstance(body, dict)
    return _read(body)


def _stream(capability: str) -> str:
    return f"{STREAM}/{capability}"


def _written(tally: Tally) -> dict[str, Json]:
    counts: dict[str, Json] = {
        code: {
            "losses": one.losses,
            "margins": [str(margin) for margin in one.margins],
            "unit": one.unit,
        }
        for code, one in tally.counts.items()
    }
    return {
        "losses": tally.losses,
        "firstMs": tally.first_ms,
        "lastMs": tally.last_ms,
        "counts": counts,
        "days": {str(day): losses for day, losses in tally.days.items()},
    }


def _read(body: Mapping[str, Json]) -> Tally:
    counts = {
        code: _read_count(fields.obj({code: one}, code))
        for code, one in fields.obj(body, "counts").items()
    }
    stated = fields.obj(body, "days")
    return Tally(
        fields.integer(body, "losses"),
        fields.integer(body, "firstMs"),
        fields.integer(body, "lastMs"),
        counts,
        {int(day): fields.integer(stated, day) for day in stated},
    )


def _read_count(body: Mapping[str, Json]) -> Count:
    margins = fields.items(body, "margins", most=TALLY_BYTES_MAX)
    return Count(
        fields.integer(body, "losses"),
        tuple(Decimal(str(margin)) for margin in margins),
        fields.text(body, "unit"),
    )
