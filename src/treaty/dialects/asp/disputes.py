"""Disputes of a session: signed records, read and folded as facts of its host (decision B15).

    dispute   {disputeId, sessionId, commitmentId, part?, filedBy, filedAgainst?, reason,
               severity?, evidence?, at}
    evidence  {disputeId, by, statement, documents?, last?, at}
    reveal    {disputeId, by, secret, at}
    vote      {disputeId, by, toPayee, severity?, reason?, at}
    ruling    {disputeId, by, toPayee, severity?, reason?, at}

A fact holds the record whole, for a filing the candidates for arbiters, for a vote the arbiter's
card and for a ruling the operator's key. Whoever folds it checks the signature: a party's by its
pinned key, a judge's as ``judges`` says. What a record says of its session must be so; ours name
it, so that no word is used twice. ``severity`` in a filing is the filer's opinion; the resolver's
counts.

Read next: ``judges``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Final

from treaty.core import dispute as core
from treaty.core.commitment import Commitment, Escrow, Order, OrderKind
from treaty.core.dispute import Candidate, Dispute, Phase, Seeds, Vote
from treaty.core.levels import dollar_units
from treaty.core.log import HostFact
from treaty.core.movement import WHOLE
from treaty.core.obligation import Obligation
from treaty.core.settlement import check_disputable, disputed_duties
from treaty.core.settlement import dispute as freeze
from treaty.core.settlement import rule as carry_out
from treaty.dialects.asp.conversation import Conversation, with_commitment, with_dispute
from treaty.dialects.asp.judges import check_ruling, check_vote, read_candidates
from treaty.errors import Refused, SignatureError, WireError, shown
from treaty.identity.keys import read_public_key
from treaty.identity.records import open_record
from treaty.wire import fields
from treaty.wire.encoding import hex_decode
from treaty.wire.money import Money, money_from_json

TIMER: Final = "dispute:"
SECRET_BYTES: Final = 32
FACTS: Final = frozenset(("dispute", "evidence", "reveal", "vote", "ruling"))
STATEMENT_CHARS_MAX: Final = 32_768
DISPUTES_MAX: Final = 64
"""Disputes of one session."""


def find(conversation: Conversation, name: str) -> Dispute:
    """A dispute of this session. Raises ``Refused`` (``reference_unknown``)."""
    dispute = conversation.disputes.get(name)
    if dispute is None:
        raise Refused("no dispute of yours has this id", "reference_unknown")
    return dispute


def disputes_of(conversation: Conversation, commitment: str) -> tuple[Dispute, ...]:
    """The disputes about one commitment, oldest first."""
    return tuple(one for one in conversation.disputes.values() if one.commitment == commitment)


def note(conversation: Conversation, fact: HostFact) -> Conversation:
    """Fold one fact about a dispute.

    Raises ``WireError`` and ``SignatureError`` for a record that is not what it must be, and
    ``Refused`` for one that comes at the wrong time, as the host does when it is handed in.
    """
    record = fields.obj(fact.data, "record")
    if fact.fact == "dispute":
        candidates = read_candidates(fact.data, conversation.principals)
        return _file(conversation, record, fact.at_ms, candidates)
    dispute = find(conversation, fields.ident(record, "disputeId"))
    named = fields.text_or(record, "sessionId")
    if named is not None and named.lower() != conversation.id:
        raise WireError("the record is about a dispute in another session")
    after = _NOTES[fact.fact](conversation, dispute, fact.data, fact.at_ms)
    return _settle(conversation, replace(after, records=after.records | {_hash(record)}))


def _hash(record: fields.Object) -> str:
    return fields.text(fields.obj(record, "integrity"), "hash")


def judge_filing(conversation: Conversation, record: fields.Object, at_ms: int) -> None:
    """Ask whether a filing is lawful at this moment; raises as ``note`` does."""
    _file(conversation, record, at_ms, ())


def _file(
    conversation: Conversation,
    record: fields.Object,
    at_ms: int,
    candidates: tuple[Candidate, ...],
) -> Conversation:
    filer = fields.agent(record, "filedBy")
    if filer not in conversation.principals:
        raise Refused("no session of yours has this id", "unknown_session")
    _check_signed(conversation, "dispute", record, filer)
    if fields.text(record, "sessionId").lower() != conversation.id:
        raise WireError("the dispute is about another session")
    commitment = conversation.commitments.get(fields.ident(record, "commitmentId"))
    if commitment is None or commitment.escrow is None:
        raise Refused("it names no commitment with an escrow", "reference_unknown")
    named = fields.agent_or(record, "filedAgainst")
    if named not in (None, conversation.other(filer)):
        raise Refused("a dispute is filed against the other party", "policy_violation")
    name = fields.ident(record, "disputeId")
    _check_new(conversation, commitment, name, filer)
    slice_id = fields.text_or(record, "part") or WHOLE
    fields.integer_or(record, "severity", least=1, most=core.SEVERITY_MAX)
    share = check_disputable(commitment, slice_id, filer, at_ms)
    escrow = commitment.escrow
    dispute = Dispute(
        id=name,
        commitment=commitment.id,
        commit_hash=commitment.hash,
        slice=slice_id,
        units=share.units,
        filer=filer,
        payer=escrow.payer,
        payee=escrow.payee,
        reason=fields.ident(record, "reason"),
        bond_units=core.bond_units(share.units, dollar_units(escrow.money.asset, escrow.rates)),
        at_ms=at_ms,
        due_ms=at_ms + core.EVIDENCE_MS,
        seeds=_seeds(conversation, commitment),
        candidates=candidates,
        records=frozenset((_hash(record),)),
    )
    frozen = freeze(commitment, slice_id, at_ms)
    moved = with_dispute(with_commitment(conversation, frozen), dispute)
    return replace(moved, ids=moved.ids | {name})


def _check_new(conversation: Conversation, commitment: Commitment, name: str, filer: str) -> None:
    if name in conversation.ids:
        raise Refused(f"the id {shown(name)} is already used in this session", "duplicate")
    if any(one.filer == filer for one in disputes_of(conversation, commitment.id)):
        raise Refused("one party files one dispute about a commitment", "duplicate")
    if len(conversation.disputes) >= DISPUTES_MAX:
        raise Refused(f"a session has at most {DISPUTES_MAX} disputes", "session_full")


def _check_signed(conversation: Conversation, kind: str, record: fields.Object, party: str) -> None:
    member = conversation.participants.get(party)
    if member is None or member.public_key is None or member.revoked:
        raise SignatureError(f"no key of {party} is pinned")
    open_record(kind, dict(record), read_public_key(member.public_key))


def _seeds(conversation: Conversation, commitment: Commitment) -> Seeds | None:
    """The promised secrets, when both parties have promised one."""
    if commitment.seed is None or commitment.accepter_seed is None:
        return None
    author = commitment.author
    return Seeds(author, conversation.other(author), commitment.seed, commitment.accepter_seed)


def _note_evidence(
    conversation: Conversation, dispute: Dispute, data: fields.Object, at_ms: int
) -> Dispute:
    record = fields.obj(data, "record")
    by = _party(dispute, record)
    _check_signed(conversation, "evidence", record, by)
    if not fields.text(record, "statement", chars_max=STATEMENT_CHARS_MAX).strip():
        raise WireError("a piece of evidence says in its statement what it shows")
    after = core.note_evidence(dispute, by, rests=fields.flag(record, "last"), at_ms=at_ms)
    if not core.is_rested(after):
        return after
    return core.end_evidence(after, _duties(conversation, dispute), at_ms)


def _note_reveal(
    conversation: Conversation, dispute: Dispute, data: fields.Object, at_ms: int
) -> Dispute:
    record = fields.obj(data, "record")
    by = _party(dispute, record)
    _check_signed(conversation, "reveal", record, by)
    secret = hex_decode(fields.text(record, "secret"), SECRET_BYTES)
    return core.reveal(dispute, by, secret, at_ms)


def _party(dispute: Dispute, record: fields.Object) -> str:
    by = fields.agent(record, "by")
    if by not in dispute.parties:
        raise Refused("no dispute of yours has this id", "reference_unknown")
    return by


def _note_vote(
    conversation: Conversation, dispute: Dispute, data: fields.Object, at_ms: int
) -> Dispute:
    record = fields.obj(data, "record")
    by = fields.agent(record, "by")
    if by in dispute.arbiters:
        check_vote(dispute, by, data)
    to_payee, severity = _split(conversation, dispute, record)
    return core.vote(dispute, by, Vote(to_payee, severity), at_ms)


def _note_ruling(
    conversation: Conversation, dispute: Dispute, data: fields.Object, at_ms: int
) -> Dispute:
    check_ruling(conversation, data)
    to_payee, severity = _split(conversation, dispute, fields.obj(data, "record"))
    return core.decide(dispute, to_payee, severity, at_ms)


def _split(
    conversation: Conversation, dispute: Dispute, record: fields.Object
) -> tuple[int, int | None]:
    asset = _asset(conversation, dispute)
    severity = fields.integer_or(record, "severity", least=1, most=core.SEVERITY_MAX)
    return money_from_json(record.get("toPayee"), asset).units, severity


Note = Callable[[Conversation, Dispute, fields.Object, int], Dispute]
_NOTES: Final[Mapping[str, Note]] = MappingProxyType(
    {
        "evidence": _note_evidence,
        "reveal": _note_reveal,
        "vote": _note_vote,
        "ruling": _note_ruling,
    }
)


def _asset(conversation: Conversation, dispute: Dispute) -> str:
    escrow = conversation.commitments[dispute.commitment].escrow
    assert escrow is not None
    return escrow.money.asset


def _duties(conversation: Conversation, dispute: Dispute) -> tuple[Obligation, ...]:
    return disputed_duties(conversation.commitments[dispute.commitment], dispute.slice)


def _settle(conversation: Conversation, dispute: Dispute) -> Conversation:
    """Put a dispute back; a ruling is carried out on its commitment at once."""
    before = conversation.disputes[dispute.id]
    moved = with_dispute(conversation, dispute)
    if dispute.ruling is None or before.ruling is not None:
        return moved
    commitment = conversation.commitments[dispute.commitment]
    ruled = carry_out(commitment, dispute.slice, dispute.ruling.to_payee, dispute.ruling.at_ms)
    return with_commitment(moved, ruled)


def running(conversation: Conversation) -> tuple[tuple[str, int], ...]:
    """The timers of open disputes: name, and when it is due."""
    return tuple(
        (f"{TIMER}{one.id}", one.due_ms)
        for one in conversation.disputes.values()
        if one.phase is not Phase.RULED
    )


def fire(conversation: Conversation, name: str) -> Conversation:
    """The timer of a dispute is due: its phase ends."""
    dispute = conversation.disputes[name.removeprefix(TIMER)]
    duties = _duties(conversation, dispute)
    return _settle(conversation, core.pass_time(dispute, duties, conversation.at_ms))


def extended(conversation: Conversation, outage_ms: int) -> Conversation:
    """Add a host outage to the time of every open dispute (B10)."""
    for one in tuple(conversation.disputes.values()):
        conversation = with_dispute(conversation, core.extend(one, outage_ms))
    return conversation


def bond_orders(conversation: Conversation) -> tuple[Order, ...]:
    """What the clearing must do about bonds: hold one, or settle it after the ruling."""
    found = []
    for one in conversation.disputes.values():
        escrow = _bond(conversation, one)
        if not one.bond_reserved:
            kind, post = OrderKind.RESERVE, 0
        elif one.ruling is not None and one.bond_posted is None:
            kind, post = OrderKind.SETTLE, one.bond_units if one.bond_lost else 0
        else:
            continue
        found.append(Order(kind, one.commitment, escrow, post, units=one.bond_units, bond=one.id))
    return tuple(found)


def _bond(conversation: Conversation, dispute: Dispute) -> Escrow:
    money = Money(dispute.bond_units, _asset(conversation, dispute))
    return Escrow(dispute.filer, dispute.against, money, "dispute")


def note_bond(conversation: Conversation, order: Order) -> Conversation:
    """The clearing has done what a bond's order said."""
    dispute = conversation.disputes[order.bond]
    if order.kind is OrderKind.RESERVE:
        return with_dispute(conversation, replace(dispute, bond_reserved=True))
    return with_dispute(conversation, replace(dispute, bond_posted=order.post_units))
