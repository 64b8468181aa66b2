"""Making a deal file: what is in it, what is left out, and that it is what the schema says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

import treaty.dialects.asp
from tests.dialects.asp.deal_stage import (
    ALPHA,
    BETA,
    COMMITMENT,
    NODE,
    SESSION,
    URL,
    DealStage,
    clock,
    golden,
    play_opening,
    whole,
)
from tests.dialects.asp.deal_zoo import at, check_open, failed, put
from treaty.dialects.asp.audit import verify
from treaty.dialects.asp.deal import make_deal, standings, trust_lines, withhold
from treaty.errors import MisuseError
from treaty.wire.canonical import canonical, read_json

SCHEMA = json.loads(
    (Path(treaty.dialects.asp.__file__).parent / "deal.schema.json").read_text(encoding="utf-8")
)
VALIDATOR = Draft202012Validator(SCHEMA)
ROOTS = whole().roots()


def test_the_heading_says_what_the_session_was() -> None:
    assert golden()["session"] == {
        "id": SESSION,
        "inviter": ALPHA,
        "invitee": BETA,
        "state": "CLOSED",
        "subject": "GPU compute procurement",
        "url": URL,
        "host": whole().host(),
        "openedAt": "2026-03-07T14:01:00.000Z",
        "endedAt": "2026-03-07T14:15:05.000Z",
    }


def test_a_session_that_goes_on_has_not_ended() -> None:
    heading = whole().export(entries=10)["session"]

    assert (heading["state"], heading["endedAt"]) == ("AGREEING", None)


def test_each_message_stands_beside_the_text_that_came() -> None:
    deal = golden()
    raws = [*whole().discovery, *(raw for _, raw in whole().entries if raw is not None)]

    assert [text.encode() for text in deal["raw"]] == raws
    assert deal["messages"] == [read_json(raw) for raw in raws]
    assert [one["performative"] for one in deal["messages"][:3]] == ["QUERY", "INFORM", "PROPOSE"]


def test_each_movement_is_a_line_with_its_place_in_the_log() -> None:
    lines = golden()["escrow"]

    assert [(one["movement"], one["position"], one["at"]) for one in lines] == [
        ("reserve", 10, "2026-03-07T14:04:00.000Z"),
        ("settle", 16, "2026-03-07T14:15:05.000Z"),
    ]
    assert lines[0]["reservation"] == f"{SESSION}/{COMMITMENT}"
    assert lines[1]["posted"] == {"amount": "180.00", "currency": "USD"}
    assert lines[1]["voided"] == {"amount": "0.00", "currency": "USD"}


def test_the_deal_shows_the_figures_of_the_example() -> None:
    alpha, beta = golden()["trust"]

    assert (alpha["before"]["score"], alpha["after"]["score"]) == (49, 60.8)
    assert (alpha["before"]["level"], alpha["after"]["level"]) == (1, 2)
    assert (beta["before"]["score"], beta["after"]["score"]) == (91, 91)


def test_scores_in_cards_are_left_out_and_a_missing_listing_is_null() -> None:
    stage = whole()
    card = {name: value for name, value in stage.cards[ALPHA].items() if name != "listing"}
    deal = stage.export(cards=[card])

    assert deal["cards"][0].keys().isdisjoint({"trustScore", "trustLevel"})
    assert deal["cards"][0]["listing"] is None


def test_sharing_leaves_discovery_out() -> None:
    shared = whole().export(share=True)

    assert len(shared["messages"]) == len(shared["raw"]) == 14
    assert shared["messages"] == golden()["messages"][2:]


def test_a_log_that_opens_no_session_is_no_deal() -> None:
    with pytest.raises(MisuseError):
        make_deal(host=whole().host(), url=URL, entries=[], cards=[])


def test_a_receipt_comes_with_its_message() -> None:
    entries = [(record, None) for record, _ in whole().entries]
    with pytest.raises(MisuseError):
        make_deal(host=whole().host(), url=URL, entries=entries, cards=[])


@pytest.mark.parametrize("number", range(3, 17))
def test_withholding_keeps_the_hash_and_nothing_else(number: int) -> None:
    deal = golden()
    kept = deal["messages"][number - 1]["integrity"]["hash"]
    shared = withhold(deal, number)

    assert shared["messages"][number - 1] == {"withheld": True, "hash": kept}
    assert shared["raw"][number - 1] is None
    assert deal == golden()
    assert f'"{kept}"' in json.dumps(shared["log"])


@pytest.mark.parametrize("number", range(3, 17))
def test_a_withheld_message_fails_nothing_and_keeps_its_place(number: int) -> None:
    report = verify(withhold(golden(), number), ROOTS)

    assert report.ok, report.first_line
    assert report.claim("links").verdict.value == "verified"
    assert report.claim("complete").verdict.value == (
        "verified" if number < 15 else "not checkable"
    )
    for claim in ("signatures", "states"):
        assert report.claim(claim).where == (f"message {number}",)


def test_a_withheld_message_does_not_hide_a_wrong_neighbour() -> None:
    shared = withhold(golden(), 7)
    shared["messages"][6]["hash"] = "sha256:" + "0" * 64

    assert "links" in failed(shared, ROOTS)


@pytest.mark.parametrize(
    ("deal", "number"),
    [
        (golden(), 0),
        (golden(), 17),
        (golden(), 1),
        (withhold(golden(), 5), 5),
        ({}, 1),
        ({**golden(), "raw": []}, 3),
    ],
)
def test_only_a_message_of_the_session_can_be_withheld(deal: dict[str, Any], number: int) -> None:
    with pytest.raises(MisuseError):
        withhold(deal, number)


def test_standings_are_those_around_the_outcomes_of_the_session() -> None:
    records = [record for _, _, record in whole().records]
    found = standings(records, SESSION, (ALPHA, BETA), whole().believed)

    assert trust_lines(found) == golden()["trust"]
    assert standings(records[:3], SESSION, (ALPHA, BETA), whole().believed) == {}


def test_a_session_without_outcomes_makes_a_deal_too() -> None:
    stage = DealStage()
    play_opening(stage)
    stage.now_ms = clock("14:02:00")
    told = {"outcomes": [], "trust": [], "log_head": None}
    deal = stage.export(**told)

    assert VALIDATOR.is_valid(deal)
    check_open(
        deal,
        stage.roots(),
        *("complete", "terms", "reserved", "released", "trust"),
    )


# The published schema.


def test_the_schema_is_a_schema_of_the_year_2020() -> None:
    Draft202012Validator.check_schema(SCHEMA)

    assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"


@pytest.mark.parametrize(
    "deal",
    [
        golden(),
        whole().export(share=True),
        whole().export(entries=10),
        withhold(golden(), 9),
        whole().export(log_head=None, outcomes=[], trust=[]),
    ],
)
def test_what_we_write_is_what_the_schema_says(deal: dict[str, Any]) -> None:
    assert [error.message for error in VALIDATOR.iter_errors(deal)] == []


def members(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths of the members of objects, but for what other people wrote into a message."""
    found = []
    pairs = value.items() if isinstance(value, dict) else enumerate(value)
    for name, member in pairs:
        if isinstance(value, dict):
            found.append((*path, name))
        if isinstance(member, dict | list) and (*path, name)[:1] != ("messages",):
            found += members(member, (*path, name))
    return found


