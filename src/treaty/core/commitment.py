"""Commitments: what binds, how it ends, and what the escrow then does.

    commitment   PROPOSED -> BOUND -> FULFILLED | BREACHED | ENDED | DISPUTED
                 DISPUTED -> BOUND | RESOLVED
                 PROPOSED -> REJECTED | WITHDRAWN | EXPIRED

Laws (ASP decisions B13 and B15, shared by every dialect that binds):

1. A bound commitment outlives its session; only its own rules end it.
2. An escrow obligation is kept once the commitment is bound and the reservation stands.
3. Without a schedule the escrow is one slice, paid when the commitment ends. With one, each
   slice follows its own part alone, and is paid when that part is decided and its dispute
   window is over; the other duties decide how the commitment ends, and no money.
4. A slice has one terminal outcome; what it earned and what is voided add up to it.
5. Money is decided here (``Order``) and moved by the ledger; this module moves nothing.

All functions return a new value; none looks at a clock.

Read next: ``obligation`` for the single promise, ``settlement`` for endings and money,
``schedule`` for parts, ``dispute`` for rulings.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from treaty.core import obligation as duties_of
from treaty.core.checks import Reading
from treaty.core.escrow import Escrow, Order, OrderKind, Share, slices_of
from treaty.core.movement import WHOLE
from treaty.core.obligation import (
    BREACH_GRACE_MS,
    CLAIMS_CHECKED_MAX,
    UNDECIDED,
    Method,
    Obligation,
    ObligationState,
    Probe,
)
from treaty.core.schedule import (
    MEASURE_GRACE_MS,
    Schedule,
    earned_units,
    part_span,
)
from treaty.errors import Refused, shown
from treaty.wire.evolving import evolve

__all__ = [
    "BREACH_GRACE_MS",
    "CLAIMS_CHECKED_MAX",
    "WHOLE",
    "Commitment",
    "CommitmentState",
    "Escrow",
    "Method",
    "Obligation",
    "ObligationState",
    "Order",
    "OrderKind",
    "Probe",
    "Share",
]


class CommitmentState(StrEnum):
    """Where a commitment stands."""

    PROPOSED = "PROPOSED"
    BOUND = "BOUND"
    DISPUTED = "DISPUTED"
    FULFILLED = "FULFILLED"
    BREACHED = "BREACHED"
    RESOLVED = "RESOLVED"
    ENDED = "ENDED BY CONSENT"
    REJECTED = "REJECTED"
    WITHDRAWN = "WITHDRAWN"
    EXPIRED = "EXPIRED"


_LIVE: Final = frozenset((CommitmentState.BOUND, CommitmentState.DISPUTED))


@dataclass(frozen=True, slots=True)
class Commitment:
    """One commitment, from its proposal to its end."""

    id: str
    author: str
    """The party on whose side it was proposed."""
    hash: str
    """Hash of the message that proposed it."""
    obligations: tuple[Obligation, ...]
    escrow: Escrow | None
    window_ms: int
    state: CommitmentState = CommitmentState.PROPOSED
    bound_ms: int = 0
    reserved: bool = False
    shares: tuple[Share, ...] = field(default=())
    """The slices of the escrow; cut when the commitment is made."""
    seed: str | None = None
    """Hash of its author's secret for the draw of arbiters (B15)."""
    accepter_seed: str | None = None
    """The same of whoever accepted it."""
    ruled: bool = False
    """True once a dispute about it was decided."""

    def __post_init__(self) -> None:
        if not self.shares:
            object.__setattr__(self, "shares", slices_of(self.escrow))

    @property
    def live(self) -> bool:
        """True while it is bound and unsettled."""
        return self.state in _LIVE

    @property
    def posted_units(self) -> int | None:
        """What went to the payee in all; None until every slice is settled."""
        if not self.shares or any(one.posted is None for one in self.shares):
            return None
        return sum(one.posted or 0 for one in self.shares)

    @property
    def voided_units(self) -> int:
        """What returned to the payer so far."""
        return sum(one.units - one.posted for one in self.shares if one.posted is not None)

    def duty(self, name: str) -> Obligation | None:
        """The obligation of this name."""
        return next((one for one in self.obligations if one.name == name), None)

    def share(self, name: str) -> Share | None:
        """The slice of this name."""
        return next((one for one in self.shares if one.id == name), None)


