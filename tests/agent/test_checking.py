"""Evidence checked live: artifacts and sources are fetched, within limits, and judged."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from tests.agent.routed import BARE, order, router
from tests.agent.stalls import Reply, Stall, evidence, open_stalls, seed_stall
from treaty.agent.checking import ARTIFACTS_MAX
from treaty.wire.digest import sha256_tag

BYTES = b"the artifact"


def artifact(stall: Stall, at: int = 1, **members: Any) -> dict[str, Any]:
    uri = f"/mrp/artifacts/{at}"
    item = {"type": "artifact", "uri": uri, "hash": sha256_tag(BYTES), "size": len(BYTES)}
    stall.answers[uri] = Reply(BYTES)
    return {**item, **members}


def claims(stall: Stall, **members: Any) -> dict[str, str]:
    async def run() -> dict[str, str]:
        async with router() as one:
            outcome = await one.run(order(stall, **{"wish": BARE, **members}))
            assert outcome.done is not None
            return {one.name: one.verdict.value for one in outcome.done.claims}

    with open_stalls(stall):
        return asyncio.run(run())


@pytest.mark.parametrize(
    ("members", "verdict"),
    [
        ({}, "verified"),
        ({"hash": sha256_tag(b"other")}, "failed"),
        ({"size": 1}, "failed"),
        ({"uri": "/gone"}, "not checkable"),
    ],
)
def test_artifacts_are_fetched_and_compared(members: dict[str, Any], verdict: str) -> None:
    def answer(stall: Stall, request: dict[str, Any]) -> dict[str, Any]:
        return evidence(request, outputs=[artifact(stall, **members)])

    found = claims(seed_stall("a", answers={"/mrp/execute": answer}))

    assert found["artifacts"] == verdict


def test_no_more_artifacts_are_fetched_than_the_limit() -> None:
    def answer(stall: Stall, request: dict[str, Any]) -> dict[str, Any]:
        many = [artifact(stall, at) for at in range(ARTIFACTS_MAX + 1)]
        return evidence(request, outputs=many)

    assert claims(seed_stall("a", answers={"/mrp/execute": answer}))["artifacts"] == "not checkable"


@pytest.mark.parametrize(
    ("page", "asks", "verdict"),
    [
        (BYTES, True, "verified"),
        (b"changed", True, "failed"),
        (None, True, "not checkable"),
        (BYTES, False, "not checkable"),
    ],
)
def test_sources_are_fetched_again_when_asked(page: bytes | None, asks: bool, verdict: str) -> None:
    def answer(stall: Stall, request: dict[str, Any]) -> dict[str, Any]:
        if page is not None:
            stall.answers["/page"] = Reply(page)
        cited = {"citations": [f"{stall.url}/page"], "source_hashes": [sha256_tag(BYTES)]}
        return evidence(request, provenance=cited)

    wish = replace(BARE, allowed_domains=("127.0.0.1",))
    stall = seed_stall("a", answers={"/mrp/execute": answer})

    assert claims(stall, wish=wish, refetches=asks)["sources"] == verdict
