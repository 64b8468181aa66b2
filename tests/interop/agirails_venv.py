"""The other side of the quote channel: agirails from the package index, in its own environment.

It is made once, in ``.venv/agirails``, and shared by every worker of every run. Where it cannot
be made the tests that need it are skipped and say why. Nothing of it is imported here: its
builders run in a process of their own (``peer/messages.py``), and so does its daemon.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from tests.interop.environments import made

REQUIREMENT: Final = "agirails[server]==4.8.0"
MESSAGES: Final = Path(__file__).parent / "peer" / "messages.py"


class PeerError(Exception):
    """What the peer's own code raised, as its class and text."""


class Peer:
    """The peer's builders and its HTTP client, in a process that answers line by line."""

    def __init__(self, python: Path) -> None:
        self._process = subprocess.Popen(
            [python, MESSAGES], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def __call__(self, command: str, **arguments: Any) -> Any:
        """Let the peer do something; raises ``PeerError`` with what it raised."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"command": command, **arguments}) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        if "error" in answer:
            raise PeerError(answer["error"])
        return answer["value"]

    def close(self) -> None:
        """End the process and its pipes."""
        with self._process:
            assert self._process.stdin is not None
            self._process.stdin.close()


def installed() -> Path:
    """The environment's folder, made unless it is there; skips where it cannot be made."""
    return made("agirails", REQUIREMENT)


@pytest.fixture(scope="session")
def agirails() -> Path:
    """The environment's folder."""
    return installed()


@pytest.fixture(scope="session")
def peer(agirails: Path) -> Iterator[Peer]:
    """The peer's builders."""
    process = Peer(agirails / "bin" / "python")
    yield process
    process.close()
