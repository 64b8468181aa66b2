"""The records of the trust log, and their JSON bodies (ASP decision B16).

Laws: a record is a frozen fact; readers check every member they use and pass over others; numbers
that enter a score are decimal text (or whole JSON numbers), never binary fractions. Signatures are
``identity.records``' affair: what arrives here was verified.

The bodies, by kind (``?`` marks what may be missing)::

    identity     {agent, proof, by?, key?, at}
                 proof: key | domain | legal | rotation | signer | displacement
    attestation  {agent, components: {IV: "100", ...}, weight, allowance?, until, reason?, by, at}
    endorsement  {endorser, agent, withdrawn?, at}
    violation    {agent, violation, evidence, at}
    outcome      {session, head, commitment, clearing, parties: [party, party],
                  disputed?, severity?, currency?, usdRate?, at}
    party        {agent, result: "kept"|"breached", escrow?: "honoured"|"failed", v, rating?,
                  reported?, number?, organisation?, before?, q?, w?}
    before       {score: "91.0", provisional: false, size?, at?}

``at`` and ``until`` are RFC 3339 instants; a ``before`` was computed from ``size`` records, as of
``at``. ``number``, ``organisation``, ``before``, ``q`` and ``w`` the trust node stamps on what it
appends (``trust.stamped``); ``reported`` is another clearing's number for it (``trust_reports``).

Read next: ``trust_state``, the fold over these.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Final, TypeAlias

from treaty.core.rates import rate_text, read_rate
from treaty.errors import WireError, shown
from treaty.wire import fields
from treaty.wire.canonical import Json
from treaty.wire.instants import format_instant

COMPONENTS: Final = ("IV", "CH", "CF", "BC", "RQ", "SP", "ER", "PE")
"""Identity, communication history, commitment fulfilment, behavioural consistency, response
quality, security posture, economic reliability, peer endorsements."""

PLACES: Final = 12
"""Decimals of q, v and w. Fixed, so that sums of them are exact in any order."""

EVIDENCE_MAX: Final = 1_000_000
"""The largest weight or allowance an attestation may carry."""

ALLOWANCE_DEFAULT: Final = Decimal(100)
RATING_MAX: Final = 5
SEVERITY_MAX: Final = 5

_DECIMAL: Final = re.compile(r"(?:0|[1-9][0-9]{0,8})(?:\.([0-9]{1,12}))?")


class Proof(StrEnum):
    """What an identity record says was proven."""

    KEY = "key"
    DOMAIN = "domain"
    LEGAL = "legal"
    """A legal identity, by a listed attester."""
    ROTATION = "rotation"
    """A key rotation is on record."""
    SIGNER = "signer"
    """The key is held by an attested signer, by a listed attester."""
    DISPLACEMENT = "displacement"
    """A domain-proven registration displaced an unproven one: a new history begins (B5)."""


@dataclass(frozen=True, slots=True)
class Before:
    """An agent's standing before a session."""

    score: Decimal
    provisional: bool
    size: int | None = None
    """Of how many records of the log it was computed."""
    at_ms: int | None = None
    """As of when it was computed."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Something about an agent's identity was proven."""

    agent: str
    proof: str
    """A ``Proof``; others are kept in the log and mean nothing yet."""
    at_ms: int
    by: str | None = None
    key: str | None = None
    """The public key that was proven; what the agent signs is checked with it."""


@dataclass(frozen=True, slots=True)
class Attestation:
    """An operator vouches for an agent, for a time."""

    agent: str
    components: Mapping[str, Decimal]
    weight: Decimal
    """How much evidence the attested values count as (E0)."""
    until_ms: int
    by: str
    at_ms: int
    allowance: Decimal = ALLOWANCE_DEFAULT
    """What its organisation may confer beyond half of what it received."""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Endorsement:
    """One agent endorses another; signed by the endorser, so it says nothing of its standing."""

    endorser: str
    agent: str
    at_ms: int
    withdrawn: bool = False
    """It takes its earlier word back."""


@dataclass(frozen=True, slots=True)
class Violation:
    """A provable violation of the protocol; the same evidence counts once."""

    agent: str
    violation: str
    evidence: str
    at_ms: int


