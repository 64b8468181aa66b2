"""The official MCP package from the package index, in an environment of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

from tests.interop.environments import made

REQUIREMENT: Final = "mcp==2.3.0"
SERVER: Final = Path(__file__).parent / "peer" / "tools.py"


@pytest.fixture(scope="session")
def mcp_server() -> tuple[str, ...]:
    """The command of a server written with the package."""
    return (str(made("mcp", REQUIREMENT) / "bin" / "python"), str(SERVER))
