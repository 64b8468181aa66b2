"""Reading descriptions: what becomes an operation, what is left out, and what is made to hurt."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from treaty.bridges.openapi import Operation, Parameter, read_description
from treaty.bridges.rest import Backend, capabilities
from treaty.bridges.stated import Stated
from treaty.errors import MisuseError
from treaty.wire.canonical import canonical
from treaty.wire.hosts import read_url

PETS = """
openapi: 3.1.0
info: {title: Pets, version: "1"}
servers:
  - url: https://{region}.pets.example/v1
    variables: {region: {default: eu}}
paths:
  /pets/{id}:
    parameters:
      - {name: id, in: path, required: true, schema: {type: integer}}
    get:
      operationId: getPet
      summary: One pet
      tags: [pets]
      parameters:
        - $ref: '#/components/parameters/Fields'
        - {name: X-Trace, in: header, schema: {type: string}}
        - {name: Authorization, in: header, required: true}
        - {name: theme, in: cookie}
    put:
      requestBody:
        required: true
        content:
          application/json; charset=utf-8: {schema: {$ref: '#/components/schemas/Pet'}}
components:
  parameters:
    Fields: {name: fields, in: query, explode: false, schema: {type: array, items: {type: string}}}
  schemas:
    Pet:
      type: object
      required: [name]
      properties: {name: {type: string}, born: {type: string, format: date, default: 2020-01-01},
                   mother: {$ref: '#/components/schemas/Pet'}}
