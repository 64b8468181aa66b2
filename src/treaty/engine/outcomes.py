"""Outcomes of deals that other nodes host and clear, taken into this trust log (ASP B16, B18).

A trust node lists the clearings it believes, each with its key. What a listed clearing reports is
signed by it, shows messages signed by both parties with keys of theirs that are registered here,
and is weighed by the standings this log gave before the session. Everything else is refused, and
changes nothing.

Laws:

1. A report is kept whole in the log, so everybody sees who said what, and can check it.
2. One deal counts once, whoever reports it: the same report again is answered as it was, another
   one about the same commitment is refused (``duplicate``).
3. Time and standings are this node's: a clearing cannot date what it says, nor say how anybody
   stood.
4. What a clearing leaves out shows as missing numbers. A gap is no reason to refuse: whoever could
   have one report refused would then silence everything said of its counterparty afterwards.

Read next: ``core.trust_reports`` for the form of a report.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final

from treaty.core.deal import Anchor
from treaty.core.trust import Outcome
from treaty.core.trust_reports import CLOCKS_MS, MEMBER, Report, as_logged, read_report
from treaty.engine.desk import Desk, Kind, Transaction
from treaty.engine.dialect import SessionDialect
from treaty.engine.hosted import session_stream
from treaty.engine.ports import Entry
from treaty.engine.registered import Registered
from treaty.engine.trust import LOG, TrustNode
from treaty.errors import Refused, SignatureError, WireError, shown
from treaty.identity.keys import PublicKey, read_public_key
from treaty.identity.records import open_record
from treaty.wire import fields
from treaty.wire.canonical import Json, canonical, read_json
from treaty.wire.digest import content_tag
from treaty.wire.evolving import evolve
from treaty.wire.instants import format_instant

TAKEN: Final = "taken"
NUMBERED: Final = "numbered"
HEARD: Final = "heard"
CLEARINGS: Final = "clearings"
"""The setting under which the listed clearings are stored."""
CLEARINGS_MAX: Final = 256
LATE_MAX: Final = 256
"""Numbers of one agent at one clearing that may still come late."""
REPORT_BYTES_MAX: Final = 16_384
A_DAY_MAX: Final = 10_000
"""Outcomes taken of one clearing in a day of UTC."""
DAY_MS: Final = 86_400_000
_DAY_CHARS: Final = len("2026-03-07")


@dataclass(frozen=True, slots=True)
class Taken:
    """What was reported about one commitment. The empty one: nothing."""

    hash: str = ""
    answer: Mapping[str, Json] | None = None


@dataclass(frozen=True, slots=True)
class Numbered:
    """Which of a clearing's running numbers of an agent have come."""

    last: int = 0
    missing: tuple[int, ...] = ()
    """Those below the last one that may still come, the highest ones."""


def taken_stream(session: str, commitment: str) -> str:
    """Name of the stream that holds what was reported about one commitment."""
    return f"{TAKEN}/{session}/{content_tag(commitment)}"


def day_stream(clearing: str, at_ms: int) -> str:
    """Name of the stream that counts what was taken of one clearing on the day of an instant."""
    return f"{HEARD}/{format_instant(at_ms)[:_DAY_CHARS]}/{clearing}"


def numbered_stream(clearing: str, agent: str) -> str:
    """Name of the stream that counts what one clearing has reported of one agent."""
    return f"{NUMBERED}/{content_tag([clearing, agent])}"


def _fold_taken(_before: Taken, entry: Entry, _parsed: object) -> Taken:
    body = read_json(entry.body, size_max=len(entry.body))
    assert isinstance(body, dict)
    return Taken(fields.text(body, "hash"), fields.obj(body, "answer"))


def _fold_numbered(before: Numbered, entry: Entry, _parsed: object) -> Numbered:
    body = read_json(entry.body)
    assert isinstance(body, dict)
    return _with_number(before, fields.integer(body, "number"))


