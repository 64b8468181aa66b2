"""How a negotiation ended, offline: the claims complete and accepted, and the exporter's account.

What was said before the first message of the file (a quote names nothing before it), when a
message came, which moves the exporter's policy made and what became of its budget is said by
nobody else: the claim ``account`` tells a reader so, and is never more than not checkable.

Read next: ``audit``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from treaty.core.deal import Finding, lack
from treaty.dialects.actp.audit_file import File, Spoken
from treaty.dialects.actp.deal import intended
from treaty.dialects.actp.hashes import message_hash
from treaty.dialects.actp.machine import (
    AGREED,
    COUNTERED,
    EXPIRED,
    QUOTED,
    UNQUOTED,
)
from treaty.dialects.actp.messages import CounterAccept, CounterOffer, PriceQuote
from treaty.errors import WireError

COMPLETE: Final = "complete"
ACCEPTED: Final = "accepted"
ACCOUNT: Final = "account"


def complete_findings(file: File) -> Iterator[Finding]:
    """The state is the one the messages lead to, and signed by who ended it."""
    if not file.spoken:
        yield lack(COMPLETE, "", "nothing was said in it")
        return
    last = file.spoken[-1]
    is_accept = isinstance(last.message, CounterAccept)
    if is_accept and file.state not in (AGREED, EXPIRED):
        yield Finding(COMPLETE, last.where, f"an acceptance does not lead to {file.state}")
    elif file.state == AGREED and not is_accept:
        yield from _by_quote(file, last)
    elif file.state in (UNQUOTED, QUOTED, COUNTERED):
        yield from _open(file, last)
    elif file.state == AGREED:
        return
    else:
        yield lack(COMPLETE, "", f"nobody signs that it ended as {file.state}")


def _by_quote(file: File, last: Spoken) -> Iterator[Finding]:
    if not isinstance(accepted_message(file), PriceQuote):
        yield Finding(COMPLETE, last.where, "agreed, and there is no acceptance")
        return
    standing = [one for one in file.spoken if isinstance(one.message, PriceQuote)][-1]
    if file.accepted is None or _hash(standing) != file.accepted.get("messageHash"):
        yield Finding(COMPLETE, "accepted", "it is not the quote that stood last")
    yield lack(COMPLETE, "", "the consumer's yes to a quote is signed by no message, only on chain")


def _open(file: File, last: Spoken) -> Iterator[Finding]:
    reached = QUOTED if isinstance(last.message, PriceQuote) else COUNTERED
    if file.state != reached and not (file.state == QUOTED and reached == COUNTERED):
        yield Finding(COMPLETE, last.where, f"the messages lead to {reached}, not {file.state}")
        return
    yield lack(COMPLETE, "", f"it had not ended; it was {file.state} when it was exported")


def accepted_findings(file: File) -> Iterator[Finding]:
    """What was agreed, what would be committed and what the exporter says of it agree."""
    if (file.state == AGREED) != (file.accepted is not None):
        yield Finding(ACCEPTED, "accepted", f"it contradicts the state {file.state}")
        return
    known = {_hash(one) for one in file.spoken}
    if not set(file.answered) <= known:
        yield Finding(ACCEPTED, "policy", "a move answers a message that is not in the file")
    if file.accepted is None:
        if file.intended is not None or file.budget == "spent":
            yield Finding(ACCEPTED, "intended", "nothing was agreed, and something is committed")
        return
    message = accepted_message(file)
    if message is None:
        yield Finding(ACCEPTED, "accepted", "it is no quote or acceptance of this file")
        return
    if file.accepted.get("amount") != amount_of(message):
        yield Finding(ACCEPTED, "accepted", "the amount is not the one that was signed")
    if file.intended != intended(file.tx_id, message):
        yield Finding(ACCEPTED, "intended", "it would commit something else than was agreed")
    if file.budget == "released":
        yield Finding(ACCEPTED, "budget", "agreed, and the budget was given back")


def accepted_message(file: File) -> PriceQuote | CounterAccept | None:
    """The message that the file says was accepted, if it has it."""
    if file.accepted is None:
        return None
    wanted = file.accepted.get("messageHash")
    for one in file.spoken:
        is_end = isinstance(one.message, PriceQuote | CounterAccept)
        if is_end and _hash(one) == wanted and not isinstance(one.message, CounterOffer):
            return one.message
    return None


def _hash(one: Spoken) -> str | None:
    try:
        return message_hash(one.message)
    except WireError:
        return None


def amount_of(message: PriceQuote | CounterAccept) -> str:
    """What an accepted message says is paid, in base units."""
    return message.quoted_amount if isinstance(message, PriceQuote) else message.accepted_amount


def account_findings(file: File) -> Iterator[Finding]:
    """A party's moves answer what the other said; all else in them is its own word."""
    by_hash = {_hash(one): one for one in file.spoken}
    for answered in file.answered:
        one = by_hash.get(answered)
        if one is not None and isinstance(one.message, CounterOffer) == (file.by == "consumer"):
            yield Finding(ACCOUNT, "policy", f"the {file.by} answers {one.where}, which is its own")
    yield lack(
        ACCOUNT, "", f"what was said before, times, moves and budget are the {file.by}'s own word"
    )
