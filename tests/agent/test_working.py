"""The chosen provider at work: what is said to it, what ends it, what is written down first."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest

from tests.agent.routed import BARE, SEED_WISH, order, router
from tests.agent.stalls import Reply, Stall, evidence, open_stalls, reply_to, seed_stall
from tests.dialects.mrp.made import SEED, raw
from treaty.agent import working
from treaty.agent.decisions import Decision
from treaty.agent.working import Done
from treaty.dialects.mrp.choices import Profile
from treaty.dialects.mrp.codec import compose
from treaty.dialects.mrp.keysets import write_keys
from treaty.dialects.mrp.signing import sign
from treaty.dialects.mrp.validation import validate
from treaty.identity.keys import Ed25519Signer
from treaty.store.memory import MemoryStore

SIGNER = Ed25519Signer(b"\x07" * 32)
KEYS = "/.well-known/mrp-keys.json"


async def ran(*stalls: Stall, **members: Any) -> tuple[Done, Decision]:
    async with router() as one:
        outcome = await one.run(order(*stalls, **members))
        assert outcome.done is not None
        return outcome.done, await one.decisions.read(outcome.decision_id)


def run(stall: Stall, **members: Any) -> tuple[Done, Decision]:
    with open_stalls(stall):
        return asyncio.run(ran(stall, **members))


def test_the_seeds_exchange_is_said_as_in_the_seed() -> None:
    a, b = seed_stall("a"), seed_stall("b")
    with open_stalls(a, b):
        done, kept = asyncio.run(ran(a, b))

    assert [path for path, _ in a.came] == ["/mrp/discover", "/mrp/negotiate", "/mrp/execute"]
    assert [path for path, _ in b.came] == ["/mrp/discover"]
    for (_, message), name in zip(a.came, ("discover", "negotiate", "execute"), strict=True):
        said = dict(message["payload"])
        said.pop("job", None)
        said.get("constraints", {}).pop("include_unmatched", None)
        assert said == SEED[name]["payload"]
        assert validate(raw(message), Profile.COMPAT) is None
        assert validate(raw(message), Profile.STRICT) is None
    assert done.is_good
    assert kept.record["status"] == "done"
    assert kept.record["evidence_msg_id"] == done.envelope.msg_id if done.envelope else ""


def test_execute_names_the_agreement_and_what_it_answers() -> None:
    a = seed_stall("a")
    _, kept = run(a)
    (said,) = a.said("EXECUTE")
    agreed = json.loads(kept.messages[3].raw)

    assert agreed["msg_type"] == "NEGOTIATE"
    assert said["in_reply_to"] == agreed["msg_id"]
    assert said["receiver"] == {"id": "service:a"}
    assert said["payload"]["job"]["agreement"] == "agreement-1"
    assert said["idempotency_key"] == said["payload"]["job"]["id"]
    assert kept.record["negotiation"]["status"] == "accepted"


def test_an_offer_that_leads_to_execute_is_not_negotiated() -> None:
    a = seed_stall("a")
    a.offers[0]["endpoint"] = "/mrp/execute"
    done, kept = run(a)

    assert a.said("NEGOTIATE") == []
    assert done.is_good
    assert kept.record["negotiation"]["status"] == "skipped"
    assert a.said("EXECUTE")[0]["in_reply_to"] == json.loads(kept.messages[1].raw)["msg_id"]


UNSUPPORTED = [
    {"accepted": False, "reason": "not implemented"},
    Reply(b'{"detail":"Not Found"}', 404),
    Reply(b"", 405),
]


@pytest.mark.parametrize("answer", UNSUPPORTED)
def test_without_negotiation_the_work_goes_on_unless_it_is_required(answer: Any) -> None:
    a = seed_stall("a", answers={"/mrp/negotiate": answer})
    done, _ = run(a)
    strict, kept = run(
        b := seed_stall("a", answers={"/mrp/negotiate": answer}), needs_agreement=True
    )

    assert done.is_good
    assert strict.status == "stopped"
    assert "unsupported" in strict.detail
    assert b.said("EXECUTE") == []
    assert (kept.record["status"], kept.record["evidence_msg_id"]) == ("stopped", None)


@pytest.mark.parametrize(
    "members",
    [
        {"needs_agreement": True},
        {"wish": replace(SEED_WISH, allowed_domains=("example.com",))},
    ],
)
def test_what_only_an_agreement_binds_is_asked_for_whatever_the_offer_says(
    members: dict[str, Any],
) -> None:
    a = seed_stall("a")
    a.offers[0]["endpoint"] = "/mrp/execute"
    done, _ = run(a, **members)

    assert len(a.said("NEGOTIATE")) == 1
    assert done.is_good


def test_a_manifest_without_a_place_for_it_is_unsupported() -> None:
    endpoints = {"discover": "/mrp/discover", "execute": "/mrp/execute"}
    done, _ = run(seed_stall("a", manifest={"endpoints": endpoints}))
    strict, _ = run(seed_stall("a", manifest={"endpoints": endpoints}), needs_agreement=True)

    assert done.is_good
    assert strict.status == "stopped"


def refused(stall: Stall, request: dict[str, Any]) -> dict[str, Any]:
    reasons = [{"code": "domain_refused", "text": "example.com is not fetched"}]
    payload = {"code": "MRP_POLICY_VIOLATION", "message": "no", "retryable": False}
    return reply_to(stall, request, "ERROR", {**payload, "details": {"reasons": reasons}})


@pytest.mark.parametrize(
    "answer",
    [
        refused,
        {"accepted": False, "reason": "too busy"},
        Reply(b"Internal Server Error", 500),
        {"route_id": "route-us-fast", "constraints": {"agreement": {"price": 5}}},
    ],
)
def test_a_refusal_ends_it_before_any_work(answer: Any) -> None:
    a = seed_stall("a", answers={"/mrp/negotiate": answer})
    done, kept = run(a)

    assert (done.status, done.is_good) == ("stopped", False)
    assert a.said("EXECUTE") == []
    assert kept.record["negotiation"]["status"] == "refused"


def test_a_counter_within_the_wish_is_taken_up() -> None:
    def counter(stall: Stall, request: dict[str, Any]) -> dict[str, Any]:
        asked = request["payload"]
        first = len(stall.said("NEGOTIATE")) == 1
        status = "countered" if first else "accepted"
        agreement = {"status": status, "id": "a-2", "price": 0.019}
        return {
            "route_id": asked["route_id"],
            "constraints": {**asked["constraints"], "max_cost": 0.019, "agreement": agreement},
        }

    a = seed_stall("a", answers={"/mrp/negotiate": counter})
    done, kept = run(a)
    first, second = a.said("NEGOTIATE")

    assert done.is_good
    assert second["payload"]["constraints"]["max_cost"] == 0.019
    assert kept.record["negotiation"]["price"] == "0.019"
    assert "agreement" not in second["payload"]["constraints"]
    assert second["msg_id"] != first["msg_id"]
    assert second["in_reply_to"] == json.loads(kept.messages[3].raw)["msg_id"]


def test_to_a_counter_beyond_the_wish_our_own_terms_are_put_again() -> None:
    def counter(stall: Stall, request: dict[str, Any]) -> dict[str, Any]:
        asked = request["payload"]
        first = len(stall.said("NEGOTIATE")) == 1
        agreement = {"status": "countered", "price": 0.03} if first else {"price": 0.02}
        return {
            "route_id": asked["route_id"],
            "constraints": {**asked["constraints"], "agreement": agreement},
        }

    a = seed_stall("a", answers={"/mrp/negotiate": counter})
    done, _ = run(a)
    first, second = a.said("NEGOTIATE")

    assert done.is_good
    assert first["payload"] == second["payload"]


def test_endless_counters_end() -> None:
    agreement = {"status": "countered", "price": 0.019}
    answer = {"route_id": "route-us-fast", "constraints": {"agreement": agreement}}
    a = seed_stall("a", answers={"/mrp/negotiate": answer})
    done, _ = run(a)

    assert done.status == "stopped"
    assert len(a.said("NEGOTIATE")) == 2


def mrpd_error(stall: Stall, request: dict[str, Any]) -> dict[str, Any]:
    """As mrpd makes it: with the request's own id and time, a report as its message."""
    payload = {"code": "MRP_INTERNAL_ERROR", "message": "404\nfor url", "retryable": False}
    whole = reply_to(stall, request, "ERROR", payload)
    return {**whole, "msg_id": request["msg_id"], "timestamp": request["timestamp"]}


