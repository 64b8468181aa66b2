"""Movements: the facts of the ledger, and their JSON form.

A movement is immutable and says everything that is needed to fold it: who pays, who is paid,
how much, under which reservation, for which commitment (ASP decision B13: an escrow movement
binds session, commitment, COMMIT hash, payer, payee, amount, currency).

``debit`` is always the side that pays and ``credit`` the side that is paid, for a void too: it
belongs into both accounts' streams, because both have the reservation open.

The JSON form, as it stands in deal files (B22 ``escrow``)::

    {"id": "cmt_001#post", "kind": "post",
     "debit": "agent://acme.com/procurement/alpha", "credit": "agent://cloudprime.io/gpu/beta",
     "amount": "180.00", "currency": "USD", "reservation": "cmt_001",
     "slice": "...", "slices": [{"id": "...", "amount": "..."}],
     "session": "...", "commitment": "...", "commitHash": "..."}

``slice`` stands only when a named slice is settled, ``slices`` only in a reserve that has them,
the last three when the movement is bound to a commitment. Unknown members are passed over.

Read next: ``ledger``.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from treaty.errors import Refused, WireError, shown
from treaty.wire import fields
from treaty.wire.canonical import Json
from treaty.wire.ids import parse_agent_uri
from treaty.wire.money import ASSETS, UNITS_MAX, Money, amount_text, money_from_json

EXTERNAL: Final = "external"
"""The owner of the world outside: the only account below zero."""

WHOLE: Final = ""
"""The name of the one slice of a reservation that is not cut."""

ID_CHARS_MAX: Final = 256
SLICES_MAX: Final = 1_024


class Kind(StrEnum):
    """What a movement does."""

    FUND = "fund"
    PAYOUT = "payout"
    RESERVE = "reserve"
    POST = "post"
    VOID = "void"


@dataclass(frozen=True, slots=True)
class AccountId:
    """An account: an agent URI, or ``external``, and the code of an asset."""

    owner: str
    asset: str

    @property
    def is_external(self) -> bool:
        """True for the account that stands for the world outside."""
        return self.owner == EXTERNAL


def external(asset: str) -> AccountId:
    """The account through which money of an asset enters and leaves."""
    return AccountId(EXTERNAL, asset)


@dataclass(frozen=True, slots=True)
class Slice:
    """A part of a reservation that is settled on its own."""

    id: str
    units: int


@dataclass(frozen=True, slots=True)
class Binding:
    """The commitment an escrow movement belongs to."""

    session: str
    commitment: str
    commit_hash: str


@dataclass(frozen=True, slots=True)
class Movement:
    """One fact of the ledger."""

    id: str
    """The transfer's or reservation's own id; derived from it for a post and a void."""
    kind: Kind
    debit: AccountId
    credit: AccountId
    units: int
    """Minor units of the accounts' asset, more than zero."""
    reservation: str | None = None
    slice: str = WHOLE
    """Which slice a post or void settles."""
    slices: tuple[Slice, ...] = ()
    """How a reserve is cut; empty when it is one piece."""
    binding: Binding | None = None


def account_entries(movement: Movement) -> tuple[AccountId, AccountId]:
    """Return the accounts whose streams this movement belongs to: debit, then credit."""
    return movement.debit, movement.credit


def check_movement(movement: Movement) -> None:
    """Refuse a movement that no book could hold, whatever stands in it.

    1. Amounts lie in 1 to ``UNITS_MAX``, slices sum to the reservation, and ids are printable.
    2. Money enters from and leaves to the external account, and moves nowhere else through it.
    3. The asset is known and both sides have the same.

    Raises ``Refused`` (``commitment_invalid``, ``currency_unsupported``).
    """
    _check_units(movement.units)
    _check_ids(movement)
    _check_slices(movement)
    if movement.debit.asset not in ASSETS:
        raise Refused(f"unknown asset {shown(movement.debit.asset)}", "currency_unsupported")
    if not _sides_fit(movement):
        raise Refused(
            f"a {movement.kind} cannot go from {shown(movement.debit.owner)} to "
            f"{shown(movement.credit.owner)}",
            "commitment_invalid",
        )


def _sides_fit(movement: Movement) -> bool:
    debit, credit = movement.debit, movement.credit
    from_outside = movement.kind is Kind.FUND
    to_outside = movement.kind is Kind.PAYOUT
    return (
        debit != credit
        and debit.asset == credit.asset
        and (debit.is_external, credit.is_external) == (from_outside, to_outside)
    )


def _check_units(units: int) -> None:
    if not 0 < units <= UNITS_MAX:
        raise Refused(f"an amount must lie in 1 to {UNITS_MAX}, not {units}", "commitment_invalid")


