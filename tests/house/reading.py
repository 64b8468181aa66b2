"""Reading the house for its tests: which files there are, and what their syntax trees say."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[2]
SRC = ROOT / "src"
PACKAGE = SRC / "treaty"
TESTS = ROOT / "tests"
DOCS = ROOT / "docs"

# Rooms without clock, chance and I/O (ARCHITECTURE, law 1).
PURE_ROOMS = ("errors", "wire", "identity", "core", "dialects", "engine")

Function = ast.FunctionDef | ast.AsyncFunctionDef


class Module(NamedTuple):
    """One source file: its dotted name, where it is, its text and its tree."""

    name: str
    path: Path
    text: str
    tree: ast.Module

    @property
    def room(self) -> str:
        """The first name below ``treaty``; empty for the front door."""
        return self.name.partition(".")[2].partition(".")[0]

    @property
    def shown(self) -> str:
        """The path as people write it."""
        return str(self.path.relative_to(ROOT))


def module_from(text: str, name: str = "treaty.core.sample") -> Module:
    """Make a module from text, to show that a rule catches what it forbids."""
    return Module(name, PACKAGE / "core" / "sample.py", text, ast.parse(text))


@cache
def sources() -> tuple[Module, ...]:
    """Return every module of the package."""
    return tuple(_read(path, SRC) for path in sorted(PACKAGE.rglob("*.py")))


@cache
def proofs() -> tuple[Module, ...]:
    """Return every Python file below tests."""
    return tuple(_read(path, ROOT) for path in sorted(TESTS.rglob("*.py")))


def _read(path: Path, top: Path) -> Module:
    parts = path.relative_to(top).with_suffix("").parts
    name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
    text = path.read_text(encoding="utf-8")
    return Module(name, path, text, ast.parse(text, filename=str(path)))


def functions(tree: ast.AST) -> Iterator[Function]:
    """Yield every function and method, nested ones too."""
    for node in ast.walk(tree):
        if isinstance(node, Function):
            yield node


def dotted(node: ast.AST) -> str:
    """Return ``a.b.c`` for a chain of names, else nothing."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and (before := dotted(node.value)):
        return f"{before}.{node.attr}"
    return ""


def imports(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield (line, dotted name) of everything imported: ``from a import b`` is ``a.b``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            before = "." * node.level + (node.module or "")
            yield from ((node.lineno, f"{before}.{alias.name}") for alias in node.names)


def is_within(name: str, places: frozenset[str] | set[str]) -> bool:
    """Tell whether a dotted name is one of the places or lies below one."""
    return any(name == place or name.startswith(f"{place}.") for place in places)


def table_rows(text: str) -> Iterator[tuple[int, list[str]]]:
    """Yield (line, cells) of every row of the Markdown tables in a text, headings left out."""
    lines = text.splitlines()
    for number, line in enumerate(lines, start=1):
        is_row = line.startswith("|") and line.rstrip().endswith("|")
        is_heading = number < len(lines) and re.fullmatch(r"\|[\s:|-]+\|", lines[number].strip())
        if is_row and not is_heading and not re.fullmatch(r"\|[\s:|-]+\|", line.strip()):
            cells = re.split(r"(?<!\\)\|", line.strip()[1:-1])
            yield number, [cell.strip() for cell in cells]


def tracked_files() -> list[Path]:
    """Return what git tracks; skips, visibly, where there is no repository."""
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout, so nobody can say which files are tracked")
    try:
        listing = subprocess.run(
            ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True, text=True
        ).stdout
    except FileNotFoundError:
        pytest.skip("git is not installed, so nobody can say which files are tracked")
    files = [ROOT / name for name in listing.split("\0") if name]
    return [path for path in files if path.is_file()]


def report(rule: str, found: list[str]) -> str:
    """Say what is wrong, where, and which rule it breaks."""
    return f"{rule}\n" + "\n".join(f"  {line}" for line in found)
