"""The seed's choice, made of real offers on real sockets, and kept."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from itertools import permutations
from typing import Any

import pytest

from tests.agent.routed import BARE, SEED_WISH, order, routed, router
from tests.agent.stalls import Reply, Stall, open_stalls, seed_stall
from tests.dialects.mrp.made import raw
from treaty.dialects.mrp.choices import Profile
from treaty.dialects.mrp.validation import validate
from treaty.errors import MisuseError, UnavailableError
from treaty.store.memory import MemoryStore


def test_of_the_seeds_offers_a_wins_and_b_loses_for_three_reasons() -> None:
    a, b = seed_stall("a"), seed_stall("b")
    with open_stalls(a, b):
        record = asyncio.run(routed(a, b))

    assert record["winner"]["route_id"] == "route-us-fast"
    assert record["winner"]["provider"] == "service:a"
    first, second, third = record["why_won"]
    assert first.startswith("Met all constraints: us residency")
    assert all(one in first for one in ("zero retention", "no training use", "attestation"))
    assert "0.018 ≤ 0.02" in second
    assert "280ms ≤ 400ms" in second
    assert "0.86 vs 0.78" in third
    (loser,) = (one for one in record["considered"] if one["verdict"] == "rejected")
    assert loser["route_id"] == "route-global-cheap"
    assert [one["code"] for one in loser["reasons"]] == [
        "policy_mismatch", "latency_miss", "retention_risk",
    ]  # fmt: skip
    assert set(loser["reasons"][0]) == {"code", "field", "required", "got", "text"}


def test_the_cheap_offer_alone_does_not_win() -> None:
    b = seed_stall("b")
    with open_stalls(b):
        record = asyncio.run(routed(b))

    assert record["winner"] is None
    assert record["why_won"] == []
    assert record["status"] == "no_winner"


def test_the_order_of_asking_changes_nothing() -> None:
    stalls = [seed_stall("a"), seed_stall("b"), Stall(sender="service:c", offers=[5])]
    with open_stalls(*stalls):
        found = [asyncio.run(routed(*some)) for some in permutations(stalls)]

    assert {one["winner"]["route_id"] for one in found} == {"route-us-fast"}
    assert len({str(one["considered"]) for one in found}) == 1


def test_every_provider_is_asked_the_same_lawfully() -> None:
    a, b = seed_stall("a"), seed_stall("b")
    with open_stalls(a, b):
        asyncio.run(routed(a, b))

    (one,), (other,) = a.said("DISCOVER"), b.said("DISCOVER")
    assert one["payload"] == other["payload"]
    assert one["msg_id"] != other["msg_id"]
    assert None not in one.values()
    assert validate(raw(one), Profile.COMPAT) is None
    assert validate(raw(one), Profile.STRICT) is None


def test_residency_may_stand_in_the_manifest() -> None:
    eu = seed_stall("a", manifest={"constraints": {"data_residency": "eu"}})
    with open_stalls(eu):
        record = asyncio.run(routed(eu))

    (only,) = record["considered"]
    assert [one["code"] for one in only["reasons"]] == ["residency_mismatch"]


def test_what_is_not_stated_counts_only_when_asked() -> None:
    a = seed_stall("a")
    with open_stalls(a):
        lenient = asyncio.run(routed(a))
        strict = asyncio.run(routed(a, is_strict=True))

    assert lenient["winner"] is not None
    assert "data_residency" in str(lenient["considered"][0]["warnings"])
    assert strict["winner"] is None
    assert strict["considered"][0]["reasons"][0]["code"] == "residency_mismatch"


def test_an_offer_heard_twice_from_one_place_is_considered_once() -> None:
    a = seed_stall("a")
    with open_stalls(a):
        twice = replace(order(a), manifests=(a.manifest_url, f"{a.manifest_url}?again"))
        a.answers["/mrp/manifest?again"] = Reply(_manifest_of(a))

        async def run() -> int:
            async with router() as one:
                outcome = await one.route(twice)
                return len((await one.decisions.read(outcome.decision_id)).record["considered"])

        assert asyncio.run(run()) == 1


def _manifest_of(stall: Stall) -> bytes:
    import httpx

    return httpx.get(stall.manifest_url, trust_env=False).content


def test_a_decision_is_kept_with_what_was_said() -> None:
    a, b, store = seed_stall("a"), seed_stall("b"), MemoryStore()

    async def run() -> None:
        async with router(store) as one:
            outcome = await one.route(order(a, b))
        # Another process would read the same.
        async with router(store) as again:
            kept = await again.decisions.read(outcome.decision_id)
            assert kept.record["winner"]["route_id"] == "route-us-fast"
            assert [one.is_sent for one in kept.messages] == [True, False, True, False]
            assert b"route-global-cheap" in kept.messages[3].raw
            assert await again.decisions.newest(9) == ([outcome.decision_id], 1)

    with open_stalls(a, b):
        asyncio.run(run())


def listing(*stalls: Stall, **members: object) -> dict[str, Any]:
    entries = [{"id": one.sender, "name": "n", "manifest_url": one.manifest_url} for one in stalls]
    return {"results": [*entries, {"id": "lead", "name": "Lead"}, {"id": 5}], **members}


def registry_of(body: object) -> Stall:
    import json

    path = "/mrp/registry/query?limit=50&capability=summarize"
    return Stall(answers={path: Reply(json.dumps(body).encode())})


def test_a_registry_names_providers_leads_and_bad_entries() -> None:
    a, b = seed_stall("a"), seed_stall("b")
    with open_stalls(a, b):
        registry = registry_of(listing(a, b))
        with open_stalls(registry):
            wish = replace(SEED_WISH, capability="summarize")
            record = asyncio.run(routed(wish=wish, registries=(registry.url,)))

    assert record["winner"]["route_id"] == "route-us-fast"
    assert [one["id"] for one in record["passed_over"]] == ["", "lead"]
    assert a.said("DISCOVER")[0]["payload"]["constraints"]["capability"] == "summarize"
    assert a.said("DISCOVER")[0]["receiver"] == {"id": "service:a"}


def test_a_manifest_of_two_endpoints_will_do() -> None:
    a = seed_stall("a")
    bare = {"endpoints": {"discover": "/mrp/discover", "execute": "/mrp/execute"}}
    a.answers["/mrp/manifest"] = Reply(raw(bare))
    with open_stalls(a):
        record = asyncio.run(routed(a))

    assert record["winner"]["route_id"] == "route-us-fast"


def test_a_registrys_trust_decides_between_equals() -> None:
    stalls = [Stall(sender=f"service:{name}", offers=seed_stall("a").offers) for name in "xyz"]
    with open_stalls(*stalls):
        body = listing(*stalls)
        for entry, score in zip(body["results"], (0.3, 0.9, None), strict=False):
            entry["trust"] = {"score": score}
        with open_stalls(registry := registry_of(body)):
            wish = replace(SEED_WISH, capability="summarize")
            record = asyncio.run(routed(wish=wish, registries=(registry.url,)))

    assert [one["provider"] for one in record["considered"]] == [
        "service:y", "service:x", "service:z",
    ]  # fmt: skip
    assert record["considered"][1]["reasons"][0]["code"] == "trust_lower"


def test_offers_for_another_capability_are_not_taken() -> None:
    a = seed_stall("a")
    with open_stalls(a):
        record = asyncio.run(routed(a, wish=replace(BARE, capability="translate")))

    assert record["considered"][0]["reasons"][0]["code"] == "capability_mismatch"


def test_a_bridges_manifest_stands_for_one_of_its_capabilities() -> None:
    a = seed_stall("a")
    a.offers.append({"route_id": "route:a", "capability": "aaa"})
    with open_stalls(a):
        own = asyncio.run(routed(a, wish=BARE))
        a.manifest["capability"] = "other"
        every = asyncio.run(routed(a, wish=BARE))

    assert [one["route_id"] for one in own["considered"]] == ["route-us-fast"]
    assert len(every["considered"]) == 2


def test_a_registry_that_is_none_is_an_error() -> None:
    with open_stalls(broken := Stall()), pytest.raises(UnavailableError):
        asyncio.run(routed(registries=(broken.url,)))


def test_a_public_word_does_not_lead_to_this_machine() -> None:
    """The registry's address was typed, that of its entries was not."""
    a = seed_stall("a")
    with open_stalls(a):
        registry = registry_of(listing(a))
        with open_stalls(registry):

            async def run() -> dict[str, object]:
                async with router(allow_loopback=False, trusted=(registry.url,)) as one:
                    wish = replace(BARE, capability="summarize")
                    outcome = await one.route(order(wish=wish, registries=(registry.url,)))
                    return dict((await one.decisions.read(outcome.decision_id)).record)

            record = asyncio.run(run())

    assert record["winner"] is None
    assert "127.0.0.1" in record["unanswered"][0]["detail"]
    assert a.came == []


def test_too_many_providers_are_a_misuse() -> None:
    many = replace(order(), manifests=tuple(f"http://127.0.0.1:9/{at}" for at in range(51)))

    async def run() -> None:
        async with router() as one:
            await one.route(many)

    with pytest.raises(MisuseError):
        asyncio.run(run())
