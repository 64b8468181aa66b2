"""The trust log over HTTP."""

from __future__ import annotations

from typing import Any

import pytest

from tests.http.nodes import (
    ALPHA,
    BETA,
    NODE,
    OPERATOR,
    SESSION,
    START_MS,
    World,
    encoded,
    operator_record,
    signer,
    world,
)
from tests.simulation.clock import simulated
from treaty.core.deal import Anchor
from treaty.core.log import fact_body
from treaty.core.merkle import leaf_hash, verify_inclusion
from treaty.dialects.asp.choices import SIGNING_PREFIX
from treaty.identity.keys import sign_text
from treaty.identity.records import open_record, seal
from treaty.wire.canonical import canonical
from treaty.wire.digest import ZERO_TAG, sha256_tag
from treaty.wire.instants import format_instant

BETA_COMPONENTS = {
    "IV": 100, "CH": 90, "CF": 95, "BC": 90, "RQ": 92, "SP": 75, "ER": 94, "PE": 68,
}  # fmt: skip


def attestation(**members: Any) -> bytes:
    body = {
        "agent": BETA,
        "by": OPERATOR,
        "components": BETA_COMPONENTS,
        "weight": 200,
        "allowance": 100,
        "at": format_instant(START_MS),
        "until": format_instant(START_MS + 86_400_000),
        "reason": "known for years",
    }
    return operator_record("attestation", {**body, **members})


@simulated
async def test_the_operator_attests() -> None:
    async with world() as here:
        await here.agent(BETA)

        answer = await here.post("/v1/trust/attestations", attestation())

        assert answer.status_code == 201
        assert (answer.json()["score"], answer.json()["attested"]) == (91, True)
        seen = await here.http.get(f"/v1/asp/agents/{encoded(BETA)}/trust")
        assert (seen.json()["score"], seen.json()["level"]) == (91, 4)


@simulated
async def test_an_attestation_sent_again_is_not_recorded_again() -> None:
    async with world() as here:
        await here.agent(BETA)

        first = await here.post("/v1/trust/attestations", attestation())
        again = await here.post("/v1/trust/attestations", attestation())

        assert again.content == first.content
        head = (await here.http.get("/v1/trust/log/head")).json()
        assert head["size"] == 3, "two identities and one attestation"


@simulated
async def test_the_log_is_read_with_proofs_under_a_signed_head() -> None:
    async with world() as here:
        await here.agent(ALPHA)
        await here.agent(BETA)

        found = (await here.http.get("/v1/trust/log?from=1&to=3")).json()

        head = open_record("loghead", found["head"], signer(NODE).key).value
        assert (head["size"], found["next"]) == (3, 3)
        assert [one["record"]["agent"] for one in found["records"]] == [ALPHA, BETA]
        for one in found["records"]:
            open_record("identity", one["record"], signer(NODE).key)
            verify_inclusion(
                leaf_hash(canonical(one["record"])),
                index=one["index"],
                size=3,
                proof=[bytes.fromhex(step) for step in one["proof"]],
                root_hash=bytes.fromhex(head["root"]),
            )


@pytest.mark.parametrize("query", ["?from=0&to=0", "?from=1&to=1", "?from=3", "?from=9000"])
@simulated
async def test_an_empty_range_has_a_head_and_no_records(query: str) -> None:
    async with world() as here:
        await here.agent(ALPHA)

        answer = await here.http.get(f"/v1/trust/log{query}")

        assert (answer.status_code, answer.json()["records"]) == (200, [])
        assert answer.json()["head"]["size"] == 2


@pytest.mark.parametrize("query", ["?from=-1", "?from=2&to=1", "?from=x"])
@simulated
async def test_a_range_is_two_numbers_in_order(query: str) -> None:
    async with world() as here:
        assert (await here.http.get(f"/v1/trust/log{query}")).status_code == 400


@simulated
async def test_the_head_stands_alone_too() -> None:
    async with world() as here:
        head = (await here.http.get("/v1/trust/log/head")).json()

        assert open_record("loghead", head, signer(NODE).key).value["size"] == 1


@simulated
async def test_an_agent_endorses_another() -> None:
    async with world() as here:
        alpha, beta = await here.agent(ALPHA), await here.agent(BETA)
        assert (await here.post("/v1/trust/attestations", attestation())).status_code == 201
        body = {"endorser": BETA, "agent": ALPHA, "at": format_instant(START_MS)}
        record = canonical(seal("endorsement", body, beta.signer))

        answer = await here.post("/v1/trust/endorsements", record)
        again = await here.post("/v1/trust/endorsements", record)

        told = answer.json()
        assert (answer.status_code, told["q"], told["counts"]) == (201, "1", False)
        assert again.json() == told
        weak = {**body, "endorser": ALPHA, "agent": BETA}
        refused = await here.post(
            "/v1/trust/endorsements", canonical(seal("endorsement", weak, alpha.signer))
        )
        assert (refused.status_code, refused.json()["code"]) == (403, "insufficient_trust_score")


