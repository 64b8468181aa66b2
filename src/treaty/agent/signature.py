"""What a function's signature says about inputs and outputs, and how a call becomes arguments.

The rules stand at the head of ``treaty.agent.capability``. Annotations are the contract: a
member of another type than annotated is refused before the function is called.
"""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, Literal, NewType, Union, get_args, get_origin, get_type_hints

from treaty.engine.capability import Call, Item, Result
from treaty.errors import MisuseError, Refused, shown
from treaty.wire.canonical import Json

Text = NewType("Text", str)
"""The value of an input of type text, or such an output."""
Url = NewType("Url", str)
"""The value of an input of type url, or such an output."""
Markdown = NewType("Markdown", str)
"""The value of an input of type markdown, or such an output."""

PARAMETERS_MAX: Final = 32

_MARKS: Final[Mapping[object, str]] = {Text: "text", Url: "url", Markdown: "markdown"}
_JSON_TYPES: Final[Mapping[object, str]] = {
    str: "string",
    int: "integer",
    float: "number",
    Decimal: "number",
    bool: "boolean",
    list: "array",
    dict: "object",
}


@dataclass(frozen=True, slots=True)
class _Parameter:
    """One parameter: which input it reads, whole or a member of it."""

    name: str
    kind: str
    """A type of input, ``call``, or ``member`` of a json input."""
    annotation: Any
    is_optional: bool
    is_list: bool = False


