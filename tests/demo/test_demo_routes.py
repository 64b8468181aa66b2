"""The demo's third part: the seed's transcript between real processes, and its proof."""

from __future__ import annotations

import asyncio
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.demo.test_demo import EXAMPLES
from treaty import app
from treaty.cli.demo_routes import play


@pytest.fixture
def routed(played: tuple[Any, Path]) -> tuple[Any, Path]:
    """What the third part told, and the folder it wrote to."""
    document, out = played
    return document["routes"], out


def test_the_seeds_offer_wins_for_the_seeds_reasons(routed: tuple[Any, Path]) -> None:
    decision = routed[0]["decision"]
    first, second, third = decision["why_won"]

    assert decision["winner"]["route_id"] == "route-us-fast"
    assert all(one in first for one in ("us residency", "zero retention", "no training use"))
    assert "0.018 ≤ 0.02" in second
    assert "280ms ≤ 400ms" in second
    assert "0.86 vs 0.78" in third


def test_the_other_loses_for_three(routed: tuple[Any, Path]) -> None:
    (_, lost) = routed[0]["decision"]["considered"]

    assert lost["route_id"] == "route-global-cheap"
    assert [one["code"] for one in lost["reasons"]] == [
        "policy_mismatch", "latency_miss", "retention_risk",
    ]  # fmt: skip


def test_the_page_was_summarized_and_the_evidence_holds(routed: tuple[Any, Path]) -> None:
    decision = routed[0]["decision"]
    (output,) = decision["evidence"]["outputs"]

    assert output["type"] == "markdown"
    assert "Pro plan" in output["value"]
    assert {one["name"]: one["verdict"] for one in decision["claims"]} == dict.fromkeys(
        ("reply", "format", "attestations", "citations", "sources", "artifacts", "signature"),
        "verified",
    )
    assert decision["negotiation"]["status"] == "accepted"


def test_its_deal_file_verifies_and_a_changed_digit_does_not(routed: tuple[Any, Path]) -> None:
    told, out = routed
    (path,) = out.glob("deal-mrp-*.json")
    deal = json.loads(path.read_text())

    assert str(path) == told["deal"]
    assert app.verify(deal, require=["decision", "signature", "execution"]).ok
    deal["raw"][1] = deal["raw"][1].replace("0.018", "0.017")
    assert not app.verify(deal).ok


def test_the_screen_shows_why(screen: str) -> None:
    _, _, third = screen.partition("\nROUTE")

    for shown in ("route-us-fast", "won", "280ms ≤ 400ms", "route-global-cheap", "rejected"):
        assert shown in third
    for code in ("policy_mismatch", "latency_miss", "retention_risk"):
        assert code in third


@pytest.mark.slow
def test_other_figures_make_another_choice(tmp_path: Path) -> None:
    examples = tmp_path / "examples"
    shutil.copytree(EXAMPLES, examples)
    figures = examples / "routing.toml"
    wish, mark, rest = figures.read_text().partition("[offers.fast]")
    for before, after in (
        ('["no_training", "no_pii"]', '["no_pii"]'),
        ("max_latency_ms = 400", "max_latency_ms = 600"),
        ("retention_days = 0", "retention_days = 30"),
    ):
        assert before in wish
        wish = wish.replace(before, after)
    figures.write_text(wish + mark + rest.replace('confidence = "0.78"', 'confidence = "0.9"'))

    told: Any = asyncio.run(play(tmp_path, None, examples))

    won, lost = told["decision"]["considered"]
    assert won["route_id"] == "route-global-cheap"
    assert [one["code"] for one in lost["reasons"]] == ["confidence_lower"]
