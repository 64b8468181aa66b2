"""What a provider says of itself, and what it is told of its losses."""

from __future__ import annotations

import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from tests.http.mrp_world import BUYER, PROVIDER, SUMMARIZE, error_of, provider, shout
from tests.http.nodes import signer
from tests.simulation.clock import simulated
from treaty.core.losses import lines
from treaty.dialects.mrp.manifest import read_manifest, read_well_known
from treaty.dialects.mrp.rejections import make_rejection
from treaty.engine.losses import read_tally
from treaty.identity.keys import read_public_key
from treaty.store.memory import MemoryStore


@simulated
async def test_the_well_known_file_leads_to_the_manifest() -> None:
    async with provider(SUMMARIZE, shout) as here:
        answer = await here.get("/.well-known/mrp.json")
        found = read_well_known(answer.content, "http://provider.test/.well-known/mrp.json")

        assert (found.capabilities, found.provider) == (("summarize", "shout"), PROVIDER)
        assert found.manifest_url == "http://provider.test/mrp/manifest"
        assert answer.json()["mrp_version"] == "0.1"


@pytest.mark.parametrize("accept", ["application/mrp-manifest+json, application/json", "text/html"])
@simulated
async def test_the_manifest_is_served_whatever_is_accepted(accept: str) -> None:
    async with provider() as here:
        answer = await here.get("/mrp/manifest", accept=accept)
        found = read_manifest(answer.content, "http://provider.test/mrp/manifest")

        assert answer.headers["content-type"] == "application/mrp-manifest+json"
        assert (found.capability, found.inputs) == ("summarize", ("url",))
        assert answer.json()["endpoints"] == {
            "discover": "/mrp/discover",
            "negotiate": "/mrp/negotiate",
            "execute": "/mrp/execute",
        }
        assert answer.json()["constraints"] == {
            "policy": ["no_training", "no_pii"],
            "data_retention_days": 0,
        }
        assert (await here.http.head("/mrp/manifest")).status_code == 200


@simulated
async def test_every_schema_that_is_named_is_served_and_no_other() -> None:
    async with provider() as here:
        named = (await here.get("/mrp/schemas")).json()["schemas"]
        assert named

        for path in named:
            answer = await here.get(path)
            assert answer.headers["content-type"] == "application/schema+json"
            Draft202012Validator.check_schema(answer.json())
        assert (await here.get("/mrp/schemas/none.json")).status_code == 404


@simulated
async def test_each_capability_has_a_manifest_that_leads_to_its_own_offers() -> None:
    async with provider(SUMMARIZE, shout) as here:
        endpoint = (await here.get("/mrp/manifest/shout")).json()["endpoints"]["discover"]
        asked = here.envelope("DISCOVER", {"intent": "x", "inputs": []})
        answer = await here.http.post(
            endpoint,
            content=json.dumps(asked),
            headers={"content-type": "application/mrp+json"},
        )
        every = await here.say("discover", {"intent": "x"})

        assert endpoint == "/mrp/discover?capability=shout"
        assert [one["capability"] for one in answer.json()["payload"]["offers"]] == ["shout"]
        assert [one["capability"] for one in every["payload"]["offers"]] == ["summarize", "shout"]


@simulated
async def test_offers_that_can_take_the_inputs_come_first() -> None:
    async with provider(SUMMARIZE, shout) as here:
        inputs = [{"type": "text", "value": "x"}]
        answer = await here.say("discover", {"intent": "x", "inputs": inputs})
        named = await here.say("discover", {"intent": "x", "constraints": {"capability": "shout"}})

        offers = [one["capability"] for one in answer["payload"]["offers"]]
        assert offers == ["shout", "summarize"]
        assert [one["capability"] for one in named["payload"]["offers"]] == ["shout"]


@pytest.mark.parametrize("name", ["none", "..%2f..%2fetc", "%00", "a" * 300])
@simulated
async def test_there_is_no_other_manifest(name: str) -> None:
    async with provider() as here:
        answer = await here.get(f"/mrp/manifest/{name}")

        assert (answer.status_code, error_of(answer.json())[1]) == (404, "not_found")


@simulated
async def test_the_shown_key_is_the_providers_name() -> None:
    async with provider() as here:
        (shown,) = (await here.get("/.well-known/mrp-keys.json")).json()["keys"]

        assert f"service:treaty/{read_public_key(shown).key_id}" == PROVIDER


# Losses.

LATE = {"code": "latency_miss", "field": "latency.p50", "required": 200, "got": 280, "text": "x"}


def receipt(offer: str = "offer-0001", *reasons: dict[str, Any], name: str = "") -> dict[str, Any]:
    """What a buyer tells of an offer."""
    return make_rejection(
        route_id="route-us-fast",
        discover_id="discover-0001",
        offer_id=offer,
        reasons=reasons or (LATE,),
        at_ms=0,
        signer=signer(name) if name else BUYER,
    )


@simulated
async def test_a_provider_learns_why_it_lost_and_remembers_it() -> None:
    store = MemoryStore()
    async with provider(store=store) as here:
        costly = {"code": "cost_over_cap", "field": "cost.estimate", "required": 0.01, "got": 0.018}
        told = [
            await here.send("rejections", one)
            for one in (
                receipt("offer-0001"),
                receipt("offer-0002", {**LATE, "required": 120}),
                receipt("offer-0003", LATE, costly),
                receipt("offer-0004", {"code": "confidence_lower", "field": "confidence"}),
            )
        ]
    tally = await read_tally(store, "summarize")

    assert [one.status_code for one in told] == [201] * 4
    assert [line.text for line in lines(tally)] == [
        "75 % of losses: latency; median over the limit by 80 ms",
        "25 % of losses: confidence",
        "25 % of losses: cost; median over the limit by 0.008 usd",
    ]


@simulated
async def test_a_buyer_is_heard_once_about_an_offer() -> None:
    async with provider() as here:
        answers = [await here.send("rejections", receipt()) for _ in range(2)]
        other = await here.send("rejections", receipt(name="agent://other.test/x"))

        assert [one.json() for one in answers] == [{"counted": True}, {"counted": False}]
        assert other.json() == {"counted": True}


@pytest.mark.parametrize(
    "change",
    [
        {"winner": "service:other"},
        {"reasons": []},
        {"reasons": [{"code": "winner_cheaper"}]},
        {"reasons": [{"code": "cost_higher", "required": 0.01, "got": 0.02}]},
        {"route_id": "route-of-somebody"},
        {"public_key": "x"},
    ],
)
@simulated
async def test_a_receipt_that_was_changed_or_tells_of_others_is_refused(
    change: dict[str, Any],
) -> None:
    async with provider() as here:
        answer = await here.send("rejections", {**receipt(), **change})

        assert answer.status_code in (400, 401)
        assert error_of(answer.json())[0] in ("MRP_INVALID_REQUEST", "MRP_AUTH_REQUIRED")