@simulated
async def test_a_host_that_signed_two_stories_is_reported() -> None:
    async with world() as here:
        await here.agent(ALPHA)
        entries = [
            seal(
                "fact",
                fact_body(
                    session=SESSION,
                    position=4,
                    at_ms=START_MS,
                    previous_entry=ZERO_TAG,
                    fact=fact,
                    data={},
                ),
                signer(NODE),
            )
            for fact in ("timer", "outage")
        ]
        answer = await here.post(
            "/v1/trust/violations", canonical({"agent": NODE, "entries": entries})
        )
        same = canonical({"agent": NODE, "entries": [entries[0], entries[0]]})
        refused = await here.post("/v1/trust/violations", same)

        assert (answer.status_code, answer.json()["violation"]) == (201, "two-entries")
        assert (refused.status_code, refused.json()["code"]) == (422, "violation_unproven")


# Outcomes of other clearings.

FAR = "agent://far.example/clearing"
HEAD = sha256_tag(b"the last message of a session elsewhere")


def spoken(agent: str) -> dict[str, Any]:
    """A message that an agent signed, by its hash."""
    signature = sign_text(signer(agent), f"{SIGNING_PREFIX}{HEAD}".encode())
    key = signer(agent).key.text
    return {"sender": agent, "publicKey": key, "hash": HEAD, "signature": signature}


def outcome(by: str = FAR, **members: Any) -> bytes:
    """What a clearing reports of a deal that both kept."""
    kept = {"result": "kept", "v": "1", "escrow": "honoured", "number": 1}
    body = {
        "session": SESSION,
        "head": HEAD,
        "commitment": "cmt_1",
        "clearing": FAR,
        "parties": [{**kept, "agent": ALPHA}, {**kept, "agent": BETA}],
        "at": format_instant(START_MS),
        "openedAt": format_instant(START_MS),
        "trust": {"uri": NODE, "keyId": signer(NODE).key.key_id},
        "shown": [spoken(ALPHA), spoken(BETA)],
        **members,
    }
    return canonical(seal("outcome", body, signer(by)))


def list_far(here: World) -> None:
    key = signer(FAR).key
    here.node.outcomes.believe((Anchor(FAR, key.key_id, key.text),))


@simulated
async def test_a_listed_clearing_reports_an_outcome_once() -> None:
    async with world() as here:
        await here.agent(ALPHA)
        await here.agent(BETA)
        list_far(here)

        first = await here.post("/v1/trust/outcomes", outcome())
        again = await here.post("/v1/trust/outcomes", outcome())

        assert (first.status_code, again.status_code) == (201, 200)
        assert first.json() == again.json()
        told = first.json()
        assert told.keys() == {"commitmentId", "index", "record", "scores", "trust"}
        found = (await here.http.get(f"/v1/trust/log?from={told['index']}")).json()
        assert [one["record"] for one in found["records"]] == [told["record"]]
        seen = (await here.http.get("/.well-known/asp.json")).json()
        assert [one["uri"] for one in seen["clearings"]] == [FAR]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"{", 400, "malformed"),
        (b"[]", 400, "malformed"),
        (outcome(clearing="agent://other.example/c"), 403, "clearing_unlisted"),
        (outcome(by=BETA), 401, "signature_invalid"),
        (outcome(trust={"uri": FAR, "keyId": "k"}), 403, "policy_violation"),
        (outcome(at=format_instant(START_MS + 60_001)), 401, "proof_invalid"),
        (outcome(shown=[]), 422, "outcome_unproven"),
        (outcome(head="sha256:" + "0" * 64), 422, "outcome_unproven"),
        (outcome(severity=9), 400, "malformed"),
        (outcome(note="x" * 20_000), 413, "too_large"),
    ],
)
@simulated
async def test_a_report_that_is_refused_has_its_status(body: bytes, status: int, code: str) -> None:
    async with world() as here:
        await here.agent(ALPHA)
        await here.agent(BETA)
        list_far(here)

        answer = await here.post("/v1/trust/outcomes", body)

        assert (answer.status_code, answer.json()["code"]) == (status, code)
        assert (await here.http.get("/v1/trust/log/head")).json()["size"] == 3


@simulated
async def test_another_outcome_of_one_commitment_is_a_conflict() -> None:
    async with world() as here:
        await here.agent(ALPHA)
        list_far(here)
        nobody = await here.post("/v1/trust/outcomes", outcome())
        assert (nobody.status_code, nobody.json()["code"]) == (404, "unknown_agent")
        await here.agent(BETA)
        assert (await here.post("/v1/trust/outcomes", outcome())).status_code == 201

        other = await here.post("/v1/trust/outcomes", outcome(disputed=True))

        assert (other.status_code, other.json()["code"]) == (409, "duplicate")
