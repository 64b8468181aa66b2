"""The other side of the quote channel: agirails from the package index, in its own environment.

It is made once, in ``.venv/agirails``, and shared by every worker of every run. Where it cannot
be made the tests that need it are skipped and say why. Nothing of it is imported here: its
builders run in a process of their own (``peer/messages.py``), and so does its daemon.
"""

from __future__ import annotations

import fcntl
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

ROOT: Final = Path(__file__).parents[2]
AGIRAILS: Final = ROOT / ".venv" / "agirails"
REQUIREMENT: Final = "agirails[server]==4.8.0"
INSTALL_TIMEOUT_S: Final = 240
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
    """Make the environment unless it is there; returns its folder or skips."""
    AGIRAILS.mkdir(parents=True, exist_ok=True)
    stamp = AGIRAILS / f".has-{REQUIREMENT}"
    with (AGIRAILS / ".lock").open("a+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not stamp.exists():
            failure = _install()
            if failure:
                pytest.skip(f"{REQUIREMENT} could not be installed: {failure}")
            stamp.touch()
    return AGIRAILS


def _install() -> str:
    """Returns what went wrong, or nothing."""
    pip = [AGIRAILS / "bin" / "python", "-m", "pip", "install", "--quiet", "--retries", "1"]
    for command in ([sys.executable, "-m", "venv", AGIRAILS], [*pip, REQUIREMENT]):
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=INSTALL_TIMEOUT_S, check=False
            )
        except subprocess.TimeoutExpired:
            return f"not done after {INSTALL_TIMEOUT_S} s"
        if done.returncode:
            return (done.stderr.strip() or done.stdout.strip())[-300:]
    return ""


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
