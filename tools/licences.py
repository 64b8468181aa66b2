"""List the licence of every distribution treaty needs at run time; fail on a copyleft of code.

Usage: ``python tools/licences.py [--quiet]``. The list is read from what is installed, starting
at the dependencies in pyproject.toml and following theirs. GPL and AGPL would bind the whole
program and are refused, as is a licence that nobody names. LGPL and MPL stay within their files.
"""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterable, Iterator
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

PYPROJECT = Path(__file__).resolve().parent.parent / "pyproject.toml"
REQUIREMENT = re.compile(r"^\s*(?P<name>[A-Za-z0-9._-]+)\s*(?:\[[^]]*\])?[^;]*(?:;(?P<when>.*))?$")
REFUSED = re.compile(r"\bA?GPL|\bGNU (?:Affero )?General Public", re.IGNORECASE)
UNKNOWN = "unknown"


def main(arguments: list[str]) -> int:
    """Print one line a distribution; 1 when a licence is refused or unknown."""
    refused = []
    for name, licence in sorted(runtime_licences().items()):
        is_refused = not is_accepted(licence)
        if is_refused:
            refused.append(name)
        if is_refused or "--quiet" not in arguments:
            print(f"{name:24} {licence}{'   <- not accepted' if is_refused else ''}")
    if not refused:
        print("No licence among the run-time dependencies binds the whole program.")
    return 1 if refused else 0


def runtime_licences() -> dict[str, str]:
    """Return distribution name -> licence for the dependencies and theirs."""
    project = tomllib.loads(PYPROJECT.read_text())["project"]
    return {name: licence_of(name) for name in closure(project["dependencies"])}


def closure(requirements: Iterable[str]) -> set[str]:
    """Return the normal names of everything the requirements pull in, as installed here.

    What a condition excludes (another platform, another Python) is not installed and left out;
    what is needed always is in the answer even when it is missing.
    """
    found: set[str] = set()
    waiting = list(_named(requirements))
    while waiting:
        name, is_conditional = waiting.pop()
        installed = _installed(name)
        if name in found or (installed is None and is_conditional):
            continue
        found.add(name)
        waiting.extend(_named((installed.requires if installed else None) or []))
    return found


def licence_of(name: str) -> str:
    """Return what the distribution says its licence is, the most exact statement first."""
    found = _installed(name)
    if found is None:
        return UNKNOWN
    expression = found.metadata.get("License-Expression")
    classifiers = [
        line.rsplit(" :: ", 1)[-1]
        for line in found.metadata.get_all("Classifier") or []
        if line.startswith("License :: ") and not line.endswith("OSI Approved")
    ]
    free_text = (found.metadata.get("License") or "").strip().split("\n")[0][:60]
    return expression or "; ".join(classifiers) or free_text or UNKNOWN


def is_accepted(licence: str) -> bool:
    """Tell whether a licence lets an Apache-2.0 program depend on it."""
    if licence == UNKNOWN:
        return False
    # A plain choice ("MIT OR GPL-2.0") is accepted for its acceptable branch.
    branches = [licence] if " AND " in licence else licence.split(" OR ")
    return any(not REFUSED.search(branch) for branch in branches)


def _installed(name: str) -> Distribution | None:
    try:
        return distribution(name)
    except PackageNotFoundError:
        return None


def _named(requirements: Iterable[str]) -> Iterator[tuple[str, bool]]:
    """Yield (normal name, is it conditional); extras are the dependent's own choice."""
    for requirement in requirements:
        parts = REQUIREMENT.match(requirement)
        if parts and "extra ==" not in (parts["when"] or ""):
            yield re.sub(r"[-_.]+", "-", parts["name"]).lower(), parts["when"] is not None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