@dataclass(frozen=True, slots=True)
class Shape:
    """What a signature says."""

    parameters: tuple[_Parameter, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    schema: dict[str, Json] | None
    """JSON Schema of the json input, when parameters are members of one."""

    def arguments(self, call: Call) -> dict[str, Any]:
        """The arguments of a call. Raises ``Refused`` (``input_unsupported``)."""
        members = self._members(call)
        found: dict[str, Any] = {}
        for one in self.parameters:
            if one.kind == "call":
                found[one.name] = call
            elif one.kind == "member":
                _take_member(found, one, members)
            else:
                _take_input(found, one, call)
        return found

    def _members(self, call: Call) -> dict[str, Json]:
        if self.schema is None:
            return {}
        values = call.values("json")
        members = values[0] if values else {}
        if not isinstance(members, dict):
            raise _unsupported(f"the json input is an object, not {shown(members)}")
        known = {one.name for one in self.parameters if one.kind == "member"}
        if unknown := sorted(members.keys() - known):
            raise _unsupported(f"the json input has no member {shown(unknown[0])}")
        return members


def read_shape(function: Callable[..., Any]) -> Shape:
    """Read a signature. Raises ``MisuseError``."""
    try:
        hints = get_type_hints(function)
    except NameError as error:
        raise MisuseError(f"an annotation of {function.__name__} is unknown: {error}") from error
    listed = inspect.signature(function).parameters.values()
    if len(listed) > PARAMETERS_MAX:
        raise MisuseError(f"a capability has at most {PARAMETERS_MAX} parameters")
    plain = [one for one in listed if _mark(hints.get(one.name)) is None]
    is_text = len(plain) == 1 and _bare(hints.get(plain[0].name)) is str
    parameters = tuple(_parameter(one, hints, is_text=is_text) for one in listed)
    inputs = dict.fromkeys(
        "json" if one.kind == "member" else one.kind for one in parameters if one.kind != "call"
    )
    members = [one for one in parameters if one.kind == "member"]
    return Shape(
        parameters,
        tuple(inputs) or ("text",),
        _outputs(hints.get("return")),
        _schema(members) if members else None,
    )


def output_of(given: Any, shape: Shape) -> Item:
    """The output that a returned value is."""
    kind = shape.outputs[0]
    if kind == "json":
        return Item(type="json", value=given)
    if not isinstance(given, str):
        raise TypeError(f"{kind} is a str")
    return Item(type=kind, value=given)


def _parameter(one: inspect.Parameter, hints: Mapping[str, Any], *, is_text: bool) -> _Parameter:
    if one.kind in (one.VAR_POSITIONAL, one.VAR_KEYWORD, one.POSITIONAL_ONLY):
        raise MisuseError(f"the parameter {one.name} cannot be given by name")
    annotation = hints.get(one.name)
    is_optional = one.default is not one.empty
    mark = _mark(annotation)
    if mark is not None:
        is_list = get_origin(_bare(annotation)) is list
        return _Parameter(one.name, mark, annotation, is_optional, is_list)
    if is_text:
        return _Parameter(one.name, "text", annotation, is_optional)
    _schema_of(annotation, one.name)
    return _Parameter(one.name, "member", annotation, is_optional)


def _mark(annotation: Any) -> str | None:
    """The type of input an annotation names by itself; ``call`` for the call."""
    bare = _bare(annotation)
    if bare is Call:
        return "call"
    if get_origin(bare) is list and get_args(bare):
        bare = get_args(bare)[0]
    return _MARKS.get(bare) if _is_hashable(bare) else None


def _bare(annotation: Any) -> Any:
    """An annotation without its ``| None``."""
    if get_origin(annotation) in (Union, types.UnionType):
        left = [one for one in get_args(annotation) if one is not type(None)]
        return left[0] if len(left) == 1 else annotation
    return annotation


def _is_hashable(value: object) -> bool:
    return type(value).__hash__ is not None


def _outputs(annotation: Any) -> tuple[str, ...]:
    bare = _bare(annotation)
    if bare is Result or annotation is None:
        return ("text", "markdown", "json")
    if bare is str:
        return ("text",)
    return (_MARKS.get(bare, "json") if _is_hashable(bare) else "json",)


def _schema(members: list[_Parameter]) -> dict[str, Json]:
    properties: dict[str, Json] = {
        one.name: _schema_of(one.annotation, one.name) for one in members
    }
    required: list[Json] = [one.name for one in members if not one.is_optional]
    return {
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }


def _schema_of(annotation: Any, name: str) -> dict[str, Json]:
    bare = _bare(annotation)
    if get_origin(bare) is Literal:
        return {"enum": list(get_args(bare))}
    kind = get_origin(bare) or bare
    if kind not in _JSON_TYPES:
        raise MisuseError(f"the parameter {name} has no annotation that JSON can be")
    found: dict[str, Json] = {"type": _JSON_TYPES[kind]}
    if kind is list and get_args(bare):
        found["items"] = _schema_of(get_args(bare)[0], name)
    return found


def _take_input(found: dict[str, Any], one: _Parameter, call: Call) -> None:
    values = call.values(one.kind)
    for value in values:
        if not isinstance(value, str):
            raise _unsupported(f"an input of type {one.kind} is a text, not {shown(value)}")
    if values:
        found[one.name] = values if one.is_list else values[0]
    elif not one.is_optional:
        raise _unsupported(f"an input of type {one.kind} is missing")


def _take_member(found: dict[str, Any], one: _Parameter, members: Mapping[str, Json]) -> None:
    if one.name not in members:
        if not one.is_optional:
            raise _unsupported(f"the json input lacks the member {one.name}")
        return
    value = members[one.name]
    if not _fits(value, one.annotation):
        raise _unsupported(f"{one.name} is not as the manifest says: {shown(value)}")
    found[one.name] = _converted(value, _bare(one.annotation))


def _converted(value: Json, kind: Any) -> Any:
    return Decimal(str(value)) if kind is Decimal and value is not None else value


def _fits(value: Json, annotation: Any) -> bool:
    bare = _bare(annotation)
    if value is None:
        return bare is not annotation
    if get_origin(bare) is Literal:
        return value in get_args(bare) and type(value) in map(type, get_args(bare))
    kind = get_origin(bare) or bare
    if kind in (int, float, Decimal):
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        return is_number and (kind is not int or isinstance(value, int))
    if not isinstance(value, kind):
        return False
    if kind is list and get_args(bare):
        return isinstance(value, list) and all(_fits(each, get_args(bare)[0]) for each in value)
    return True


def _unsupported(why: str) -> Refused:
    return Refused(why, "input_unsupported")
