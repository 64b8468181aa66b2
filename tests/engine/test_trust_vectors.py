"""The trust vectors: made again, and given by a program that does not know treaty (B16)."""

from __future__ import annotations

import json
import runpy
from typing import Any

from tests.house.reading import ROOT
from treaty.engine.trust_extract import CLAIMS, check_extract, read_extract

FOLDER = ROOT / "conformance" / "vectors" / "trust"


def stored(name: str) -> Any:
    return json.loads((FOLDER / name).read_text(encoding="utf-8"))


def test_the_stored_vectors_are_what_the_program_makes() -> None:
    program = runpy.run_path(str(ROOT / "conformance" / "make_trust_vectors.py"))
    for name, text in program["files"]().items():
        assert (FOLDER / name).read_text(encoding="utf-8") == text


def test_a_second_reading_of_the_rules_gives_the_same_to_the_last_digit() -> None:
    source = (FOLDER / "recompute.py").read_text(encoding="utf-8")
    assert "import treaty" not in source
    assert "from treaty" not in source
    second = runpy.run_path(str(FOLDER / "recompute.py"))
    asked = stored("scores.json")["scores"]

    assert len(asked) > 30
    assert second["scores"](stored("log.json"), asked) == asked


def test_the_vectors_reach_every_level_and_every_component() -> None:
    asked = stored("scores.json")["scores"]
    assert {one["level"] for one in asked} == set(range(5))
    assert {one["provisional"] for one in asked} == {True, False}
    for name in asked[0]["components"]:
        assert len({one["components"][name] for one in asked}) > 3


def test_the_log_of_the_vectors_verifies_with_every_score() -> None:
    """All but the outcome of a clearing nobody knows, whose key cannot be known either."""
    extract = read_extract((FOLDER / "log.json").read_bytes())
    (strange,) = [
        line.where
        for line in extract.lines
        if line.kind == "outcome" and line.signed["clearing"] != extract.head["uri"]
    ]
    for one in stored("scores.json")["scores"]:
        numbers = {name: float(part) for name, part in one["components"].items()}
        view = {**one, "score": float(one["score"]), "components": numbers}
        report = check_extract(extract, one["agent"], view=view)
        verdicts = {claim.name: claim.verdict.value for claim in report.claims}
        verified = dict.fromkeys(CLAIMS, "verified")
        assert verdicts == {**verified, "signatures": "not checkable"}
        assert report.claims[CLAIMS.index("signatures")].where == (strange,)
