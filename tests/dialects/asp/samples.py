"""One complete message per performative: every member the reading knows is there."""

from __future__ import annotations

import json
from typing import Any

from tests.dialects.asp.stage import NO_PROOF, NO_SIGNATURE, SESSION, URIS

TAG = "sha256:" + "ab" * 32
TIME = "2026-03-07T16:00:00.000Z"

BODIES: dict[str, dict[str, Any]] = {
    "PROPOSE": {
        "proposalId": "prop_1",
        "type": "terms",
        "subject": "GPUs",
        "terms": {"price": 3.5},
        "validUntil": TIME,
    },
    "ACCEPT": {
        "referenceId": "prop_1",
        "referenceHash": TAG,
        "acknowledgment": "Yes.",
        "history": True,
        "arbiterSeed": TAG,
    },
    "REJECT": {"referenceId": "prop_1", "code": "budget_exceeded", "reason": "Too dear."},
    "COUNTER": {
        "referenceId": "prop_1",
        "rejectionReason": "Costs are higher.",
        "counterProposalId": "prop_2",
        "subject": "GPUs",
        "terms": {"price": 4},
        "final": True,
        "validUntil": TIME,
    },
    "INFORM": {
        "informType": "progress",
        "subject": "Half way",
        "data": {"percent": 50},
        "references": ["cmt_1"],
    },
    "QUERY": {
        "queryId": "qry_1",
        "queryType": "capability",
        "subject": "GPUs?",
        "parameters": {"minTrustLevel": 3},
    },
    "CLARIFY": {"referenceId": "prop_1", "question": "Per GPU?"},
    "COMMIT": {
        "commitmentId": "cmt_1",
        "type": "resource-allocation",
        "subject": "GPUs",
        "terms": {"total": 180},
        "obligations": {
            "buyer": {
                "party": URIS["alpha"],
                "action": "Pay",
                "deadline": TIME,
                "verificationMethod": "escrow-release",
            },
            "provider": {
                "party": URIS["beta"],
                "action": "Deliver",
                "deadline": TIME,
                "verificationMethod": "metric-query",
                "verification": {"url": "https://m.example/", "op": "ge"},
            },
        },
        "escrow": {
            "amount": 180,
            "currency": "USD",
            "releaseCondition": "obligation-met",
            "payer": URIS["alpha"],
            "payee": URIS["beta"],
            "schedule": {"kind": "milestones"},
            "penaltyBps": 500,
        },
        "proposalId": "prop_1",
        "disputeWindowMs": 3_600_000,
        "arbiterSeed": TAG,
    },
    "DELEGATE": {
        "delegationId": "del_1",
        "targetAgent": URIS["gamma"],
        "scope": "Check the terms",
        "authority": "binding",
        "limits": {"amount": 100},
        "expiresAt": TIME,
        "history": True,
        "protocol": "asp",
    },
    "ESCALATE": {
        "escalationId": "esc_1",
        "reason": "Above my limit",
        "authority": URIS["umpire"],
        "referenceId": "prop_1",
        "options": ["yes", "no"],
    },
    "WITHDRAW": {"referenceId": "prop_1", "reason": "Sold."},
    "OBSERVE": {"subject": "Load", "data": {"load": 0.5}, "references": ["prop_1"]},
    "CLOSE": {
        "reason": "completed",
        "summary": "Done.",
        "outcome": {
            "commitmentsFulfilled": ["cmt_1"],
            "totalTransactionValue": 180,
            "peerRating": 5,
            "chainHead": TAG,
            "messageCount": 13,
        },
    },
}


def sample(performative: str = "PROPOSE", **body: Any) -> dict[str, Any]:
    """A complete envelope; keywords replace members of the body."""
    return {
        "version": "asp/0.1",
        "messageId": "019526a1-8e1a-7000-8000-000000000003",
        "sessionId": SESSION,
        "sequenceNumber": 3,
        "timestamp": "2026-03-07T14:01:00.000Z",
        "sender": {
            "agentId": URIS["alpha"],
            "orgId": "org_acme",
            "trustScore": 49,
            "dpopProof": NO_PROOF,
        },
        "recipient": URIS["beta"],
        "performative": performative,
        "content": {
            "mimeType": "application/asp+json",
            "body": {**json.loads(json.dumps(BODIES[performative])), **body},
        },
        "constraints": {"maxResponseTimeMs": 30_000, "requiredTrustScore": 50.5},
        "integrity": {"hash": TAG, "previousHash": TAG, "signature": NO_SIGNATURE},
    }
