"""A decision and its messages as one file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

import treaty.app
import treaty.dialects.mrp
from tests.dialects.mrp.deals import (
    DECISION_ID,
    A,
    lost_deal,
    seed_deal,
    seed_lines,
    seed_record,
)
from tests.dialects.mrp.made import BUYER
from treaty.core.deal import read_deal
from treaty.dialects.mrp.deal import Line, make_deal
from treaty.errors import MisuseError, WireError

SCHEMA = json.loads(
    (Path(treaty.dialects.mrp.__file__).parent / "deal.schema.json").read_text("utf-8")
)


def test_the_seed_has_the_published_form() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    form = Draft202012Validator(SCHEMA)

    assert list(form.iter_errors(seed_deal())) == []
    assert not form.is_valid({**seed_deal(), "extra": 1})
    assert not form.is_valid({**seed_deal(), "decision": {}})


GOLDEN = Path(__file__).parents[3] / "conformance" / "vectors" / "mrp_deals"


@pytest.mark.parametrize(("name", "make"), [("seed", seed_deal), ("no_winner", lost_deal)])
def test_the_golden_files_are_those_that_are_made(name: str, make) -> None:
    written = (GOLDEN / f"{name}.json").read_text("utf-8")

    assert written == json.dumps(make(), indent=1, ensure_ascii=False) + "\n"
    assert treaty.app.verify(json.loads(written)).ok


def test_the_golden_roots_anchor_the_seed() -> None:
    deal, roots = (
        json.loads((GOLDEN / f"{one}.json").read_text("utf-8")) for one in ("seed", "roots")
    )

    assert treaty.app.verify(deal, roots).anchored


def test_the_seed_as_a_file() -> None:
    deal = seed_deal()

    assert (deal["treaty"], deal["dialect"]) == ("deal/1", "mrp/0.1")
    assert deal["session"] == {
        "id": DECISION_ID,
        "buyer": BUYER,
        "provider": A,
        "status": "done",
    }
    assert [one["msg_type"] for one in deal["messages"]] == [
        *("DISCOVER", "OFFER", "DISCOVER", "OFFER"),
        *("NEGOTIATE", "NEGOTIATE", "EXECUTE", "EVIDENCE"),
    ]
    assert deal["sent"] == [True, False, True, False, True, False, True, False]
    assert [json.loads(one) for one in deal["raw"]] == deal["messages"]
    assert read_deal(json.dumps(deal).encode()) == deal


def test_a_decision_that_nobody_won_is_a_file_too() -> None:
    lines = seed_lines()
    nobody = {**seed_record(lines), "winner": None, "status": "no_winner"}

    assert make_deal(nobody, lines[:4])["session"]["provider"] is None
    assert make_deal(nobody, [])["session"]["buyer"] is None


def test_what_is_no_record_or_message_makes_no_file() -> None:
    with pytest.raises(MisuseError):
        make_deal({}, [])
    with pytest.raises(WireError):
        make_deal({"decision_id": "d"}, [Line(raw=b"x", is_sent=True, manifest_url="m", at_ms=0)])
