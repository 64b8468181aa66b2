"""The clearing: carries out escrow orders and the operator's transfers on the ledger.

One stream per account, ``account/<asset>/<agent>``, so that two deals between different
parties never wait for each other. A movement is written to the stream of each side that has
one (the outside world has none); the sides are folded apart and agree by construction.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Protocol

from treaty.core.book import Account, Book, book_of, enter
from treaty.core.commitment import Order, OrderKind
from treaty.core.escrow import Escrow
from treaty.core.ledger import fund, payout, reserve, settle
from treaty.core.levels import Ceilings, Rates
from treaty.core.movement import (
    AccountId,
    Binding,
    Movement,
    Slice,
    account_entries,
    movement_from_json,
    movement_to_json,
)
from treaty.core.rates import converted_up
from treaty.engine.currencies import Currencies
from treaty.engine.desk import Desk, Kind, Transaction
from treaty.engine.exposures import Exposures, exposure_stream
from treaty.engine.ports import Entry
from treaty.errors import Refused, shown
from treaty.identity.keys import PublicKey
from treaty.identity.records import open_record
from treaty.wire import fields
from treaty.wire.canonical import Json, canonical, read_json
from treaty.wire.money import ASSETS, Money, money_from_json, money_to_json

STREAM: Final = "account"
OUTSIDE: Final = "external"
MOVEMENTS_SHOWN_MAX: Final = 200


class Bounds(Protocol):
    """What the trust node says of how much may be open (B17)."""

    def ceilings(self, payer: str, payee: str, asset: str, rates: Rates) -> Ceilings:
        """What may be open between two parties now, in an asset counted by these rates."""

    def shares_its_bound(self, agent: str) -> bool:
        """True for an agent whose bound is its organisation's."""


@dataclass(frozen=True, slots=True)
class Executed:
    """What became of an escrow order."""

    reservation: str
    posted_units: int = 0
    voided_units: int = 0


def reservation_of(session: str, order: Order) -> str:
    """The id of the reservation an order is about: the escrow of a commitment, or a bond."""
    own = f"{session}/{order.commitment}"
    return f"{own}/{order.bond}" if order.bond else own


def _slices(order: Order) -> tuple[Slice, ...]:
    """How a reservation is cut: by the schedule, if there is one."""
    schedule = order.escrow.schedule
    if schedule is None:
        return ()
    return tuple(Slice(part.id, part.units) for part in schedule.slices)


def account_stream(account: AccountId) -> str:
    """Name of an account's stream."""
    return f"{STREAM}/{account.asset}/{account.owner}"


def _streams(account: AccountId) -> tuple[str, str]:
    return account_stream(account), exposure_stream(account)


def _open_units(transaction: Transaction, account: AccountId) -> int:
    state: Account = transaction.state(account_stream(account))
    return state.open_units


def _empty(stream: str) -> Account:
    _, asset, owner = stream.split("/", 2)
    return Account(AccountId(owner, asset))


def _fold(account: Account, entry: Entry, parsed: object) -> Account:
    movement = parsed if isinstance(parsed, Movement) else movement_of(entry)
    return enter(account, movement)


def movement_of(entry: Entry) -> Movement:
    """Read the movement an account entry records."""
    body = read_json(entry.body)
    assert isinstance(body, dict)
    return movement_from_json(body["movement"])


