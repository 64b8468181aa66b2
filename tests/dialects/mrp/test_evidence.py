"""Evidence is judged claim by claim, three-valued (4, 8, 12)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.dialects.mrp.made import payload, received
from treaty.core.deal import Claim, Verdict
from treaty.dialects.mrp.codec import read_evidence
from treaty.dialects.mrp.evidence import EVIDENCE_CLAIMS, Asked, Seen, Signed, judge
from treaty.wire.digest import sha256_tag

VERIFIED, FAILED, UNKNOWN = Verdict.VERIFIED, Verdict.FAILED, Verdict.NOT_CHECKABLE
UNSIGNED = Signed(verdict=UNKNOWN, detail="unsigned")
SIGNED = Signed(verdict=VERIFIED, detail="by k")
PAGE = "https://example.com/pricing"
ASKED = Asked(
    msg_id="msg-before",
    route_id="route-us-fast",
    output_format="markdown",
    proofs=("attestation",),
    domains=("example.com",),
)
URI = "https://files.example/x"
BYTES = b"bytes"


def judged(asked: Asked = ASKED, seen: Seen | None = None, **changes: Any) -> dict[str, Claim]:
    envelope = received("EVIDENCE", payload("evidence", **changes))
    claims = judge(asked, envelope, read_evidence(envelope), seen or Seen(signed=UNSIGNED))
    assert tuple(one.name for one in claims) == EVIDENCE_CLAIMS
    return {one.name: one for one in claims}


def provenance(**members: Any) -> dict[str, Any]:
    return {"provenance": {**payload("evidence")["provenance"], **members}}


def artifact(**members: Any) -> dict[str, Any]:
    item = {"type": "artifact", "uri": URI, "hash": sha256_tag(BYTES), "size": len(BYTES)}
    return {"outputs": [{"type": "markdown", "value": "# x"}, {**item, **members}]}


def test_the_seeds_evidence_is_what_it_says() -> None:
    claims = judged()

    assert {name: one.verdict for name, one in claims.items()} == {
        "reply": VERIFIED,
        "format": VERIFIED,
        "attestations": UNKNOWN,
        "citations": VERIFIED,
        "sources": UNKNOWN,
        "artifacts": VERIFIED,
        "signature": UNKNOWN,
    }
    assert "declared, not signed" in claims["attestations"].detail


def test_under_a_signature_an_attestation_is_verified() -> None:
    claims = judged(seen=Seen(signed=SIGNED))

    assert claims["attestations"].verdict is VERIFIED
    assert claims["signature"] == Claim("signature", VERIFIED, "by k")


def test_a_wrong_signature_fails() -> None:
    forged = Signed(verdict=FAILED, detail="forged")

    assert judged(seen=Seen(signed=forged))["signature"].verdict is FAILED


@pytest.mark.parametrize(
    ("claim", "verdict", "changes"),
    [
        # Attestations: missing is false, none required is true.
        ("attestations", FAILED, {"attestations": []}),
        ("attestations", FAILED, {"attestations": ["other"]}),
        ("attestations", UNKNOWN, {"attestations": ["other", "attestation"]}),
        # Citations within the domains, hosts or below them.
        ("citations", VERIFIED, provenance(citations=["http://docs.example.com/x"])),
        ("citations", FAILED, provenance(citations=[PAGE, "https://example.com.evil.example/"])),
        ("citations", FAILED, provenance(citations=["https://notexample.com/"])),
        ("citations", FAILED, provenance(citations=["https://example.com@evil.example/"])),
        ("citations", FAILED, provenance(citations=["https://evil.example/?example.com"])),
        ("citations", FAILED, provenance(citations=["example.com"])),
        ("citations", FAILED, provenance(citations=["file:///etc/passwd"])),
        ("citations", UNKNOWN, provenance(citations=[])),
        # Sources.
        ("sources", UNKNOWN, provenance(source_hashes=[])),
        # Format.
        ("format", FAILED, {"outputs": []}),
        ("format", FAILED, {"outputs": [{"type": "text", "value": "x"}]}),
        ("format", VERIFIED, {"outputs": [
            {"type": "text", "value": "x", "mime": "text/markdown"},
        ]}),
        ("format", VERIFIED, {"outputs": [
            {"type": "json", "value": {}}, {"type": "markdown", "value": ""},
        ]}),
        # The reply is told from others by what it says; saying less is no lie.
        ("reply", UNKNOWN, {"route_id": "another"}),
    ],
)  # fmt: skip
def test_a_claim_is(claim: str, verdict: Verdict, changes: dict[str, Any]) -> None:
    assert judged(**changes)[claim].verdict is verdict


def test_nothing_was_asked_for() -> None:
    claims = judged(Asked(msg_id="msg-before", route_id="route-us-fast"))

    assert claims["attestations"].verdict is VERIFIED
    assert claims["citations"].verdict is VERIFIED
    assert claims["format"].verdict is VERIFIED


def test_another_request_or_no_job_is_not_checkable() -> None:
    assert judged(replace(ASKED, msg_id="msg-other"))["reply"].verdict is UNKNOWN
    assert judged(replace(ASKED, job_id="j"))["reply"].verdict is UNKNOWN
    assert judged(replace(ASKED, job_id="j"), job_id="j")["reply"].verdict is VERIFIED


def sources(**got: bytes | str) -> Seen:
    return Seen(
        signed=UNSIGNED, sources={f"https://example.com/{name}": one for name, one in got.items()}
    )


@pytest.mark.parametrize(
    ("verdict", "seen"),
    [
        (VERIFIED, sources(a=BYTES)),
        (VERIFIED, sources(a=b"other", b=BYTES)),
        (FAILED, sources(a=b"changed")),
        (UNKNOWN, sources(a="cannot be fetched")),
        (UNKNOWN, sources(a=b"changed", b="cannot be fetched")),
        (UNKNOWN, sources()),
        (UNKNOWN, Seen(signed=UNSIGNED)),
    ],
)
def test_sources_agree_with_what_is_there_now(verdict: Verdict, seen: Seen) -> None:
    changes = provenance(source_hashes=[sha256_tag(BYTES)])

    assert judged(seen=seen, **changes)["sources"].verdict is verdict


def test_the_hash_of_what_was_delivered_is_no_hash_of_a_source() -> None:
    changes = {**artifact(), **provenance(source_hashes=[sha256_tag(BYTES)])}
    claim = judged(seen=sources(a=b"the page"), **changes)["sources"]

    assert (claim.verdict, "delivered" in claim.detail) == (UNKNOWN, True)


@pytest.mark.parametrize(
    ("verdict", "got", "members"),
    [
        (VERIFIED, BYTES, {}),
        (VERIFIED, BYTES, {"size": None}),
        (VERIFIED, BYTES, {"hash": sha256_tag(BYTES).upper().replace("SHA256", "sha256")}),
        (FAILED, b"other", {}),
        (FAILED, b"other", {"size": None}),
        (FAILED, BYTES, {"size": 4}),
        (FAILED, BYTES, {"hash": "sha256:deadbeef"}),
        (UNKNOWN, "out of reach", {}),
    ],
)
def test_artifacts_have_their_hash_and_size(
    verdict: Verdict, got: bytes | str, members: dict[str, Any]
) -> None:
    changes = artifact(**members)
    if members.get("size", 0) is None:
        del changes["outputs"][1]["size"]
    seen = Seen(signed=UNSIGNED, artifacts={URI: got})

    assert judged(seen=seen, **changes)["artifacts"].verdict is verdict


def test_an_artifact_nobody_fetched_is_not_checkable() -> None:
    assert judged(**artifact())["artifacts"].verdict is UNKNOWN
