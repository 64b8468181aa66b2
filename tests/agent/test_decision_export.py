"""Every decision exports to a file that verifies, however it ended."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from tests.agent.routed import BARE, SEED_WISH, order, router
from tests.agent.stalls import Reply, Stall, evidence, open_stalls, reply_to, seed_stall
from treaty import app
from treaty.agent.decision_export import export_decision
from treaty.errors import Refused
from treaty.wire.canonical import canonical, read_json


def exported(*stalls: Stall, runs: bool = True, **members: Any) -> dict[str, Any]:
    async def go() -> dict[str, Any]:
        async with router() as one:
            call = one.run if runs else one.route
            outcome = await call(order(*stalls, **members))
            return await export_decision(one.decisions, outcome.decision_id)

    with open_stalls(*stalls):
        deal = asyncio.run(go())
    # As it comes from a file.
    raw = canonical(deal)
    read = read_json(raw, size_max=len(raw), depth_max=48)
    assert isinstance(read, dict)
    return read


def fails(stall: Stall, request: dict[str, Any]) -> dict[str, Any]:
    said = {"code": "MRP_INTERNAL_ERROR", "message": "no", "retryable": False}
    whole = reply_to(stall, request, "ERROR", said)
    return {**whole, "msg_id": request["msg_id"], "timestamp": request["timestamp"]}


STALLS: dict[str, tuple[list[Stall], dict[str, Any]]] = {
    "done": ([seed_stall("a"), seed_stall("b")], {}),
    "only routed": ([seed_stall("b"), seed_stall("a")], {"runs": False}),
    "no winner": ([seed_stall("b")], {}),
    "nobody there": ([Stall(answers={"/mrp/discover": Reply(b"x", 500)})], {}),
    "a refusal": ([Stall(answers={"/mrp/discover": fails}), seed_stall("a")], {}),
    "no negotiation": (
        [seed_stall("a", answers={"/mrp/negotiate": Reply(b"", 404)})],
        {},
    ),
    "a stub": (
        [
            seed_stall(
                "a", answers={"/mrp/negotiate": {"accepted": False, "reason": "not implemented"}}
            )
        ],
        {},
    ),
    "stopped": ([seed_stall("a", answers={"/mrp/negotiate": fails})], {}),
    "failed": ([seed_stall("a", answers={"/mrp/execute": fails})], {}),
    "cut off": ([seed_stall("a", answers={"/mrp/execute": Reply(b"", 502)})], {}),
    "nothing asked": ([seed_stall("a"), seed_stall("b")], {"wish": BARE}),
    "strict": ([seed_stall("a")], {"is_strict": True}),
    "a manifest's residency": (
        [seed_stall("a", manifest={"constraints": {"data_residency": "us"}})],
        {"is_strict": True},
    ),
    "bad offers": (
        [Stall(offers=[5, {}, {"route_id": "r", "capability": "c", "cost": 5}, None])],
        {},
    ),
    "a bridge": (
        [
            Stall(
                offers=[
                    {"route_id": "r1", "capability": "summarize"},
                    {"route_id": "r2", "capability": "other"},
                ]
            )
        ],
        {"wish": BARE},
    ),
    "little evidence": (
        [
            seed_stall(
                "a",
                answers={
                    "/mrp/execute": lambda _, request: evidence(
                        request, job_id=None, attestations=None, provenance=None
                    )
                },
            )
        ],
        {"wish": BARE},
    ),
    "another capability": ([seed_stall("a")], {"wish": replace(SEED_WISH, capability="other")}),
}


@pytest.mark.parametrize("name", STALLS)
def test_it_verifies(name: str) -> None:
    stalls, members = STALLS[name]
    report = app.verify(exported(*stalls, **members))

    assert report.ok, report.to_json()


def test_evidence_that_fails_fails_there_too() -> None:
    short = seed_stall("a")
    short.answers["/mrp/execute"] = lambda _, request: evidence(request, attestations=[])
    report = app.verify(exported(short))

    claim = report.claim("attestations")
    assert claim is not None
    assert claim.verdict.value == "failed"


def test_a_route_asked_twice_of_one_place_verifies() -> None:
    a = seed_stall("a")
    a.answers["/mrp/manifest?again"] = lambda stall, _: None

    async def go() -> dict[str, Any]:
        async with router() as one:
            twice = replace(order(a), manifests=(a.manifest_url, f"{a.url}/mrp/manifest#x"))
            outcome = await one.run(twice)
            return await export_decision(one.decisions, outcome.decision_id)

    with open_stalls(a):
        assert app.verify(asyncio.run(go())).ok


def test_what_was_never_decided_is_not_exported() -> None:
    async def go() -> None:
        async with router() as one:
            await export_decision(one.decisions, "01a22268-8ff0-78dd-9ae9-562df8fea334")

    with pytest.raises(Refused):
        asyncio.run(go())
