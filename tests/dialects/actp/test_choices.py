"""The constants and statuses that other programs rely on."""

from __future__ import annotations

from treaty.dialects.actp import choices
from treaty.errors import REASONS, Reason

STATUSES = {
    "message_type_unsupported": 400,
    "path_mismatch": 400,
    "chain_unsupported": 400,
    "party_mismatch": 403,
    "reply_mismatch": 409,
    "acceptance_mismatch": 409,
    "requote_mismatch": 409,
    "nonce_conflict": 409,
    "message_expired": 410,
    "schema_invalid": 422,
    "signature_malformed": 422,
    "did_invalid": 422,
    "did_chain_mismatch": 422,
    "same_party": 422,
    "justification_too_large": 422,
    "amount_below_minimum": 422,
    "amount_above_maximum": 422,
    "counter_not_below_quote": 422,
    "above_max_price": 422,
    "quote_below_original": 422,
    "expiry_before_creation": 422,
    "ttl_exceeded": 422,
    "created_in_future": 422,
    "offer_expired": 422,
    "request_stale": 422,
    "quote_declined": 422,
    "negotiations_full": 503,
}


def _reasons() -> dict[str, Reason]:
    found = [one for one in vars(choices).values() if isinstance(one, Reason)]
    return {reason.code: reason for reason in found}


def test_each_reason_has_the_peers_status() -> None:
    stated = {code: status for code, status in STATUSES.items() if code in _reasons()}

    assert stated == STATUSES
    assert all(_reasons()[code].status == status for code, status in STATUSES.items())


def test_only_a_full_house_is_worth_asking_again() -> None:
    transient = {code for code in STATUSES if _reasons()[code].transient}

    assert transient == {"negotiations_full"}


def test_no_reason_shadows_one_of_the_house() -> None:
    assert not _reasons().keys() & REASONS.keys()


def test_the_limits_are_those_of_the_protocol() -> None:
    assert (choices.AMOUNT_LEAST, choices.AMOUNT_MOST) == (50_000, 10**15)
    assert (choices.TTL_DEFAULT_S, choices.TTL_MOST_S) == (3_600, 86_400)
    assert (choices.SKEW_S, choices.GRACE_S) == (300, 30)
    assert choices.BODY_BYTES_MAX == 64 * 1024
    assert choices.JUSTIFICATION_BYTES_MAX == 2_048
