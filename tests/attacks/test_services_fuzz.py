"""Whatever is posted to a provider is answered by a message, and never by a mistake of ours."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.dialects.mrp.mutants import VALUES, mutants
from tests.http.mrp_world import SUMMARIZE, World, provider, shout
from treaty.dialects.mrp.validation import validate

ENDPOINTS = ("hello", "discover", "negotiate", "execute")
ODD = [*VALUES, "0.1", "route-shout", "route-us-fast", 2**53, 1e308, "\ud800", "a\0b", {"id": "x"}]
TAKEN = (200, 400, 413)


def answered(bodies: list[bytes], endpoint: str) -> list[tuple[int, Any, bytes]]:
    """What a provider answers to these bodies."""

    async def scene(here: World) -> list[tuple[int, Any, bytes]]:
        found = []
        for body in bodies:
            answer = await here.send(endpoint, body)
            found.append((answer.status_code, answer.json(), answer.content))
        return found

    async def main() -> list[tuple[int, Any, bytes]]:
        async with provider(SUMMARIZE, shout) as here:
            return await scene(here)

    return asyncio.run(main())


def check(bodies: list[bytes], endpoint: str) -> None:
    for status, answer, content in answered(bodies, endpoint):
        assert status in TAKEN
        assert validate(content) is None
        if answer["msg_type"] == "ERROR":
            assert answer["payload"]["code"] != "MRP_INTERNAL_ERROR", answer


@settings(max_examples=60)
@given(
    wholes=st.lists(mutants(ODD), min_size=8, max_size=8),
    endpoint=st.sampled_from(ENDPOINTS),
)
def test_a_mutant_is_answered(wholes: list[Any], endpoint: str) -> None:
    check([json.dumps(one).encode() for one in wholes], endpoint)


@settings(max_examples=30)
@given(
    bodies=st.lists(st.binary(max_size=200), min_size=8, max_size=8),
    endpoint=st.sampled_from(ENDPOINTS),
)
def test_noise_is_answered(bodies: list[bytes], endpoint: str) -> None:
    check(bodies, endpoint)
