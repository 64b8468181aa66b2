"""The maps in docs/spec lead from each decision to code that exists and a test that exists.

A row is ``| decision | rule | code | test |``. Code is ``path:symbol`` and a test is
``path::name``; several are separated by commas. Paths start at the repository, at ``src`` or at
``src/treaty``; a method is ``Class.method``. What is not built says so: the code cell opens with
``later:`` and the reason, and the test cell is ``-``.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tests.house.reading import DOCS, PACKAGE, ROOT, SRC, TESTS, report, table_rows

ASP = DOCS / "spec" / "asp.md"
ACTP = DOCS / "spec" / "actp.md"
MRP = DOCS / "spec" / "mrp.md"
DECISIONS = {
    ASP: [f"B{number}" for number in range(1, 24)],
    ACTP: [
        *(f"9.{number}" for number in range(1, 10)),
        *(f"4.4.{number}" for number in range(1, 12)),
        # The peer's weaknesses, and the attacks on it that do not need a kernel.
        *(f"W{number}" for number in range(1, 22)),
        *(f"A{number}" for number in (*range(1, 21), *range(35, 39))),
    ],
    MRP: [
        *(f"N{number}" for number in range(1, 35)),
        # What the peer's client and server need, the checks with it, and its defects.
        *(f"C{number}" for number in range(1, 14)),
        *(f"M{number}" for number in range(1, 15)),
        *(f"K{number}" for number in range(1, 17)),
        *(f"D{number}" for number in range(1, 18)),
    ],
}
"""What each page must have a row for."""
DECISION = re.compile(r"9\.\d+|4\.4\.\d+|[ABCDKMNW]\d+")


def rows_of(page: Path) -> list[tuple[int, list[str]]]:
    """Return the rows of the map; skips, visibly, while the page is not written."""
    if not page.exists():
        pytest.skip(f"{page.relative_to(ROOT)} is not written yet")
    rows = table_rows(page.read_text(encoding="utf-8"))
    return [(line, cells) for line, cells in rows if DECISION.match(cells[0].lstrip("*"))]


def broken_links(code: str, test: str) -> list[str]:
    """Return what a row names that does not exist."""
    if code.startswith("later:"):
        is_honest = len(code) > len("later: x") and test == "-"
        return [] if is_honest else [f"{code!r} needs a reason, and '-' as its test"]
    return [
        *(one for one in _items(code) if not _exists(one, ":", (ROOT, SRC, PACKAGE))),
        *(one for one in _items(test) if not _exists(one, "::", (ROOT, TESTS))),
    ] + ([] if _items(code) and _items(test) else ["an empty cell"])


def _items(cell: str) -> list[str]:
    return [item.strip(" `") for item in re.split(r",|<br>", cell) if item.strip(" `")]


def _exists(item: str, separator: str, places: tuple[Path, ...]) -> bool:
    name, _, symbol = item.partition(separator)
    files = [place / name for place in places if name and (place / name).is_file()]
    symbol = symbol.partition("[")[0].replace("::", ".")
    return bool(symbol) and any(symbol in _symbols(path) for path in files)


def _symbols(path: Path) -> set[str]:
    """Return what a module defines at its top, and the members of its classes."""
    return _defined_in(ast.parse(path.read_text(encoding="utf-8")).body, prefix="")


def _defined_in(body: list[ast.stmt], prefix: str) -> set[str]:
    found: set[str] = set()
    for node in body:
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                found.add(prefix + node.name)
            case ast.ClassDef():
                found |= {prefix + node.name} | _defined_in(node.body, f"{prefix}{node.name}.")
            case ast.AnnAssign(target=ast.Name(id=name)):
                found.add(prefix + name)
            case ast.Assign(targets=targets):
                found |= {prefix + one.id for one in targets if isinstance(one, ast.Name)}
    return found


@pytest.mark.parametrize("page", DECISIONS, ids=lambda page: page.stem)
def test_every_row_of_the_map_leads_somewhere(page: Path) -> None:
    found = [
        f"{page.relative_to(ROOT)}:{line} {broken}"
        for line, cells in rows_of(page)
        for broken in (broken_links(*cells[2:4]) if len(cells) == 4 else ["not four cells"])
    ]

    assert not found, report("The map names code and tests that exist.", found)


@pytest.mark.parametrize("page", DECISIONS, ids=lambda page: page.stem)
def test_every_decision_is_on_the_map(page: Path) -> None:
    mapped = {one for _, cells in rows_of(page) for one in DECISION.findall(cells[0])}
    missing = [decision for decision in DECISIONS[page] if decision not in mapped]

    assert not missing, report("Each decision has a row, even one that is built later.", missing)


THIS = "tests/house/test_spec_map.py"


@pytest.mark.parametrize(
    ("code", "test"),
    [
        ("treaty/errors.py:Refused", f"{THIS}::test_a_good_row_is_accepted"),
        ("`errors.py:TreatyError.code`, `errors.py:REASONS`", f"`{THIS}::broken_links`"),
        ("later: no registry takes revocations yet", "-"),
    ],
)
def test_a_good_row_is_accepted(code: str, test: str) -> None:
    assert broken_links(code, test) == []


@pytest.mark.parametrize(
    ("code", "test"),
    [
        ("treaty/errors.py:Missing", f"{THIS}::rows_of"),
        ("treaty/missing.py:Refused", f"{THIS}::rows_of"),
        ("treaty/errors.py", f"{THIS}::rows_of"),
        ("treaty/errors.py:Refused", f"{THIS}::test_that_is_not_there"),
        ("treaty/errors.py:Refused", ""),
        ("later:", "-"),
        ("later: no reason to have a test", f"{THIS}::rows_of"),
    ],
)
def test_a_broken_row_is_caught(code: str, test: str) -> None:
    assert len(broken_links(code, test)) == 1
