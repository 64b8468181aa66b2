"""The session automaton shared by all dialects: tables, and one short fold.

Laws:

1. A protocol is *data*: ``Rules`` lists every move as ``(state, who, act, next)``. What is not
   listed is refused with ``transition_invalid`` and changes nothing.
2. ``who`` is a word that must be true of the sender (its *standing*: ``inviter``, ``party``,
   ``author`` of the thing referred to, ``other`` than its author …). The dialect says which
   words hold; this module never learns who the parties are.
3. Joint moves ("when both have …") are marks: each principal marks once, and the move to
   ``next`` is made when all have.
4. Some states return to where they came from. ``returns`` is that stack.

Dialects fill in the tables in their ``machine`` module; pictures are drawn from the same rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from treaty.errors import MisuseError, Refused
from treaty.wire.evolving import evolve

STAY: Final = "="
"""As ``next``: the state does not change."""
RETURN: Final = "<"
"""As ``next``: back to the state this one was entered from."""


@dataclass(frozen=True, slots=True)
class Move:
    """One row: in ``state``, a sender of whom ``who`` is true may ``act``, and then ``next``."""

    state: str
    who: str
    act: str
    next: str
    joint: bool = False
    """True when every principal must make this act once before ``next`` is reached."""


@dataclass(frozen=True, slots=True)
class Rules:
    """A protocol's automaton as data."""

    start: str
    terminal: frozenset[str]
    pausing: frozenset[str]
    """States that remember where they were entered from (left by ``RETURN``)."""
    moves: Mapping[tuple[str, str], tuple[Move, ...]]
    """(state, act) -> the rows that may apply, in order of preference."""


@dataclass(frozen=True, slots=True)
class Session:
    """Where one session stands."""

    state: str
    returns: tuple[str, ...] = ()
    marks: frozenset[str] = frozenset()
    """Principals that have made the joint act of this state."""


def make_rules(
    *, start: str, terminal: Iterable[str], pausing: Iterable[str], moves: Iterable[Move]
) -> Rules:
    """Index the rows of a table by (state, act); a doubled row is a ``MisuseError``."""
    table: dict[tuple[str, str], tuple[Move, ...]] = {}
    for move in moves:
        rows = table.get((move.state, move.act), ())
        if any(row.who == move.who for row in rows):
            raise MisuseError(f"two rows for {move.state} {move.who} {move.act}")
        table[move.state, move.act] = (*rows, move)
    return Rules(start, frozenset(terminal), frozenset(pausing), MappingProxyType(table))


def permitted(rules: Rules, session: Session, act: str, standing: frozenset[str]) -> Move | None:
    """Return the first row that allows ``act`` here to a sender of this standing, or None."""
    for move in rules.moves.get((session.state, act), ()):
        if move.who in standing:
            return move
    return None


def advance(
    rules: Rules, session: Session, act: str, standing: frozenset[str], *, party: str
) -> Session:
    """Make one move.

    ``party`` names the principal whose side acts; only joint moves look at it.
    Raises ``Refused`` (``transition_invalid``) when no row allows it.
    """
    move = permitted(rules, session, act, standing)
    if move is None or (move.joint and party in session.marks):
        raise Refused(
            f"{act} is not possible in {session.state} for this sender", "transition_invalid"
        )
    if move.joint and not session.marks:
        return evolve(session, marks=frozenset((party,)))
    return enter(rules, session, move.next)


def enter(rules: Rules, session: Session, target: str) -> Session:
    """Go to ``target`` (or ``STAY``, ``RETURN``), keeping the stack of states to return to.

    Raises ``MisuseError`` for a ``RETURN`` where there is nothing to return to.
    """
    if target == STAY or target == session.state:
        return session
    if target == RETURN:
        if not session.returns:
            raise MisuseError(f"{session.state} was not entered from anywhere")
        return Session(session.returns[-1], session.returns[:-1])
    if target in rules.pausing:
        return Session(target, (*session.returns, session.state))
    return Session(target)


def is_final(rules: Rules, session: Session) -> bool:
    """Tell whether the session has ended."""
    return session.state in rules.terminal


def acts(rules: Rules, session: Session, standing: frozenset[str]) -> tuple[str, ...]:
    """List what a sender of this standing may do now, for error texts and user interfaces."""
    found = {
        act
        for (state, act), rows in rules.moves.items()
        if state == session.state and any(row.who in standing for row in rows)
    }
    return tuple(sorted(found))
