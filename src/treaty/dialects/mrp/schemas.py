"""JSON Schemas 2020-12 of everything on the wire, made from the table of shapes and served.

Laws: a schema says what ``checking`` asks, and both are tested against each other. References
are relative, and every ``$id`` that occurs is one of ``PATHS`` below one base, so a validator that
is given these files resolves all of them offline.

The schemas at the protocol's own ``$id``s are those that existing peers take; the newer ones lie
below ``strict/``.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Final

from treaty.dialects.mrp import choices as mrp
from treaty.dialects.mrp import shapes
from treaty.dialects.mrp.choices import Profile
from treaty.dialects.mrp.shapes import (
    Anything,
    Either,
    Flag,
    Listing,
    Number,
    Record,
    Shape,
    Text,
)
from treaty.errors import MisuseError
from treaty.wire.canonical import Json

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
ID_ROOT: Final = "https://www.moltrouter.dev/schemas/mrp/0.1/"
"""What every ``$id`` begins with; the protocol's own."""
ROOTS: Final[Mapping[Profile, str]] = {Profile.COMPAT: "", Profile.STRICT: "strict/"}
"""Below which path the schemas of a profile lie."""

SCHEMA_REFS: Final[Mapping[str, str]] = {
    f"schema://mrp/types/{name}@1.0": f"types/{name}@1.0"
    for name in (*mrp.VALUE_TYPES, mrp.ARTIFACT)
}
"""The references of the core types, and the paths they lie at (5)."""

Schema = dict[str, Json]


def _made(profile: Profile) -> dict[str, Shape]:
    """Every shape of a profile that is a schema of its own, by path."""
    payloads = {one.path: one for one in shapes.PAYLOADS[profile].values()}
    envelope = shapes.ENVELOPE[profile]
    others = (envelope, shapes.MANIFEST, shapes.ITEM, shapes.ARTIFACT)
    return {**{one.path: one for one in others}, **payloads}


@cache
def all_schemas() -> Mapping[str, Schema]:
    """Every schema by its path. The caller changes nothing in it."""
    found: dict[str, Schema] = {}
    for profile, root in ROOTS.items():
        for path, shape in _made(profile).items():
            found[root + path] = _document(shape, root + path)
    for path in SCHEMA_REFS.values():
        found[path] = _core_type(path)
    return found


def schema_at(path: str) -> Schema | None:
    """The schema at a path such as ``envelope.schema.json``, or None.

    A path may also begin with the version: ``0.1/envelope.schema.json``.
    """
    return all_schemas().get(path.removeprefix(f"{mrp.VERSION}/"))


def _core_type(path: str) -> Schema:
    name = path.removeprefix("types/").partition("@")[0]
    item = "artifact" if name == mrp.ARTIFACT else "input"
    return {
        "$schema": DIALECT,
        "$id": ID_ROOT + path,
        "title": f"MRP core type {name}",
        "$ref": f"{item}.schema.json",
        "properties": {"type": {"const": name}},
    }


def _document(shape: Shape, path: str) -> Schema:
    if not isinstance(shape, Record | Either):
        raise MisuseError("only objects are schemas of their own")
    head: Schema = {"$schema": DIALECT, "$id": ID_ROOT + path, "title": shape.title}
    return {**head, **_whole(shape, path)}


def _schema(shape: Shape, path: str) -> Schema:
    """A shape as it stands inside of the schema at ``path``: by reference where it is one."""
    if isinstance(shape, Record | Either) and shape.path:
        return {"$ref": _relative(shape.path, path)}
    return _whole(shape, path)


def _relative(target: str, path: str) -> str:
    """Schemas of one profile lie at most one folder deep."""
    local = path.removeprefix(ROOTS[Profile.STRICT])
    folder, slash, _ = local.rpartition("/")
    if slash and target.startswith(f"{folder}/"):
        return target.removeprefix(f"{folder}/")
    return f"../{target}" if slash else target


def _whole(shape: Shape, path: str) -> Schema:
    match shape:
        case Text():
            return _text(shape)
        case Number():
            return _number(shape)
        case Flag():
            return {"type": "boolean"}
        case Anything():
            return {}
        case Listing():
            return {"type": "array", "items": _schema(shape.of, path)}
        case Record():
            return _record(shape, path)
        case Either():
            options: list[Json] = [_schema(one, path) for one in shape.options]
            return {"oneOf": options}


def _text(shape: Text) -> Schema:
    schema: Schema = {"type": "string"}
    if shape.chars_least:
        schema["minLength"] = shape.chars_least
    if shape.pattern is not None:
        schema["pattern"] = shape.pattern
    if shape.one_of:
        schema["enum"] = list(shape.one_of)
    if shape.is_instant:
        schema["format"] = "date-time"
    return schema


def _number(shape: Number) -> Schema:
    schema: Schema = {"type": "integer" if shape.whole else "number"}
    if shape.least is not None:
        schema["minimum"] = shape.least
    if shape.most is not None:
        schema["maximum"] = shape.most
    return schema


def _record(shape: Record, path: str) -> Schema:
    schema: Schema = {"type": "object"}
    if shape.required:
        schema["required"] = list(shape.required)
    if shape.members:
        schema["properties"] = {name: _schema(one, path) for name, one in shape.members.items()}
    if not shape.is_open:
        schema["additionalProperties"] = False
    if shape.extras:
        schema["allOf"] = [
            rule for value in shape.extras if (rule := _rule(shape, value, path)) is not None
        ]
    return schema


def _rule(shape: Record, value: str, path: str) -> Json:
    extra = shape.extras[value]
    then: Schema = {}
    if extra.members:
        then["properties"] = {name: _schema(one, path) for name, one in extra.members.items()}
    if extra.required:
        then["required"] = list(extra.required)
    if not then:
        return None
    condition: Schema = {
        "properties": {shape.tag: {"const": value}},
        "required": [shape.tag],
    }
    return {"if": condition, "then": then}


PATHS: Final = tuple(all_schemas())
"""Where schemas are, below ``/mrp/schemas/``."""
