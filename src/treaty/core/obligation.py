"""Obligations: one party's promise inside a commitment, and what happens to it in time.

    PENDING -> CLAIMED -> KEPT            claimed, then confirmed, checked, or left to silence
    PENDING -> BREACHED                   its deadline passed
    CLAIMED -> PENDING                    a machine check contradicts the claim
    CLAIMED -> BREACHED                   so does the check at the end of the window
    any of them but a confirmed KEPT -> DISPUTED -> KEPT | BREACHED

Laws (ASP decisions B13, B15):

1. ``due_ms`` is the one instant at which time alone acts on a duty. What stretches time (an
   outage, an escalation) moves that instant and nothing else.
2. Silence confirms a claim, unless a machine check was agreed and cannot be made: then only the
   other party's word or a ruling does (``blind``).
3. A duty under a schedule is a *part*: what it earns is one slice of the escrow.

Read next: ``commitment``, which holds them together.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from treaty.core.checks import FETCHES_MAX, Check, Reading, holds
from treaty.wire.evolving import evolve

BREACH_GRACE_MS: Final = 60_000
"""An obligation is breached this long after its deadline, not before (B13)."""
CLAIMS_CHECKED_MAX: Final = 16
"""So many claims of one duty are looked at by machine."""


class ObligationState(StrEnum):
    """Where one party's promise stands."""

    PENDING = "PENDING"
    CLAIMED = "CLAIMED"
    KEPT = "KEPT"
    BREACHED = "BREACHED"
    DISPUTED = "DISPUTED"


UNDECIDED: Final = frozenset((ObligationState.PENDING, ObligationState.CLAIMED))


class Method(StrEnum):
    """How it is found out whether an obligation was kept."""

    COUNTERPARTY_CONFIRM = "counterparty-confirm"
    ESCROW_RELEASE = "escrow-release"
    METRIC_QUERY = "metric-query"
    HEALTH_CHECK = "health-check-endpoint"
    EVIDENCE = "evidence"


FETCHED: Final = frozenset((Method.METRIC_QUERY, Method.HEALTH_CHECK))
"""Methods for which the host fetches something."""


class Probe(StrEnum):
    """Which machine check a duty waits for."""

    NONE = ""
    CLAIM = "claim"
    WINDOW = "window"


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
    name: str = ""
    """By which facts and disputes refer to it; unique in its commitment."""
    part: str = ""
    """The slice of the escrow it earns; empty without a schedule, and for what earns no slice."""
    check: Check | None = None
    measured: bool = False
    """True for an interval: nobody claims it, its samples decide."""
    probe: Probe = Probe.NONE
    resume_ms: int = 0
    """Of a claim under a check: when the duty is breached, should the claim not hold."""
    held: bool = False
    """True while an escalation of the other party gives it more time."""
    claimed_ms: int = 0
    """When it was claimed last; 0 when never."""
    claims: int = 0
    failures: int = 0
    """Fetches without an answer, of the check that runs."""
    passed: bool | None = None
    """What the last machine check said."""
    blind: bool = False
    """True when the check that was agreed cannot be made."""
    confirmed: bool = False
    """True when the other party itself said so."""
    late: bool = False
    """Breached by its deadline, but delivered after it, as the other party confirmed."""
    earned: int | None = None
    """Of a measured part: the units it earned."""

    @property
    def settled(self) -> bool:
        """True when time and claims no longer change it."""
        return self.state in (ObligationState.KEPT, ObligationState.BREACHED)


def move(duty: Obligation, state: ObligationState, at_ms: int, due_ms: int) -> Obligation:
    """Put a duty into another state."""
    return evolve(duty, state=state, since_ms=at_ms, due_ms=due_ms)


def started(duty: Obligation, at_ms: int) -> Obligation:
    """The duty of a commitment that binds now: its deadline runs."""
    return evolve(duty, since_ms=at_ms, due_ms=duty.deadline_ms + BREACH_GRACE_MS)


def is_claimable(duty: Obligation, at_ms: int) -> bool:
    """Tell whether a claim that comes now would be in time and say something new.

    At the very instant it is due a claim beats the timer, as a dispute does (B15).
    """
    if duty.measured:
        return False
    if duty.state is ObligationState.PENDING:
        return at_ms <= duty.due_ms
    # What is in dispute was due when it was, or would have been, found breached.
    is_new = duty.state is ObligationState.DISPUTED and not duty.claimed_ms
    return is_new and at_ms < duty.due_ms


def postponed(duty: Obligation, by_ms: int) -> Obligation:
    """Move the deadline of what is still to be done, or was when it was frozen.

    What is claimed has a window instead, which does not move; should the claim not hold, the
    deadline counts again. ``by_ms`` may be negative.
    """
    if duty.state is ObligationState.CLAIMED:
        return evolve(duty, resume_ms=duty.resume_ms + by_ms)
    is_unclaimed = duty.state is ObligationState.DISPUTED and not duty.claimed_ms
    if duty.state is ObligationState.PENDING or is_unclaimed:
        return evolve(duty, due_ms=duty.due_ms + by_ms)
    return duty