@dataclass(frozen=True, slots=True)
class Party:
    """One side of a settled commitment, and whether it kept its own obligations."""

    agent: str
    kept: bool
    v: Decimal
    """min(1, value / 100 USD), 12 decimals: of what was posted if it kept, else reserved."""
    escrow: bool | None = None
    """Whether it honoured the escrow; None when no money of this deal was in escrow."""
    rating: int | None = None  # that it *received*
    number: int | None = None
    """Its own running number of outcomes, so that a gap shows."""
    organisation: str | None = None
    before: Before | None = None
    """Its standing before the session."""
    q: Decimal | None = None
    w: Decimal | None = None
    """Its weight as the trust node computed it; the fold computes its own."""
    reported: int | None = None
    """Its running number at another clearing, which reported this."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """A settled commitment, as its clearing reports it."""

    session: str
    head: str
    commitment: str
    clearing: str
    parties: tuple[Party, Party]
    at_ms: int
    disputed: bool = False
    severity: int | None = None
    """The resolver's, when the breach was ruled."""
    currency: str | None = None
    usd_rate: Decimal | None = None
    """What one whole unit of its currency was worth at the COMMIT; none of both for dollars."""


Record: TypeAlias = Identity | Attestation | Endorsement | Violation | Outcome


def decimal_text(value: Decimal) -> str:
    """Write a decimal without exponent and trailing zeros: ``0.0001``, ``100``."""
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def record_kind(record: Record) -> str:
    """Return the kind a record is signed as."""
    return type(record).__name__.lower()


def record_from_json(kind: str, body: Json) -> Record:
    """Read a record of a kind. Raises ``WireError`` for an unknown kind or a wrong body."""
    reader = _READERS.get(kind)
    if reader is None:
        raise WireError(f"not a kind of trust record: {shown(kind)}")
    if not isinstance(body, dict):
        raise WireError(f"a record is an object, not {shown(body)}")
    return reader(body)


def record_to_json(record: Record) -> dict[str, Json]:
    """Write a record's body; ``record_from_json`` of its kind gives the record back."""
    body: dict[str, Json] = {"agent": record.agent} if not isinstance(record, Outcome) else {}
    match record:
        case Identity():
            body |= _given(proof=record.proof, by=record.by, key=record.key)
        case Attestation():
            body |= _attestation_to_json(record)
        case Endorsement():
            body |= _given(endorser=record.endorser, withdrawn=record.withdrawn or None)
        case Violation():
            body |= _given(violation=record.violation, evidence=record.evidence)
        case Outcome():
            body |= _outcome_to_json(record)
    return {**body, "at": format_instant(record.at_ms)}


def _given(**members: Json) -> dict[str, Json]:
    return {name: value for name, value in members.items() if value is not None}


def _identity(body: fields.Object) -> Identity:
    return Identity(
        agent=fields.agent(body, "agent"),
        proof=fields.ident(body, "proof"),
        at_ms=fields.instant(body, "at"),
        by=fields.agent_or(body, "by"),
        key=fields.text_or(body, "key"),
    )


def _attestation(body: fields.Object) -> Attestation:
    values = fields.obj(body, "components")
    allowance = body.get("allowance")
    return Attestation(
        agent=fields.agent(body, "agent"),
        components={
            name: _decimal(values, name, most=100, places=4)
            for name in COMPONENTS
            if values.get(name) is not None
        },
        weight=_decimal(body, "weight", most=EVIDENCE_MAX),
        allowance=ALLOWANCE_DEFAULT
        if allowance is None
        else _decimal(body, "allowance", most=EVIDENCE_MAX),
        until_ms=fields.instant(body, "until"),
        reason=fields.text_or(body, "reason") or "",
        by=fields.agent(body, "by"),
        at_ms=fields.instant(body, "at"),
    )


def _attestation_to_json(record: Attestation) -> dict[str, Json]:
    return {
        "components": {name: decimal_text(value) for name, value in record.components.items()},
        "weight": decimal_text(record.weight),
        "allowance": decimal_text(record.allowance),
        "until": format_instant(record.until_ms),
        "reason": record.reason,
        "by": record.by,
    }


def _endorsement(body: fields.Object) -> Endorsement:
    return Endorsement(
        endorser=fields.agent(body, "endorser"),
        agent=fields.agent(body, "agent"),
        at_ms=fields.instant(body, "at"),
        withdrawn=fields.flag(body, "withdrawn"),
    )


def _violation(body: fields.Object) -> Violation:
    return Violation(
        agent=fields.agent(body, "agent"),
        violation=fields.ident(body, "violation"),
        evidence=fields.ident(body, "evidence"),
        at_ms=fields.instant(body, "at"),
    )


