"""Reading descriptions: what becomes an operation, what is left out, and what is made to hurt."""

from __future__ import annotations

import json
from typing import Any

import pytest

from treaty.bridges.openapi import Operation, Parameter, read_description
from treaty.errors import MisuseError
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
