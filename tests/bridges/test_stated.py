"""Names and statements of bridged capabilities: foreign names become harmless and distinct."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from treaty.bridges.stated import NAME_CHARS_MAX, Names, Stated
from treaty.engine.capability import Capability
from treaty.errors import MisuseError


async def nothing(_call) -> None:
    """Stand in for what performs."""


@pytest.mark.parametrize(
    ("foreign", "name"),
    [
        ("getPet", "getPet"),
        ("../../x", "x"),
        ("a b/c", "a_b_c"),
        ("get/pets/{id}", "get_pets_id"),
        ('"; import os; os.system("x")', "import_os_os.system_x"),
        ("..", "unnamed"),
        ("日本", "unnamed"),
        ("x" * 500, "x" * NAME_CHARS_MAX),
    ],
)
def test_a_foreign_name_becomes_harmless(foreign: str, name: str) -> None:
    assert Names().give(foreign) == name


def test_two_that_become_one_are_told_apart() -> None:
    names = Names()

    assert [names.give(one) for one in ("a/b", "a.b", "a b", "A_B", "a_b")] == [
        "a_b",
        "a.b",
        "a_b_2",
        "A_B_3",
        "a_b_4",
    ]
    long = "x" * NAME_CHARS_MAX
    assert [len(names.give(one)) for one in (long, long)] == [NAME_CHARS_MAX] * 2


def test_a_prefix_comes_first() -> None:
    assert Names("pets.").give("get") == "pets.get"
    with pytest.raises(MisuseError):
        Stated(prefix="../")


@given(st.lists(st.text(max_size=80), max_size=30))
def test_any_names_become_names_of_capabilities(foreign: list[str]) -> None:
    names = Names()
    given_names = [names.give(one) for one in foreign]

    assert len({one.lower() for one in given_names}) == len(foreign)
    for one in given_names:
        assert Stated().capability(one, nothing).name == one


def test_the_statements_are_the_operators() -> None:
    stated = Stated(cost=Decimal("0.02"), policy=("no_training",), retention_days=0, residency="eu")
    one = stated.capability("x", nothing, description="a\n b" * 200)

    assert isinstance(one, Capability)
    assert (one.cost, one.training_use, one.retention_days, one.residency) == (
        Decimal("0.02"),
        "none",
        0,
        "eu",
    )
    assert len(one.description) == 300
    assert "\n" not in one.description
