"""What is open around organisations, kept beside the accounts and locked with them (ASP B17).

One stream per organisation and asset, ``exposure/<asset>/<domain>``; every reserve, post and void
is entered with both sides in the transaction that moves the money, so that two deals of different
agents of the same organisations cannot both find room that is there once.

Read next: ``core.exposure``, the fold and the bounds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from treaty.core.book import organisation_of
from treaty.core.exposure import (
    Change,
    Exposure,
    Newcomer,
    change_from_json,
    change_to_json,
    changes,
    check_newcomers,
    check_pair,
    entered,
)
from treaty.core.levels import Rates, provisional_units
from treaty.core.movement import AccountId, Movement
from treaty.core.rates import converted_up
from treaty.engine.desk import Desk, Kind, Transaction
from treaty.engine.ports import Entry
from treaty.wire.canonical import canonical, read_json

STREAM: Final = "exposure"

IsNewcomer = Callable[[str], bool]
"""Whether an agent is provisional and of a proven domain, so that its bound is shared."""


def exposure_stream(account: AccountId) -> str:
    """Name of the stream of an account's organisation."""
    return f"{STREAM}/{account.asset}/{organisation_of(account)}"


def _fold(exposure: Exposure, entry: Entry, parsed: object) -> Exposure:
    if isinstance(parsed, Change):
        return entered(exposure, parsed)
    body = read_json(entry.body)
    assert isinstance(body, dict)
    return entered(exposure, change_from_json(body))


class Exposures:
    """What the organisations of one clearing have open."""

    def __init__(self, desk: Desk, is_newcomer: IsNewcomer) -> None:
        self._is_newcomer = is_newcomer
        desk.register(STREAM, Kind(lambda _stream: Exposure(), _fold))

    def check(
        self,
        transaction: Transaction,
        reserve: Movement,
        pair_units: int,
        *,
        rates: Rates,
        others: Sequence[str],
    ) -> None:
        """Refuse (``ceiling_exceeded``) a reserve that organisations have no room for.

        What is open in the ``others``, assets beside its own, counts by ``rates``.
        """
        for own, other in ((reserve.debit, reserve.credit), (reserve.credit, reserve.debit)):
            exposure: Exposure = transaction.state(exposure_stream(own))
            far = organisation_of(other)
            beside = [
                (asset, transaction.state(exposure_stream(AccountId(own.owner, asset))))
                for asset in others
            ]
            elsewhere = sum(
                converted_up(one.together.get(far) or 0, asset, own.asset, rates)
                for asset, one in beside
            )
            check_pair(exposure, far, reserve.units, pair_units, elsewhere_units=elsewhere)
            if self._is_newcomer(own.owner):
                most = provisional_units(own.asset, rates)
                newcomers = [
                    Newcomer(one.agent, converted_up(one.units, asset, own.asset, rates))
                    for asset, known in beside
                    for _, one in known.newcomers.items()
                ]
                check_newcomers(exposure, own.owner, reserve.units, most, elsewhere=newcomers)

    def note(self, transaction: Transaction, movement: Movement) -> None:
        """Enter a movement with the organisations of its sides."""
        owners = (movement.debit.owner, movement.credit.owner)
        newcomers = {owner for owner in owners if self._is_newcomer(owner)}
        for name, change in changes(movement, newcomers).items():
            stream = f"{STREAM}/{movement.debit.asset}/{name}"
            transaction.append(stream, "change", canonical(change_to_json(change)), None, change)
