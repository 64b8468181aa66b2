"""A registry's answer: a bad entry spoils itself, a lead is known as one."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tests.dialects.mrp.made import raw
from treaty.dialects.mrp.entries import ENTRIES_MAX, Listing, read_entries
from treaty.errors import WireError

GOOD = {"id": "service:a", "name": "A", "manifest_url": "https://a.example/mrp/manifest"}


def listed(*entries: Any, **members: Any) -> Listing:
    return read_entries(raw({"results": list(entries), **members}))


def test_an_entry_is_read() -> None:
    (entry,) = listed({**GOOD, "trust": {"score": 0.9, "level": "self_asserted"}, "x": 1}).entries

    assert (entry.id, entry.name, entry.manifest_url) == tuple(GOOD.values())
    assert entry.trust == Decimal("0.9")


def test_an_entry_may_name_its_provider_instead() -> None:
    (entry,) = listed({"provider": "service:b", "manifest_url": "https://b.example/m"}).entries

    assert (entry.id, entry.name, entry.trust) == ("service:b", "service:b", None)


def test_a_lead_names_no_manifest() -> None:
    (entry,) = listed({"id": "lead", "name": "Lead"}).entries

    assert entry.manifest_url is None


@pytest.mark.parametrize(
    "bad",
    [
        5,
        None,
        [],
        {},
        {"name": "no id"},
        {**GOOD, "id": 7},
        {**GOOD, "id": ""},
        {**GOOD, "manifest_url": 5},
        {**GOOD, "trust": []},
        {**GOOD, "trust": {"score": 1.01}},
        {**GOOD, "trust": {"score": -1}},
        {**GOOD, "trust": {"score": True}},
        {**GOOD, "trust": {"score": "0.9"}},
    ],
)
def test_a_bad_entry_spoils_only_itself(bad: Any) -> None:
    listing = listed(bad, GOOD)

    assert [one.id for one in listing.entries] == ["service:a"]
    assert len(listing.spoilt) == 1
    assert listing.spoilt[0].detail


@pytest.mark.parametrize("body", [[], 5, {}, {"results": None}, {"results": {}}, {"results": "x"}])
def test_what_is_no_registry_is_refused(body: Any) -> None:
    with pytest.raises(WireError):
        read_entries(raw(body))


@pytest.mark.parametrize(
    ("stated", "cursor"), [("c1", "c1"), (None, None), ("", None), (5, None), ("x" * 2_000, None)]
)
def test_the_next_page_is_a_cursor_or_none(stated: Any, cursor: str | None) -> None:
    assert listed(next_page=stated).next_cursor == cursor


def test_a_page_is_read_up_to_its_limit() -> None:
    assert len(listed(*[GOOD] * (ENTRIES_MAX + 1)).entries) == ENTRIES_MAX
