"""Environments for real peers, each made once in ``.venv`` and shared by every worker of every run.

Where one cannot be made the tests that need it are skipped and say why.
"""

from __future__ import annotations

import fcntl
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]
INSTALL_TIMEOUT_S: Final = 240


def made(name: str, requirement: str) -> Path:
    """Make ``.venv/<name>`` with one requirement unless it is there; returns it, or skips."""
    folder = ROOT / ".venv" / name
    folder.mkdir(parents=True, exist_ok=True)
    stamp = folder / f".has-{requirement}"
    with (folder / ".lock").open("a+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not stamp.exists():
            failure = _install(folder, requirement)
            if failure:
                pytest.skip(f"{requirement} could not be installed: {failure}")
            stamp.touch()
    return folder


def _install(folder: Path, requirement: str) -> str:
    """Returns what went wrong, or nothing."""
    pip = [folder / "bin" / "python", "-m", "pip", "install", "--quiet", "--retries", "1"]
    for command in ([sys.executable, "-m", "venv", folder], [*pip, requirement]):
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=INSTALL_TIMEOUT_S, check=False
            )
        except subprocess.TimeoutExpired:
            return f"not done after {INSTALL_TIMEOUT_S} s"
        if done.returncode:
            return (done.stderr.strip() or done.stdout.strip())[-300:]
    return ""
