"""Reading an OpenAPI 3 description into operations: names, parameters, bodies, nothing more.

A description is foreign text. It is read within limits, references lead only within it, what
cannot be carried out is left out and said, and no part of it is ever run or used as a path of
this machine.

Read next: ``rest``, which carries an operation out.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from treaty.bridges.schemas import carried, copied, resolved
from treaty.bridges.stated import BRIDGED_MAX
from treaty.errors import MisuseError, Refused, WireError, shown
from treaty.wire import fields
from treaty.wire.canonical import Json
from treaty.wire.hosts import Place, follow, read_url

SPEC_BYTES_MAX: Final = 8 * 1024 * 1024
SPEC_DEPTH_MAX: Final = 128
PARAMETERS_MAX: Final = 100
METHODS: Final = ("get", "put", "post", "delete", "head", "patch")
JSON_TYPE: Final = "application/json"
FORM_TYPE: Final = "application/x-www-form-urlencoded"

TEMPLATE: Final = re.compile(r"\{([^{}/]+)\}")
"""A parameter's place in a path."""

_VARIABLE: Final = re.compile(r"\{([^{}]+)\}")
_PLACES: Final = frozenset(("path", "query", "header", "cookie"))
# The specification says that these are ignored where they are declared as parameters.
_NOT_PARAMETERS: Final = frozenset(("accept", "content-type", "authorization"))


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of an operation."""

    name: str
    place: str
    """``path``, ``query`` or ``header``."""
    required: bool
    explode: bool
    schema: dict[str, Json]


@dataclass(frozen=True, slots=True)
class Operation:
    """One method at one path."""

    name: str
    """The description's own, ``operationId`` or made of method and path; a key, nothing else."""
    method: str
    path: str
    """The template, ``/pets/{id}``."""
    summary: str
    parameters: tuple[Parameter, ...]
    body_type: str | None
    """The media type a body is sent as; None when the operation takes none."""
    body_required: bool
    body_schema: dict[str, Json]
    tags: tuple[str, ...]

    def of(self, place: str) -> dict[str, Parameter]:
        """The parameters of one place, by name; headers in lower case."""
        named = (one for one in self.parameters if one.place == place)
        return {one.name.lower() if place == "header" else one.name: one for one in named}


@dataclass(frozen=True, slots=True)
class Description:
    """What was read."""

    title: str
    server: str
    """Where the operations are, as it says: a URL, or a path alone."""
    operations: tuple[Operation, ...]
    left_out: tuple[str, ...]
    """What cannot be carried out, and why, for the operator."""

    @property
    def is_relative(self) -> bool:
        """True when the server is a path alone."""
        return "://" not in self.server

    def base_beside(self, source: Place | None) -> Place | None:
        """Where the operations are, given where the description is; None when nobody says.

        Raises ``MisuseError``.
        """
        try:
            if source is not None:
                return follow(source, self.server)
            return None if self.is_relative else read_url(self.server)
        except Refused as error:
            why = f"the description's server is no address: {error.detail}"
            raise MisuseError(why) from error


def read_description(raw: bytes) -> Description:
    """Read OpenAPI 3 in JSON or YAML.

    Raises ``MisuseError``.
    """
    document = _document(raw)
    version = document.get("openapi")
    if not isinstance(version, str) or not version.startswith("3."):
        found = version or document.get("swagger")
        raise MisuseError(f"an OpenAPI description of version 3 is read, not {shown(found)}")
    info = document.get("info")
    title = info.get("title") if isinstance(info, dict) else None
    operations, left_out = _operations(document)
    return Description(
        title=title if isinstance(title, str) else "",
        server=_server(document),
        operations=tuple(operations),
        left_out=tuple(left_out),
    )


def _operations(document: Mapping[str, Any]) -> tuple[list[Operation], list[str]]:
    """The operations that can be carried out, and what cannot."""
    found: list[Operation] = []
    left_out: list[str] = []
    for where, method, path, item in _listed(document):
        if len(found) == BRIDGED_MAX or len(left_out) == BRIDGED_MAX:
            left_out.append(f"what follows {BRIDGED_MAX} others")
            break
        try:
            found.append(_operation(document, method, path, resolved(document, item)))
        except WireError as error:
            left_out.append(f"{where}: {error.detail}")
    return found, left_out


def _document(raw: bytes) -> dict[str, Any]:
    if len(raw) > SPEC_BYTES_MAX:
        raise MisuseError(f"a description has at most {SPEC_BYTES_MAX} bytes")
    read = _json(raw) if raw.lstrip()[:1] == b"{" else _yaml(raw)
    if not isinstance(read, dict):
        raise MisuseError("the description is no object")
    return read


