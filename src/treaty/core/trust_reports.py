"""What a clearing reports to a trust node that is not its own: an outcome, and what shows it (B16).

The signed record of kind ``outcome`` that travels, an outcome as the log has it and beside it::

    {session, head, commitment, clearing, parties, disputed?, severity?, at,
     trust: {uri, keyId}, openedAt, shown: [{sender, publicKey, hash, signature}, ...]}

``number`` of a party is the reporting clearing's own count of that agent's outcomes for this trust
node: what was left out shows as a gap. ``shown`` holds the hashes and signatures of messages, never
their words: the head, and the last one of each party. So nobody is credited with a deal in which
its key never signed anything. What the trust node says itself (standings, weights, its own
numbers) is none of the clearing's business, and is passed over when it stands there.

The log keeps the record whole, as ``report`` within the entry that the trust node stamps and signs:
whoever reads the log checks both signatures, and that the entry says what the report says.

Read next: ``engine.outcomes``, which takes reports in, and ``engine.reports``, which makes them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from treaty.core.trust_records import Outcome, Party, record_from_json, record_to_json
from treaty.errors import WireError, shown
from treaty.wire import fields
from treaty.wire.canonical import Json
from treaty.wire.digest import is_sha256_tag
from treaty.wire.evolving import evolve
from treaty.wire.instants import format_instant

MEMBER: Final = "report"
"""The member of a log entry that holds the report it was made from."""
SHOWN_MAX: Final = 4
CLOCKS_MS: Final = 60_000
"""How far two nodes' clocks may lie apart."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A message of the deal, by its hash: who signed it, and the signature."""

    sender: str
    public_key: str
    hash: str
    signature: str


@dataclass(frozen=True, slots=True)
class Report:
    """One outcome as another clearing reports it."""

    outcome: Outcome
    trust_uri: str
    trust_key_id: str
    opened_ms: int
    """When the session opened: the standings of then are what the outcome is weighed by."""
    shown: tuple[Shown, ...]


def read_report(body: Json) -> Report:
    """Read a report; its signature is the caller's to check. Raises ``WireError``."""
    outcome = record_from_json("outcome", body)
    assert isinstance(body, dict)
    assert isinstance(outcome, Outcome)
    trust = fields.obj(body, "trust")
    report = Report(
        outcome=evolve(outcome, session=fields.uuid(body, "session")),
        trust_uri=fields.agent(trust, "uri"),
        trust_key_id=fields.ident(trust, "keyId"),
        opened_ms=fields.instant(body, "openedAt"),
        shown=tuple(_shown(one) for one in fields.items(body, "shown", most=SHOWN_MAX)),
    )
    for detail in _faults(report):
        raise WireError(detail)
    return report


def _shown(value: Json) -> Shown:
    if not isinstance(value, dict):
        raise WireError(f"a message is shown by an object, not {shown(value)}")
    return Shown(
        sender=fields.agent(value, "sender"),
        public_key=fields.text(value, "publicKey"),
        hash=fields.text(value, "hash"),
        signature=fields.text(value, "signature"),
    )


def _faults(report: Report) -> Iterator[str]:
    """What no outcome of a deal can be, whoever says so."""
    outcome = report.outcome
    one, other = outcome.parties
    if not is_sha256_tag(outcome.head):
        yield f"head must be sha256:<64 hex digits>, not {shown(outcome.head)}"
    if one.number is None or other.number is None:
        yield "each party has the clearing's running number of it"
    if one.escrow is None or other.escrow is None:
        yield "each party has honoured the escrow or failed it"
    if one.kept and other.kept and one.v != other.v:
        yield "what both kept has one value"
    if not any(party.v for party in outcome.parties):
        yield "a deal of no value has no outcome"
    if outcome.severity is not None and not outcome.disputed:
        yield "only a ruling has a severity"
    if report.opened_ms > outcome.at_ms:
        yield "a session opens before it ends"


def report_to_json(report: Report) -> dict[str, Json]:
    """Write a report, unsigned; ``read_report`` gives it back."""
    return {
        **record_to_json(report.outcome),
        "trust": {"uri": report.trust_uri, "keyId": report.trust_key_id},
        "openedAt": format_instant(report.opened_ms),
        "shown": [
            {
                "sender": one.sender,
                "publicKey": one.public_key,
                "hash": one.hash,
                "signature": one.signature,
            }
            for one in report.shown
        ],
    }


def as_logged(report: Report, at_ms: int) -> Outcome:
    """The outcome for the log of the trust node, at its own time, without anybody's stamps."""
    one, other = (_unstamped(party, reported=party.number) for party in report.outcome.parties)
    return evolve(report.outcome, at_ms=at_ms, parties=(one, other))


def _unstamped(party: Party, *, reported: int | None) -> Party:
    return evolve(
        party, reported=reported, number=None, organisation=None, before=None, q=None, w=None
    )


def departures(logged: Outcome, report: Report) -> tuple[str, ...]:
    """Name what a log entry says otherwise than the report it was made from. Empty: nothing."""
    said = as_logged(report, logged.at_ms)
    one, other = (_unstamped(party, reported=party.reported) for party in logged.parties)
    plain = evolve(logged, parties=(one, other))
    names = (
        *("session", "head", "commitment", "clearing", "parties"),
        *("disputed", "severity", "currency", "usd_rate"),
    )
    found = [name for name in names if getattr(plain, name) != getattr(said, name)]
    if logged.at_ms < report.outcome.at_ms - CLOCKS_MS:
        found.append("at")
    return tuple(f"its {name} is not what the report says" for name in found)
