"""The public names are those documented, and the front door is light."""

from __future__ import annotations

import subprocess
import sys

import pytest

import treaty
from tests.house.reading import DOCS, SRC, table_rows

API = DOCS / "api.md"

# What `import treaty` must not load: each costs more than all of treaty.
HEAVY = {"click", "cryptography", "httpx", "rich", "sqlite3", "starlette", "uvicorn"}


def test_the_public_names_are_sorted_and_exist() -> None:
    missing = [name for name in treaty.__all__ if not hasattr(treaty, name)]

    assert list(treaty.__all__) == sorted(treaty.__all__)
    assert not missing


def test_the_documented_names_are_the_public_ones() -> None:
    """docs/api.md is a table whose first column holds the names, in backticks."""
    if not API.exists():
        pytest.skip("docs/api.md is not written yet")
    rows = table_rows(API.read_text(encoding="utf-8"))
    documented = {cells[0].strip("`").removeprefix("treaty.") for _, cells in rows}

    assert documented == set(treaty.__all__)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Barter'"):
        _ = treaty.Barter


def test_the_front_door_is_light() -> None:
    code = f"import sys, treaty; print(*sorted({HEAVY!r} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": str(SRC)},
    )

    assert done.stdout.strip() == ""
