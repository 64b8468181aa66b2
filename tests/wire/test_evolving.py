"""A changed copy of a frozen record."""

from __future__ import annotations

from dataclasses import InitVar, dataclass, field, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from treaty.errors import MisuseError
from treaty.wire.evolving import evolve


@dataclass(frozen=True, slots=True, kw_only=True)
class Many:
    """Several members, one of them with a default."""

    a: int
    b: str
    c: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class One:
    """A single member."""

    a: int


@dataclass(frozen=True, slots=True)
class Checked:
    """Looks at its member when it is made."""

    a: int

    def __post_init__(self) -> None:
        assert self.a


@dataclass(frozen=True, slots=True)
class Tokened:
    """Takes more than it keeps."""

    a: int
    token: InitVar[int] = 1

    def __post_init__(self, token: int) -> None:
        assert token


@dataclass(frozen=True)
class Open:
    """Without slots."""

    a: int = 1


@dataclass(frozen=True, slots=True)
class Derived:
    """With a member that nobody gives."""

    a: int
    b: int = field(init=False, default=1)


@given(
    st.fixed_dictionaries(
        {}, optional={"a": st.integers(), "b": st.text(), "c": st.tuples(st.integers())}
    )
)
def test_it_is_what_replace_makes(changes: dict[str, Any]) -> None:
    before = Many(a=1, b="x", c=(2,))
    after = evolve(before, **changes)
    assert after == replace(before, **changes)
    assert after is not before
    assert before == Many(a=1, b="x", c=(2,))


def test_a_single_member_is_copied_too() -> None:
    assert (evolve(One(1)), evolve(One(1), a=2)) == (One(1), One(2))


def test_a_copy_is_as_frozen_as_its_original() -> None:
    copy = evolve(One(1), a=2)
    with pytest.raises(AttributeError):
        copy.a = 3  # type: ignore[misc]
    assert hash(copy) == hash(One(2))


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(MisuseError, match="Many has no member 'd'"):
        evolve(Many(a=1, b=""), d=1)


def test_what_a_record_checks_is_checked_in_the_copy() -> None:
    assert evolve(Checked(1), a=2) == Checked(2)
    with pytest.raises(AssertionError):
        evolve(Checked(1), a=0)


@pytest.mark.parametrize("value", [Tokened(1), Open(), Derived(1)])
def test_records_that_are_more_than_their_members_are_refused(value: object) -> None:
    with pytest.raises(MisuseError, match="no plain record"):
        evolve(value)
