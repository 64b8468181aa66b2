"""The codes and statuses that other programs rely on."""

from __future__ import annotations

import pytest

from treaty.dialects.mrp import choices
from treaty.errors import REASONS, Reason

# reason: its status, the code of the ERROR envelope, the HTTP status in strict mode
ROWS = {
    "type_unexpected": (400, "MRP_INVALID_REQUEST", 400),
    "receiver_mismatch": (400, "MRP_INVALID_REQUEST", 400),
    "nonce_reused": (401, "MRP_AUTH_REQUIRED", 401),
    "message_replayed": (401, "MRP_AUTH_REQUIRED", 401),
    "envelope_expired": (401, "MRP_AUTH_REQUIRED", 401),
    "lifetime_exceeded": (401, "MRP_AUTH_REQUIRED", 401),
    "freshness_missing": (401, "MRP_AUTH_REQUIRED", 401),
    "auth_missing": (401, "MRP_AUTH_REQUIRED", 401),
    "scope_missing": (403, "MRP_SCOPE_DENIED", 403),
    "idempotency_conflict": (409, "MRP_INVALID_REQUEST", 400),
    "route_unknown": (404, "MRP_INVALID_REQUEST", 400),
    "job_unknown": (404, "MRP_JOB_NOT_FOUND", 404),
    "agreement_unknown": (404, "MRP_INVALID_REQUEST", 400),
    "agreement_required": (403, "MRP_POLICY_VIOLATION", 403),
    "agreement_used": (409, "MRP_INVALID_REQUEST", 400),
    "agreement_expired": (410, "MRP_INVALID_REQUEST", 400),
    "inputs_mismatch": (409, "MRP_INVALID_REQUEST", 400),
    "format_unsupported": (422, "MRP_INVALID_REQUEST", 400),
    "cost_above_cap": (402, "MRP_BUDGET_EXCEEDED", 402),
}
HOUSE = {
    "malformed": "MRP_INVALID_REQUEST",
    "too_large": "MRP_INVALID_REQUEST",
    "input_unsupported": "MRP_INVALID_REQUEST",
    "version_unsupported": "MRP_VERSION_UNSUPPORTED",
    "signature_invalid": "MRP_AUTH_REQUIRED",
    "unauthorized": "MRP_POLICY_VIOLATION",
    "domain_forbidden": "MRP_POLICY_VIOLATION",
    "rate_limited": "MRP_RATE_LIMITED",
    "overloaded": "MRP_RATE_LIMITED",
    "escrow_unfunded": "MRP_PAYMENT_REQUIRED",
    "internal": "MRP_INTERNAL_ERROR",
}


def _reasons() -> dict[str, Reason]:
    found = [one for one in vars(choices).values() if isinstance(one, Reason)]
    return {reason.code: reason for reason in found}


@pytest.mark.parametrize("code", ROWS)
def test_a_reason_has_its_code_and_statuses(code: str) -> None:
    status, said, strict = ROWS[code]
    reason = _reasons()[code]

    assert (reason.status, choices.error_code(reason)) == (status, said)
    assert choices.STATUSES[said] == strict


def test_no_reason_shadows_one_of_the_house() -> None:
    assert all(REASONS.get(code, one) is one for code, one in _reasons().items())
    assert not {code for code, one in _reasons().items() if one.transient}


@pytest.mark.parametrize("code", HOUSE)
def test_the_reasons_of_the_house_have_a_code_too(code: str) -> None:
    assert choices.error_code(REASONS[code]) == HOUSE[code]


def test_every_reason_is_said_with_a_known_code() -> None:
    assert {choices.error_code(one) for one in (*REASONS.values(), *_reasons().values())} <= set(
        choices.STATUSES
    )
