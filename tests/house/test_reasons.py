"""Every reason to be refused is documented with its status, and appears in a test."""

from __future__ import annotations

import ast
import re
from functools import cache

from tests.house.reading import DOCS, PACKAGE, TESTS, dotted, report, sources, table_rows
from treaty.errors import REASONS, Reason

PAGE = DOCS / "reasons.md"

# The errors that take a reason as their second argument.
RAISED = {"Refused", "WireError", "SignatureError", "UnverifiableError", "UnavailableError"}

# Reasons no test meets yet, each with what it waits for. The list only gets shorter: a code
# that a test names must leave it.
UNTESTED: dict[str, str] = {}


def dialect_reasons() -> dict[str, Reason]:
    """Return the reasons that the dialects' choices define for themselves."""
    found = {}
    for module in sources():
        if module.room != "dialects" or module.path.stem != "choices":
            continue
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Call) and dotted(node.func).rpartition(".")[2] == "Reason":
                arguments = [ast.literal_eval(one) for one in node.args]
                named = {one.arg: ast.literal_eval(one.value) for one in node.keywords if one.arg}
                reason = Reason(*arguments, **named)
                found[reason.code] = reason
    return found


@cache
def documented() -> dict[str, tuple[int, bool]]:
    """Return code -> (status, is it transient) as the page says."""
    rows = [cells for _, cells in table_rows(PAGE.read_text(encoding="utf-8")) if len(cells) == 4]
    return {
        code.strip("`"): (int(status), transient == "yes") for code, status, transient, _ in rows
    }


def _defined() -> dict[str, tuple[int, bool]]:
    return {
        code: (reason.status, reason.transient)
        for code, reason in {**REASONS, **dialect_reasons()}.items()
    }


@cache
def _tested() -> frozenset[str]:
    """Return the codes that a test or a scenario outside the house tests names."""
    words: set[str] = set()
    for path in TESTS.rglob("*"):
        if "house" in path.relative_to(TESTS).parts:
            continue
        if path.suffix == ".py":
            words.update(re.findall(r"""["']([a-z_]+)["']""", path.read_text(encoding="utf-8")))
        elif path.suffix in {".txt", ".toml", ".json"}:
            words.update(re.findall(r"\b[a-z_]+\b", path.read_text(encoding="utf-8")))
    return frozenset(words)


def test_every_reason_is_documented_with_its_status() -> None:
    missing = sorted(set(_defined()) - set(documented()))
    wrong = [
        f"{code}: the page says {documented()[code]}, the code {row}"
        for code, row in _defined().items()
        if code in documented() and documented()[code] != row
    ]

    assert not missing + wrong, report("docs/reasons.md tells of every reason.", missing + wrong)


def test_no_documented_reason_is_gone() -> None:
    stale = sorted(set(documented()) - set(_defined()))

    assert not stale, report("docs/reasons.md tells of no other reason.", stale)


def test_every_reason_appears_in_a_test() -> None:
    untested = sorted(set(_defined()) - _tested() - set(UNTESTED))

    assert not untested, report("A refusal has a test or scenario that names it.", untested)


def test_the_list_of_untested_reasons_only_gets_shorter() -> None:
    superfluous = sorted(code for code in UNTESTED if code in _tested() or code not in _defined())

    assert not superfluous, report("Take these off UNTESTED.", superfluous)
    assert all(UNTESTED.values()), "each entry says what it waits for"


def test_a_reason_names_its_own_code() -> None:
    assert {code: reason.code for code, reason in REASONS.items()} == {
        code: code for code in REASONS
    }


def test_refused_names_a_known_reason() -> None:
    """A misspelt code in a ``raise`` is found here, not by the first unlucky sender."""
    known = set(_defined())
    found = []
    for module in sources():
        for node in ast.walk(module.tree):
            if not isinstance(node, ast.Call) or len(node.args) < 2:
                continue
            kind = dotted(node.func).rpartition(".")[2]
            code = node.args[1]
            is_named = isinstance(code, ast.Constant) and isinstance(code.value, str)
            if kind in RAISED and is_named and code.value not in known:
                found.append(f"{module.shown}:{node.lineno} {code.value!r}")

    assert not found, report("A refusal names a reason of treaty.errors.REASONS.", found)


def test_the_page_is_where_the_code_says() -> None:
    assert "docs/reasons.md" in (PACKAGE / "errors.py").read_text(encoding="utf-8")
