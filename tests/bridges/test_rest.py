"""Operations carried out against a real backend: what is sent, and what becomes of answers."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from tests.bridges.calls import ask
from tests.http.pages import Asked, Pages, Write, page, pages
from treaty.bridges.openapi import read_description
from treaty.bridges.rest import Backend, capabilities
from treaty.bridges.stated import Stated
from treaty.engine.capability import Capability
from treaty.errors import TreatyError
from treaty.http.guarded import GuardedClient
from treaty.wire.hosts import read_url

pytestmark = pytest.mark.anyio

TEXT = {"schema": {"type": "string"}}
PATHS: dict[str, Any] = {
    "/pets/{id}/{part}": {
        "parameters": [{"name": "id", "in": "path"}, {"name": "part", "in": "path"}],
        "get": {
            "operationId": "getPet",
            "parameters": [
                {"name": "tag", "in": "query"},
                {"name": "near", "in": "query", "explode": False},
                {"name": "X-Trace", "in": "header"},
            ],
        },
    },
    "/pets": {
        "post": {
            "operationId": "../../addPet",
            "requestBody": {"required": True, "content": {"application/json": {}}},
        },
        "get": {"operationId": "find", "parameters": [
            {"name": "q", "in": "query", "required": True}]},
    },
    "/form": {"post": {"operationId": "form", "requestBody": {
        "content": {"application/x-www-form-urlencoded": {}}}}},
    "/odd path?x#y": {"get": {"operationId": "odd"}},
}  # fmt: skip


@dataclass
class Bridge:
    """A bridged backend."""

    served: Pages
    offered: dict[str, Capability]
    client: GuardedClient

    async def ask(self, name: str, value: object = None, **members: Any):
        values = () if value is None else (value,)
        return await ask(self.offered[name], *values, fetcher=self.client, **members)

    async def refusal(self, name: str, value: object = None) -> str:
        with pytest.raises(TreatyError) as caught:
            await self.ask(name, value)
        return caught.value.code


@asynccontextmanager
async def bridged(answer: bytes = page('{"ok": true}', content_type="application/json"),
                  headers: dict[str, str] | None = None) -> AsyncIterator[Bridge]:  # fmt: skip
    async def answering(_asked: Asked, write: Write) -> None:
        await write(answer)

    raw = json.dumps({"openapi": "3.0.0", "paths": PATHS}).encode()
    async with pages(answering) as served, GuardedClient(trusted=(served.url,)) as client:
        backend = Backend(read_url(f"{served.url}/v1/"), headers or {})
        made = capabilities(read_description(raw), backend, Stated())
        yield Bridge(served, {one.name: one for one in made}, client)


async def test_a_call_fills_path_query_and_headers() -> None:
    async with bridged() as one:
        result = await one.ask(
            "getPet",
            {
                "path_params": {"id": "a/b {part}?", "part": 7},
                "query": {"tag": ["x", "y&z"], "near": ["1", "2"]},
                "headers": {"x-trace": "t", "Accept-Language": "de"},
            },
        )

    (asked,) = one.served.asked
    assert asked.method == "GET"
    assert asked.target == "/v1/pets/a%2Fb%20%7Bpart%7D%3F/7?tag=x&tag=y%26z&near=1%2C2"
    assert (asked.headers["x-trace"], asked.headers["accept-language"]) == ("t", "de")
    assert [item.document() for item in result.outputs] == [{"type": "json", "value": {"ok": True}}]
    assert result.usage == {"status": 200, "bytes_out": 12}


async def test_a_body_is_sent_as_the_description_says() -> None:
    async with bridged() as one:
        await one.ask("addPet", {"body": {"name": "Rex"}})
        await one.ask("form", {"body": {"a": "1 2", "b": True}})
        await one.ask("form", {})

    sent = [(asked.headers.get("content-type"), asked.body) for asked in one.served.asked]
    assert sent == [
        ("application/json", b'{"name":"Rex"}'),
        ("application/x-www-form-urlencoded", b"a=1+2&b=true"),
        (None, b""),
    ]


async def test_a_path_of_the_description_is_a_path_and_nothing_else() -> None:
    async with bridged() as one:
        await one.ask("odd")

    assert one.served.asked[0].target == "/v1/odd%20path%3Fx%23y"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("getPet", {}),
        ("getPet", {"path_params": {"id": "1"}}),
        ("getPet", {"path_params": {"id": "1", "part": None}}),
        ("getPet", {"path_params": {"id": "..", "part": "x"}}),
        ("getPet", {"path_params": {"id": ".", "part": "x"}}),
        ("getPet", {"path_params": {"id": "", "part": "x"}}),
        ("getPet", {"path_params": {"id": ["1"], "part": "x"}}),
        ("getPet", {"path_params": {"id": "1", "part": "2", "more": "3"}}),
        ("getPet", {"path_params": {"id": 1, "part": 2}, "query": {"admin": "1"}}),
        ("getPet", {"path_params": {"id": 1, "part": 2}, "headers": {"Cookie": "x"}}),
        ("getPet", {"path_params": {"id": 1, "part": 2}, "headers": {"Authorization": "x"}}),
        ("getPet", {"path_params": {"id": 1, "part": 2}, "body": {}}),
        ("getPet", {"path_params": [], "query": {}}),
        ("getPet", [1]),
        ("find", {}),
        ("find", {"q": "1"}),
        ("addPet", {}),
        ("addPet", {"body": "x" * 1_100_000}),
        ("form", {"body": [1]}),
    ],
)
async def test_what_does_not_fit_is_refused_and_nothing_is_sent(name: str, value: object) -> None:
    async with bridged() as one:
        assert await one.refusal(name, value) == "input_unsupported"

    assert one.served.asked == []


@pytest.mark.parametrize("headers", [{"X-Trace": "a\r\nHost: evil"}, {"x-trace": "a\0b"}])
async def test_a_header_holds_no_line_break(headers: dict[str, str]) -> None:
    value = {"path_params": {"id": 1, "part": 2}, "headers": headers}
    async with bridged() as one:
        assert await one.refusal("getPet", value) == "header_forbidden"

    assert one.served.asked == []


async def test_the_operators_headers_cannot_be_set_from_outside() -> None:
    async with bridged(headers={"X-Trace": "operator", "Authorization": "Bearer s"}) as one:
        value = {"path_params": {"id": 1, "part": 2}, "headers": {"x-trace": "stranger"}}
        await one.ask("getPet", value)

    asked = one.served.asked[0]
    assert (asked.headers["x-trace"], asked.headers["authorization"]) == ("operator", "Bearer s")
    assert "Bearer" not in repr(Backend(read_url("http://x.example"), {"a": "Bearer s"}))


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (404, "backend_refused"),
        (401, "backend_refused"),
        (302, "backend_failed"),
        (500, "backend_failed"),
        (503, "backend_failed"),
    ],
)
async def test_the_backends_status_decides(status: int, code: str) -> None:
    answer = page('{"detail": "a secret"}', status, content_type="application/json", location="/x")
    async with bridged(answer) as one:
        with pytest.raises(TreatyError) as caught:
            await one.ask("find", {"query": {"q": "1"}})

    assert caught.value.code == code
    assert str(status) in caught.value.detail
    assert "secret" not in caught.value.detail
    assert len(one.served.asked) == 1


@pytest.mark.parametrize(
    ("answer", "output"),
    [
        (page("", 204), {"type": "json", "value": None}),
        (page("hello", content_type="text/plain"), {"type": "text", "value": "hello"}),
        (page(b"\x00\xff", content_type="image/png"),
         {"type": "json", "value": {"mime": "image/png", "base64": "AP8="}}),
        (page('{"id": 9007199254740993}', content_type="application/json"),
         {"type": "text", "value": '{"id": 9007199254740993}', "mime": "application/json"}),
        (page("{", content_type="application/problem+json"),
         {"type": "text", "value": "{", "mime": "application/problem+json"}),
    ],
)  # fmt: skip
async def test_an_answer_becomes_an_output(answer: bytes, output: dict[str, Any]) -> None:
    async with bridged(answer) as one:
        result = await one.ask("find", {"query": {"q": "1"}})

    assert result.outputs[0].document() == output


async def test_a_backend_that_is_not_trusted_must_be_public() -> None:
    async with bridged() as one:
        one.client = GuardedClient()
        assert await one.refusal("find", {"query": {"q": "1"}}) == "address_forbidden"


async def test_the_manifest_says_what_a_call_takes() -> None:
    async with bridged() as one:
        schema = one.offered["addPet"].constraints["input_schema"]

    assert schema == {
        "type": "object",
        "properties": {"body": {"type": "object"}},
        "required": ["body"],
        "additionalProperties": False,
    }
