"""What is read off a request: paths, proofs, media types, cursors."""

from __future__ import annotations

import pytest

from tests.http.nodes import (
    ALPHA,
    MESSAGES,
    OTHER_SESSION,
    SESSION,
    URL,
    Agent,
    encoded,
    introduced,
    signer,
    world,
)
from tests.simulation.clock import simulated
from treaty.identity.dpop import header_proof

CARD = "/v1/asp/agents/{}/card"
WHOLE = "agent%3A%2F%2Facme.com%2Fprocurement%2Falpha"


@pytest.mark.parametrize(
    "segment",
    [
        WHOLE,
        WHOLE.lower(),
        "agent:%2F%2Facme.com%2Fprocurement%2Falpha",
        "%61gent%3A%2F%2Facme.com%2Fprocurement%2Falpha",
    ],
)
@simulated
async def test_an_agent_is_one_segment_encoded_once(segment: str) -> None:
    async with world() as here:
        await here.agent(ALPHA)

        answer = await here.http.get(CARD.format(segment))

        assert answer.status_code == 200
        assert answer.json()["uri"] == ALPHA


@pytest.mark.parametrize(
    ("segment", "status"),
    [
        (WHOLE.replace("%", "%25"), 400),
        ("agent://acme.com/procurement/alpha", 404),
        ("agent%3A//acme.com/procurement/alpha", 404),
        ("agent%3A%2F%2Facme.com%2F..%2Falpha", 400),
        ("agent%3A%2F%2Facme.com%2Falpha%00", 400),
        ("agent%3A%2F%2Facme.com%2Fal%C3%A4", 400),
        ("agent%3A%2F%2Facme.com%2F%FF%FE", 400),
        ("agent%3A%2F%2Facme.com%2F%C0%AE", 400),
        ("agent%3A%2F%2FACME.com%2Fa", 400),
        ("agent%3A%2F%2Facme.com%2F%7Bx%7D", 400),
        ("..%2F..%2Fhealthz", 400),
        ("%2E%2E", 400),
        ("%", 400),
        ("%4", 400),
        ("%zz", 400),
        ("a" * 5_000, 400),
        ("agent%3A%2F%2Funknown.com%2Fa", 404),
    ],
)
@simulated
async def test_tricks_with_the_encoding_find_nobody(segment: str, status: int) -> None:
    async with world() as here:
        await here.agent(ALPHA)
        scope_path = CARD.format(segment)

        answer = await raw_get(here, scope_path)

        assert answer[0] == status, answer


async def raw_get(here, path: str) -> tuple[int, bytes]:
    """GET with exactly this path; a client library would mend it first."""
    sent = []

    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message):
        sent.append(message)

    scope = {
        "type": "http",
        "method": "GET",
        "path": "/",
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [],
        "client": None,
    }
    await here.app(scope, receive, send)
    return sent[0]["status"], sent[1]["body"]


@simulated
async def test_bytes_that_are_no_path_find_nothing() -> None:
    async with world() as here:
        scope_path = "/caf\u00e9"

        assert (await raw_get(here, scope_path))[0] == 404


@pytest.mark.parametrize(
    "stated",
    [
        "application/asp+json",
        "application/json",
        "Application/JSON",
        "application/json; charset=utf-8",
        'application/asp+json;charset="UTF-8"',
    ],
)
@simulated
async def test_json_may_be_called_by_both_its_names(stated: str) -> None:
    async with world() as here:
        alpha = Agent(ALPHA, here.clock)

        answer = await here.post("/v1/asp/agents", alpha.card(), **{"content-type": stated})

        assert answer.status_code == 201


@pytest.mark.parametrize(
    "stated",
    [
        "",
        "text/plain",
        "application/json; charset=latin-1",
        "application/json, text/html",
        "application/asp+msgpack",
        "application/jsonx",
        "multipart/form-data; boundary=x",
    ],
)
@simulated
async def test_a_body_that_is_not_called_json_is_refused(stated: str) -> None:
    async with world() as here:
        alpha = Agent(ALPHA, here.clock)

        answer = await here.post("/v1/asp/agents", alpha.card(), **{"content-type": stated})

        assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")
        assert here.node.registry.find(ALPHA) is None


PROOFS = {
    "for another method": {"method": "POST", "url": URL + MESSAGES},
    "for another path": {"method": "GET", "url": f"{URL}/v1/asp/sessions/{OTHER_SESSION}"},
    "for another host": {"method": "GET", "url": f"http://other.test{MESSAGES}"},
    "for another scheme": {"method": "GET", "url": f"https://node.test{MESSAGES}"},
}


