"""One negotiation at its provider as an immutable state, folded from the records of its stream.

Laws:

1. The state is a fold: what a node knows after a restart is what it knew before.
2. It belongs to one consumer from the first message on; later ones change nothing of that.
3. Rounds are counted for as long as the negotiation is known; no ending starts them anew (W6).
4. It lives for the session's time from its opening, and no longer, whatever is said in it.

A record says what an entry means: ``verdict`` and ``reply`` are what was answered, the rest is
for this fold. Read next: ``dialect``, which makes the records, ``machine`` for whose turn it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

from treaty.core.session import Session
from treaty.core.session import advance as move
from treaty.dialects.actp.codec import decode_envelope
from treaty.dialects.actp.decision import Action, Position, Verdict, Words, advance
from treaty.dialects.actp.machine import (
    ACCEPT_COUNTER,
    COUNTER,
    DECLINE,
    EXPIRE,
    QUOTE,
    RULES,
    TERMINAL,
    UNQUOTED,
    WALK,
)
from treaty.dialects.actp.messages import CounterAccept, CounterOffer, PriceQuote
from treaty.wire import fields
from treaty.wire.canonical import Json
from treaty.wire.evolving import evolve

COUNTER_ENTRY: Final = "counter"
REQUEST_ENTRY: Final = "request"
DECLINED_ENTRY: Final = "declined"
EXPIRED_ENTRY: Final = "expired"

MOVES_KEPT: Final = 256
"""More than the table has; a move depends on nothing but the table."""

_OPENING: Final = frozenset(("consumer", "opener"))
_PROVIDER: Final = frozenset(("provider",))
_CLOCK: Final = frozenset(("clock",))


@dataclass(frozen=True, slots=True)
class Negotiation:
    """Where one negotiation stands."""

    session: Session = field(default_factory=lambda: Session(UNQUOTED))
    consumer: str = ""
    """Whose it is; empty before anything was heard."""
    opened_ms: int = 0
    max_price_units: int = 0
    """The first ``maxPrice`` that was said; every re-quote keeps it."""
    original_units: int = 0
    service: str | None = None
    deadline_s: int | None = None
    position: Position = field(default_factory=Position)
    last_quote: PriceQuote | None = None
    agreed_units: int | None = None
    agreed_until_s: int | None = None
    """An agreement lapses with the counter that was accepted (W20)."""

    @property
    def is_known(self) -> bool:
        """True once something was heard."""
        return bool(self.consumer)

    @property
    def is_open(self) -> bool:
        """True while it holds a place: heard of, not ended, and our last word was no no."""
        return self.is_known and not self.position.is_final and self.session.state not in TERMINAL


NOTHING_HEARD: Final = Negotiation()


@dataclass(frozen=True, slots=True)
class Said:
    """What a record holds besides its figures, as values: the reply, and the verdict if any."""

    reply: PriceQuote | CounterAccept | None
    verdict: Verdict | None = None


def fold(state: Negotiation, kind: str, record: Mapping[str, Json], said: Any) -> Negotiation:
    """Fold one entry. ``said`` is a ``Said``; None reads it from the record."""
    if kind == EXPIRED_ENTRY:
        session = move(RULES, state.session, EXPIRE, _CLOCK, party="clock")
        return evolve(state, session=session)
    opened = state if state.is_known else _opened(record)
    said = said if isinstance(said, Said) else _read_said(record)
    if kind == DECLINED_ENTRY:
        return evolve(opened, session=_moved(opened.session, _PROVIDER, WALK))
    if kind == REQUEST_ENTRY:
        return _quoted(opened, said.reply)
    return _countered(opened, record, said)


def _opened(record: Mapping[str, Json]) -> Negotiation:
    return Negotiation(
        consumer=fields.text(record, "consumer"),
        opened_ms=fields.integer(record, "at"),
        max_price_units=int(fields.text(record, "maxPrice")),
        original_units=int(fields.text(record, "original")),
        service=fields.text_or(record, "service"),
        deadline_s=fields.integer_or(record, "deadline"),
    )


def _quoted(state: Negotiation, quote: object) -> Negotiation:
    assert isinstance(quote, PriceQuote)
    return evolve(
        state,
        session=_moved(state.session, _PROVIDER, QUOTE),
        position=evolve(state.position, last_quote_units=quote.units),
        max_price_units=quote.max_price_units,
        last_quote=quote,
    )


def _countered(state: Negotiation, record: Mapping[str, Json], said: Said) -> Negotiation:
    reply, verdict = said.reply, said.verdict
    assert verdict is not None
    agreed_units, agreed_until_s = state.agreed_units, state.agreed_until_s
    if isinstance(reply, CounterAccept):
        agreed_units, agreed_until_s = reply.units, fields.integer(record, "expiresAt")
    # Member by member, because this runs for every counter: ``replace`` takes thrice as long.
    return Negotiation(
        _moved(_moved(state.session, _OPENING, COUNTER), _PROVIDER, _act(reply)),
        state.consumer,
        state.opened_ms,
        state.max_price_units,
        state.original_units,
        state.service,
        state.deadline_s,
        advance(state.position, verdict),
        reply if isinstance(reply, PriceQuote) else state.last_quote,
        agreed_units,
        agreed_until_s,
    )


def _act(reply: PriceQuote | CounterAccept | None) -> str:
    if reply is None:
        return DECLINE
    return QUOTE if isinstance(reply, PriceQuote) else ACCEPT_COUNTER


@lru_cache(maxsize=MOVES_KEPT)
def _moved(session: Session, standing: frozenset[str], act: str) -> Session:
    return move(RULES, session, act, standing, party="")


def _read_said(record: Mapping[str, Json]) -> Said:
    envelope = fields.obj_or(record, "reply")
    reply = None if envelope is None else decode_envelope(envelope)
    assert not isinstance(reply, CounterOffer)
    verdict = fields.obj_or(record, "verdict")
    if verdict is None:
        return Said(reply)
    units = fields.text_or(verdict, "recommended_amount")
    return Said(
        reply,
        Verdict(
            Action(fields.text(verdict, "action")),
            Words(fields.text(verdict, "reason")),
            None if units is None else int(units),
            has_reply=reply is not None,
        ),
    )
