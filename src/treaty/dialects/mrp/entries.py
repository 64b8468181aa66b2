"""A registry's answer, read entry by entry: a bad entry spoils itself and nothing else (10).

Read next: ``manifest``, which is what an entry leads to.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from treaty.errors import WireError, shown
from treaty.wire import fields
from treaty.wire.canonical import Json, read_json

REGISTRY_BYTES_MAX: Final = 1_048_576
ENTRIES_MAX: Final = 256
"""Of one page; what comes after is not read."""
CURSOR_CHARS_MAX: Final = 1_024


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One provider as a registry lists it; the registry's word, proven by nobody here."""

    id: str
    name: str
    manifest_url: str | None
    """None for a lead: something that was indexed and offers nothing yet."""
    trust: Decimal | None
    """0 to 1, the registry's own scale."""


@dataclass(frozen=True, slots=True)
class Spoilt:
    """An entry that cannot be read."""

    id: str
    detail: str


@dataclass(frozen=True, slots=True)
class Listing:
    """One page of a registry's answer."""

    entries: tuple[Entry, ...]
    spoilt: tuple[Spoilt, ...]
    next_cursor: str | None


def read_entries(raw: bytes) -> Listing:
    """Read a page. ``id`` may be called ``provider``; members nobody knows are passed over.

    Raises ``WireError`` when it is no registry's answer at all.
    """
    document = read_json(raw, size_max=REGISTRY_BYTES_MAX)
    if not isinstance(document, dict):
        raise WireError(f"a registry answers with an object, not {shown(document)}")
    results = document.get("results")
    if not isinstance(results, list):
        raise WireError(f"results must be a list, not {shown(results)}")
    read = [_read(one) for one in results[:ENTRIES_MAX]]
    following = document.get("next_page")
    is_cursor = isinstance(following, str) and 0 < len(following) <= CURSOR_CHARS_MAX
    return Listing(
        tuple(one for one in read if isinstance(one, Entry)),
        tuple(one for one in read if isinstance(one, Spoilt)),
        following if is_cursor and isinstance(following, str) else None,
    )


def _read(value: Json) -> Entry | Spoilt:
    if not isinstance(value, dict):
        return Spoilt("", f"an entry is an object, not {shown(value)}")
    stated = value.get("id", value.get("provider"))
    name = stated if isinstance(stated, str) else ""
    try:
        own_id = fields.ident({"id": stated}, "id")
        return Entry(
            id=own_id,
            name=fields.text_or(value, "name") or own_id,
            manifest_url=fields.text_or(value, "manifest_url"),
            trust=_score(value),
        )
    except WireError as error:
        return Spoilt(name[: fields.ID_CHARS_MAX], error.detail)


def _score(value: dict[str, Json]) -> Decimal | None:
    score = (fields.obj_or(value, "trust") or {}).get("score")
    if score is None:
        return None
    if isinstance(score, bool) or not isinstance(score, int | float) or not 0 <= score <= 1:
        raise WireError(f"trust.score must lie in 0 to 1, not {shown(score)}")
    return Decimal(repr(score))
