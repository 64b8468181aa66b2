"""The deal file of ASP: one JSON document that anybody can verify offline (decision B22).

``make_deal`` assembles it from a session's log as its host or a participant keeps it, for one's
own copy or (``share``) for others; ``withhold`` takes a message's content out afterwards. The
published form is ``deal.schema.json`` beside this module.

Laws: what is in the file is what came, never written anew; ``messages[i]`` is only the parsed
form of ``raw[i]``; scores in cards are nobody's word and are left out.

Read next: ``audit``, which checks such a file.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from treaty.core.deal import DEAL_TAG
from treaty.core.log import HostFact, Receipt, entry_hash, read_log_record
from treaty.core.trust import (
    Attestation,
    Before,
    Outcome,
    Record,
    Roots,
    Score,
    TrustState,
    fold,
    score,
    standing_before,
)
from treaty.core.trust_reports import MEMBER
from treaty.dialects.asp.choices import TAG
from treaty.dialects.asp.codec import decode, read_document
from treaty.dialects.asp.conversation import Conversation
from treaty.dialects.asp.deadlines import fold_fact
from treaty.dialects.asp.disputes import FACTS as DISPUTE_FACTS
from treaty.dialects.asp.folding import fold_message
from treaty.errors import MisuseError, TreatyError
from treaty.identity.records import INTEGRITY
from treaty.wire.canonical import Json, canonical
from treaty.wire.instants import format_instant
from treaty.wire.money import number_to_json
from treaty.wire.packed import raw_to_json

HEARSAY: Final = ("trustScore", "trustLevel")
"""Members of a card that nobody signed; a deal file does not carry them."""

ESCROW: Final = "escrow"
"""The kind of fact that a line of ``escrow`` repeats."""


@dataclass(frozen=True, slots=True)
class Standings:
    """An agent's standing before and after the outcomes of one session (B16)."""

    before: Score
    after: Score


def make_deal(
    *,
    host: Mapping[str, Json],
    url: str,
    entries: Sequence[tuple[Mapping[str, Json], bytes | None]],
    cards: Iterable[Mapping[str, Json]],
    discovery: Sequence[bytes] = (),
    outcomes: Iterable[Mapping[str, Json]] = (),
    trust: Iterable[Mapping[str, Json]] = (),
    log_head: Mapping[str, Json] | None = None,
    share: bool = False,
) -> dict[str, Json]:
    """Assemble the file of one session.

    ``host`` is ``{uri, keyId, publicKey}``, ``url`` its public base URL (as in proofs).
    ``entries`` is the log in order: each signed receipt with the message as received, each
    signed fact with None. ``outcomes`` are ``{index, kind, record, proof}`` of the trust log,
    ``trust`` the lines of ``trust_lines``. With ``share`` discovery is left out.

    Raises ``MisuseError`` for a log that opens no session or a receipt without its message, and
    ``WireError`` for what is no log entry or no message.
    """
    folded, ended_ms = _fold(entries)
    if folded.invitation is None:
        raise MisuseError("a deal file is of a session, and this log opens none")
    heard = [] if share else list(discovery)
    raws = [*heard, *(raw for _, raw in entries if raw is not None)]
    records = [read_log_record(dict(record)) for record, _ in entries]
    session: dict[str, Json] = {
        "id": folded.id,
        "inviter": folded.inviter,
        "invitee": folded.invitee,
        "state": folded.wire_state,
        "subject": folded.invitation.subject,
        "url": url,
        "host": dict(host),
        "openedAt": format_instant(records[0].at_ms),
        "endedAt": None if ended_ms is None else format_instant(ended_ms),
    }
    return {
        "treaty": DEAL_TAG,
        "dialect": TAG,
        "session": session,
        "cards": [_pinned(card) for card in cards],
        "messages": [read_document(raw) for raw in raws],
        "raw": [raw_to_json(raw) for raw in raws],
        "log": [dict(record) for record, _ in entries],
        "escrow": [escrow_line(one) for one in records if is_escrow(one)],
        "outcomes": [dict(outcome) for outcome in outcomes],
        "trust": [dict(line) for line in trust],
        "logHead": None if log_head is None else dict(log_head),
        "disputes": [dispute_line(one) for one in records if is_dispute(one)],
    }


