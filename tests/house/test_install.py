"""The built wheel is whole: it imports, runs, and carries what `treaty demo` reads."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from tests.house.reading import PACKAGE, ROOT

EXAMPLES = ROOT / "examples"

pytestmark = pytest.mark.slow


def pip(*arguments: str) -> None:
    """Run pip without an index: everything needed is here."""
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel; the build backend leaves nothing beside the source."""
    folder = tmp_path_factory.mktemp("wheel")
    pip("wheel", "--no-index", "--no-deps", "--no-build-isolation", "-w", str(folder), str(ROOT))
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the wheel where only it is, and return the folder."""
    target = tmp_path_factory.mktemp("installed")
    pip("install", "--no-index", "--no-deps", "--target", str(target), str(wheel))
    return target


def run(installed: Path, *command: str) -> str:
    """Run a program that finds the installed package before the source tree."""
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    done = subprocess.run(
        command, capture_output=True, text=True, env=environment, cwd=installed, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_wheel_carries_the_package_and_the_examples(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    modules = {str(path.relative_to(PACKAGE.parent)) for path in PACKAGE.rglob("*.py")}
    examples = {
        f"treaty/examples/{path.name}"
        for path in EXAMPLES.iterdir()
        if path.suffix in {".toml", ".py"}
    }

    assert examples, "there are no examples"
    assert modules | examples | {"treaty/py.typed"} <= names
    assert not [name for name in names if "tests" in name or name.endswith(".pyc")]


def test_the_installed_package_imports(installed: Path) -> None:
    said = run(installed, sys.executable, "-c", "import treaty; print(treaty.__file__)")

    assert Path(said.strip()).is_relative_to(installed)


def test_the_installed_command_runs(installed: Path) -> None:
    said = run(installed, str(installed / "bin" / "treaty"), "--help")

    assert said.startswith("Usage: treaty")


def test_the_installed_package_names_its_parts(installed: Path) -> None:
    code = "import treaty; [getattr(treaty, name) for name in treaty.__all__]"

    assert run(installed, sys.executable, "-c", code) == ""


def test_the_version_is_told_once(wheel: Path) -> None:
    import treaty

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

    assert wheel.name.startswith(f"treaty-{treaty.__version__}-")
    assert project["dynamic"] == ["version"]
