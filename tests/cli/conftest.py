"""What the tests of the command line share: one town for all of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.town import Town, built


@pytest.fixture(scope="session")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """A node with two agents and their finished deal; tests add to it and take nothing away."""
    with built(tmp_path_factory.mktemp("town")) as one:
        yield one


@pytest.fixture(scope="session")
def deal_file(town: Town, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The deal file of the town's session, as Alpha exports it."""
    out = tmp_path_factory.mktemp("deal") / "deal.json"
    town.run("export", town.session, "--as", "agent://acme.com/procurement/alpha", "--out", out)
    return out


@pytest.fixture(scope="session")
def roots_file(town: Town, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The keys of the town's node and operator."""
    out = tmp_path_factory.mktemp("roots") / "roots.json"
    town.run("roots", "export", "--out", out)
    return out
