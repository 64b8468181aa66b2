"""Checks and schedules of a COMMIT: from their members to values (decision B13).

    "verification": {"url": …, "by"?: …, "key"?: …, "pointer"?: …, "op"?: …, "expect"?: …}
    "escrow.schedule": {"kind": "milestones", "remainderTo"?: …,
                        "parts": [{"id": …, "amount": …, "deadline": …, "verification"?: …}]}
    "escrow.schedule": {"kind": "intervals", "intervalMs": …, "parts": COUNT, "sla": 0.9995,
                        "metric": {"url": …, …}, "samples"?: …, "remainderTo"?: …}

All of it is part of what both sign, so whatever cannot be carried out as it stands is refused
with ``commitment_invalid`` at the COMMIT.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Final, NoReturn

from treaty.core.checks import METRIC_AGE_MS, Check, read_check
from treaty.core.commitment import Method, Obligation
from treaty.core.schedule import (
    INTERVAL_LEAST_MS,
    INTERVALS,
    MILESTONES,
    PARTS_MAX,
    REMAINDER,
    SAMPLE_AGE_LEAST_MS,
    SAMPLES_MAX,
    SPACING_LEAST_MS,
    Part,
    Schedule,
    samples_least,
)
from treaty.dialects.asp.choices import DEADLINE_MOST_MS
from treaty.errors import Refused, WireError, shown
from treaty.identity.keys import read_public_key
from treaty.wire import fields
from treaty.wire.canonical import Json
from treaty.wire.evolving import evolve
from treaty.wire.money import Money, decimal_number, money_from_json

PART_ID: Final = re.compile(r"[A-Za-z0-9._~-]{1,64}")
"""Names of milestones: they become names of slices, duties and facts."""
_SLA_TEXT: Final = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,9})? ?%?")
_HUNDRED: Final = Fraction(100)


@dataclass(frozen=True, slots=True)
class Scheduled:
    """A schedule, and the duties of the payee that earn its parts."""

    schedule: Schedule
    duties: tuple[Obligation, ...]


def _invalid(detail: str) -> NoReturn:
    raise Refused(detail, "commitment_invalid")


def read_verification(method: Method, stated: fields.Object) -> Check:
    """Read the ``verification`` of a machine method. Raises ``Refused``."""
    if method is Method.EVIDENCE:
        return _with_key(Check(url=""), stated)
    return _with_key(read_check(stated, needs_value=method is Method.METRIC_QUERY), stated)


def _with_key(check: Check, stated: fields.Object) -> Check:
    if stated.get("key") is None:
        return check
    try:
        return evolve(check, key=read_public_key(stated["key"]).text)
    except WireError as error:
        _invalid(f"verification.key: {error.detail}")


def read_schedule(stated: fields.Object, money: Money, *, payer: str, payee: str) -> Scheduled:
    """Read ``escrow.schedule`` for an escrow of ``money``.

    Raises ``Refused`` (``commitment_invalid``, ``currency_unsupported``).
    """
    try:
        kind = fields.ident(stated, "kind")
        if kind == MILESTONES:
            return _milestones(stated, money, payer, payee)
        if kind == INTERVALS:
            return _intervals(stated, money, payer, payee)
    except WireError as error:
        _invalid(f"escrow.schedule: {error.detail}")
    _invalid(f"a schedule has milestones or intervals, not {shown(kind)}")


def _remainder_to_payee(stated: fields.Object, payer: str, payee: str) -> bool | None:
    """Who gets what the parts do not divide; None when nobody is named."""
    named = fields.text_or(stated, "remainderTo")
    if named is None:
        return None
    if named not in ("payer", "payee", "buyer", "provider", payer, payee):
        _invalid(f"remainderTo names payer or payee, not {shown(named)}")
    return named in ("payee", "provider", payee)


def _milestones(stated: fields.Object, money: Money, payer: str, payee: str) -> Scheduled:
    listed = fields.items(stated, "parts", most=PARTS_MAX)
    read = [_milestone(one, money, payee) for one in listed]
    parts = tuple(part for part, _ in read)
    if not parts or len({part.id for part in parts}) != len(parts):
        _invalid("milestones are one or more, each with an id of its own")
    rest = money.units - sum(part.units for part in parts)
    owner = _remainder_to_payee(stated, payer, payee)
    if rest < 0 or (rest and owner is None):
        _invalid("the milestones do not sum to the escrow; name who gets the rest: remainderTo")
    schedule = Schedule(MILESTONES, parts, rest, bool(owner))
    return Scheduled(schedule, tuple(duty for _, duty in read))


def _milestone(stated: Json, money: Money, payee: str) -> tuple[Part, Obligation]:
    if not isinstance(stated, dict):
        _invalid(f"a milestone is an object, not {shown(stated)}")
    name = fields.ident(stated, "id")
    if not PART_ID.fullmatch(name) or name == REMAINDER:
        _invalid(f"not an id for a milestone: {shown(name)}")
    units = money_from_json(stated.get("amount"), money.asset).units
    if units <= 0:
        _invalid(f"milestone {name} must be worth something")
    method, check = _method_of(stated)
    duty = Obligation(
        role="",
        party=payee,
        action=fields.text_or(stated, "action") or f"milestone {name}",
        deadline_ms=fields.instant(stated, "deadline"),
        method=method,
        name=f"part:{name}",
        part=name,
        check=check,
    )
    return Part(name, units), duty


def _method_of(stated: fields.Object) -> tuple[Method, Check | None]:
    """How a milestone is checked: as it says, or by what its ``verification`` looks like."""
    verification = fields.obj_or(stated, "verification")
    named = fields.text_or(stated, "verificationMethod")
    if verification is None and named is None:
        return Method.COUNTERPARTY_CONFIRM, None
    if named is None:
        assert verification is not None
        has_value = verification.get("pointer") is not None
        named = (Method.METRIC_QUERY if has_value else Method.HEALTH_CHECK).value
    return method_of(named, verification)


def method_of(named: str, verification: fields.Object | None) -> tuple[Method, Check | None]:
    """The method a promise names, and its check (B13).

    A machine method without ``verification`` parameters is counterparty-confirm. Raises
    ``Refused`` (``commitment_invalid``).
    """
    if named not in tuple(Method):
        _invalid(f"verificationMethod {shown(named)} is not known")
    method = Method(named)
    if method in (Method.COUNTERPARTY_CONFIRM, Method.ESCROW_RELEASE):
        if verification is not None:
            # What nobody would carry out must not look agreed.
            _invalid(f"{method.value} has no verification: leave it out")
        return method, None
    if verification is None:
        return Method.COUNTERPARTY_CONFIRM, None
    return method, read_verification(method, verification)


def _intervals(stated: fields.Object, money: Money, payer: str, payee: str) -> Scheduled:
    count = fields.integer(stated, "parts", least=1, most=PARTS_MAX)
    interval_ms = fields.integer(stated, "intervalMs", least=INTERVAL_LEAST_MS)
    if count * interval_ms > DEADLINE_MOST_MS:
        _invalid("the intervals end more than 366 d ahead")
    units, rest = divmod(money.units, count)
    if not units:
        _invalid(f"{money.units} units cannot be cut into {count} parts")
    sla = _sla(stated.get("sla"))
    metric = fields.obj(stated, "metric")
    samples = _samples(stated, metric, sla, interval_ms)
    schedule = Schedule(
        kind=INTERVALS,
        parts=tuple(Part(str(number), units) for number in range(1, count + 1)),
        remainder_units=rest,
        remainder_to_payee=bool(_remainder_to_payee(stated, payer, payee)),
        interval_ms=interval_ms,
        sla=sla,
        metric=_metric(metric, interval_ms // samples),
        samples=samples,
    )
    return Scheduled(
        schedule, tuple(_interval_duty(schedule, one, payee) for one in schedule.parts)
    )


def _metric(stated: fields.Object, spacing_ms: int) -> Check:
    """What samples read; a signed answer is no older than they are apart, or than a minute."""
    age_ms = min(METRIC_AGE_MS, max(spacing_ms, SAMPLE_AGE_LEAST_MS))
    return _with_key(read_check(stated, needs_value=False, max_age_ms=age_ms), stated)


def _sla(stated: Json) -> Fraction:
    """A share below 1, or a percentage below 100: 0.9995, 99.95, "99.95%". Never rounded."""
    if isinstance(stated, str) and _SLA_TEXT.fullmatch(stated):
        value = Fraction(Decimal(stated.removesuffix("%").strip()))
        percent = stated.endswith("%") or value > 1
    else:
        value = Fraction(decimal_number(stated))
        percent = value > 1
    sla = value / _HUNDRED if percent else value
    if not 0 < sla < 1:
        _invalid(f"sla is a share between 0 and 1, or a percentage, not {shown(stated)}")
    return sla


def _samples(stated: fields.Object, metric: fields.Object, sla: Fraction, interval_ms: int) -> int:
    """How many samples an interval has: as stated, beside the metric or in it, or the fewest."""
    least = samples_least(sla)
    holder = metric if metric.get("samples") is not None else stated
    count = fields.integer_or(holder, "samples", most=SAMPLES_MAX)
    samples = least if count is None else count
    if not least <= samples <= SAMPLES_MAX or interval_ms // samples < SPACING_LEAST_MS:
        _invalid(
            f"{samples} samples in {interval_ms} ms: this sla needs {least}, {SPACING_LEAST_MS} ms "
            f"apart, at most {SAMPLES_MAX}"
        )
    return samples


def _interval_duty(schedule: Schedule, part: Part, payee: str) -> Obligation:
    return Obligation(
        role="",
        party=payee,
        action=f"interval {part.id} of {len(schedule.parts)}",
        deadline_ms=0,
        method=Method.METRIC_QUERY,
        name=f"part:{part.id}",
        part=part.id,
        check=schedule.metric,
        measured=True,
    )
