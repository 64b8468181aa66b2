"""A client of real processes that speak MCP well, badly or not at all."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from treaty.bridges import mcp
from treaty.bridges.mcp import McpServer, Tool
from treaty.errors import TreatyError

pytestmark = pytest.mark.anyio

SERVER = Path(__file__).with_name("mcp_server.py")


@asynccontextmanager
async def started(manner: str, **environment: str) -> AsyncIterator[McpServer]:
    server = McpServer((sys.executable, str(SERVER), manner), environment)
    try:
        yield server
    finally:
        await server.close()


async def echoed(server: McpServer, text: str = "hello") -> str:
    result = await server.call("echo", {"text": text})
    return result["content"][0]["text"]


async def refusal(server: McpServer) -> str:
    with pytest.raises(TreatyError) as caught:
        await echoed(server)
    return caught.value.code


async def test_all_pages_of_tools_are_listed() -> None:
    async with started("well") as server:
        first, second = await server.tools()

    assert (first.name, first.description, first.schema["required"]) == (
        "echo",
        "Say it again.",
        ["text"],
    )
    assert second == Tool("second", "", {})


async def test_a_tool_is_called_and_calls_do_not_mix() -> None:
    async with started("well") as server:
        texts = [str(number) for number in range(100)]
        found = await asyncio.gather(*(echoed(server, text) for text in texts))

    assert found == texts


async def test_secrets_stay_here_and_what_is_given_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TREATY_PASSPHRASE", "secret")
    async with started("well", GIVEN="given") as server:
        assert await echoed(server, "") == "given"


async def test_what_is_no_answer_is_passed_over_and_requests_are_answered() -> None:
    async with started("noisy") as server:
        assert await echoed(server) == "hello"


async def test_a_refusal_is_told_apart_from_a_failure() -> None:
    async with started("refuses") as server:
        assert await refusal(server) == "backend_refused"


@pytest.mark.parametrize("manner", ["dies", "long", "old", "odd", "huge"])
async def test_a_server_that_ends_or_babbles_fails(manner: str) -> None:
    async with started(manner) as server:
        assert await refusal(server) == "backend_failed"
        assert await refusal(server) == "backend_failed"


async def test_a_tool_without_a_name_is_a_failure() -> None:
    async with started("nameless") as server:
        with pytest.raises(TreatyError) as caught:
            await server.tools()
    assert caught.value.code == "backend_failed"


async def test_a_silent_server_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mcp, "CALL_MS", 300)
    async with started("silent") as server:
        await server.tools()
        assert await refusal(server) == "backend_failed"


async def test_a_server_that_ended_is_started_again() -> None:
    async with started("well") as server:
        assert await echoed(server) == "hello"
        running = server._running
        running.process.kill()
        await running.reading
        assert await echoed(server, "again") == "again"


@pytest.mark.parametrize("command", [("/no/such/program",), (sys.executable, "-c", "pass")])
async def test_a_program_that_is_none_fails(command: tuple[str, ...]) -> None:
    server = McpServer(command)
    assert await refusal(server) == "backend_failed"
    await server.close()
