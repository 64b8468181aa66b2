"""The other side of MRP: mrpd from the package index, as real processes in its own environment.

``mrpd serve`` and the programs its bridges generate run on a free port of the loopback; commands
of it run to their end, in a home of their own. Nothing of it is imported here.
"""

from __future__ import annotations

import base64
import os
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from tests.interop.environments import made

REQUIREMENT: Final = "mrpd==0.1.1"
COMMAND_TIMEOUT_S: Final = 90
VALIDATOR: Final = Path(__file__).parent / "peer" / "validator.py"
UP: Final = "Uvicorn running on"


@dataclass(frozen=True)
class Mrpd:
    """The installed package."""

    folder: Path

    @property
    def python(self) -> Path:
        """The interpreter of its environment."""
        return self.folder / "bin" / "python"

    def run(
        self, *arguments: str | Path, home: Path, text: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run one command to its end."""
        return subprocess.run(
            [self.folder / "bin" / "mrpd", *map(str, arguments)],
            input=text,
            capture_output=True,
            text=True,
            timeout=COMMAND_TIMEOUT_S,
            check=False,
            env=_environment(home),
        )

    @contextmanager
    def serve(self, home: Path) -> Iterator[str]:
        """Run ``mrpd serve`` until the block ends; yields its address."""
        command = [str(self.folder / "bin" / "mrpd"), "serve", "--port"]
        with self._listening(command, home) as url:
            yield url

    @contextmanager
    def generated(self, module: str, folder: Path, home: Path) -> Iterator[str]:
        """Run a generated provider (``app:app`` in ``folder``) until the block ends."""
        command = [str(self.python), "-m", "uvicorn", module, "--app-dir", str(folder), "--port"]
        with self._listening(command, home) as url:
            yield url

    @contextmanager
    def validator(self) -> Iterator[Callable[[bytes], bool]]:
        """Its validator, in a process that stays; its command takes a second each time."""
        command = [self.python, "-W", "ignore", VALIDATOR]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            into, out = process.stdin, process.stdout

            def judge(document: bytes) -> bool:
                into.write(base64.b64encode(document) + b"\n")
                into.flush()
                return bool(int(out.readline()))

            yield judge
            into.close()

    @contextmanager
    def _listening(self, command: Sequence[str], home: Path) -> Iterator[str]:
        home.mkdir(parents=True, exist_ok=True)
        port = free_port()
        process = subprocess.Popen(
            [*command, str(port)],
            env=_environment(home),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert process.stdout is not None
        with process:
            try:
                while UP not in (line := process.stdout.readline()):
                    assert line, f"{command} ended before it listened"
                # A pipe that nobody empties stops the server at last.
                threading.Thread(target=process.stdout.read, daemon=True).start()
                yield f"http://127.0.0.1:{port}"
            finally:
                process.terminate()


def free_port() -> int:
    """A port of the loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def _environment(home: Path) -> dict[str, str]:
    quiet = {"NO_PROXY": "127.0.0.1", "NO_COLOR": "1", "PYTHONUNBUFFERED": "1"}
    return {**os.environ, **quiet, "HOME": str(home)}


@pytest.fixture(scope="session")
def mrpd() -> Mrpd:
    """The real mrpd."""
    return Mrpd(made("mrpd", REQUIREMENT))
