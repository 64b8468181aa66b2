"""The shape of the source: short, explained, plainly named, without floats where money is."""

from __future__ import annotations

import ast
import re
import tokenize
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path

import pytest

from tests.house.reading import (
    DOCS,
    PURE_ROOMS,
    ROOT,
    Function,
    Module,
    dotted,
    functions,
    module_from,
    proofs,
    report,
    sources,
)

FUNCTION_LINES_MAX = 60
MODULE_LINES_MAX = 400

# Modules whose subject is money, in whatever room they are.
MONEY_STEMS = {"money", "ledger", "commitment", "commitments", "escrow"}

# Words that say nothing about what a thing is, and names that say nothing when they stand alone.
EMPTY_WORDS = {"util", "utils", "helper", "helpers", "manager", "managers"}
EMPTY_NAMES = {"common", "base", "misc", "stuff"}

# Put together from halves, so that this file does not break its own rule.
UNFINISHED = re.compile(rf"\b(?:TO{'DO'}|FIX{'ME'}|XX{'X'})\b")

BLIND = {"Exception", "BaseException"}

Rule = Callable[[Module], Iterator[str]]


def long_functions(module: Module) -> Iterator[str]:
    """A function fits on a screen: at most 60 lines, its docstring not counted."""
    for function in functions(module.tree):
        assert function.end_lineno is not None
        first = function.body[0]
        docstring = (
            (first.end_lineno or 0) - first.lineno + 1
            if ast.get_docstring(function, clean=False) is not None
            else 0
        )
        lines = function.end_lineno - function.lineno + 1 - docstring
        if lines > FUNCTION_LINES_MAX:
            yield f"{module.shown}:{function.lineno} {function.name} has {lines} lines"


def long_modules(module: Module) -> Iterator[str]:
    """A module has at most 400 lines."""
    lines = len(module.text.splitlines())
    if lines > MODULE_LINES_MAX:
        yield f"{module.shown} has {lines} lines"


def unexplained(module: Module) -> Iterator[str]:
    """Every module, public class, public function and public method has a docstring."""
    if not ast.get_docstring(module.tree):
        yield f"{module.shown}:1 the module"
    yield from _unexplained_in(module, module.tree.body)


def _unexplained_in(module: Module, body: list[ast.stmt]) -> Iterator[str]:
    for node in body:
        if not isinstance(node, Function | ast.ClassDef) or node.name.startswith("_"):
            continue
        is_overload = any(dotted(one).endswith("overload") for one in node.decorator_list)
        if not ast.get_docstring(node) and not is_overload:
            yield f"{module.shown}:{node.lineno} {node.name}"
        if isinstance(node, ast.ClassDef):
            yield from _unexplained_in(module, node.body)


def floats(module: Module) -> Iterator[str]:
    """Where money is, there is no float: no literal, no float(), no true division."""
    if module.path.stem not in MONEY_STEMS and module.name.rpartition(".")[2] not in MONEY_STEMS:
        return
    for node in ast.walk(module.tree):
        match node:
            case ast.Constant(value=float()):
                yield f"{module.shown}:{node.lineno} the literal {node.value!r}"
            case ast.Call(func=ast.Name(id="float")):
                yield f"{module.shown}:{node.lineno} float(…)"
            case ast.BinOp(op=ast.Div()) | ast.AugAssign(op=ast.Div()):
                yield f"{module.shown}:{node.lineno} true division; use // and name the remainder"


def empty_names(module: Module) -> Iterator[str]:
    """A name says what a thing is; utils, helpers, manager and a lone common do not."""
    for part in module.name.split("."):
        if _is_empty(part):
            yield f"{module.shown} the module's name"
    for node in ast.walk(module.tree):
        if isinstance(node, Function | ast.ClassDef) and _is_empty(node.name):
            yield f"{module.shown}:{node.lineno} {node.name}"
    for assigned in _assigned_at_the_top(module.tree):
        if _is_empty(assigned.id):
            yield f"{module.shown}:{assigned.lineno} {assigned.id}"


def _raises_again(handler: ast.ExceptHandler) -> bool:
    return isinstance(handler.body[-1], ast.Raise) and handler.body[-1].exc is None


def _assigned_at_the_top(tree: ast.Module) -> Iterator[ast.Name]:
    for statement in tree.body:
        if isinstance(statement, ast.Assign | ast.AnnAssign):
            names = [node for node in ast.walk(statement) if isinstance(node, ast.Name)]
            yield from (name for name in names if isinstance(name.ctx, ast.Store))