def claimed(duty: Obligation, at_ms: int, window_ms: int) -> Obligation:
    """Its party says that it is done. A dispute only takes note of that."""
    if not is_claimable(duty, at_ms):
        return duty
    if duty.state is ObligationState.DISPUTED:
        return evolve(duty, claimed_ms=at_ms)
    is_fetched = duty.check is not None and duty.method in FETCHED
    moved = move(duty, ObligationState.CLAIMED, at_ms, at_ms + window_ms)
    return evolve(
        moved,
        claimed_ms=at_ms,
        claims=duty.claims + 1,
        resume_ms=duty.due_ms,
        failures=0,
        probe=Probe.CLAIM if is_fetched else Probe.NONE,
        passed=True if duty.method is Method.EVIDENCE and duty.check else duty.passed,
    )


def confirmed(duty: Obligation, at_ms: int, *, late: bool) -> Obligation:
    """The other party says that it was kept; ``late``: a breach may be mended that way."""
    if duty.state is ObligationState.CLAIMED:
        kept = move(duty, ObligationState.KEPT, at_ms, duty.due_ms)
        return evolve(kept, confirmed=True, probe=Probe.NONE)
    if duty.state is ObligationState.KEPT and duty.method is not Method.ESCROW_RELEASE:
        return evolve(duty, confirmed=True)
    if duty.state is ObligationState.BREACHED and late and not duty.measured:
        return evolve(duty, late=True)
    return duty


def timed(duty: Obligation, at_ms: int, window_ms: int) -> Obligation:
    """Let a due time act on it."""
    if duty.state not in UNDECIDED or at_ms < duty.due_ms:
        return duty
    if duty.state is ObligationState.PENDING and not duty.measured:
        return move(duty, ObligationState.BREACHED, at_ms, at_ms + window_ms)
    if duty.state is ObligationState.PENDING:
        # The host never measured it: that is nobody's proof.
        moved = move(duty, ObligationState.CLAIMED, at_ms, at_ms + window_ms)
        return evolve(moved, blind=True)
    if duty.blind:
        return move(duty, ObligationState.BREACHED, at_ms, at_ms + window_ms)
    if duty.check is not None and duty.method in FETCHED:
        return evolve(duty, probe=Probe.WINDOW, failures=0)
    return move(duty, ObligationState.KEPT, at_ms, duty.due_ms)


def read(duty: Obligation, reading: Reading, at_ms: int, window_ms: int) -> Obligation:
    """Act on what one fetch gave (B13). The caller has seen that the duty waits for it."""
    assert duty.check is not None
    if not reading.answered:
        return _unanswered(duty, at_ms, window_ms)
    passed = holds(duty.check, reading)
    duty = evolve(duty, passed=passed, failures=0, probe=Probe.NONE, blind=False)
    if duty.due_ms > at_ms:
        if passed:
            return duty
        return move(duty, ObligationState.PENDING, at_ms, max(at_ms, duty.resume_ms))
    if passed:
        return move(duty, ObligationState.KEPT, at_ms, duty.due_ms)
    return move(duty, ObligationState.BREACHED, at_ms, at_ms + window_ms)


def _unanswered(duty: Obligation, at_ms: int, window_ms: int) -> Obligation:
    duty = evolve(duty, failures=duty.failures + 1)
    if duty.failures < FETCHES_MAX:
        return duty
    over = duty.probe is Probe.WINDOW
    duty = evolve(duty, blind=True, probe=Probe.NONE)
    return move(duty, ObligationState.BREACHED, at_ms, at_ms + window_ms) if over else duty


def measured(
    duty: Obligation, earned: int, *, kept: bool, at_ms: int, window_ms: int
) -> Obligation:
    """The samples of an interval are in."""
    state = ObligationState.KEPT if kept else ObligationState.BREACHED
    moved = move(duty, state, at_ms, at_ms + window_ms)
    return evolve(moved, earned=earned, passed=kept)


def frozen(duty: Obligation, at_ms: int) -> Obligation:
    """A dispute about it is open: nothing but the ruling moves it.

    What remains known is when it was due: of a breach, when it was found.
    """
    due_ms = duty.since_ms if duty.state is ObligationState.BREACHED else duty.due_ms
    moved = move(duty, ObligationState.DISPUTED, at_ms, due_ms)
    return evolve(moved, probe=Probe.NONE)


def ruled(duty: Obligation, at_ms: int, *, kept: bool) -> Obligation:
    """The dispute about it was decided."""
    state = ObligationState.KEPT if kept else ObligationState.BREACHED
    return move(duty, state, at_ms, at_ms)
