"""References within a description, followed a limited way, and schemas copied into manifests."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import Any, Final

from treaty.errors import WireError, shown
from treaty.wire.canonical import Json

REFERENCES_MAX: Final = 16
"""References that lead to references."""
DEPTH_MAX: Final = 8
NODES_MAX: Final = 400
"""Values of one schema in a manifest; what is beyond is left open."""
TEXT_CHARS_MAX: Final = 300
INTEGER_MAX: Final = 2**53

_KEPT: Final = frozenset(
    (
        *("type", "format", "enum", "const", "items", "properties", "required", "minimum"),
        *("maximum", "minLength", "maxLength", "minItems", "maxItems", "default", "description"),
        *("additionalProperties", "oneOf", "anyOf", "allOf", "nullable", "pattern"),
    )
)


def resolved(document: Mapping[str, Any], value: Any) -> dict[str, Any]:
    """An object, its references followed. Raises ``WireError``."""
    for _ in range(REFERENCES_MAX):
        if not isinstance(value, dict):
            raise WireError("a reference leads to what is no object")
        reference = value.get("$ref")
        if reference is None:
            return value
        value = _at(document, reference)
    raise WireError("references lead in a circle")


def copied(document: Mapping[str, Any], schema: Any) -> dict[str, Json]:
    """A schema with its references filled in, as far as limits allow; else an open one."""
    left = [NODES_MAX]
    try:
        found = _copy(document, schema, DEPTH_MAX, left)
    except WireError:
        return {}
    return found if isinstance(found, dict) else {}


def _copy(document: Mapping[str, Any], value: Any, depth: int, left: list[int]) -> Json:
    left[0] -= 1
    if depth == 0 or left[0] <= 0:
        return {}
    if isinstance(value, dict):
        if "$ref" in value:
            value = resolved(document, value)
        is_schema = "properties" not in value or isinstance(value["properties"], dict)
        return {
            key: _members(document, key, inner, depth, left)
            for key, inner in value.items()
            if is_schema and isinstance(key, str) and key in _KEPT
        }
    if isinstance(value, list):
        return [_copy(document, one, depth - 1, left) for one in value[:NODES_MAX]]
    return _plain(value)


def _members(
    document: Mapping[str, Any], key: str, value: Any, depth: int, left: list[int]
) -> Json:
    if key != "properties":
        return _copy(document, value, depth - 1, left)
    return {
        carried(str(name)): _copy(document, inner, depth - 1, left)
        for name, inner in list(value.items())[: max(left[0], 0)]
    }


def _plain(value: Any) -> Json:
    """A value messages may hold: a large number rounded, what YAML made of a date as its text."""
    if isinstance(value, str):
        return carried(value)
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int):
        return value if abs(value) < INTEGER_MAX else _rounded(value)
    if isinstance(value, float):
        return value if isfinite(value) else None
    return carried(str(value))


def carried(text: str, chars_max: int = TEXT_CHARS_MAX) -> str:
    """A text as messages may hold it: cut, and without halves of characters."""
    return text[:chars_max].encode("utf-8", "replace").decode()


def _rounded(value: int) -> float | None:
    try:
        return float(value)
    except OverflowError:
        return None


def _at(document: Mapping[str, Any], reference: Any) -> Any:
    """What a reference such as ``#/components/schemas/Pet`` names."""
    if not isinstance(reference, str) or not reference.startswith("#/"):
        raise WireError(f"a reference leads outside: {shown(reference)}")
    found: Any = document
    for step in reference[2:].split("/"):
        key = step.replace("~1", "/").replace("~0", "~")
        if not isinstance(found, dict) or key not in found:
            raise WireError(f"a reference leads nowhere: {shown(reference)}")
        found = found[key]
    return found
