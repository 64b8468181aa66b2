"""``treaty demo --story dispute``: a deal goes wrong, is ruled, and the file proves the ruling."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.town import environment
from tests.dialects.asp.test_deal import VALIDATOR


@pytest.mark.slow
def test_the_escrow_is_split_as_it_was_ruled(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "treaty.cli", "demo", "--story", "dispute", "--json"]
    done = subprocess.run(
        [*command, "--out", str(tmp_path)],
        env=environment(tmp_path / "home"),
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)

    steps = [one for one in told["events"] if one["event"] == "dispute"]
    assert [(one["step"], one["dispute"]["phase"]) for one in steps] == [
        ("file", "EVIDENCE"),
        ("evidence", "EVIDENCE"),
        ("evidence", "PERSON"),
        ("resolve", "RULED"),
    ]
    verdicts = {one["name"]: one["verdict"] for one in told["verification"]["claims"]}
    for claim in ("signatures", "states", "complete", "reserved", "released", "trust"):
        assert verdicts[claim] == "verified", told["verification"]
    deal = json.loads(Path(told["deal"]).read_bytes())
    assert VALIDATOR.is_valid(deal)
    assert [one["kind"] for one in deal["disputes"]] == [
        "dispute",
        "evidence",
        "evidence",
        "ruling",
    ]
    (split,) = (one for one in deal["escrow"] if one["movement"] == "settle" and "bond" not in one)
    assert (split["posted"]["amount"], split["voided"]["amount"]) == ("60.00", "120.00")
    (outcome,) = (
        one["record"]
        for one in deal["outcomes"]
        if one["kind"] == "outcome" and one["record"]["session"] == deal["session"]["id"]
    )
    assert (outcome["disputed"], outcome["severity"]) == (True, 2)
    # A breach of a dollar times a hundred caps the score just below the level's floor.
    after = {line["uri"]: line["after"] for line in deal["trust"]}
    assert after["agent://cloudprime.io/gpu/beta"]["score"] == 89.9
    results = {one["agent"].rsplit("/", 1)[1]: one["result"] for one in outcome["parties"]}
    assert results == {"alpha": "kept", "beta": "breached"}