Change = Callable[[Obligation], Obligation]


def _each(commitment: Commitment, change: Change) -> Commitment:
    return evolve(commitment, obligations=tuple(map(change, commitment.obligations)))


def bind(commitment: Commitment, at_ms: int) -> Commitment:
    """Accept a proposed commitment. Its deadlines run from here; its escrow must be reserved."""
    escrow = commitment.escrow
    schedule = escrow.schedule if escrow is not None else None

    def started(duty: Obligation) -> Obligation:
        if not duty.measured:
            return duties_of.started(duty, at_ms)
        assert schedule is not None
        _, end_ms = part_span(schedule, at_ms, _number(schedule, duty.part))
        ahead = evolve(duty, deadline_ms=end_ms)
        return evolve(ahead, since_ms=at_ms, due_ms=end_ms + MEASURE_GRACE_MS)

    bound = evolve(_each(commitment, started), state=CommitmentState.BOUND, bound_ms=at_ms)
    return _keep_by_escrow(bound, at_ms) if commitment.reserved else bound


def _number(schedule: Schedule, part: str) -> int:
    return next(number for number, one in enumerate(schedule.parts) if one.id == part)


def note_reserved(commitment: Commitment, at_ms: int) -> Commitment:
    """Record that the reservation stands; it may do so before the commitment binds."""
    reserved = evolve(commitment, reserved=True)
    return _keep_by_escrow(reserved, at_ms) if commitment.live else reserved


def _keep_by_escrow(commitment: Commitment, at_ms: int) -> Commitment:
    def kept(duty: Obligation) -> Obligation:
        if duty.method is not Method.ESCROW_RELEASE or duty.state is not ObligationState.PENDING:
            return duty
        return duties_of.move(duty, ObligationState.KEPT, at_ms, at_ms + commitment.window_ms)

    return _each(commitment, kept)


def claim(commitment: Commitment, party: str, at_ms: int, part: str | None = None) -> Commitment:
    """``party`` says it has done its part: its pending obligations become claimed.

    ``part`` claims one milestone alone.
    """

    def changed(duty: Obligation) -> Obligation:
        if duty.party != party or part not in (None, duty.part):
            return duty
        return duties_of.claimed(duty, at_ms, commitment.window_ms)

    return _each(commitment, changed)


def confirm(commitment: Commitment, by: str, at_ms: int, part: str | None = None) -> Commitment:
    """``by`` confirms what the other party claimed; confirming nothing changes nothing.

    The dispute window goes on from the claim. With a penalty agreed, what was breached by its
    deadline may be confirmed as delivered late.
    """
    late = commitment.escrow is not None and commitment.escrow.penalty_bps > 0

    def changed(duty: Obligation) -> Obligation:
        if duty.party == by or part not in (None, duty.part):
            return duty
        return duties_of.confirmed(duty, at_ms, late=late)

    return _each(commitment, changed)


def claimable(
    commitment: Commitment, party: str, at_ms: int, part: str | None = None
) -> tuple[Obligation, ...]:
    """What ``party`` still owes and could claim at ``at_ms``: all of it, or one milestone."""
    return tuple(
        duty
        for duty in commitment.obligations
        if duty.party == party and part in (None, duty.part) and duties_of.is_claimable(duty, at_ms)
    )


def has_pending(commitment: Commitment, party: str) -> bool:
    """Tell whether ``party`` still owes something under this commitment that it could claim."""
    return any(
        one.party == party and one.state is ObligationState.PENDING and not one.measured
        for one in commitment.obligations
    )


def next_due_ms(commitment: Commitment) -> int | None:
    """When time alone will next change this commitment, or None.

    While an obligation is undecided, the first such instant, or the end of the window of a part
    that was decided; then the end of the last window.
    """
    if not commitment.live:
        return None
    open_parts = {one.id for one in commitment.shares if one.earned is None}
    running = [
        duty.due_ms
        for duty in commitment.obligations
        if (duty.state in UNDECIDED and duty.probe is not Probe.WINDOW)
        or (duty.settled and duty.part and duty.part in open_parts)
    ]
    if running:
        return min(running)
    return window_end_ms(commitment) if is_decided(commitment) else None


