"""What a buyer writes down: each function decides inside one transaction and appends to it.

Laws: a reservation and the promise it is for are one unit; so are a decision, the message it is
about and the end it brings. What was decided before is left alone, so a repeat changes nothing.

Read next: ``quote_journal`` for the streams, ``quotes`` for who calls this.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from treaty.agent import quote_journal as kept
from treaty.agent.quote_journal import BUDGET_STREAM, Journal, Promise, figures_of
from treaty.agent.quote_terms import Status, Terms, terms_to_json
from treaty.dialects.actp import budget
from treaty.dialects.actp.bindings import check_acceptance
from treaty.dialects.actp.buying import (
    BuyerMove,
    BuyerPolicy,
    Move,
    QuoteFigures,
    Why,
    decide_on_accept,
    decide_on_quote,
    judge_move,
    out_of_frame,
)
from treaty.dialects.actp.chains import Chains
from treaty.dialects.actp.codec import encode
from treaty.dialects.actp.hashes import message_hash
from treaty.dialects.actp.messages import CounterAccept, CounterOffer, PriceQuote
from treaty.engine.desk import Transaction
from treaty.errors import Refused
from treaty.wire.canonical import Json, canonical

DECLINED: Final = "the provider declined the counter"
OPENING: Final = "the opening offer"
BY_HAND: Final = "chosen by the buyer's owner"
RENUMBERED: Final = "the nonce was taken"

ENDINGS: Final = {Move.WALK: Status.WALKED, Move.CANCEL: Status.CANCELLED}


@dataclass(frozen=True, slots=True)
class Book:
    """The rules by which one account's negotiations are written down."""

    policy: BuyerPolicy
    chains: Chains
    account: str

    def begin(self, stream: str, terms: Terms, transaction: Transaction) -> None:
        """Write the terms down, once."""
        journal: Journal = transaction.state(stream)
        if journal.terms is not None:
            if journal.terms != terms:
                raise Refused("this transaction is negotiated with other terms", "duplicate")
            return
        asked = self.asked_max_price(terms)
        body: dict[str, Json] = {"terms": terms_to_json(terms), "maxPrice": str(asked)}
        transaction.append(stream, kept.OPENED, canonical(body))

    def asked_max_price(self, terms: Terms) -> int:
        """What we say as ``maxPrice`` before any quote did; public."""
        if terms.opening is not None:
            return terms.opening.max_price_units
        return max(terms.amount_units, self.policy.public_max_price_units or 0)

    def decide(
        self,
        key: str,
        quote: PriceQuote,
        figures: QuoteFigures,
        proposed: object,
        transaction: Transaction,
        *,
        holds: bool = False,
    ) -> None:
        """Decide on a verified quote; one that is held is kept, and decided on later."""
        stream, now_ms = kept.bought_stream(key), transaction.now_ms
        journal: Journal = transaction.state(stream)
        if figures.quote_hash in journal.seen or journal.end is not None:
            return
        state = transaction.state(BUDGET_STREAM)
        room = budget.room(state, self.policy.daily_units, key, now_ms)
        move = judge_move(
            self.policy, journal.state, figures, now_ms, room_units=room, proposed=proposed
        )
        if move.move is Move.WAIT:
            return
        if out_of_frame(journal.state, figures, now_ms) is None:
            body = canonical({"atMs": now_ms})
            transaction.append(stream, kept.QUOTE, body, encode(quote))
            if holds:
                return
        self._do(transaction, key, move, figures.quote_hash)

    def agree(self, key: str, accept: CounterAccept, transaction: Transaction) -> None:
        """Take a verified acceptance, if it is of our counter-offer."""
        stream, now_ms = kept.bought_stream(key), transaction.now_ms
        journal: Journal = transaction.state(stream)
        if journal.end is not None or not journal.waits or journal.counter is None:
            return
        # Attack 1: whoever signed it, an acceptance of anything but our counter is none.
        check_acceptance(accept, journal.counter)
        move = decide_on_accept(journal.state, kept.accept_figures_of(accept), now_ms)
        if move.move is Move.WAIT:
            return
        transaction.append(stream, kept.ACCEPT, canonical({"atMs": now_ms}), encode(accept))
        self._do(transaction, key, move, message_hash(accept))

    def choose(self, key: str, proposed: BuyerMove | None, transaction: Transaction) -> None:
        """Decide on the quote that stands, as proposed or by the policy.

        Raises ``Refused``: ``policy_violation`` for what the limits do not allow,
        ``transition_invalid`` when no quote waits for a decision.
        """
        now_ms = transaction.now_ms
        journal: Journal = transaction.state(kept.bought_stream(key))
        if not journal.is_undecided or journal.quote is None:
            raise Refused("no quote waits for a decision", "transition_invalid")
        figures, state = figures_of(journal.quote), replace(journal.state, quote_hash=None)
        room = budget.room(transaction.state(BUDGET_STREAM), self.policy.daily_units, key, now_ms)
        move = judge_move(self.policy, state, figures, now_ms, room_units=room, proposed=proposed)
        if proposed is not None and move.move is not proposed.move:
            raise Refused(f"the policy does not allow it: {move.reason}", "policy_violation")
        self._do(transaction, key, move, figures.quote_hash, None if proposed is None else BY_HAND)

    def decline(self, key: str, transaction: Transaction) -> None:
        """Let the quote before our counter-offer stand again, and take or leave it."""
        stream, now_ms = kept.bought_stream(key), transaction.now_ms
        journal: Journal = transaction.state(stream)
        if journal.end is not None or not journal.waits:
            return
        transaction.append(stream, kept.DECLINED, canonical({"atMs": now_ms}))
        if journal.quote is None:
            self._do(transaction, key, BuyerMove(Move.WALK, Why.NO_COUNTERS), None, DECLINED)
            return
        final = replace(figures_of(journal.quote), is_final=True)
        state = replace(transaction.state(stream).state, quote_hash=None)
        budgeted = transaction.state(BUDGET_STREAM)
        room = budget.room(budgeted, self.policy.daily_units, key, now_ms)
        move = decide_on_quote(self.policy, state, final, now_ms, room_units=room)
        self._do(transaction, key, move, final.quote_hash)

    def open_with_offer(self, key: str, transaction: Transaction) -> None:
        """Promise the offer that opens, or leave when it is too dear."""
        journal: Journal = transaction.state(kept.bought_stream(key))
        if journal.lines or journal.promise is not None or journal.end is not None:
            return
        assert journal.terms is not None
        assert journal.terms.opening is not None
        units = journal.terms.opening.counter_units
        state = transaction.state(BUDGET_STREAM)
        room = budget.room(state, self.policy.daily_units, key, transaction.now_ms)
        if units > min(self.policy.ceiling_units, room):
            self._do(transaction, key, BuyerMove(Move.WALK, Why.TOO_DEAR), None)
            return
        self._do(transaction, key, BuyerMove(Move.COUNTER, Why.TRYING, units), None, OPENING)

    def renumber(self, key: str, least: int, transaction: Transaction) -> None:
        """Promise the same counter-offer again, with a free nonce."""
        stream = kept.bought_stream(key)
        journal: Journal = transaction.state(stream)
        if journal.end is not None or not journal.waits or journal.counter is None:
            return
        body: dict[str, Json] = {
            "answers": None, "move": Move.COUNTER.value, "reason": RENUMBERED,
            "atMs": transaction.now_ms, "again": True, "units": str(journal.counter.units),
            "nonce": self._number(transaction, key, least),
        }  # fmt: skip
        transaction.append(stream, kept.MOVE, canonical(body))

    def end(
        self,
        key: str,
        status: Status,
        reason: str,
        transaction: Transaction,
        said: str = "",
    ) -> None:
        """End a negotiation without a message, once; what it held is free again."""
        journal: Journal = transaction.state(kept.bought_stream(key))
        if journal.end is None:
            self._release(transaction, key)
            self._close(transaction, key, status, reason, None, said)

    def keep_counter(
        self, key: str, promise: Promise, counter: CounterOffer, transaction: Transaction
    ) -> None:
        """Keep what was signed for a promise, unless another process did so first."""
        stream, now_ms = kept.bought_stream(key), transaction.now_ms
        if transaction.state(stream).promise != promise:
            return
        waits_ms = now_ms + self.policy.response_ttl_s * 1_000
        body = canonical({"atMs": now_ms, "waitsUntilMs": waits_ms})
        transaction.append(stream, kept.COUNTER, body, encode(counter))

    def _do(
        self,
        transaction: Transaction,
        key: str,
        move: BuyerMove,
        answers: str | None,
        reason: str | None = None,
    ) -> None:
        """Write a move down: reserve first, then what follows from it."""
        stream, now_ms, why = kept.bought_stream(key), transaction.now_ms, reason or move.reason
        body: dict[str, Json] = {
            "answers": answers, "move": move.move.value, "reason": str(why), "atMs": now_ms,
        }  # fmt: skip
        if move.move is Move.COUNTER:
            self._reserve(transaction, key, move.units or 0)
            body |= {"units": str(move.units), "nonce": self._number(transaction, key)}
            transaction.append(stream, kept.MOVE, canonical(body))
            return
        transaction.append(stream, kept.MOVE, canonical(body))
        if move.move is Move.ACCEPT:
            self._reserve(transaction, key, move.units or 0)
            self._spend(transaction, key, move.units or 0)
            self._close(transaction, key, Status.AGREED, str(why), answers)
        else:
            self._release(transaction, key)
            self._close(transaction, key, ENDINGS[move.move], str(why), answers)

    def _reserve(self, transaction: Transaction, key: str, units: int) -> None:
        state, now_ms = transaction.state(BUDGET_STREAM), transaction.now_ms
        limit = self.policy.daily_units
        _book(transaction, budget.reserve(state, limit, key, units, now_ms))

    def _spend(self, transaction: Transaction, key: str, units: int) -> None:
        state, now_ms = transaction.state(BUDGET_STREAM), transaction.now_ms
        _book(transaction, budget.spend(state, key, units, now_ms))

    def _release(self, transaction: Transaction, key: str) -> None:
        state, now_ms = transaction.state(BUDGET_STREAM), transaction.now_ms
        _book(transaction, budget.release(state, key, now_ms))

    def _number(self, transaction: Transaction, key: str, least: int = 1) -> int:
        chain_id = int(key.partition("/")[0])
        stream = kept.numbered_stream(chain_id, self.chains.kernel(chain_id), self.account)
        nonce: int = max(transaction.state(stream) + 1, least)
        transaction.append(stream, "nonce", kept.write_nonce(nonce))
        return nonce

    def _close(
        self,
        transaction: Transaction,
        key: str,
        status: Status,
        reason: str,
        answers: str | None,
        said: str = "",
    ) -> None:
        body: dict[str, Json] = {
            "status": status.value, "reason": reason, "messageHash": answers,
            "atMs": transaction.now_ms, "said": said,
        }  # fmt: skip
        transaction.append(kept.bought_stream(key), kept.ENDED, canonical(body))


def _book(transaction: Transaction, entries: tuple[budget.Entry, ...]) -> None:
    for entry in entries:
        body = canonical(budget.entry_to_json(entry))
        transaction.append(BUDGET_STREAM, entry.kind.value, body)
