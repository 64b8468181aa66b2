"""Tools of an MCP server as capabilities: a json item of arguments in, the tool's content out.

A tool whose only required argument is a text may also be asked with a text or url item, so that
buyers who send nothing else reach it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from treaty.bridges.mcp import McpServer, Tool
from treaty.bridges.schemas import copied
from treaty.bridges.stated import BRIDGED_MAX, Names, Stated, object_schema
from treaty.engine.capability import OUTPUTS_MAX, Call, Capability, Item, Perform, Result
from treaty.errors import Refused, shown
from treaty.wire.canonical import Json

TEXT_CHARS_MAX: Final = 1_000_000
DETAIL_CHARS_MAX: Final = 300

_TEXTS: Final = ("text", "url", "markdown")
_PLAIN: Final = frozenset(("text", "text/plain", "markdown", "text/markdown"))


def capabilities(
    server: McpServer, tools: Sequence[Tool], stated: Stated
) -> tuple[Capability, ...]:
    """A capability for each tool."""
    names = Names(stated.prefix)
    return tuple(
        stated.capability(
            names.give(one.name),
            performing(server, one),
            description=one.description or one.name,
            inputs=("json", *_TEXTS) if text_argument(one) else ("json",),
            outputs=("json", "text", "url"),
            tags=("mcp",),
            constraints={"input_schema": object_schema(copied(one.schema, one.schema) or None)},
        )
        for one in tools[:BRIDGED_MAX]
    )


def text_argument(tool: Tool) -> str | None:
    """The argument a text stands for: the only one, or the only one required, if it is a text."""
    properties, required = tool.schema.get("properties"), tool.schema.get("required")
    if not isinstance(properties, dict):
        return None
    named = required if isinstance(required, list) and required else list(properties)
    if len(named) != 1 or not isinstance(named[0], str):
        return None
    schema = properties.get(named[0])
    is_text = isinstance(schema, dict) and schema.get("type") == "string"
    return named[0] if is_text else None


def performing(server: McpServer, tool: Tool) -> Perform:
    """What calls a tool."""
    name = text_argument(tool)

    async def perform(call: Call) -> Result:
        result = await server.call(tool.name, _arguments(call, name))
        return read_result(result, call.output_format)

    return perform


def _arguments(call: Call, name: str | None) -> Mapping[str, Json]:
    values = call.values("json")
    if values:
        if not isinstance(values[0], dict):
            raise _unsupported(f"arguments are an object, not {shown(values[0])}")
        return values[0]
    texts = [one.value for one in call.inputs if one.type in _TEXTS]
    if name is None or not texts:
        return {}
    return {name: texts[0]}


def read_result(result: Mapping[str, Json], output_format: str | None = None) -> Result:
    """What a tool gave back; structured content comes first, unless plain text was asked for.

    Raises ``Refused`` (``backend_refused``) for an error of its own.
    """
    content = result.get("content")
    blocks = [
        one for one in (content if isinstance(content, list) else []) if isinstance(one, dict)
    ]
    if result.get("isError") is True:
        texts = (one.get("text") for one in blocks)
        text = next((one for one in texts if isinstance(one, str)), "no reason is given")
        raise Refused(f"the tool says: {shown(text[:DETAIL_CHARS_MAX])}", "backend_refused")
    structured = result.get("structuredContent")
    outputs = tuple(_item(one) for one in blocks[: OUTPUTS_MAX - 1])
    if isinstance(structured, dict) and output_format not in _PLAIN:
        outputs = (Item(type="json", value=structured), *outputs)
    return Result(outputs=outputs)


def _item(block: Mapping[str, Json]) -> Item:
    kind, text, uri = (block.get(name) for name in ("type", "text", "uri"))
    if kind == "text" and isinstance(text, str):
        return Item(type="text", value=text[:TEXT_CHARS_MAX])
    is_page = isinstance(uri, str) and uri.startswith(("http://", "https://"))
    if kind == "resource_link" and is_page:
        return Item(type="url", value=uri)
    return Item(type="json", value=dict(block))


def _unsupported(why: str) -> Refused:
    return Refused(why, "input_unsupported")
