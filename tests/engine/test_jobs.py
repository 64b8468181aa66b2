"""Jobs: named once, ended once, and what they worked on forgotten when it was promised."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.engine.service_stage import stage, staged
from tests.http.mrp_world import Gate, shout
from treaty.engine.jobs import DAY_MS, ERASE_TASK, JOB_ID_CHARS_MAX, OPEN_TASK
from treaty.store.memory import MemoryStore

SECRET = {"route_id": "route-shout", "inputs": [{"type": "text", "value": "my secret"}]}


@staged
async def test_what_was_worked_on_is_gone_when_the_work_is_done() -> None:
    store = MemoryStore()
    here = await stage(shout, store=store)
    job = await here.services.execute(here.asked("EXECUTE", SECRET))
    before = await here.services.jobs.order(job.key)
    await here.services.ended(job)
    entries = await store.read(f"job/{job.key}")

    assert b"my secret" in before
    assert await here.services.jobs.order(job.key) == b""
    assert not any(b"secret" in one.body.lower() or one.raw for one in entries)


@pytest.mark.parametrize(("states", "kept"), [(None, 1), (0, 1), (14, 14)])
def test_an_answer_is_kept_as_long_as_the_offer_says(states: int | None, kept: int) -> None:
    @staged
    async def scene() -> None:
        here = await stage(replace(shout, retention_days=states))
        job = await here.services.execute(here.asked("EXECUTE", SECRET))
        _, answer = await here.services.ended(job)
        (task,) = await here.desk.store.tasks(ERASE_TASK)
        await here.services.jobs.erase(task)

        assert answer != b""
        assert task.due_ms == here.clock() + kept * DAY_MS
        assert await here.services.jobs.answer(job.key) == b""
        assert await here.desk.store.tasks(ERASE_TASK) == []

    scene()


@staged
async def test_a_job_is_found_by_its_key_and_by_its_name() -> None:
    here = await stage(shout)
    work = {**SECRET, "job": {"id": "0b0e3d6c-6f8e-4a35-9a4e-6d6e6f6a6b6c"}}
    job = await here.services.execute(here.asked("EXECUTE", work))

    for name in (job.key, job.job_id):
        assert (await here.services.jobs.find(name)).key == job.key
    for name in ("", "x", "x" * (JOB_ID_CHARS_MAX + 1), "a\0b", job.key[:-1]):
        assert (await here.services.jobs.find(name)).status == ""


@staged
async def test_open_jobs_are_found_again_and_ended_ones_are_not() -> None:
    store, gate = MemoryStore(), Gate()
    here = await stage(gate.capability(), shout, store=store)
    work = {"route_id": "route-wait", "inputs": []}
    job = await here.services.execute(here.asked("EXECUTE", work))
    await here.services.ended(await here.services.execute(here.asked("EXECUTE", SECRET)))
    await here.workshop.close()

    assert [task.id for task in await store.tasks(OPEN_TASK)] == [f"job/{job.key}"]
    assert here.services.jobs.open_of("from:here/agent:x") == (1, 1)
