"""Who may import what, beyond the picture that import-linter keeps (pyproject.toml).

Below the rim there is no clock, no chance and no I/O (ARCHITECTURE, law 1), and some libraries
have one owner, so that one function makes canonical bytes and one place checks a signature
(law 5). import-linter cannot tell ``http.HTTPStatus`` from ``http.client``; these rules can.
"""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterator

import pytest

from tests.house.reading import (
    PURE_ROOMS,
    ROOT,
    Module,
    dotted,
    imports,
    is_within,
    module_from,
    report,
    sources,
)

WORLD = {
    # Clock and chance.
    "time", "sched", "random", "secrets",
    # Waiting, threads and processes.
    "asyncio", "concurrent", "multiprocessing", "selectors", "signal", "subprocess", "threading",
    # Files, the network, the terminal.
    "fcntl", "glob", "http", "io", "logging", "os", "pathlib", "select", "shutil", "socket",
    "socketserver", "sqlite3", "ssl", "tempfile", "urllib", "webbrowser",
    # Servers, clients and shells.
    "click", "httptools", "httpx", "rich", "starlette", "uvicorn", "uvloop",
    # Code by name.
    "importlib", "pickle", "runpy",
}  # fmt: skip

# Values without effects that live in modules of the world.
HARMLESS = {"http.HTTPStatus", "urllib.parse"}

# The exceptions, each with its reason.
EXCEPTIONS = {
    # The desk is the seam: it awaits the store and nothing else.
    "treaty.engine.desk": {"asyncio"},
    # It runs what takes time beside the outbox, and looks at no clock.
    "treaty.engine.background": {"asyncio"},
}

WORLDLY_CALLS = {"open", "print", "input", "eval", "exec", "compile", "breakpoint", "__import__"}

# Library -> the only places that may import it.
OWNERS = {
    "rfc8785": {"treaty.wire"},
    "orjson": {"treaty.wire"},
    "sha3": {"treaty.wire"},
    "hashlib": {"treaty.wire"},
    "nacl": {"treaty.identity", "treaty.store.keys"},
    "coincurve": {"treaty.identity"},
    "cryptography": {"treaty.identity", "treaty.store.evm_keys"},
    "sqlite3": {"treaty.store"},
    "starlette": {"treaty.http", "treaty.app"},
    "uvicorn": {"treaty.http", "treaty.app", "treaty.cli"},
    "uvloop": {"treaty.http", "treaty.app", "treaty.cli"},
    "httpx": {"treaty.http"},
    "httpcore": {"treaty.http"},
    "click": {"treaty.cli"},
    "resiliparse": {"treaty.agent"},
    "rich": {"treaty.cli"},
}


def worldly(module: Module) -> Iterator[str]:
    """Below the rim: no clock, no chance, no I/O; time and entropy are arguments."""
    if module.room not in PURE_ROOMS:
        return
    allowed = HARMLESS | EXCEPTIONS.get(module.name, set())
    for line, name in imports(module.tree):
        if is_within(name, WORLD) and not is_within(name, allowed):
            yield f"{module.shown}:{line} imports {name}"
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Call) and dotted(node.func) in WORLDLY_CALLS:
            yield f"{module.shown}:{node.lineno} calls {dotted(node.func)}"


def disowned(module: Module) -> Iterator[str]:
    """A library with an owner is imported by its owner alone; the others ask the owner."""
    for line, name in imports(module.tree):
        owners = OWNERS.get(name.split(".")[0])
        if owners and not is_within(module.name, owners):
            yield f"{module.shown}:{line} imports {name}, which belongs to {', '.join(owners)}"


def through_the_front_door(module: Module) -> Iterator[str]:
    """Rooms import rooms; ``import treaty`` and ``from treaty import Agent`` are for users."""
    rooms = {one.room for one in sources()}
    for line, name in imports(module.tree):
        first, _, rest = name.partition(".")
        if first == "treaty" and rest.split(".")[0] not in rooms - {""} | {"__version__"}:
            yield f"{module.shown}:{line} imports {name}"


@pytest.mark.parametrize("rule", [worldly, disowned, through_the_front_door])
def test_the_source_keeps_the_rule(rule) -> None:
    found = [line for module in sources() for line in rule(module)]

    assert not found, report(rule.__doc__, found)


@pytest.mark.parametrize(
    "line",
    [
        "import time",
        "import os.path",
        "from http import client",
        "from urllib.request import urlopen",
        "import asyncio",
        "def f():\n    from secrets import token_bytes",
        "open('x')",
    ],
)
def test_the_world_is_caught(line: str) -> None:
    assert len(list(worldly(module_from(line)))) == 1


@pytest.mark.parametrize(
    "line",
    ["from http import HTTPStatus", "import urllib.parse", "from urllib.parse import quote"],
)
def test_values_without_effects_are_allowed(line: str) -> None:
    assert not list(worldly(module_from(line)))


def test_the_world_is_allowed_above_the_rim() -> None:
    assert not list(worldly(module_from("import time", name="treaty.store.sqlite")))


def test_only_the_desk_and_the_background_may_wait() -> None:
    assert not list(worldly(module_from("import asyncio", name="treaty.engine.desk")))
    assert list(worldly(module_from("import asyncio", name="treaty.engine.node")))
    assert list(worldly(module_from("import time", name="treaty.engine.desk")))


def test_an_owned_library_is_caught_elsewhere() -> None:
    text = "from nacl.signing import SigningKey"

    assert list(disowned(module_from(text, name="treaty.store.sqlite")))
    assert not list(disowned(module_from(text, name="treaty.store.keys")))


def test_the_picture_stays_exhaustive() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    rooms = next(one for one in contracts["contracts"] if one["id"] == "rooms")
    named = {room for layer in rooms["layers"] for room in layer.split(" | ")}

    assert rooms["exhaustive"] is True
    assert named == {module.room for module in sources()} - {""}
    assert "ignore_imports" not in rooms


def test_every_room_has_a_door_sign() -> None:
    """A package says what it is for, what it may import and where to start."""
    found = [
        module.shown
        for module in sources()
        if module.path.name == "__init__.py"
        and module.room
        and not all(
            word in " ".join((ast.get_docstring(module.tree) or "").lower().split())
            for word in ("may import", "start ")
        )
    ]

    assert not found, report("A door sign has 'May import' and 'Start at' or 'Start here'.", found)