def _fold(
    entries: Sequence[tuple[Mapping[str, Json], bytes | None]],
) -> tuple[Conversation, int | None]:
    """The session after its log, and when it ended.

    A log that no honest host would have written is folded as far as it goes: the file is the
    evidence against that host, and must not be refused for it.
    """
    conversation, ended_ms = Conversation(), None
    for record, raw in entries:
        entry = read_log_record(dict(record))
        if isinstance(entry, Receipt) and raw is None:
            raise MisuseError(f"the message of log position {entry.position} is not given")
        try:
            conversation = _folded(conversation, entry, raw, entry_hash(record))
        except TreatyError:
            break
        if conversation.ended and ended_ms is None:
            ended_ms = entry.at_ms
    return conversation, ended_ms


def _folded(
    conversation: Conversation, entry: Receipt | HostFact, raw: bytes | None, tag: str
) -> Conversation:
    if isinstance(entry, HostFact):
        return fold_fact(conversation, entry, entry=tag)
    return fold_message(
        conversation,
        decode(raw or b""),
        at_ms=entry.at_ms,
        position=entry.position,
        entry=tag,
        public_key=entry.public_key,
    )


def _pinned(card: Mapping[str, Json]) -> dict[str, Json]:
    kept = {name: value for name, value in card.items() if name not in HEARSAY}
    return {**kept, "listing": card.get("listing")}


def is_escrow(entry: Receipt | HostFact) -> bool:
    """True for the facts that say how money moved."""
    return isinstance(entry, HostFact) and entry.fact == ESCROW


def escrow_line(entry: Receipt | HostFact) -> dict[str, Json]:
    """The line of ``escrow`` for one escrow fact: its data, and where in the log it stands."""
    assert isinstance(entry, HostFact)
    return {**entry.data, "position": entry.position, "at": format_instant(entry.at_ms)}


def is_dispute(entry: Receipt | HostFact) -> bool:
    """True for the facts that hold a record of a dispute."""
    return isinstance(entry, HostFact) and entry.fact in DISPUTE_FACTS


def dispute_line(entry: Receipt | HostFact) -> dict[str, Json]:
    """The line of ``disputes`` for one such fact: the signed record, and where it stands."""
    assert isinstance(entry, HostFact)
    return {
        "kind": entry.fact,
        "record": entry.data.get("record"),
        "position": entry.position,
        "at": format_instant(entry.at_ms),
    }


def withhold(deal: Mapping[str, Json], message_number: int) -> dict[str, Json]:
    """A copy of a deal without the content of one message (its hash stays).

    ``message_number`` counts from 1 in ``messages``. Its place, sender and back-link stay
    checkable through its receipt; claims that need the content are then not checkable.
    Raises ``MisuseError`` when there is no such session message.
    """
    messages, raw = deal.get("messages"), deal.get("raw")
    if not (isinstance(messages, list) and isinstance(raw, list) and len(raw) == len(messages)):
        raise MisuseError("this is no deal file: `messages` and `raw` are arrays of one length")
    if not 1 <= message_number <= len(messages):
        raise MisuseError(f"there is no message {message_number}, only 1 to {len(messages)}")
    message = messages[message_number - 1]
    integrity = message.get(INTEGRITY) if isinstance(message, dict) else None
    if not isinstance(message, dict) or not isinstance(integrity, dict):
        raise MisuseError(f"message {message_number} is withheld already")
    if message.get("sessionId") is None:
        raise MisuseError("discovery is left out with `share`, not message by message")
    at = message_number - 1
    blank: Json = {"withheld": True, "hash": integrity.get("hash")}
    return {
        **deal,
        "messages": [*messages[:at], blank, *messages[at + 1 :]],
        "raw": [*raw[:at], None, *raw[at + 1 :]],
    }


