"""Commitments and their obligations: what binds, what was kept, and what the escrow then does.

    commitment   PROPOSED -> BOUND -> FULFILLED | BREACHED | ENDED
                 PROPOSED -> REJECTED | WITHDRAWN | EXPIRED
    obligation   PENDING -> CLAIMED -> KEPT, or PENDING -> BREACHED

Laws (ASP decision B13, shared by every dialect that binds):

1. A bound commitment outlives its session; only its own rules end it.
2. Silence confirms: a claim nobody contradicts until its window ends is kept.
3. An escrow obligation is kept once the reservation stands.
4. Money is decided here (``Order``) and moved by the ledger; this module moves nothing.

All functions return a new value; none looks at a clock.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from treaty.wire.money import Money

BREACH_GRACE_MS: Final = 60_000
"""An obligation is breached this long after its deadline, not before (B13)."""


class CommitmentState(StrEnum):
    """Where a commitment stands."""

    PROPOSED = "PROPOSED"
    BOUND = "BOUND"
    FULFILLED = "FULFILLED"
    BREACHED = "BREACHED"
    ENDED = "ENDED BY CONSENT"
    REJECTED = "REJECTED"
    WITHDRAWN = "WITHDRAWN"
    EXPIRED = "EXPIRED"


class ObligationState(StrEnum):
    """Where one party's promise stands."""

    PENDING = "PENDING"
    CLAIMED = "CLAIMED"
    KEPT = "KEPT"
    BREACHED = "BREACHED"


class Method(StrEnum):
    """How it is found out whether an obligation was kept."""

    COUNTERPARTY_CONFIRM = "counterparty-confirm"
    ESCROW_RELEASE = "escrow-release"
    METRIC_QUERY = "metric-query"
    HEALTH_CHECK = "health-check-endpoint"
    EVIDENCE = "evidence"


@dataclass(frozen=True, slots=True)
class Obligation:
    """What one party promised."""

    role: str
    party: str
    action: str
    deadline_ms: int
    method: Method
    state: ObligationState = ObligationState.PENDING
    since_ms: int = 0
    """When it entered its present state."""


@dataclass(frozen=True, slots=True)
class Escrow:
    """Money held for a commitment."""

    payer: str
    payee: str
    money: Money
    condition: str


class OrderKind(StrEnum):
    """What the clearing is to do."""

    RESERVE = "reserve"
    SETTLE = "settle"


@dataclass(frozen=True, slots=True)
class Order:
    """One instruction to the clearing, derived from a commitment's state."""

    kind: OrderKind
    commitment: str
    escrow: Escrow
    post_units: int = 0
    """For ``settle``: how much goes to the payee; the rest returns to the payer."""


@dataclass(frozen=True, slots=True)
class Commitment:
    """One commitment, from its proposal to its end."""

    id: str
    author: str
    hash: str
    """Hash of the message that proposed it."""
    obligations: tuple[Obligation, ...]
    escrow: Escrow | None
    window_ms: int
    state: CommitmentState = CommitmentState.PROPOSED
    bound_ms: int = 0
    reserved: bool = False
    posted_units: int | None = None
    """Set once the escrow has been settled."""
    extended_ms: int = 0
    """Outages of the host, added to every deadline that ran in them (B10)."""

    @property
    def live(self) -> bool:
        """True while it is bound and unsettled."""
        return self.state is CommitmentState.BOUND


def bind(commitment: Commitment, at_ms: int) -> Commitment:
    """Accept a proposed commitment. Its escrow, if any, must then be reserved."""
    return replace(commitment, state=CommitmentState.BOUND, bound_ms=at_ms)


def note_reserved(commitment: Commitment, at_ms: int) -> Commitment:
    """Record that the reservation stands; escrow obligations are kept by it."""
    kept = tuple(
        replace(duty, state=ObligationState.KEPT, since_ms=at_ms)
        if duty.method is Method.ESCROW_RELEASE and duty.state is ObligationState.PENDING
        else duty
        for duty in commitment.obligations
    )
    return replace(commitment, reserved=True, obligations=kept)


def claim(commitment: Commitment, party: str, at_ms: int) -> Commitment:
    """``party`` says it has done its part: its pending obligations become claimed."""
    return _move(commitment, at_ms, party, ObligationState.PENDING, ObligationState.CLAIMED)


def confirm(commitment: Commitment, by: str, at_ms: int) -> Commitment:
    """``by`` confirms what the other party claimed; confirming nothing changes nothing."""
    duties = tuple(
        replace(duty, state=ObligationState.KEPT, since_ms=at_ms)
        if duty.party != by and duty.state is ObligationState.CLAIMED
        else duty
        for duty in commitment.obligations
    )
    return replace(commitment, obligations=duties)


