"""Verifying a deal file: what an honest one shows, and that every change of one is noticed."""

from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.dialects.asp.deal_stage import BETA, NODE, SESSION, DealStage, golden, played, whole
from tests.dialects.asp.deal_zoo import (
    at,
    check_named,
    check_open,
    edit,
    failed,
    flip,
    forge,
    leaves,
    other,
    put,
    reseal,
    resign,
    salt,
)
from treaty.core.deal import UNANCHORED, Roots, Verdict, read_deal, read_roots
from treaty.dialects.asp.audit import CLAIMS, compare, verify
from treaty.wire.canonical import canonical, read_json

VECTORS = Path(__file__).resolve().parents[3] / "conformance" / "vectors" / "asp"
ROOTS = whole().roots()

SESSION_MESSAGES = range(3, 17)
LOG = range(1, len(golden()["log"]) + 1)
LEAVES = list(leaves(golden()))


# An honest deal.


def test_an_honest_deal_verifies_claim_by_claim() -> None:
    report = verify(golden(), ROOTS)

    assert report.anchored
    assert report.of(Verdict.VERIFIED) == (*CLAIMS[:-1], "discovery")
    assert report.of(Verdict.NOT_CHECKABLE) == ("metric",)
    assert (report.dialect, report.session) == ("asp/0.1", SESSION)


def test_without_roots_the_first_line_says_what_is_missing() -> None:
    report = verify(golden())

    assert report.first_line == UNANCHORED
    assert report.of(Verdict.NOT_CHECKABLE) == (
        *("keys", "times", "reserved", "released", "trust", "metric"),
    )


def test_the_deal_file_that_was_stored_once_still_verifies() -> None:
    roots = read_roots(read_json((VECTORS / "deal-roots.json").read_bytes()))
    stored = read_deal((VECTORS / "deal.json").read_bytes())

    assert stored == golden()
    assert verify(stored, roots) == verify(golden(), ROOTS)


def test_roots_that_name_nobody_anchor_nothing() -> None:
    check_open(golden(), Roots(), "keys", "times", "reserved", "released", "trust")


def test_a_shared_copy_makes_no_claim_about_discovery() -> None:
    report = verify(whole().export(share=True), ROOTS)

    assert tuple(claim.name for claim in report.claims) == CLAIMS
    assert report.ok


@pytest.mark.parametrize("entries", range(1, 17))
def test_a_missing_tail_shows_as_not_complete_and_nothing_fails(entries: int) -> None:
    report = verify(whole().export(entries=entries), ROOTS)

    assert report.ok, report.first_line
    expected = Verdict.VERIFIED if entries == 16 else Verdict.NOT_CHECKABLE
    assert report.claim("complete").verdict is expected


def test_a_missing_tail_shows_even_when_the_heading_was_left_alone() -> None:
    deal = golden()
    for name, count in (("messages", 1), ("raw", 1), ("log", 3)):
        del deal[name][-count:]

    assert verify(deal, ROOTS).claim("complete").verdict is Verdict.NOT_CHECKABLE


# A changed byte, wherever it is.


@pytest.mark.parametrize("number", range(1, 17))
def test_a_byte_changed_in_a_received_text_is_named(number: int) -> None:
    deal = golden()
    text = deal["raw"][number - 1]
    place = text.index('"salt":"') + len('"salt":"')
    deal["raw"][number - 1] = text[:place] + flip(text[place]) + text[place + 1 :]

    check_named(deal, ROOTS, "form", f"message {number}")
    check_named(deal, ROOTS, "bytes", f"message {number}")


@pytest.mark.parametrize("number", range(1, 17))
def test_a_message_that_is_not_its_received_text_is_named(number: int) -> None:
    deal = golden()
    salt(deal["messages"][number - 1])

    assert failed(deal, ROOTS) == {"form"}
    check_named(deal, ROOTS, "form", f"message {number}")


def test_true_is_not_one_in_a_message() -> None:
    deal = golden()
    assert deal["messages"][4]["sequenceNumber"] == 1
    deal["messages"][4]["sequenceNumber"] = True

    assert failed(deal, ROOTS) == {"form"}


@pytest.mark.parametrize("number", range(1, 17))
def test_a_byte_changed_in_both_forms_of_a_message_is_named(number: int) -> None:
    deal = edit(golden(), number, salt)

    for claim in ("bytes", "signatures"):
        check_named(deal, ROOTS, claim, f"message {number}")
    assert "form" not in failed(deal, ROOTS)


@pytest.mark.parametrize("number", SESSION_MESSAGES)
def test_a_message_forged_with_its_hash_breaks_signature_and_chain(number: int) -> None:
    deal = forge(golden(), number, salt)

    for claim in ("signatures", "links"):
        check_named(deal, ROOTS, claim, f"message {number}")


@pytest.mark.parametrize("number", range(1, 17))
def test_a_stripped_salt_is_named(number: int) -> None:
    deal = edit(golden(), number, lambda message: message["content"].pop("salt"))

    check_named(deal, ROOTS, "bytes", f"message {number}")


