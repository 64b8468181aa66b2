"""Checking a deal file of the quote channel: what holds, and which claim a change breaks."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.dialects.actp.messages_made import (
    AT_MS,
    BUYER,
    CHAIN,
    KERNEL,
    OTHER_TX,
    SELLER,
    STRANGER,
    counter,
    did,
    quote,
    signed,
)
from tests.dialects.actp.negotiations import (
    ACCEPT_2,
    COUNTER,
    COUNTER_2,
    FIRST,
    SECOND,
    by_acceptance,
    by_quote,
    failed,
    negotiated,
    places,
    plain,
    walked,
)
from treaty import app
from treaty.core.deal import Roots, Verdict
from treaty.dialects.actp.audit import CLAIMS, verify
from treaty.dialects.actp.deal import make_deal

ROOTS = Roots(chains=({"chainId": CHAIN, "kernel": KERNEL},))


def verdict(report: Any, name: str) -> Verdict:
    claim = report.claim(name)
    assert claim is not None
    return claim.verdict


def test_an_accepted_counter_is_proven_in_every_claim() -> None:
    report = verify(by_acceptance(), ROOTS)

    assert report.of(Verdict.VERIFIED) == tuple(one for one in CLAIMS if one != "account")
    assert report.anchored
    assert report.first_line == "verified, but not checkable: account"


def test_an_accepted_quote_is_not_said_to_be_signed_by_its_consumer() -> None:
    report = verify(by_quote(), ROOTS)

    assert report.ok
    assert report.of(Verdict.NOT_CHECKABLE) == ("expiry", "complete", "account")


def test_nobody_signs_that_he_walked() -> None:
    assert verify(walked(), ROOTS).of(Verdict.NOT_CHECKABLE) == ("complete", "account")


def test_without_roots_no_kernel_is_anchored() -> None:
    report = verify(by_acceptance())

    assert (report.ok, report.anchored) == (True, False)
    assert report.of(Verdict.NOT_CHECKABLE) == ("account", "kernel")


def test_another_kernel_than_the_reader_knows_fails() -> None:
    roots = Roots(chains=({"chainId": CHAIN, "kernel": "0x" + "bb" * 20},))

    assert failed(verify(by_acceptance(), roots)) == ("kernel",)


def test_the_app_reads_it_by_its_dialect() -> None:
    roots = {"treaty": "roots/1", "chains": [{"chainId": CHAIN, "kernel": KERNEL}]}

    assert app.verify(by_acceptance(), roots).ok
    assert not app.verify(by_quote(), roots, require=["complete"]).ok


# What a change of one value may leave standing: what only its exporter says, in free words or by
# its own clock. The claim ``account`` says so.
FREE = {("policy", "moves", 0, "move"), ("policy", "moves", 1, "move"),
        ("policy", "moves", 0, "reason"), ("policy", "moves", 1, "reason"),
        ("accepted", "at"), *(("at", n) for n in range(5))}  # fmt: skip


def changed(value: Any) -> Any:
    if isinstance(value, str):
        return ("1" if not value.startswith("1") else "2") + value[1:]
    if isinstance(value, int):
        return value + 1
    return [1]


@pytest.mark.parametrize("path", sorted(set(places(by_acceptance())) - FREE, key=repr), ids=repr)
def test_a_changed_value_does_not_go_unnoticed(path: tuple[Any, ...]) -> None:
    deal = by_acceptance()
    inner: Any = deal
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = changed(inner[path[-1]])

    report = verify(deal, ROOTS)

    assert failed(report) or set(report.of(Verdict.NOT_CHECKABLE)) > {"account"}, report.first_line


def test_the_exporters_own_words_are_called_that() -> None:
    claim = verify(by_acceptance(), ROOTS).claim("account")

    assert claim is not None
    assert (
        claim.detail == "what was said before, times, moves and budget are the consumer's own word"
    )


@pytest.mark.parametrize(
    "bend",
    [
        lambda d: d.pop("receipts"),
        lambda d: d.pop("request"),
        lambda d: d.update(receipts=None),
        lambda d: d["policy"].update(moves=None),
        *(lambda d, at=at: d["accepted"].update(at=at) for at in (None, "1", -1, 1.5, True)),
    ],
)
def test_what_is_missing_or_of_another_form_is_no_form(bend: Any) -> None:
    deal = by_acceptance()
    bend(deal)

    assert "form" in failed(verify(deal, ROOTS))


def test_a_first_round_that_was_left_out_is_the_exporters_word() -> None:
    deal = by_acceptance()
    gone = deal["hashes"][:2]
    for name in ("raw", "messages", "hashes", "at"):
        del deal[name][:2]
    moves = deal["policy"]["moves"]
    deal["policy"]["moves"] = [one for one in moves if one["answers"] not in gone]

    report = verify(deal, ROOTS)

    assert report.of(Verdict.NOT_CHECKABLE) == ("account",)
    assert "what was said before" in report.claim("account").detail


def test_the_copy_of_the_other_party_has_other_moves() -> None:
    deal = by_acceptance()
    deal["session"]["by"] = "provider"

    assert failed(verify(deal, ROOTS)) == ("account",)


@pytest.mark.parametrize("index", range(5))
def test_a_message_cannot_be_left_out(index: int) -> None:
    deal = by_acceptance()
    for name in ("raw", "messages", "hashes", "at"):
        del deal[name][index]

    report = verify(deal, ROOTS)

    assert report.first_line != "verified, every claim"


def test_two_messages_cannot_change_places() -> None:
    deal = plain(make_deal(negotiated(FIRST, SECOND, COUNTER, state="COUNTERED")))

    assert "order" in failed(verify(deal))


def test_a_message_for_another_transaction_does_not_belong() -> None:
    deal = plain(make_deal(negotiated(quote(tx_id=OTHER_TX))))

    assert "parties" in failed(verify(deal))


def test_a_stranger_cannot_sign_for_the_provider() -> None:
    deal = plain(make_deal(negotiated(signed(FIRST, STRANGER))))

    assert failed(verify(deal)) == ("signatures",)


def test_the_right_signature_for_another_kernel_is_wrong() -> None:
    deal = by_acceptance()
    deal["session"]["kernel"] = "0x" + "bb" * 20

    assert "signatures" in failed(verify(deal))


def test_attack_1_an_acceptance_of_another_amount_is_none() -> None:
    forged = signed(replace(ACCEPT_2, accepted_amount="1100000"), SELLER)
    deal = plain(
        make_deal(
            negotiated(
                FIRST, COUNTER, SECOND, COUNTER_2, forged,
                state="AGREED", accepted=forged, budget="spent",
            )
        )
    )  # fmt: skip

    assert failed(verify(deal)) == ("replies",)


def test_attack_6_a_requote_with_a_raised_max_price_is_seen() -> None:
    raised = quote(quoted_amount=1_200_000, max_price=2_500_000, nonce=2)
    deal = plain(make_deal(negotiated(FIRST, COUNTER, raised)))

    assert failed(verify(deal)) == ("amounts",)


def test_a_dearer_requote_is_seen() -> None:
    dearer = quote(quoted_amount=1_600_000, nonce=2)
    deal = plain(make_deal(negotiated(FIRST, COUNTER, dearer)))

    assert failed(verify(deal)) == ("amounts",)


def test_w20_an_acceptance_after_the_counter_expired_is_none() -> None:
    late = signed(replace(ACCEPT_2, accepted_at=COUNTER_2.expires_at + 1), SELLER)
    deal = plain(
        make_deal(
            negotiated(FIRST, COUNTER, SECOND, COUNTER_2, late, state="AGREED", accepted=late)
        )
    )

    assert failed(verify(deal)) == ("replies",)


def test_a_quote_accepted_after_it_expired_is_seen() -> None:
    late_ms = (SECOND.expires_at + 1) * 1_000
    deal = plain(
        make_deal(
            negotiated(
                FIRST, COUNTER, SECOND, state="AGREED", accepted=SECOND, accepted_at_ms=late_ms
            )
        )
    )

    assert failed(verify(deal)) == ("expiry",)


def test_an_older_quote_than_the_last_cannot_be_what_was_accepted() -> None:
    deal = plain(make_deal(negotiated(FIRST, COUNTER, SECOND, state="AGREED", accepted=FIRST)))

    assert "complete" in failed(verify(deal))


def test_a_counter_that_opens_names_a_quote_that_nobody_can_check() -> None:
    report = verify(plain(make_deal(negotiated(COUNTER, state="COUNTERED"))))

    assert report.ok
    assert verdict(report, "replies") is Verdict.NOT_CHECKABLE


def test_a_declined_counter_may_be_followed_by_another() -> None:
    second = counter(counter_amount=900_000, nonce=2)
    report = verify(plain(make_deal(negotiated(FIRST, COUNTER, second, state="COUNTERED"))))

    assert verdict(report, "order") is Verdict.VERIFIED


def test_one_nonce_is_not_used_for_two_messages() -> None:
    again = counter(counter_amount=900_000, nonce=1)
    deal = plain(make_deal(negotiated(FIRST, COUNTER, again, state="COUNTERED")))

    assert failed(verify(deal)) == ("order",)


def test_a_contract_accounts_signature_is_left_to_its_chain() -> None:
    deal = plain(make_deal(negotiated(replace(FIRST, signature="0x" + "ab" * 96))))
    report = verify(deal)

    assert report.ok
    assert verdict(report, "signatures") is Verdict.NOT_CHECKABLE
    assert not report.anchored


def test_receipts_are_a_claim_that_is_not_made_lightly() -> None:
    deal = by_acceptance() | {"receipts": [{"block": 1}]}

    assert verdict(verify(deal, ROOTS), "receipts") is Verdict.NOT_CHECKABLE


def test_an_agreement_needs_both_sides_of_the_story() -> None:
    deal = by_acceptance()
    deal["budget"] = {"outcome": "released"}

    assert failed(verify(deal, ROOTS)) == ("accepted",)


def test_the_parties_are_those_of_the_heading() -> None:
    deal = by_acceptance()
    deal["session"]["provider"] = did(STRANGER)

    assert failed(verify(deal, ROOTS)) == ("parties",)


def test_members_nobody_signed_are_refused_in_a_message() -> None:
    deal = by_acceptance()
    envelope = json.loads(deal["raw"][0])
    envelope["message"]["note"] = "trust me"
    deal["raw"][0], deal["messages"][0] = json.dumps(envelope), envelope

    assert "form" in failed(verify(deal, ROOTS))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)
PATHS = list(places(by_acceptance()))
UPPER = [path[:n] for path in PATHS for n in range(1, len(path) + 1)]


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(UPPER), JSON)
def test_whatever_stands_in_the_file_the_answer_is_a_report(path: Any, value: Any) -> None:
    deal = copy.deepcopy(by_acceptance_once())
    inner: Any = deal
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = value

    assert verify(deal, ROOTS).claim("form") is not None


@settings(max_examples=50, deadline=None)
@given(JSON)
def test_any_json_gets_a_report(value: Any) -> None:
    assert failed(verify(value)) == ("form",)


_MADE = by_acceptance()


def by_acceptance_once() -> dict[str, Any]:
    return _MADE


def test_the_buyer_is_the_consumer_of_these_files() -> None:
    assert by_acceptance()["session"]["consumer"] == did(BUYER)
    assert FIRST.quoted_at == AT_MS // 1000
