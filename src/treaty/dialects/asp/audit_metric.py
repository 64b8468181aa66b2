"""Measurements: the claim that what the host read is what was agreed to be read (B13, B22).

A metric that names a key is as good as that key: its record stands in the log, and is verified
when the reader's roots know the key as a ``metric``. Without one there is only the host's word.
Samples are checked against the secret the host revealed: its hash stands in the reservation,
and the failures that are stated lie where the secret puts them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from treaty.core.checks import Check, is_timely
from treaty.core.commitment import Commitment
from treaty.core.deal import Finding, Roots, lack
from treaty.core.log import HostFact
from treaty.core.schedule import SAMPLE_LATE_MS, SAMPLE_RETRY_MS, Schedule, part_span, sample_ms
from treaty.dialects.asp.audit_chain import facts
from treaty.dialects.asp.audit_file import Deal, Entry
from treaty.dialects.asp.audit_fold import Played
from treaty.dialects.asp.audit_keys import NO_ROOTS, anchored_keys
from treaty.dialects.asp.deal import ESCROW
from treaty.dialects.asp.watching import METRIC, opened, signed_value
from treaty.errors import SignatureError, WireError
from treaty.wire import fields
from treaty.wire.canonical import Json, canonical
from treaty.wire.digest import sha256_tag
from treaty.wire.encoding import hex_decode
from treaty.wire.fields import Object

_LATE_MS = SAMPLE_LATE_MS + 4 * SAMPLE_RETRY_MS
"""How long after its instant a failed sample may have been given up."""


_FETCH_MS = 60_000
"""How long before its fact a fetch may have been made."""


def check_metric(deal: Deal, played: Played, roots: Roots | None) -> Iterator[Finding]:
    """Everything the log says was measured."""
    measured = False
    for entry, fact in facts(deal, METRIC):
        measured = True
        name = fact.data.get("commitmentId")
        commitment = played.conversation.commitments.get(str(name))
        if commitment is None:
            yield lack(METRIC, entry.where, "its commitment was not played")
        elif "part" in fact.data:
            yield lack(METRIC, entry.where, "only the host counted these samples")
            yield from _check_samples(deal, commitment, entry, fact)
        else:
            yield from _check_reading(commitment, entry, fact, roots)
    for entry, fact in facts(deal, ESCROW):
        commitment = played.conversation.commitments.get(str(fact.data.get("commitmentId")))
        if commitment is not None:
            yield from _check_samples(deal, commitment, entry, fact)
    if not measured:
        yield lack(METRIC, "", "nothing was measured in this deal")


def _check_reading(
    commitment: Commitment, entry: Entry, fact: HostFact, roots: Roots | None
) -> Iterator[Finding]:
    duty = commitment.duty(str(fact.data.get("obligation")))
    check = duty.check if duty is not None else None
    if check is None or check.key is None:
        yield lack(METRIC, entry.where, "only the host says so")
        return
    record = fact.data.get("record")
    if record is None:
        yield lack(METRIC, entry.where, "nothing that was signed was answered")
        return
    yield from _check_signed(check, entry, fact, record)
    known = [key.text for key in anchored_keys(roots, METRIC)]
    if roots is None:
        yield lack(METRIC, "", NO_ROOTS)
    elif check.key not in known:
        yield lack(METRIC, entry.where, "the roots do not know the key that measured")


def _check_signed(check: Check, entry: Entry, fact: HostFact, record: Json) -> Iterator[Finding]:
    try:
        signed = opened(check, record)
    except (WireError, SignatureError) as error:
        yield Finding(METRIC, entry.where, error.detail)
        return
    if not is_timely(check, signed, fact.at_ms):
        yield lack(METRIC, entry.where, "what was signed was not measured when it was asked for")
        # The fact comes a moment after the fetch, so that at the limit the host may be right.
        if fact.data.get("status") is not None and not _was_timely(check, signed, fact.at_ms):
            yield Finding(METRIC, entry.where, "its value was measured at another time")
    elif canonical(signed_value(check, signed)) != canonical(fact.data.get("value")):
        yield Finding(METRIC, entry.where, "it states another value than what was signed")


def _was_timely(check: Check, signed: Object, at_ms: int) -> bool:
    return is_timely(replace(check, max_age_ms=check.max_age_ms + _FETCH_MS), signed, at_ms)


def _check_samples(
    deal: Deal, commitment: Commitment, entry: Entry, fact: HostFact
) -> Iterator[Finding]:
    """With the last interval, and where the last of the escrow is settled, the secret is revealed.

    Then every stated failure has its place.
    """
    revealed = fact.data.get("secret")
    if revealed is None:
        return
    try:
        secret = hex_decode(revealed, 32)
    except WireError as error:
        yield Finding(METRIC, entry.where, error.detail)
        return
    hashes = [
        one.data.get("secretHash")
        for _, one in facts(deal, ESCROW)
        if one.data.get("commitmentId") == commitment.id and "secretHash" in one.data
    ]
    if hashes != [sha256_tag(secret)]:
        yield Finding(METRIC, entry.where, "the secret is not the one the reservation hid")
        return
    schedule = commitment.escrow.schedule if commitment.escrow is not None else None
    if schedule is None:
        return
    for where, one in facts(deal, METRIC):
        if one.data.get("commitmentId") == commitment.id and "part" in one.data:
            yield from _check_places(commitment, schedule, secret, where, one)


def _check_places(
    commitment: Commitment, schedule: Schedule, secret: bytes, entry: Entry, fact: HostFact
) -> Iterator[Finding]:
    part = str(fact.data["part"])
    place = next((number for number, one in enumerate(schedule.parts) if one.id == part), None)
    if place is None:
        return
    begin_ms, _ = part_span(schedule, commitment.bound_ms, place)
    try:
        for stated in fields.items(fact.data, "failures"):
            sample = stated if isinstance(stated, dict) else {}
            number = fields.integer(sample, "sample", most=schedule.samples - 1)
            due_ms = sample_ms(schedule, secret, part=part, begin_ms=begin_ms, number=number)
            if not 0 <= fields.instant(sample, "at") - due_ms <= _LATE_MS:
                detail = f"sample {number} was not taken when the secret says"
                yield Finding(METRIC, entry.where, detail)
    except WireError as error:
        yield Finding(METRIC, entry.where, error.detail)