@pytest.mark.parametrize("why", PROOFS)
@simulated
async def test_a_proof_is_for_one_place(why: str) -> None:
    async with world() as here:
        _, alpha, _ = await introduced(here)
        proof = header_proof(alpha.signer, jti="j", at_ms=here.clock(), **PROOFS[why])

        answer = await here.http.get(MESSAGES, headers={"DPoP": proof})

        assert (answer.status_code, answer.json()["code"]) == (401, "proof_invalid")


@simulated
async def test_a_proof_is_fresh() -> None:
    async with world() as here:
        _, alpha, _ = await introduced(here)
        proof = alpha.proof(MESSAGES)
        here.clock.now_ms += 61_000

        answer = await here.http.get(MESSAGES, headers={"DPoP": proof})

        assert answer.json()["code"] == "proof_invalid"


@simulated
async def test_a_proof_is_used_once() -> None:
    async with world() as here:
        _, alpha, _ = await introduced(here)
        proof = {"DPoP": alpha.proof(MESSAGES)}

        first = await here.http.get(MESSAGES, headers=proof)
        again = await here.http.get(MESSAGES, headers=proof)

        assert first.status_code == 200
        assert (again.status_code, again.json()["code"]) == (401, "proof_replayed")


@simulated
async def test_the_query_is_not_part_of_a_proof() -> None:
    async with world() as here:
        _, alpha, _ = await introduced(here)

        answer = await here.read(alpha, MESSAGES, "?after=2&limit=1")

        assert answer.status_code == 200


@pytest.mark.parametrize("number", [0, 2])
@simulated
async def test_a_read_carries_exactly_one_proof(number: int) -> None:
    async with world() as here:
        _, alpha, _ = await introduced(here)
        headers = [("DPoP", alpha.proof(MESSAGES)) for _ in range(number)]

        answer = await here.http.get(MESSAGES, headers=headers)

        assert (answer.status_code, answer.json()["code"]) == (401, "proof_invalid")


@simulated
async def test_a_proof_of_the_message_form_proves_no_read() -> None:
    async with world() as here:
        chain, alpha, _ = await introduced(here)
        message = chain.observation(alpha)
        start = message.index(b'"dpopProof":"') + 13
        proof = message[start : message.index(b'"', start)].decode()

        answer = await here.http.get(MESSAGES, headers={"DPoP": proof})

        assert answer.json()["code"] == "proof_invalid"


@simulated
async def test_the_host_header_means_nothing() -> None:
    async with world() as here:
        _, alpha, _ = await introduced(here)
        headers = {"DPoP": alpha.proof(MESSAGES), "host": "evil.test"}

        assert (await here.http.get(MESSAGES, headers=headers)).status_code == 200


@pytest.mark.parametrize(
    "query", ["after=-1", "after=x", "after=1.0", "after=", "limit=0", "after=%D9%A1", "after=1e3"]
)
@simulated
async def test_a_cursor_is_a_whole_number(query: str) -> None:
    async with world() as here:
        _, alpha, _ = await introduced(here)

        answer = await here.read(alpha, MESSAGES, f"?{query}")

        assert (answer.status_code, answer.json()["code"]) == (400, "malformed")


@pytest.mark.parametrize("name", ["x", "0195", SESSION + "0", SESSION[:-1] + "g", "%30"])
@simulated
async def test_what_is_no_uuid_is_an_unknown_session(name: str) -> None:
    async with world() as here:
        _, alpha, _ = await introduced(here)
        path = f"/v1/asp/sessions/{name}"

        answer = await here.read(alpha, path)
        other = await here.read(alpha, f"/v1/asp/sessions/{OTHER_SESSION}")

        assert answer.status_code == 404
        assert answer.content == other.content


@simulated
async def test_a_session_is_known_by_its_name_in_capitals() -> None:
    async with world() as here:
        _, alpha, _ = await introduced(here)

        answer = await here.read(alpha, f"/v1/asp/sessions/{SESSION.upper()}")

        assert answer.json()["session"] == SESSION


@simulated
async def test_only_http_is_served() -> None:
    async with world() as here:
        with pytest.raises(RuntimeError, match="not lifespan"):
            await here.app({"type": "lifespan"}, None, None)


@simulated
async def test_a_stranger_with_a_good_proof_reads_nothing() -> None:
    async with world() as here:
        await introduced(here)
        stranger = Agent("agent://mallory.test/m", here.clock)
        assert stranger.signer.key != signer(ALPHA).key

        answer = await here.read(stranger, MESSAGES)

        assert (answer.status_code, answer.json()["code"]) == (404, "unknown_session")


def test_the_helper_encodes_as_the_specification_does() -> None:
    assert encoded(ALPHA) == WHOLE
