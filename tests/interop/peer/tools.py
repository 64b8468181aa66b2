"""An MCP server written with the official package, run by its own interpreter."""

from __future__ import annotations

import os

from mcp.server import MCPServer

server = MCPServer("tools")


@server.tool()
def shout(text: str) -> str:
    """Say it louder."""
    return text.upper()


@server.tool()
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


@server.tool()
def secret() -> dict[str, str | None]:
    """Tell what of the environment is seen."""
    return {name: os.environ.get(name) for name in ("TREATY_PASSPHRASE", "GIVEN")}


@server.tool()
def broken() -> str:
    """Fail."""
    raise ValueError("no luck")


server.run("stdio")
