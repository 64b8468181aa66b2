"""An operation of an OpenAPI description as a capability: a json item in, the answer out.

The item's value has ``path_params``, ``query``, ``headers`` and ``body``, each optional; other
members are refused.

Laws:

1. Every part of the path's template is filled with one segment, escaped; a segment that would
   climb is refused, and so is a template left unfilled.
2. Only declared parameters and a few harmless headers are sent. What the operator gave (keys,
   tokens) is added last and cannot be set from outside.
3. Requests go to the one origin the operator allowed, through the guarded client; redirects are
   not followed.
4. The backend's status decides: 2xx is a result, 4xx is refused, everything else is a failure.
   What a failing backend says stays on this machine.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import quote, urlencode

from treaty.bridges.openapi import FORM_TYPE, TEMPLATE, Description, Operation, Parameter
from treaty.bridges.stated import Names, Stated, object_schema
from treaty.engine.capability import Call, Capability, Item, Perform, Result
from treaty.engine.fetching import Fetched
from treaty.errors import Refused, UnavailableError, WireError, shown
from treaty.wire.canonical import Json, canonical, read_json
from treaty.wire.digest import sha256_tag
from treaty.wire.hosts import Place

ANSWER_BYTES_MAX: Final = 2 * 1024 * 1024
BODY_BYTES_MAX: Final = 1024 * 1024
BACKEND_MS: Final = 30_000
ANSWER_DEPTH_MAX: Final = 128

_MEMBERS: Final = frozenset(("path_params", "query", "headers", "body"))
_STATIC: Final = "/:@!$&'()*+,;=~%"
_HARMLESS: Final = frozenset(
    (
        *("accept", "accept-language", "idempotency-key", "if-match", "if-none-match"),
        *("if-modified-since", "if-unmodified-since", "prefer", "x-request-id"),
    )
)


@dataclass(frozen=True, slots=True)
class Backend:
    """Where operations are carried out."""

    base: Place
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    """The operator's own, such as an API key; private."""

    @property
    def origin(self) -> str:
        """What the guarded client has to be told to trust."""
        return self.base.origin


def capabilities(
    description: Description, backend: Backend, stated: Stated
) -> tuple[Capability, ...]:
    """A capability for each operation."""
    names = Names(stated.prefix)
    return tuple(
        stated.capability(
            names.give(one.name),
            performing(one, backend),
            description=one.summary or f"{one.method} {one.path}",
            tags=("openapi", *one.tags),
            constraints={"input_schema": input_schema(one)},
        )
        for one in description.operations
    )


def input_schema(operation: Operation) -> dict[str, Json]:
    """The schema of the json item an operation takes."""
    properties: dict[str, Json] = {}
    required: list[Json] = []
    for member, place in (("path_params", "path"), ("query", "query"), ("headers", "header")):
        declared = operation.of(place)
        if declared:
            needed: list[Json] = [name for name, one in declared.items() if one.required]
            inside: dict[str, Json] = {name: one.schema for name, one in declared.items()}
            properties[member] = {"type": "object", "properties": inside, "required": needed}
            required += [member] if needed else []
    if operation.body_type is not None:
        properties["body"] = object_schema(operation.body_schema or None)
        required += ["body"] if operation.body_required else []
    return {
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }


def performing(operation: Operation, backend: Backend) -> Perform:
    """What carries an operation out."""

    async def perform(call: Call) -> Result:
        given = _given(call)
        url = backend.base.origin + _target(operation, backend.base, given)
        body = _body(operation, given)
        answer = await call.fetcher.fetch(
            url,
            method=operation.method,
            headers=_headers(operation, given, backend, has_body=body is not None),
            body=body,
            bytes_max=ANSWER_BYTES_MAX,
            timeout_ms=BACKEND_MS,
            redirects_max=0,
        )
        return _result(answer)

    return perform


def _given(call: Call) -> dict[str, Json]:
    """The members of the first json input; none is an empty one."""
    values = call.values("json")
    given = values[0] if values else {}
    if not isinstance(given, dict):
        raise _unsupported(f"the json input is an object, not {shown(given)}")
    if unknown := sorted(given.keys() - _MEMBERS):
        names = ", ".join(sorted(_MEMBERS))
        raise _unsupported(f"the json input has {names}, not {shown(unknown[0])}")
    return given


def _section(given: Mapping[str, Json], name: str) -> dict[str, Json]:
    value = given.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise _unsupported(f"{name} is an object, not {shown(value)}")
    return value


def _checked(
    values: Mapping[str, Json], declared: Mapping[str, Parameter], where: str
) -> dict[str, Json]:
    """The values of declared parameters, all required ones among them."""
    if unknown := sorted(values.keys() - declared.keys()):
        raise _unsupported(f"{where} has no parameter {shown(unknown[0])}")
    for name, one in declared.items():
        if one.required and values.get(name) is None:
            raise _unsupported(f"{where} lacks {shown(name)}")
    return {name: value for name, value in values.items() if value is not None}


