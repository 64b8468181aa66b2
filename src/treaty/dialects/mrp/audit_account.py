"""What a record says beside the decision: held against the messages, and else the buyer's word.

Nobody but the buyer vouches for whom else it asked, when a message came, what a registry told
it, what it saw when it fetched, and for answers that nobody signed. A reader is told so by the
claim ``account``, which is never more than not checkable. What the messages do say (the
agreement, the evidence) must be told as they say it.

Read next: ``audit``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from treaty.core.deal import Claim, Finding, Verdict, lack
from treaty.dialects.mrp import choices as mrp
from treaty.dialects.mrp.audit_file import File
from treaty.dialects.mrp.audit_work import ACCEPTED, agreement_of, price_of
from treaty.dialects.mrp.buying import Stand
from treaty.errors import WireError, shown
from treaty.wire import fields
from treaty.wire.canonical import Json

ACCOUNT: Final = "account"
LISTED_MAX: Final = 64_000
"""As many as could be heard: 64 providers of 1,000 offers each."""
OWN_WORD: Final = "whom it asked, times, remarks and what others told it are the buyer's own word"
STANDS: Final = frozenset(one.value for one in Stand)
AGREED_MEMBERS: Final = ("agreement", "price", "expires_at")
_LISTS: Final = ("unanswered", "passed_over", "provider_keys")
_COUNTS: Final = ("window_ms", "losers_told")
_TEXTS: Final = ("detail", "job_id", "output_format")
_KNOWN: Final = frozenset(
    (
        *("decision_id", "at", "intent", "constraints", "proofs_required", "strict_unknown"),
        *("winner", "why_won", "considered", "evidence_msg_id", "status", "inputs"),
        *("allowed_domains", "negotiation", "claims", *_LISTS, *_COUNTS, *_TEXTS),
    )
)


def account_findings(file: File, about: Sequence[Claim]) -> Iterator[Finding]:
    """The record's own words; ``about`` are the claims that its evidence gives here."""
    record = file.record
    try:
        _read(record)
    except WireError as error:
        yield Finding(ACCOUNT, "decision", error.detail)
    yield from _negotiated(file, record.get("negotiation"))
    yield from _claimed(record.get("claims"), {one.name: one.verdict for one in about})
    yield lack(ACCOUNT, "", "; ".join((OWN_WORD, *_more(file))))


def _more(file: File) -> Iterator[str]:
    """What else there is that only the buyer vouches for."""
    heard = [one for one in file.spoken if not one.is_sent]
    unsigned = sum("signature" not in (one.envelope.auth or {}) for one in heard)
    if unsigned:
        yield f"{unsigned} of {len(heard)} answers are signed by nobody"
    others = sorted(file.record.keys() - _KNOWN)
    if others:
        yield f"so is {shown(others)}"


def _read(record: Mapping[str, Json]) -> None:
    """The form of what nothing can be compared with. Raises ``WireError``."""
    fields.instant(record, "at")
    for name in _COUNTS:
        fields.integer_or(record, name)
    for name in _TEXTS:
        fields.text_or(record, name)
    for name in _LISTS:
        fields.items(record, name, most=LISTED_MAX)


def _negotiated(file: File, told: Json) -> Iterator[Finding]:
    """The agreement as the provider's last answer to NEGOTIATE has it."""
    if told is None:
        return
    if not isinstance(told, dict) or not fields.is_one_of(told.get("status"), STANDS):
        yield Finding(ACCOUNT, "negotiation", f"it has no status of {shown(sorted(STANDS))}")
        return
    status, answer = told["status"], file.last(mrp.NEGOTIATE, is_sent=False)
    is_told = status in (Stand.ACCEPTED, Stand.COUNTERED)
    if is_told and answer is None:
        yield Finding(ACCOUNT, "negotiation", f"{shown(status)}, and no answer says so")
        return
    try:
        right = _agreed(agreement_of(answer) if is_told else None)
    except WireError:
        # The claim ``terms`` says what is wrong with it.
        return
    for name in AGREED_MEMBERS:
        if told.get(name) != right[name]:
            detail = f"{name} is {shown(told.get(name))}, {shown(right[name])} was answered"
            yield Finding(ACCOUNT, "negotiation", detail)
    answered = (agreement_of(answer) or {}).get("status", ACCEPTED)
    if is_told and status != answered:
        detail = f"{shown(status)}, and the answer is {shown(answered)}"
        yield Finding(ACCOUNT, "negotiation", detail)


def _agreed(agreement: Mapping[str, Json] | None) -> dict[str, Json]:
    """Id, price and end as a record tells them. Raises ``WireError``."""
    found = agreement or {}
    price = price_of(found)
    return {
        "agreement": fields.text_or(found, "id") or None,
        "price": None if price is None else str(price),
        "expires_at": fields.text_or(found, "expires_at") or None,
    }


def _claimed(told: Json, about: Mapping[str, Verdict]) -> Iterator[Finding]:
    """What the buyer saw when the evidence came does not contradict what is seen here."""
    if told is None:
        return
    names: set[str] = set()
    for number, one in enumerate(told if isinstance(told, list) else [told], start=1):
        where = f"claims {number}"
        name, verdict = _claim(one)
        if verdict is None or name in names or name not in about:
            yield Finding(ACCOUNT, where, f"it is no claim about this evidence: {shown(one)}")
            continue
        names.add(name)
        if {verdict, about[name]} == {Verdict.VERIFIED, Verdict.FAILED}:
            detail = f"{name} is said to be {verdict.value}, and is {about[name].value}"
            yield Finding(ACCOUNT, where, detail)


def _claim(value: Json) -> tuple[str, Verdict | None]:
    one = value if isinstance(value, dict) else {}
    name, verdict = one.get("name"), one.get("verdict")
    known = {verdict.value: verdict for verdict in Verdict}
    return (
        name if isinstance(name, str) else "",
        known.get(verdict) if isinstance(verdict, str) else None,
    )