@pytest.mark.parametrize("number", LOG)
def test_a_byte_changed_in_a_log_entry_is_named(number: int) -> None:
    deal = golden()
    entry = deal["log"][number - 1]
    name = "receivedAt" if entry["type"] == "receipt" else "at"
    entry[name] = entry[name].replace(".000Z", ".001Z")

    for claim in ("bytes", "signatures"):
        check_named(deal, ROOTS, claim, f"log {number}")


@settings(max_examples=150)
@given(st.sampled_from(LEAVES))
def test_no_value_in_the_file_can_be_changed_unnoticed(path: tuple[Any, ...]) -> None:
    deal = golden()

    assert failed(put(deal, path, other(at(deal, path))), ROOTS), path


# Messages and log entries that are not where they belong.


@pytest.mark.parametrize("number", SESSION_MESSAGES)
def test_a_dropped_message_is_a_hole(number: int) -> None:
    deal = golden()
    del deal["messages"][number - 1], deal["raw"][number - 1]
    found = failed(deal, ROOTS)

    assert "complete" in found
    assert ("links" in found) is (number < 16)


@pytest.mark.parametrize("number", SESSION_MESSAGES)
def test_a_message_dropped_with_its_receipt_is_a_hole(number: int) -> None:
    deal = golden()
    tag = deal["messages"][number - 1]["integrity"]["hash"]
    deal["log"] = [one for one in deal["log"] if one.get("hash") != tag]
    del deal["messages"][number - 1], deal["raw"][number - 1]

    assert {"links", "complete"} <= failed(deal, ROOTS)


@pytest.mark.parametrize("number", SESSION_MESSAGES)
def test_a_doubled_message_is_named(number: int) -> None:
    deal = golden()
    for name in ("messages", "raw"):
        deal[name].insert(number - 1, deepcopy(deal[name][number - 1]))

    check_named(deal, ROOTS, "links", f"message {number + 1}")
    check_named(deal, ROOTS, "sequence", f"message {number + 1}")


@pytest.mark.parametrize("number", SESSION_MESSAGES[:-1])
def test_two_messages_that_changed_places_are_named(number: int) -> None:
    deal = golden()
    for name in ("messages", "raw"):
        one = deal[name]
        one[number - 1], one[number] = one[number], one[number - 1]

    check_named(deal, ROOTS, "links", f"message {number}", f"message {number + 1}")


@pytest.mark.parametrize("number", LOG[:-1])
def test_a_dropped_log_entry_is_a_hole(number: int) -> None:
    deal = golden()
    del deal["log"][number - 1]

    check_named(deal, ROOTS, "links", f"log {number}")
    check_named(deal, ROOTS, "complete")


@pytest.mark.parametrize("number", LOG)
def test_a_doubled_log_entry_is_named(number: int) -> None:
    deal = golden()
    deal["log"].insert(number - 1, deepcopy(deal["log"][number - 1]))

    check_named(deal, ROOTS, "links", f"log {number + 1}")


@pytest.mark.parametrize("number", LOG[:-1])
def test_two_log_entries_that_changed_places_are_named(number: int) -> None:
    log = (deal := golden())["log"]
    log[number - 1], log[number] = log[number], log[number - 1]

    check_named(deal, ROOTS, "links", f"log {number}", f"log {number + 1}")


def test_the_end_of_another_session_cannot_be_spliced_in() -> None:
    deal = golden()
    stranger = played(DealStage(session=SESSION[:-1] + "2")).export()
    for name in ("messages", "raw", "log"):
        deal[name][-2:] = stranger[name][-2:]

    check_named(deal, ROOTS, "links", "message 15", "message 16")


def test_two_receipts_for_one_position_are_named_as_such() -> None:
    deal = golden()
    first = deal["log"][4]
    twin = reseal(first, "receipt", whole().signers[NODE], receivedAt="2026-03-07T14:02:01.000Z")
    deal["log"].insert(5, twin)
    claim = verify(deal, ROOTS).claim("links")

    assert claim.verdict is Verdict.FAILED
    assert claim.detail == "log 6: another entry for position 5 than log 5"


# Wrong keys.


def test_a_message_signed_by_another_key_is_named() -> None:
    deal = resign(golden(), 9, whole().signers[BETA])

    assert failed(deal, ROOTS) == {"signatures", "bytes"}
    check_named(deal, ROOTS, "signatures", "message 9")


@pytest.mark.parametrize("number", LOG)
def test_a_log_entry_signed_by_another_key_is_named(number: int) -> None:
    deal = golden()
    entry = deal["log"][number - 1]
    deal["log"][number - 1] = reseal(entry, entry["type"], whole().signers[BETA])

    assert failed(deal, ROOTS) == {"signatures"}
    check_named(deal, ROOTS, "signatures", f"log {number}")


def test_a_world_of_other_keys_is_consistent_but_not_with_roots() -> None:
    forged = played(DealStage(keys={BETA: "mallory", NODE: "mallory's node"})).export()

    assert verify(forged).first_line == UNANCHORED
    assert {"keys", "times", "reserved", "released"} <= failed(forged, ROOTS)


