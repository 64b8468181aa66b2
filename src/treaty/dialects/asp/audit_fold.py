"""Playing the session again: the claims states, complete and terms, and the timers of times.

The log is folded from its first entry with the same functions the host used, ``judge`` and
``fold``. The first move the automaton does not have is named, and the play stops there; so it
does where a message is withheld, since nobody can say what it did. A fact of the host that was
not due is named and not believed, and the play goes on without it.

What the play gives, ``Played``, is what ``audit_escrow`` and ``audit_trust`` compare with.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from treaty.core.commitment import OrderKind
from treaty.core.deal import Finding, Roots, lack
from treaty.core.log import HostFact, Receipt
from treaty.dialects.asp.audit_escrow import moved
from treaty.dialects.asp.audit_file import Deal, Entry, Message
from treaty.dialects.asp.audit_keys import Pin, Pins, broken, unanchored
from treaty.dialects.asp.choices import FRESHNESS_MS
from treaty.dialects.asp.conversation import Conversation
from treaty.dialects.asp.deadlines import due, fold_fact
from treaty.dialects.asp.dialect import ASP, Ending
from treaty.dialects.asp.disputes import FACTS as DISPUTE_FACTS
from treaty.dialects.asp.folding import fold_message, orders, stamp
from treaty.dialects.asp.messages import Accept, Close, Commit, Counter, Propose
from treaty.dialects.asp.rated import RATE, unrated
from treaty.dialects.asp.rules import judge
from treaty.dialects.asp.terms import contains
from treaty.dialects.asp.watching import METRIC
from treaty.errors import SignatureError, TreatyError
from treaty.identity.keys import PublicKey, read_public_key
from treaty.wire.canonical import Json


@dataclass(frozen=True, slots=True)
class Played:
    """The session after its log, as far as it could be played."""

    conversation: Conversation
    stopped: str
    """Where it could not go on; empty when the whole log was played."""
    ended_ms: int | None
    endings: Mapping[str, Ending]
    """How each settled commitment ended, as its clearing had to report it."""
    findings: tuple[Finding, ...]


@dataclass(slots=True)
class _Play:
    """The play in progress."""

    deal: Deal
    pins: Pins
    conversation: Conversation = field(default_factory=Conversation)
    stopped: str = ""
    ended_ms: int | None = None
    endings: dict[str, Ending] = field(default_factory=dict)
    unreserved: set[str] = field(default_factory=set)
    findings: list[Finding] = field(default_factory=list)


def play(deal: Deal, pins: Pins) -> Played:
    """Fold the whole log, or as much of it as can be folded."""
    by_receipt = {deal.receipts[one.number].number: one for one in _receipted(deal)}
    run = _Play(deal, pins)
    for entry in deal.log:
        if run.stopped:
            break
        # As the host does, before the next entry: a rating that comes later does not count.
        _note_endings(run)
        if isinstance(entry.log, Receipt):
            _hear(run, entry, entry.log, by_receipt.get(entry.number))
        else:
            _note(run, entry, entry.log)
        if run.conversation.ended and run.ended_ms is None:
            run.ended_ms = entry.log.at_ms
    _note_endings(run)
    if not run.stopped and not run.conversation.inviter:
        run.findings.append(lack("states", "", "the log opens no session"))
        run.stopped = "the log"
    return Played(run.conversation, run.stopped, run.ended_ms, run.endings, tuple(run.findings))


def _receipted(deal: Deal) -> list[Message]:
    return [message for message in deal.messages if message.number in deal.receipts]


def _hear(run: _Play, entry: Entry, receipt: Receipt, message: Message | None) -> None:
    """Play one message: lawful in this state, or the end of the play."""
    if message is None or message.envelope is None:
        run.stopped = entry.where if message is None else message.where
        withheld = message is not None and message.withheld
        why = "it is withheld" if withheld else "its message cannot be read"
        run.findings.append(lack("states", run.stopped, f"{why}: what follows was not played"))
        return
    _check_overdue(run, entry, receipt.at_ms)
    _check_unreserved(run, entry)
    envelope, pin = message.envelope, run.pins.of_message.get(message.number)
    try:
        key = _signed_with(run.conversation, receipt, pin)
        judge(run.conversation, envelope, receipt.at_ms, key=key)
        run.conversation = fold_message(
            run.conversation,
            envelope,
            at_ms=receipt.at_ms,
            position=receipt.position,
            entry=entry.hash,
            public_key=_pinned(run.conversation, receipt, pin),
        )
    except TreatyError as error:
        run.stopped = message.where
        run.findings.append(Finding("states", message.where, f"{error.code}: {error.detail}"))


def _signed_with(conversation: Conversation, receipt: Receipt, pin: Pin | None) -> PublicKey | None:
    """The key a message is pinned to, before it or by it."""
    member = conversation.participants.get(receipt.sender)
    text = None if member is None else member.public_key
    text = text or _pinned(conversation, receipt, pin)
    return None if text is None else read_public_key(text)


def _pinned(conversation: Conversation, receipt: Receipt, pin: Pin | None) -> str | None:
    """The key to pin with a sender's first message, though its receipt may have left it out."""
    member = conversation.participants.get(receipt.sender)
    if receipt.public_key is not None or pin is None:
        return receipt.public_key
    return pin.key.text if member is None or member.public_key is None else None


