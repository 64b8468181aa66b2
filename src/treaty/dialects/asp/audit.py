"""Verifying an ASP deal file offline, claim by claim (B22); and comparing two copies (B7).

``verify`` takes any JSON whatever and never raises: what it cannot read it reports. Each claim
is made by one function elsewhere, from the file as read once by ``audit_file``:

* ``audit_file``: form
* ``audit_chain``: bytes, links, sequence, signatures, discovery
* ``audit_keys``: keys; whom the reader's roots anchor
* ``audit_fold``: states, times, complete, terms
* ``audit_escrow``: reserved, released
* ``audit_metric``: metric
* ``audit_judges``: of whoever judged a dispute, keys and trust
* ``audit_trust``: trust

Law: a claim is verified only when everything it rests on was there, and was right.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from treaty.core.deal import Finding, Report, Roots, Verdict, judged, lack
from treaty.dialects.asp.audit_ceilings import check_ceilings
from treaty.dialects.asp.audit_chain import (
    check_discovery,
    check_links,
    check_log_times,
    check_sequence,
    check_signatures,
)
from treaty.dialects.asp.audit_compare import COMPARED, agreed, compared
from treaty.dialects.asp.audit_escrow import check_escrow
from treaty.dialects.asp.audit_file import Deal, open_deal
from treaty.dialects.asp.audit_fold import (
    check_complete,
    check_heading,
    check_host,
    check_terms,
    play,
)
from treaty.dialects.asp.audit_judges import check_judges
from treaty.dialects.asp.audit_keys import check_keys, pins_of, unanchored
from treaty.dialects.asp.audit_metric import check_metric
from treaty.dialects.asp.audit_trust import check_trust
from treaty.dialects.asp.choices import TAG
from treaty.errors import TreatyError
from treaty.wire.canonical import Json

CLAIMS: Final = (
    *("form", "bytes", "links", "sequence", "signatures", "states", "keys", "times"),
    *("complete", "terms", "reserved", "released", "trust", "metric"),
)
"""The claims about every deal, in the order of a report."""
DISCOVERY: Final = "discovery"
"""The claim that is only made about a copy that holds the messages before the session."""


def verify(deal: Json, roots: Roots | None = None) -> Report:
    """Check a deal file against itself and, with ``roots``, against what the reader trusts.

    Takes any JSON value and never raises. Without roots no identity is believed, but all that
    contradicts itself is still found.
    """
    try:
        opened, findings = open_deal(deal)
        return _report(opened, roots, findings)
    except TreatyError as error:
        return _unreadable(deal, error.detail)
    except RecursionError:
        return _unreadable(deal, "it is nested too deeply")


def _report(deal: Deal, roots: Roots | None, findings: list[Finding]) -> Report:
    names = (*CLAIMS, DISCOVERY) if deal.discovery else CLAIMS
    findings += _checked(deal, roots)
    claims = judged(names, findings, _verified(deal))
    keys = next(claim for claim in claims if claim.name == "keys")
    return Report(
        dialect=TAG,
        session=deal.heading.id,
        anchored=keys.verdict is Verdict.VERIFIED,
        claims=claims,
    )


def _checked(deal: Deal, roots: Roots | None) -> Iterator[Finding]:
    pins, findings = pins_of(deal)
    yield from findings
    yield from check_links(deal)
    yield from check_sequence(deal)
    yield from check_signatures(deal, pins)
    yield from check_keys(deal, roots, pins)
    yield from check_log_times(deal)
    yield from check_host(deal, roots)
    played = play(deal, pins)
    yield from played.findings
    yield from check_heading(deal, played)
    yield from check_complete(deal, played, roots)
    yield from check_terms(deal)
    yield from check_escrow(deal, played.conversation, played.stopped, roots)
    yield from check_ceilings(deal, played)
    yield from check_trust(deal, played, roots, pins)
    yield from check_metric(deal, played, roots)
    yield from check_judges(deal, played, roots)
    if deal.discovery:
        yield from check_discovery(deal, roots, pins)


def _verified(deal: Deal) -> dict[str, str]:
    """What a claim against which nothing speaks amounts to."""
    messages, entries = len(deal.messages), len(deal.log)
    heading = deal.heading
    return {
        "form": f"{messages + len(deal.discovery)} messages, {entries} log entries",
        "bytes": "every hash is that of what was received",
        "links": f"{messages} messages and {entries} log entries, each extends the one before",
        "sequence": "every sender counts without a gap",
        "signatures": "messages, proofs, receipts and facts, cards",
        "states": f"every move was lawful; the session is {heading.state}",
        "keys": "a registry of the roots lists every key used here",
        "times": f"as {heading.host} received them",
        "complete": "nothing is missing up to the end of the session",
        "terms": "the commitment contains the accepted terms",
        "reserved": "as the commitment says, once",
        "released": "as the commitment ended, once; posted and voided sum to the reservation",
        "metric": "signed by keys the roots know",
        "trust": f"recomputed from {len(deal.outcomes)} records of the trust log",
        "discovery": "asked and answered before the session, named by the invitation",
    }


def compare(one: Json, other: Json, roots: Roots | None = None) -> Report:
    """Check that two copies of one session agree wherever both have an entry (B7).

    Two entries that the host signed for one position are portable proof that it lied: then the
    claim ``host`` has failed and names it. Never raises; each copy is verified by ``verify``.
    """
    opened: list[Deal] = []
    for which, value in (("first", one), ("second", other)):
        try:
            opened.append(open_deal(value)[0])
        except TreatyError as error:
            detail = f"the {which} file cannot be read: {error.detail}"
        except RecursionError:
            detail = f"the {which} file is nested too deeply"
        else:
            continue
        findings = [Finding("session", "", detail)]
        findings += [lack(name, "", "nothing to compare") for name in COMPARED[1:]]
        return Report(TAG, "", anchored=False, claims=judged(COMPARED, findings, {}))
    first, second = opened
    heading = first.heading
    anchored = not list(unanchored("host", "", roots, "host", heading.host, heading.host_key))
    claims = judged(COMPARED, compared(first, second), agreed(first, second))
    return Report(TAG, heading.id, anchored=anchored, claims=claims)


def _unreadable(deal: Json, detail: str) -> Report:
    session = deal.get("session") if isinstance(deal, dict) else None
    name = session.get("id") if isinstance(session, dict) else None
    findings = [lack(claim, "", "the file could not be read") for claim in CLAIMS[1:]]
    findings.append(Finding("form", "", detail))
    shown = name[:64] if isinstance(name, str) else ""
    return Report(TAG, shown, anchored=False, claims=judged(CLAIMS, findings, {}))