@pytest.mark.parametrize(
    "answer",
    [
        mrpd_error,
        lambda stall, request: reply_to(stall, request, "ERROR", {"code": "MRP_NOT_IMPLEMENTED"}),
        lambda stall, request: reply_to(stall, request, "OFFER", {"offers": []}),
        lambda stall, request: reply_to(stall, request, "JOB_ACCEPTED", {"job_id": "j"}),
        Reply(b'{"detail":[{"loc":["body"]}]}', 422),
        Reply(b'{"detail":"x"}', 400),
        Reply(b"Internal Server Error", 500),
        Reply(b"", 307, {"location": "/elsewhere"}),
        Reply(b""),
        {"outputs": 5},
        {"route_id": "route-us-fast", "outputs": [{"type": "html", "value": ""}]},
    ],
)
def test_what_is_no_evidence_fails_and_leaves_none(answer: Any) -> None:
    a = seed_stall("a", answers={"/mrp/execute": answer})
    done, kept = run(a)

    assert (done.status, done.is_good, done.evidence) == ("failed", False, None)
    assert done.detail
    assert "\n" not in done.detail
    assert kept.record["status"] == "failed"
    assert kept.record["evidence_msg_id"] is None
    assert "claims" not in kept.record


def test_the_request_is_durable_before_it_leaves() -> None:
    store, seen = MemoryStore(), []

    def look(stall: Stall, request: dict[str, Any]) -> dict[str, Any]:
        seen.append(asyncio.run(_kept(store)))
        return evidence(request)

    async def go() -> None:
        async with router(store) as one:
            await one.run(order(a))

    with open_stalls(a := seed_stall("a", answers={"/mrp/execute": look})):
        asyncio.run(go())
    (kept,) = seen
    assert kept.record["status"] == "executing"
    assert json.loads(kept.messages[-1].raw)["msg_type"] == "EXECUTE"


