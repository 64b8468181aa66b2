"""Whatever is sent, the answer is one of ours, and the node lives."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.http.nodes import ALPHA, MESSAGES, SESSION, encoded, introduced, world
from tests.simulation.clock import simulate

METHODS = st.sampled_from(["GET", "POST", "HEAD", "OPTIONS", "PUT", "DELETE", "PATCH", "BREW"])
SEGMENTS = st.sampled_from(
    [
        *("v1", "asp", "agents", "sessions", "discover", "trust", "log", "head", "ledger"),
        *("accounts", "transfers", "attestations", "messages", "events", "card", "inbox"),
        *(SESSION, encoded(ALPHA), "%00", "%ff", "..", "%2e%2e", "%", ".well-known", "asp.json"),
    ]
) | st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="?#"))
PATHS = st.lists(SEGMENTS, max_size=6).map(lambda parts: "/" + "/".join(parts))
QUERIES = st.sampled_from(
    [b"", b"after=1", b"after=-1", b"limit=99999999999999999999", b"from=1&to=0", b"cursor=~", b"%"]
) | st.binary(max_size=20)
HEADERS = st.lists(
    st.tuples(
        st.sampled_from([b"dpop", b"content-type", b"last-event-id", b"content-length", b"x"]),
        st.sampled_from([b"application/json", b"application/asp+json;charset=utf-8", b"5", b""])
        | st.binary(max_size=30),
    ),
    max_size=4,
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
BODIES = st.binary(max_size=200) | JSON.map(lambda value: json.dumps(value).encode())


async def ask(app: Any, scope: dict[str, Any], body: bytes) -> tuple[int, bytes]:
    """One request; a stream is left at once."""
    sent: list[Any] = []
    events = iter([{"type": "http.request", "body": body, "more_body": False}])

    async def receive() -> dict[str, Any]:
        return next(events, {"type": "http.disconnect"})

    async def send(message: Any) -> None:
        sent.append(message)

    base = {"type": "http", "client": ("127.0.0.1", 1), "path": "/", "query_string": b""}
    await app({**base, "headers": [], **scope}, receive, send)
    return sent[0]["status"], sent[1].get("body", b"")


@settings(max_examples=150)
@given(METHODS, PATHS, QUERIES, HEADERS, BODIES)
def test_any_request_has_an_answer(
    method: str,
    path: str,
    query: bytes,
    headers: list[tuple[bytes, bytes]],
    body: bytes,
) -> None:
    scope = {
        "method": method,
        "raw_path": path.encode(),
        "query_string": query,
        "headers": headers,
    }

    async def main() -> None:
        async with world() as here:
            await here.agent(ALPHA)
            status, said = await ask(here.app, scope, body)
            assert status < 500
            if status >= 400:
                assert json.loads(said)["status"] == status
            assert here.app.gate.in_flight == 0

    simulate(main())


def mutated(message: bytes, place: int, change: bytes, cut: int) -> bytes:
    place %= len(message)
    return message[:place] + change + message[place + cut :]


@settings(max_examples=60)
@given(st.integers(0), st.binary(max_size=4), st.integers(0, 4))
def test_any_message_is_accepted_or_refused(place: int, change: bytes, cut: int) -> None:
    async def main() -> None:
        async with world() as here:
            chain, alpha, _ = await introduced(here)
            message = chain.observation(alpha)
            body = mutated(message, place, change, cut)

            answer = await here.post(MESSAGES, body)

            assert answer.status_code in (201, 400, 401, 404, 409), answer.text
            assert answer.status_code != 201 or json.loads(body) == json.loads(message)

    simulate(main())


@settings(max_examples=100)
@given(st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
def test_any_proof_is_judged(token: bytes) -> None:
    async def main() -> None:
        async with world() as here:
            await here.agent(ALPHA)
            scope = {
                "method": "GET",
                "raw_path": f"/v1/ledger/accounts/{encoded(ALPHA)}".encode(),
                "headers": [(b"dpop", token)],
            }
            status, said = await ask(here.app, scope, b"")
            assert (status, json.loads(said)["code"]) == (401, "proof_invalid")

    simulate(main())
