"""MRP over HTTP: the seed's steps, agreements and jobs, and everything a stranger may send."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import pytest

from tests.http.mrp_world import (
    BUYER,
    CHEAP,
    FAILING,
    PAGE,
    PROVIDER,
    SEED_DISCOVER,
    SEED_EXECUTE,
    SEED_NEGOTIATE,
    SUMMARIZE,
    Gate,
    agreement_of,
    broken,
    careful,
    error_of,
    fetch,
    provider,
    shout,
)
from tests.http.nodes import NODE, signer
from tests.simulation.clock import simulated
from treaty.dialects.mrp import codec, signing
from treaty.dialects.mrp.authority import Mode
from treaty.dialects.mrp.choices import Profile
from treaty.dialects.mrp.validation import validate
from treaty.engine.services import OPEN_EACH_MAX
from treaty.http.limits import Settings
from treaty.store.memory import MemoryStore
from treaty.wire.instants import format_instant

SHOUT = {"route_id": "route-shout", "inputs": [{"type": "text", "value": "hello"}]}
WAIT = {"route_id": "route-wait", "inputs": [{"type": "text", "value": "x"}]}


def outputs(answer: Any) -> Any:
    """The outputs of an EVIDENCE."""
    assert answer["msg_type"] == "EVIDENCE", answer
    return answer["payload"]["outputs"]


# The seed, step by step.


@simulated
async def test_the_seeds_discover_is_offered_the_seeds_route() -> None:
    async with provider() as here:
        answer = await here.say("discover", SEED_DISCOVER)

        assert answer["msg_type"] == "OFFER"
        assert answer["payload"]["offers"] == [
            {
                "route_id": "route-us-fast",
                "capability": "summarize",
                "confidence": 0.86,
                "cost": {"unit": "usd", "estimate": 0.018},
                "latency": {"p50": "280ms"},
                "proofs": ["attestation"],
                "policy": ["no_training", "no_pii"],
                "risk": {"data_retention_days": 0, "training_use": "none"},
                "endpoint": "/mrp/execute",
            }
        ]


@simulated
async def test_an_offer_that_misses_is_sent_only_to_who_compares() -> None:
    async with provider(CHEAP) as here:
        without = await here.say("discover", SEED_DISCOVER)
        constraints = {**SEED_DISCOVER["constraints"], "include_unmatched": True}
        compared = await here.say("discover", {**SEED_DISCOVER, "constraints": constraints})

        assert without["payload"]["offers"] == []
        (offer,) = compared["payload"]["offers"]
        assert (offer["route_id"], offer["latency"]) == ("route-global-cheap", {"p50": "520ms"})
        assert offer["risk"] == {"data_retention_days": 14, "training_use": "optional"}


@simulated
async def test_the_seeds_negotiation_is_accepted_and_carried_out_once() -> None:
    async with provider() as here:
        agreed = await here.say("negotiate", SEED_NEGOTIATE)
        agreement = agreement_of(agreed)
        first = await here.say("execute", SEED_EXECUTE, in_reply_to=agreed["msg_id"])
        again = await here.say("execute", SEED_EXECUTE, in_reply_to=agreed["msg_id"])

        assert (agreement["status"], agreement["price"]) == ("accepted", 0.018)
        assert agreement["id"] == agreed["msg_id"]
        assert agreement["expires_at"] == format_instant(here.clock() + 900_000)
        assert agreed["payload"]["constraints"]["allowed_domains"] == ["example.com"]
        assert outputs(first) == [{"type": "markdown", "value": f"# Summary of {PAGE}"}]
        assert first["payload"]["attestations"] == ["attestation"]
        assert first["payload"]["provenance"]["citations"] == [PAGE]
        assert error_of(again) == ("MRP_INVALID_REQUEST", "agreement_used")


@simulated
async def test_evidence_and_agreements_are_signed_with_the_key_the_provider_shows() -> None:
    async with provider() as here:
        (shown,) = (await here.get("/.well-known/mrp-keys.json")).json()["keys"]
        agreed = await here.say("negotiate", SEED_NEGOTIATE)
        evidence = await here.say("execute", SEED_EXECUTE)

        for answer in (agreed, evidence):
            envelope = codec.decode(json.dumps(answer).encode())
            signing.check(envelope, signer(NODE).key)
            assert answer["auth"]["signature"]["key_id"] == shown["kid"]
        assert shown == {**signer(NODE).key.jwk(), "kid": signer(NODE).key.key_id,
                         "use": "sig", "alg": "EdDSA"}  # fmt: skip
        assert answer["sender"]["id"] == f"service:treaty/{shown['kid']}"


@simulated
async def test_hello_says_what_is_spoken_and_nothing_else() -> None:
    async with provider(SUMMARIZE, shout) as here:
        answer = await here.say("hello", {"schemas": ["0.1"], "proofs": ["attestation"]})

        assert (answer["msg_type"], answer["payload"]) == (
            "HELLO",
            {
                "schemas": ["0.1"],
                "proofs": ["attestation"],
                "capabilities": ["summarize", "shout"],
                "manifest_url": "/mrp/manifest",
                "auth_methods": ["none"],
            },
        )


@simulated
async def test_an_answer_names_what_it_answers_and_repeats_the_trace() -> None:
    async with provider() as here:
        trace = {"root": "r-1", "parent": "p-1"}
        asked = here.envelope("DISCOVER", {"intent": "x"}, trace=trace, mrp_version="0.9")
        answer = (await here.send("discover", asked)).json()

        assert (answer["in_reply_to"], answer["receiver"]) == (asked["msg_id"], asked["sender"])
        assert (answer["trace"], answer["mrp_version"]) == (trace, "0.1")
        assert answer["msg_id"] != asked["msg_id"]
        assert answer["sender"] == {"id": PROVIDER}


# Terms.


@pytest.mark.parametrize(
    ("constraints", "proofs", "code", "reasons"),
    [
        ({"max_cost": 0.01}, [], "MRP_BUDGET_EXCEEDED", ["cost_over_cap"]),
        ({"budget": 0.01}, [], "MRP_BUDGET_EXCEEDED", ["cost_over_cap"]),
        ({"policy": ["no_logs"]}, [], "MRP_POLICY_VIOLATION", ["policy_mismatch"]),
        ({"max_latency_ms": 279}, [], "MRP_POLICY_VIOLATION", ["latency_miss"]),
        ({}, ["tee"], "MRP_POLICY_VIOLATION", ["proof_missing"]),
        (
            {"max_cost": 0, "policy": ["no_logs"]},
            ["tee"],
            "MRP_POLICY_VIOLATION",
            ["policy_mismatch", "cost_over_cap", "proof_missing"],
        ),
    ],
)
@simulated
async def test_terms_that_cannot_be_met_are_refused_with_every_reason(
    constraints: dict[str, Any], proofs: list[str], code: str, reasons: list[str]
) -> None:
    async with provider() as here:
        asked = {"route_id": "route-us-fast", "constraints": constraints, "proofs": proofs}
        answer = await here.say("negotiate", asked)

        assert error_of(answer)[0] == code
        told = answer["payload"]["details"]["reasons"]
        assert [one["code"] for one in told] == reasons
        assert all(one.keys() == {"code", "field", "required", "got", "text"} for one in told)


@pytest.mark.parametrize(
    "constraints",
    [{}, {"max_cost": 0.018}, {"max_latency_ms": 280}, {"data_retention_days": 0},
     {"data_residency": "us"}],
)  # fmt: skip
@simulated
async def test_limits_are_inclusive_and_what_is_not_stated_is_not_held_against_us(
    constraints: dict[str, Any],
) -> None:
    async with provider() as here:
        answer = await here.say(
            "negotiate", {"route_id": "route-us-fast", "constraints": constraints}
        )

        assert agreement_of(answer)["status"] == "accepted"


@simulated
async def test_a_price_between_floor_and_cost_is_countered_once_and_then_taken() -> None:
    async with provider(shout) as here:
        asked = {**SHOUT, "constraints": {"max_cost": 0.008}}
        counter = await here.say("negotiate", asked)
        final = await here.say("negotiate", asked, in_reply_to=counter["msg_id"])
        under = await here.say("negotiate", {**SHOUT, "constraints": {"max_cost": 0.0059}})

        assert agreement_of(counter) == {
            "status": "countered",
            "id": counter["msg_id"],
            "expires_at": format_instant(here.clock() + 900_000),
            "price": 0.009,
            "unit": "usd",
        }
        assert counter["payload"]["constraints"]["max_cost"] == 0.009
        assert (agreement_of(final)["status"], agreement_of(final)["price"]) == ("accepted", 0.008)
        assert error_of(under) == ("MRP_BUDGET_EXCEEDED", "cost_above_cap")
        assert "0.006" not in json.dumps([counter, final, under])


@simulated
async def test_a_countered_price_that_is_accepted_is_the_price() -> None:
    async with provider(shout) as here:
        counter = await here.say("negotiate", {**SHOUT, "constraints": {"max_cost": 0.008}})
        raised = {**SHOUT, "constraints": {"max_cost": 0.0095}}
        final = await here.say("negotiate", raised, in_reply_to=counter["msg_id"])
        done = await here.say("execute", SHOUT, in_reply_to=final["msg_id"])

        assert agreement_of(final)["price"] == 0.009
        assert done["payload"]["usage"] == {"amount": 0.009, "currency": "usd"}


@simulated
async def test_a_counter_is_no_agreement() -> None:
    async with provider(shout) as here:
        counter = await here.say("negotiate", {**SHOUT, "constraints": {"max_cost": 0.008}})
        answer = await here.say("execute", SHOUT, in_reply_to=counter["msg_id"])

        assert error_of(answer) == ("MRP_INVALID_REQUEST", "agreement_unknown")


@pytest.mark.parametrize("endpoint", ["negotiate", "execute"])
@simulated
async def test_an_unknown_route_is_refused(endpoint: str) -> None:
    async with provider() as here:
        answer = await here.say(endpoint, {"route_id": "route:mrpd/summarize_url@0.1"})

        assert error_of(answer) == ("MRP_INVALID_REQUEST", "route_unknown")


# Agreements at EXECUTE.


@simulated
async def test_an_agreement_named_by_the_job_binds() -> None:
    async with provider() as here:
        agreed = await here.say("negotiate", SEED_NEGOTIATE)
        named = {**SEED_EXECUTE, "job": {"agreement": agreement_of(agreed)["id"]}}
        first = await here.say("execute", named)
        again = await here.say("execute", named)

        assert outputs(first)
        assert error_of(again) == ("MRP_INVALID_REQUEST", "agreement_used")


@simulated
async def test_the_only_agreement_about_the_same_inputs_is_used_by_who_names_none() -> None:
    async with provider() as here:
        agreed = await here.say("negotiate", SEED_NEGOTIATE)
        await here.say("execute", SEED_EXECUTE)
        named = await here.say("execute", SEED_EXECUTE, in_reply_to=agreed["msg_id"])

        assert error_of(named) == ("MRP_INVALID_REQUEST", "agreement_used")


@simulated
async def test_of_two_agreements_none_is_used_by_who_names_none() -> None:
    async with provider() as here:
        agreed = [await here.say("negotiate", SEED_NEGOTIATE) for _ in range(2)]
        unnamed = await here.say("execute", SEED_EXECUTE)
        named = [
            await here.say("execute", SEED_EXECUTE, in_reply_to=one["msg_id"]) for one in agreed
        ]

        assert [one["msg_type"] for one in (unnamed, *named)] == ["EVIDENCE"] * 3


@simulated
async def test_other_inputs_than_agreed_are_refused() -> None:
    async with provider() as here:
        agreed = await here.say("negotiate", SEED_NEGOTIATE)
        other = {**SEED_EXECUTE, "inputs": [{"type": "url", "value": PAGE + "?all"}]}
        answer = await here.say("execute", other, in_reply_to=agreed["msg_id"])
        right = await here.say("execute", SEED_EXECUTE, in_reply_to=agreed["msg_id"])

        assert error_of(answer) == ("MRP_INVALID_REQUEST", "inputs_mismatch")
        assert outputs(right), "a refused EXECUTE uses nothing up"


@pytest.mark.parametrize(
    ("domain", "url", "is_allowed"),
    [
        ("example.com", "https://example.com/pricing", True),
        ("example.com", "https://www.example.com/pricing", True),
        ("example.com", "https://example.com.evil.test/", False),
        ("example.com", "https://notexample.com/", False),
        ("example.com", "http://127.0.0.1/", False),
    ],
)
@simulated
async def test_only_agreed_domains_are_fetched_from(
    domain: str, url: str, is_allowed: bool
) -> None:
    async with provider() as here:
        inputs = [{"type": "url", "value": url}]
        terms = {"route_id": "route-us-fast", "inputs": inputs}
        agreed = await here.say(
            "negotiate", {**terms, "constraints": {"allowed_domains": [domain]}}
        )
        answer = await here.say("execute", terms, in_reply_to=agreed["msg_id"])

        if is_allowed:
            assert outputs(answer)
        else:
            assert error_of(answer) == ("MRP_POLICY_VIOLATION", "domain_forbidden")


@simulated
async def test_an_agreement_ends_with_its_time() -> None:
    async with provider() as here:
        agreed = await here.say("negotiate", SEED_NEGOTIATE)
        here.clock.now_ms += 900_000
        named = await here.say("execute", SEED_EXECUTE, in_reply_to=agreed["msg_id"])
        await here.do_what_is_due()
        unnamed = await here.say("execute", SEED_EXECUTE)

        assert error_of(named) == ("MRP_INVALID_REQUEST", "agreement_expired")
        assert outputs(unnamed), "without an agreement this route is open to anybody"


@simulated
async def test_a_route_that_needs_an_agreement_says_so_and_gets_one() -> None:
    async with provider(careful) as here:
        work = {"route_id": "route-careful", "inputs": [{"type": "text", "value": "x"}]}
        (offer,) = (await here.say("discover", {"intent": "x"}))["payload"]["offers"]
        without = await here.say("execute", work)
        agreed = await here.say("negotiate", work)
        within = await here.say("execute", work, in_reply_to=agreed["msg_id"])

        assert offer["endpoint"] == "/mrp/negotiate"
        assert error_of(without) == ("MRP_POLICY_VIOLATION", "agreement_required")
        assert outputs(within) == [{"type": "text", "value": "x"}]


@simulated
async def test_an_agreement_belongs_to_the_key_that_made_it() -> None:
    other = signer("agent://other.test/router")
    async with provider(keys=[BUYER.key, other.key]) as here:
        agreed = (await here.send("negotiate", here.signed("NEGOTIATE", SEED_NEGOTIATE))).json()
        named = {"in_reply_to": agreed["msg_id"]}
        theirs = here.signed("EXECUTE", SEED_EXECUTE, other, **named)
        anybody = here.envelope("EXECUTE", SEED_EXECUTE, **named)
        refused = [(await here.send("execute", one)).json() for one in (theirs, anybody)]
        own = await here.send("execute", here.signed("EXECUTE", SEED_EXECUTE, **named))

        assert [error_of(one)[1] for one in refused] == ["agreement_unknown"] * 2
        assert outputs(own.json())


@simulated
async def test_a_later_negotiation_leaves_an_earlier_agreement_alone() -> None:
    async with provider() as here:
        agreed = await here.say("negotiate", SEED_NEGOTIATE)
        widened = {**SEED_NEGOTIATE, "constraints": {"allowed_domains": ["evil.test"]}}
        await here.say("negotiate", widened)
        done = await here.say("execute", SEED_EXECUTE, in_reply_to=agreed["msg_id"])

        assert outputs(done)


# Work.


@simulated
async def test_the_job_has_the_name_its_asker_gives_it() -> None:
    async with provider(shout) as here:
        for name in ("0b0e3d6c-6f8e-4a35-9a4e-6d6e6f6a6b6c", "job_1.x-Y", "a" * 128):
            answer = await here.say("execute", {**SHOUT, "job": {"id": name, "intent": "x"}})
            assert answer["payload"]["job_id"] == name
        unnamed = await here.say("execute", SHOUT)
        assert "job_id" not in unnamed["payload"]


@pytest.mark.parametrize(
    "name",
    ["../../x", "..", ".hidden", "", "a/b", "a\\b", "a b", "ä", "a" * 129, 5, True, ["x"], {}],
)
@simulated
async def test_a_job_id_that_could_not_be_a_file_name_is_refused(name: Any) -> None:
    async with provider(shout) as here:
        answer = await here.say("execute", {**SHOUT, "job": {"id": name}})

        assert error_of(answer) == ("MRP_INVALID_REQUEST", "malformed")


@simulated
async def test_text_is_markdown_where_that_is_asked_for_and_nothing_else_is_invented() -> None:
    async with provider(shout) as here:
        markdown = await here.say("execute", {**SHOUT, "output_format": "markdown"})
        unknown = await here.say("execute", {**SHOUT, "output_format": "pdf"})

        assert outputs(markdown) == [{"type": "markdown", "value": "HELLO!"}]
        assert error_of(unknown) == ("MRP_INVALID_REQUEST", "format_unsupported")


@simulated
async def test_inputs_of_another_type_are_refused() -> None:
    async with provider() as here:
        work = {"route_id": "route-us-fast", "inputs": [{"type": "text", "value": "x"}]}
        answers = [await here.say(one, work) for one in ("negotiate", "execute")]

        assert [error_of(one)[1] for one in answers] == ["input_unsupported"] * 2


@simulated
async def test_work_that_fails_is_an_error_and_tells_nothing_of_the_code() -> None:
    async with provider(broken, FAILING) as here:
        text = [{"type": "text", "value": "x"}]
        crashed = await here.say("execute", {"route_id": "route-broken", "inputs": text})
        refused = await here.say("execute", {"route_id": "route-failing", "inputs": text})

        assert error_of(crashed) == ("MRP_INTERNAL_ERROR", "capability_failed")
        assert "secret" not in json.dumps(crashed)
        assert error_of(refused) == ("MRP_INTERNAL_ERROR", "fetch_failed")
        assert refused["payload"]["message"] == "the page is answered with 404"


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1:1/x", "http://localhost/x", "http://169.254.169.254/latest/meta-data/",
     "http://[::1]/x", "http://0x7f000001/", "http://10.0.0.1/", "file:///etc/passwd",
     "gopher://127.0.0.1/"],
)  # fmt: skip
def test_nobody_is_sent_into_our_network(url: str) -> None:
    async def scene() -> None:
        async with provider(fetch) as here:
            inputs = [{"type": "url", "value": url}]
            answer = await here.say("execute", {"route_id": "route-fetch", "inputs": inputs})

            code, reason = error_of(answer)
            assert reason in ("address_forbidden", "url_invalid", "scheme_forbidden")
            assert code in ("MRP_POLICY_VIOLATION", "MRP_INVALID_REQUEST")

    asyncio.run(scene())


@simulated
async def test_work_that_takes_too_long_is_answered_within_a_minute() -> None:
    gate = Gate()
    async with provider(gate.capability()) as here:
        start_s = asyncio.get_running_loop().time()
        answer = await here.say("execute", WAIT)

        assert error_of(answer)[1] == "timeout"
        assert asyncio.get_running_loop().time() - start_s < 60


@simulated
async def test_a_minute_less_is_enough_for_slow_work() -> None:
    gate = Gate()
    async with provider(gate.capability()) as here:
        working = asyncio.create_task(here.say("execute", WAIT))
        await asyncio.sleep(0)
        asyncio.get_running_loop().call_later(55, gate.opened.set)

        assert outputs(await working) == [{"type": "text", "value": "call 1"}]


# Jobs nobody waits for.


@pytest.mark.parametrize("wish", [{"async": True}, {"mode": "async"}])
@simulated
async def test_who_does_not_wait_looks_again(wish: dict[str, Any]) -> None:
    gate = Gate()
    async with provider(gate.capability()) as here:
        accepted = await here.say("execute", {**WAIT, "job": {"id": "job-1", **wish}})
        running = (await here.get("/mrp/status/job-1")).json()
        gate.opened.set()
        streamed = await here.get("/mrp/stream/job-1")
        done = await here.get(accepted["payload"]["status_url"])
        again = await here.get("/mrp/status/job-1")

        assert (accepted["msg_type"], accepted["payload"]["job_id"]) == ("JOB_ACCEPTED", "job-1")
        assert accepted["payload"]["status"] == "accepted"
        assert (running["msg_type"], running["payload"]) == (
            "JOB_STATUS",
            {"job_id": "job-1", "status": "running"},
        )
        assert done.json()["payload"]["job_id"] == "job-1"
        assert outputs(done.json()) == [{"type": "text", "value": "call 1"}]
        assert again.content == done.content
        (chunk,) = [json.loads(line) for line in streamed.content.splitlines()]
        assert streamed.headers["content-type"] == "application/mrp-batch+json"
        assert chunk["payload"] == {
            "stream_id": "job-1",
            "sequence": 0,
            "final": True,
            "chunk": {"type": "text", "value": "call 1"},
        }
        for one in (accepted, running, done.json(), chunk):
            assert validate(json.dumps(one).encode(), Profile.STRICT) is None


@simulated
async def test_a_name_that_is_taken_is_not_given_to_another_job() -> None:
    gate = Gate()
    gate.opened.set()
    async with provider(gate.capability()) as here:
        work = {**WAIT, "job": {"id": "job-1", "async": True}}
        first = await here.say("execute", work)
        other = await here.say("execute", work, sender={"id": "agent:somebody/else"})

        assert first["payload"]["job_id"] == "job-1"
        assert other["payload"]["job_id"] != "job-1"
        assert other["payload"]["status_url"].endswith(other["payload"]["job_id"])


@pytest.mark.parametrize("as_envelope", [False, True])
@simulated
async def test_a_job_is_canceled(as_envelope: bool) -> None:
    gate = Gate()
    async with provider(gate.capability()) as here:
        await here.say("execute", {**WAIT, "job": {"id": "job-1", "async": True}})
        body: Any = {"job_id": "job-1"}
        asked = here.envelope("JOB_STATUS", body) if as_envelope else body
        answers = [(await here.send("cancel", asked)).json() for _ in range(2)]
        status = (await here.get("/mrp/status/job-1")).json()

        for one in (*answers, status):
            assert one["payload"] == {"job_id": "job-1", "status": "canceled"}


@simulated
async def test_somebody_elses_job_is_not_canceled_by_an_envelope() -> None:
    gate = Gate()
    async with provider(gate.capability()) as here:
        await here.say("execute", {**WAIT, "job": {"id": "job-1", "async": True}})
        asked = here.envelope("JOB_STATUS", {"job_id": "job-1"}, sender={"id": "agent:other"})
        answer = await here.send("cancel", asked)

        assert (answer.status_code, error_of(answer.json())) == (
            404,
            ("MRP_JOB_NOT_FOUND", "job_unknown"),
        )


@pytest.mark.parametrize("path", ["/mrp/status/nobody", "/mrp/stream/nobody", "/mrp/status/..%2fx"])
@simulated
async def test_an_unknown_job_is_not_found(path: str) -> None:
    async with provider() as here:
        answer = await here.get(path)

        assert (answer.status_code, error_of(answer.json())) == (
            404,
            ("MRP_JOB_NOT_FOUND", "job_unknown"),
        )


@simulated
async def test_an_answer_is_forgotten_when_its_time_is_over() -> None:
    async with provider(shout) as here:
        await here.say("execute", {**SHOUT, "job": {"id": "job-1"}})
        before = (await here.get("/mrp/status/job-1")).json()
        here.clock.now_ms += 86_400_000
        await here.do_what_is_due()
        after = (await here.get("/mrp/status/job-1")).json()

        assert outputs(before) == [{"type": "text", "value": "HELLO!"}]
        assert (after["msg_type"], after["payload"]["status"]) == ("JOB_STATUS", "completed")


@simulated
async def test_work_goes_on_after_a_restart_and_terms_hold() -> None:
    store, gate = MemoryStore(), Gate()
    async with provider(gate.capability(), SUMMARIZE, store=store) as here:
        agreed = await here.say("negotiate", SEED_NEGOTIATE)
        await here.say("execute", {**WAIT, "job": {"id": "job-1", "async": True}})
        clock = here.clock
    gate.opened.set()
    async with provider(gate.capability(), SUMMARIZE, store=store, clock=clock) as here:
        await here.get("/mrp/stream/job-1")
        done = (await here.get("/mrp/status/job-1")).json()
        first, again = [
            await here.say("execute", SEED_EXECUTE, in_reply_to=agreed["msg_id"]) for _ in range(2)
        ]

        assert done["payload"]["job_id"] == "job-1"
        assert outputs(done)
        assert outputs(first)
        assert error_of(again)[1] == "agreement_used"


# Repeats.


@pytest.mark.parametrize("endpoint", ["negotiate", "execute"])
@simulated
async def test_the_same_key_and_payload_get_the_same_bytes_and_the_work_is_done_once(
    endpoint: str,
) -> None:
    store, gate = MemoryStore(), Gate()
    gate.opened.set()
    async with provider(gate.capability(), store=store) as here:
        asked = [here.envelope(endpoint.upper(), WAIT, idempotency_key="key-1") for _ in range(2)]
        first = await here.send(endpoint, asked[0])
        again = await here.send(endpoint, asked[1])
        other = here.envelope(endpoint.upper(), {"route_id": "route-wait"}, idempotency_key="key-1")
        conflict = (await here.send(endpoint, other)).json()
        clock = here.clock
    async with provider(gate.capability(), store=store, clock=clock) as here:
        after = await here.send(endpoint, asked[1])

    assert first.content == again.content == after.content
    assert error_of(conflict) == ("MRP_INVALID_REQUEST", "idempotency_conflict")
    assert gate.calls == (1 if endpoint == "execute" else 0)


@simulated
async def test_a_repeat_at_the_same_moment_is_the_same_job() -> None:
    gate = Gate()
    async with provider(gate.capability()) as here:
        asked = [
            here.send("execute", here.envelope("EXECUTE", WAIT, idempotency_key="key-1"))
            for _ in range(8)
        ]
        asyncio.get_running_loop().call_later(5, gate.opened.set)
        answers = await asyncio.gather(*asked)

        assert len({one.content for one in answers}) == 1
        assert gate.calls == 1


@simulated
async def test_an_idempotency_key_is_its_senders_own() -> None:
    async with provider(shout) as here:
        mine = await here.say("execute", SHOUT, idempotency_key="key-1")
        theirs = await here.say(
            "execute", SHOUT, idempotency_key="key-1", sender={"id": "agent:other"}
        )

        assert mine["msg_id"] != theirs["msg_id"]


@simulated
async def test_a_repeat_of_who_does_not_wait_is_told_the_same() -> None:
    gate = Gate()
    async with provider(gate.capability()) as here:
        work = {**WAIT, "job": {"id": "job-1", "async": True}}
        answers = [
            await here.send("execute", here.envelope("EXECUTE", work, idempotency_key="key-1"))
            for _ in range(2)
        ]

        assert answers[0].content == answers[1].content
        assert gate.calls <= 1


# Freshness and proof.


@simulated
async def test_a_nonce_is_good_once_and_what_has_expired_never() -> None:
    async with provider() as here:
        fresh = {"nonce": "n-1", "expires_at": format_instant(here.clock() + 1_000)}
        first = await here.say("discover", {"intent": "x"}, **fresh)
        again = await here.say("discover", {"intent": "x"}, **fresh)
        other = await here.say("discover", {"intent": "x"}, **fresh, sender={"id": "agent:other"})
        expired = await here.say("discover", {"intent": "x"}, expires_at="2020-01-01T00:00:00Z")

        assert (first["msg_type"], other["msg_type"]) == ("OFFER", "OFFER")
        assert error_of(again) == ("MRP_AUTH_REQUIRED", "nonce_reused")
        assert error_of(expired) == ("MRP_AUTH_REQUIRED", "envelope_expired")


@simulated
async def test_an_open_provider_keeps_no_ids_of_messages() -> None:
    async with provider() as here:
        asked = here.envelope("DISCOVER", {"intent": "x"}, timestamp="2025-01-01T00:00:00Z")
        answers = [(await here.send("discover", asked)).json() for _ in range(2)]

        assert [one["msg_type"] for one in answers] == ["OFFER", "OFFER"]


@simulated
async def test_a_signature_that_cannot_hold_is_refused_even_where_none_is_asked_for() -> None:
    async with provider(keys=[BUYER.key]) as here:
        good = here.signed("DISCOVER", {"intent": "x"})
        changed = {**here.signed("DISCOVER", {"intent": "x"}), "payload": {"intent": "y"}}
        unknown = here.signed("DISCOVER", {"intent": "x"}, signer("agent://unknown.test/x"))
        answers = [(await here.send("discover", one)).json() for one in (good, changed, unknown)]

        assert answers[0]["msg_type"] == "OFFER"
        assert error_of(answers[1]) == ("MRP_AUTH_REQUIRED", "signature_invalid")
        assert error_of(answers[2]) == ("MRP_AUTH_REQUIRED", "auth_missing")


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ({"nonce": None}, "freshness_missing"),
        ({"expires_at": None}, "freshness_missing"),
        ({"receiver": None}, "freshness_missing"),
        ({"receiver": {"id": "service:somebody/else"}}, "receiver_mismatch"),
        ({"expires_at": "2999-01-01T00:00:00Z"}, "lifetime_exceeded"),
        ({"expires_at": "2020-01-01T00:00:00Z"}, "envelope_expired"),
        ({"expires_at": "yesterday"}, "malformed"),
    ],
)
@simulated
async def test_who_signs_follows_the_rules_of_signing(members: dict[str, Any], reason: str) -> None:
    async with provider(mode=Mode.SIGNED, keys=[BUYER.key]) as here:
        asked = here.signed("DISCOVER", {"intent": "x"}, **members)

        assert error_of((await here.send("discover", asked)).json())[1] == reason


@simulated
async def test_where_signatures_are_wanted_a_message_is_good_once() -> None:
    store = MemoryStore()
    async with provider(shout, mode=Mode.SIGNED, keys=[BUYER.key], store=store) as here:
        plain = await here.say("discover", {"intent": "x"})
        asked = here.signed("EXECUTE", SHOUT)
        first = (await here.send("execute", asked)).json()
        again = (await here.send("execute", asked)).json()
        same_id = here.signed("EXECUTE", SHOUT, msg_id=asked["msg_id"], nonce="another")
        repeated = (await here.send("execute", same_id)).json()
        clock = here.clock
    async with provider(
        shout, mode=Mode.SIGNED, keys=[BUYER.key], store=store, clock=clock
    ) as here:
        after = (await here.send("execute", asked)).json()

    assert error_of(plain) == ("MRP_AUTH_REQUIRED", "auth_missing")
    assert outputs(first)
    assert error_of(again) == ("MRP_AUTH_REQUIRED", "nonce_reused")
    assert error_of(repeated) == ("MRP_AUTH_REQUIRED", "message_replayed")
    assert error_of(after) == ("MRP_AUTH_REQUIRED", "nonce_reused")


TOKENS = {"token-of-everything": ["mrp:*"], "token-of-discovery": ["mrp:discover"]}


@simulated
async def test_a_token_is_good_for_its_scopes() -> None:
    async with provider(shout, mode=Mode.BEARER, tokens=TOKENS) as here:

        async def tried(endpoint: str, token: str | None) -> Any:
            auth = {} if token is None else {"auth": {"type": "bearer", "token": token}}
            payload = {"intent": "x"} if endpoint == "discover" else SHOUT
            return await here.say(endpoint, payload, **auth)

        assert error_of(await tried("discover", None)) == ("MRP_AUTH_REQUIRED", "auth_missing")
        assert error_of(await tried("discover", "guess")) == ("MRP_AUTH_REQUIRED", "auth_missing")
        assert (await tried("discover", "token-of-discovery"))["msg_type"] == "OFFER"
        denied = await tried("execute", "token-of-discovery")
        assert error_of(denied) == ("MRP_SCOPE_DENIED", "scope_missing")
        assert denied["payload"]["details"]["required_scopes"] == ["mrp:execute"]
        assert outputs(await tried("execute", "token-of-everything"))
        hello = await here.say("hello", {})
        assert hello["payload"]["auth_methods"] == ["bearer"]


@simulated
async def test_jobs_and_uploads_want_the_token_too() -> None:
    async with provider(shout, mode=Mode.BEARER, tokens=TOKENS) as here:
        work = {**SHOUT, "job": {"id": "job-1"}}
        auth = {"type": "bearer", "token": "token-of-everything"}
        await here.say("execute", work, auth=auth)
        without = await here.get("/mrp/status/job-1")
        within = await here.get("/mrp/status/job-1", authorization="Bearer token-of-everything")
        cancel = await here.send("cancel", {"job_id": "job-1"})
        upload = await here.send("artifacts/init", {"size": 1, "hash": "sha256:" + "0" * 64})

        assert (without.status_code, cancel.status_code, upload.status_code) == (401, 401, 401)
        assert outputs(within.json())


# What is no message.


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"nope", 400),
        (b"[]", 400),
        (b"5", 400),
        (b"null", 400),
        (b"[" * 6_000 + b"]" * 6_000, 400),
        (b'{"a":' * 6_000 + b"1" + b"}" * 6_000, 400),
        (b'{"msg_id":"12345678","msg_id":"12345678"}', 400),
        (b'{"payload":NaN,"msg_id":"12345678","sender":{"id":"abc"}}', 400),
        (b'{"msg_id":"\\ud800\\ud800\\ud800\\ud800\\ud800\\ud800\\ud800\\ud800"}', 400),
        (b"\xff\xfe", 400),
        (b'{"x":"' + b"a" * 1_048_576 + b'"}', 413),
    ],
)
@pytest.mark.parametrize("endpoint", ["hello", "discover", "negotiate", "execute"])
@simulated
async def test_what_is_no_json_object_keeps_its_status_and_is_answered_by_an_error(
    endpoint: str, body: bytes, status: int
) -> None:
    async with provider() as here:
        answer = await here.send(endpoint, body)

        assert answer.status_code == status
        assert error_of(answer.json())[0] == "MRP_INVALID_REQUEST"
        assert validate(answer.content) is None


BASE: dict[str, Any] = {
    "mrp_version": "0.1",
    "msg_id": "message-1",
    "msg_type": "DISCOVER",
    "timestamp": "2025-01-01T00:00:00Z",
    "sender": {"id": "agent:test/buyer"},
    "payload": {"intent": "x"},
}


@pytest.mark.parametrize(
    "changes",
    [
        {"sender": "a string"}, {"sender": None}, {"sender": {"id": 5}}, {"sender": {"id": "a"}},
        {"sender": []}, {"receiver": None}, {"receiver": "x"}, {"msg_id": 7}, {"msg_id": "short"},
        {"msg_id": None}, {"msg_type": "NOPE"}, {"msg_type": None}, {"payload": None},
        {"payload": []}, {"payload": {}}, {"payload": {"intent": ""}},
        {"payload": {"intent": 5}}, {"payload": {"intent": "x", "more": 1}},
        {"payload": {"intent": "x", "constraints": {"max_cost": -1}}},
        {"payload": {"intent": "x", "constraints": {"max_latency_ms": 400.5}}},
        {"payload": {"intent": "x", "inputs": [{"type": "file"}]}},
        {"payload": {"intent": "x", "inputs": [5]}},
        {"extra": 1}, {"auth": {"type": "basic"}}, {"auth": "x"}, {"trace": {"other": "x"}},
        {"mrp_version": "1"}, {"nonce": 5}, {"idempotency_key": []}, {"in_reply_to": None},
        {"msg_id": "x" * 257}, {"msg_id": "with\u0000nul"},
    ],
)  # fmt: skip
@simulated
async def test_what_is_no_message_is_an_error_under_200(changes: dict[str, Any]) -> None:
    async with provider() as here:
        answer = await here.send("discover", {**BASE, **changes})

        assert answer.status_code == 200
        if changes == {"msg_id": "with\u0000nul"}:
            assert answer.json()["msg_type"] == "OFFER"
            return
        assert error_of(answer.json())[0] == "MRP_INVALID_REQUEST"
        assert validate(answer.content) is None
        assert answer.json()["msg_id"] != BASE["msg_id"], "an ERROR has an id of its own"


@simulated
async def test_an_error_names_what_it_answers() -> None:
    async with provider() as here:
        answer = (await here.send("discover", {**BASE, "payload": {}})).json()

        assert (answer["in_reply_to"], answer["receiver"]) == ("message-1", BASE["sender"])
        assert answer["payload"]["details"]["caused_by"] == "message-1"
        assert answer["payload"]["retryable"] is False


@pytest.mark.parametrize("version", ["1.0", "2.1", "9.9"])
@simulated
async def test_another_major_version_is_not_spoken(version: str) -> None:
    async with provider() as here:
        answer = await here.send("discover", {**BASE, "mrp_version": version})

        assert error_of(answer.json()) == ("MRP_VERSION_UNSUPPORTED", "version_unsupported")


@pytest.mark.parametrize("endpoint", ["hello", "discover", "negotiate", "execute"])
@pytest.mark.parametrize(
    "msg_type", ["HELLO", "DISCOVER", "OFFER", "NEGOTIATE", "EXECUTE", "EVIDENCE", "ERROR"]
)
@simulated
async def test_a_message_belongs_to_its_endpoint(endpoint: str, msg_type: str) -> None:
    payloads: dict[str, Any] = {
        "HELLO": {},
        "DISCOVER": {"intent": "x"},
        "OFFER": {"offers": []},
        "NEGOTIATE": SEED_NEGOTIATE,
        "EXECUTE": SEED_EXECUTE,
        "EVIDENCE": {"route_id": "x"},
        "ERROR": {"code": "MRP_X", "message": "x", "retryable": False},
    }
    async with provider() as here:
        asked = {**BASE, "msg_type": msg_type, "payload": payloads[msg_type]}
        answer = await here.send(endpoint, asked)

        if msg_type.lower() == endpoint:
            assert answer.json()["msg_type"] != "ERROR"
        else:
            assert error_of(answer.json()) == ("MRP_INVALID_REQUEST", "type_unexpected")


@pytest.mark.parametrize(
    ("media", "is_taken"),
    [
        ("application/mrp+json", True),
        ("APPLICATION/MRP+JSON; charset=utf-8", True),
        ("application/json", True),
        ("application/vnd.x+json", True),
        ("application/mrp-batch+json", True),
        ("text/plain", False),
        ("application/x-www-form-urlencoded", False),
        ("", False),
    ],
)
@simulated
async def test_a_message_says_that_it_is_json(media: str, is_taken: bool) -> None:
    async with provider() as here:
        answer = await here.send("discover", BASE, **{"content-type": media})

        assert answer.status_code == (200 if is_taken else 415)
        if not is_taken:
            assert error_of(answer.json()) == ("MRP_INVALID_REQUEST", "unsupported_media_type")


@pytest.mark.parametrize("path", ["/mrp/discover", "/mrp/execute", "/mrp/cancel"])
@simulated
async def test_another_method_is_told_which_one(path: str) -> None:
    async with provider() as here:
        answer = await here.get(path)

        assert (answer.status_code, answer.headers["allow"]) == (405, "POST, OPTIONS")
        assert error_of(answer.json())[1] == "method_not_allowed"


@pytest.mark.parametrize("path", ["/mrp/discover/", "/mrp/manifest/", "/mrp/none", "/mrp/"])
@simulated
async def test_nothing_is_redirected(path: str) -> None:
    async with provider() as here:
        answer = await here.get(path)

        assert (answer.status_code, error_of(answer.json())[1]) == (404, "not_found")
        assert "location" not in answer.headers


@simulated
async def test_in_strict_mode_an_error_has_its_status() -> None:
    async with provider(profile=Profile.STRICT, mode=Mode.BEARER, tokens=TOKENS) as here:
        auth = {"auth": {"type": "bearer", "token": "token-of-everything"}}
        to = {"receiver": {"id": PROVIDER}, "in_reply_to": "message-0"}
        over = {**SEED_NEGOTIATE, "constraints": {"max_cost": 0}}
        answers = [
            await here.send("discover", BASE),
            await here.send("discover", {**BASE, **auth, "timestamp": "yesterday"}),
            await here.send(
                "negotiate",
                {**BASE, **auth, **to, "msg_type": "NEGOTIATE", "payload": over},
            ),
            await here.send("discover", {**BASE, **auth}),
        ]

        assert [one.status_code for one in answers] == [401, 400, 402, 200]


@simulated
async def test_in_strict_mode_the_end_of_a_job_has_its_status_too() -> None:
    async with provider(FAILING, shout, profile=Profile.STRICT) as here:
        to = {"receiver": {"id": PROVIDER}, "in_reply_to": "message-0"}
        text = [{"type": "text", "value": "x"}]
        answers = [
            await here.send(
                "execute", here.envelope("EXECUTE", {"route_id": route, "inputs": text}, **to)
            )
            for route in ("route-failing", "route-shout")
        ]

        assert [one.status_code for one in answers] == [500, 200]
        assert error_of(answers[0].json())[1] == "fetch_failed"


# Batches and limits.


@simulated
async def test_a_batch_is_answered_in_its_order_and_a_bad_one_spoils_itself() -> None:
    async with provider() as here:
        items: list[Any] = [
            here.envelope("DISCOVER", {"intent": "x"}),
            5,
            here.envelope("EXECUTE", SEED_EXECUTE),
            here.envelope("DISCOVER", {"intent": "y"}),
        ]
        batch = {"content-type": "application/mrp-batch+json"}
        answer = await here.send("discover", items, **batch)
        plain = await here.send("discover", items)
        single = await here.send("discover", items[0], **batch)
        many = await here.send("discover", [items[0]] * 65, **batch)

        assert answer.headers["content-type"] == "application/mrp-batch+json"
        told = answer.json()
        assert [one["msg_type"] for one in told] == ["OFFER", "ERROR", "ERROR", "OFFER"]
        assert [one.get("in_reply_to") for one in told] == [
            items[0]["msg_id"],
            None,
            items[2]["msg_id"],
            items[3]["msg_id"],
        ]
        assert (plain.status_code, many.status_code) == (400, 400)
        assert single.json()["msg_type"] == "OFFER"


@simulated
async def test_a_rate_is_told_and_kept() -> None:
    async with provider(settings=Settings(rate_per_minute=3)) as here:
        answers = [await here.send("discover", BASE) for _ in range(4)]

        told = [one.headers["mrp-ratelimit-remaining"] for one in answers]
        assert told == ["2", "1", "0", "0"]
        assert {one.headers["mrp-ratelimit-limit"] for one in answers} == {"3"}
        last = answers[-1]
        assert (last.status_code, error_of(last.json())) == (
            200,
            ("MRP_RATE_LIMITED", "rate_limited"),
        )
        assert last.json()["payload"]["retryable"] is True
        assert last.json()["payload"]["retry_after_ms"] > 0
        assert int(last.headers["mrp-ratelimit-reset"]) > 0
        assert (await here.get("/mrp/manifest")).status_code == 429


@simulated
async def test_open_jobs_are_bounded_for_one_address() -> None:
    gate = Gate()
    async with provider(gate.capability()) as here:
        work = {**WAIT, "job": {"async": True}}
        answers = [await here.say("execute", work) for _ in range(OPEN_EACH_MAX + 1)]
        renamed = await here.say("execute", work, sender={"id": "agent:other"})
        elsewhere = httpx.ASGITransport(here.app, client=("192.0.2.7", 5))
        async with httpx.AsyncClient(transport=elsewhere, base_url="http://x") as there:
            asked = here.envelope("EXECUTE", work)
            headers = {"content-type": "application/mrp+json"}
            other = await there.post("/mrp/execute", json=asked, headers=headers)

        assert {one["msg_type"] for one in answers[:-1]} == {"JOB_ACCEPTED"}
        assert error_of(answers[-1])[1] == "capacity_unavailable"
        assert answers[-1]["payload"]["retryable"] is True
        assert error_of(renamed)[1] == "capacity_unavailable", "a name opens no other share"
        assert other.json()["msg_type"] == "JOB_ACCEPTED"


@simulated
async def test_many_exchanges_of_the_same_sender_do_not_meet() -> None:
    async with provider() as here:

        async def exchange(number: int) -> Any:
            inputs = [{"type": "url", "value": f"{PAGE}?{number}"}]
            offers = await here.say("discover", {"intent": "x", "inputs": inputs})
            route = offers["payload"]["offers"][0]["route_id"]
            job = {"id": f"job-{number}", "intent": "x"}
            return await here.say("execute", {"route_id": route, "inputs": inputs, "job": job})

        answers = await asyncio.gather(*(exchange(number) for number in range(40)))

        assert [one["payload"]["job_id"] for one in answers] == [f"job-{n}" for n in range(40)]
        assert [one["payload"]["provenance"]["citations"] for one in answers] == [
            [f"{PAGE}?{number}"] for number in range(40)
        ]


@simulated
async def test_a_name_finds_a_job_for_who_gave_it_and_a_key_for_who_knows_it() -> None:
    gate = Gate()
    async with provider(gate.capability()) as here:
        accepted = await here.say("execute", {**WAIT, "job": {"id": "job-1", "async": True}})
        elsewhere = httpx.ASGITransport(here.app, client=("192.0.2.7", 5))
        async with httpx.AsyncClient(transport=elsewhere, base_url="http://x") as other:
            guessed = [
                await other.get("/mrp/status/job-1"),
                await other.get("/mrp/stream/job-1"),
                await other.post("/mrp/cancel", json={"job_id": "job-1"}),
            ]
            known = await other.get(accepted["payload"]["status_url"])
        own = await here.get("/mrp/status/job-1")

        assert [error_of(one.json())[1] for one in guessed] == ["job_unknown"] * 3
        assert known.json()["payload"] == own.json()["payload"]
