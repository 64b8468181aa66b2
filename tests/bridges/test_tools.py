"""Tools as capabilities: arguments, and what of a tool's content becomes an output."""

from __future__ import annotations

import pytest

from tests.bridges.calls import ask
from treaty.bridges.mcp import Tool
from treaty.bridges.stated import Stated
from treaty.bridges.tools import capabilities, read_result, text_argument
from treaty.errors import Refused

pytestmark = pytest.mark.anyio

STRING = {"type": "string"}
ECHO = Tool("../../echo", "Say it again.", {"type": "object", "properties": {"text": STRING},
                                            "required": ["text"]})  # fmt: skip
ADD = Tool("add", "", {"type": "object", "properties": {"a": {"type": "integer"}}})


class Remembering:
    """What a server was asked; it echoes."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict]] = []

    async def call(self, name: str, arguments: dict) -> dict:
        self.asked.append((name, dict(arguments)))
        return {"content": [{"type": "text", "text": "done"}]}


async def test_a_tool_is_called_by_its_own_name() -> None:
    server = Remembering()
    echo, add = capabilities(server, (ECHO, ADD), Stated(prefix="t."))

    await ask(echo, {"text": "x", "more": 1})
    await ask(echo, "https://example.com/", kind="url")
    await ask(add, {"a": 1})
    await ask(add)

    assert (echo.name, add.name) == ("t.echo", "t.add")
    assert (echo.inputs, add.inputs) == (("json", "text", "url", "markdown"), ("json",))
    assert server.asked == [
        ("../../echo", {"text": "x", "more": 1}),
        ("../../echo", {"text": "https://example.com/"}),
        ("add", {"a": 1}),
        ("add", {}),
    ]
    assert echo.constraints["input_schema"]["required"] == ["text"]


@pytest.mark.parametrize("value", ["x", 5, ["x"]])
async def test_arguments_are_an_object(value: object) -> None:
    (echo,) = capabilities(Remembering(), (ECHO,), Stated())

    with pytest.raises(Refused) as caught:
        await ask(echo, value)
    assert caught.value.code == "input_unsupported"


@pytest.mark.parametrize(
    ("schema", "name"),
    [
        (ECHO.schema, "text"),
        ({"properties": {"q": STRING}}, "q"),
        ({"properties": {"q": STRING, "n": {}}, "required": ["q"]}, "q"),
        ({"properties": {"q": STRING, "n": STRING}}, None),
        ({"properties": {"n": {"type": "integer"}}}, None),
        ({"properties": {"q": STRING}, "required": [5]}, None),
        ({"properties": []}, None),
        ({}, None),
    ],
)
def test_the_argument_a_text_stands_for(schema: dict, name: str | None) -> None:
    assert text_argument(Tool("x", "", schema)) == name


def test_content_becomes_outputs() -> None:
    content = [
        {"type": "text", "text": "a"},
        {"type": "resource_link", "uri": "https://example.com/", "name": "x"},
        {"type": "resource_link", "uri": "file:///etc/passwd"},
        {"type": "image", "data": "AA==", "mimeType": "image/png"},
        "odd",
    ]
    result = read_result({"content": content, "structuredContent": {"n": 1}})

    assert [(one.type, one.value) for one in result.outputs] == [
        ("json", {"n": 1}),
        ("text", "a"),
        ("url", "https://example.com/"),
        ("json", content[2]),
        ("json", content[3]),
    ]
    assert read_result({"content": "odd"}).outputs == ()


def test_plain_text_is_given_where_it_is_asked_for() -> None:
    result = {"content": [{"type": "text", "text": "a"}], "structuredContent": {"result": "a"}}

    assert [one.type for one in read_result(result, "text").outputs] == ["text"]
    assert [one.type for one in read_result(result, "json").outputs] == ["json", "text"]


@pytest.mark.parametrize("content", [[{"type": "text", "text": "no\nluck"}], [], None])
def test_a_tools_own_error_is_a_refusal(content: object) -> None:
    with pytest.raises(Refused) as caught:
        read_result({"content": content, "isError": True})
    assert caught.value.code == "backend_refused"
    assert "\n" not in caught.value.detail
