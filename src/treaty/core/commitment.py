"""Commitments and their obligations: what binds, what was kept, and what the escrow then does.

    commitment   PROPOSED -> BOUND -> FULFILLED | BREACHED | ENDED
                 PROPOSED -> REJECTED | WITHDRAWN | EXPIRED
    obligation   PENDING -> CLAIMED -> KEPT, or PENDING -> BREACHED

Laws (ASP decision B13, shared by every dialect that binds):

1. A bound commitment outlives its session; only its own rules end it.
2. Silence confirms: a claim nobody contradicts until its window ends is kept.
3. An escrow obligation is kept once the commitment is bound and the reservation stands.
4. Each obligation carries the one instant at which time alone acts on it (``due_ms``). What
   stretches time (an outage, an escalation) moves that instant and nothing else.
5. Money is decided here (``Order``) and moved by the ledger; this module moves nothing.

All functions return a new value; none looks at a clock.
"""

from __future__ import annotations

from collections.abc import Callable
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
    due_ms: int = 0
    """Set by binding: when it is breached (PENDING), kept by silence (CLAIMED), or when its
    dispute window ends, which runs from the claim or the breach."""


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
    """The party on whose side it was proposed."""
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

    @property
    def live(self) -> bool:
        """True while it is bound and unsettled."""
        return self.state is CommitmentState.BOUND


def bind(commitment: Commitment, at_ms: int) -> Commitment:
    """Accept a proposed commitment. Its deadlines run from here; its escrow must be reserved."""
    duties = tuple(
        replace(duty, since_ms=at_ms, due_ms=duty.deadline_ms + BREACH_GRACE_MS)
        for duty in commitment.obligations
    )
    bound = replace(commitment, state=CommitmentState.BOUND, bound_ms=at_ms, obligations=duties)
    return _keep_by_escrow(bound, at_ms) if commitment.reserved else bound


def note_reserved(commitment: Commitment, at_ms: int) -> Commitment:
    """Record that the reservation stands; it may do so before the commitment binds."""
    reserved = replace(commitment, reserved=True)
    return _keep_by_escrow(reserved, at_ms) if commitment.live else reserved


def _keep_by_escrow(commitment: Commitment, at_ms: int) -> Commitment:
    def kept(duty: Obligation) -> Obligation:
        if duty.method is not Method.ESCROW_RELEASE or duty.state is not ObligationState.PENDING:
            return duty
        return _moved(duty, ObligationState.KEPT, at_ms, at_ms + commitment.window_ms)

    return _each(commitment, kept)


def _each(commitment: Commitment, change: Callable[[Obligation], Obligation]) -> Commitment:
    return replace(commitment, obligations=tuple(map(change, commitment.obligations)))


def _moved(duty: Obligation, state: ObligationState, at_ms: int, due_ms: int) -> Obligation:
    return replace(duty, state=state, since_ms=at_ms, due_ms=due_ms)


def claim(commitment: Commitment, party: str, at_ms: int) -> Commitment:
    """``party`` says it has done its part: its pending obligations become claimed."""

    def claimed(duty: Obligation) -> Obligation:
        if duty.party != party or duty.state is not ObligationState.PENDING:
            return duty
        return _moved(duty, ObligationState.CLAIMED, at_ms, at_ms + commitment.window_ms)

    return _each(commitment, claimed)


def confirm(commitment: Commitment, by: str, at_ms: int) -> Commitment:
    """``by`` confirms what the other party claimed; confirming nothing changes nothing.

    The dispute window goes on from the claim.
    """

    def confirmed(duty: Obligation) -> Obligation:
        if duty.party == by or duty.state is not ObligationState.CLAIMED:
            return duty
        return _moved(duty, ObligationState.KEPT, at_ms, duty.due_ms)

    return _each(commitment, confirmed)


def has_pending(commitment: Commitment, party: str) -> bool:
    """Tell whether ``party`` still owes something under this commitment."""
    return any(
        duty.party == party and duty.state is ObligationState.PENDING
        for duty in commitment.obligations
    )


_UNDECIDED: Final = frozenset((ObligationState.PENDING, ObligationState.CLAIMED))