def _check_overdue(run: _Play, entry: Entry, at_ms: int) -> None:
    """A timer long due must have fired before the next message (B10); hosts get a minute."""
    if at_ms - run.conversation.at_ms <= FRESHNESS_MS:
        return
    timer = due(run.conversation, at_ms - FRESHNESS_MS)
    if timer is not None:
        detail = f"the timer {timer.name} was due {at_ms - timer.due_ms} ms before and never fired"
        run.findings.append(Finding("times", entry.where, detail))


def _check_unreserved(run: _Play, entry: Entry) -> None:
    """Money is reserved with the message that orders it, not after the next one (B13)."""
    for order in orders(run.conversation):
        if order.kind is OrderKind.RESERVE and order.commitment not in run.unreserved:
            run.unreserved.add(order.commitment)
            detail = f"{order.commitment} should have been reserved before it"
            run.findings.append(Finding("reserved", entry.where, detail))
    for name, currency in unrated(run.conversation).items():
        detail = f"the rate of {currency} for {name} should have been stated before it"
        run.findings.append(Finding("reserved", entry.where, detail))


_CLAIM_OF: Final = {METRIC: METRIC, RATE: "reserved", **dict.fromkeys(DISPUTE_FACTS, "states")}
"""The claim that a fact out of place speaks against; of all others it is the times."""


def _note(run: _Play, entry: Entry, fact: HostFact) -> None:
    """Play one fact of the host, if it was due."""
    if fact.fact == "escrow":
        run.conversation, found = moved(run.conversation, entry, fact)
        run.findings += found
        return
    try:
        run.conversation = fold_fact(run.conversation, fact, entry=entry.hash)
        return
    except TreatyError as error:
        claim = _CLAIM_OF.get(fact.fact, "times")
        run.findings.append(Finding(claim, entry.where, error.detail))
        if isinstance(error, SignatureError):
            run.findings += broken(entry.where, error)
    run.conversation = stamp(run.conversation, fact.at_ms, fact.position, entry.hash)


def _note_endings(run: _Play) -> None:
    """How each commitment ended, as its clearing had to report it then."""
    for name in ASP.unreported(run.conversation):
        if name not in run.endings:
            run.endings[name] = ASP.settled(run.conversation, name)


def check_heading(deal: Deal, played: Played) -> Iterator[Finding]:
    """The heading repeats what the messages say (``form``, ``states``, ``times``)."""
    heading = deal.heading
    first = deal.messages[0].envelope if deal.messages else None
    if first is not None and isinstance(first.body, Propose):
        for name, right in (
            ("inviter", first.sender),
            ("invitee", first.recipient),
            ("subject", first.body.subject),
        ):
            if getattr(heading, name) != right:
                yield Finding("form", f"session.{name}", f"the invitation says {right!r:.80}")
    if played.stopped:
        return
    state = played.conversation.wire_state
    if heading.state != state:
        yield Finding("states", "session.state", f"by its messages the session is {state}")
    if heading.ended_ms != played.ended_ms:
        yield Finding("times", "session.endedAt", "by the log the session ended at another time")


def check_host(deal: Deal, roots: Roots | None) -> Iterator[Finding]:
    """Times are the host's word (``times``)."""
    heading = deal.heading
    yield from unanchored("times", "session.host", roots, "host", heading.host, heading.host_key)


