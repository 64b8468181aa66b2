"""The fold that every dialect's automaton shares, on a table made for the purpose."""

from __future__ import annotations

import pytest

from treaty.core.session import (
    RETURN,
    STAY,
    Move,
    Session,
    acts,
    advance,
    enter,
    is_final,
    make_rules,
    permitted,
)
from treaty.errors import MisuseError, Refused

DOOR = make_rules(
    start="SHUT",
    terminal=["GONE"],
    pausing=["LOCKED", "STUCK"],
    moves=[
        Move("SHUT", "keeper", "open", "OPEN"),
        Move("OPEN", "keeper", "shut", "SHUT"),
        Move("OPEN", "guest", "knock", STAY),
        Move("SHUT", "guest", "knock", STAY),
        Move("SHUT", "keeper", "lock", "LOCKED"),
        Move("OPEN", "keeper", "lock", "LOCKED"),
        Move("LOCKED", "keeper", "unlock", RETURN),
        Move("LOCKED", "guest", "jam", "STUCK"),
        Move("STUCK", "smith", "free", RETURN),
        Move("OPEN", "anyone", "leave", "GONE", joint=True),
        Move("OPEN", "smith", "leave", STAY),
    ],
)
KEEPER, GUEST, SMITH = (frozenset((word,)) for word in ("keeper", "guest", "smith"))


def walked(*steps: tuple[str, str]) -> Session:
    session = Session(DOOR.start)
    for act, who in steps:
        session = advance(DOOR, session, act, frozenset((who,)), party=who)
    return session


def test_a_listed_move_is_made() -> None:
    assert walked(("open", "keeper")) == Session("OPEN")


def test_staying_keeps_the_whole_session() -> None:
    session = Session("LOCKED", ("OPEN",), frozenset(("a",)))

    assert enter(DOOR, session, STAY) is session
    assert enter(DOOR, session, "LOCKED") is session


@pytest.mark.parametrize(
    ("act", "who"),
    [("shut", "keeper"), ("open", "guest"), ("open", "stranger"), ("fly", "keeper")],
)
def test_what_is_not_listed_is_refused(act: str, who: str) -> None:
    with pytest.raises(Refused) as caught:
        walked((act, who))

    assert caught.value.code == "transition_invalid"


def test_nothing_is_lawful_in_a_terminal_state() -> None:
    gone = Session("GONE")

    assert is_final(DOOR, gone)
    assert not is_final(DOOR, Session("SHUT"))
    assert acts(DOOR, gone, KEEPER | GUEST | SMITH) == ()


@pytest.mark.parametrize("before", ["SHUT", "OPEN"])
def test_a_pausing_state_returns_to_where_it_was_entered_from(before: str) -> None:
    locked = advance(DOOR, Session(before), "lock", KEEPER, party="k")

    assert locked == Session("LOCKED", (before,))
    assert advance(DOOR, locked, "unlock", KEEPER, party="k") == Session(before)


def test_pauses_nest() -> None:
    stuck = walked(("open", "keeper"), ("lock", "keeper"), ("jam", "guest"))

    assert stuck == Session("STUCK", ("OPEN", "LOCKED"))
    freed = advance(DOOR, stuck, "free", SMITH, party="s")
    assert freed == Session("LOCKED", ("OPEN",))
    assert advance(DOOR, freed, "unlock", KEEPER, party="k") == Session("OPEN")


def test_a_state_that_does_not_pause_forgets_where_it_came_from() -> None:
    assert enter(DOOR, Session("LOCKED", ("OPEN",)), "SHUT") == Session("SHUT")


def test_returning_from_nowhere_is_our_own_mistake() -> None:
    with pytest.raises(MisuseError):
        enter(DOOR, Session("LOCKED"), RETURN)


def test_a_joint_move_is_made_when_both_have() -> None:
    anyone = frozenset(("anyone",))
    once = advance(DOOR, Session("OPEN"), "leave", anyone, party="a")

    assert once == Session("OPEN", marks=frozenset(("a",)))
    assert advance(DOOR, once, "leave", anyone, party="b") == Session("GONE")


def test_a_joint_move_is_made_once_by_each() -> None:
    anyone = frozenset(("anyone",))
    once = advance(DOOR, Session("OPEN"), "leave", anyone, party="a")
    with pytest.raises(Refused) as caught:
        advance(DOOR, once, "leave", anyone, party="a")

    assert caught.value.code == "transition_invalid"


def test_marks_are_gone_with_the_state() -> None:
    once = advance(DOOR, Session("OPEN"), "leave", frozenset(("anyone",)), party="a")

    assert advance(DOOR, once, "shut", KEEPER, party="k") == Session("SHUT")


def test_the_first_row_that_fits_is_the_one() -> None:
    both = frozenset(("anyone", "smith"))
    move = permitted(DOOR, Session("OPEN"), "leave", both)

    assert move is not None
    assert move.who == "anyone"
    move = permitted(DOOR, Session("OPEN"), "leave", SMITH)
    assert move is not None
    assert move.next == STAY
    assert permitted(DOOR, Session("OPEN"), "leave", frozenset()) is None


def test_a_doubled_row_is_our_own_mistake() -> None:
    row = Move("A", "x", "go", "B")
    with pytest.raises(MisuseError, match="two rows"):
        make_rules(start="A", terminal=[], pausing=[], moves=[row, Move("A", "x", "go", "C")])


def test_the_table_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        DOOR.moves["A", "go"] = ()  # type: ignore[index]


def test_what_one_may_do_is_listed_in_order() -> None:
    assert acts(DOOR, Session("OPEN"), KEEPER) == ("lock", "shut")
    assert acts(DOOR, Session("OPEN"), KEEPER | GUEST) == ("knock", "lock", "shut")
    assert acts(DOOR, Session("OPEN"), frozenset()) == ()
