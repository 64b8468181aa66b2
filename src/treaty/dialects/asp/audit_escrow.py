"""Money: the claims reserved and released (B13, B22).

What the clearing had to do follows from the session, as orders of the fold. Each escrow fact in
the log must be one of these, once, with the same parties and amounts; each line of ``escrow``
must be one of these facts. So a forged line is named, whoever signed it, and so is one that is
missing.

Law: what was posted and what was voided add up to what was reserved, in whole minor units.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from treaty.core.commitment import CommitmentState, Order, OrderKind, note_reserved
from treaty.core.deal import Finding, Roots, lack
from treaty.core.log import HostFact
from treaty.core.movement import WHOLE
from treaty.core.settlement import note_settled
from treaty.dialects.asp.audit_file import Deal, Entry
from treaty.dialects.asp.audit_keys import unanchored
from treaty.dialects.asp.conversation import Conversation, with_commitment
from treaty.dialects.asp.deal import ESCROW, dispute_line, escrow_line, is_dispute
from treaty.dialects.asp.disputes import note_bond
from treaty.dialects.asp.folding import arrive, orders, stamp
from treaty.dialects.asp.movements import differences, movement_data
from treaty.errors import WireError, shown
from treaty.wire.canonical import Json, canonical

RESERVED = "reserved"
RELEASED = "released"


def moved(
    conversation: Conversation, entry: Entry, fact: HostFact
) -> tuple[Conversation, list[Finding]]:
    """Play one escrow fact: carry out what was due, and name what the fact says otherwise."""
    stamped = stamp(conversation, fact.at_ms, fact.position, entry.hash)
    claim = _claim_of(fact.data)
    order = _due_order(conversation, fact)
    if order is None:
        detail = f"no such movement was due: {shown(fact.data.get('movement'))}"
        return stamped, [Finding(claim, entry.where, detail)]
    wrong = differences(fact.data, movement_data(conversation, order))
    if order.kind is OrderKind.RESERVE and not order.bond and order.escrow.unrated:
        wrong.append(f"no rate of {order.escrow.money.asset} was stated before it")
    if order.bond:
        after = arrive(conversation, note_bond(stamped, order))
        return after, [Finding(claim, entry.where, detail) for detail in wrong]
    commitment = conversation.commitments[order.commitment]
    if order.kind is OrderKind.RESERVE:
        commitment = note_reserved(commitment, fact.at_ms)
    else:
        commitment = note_settled(commitment, order.post_units, order.slice)
    after = arrive(conversation, with_commitment(stamped, commitment))
    return after, [Finding(claim, entry.where, detail) for detail in wrong]


def _claim_of(line: Mapping[str, Json]) -> str:
    return RESERVED if line.get("movement") == OrderKind.RESERVE.value else RELEASED


def _due_order(conversation: Conversation, fact: HostFact) -> Order | None:
    name, movement = fact.data.get("commitmentId"), fact.data.get("movement")
    slice_id, bond = fact.data.get("slice") or WHOLE, fact.data.get("bond") or ""
    for order in orders(conversation):
        wanted = (order.commitment, order.kind.value, order.slice, order.bond)
        if wanted == (name, movement, slice_id, bond):
            return order
    return None


def check_escrow(
    deal: Deal, conversation: Conversation, stopped: str, roots: Roots | None
) -> Iterator[Finding]:
    """The lines of ``escrow`` are the log's facts, nothing due is left, the clearing is known.

    ``conversation`` is the session as far as it was played, ``stopped`` where that ended.
    """
    yield from _check_lines(deal)
    yield from _check_disputes(deal)
    held = any(isinstance(one.log, HostFact) and one.log.fact == ESCROW for one in deal.log)
    pending = orders(conversation)
    for order in pending:
        yield from _check_pending(order)
    if stopped:
        for claim in (RESERVED, RELEASED):
            yield lack(claim, stopped, "what was due after it is not known")
    elif not held and not pending:
        for claim in (RESERVED, RELEASED):
            yield lack(claim, "", "no money was held in this session")
    for commitment in conversation.commitments.values():
        if commitment.live and commitment.escrow is not None:
            yield lack(RELEASED, commitment.id, "it is still bound, and its money held")
        elif commitment.state is CommitmentState.PROPOSED and commitment.reserved:
            yield lack(RELEASED, commitment.id, "it is not accepted yet, and its money held")
    heading = deal.heading
    for claim in (RESERVED, RELEASED):
        yield from unanchored(
            claim, "session.host", roots, "clearing", heading.host, heading.host_key
        )


def _check_lines(deal: Deal) -> Iterator[Finding]:
    """Line by line; the first that differs is named, and so is each that is too much."""
    facts = [
        (entry, escrow_line(entry.log))
        for entry in deal.log
        if isinstance(entry.log, HostFact) and entry.log.fact == ESCROW
    ]
    for number, line in enumerate(deal.escrow, start=1):
        where = f"escrow line {number}"
        claim = _claim_of(line) if isinstance(line, dict) else RELEASED
        if number > len(facts):
            yield Finding(claim, where, "the clearing stated no such movement")
        elif not _same(line, facts[number - 1][1]):
            detail = f"it is not what {facts[number - 1][0].where} says"
            yield Finding(claim, where, detail)
    for entry, line in facts[len(deal.escrow) :]:
        yield Finding(_claim_of(line), entry.where, "escrow has no line for this movement")


def _check_disputes(deal: Deal) -> Iterator[Finding]:
    """The lines of ``disputes`` are the records in the log, which were checked when played."""
    facts = [(entry, dispute_line(entry.log)) for entry in deal.log if is_dispute(entry.log)]
    for number, line in enumerate(deal.disputes, start=1):
        where = f"disputes line {number}"
        if number > len(facts):
            yield Finding("states", where, "the log has no such record")
        elif not _same(line, facts[number - 1][1]):
            yield Finding("states", where, f"it is not what {facts[number - 1][0].where} says")
    for entry, _ in facts[len(deal.disputes) :]:
        yield Finding("states", entry.where, "disputes has no line for this record")


def _same(line: Json, other: Json) -> bool:
    try:
        return canonical(line) == canonical(other)
    except WireError:
        return False


def _check_pending(order: Order) -> Iterator[Finding]:
    """A movement that was due at the end of the log; an earlier reservation was named before."""
    if order.kind is OrderKind.RESERVE:
        yield lack(RESERVED, order.commitment, "the log ends before its reservation")
    yield lack(RELEASED, order.commitment, "the clearing has not settled it in this file")