def test_a_party_whose_key_was_swapped_is_named() -> None:
    stage = DealStage(keys={BETA: "mallory"})
    stage.cards[BETA]["listing"] = whole().cards[BETA]["listing"]
    forged = played(stage).export()

    check_named(forged, ROOTS, "keys", "card 2")


# Hostile files.


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)


@settings(max_examples=100)
@given(JUNK)
def test_any_json_gives_a_report(junk: Any) -> None:
    report = verify(junk, ROOTS)

    assert not report.ok
    assert len(report.claims) == len(CLAIMS)


def branches(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every path of a document, inner ones too, but for the root."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value)
    found = [path] if path else []
    for name, member in pairs:
        inner = isinstance(member, dict | list)
        found += branches(member, (*path, name)) if inner else [(*path, name)]
    return found


BRANCHES = branches(golden())


@settings(max_examples=150)
@given(st.lists(st.tuples(st.sampled_from(BRANCHES), JUNK), min_size=1, max_size=3), st.booleans())
def test_any_part_replaced_by_anything_gives_a_report(changes, with_roots: bool) -> None:
    deal = golden()
    for path, junk in changes:
        try:
            put(deal, path, junk)
        except (KeyError, IndexError, TypeError):
            continue
    report = verify(deal, ROOTS if with_roots else None)

    assert {claim.name for claim in report.claims} >= set(CLAIMS)
    assert json.dumps(report.to_json())


@settings(max_examples=100)
@given(st.sampled_from(BRANCHES))
def test_any_part_taken_out_gives_a_report(path: tuple[Any, ...]) -> None:
    deal = golden()
    del at(deal, path[:-1])[path[-1]]

    assert {claim.name for claim in verify(deal, ROOTS).claims} >= set(CLAIMS)


def test_a_file_nested_without_end_gives_a_report() -> None:
    deep: Any = []
    for _ in range(100_000):
        deep = [deep]
    for path in (("log", 3), ("messages", 3), ("session", "id"), ("cards", 0, "name")):
        assert failed(put(golden(), path, deep), ROOTS), path


def test_a_file_larger_than_any_deal_is_not_read() -> None:
    deal = golden()
    deal["raw"][5] = "x" * (64 * 1024 * 1024 + 1)

    assert failed(deal) == {"form"}
    assert verify(deal).claim("bytes").verdict is Verdict.NOT_CHECKABLE


def test_more_messages_than_a_session_has_are_not_read() -> None:
    deal = golden()
    deal["messages"] = deal["messages"] * 1_000

    assert failed(deal) == {"form"}


# Two copies.


def test_two_honest_copies_agree() -> None:
    shorter = whole().export(entries=12)
    report = compare(golden(), shorter, ROOTS)

    assert report.of(Verdict.VERIFIED) == ("session", "agreement", "host")
    assert report.anchored
    assert report.claim("agreement").detail.startswith("the same entry at each of 12 shared")


def test_two_entries_signed_for_one_position_prove_that_the_host_lied() -> None:
    stage, twin = DealStage(), DealStage()
    played(stage)
    twin.bend_fact = lambda data: {**data, "note": "another story"}
    played(twin)
    report = compare(stage.export(), twin.export(), ROOTS)

    assert report.of(Verdict.FAILED) == ("agreement", "host")
    assert NODE in report.claim("host").detail
    assert report.claim("host").where[0] == "log 10"


def test_a_changed_copy_does_not_make_the_host_a_liar() -> None:
    changed = golden()
    changed["log"][4]["receivedAt"] = "2026-03-07T14:02:00.500Z"
    report = compare(golden(), changed, ROOTS)

    assert report.of(Verdict.FAILED) == ("agreement",)
    assert report.claim("agreement").where == ("log 5",)


def test_an_entry_resigned_by_somebody_else_does_not_make_the_host_a_liar() -> None:
    changed = golden()
    changed["log"][4] = reseal(changed["log"][4], "receipt", whole().signers[BETA], sender=BETA)

    assert compare(golden(), changed, ROOTS).of(Verdict.FAILED) == ("agreement",)


def test_copies_of_two_sessions_are_not_compared() -> None:
    stranger = played(DealStage(session=SESSION[:-1] + "2")).export()
    report = compare(golden(), stranger, ROOTS)

    assert report.of(Verdict.FAILED) == ("session",)
    assert report.of(Verdict.NOT_CHECKABLE) == ("agreement", "host")


@settings(max_examples=50)
@given(JUNK, st.booleans())
def test_comparing_anything_gives_a_report(junk: Any, first: bool) -> None:
    pair = (junk, golden()) if first else (golden(), junk)

    assert compare(*pair, ROOTS).of(Verdict.FAILED) == ("session",)


def test_the_raw_texts_are_compared_too() -> None:
    changed = golden()
    changed["raw"][6] += " "
    report = compare(golden(), changed, ROOTS)

    assert report.of(Verdict.FAILED) == ("agreement",)
    assert canonical(changed["messages"]) == canonical(golden()["messages"])
