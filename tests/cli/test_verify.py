"""``treaty verify``: claim by claim, and an exit code that programs can rely on."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from tests.cli.town import ALPHA, BETA, Town, run
from treaty.core import deal as deal_room

UNANCHORED = "self-consistent, identities not anchored"


def _verdicts(document: dict[str, Any]) -> dict[str, str]:
    return {claim["name"]: claim["verdict"] for claim in document["claims"]}


def _changed(source: Path, out: Path, change: Callable[[Any], None]) -> Path:
    document = json.loads(source.read_bytes())
    change(document)
    out.write_text(json.dumps(document))
    return out


def test_without_roots_the_first_line_says_that_nobody_is_anchored(deal_file: Path) -> None:
    done = run("verify", deal_file)

    assert done.exit_code == 0
    assert done.stdout.splitlines()[0] == UNANCHORED


def test_with_roots_every_claim_that_can_be_checked_is_verified(
    deal_file: Path, roots_file: Path
) -> None:
    done = run("verify", deal_file, "--roots", roots_file, "--json")
    verdicts = _verdicts(json.loads(done.stdout))

    assert done.exit_code == 0
    assert verdicts.pop("metric") == "not checkable"
    assert set(verdicts.values()) == {"verified"}


def test_programs_get_the_report(town: Town, deal_file: Path) -> None:
    report = json.loads(run("verify", deal_file, "--json").stdout)

    assert report["treaty"] == "report/1"
    assert report["session"] == town.session
    assert report["ok"] is True
    assert report["anchored"] is False
    assert report["firstLine"] == UNANCHORED
    assert report["claims"][0].keys() == {"name", "verdict", "detail", "where"}


def test_people_get_a_line_a_claim(deal_file: Path) -> None:
    lines = run("verify", deal_file).stdout.splitlines()
    claims = {line.split()[1] for line in lines if line.startswith("  verified")}

    assert {"bytes", "links", "sequence", "signatures", "states", "terms"} <= claims
    assert any(line.startswith("  not checkable  trust") for line in lines)


def test_a_changed_byte_is_a_failure_that_names_its_message(
    deal_file: Path, tmp_path: Path
) -> None:
    def cheaper(document: Any) -> None:
        at = next(n for n, raw in enumerate(document["raw"]) if "COMMIT" in raw)
        document["raw"][at] = document["raw"][at].replace("180.00", "100.00")
        document["messages"][at] = json.loads(document["raw"][at])

    done = run("verify", _changed(deal_file, tmp_path / "deal.json", cheaper))

    assert done.exit_code == 1
    assert done.stdout.splitlines()[0].startswith("failed: bytes")
    assert "message 11" in done.stdout
    assert done.stderr == ""


@pytest.mark.parametrize("claim", ["trust", "metric", "nonsense"])
def test_what_is_required_must_be_verified(deal_file: Path, claim: str) -> None:
    done = run("verify", deal_file, "--require", claim, "--require", "bytes")

    assert done.exit_code == 1
    assert done.stdout.splitlines()[0] == f"failed: {claim}"


def test_what_is_required_and_verified_is_no_failure(deal_file: Path, roots_file: Path) -> None:
    required = [word for name in ("trust", "released") for word in ("--require", name)]

    assert run("verify", deal_file, "--roots", roots_file, *required).exit_code == 0


def test_a_deal_comes_from_standard_input(deal_file: Path) -> None:
    done = run("verify", "-", input=deal_file.read_bytes())

    assert (done.exit_code, done.stdout.splitlines()[0]) == (0, UNANCHORED)


@pytest.fixture(scope="module")
def betas_file(town: Town, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("beta") / "deal.json"
    town.run("export", town.session, "--as", BETA, "--out", out)
    return out


def test_two_copies_are_checked_and_compared(deal_file: Path, betas_file: Path) -> None:
    done = run("verify", deal_file, betas_file, "--json")
    document = json.loads(done.stdout)

    assert done.exit_code == 0
    assert document.keys() == {"ok", "reports", "comparison"}
    assert [report["ok"] for report in document["reports"]] == [True, True]
    assert set(_verdicts(document["comparison"]).values()) == {"verified"}
    assert "both copies together" in run("verify", deal_file, betas_file).stdout


def test_a_copy_that_is_wrong_in_itself_fails_the_comparison(
    deal_file: Path, betas_file: Path, tmp_path: Path
) -> None:
    def better(document: Any) -> None:
        document["trust"][0]["after"]["score"] = 99

    forged = _changed(betas_file, tmp_path / "forged.json", better)
    document = json.loads(run("verify", deal_file, forged, "--json").stdout)

    assert run("verify", deal_file, forged).exit_code == 1
    assert document["ok"] is False
    assert [report["ok"] for report in document["reports"]] == [True, False]


def test_each_requirement_goes_where_its_claim_is_made(deal_file: Path, betas_file: Path) -> None:
    both = json.loads(run("verify", deal_file, betas_file, "--json").stdout)
    (between, *_) = _verdicts(both["comparison"])
    pair = (deal_file, betas_file, "--require", "states", "--require", between)

    assert run("verify", *pair).exit_code == 0


def _misused(done: Result, said: str) -> None:
    assert done.exit_code == 2
    assert done.stdout == ""
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 2


def test_three_files_are_misuse(deal_file: Path) -> None:
    _misused(run("verify", deal_file, deal_file, deal_file), "one file, or two to compare")


@pytest.mark.parametrize("file", ["mrp_deals/seed.json", "actp_deals/by_quote.json"])
def test_only_copies_of_a_session_are_compared(deal_file: Path, file: str) -> None:
    other = Path(__file__).parents[2] / "conformance" / "vectors" / file

    for pair in ((other, other), (deal_file, other), (other, deal_file)):
        _misused(run("verify", *pair), "two copies are compared of asp/0.1")


def test_standard_input_is_read_once() -> None:
    _misused(run("verify", "-", "-", input=b"{}"), "one file, or two to compare")


def test_a_file_that_is_not_there_is_misuse(tmp_path: Path) -> None:
    _misused(run("verify", tmp_path / "none.json"), "does not exist")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not json",
        b'{"a": 1, "a": 2}',
        b"[" * 100_000,
        b"\xff\xfe\x00",
        b"[]",
        b"null",
        b'"deal/1"',
        b'{"treaty": "roots/1"}',
        b'{"treaty": "deal/1", "dialect": "mrp/1.0"}',
        b'{"treaty": "deal/1", "dialect": ["asp/0.1"]}',
    ],
)
def test_what_is_no_deal_file_is_misuse(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "no-deal.json"
    path.write_bytes(content)

    _misused(run("verify", path), "try: give a file that `treaty export` or `treaty demo` wrote")


def test_a_broken_deal_is_a_failure_and_not_misuse(tmp_path: Path) -> None:
    path = tmp_path / "deal.json"
    path.write_text('{"treaty": "deal/1", "dialect": "asp/0.1"}')
    done = run("verify", path)

    assert done.exit_code == 1
    assert done.stdout.startswith("failed: form")


@pytest.mark.parametrize("content", ["{}", '{"treaty": "roots/1", "kings": []}', "not json"])
def test_roots_that_are_none_are_misuse(deal_file: Path, tmp_path: Path, content: str) -> None:
    roots = tmp_path / "roots.json"
    roots.write_text(content)

    _misused(run("verify", deal_file, "--roots", roots), "`treaty roots export`")


def test_other_roots_anchor_nobody(deal_file: Path, tmp_path: Path) -> None:
    roots = tmp_path / "roots.json"
    roots.write_text('{"treaty": "roots/1"}')
    done = run("verify", deal_file, "--roots", roots)

    assert (done.exit_code, done.stdout.splitlines()[0]) == (0, UNANCHORED)


def test_a_swapped_key_is_found_with_roots(
    deal_file: Path, roots_file: Path, tmp_path: Path
) -> None:
    def impostor(document: Any) -> None:
        operator = document["attester"][0]
        for anchor in document["registry"]:
            anchor.update(keyId=operator["keyId"], publicKey=operator["publicKey"])

    roots = _changed(roots_file, tmp_path / "roots.json", impostor)
    report = json.loads(run("verify", deal_file, "--roots", roots, "--json").stdout)

    assert _verdicts(report)["keys"] != "verified"
    assert report["anchored"] is False


def test_a_file_beyond_the_limit_is_not_read_whole(
    deal_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deal_room, "DEAL_BYTES_MAX", 1_000)

    _misused(run("verify", deal_file), "has more than 1000 bytes")


def test_nothing_a_stranger_wrote_is_obeyed_by_the_terminal(
    deal_file: Path, tmp_path: Path
) -> None:
    def shout(document: Any) -> None:
        document["session"]["id"] = "\x1b[2J\x07\u202e"
        document["escrow"][0]["movement"] = "\x1b]0;owned\x07"
        document["trust"][0]["uri"] = f"{ALPHA}\x9b31m"

    done = run("verify", _changed(deal_file, tmp_path / "deal.json", shout))

    assert done.exit_code == 1
    assert done.output.replace("\n", "").isprintable()
