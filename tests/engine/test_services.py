"""The service desk: work is ended once, begun again when it was not, and bounded."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest

from tests.engine.service_stage import stage, staged
from tests.http.mrp_world import Gate, shout
from treaty.engine.capability import Call, Capability, Item, Result
from treaty.engine.jobs import CANCELED, DONE, FAILED
from treaty.engine.ports import Unit
from treaty.errors import Refused, UnavailableError
from treaty.store.memory import MemoryStore

WORK = {"route_id": "route-wait", "inputs": [{"type": "text", "value": "x"}]}
SHOUT = {"route_id": "route-shout", "inputs": [{"type": "text", "value": "x"}]}


@staged
async def test_work_that_was_canceled_stays_canceled_though_it_ends() -> None:
    gate = Gate()
    here = await stage(gate.capability())
    job = await here.services.execute(here.asked("EXECUTE", WORK))
    await asyncio.sleep(0)
    canceled = await here.services.cancel(job.key, None)
    gate.opened.set()
    await asyncio.sleep(0)
    ended, answer = await here.services.ended(job)

    assert (canceled.status, ended.status, answer) == (CANCELED, CANCELED, b"")


@staged
async def test_work_that_ended_is_not_canceled() -> None:
    here = await stage(shout)
    job = await here.services.execute(here.asked("EXECUTE", SHOUT))
    ended, answer = await here.services.ended(job)
    canceled = await here.services.cancel(job.key, None)

    assert (ended.status, canceled.status) == (DONE, DONE)
    assert await here.services.jobs.answer(job.key) == answer != b""


async def _unsayable(_call: Call) -> Result:
    return Result(outputs=(Item(type="json", value=float("nan")),))


@staged
async def test_a_result_that_cannot_be_said_is_a_failure() -> None:
    odd = Capability(name="odd", perform=_unsayable, outputs=("json",), route_id="route-odd")
    here = await stage(odd)
    work = {**SHOUT, "route_id": "route-odd"}
    ended, answer = await here.services.ended(
        await here.services.execute(here.asked("EXECUTE", work))
    )

    assert ended.status == FAILED
    assert json.loads(answer)["msg_type"] == "ERROR"


class Failing(MemoryStore):
    """A store that fails when it is told to."""

    fails = False

    async def commit(self, unit: Unit) -> None:
        if self.fails:
            raise UnavailableError("the disk is full")
        await super().commit(unit)


@staged
async def test_work_whose_end_could_not_be_written_is_begun_again() -> None:
    store, gate = Failing(), Gate()
    here = await stage(gate.capability(), store=store)
    job = await here.services.execute(here.asked("EXECUTE", WORK))
    await asyncio.sleep(0)
    store.fails = True
    gate.opened.set()
    await asyncio.wait(asyncio.all_tasks() - {asyncio.current_task()})
    store.fails = False
    again = await stage(gate.capability(), store=store, clock=here.clock)
    ended, _ = await again.services.ended(job)

    assert here.said == ["a job could not be ended (unavailable: the disk is full)"]
    assert (ended.status, gate.calls) == (DONE, 2)


@staged
async def test_work_that_must_not_be_done_twice_ends_as_failed() -> None:
    store, gate = MemoryStore(), Gate()
    here = await stage(replace(gate.capability(), repeatable=False), store=store)
    job = await here.services.execute(here.asked("EXECUTE", WORK))
    await asyncio.sleep(0)
    await here.workshop.close()
    again = await stage(replace(gate.capability(), repeatable=False), store=store, clock=here.clock)
    ended, answer = await again.services.ended(job)

    assert (ended.status, gate.calls) == (FAILED, 1)
    assert json.loads(answer)["payload"]["details"]["reason"] == "capability_failed"


@staged
async def test_work_for_a_capability_that_is_gone_ends_as_failed() -> None:
    store, gate = MemoryStore(), Gate()
    here = await stage(gate.capability(), store=store)
    job = await here.services.execute(here.asked("EXECUTE", WORK))
    await here.workshop.close()
    again = await stage(shout, store=store, clock=here.clock)
    ended, answer = await again.services.ended(job)

    assert ended.status == FAILED
    assert json.loads(answer)["payload"]["details"]["reason"] == "route_unknown"


@staged
async def test_an_agreement_is_used_by_one_of_those_who_come_at_once() -> None:
    gate = Gate()
    here = await stage(gate.capability())
    agreed = json.loads(await here.services.negotiate(here.asked("NEGOTIATE", WORK)))
    asked = [here.asked("EXECUTE", WORK, in_reply_to=agreed["msg_id"]) for _ in range(8)]
    found: list[Any] = await asyncio.gather(
        *(here.services.execute(one) for one in asked), return_exceptions=True
    )

    refused = [one for one in found if isinstance(one, Refused)]
    assert [one.code for one in refused] == ["agreement_used"] * 7


@pytest.mark.parametrize("endpoint", ["NEGOTIATE", "EXECUTE"])
def test_a_refused_message_uses_nothing_up(endpoint: str) -> None:
    async def scene() -> None:
        store = MemoryStore()
        here = await stage(shout, store=store)
        asked = here.asked(endpoint, {"route_id": "route-none"}, idempotency_key="key-1")
        with pytest.raises(Refused):
            await (
                here.services.negotiate(asked)
                if endpoint == "NEGOTIATE"
                else here.services.execute(asked)
            )

        assert await store.streams("") == []
        assert await store.tasks("job") + await store.tasks("agreement") == []

    asyncio.run(scene())
