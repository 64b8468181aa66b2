"""The escrow ledger: the only functions that decide to move money.

Two phases, as in TigerBeetle: *reserve* holds the payer's money; then each slice is *posted* to
the payee, *voided* back to the payer, or posted in part and voided for the rest. Money enters
by *fund* and leaves by *payout*. All of it in whole minor units (ASP decisions B12, B13).

Laws:

1. Sums are conserved: what one side loses the other gains, asserted after every movement.
2. No account but ``external`` has less than it holds for others: ``available_units >= 0``.
3. Each (reservation, slice) is settled once, and posted + voided = reserved.
4. Deciding and folding are apart. The functions here return the movements to record, or refuse;
   ``apply`` (in ``book``) folds a recorded movement.
5. Repeating is harmless: the same id with the same content gives ``()``, no new movement; the
   same id with other content is refused as ``duplicate``. This is looked at before anything else.

The book may hold just the accounts a decision needs, see ``book``. An id is then known as far as
these accounts know it: make ids from something unique, such as session and commitment. The
engine loads payer and payee; a decision about an account that was not loaded is a
``MisuseError``.

Read next: ``book`` (the state), ``movement`` (the facts and their JSON), ``levels`` (ceilings).
"""

from __future__ import annotations

from typing import Final

from treaty.core.book import (
    Account,
    Book,
    Part,
    Prints,
    Reservation,
    apply,
    book_of,
    empty_book,
    enter,
    is_print_of,
    movement_print,
    opening_print,
    organisation_of,
    settling_print,
)
from treaty.core.levels import Ceilings
from treaty.core.movement import (
    WHOLE,
    AccountId,
    Binding,
    Kind,
    Movement,
    Slice,
    account_entries,
    check_movement,
    expected_id,
    external,
    movement_from_json,
    movement_to_json,
)
from treaty.errors import MisuseError, Refused, shown
from treaty.wire.evolving import evolve
from treaty.wire.money import UNITS_MAX

__all__ = [
    "OPEN_RESERVATIONS_MAX",
    "WHOLE",
    "Account",
    "AccountId",
    "Binding",
    "Book",
    "Kind",
    "Movement",
    "Reservation",
    "Slice",
    "account_entries",
    "apply",
    "book_of",
    "empty_book",
    "enter",
    "external",
    "fund",
    "movement_from_json",
    "movement_to_json",
    "payout",
    "post",
    "reserve",
    "settle",
    "void",
]

OPEN_RESERVATIONS_MAX: Final = 20_000
"""Reservations one account may have open; more are refused, for the time being."""


def fund(book: Book, transfer: str, account: AccountId, units: int) -> tuple[Movement, ...]:
    """Bring money in from outside, under the id of the operator's signed transfer (B13).

    Refusals in order: ``duplicate``; ``commitment_invalid`` (amount, or more than one account
    may hold); ``currency_unsupported``.
    """
    movement = Movement(transfer, Kind.FUND, external(account.asset), account, units)
    if _repeats(book, movement):
        return ()
    check_movement(movement)
    if _loaded(book, account).settled_units + units > UNITS_MAX:
        raise Refused(f"no account holds more than {UNITS_MAX} units", "commitment_invalid")
    return (movement,)


def payout(book: Book, transfer: str, account: AccountId, units: int) -> tuple[Movement, ...]:
    """Let money out, under the id of the operator's signed transfer (B13).

    Refusals in order: ``duplicate``; ``commitment_invalid``; ``currency_unsupported``;
    ``escrow_unfunded``.
    """
    movement = Movement(transfer, Kind.PAYOUT, account, external(account.asset), units)
    if _repeats(book, movement):
        return ()
    check_movement(movement)
    _check_available(_loaded(book, account), units)
    return (movement,)


def reserve(
    book: Book,
    reservation: str,
    *,
    payer: AccountId,
    payee: AccountId,
    units: int,
    slices: tuple[Slice, ...] = (),
    binding: Binding | None = None,
    ceilings: Ceilings | None = None,
) -> tuple[Movement, ...]:
    """Hold ``units`` of the payer for the payee; named ``slices`` are then settled one by one.

    Refusals in order: ``duplicate``; ``commitment_invalid`` (amount, ids, slices, sides);
    ``currency_unsupported``; ``capacity_unavailable`` (too many open); ``ceiling_exceeded`` (B17,
    when ceilings are given); ``escrow_unfunded``. Raises ``MisuseError`` when the book lacks the
    payer, or the payee where ceilings are given.
    """
    movement = Movement(
        reservation, Kind.RESERVE, payer, payee, units, reservation, WHOLE, slices, binding
    )
    if _repeats(book, movement):
        return ()
    check_movement(movement)
    for side in (payer, payee):
        _check_capacity(book.accounts.get(side))
    if ceilings is not None:
        _check_ceilings(_loaded(book, payer), _loaded(book, payee), units, ceilings)
    _check_available(_loaded(book, payer), units)
    return (movement,)


