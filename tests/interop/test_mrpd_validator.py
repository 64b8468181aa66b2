"""Our verdict in the compat profile is that of the real mrpd, on every document."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings

from tests.dialects.mrp.mutants import STARTS, VALUES, mutants
from tests.dialects.mrp.texts import LEAST, TEXTS
from tests.interop.mrpd_venv import Mrpd
from treaty.cli.root import root
from treaty.cli.validate import VALID, fixtures_folder
from treaty.dialects.mrp.choices import Profile
from treaty.dialects.mrp.validation import validate

Judge = Callable[[bytes], bool]
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def theirs(mrpd: Mrpd) -> Iterator[Judge]:
    """mrpd's validator, in a process that stays."""
    with mrpd.validator() as judge:
        yield judge


def ours(document: bytes) -> bool:
    return validate(document, Profile.COMPAT) is None


@pytest.mark.parametrize("name", TEXTS)
def test_a_text_has_the_same_verdict(theirs: Judge, name: str) -> None:
    assert ours(TEXTS[name]) == theirs(TEXTS[name])


@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(whole=mutants([*VALUES, "0.1\n", "MRP_A\n", float("nan"), float("inf"), "\ud800"]))
def test_a_mutant_has_the_same_verdict(theirs: Judge, whole) -> None:
    document = json.dumps(whole).encode()

    assert ours(document) == theirs(document)


@pytest.mark.parametrize("group", VALID)
def test_every_fixture_has_the_same_verdict(theirs: Judge, group: str) -> None:
    for path in sorted((fixtures_folder() / group).glob("*.json")):
        assert theirs(path.read_bytes()) == ours(path.read_bytes()) == VALID[group][0], path.name


def test_the_commands_agree_in_exit_code_and_first_word(mrpd: Mrpd, tmp_path: Path) -> None:
    for name, document in {"good": json.dumps(STARTS[0]).encode(), "bad": LEAST + b"x"}.items():
        path = tmp_path / f"{name}.json"
        path.write_bytes(document)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            done = CliRunner().invoke(root, ["validate", "--path", str(path)])
        peer = mrpd.run("validate", "--path", path, home=tmp_path)

        assert (done.exit_code, done.output.split()[0]) == (
            peer.returncode,
            peer.stdout.split()[0],
        )
