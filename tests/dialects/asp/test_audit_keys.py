"""Keys in a deal file: who the reader's roots say may speak for whom."""

from __future__ import annotations

from typing import Any

import pytest

from tests.dialects.asp.deal_stage import (
    ALPHA,
    BETA,
    DAY_MS,
    NODE,
    DealStage,
    golden,
    play_negotiation,
    play_opening,
    whole,
)
from tests.dialects.asp.deal_zoo import check_named, check_open, failed, put, reseal
from treaty.core.deal import Verdict
from treaty.dialects.asp.audit import verify
from treaty.identity.cards import make_card
from treaty.identity.keys import PublicKey

ROOTS = whole().roots()
STRANGER = DealStage(keys={NODE: "mallory's node"}).host()


def relisted(**changes: Any) -> dict[str, Any]:
    """The deal with another listing of Beta's card by its registry."""
    deal = golden()
    stage = DealStage()
    stage.now_ms = whole().now_ms
    deal["cards"][1]["listing"] = stage.listing(deal["cards"][1], **changes)
    return deal


def test_a_registry_the_roots_do_not_know_leaves_keys_open() -> None:
    check_open(golden(), whole().roots(registry=[]), "keys")


def test_a_registry_with_another_key_did_not_sign_the_listing() -> None:
    check_named(golden(), whole().roots(registry=[STRANGER]), "keys", "card 1", "card 2")


def test_a_card_nobody_lists_leaves_keys_open() -> None:
    check_open(put(golden(), ("cards", 1, "listing"), None), ROOTS, "keys")


def test_a_card_that_is_not_there_leaves_keys_open() -> None:
    deal = golden()
    del deal["cards"][1]

    check_open(deal, ROOTS, "keys")
    assert verify(deal, ROOTS).claim("keys").where == (BETA,)


def test_a_card_that_nobody_needs_is_named() -> None:
    deal = golden()
    other = DealStage(keys={"agent://other.example/x": "other"})
    deal["cards"] += [deal["cards"][0], other.card("agent://other.example/x")]

    check_named(deal, ROOTS, "form", "card 3", "card 4")


def test_a_listing_for_another_card_is_named_without_roots_too() -> None:
    deal = golden()
    deal["cards"][1]["listing"] = deal["cards"][0]["listing"]

    check_named(deal, None, "keys", "card 2")
    check_named(deal, ROOTS, "keys", "card 2")


def test_a_listing_of_another_time_says_nothing_about_this_session() -> None:
    late = whole().now_ms + 10 * DAY_MS

    check_open(relisted(at_ms=late, expires_ms=late + DAY_MS), ROOTS, "keys")


def test_a_listing_with_a_changed_byte_is_named() -> None:
    deal = put(golden(), ("cards", 1, "listing", "trustScore"), 92)

    assert failed(deal, ROOTS) == {"keys", "bytes", "signatures"}
    check_named(deal, ROOTS, "bytes", "card 2, listing")


@pytest.mark.parametrize("member", ["name", "publicKey", "uri", "version", "orgId"])
def test_a_card_with_a_changed_byte_is_named(member: str) -> None:
    deal = golden()
    value = deal["cards"][1][member]
    deal["cards"][1][member] = value + 1 if isinstance(value, int) else value[:-1] + "z"
    found = verify(deal, ROOTS)

    assert "card 2" in str(found.to_json()["claims"])
    assert not found.ok


def test_a_card_with_another_key_than_the_one_that_signs_is_named() -> None:
    deal = golden()
    mallory = DealStage(keys={BETA: "mallory"})
    deal["cards"][1] = mallory.cards[BETA]

    check_named(deal, ROOTS, "keys", "log 2")


def test_the_host_in_the_heading_is_the_one_that_signs() -> None:
    deal = put(golden(), ("session", "host"), STRANGER)
    found = failed(deal, ROOTS)

    assert {"signatures", "keys", "times"} <= found


@pytest.mark.parametrize(
    "node",
    [
        {"uri": ALPHA},
        {"uri": NODE, "keyId": STRANGER["keyId"]},
        {"uri": None},
    ],
)
@pytest.mark.parametrize("role", ["host", "clearing"])
def test_the_invitation_names_the_host_of_this_deal(node: dict[str, Any], role: str) -> None:
    stage = DealStage()
    terms = {role: node}
    body = {"proposalId": "inv", "type": "session-invitation", "subject": "GPUs", "terms": terms}
    stage.say("14:01:00", ALPHA, "PROPOSE", body, recipient=BETA)
    deal = stage.export(outcomes=[], trust=[], log_head=None)

    assert failed(deal, stage.roots()) == {"keys"}
    check_named(deal, stage.roots(), "keys", "message 1")


def test_a_host_the_roots_do_not_know_leaves_times_open() -> None:
    check_open(golden(), whole().roots(host=[]), "times")


def test_a_host_whose_key_is_another_one_is_named() -> None:
    assert {"keys", "times"} <= failed(golden(), whole().roots(host=[STRANGER]))


def test_an_anchor_that_is_no_point_of_the_curve_anchors_nothing() -> None:
    neutral = PublicKey(b"\x01" + bytes(31))
    anchor = {"uri": NODE, "keyId": neutral.key_id, "publicKey": neutral.text}

    check_open(golden(), whole().roots(registry=[anchor]), "keys")


def test_a_card_without_a_key_id_is_as_good() -> None:
    stage = DealStage()
    play_opening(stage)
    play_negotiation(stage)
    deal = stage.export(outcomes=[], trust=[], log_head=None)
    del deal["cards"][0]["integrity"]["keyId"]

    assert verify(deal, stage.roots()).ok


def test_a_card_that_names_another_key_id_is_named() -> None:
    deal = golden()
    deal["cards"][0]["integrity"]["keyId"] = STRANGER["keyId"]

    assert failed(deal, ROOTS)


def test_the_key_of_a_sender_without_pin_and_card_is_unknown() -> None:
    deal = golden()
    del deal["cards"][1]
    receipt = {name: one for name, one in deal["log"][1].items() if name != "publicKey"}
    deal["log"][1] = reseal(receipt, "receipt", whole().signers[NODE])
    report = verify(deal, ROOTS)

    assert report.claim("keys").verdict is Verdict.NOT_CHECKABLE
    assert report.claim("signatures").verdict is Verdict.NOT_CHECKABLE


def test_a_successor_card_shows_the_key_it_signs_with() -> None:
    deal = golden()
    card = make_card(
        whole().signers[NODE],
        uri=BETA,
        name="beta",
        organization="x",
        org_id="x",
        capabilities=[],
        endpoints={},
    )
    deal["cards"].append({**card, "listing": None})

    # A card of nobody's pinned key changes nothing.
    check_open(deal, ROOTS)