def post(
    book: Book, reservation: str, units: int, *, slice_id: str = WHOLE
) -> tuple[Movement, ...]:
    """Pay ``units`` of a slice to the payee; what is left of it can then only be voided.

    Refusals in order: ``reference_unknown``; ``duplicate`` (settled otherwise);
    ``commitment_invalid`` (amount outside the slice).
    """
    return _settling(book, Kind.POST, reservation, slice_id, units)


def void(book: Book, reservation: str, *, slice_id: str = WHOLE) -> tuple[Movement, ...]:
    """Return to the payer all that is still held of a slice. This ends the slice.

    Refusals in order: ``reference_unknown``; ``duplicate`` (all of it was posted).
    """
    return _settling(book, Kind.VOID, reservation, slice_id, None)


def settle(
    book: Book, reservation: str, post_units: int, *, slice_id: str = WHOLE
) -> tuple[Movement, ...]:
    """Post ``post_units`` of a slice (0 for none) and void the rest, in one decision.

    Refusals as for ``post`` and ``void``; settling again with another split is ``duplicate``.
    """
    posts = post(book, reservation, post_units, slice_id=slice_id) if post_units else ()
    after = apply(book, posts[0]) if posts else book
    found = _known(after, reservation)
    if isinstance(found, Prints):
        if is_print_of(found, settling_print(Kind.POST, slice_id, post_units)):
            return posts
        raise _used(reservation)
    part = _part(found, slice_id)
    if part.posted_units != post_units:
        raise _used(reservation)
    return posts + (void(after, reservation, slice_id=slice_id) if part.open_units else ())


def _settling(
    book: Book, kind: Kind, reservation: str, slice_id: str, units: int | None
) -> tuple[Movement, ...]:
    """Decide a post (of ``units``) or a void (None: of the rest)."""
    found = _known(book, reservation)
    if isinstance(found, Prints):
        if units != 0 and is_print_of(found, settling_print(kind, slice_id, units)):
            return ()
        raise _used(reservation)
    part = _part(found, slice_id)
    done = part.posted_units if kind is Kind.POST else part.voided_units
    if done and units in (None, done):
        return ()
    if done or not part.open_units:
        raise _used(reservation)
    movement = _outcome(found, kind, slice_id, part.open_units if units is None else units)
    check_movement(movement)
    if movement.units > part.open_units:
        raise Refused(
            f"{movement.units} units of a slice that has {part.open_units}", "commitment_invalid"
        )
    return (movement,)


def _outcome(found: Reservation, kind: Kind, slice_id: str, units: int) -> Movement:
    movement = Movement(
        "", kind, found.payer, found.payee, units, found.id, slice_id, (), found.binding
    )
    return evolve(movement, id=expected_id(movement))


def _known(book: Book, reservation: str) -> Reservation | Prints:
    found = book.seen(reservation)
    if found is None:
        raise Refused(f"no reservation {shown(reservation)}", "reference_unknown")
    return found


def _part(found: Reservation, slice_id: str) -> Part:
    for part in found.parts:
        if part.id == slice_id:
            return part
    raise Refused(f"no slice {shown(slice_id)} in {shown(found.id)}", "reference_unknown")


def _repeats(book: Book, movement: Movement) -> bool:
    """True for a movement that is known as it is; refuses its id with other content."""
    found = book.seen(movement.id)
    if found is None:
        return False
    digest = movement_print(movement)
    if isinstance(found, Prints):
        same = is_print_of(found, digest)
    else:
        same = digest == opening_print(found)
    if not same:
        raise _used(movement.id)
    return True


def _used(name: str) -> Refused:
    return Refused(f"{shown(name)} stands for something else already", "duplicate")


def _loaded(book: Book, name: AccountId) -> Account:
    account = book.accounts.get(name)
    if account is None:
        raise MisuseError(f"the book was loaded without {name.owner} {name.asset}")
    return account


def _check_available(account: Account, units: int) -> None:
    if account.available_units < units:
        raise Refused(
            f"{account.id.owner} has {account.available_units} available, needs {units}",
            "escrow_unfunded",
        )


def _check_capacity(account: Account | None) -> None:
    if account is not None and account.open_count >= OPEN_RESERVATIONS_MAX:
        raise Refused(
            f"{account.id.owner} has {account.open_count} reservations open",
            "capacity_unavailable",
        )


def _check_ceilings(payer: Account, payee: Account, units: int, ceilings: Ceilings) -> None:
    rows = (
        ("this commitment", 0, ceilings.commitment_units),
        ("the two organisations", _open_with(payer, payee.id), ceilings.pair_units),
        ("the two organisations", _open_with(payee, payer.id), ceilings.pair_units),
        ("the payer", payer.open_units, ceilings.payer_units),
        ("the payee", payee.open_units, ceilings.payee_units),
    )
    for name, open_units, most in rows:
        if open_units + units > most:
            raise Refused(
                f"{open_units} + {units} units exceed the ceiling of {most} for {name}",
                "ceiling_exceeded",
            )


def _open_with(account: Account, other: AccountId) -> int:
    return account.open_with.get(organisation_of(other)) or 0
