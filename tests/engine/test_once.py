"""What is good once: for its sender, for its time, in any spelling a stranger can think of."""

from __future__ import annotations

import asyncio

import pytest

from tests.engine.service_stage import stage, staged
from tests.http.mrp_world import shout
from treaty.dialects.mrp.choices import NONCE_REUSED
from treaty.engine.once import REPEATED_MS
from treaty.engine.service_dialect import Mark
from treaty.errors import Refused

SHOUT = {"route_id": "route-shout", "inputs": [{"type": "text", "value": "x"}]}


def nonce(key: str, until_ms: int) -> tuple[Mark, ...]:
    return (Mark(scope="nonce", key=key, until_ms=until_ms, reason=NONCE_REUSED),)


@pytest.mark.parametrize("key", ["n", "", "a\0b", "x" * 10_000, "ä\U0001f600", "../../x"])
def test_a_mark_is_good_once_whatever_it_is_called(key: str) -> None:
    async def scene() -> None:
        here = await stage(shout)
        marks = nonce(key, here.clock() + 1_000)
        asked = [here.asked("EXECUTE", SHOUT, marks=marks) for _ in range(2)]
        other = here.asked("EXECUTE", SHOUT, marks=marks, principal="from:there/agent:y")
        await here.services.note(asked[0])
        await here.services.note(other)
        with pytest.raises(Refused) as refused:
            await here.services.note(asked[1])

        assert refused.value.code == "nonce_reused"

    asyncio.run(scene())


@staged
async def test_a_mark_is_forgotten_after_its_time_and_not_before() -> None:
    here = await stage(shout)
    marks = nonce("n", here.clock() + 1_000)
    await here.services.note(here.asked("EXECUTE", SHOUT, marks=marks))
    await here.desk.store.purge(here.clock() + 1_000)
    with pytest.raises(Refused):
        await here.services.note(here.asked("EXECUTE", SHOUT, marks=marks))
    await here.desk.store.purge(here.clock() + 1_001)

    await here.services.note(here.asked("EXECUTE", SHOUT, marks=marks))
    assert await here.desk.store.streams("") == [], "a mark alone writes no fact"


@staged
async def test_a_repeat_is_known_for_a_day_by_key_sender_and_endpoint() -> None:
    here = await stage(shout)
    first = await here.services.execute(here.asked("EXECUTE", SHOUT, idempotency_key="key-1"))
    again = await here.services.execute(here.asked("EXECUTE", SHOUT, idempotency_key="key-1"))
    terms = await here.services.negotiate(here.asked("NEGOTIATE", SHOUT, idempotency_key="key-1"))
    await here.desk.store.purge(here.clock() + REPEATED_MS + 1)
    later = await here.services.execute(here.asked("EXECUTE", SHOUT, idempotency_key="key-1"))

    assert again.key == first.key
    assert terms
    assert later.key != first.key


@staged
async def test_a_repeat_with_a_used_nonce_is_still_a_repeat() -> None:
    here = await stage(shout)
    marks = nonce("n", here.clock() + 1_000)
    asked = [here.asked("EXECUTE", SHOUT, idempotency_key="key-1", marks=marks) for _ in range(2)]
    jobs = [await here.services.execute(one) for one in asked]

    assert jobs[0].key == jobs[1].key