async def _kept(store: MemoryStore) -> Decision:
    async with router(store) as one:
        (newest,), _ = await one.decisions.newest(1)
        return await one.decisions.read(newest)


@pytest.mark.parametrize(
    ("changes", "failed"),
    [
        ({"attestations": []}, ["attestations"]),
        ({"outputs": [{"type": "text", "value": "x"}]}, ["format"]),
        ({"outputs": []}, ["format"]),
        ({"provenance": {"citations": ["https://evil.example/"]}}, ["citations"]),
    ],
)
def test_evidence_that_falls_short_is_no_success(
    changes: dict[str, Any], failed: list[str]
) -> None:
    a = seed_stall("a", answers={"/mrp/execute": lambda _, request: evidence(request, **changes)})
    done, kept = run(a)

    assert not done.is_good
    assert done.status == "done"
    assert [one["name"] for one in kept.record["claims"] if one["verdict"] == "failed"] == failed


@pytest.mark.parametrize(
    "changes",
    [
        {"job_id": None},
        {"job_id": "../../../etc/passwd"},
        {"attestations": None},
        {"provenance": {"citations": []}},
        {"provenance": None, "usage": None},
        {"route_id": "another"},
    ],
)
def test_evidence_that_says_little_is_taken_where_nothing_was_required(
    changes: dict[str, Any],
) -> None:
    a = seed_stall("a", answers={"/mrp/execute": lambda _, request: evidence(request, **changes)})
    done, _ = run(a, wish=BARE)

    assert done.is_good


def signed(stall: Stall, request: dict[str, Any]) -> dict[str, Any]:
    document = compose(
        "EVIDENCE",
        evidence(request),
        sender=stall.sender,
        in_reply_to=request["msg_id"],
        at_ms=1_772_892_000_000,
        entropy=bytes(10),
    )
    return dict(sign(document, SIGNER))


def verdicts(kept: Decision) -> dict[str, str]:
    claims = kept.record["claims"]
    assert isinstance(claims, list)
    return {str(one["name"]): str(one["verdict"]) for one in claims if isinstance(one, dict)}


def test_signed_evidence_is_verified_by_the_key_shown_before() -> None:
    keys = Reply(raw(write_keys([SIGNER.key])))
    _, kept = run(seed_stall("a", answers={"/mrp/execute": signed, KEYS: keys}))

    found = verdicts(kept)
    assert found["signature"] == found["attestations"] == "verified"
    assert kept.record["provider_keys"] == [SIGNER.key.jwk()]


def test_a_forged_signature_fails() -> None:
    def forged(stall: Stall, request: dict[str, Any]) -> dict[str, Any]:
        document = signed(stall, request)
        document["payload"]["outputs"][0]["value"] = "something else"
        return document

    keys = Reply(raw(write_keys([SIGNER.key])))
    done, kept = run(seed_stall("a", answers={"/mrp/execute": forged, KEYS: keys}))

    assert verdicts(kept)["signature"] == "failed"
    assert not done.is_good


