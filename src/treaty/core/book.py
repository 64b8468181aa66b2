"""The state of the ledger: accounts and reservations, folded from movements.

``enter`` folds one movement into one account, ``apply`` into every account of a book that the
movement touches. Both refuse a movement that cannot have been recorded (a deal file is written
by strangers) and then assert what must hold whatever happened before.

**A book may be partial.** It holds the accounts it was loaded with and no others. Every account
is a fold over its own stream alone: its balance, the reservations it takes part in (as payer or
payee) and the ids it has seen never depend on another account. ``apply`` enters a movement on
the sides that are in the book and passes over the other one, whose own stream has it too. So a
payer and a payee folded apart (``enter``) and put together (``book_of``) are the same book as
both folded together.

Bounded memory: a settled reservation and a transfer leave only their id and a few prints, so
that the id stays used and an exact repeat is still recognised.

Read next: ``ledger``, which decides what may be recorded.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from treaty.core.movement import (
    AccountId,
    Binding,
    Kind,
    Movement,
    Slice,
    account_entries,
    check_movement,
    movement_to_json,
)
from treaty.core.persistent import PersistentMap
from treaty.errors import MisuseError, Refused, shown
from treaty.wire.canonical import Json, canonical
from treaty.wire.digest import sha256
from treaty.wire.evolving import evolve
from treaty.wire.ids import parse_agent_uri, registrable_domain

_PRINT_BYTES: Final = 16


@dataclass(frozen=True, slots=True)
class Part:
    """A slice of a reservation and how it was settled."""

    id: str
    units: int
    posted_units: int = 0
    voided_units: int = 0

    @property
    def open_units(self) -> int:
        """What is still held for this slice."""
        return self.units - self.posted_units - self.voided_units


@dataclass(frozen=True, slots=True)
class Reservation:
    """Money held for a payee until each of its slices is settled."""

    id: str
    payer: AccountId
    payee: AccountId
    parts: tuple[Part, ...]
    """Its slices; the one named ``WHOLE`` when it is not cut."""
    binding: Binding | None

    @property
    def asset(self) -> str:
        """The code of the asset that is held."""
        return self.payer.asset

    @property
    def units(self) -> int:
        """What was reserved."""
        return sum(part.units for part in self.parts)

    @property
    def posted_units(self) -> int:
        """What went to the payee."""
        return sum(part.posted_units for part in self.parts)

    @property
    def voided_units(self) -> int:
        """What went back to the payer."""
        return sum(part.voided_units for part in self.parts)


@dataclass(frozen=True, slots=True)
class Prints:
    """What is left of a transfer or a settled reservation: enough to recognise its repeats."""

    digests: bytes


@dataclass(frozen=True, slots=True)
class Account:
    """One account, folded from its own stream."""

    id: AccountId
    settled_units: int = 0
    """What it has, held money included; below zero only for ``external``."""
    held_units: int = 0
    """What is held of it in open reservations."""
    open_units: int = 0
    """All that is open with it, as payer or payee (B17)."""
    open_count: int = 0
    open_with: PersistentMap[str, int] = field(default_factory=PersistentMap)
    """Open units by the organisation of the other side (B17)."""
    seen: PersistentMap[str, Reservation | Prints] = field(default_factory=PersistentMap)
    """Every id this account has met."""

    @property
    def available_units(self) -> int:
        """What it may spend."""
        return self.settled_units - self.held_units


@dataclass(frozen=True, slots=True)
class Book:
    """The accounts one decision needs; see above for what a partial book means."""

    accounts: Mapping[AccountId, Account]

    @property
    def reservations(self) -> dict[str, Reservation]:
        """Every open reservation of its accounts, by id."""
        return {
            name: found
            for account in self.accounts.values()
            for name, found in account.seen.items()
            if isinstance(found, Reservation)
        }

    def seen(self, name: str) -> Reservation | Prints | None:
        """Return the open reservation or the prints that an id stands for, or None."""
        for account in self.accounts.values():
            found = account.seen.get(name)
            if found is not None:
                return found
        return None


def empty_book(*ids: AccountId) -> Book:
    """Return a book of accounts without a history."""
    return book_of(*(Account(name) for name in ids))


def book_of(*accounts: Account) -> Book:
    """Return the book of accounts that were folded apart."""
    return Book({account.id: account for account in accounts})


def apply(book: Book, movement: Movement) -> Book:
    """Fold a movement into every account of the book that it touches.

    Raises ``Refused`` as ``enter`` does, and ``MisuseError`` when it touches none of them.
    """
    sides = [name for name in account_entries(movement) if name in book.accounts]
    if not sides:
        raise MisuseError(f"the book holds neither side of {shown(movement.id)}")
    after = Book(
        {**book.accounts, **{name: enter(book.accounts[name], movement) for name in sides}}
    )
    if len(sides) == 2:
        assert _sum(book, sides) == _sum(after, sides), "a movement made or lost money"
    return after


def _sum(book: Book, names: list[AccountId]) -> int:
    return sum(book.accounts[name].settled_units for name in names)


def enter(account: Account, movement: Movement) -> Account:
    """Fold a movement into one of the two accounts it belongs to.

    Raises ``Refused``: ``commitment_invalid`` for a movement no book could hold, ``duplicate``
    for one that is recorded already, ``reference_unknown`` for a post or void without its
    reservation, ``escrow_unfunded`` for spending what is not there.
    """
    check_movement(movement)
    if account.id not in account_entries(movement):
        raise MisuseError(f"{shown(movement.id)} does not touch {account.id.owner}")
    if movement.kind in (Kind.FUND, Kind.PAYOUT):
        after = _transferred(account, movement)
    elif movement.kind is Kind.RESERVE:
        after = _reserved(account, movement)
    else:
        after = _resolved(account, movement)
    if after.available_units < 0 and not account.id.is_external:
        raise Refused(
            f"{account.id.owner} has {account.available_units} available", "escrow_unfunded"
        )
    assert after.held_units >= 0, "more was released than held"
    assert after.open_units >= after.held_units, "a payer's held money is open"
    return after


def _transferred(account: Account, movement: Movement) -> Account:
    _check_new(account, movement)
    gain = movement.units if account.id == movement.credit else -movement.units
    return evolve(
        account,
        settled_units=account.settled_units + gain,
        seen=account.seen.put(movement.id, Prints(movement_print(movement))),
    )


def _reserved(account: Account, movement: Movement) -> Account:
    _check_new(account, movement)
    slices = movement.slices or (Slice(movement.slice, movement.units),)
    opened = Reservation(
        id=movement.id,
        payer=movement.debit,
        payee=movement.credit,
        parts=tuple(Part(part.id, part.units) for part in slices),
        binding=movement.binding,
    )
    held = movement.units if account.id == opened.payer else 0
    return evolve(
        _opened(account, opened, movement.units, count=1),
        held_units=account.held_units + held,
        seen=account.seen.put(movement.id, opened),
    )


def _check_new(account: Account, movement: Movement) -> None:
    if movement.id in account.seen:
        raise Refused(f"{shown(movement.id)} is recorded already", "duplicate")


def _resolved(account: Account, movement: Movement) -> Account:
    """Fold a post or a void of one slice."""
    before = _reservation_of(account, movement)
    after = _settled(before, movement)
    done = all(part.open_units == 0 for part in after.parts)
    kept = Prints(_settled_prints(after)) if done else after
    paid = movement.units if movement.kind is Kind.POST else 0
    if account.id == before.payer:
        held, settled = -movement.units, -paid
    else:
        held, settled = 0, paid
    if done:
        assert after.posted_units + after.voided_units == before.units, "posted + void = reserved"
    return evolve(
        _opened(account, before, -movement.units, count=-1 if done else 0),
        settled_units=account.settled_units + settled,
        held_units=account.held_units + held,
        seen=account.seen.put(before.id, kept),
    )


def _reservation_of(account: Account, movement: Movement) -> Reservation:
    found = account.seen.get(str(movement.reservation))
    if isinstance(found, Prints):
        raise Refused(f"{shown(movement.reservation)} is settled already", "duplicate")
    if found is None or (found.payer, found.payee) != account_entries(movement):
        raise Refused(f"no reservation {shown(movement.reservation)}", "reference_unknown")
    if found.binding != movement.binding:
        raise Refused(f"{shown(movement.id)} names another commitment", "commitment_invalid")
    return found


def _settled(reservation: Reservation, movement: Movement) -> Reservation:
    parts = tuple(
        _settled_part(part, movement) if part.id == movement.slice else part
        for part in reservation.parts
    )
    if parts == reservation.parts:
        raise Refused(f"no slice {shown(movement.slice)}", "reference_unknown")
    return evolve(reservation, parts=parts)


def _settled_part(part: Part, movement: Movement) -> Part:
    if movement.kind is Kind.POST:
        if part.posted_units or part.voided_units:
            raise Refused(f"slice {shown(part.id)} is settled already", "duplicate")
        after = evolve(part, posted_units=movement.units)
    else:
        if part.voided_units:
            raise Refused(f"slice {shown(part.id)} is settled already", "duplicate")
        after = evolve(part, voided_units=movement.units)
    # A void returns all that is left: a slice has one terminal outcome.
    if after.open_units < 0 or (movement.kind is Kind.VOID and after.open_units):
        raise Refused(
            f"{movement.units} units of a slice that has {part.open_units}", "commitment_invalid"
        )
    return after


def _opened(account: Account, reservation: Reservation, units: int, *, count: int) -> Account:
    """Add to (or, below zero, take from) what is open with the other side's organisation."""
    payer, payee = reservation.payer, reservation.payee
    organisation = organisation_of(payee if account.id == payer else payer)
    together = (account.open_with.get(organisation) or 0) + units
    return evolve(
        account,
        open_units=account.open_units + units,
        open_count=account.open_count + count,
        open_with=account.open_with.put(organisation, together)
        if together
        else account.open_with.without(organisation),
    )


