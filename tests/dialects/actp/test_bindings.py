"""An answer belongs to exactly one message, and one difference makes it another deal's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.dialects.actp.messages_made import (
    AT_MS,
    BUYER,
    NOW,
    OTHER_TX,
    SELLER,
    STRANGER,
    accept,
    counter,
    did,
    quote,
)
from treaty.dialects.actp.bindings import (
    check_acceptance,
    check_counter,
    check_parties,
    check_requote,
)
from treaty.dialects.actp.dids import checksummed, make_did
from treaty.dialects.actp.hashes import message_hash
from treaty.errors import Refused


def code(check: Callable[..., None], *messages: Any, **how: Any) -> str:
    with pytest.raises(Refused) as refusal:
        check(*messages, **how)
    return refusal.value.code


def test_a_deal_that_fits_together() -> None:
    first, offered, accepted = quote(), counter(), accept()

    check_counter(offered, first)
    check_acceptance(accepted, offered)
    check_requote(quote(quoted_amount=1_200_000, nonce=2), first)
    check_parties(offered, consumer=BUYER.address, provider=SELLER.address)

    assert offered.in_reply_to == message_hash(first)
    assert accepted.in_reply_to == message_hash(offered)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"in_reply_to": "0x" + "00" * 32}, "reply_mismatch"),
        ({"quote_amount": "1499999"}, "reply_mismatch"),
        ({"tx_id": OTHER_TX}, "party_mismatch"),
        ({"chain_id": 8453, "consumer": did(BUYER, 8453)}, "party_mismatch"),
        ({"consumer": did(STRANGER)}, "party_mismatch"),
        ({"provider": did(STRANGER)}, "party_mismatch"),
    ],
)
def test_w4_a_counter_answers_the_last_quote_of_its_own_transaction(
    change: dict[str, Any], said: str
) -> None:
    assert code(check_counter, replace(counter(), **change), quote()) == said


def test_a_counter_to_an_earlier_quote_is_too_late() -> None:
    later = quote(quoted_amount=1_200_000, nonce=2)

    assert code(check_counter, counter(), later) == "reply_mismatch"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"in_reply_to": message_hash(quote())}, "acceptance_mismatch"),
        ({"accepted_amount": "800001"}, "acceptance_mismatch"),
        ({"accepted_amount": "799999"}, "acceptance_mismatch"),
        ({"accepted_at": NOW - 301}, "acceptance_mismatch"),
        ({"accepted_at": NOW + 3_601}, "acceptance_mismatch"),
        ({"tx_id": OTHER_TX}, "party_mismatch"),
        ({"provider": did(STRANGER)}, "party_mismatch"),
        ({"consumer": did(STRANGER)}, "party_mismatch"),
    ],
)
def test_attack_1_an_acceptance_is_of_one_counter(change: dict[str, Any], said: str) -> None:
    assert code(check_acceptance, replace(accept(), **change), counter()) == said


@pytest.mark.parametrize("accepted_at", [NOW - 300, NOW, NOW + 3_600])
def test_an_acceptance_lies_in_the_counters_lifetime(accepted_at: int) -> None:
    """9.8: counteredAt - 300 <= acceptedAt <= expiresAt; a signature for ever is none (W20)."""
    check_acceptance(replace(accept(), accepted_at=accepted_at), counter())

    assert accepted_at <= counter().expires_at


def test_a_version_changed_on_the_way_breaks_the_link() -> None:
    """``version`` is not signed, but hashed."""
    assert code(check_acceptance, accept(), replace(counter(), version="1.0.1")) == (
        "acceptance_mismatch"
    )


def test_attack_6_a_later_quote_keeps_the_maximum_of_the_first() -> None:
    first = quote()

    assert code(check_requote, quote(max_price=2_000_001, nonce=2), first) == "requote_mismatch"
    assert code(check_requote, quote(max_price=1_999_999, nonce=2), first) == "requote_mismatch"
    other = quote(tx_id=OTHER_TX, nonce=2)
    assert code(check_requote, other, first) == "party_mismatch"


def test_one_account_in_two_spellings_is_one_party() -> None:
    """1.6: the peer's own parts spell one identity in two ways."""
    shown = make_did(84532, checksummed(SELLER.address))
    accepted = replace(accept(), provider=shown)

    check_acceptance(accepted, counter())

    assert accepted.provider != counter().provider


def test_w8_a_message_for_another_provider_is_not_ours() -> None:
    mine = {"consumer": BUYER.address, "provider": STRANGER.address}

    assert code(check_parties, counter(at_ms=AT_MS), **mine) == "party_mismatch"