def is_decided(commitment: Commitment) -> bool:
    """True when no duty waits for anything."""
    return all(duty.settled for duty in commitment.obligations)


def window_end_ms(commitment: Commitment) -> int:
    """The end of the last dispute window; after a ruling the reservation has none of its own."""
    ends = [
        duty.due_ms
        for duty in commitment.obligations
        if not (commitment.ruled and duty.method is Method.ESCROW_RELEASE)
    ]
    return max(ends, default=commitment.bound_ms + commitment.window_ms)


def pass_time(commitment: Commitment, at_ms: int) -> Commitment:
    """Let due times act: pending duties become breached, old claims kept by silence."""
    if not commitment.live:
        return commitment
    return _each(commitment, lambda duty: duties_of.timed(duty, at_ms, commitment.window_ms))


def note_reading(
    commitment: Commitment, name: str, probe: str, reading: Reading, at_ms: int
) -> Commitment:
    """Act on what the host fetched for one duty. Raises ``Refused`` when nothing asked for it."""
    duty = commitment.duty(name)
    if not commitment.live or duty is None or not duty.probe or duty.probe != probe:
        raise Refused(f"no check of {shown(name)} is due", "transition_invalid")

    def changed(one: Obligation) -> Obligation:
        if one.name != name:
            return one
        return duties_of.read(one, reading, at_ms, commitment.window_ms)

    return _each(commitment, changed)


def note_measured(
    commitment: Commitment, part: str, *, ok: int, taken: int, at_ms: int
) -> Commitment:
    """Act on the samples of one interval: what it earned, or that nobody knows.

    Raises ``Refused`` when the interval is not over, or was decided already.
    """
    escrow = commitment.escrow
    schedule = escrow.schedule if escrow is not None else None
    duty = next((one for one in commitment.obligations if one.measured and one.part == part), None)
    open_ = duty is not None and duty.state is ObligationState.PENDING
    if schedule is None or duty is None or not open_ or at_ms < duty.deadline_ms:
        raise Refused(f"no measurement of {shown(part)} is due", "transition_invalid")
    if not 0 <= ok <= taken <= schedule.samples:
        raise Refused(f"{ok} of {taken} samples of {schedule.samples}", "commitment_invalid")
    if not taken:
        blind = duties_of.timed(evolve(duty, due_ms=at_ms), at_ms, commitment.window_ms)
        return _each(commitment, lambda one: blind if one is duty else one)
    share = commitment.share(part)
    assert share is not None
    earned = earned_units(share.units, schedule.sla, ok, taken)
    kept = earned == share.units
    changed = duties_of.measured(
        duty, earned, kept=kept, at_ms=at_ms, window_ms=commitment.window_ms
    )
    return _each(commitment, lambda one: changed if one is duty else one)


def extend(commitment: Commitment, outage_ms: int) -> Commitment:
    """Add a host outage to every deadline that is running (B10)."""
    if not commitment.live:
        return commitment
    return _each(
        commitment,
        lambda duty: evolve(
            duty, due_ms=duty.due_ms + outage_ms, resume_ms=duty.resume_ms + outage_ms
        ),
    )


def hold(commitment: Commitment, party: str, by_ms: int) -> Commitment:
    """Give one party more time for what it still has to do, for as long as that is held (B9).

    A duty of it that is held already, measured or decided is left as it is.
    """
    if not commitment.live:
        return commitment

    def moved(duty: Obligation) -> Obligation:
        is_open = duty.state in UNDECIDED and not duty.measured and not duty.held
        if duty.party != party or not is_open:
            return duty
        return duties_of.postponed(evolve(duty, held=True), by_ms)

    return _each(commitment, moved)


def let_go(commitment: Commitment, party: str, unused_ms: int) -> Commitment:
    """End a ``hold``, and take back what was not used of it."""

    def moved(duty: Obligation) -> Obligation:
        if duty.party != party or not duty.held:
            return duty
        return duties_of.postponed(evolve(duty, held=False), -unused_ms)

    return _each(commitment, moved)
