"""Files that commands write: whole, private where they should be, and nothing left behind."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from treaty.cli.output import PRIVATE, write_json
from treaty.errors import WireError


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_file_holds_the_document_and_replaces_the_one_before(tmp_path: Path) -> None:
    out = tmp_path / "deal.json"
    out.write_text("old")
    write_json({"b": 1, "a": "ü"}, out)

    assert out.read_bytes() == '{"a":"ü","b":1}\n'.encode()
    assert list(tmp_path.iterdir()) == [out]


def test_a_private_file_is_for_its_owner(tmp_path: Path) -> None:
    write_json({}, tmp_path / "deal.json", mode=PRIVATE)

    assert _mode(tmp_path / "deal.json") == 0o600


def test_a_document_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    out = tmp_path / "deal.json"
    with pytest.raises(WireError):
        write_json({"number": float("nan")}, out)

    assert list(tmp_path.iterdir()) == []


def test_without_a_file_it_goes_to_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    write_json({"a": "ü\x1b"}, None)

    assert json.loads(capsys.readouterr().out) == {"a": "ü\x1b"}
