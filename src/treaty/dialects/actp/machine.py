"""The negotiation of one (chain, transaction) as data, and nothing else.

Acts are messages and what they answer: ``QUOTE``, ``COUNTER``, ``ACCEPT/counter``,
``ACCEPT/quote``; words without a message: ``DECLINE`` (this counter, while the last quote stands),
``WALK`` (the negotiation); and what others report: ``EXPIRE``, ``COMMIT``, ``CANCEL``. The words
under ``who``:

* ``consumer``, ``provider``: the two accounts of the transaction
* ``opener``: a consumer whose counter may come before any quote of ours (mock mode, 9.3)
* ``clock``: the negotiation's time is over; ``chain``: the kernel has said so

A declined counter returns to where the negotiation stood before it, so ``COUNTERED`` remembers.
Rounds, prices and budgets are the policy's; here is only whose turn it is.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from treaty.core.session import RETURN, Move, Rules, make_rules

UNQUOTED: Final = "UNQUOTED"
QUOTED: Final = "QUOTED"
COUNTERED: Final = "COUNTERED"
AGREED: Final = "AGREED"
WALKED: Final = "WALKED"
EXPIRED: Final = "EXPIRED"
CANCELLED: Final = "CANCELLED"
COMMITTED: Final = "COMMITTED"

STATES: Final = (
    UNQUOTED, QUOTED, COUNTERED, AGREED, WALKED, EXPIRED, CANCELLED, COMMITTED,
)  # fmt: skip
TERMINAL: Final = frozenset((AGREED, WALKED, EXPIRED, CANCELLED, COMMITTED))
"""No more offers: what still happens after ``AGREED`` happens on the chain."""

QUOTE: Final = "QUOTE"
COUNTER: Final = "COUNTER"
ACCEPT_COUNTER: Final = "ACCEPT/counter"
ACCEPT_QUOTE: Final = "ACCEPT/quote"
DECLINE: Final = "DECLINE"
WALK: Final = "WALK"
EXPIRE: Final = "EXPIRE"
COMMIT: Final = "COMMIT"
CANCEL: Final = "CANCEL"

_OPEN: Final = (UNQUOTED, QUOTED, COUNTERED)


def _rows(states: str | Iterable[str], who: str, acts: str, to: str) -> list[Move]:
    places = (states,) if isinstance(states, str) else tuple(states)
    return [Move(state, who, act, to) for state in places for act in acts.split()]


RULES: Final[Rules] = make_rules(
    start=UNQUOTED,
    terminal=TERMINAL,
    pausing=(COUNTERED,),
    moves=[
        # The first quote is final: there is no second one until a counter asks for it.
        *_rows(UNQUOTED, "provider", "QUOTE", QUOTED),
        *_rows(UNQUOTED, "opener", "COUNTER", COUNTERED),
        *_rows(QUOTED, "consumer", "COUNTER", COUNTERED),
        *_rows(QUOTED, "consumer", "ACCEPT/quote", AGREED),
        *_rows(COUNTERED, "provider", "ACCEPT/counter", AGREED),
        *_rows(COUNTERED, "provider", "QUOTE", QUOTED),
        *_rows(COUNTERED, "provider", "DECLINE", RETURN),
        *_rows(_OPEN, "consumer", "WALK", WALKED),
        *_rows(_OPEN, "provider", "WALK", WALKED),
        *_rows(_OPEN, "clock", "EXPIRE", EXPIRED),
        # What both agreed on lapses when nobody locks it in time.
        *_rows(AGREED, "clock", "EXPIRE", EXPIRED),
        # A chain's word counts in any state but its own last ones.
        *_rows((*_OPEN, AGREED, WALKED, EXPIRED), "chain", "COMMIT", COMMITTED),
        *_rows((*_OPEN, AGREED, WALKED, EXPIRED), "chain", "CANCEL", CANCELLED),
    ],
)
