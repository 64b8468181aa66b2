"""Our bridge and a server written with the official MCP package."""

from __future__ import annotations

import asyncio

import pytest

from tests.bridges.calls import ask
from treaty.bridges.mcp import McpServer
from treaty.bridges.stated import Stated
from treaty.bridges.tools import capabilities
from treaty.errors import Refused

pytestmark = [pytest.mark.slow, pytest.mark.anyio]


async def test_tools_of_the_official_package(
    mcp_server: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TREATY_PASSPHRASE", "private")
    server = McpServer(mcp_server, {"GIVEN": "given"})
    try:
        tools = {one.name: one for one in capabilities(server, await server.tools(), Stated())}
        assert sorted(tools) == ["add", "broken", "secret", "shout"]
        assert tools["add"].constraints["input_schema"]["required"] == ["a", "b"]

        async def value(name: str, *values: object, **members):
            return (await ask(tools[name], *values, **members)).outputs[0].value

        assert await value("shout", {"text": "hi"}, output_format="text") == "HI"
        assert await value("shout", "hi", kind="text") == {"result": "HI"}
        assert await value("secret") == {"TREATY_PASSPHRASE": None, "GIVEN": "given"}
        sums = await asyncio.gather(*(value("add", {"a": n, "b": 1}) for n in range(20)))
        assert sums == [{"result": n + 1} for n in range(20)]
        for name, arguments in (("broken", {}), ("add", {"a": "x"})):
            with pytest.raises(Refused) as caught:
                await value(name, arguments)
            assert caught.value.code == "backend_refused"
    finally:
        await server.close()