def _json(raw: bytes) -> Any:
    # Not read as messages are: descriptions state numbers that no message may hold.
    try:
        return json.loads(raw, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise MisuseError(f"the description is no JSON: {shown(str(error))}") from error


def _no_number(name: str) -> None:
    raise ValueError(f"{name} is no number")


def _yaml(raw: bytes) -> Any:
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        _check_depth(yaml.parse(raw, Loader=loader))
        return yaml.load(raw, Loader=loader)  # noqa: S506 - both loaders are safe ones
    except (yaml.YAMLError, ValueError, RecursionError, UnicodeError) as error:
        first = str(error).partition("\n")[0]
        raise MisuseError(f"the description is no YAML: {shown(first)}") from error


def _check_depth(events: Iterable[Any]) -> None:
    """Read the events first: the loader recurses, and in C too deep a document ends the process."""
    depth = 0
    for event in events:
        kind = type(event).__name__
        depth += kind.endswith("StartEvent") - kind.endswith("EndEvent")
        if depth > SPEC_DEPTH_MAX:
            raise ValueError(f"it is nested more than {SPEC_DEPTH_MAX} deep")


def _listed(document: Mapping[str, Any]) -> Iterator[tuple[str, str, str, dict[str, Any]]]:
    """Each operation: how it is called in messages, method, path, and its path item.

    Of a path item that is a reference one is given, for whoever follows it.
    """
    paths = document.get("paths")
    for path, item in (paths if isinstance(paths, dict) else {}).items():
        if not isinstance(path, str) or not path.startswith("/") or not isinstance(item, dict):
            continue
        where = shown(path)
        if "$ref" in item:
            yield from _referred(document, where, path, item)
        else:
            yield from ((f"{one.upper()} {where}", one, path, item) for one in _methods(item))


def _referred(
    document: Mapping[str, Any], where: str, path: str, item: dict[str, Any]
) -> Iterator[tuple[str, str, str, dict[str, Any]]]:
    try:
        methods = _methods(resolved(document, item))
    except WireError:
        # Whoever follows it again says what is wrong.
        methods = ["get"]
    yield from ((f"{one.upper()} {where}", one, path, item) for one in methods)


def _methods(item: Mapping[str, Any]) -> list[str]:
    return [method for method in METHODS if isinstance(item.get(method), dict)]


def _operation(
    document: Mapping[str, Any], method: str, path: str, item: Mapping[str, Any]
) -> Operation:
    if carried(path, len(path)) != path:
        raise WireError("its path is no text")
    stated = item[method]
    name = stated.get("operationId")
    parameters = _parameters(document, [*_list(item, "parameters"), *_list(stated, "parameters")])
    in_path = {one.name for one in parameters if one.place == "path"}
    # Descriptions written by hand often leave these undeclared; they are needed all the same.
    undeclared = dict.fromkeys(one for one in TEMPLATE.findall(path) if one not in in_path)
    parameters += tuple(Parameter(one, "path", True, False, {}) for one in undeclared)
    body_type, required, schema = _body(document, stated.get("requestBody"))
    summary = stated.get("summary") or stated.get("description")
    return Operation(
        name=name if isinstance(name, str) and name else f"{method}{path}",
        method=method.upper(),
        path=path,
        summary=summary if isinstance(summary, str) else "",
        parameters=parameters,
        body_type=body_type,
        body_required=required,
        body_schema=schema,
        tags=tuple(carried(one, 64) for one in _list(stated, "tags")[:8] if isinstance(one, str)),
    )


def _parameters(document: Mapping[str, Any], listed: list[Any]) -> tuple[Parameter, ...]:
    """The parameters of a path and an operation; the operation's win."""
    found: dict[tuple[str, str], Parameter] = {}
    if len(listed) > PARAMETERS_MAX:
        raise WireError(f"more than {PARAMETERS_MAX} parameters")
    for one in listed:
        stated = resolved(document, one)
        name, place = stated.get("name"), stated.get("in")
        if not isinstance(name, str) or not fields.is_one_of(place, _PLACES):
            raise WireError("a parameter has a name and a place")
        required = stated.get("required") is True or place == "path"
        if place == "cookie":
            if required:
                raise WireError(f"the cookie {shown(name)} is required, and none are sent")
            continue
        if place == "header" and name.lower() in _NOT_PARAMETERS:
            continue
        found[name, place] = Parameter(
            name,
            place,
            required,
            stated.get("explode", place == "query") is not False,
            copied(document, stated.get("schema")),
        )
    return tuple(found.values())


def _body(document: Mapping[str, Any], stated: Any) -> tuple[str | None, bool, dict[str, Json]]:
    """Media type, whether it is required, and schema of a request body."""
    if stated is None:
        return None, False, {}
    body = resolved(document, stated)
    content = body.get("content")
    required = body.get("required") is True
    for media_type, one in (content if isinstance(content, dict) else {}).items():
        plain = str(media_type).partition(";")[0].strip().lower()
        if plain in (JSON_TYPE, FORM_TYPE, "text/plain") or plain.endswith("+json"):
            return (
                plain,
                required,
                copied(document, one.get("schema") if isinstance(one, dict) else None),
            )
    if required:
        raise WireError("its body is neither JSON, a form nor text")
    return None, False, {}


def _server(document: Mapping[str, Any]) -> str:
    """The first server's URL, its variables filled with their defaults."""
    servers = _list(document, "servers")
    first = servers[0] if servers and isinstance(servers[0], dict) else {}
    url, variables = first.get("url"), first.get("variables")
    filled = url if isinstance(url, str) and url else "/"
    return _VARIABLE.sub(lambda match: _default(variables, match[1]), filled)


def _default(variables: Any, name: str) -> str:
    stated = variables.get(name) if isinstance(variables, dict) else None
    default = stated.get("default") if isinstance(stated, dict) else None
    return default if isinstance(default, str) else ""


def _list(parent: Mapping[str, Any], name: str) -> list[Any]:
    value = parent.get(name)
    return value if isinstance(value, list) else []
