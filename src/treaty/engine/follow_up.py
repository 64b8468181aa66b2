"""What a session's host does after every entry: escrow, reports, timers, outages.

A message or a timer changes a session; what that demands is read off its state and done in the
same transaction, each as a signed fact in the session's log (decisions B7, B10, B13). Nothing
here is decided: ``orders`` and ``due`` of the dialect say what, the clearing says whether.

Read next: ``sessions``, which accepts the messages.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from treaty.core.commitment import Order, OrderKind
from treaty.core.log import fact_body, read_log_record
from treaty.core.rates import UsdRates, rate_text
from treaty.engine.clearing import Clearing
from treaty.engine.desk import Desk, Transaction
from treaty.engine.dialect import SessionDialect
from treaty.engine.hosted import STREAM, Hosted, Written, session_kind, session_stream
from treaty.engine.ports import Task, Unit
from treaty.errors import Refused
from treaty.identity.keys import Signer, read_public_key
from treaty.identity.records import seal
from treaty.wire import fields
from treaty.wire.canonical import Json, canonical, read_json
from treaty.wire.instants import format_instant
from treaty.wire.money import Money, money_to_json

SESSIONS_AT_ONCE: Final = 1_000
STEPS_AT_ONCE: Final = 64
"""Escrow orders or timers of one session in one transaction; the next one goes on at once."""


Put = Callable[[Transaction, Any], None]
"""(transaction, state of the session): put tasks."""
Sealed = Callable[[Transaction, str, Order], Mapping[str, Json]]
"""(transaction, session, order): members of the fact of a reservation, or of its last settling."""


Elsewhere = Callable[[Transaction, Any, Mapping[str, Json]], bool]
"""(transaction, state, payload): take a report that is for another trust node; else False."""


def _nowhere(_transaction: Transaction, _state: Any, _payload: Mapping[str, Json]) -> bool:
    return False


def _nothing(_transaction: Transaction, _session: str, _order: Order) -> Mapping[str, Json]:
    return {}


class FollowUp:
    """Carries out what the sessions of one host demand."""

    def __init__(
        self,
        desk: Desk,
        dialect: SessionDialect,
        signer: Signer,
        clearing: Clearing,
        usd_rates: UsdRates,
    ) -> None:
        self._desk = desk
        self._dialect = dialect
        self._signer = signer
        self._clearing = clearing
        self._usd_rates = usd_rates
        self._puts: list[Put] = []
        self._sealed: Sealed = _nothing
        self._elsewhere: Elsewhere = _nowhere
        desk.register(STREAM, session_kind(dialect))

    def also(self, put: Put, sealed: Sealed | None = None) -> None:
        """Have another part of the node schedule what a session demands of it, after each entry.

        ``sealed`` adds to the fact of a reservation what that part keeps secret until later, and
        shows it in the fact that settles the last of it.
        """
        self._puts.append(put)
        self._sealed = sealed or self._sealed

    def report_elsewhere(self, put: Elsewhere) -> None:
        """Have another part of the node report outcomes that are not for its own trust log."""
        self._elsewhere = put

    def write_fact(
        self,
        transaction: Transaction,
        stream: str,
        fact: str,
        data: Mapping[str, Json],
        at_ms: int,
    ) -> None:
        """Write and fold one signed fact of the host's own."""
        state = transaction.state(stream).state
        body = fact_body(
            session=state.id,
            position=transaction.position(stream) + 1,
            at_ms=at_ms,
            previous_entry=state.entry,
            fact=fact,
            data=data,
        )
        record = seal("fact", body, self._signer)
        written = Written(record, read_log_record(record))
        transaction.append(stream, "fact", canonical(record), None, written)

    def settle(self, transaction: Transaction, stream: str, at_ms: int) -> None:
        """Do what the entry just written demands: rates, escrow, reports, the next timer."""
        for commitment, currency in self._dialect.unrated(transaction.state(stream).state).items():
            self._state_rate(transaction, stream, commitment, currency, at_ms)
        for _ in range(STEPS_AT_ONCE):
            orders = self._dialect.orders(transaction.state(stream).state)
            if not orders:
                break
            self._execute(transaction, stream, orders[0], at_ms)
        state = transaction.state(stream).state
        for commitment in self._dialect.unreported(state):
            self._report(transaction, stream, commitment, at_ms)
        for put in self._puts:
            put(transaction, state)
        self._reset_timer(transaction, stream)

    def _state_rate(
        self, transaction: Transaction, stream: str, commitment: str, currency: str, at_ms: int
    ) -> None:
        """The rate in force as the COMMIT arrives holds to the commitment's end (B17)."""
        rate = self._usd_rates.get(currency)
        if rate is None:
            raise Refused(f"no US dollar rate is configured for {currency}", "currency_unsupported")
        data: dict[str, Json] = {
            "commitmentId": commitment,
            "currency": currency,
            "usdRate": rate_text(rate),
        }
        self.write_fact(transaction, stream, "rate", data, at_ms)

    def _execute(self, transaction: Transaction, stream: str, order: Order, at_ms: int) -> None:
        state = transaction.state(stream).state
        commit_hash = state.commitments[order.commitment].hash
        result = self._clearing.execute(transaction, state.id, order, commit_hash, at_ms)
        asset = order.escrow.money.asset
        data: dict[str, Json] = {
            "movement": order.kind.value,
            "reservation": result.reservation,
            "commitmentId": order.commitment,
            "commitHash": commit_hash,
            "payer": order.escrow.payer,
            "payee": order.escrow.payee,
            "amount": dict(money_to_json(Money(order.units, asset))),
        }
        if order.slice:
            data["slice"] = order.slice
        if order.bond:
            data["bond"] = order.bond
        unsettled = [
            one for one in state.commitments[order.commitment].shares if one.posted is None
        ]
        if not order.bond and (order.kind is OrderKind.RESERVE or len(unsettled) == 1):
            data |= self._sealed(transaction, state.id, order)
        if order.kind is OrderKind.SETTLE:
            data["posted"] = dict(money_to_json(Money(result.posted_units, asset)))
            data["voided"] = dict(money_to_json(Money(result.voided_units, asset)))
        self.write_fact(transaction, stream, "escrow", data, at_ms)

    def _report(self, transaction: Transaction, stream: str, commitment: str, at_ms: int) -> None:
        """Tell the trust node, through the outbox, how a commitment ended (B16).

        What never bound, and what was called off before anything was earned, has no value and
        is nobody's merit or fault.
        """
        state = transaction.state(stream).state
        settled = self._dialect.settled(state, commitment)
        if not settled.value_units:
            return
        payload: dict[str, Json] = {
            "session": state.id,
            "head": state.head,
            "commitment": settled.commitment,
            "payer": settled.payer,
            "payee": settled.payee,
            "values": {
                agent: dict(money_to_json(Money(units, settled.asset)))
                for agent, units in settled.values.items()
            },
            "kept": dict(settled.kept),
            "ratings": dict(settled.ratings),
            "disputed": settled.disputed,
            "severity": settled.severity,
            "currency": settled.asset,
            "usdRate": None if settled.usd_rate is None else rate_text(settled.usd_rate),
            "at": format_instant(at_ms),
        }
        if self._elsewhere(transaction, state, payload):
            return
        name = f"outcome/{state.id}/{commitment}"
        transaction.put_task(Task(name, "outcome", at_ms, canonical(payload)))

    def _reset_timer(self, transaction: Transaction, stream: str) -> None:
        """Keep the earliest timer of a session in the store; one task a session (B10)."""
        state = transaction.state(stream).state
        left_over = self._dialect.orders(state)
        due_ms = transaction.now_ms if left_over else self._dialect.next_due_ms(state)
        name = f"timer/{state.id}"
        if due_ms is None:
            transaction.drop_task(name)
        else:
            transaction.put_timer(Task(name, "timer", due_ms, state.id.encode()))

    async def fire(self, task: Task) -> None:
        """Write the timers that are due in one session as signed facts, and put the next one."""
        stream = session_stream(task.payload.decode())

        def decide(transaction: Transaction) -> None:
            at_ms = max(transaction.now_ms, transaction.state(stream).state.at_ms)
            for _ in range(STEPS_AT_ONCE):
                # First what an earlier entry left over: the fold counts on it.
                self.settle(transaction, stream, at_ms)
                state = transaction.state(stream).state
                timer = self._dialect.due(state, transaction.now_ms)
                if timer is None or self._dialect.orders(state):
                    return
                data: dict[str, Json] = {"name": timer[0], "due": format_instant(timer[1])}
                self.write_fact(transaction, stream, "timer", data, at_ms)
            self.settle(transaction, stream, at_ms)

        await self._desk.transact((stream,), decide)

    async def tell_revoked(self, task: Task) -> None:
        """Write in every running session of an agent that its key was revoked (B5).

        Done again after a crash it finds the sessions that know of it already.
        """
        record = read_json(task.payload)
        assert isinstance(record, dict)
        after = ""
        while tasks := await self._desk.store.tasks("timer", SESSIONS_AT_ONCE, after):
            for timer in tasks:
                await self._tell_one(session_stream(timer.payload.decode()), record)
            after = tasks[-1].id
        await self._desk.store.commit(Unit(drop_tasks=(task.id,)))

    async def _tell_one(self, stream: str, record: Mapping[str, Json]) -> None:
        agent, key_id = fields.agent(record, "uri"), fields.ident(record, "keyId")

        def concerned(hosted: Hosted) -> bool:
            member = hosted.state.participants.get(agent)
            if member is None or member.public_key is None or member.revoked:
                return False
            return read_public_key(member.public_key).key_id == key_id

        def decide(transaction: Transaction) -> None:
            hosted: Hosted = transaction.state(stream)
            if concerned(hosted):
                data: dict[str, Json] = {
                    "agent": agent,
                    "keyId": key_id,
                    "since": record.get("since"),
                    "record": dict(record),
                }
                at_ms = max(transaction.now_ms, hosted.state.at_ms)
                self.write_fact(transaction, stream, "revocation", data, at_ms)
                self.settle(transaction, stream, at_ms)

        if concerned(await self._desk.state(stream)):
            await self._desk.transact((stream,), decide)

    async def note_outage(self, session_id: str, from_ms: int, to_ms: int) -> None:
        """Record that the host was away; every deadline running in it moves on (B10).

        What an outage noted before covers is not noted again: a start that was cut short and
        is repeated moves nothing twice. Nor was the host away while it still signed, whatever
        the heartbeat says, which a clock that was set back leaves behind the log.
        """
        stream = session_stream(session_id)

        def decide(transaction: Transaction) -> None:
            hosted: Hosted = transaction.state(stream)
            since_ms = max(from_ms, hosted.away_until_ms, hosted.state.at_ms)
            if since_ms >= to_ms:
                return
            data: dict[str, Json] = {
                "from": format_instant(since_ms),
                "to": format_instant(to_ms),
            }
            at_ms = max(transaction.now_ms, hosted.state.at_ms)
            self.write_fact(transaction, stream, "outage", data, at_ms)
            self.settle(transaction, stream, at_ms)

        await self._desk.transact((stream,), decide)
