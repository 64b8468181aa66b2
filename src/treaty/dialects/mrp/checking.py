"""Checkers made from the shapes: one closure per shape, made once, called per message.

A checker takes a parsed JSON value and gives None, or the first fault: the place in the document
and what is wrong there. It never raises and its work is linear in the value.

Read next: ``validation``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple, TypeAlias

from treaty.dialects.mrp.choices import Profile
from treaty.dialects.mrp.shapes import (
    ENVELOPE,
    MANIFEST,
    Anything,
    Either,
    Flag,
    Listing,
    Number,
    Record,
    Shape,
    Text,
)
from treaty.errors import WireError, shown
from treaty.wire.instants import parse_instant


class Fault(NamedTuple):
    """What is wrong, and where: ``payload.inputs[0].type``."""

    where: str
    what: str

    @property
    def text(self) -> str:
        """Both in one line."""
        return f"{self.where}: {self.what}" if self.where else self.what


Checker: TypeAlias = Callable[[Any], Fault | None]

_MISSING: Final = object()


def _under(name: str, fault: Fault) -> Fault:
    if not fault.where:
        return Fault(name, fault.what)
    return Fault(name + ("" if fault.where[0] == "[" else ".") + fault.where, fault.what)


def make_checker(shape: Shape, profile: Profile) -> Checker:
    """The checker of a shape, as a profile reads it."""
    match shape:
        case Text():
            return _text(shape, profile)
        case Number():
            return _number(shape)
        case Flag():
            return _flag
        case Anything():
            return _anything
        case Listing():
            return _listing(shape, profile)
        case Record():
            return _record(shape, profile)
        case Either():
            return _either(shape, profile)


def _anything(value: Any) -> Fault | None:  # noqa: ARG001 - every value will do
    return None


def _flag(value: Any) -> Fault | None:
    return None if type(value) is bool else Fault("", f"must be true or false, not {shown(value)}")


def _not_text(value: Any) -> Fault:
    return Fault("", f"must be a string, not {shown(value)}")


def _plain(value: Any) -> Fault | None:
    return None if type(value) is str else _not_text(value)


def _text(shape: Text, profile: Profile) -> Checker:
    if shape.is_instant and profile is Profile.STRICT:
        return _instant
    if shape.one_of:
        return _one_of(frozenset(shape.one_of), shape.one_of)
    if shape.pattern is not None:
        return _matching(shape.pattern, profile)
    return _long_enough(shape.chars_least) if shape.chars_least else _plain


def _one_of(allowed: frozenset[str], named: tuple[str, ...]) -> Checker:
    def check(value: Any) -> Fault | None:
        if type(value) is str and value in allowed:
            return None
        return Fault("", f"must be one of {', '.join(named)}, not {shown(value)}")

    return check


def _matching(pattern: str, profile: Profile) -> Checker:
    # In Python `$` also stands before a last newline; mrpd reads it so, ECMA 262 does not.
    exact = pattern if profile is Profile.COMPAT else re.sub(r"\$\Z", r"\\Z", pattern)
    find = re.compile(exact).search

    def check(value: Any) -> Fault | None:
        if type(value) is not str:
            return _not_text(value)
        return None if find(value) else Fault("", f"must match {pattern}, not {shown(value)}")

    return check


def _long_enough(chars_least: int) -> Checker:
    def check(value: Any) -> Fault | None:
        if type(value) is not str:
            return _not_text(value)
        if len(value) >= chars_least:
            return None
        return Fault("", f"must have {chars_least} characters or more, not {shown(value)}")

    return check


# The usual spelling of days that every month has; all else is looked at closely.
_PLAIN_INSTANT: Final = re.compile(
    r"(?!0000)[0-9]{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|1[0-9]|2[0-8])"
    r"T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]{1,9})?Z"
).fullmatch


def _instant(value: Any) -> Fault | None:
    if type(value) is not str:
        return _not_text(value)
    if _PLAIN_INSTANT(value):
        return None
    try:
        parse_instant(_in_z(value))
    except WireError:
        return Fault("", f"must be an RFC 3339 time in UTC, not {shown(value)}")
    return None


def _in_z(text: str) -> str:
    """RFC 3339 also writes UTC as +00:00 and lets both letters be small."""
    if len(text) > 6 and text[-6:] in ("+00:00", "-00:00"):
        text = text[:-6] + "Z"
    return text.upper() if text.isascii() else text


def _number(shape: Number) -> Checker:
    least, most, whole = shape.least, shape.most, shape.whole
    named = "an integer" if whole else "a number"

    def check(value: Any) -> Fault | None:
        kind = type(value)
        if kind is not int and (kind is not float or (whole and not value.is_integer())):
            return Fault("", f"must be {named}, not {shown(value)}")
        if least is not None and value < least:
            return Fault("", f"must be {least} or more, not {shown(value)}")
        if most is not None and value > most:
            return Fault("", f"must be {most} or less, not {shown(value)}")
        return None

    return check


def _listing(shape: Listing, profile: Profile) -> Checker:
    one = make_checker(shape.of, profile)

    def check(value: Any) -> Fault | None:
        if type(value) is not list:
            return Fault("", f"must be a list, not {shown(value)}")
        for member in value:
            fault = one(member)
            if fault is not None:
                return _under(f"[{_place(value, one)}]", fault)
        return None

    return check


def _place(values: list[Any], one: Checker) -> int:
    """Counting is for those who erred."""
    return next(at for at, value in enumerate(values) if one(value) is not None)


def _record(shape: Record, profile: Profile) -> Checker:
    checkers = {name: make_checker(one, profile) for name, one in shape.members.items()}
    body = _body(checkers, shape.required, is_open=shape.is_open)
    if not shape.extras:
        return body
    tag = shape.tag
    extras = {
        value: _extra(
            [(name, make_checker(one, profile)) for name, one in extra.members.items()],
            extra.required,
        )
        for value, extra in shape.extras.items()
        if extra.members or extra.required
    }

    def check(value: Any) -> Fault | None:
        fault = body(value)
        if fault is not None:
            return fault
        extra = extras.get(value[tag])
        return None if extra is None else extra(value)

    return check


def _extra(checkers: list[tuple[str, Checker]], required: tuple[str, ...]) -> Checker:
    """What more is asked of an object that is known to be one."""

    def check(value: Any) -> Fault | None:
        for name in required:
            if name not in value:
                return Fault("", f"has no {name}")
        for name, one in checkers:
            if name in value:
                fault = one(value[name])
                if fault is not None:
                    return _under(name, fault)
        return None

    return check


def _body(checkers: Mapping[str, Checker], required: tuple[str, ...], *, is_open: bool) -> Checker:
    find = checkers.get
    needed = frozenset(required)

    def check(value: Any) -> Fault | None:
        if type(value) is not dict:
            return Fault("", f"must be an object, not {shown(value)}")
        if not needed <= value.keys():
            return Fault("", f"has no {min(needed - value.keys())}")
        for name, member in value.items():
            one = find(name)
            if one is None:
                if is_open:
                    continue
                return Fault("", f"has no place for {shown(name)}")
            fault = one(member)
            if fault is not None:
                return _under(name, fault)
        return None

    if is_open and not checkers and not needed:
        return _any_object
    return check


def _any_object(value: Any) -> Fault | None:
    return None if type(value) is dict else Fault("", f"must be an object, not {shown(value)}")


def _either(shape: Either, profile: Profile) -> Checker:
    tag = shape.tag
    options: dict[str, Checker] = {}
    for option in shape.options:
        named = option.members[tag]
        assert isinstance(named, Text)
        options.update(dict.fromkeys(named.one_of, make_checker(option, profile)))
    known = ", ".join(options)

    def check(value: Any) -> Fault | None:
        if type(value) is not dict:
            return Fault("", f"must be an object, not {shown(value)}")
        said = value.get(tag, _MISSING)
        if said is _MISSING:
            return Fault("", f"has no {tag}")
        option = options.get(said) if type(said) is str else None
        if option is None:
            return Fault(tag, f"must be one of {known}, not {shown(said)}")
        return option(value)

    return check


CHECK_ENVELOPE: Final[Mapping[Profile, Checker]] = {
    profile: make_checker(ENVELOPE[profile], profile) for profile in Profile
}
CHECK_MANIFEST: Final[Checker] = make_checker(MANIFEST, Profile.STRICT)
