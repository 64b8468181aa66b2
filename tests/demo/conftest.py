"""The demo is played once for programs and once for people; its tests look at what came of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest


def run_demo(out: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run ``treaty demo`` to its end."""
    return subprocess.run(
        [sys.executable, "-m", "treaty.cli", "demo", "--out", str(out), *options],
        capture_output=True,
        text=True,
        timeout=90,
        env={**os.environ, "NO_COLOR": "1"},
        check=False,
    )


@pytest.fixture(scope="session")
def played(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Path]:
    """What it told programs, and the folder it wrote to."""
    out = tmp_path_factory.mktemp("demo")
    done = run_demo(out, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout), out


@pytest.fixture(scope="session")
def screen(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What it showed people."""
    done = run_demo(tmp_path_factory.mktemp("shown"))
    assert done.returncode == 0, done.stderr
    return done.stdout
