"""An exchange and a job as data, and nothing else: who may say what where, and what answers it.

``PLACES`` is the table of the endpoints. ``JOBS`` is the automaton of one job; its acts:

* ``START``, ``FINISH``, ``FAIL``: the provider's
* ``CANCEL``: the asker's, or the provider's on its word
* ``EXPIRE``: the clock's, for a job nobody asks about any more

``EXCHANGE`` is the automaton of one exchange as its buyer keeps it; its acts are the types of
messages, with who sent them. An exchange may skip NEGOTIATE, since real clients do.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from treaty.core.session import STAY, Move, Rules, make_rules
from treaty.dialects.mrp import choices as mrp


@dataclass(frozen=True, slots=True)
class Place:
    """One endpoint that takes envelopes."""

    path: str
    takes: str
    """The one type that may be posted there."""
    answers: tuple[str, ...]
    """The types that may answer it."""


PLACES: Final[Mapping[str, Place]] = MappingProxyType(
    {
        "hello": Place("/mrp/hello", mrp.HELLO, (mrp.HELLO, mrp.ERROR)),
        "discover": Place("/mrp/discover", mrp.DISCOVER, (mrp.OFFER, mrp.ERROR)),
        "negotiate": Place("/mrp/negotiate", mrp.NEGOTIATE, (mrp.NEGOTIATE, mrp.ERROR)),
        "execute": Place("/mrp/execute", mrp.EXECUTE, (mrp.EVIDENCE, mrp.JOB_ACCEPTED, mrp.ERROR)),
    }
)
"""Endpoint -> what it takes and what may come back."""

TAKEN: Final = frozenset(one.takes for one in PLACES.values())
"""The types that may be posted anywhere; all others are answers."""


def answers(msg_type: str) -> tuple[str, ...]:
    """The types that may answer a message; none for what is an answer itself."""
    return next((one.answers for one in PLACES.values() if one.takes == msg_type), ())


ACCEPTED: Final = "accepted"
RUNNING: Final = "running"
DONE: Final = "done"
FAILED: Final = "failed"
CANCELED: Final = "canceled"
GONE: Final = "gone"
JOB_STATES: Final = (ACCEPTED, RUNNING, DONE, FAILED, CANCELED, GONE)
JOB_TERMINAL: Final = frozenset((DONE, FAILED, CANCELED, GONE))


def _rows(states: str | Iterable[str], who: str, acts: str, to: str) -> list[Move]:
    places = (states,) if isinstance(states, str) else tuple(states)
    return [Move(state, who, act, to) for state in places for act in acts.split()]


_OPEN: Final = (ACCEPTED, RUNNING)

JOBS: Final[Rules] = make_rules(
    start=ACCEPTED,
    terminal=JOB_TERMINAL,
    pausing=(),
    moves=[
        *_rows(ACCEPTED, "provider", "START", RUNNING),
        # A restart finds jobs that were running and starts them again.
        *_rows(RUNNING, "provider", "START", STAY),
        *_rows(RUNNING, "provider", "FINISH", DONE),
        *_rows(_OPEN, "provider", "FAIL", FAILED),
        *_rows(_OPEN, "asker", "CANCEL", CANCELED),
        *_rows(_OPEN, "provider", "CANCEL", CANCELED),
        *_rows((DONE, FAILED, CANCELED), "clock", "EXPIRE", GONE),
    ],
)

NEW: Final = "new"
ASKED: Final = "asked"
OFFERED: Final = "offered"
NEGOTIATING: Final = "negotiating"
TERMS: Final = "terms"
ORDERED: Final = "ordered"
WORKING: Final = "working"
ENDED: Final = "ended"
EXCHANGE_STATES: Final = (NEW, ASKED, OFFERED, NEGOTIATING, TERMS, ORDERED, WORKING, ENDED)

EXCHANGE: Final[Rules] = make_rules(
    start=NEW,
    terminal=(ENDED,),
    pausing=(),
    moves=[
        *_rows(NEW, "buyer", "DISCOVER", ASKED),
        # Every provider that was asked answers for itself.
        *_rows(ASKED, "provider", "OFFER", OFFERED),
        *_rows(ASKED, "provider", "ERROR", STAY),
        *_rows(OFFERED, "provider", "OFFER ERROR", STAY),
        *_rows(OFFERED, "buyer", "NEGOTIATE", NEGOTIATING),
        *_rows(OFFERED, "buyer", "EXECUTE", ORDERED),
        *_rows(NEGOTIATING, "provider", "NEGOTIATE ERROR", TERMS),
        # A counter may be taken up, or answered with other terms.
        *_rows(TERMS, "buyer", "NEGOTIATE", NEGOTIATING),
        *_rows(TERMS, "buyer", "EXECUTE", ORDERED),
        # A provider without negotiation answers with something that is no envelope.
        *_rows(NEGOTIATING, "buyer", "EXECUTE", ORDERED),
        *_rows(ORDERED, "provider", "JOB_ACCEPTED", WORKING),
        *_rows(ORDERED, "provider", "EVIDENCE ERROR", ENDED),
        *_rows(WORKING, "provider", "JOB_STATUS STREAM_CHUNK", STAY),
        *_rows(WORKING, "provider", "EVIDENCE ERROR", ENDED),
    ],
)
