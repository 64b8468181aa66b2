"""Artifacts keep their room across a restart and give it back when they are erased."""

from __future__ import annotations

import pytest

from tests.engine.service_stage import stage, staged
from tests.http.mrp_world import shout
from treaty.engine.artifacts import ARTIFACT_BYTES_MAX, HELD_BYTES_EACH_MAX, KEPT_MS
from treaty.errors import Refused, WireError
from treaty.store.memory import MemoryStore
from treaty.wire.digest import sha256_tag

DATA = b"data"
MOST = HELD_BYTES_EACH_MAX // ARTIFACT_BYTES_MAX


@staged
async def test_room_that_was_taken_is_taken_after_a_restart() -> None:
    store = MemoryStore()
    here = await stage(shout, store=store)
    for _ in range(MOST):
        await here.services.artifacts.announce("", "text/plain", ARTIFACT_BYTES_MAX, "x", "from:a")
    again = await stage(shout, store=store, clock=here.clock)
    with pytest.raises(Refused) as refused:
        await again.services.artifacts.announce("", "text/plain", 1, "x", "from:a")

    assert refused.value.code == "capacity_unavailable"
    assert await again.services.artifacts.announce("", "text/plain", 1, "x", "from:b")


@staged
async def test_what_is_stored_is_erased_after_a_day() -> None:
    here = await stage(shout)
    artifacts = here.services.artifacts
    one = await artifacts.announce("x", "text/plain", len(DATA), sha256_tag(DATA), "from:a")
    await artifacts.store(one.id.upper(), DATA)
    (task,) = await here.desk.store.due_tasks(here.clock() + KEPT_MS)
    read = await artifacts.read(one.id)
    await artifacts.erase(task)

    assert read[1] == DATA
    assert task.due_ms == here.clock() + KEPT_MS
    with pytest.raises(Refused):
        await artifacts.read(one.id)
    with pytest.raises(Refused):
        await artifacts.store(one.id, DATA)


@staged
async def test_nothing_but_what_was_announced_is_stored() -> None:
    here = await stage(shout)
    artifacts = here.services.artifacts
    one = await artifacts.announce("x", "text/plain", len(DATA), sha256_tag(DATA), "from:a")
    with pytest.raises(WireError):
        await artifacts.store(one.id, b"atad")
    with pytest.raises(Refused):
        await artifacts.read(one.id)

    assert (await artifacts.store(one.id, DATA)).status == "stored"
