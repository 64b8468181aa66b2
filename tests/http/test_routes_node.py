"""What a node says of itself."""

from __future__ import annotations

import json

import pytest

from tests.http.nodes import NODE, OPERATOR, URL, signer, world
from tests.simulation.clock import simulated
from treaty.identity.cards import open_card, open_listing


@simulated
async def test_a_node_says_which_formats_and_roads_it_knows() -> None:
    async with world() as here:
        told = (await here.http.get("/.well-known/asp.json")).json()
        assert told["formats"] == ["application/asp+json", "application/asp+msgpack"]
        assert told["webSocket"] == "ws://node.test/v1/asp/sessions/{sessionId}/ws"


@simulated
async def test_a_node_describes_itself() -> None:
    async with world() as here:
        answer = await here.http.get("/.well-known/asp.json")

        found = answer.json()
        assert answer.status_code == 200
        assert found["uri"] == NODE
        assert found["url"] == URL
        assert found["versions"] == ["asp/0.1"]
        assert found["endpoints"]["asp"] == f"{URL}/v1/asp"
        assert found["operator"]["uri"] == OPERATOR
        view = open_card(found["card"])
        assert view.uri.text == NODE
        open_listing(found["card"]["listing"], signer(NODE).key, view, here.clock())


@simulated
async def test_a_node_says_that_it_lives() -> None:
    async with world() as here:
        answer = await here.http.get("/healthz")

        assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


@simulated
async def test_a_person_is_told_where_to_look() -> None:
    async with world() as here:
        answer = await here.http.get("/")

        assert answer.headers["content-type"].startswith("text/plain")
        assert f"{URL}/.well-known/asp.json" in answer.text


@pytest.mark.parametrize("path", ["/nothing", "/v1/asp", "/v1/asp/sessions/", "/v1//asp/agents"])
@simulated
async def test_an_unknown_path_is_a_problem(path: str) -> None:
    async with world() as here:
        answer = await here.http.get(path)

        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
        assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("DELETE", "/v1/asp/discover", "POST, GET, HEAD, OPTIONS"),
        ("GET", "/v1/asp/sessions", "POST, OPTIONS"),
        ("HEAD", "/v1/asp/sessions/x/events", "GET, OPTIONS"),
        ("PUT", "/healthz", "GET, HEAD, OPTIONS"),
    ],
)
@simulated
async def test_another_method_is_a_problem_with_allow(method: str, path: str, allow: str) -> None:
    async with world() as here:
        answer = await here.http.request(method, path)

        assert answer.status_code == 405
        assert answer.headers["allow"] == allow
        if method != "HEAD":
            assert answer.json()["code"] == "method_not_allowed"


@simulated
async def test_options_are_told_without_a_body() -> None:
    async with world() as here:
        answer = await here.http.options("/v1/asp/agents")

        assert (answer.status_code, answer.headers["allow"]) == (204, "POST, OPTIONS")
        assert answer.content == b""


@simulated
async def test_nothing_is_shared_with_other_origins() -> None:
    async with world() as here:
        answer = await here.http.get("/healthz", headers={"origin": "https://evil.test"})

        assert not [name for name in answer.headers if name.startswith("access-control")]
        assert answer.headers["x-content-type-options"] == "nosniff"


@simulated
async def test_a_mistake_in_the_node_is_told_apart_and_not_told(monkeypatch, caplog) -> None:
    async with world() as here:

        def broken():
            raise KeyError("secret of the node")

        monkeypatch.setattr(here.node, "describe", broken)

        answer = await here.http.get("/.well-known/asp.json")

        assert (answer.status_code, answer.json()["code"]) == (500, "internal")
        assert "secret" not in answer.text
        assert "secret of the node" in caplog.text
        assert (await here.http.get("/healthz")).status_code == 200


@simulated
async def test_problems_are_json_that_anyone_reads() -> None:
    async with world() as here:
        answer = await here.http.get("/nothing/\u00e4")

        assert json.loads(answer.content)["status"] == 404
