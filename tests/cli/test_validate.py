"""`treaty validate` says what mrpd's command says, for several files and programs too."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.dialects.mrp.made import raw, seeded
from treaty.cli.root import root

GOOD = raw(seeded("discover"))
LOOSE = raw({**seeded("discover"), "timestamp": "yesterday"})
BAD = b'{"mrp_version": "0.1\\u001b[31m"}'


def run(*arguments: str | Path, text: bytes | None = None) -> Result:
    return CliRunner().invoke(root, ["validate", *map(str, arguments)], input=text)


def file(folder: Path, name: str, body: bytes) -> Path:
    (folder / name).write_bytes(body)
    return folder / name


def test_one_file_is_ok_or_invalid_and_why(tmp_path: Path) -> None:
    good, bad = file(tmp_path, "good", GOOD), file(tmp_path, "bad", BAD)

    assert (run("--path", good).output, run("--path", good).exit_code) == ("OK\n", 0)
    told = run("--path", bad)
    assert told.output.startswith(f"INVALID ({bad}): ")
    assert told.exit_code == 1
    assert "\x1b" not in told.output


@pytest.mark.parametrize("arguments", [(), ("-",), ("--path", "-")])
def test_standard_input_is_read_where_no_file_is_named(arguments: tuple[str, ...]) -> None:
    assert run(*arguments, text=GOOD).output == "OK\n"
    told = run(*arguments, text=b"nope")
    assert told.output.startswith("INVALID (stdin): not JSON")
    assert told.exit_code == 1


def test_several_files_are_judged_each(tmp_path: Path) -> None:
    good, bad = file(tmp_path, "good", GOOD), file(tmp_path, "bad", BAD)

    told = run(good, "--path", bad)

    assert told.output.splitlines()[0] == f"OK ({good})"
    assert told.output.splitlines()[1].startswith(f"INVALID ({bad})")
    assert told.exit_code == 1


def test_the_profile_decides() -> None:
    assert run("--profile", "compat", text=LOOSE).exit_code == 0
    assert run("--profile", "strict", text=LOOSE).output == (
        "INVALID (stdin): timestamp: must be an RFC 3339 time in UTC, not 'yesterday'\n"
    )


def test_programs_get_the_place_and_what_is_wrong_there() -> None:
    told = run("--json", "--profile", "strict", text=LOOSE)

    assert json.loads(told.output) == {
        "ok": False,
        "profile": "strict",
        "files": [
            {
                "label": "stdin",
                "valid": False,
                "where": "timestamp",
                "detail": "must be an RFC 3339 time in UTC, not 'yesterday'",
            }
        ],
    }
    assert told.exit_code == 1


@pytest.mark.parametrize("profile", ["compat", "strict"])
def test_the_fixtures_are_as_they_should_be(profile: str) -> None:
    told = run("--fixtures", "--profile", profile)

    assert told.output.splitlines()[-1] == "OK (fixtures)"
    assert "EXPECTED FAIL (invalid/msg_id_short.json)" in told.output
    assert told.exit_code == 0
    assert json.loads(run("--fixtures", "--json").output)["wrong"] == []


def test_misuse_is_said(tmp_path: Path) -> None:
    assert run("--path", tmp_path / "none").exit_code == 2
    assert run("--fixtures", "-").exit_code == 2