def check_complete(deal: Deal, played: Played, roots: Roots | None) -> Iterator[Finding]:
    """Nothing is missing, neither in the middle nor at the end (``complete``)."""
    yield from _check_holes(deal)
    closes = {
        message.envelope.sender: (index, message, message.envelope.body)
        for index, message in enumerate(deal.messages)
        if message.envelope is not None and isinstance(message.envelope.body, Close)
    }
    for index, message, body in closes.values():
        yield from _check_counts(deal, index, message, body)
    principals = (deal.heading.inviter, deal.heading.invitee)
    both = [closes[uri][2] for uri in principals if uri in closes]
    counted = all(one.chain_head is not None and one.message_count is not None for one in both)
    if len(both) == len(principals):
        if not counted:
            yield lack("complete", "", "a CLOSE states neither count nor head")
        elif not _is_over(played) and not (played.stopped and _both_completed(both)):
            yield lack("complete", "", "after both CLOSEs there was still something to come")
    elif played.stopped or not _is_over(played):
        yield lack("complete", "", "the session does not end in this file")
    else:
        # No CLOSE of both, so it is the host's signed log that says it is over.
        heading = deal.heading
        yield from unanchored("complete", "", roots, "host", heading.host, heading.host_key)


def _is_over(played: Played) -> bool:
    now = played.conversation
    return not played.stopped and now.ended and not now.live and not orders(now)


def _both_completed(closes: list[Close]) -> bool:
    return all(close.reason == "completed" for close in closes)


def _check_holes(deal: Deal) -> Iterator[Finding]:
    for entry in deal.unmet:
        yield Finding("complete", entry.where, "its message is not in the file")
    expected = 1
    for entry in deal.log:
        if entry.log.position > expected:
            detail = f"the log skips from position {expected - 1} to {entry.log.position}"
            yield Finding("complete", entry.where, detail)
        expected = max(expected, entry.log.position + 1)


def _check_counts(deal: Deal, index: int, message: Message, close: Close) -> Iterator[Finding]:
    """A CLOSE states how many messages came before it, and the hash of the last one (B7)."""
    if close.message_count not in (None, index):
        detail = f"it counts {close.message_count} messages before it, the file has {index}"
        yield Finding("complete", message.where, detail)
    head = deal.messages[index - 1].hash if index else None
    if close.chain_head not in (None, head):
        yield Finding("complete", message.where, "it states another head than the message before")


def check_terms(deal: Deal) -> Iterator[Finding]:
    """Every accepted commitment contains the terms that were accepted before it (``terms``)."""
    offered: dict[str, Mapping[str, Json]] = {}
    accepted: set[str] = set()
    commits: dict[str, tuple[Message, Commit, bool]] = {}
    for message in deal.messages:
        envelope = message.envelope
        body = envelope.body if envelope is not None else None
        if isinstance(body, Propose) and not body.is_invitation:
            offered.setdefault(body.proposal_id, body.terms)
        elif isinstance(body, Counter):
            offered.setdefault(body.counter_id, body.terms)
        elif isinstance(body, Accept):
            accepted.add(body.reference_id)
        elif isinstance(body, Commit):
            agreed = body.proposal_id in accepted
            commits.setdefault(body.commitment_id, (message, body, agreed))
    bound = [one for name, one in commits.items() if name in accepted]
    if not bound:
        yield lack("terms", "", "no commitment was accepted")
    for message, commit, agreed in bound:
        if commit.proposal_id is None:
            yield lack("terms", message.where, "the COMMIT names no accepted proposal")
        elif commit.proposal_id not in offered or not agreed:
            yield from _unknown_proposal(deal, message, commit.proposal_id)
        elif not contains(dict(commit.terms), dict(offered[commit.proposal_id])):
            detail = f"its terms do not contain those of {commit.proposal_id}"
            yield Finding("terms", message.where, detail)


def _unknown_proposal(deal: Deal, message: Message, proposal: str) -> Iterator[Finding]:
    detail = f"{proposal!r:.80} was not offered and accepted before it"
    if any(one.envelope is None for one in deal.messages):
        yield lack("terms", message.where, f"{detail}, as far as the file shows")
    else:
        yield Finding("terms", message.where, detail)