def _is_empty(name: str) -> bool:
    return name.lower() in EMPTY_NAMES or bool(EMPTY_WORDS & _words(name))


def _words(name: str) -> set[str]:
    """Split snake_case and CamelCase into lower-case words."""
    return {word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)}


def unbuilt(module: Module) -> Iterator[str]:
    """What is not built is not there: no NotImplementedError."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Name) and node.id == "NotImplementedError":
            yield f"{module.shown}:{node.lineno}"


def blind_handlers(module: Module) -> Iterator[str]:
    """Below the rim only what is expected is caught, unless it is raised again at once."""
    if module.room not in PURE_ROOMS:
        return
    for node in ast.walk(module.tree):
        if isinstance(node, ast.ExceptHandler) and not _raises_again(node):
            kinds = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
            if any(kind is None or dotted(kind) in BLIND for kind in kinds):
                yield f"{module.shown}:{node.lineno}"


RULES: tuple[Rule, ...] = (
    long_functions,
    long_modules,
    unexplained,
    floats,
    empty_names,
    unbuilt,
    blind_handlers,
)


@pytest.mark.parametrize("rule", RULES)
def test_the_source_keeps_the_rule(rule: Rule) -> None:
    found = [line for module in sources() for line in rule(module)]

    assert not found, report(str(rule.__doc__), found)


OFFENCES = {
    long_functions: "def f():\n" + "    x = 1\n" * FUNCTION_LINES_MAX,
    long_modules: "x = 1\n" * (MODULE_LINES_MAX + 1),
    unexplained: '"""Module."""\nclass A:\n    """A."""\n    def open(self): return 1\n',
    empty_names: "class KeyManager: pass\n",
    unbuilt: "def f():\n    raise NotImplementedError('later')\n",
    blind_handlers: "try: pass\nexcept (KeyError, Exception): pass\n",
}


@pytest.mark.parametrize("rule", OFFENCES)
def test_the_rule_catches_an_offence(rule: Rule) -> None:
    found = list(rule(module_from(OFFENCES[rule])))

    assert len(found) == 1, found


@pytest.mark.parametrize("line", ["x = 0.5", "x = float('1')", "x = 3 / 2", "x /= 2"])
def test_the_float_rule_catches_each_kind(line: str) -> None:
    assert list(floats(module_from(line, name="treaty.core.ledger")))
    assert not list(floats(module_from(line, name="treaty.core.trust")))


def test_a_refused_float_is_not_a_float() -> None:
    text = "if isinstance(value, float):\n    raise ValueError\nhalf = total // 2\n"

    assert not list(floats(module_from(text, name="treaty.wire.money")))


def test_cleaning_up_and_raising_again_is_not_blind() -> None:
    text = "try: pass\nexcept BaseException:\n    forget()\n    raise\n"

    assert not list(blind_handlers(module_from(text)))


def test_a_long_docstring_does_not_make_a_long_function() -> None:
    text = "def f():\n" + '    """One.\n' + "\n" * 80 + '    """\n    return 1\n'

    assert not list(long_functions(module_from(text)))


def remarks(path: Path) -> Iterator[tuple[int, str]]:
    """Yield (line, text) of what a file says to people: comments, docstrings, prose."""
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".py":
        yield from enumerate(text.splitlines(), start=1)
        return
    for token in tokenize.generate_tokens(StringIO(text).readline):
        is_docstring = token.type == tokenize.STRING and token.string.startswith('"""')
        if token.type == tokenize.COMMENT or is_docstring:
            yield token.start[0], token.string


def test_nothing_is_marked_as_unfinished() -> None:
    files = [module.path for module in (*sources(), *proofs())]
    files += [*DOCS.rglob("*.md"), *ROOT.glob("*.md"), *ROOT.glob("tools/*.*")]
    found = [
        f"{path.relative_to(ROOT)}:{number} {text.strip()[:60]}"
        for path in files
        for number, text in remarks(path)
        if UNFINISHED.search(text)
    ]

    assert not found, report("Open work is an issue, not a mark in the text.", found)


def test_a_mark_is_found_in_a_comment_and_not_in_a_value(tmp_path: Path) -> None:
    mark = "TO" + "DO"
    (tmp_path / "a.py").write_text(f"x = 1  # {mark} later\ny = '{mark}'\n")

    assert [line for line, text in remarks(tmp_path / "a.py") if UNFINISHED.search(text)] == [1]