def organisation_of(account: AccountId) -> str:
    """Return the registrable domain an account's owner names, proven or only claimed.

    For a bound the careful reading counts: agents that name one domain stand together.
    """
    return registrable_domain(parse_agent_uri(account.owner).host)


def _print(value: Json) -> bytes:
    return sha256(canonical(value))[:_PRINT_BYTES]


def movement_print(movement: Movement) -> bytes:
    """Return the short digest by which a repeated transfer or reserve is recognised."""
    return _print(movement_to_json(movement))


def opening_print(reservation: Reservation) -> bytes:
    """Return the print of the reserve that opened a reservation."""
    parts = reservation.parts
    cut = bool(parts[0].id)
    return movement_print(
        Movement(
            id=reservation.id,
            kind=Kind.RESERVE,
            debit=reservation.payer,
            credit=reservation.payee,
            units=reservation.units,
            reservation=reservation.id,
            slices=tuple(Slice(part.id, part.units) for part in parts) if cut else (),
            binding=reservation.binding,
        )
    )


def settling_print(kind: Kind, slice_id: str, units: int | None) -> bytes:
    """Return the print of a post of ``units``, or of a void (of the rest, so without units)."""
    return _print([kind.value, slice_id, None if units is None else str(units)])


def _settled_prints(reservation: Reservation) -> bytes:
    digests = [opening_print(reservation)]
    for part in reservation.parts:
        # Also for nothing posted: that is how the slice was split.
        digests.append(settling_print(Kind.POST, part.id, part.posted_units))
        if part.voided_units:
            digests.append(settling_print(Kind.VOID, part.id, None))
    return b"".join(digests)


def is_print_of(prints: Prints, digest: bytes) -> bool:
    """True when the digest is one of the prints."""
    starts = range(0, len(prints.digests), _PRINT_BYTES)
    return any(prints.digests[at : at + _PRINT_BYTES] == digest for at in starts)
