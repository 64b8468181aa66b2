"""What treaty stands on: pinned whole, free to use, and each with its reason."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import version

import pytest

from tests.house.reading import DOCS, ROOT, report
from tools.licences import closure, is_accepted, runtime_licences

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
PINS = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
PIN = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*==[0-9][0-9A-Za-z.]*")


def _everything() -> set[str]:
    return closure([*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["dev"]])


def test_constraints_are_plain_pins() -> None:
    """A name and a version a line: no address, no hash, no comment."""
    assert [line for line in PINS if not PIN.fullmatch(line)] == []
    assert sorted(set(PINS), key=_name) == PINS


def _name(pin: str) -> str:
    return pin.partition("==")[0]


def test_constraints_name_everything_and_nothing_else() -> None:
    named = {_name(pin) for pin in PINS}

    assert sorted(_everything() - named) == [], "not pinned"
    assert sorted(named - _everything()) == [], "pinned without need"


def test_what_is_tested_is_what_is_pinned() -> None:
    installed = [f"{_name(pin)}=={version(_name(pin))}" for pin in PINS]

    assert installed == PINS


def test_no_licence_binds_the_whole_program() -> None:
    licences = runtime_licences().items()
    refused = [f"{name}: {text}" for name, text in licences if not is_accepted(text)]

    assert not refused, report("A run-time dependency fits Apache-2.0.", refused)


@pytest.mark.parametrize(
    ("licence", "accepted"),
    [
        ("MIT", True),
        ("MPL-2.0 AND (Apache-2.0 OR MIT)", True),
        ("GNU Lesser General Public License v3 (LGPLv3)", True),
        ("MIT OR GPL-3.0-only", True),
        ("GPL-3.0-or-later", False),
        ("AGPL-3.0-only", False),
        ("GNU Affero General Public License v3", False),
        ("GNU General Public License (GPL)", False),
        ("GPL-2.0-only AND (MIT OR BSD-3-Clause)", False),
        ("unknown", False),
    ],
)
def test_a_licence_is_judged(licence: str, accepted: bool) -> None:
    assert is_accepted(licence) is accepted


def test_each_dependency_has_its_reason() -> None:
    page = (DOCS / "decisions" / "0010-dependencies.md").read_text(encoding="utf-8")
    names = [re.split(r"[<>=~! \[;]", line)[0] for line in PROJECT["dependencies"]]

    assert [name for name in names if f"| `{name}` |" not in page] == []
