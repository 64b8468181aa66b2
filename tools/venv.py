"""Make ``.venv`` and keep it as pyproject.toml and constraints.txt say.

Usage: ``python tools/venv.py runtime`` or ``python tools/venv.py dev``; called by the Makefile.

Laws: it needs nothing but a Python with ``venv``; several calls at once wait for one another;
a finished step leaves a stamp in ``.venv``, and only a stamp newer than its inputs is believed.
"""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
INPUTS = (ROOT / "pyproject.toml", ROOT / "constraints.txt")
STEPS = ("runtime", "dev")
PYTHON_MIN, PYTHON_END = (3, 11), (3, 14)


class SetupError(Exception):
    """Something the user can put right; its text says how."""


def main(arguments: list[str]) -> int:
    """Bring the venv up to the step named; 0 when it is there."""
    if len(arguments) != 1 or arguments[0] not in STEPS:
        print(__doc__, file=sys.stderr)
        return 2
    try:
        _check_python()
        # The lock is on a file that always exists, so nothing is left behind.
        with (ROOT / "Makefile").open() as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            for step in STEPS[: STEPS.index(arguments[0]) + 1]:
                if not _is_current(step):
                    _perform(step)
    except SetupError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _check_python() -> None:
    if not PYTHON_MIN <= sys.version_info[:2] < PYTHON_END:
        raise SetupError(
            f"treaty needs Python 3.11, 3.12 or 3.13; {sys.executable} is "
            f"{sys.version_info.major}.{sys.version_info.minor}. "
            "Install one of them, or name it: make PYTHON=/path/to/python3.13 …"
        )


def _stamp(step: str) -> Path:
    return VENV / f".treaty-{step}"


def _is_current(step: str) -> bool:
    stamp = _stamp(step)
    if not stamp.exists() or not _is_usable():
        return False
    made = stamp.stat().st_mtime_ns
    before = INPUTS if step == "runtime" else (*INPUTS, _stamp("runtime"))
    return all(path.stat().st_mtime_ns <= made for path in before)


def _is_usable() -> bool:
    """Tell whether the venv was made here, runs, and has a Python we support."""
    settings, python = VENV / "pyvenv.cfg", VENV / "bin" / "python"
    if not settings.exists() or f" {VENV}\n" not in settings.read_text() + "\n":
        return False  # The folder was moved or copied; the scripts in it point elsewhere.
    probe = (
        f"import sys, pip; sys.exit(not {PYTHON_MIN!r} <= sys.version_info[:2] < {PYTHON_END!r})"
    )
    try:
        return subprocess.run([python, "-c", probe], capture_output=True).returncode == 0
    except OSError:
        return False


def _perform(step: str) -> None:
    if step == "runtime":
        if not _is_usable():
            _create()
        print("Installing treaty into .venv …", flush=True)
        # The build backend comes from our constraints too, so pip builds without isolation.
        _pip("hatchling")
        _pip("--no-build-isolation", "--editable", str(ROOT))
    else:
        print("Installing the development tools into .venv …", flush=True)
        import tomllib  # Not in Pythons before 3.11, which must still be told that they are old.

        project = tomllib.loads(INPUTS[0].read_text())["project"]
        _pip(*project["optional-dependencies"]["dev"])
    _stamp(step).touch()


def _create() -> None:
    print(f"Making .venv with {sys.executable} …", flush=True)
    made = subprocess.run(
        [sys.executable, "-m", "venv", "--clear", str(VENV)], capture_output=True, text=True
    )
    if made.returncode != 0:
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        raise SetupError(
            f"{sys.executable} cannot make a virtual environment.\n"
            f"On Debian or Ubuntu: sudo apt-get install python3-venv (or python{version}-venv), "
            "then run make again.\n"
            f"What it said:\n{(made.stdout + made.stderr).strip()}"
        )


def _pip(*arguments: str) -> None:
    """Install with our constraints. Twice quiet: pip then says nothing unless it fails."""
    # An install "for the user" or paths from outside would end up in another environment.
    outside = ("PIP_USER", "PIP_TARGET", "PIP_PREFIX", "PYTHONPATH", "PYTHONHOME")
    environment = {name: value for name, value in os.environ.items() if name not in outside}
    command = [
        str(VENV / "bin" / "python"), "-m", "pip", "install",
        "-q", "-q", "--disable-pip-version-check", "--no-input",
        "--constraint", str(INPUTS[1]), *arguments,
    ]  # fmt: skip
    if subprocess.run(command, cwd=ROOT, env=environment).returncode != 0:
        raise SetupError(
            "pip could not install the packages; its own words are above. It needs a package "
            "index it can reach (pip's own settings choose it). Then run make again."
        )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