def _target(operation: Operation, base: Place, given: Mapping[str, Json]) -> str:
    declared = operation.of("path")
    values = _checked(_section(given, "path_params"), declared, "path_params")
    # Pieces of the template stand at even places, names of parameters at odd ones.
    pieces = TEMPLATE.split(operation.path)
    filled = (
        _segment(piece, values[piece]) if number % 2 else quote(piece, safe=_STATIC)
        for number, piece in enumerate(pieces)
    )
    path = base.target.partition("?")[0].rstrip("/") + "".join(filled)
    pairs = _query(operation, given)
    return f"{path}?{urlencode(pairs, quote_via=quote)}" if pairs else path


def _segment(name: str, value: Json) -> str:
    text = _text(name, value)
    if text in ("", ".", ".."):
        raise _unsupported(f"{shown(name)} is one segment of a path, not {shown(text)}")
    return quote(text, safe="")


def _query(operation: Operation, given: Mapping[str, Json]) -> list[tuple[str, str]]:
    declared = operation.of("query")
    pairs: list[tuple[str, str]] = []
    for name, value in _checked(_section(given, "query"), declared, "query").items():
        if isinstance(value, list):
            texts = [_text(name, one) for one in value]
            joined = texts if declared[name].explode else [",".join(texts)]
            pairs += [(name, text) for text in joined]
        elif isinstance(value, dict):
            pairs += [(f"{name}[{key}]", _text(name, one)) for key, one in value.items()]
        else:
            pairs.append((name, _text(name, value)))
    return pairs


def _headers(
    operation: Operation, given: Mapping[str, Json], backend: Backend, *, has_body: bool
) -> dict[str, str]:
    asked = {name.lower(): value for name, value in _section(given, "headers").items()}
    declared = operation.of("header")
    own = {name.lower(): value for name, value in backend.headers.items()}
    harmless = {name: asked.pop(name) for name in _HARMLESS & asked.keys() - declared.keys()}
    found = {"accept": "application/json, text/*;q=0.8, */*;q=0.5"}
    for name, value in {**harmless, **_checked(asked, declared, "headers")}.items():
        found[name] = _text(name, value)
    if has_body and operation.body_type is not None:
        found["content-type"] = operation.body_type
    return {**found, **own}


def _body(operation: Operation, given: Mapping[str, Json]) -> bytes | None:
    value = given.get("body")
    if "body" not in given or (value is None and not operation.body_required):
        if operation.body_required:
            raise _unsupported("the body is missing")
        return None
    if operation.body_type is None:
        raise _unsupported("the operation takes no body")
    raw = _encoded(operation.body_type, value)
    if len(raw) > BODY_BYTES_MAX:
        raise _unsupported(f"a body has at most {BODY_BYTES_MAX} bytes")
    return raw


def _encoded(media_type: str, value: Json) -> bytes:
    if media_type == FORM_TYPE:
        if not isinstance(value, dict):
            raise _unsupported("a form is an object")
        return urlencode([(name, _text(name, one)) for name, one in value.items()]).encode()
    if media_type == "text/plain":
        return _text("body", value).encode()
    return canonical(value)


def _text(name: str, value: Json) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float):
        return str(value)
    raise _unsupported(f"{shown(name)} is a text or number, not {shown(value)}")


def _result(answer: Fetched) -> Result:
    if 400 <= answer.status < 500:
        raise Refused(f"the backend answered {answer.status}", "backend_refused")
    if not answer.is_success:
        raise UnavailableError(f"the backend answered {answer.status}", "backend_failed")
    return Result(
        outputs=(_output(answer),),
        source_hashes=(sha256_tag(answer.body),),
        usage={"status": answer.status, "bytes_out": len(answer.body)},
    )


def _output(answer: Fetched) -> Item:
    media_type = answer.media_type
    if not answer.body:
        return Item(type="json", value=None)
    if media_type == "application/json" or media_type.endswith("+json"):
        return _json(answer)
    if media_type.startswith("text/") or media_type.endswith(("/xml", "+xml", "/yaml")):
        return Item(type="text", value=answer.body.decode("utf-8", "replace"))
    packed = base64.b64encode(answer.body).decode("ascii")
    return Item(type="json", value={"mime": media_type, "base64": packed})


def _json(answer: Fetched) -> Item:
    """What was answered, as text where its numbers or names are not exactly those of JSON here."""
    try:
        value = read_json(answer.body, size_max=ANSWER_BYTES_MAX, depth_max=ANSWER_DEPTH_MAX)
    except WireError:
        text = answer.body.decode("utf-8", "replace")
        return Item(type="text", value=text, mime=answer.media_type)
    return Item(type="json", value=value)


def _unsupported(why: str) -> Refused:
    return Refused(why, "input_unsupported")
