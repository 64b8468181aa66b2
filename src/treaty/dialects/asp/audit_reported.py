"""Outcomes that crossed from one node to another, as a deal file shows them (B7, B16, B22).

In the trust log that the file carries, other clearings' outcomes stand with the reports they were
made from. And the outcome of this very session may stand in another node's log: then the file has
that node's signed entry, within the host's fact, but not the log around it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from treaty.core.deal import Finding, Roots, lack
from treaty.core.trust import Outcome, record_from_json
from treaty.core.trust_reports import MEMBER, departures, read_report
from treaty.dialects.asp.audit_file import Deal, Logged
from treaty.dialects.asp.audit_keys import anchored_keys
from treaty.errors import SignatureError, WireError
from treaty.identity.keys import PublicKey, read_public_key
from treaty.identity.records import open_record
from treaty.wire import fields
from treaty.wire.canonical import Json


def check_report(roots: Roots | None, logged: Logged) -> Iterator[Finding]:
    """An outcome of another clearing says what that clearing has signed."""
    outcome = logged.body
    if not isinstance(outcome, Outcome) or MEMBER not in logged.signed:
        return
    keys = anchored_keys(roots, "clearing", outcome.clearing)
    if not keys:
        yield lack("trust", logged.where, f"no key of the clearing {outcome.clearing} is known")
    for detail in _faults(outcome, logged.signed, keys):
        yield Finding("trust", logged.where, detail)


def check_elsewhere(
    deal: Deal, where: str, data: Mapping[str, Json]
) -> tuple[Outcome | None, list[Finding]]:
    """The entry of another node's trust log in a fact of the host; and what it says, if it holds.

    Both signatures are checked: the trust node's by the key that its fact names, the host's by the
    host's own.
    """
    try:
        trust, signed = fields.obj(data, "trust"), fields.obj(data, "record")
        uri, key = fields.agent(trust, "uri"), read_public_key(trust.get("publicKey"))
        open_record("outcome", signed, key)
        outcome = record_from_json("outcome", signed)
    except (WireError, SignatureError) as error:
        return None, [Finding("trust", where, f"the entry elsewhere: {error.detail}")]
    assert isinstance(outcome, Outcome)
    found = [
        Finding("trust", where, detail)
        for detail in _faults(outcome, signed, [deal.heading.host_key])
    ]
    if outcome.clearing != deal.heading.host or outcome.session != deal.heading.id:
        found.append(Finding("trust", where, "the entry elsewhere is of another session"))
    found.append(lack("trust", where, f"it stands in the log of {uri}, which is not in the file"))
    return outcome, found


def _faults(outcome: Outcome, signed: Mapping[str, Json], keys: list[PublicKey]) -> Iterator[str]:
    record = signed.get(MEMBER)
    try:
        report = read_report(record)
    except WireError as error:
        yield f"the report: {error.detail}"
        return
    if keys and not any(_holds(record, key) for key in keys):
        yield "the report is not signed by its clearing"
    yield from departures(outcome, report)


def _holds(record: Json, key: PublicKey) -> bool:
    try:
        open_record("outcome", record, key)
    except (WireError, SignatureError):
        return False
    return True