def _with_number(before: Numbered, number: int) -> Numbered:
    if number < before.last:
        return evolve(before, missing=tuple(one for one in before.missing if one != number))
    least = max(before.last + 1, number - LATE_MAX)
    passed = (*before.missing, *range(least, number))[-LATE_MAX:]
    return Numbered(number, passed)


def clearings_to_json(clearings: tuple[Anchor, ...]) -> bytes:
    """The listed clearings as they are stored."""
    return canonical([[one.uri, one.key_id, one.public_key] for one in clearings])


def read_clearings(stored: bytes | None) -> tuple[Anchor, ...]:
    """The listed clearings as they were stored."""
    rows = [] if stored is None else read_json(stored)
    assert isinstance(rows, list)
    return tuple(Anchor(*map(str, row)) for row in rows if isinstance(row, list))


Registrations = Callable[[str], Awaitable[Registered]]
"""Agent -> what the registry of this node knows of it."""


class Outcomes:
    """Takes the outcomes that listed clearings report."""

    def __init__(
        self, desk: Desk, dialect: SessionDialect, trust: TrustNode, registered: Registrations
    ) -> None:
        self._desk = desk
        self._dialect = dialect
        self._trust = trust
        self._registered = registered
        self._keys: dict[str, PublicKey] = {}
        self.listed: tuple[Anchor, ...] = ()
        """The clearings whose outcomes are taken, beside this node's own."""
        desk.register(TAKEN, Kind(lambda _stream: Taken(), _fold_taken))
        desk.register(HEARD, Kind(lambda _stream: None, lambda _state, _entry, _parsed: None))
        desk.register(NUMBERED, Kind(lambda _stream: Numbered(), _fold_numbered))

    def believe(self, clearings: tuple[Anchor, ...]) -> None:
        """Believe these clearings from now on. Raises ``WireError`` for a key that is none."""
        self._keys = {one.uri: read_public_key(one.public_key) for one in clearings}
        self.listed = clearings

    async def report(self, record: Json, own: Anchor) -> tuple[dict[str, Json], bool]:
        """Take in a report for the trust node ``own``; answers what came of it, and if it is new.

        The answer is ``{commitmentId, index, record, scores, trust}``. Raises ``WireError``,
        ``SignatureError``; ``Refused``: ``clearing_unlisted``, ``policy_violation`` (for another
        trust node), ``duplicate``, ``proof_invalid`` (dated ahead), ``unknown_agent``,
        ``outcome_unproven``, ``rate_limited``.
        """
        signed, report = self._read(record)
        outcome = report.outcome
        tag = str(fields.obj(signed, "integrity")["hash"])
        known = await self._known(outcome, tag)
        if known is not None:
            return known, False
        if (report.trust_uri, report.trust_key_id) != (own.uri, own.key_id):
            raise Refused(
                f"the report is for {report.trust_uri} with the key {shown(report.trust_key_id)}, "
                f"this is {own.uri} with {own.key_id}",
                "policy_violation",
            )
        if outcome.at_ms > self._desk.clock() + CLOCKS_MS:
            raise Refused("it is dated more than 60 s ahead of this node", "proof_invalid")
        await self._check_shown(report)
        return await self._take(signed, report, tag, own), True

    def _read(self, record: Json) -> tuple[dict[str, Json], Report]:
        if not isinstance(record, dict):
            raise WireError(f"a report is an object, not {shown(record)}")
        clearing = fields.agent(record, "clearing")
        key = self._keys.get(clearing)
        if key is None:
            raise Refused(f"this trust node does not list {clearing}", "clearing_unlisted")
        signed = open_record("outcome", record, key).value
        if len(canonical(signed)) > REPORT_BYTES_MAX:
            raise WireError(f"a report has at most {REPORT_BYTES_MAX} bytes", "too_large")
        return signed, read_report(signed)

    async def _known(self, outcome: Outcome, tag: str) -> dict[str, Json] | None:
        """What was answered to the same report. Raises ``Refused`` (``duplicate``)."""
        stream = taken_stream(outcome.session, outcome.commitment)
        taken: Taken = await self._desk.state(stream)
        if taken.answer is None:
            if await self._desk.store.last(session_stream(outcome.session)):
                raise Refused("this session is hosted and cleared here", "duplicate")
            return None
        return _same(taken, tag)

    async def _check_shown(self, report: Report) -> None:
        """The head and a message of each party are signed, the parties' by keys of theirs."""
        signed_by: dict[str, set[str]] = {}
        for one in report.shown:
            key = read_public_key(one.public_key)
            try:
                self._dialect.check_shown(one.hash, one.signature, key)
            except SignatureError as error:
                detail = f"the message of {one.sender} that is shown: {error.detail}"
                raise Refused(detail, "outcome_unproven") from error
            signed_by.setdefault(one.sender, set()).add(key.key_id)
        if all(one.hash != report.outcome.head for one in report.shown):
            raise Refused("the head is none of the messages that are shown", "outcome_unproven")
        for party in report.outcome.parties:
            registered = await self._registered(party.agent)
            if registered.view is None:
                raise Refused(f"{party.agent} has no card here", "unknown_agent")
            if not any(map(registered.has_held, signed_by.get(party.agent, ()))):
                raise Refused(
                    f"no message is shown that {party.agent} signed with a key it has here",
                    "outcome_unproven",
                )

    async def _take(
        self, signed: dict[str, Json], report: Report, tag: str, own: Anchor
    ) -> dict[str, Json]:
        outcome = report.outcome
        stream = taken_stream(outcome.session, outcome.commitment)
        day = day_stream(outcome.clearing, self._desk.clock())
        counted = {
            numbered_stream(outcome.clearing, party.agent): party.number or 0
            for party in outcome.parties
        }

        def decide(transaction: Transaction) -> dict[str, Json]:
            taken: Taken = transaction.state(stream)
            if taken.answer is not None:
                return _same(taken, tag)
            if transaction.position(day) >= A_DAY_MAX:
                raise Refused(
                    f"{A_DAY_MAX} outcomes a day are taken of one clearing",
                    "rate_limited",
                    data={"retryAfterMs": DAY_MS - transaction.now_ms % DAY_MS},
                )
            transaction.append(day, HEARD, canonical({"session": outcome.session}))
            for name, number in counted.items():
                _check_number(transaction.state(name), number)
                transaction.append(name, "number", canonical({"number": number}))
            logged = self._weighable(report, transaction.now_ms)
            data = self._trust.note_outcome(transaction, logged, **{MEMBER: signed})
            trust: dict[str, Json] = {
                "uri": own.uri,
                "keyId": own.key_id,
                "publicKey": own.public_key,
            }
            answer: dict[str, Json] = {**data, "trust": trust}
            transaction.append(stream, TAKEN, canonical({"hash": tag, "answer": answer}))
            return answer

        return await self._desk.transact((LOG, stream, day, *counted), decide)

    def _weighable(self, report: Report, now_ms: int) -> Outcome:
        """The outcome at this node's time, with the standings it gave before the session."""
        plain = as_logged(report, now_ms)
        one, other = (
            evolve(party, before=self._trust.before_then(party.agent, report.opened_ms))
            for party in plain.parties
        )
        return evolve(plain, parties=(one, other))


def _same(taken: Taken, tag: str) -> dict[str, Json]:
    if taken.hash != tag or taken.answer is None:
        raise Refused("another outcome of this commitment is on record", "duplicate")
    return dict(taken.answer)


def _check_number(numbered: Numbered, number: int) -> None:
    if number <= numbered.last and number not in numbered.missing:
        raise Refused(
            f"the clearing has used its number {number} of this agent for another outcome",
            "duplicate",
        )
