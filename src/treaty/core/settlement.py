"""How a bound commitment ends, what each slice of its escrow earns, and disputes about slices.

The table of ASP decision B13, from top to bottom, is ``ending`` and ``_earned``. Every function
returns a new value; what the clearing has to do is read off with ``orders``.

Read next: ``ledger``, which carries orders out.
"""

from __future__ import annotations

from typing import Final

from treaty.core import obligation as duties_of
from treaty.core.commitment import (
    Commitment,
    CommitmentState,
    Escrow,
    Order,
    OrderKind,
    Share,
    is_decided,
    window_end_ms,
)
from treaty.core.movement import WHOLE
from treaty.core.obligation import Method, Obligation, ObligationState
from treaty.core.schedule import REMAINDER, penalty_units
from treaty.errors import Refused, shown
from treaty.wire.evolving import evolve

_EARNING: Final = frozenset(
    (
        CommitmentState.FULFILLED,
        CommitmentState.BREACHED,
        CommitmentState.RESOLVED,
        CommitmentState.ENDED,
    )
)


def ending(
    commitment: Commitment, *, both_closed: bool, at_ms: int, consent: bool = False
) -> CommitmentState | None:
    """Say how a bound commitment ends now, or None while it must stand.

    ``both_closed``: both principals' CLOSE is in, which stands in for the dispute window;
    ``consent``: both agreed to end early. While a dispute is open nothing ends.
    """
    if commitment.state is not CommitmentState.BOUND:
        return None
    states = {duty.state for duty in commitment.obligations}
    window_over = is_decided(commitment) and at_ms >= window_end_ms(commitment)
    resolved = CommitmentState.RESOLVED if commitment.ruled else None
    if states <= {ObligationState.KEPT} and (both_closed or window_over):
        return resolved or CommitmentState.FULFILLED
    if consent:
        return CommitmentState.ENDED
    return (resolved or CommitmentState.BREACHED) if window_over else None


def release(commitment: Commitment, *, both_closed: bool, at_ms: int) -> Commitment:
    """Fix what each decided part earned, once its dispute window is over or it was ruled (B13).

    Both CLOSEs stand in for the window of a part that was kept.
    """
    if not commitment.live:
        return commitment
    return evolve(
        commitment,
        shares=tuple(_released(commitment, one, both_closed, at_ms) for one in commitment.shares),
    )


def _released(commitment: Commitment, share: Share, both_closed: bool, at_ms: int) -> Share:
    if share.earned is not None:
        return share
    if share.ruled is not None:
        # A ruling is the end of it, whatever windows still run.
        return evolve(share, earned=share.ruled)
    part = _part_of(commitment, share)
    if part is None or not part.settled:
        return share
    closed = both_closed and part.state is ObligationState.KEPT
    if not closed and at_ms < part.due_ms:
        return share
    return evolve(share, earned=_part_units(commitment, share, part))


def _part_of(commitment: Commitment, share: Share) -> Obligation | None:
    """The duty that earns a slice of its own."""
    if not share.id:
        return None
    return next((one for one in commitment.obligations if one.part == share.id), None)


def end(commitment: Commitment, state: CommitmentState) -> Commitment:
    """Give a commitment its terminal state; what is left of the escrow follows by ``orders``."""
    ended = evolve(commitment, state=state)
    return evolve(ended, shares=tuple(_finished(ended, one) for one in ended.shares))


def _finished(commitment: Commitment, share: Share) -> Share:
    return share if share.earned is not None else evolve(share, earned=_earned(commitment, share))


def _earned(commitment: Commitment, share: Share) -> int:
    """What a slice that is still held earned by the way the commitment ended."""
    if commitment.state not in _EARNING:
        return 0
    if share.id == REMAINDER:
        return _remainder_units(commitment, share)
    part = _part_of(commitment, share)
    return post_units(commitment) if part is None else _part_units(commitment, share, part)


def _remainder_units(commitment: Commitment, share: Share) -> int:
    escrow = commitment.escrow
    assert escrow is not None
    assert escrow.schedule is not None
    called_off = commitment.state is CommitmentState.ENDED
    return share.units if escrow.schedule.remainder_to_payee and not called_off else 0


def _part_units(commitment: Commitment, share: Share, part: Obligation) -> int:
    """What one part earned: all, what was measured or delivered late less the penalty, or none."""
    escrow = commitment.escrow
    assert escrow is not None
    if part.state is ObligationState.KEPT:
        return share.units
    if part.state is not ObligationState.BREACHED:
        return 0
    earned = share.units if part.late else part.earned or 0
    return max(0, earned - penalty_units(share.units, escrow.penalty_bps))


def post_units(commitment: Commitment) -> int:
    """What an escrow without a schedule owes the payee, by the way the commitment ended."""
    escrow = commitment.escrow
    if escrow is None or commitment.state not in _EARNING:
        return 0
    owed = _owed(commitment, escrow)
    # Where the payee owes nothing, the money is due by the end itself, but not by calling it off.
    if not owed and commitment.state is CommitmentState.ENDED:
        return 0
    if all(duty.state is ObligationState.KEPT for duty in owed):
        return escrow.money.units
    if all(duty.state is ObligationState.KEPT or duty.late for duty in owed):
        return escrow.money.units - penalty_units(escrow.money.units, escrow.penalty_bps)
    return 0


