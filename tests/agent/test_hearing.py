"""One sealed window: who is silent, slow or talks garbage spoils its own chance alone."""

from __future__ import annotations

import asyncio
import json
from itertools import count
from typing import Any

import pytest

from tests.agent.routed import BARE, routed
from tests.agent.stalls import Reply, Stall, open_stalls, seed_stall
from treaty.agent.hearing import PROVIDERS_MAX, look_up
from treaty.dialects.mrp.entries import Listing, read_entries


def never(stall: Stall, _: Any) -> Reply:
    stall.gate.wait(30)
    return Reply(b"")


def test_a_silent_provider_delays_nobody_and_is_told_of() -> None:
    silent, good = seed_stall("b", answers={"/mrp/discover": never}), seed_stall("a")
    mute = seed_stall("b", answers={"/mrp/manifest": never})
    with open_stalls(silent, mute, good):
        record = asyncio.run(routed(silent, mute, good, window_ms=400))

    assert record["winner"]["route_id"] == "route-us-fast"
    told = {one["manifest_url"]: one["detail"] for one in record["unanswered"]}
    assert told == dict.fromkeys(
        (silent.manifest_url, mute.manifest_url), "no answer within 400 ms"
    )


def test_the_window_closes_when_all_have_answered() -> None:
    """Otherwise this would be cut off by the limit of every test."""
    with open_stalls(good := seed_stall("a")):
        record = asyncio.run(routed(good, window_ms=3_600_000))

    assert record["winner"] is not None


@pytest.mark.parametrize(
    "answer",
    [
        Reply(b""),
        Reply(b"\xff\x00garbage"),
        Reply(b"[]"),
        Reply(b'{"detail":"Not Found"}', 404),
        Reply(b"Internal Server Error", 500),
        Reply(b"", 302, {"location": "http://127.0.0.1:1/"}),
        Reply(b"x" * 2_000_000),
        {"offers": [{"route_id": "r", "capability": "x" * 70_000}]},
        Reply(b"[" * 100_000),
        {"offers": {}},
        {"no": "offers"},
        {"offers": [{}] * 101},
        lambda stall, request: {"msg_type": "ERROR", "payload": {"code": "MRP_RATE_LIMITED"}},
        lambda stall, request: {"msg_type": "EVIDENCE", "payload": {}},
    ],
)
def test_garbage_is_no_offer(answer: Any) -> None:
    bad, good = seed_stall("b", answers={"/mrp/discover": answer}), seed_stall("a")
    with open_stalls(bad, good):
        record = asyncio.run(routed(bad, good))

    assert record["winner"]["route_id"] == "route-us-fast"
    (told,) = record["unanswered"]
    assert told["manifest_url"] == bad.manifest_url
    assert told["detail"]


@pytest.mark.parametrize(
    "manifest",
    [
        b"",
        b"[]",
        b"{}",
        b'{"capability":"x","endpoints":{}}',
        b'{"capability":"x","endpoints":{"discover":"file:///etc/passwd","execute":"/x"}}',
    ],
)
def test_a_manifest_that_is_none_is_told(manifest: bytes) -> None:
    bad = Stall(answers={"/mrp/manifest": Reply(manifest)})
    with open_stalls(bad):
        record = asyncio.run(routed(bad))

    assert record["winner"] is None
    assert len(record["unanswered"]) == 1


def test_no_offers_at_all_is_an_answer() -> None:
    with open_stalls(empty := Stall()):
        record = asyncio.run(routed(empty))

    assert (record["winner"], record["considered"], record["unanswered"]) == (None, [], [])


@pytest.mark.parametrize("bad", [5, {}, {"route_id": 5, "capability": "x"}, {"route_id": "r"}])
def test_a_bad_offer_spoils_only_itself(bad: Any) -> None:
    stall = seed_stall("a")
    stall.offers.insert(0, bad)
    with open_stalls(stall):
        record = asyncio.run(routed(stall))

    assert record["winner"]["route_id"] == "route-us-fast"
    (loser,) = (one for one in record["considered"] if one["verdict"] == "rejected")
    assert [one["code"] for one in loser["reasons"]] == ["malformed_offer"]


def test_a_sender_that_names_nobody_is_called_by_its_address() -> None:
    def nameless(stall: Stall, request: dict[str, Any]) -> dict[str, Any]:
        return {"msg_type": "OFFER", "sender": None, "payload": {"offers": stall.offers}}

    with open_stalls(stall := seed_stall("a", answers={"/mrp/discover": nameless})):
        record = asyncio.run(routed(stall, wish=BARE))

    assert record["winner"]["provider"] == stall.manifest_url


class Registry:
    """A registry of many pages."""

    def __init__(self, per_page: int, *, ends: bool) -> None:
        self.asked: list[str | None] = []
        self._ids = count()
        self._per_page, self._ends = per_page, ends

    async def listing(self, registry: str, capability: str | None, cursor: str | None) -> Listing:
        """A page, and the next unless it ends."""
        self.asked.append(cursor)
        entries = [
            {"id": f"p{at}", "name": "n", "manifest_url": f"https://p{at}.example/m"}
            for at in (next(self._ids) for _ in range(self._per_page))
        ]
        following = None if self._ends and len(self.asked) == 2 else str(len(self.asked))
        return read_entries(json.dumps({"results": entries, "next_page": following}).encode())


@pytest.mark.parametrize(
    ("per_page", "ends", "pages", "found"),
    [(3, True, 2, 6), (30, False, 2, PROVIDERS_MAX), (0, False, 8, 0)],
)
def test_a_registry_is_read_page_by_page_within_limits(
    per_page: int, ends: bool, pages: int, found: int
) -> None:
    registry = Registry(per_page, ends=ends)
    named = asyncio.run(look_up(registry, "https://r.example", "summarize"))  # type: ignore[arg-type]

    assert registry.asked == [None, *map(str, range(1, pages))]
    assert len(named.sources) == found