class Clearing:
    """The escrow ledger of one node."""

    def __init__(
        self, desk: Desk, operator: PublicKey, bounds: Bounds, currencies: Currencies
    ) -> None:
        self._desk = desk
        self._operator = operator
        self._bounds = bounds
        self._currencies = currencies
        self._exposures = Exposures(desk, bounds.shares_its_bound)
        desk.register(STREAM, Kind(_empty, _fold))

    def execute(
        self, transaction: Transaction, session: str, order: Order, commit_hash: str, at_ms: int
    ) -> Executed:
        """Carry out one escrow order inside a session's own transaction (B13).

        Raises ``Refused`` (``escrow_unfunded``, ``ceiling_exceeded``, …); then nothing of the
        transaction happens.
        """
        escrow = order.escrow
        payer = AccountId(escrow.payer, escrow.money.asset)
        payee = AccountId(escrow.payee, escrow.money.asset)
        # All at once, so that the decision is not begun again for each.
        sides = (payer, payee)
        transaction.need(*map(account_stream, sides), *map(exposure_stream, sides))
        book = self._book(transaction, *sides)
        reservation = reservation_of(session, order)
        if order.kind is OrderKind.RESERVE:
            ceilings = None if order.bond else self._ceilings(transaction, escrow, sides)
            movements = reserve(
                book,
                reservation,
                payer=payer,
                payee=payee,
                units=order.units,
                slices=_slices(order),
                binding=Binding(session, order.commitment, commit_hash),
                ceilings=ceilings,
            )
            if ceilings is not None:
                self._check_organisations(transaction, escrow, movements, ceilings)
            self._record(transaction, movements, at_ms)
            return Executed(reservation)
        movements = settle(book, reservation, order.post_units, slice_id=order.slice)
        self._record(transaction, movements, at_ms)
        assert sum(one.units for one in movements) == order.units
        return Executed(reservation, order.post_units, order.units - order.post_units)

    def _ceilings(
        self, transaction: Transaction, escrow: Escrow, sides: tuple[AccountId, AccountId]
    ) -> Ceilings:
        """The bounds of a reservation, less what its sides have open in other assets (B17)."""
        asset, rates = escrow.money.asset, escrow.rates
        bounds = self._bounds.ceilings(escrow.payer, escrow.payee, asset, rates)
        others, all_rates = self._currencies.others(asset), self._currencies.beside(asset, rates)
        beside = [[AccountId(side.owner, one) for one in others] for side in sides]
        streams = [name for one in (*beside[0], *beside[1]) for name in _streams(one)]
        transaction.need(*streams)
        payer_units, payee_units = (
            sum(
                converted_up(_open_units(transaction, one), one.asset, asset, all_rates)
                for one in accounts
            )
            for accounts in beside
        )
        return replace(
            bounds,
            payer_units=bounds.payer_units - payer_units,
            payee_units=bounds.payee_units - payee_units,
        )

    def _check_organisations(
        self,
        transaction: Transaction,
        escrow: Escrow,
        movements: tuple[Movement, ...],
        ceilings: Ceilings,
    ) -> None:
        asset = escrow.money.asset
        for movement in movements:
            self._exposures.check(
                transaction,
                movement,
                ceilings.pair_units,
                rates=self._currencies.beside(asset, escrow.rates),
                others=self._currencies.others(asset),
            )

    def _book(self, transaction: Transaction, *ids: AccountId) -> Book:
        transaction.need(*(account_stream(one) for one in ids))
        return book_of(*(transaction.state(account_stream(one)) for one in ids))

    def _record(
        self,
        transaction: Transaction,
        movements: tuple[Movement, ...],
        at_ms: int,
        transfer: Mapping[str, Json] | None = None,
    ) -> None:
        for movement in movements:
            body: dict[str, Json] = {"movement": movement_to_json(movement), "atMs": at_ms}
            if transfer is not None:
                body["transfer"] = dict(transfer)
            if movement.reservation is not None:
                self._exposures.note(transaction, movement)
            for side in account_entries(movement):
                if side.owner != OUTSIDE:
                    transaction.append(
                        account_stream(side), "movement", canonical(body), None, movement
                    )

    async def transfer(self, record: Json) -> dict[str, Json]:
        """Carry out a transfer signed by the operator: money in (fund) or out (payout).

        ``record`` is of kind ``transfer``: ``{id, direction: fund|payout, agent, amount, at}``.
        The same id again with the same content changes nothing and answers the same. Raises
        ``SignatureError``, ``WireError``, ``Refused`` (``duplicate``, ``escrow_unfunded``).
        """
        signed = open_record("transfer", record, self._operator).value
        transfer = fields.ident(signed, "id")
        direction = fields.text(signed, "direction")
        money = money_from_json(signed.get("amount"), None)
        account = AccountId(fields.agent(signed, "agent"), money.asset)
        if direction not in ("fund", "payout"):
            raise Refused(f"a transfer funds or pays out, not {shown(direction)}", "malformed")
        stream = account_stream(account)

        def decide(transaction: Transaction) -> None:
            book = self._book(transaction, account)
            change = fund if direction == "fund" else payout
            movements = change(book, transfer, account, money.units)
            self._record(transaction, movements, transaction.now_ms, signed)

        await self._desk.transact((stream,), decide)
        return await self.account(account)

    async def account(self, account: AccountId) -> dict[str, Json]:
        """One account's balance, as JSON."""
        state: Account = await self._desk.state(account_stream(account))
        asset = account.asset
        return {
            "agent": account.owner,
            "asset": asset,
            "settled": dict(money_to_json(Money(state.settled_units, asset))),
            "held": dict(money_to_json(Money(state.held_units, asset))),
            "available": dict(money_to_json(Money(state.available_units, asset))),
        }

    async def statement(self, agent: str, *, limit: int = 50) -> dict[str, Json]:
        """All accounts of an agent with their last movements, newest last, as JSON."""
        accounts: list[Json] = []
        for asset in sorted(ASSETS):
            stream = account_stream(AccountId(agent, asset))
            last = await self._desk.store.last(stream)
            if not last:
                continue
            entries = await self._desk.store.read(stream, max(0, last - limit), MOVEMENTS_SHOWN_MAX)
            balance = await self.account(AccountId(agent, asset))
            balance["movements"] = [_shown(entry) for entry in entries]
            accounts.append(balance)
        return {"agent": agent, "accounts": accounts}


def _shown(entry: Entry) -> Any:
    body = read_json(entry.body)
    assert isinstance(body, dict)
    return {"position": entry.position, "at": body["atMs"], **dict(_dict(body["movement"]))}


def _dict(value: Json) -> dict[str, Json]:
    assert isinstance(value, dict)
    return value