def log_leaf(record: Mapping[str, Json]) -> bytes:
    """The bytes of a trust log entry that its Merkle leaf is hashed from: the signed record."""
    return canonical(dict(record))


def standings(
    records: Sequence[Record], session: str, agents: Iterable[str], believed: Roots
) -> dict[str, Standings]:
    """Recompute what a session's outcomes made of its agents.

    ``records`` are in the order of the log. *Before* is the fold of all records ahead of the
    session's first outcome, *after* that up to its last one; both at the outcome's own time.
    Empty when the session has no outcome among them.
    """
    own = [i for i, one in enumerate(records) if _is_outcome_of(one, session)]
    if not own:
        return {}
    state = before = folded(records[: own[0]], believed)
    for record in records[own[0] : own[-1] + 1]:
        state = fold(state, record)
    first_ms, last_ms = records[own[0]].at_ms, records[own[-1]].at_ms
    return {
        agent: Standings(
            score(before, agent, first_ms),
            score(state, agent, last_ms),
        )
        for agent in agents
    }


def believed_at(host: str, records: Iterable[tuple[Record, Mapping[str, Json]]]) -> Roots:
    """Whom the trust node of a host must have believed: itself, and whose reports it took in.

    ``records`` are of its log, each as read and as signed.
    """
    clearings, attesters = {host}, set[str]()
    for record, signed in records:
        if isinstance(record, Attestation):
            attesters.add(record.by)
        if isinstance(record, Outcome) and MEMBER in signed:
            clearings.add(record.clearing)
    return Roots(frozenset(clearings), frozenset(attesters))


def folded(records: Iterable[Record], believed: Roots) -> TrustState:
    """Fold records of a trust log from its beginning."""
    state = TrustState(believed)
    for record in records:
        state = fold(state, record)
    return state


def unfounded(
    records: Iterable[tuple[int, Record]], outcome: Outcome, believed: Roots
) -> tuple[str, ...]:
    """Name the parties of an outcome whose standing stored before it these records do not give.

    ``records`` are (index in the log, record), in order, perhaps not all of them. A standing that
    was never stored is not borne out either.
    """
    ahead = list(records)
    last = next((i for i, (_, record) in enumerate(ahead) if record == outcome), len(ahead))
    index = ahead[last][0] if last < len(ahead) else None
    stood = {party.agent: party.before for party in outcome.parties}
    return tuple(
        agent
        for agent, before in stood.items()
        if before is None
        # A session opens before it ends.
        or (before.size is not None and index is not None and before.size > index)
        or not _stood_so(ahead[:last], agent, before, outcome.at_ms, believed)
    )


def _stood_so(
    ahead: Sequence[tuple[int, Record]], agent: str, before: Before, at_ms: int, believed: Roots
) -> bool:
    """True when these records give the standing that was stored."""
    size = before.size
    known = (record for index, record in ahead if size is None or index < size)
    at_ms = at_ms if before.at_ms is None else before.at_ms
    found = standing_before(folded(known, believed), agent, at_ms)
    return (found.score, found.provisional) == (before.score, before.provisional)


def _is_outcome_of(record: Record, session: str) -> bool:
    return isinstance(record, Outcome) and record.session == session


def trust_lines(found: Mapping[str, Standings]) -> list[dict[str, Json]]:
    """The ``trust`` member of a deal file from ``standings``."""
    return [
        {"uri": agent, "before": _standing(one.before), "after": _standing(one.after)}
        for agent, one in found.items()
    ]


def _standing(value: Score) -> dict[str, Json]:
    parts = value.components.items()
    return {
        "score": number_to_json(value.score),
        "level": value.level,
        "components": {name: number_to_json(part.normalize()) for name, part in parts},
    }
