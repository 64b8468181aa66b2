"""The claims that rest on the file alone: bytes, links, sequence, signatures, and discovery.

``bytes``: every hash is that of what was received. ``links``: messages, receipts and facts each
extend the one before, and speak of one another. ``sequence``: each sender counts without gap.
``signatures``: messages and their proofs by the pinned key at the time of the receipt, receipts
and facts by the host (B3, B4, B6, B7). ``discovery``: the two messages before the session (B8).

A signature is only ever good for the content it covers, so a changed byte fails ``bytes`` and
``signatures`` both.

Read next: ``audit_fold``, which plays the session again.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

from treaty.core.deal import Finding, Roots, lack
from treaty.core.log import HostFact, Receipt
from treaty.dialects.asp.audit_file import Deal, Entry, Message
from treaty.dialects.asp.audit_keys import (
    Pin,
    Pins,
    anchored_keys,
    broken,
    check_record_hash,
    signer_among,
)
from treaty.dialects.asp.choices import FRESHNESS_MS, SIGNING_PREFIX
from treaty.dialects.asp.messages import Envelope, Inform, Propose, Query
from treaty.dialects.asp.rules import authenticate
from treaty.errors import Refused, SignatureError, UnverifiableError, WireError, shown
from treaty.identity.envelopes import open_envelope
from treaty.identity.keys import PublicKey
from treaty.identity.records import open_record
from treaty.wire.canonical import Json
from treaty.wire.digest import ZERO_TAG, sha256_tag


def check_signatures(deal: Deal, pins: Pins) -> Iterator[Finding]:
    """Messages, proofs, receipts and facts (``signatures``, ``bytes``; freshness: ``times``)."""
    for message in deal.messages:
        if message.envelope is not None:
            yield from _check_message(deal, message, message.envelope, pins)
        elif message.withheld:
            yield lack("signatures", message.where, "it is withheld")
    for entry in deal.log:
        kind = "receipt" if isinstance(entry.log, Receipt) else "fact"
        if signer_among((deal.heading.host_key,), entry.log.record) is None:
            yield Finding("signatures", entry.where, f"{deal.heading.host} did not sign it")
            yield from check_record_hash(entry.where, kind, entry.log.record)
            continue
        try:
            open_record(kind, cast(Json, entry.log.record), deal.heading.host_key)
        except (WireError, SignatureError) as error:
            yield from broken(entry.where, error)


def _check_message(
    deal: Deal, message: Message, envelope: Envelope, pins: Pins
) -> Iterator[Finding]:
    pin, receipt = pins.of_message.get(message.number), deal.receipt_of(message)
    if receipt is not None and sha256_tag(envelope.raw) != receipt.raw_digest:
        yield Finding("bytes", message.where, "its raw text is not what the host received")
    if receipt is not None and pin is not None:
        yield from _check_proven(deal, message.where, envelope, pin, receipt.at_ms)
        return
    # That it has no receipt is for ``links`` to say; only its proof hangs on the time.
    key = pins.key_of(envelope.sender)
    if key is None:
        yield lack("signatures", message.where, f"the file shows no key of {envelope.sender}")
    else:
        yield from _check_envelope(message.where, envelope, key)


def _check_proven(
    deal: Deal, where: str, envelope: Envelope, pin: Pin, at_ms: int
) -> Iterator[Finding]:
    late_ms = at_ms - envelope.timestamp_ms
    if abs(late_ms) > FRESHNESS_MS:
        detail = f"its timestamp is {late_ms} ms from its receipt, at most {FRESHNESS_MS} may be"
        yield Finding("times", where, detail)
    try:
        authenticate(
            envelope,
            pin.key,
            received_at_ms=at_ms,
            base_url=deal.heading.url,
            proof_key=pin.proof_key,
        )
    except UnverifiableError as error:
        yield lack("signatures", where, error.detail)
    except (WireError, SignatureError) as error:
        yield from broken(where, error)
    except Refused as error:
        yield Finding("keys", where, error.detail)


def _check_envelope(where: str, envelope: Envelope, key: PublicKey) -> Iterator[Finding]:
    try:
        open_envelope(envelope.document, key, prefix=SIGNING_PREFIX)
    except SignatureError as error:
        yield from broken(where, error)


def check_links(deal: Deal) -> Iterator[Finding]:
    """Messages, receipts and facts form one chain each, and belong together (``links``)."""
    yield from _check_message_chain(deal)
    yield from _check_log_chain(deal)
    for message in deal.messages:
        receipt = deal.receipt_of(message)
        if receipt is None:
            yield Finding("links", message.where, "the log holds no receipt for it")
        else:
            yield from _check_receipt(message, receipt)
    last = 0
    for message in deal.messages:
        number = deal.receipts[message.number].number if message.number in deal.receipts else last
        if number < last:
            yield Finding("links", message.where, "the host received it before the one ahead of it")
        last = number


def _check_message_chain(deal: Deal) -> Iterator[Finding]:
    head = ZERO_TAG
    for message in deal.messages:
        previous = _previous_hash(deal, message)
        if previous is not None and previous != head:
            detail = f"it extends {previous}, the message before it is {head}"
            yield Finding("links", message.where, detail)
        envelope = message.envelope
        if envelope is not None and envelope.session_id != deal.heading.id:
            yield Finding(
                "links", message.where, f"it is of session {envelope.session_id}, not this one"
            )
        head = message.hash


def _previous_hash(deal: Deal, message: Message) -> str | None:
    """What a message extends; a withheld one by its receipt."""
    if message.envelope is not None:
        return message.envelope.previous_hash
    receipt = deal.receipt_of(message)
    return receipt.previous_hash if receipt is not None else None


def _check_log_chain(deal: Deal) -> Iterator[Finding]:
    head, seen = ZERO_TAG, dict[int, Entry]()
    for position, entry in enumerate(deal.log, start=1):
        log = entry.log
        twin = seen.setdefault(log.position, entry)
        if twin is not entry and twin.hash != entry.hash:
            detail = f"another entry for position {log.position} than {twin.where}"
            yield Finding("links", entry.where, detail)
        elif log.position != position:
            detail = f"its position is {log.position}, in the log it stands at {position}"
            yield Finding("links", entry.where, detail)
        if log.previous_entry != head:
            detail = f"it extends {log.previous_entry}, the entry before it is {head}"
            yield Finding("links", entry.where, detail)
        if log.session != deal.heading.id:
            yield Finding("links", entry.where, f"it is of session {log.session}, not this one")
        head = entry.hash


def _check_receipt(message: Message, receipt: Receipt) -> Iterator[Finding]:
    if receipt.hash != message.hash:
        yield Finding("links", message.where, f"its receipt is for {receipt.hash}")
    envelope = message.envelope
    if envelope is None:
        return
    said = (receipt.sender, receipt.performative, receipt.previous_hash)
    if said != (envelope.sender, envelope.performative.value, envelope.previous_hash):
        detail = f"its receipt names {receipt.performative} by {receipt.sender}"
        yield Finding("links", message.where, detail)


def check_sequence(deal: Deal) -> Iterator[Finding]:
    """Each sender numbers its messages 0, 1, 2 … (``sequence``, B7)."""
    numbers: dict[str, int] = {}
    for message in deal.messages:
        envelope, receipt = message.envelope, deal.receipt_of(message)
        if envelope is None:
            # What cannot be read still takes its sender's number, if its receipt tells whose.
            if receipt is None:
                yield lack("sequence", message.where, "its sender is not known")
            else:
                numbers[receipt.sender] = numbers.get(receipt.sender, 0) + 1
            continue
        expected = numbers.get(envelope.sender, 0)
        if envelope.sequence != expected:
            detail = f"{envelope.sender} numbers it {envelope.sequence}, next was {expected}"
            yield Finding("sequence", message.where, detail)
        numbers[envelope.sender] = (envelope.sequence or 0) + 1


def check_log_times(deal: Deal) -> Iterator[Finding]:
    """The host's times never run backwards, and the heading repeats the first (``times``)."""
    last_ms = None
    for entry in deal.log:
        if last_ms is not None and entry.log.at_ms < last_ms:
            yield Finding("times", entry.where, "it is dated before the entry ahead of it")
        last_ms = entry.log.at_ms
    if deal.log and deal.log[0].log.at_ms != deal.heading.opened_ms:
        yield Finding("times", "session.openedAt", "the first entry of the log has another time")