def next_due_ms(commitment: Commitment) -> int | None:
    """When time alone will next change this commitment, or None.

    While an obligation is undecided, the first such instant; then the end of the last window.
    """
    if not commitment.live:
        return None
    running = [duty.due_ms for duty in commitment.obligations if duty.state in _UNDECIDED]
    return min(running) if running else _window_end_ms(commitment)


def _window_end_ms(commitment: Commitment) -> int:
    ends = [duty.due_ms for duty in commitment.obligations]
    return max(ends, default=commitment.bound_ms + commitment.window_ms)


def pass_time(commitment: Commitment, at_ms: int) -> Commitment:
    """Let due times act: pending duties become breached, old claims kept by silence."""
    if not commitment.live:
        return commitment

    def timed(duty: Obligation) -> Obligation:
        if duty.state not in _UNDECIDED or at_ms < duty.due_ms:
            return duty
        if duty.state is ObligationState.CLAIMED:
            return _moved(duty, ObligationState.KEPT, at_ms, duty.due_ms)
        return _moved(duty, ObligationState.BREACHED, at_ms, at_ms + commitment.window_ms)

    return _each(commitment, timed)


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
    decided = not states & _UNDECIDED
    window_over = decided and at_ms >= _window_end_ms(commitment)
    if states <= {ObligationState.KEPT} and (both_closed or window_over):
        return CommitmentState.FULFILLED
    if consent:
        return CommitmentState.ENDED
    return CommitmentState.BREACHED if window_over else None


def end(commitment: Commitment, state: CommitmentState) -> Commitment:
    """Give a commitment its terminal state; the escrow follows by ``order``."""
    return replace(commitment, state=state)


def order(commitment: Commitment) -> Order | None:
    """What the clearing must do next for this commitment, or None.

    Money is reserved on a message of the payer alone: on its proposal at once, on the other's
    when the payer accepts, which binds (B13). What never bound goes back to the payer.
    """
    escrow = commitment.escrow
    if escrow is None or commitment.posted_units is not None:
        return None
    if commitment.state in (CommitmentState.PROPOSED, CommitmentState.BOUND):
        is_signed = commitment.live or commitment.author == escrow.payer
        if commitment.reserved or not is_signed:
            return None
        return Order(OrderKind.RESERVE, commitment.id, escrow)
    if not commitment.reserved:
        return None
    return Order(OrderKind.SETTLE, commitment.id, escrow, post_units(commitment))


_EARNING: Final = frozenset(
    (CommitmentState.FULFILLED, CommitmentState.BREACHED, CommitmentState.ENDED)
)


def post_units(commitment: Commitment) -> int:
    """How much of the escrow the payee has earned by the way the commitment ended."""
    escrow = commitment.escrow
    if escrow is None or commitment.state not in _EARNING:
        return 0
    owed = [duty for duty in commitment.obligations if duty.party != escrow.payer]
    # Where the payee owes nothing, the money is due by the end itself, but not by calling it off.
    if not owed and commitment.state is CommitmentState.ENDED:
        return 0
    earned = all(duty.state is ObligationState.KEPT for duty in owed)
    return escrow.money.units if earned else 0


def note_settled(commitment: Commitment, posted_units: int) -> Commitment:
    """Record what the clearing posted to the payee."""
    return replace(commitment, posted_units=posted_units)


def extend(commitment: Commitment, outage_ms: int) -> Commitment:
    """Add a host outage to every deadline that is running (B10)."""
    if not commitment.live:
        return commitment
    return _each(commitment, lambda duty: replace(duty, due_ms=duty.due_ms + outage_ms))


def extend_for(commitment: Commitment, party: str, by_ms: int) -> Commitment:
    """Move the deadlines of what one party still has to do; ``by_ms`` may be negative (B9)."""
    if not commitment.live:
        return commitment

    def moved(duty: Obligation) -> Obligation:
        if duty.party != party or duty.state is not ObligationState.PENDING:
            return duty
        return replace(duty, due_ms=duty.due_ms + by_ms)

    return _each(commitment, moved)
