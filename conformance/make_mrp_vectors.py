"""Write the MRP fixtures: ``python conformance/make_mrp_vectors.py``.

Deterministic: fixed ids, times and one fixed key. A test makes them again and compares. What each
folder holds stands in ``conformance/vectors/mrp/README.md``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from treaty.dialects.mrp.signing import sign
from treaty.identity.keys import Ed25519Signer

FOLDER: Final = Path(__file__).parent / "vectors" / "mrp"
FIXTURES: Final = FOLDER / "fixtures"
SIGNER: Final = Ed25519Signer(b"\x31" * 32)
AGENT: Final = "agent:acme/router"
SERVICE: Final = "service:acme/summarize"
ARTIFACT: Final = {
    "type": "artifact",
    "uri": "/mrp/artifacts/a1",
    "hash": "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "size": 4,
    "mime": "text/plain",
}

Fixture = dict[str, Any]


def envelope(msg_type: str, payload: Mapping[str, Any], **members: Any) -> Fixture:
    """A message that both profiles take, members replaced; None takes one away."""
    is_asked = msg_type in ("HELLO", "DISCOVER", "NEGOTIATE", "EXECUTE")
    sender, receiver = (AGENT, SERVICE) if is_asked else (SERVICE, AGENT)
    made: Fixture = {
        "mrp_version": "0.1",
        "msg_id": "7b1f7c1e-0000-4000-8000-000000000002",
        "msg_type": msg_type,
        "timestamp": "2026-01-01T00:00:00.000Z",
        "sender": {"id": sender},
        "receiver": {"id": receiver},
        "in_reply_to": "7b1f7c1e-0000-4000-8000-000000000001",
        "payload": dict(payload),
    } | members
    return {name: value for name, value in made.items() if value is not None}


def _seeds() -> dict[str, Fixture]:
    seeds = json.loads((FOLDER / "seed-transcript.json").read_text("utf-8"))
    return {
        f"seed_{number}_{one['name']}": envelope(one["msg_type"], one["payload"])
        for number, one in enumerate(seeds, start=1)
    }


FAILURE: Final = {"code": "MRP_RATE_LIMITED", "message": "wait", "retryable": True}
CHUNK: Final = {
    "stream_id": "stream-1",
    "sequence": 0,
    "final": False,
    "chunk": {"type": "text", "value": "# Pri"},
}
_SIGNED_AT: Final = {"nonce": "n-0001", "expires_at": "2026-01-01T00:05:00.000Z"}


def valid() -> dict[str, Fixture]:
    """What both profiles take."""
    work = {"route_id": "r", "inputs": [{"type": "json", "value": {"path_params": {"id": 5}}}]}
    bearer = {"type": "bearer", "token": "t", "scopes": ["mrp:discover"], "delegation": {}}
    return _seeds() | {
        "discover_least": envelope("DISCOVER", {"intent": "x"}, receiver=None, in_reply_to=None),
        "discover_bearer": envelope("DISCOVER", {"intent": "x"}, auth=bearer),
        "discover_aliases": envelope(
            "DISCOVER", {"intent": "x", "constraints": {"budget": 1, "capability": "c"}}
        ),
        "hello": envelope("HELLO", {"schemas": ["0.1"], "proofs": ["attestation"]}),
        "offer_none": envelope("OFFER", {"offers": [], "page": {"has_more": False}}),
        "offer_generated": envelope(
            "OFFER", {"offers": [{"route_id": "r", "capability": "c", "latency_ms": 0}]}
        ),
        "execute_signed": sign(envelope("EXECUTE", work, **_SIGNED_AT), SIGNER),
        "execute_traced": envelope(
            "EXECUTE", work, trace={"root": "a", "parent": "b"}, idempotency_key="k-1"
        ),
        "evidence_artifact": envelope(
            "EVIDENCE",
            {"route_id": "r", "job_id": "j", "outputs": [ARTIFACT], "usage": {"units": 1}},
        ),
        "evidence_null_value": envelope(
            "EVIDENCE",
            {"route_id": "r", "outputs": [{"type": "json", "value": None, "mime": "a/b"}]},
        ),
        "job_accepted": envelope(
            "JOB_ACCEPTED",
            {"job_id": "job-1", "status": "accepted", "status_url": "/mrp/status/job-1"},
        ),
        "job_status": envelope(
            "JOB_STATUS", {"job_id": "job-1", "status": "running", "progress": 0.5}
        ),
        "stream_chunk": envelope("STREAM_CHUNK", CHUNK),
        "error": envelope(
            "ERROR", {**FAILURE, "retry_after_ms": 5000, "details": {"caused_by": "x"}}
        ),
    }


def _discover(**members: Any) -> Fixture:
    return envelope("DISCOVER", {"intent": "x", **members})


def _evidence(item: Any) -> Fixture:
    return envelope("EVIDENCE", {"route_id": "r", "outputs": [item]})


def invalid() -> dict[str, Fixture]:
    """What neither takes."""
    least = {"intent": "x"}
    return {
        "version_without_dot": envelope("DISCOVER", least, mrp_version="1"),
        "msg_id_short": envelope("DISCOVER", least, msg_id="abc"),
        "msg_id_missing": envelope("DISCOVER", least, msg_id=None),
        "msg_type_unknown": envelope("NOPE", least),
        "sender_a_string": envelope("DISCOVER", least, sender="agent:x"),
        "sender_short": envelope("DISCOVER", least, sender={"id": "a"}),
        "receiver_null": envelope("DISCOVER", least) | {"receiver": None},
        "in_reply_to_null": envelope("EXECUTE", {"route_id": "r"}) | {"in_reply_to": None},
        "member_unknown": envelope("DISCOVER", least, extra=1),
        "auth_type_unknown": envelope("DISCOVER", least, auth={"type": "basic"}),
        "signature_incomplete": envelope(
            "DISCOVER", least, auth={"type": "signed", "signature": {"alg": "EdDSA"}}
        ),
        "payload_a_list": envelope("DISCOVER", least) | {"payload": []},
        "discover_without_intent": envelope("DISCOVER", {}),
        "discover_empty_intent": envelope("DISCOVER", {"intent": ""}),
        "discover_member_unknown": _discover(capability="c"),
        "discover_cost_negative": _discover(constraints={"max_cost": -1}),
        "discover_latency_fraction": _discover(constraints={"max_latency_ms": 400.5}),
        "discover_input_file": _discover(inputs=[{"type": "file", "value": "x"}]),
        "discover_hash_md5": _discover(inputs=[{**ARTIFACT, "hash": "md5:0"}]),
        "offer_without_route": envelope("OFFER", {"offers": [{"capability": "c"}]}),
        "offer_confidence_high": envelope(
            "OFFER", {"offers": [{"route_id": "r", "capability": "c", "confidence": 1.5}]}
        ),
        "negotiate_accepted": envelope("NEGOTIATE", {"route_id": "r", "accepted": True}),
        "negotiate_delegation": envelope("NEGOTIATE", {"route_id": "r", "delegation": {}}),
        "evidence_without_value": _evidence({"type": "markdown"}),
        "evidence_artifact_with_value": _evidence({**ARTIFACT, "value": "x"}),
        "evidence_job_null": envelope("EVIDENCE", {"route_id": "r", "job_id": None}),
        "error_code_bad": envelope("ERROR", {**FAILURE, "code": "bad"}),
        "error_without_code": envelope("ERROR", {"message": "m", "retryable": False}),
    }


def compat_only() -> dict[str, Fixture]:
    """What mrpd takes and the newer schemas do not."""
    return {
        "timestamp_words": envelope("DISCOVER", {"intent": "x"}, timestamp="yesterday"),
        "version_other_major": envelope("DISCOVER", {"intent": "x"}, mrp_version="9.9"),
        "execute_without_in_reply_to": envelope("EXECUTE", {"route_id": "r"}, in_reply_to=None),
        "offer_without_receiver": envelope("OFFER", {"offers": []}, receiver=None),
        "evidence_without_in_reply_to": envelope("EVIDENCE", {"route_id": "r"}, in_reply_to=None),
        "hello_ok": envelope("HELLO", {"ok": True, "schemas": ["0.1"]}),
        "job_accepted_estimate": envelope(
            "JOB_ACCEPTED",
            {"job_id": "job-1", "status": "a", "status_url": "/s", "estimated_ms": 1},
        ),
        "stream_chunk_negative": envelope("STREAM_CHUNK", {**CHUNK, "sequence": -1}),
    }


def strict_only() -> dict[str, Fixture]:
    """What the newer schemas take and mrpd does not."""
    return {"error_caused_by": envelope("ERROR", {**FAILURE, "caused_by": "7b1f7c1e-0001"})}


GROUPS: Final = {
    "valid": valid,
    "invalid": invalid,
    "compat_only": compat_only,
    "strict_only": strict_only,
}


def main() -> None:
    """Write every fixture as a file of its own."""
    for group, make in GROUPS.items():
        folder = FIXTURES / group
        folder.mkdir(parents=True, exist_ok=True)
        for old in folder.glob("*.json"):
            old.unlink()
        for name, fixture in make().items():
            text = json.dumps(fixture, indent=2, ensure_ascii=False)
            (folder / f"{name}.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