def check_discovery(deal: Deal, roots: Roots | None, pins: Pins) -> Iterator[Finding]:
    """Questions and answers before the session, each pair a chain of its own (``discovery``)."""
    messages = deal.discovery
    answers: list[str] = []
    for question, answer in zip(messages[::2], messages[1::2], strict=False):
        yield from _check_pair(question, answer)
        answers.append(answer.hash)
    if len(messages) % 2:
        yield lack("discovery", messages[-1].where, "its answer is not in the file")
    for message in messages:
        yield from _check_unsessioned(deal, roots, pins, message)
    yield from _check_named_answer(deal, answers)


def _check_pair(question: Message, answer: Message) -> Iterator[Finding]:
    asked, told = question.envelope, answer.envelope
    assert asked is not None
    assert told is not None
    if not isinstance(asked.body, Query) or asked.previous_hash != ZERO_TAG:
        yield Finding("discovery", question.where, "it is no QUERY that begins a chain")
        return
    if not isinstance(told.body, Inform) or told.previous_hash != asked.hash:
        yield Finding("discovery", answer.where, f"it is no INFORM that extends {question.where}")
    elif told.body.data.get("queryId") not in (None, asked.body.query_id):
        yield Finding("discovery", answer.where, f"it answers another query than {question.where}")


def _check_unsessioned(
    deal: Deal, roots: Roots | None, pins: Pins, message: Message
) -> Iterator[Finding]:
    envelope = message.envelope
    assert envelope is not None
    key = _key_before_session(deal, roots, pins, envelope.sender)
    if key is None:
        yield lack("discovery", message.where, f"no key of {envelope.sender} is at hand")
        return
    for found in _check_envelope(message.where, envelope, key):
        yield found
        yield Finding("discovery", found.where, found.detail)


def _key_before_session(
    deal: Deal, roots: Roots | None, pins: Pins, sender: str
) -> PublicKey | None:
    own = pins.key_of(sender)
    if own is not None:
        return own
    if sender == deal.heading.host:
        return deal.heading.host_key
    return next(iter(anchored_keys(roots, "registry", sender)), None)


def _check_named_answer(deal: Deal, answers: list[str]) -> Iterator[Finding]:
    """The invitation names the hash of the answer its inviter chose from (B8)."""
    first = deal.messages[0] if deal.messages else None
    if first is None or first.envelope is None or not isinstance(first.envelope.body, Propose):
        yield lack("discovery", "", "the invitation cannot be read")
        return
    named = first.envelope.body.terms.get("discovery")
    if named is None:
        yield lack("discovery", first.where, "the invitation names no discovery answer")
    elif named not in answers:
        detail = f"the invitation names the answer {shown(named)}, which is not in the file"
        yield Finding("discovery", first.where, detail)


def facts(deal: Deal, kind: str) -> Iterator[tuple[Entry, HostFact]]:
    """The facts of one kind, in order."""
    for entry in deal.log:
        if isinstance(entry.log, HostFact) and entry.log.fact == kind:
            yield entry, entry.log