def _move(
    commitment: Commitment, at_ms: int, party: str, old: ObligationState, new: ObligationState
) -> Commitment:
    duties = tuple(
        replace(duty, state=new, since_ms=at_ms)
        if duty.party == party and duty.state is old
        else duty
        for duty in commitment.obligations
    )
    return replace(commitment, obligations=duties)


def pending(commitment: Commitment) -> bool:
    """Tell whether any obligation has neither been claimed nor decided."""
    return any(duty.state is ObligationState.PENDING for duty in commitment.obligations)


def has_pending(commitment: Commitment, party: str) -> bool:
    """Tell whether ``party`` still owes something under this commitment."""
    return any(
        duty.party == party and duty.state is ObligationState.PENDING
        for duty in commitment.obligations
    )


def next_due_ms(commitment: Commitment) -> int | None:
    """When time alone will next change this commitment, or None."""
    if not commitment.live:
        return None
    times = [due for duty in commitment.obligations if (due := _duty_due(commitment, duty))]
    if not times and all(duty.state is ObligationState.KEPT for duty in commitment.obligations):
        last = max((duty.since_ms for duty in commitment.obligations), default=commitment.bound_ms)
        times = [last + commitment.window_ms]
    return min(times) + commitment.extended_ms if times else None


def _duty_due(commitment: Commitment, duty: Obligation) -> int | None:
    if duty.state is ObligationState.PENDING:
        return duty.deadline_ms + BREACH_GRACE_MS
    if duty.state in (ObligationState.CLAIMED, ObligationState.BREACHED):
        return duty.since_ms + commitment.window_ms
    return None


def pass_time(commitment: Commitment, at_ms: int) -> Commitment:
    """Let due times act: pending duties become breached, old claims kept by silence."""
    if not commitment.live:
        return commitment
    duties = tuple(_timed(commitment, duty, at_ms) for duty in commitment.obligations)
    return replace(commitment, obligations=duties)


def _timed(commitment: Commitment, duty: Obligation, at_ms: int) -> Obligation:
    due = _duty_due(commitment, duty)
    if due is None or at_ms < due + commitment.extended_ms:
        return duty
    if duty.state is ObligationState.PENDING:
        return replace(duty, state=ObligationState.BREACHED, since_ms=at_ms)
    if duty.state is ObligationState.CLAIMED:
        return replace(duty, state=ObligationState.KEPT, since_ms=at_ms)
    return duty


def ending(
    commitment: Commitment, *, both_closed: bool, at_ms: int, consent: bool = False
) -> CommitmentState | None:
    """Say how a bound commitment ends now, or None while it must stand.

    ``both_closed``: both principals' CLOSE is in, which stands in for the dispute window;
    ``consent``: both agreed to end early. The escrow table of B13, from top to bottom.
    """
    if not commitment.live:
        return None
    states = {duty.state for duty in commitment.obligations}
    window_over = (due := next_due_ms(commitment)) is not None and at_ms >= due
    if states <= {ObligationState.KEPT} and (both_closed or window_over):
        return CommitmentState.FULFILLED
    if consent:
        return CommitmentState.ENDED
    settled = states <= {ObligationState.KEPT, ObligationState.BREACHED}
    if ObligationState.BREACHED in states and settled and window_over:
        return CommitmentState.BREACHED
    return None


def end(commitment: Commitment, state: CommitmentState) -> Commitment:
    """Give a commitment its terminal state; the escrow follows by ``order``."""
    return replace(commitment, state=state)


def order(commitment: Commitment) -> Order | None:
    """What the clearing must do next for this commitment, or None."""
    escrow = commitment.escrow
    if escrow is None:
        return None
    if commitment.live and not commitment.reserved:
        return Order(OrderKind.RESERVE, commitment.id, escrow)
    if commitment.reserved and commitment.posted_units is None and not commitment.live:
        return Order(OrderKind.SETTLE, commitment.id, escrow, post_units(commitment))
    return None


def post_units(commitment: Commitment) -> int:
    """How much of the escrow the payee has earned by the way the commitment ended."""
    escrow = commitment.escrow
    if escrow is None or commitment.state in (CommitmentState.ENDED, CommitmentState.PROPOSED):
        return 0
    owed = [duty for duty in commitment.obligations if duty.party != escrow.payer]
    earned = all(duty.state is ObligationState.KEPT for duty in owed)
    return escrow.money.units if earned else 0


def note_settled(commitment: Commitment, posted_units: int) -> Commitment:
    """Record what the clearing posted to the payee."""
    return replace(commitment, posted_units=posted_units)


def extend(commitment: Commitment, outage_ms: int) -> Commitment:
    """Add a host outage to every deadline that is running."""
    if not commitment.live:
        return commitment
    return replace(commitment, extended_ms=commitment.extended_ms + outage_ms)
