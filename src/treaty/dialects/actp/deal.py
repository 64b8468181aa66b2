"""The deal file of the quote channel: one JSON document that anybody can verify offline.

``make_deal`` lays out one negotiation as one of its parties kept it. The published form is
``deal.schema.json`` beside this module.

Laws: ``raw`` holds the envelopes as they travelled and ``messages[i]`` is only the parsed form of
``raw[i]``; what a party did with its budget and policy is told as outcomes in fixed words, and
no limit of its own (ceiling, floor, daily budget, target) is in the file; what a chain would be
told is ``intended`` until a chain has said it, which ``receipts`` will hold.

Read next: ``audit``, which checks such a file.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from treaty.core.deal import DEAL_TAG
from treaty.dialects.actp.choices import TAG
from treaty.dialects.actp.codec import document_of, encode
from treaty.dialects.actp.hashes import message_hash
from treaty.dialects.actp.machine import AGREED
from treaty.dialects.actp.messages import CounterAccept, Message, PriceQuote, QuoteRequest
from treaty.errors import MisuseError
from treaty.wire.canonical import Json, read_json

ACCEPT_QUOTE: Final = "acceptQuote(bytes32,uint256)"
"""What a consumer calls at the kernel, as the peer names it; nobody calls it from here."""
MESSAGES_MAX: Final = 256
MOVES_MAX: Final = 256


@dataclass(frozen=True, slots=True)
class Line:
    """One message of a negotiation and when the exporter sent or got it."""

    message: Message
    at_ms: int
    raw: bytes | None = None
    """The envelope as it travelled; written canonically when it is not known any more."""


@dataclass(frozen=True, slots=True)
class Decided:
    """One move of the exporter's policy: to what, which, and why in fixed words."""

    answers: str | None
    """Hash of the message it answers; None for an opening or for time that passed."""
    move: str
    reason: str


@dataclass(frozen=True, slots=True)
class Negotiated:
    """A negotiation as one party kept it, ready to be laid out."""

    chain_id: int
    kernel: str
    tx_id: str
    consumer: str
    """DID."""
    provider: str
    """DID."""
    by: str
    """Whose copy this is: ``consumer`` or ``provider``."""
    state: str
    """A state of ``machine``."""
    lines: Sequence[Line]
    request: QuoteRequest | None = None
    accepted: Message | None = None
    """The acceptance, or the quote that was accepted."""
    accepted_at_ms: int = 0
    decided: Sequence[Decided] = ()
    budget: str = "none"
    """``spent``, ``held``, ``released`` or ``none``; never how much there is."""


def make_deal(told: Negotiated) -> dict[str, Json]:
    """Assemble the file of one negotiation.

    Raises ``MisuseError`` for a state and an acceptance that contradict one another.
    """
    if (told.state == AGREED) != (told.accepted is not None):
        raise MisuseError(f"{told.state} and an acceptance do not go together")
    raws = [line.raw or encode(line.message) for line in told.lines]
    return {
        "treaty": DEAL_TAG,
        "dialect": TAG,
        "session": _session(told),
        "request": None if told.request is None else document_of(told.request),
        "messages": [read_json(raw) for raw in raws],
        "raw": [raw.decode("utf-8") for raw in raws],
        "hashes": [message_hash(line.message) for line in told.lines],
        "at": [line.at_ms for line in told.lines],
        "accepted": _accepted(told),
        "intended": intended(told.tx_id, told.accepted),
        "budget": {"outcome": told.budget},
        "policy": {"moves": [_move(one) for one in told.decided]},
        "receipts": [],
    }


def intended(tx_id: str, accepted: Message | None) -> dict[str, Json] | None:
    """The call with which a consumer would commit what was agreed; it is sent nowhere."""
    if not isinstance(accepted, PriceQuote | CounterAccept):
        return None
    return {"function": ACCEPT_QUOTE, "txId": tx_id, "newAmount": str(accepted.units)}


def _session(told: Negotiated) -> dict[str, Json]:
    return {
        "id": f"{told.chain_id}/{told.tx_id}",
        "chainId": told.chain_id,
        "kernel": told.kernel,
        "txId": told.tx_id,
        "consumer": told.consumer,
        "provider": told.provider,
        "state": told.state,
        "by": told.by,
    }


def _accepted(told: Negotiated) -> dict[str, Json] | None:
    if not isinstance(told.accepted, PriceQuote | CounterAccept):
        return None
    return {
        "messageHash": message_hash(told.accepted),
        "amount": str(told.accepted.units),
        "at": told.accepted_at_ms,
    }


def _move(one: Decided) -> dict[str, Json]:
    return {"answers": one.answers, "move": one.move, "reason": one.reason}
