"""Evidence of a delivery: signed with the agreed key, in one of two forms."""

from __future__ import annotations

from typing import Any

import pytest

from tests.identity.signers import ALPHA, BETA
from treaty.errors import SignatureError, TreatyError
from treaty.identity.evidence import check_evidence
from treaty.identity.keys import Ed25519Signer
from treaty.identity.records import seal
from treaty.wire.canonical import canonical
from treaty.wire.encoding import b64url_encode


def routed(signer: Ed25519Signer, **changes: Any) -> dict[str, Any]:
    """An MRP envelope, signed over its bytes without the signature."""
    document: dict[str, Any] = {
        "mrp_version": "0.1",
        "msg_type": "EVIDENCE",
        "payload": {"outputs": [{"type": "markdown", "value": "done"}]},
        "auth": {"type": "signed"},
        **changes,
    }
    value = b64url_encode(signer.sign(canonical(document)))
    signature = {"alg": "EdDSA", "key_id": "k", "value": value}
    return {**document, "auth": {**document["auth"], "signature": signature}}


def test_a_record_of_ours_is_evidence() -> None:
    record = seal("evidence", {"commitmentId": "c", "delivered": True}, BETA)

    check_evidence(record, BETA.key)
    for wrong in ({**record, "delivered": False}, {**record, "more": 1}):
        with pytest.raises(SignatureError):
            check_evidence(wrong, BETA.key)
    with pytest.raises(SignatureError):
        check_evidence(record, ALPHA.key)


def test_a_signed_envelope_of_the_routing_protocol_is_evidence() -> None:
    document = routed(BETA)

    check_evidence(document, BETA.key)
    with pytest.raises(SignatureError):
        check_evidence({**document, "payload": {}}, BETA.key)
    with pytest.raises(SignatureError):
        check_evidence(document, ALPHA.key)


@pytest.mark.parametrize(
    "document",
    [
        None,
        "done",
        {},
        seal("metric", {"a": 1}, BETA),
        routed(BETA, msg_type="OFFER"),
        {**routed(BETA), "auth": {}},
        {**routed(BETA), "auth": None},
        {**routed(BETA), "auth": {"signature": {"alg": "EdDSA", "value": "!"}}},
        {**routed(BETA), "auth": {"signature": {"alg": "ES256", "value": "AA"}}},
        {**routed(BETA), "auth": {"signature": {"alg": "EdDSA", "value": "AA"}}},
    ],
)
def test_other_things_are_none(document: Any) -> None:
    with pytest.raises(TreatyError):
        check_evidence(document, BETA.key)
