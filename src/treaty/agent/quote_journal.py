"""What a buyer keeps of its negotiations: streams in its own store, and their folds.

* ``bought/<chain>/<transaction>``: one negotiation. Kinds: ``opened`` (the terms), ``asked``
  (the signed request), ``quote``, ``counter`` and ``accept`` (raw: the envelope), ``declined``
  (the counter-offer that waited got no signed answer), ``move`` (what
  was decided, and the nonce it gave away) and ``ended``.
* ``budget/quotes``: the entries of ``dialects.actp.budget``.
* ``issued-nonces/<chain>/<kernel>/<account>``: nonces given to counter-offers. A nonce is an entry
  of a stream and the place in the stream is the lock, so that two processes with one store never
  give the same one.

Law: a promise is durable before it is signed and a message before it is sent, so a process that
is killed goes on from here and says nothing that it has not written down.

Read next: ``quotes``, which writes these.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Final

from treaty.agent.quote_terms import Status, Terms, terms_from_json
from treaty.dialects.actp import budget
from treaty.dialects.actp.buying import AcceptFigures, BuyerState, QuoteFigures, after_quote
from treaty.dialects.actp.choices import BODY_BYTES_MAX
from treaty.dialects.actp.codec import decode, decode_request
from treaty.dialects.actp.deal import Decided, Line
from treaty.dialects.actp.dids import did_account
from treaty.dialects.actp.hashes import message_hash
from treaty.dialects.actp.messages import CounterAccept, CounterOffer, PriceQuote, QuoteRequest
from treaty.engine.desk import Desk, Kind
from treaty.engine.ports import Entry
from treaty.errors import MisuseError
from treaty.wire import fields
from treaty.wire.canonical import Json, canonical, read_json

BOUGHT: Final = "bought"
BUDGET: Final = "budget"
NUMBERED: Final = "issued-nonces"
BUDGET_STREAM: Final = f"{BUDGET}/quotes"

OPENED: Final = "opened"
ASKED: Final = "asked"
QUOTE: Final = "quote"
COUNTER: Final = "counter"
ACCEPT: Final = "accept"
MOVE: Final = "move"
DECLINED: Final = "declined"
ENDED: Final = "ended"


@dataclass(frozen=True, slots=True)
class Promise:
    """A counter-offer that was decided, reserved and numbered, and is not signed yet."""

    units: int
    nonce: int


@dataclass(frozen=True, slots=True)
class End:
    """How a negotiation ended."""

    status: Status
    reason: str
    message_hash: str | None
    at_ms: int
    said: str = ""


@dataclass(frozen=True, slots=True)
class Journal:
    """One negotiation as its buyer keeps it."""

    terms: Terms | None = None
    state: BuyerState = field(default_factory=BuyerState)
    lines: tuple[Line, ...] = ()
    decided: tuple[Decided, ...] = ()
    request: QuoteRequest | None = None
    first: PriceQuote | None = None
    quote: PriceQuote | None = None
    """The quote that stands."""
    counter: CounterOffer | None = None
    """Our last counter-offer; ``state.counter_hash`` tells whether it waits for an answer."""
    accept: CounterAccept | None = None
    promise: Promise | None = None
    seen: frozenset[str] = frozenset()
    """Hashes of the quotes that were looked at."""
    end: End | None = None

    @property
    def waits(self) -> bool:
        """True while a counter-offer of ours waits for its answer."""
        return self.end is None and self.state.counter_hash is not None

    @property
    def is_undecided(self) -> bool:
        """True while a quote stands that nothing was decided on."""
        is_quiet = self.end is None and self.promise is None and not self.waits
        return is_quiet and self.quote is not None

    @property
    def accepted(self) -> PriceQuote | CounterAccept | None:
        """What was agreed."""
        if self.end is None or self.end.status is not Status.AGREED:
            return None
        return self.accept or self.quote


def bought_stream(key: str) -> str:
    """The stream of a negotiation."""
    return f"{BOUGHT}/{key}"


def numbered_stream(chain_id: int, kernel: str, account: str) -> str:
    """The stream of the nonces of one account's counter-offers."""
    return f"{NUMBERED}/{chain_id}/{kernel}/{account}"


def register(desk: Desk) -> None:
    """Tell a desk how these streams are folded."""
    desk.register(BOUGHT, Kind(lambda _stream: Journal(), _fold))
    desk.register(BUDGET, Kind(lambda _stream: budget.EMPTY, _fold_budget))
    desk.register(NUMBERED, Kind(lambda _stream: 0, _fold_nonce))


def figures_of(quote: PriceQuote) -> QuoteFigures:
    """A verified quote as a decision needs it."""
    return QuoteFigures(
        provider=did_account(quote.provider, quote.chain_id),
        quoted_units=quote.units,
        max_price_units=quote.max_price_units,
        quote_hash=message_hash(quote),
        expires_at_s=quote.expires_at,
    )


def accept_figures_of(accept: CounterAccept) -> AcceptFigures:
    """A verified acceptance as a decision needs it."""
    provider = did_account(accept.provider, accept.chain_id)
    return AcceptFigures(provider, accept.units, accept.in_reply_to)


