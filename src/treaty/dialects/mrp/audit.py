"""Checking the deal file of a routed deal offline, claim by claim.

The claims, in order:

* ``form``: the file has the members it must have, and every message can be read
* ``bytes``: what is shown parsed is what travelled
* ``order``: the table of ``machine`` allows who spoke when, and answers name what they answer
* ``offers``: what was considered is what was offered, and nothing offered was left out
* ``decision``: made again from the offers and the DISCOVER, winner and reasons are the same
* ``terms``: what was negotiated lies within what was asked, and the answer agrees
* ``execution``: the work given is the work that was offered, in time and on the agreed terms
* then, where there is an EVIDENCE, the claims of ``evidence``; what only a fetch could show is
  not checkable
* ``complete``: the record's end is the one the messages lead to
* ``account``: what the record says beside, which is the buyer's own word

Nothing here raises for what is in the file. Read next: ``audit_file``, ``evidence``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from treaty.core.deal import Claim, Finding, Report, Roots, Verdict, judged, lack
from treaty.core.session import Session, advance
from treaty.dialects.mrp import choices as mrp
from treaty.dialects.mrp.audit_account import ACCOUNT, account_findings
from treaty.dialects.mrp.audit_decision import (
    DECISION,
    OFFERS,
    decision_findings,
    offer_findings,
    wanted_of,
    winning_places,
)
from treaty.dialects.mrp.audit_file import BYTES, FORM, File, Spoken, read_file
from treaty.dialects.mrp.audit_work import (
    EXECUTION,
    TERMS,
    execution_findings,
    term_findings,
)
from treaty.dialects.mrp.evidence import EVIDENCE_CLAIMS, SIGNATURE, Asked, Seen, Signed, judge
from treaty.dialects.mrp.machine import EXCHANGE
from treaty.dialects.mrp.reading import read_evidence
from treaty.dialects.mrp.signing import check, signature_of
from treaty.errors import Refused, SignatureError, TreatyError, WireError, shown
from treaty.identity.keys import PublicKey, read_jwk
from treaty.wire import fields
from treaty.wire.canonical import Json

ORDER: Final = "order"
COMPLETE: Final = "complete"
CLAIMS: Final = (FORM, BYTES, ORDER, OFFERS, DECISION, TERMS, EXECUTION, COMPLETE, ACCOUNT)
LAST: Final = CLAIMS.index(COMPLETE)
"""Where the claims about the evidence stand in a report: before this one."""
KEYS_MAX: Final = 64
DONE: Final = "done"


def verify(deal: Json, roots: Roots | None = None) -> Report:
    """Check a parsed deal file; ``roots`` are what the reader trusts. Raises nothing."""
    file = read_file(deal)
    findings = list(file.findings)
    if not file.is_headed:
        findings += [lack(name, "", "the heading cannot be read") for name in CLAIMS[1:]]
        return Report(mrp.TAG, "", False, judged(CLAIMS, findings, {}))
    if len(file.spoken) != file.count:
        findings += [lack(name, "", "not every message can be read") for name in CLAIMS[2:]]
    key, about = _evidence(file)
    findings += [*_found(file), *_complete(file), *account_findings(file, about)]
    claims = judged(CLAIMS, findings, _verified(file))
    is_anchored = key is not None and _is_trusted(key, roots)
    return Report(mrp.TAG, file.id, is_anchored, (*claims[:LAST], *about, *claims[LAST:]))


def _found(file: File) -> Iterator[Finding]:
    yield from _order(file)
    yield from offer_findings(file)
    yield from decision_findings(file)
    yield from term_findings(file)
    yield from _unsigned_terms(file)
    yield from execution_findings(file)


def _verified(file: File) -> Mapping[str, str]:
    """What each claim says when nothing speaks against it."""
    won = file.winner
    considered = file.record.get("considered")
    count = len(considered) if isinstance(considered, list) else 0
    return {
        FORM: f"{file.count} messages",
        BYTES: "what is shown is what travelled",
        ORDER: "each provider spoke when it was asked",
        OFFERS: f"{count} considered, as they were offered; none of this file left out",
        DECISION: "nobody fits, for the reasons given"
        if won is None
        else "made again from the offers, it is the same, reason by reason",
        TERMS: "within what was asked"
        if file.last(mrp.NEGOTIATE, is_sent=True)
        else "nothing was negotiated",
        EXECUTION: "the work that was offered, on the terms agreed"
        if file.last(mrp.EXECUTE, is_sent=True)
        else "no work was given",
        COMPLETE: f"it ended as the record says: {file.status}",
    }


def _order(file: File) -> Iterator[Finding]:
    """Each provider's own exchange; only the winner's goes beyond its offers."""
    talks: dict[str, list[Spoken]] = {}
    for one in file.spoken:
        talks.setdefault(one.manifest_url, []).append(one)
    for talk in talks.values():
        yield from _walked(talk)
        yield from _answering(talk)
    places = winning_places(file)
    for one in file.spoken:
        goes_on = one.envelope.msg_type in (mrp.NEGOTIATE, mrp.EXECUTE)
        if goes_on and one.manifest_url not in places:
            yield Finding(ORDER, one.where, "said to somebody who did not win")
        if one.is_sent and one.envelope.sender != file.buyer:
            yield Finding(ORDER, one.where, f"sent by {shown(one.envelope.sender)}")
        if not one.is_sent and one.envelope.receiver not in (None, file.buyer):
            yield Finding(ORDER, one.where, f"said to {shown(one.envelope.receiver)}")


def _walked(talk: list[Spoken]) -> Iterator[Finding]:
    session, before_ms = Session(EXCHANGE.start), 0
    for one in talk:
        who = "buyer" if one.is_sent else "provider"
        try:
            session = advance(
                EXCHANGE, session, one.envelope.msg_type, frozenset((who,)), party=who
            )
        except Refused as error:
            yield Finding(ORDER, one.where, error.detail)
        if one.at_ms < before_ms:
            yield Finding(ORDER, one.where, "it came before what it follows")
        before_ms = one.at_ms


def _answering(talk: list[Spoken]) -> Iterator[Finding]:
    """Who names no message is lax; one that is named was said before, by the other side."""
    said: dict[bool, set[str]] = {True: set(), False: set()}
    for one in talk:
        named = one.envelope.in_reply_to
        if named is not None and named not in said[not one.is_sent]:
            yield Finding(ORDER, one.where, f"it answers {shown(named)}, which was not said to it")
        said[one.is_sent].add(one.envelope.msg_id)


def _complete(file: File) -> Iterator[Finding]:
    done, stated = file.last(mrp.EVIDENCE, is_sent=False), file.record.get("evidence_msg_id")
    if stated is not None and (done is None or done.envelope.msg_id != stated):
        yield Finding(COMPLETE, "decision", f"the evidence {shown(stated)} is not there")
    if file.status == DONE and (done is None or stated is None):
        yield Finding(COMPLETE, "decision", "done without evidence")
    if done is not None and stated is None and file.status == "no_winner":
        yield Finding(COMPLETE, done.where, "evidence for a decision that nobody won")


def _evidence(file: File) -> tuple[PublicKey | None, tuple[Claim, ...]]:
    """The claims about the evidence, and the key that signed it."""
    done, order = file.last(mrp.EVIDENCE, is_sent=False), file.last(mrp.EXECUTE, is_sent=True)
    if done is None or order is None:
        return None, ()
    key, signed = _signed(file, done)
    try:
        evidence, asked = read_evidence(done.envelope), _asked(file, order)
    except WireError as error:
        found = [Finding(name, done.where, error.detail) for name in EVIDENCE_CLAIMS[:-1]]
        if signed.verdict is not Verdict.VERIFIED:
            found.append(Finding(SIGNATURE, done.where, signed.detail, signed.verdict))
        return key, judged(EVIDENCE_CLAIMS, found, {SIGNATURE: signed.detail})
    return key, judge(asked, done.envelope, evidence, Seen(signed=signed))


def _asked(file: File, order: Spoken) -> Asked:
    payload = order.envelope.payload
    job = fields.obj_or(payload, "job") or {}
    wanted = wanted_of(file)
    return Asked(
        msg_id=order.envelope.msg_id,
        route_id=fields.text(payload, "route_id"),
        job_id=fields.text_or(job, "id"),
        output_format=fields.text_or(payload, "output_format"),
        proofs=wanted.proofs_required if wanted is not None else (),
        domains=_domains(file),
    )


def _domains(file: File) -> tuple[str, ...]:
    """The domains that were agreed on, else those the buyer kept to."""
    put = file.last(mrp.NEGOTIATE, is_sent=True)
    constraints = fields.obj_or(put.envelope.payload, "constraints") if put else None
    stated = (constraints or {}).get("allowed_domains", file.record.get("allowed_domains"))
    values = stated if isinstance(stated, list) else []
    return tuple(one for one in values[: mrp.NAMES_MAX] if isinstance(one, str))


def _signed(file: File, done: Spoken) -> tuple[PublicKey | None, Signed]:
    try:
        stated = signature_of(done.envelope)
    except SignatureError as error:
        return None, Signed(verdict=Verdict.FAILED, detail=error.detail)
    if stated is None:
        return None, Signed(verdict=Verdict.NOT_CHECKABLE, detail="the provider signed nothing")
    keys = list(_keys(file))
    if not keys:
        detail = "the file shows no key of the provider"
        return None, Signed(verdict=Verdict.NOT_CHECKABLE, detail=detail)
    key = _key_of(done, keys, stated.key_id)
    if key is None:
        detail = "it holds under no key that the provider showed"
        return None, Signed(verdict=Verdict.FAILED, detail=detail)
    detail = f"by {key.key_id}, which the provider showed before the work"
    return key, Signed(verdict=Verdict.VERIFIED, detail=detail)


def _key_of(spoken: Spoken, keys: list[PublicKey], key_id: str) -> PublicKey | None:
    """The key that signed an envelope; a key set may call it otherwise than by its thumbprint."""
    for key in sorted(keys, key=lambda one: one.key_id != key_id):
        try:
            check(spoken.envelope, key)
        except SignatureError:
            continue
        return key
    return None


def _unsigned_terms(file: File) -> Iterator[Finding]:
    """Terms need no signature; one that is there has to hold."""
    keys = list(_keys(file))
    for one in file.said(mrp.NEGOTIATE, is_sent=False):
        try:
            stated = signature_of(one.envelope)
        except SignatureError as error:
            yield Finding(TERMS, one.where, error.detail)
            continue
        if stated is not None and keys and _key_of(one, keys, stated.key_id) is None:
            yield Finding(TERMS, one.where, "its signature holds under no key that was shown")


def _keys(file: File) -> Iterator[PublicKey]:
    shown_keys = file.record.get("provider_keys")
    for one in shown_keys[:KEYS_MAX] if isinstance(shown_keys, list) else ():
        try:
            key = read_jwk(one)
        except TreatyError:
            continue
        if isinstance(key, PublicKey):
            yield key


def _is_trusted(key: PublicKey, roots: Roots | None) -> bool:
    """A node's key stands in roots as that of its registry, host and clearing."""
    if roots is None:
        return False
    anchors = (*roots.host, *roots.registry, *roots.clearing)
    return any(one.key_id == key.key_id for one in anchors)