"""


def described(paths: dict[str, Any], **members: Any):
    document = {"openapi": "3.0.3", "info": {"title": "t", "version": "1"}, "paths": paths}
    return read_description(json.dumps({**document, **members}).encode())


def refused(raw: bytes) -> str:
    with pytest.raises(MisuseError) as caught:
        read_description(raw)
    return caught.value.detail


def test_operations_with_what_they_take() -> None:
    found = read_description(PETS.encode())
    get, put = found.operations

    assert (found.title, found.left_out) == ("Pets", ())
    assert found.base_beside(None) == read_url("https://eu.pets.example/v1")
    assert get == Operation(
        name="getPet",
        method="GET",
        path="/pets/{id}",
        summary="One pet",
        parameters=(
            Parameter("id", "path", True, False, {"type": "integer"}),
            Parameter(
                "fields", "query", False, False, {"type": "array", "items": {"type": "string"}}
            ),
            Parameter("X-Trace", "header", False, False, {"type": "string"}),
        ),
        body_type=None,
        body_required=False,
        body_schema={},
        tags=("pets",),
    )
    assert (put.name, put.body_type, put.body_required) == (
        "put/pets/{id}",
        "application/json",
        True,
    )
    assert put.body_schema["properties"]["name"] == {"type": "string"}
    assert put.body_schema["properties"]["born"]["default"] == "2020-01-01"


@pytest.mark.parametrize(
    ("item", "why"),
    [
        ({"get": {"parameters": [{"$ref": "#/nowhere"}]}}, "leads nowhere"),
        ({"get": {"parameters": [{"$ref": "file:///etc/passwd"}]}}, "leads outside"),
        ({"get": {"parameters": [{"$ref": "https://evil.example/x"}]}}, "leads outside"),
        ({"get": {"parameters": ["id"]}}, "no object"),
        ({"get": {"parameters": [{"name": "id", "in": "body"}]}}, "a name and a place"),
        ({"get": {"parameters": [{"name": "id", "in": ["path"]}]}}, "a name and a place"),
        ({"get": {"parameters": [{"name": "c", "in": "cookie", "required": True}]}}, "cookie"),
        ({"get": {"parameters": [{"name": str(n), "in": "query"} for n in range(101)]}}, "more"),
        (
            {"post": {"requestBody": {"required": True, "content": {"image/png": {}}},
                      "parameters": [{"name": "id", "in": "path"}]}},
            "neither JSON",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_carried_out_is_left_out_and_said(item: dict, why: str) -> None:
    found = described({"/x/{id}": item})

    assert found.operations == ()
    assert why in found.left_out[0]


def test_a_part_of_a_path_is_a_parameter_declared_or_not() -> None:
    (one,) = described({"/x/{id}/{id}/{b}": {"get": {}}}).operations

    assert [(each.name, each.required) for each in one.parameters] == [("id", True), ("b", True)]


def test_numbers_that_no_message_may_hold_are_rounded() -> None:
    schema = {"type": "integer", "maximum": 2**63 - 1, "minimum": -(10**400), "default": 1e300}
    query = {"name": "n", "in": "query", "schema": schema}
    (one,) = described({"/": {"get": {"parameters": [query]}}}).operations

    assert canonical(one.parameters[0].schema)
    assert one.parameters[0].schema["maximum"] == float(2**63)


def test_halves_of_characters_are_carried_nowhere() -> None:
    half = "\ud800"
    schema = {"type": "object", "properties": {half: {"description": half}}}
    operation = {"summary": half, "tags": [half], "operationId": half,
                 "requestBody": {"content": {"application/json": {"schema": schema}}}}  # fmt: skip
    found = described({"/a": {"post": operation}, f"/{half}": {"get": {}}})

    (one,) = capabilities(found, Backend(read_url("http://127.0.0.1:1")), Stated())
    assert canonical([one.description, list(one.tags), dict(one.constraints)])
    assert "no text" in found.left_out[0]


def test_a_path_may_be_a_reference() -> None:
    found = described({"/a": {"$ref": "#/components/pathItems/A"}, "/b": {"$ref": "#/nowhere"}},
                      components={"pathItems": {"A": {"post": {"operationId": "a"}}}})  # fmt: skip

    assert [(one.name, one.method, one.path) for one in found.operations] == [("a", "POST", "/a")]
    assert "leads nowhere" in found.left_out[0]


def test_references_in_a_circle_end() -> None:
    circle = {"components": {"parameters": {"A": {"$ref": "#/components/parameters/A"}}}}
    found = described({"/": {"get": {"parameters": [{"$ref": "#/components/parameters/A"}]}}},
                      **circle)  # fmt: skip

    assert "circle" in found.left_out[0]


def test_a_schema_that_grows_without_end_is_cut() -> None:
    wide = {"$ref": "#/components/schemas/S"}
    schema = {"type": "object", "properties": {str(n): wide for n in range(50)}}
    body = {"content": {"application/json": {"schema": wide}}}
    found = described({"/": {"post": {"requestBody": body}}},
                      components={"schemas": {"S": schema}})  # fmt: skip

    assert len(json.dumps(found.operations[0].body_schema)) < 20_000


@pytest.mark.parametrize(
    ("servers", "base"),
    [
        ([{"url": "http://127.0.0.1:8000/api/"}], "http://127.0.0.1:8000/api/"),
        ([{"url": "/v2"}], None),
        ([], None),
        (None, None),
        ([{"url": 5}], None),
    ],
)
def test_where_the_operations_are(servers: Any, base: str | None) -> None:
    found = described({}, servers=servers).base_beside(None)

    assert (found.url if found else None) == base


def test_a_relative_server_is_beside_the_description() -> None:
    raw = json.dumps({"openapi": "3.0.0", "paths": {}, "servers": [{"url": "../v2"}]}).encode()
    found = read_description(raw)

    assert found.is_relative
    beside = found.base_beside(read_url("http://api.example:81/docs/v1/openapi.json"))
    assert beside == read_url("http://api.example:81/docs/v2")


@pytest.mark.parametrize(
    "url", ["http://user:pass@x.example/", "http://2130706433/", "ftp://x.example/", "http://a b/"]
)
def test_a_server_that_is_no_address_is_misuse(url: str) -> None:
    with pytest.raises(MisuseError, match="no address"):
        described({}, servers=[{"url": url}]).base_beside(None)


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b'{"swagger": "2.0"}', "version 3"),
        (b"{}", "version 3"),
        (b"[]", "no object"),
        (b"{", "no JSON"),
        (b"a: [", "no YAML"),
        (b"a: !!python/object/apply:os.system [x]", "no YAML"),
        (b"\xff\xfe\x00", "no YAML"),
        (b"[" * 100_000, "no YAML"),
        (b"", "no object"),
        (b"x" * (8 * 1024 * 1024 + 1), "at most"),
    ],
)
def test_what_is_no_description_is_misuse(raw: bytes, why: str) -> None:
    assert why in refused(raw)


def test_aliases_that_multiply_are_harmless() -> None:
    lines = ["a0: &a0 {type: object}"]
    lines += [f"a{n}: &a{n} {{properties: {{x: *a{n - 1}, y: *a{n - 1}}}}}" for n in range(1, 40)]
    schema = "{application/json: {schema: *a39}}"
    paths = f"paths: {{/: {{post: {{requestBody: {{content: {schema}}}}}}}}}"
    text = "\n".join([*lines, "openapi: 3.0.0", paths])

    found = read_description(text.encode())

    assert len(json.dumps(found.operations[0].body_schema)) < 20_000


WORDS = st.sampled_from(
    ["openapi", "paths", "/a/{id}", "get", "post", "parameters", "name", "in", "path", "query",
     "header", "required", "requestBody", "content", "application/json", "schema", "properties",
     "items", "type", "$ref", "#/paths", "#/paths/~1a~1{id}", "servers", "url", "variables",
     "operationId", "tags", "summary", "enum", "default", "3.0.0"]
)  # fmt: skip
VALUES = st.recursive(
    WORDS | st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=5),
    max_leaves=20,
)
OPERATIONS = st.fixed_dictionaries(
    {},
    optional={
        "operationId": VALUES,
        "parameters": st.lists(
            st.fixed_dictionaries({}, optional={"name": VALUES, "in": WORDS, "schema": VALUES,
                                                "required": VALUES, "$ref": WORDS}),
            max_size=3,
        ) | VALUES,
        "requestBody": VALUES | st.fixed_dictionaries({"content": VALUES}),
        "tags": VALUES,
        "summary": VALUES,
    },
)  # fmt: skip


@given(st.dictionaries(WORDS, OPERATIONS | VALUES, max_size=4), VALUES, VALUES)
def test_any_description_is_read_or_misuse(item: Any, servers: Any, components: Any) -> None:
    document = {"openapi": "3.0.0", "paths": {"/a/{id}": item}, "servers": servers,
                "components": components}  # fmt: skip
    try:
        found = read_description(json.dumps(document).encode())
        base = found.base_beside(None) or read_url("http://127.0.0.1:1")
    except MisuseError:
        return
    offered = capabilities(found, Backend(base), Stated())
    assert len(offered) == len(found.operations)
    assert canonical([dict(one.constraints) for one in offered])