def write_nonce(nonce: int) -> bytes:
    """The body of a nonce entry."""
    return canonical({"nonce": nonce})


def _fold_nonce(_state: int, entry: Entry, _parsed: object) -> int:
    return fields.integer(_body(entry), "nonce")


def _fold_budget(state: budget.Budget, entry: Entry, _parsed: object) -> budget.Budget:
    return budget.apply(state, budget.entry_from_json(_body(entry)))


def _fold(journal: Journal, entry: Entry, _parsed: object) -> Journal:
    body = _body(entry)
    folded = _FOLDS[entry.kind](journal, body, entry.raw or b"")
    assert isinstance(folded, Journal)
    return folded


def _opened(journal: Journal, body: dict[str, Json], _raw: bytes) -> Journal:
    terms = terms_from_json(fields.obj(body, "terms"))
    asked = fields.text_or(body, "maxPrice")
    state = BuyerState(
        provider=None if terms.provider is None else did_account(terms.provider, terms.chain_id),
        anchor=terms.anchor,
        deadline_ms=terms.deadline_s * 1_000,
        asked_max_price_units=None if asked is None else int(asked),
    )
    return replace(journal, terms=terms, state=state)


def _asked(journal: Journal, _body: dict[str, Json], raw: bytes) -> Journal:
    return replace(journal, request=decode_request(raw))


def _quoted(journal: Journal, body: dict[str, Json], raw: bytes) -> Journal:
    quote = decode(raw)
    assert isinstance(quote, PriceQuote)
    figures = figures_of(quote)
    return replace(
        journal,
        lines=(*journal.lines, Line(quote, fields.integer(body, "atMs"), raw)),
        state=after_quote(journal.state, figures),
        first=journal.first or quote,
        quote=quote,
        seen=journal.seen | {figures.quote_hash},
    )


def _countered(journal: Journal, body: dict[str, Json], raw: bytes) -> Journal:
    counter = decode(raw)
    assert isinstance(counter, CounterOffer)
    state = replace(
        journal.state,
        counters_sent=journal.state.counters_sent + 1,
        counter_units=counter.units,
        counter_hash=message_hash(counter),
        waits_until_ms=fields.integer(body, "waitsUntilMs"),
    )
    line = Line(counter, fields.integer(body, "atMs"), raw)
    lines = (*journal.lines, line)
    return replace(journal, lines=lines, state=state, counter=counter, promise=None)


def _agreed(journal: Journal, body: dict[str, Json], raw: bytes) -> Journal:
    accept = decode(raw)
    assert isinstance(accept, CounterAccept)
    line = Line(accept, fields.integer(body, "atMs"), raw)
    return replace(journal, lines=(*journal.lines, line), accept=accept)


def _moved(journal: Journal, body: dict[str, Json], _raw: bytes) -> Journal:
    nonce, units = fields.integer_or(body, "nonce"), fields.text_or(body, "units")
    promise = None if nonce is None or units is None else Promise(int(units), nonce)
    one = Decided(
        fields.text_or(body, "answers"), fields.text(body, "move"), fields.text(body, "reason")
    )
    is_again = fields.flag(body, "again")
    decided = journal.decided if is_again else (*journal.decided, one)
    folded = replace(journal, decided=decided, promise=promise)
    return _unsent(folded) if is_again else folded


def _unsent(journal: Journal) -> Journal:
    """The counter-offer whose nonce was taken: it was refused, so it was never made."""
    kept = tuple(line for line in journal.lines if line.message is not journal.counter)
    state = replace(
        journal.state,
        counters_sent=journal.state.counters_sent - 1,
        counter_units=None,
        counter_hash=None,
        waits_until_ms=None,
    )
    return replace(journal, lines=kept, counter=None, state=state)


def _declined(journal: Journal, _body: dict[str, Json], _raw: bytes) -> Journal:
    state = replace(journal.state, counter_units=None, counter_hash=None, waits_until_ms=None)
    return replace(journal, state=state)


def _ended(journal: Journal, body: dict[str, Json], _raw: bytes) -> Journal:
    end = End(
        Status(fields.text(body, "status")),
        fields.text(body, "reason"),
        fields.text_or(body, "messageHash"),
        fields.integer(body, "atMs"),
        fields.text_or(body, "said") or "",
    )
    state = replace(journal.state, is_over=True, waits_until_ms=None)
    return replace(journal, end=end, state=state, promise=None)


_FOLDS: Final[dict[str, Any]] = {
    OPENED: _opened,
    ASKED: _asked,
    QUOTE: _quoted,
    COUNTER: _countered,
    ACCEPT: _agreed,
    MOVE: _moved,
    DECLINED: _declined,
    ENDED: _ended,
}


def _body(entry: Entry) -> dict[str, Json]:
    body = read_json(entry.body, size_max=BODY_BYTES_MAX)
    if not isinstance(body, dict):
        raise MisuseError(f"entry {entry.position} of {entry.stream} is no record")
    return body
