"""What is open around one organisation: with each other one, and by its newcomers (ASP B17).

Accounts know what an agent has open. Two bounds are about organisations: what is open between two
of them, whoever of their agents deals; and what the provisional agents of one proven domain have
open together. Each reservation is entered with the organisations of both sides, each settlement
takes off what it ended. An organisation here is the domain an agent names, proven or only claimed:
for a bound the careful reading counts.

Read next: ``levels`` for the bounds, ``ledger`` for those of one account.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field, replace

from treaty.core.book import organisation_of
from treaty.core.levels import PROVISIONAL_AGENTS_MAX
from treaty.core.movement import Kind, Movement
from treaty.core.persistent import PersistentMap
from treaty.errors import Refused
from treaty.wire import fields
from treaty.wire.canonical import Json


@dataclass(frozen=True, slots=True)
class Newcomer:
    """What one reservation of a provisional agent still holds open."""

    agent: str
    units: int


@dataclass(frozen=True, slots=True)
class Exposure:
    """What is open around one organisation in one asset."""

    together: PersistentMap[str, int] = field(default_factory=PersistentMap)
    """Open units by the other organisation."""
    newcomers: PersistentMap[str, Newcomer] = field(default_factory=PersistentMap)
    """Reservation -> what a provisional agent of this one has open in it."""


@dataclass(frozen=True, slots=True)
class Change:
    """One movement, as one of its two organisations enters it."""

    other: str
    """The other organisation; the same one for a deal within it."""
    reservation: str
    units: int
    """Opened; below zero for what was settled."""
    newcomer: str | None = None
    """The agent, if it is one whose sum is shared."""


def changes(movement: Movement, newcomers: Container[str]) -> Mapping[str, Change]:
    """What a movement means for the organisations of its sides; nothing for a transfer.

    ``newcomers`` are the agents whose sum is shared within their organisation.
    """
    if movement.reservation is None:
        return {}
    units = movement.units if movement.kind is Kind.RESERVE else -movement.units
    one, other = movement.debit, movement.credit
    found: dict[str, Change] = {}
    for own, against in ((one, other), (other, one)):
        name, far = organisation_of(own), organisation_of(against)
        newcomer = own.owner if own.owner in newcomers else None
        if name in found:
            # Within one organisation the sum is entered once, for both of its agents.
            change = replace(found[name], newcomer=found[name].newcomer or newcomer)
            return {name: change}
        found[name] = Change(far, movement.reservation, units, newcomer)
    return found


def entered(exposure: Exposure, change: Change) -> Exposure:
    """Fold a change."""
    together = max(0, (exposure.together.get(change.other) or 0) + change.units)
    return Exposure(
        exposure.together.put(change.other, together)
        if together
        else exposure.together.without(change.other),
        _newcomers(exposure, change),
    )


def _newcomers(exposure: Exposure, change: Change) -> PersistentMap[str, Newcomer]:
    known = exposure.newcomers.get(change.reservation)
    if known is None and change.newcomer is None:
        return exposure.newcomers
    agent = known.agent if known is not None else str(change.newcomer)
    units = (known.units if known is not None else 0) + change.units
    if units <= 0:
        return exposure.newcomers.without(change.reservation)
    return exposure.newcomers.put(change.reservation, Newcomer(agent, units))


def check_pair(
    exposure: Exposure, other: str, units: int, most: int, *, elsewhere_units: int = 0
) -> None:
    """Refuse (``ceiling_exceeded``) what would open too much between two organisations.

    ``elsewhere_units`` is what is open between them in other assets, converted.
    """
    open_units = (exposure.together.get(other) or 0) + elsewhere_units
    if open_units + units > most:
        raise Refused(
            f"{open_units} + {units} units exceed the ceiling of {most} for the two organisations",
            "ceiling_exceeded",
        )


def check_newcomers(
    exposure: Exposure, agent: str, units: int, most: int, *, elsewhere: Sequence[Newcomer] = ()
) -> None:
    """Refuse (``ceiling_exceeded``) what a newcomer's organisation has no room for.

    ``elsewhere`` is what its newcomers have open in other assets, converted.
    """
    found = [*(one for _, one in exposure.newcomers.items()), *elsewhere]
    agents = {one.agent for one in found} | {agent}
    if len(agents) > PROVISIONAL_AGENTS_MAX:
        raise Refused(
            f"{PROVISIONAL_AGENTS_MAX} provisional agents of one organisation have deals open",
            "ceiling_exceeded",
        )
    open_units = sum(one.units for one in found)
    if open_units + units > most:
        raise Refused(
            f"{open_units} + {units} units exceed the {most} that provisional agents of one "
            "organisation share",
            "ceiling_exceeded",
        )


def change_to_json(change: Change) -> dict[str, Json]:
    """Write a change; ``change_from_json`` gives it back."""
    newcomer = {} if change.newcomer is None else {"newcomer": change.newcomer}
    return {
        "with": change.other,
        "reservation": change.reservation,
        "units": change.units,
        **newcomer,
    }


def change_from_json(body: fields.Object) -> Change:
    """Read a change. Raises ``WireError``."""
    return Change(
        other=fields.text(body, "with"),
        reservation=fields.text(body, "reservation"),
        units=fields.integer(body, "units", least=-(2**53) + 1),
        newcomer=fields.agent_or(body, "newcomer"),
    )
