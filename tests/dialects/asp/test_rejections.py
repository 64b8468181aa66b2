"""The rejection registry of ASP (section 10.2): codes a REJECT may carry, and a host may answer."""

import pytest

from treaty.dialects.asp.bodies import read_body
from treaty.dialects.asp.messages import Performative
from treaty.errors import REASONS

REGISTRY = {
    "insufficient_trust_score": 403,
    "unauthorized": 403,
    "schema_unsupported": 409,
    "budget_exceeded": 409,
    "capacity_unavailable": 409,
    "policy_violation": 403,
    "timeout": 409,
    "duplicate": 409,
    "escalation_required": 409,
    "unspecified": 409,
}
"""Code -> the status a host answers with when it refuses for this reason itself (B20)."""


@pytest.mark.parametrize(("code", "status"), REGISTRY.items())
def test_every_code_of_the_registry_is_a_reason_with_its_status(code, status):
    assert REASONS[code].status == status


@pytest.mark.parametrize("code", REGISTRY)
def test_a_reject_carries_any_code_of_the_registry(code):
    body = {"referenceId": "prop_1", "code": code, "reason": "because"}

    assert read_body(Performative.REJECT, body).code == code