@settings(max_examples=80)
@given(st.sampled_from(members(golden())), st.sampled_from([None, 7, "x", [], {}, True]))
def test_what_the_schema_refuses_fails(path: tuple[Any, ...], junk: Any) -> None:
    deal = golden()
    if at(deal, path) == junk:
        return
    put(deal, path, junk)
    if not VALIDATOR.is_valid(deal):
        assert failed(deal, ROOTS), path


@pytest.mark.parametrize("path", [("note",), ("session", "note"), ("session", "host", "note")])
def test_the_file_has_no_room_for_what_nobody_checks(path: tuple[str, ...]) -> None:
    deal = put(golden(), path, "paid in cash")

    assert not VALIDATOR.is_valid(deal)
    assert failed(deal, ROOTS) == {"form"}


def test_a_dispute_that_is_not_in_the_log_is_no_part_of_the_deal() -> None:
    line = {"kind": "ruling", "record": {}, "position": 1, "at": "2026-03-07T14:00:00Z"}
    for lines in ([{}], [line]):
        deal = put(golden(), ("disputes",), lines)

        assert VALIDATOR.is_valid(deal) == (lines == [line])
        assert failed(deal, ROOTS) == {"states"}


def test_the_host_named_in_a_deal_is_the_one_of_its_file() -> None:
    deal = golden()

    assert deal["session"]["host"]["uri"] == NODE
    assert canonical(deal) == canonical(whole().export())
