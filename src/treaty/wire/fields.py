"""Reading typed members out of foreign JSON objects, with errors that name the member.

Every reader raises ``WireError`` (``malformed``) and nothing else. None coerces: ``"5"`` is
no number and ``true`` no integer.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final, TypeGuard

from treaty.errors import WireError, shown
from treaty.wire.canonical import Json
from treaty.wire.ids import is_uuid, parse_agent_uri
from treaty.wire.instants import parse_instant

Object = Mapping[str, Json]

INTEGER_MAX: Final = 2**53 - 1
ID_CHARS_MAX: Final = 128
TEXT_CHARS_MAX: Final = 4_096


def obj(parent: Object, name: str) -> dict[str, Json]:
    """Read a required object."""
    value = parent.get(name)
    if not isinstance(value, dict):
        raise WireError(f"{name} must be an object, not {shown(value)}")
    return value


def obj_or(parent: Object, name: str) -> dict[str, Json] | None:
    """Read an optional object."""
    return None if parent.get(name) is None else obj(parent, name)


def text(parent: Object, name: str, *, chars_max: int = TEXT_CHARS_MAX) -> str:
    """Read a required string of bounded length."""
    value = parent.get(name)
    if not isinstance(value, str):
        raise WireError(f"{name} must be a string, not {shown(value)}")
    if len(value) > chars_max:
        raise WireError(f"{name} has {len(value)} characters, at most {chars_max} are read")
    return value


def text_or(parent: Object, name: str) -> str | None:
    """Read an optional string."""
    return None if parent.get(name) is None else text(parent, name)


def ident(parent: Object, name: str) -> str:
    """Read a required id: 1 to 128 printable characters without spaces."""
    value = text(parent, name, chars_max=ID_CHARS_MAX)
    if not value or not value.isprintable() or " " in value:
        raise WireError(f"{name} must be a printable id, not {shown(value)}")
    return value


def ident_or(parent: Object, name: str) -> str | None:
    """Read an optional id."""
    return None if parent.get(name) is None else ident(parent, name)


def uuid(parent: Object, name: str) -> str:
    """Read a required UUID; its embedded time means nothing (B2). Given back in lower case."""
    value = text(parent, name)
    if not is_uuid(value):
        raise WireError(f"{name} must be a UUID, not {shown(value)}")
    return value.lower()


def agent(parent: Object, name: str) -> str:
    """Read a required agent URI (B2)."""
    return parse_agent_uri(text(parent, name)).text


def agent_or(parent: Object, name: str) -> str | None:
    """Read an optional agent URI."""
    return None if parent.get(name) is None else agent(parent, name)


def instant(parent: Object, name: str) -> int:
    """Read a required RFC 3339 time as milliseconds since 1970."""
    return parse_instant(text(parent, name))


def instant_or(parent: Object, name: str) -> int | None:
    """Read an optional time."""
    return None if parent.get(name) is None else instant(parent, name)


def is_one_of(value: Json, words: Collection[str]) -> TypeGuard[str]:
    """True for one of these words; a list or an object is none, and no set can be asked for it."""
    return isinstance(value, str) and value in words


def integer(parent: Object, name: str, *, least: int = 0, most: int = INTEGER_MAX) -> int:
    """Read a required integer in [least, most]; true and 1.0 are none."""
    value = parent.get(name)
    if isinstance(value, bool) or not isinstance(value, int):
        raise WireError(f"{name} must be an integer, not {shown(value)}")
    if not least <= value <= most:
        raise WireError(f"{name} must lie in {least} to {most}, not {value}")
    return value


def integer_or(parent: Object, name: str, *, least: int = 0, most: int = INTEGER_MAX) -> int | None:
    """Read an optional integer."""
    return None if parent.get(name) is None else integer(parent, name, least=least, most=most)


def flag(parent: Object, name: str) -> bool:
    """Read an optional boolean; absent is false."""
    value = parent.get(name, False)
    if not isinstance(value, bool):
        raise WireError(f"{name} must be true or false, not {shown(value)}")
    return value


def idents(parent: Object, name: str, *, most: int = 64) -> tuple[str, ...]:
    """Read an optional list of ids."""
    values = items(parent, name, most=most)
    return tuple(ident({name: value}, name) for value in values)


def items(parent: Object, name: str, *, most: int = 64) -> list[Json]:
    """Read an optional list of bounded length."""
    values = parent.get(name)
    if values is None:
        return []
    if not isinstance(values, list):
        raise WireError(f"{name} must be a list, not {shown(values)}")
    if len(values) > most:
        raise WireError(f"{name} has {len(values)} items, at most {most} are read")
    return values
