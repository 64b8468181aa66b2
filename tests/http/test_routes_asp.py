"""The ASP binding: what is answered when all is well."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import pytest

from tests.http.nodes import (
    ALPHA,
    BETA,
    MESSAGES,
    NODE,
    SESSION,
    Agent,
    Chain,
    World,
    encoded,
    introduced,
    signer,
    world,
)
from tests.simulation.clock import simulated
from treaty.dialects.asp.choices import SIGNING_PREFIX
from treaty.dialects.asp.discovery import compose_query
from treaty.http import routes_asp
from treaty.identity.cards import key_hash, open_card, open_listing
from treaty.identity.envelopes import open_envelope
from treaty.identity.records import open_record
from treaty.identity.revocations import make_revocation
from treaty.wire.canonical import canonical
from treaty.wire.digest import sha256_tag

HOST = signer(NODE).key


@simulated
async def test_a_new_card_is_created_and_a_known_one_is_not() -> None:
    async with world() as here:
        alpha = Agent(ALPHA, here.clock)

        first = await here.post("/v1/asp/agents", alpha.card())
        again = await here.post("/v1/asp/agents", alpha.card())

        assert (first.status_code, again.status_code) == (201, 200)
        view = open_card(first.json())
        listing = open_listing(first.json()["listing"], HOST, view, here.clock())
        assert (view.uri.text, listing.trust_score, listing.trust_level) == (ALPHA, 49, 1)


@simulated
async def test_a_successor_takes_the_place_of_a_card() -> None:
    async with world() as here:
        alpha = await here.agent(ALPHA)

        answer = await here.post("/v1/asp/agents", alpha.card(version=2, capabilities=("new",)))

        assert answer.status_code == 200
        card = await here.http.get(f"/v1/asp/agents/{encoded(ALPHA)}/card")
        assert (card.json()["version"], card.json()["capabilities"]) == (2, ["new"])


@simulated
async def test_anyone_asks_for_a_score() -> None:
    async with world() as here:
        await here.agent(ALPHA)

        answer = await here.http.get(f"/v1/asp/agents/{encoded(ALPHA)}/trust")

        found = answer.json()
        assert (found["agent"], found["score"], found["level"]) == (ALPHA, 49, 1)
        assert found["provisional"] is True
        assert sorted(found["components"]) == ["BC", "CF", "CH", "ER", "IV", "PE", "RQ", "SP"]


@simulated
async def test_a_signed_question_gets_a_signed_answer() -> None:
    async with world() as here:
        alpha = await here.agent(ALPHA)
        await here.agent(BETA, capabilities=("provision.cloud",))
        question = compose_query(
            sender={"agentId": ALPHA, "orgId": "org", "trustScore": 49},
            parameters={"capability": "provision.*"},
            subject="GPU",
            query_id="q1",
            signer=alpha.signer,
            at_ms=here.clock(),
            entropy=bytes(32),
        )

        answer = await here.post("/v1/asp/discover", question)

        assert answer.status_code == 200
        assert answer.headers["content-type"] == "application/asp+json"
        said = open_envelope(answer.json(), HOST, prefix=SIGNING_PREFIX).value
        assert said["integrity"]["previousHash"] == json.loads(question)["integrity"]["hash"]
        data = said["content"]["body"]["data"]
        assert (data["queryId"], [one["uri"] for one in data["agents"]]) == ("q1", [BETA])


async def market(here: World) -> None:
    prices = {"a": 1, "b": 2.5, "c": 4}
    for name, price in prices.items():
        pricing = {"pricePerHour": price, "currency": "USD"}
        uri = f"agent://{name}.test/gpu"
        await here.agent(uri, capabilities=("provision.cloud",), pricing=pricing)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("capability=provision.cloud", "abc"),
        ("capability=provision.*&maxPricePerHour=2.50", "ab"),
        ("capability=provision.*&maxPricePerHour=2.5&currency=EUR", ""),
        ("capability=provision.cloud&minTrustLevel=1", "abc"),
        ("capability=provision.cloud&minTrustScore=49.1", ""),
        ("capability=provision.cloud&min_trust=49", "abc"),
        ("capability=provision.cloud&min_trust=60", ""),
        ("capability=provision.cloud&limit=2", "ab"),
        ("capability=provision.cloud&cursor=49~agent://b.test/gpu", "c"),
        ("capability=nothing", ""),
    ],
)
@simulated
async def test_a_first_look_needs_no_signature(query: str, found: str) -> None:
    async with world() as here:
        await market(here)

        answer = await here.http.get(f"/v1/asp/discover?{query}")

        assert answer.status_code == 200, answer.text
        uris = [one["uri"] for one in answer.json()["agents"]]
        assert uris == [f"agent://{name}.test/gpu" for name in found]


@pytest.mark.parametrize(
    "query",
    [
        "capacity=x",
        "limit=0",
        "limit=51",
        "limit=many",
        "minTrustScore=true",
        "minTrustScore=1&min_trust=2",
        "minTrustLevel=1&minTrustLevel=1",
        "maxPricePerHour=1e999",
        "cursor=nonsense",
        "cursor=49.%C2%B2~agent://a.test/gpu",
    ],
)
@simulated
async def test_a_filter_that_is_not_understood_is_not_passed_over(query: str) -> None:
    async with world() as here:
        answer = await here.http.get(f"/v1/asp/discover?{query}")

        assert (answer.status_code, answer.json()["code"]) == (400, "malformed")


@simulated
async def test_a_near_miss_names_the_filter_as_it_was_asked() -> None:
    async with world() as here:
        await market(here)

        answer = await here.http.get(
            "/v1/asp/discover?capability=provision.cloud&maxPricePerHour=0.01"
        )

        missed = answer.json()["nearMisses"]
        assert missed
        assert {one["filter"] for one in missed} == {"maxPricePerHour"}


@simulated
async def test_a_session_is_opened_by_an_invitation() -> None:
    async with world() as here:
        alpha, beta = await here.agent(ALPHA), await here.agent(BETA)
        invitation = Chain(alpha, beta).invitation()

        answer = await here.post("/v1/asp/sessions", invitation)

        assert answer.status_code == 201
        receipt = open_record("receipt", answer.json(), HOST).value
        assert (receipt["session"], receipt["position"], receipt["sender"]) == (SESSION, 1, ALPHA)
        assert receipt["rawDigest"] == sha256_tag(invitation)
        assert (await here.view(beta))["state"] == "INVITED"


@simulated
async def test_the_same_bytes_are_answered_the_same_at_any_time() -> None:
    async with world() as here:
        chain, alpha, beta = await introduced(here)
        message = chain.said(chain.observation(alpha))
        first = await here.send(message)
        await here.say(chain.said(chain.observation(beta)))
        here.clock.now_ms += 3_600_000

        again = await here.send(message)

        assert (again.status_code, again.content) == (201, first.content)
        assert (await here.view(alpha))["messageCount"] == 6


@simulated
async def test_the_same_invitation_is_answered_the_same() -> None:
    async with world() as here:
        alpha, beta = await here.agent(ALPHA), await here.agent(BETA)
        invitation = Chain(alpha, beta).invitation()

        first = await here.post("/v1/asp/sessions", invitation)
        again = await here.post("/v1/asp/sessions", invitation)

        assert first.content == again.content


@simulated
async def test_a_session_is_shown_to_its_participants() -> None:
    async with world() as here:
        chain, alpha, beta = await introduced(here)

        for agent in (alpha, beta):
            view = await here.view(agent)
            assert (view["state"], view["head"]) == ("INTRODUCED", chain.head)
            assert [one["nextSequence"] for one in view["participants"]] == [2, 2]


async def page(here: World, agent: Agent, query: str) -> Any:
    answer = await here.read(agent, MESSAGES, query)
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    return answer.json()


@simulated
async def test_the_log_is_read_page_by_page() -> None:
    async with world() as here:
        chain, alpha, beta = await introduced(here)
        await here.say(chain.said(chain.observation(alpha)))

        first = await page(here, beta, "?limit=3")
        rest = await page(here, beta, f"?after={first['next']}&limit=3")
        end = await page(here, beta, f"?after={rest['next']}")

        assert [entry["position"] for entry in first["entries"]] == [1, 2, 3]
        assert [entry["position"] for entry in rest["entries"]] == [4, 5]
        assert (first["more"], rest["more"]) == (True, False)
        assert end == {"entries": [], "next": 5, "more": False}


@simulated
async def test_entries_hold_what_was_received_and_what_was_signed() -> None:
    async with world() as here:
        chain, alpha, beta = await introduced(here)
        message = chain.said(chain.observation(alpha))
        await here.say(message)

        (entry,) = (await page(here, beta, "?after=4"))["entries"]

        assert entry["raw"].encode() == message
        assert entry["envelope"] == json.loads(message)
        receipt = open_record("receipt", entry["receipt"], HOST).value
        assert receipt["rawDigest"] == sha256_tag(message)


@simulated
async def test_a_page_has_fifty_entries_and_never_more_than_two_hundred() -> None:
    async with world() as here:
        chain, alpha, beta = await introduced(here)
        for number in range(200):
            here.clock.now_ms += 200
            await here.say(chain.said(chain.observation((alpha, beta)[number % 2])))

        assert len((await page(here, beta, ""))["entries"]) == 50
        full = await page(here, beta, "?limit=1000")
        assert (len(full["entries"]), full["more"]) == (200, True)
        assert len((await page(here, beta, "?limit=204"))["entries"]) == 200
        rest = await page(here, beta, f"?after={full['next']}&limit=200")
        assert (len(rest["entries"]), rest["more"]) == (4, False)


@simulated
async def test_a_page_ends_early_when_it_gets_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routes_asp, "PAGE_BYTES_MAX", 1)
    async with world() as here:
        _, alpha, _ = await introduced(here)

        first = await page(here, alpha, "")

        assert ([entry["position"] for entry in first["entries"]], first["more"]) == ([1], True)


@simulated
async def test_who_was_overtaken_is_sent_what_it_missed() -> None:
    async with world() as here:
        chain, alpha, beta = await introduced(here)
        late = chain.observation(beta)
        message = chain.said(chain.observation(alpha))
        await here.say(message)

        problem = (await here.send(late)).json()

        assert problem["head"] == chain.head
        assert (problem["position"], problem["nextSequence"]) == (5, 2)
        assert [entry["raw"].encode() for entry in problem["missed"]] == [message]
        assert problem["more"] is False
        await here.say(chain.said(chain.observation(beta)))


@simulated
async def test_who_is_kept_waiting_is_told_for_how_long() -> None:
    async with world() as here:
        chain, alpha, beta = await introduced(here)
        late = chain.observation(beta)
        await here.say(chain.said(chain.observation(alpha)))
        await here.send(late)
        next_word = chain.observation(alpha)

        answer = await here.send(next_word)

        assert (answer.json()["retryAfterMs"], answer.headers["retry-after"]) == (2_000, "2")
        here.clock.now_ms += 2_000
        assert (await here.send(next_word)).status_code == 201


@simulated
async def test_a_token_is_given_to_whoever_holds_the_key_and_checked_for_nobody_else() -> None:
    async with world() as here:
        alpha = await here.agent(ALPHA)
        path = f"/v1/asp/agents/{quote(ALPHA, safe='')}/proofs"
        assert (await here.post(path, b"{}")).status_code == 401
        proof = alpha.proof(path, method="POST")
        given = await here.post(path, b"{}", DPoP=proof)
        assert given.status_code == 201
        told = given.json()
        assert told["thumbprint"] == alpha.signer.key.key_id
        assert told["url"] == f"https://acme.com/.well-known/treaty-challenge/{told['token']}"
        body = json.dumps({"token": "no"}).encode()
        wrong = await here.post(path, body, DPoP=alpha.proof(path, method="POST"))
        assert (wrong.status_code, wrong.json()["code"]) == (403, "domain_unproven")

        known = await here.http.get(path)
        assert known.status_code == 200
        assert known.json() == {
            "agent": ALPHA,
            "registered": True,
            "keyId": alpha.signer.key.key_id,
            "proven": False,
            "revoked": [],
        }


@simulated
async def test_a_key_is_revoked_once_and_then_heard_no_more() -> None:
    async with world() as here:
        second = signer("next")
        alpha = await here.agent(ALPHA, nextKeyHash=key_hash(second.key))
        path = f"/v1/asp/agents/{quote(ALPHA, safe='')}"
        word = make_revocation(
            second, uri=ALPHA, key_id=alpha.signer.key.key_id, since_ms=here.clock()
        )
        first = await here.post(f"{path}/revocations", canonical(word))
        again = await here.post(f"{path}/revocations", canonical(word))
        assert (first.status_code, again.status_code) == (201, 200)
        assert first.json()["revoked"][0]["keyId"] == alpha.signer.key.key_id
        card = await here.http.get(f"{path}/card")
        assert (card.status_code, card.json()["code"]) == (401, "key_revoked")
        inbox = await here.read(alpha, f"{path}/inbox")
        assert inbox.json()["code"] == "unauthorized"


@simulated
async def test_an_inbox_is_a_page_for_who_asks_for_json() -> None:
    async with world() as here:
        alpha, beta = await here.agent(ALPHA), await here.agent(BETA)
        chain = Chain(alpha, beta)
        invitation = chain.invitation()
        await here.post("/v1/asp/sessions", invitation)
        path = f"/v1/asp/agents/{quote(BETA, safe='')}/inbox"
        headers = {"DPoP": beta.proof(path), "accept": "application/json"}
        page = (await here.http.get(path, headers=headers)).json()
        (entry,) = page["entries"]
        assert (entry["position"], entry["kind"]) == (1, "invitation")
        assert (page["next"], page["more"]) == (1, False)
        assert entry["notice"]["from"] == ALPHA
        assert entry["notice"]["raw"].encode() == invitation
        headers = {"DPoP": beta.proof(path), "accept": "application/json"}
        rest = (await here.http.get(f"{path}?after=1", headers=headers)).json()
        assert (rest["entries"], rest["next"], rest["more"]) == ([], 1, False)
        stranger = {"DPoP": alpha.proof(path), "accept": "application/json"}
        assert (await here.http.get(path, headers=stranger)).status_code == 403


@simulated
async def test_a_stream_does_not_go_on_behind_an_end_that_is_not_its_own() -> None:
    async with world() as here:
        _chain, _alpha, beta = await introduced(here)
        inbox = f"/v1/asp/agents/{quote(BETA, safe='')}/inbox"
        for path, beyond in ((f"/v1/asp/sessions/{SESSION}/events", 5), (inbox, 3)):
            headers = {"DPoP": beta.proof(path), "last-event-id": str(beyond)}
            refused = await here.http.get(path, headers=headers)
            assert (refused.status_code, refused.json()["code"]) == (404, "reference_unknown")
