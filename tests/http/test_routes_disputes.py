"""Disputes over HTTP: who may file, show, rule and read, with which status."""

from __future__ import annotations

import json
from typing import Any

from tests.http.nodes import (
    ALPHA,
    BETA,
    OPERATOR,
    SESSION,
    Agent,
    World,
    introduced,
    signer,
    world,
)
from tests.simulation.clock import simulated
from treaty.identity.disputes import make_evidence, make_filing, make_finding
from treaty.identity.records import seal
from treaty.wire.canonical import canonical
from treaty.wire.money import Money

DISPUTES = "/v1/asp/disputes"


async def claimed(here: World) -> tuple[Agent, Agent]:
    """A commitment of 180 dollars that Beta says it has kept."""
    await here.fund(ALPHA, "500.00")
    chain, alpha, beta = await introduced(here)
    await here.say(
        chain.said(chain.observation(alpha)),
        chain.said(chain.commitment(alpha)),
        chain.said(chain.next(beta, "ACCEPT", {"referenceId": "cmt_1"})),
    )
    done = {"commitmentId": "cmt_1", "status": "fulfilled"}
    body = {"informType": "result", "subject": "Done", "data": done}
    await here.say(chain.said(chain.next(beta, "INFORM", body)))
    return alpha, beta


def filing(here: World, **more: Any) -> bytes:
    facts = {
        "dispute": "dsp 1" if more.pop("blank", False) else "dsp/1",
        "session": SESSION,
        "commitment": "cmt_1",
        "filer": ALPHA,
        "against": BETA,
        "reason": "specification-mismatch",
        "at_ms": here.clock(),
        **more,
    }
    return canonical(make_filing(signer(ALPHA), **facts))


def rest(here: World, uri: str) -> bytes:
    record = make_evidence(
        signer(uri),
        dispute="dsp/1",
        by=uri,
        statement="See the log.",
        at_ms=here.clock(),
        last=True,
    )
    return canonical(record)


def finding(here: World, kind: str, by: str, cents: int) -> bytes:
    record = make_finding(
        kind, signer(by), dispute="dsp/1", by=by, to_payee=Money(cents, "USD"), at_ms=here.clock()
    )
    return canonical(record)


@simulated
async def test_a_dispute_from_its_filing_to_its_ruling() -> None:
    async with world() as here:
        alpha, beta = await claimed(here)
        filed = await here.post(DISPUTES, filing(here))
        assert filed.status_code == 201, filed.text
        assert filed.json()["phase"] == "EVIDENCE"
        again = await here.post(DISPUTES, filing(here))
        assert again.status_code == 200

        path = f"{DISPUTES}/dsp%2F1"
        assert (await here.post(f"{path}/ruling", finding(here, "ruling", OPERATOR, 0))).json()[
            "code"
        ] == "transition_invalid"
        for uri in (ALPHA, BETA):
            shown = await here.post(f"{path}/evidence", rest(here, uri))
            assert shown.status_code == 201, shown.text
        wrong = await here.post(f"{path}/ruling", finding(here, "ruling", ALPHA, 0))
        assert (wrong.status_code, wrong.json()["code"]) == (401, "signature_invalid")
        ruled = await here.post(f"{path}/ruling", finding(here, "ruling", OPERATOR, 4_501))
        assert ruled.status_code == 201, ruled.text
        assert ruled.json()["ruling"]["toPayee"] == {"amount": "45.01", "currency": "USD"}

        for agent in (alpha, beta):
            seen = await here.read(agent, path)
            assert (seen.status_code, seen.json()["phase"]) == (200, "RULED")
        assert (await here.view(alpha))["commitments"][0]["state"] == "RESOLVED"


@simulated
async def test_another_record_with_the_hash_of_one_that_was_taken_is_no_repeat() -> None:
    async with world() as here:
        await claimed(here)
        path = f"{DISPUTES}/dsp%2F1"
        taken = [(DISPUTES, filing(here)), (f"{path}/evidence", rest(here, ALPHA))]
        for place, record in taken:
            assert (await here.post(place, record)).status_code == 201
        for place, record in taken:
            changed = canonical({**json.loads(record), "reason": "something else"})
            answer = await here.post(place, changed)
            assert (answer.status_code, answer.json()["code"]) == (401, "hash_mismatch")
            assert (await here.post(place, record)).status_code == 200


@simulated
async def test_nobody_else_learns_of_it() -> None:
    async with world() as here:
        await claimed(here)
        await here.post(DISPUTES, filing(here))
        carol = await here.agent("agent://elsewhere.example/carol")

        seen = await here.read(carol, f"{DISPUTES}/dsp%2F1")
        none = await here.read(carol, f"{DISPUTES}/dsp%2F2")
        assert (seen.status_code, seen.json()["code"]) == (404, "reference_unknown")
        assert seen.json()["detail"] == none.json()["detail"]
        vote = await here.post(f"{DISPUTES}/dsp%2F1/votes", finding(here, "vote", carol.uri, 0))
        assert (vote.status_code, vote.json()["code"]) == (403, "unauthorized")
        unproven = await here.http.get(f"{DISPUTES}/dsp%2F1")
        assert unproven.status_code == 401


@simulated
async def test_what_is_no_record_is_refused() -> None:
    async with world() as here:
        await claimed(here)
        for body, status in ((b"{}", 400), (b"[]", 400), (b"{", 400), (b"x" * 40_000, 413)):
            answer = await here.post(DISPUTES, body)
            assert answer.status_code == status, answer.text
        wrong = await here.post(f"{DISPUTES}/a%20b/evidence", rest(here, ALPHA))
        assert (wrong.status_code, wrong.json()["code"]) == (400, "malformed")
        other = await here.post(f"{DISPUTES}/other/evidence", rest(here, ALPHA))
        assert (other.status_code, other.json()["code"]) == (400, "malformed")
        for bad in ({"blank": True}, {"severity": 6}, {"severity": 0}):
            answer = await here.post(DISPUTES, filing(here, **bad))
            assert (answer.status_code, answer.json()["code"]) == (400, "malformed")


@simulated
async def test_evidence_says_what_it_shows() -> None:
    async with world() as here:
        await claimed(here)
        assert (await here.post(DISPUTES, filing(here, severity=5))).status_code == 201
        for statement in (None, 5, "", "  "):
            body = {"disputeId": "dsp/1", "by": ALPHA, "statement": statement, "last": True}
            record = canonical(seal("evidence", body, signer(ALPHA)))
            answer = await here.post(f"{DISPUTES}/dsp%2F1/evidence", record)
            assert (answer.status_code, answer.json()["code"]) == (400, "malformed")
        assert (
            await here.post(f"{DISPUTES}/dsp%2F1/evidence", rest(here, ALPHA))
        ).status_code == 201
