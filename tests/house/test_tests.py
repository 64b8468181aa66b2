"""The tests themselves: each asserts something, none sleeps, none mocks."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from tests.house.reading import (
    TESTS,
    Function,
    Module,
    dotted,
    functions,
    imports,
    is_within,
    module_from,
    proofs,
    report,
)

ASSERTING_CALLS = {"raises", "warns", "fail"}

# Files that wait for another process, which has a clock of its own. Path -> why.
WAITERS: dict[str, str] = {}


def asserts_nothing(module: Module) -> Iterator[str]:
    """A test asserts, expects an error, or calls a check, be it a check_ or its neighbour."""
    every = list(functions(module.tree))
    asserting = {one.name for one in every if _asserts(one, set())}
    while more := {one.name for one in every if _asserts(one, asserting)} - asserting:
        asserting |= more
    for one in every:
        if one.name.startswith("test_") and one.name not in asserting:
            yield f"{module.shown}:{one.lineno} {one.name}"


def _asserts(function: Function, asserting: set[str]) -> bool:
    for node in ast.walk(function):
        if isinstance(node, ast.Assert | ast.Raise):
            return True
        if isinstance(node, ast.Call):
            name = dotted(node.func).rpartition(".")[2]
            if name in ASSERTING_CALLS | asserting or name.startswith(("check_", "assert_")):
                return True
    return False


def sleeps(module: Module) -> Iterator[str]:
    """A test does not sleep: time is an argument. Waiting for a process is named above."""
    if module.shown in WAITERS:
        return
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Call) and dotted(node.func).rpartition(".")[2] == "sleep":
            yields_only = [ast.dump(one) for one in node.args] == [ast.dump(ast.Constant(0))]
            if not yields_only:
                yield f"{module.shown}:{node.lineno}"


def mocks(module: Module) -> Iterator[str]:
    """No mocks: ports have adapters in memory, HTTP has transports in the process."""
    for line, name in imports(module.tree):
        if is_within(name, {"unittest.mock", "mock", "pytest_mock"}):
            yield f"{module.shown}:{line} imports {name}"


@pytest.mark.parametrize("rule", [asserts_nothing, sleeps, mocks])
def test_the_tests_keep_the_rule(rule) -> None:
    found = [line for module in proofs() for line in rule(module)]

    assert not found, report(rule.__doc__, found)


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        (asserts_nothing, "def test_it():\n    verify(1)\n"),
        (sleeps, "async def test_it():\n    await asyncio.sleep(0.1)\n"),
        (sleeps, "time.sleep(1)\n"),
        (sleeps, "from time import sleep\nsleep(1)\n"),
        (mocks, "from unittest.mock import Mock\n"),
    ],
)
def test_the_rule_catches_an_offence(rule, text: str) -> None:
    assert len(list(rule(module_from(text)))) == 1


@pytest.mark.parametrize(
    "body",
    ["assert x", "check_store(x)", "with pytest.raises(KeyError): x", "pytest.fail('no')"],
)
def test_each_way_to_assert_is_known(body: str) -> None:
    assert not list(asserts_nothing(module_from(f"def test_it():\n    {body}\n")))


def test_a_neighbour_may_assert_for_a_test() -> None:
    text = "def agree(x):\n    same(x)\ndef same(x):\n    assert x\ndef test_it():\n    agree(1)\n"

    assert not list(asserts_nothing(module_from(text)))


def test_giving_way_is_not_sleeping() -> None:
    assert not list(sleeps(module_from("await_it = asyncio.sleep(0)\n")))


def test_a_named_waiter_still_waits() -> None:
    """The list of waiters only names files that need it."""
    shown = {module.shown: module for module in proofs()}
    stale = [
        path
        for path in WAITERS
        if path not in shown or not list(sleeps(shown[path]._replace(path=TESTS / "x.py")))
    ]

    assert not stale, report("These files wait no more; take them off the list.", stale)


def test_test_folders_are_not_packages() -> None:
    """A package called ``http`` below tests would hide the standard library's."""
    assert not list(TESTS.rglob("__init__.py"))
