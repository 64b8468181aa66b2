"""Chains and signatures in a deal file, and the two messages before the session."""

from __future__ import annotations

from typing import Any

import pytest

from tests.dialects.asp.deal_stage import (
    ALPHA,
    BETA,
    NODE,
    DealStage,
    golden,
    play_discovery,
    play_opening,
    whole,
)
from tests.dialects.asp.deal_zoo import check_named, check_open, edit, failed, reseal, resign
from treaty.core.deal import Verdict
from treaty.dialects.asp.audit import verify
from treaty.wire.digest import ZERO_TAG

ROOTS = whole().roots()
NO_TRUST: dict[str, Any] = {"outcomes": [], "trust": [], "log_head": None}
OPEN = ("complete", "terms", "reserved", "released", "trust")


def reworded(number: int, **members: Any) -> dict[str, Any]:
    """The deal with other members in a message, which its sender signed anew."""
    deal = edit(golden(), number, lambda message: message.update(members))
    sender = deal["messages"][number - 1]["sender"]["agentId"]
    return resign(deal, number, whole().signers[sender])


# Proofs and places.


@pytest.mark.parametrize("number", range(3, 17))
def test_a_proof_belongs_to_one_message(number: int) -> None:
    borrowed = golden()["messages"][2 if number != 3 else 4]["sender"]["dpopProof"]
    sender = {**golden()["messages"][number - 1]["sender"], "dpopProof": borrowed}

    check_named(reworded(number, sender=sender), ROOTS, "signatures", f"message {number}")


def test_a_message_of_another_session_has_no_place_here() -> None:
    session = "019526a1-8e1a-7000-8000-000000000009"

    check_named(reworded(9, sessionId=session), ROOTS, "links", "message 9")


def test_a_message_numbered_twice_is_named() -> None:
    check_named(reworded(9, sequenceNumber=2), ROOTS, "sequence", "message 9")


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("sender", BETA),
        ("performative", "COUNTER"),
        ("previousHash", ZERO_TAG),
        ("hash", ZERO_TAG),
    ],
)
def test_a_receipt_for_something_else_is_named(member: str, value: str) -> None:
    deal = golden()
    deal["log"][4] = reseal(deal["log"][4], "receipt", whole().signers[NODE], **{member: value})

    check_named(deal, ROOTS, "links", "message 7")


def test_a_receipt_over_other_bytes_is_named() -> None:
    deal = golden()
    deal["log"][4] = reseal(deal["log"][4], "receipt", whole().signers[NODE], rawDigest=ZERO_TAG)

    check_named(deal, ROOTS, "bytes", "message 7")


def test_a_receipt_of_another_session_is_named() -> None:
    deal = golden()
    session = "019526a1-8e1a-7000-8000-000000000009"
    deal["log"][4] = reseal(deal["log"][4], "receipt", whole().signers[NODE], session=session)

    check_named(deal, ROOTS, "links", "log 5")


def test_a_text_with_a_blank_more_is_not_what_was_received() -> None:
    deal = golden()
    deal["raw"][8] += " "

    assert failed(deal, ROOTS) == {"bytes"}
    check_named(deal, ROOTS, "bytes", "message 9")


def test_a_fact_passed_off_as_a_receipt_is_named() -> None:
    deal = golden()
    fact = deal["log"][9]
    deal["log"][9] = reseal(fact, "receipt", whole().signers[NODE])

    check_named(deal, ROOTS, "signatures", "log 10")


# Discovery.


def test_a_deal_without_discovery_makes_no_claim_about_it() -> None:
    stage = DealStage()
    play_opening(stage)
    report = verify(stage.export(**NO_TRUST), stage.roots())

    assert report.claim("discovery") is None
    assert report.ok


def discovered(**answer: Any) -> tuple[dict[str, Any], DealStage]:
    """A deal with discovery, in which the registry's answer has other members."""
    stage = DealStage()
    play_discovery(stage)
    play_opening(stage)
    deal = edit(stage.export(**NO_TRUST), 2, lambda message: message.update(answer))
    return resign(deal, 2, stage.signers[NODE]), stage


def test_the_invitation_names_the_answer() -> None:
    deal, stage = discovered(messageId="019526a1-8e1a-7000-8000-00000000000a")

    assert failed(deal, stage.roots()) == {"discovery"}
    check_named(deal, stage.roots(), "discovery", "message 3")


def test_an_answer_extends_its_question() -> None:
    deal, stage = discovered(integrity={"previousHash": ZERO_TAG})

    check_named(deal, stage.roots(), "discovery", "message 2")


def test_an_answer_echoes_the_question_s_id() -> None:
    content = golden()["messages"][1]["content"]
    data = {**content["body"]["data"], "queryId": "another"}
    deal, stage = discovered(content={**content, "body": {**content["body"], "data": data}})

    check_named(deal, stage.roots(), "discovery", "message 2")


def test_an_answer_signed_by_somebody_else_is_named() -> None:
    deal = resign(golden(), 2, whole().signers[ALPHA])

    check_named(deal, ROOTS, "discovery", "message 2")
    check_named(deal, ROOTS, "signatures", "message 2")


@pytest.mark.parametrize("number", [1, 2])
def test_half_a_discovery_is_no_discovery(number: int) -> None:
    deal = golden()
    del deal["messages"][number - 1], deal["raw"][number - 1]
    report = verify(deal, ROOTS)

    assert report.claim("discovery").verdict is not Verdict.VERIFIED


def test_discovery_that_changed_places_is_named() -> None:
    deal = golden()
    for name in ("messages", "raw"):
        deal[name][:2] = deal[name][1::-1]

    check_named(deal, ROOTS, "discovery", "message 1")


def test_discovery_comes_before_the_session() -> None:
    deal = golden()
    for name in ("messages", "raw"):
        deal[name].append(deal[name].pop(0))

    check_named(deal, ROOTS, "form", "message 16")


def test_an_invitation_that_names_no_answer_leaves_discovery_open() -> None:
    stage = DealStage()
    play_opening(stage)
    play_discovery(stage)
    deal = stage.export(**NO_TRUST)

    check_open(deal, stage.roots(), "discovery", *OPEN)
