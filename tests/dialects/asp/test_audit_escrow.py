"""Money in a deal file: every movement is one that was due, once, as the session says."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from tests.dialects.asp.deal_stage import (
    ALPHA,
    BETA,
    COMMITMENT,
    NODE,
    DealStage,
    commitment,
    golden,
    play_negotiation,
    play_opening,
    played,
    whole,
)
from tests.dialects.asp.deal_zoo import check_named, check_open, failed, put
from treaty.core.deal import Verdict
from treaty.dialects.asp.audit import verify

ROOTS = whole().roots()
NO_TRUST: dict[str, Any] = {"outcomes": [], "trust": [], "log_head": None}


def usd(amount: str) -> dict[str, str]:
    return {"amount": amount, "currency": "USD"}


# Lines of the file.


@pytest.mark.parametrize(
    ("line", "member", "value", "claim"),
    [
        (1, "amount", usd("181.00"), "reserved"),
        (1, "payer", BETA, "reserved"),
        (1, "commitHash", "sha256:" + "0" * 64, "reserved"),
        (1, "position", 11, "reserved"),
        (1, "at", "2026-03-07T14:04:00.001Z", "reserved"),
        (2, "posted", usd("179.99"), "released"),
        (2, "voided", usd("0.01"), "released"),
        (2, "payee", ALPHA, "released"),
        (2, "amount", usd("18.00"), "released"),
    ],
)
def test_a_changed_line_is_named(line: int, member: str, value: Any, claim: str) -> None:
    deal = put(golden(), ("escrow", line - 1, member), value)

    assert failed(deal, ROOTS) == {claim}
    check_named(deal, ROOTS, claim, f"escrow line {line}")


def test_a_forged_line_is_named() -> None:
    deal = golden()
    deal["escrow"].append({**deal["escrow"][1], "position": 18})

    assert failed(deal, ROOTS) == {"released"}
    check_named(deal, ROOTS, "released", "escrow line 3")


def test_a_missing_line_is_named_by_its_place_in_the_log() -> None:
    deal = golden()
    del deal["escrow"][1]

    assert failed(deal, ROOTS) == {"released"}
    check_named(deal, ROOTS, "released", "log 16")


def test_a_doubled_line_is_named() -> None:
    deal = golden()
    deal["escrow"].insert(0, deepcopy(deal["escrow"][0]))

    check_named(deal, ROOTS, "released", "escrow line 3")


@pytest.mark.parametrize("junk", [None, 7, "reserve", [], {}, {"movement": []}])
def test_a_line_that_is_none_is_named(junk: Any) -> None:
    check_named(put(golden(), ("escrow", 1), junk), ROOTS, "released", "escrow line 2")


# What the clearing itself signed.


def bent(**changes: Any) -> DealStage:
    """A deal whose clearing signs settlements with changes."""

    def bend(data: dict[str, Any]) -> dict[str, Any]:
        return {**data, **changes} if data.get("movement") == "settle" else data

    stage = DealStage()
    stage.bend_fact = bend
    return played(stage)


@pytest.mark.parametrize(
    "changes",
    [
        {"posted": usd("179.00")},
        {"posted": usd("180")},
        {"posted": usd("90.00"), "voided": usd("90.00")},
        {"posted": usd("200.00"), "voided": usd("-20.00")},
        {"posted": {"amount": "180.00", "currency": "EUR"}},
        {"posted": 180},
        {"posted": None},
        {"payee": ALPHA, "payer": BETA},
        {"reservation": "another"},
        {"commitHash": "sha256:" + "1" * 64},
    ],
)
def test_a_settlement_that_was_not_due_is_named_though_the_clearing_signed_it(changes) -> None:
    stage = bent(**changes)

    assert failed(stage.export(), stage.roots()) == {"released"}
    check_named(stage.export(), stage.roots(), "released", "log 16")


@pytest.mark.parametrize("changes", [{"movement": "post"}, {"commitmentId": "cmt_002"}])
def test_a_movement_nobody_ordered_is_named(changes: dict[str, Any]) -> None:
    stage = bent(**changes)

    check_named(stage.export(), stage.roots(), "released", "log 16")


def test_a_settlement_need_not_repeat_the_amount() -> None:
    stage = DealStage()
    stage.bend_fact = lambda data: {
        name: value
        for name, value in data.items()
        if name != "amount" or data.get("movement") != "settle"
    }
    played(stage)

    check_open(stage.export(), stage.roots())


@pytest.mark.parametrize("changes", [{"amount": usd("18.00")}, {"amount": None}, {"payer": BETA}])
def test_a_reservation_that_was_not_due_is_named(changes: dict[str, Any]) -> None:
    stage = DealStage()
    stage.bend_fact = lambda data: (
        {**data, **changes} if data.get("movement") == "reserve" else data
    )
    played(stage)

    # The heading is that of the log up to the lie, where every participant stopped.
    assert failed(stage.export(), stage.roots()) == {"reserved", "states", "times"}
    check_named(stage.export(), stage.roots(), "reserved", "log 10")


def test_money_that_was_never_reserved_is_named() -> None:
    stage = DealStage()
    stage.bend_fact = lambda data: {"movement": "none"} if "commitHash" in data else data
    played(stage)

    check_named(stage.export(), stage.roots(), "reserved", "log 11")


# What the session gave.


def test_a_rejected_commitment_gives_the_money_back() -> None:
    stage = DealStage()
    play_opening(stage)
    play_negotiation(stage)
    stage.say("14:04:00", ALPHA, "COMMIT", commitment())
    reason = {"referenceId": COMMITMENT, "code": "capacity_unavailable", "reason": "Sold out."}
    stage.say("14:04:10", BETA, "REJECT", reason)
    deal = stage.export(**NO_TRUST)

    assert deal["escrow"][1]["posted"] == usd("0.00")
    assert deal["escrow"][1]["voided"] == usd("180.00")
    check_open(deal, stage.roots(), "complete", "terms", "trust")


@pytest.mark.parametrize("entries", [10, 11, 12])
def test_money_that_is_still_held_is_not_released_yet(entries: int) -> None:
    report = verify(whole().export(entries=entries, **NO_TRUST), ROOTS)

    assert report.claim("reserved").verdict is Verdict.VERIFIED
    assert report.claim("released").verdict is Verdict.NOT_CHECKABLE


def test_without_a_clearing_in_the_roots_money_is_only_consistent() -> None:
    check_open(golden(), whole().roots(clearing=[]), "reserved", "released", "trust")


def test_a_clearing_with_another_key_is_named() -> None:
    stranger = DealStage(keys={NODE: "mallory's node"}).host()
    roots = whole().roots(clearing=[stranger])

    assert {"reserved", "released"} <= failed(golden(), roots)
