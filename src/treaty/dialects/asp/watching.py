"""What a session asks its host to look at: checks of claims, and intervals to measure (B13).

Both are read off the state, like orders and timers. What was found comes back as a signed fact
``metric``, which ``note_metric`` folds: the host says what it read, everybody decides alike
what follows.

    {"commitmentId", "obligation", "check": claim|window, "at",
     "status": 200 | null, "value", "bodyHash", "failure"?, "record"?}

A signed metric says when it was measured; one that is too old, or ahead of its time, counts as
no answer. Then the status is null, and ``failure`` is ``metric_stale``.

    {"commitmentId", "part", "samples", "taken", "ok", "failures": […], "secret"?}
"""

from __future__ import annotations

from dataclasses import dataclass

from treaty.core.checks import Check, Reading, is_timely, look_up
from treaty.core.commitment import Commitment, Probe, note_measured, note_reading
from treaty.core.log import HostFact
from treaty.core.obligation import Obligation, ObligationState
from treaty.core.schedule import Schedule, part_span
from treaty.dialects.asp.conversation import Conversation, with_commitment
from treaty.errors import WireError
from treaty.identity.keys import read_public_key
from treaty.identity.records import open_record
from treaty.wire import fields
from treaty.wire.canonical import Json

METRIC = "metric"
STATUS_MAX = 999


@dataclass(frozen=True, slots=True)
class WantedCheck:
    """One machine check that a duty waits for."""

    commitment: str
    obligation: str
    probe: str
    check: Check
    failures: int


@dataclass(frozen=True, slots=True)
class Measurement:
    """One interval that is being measured, or waits to be."""

    commitment: str
    part: str
    begin_ms: int
    end_ms: int
    schedule: Schedule
    last: bool


def wanted_checks(conversation: Conversation) -> tuple[WantedCheck, ...]:
    """Checks that duties wait for."""
    return tuple(
        WantedCheck(commitment.id, duty.name, duty.probe.value, duty.check, duty.failures)
        for commitment in conversation.live
        for duty in commitment.obligations
        if duty.probe is not Probe.NONE and duty.check is not None
    )


def measurements(conversation: Conversation) -> tuple[Measurement, ...]:
    """The first interval of each schedule that nothing has decided."""
    found = []
    for commitment in conversation.live:
        schedule = commitment.escrow.schedule if commitment.escrow is not None else None
        if schedule is None or not schedule.measured:
            continue
        number = next(
            (place for place, duty in enumerate(_parts(commitment)) if _is_open(duty)), None
        )
        if number is not None:
            begin_ms, end_ms = part_span(schedule, commitment.bound_ms, number)
            part = schedule.parts[number].id
            last = number + 1 == len(schedule.parts)
            found.append(Measurement(commitment.id, part, begin_ms, end_ms, schedule, last))
    return tuple(found)


def _parts(commitment: Commitment) -> list[Obligation]:
    return [duty for duty in commitment.obligations if duty.measured]


def _is_open(duty: Obligation) -> bool:
    return duty.state is ObligationState.PENDING


def note_metric(conversation: Conversation, fact: HostFact) -> Conversation:
    """Fold what the host fetched for a duty, or the samples of an interval.

    Raises ``WireError`` and ``SignatureError`` for a fact that is not what it must be, and
    ``Refused`` for one that nothing asked for.
    """
    name = fields.ident(fact.data, "commitmentId")
    commitment = conversation.commitments.get(name)
    if commitment is None:
        raise WireError("a metric names a commitment of this session")
    if "part" in fact.data:
        after = note_measured(
            commitment,
            fields.ident(fact.data, "part"),
            ok=fields.integer(fact.data, "ok"),
            taken=fields.integer(fact.data, "taken"),
            at_ms=fact.at_ms,
        )
        return with_commitment(conversation, after)
    named, probe = fields.ident(fact.data, "obligation"), fields.ident(fact.data, "check")
    duty = commitment.duty(named)
    check = duty.check if duty is not None else None
    reading = _signed(check, fact) if check and check.key else _stated(fact.data)
    after = note_reading(commitment, named, probe, reading, fact.at_ms)
    return with_commitment(conversation, after)


def _stated(data: fields.Object) -> Reading:
    status = fields.integer_or(data, "status", most=STATUS_MAX)
    return Reading(status, data.get("value"), fields.text_or(data, "bodyHash"))


def _signed(check: Check, fact: HostFact) -> Reading:
    """With a key agreed, only what that key has signed is a value, and only in its time."""
    stated, record = _stated(fact.data), fields.obj_or(fact.data, "record")
    if record is None:
        return Reading(stated.status, None, stated.body_hash)
    signed = opened(check, record)
    if not is_timely(check, signed, fact.at_ms):
        # Whatever the host made of it: nothing was measured, as if nobody had answered.
        return Reading(None)
    return Reading(stated.status, signed_value(check, signed), stated.body_hash)


def opened(check: Check, record: Json) -> fields.Object:
    """A signed metric, verified.

    Raises ``SignatureError`` or ``WireError`` when it is not signed with the agreed key.
    """
    return open_record(METRIC, record, read_public_key(check.key)).value


def signed_value(check: Check, signed: fields.Object) -> Json:
    """What a signed metric says in the place that was agreed; None when there is nothing."""
    try:
        return look_up(dict(signed), check.pointer or "")
    except LookupError:
        return None
