"""What lies in the repository belongs to everybody: no machine's paths, no registry's address."""

from __future__ import annotations

import re

import pytest

from tests.house.reading import ROOT, report, tracked_files

# Each pattern is put together from halves, so that this file does not match itself.
FOREIGN = {
    "a path of one machine": (
        rf"(?<![\w.~])/(?:{'wo'}rk/|{'ro'}ot/|{'ho'}me/[a-z]{{2,}}|{'Us'}ers/[A-Za-z])"
    ),
    "the address of a package registry": (
        rf"{'py'}pi\.org|{'python'}hosted\.org|{'registry'}\.npmjs|{'registry'}\.yarnpkg"
    ),
    "a setting of a package index": rf"--{'index'}-url|--{'extra'}-index|--{'find'}-links",
}
LOCKS = {"uv.lock", "poetry.lock", "pdm.lock", "Pipfile.lock", "package-lock.json", "yarn.lock"}
FILE_BYTES_MAX = 1_000_000


@pytest.mark.parametrize("what", FOREIGN)
def test_no_file_names(what: str) -> None:
    pattern = re.compile(FOREIGN[what])
    found = [
        f"{path.relative_to(ROOT)}:{number} {line.strip()[:80]}"
        for path in tracked_files()
        for number, line in enumerate(_text(path.read_bytes()).splitlines(), start=1)
        if pattern.search(line)
    ]

    assert not found, report(f"No tracked file names {what}.", found)


def _text(content: bytes) -> str:
    return "" if b"\0" in content else content.decode("utf-8", errors="replace")


@pytest.mark.parametrize(
    ("what", "line"),
    [
        ("a path of one machine", "/ho" + "me/alice/treaty"),
        ("a path of one machine", "open('/wo" + "rk/x')"),
        ("the address of a package registry", "https://py" + "pi.org/simple"),
        ("a setting of a package index", "pip install --index" + "-url x"),
    ],
)
def test_a_foreign_name_is_caught(what: str, line: str) -> None:
    assert re.search(FOREIGN[what], line)


@pytest.mark.parametrize("line", ["~/.treaty/home/", "network/", "the framework/root/ folder"])
def test_an_ordinary_word_is_not(line: str) -> None:
    assert not any(re.search(pattern, line) for pattern in FOREIGN.values())


def test_no_lock_file_and_nothing_huge_is_tracked() -> None:
    found = [
        str(path.relative_to(ROOT))
        for path in tracked_files()
        if path.name in LOCKS or path.stat().st_size > FILE_BYTES_MAX
    ]

    assert not found, report("Versions are pinned in constraints.txt; data is generated.", found)


def test_the_licence_is_apache() -> None:
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")

    assert "Apache License" in text[:200]
    assert "END OF TERMS AND CONDITIONS" in text


def test_the_changelog_knows_this_version() -> None:
    import treaty

    assert f"## [{treaty.__version__}]" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_continuous_integration_calls_make() -> None:
    script = ROOT / ".ci" / "run"

    assert script.stat().st_mode & 0o111, ".ci/run is executable"
    assert "make test" in script.read_text(encoding="utf-8")
    assert (ROOT / ".ci" / "packages").exists()