def _outcome(body: fields.Object) -> Outcome:
    parties = [_party(party) for party in fields.items(body, "parties", most=2)]
    if len(parties) != 2 or parties[0].agent == parties[1].agent:
        raise WireError("an outcome has two different parties")
    return Outcome(
        session=fields.ident(body, "session"),
        head=fields.ident(body, "head"),
        commitment=fields.ident(body, "commitment"),
        clearing=fields.agent(body, "clearing"),
        parties=(parties[0], parties[1]),
        at_ms=fields.instant(body, "at"),
        disputed=fields.flag(body, "disputed"),
        severity=fields.integer_or(body, "severity", least=1, most=SEVERITY_MAX),
        currency=fields.ident_or(body, "currency"),
        usd_rate=None if body.get("usdRate") is None else read_rate(body["usdRate"]),
    )


def _outcome_to_json(record: Outcome) -> dict[str, Json]:
    rate = None if record.usd_rate is None else rate_text(record.usd_rate)
    return {
        "session": record.session,
        "head": record.head,
        "commitment": record.commitment,
        "clearing": record.clearing,
        "parties": [_party_to_json(party) for party in record.parties],
        "disputed": record.disputed,
        **_given(severity=record.severity, currency=record.currency, usdRate=rate),
    }


def _party(party: Json) -> Party:
    if not isinstance(party, dict):
        raise WireError(f"a party is an object, not {shown(party)}")
    is_held = party.get("escrow") is not None
    return Party(
        agent=fields.agent(party, "agent"),
        kept=_choice(party, "result", "kept", "breached"),
        v=_decimal(party, "v", most=1),
        escrow=_choice(party, "escrow", "honoured", "failed") if is_held else None,
        rating=fields.integer_or(party, "rating", least=1, most=RATING_MAX),
        number=fields.integer_or(party, "number", least=1),
        organisation=fields.text_or(party, "organisation"),
        before=before_from_json(fields.obj_or(party, "before")),
        q=_decimal_or(party, "q"),
        w=_decimal_or(party, "w"),
        reported=fields.integer_or(party, "reported", least=1),
    )


def _party_to_json(party: Party) -> dict[str, Json]:
    return _given(
        agent=party.agent,
        result="kept" if party.kept else "breached",
        v=decimal_text(party.v),
        escrow={None: None, True: "honoured", False: "failed"}[party.escrow],
        rating=party.rating,
        reported=party.reported,
        number=party.number,
        organisation=party.organisation,
        before=None if party.before is None else before_to_json(party.before),
        q=None if party.q is None else decimal_text(party.q),
        w=None if party.w is None else decimal_text(party.w),
    )


def before_from_json(before: fields.Object | None) -> Before | None:
    """Read a standing. Raises ``WireError``."""
    if before is None:
        return None
    if "provisional" not in before:
        raise WireError("a standing says whether it is provisional")
    return Before(
        score=_decimal(before, "score", most=100, places=1),
        provisional=fields.flag(before, "provisional"),
        size=fields.integer_or(before, "size"),
        at_ms=fields.instant_or(before, "at"),
    )


def before_to_json(before: Before) -> dict[str, Json]:
    """Write a standing; ``before_from_json`` gives it back."""
    at = None if before.at_ms is None else format_instant(before.at_ms)
    stated = _given(score=str(before.score), size=before.size, at=at)
    return {**stated, "provisional": before.provisional}


def _choice(body: fields.Object, name: str, yes: str, no: str) -> bool:
    value = fields.text(body, name)
    if value not in (yes, no):
        raise WireError(f"{name} must be {yes} or {no}, not {shown(value)}")
    return value == yes


def _decimal(body: fields.Object, name: str, *, most: int, places: int = PLACES) -> Decimal:
    """Read a decimal from 0 to ``most``: canonical text, or a whole JSON number."""
    value = body.get(name)
    if type(value) is int and 0 <= value <= most:
        value = str(value)
    match = _DECIMAL.fullmatch(value) if isinstance(value, str) else None
    if match is None or len(match.group(1) or "") > places or Decimal(match.group()) > most:
        raise WireError(
            f"{name} must be decimal text from 0 to {most} with at most {places} decimals, "
            f"not {shown(value)}"
        )
    return Decimal(match.group())


def _decimal_or(body: fields.Object, name: str) -> Decimal | None:
    return None if body.get(name) is None else _decimal(body, name, most=1)


_READERS: Final[Mapping[str, Callable[[fields.Object], Record]]] = {
    "identity": _identity,
    "attestation": _attestation,
    "endorsement": _endorsement,
    "violation": _violation,
    "outcome": _outcome,
}
