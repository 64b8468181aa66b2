"""Artifacts: what is uploaded is what was announced, for a day."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from tests.http.mrp_world import World, error_of, over_loopback, provider
from tests.simulation.clock import simulated
from treaty.engine.artifacts import ARTIFACT_BYTES_MAX, HELD_BYTES_EACH_MAX
from treaty.store.memory import MemoryStore
from treaty.wire.digest import sha256_tag

DATA = b"<script>alert(1)</script>"


async def announced(here: World, data: bytes = DATA, **changes: Any) -> httpx.Response:
    """Announce an upload."""
    body = {"name": "x.html", "mime": "text/html", "size": len(data), "hash": sha256_tag(data)}
    return await here.send("artifacts/init", {**body, **changes})


@simulated
async def test_what_was_announced_is_taken_and_given_back() -> None:
    store = MemoryStore()
    async with provider(store=store) as here:
        told = (await announced(here)).json()
        early = await here.get(told["artifact"]["uri"])
        put = await here.http.put(
            told["upload"]["url"], content=DATA, headers=told["upload"]["headers"]
        )
        again = await here.http.put(told["upload"]["url"], content=DATA)
        clock = here.clock
    async with provider(store=store, clock=clock) as here:
        read = await here.get(told["artifact"]["uri"])

    assert told["artifact"] == {
        "type": "artifact",
        "uri": f"/mrp/artifacts/{told['artifact_id']}",
        "hash": sha256_tag(DATA),
        "size": len(DATA),
        "mime": "text/html",
    }
    assert (told["upload"]["method"], early.status_code) == ("PUT", 404)
    assert (put.status_code, again.status_code) == (200, 200)
    assert (read.content, read.headers["content-type"]) == (DATA, "text/html; charset=utf-8")
    assert read.headers["content-disposition"] == "attachment"
    assert read.headers["content-security-policy"] == "default-src 'none'; sandbox"
    assert read.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("data", [b"", DATA[:-1], DATA[:-1] + b"x", DATA + b"x"])
@simulated
async def test_other_bytes_than_announced_are_refused(data: bytes) -> None:
    async with provider() as here:
        told = (await announced(here)).json()
        put = await here.http.put(told["upload"]["url"], content=data)

        assert (put.status_code, error_of(put.json())[1]) == (400, "malformed")
        assert (await here.get(told["artifact"]["uri"])).status_code == 404


@pytest.mark.parametrize(
    "changes",
    [
        {"hash": "sha256:deadbeef"},
        {"hash": "md5:" + "0" * 32},
        {"hash": None},
        {"size": -1},
        {"size": "5"},
        {"size": True},
        {"mime": "text/html\r\nx: y"},
        {"mime": "nonsense"},
        {"name": 5},
    ],
)
@simulated
async def test_an_announcement_that_is_none_is_refused(changes: dict[str, Any]) -> None:
    async with provider() as here:
        answer = await announced(here, **changes)

        assert (answer.status_code, error_of(answer.json())[1]) == (400, "malformed")


@simulated
async def test_what_is_kept_is_bounded() -> None:
    async with provider() as here:
        large = await announced(here, size=ARTIFACT_BYTES_MAX + 1)
        most = HELD_BYTES_EACH_MAX // ARTIFACT_BYTES_MAX
        taken = [await announced(here, size=ARTIFACT_BYTES_MAX) for _ in range(most)]
        full = await announced(here, size=1)
        here.clock.now_ms += 600_000
        await here.do_what_is_due()
        free = await announced(here, size=1)

        assert large.status_code == 413
        assert {one.status_code for one in taken} == {201}
        assert (full.status_code, error_of(full.json())[1]) == (409, "capacity_unavailable")
        assert free.status_code == 201, "what never came gives its room back"


@simulated
async def test_an_artifact_is_forgotten_after_a_day() -> None:
    async with provider() as here:
        told = (await announced(here)).json()
        await here.http.put(told["upload"]["url"], content=DATA)
        here.clock.now_ms += 86_400_000
        await here.do_what_is_due()

        assert (await here.get(told["artifact"]["uri"])).status_code == 404
        assert (await here.http.put(told["upload"]["url"], content=DATA)).status_code == 404


@pytest.mark.parametrize("name", ["x", "..%2f..%2fetc%2fpasswd", "0" * 36])
@simulated
async def test_an_unknown_artifact_is_not_found(name: str) -> None:
    async with provider() as here:
        read = await here.get(f"/mrp/artifacts/{name}")
        put = await here.http.put(f"/mrp/artifacts/{name}", content=b"x")

        assert (read.status_code, put.status_code) == (404, 404)
        assert error_of(read.json())[1] == "not_found"


def test_a_large_upload_passes_the_guard_of_the_connection() -> None:
    data = bytes(range(256)) * (ARTIFACT_BYTES_MAX // 256)

    async def scene() -> None:
        async with provider() as here, over_loopback(here) as http:
            body = {"mime": "text/plain", "size": len(data), "hash": sha256_tag(data)}
            told = (await http.post("/mrp/artifacts/init", json=body)).json()
            uri = told["artifact"]["uri"]
            put = await http.put(uri, content=data)
            read = await http.get(uri)
            over = await http.put(uri, content=data + b"x")

            assert (put.status_code, over.status_code) == (200, 413)
            assert read.content == data

    asyncio.run(scene())
