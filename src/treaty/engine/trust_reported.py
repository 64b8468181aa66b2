"""Checking, in a trust log, the outcomes that other clearings reported (ASP B16).

Such an entry is the trust node's, and holds the report it was made from: two signatures, and one
must not say what the other does not.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from treaty.core.deal import Finding, lack
from treaty.core.trust import Outcome
from treaty.core.trust_reports import MEMBER, departures, read_report
from treaty.errors import SignatureError, WireError, shown
from treaty.identity.keys import PublicKey
from treaty.identity.records import open_record
from treaty.wire.canonical import Json

CLAIM = "signatures"


def check_reported(
    trust: str,
    keys: Sequence[PublicKey],
    where: str,
    signed: Mapping[str, Json],
    outcome: Outcome,
) -> Iterator[Finding]:
    """Everything about one outcome in the log of ``trust`` that was made from a report.

    ``keys`` are those of the clearing that the reader knows.
    """
    record = signed.get(MEMBER)
    try:
        report = read_report(record)
    except WireError as error:
        yield Finding(CLAIM, where, f"its report: {error.detail}")
        return
    if not keys:
        yield lack(CLAIM, where, f"no key of the clearing {outcome.clearing} is known")
    elif not any(_holds(record, key) for key in keys):
        yield Finding(CLAIM, where, "its report is not signed by its clearing")
    if report.trust_uri != trust:
        yield Finding(CLAIM, where, f"its report is for {shown(report.trust_uri)}")
    yield from (Finding(CLAIM, where, detail) for detail in departures(outcome, report))


def _holds(record: Json, key: PublicKey) -> bool:
    try:
        open_record("outcome", record, key)
    except (WireError, SignatureError):
        return False
    return True