def _check_ids(movement: Movement) -> None:
    transfer = movement.kind in (Kind.FUND, Kind.PAYOUT)
    settling = movement.kind in (Kind.POST, Kind.VOID)
    if transfer != (movement.reservation is None) or (movement.slice != WHOLE and not settling):
        raise Refused(f"a {movement.kind} with members of another kind", "commitment_invalid")
    names = [movement.id if movement.reservation is None else movement.reservation]
    names += [part.id for part in movement.slices]
    names += [movement.slice] if movement.slice != WHOLE else []
    for name in names:
        # The sign # separates a reservation's id from what is derived from it.
        if not name or len(name) > ID_CHARS_MAX or not name.isprintable() or "#" in name:
            raise Refused(f"not an id for the ledger: {shown(name)}", "commitment_invalid")
    if movement.id != expected_id(movement):
        raise Refused(f"{shown(movement.id)} is not that movement's id", "commitment_invalid")


def expected_id(movement: Movement) -> str:
    """Return the only id such a movement can have, so that a repeat is recognised.

    A reserve has the reservation's id, a post or void one that is derived from reservation and
    slice; a transfer keeps the id it was signed with.
    """
    if movement.reservation is None:
        return movement.id
    if movement.kind is Kind.RESERVE:
        return movement.reservation
    names = [movement.reservation, movement.slice, movement.kind.value]
    return "#".join(name for name in names if name)


def _check_slices(movement: Movement) -> None:
    parts = movement.slices
    if not parts:
        return
    fits = (
        movement.kind is Kind.RESERVE
        and len(parts) <= SLICES_MAX
        and len({part.id for part in parts}) == len(parts)
        and all(part.units > 0 for part in parts)
        and sum(part.units for part in parts) == movement.units
    )
    if not fits:
        raise Refused(
            f"{len(parts)} slices do not make up {movement.units} units", "commitment_invalid"
        )


def movement_to_json(movement: Movement) -> dict[str, Json]:
    """Write a movement; amounts are decimal text."""
    asset = movement.debit.asset
    body: dict[str, Json] = {
        "id": movement.id,
        "kind": movement.kind.value,
        "debit": movement.debit.owner,
        "credit": movement.credit.owner,
        "amount": amount_text(Money(movement.units, asset)),
        "currency": asset,
    }
    if movement.reservation is not None:
        body["reservation"] = movement.reservation
    if movement.slice != WHOLE:
        body["slice"] = movement.slice
    if movement.slices:
        body["slices"] = [
            {"id": part.id, "amount": amount_text(Money(part.units, asset))}
            for part in movement.slices
        ]
    return body | _binding_to_json(movement.binding)


def _binding_to_json(binding: Binding | None) -> dict[str, Json]:
    if binding is None:
        return {}
    return {
        "session": binding.session,
        "commitment": binding.commitment,
        "commitHash": binding.commit_hash,
    }


def movement_from_json(body: Json) -> Movement:
    """Read a movement and check that it is one (``check_movement``).

    Raises ``WireError`` for what is not of the form, ``Refused`` for what no book could hold.
    """
    if not isinstance(body, dict):
        raise WireError(f"a movement is an object, not {shown(body)}")
    kind = fields.text(body, "kind")
    if kind not in frozenset(Kind):
        raise WireError(f"not a kind of movement: {shown(kind)}")
    money = _amount(body, fields.text(body, "currency"))
    movement = Movement(
        id=fields.text(body, "id"),
        kind=Kind(kind),
        debit=_account(body, "debit", money.asset),
        credit=_account(body, "credit", money.asset),
        units=money.units,
        reservation=fields.text_or(body, "reservation"),
        slice=fields.text_or(body, "slice") or WHOLE,
        slices=_slices(body, money.asset),
        binding=_binding(body),
    )
    check_movement(movement)
    return movement


def _amount(body: fields.Object, currency: str) -> Money:
    return money_from_json({"amount": fields.text(body, "amount"), "currency": currency}, None)


def _account(body: fields.Object, name: str, asset: str) -> AccountId:
    owner = fields.text(body, name)
    return AccountId(owner if owner == EXTERNAL else parse_agent_uri(owner).text, asset)


def _slices(body: fields.Object, asset: str) -> tuple[Slice, ...]:
    parts: list[Slice] = []
    for part in fields.items(body, "slices", most=SLICES_MAX):
        if not isinstance(part, dict):
            raise WireError(f"a slice is an object, not {shown(part)}")
        parts.append(Slice(fields.text(part, "id"), _amount(part, asset).units))
    return tuple(parts)


def _binding(body: fields.Object) -> Binding | None:
    if body.get("commitment") is None:
        return None
    return Binding(
        session=fields.ident(body, "session"),
        commitment=fields.ident(body, "commitment"),
        commit_hash=fields.ident(body, "commitHash"),
    )