@pytest.mark.parametrize("keys", [Reply(b"", 404), Reply(b"[]"), Reply(b'{"keys":[]}')])
def test_a_key_that_was_not_shown_before_proves_nothing(keys: Reply) -> None:
    done, kept = run(seed_stall("a", answers={"/mrp/execute": signed, KEYS: keys}))

    assert verdicts(kept)["signature"] == "not checkable"
    assert done.is_good


def test_a_job_is_followed_to_its_evidence() -> None:
    def accepted(stall: Stall, request: dict[str, Any]) -> dict[str, Any]:
        stall.answers["/jobs/1"] = reply_to(stall, request, "EVIDENCE", evidence(request))
        payload = {"job_id": "1", "status": "accepted", "status_url": "/jobs/1"}
        return reply_to(stall, request, "JOB_ACCEPTED", payload)

    done, kept = run(seed_stall("a", answers={"/mrp/execute": accepted}))

    assert done.is_good
    assert json.loads(kept.messages[-1].raw)["msg_type"] == "EVIDENCE"


def test_a_job_that_goes_on_or_cannot_be_asked_after_is_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(working, "POLL_S", 0)
    said: list[Any] = [
        Reply(b"", 503),
        {"job_id": "1", "status": "running", "progress": 0.5},
        Reply(b"busy", 502),
    ]

    def accepted(stall: Stall, request: dict[str, Any]) -> dict[str, Any]:
        def status(_: Stall, __: dict[str, Any]) -> Any:
            if not said:
                return reply_to(stall, request, "EVIDENCE", evidence(request))
            one = said.pop(0)
            return one if isinstance(one, Reply) else reply_to(stall, request, "JOB_STATUS", one)

        stall.answers["/jobs/1"] = status
        payload = {"job_id": "1", "status": "accepted", "status_url": "/jobs/1"}
        return reply_to(stall, request, "JOB_ACCEPTED", payload)

    done, _ = run(seed_stall("a", answers={"/mrp/execute": accepted}))

    assert done.is_good
    assert said == []


@pytest.mark.parametrize(("status", "asked"), [(503, 6), (500, 1), (404, 1)])
def test_a_job_nobody_knows_of_is_given_up(
    status: int, asked: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(working, "POLL_S", 0)
    times: list[int] = []

    def accepted(stall: Stall, request: dict[str, Any]) -> dict[str, Any]:
        def gone(_: Stall, __: dict[str, Any]) -> Reply:
            times.append(1)
            return Reply(b"", status)

        stall.answers["/jobs/1"] = gone
        payload = {"job_id": "1", "status": "accepted", "status_url": "/jobs/1"}
        return reply_to(stall, request, "JOB_ACCEPTED", payload)

    done, _ = run(seed_stall("a", answers={"/mrp/execute": accepted}))

    assert (done.status, len(times)) == ("failed", asked)


def test_a_job_that_is_cancelled_is_a_failure() -> None:
    def accepted(status: Any) -> Any:
        def answer(stall: Stall, request: dict[str, Any]) -> dict[str, Any]:
            stall.answers["/jobs/1"] = reply_to(stall, request, "JOB_STATUS", status)
            payload = {"job_id": "1", "status": "accepted", "status_url": "/jobs/1"}
            return reply_to(stall, request, "JOB_ACCEPTED", payload)

        return answer

    done, _ = run(seed_stall("a", answers={"/mrp/execute": accepted({"status": "canceled"})}))
    assert (done.status, "canceled" in done.detail) == ("failed", True)


def test_nobody_is_asked_to_negotiate_where_nothing_fits() -> None:
    async def go() -> object:
        async with router() as one:
            return (await one.run(order(b, wish=SEED_WISH))).done

    with open_stalls(b := seed_stall("b")):
        assert asyncio.run(go()) is None
    assert [path for path, _ in b.came] == ["/mrp/discover"]


def test_only_what_is_wished_is_told() -> None:
    """The window, strictness and the other offers are nobody's business."""
    a, b = seed_stall("a"), seed_stall("b")
    with open_stalls(a, b):
        asyncio.run(ran(a, b, is_strict=False, window_ms=7_777))

    said = json.dumps([message for _, message in a.came + b.came])
    assert "7777" not in said
    assert "route-global-cheap" not in said
    assert SEED_WISH.intent in said