def _owed(commitment: Commitment, escrow: Escrow) -> list[Obligation]:
    return [duty for duty in commitment.obligations if duty.party != escrow.payer]


def orders(commitment: Commitment) -> tuple[Order, ...]:
    """What the clearing must do now for this commitment.

    Money is reserved on a message of the payer alone: on its proposal at once, on the other's
    when the payer accepts, which binds (B13). What never bound goes back to the payer.
    """
    escrow = commitment.escrow
    if escrow is None:
        return ()
    if not commitment.reserved:
        is_proposed = commitment.state is CommitmentState.PROPOSED
        if not commitment.live and not (is_proposed and commitment.author == escrow.payer):
            return ()
        units = escrow.money.units
        return (Order(OrderKind.RESERVE, commitment.id, escrow, units=units),)
    return tuple(
        Order(OrderKind.SETTLE, commitment.id, escrow, one.earned, one.id, one.units)
        for one in commitment.shares
        if one.earned is not None and one.posted is None
    )


def order(commitment: Commitment) -> Order | None:
    """The first of ``orders``, or None."""
    return next(iter(orders(commitment)), None)


def note_settled(commitment: Commitment, posted_units: int, slice_id: str = WHOLE) -> Commitment:
    """Record what the clearing posted to the payee of one slice."""
    return evolve(
        commitment,
        shares=tuple(
            evolve(one, posted=posted_units) if one.id == slice_id else one
            for one in commitment.shares
        ),
    )


def disputed_duties(commitment: Commitment, slice_id: str) -> tuple[Obligation, ...]:
    """The duties a dispute about one slice is about: those by which the payee earns it."""
    escrow = commitment.escrow
    if escrow is None:
        return ()
    if slice_id:
        return tuple(one for one in commitment.obligations if one.part == slice_id)
    return tuple(
        one
        for one in commitment.obligations
        if one.party != escrow.payer and one.method is not Method.ESCROW_RELEASE
    )


def check_disputable(commitment: Commitment, slice_id: str, filer: str, at_ms: int) -> Share:
    """Refuse a dispute that comes too late, about nothing, or against one's own word (B15).

    Raises ``Refused``: ``reference_unknown`` for no such slice, ``transition_invalid`` for a
    commitment that is not bound, a slice that is settled, in dispute or past its window, and
    ``policy_violation`` for a party that has confirmed.
    """
    if not commitment.live:
        raise Refused(
            f"{shown(commitment.id)} is {commitment.state.value}, not bound", "transition_invalid"
        )
    share, duties = commitment.share(slice_id), disputed_duties(commitment, slice_id)
    if share is None or not duties:
        raise Refused(_nothing_to_dispute(commitment, slice_id), "reference_unknown")
    if share.earned is not None or share.ruled is not None:
        raise Refused("this slice is settled", "transition_invalid")
    if any(one.state is ObligationState.DISPUTED for one in duties):
        raise Refused("a dispute about this slice is open", "transition_invalid")
    if any(one.measured and one.state is ObligationState.PENDING for one in duties):
        # Frozen it would not be measured, and what was earned never known.
        raise Refused("this interval is not measured yet", "transition_invalid")
    escrow = commitment.escrow
    assert escrow is not None
    if filer == escrow.payer and all(one.confirmed for one in duties):
        raise Refused("this party has confirmed what it disputes", "policy_violation")
    # PENDING is before its deadline; at the very instant a dispute beats the timer.
    if not any(one.state is ObligationState.PENDING or at_ms <= one.due_ms for one in duties):
        raise Refused("the dispute window is over", "transition_invalid")
    return share


def _nothing_to_dispute(commitment: Commitment, slice_id: str) -> str:
    if slice_id:
        return f"{shown(commitment.id)} has no part {shown(slice_id)} that could be disputed"
    if commitment.share(WHOLE) is None:
        return f"{shown(commitment.id)} is paid in parts: name the one in dispute"
    return f"the payee owes nothing under {shown(commitment.id)} that could be disputed"


def dispute(commitment: Commitment, slice_id: str, at_ms: int) -> Commitment:
    """Freeze one slice until the ruling."""
    about = disputed_duties(commitment, slice_id)
    return evolve(
        commitment,
        state=CommitmentState.DISPUTED,
        obligations=tuple(
            duties_of.frozen(one, at_ms) if one in about else one for one in commitment.obligations
        ),
    )


def rule(commitment: Commitment, slice_id: str, to_payee: int, at_ms: int) -> Commitment:
    """Carry out a ruling: so much of the slice is the payee's, the rest the payer's.

    The payee's duties count as kept when it gets all of it.
    """
    share = commitment.share(slice_id)
    assert share is not None
    assert 0 <= to_payee <= share.units
    about = disputed_duties(commitment, slice_id)
    kept = to_payee == share.units
    duties = tuple(
        duties_of.ruled(one, at_ms, kept=kept) if one in about else one
        for one in commitment.obligations
    )
    still = any(one.state is ObligationState.DISPUTED for one in duties)
    return evolve(
        commitment,
        obligations=duties,
        state=CommitmentState.DISPUTED if still else CommitmentState.BOUND,
        shares=tuple(
            evolve(one, ruled=to_payee) if one.id == slice_id else one for one in commitment.shares
        ),
        ruled=True,
    )
