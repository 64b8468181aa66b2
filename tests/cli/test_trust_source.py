"""Where a log comes from: whole, in order, from one moment, or not at all."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.cli.town import ALPHA, Town
from treaty.cli.trust_source import fetched, paged
from treaty.errors import WireError


class Log:
    """A log in pages of two, as a node gives them."""

    def __init__(self, size: int, *, lost: int = 0) -> None:
        self.size, self.lost = size, lost
        self.asked: list[tuple[int, int, int | None]] = []

    async def page(self, start: int, end: int, size: int | None) -> dict[str, Any]:
        self.asked.append((start, end, size))
        last = min(end, self.size - self.lost, start + 2)
        rows = [
            {"index": at, "kind": "identity", "record": {}, "proof": ["00"]}
            for at in range(start, last)
        ]
        return {"records": rows, "head": {"size": self.size if size is None else size}}


@pytest.mark.parametrize("size", [0, 1, 2, 5])
def test_every_record_is_taken_once_under_one_head(size: int) -> None:
    log = Log(size)
    taken: Any = asyncio.run(paged(log.page, None))

    assert [one["index"] for one in taken["records"]] == list(range(size))
    assert {asked[2] for asked in log.asked[1:]} <= {size}
    assert all("proof" not in one for one in taken["records"])


def test_the_log_is_taken_as_of_the_size_that_the_score_rests_on() -> None:
    log = Log(9)
    taken: Any = asyncio.run(paged(log.page, {"size": 4}))

    assert taken["head"]["size"] == len(taken["records"]) == 4
    assert {asked[2] for asked in log.asked} == {4}


def test_a_log_that_ends_too_soon_and_one_that_is_too_long_are_not_read() -> None:
    for log in (Log(5, lost=1), Log(1_000_001)):
        with pytest.raises(WireError):
            asyncio.run(paged(log.page, None))


def test_a_node_without_its_key_beside_it_has_no_signed_head(town: Town, tmp_path: Any) -> None:
    """A copy of the database alone."""
    copy = tmp_path / "copy.db"
    copy.write_bytes(town.db.read_bytes())
    for suffix in ("-wal",):
        beside = town.db.with_name(town.db.name + suffix)
        if beside.exists():
            copy.with_name(copy.name + suffix).write_bytes(beside.read_bytes())
    done = town.fail("trust", "recompute", ALPHA, "--db", copy)

    assert "no signed head" in done.stderr


def test_a_real_node_gives_log_keys_and_view(town: Town) -> None:
    taken, view = asyncio.run(fetched(town.url, None, ALPHA))
    found: Any = taken

    assert view is not None
    assert view["size"] == found["head"]["size"] == len(found["records"])
    assert found["node"]["keyId"] != found["operator"]["keyId"]
