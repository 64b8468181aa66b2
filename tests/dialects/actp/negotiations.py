"""Whole negotiations for the tests of deal files, as a party would have kept them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from tests.dialects.actp.messages_made import (
    AT_MS,
    BUYER,
    CHAIN,
    CHAINS,
    KERNEL,
    NOW,
    SELLER,
    TX,
    accept,
    counter,
    did,
    quote,
)
from treaty.core.deal import Report, Verdict
from treaty.dialects.actp.builders import CounterAcceptBuilder, CounterOfferBuilder, build_request
from treaty.dialects.actp.deal import Decided, Line, Negotiated, make_deal
from treaty.dialects.actp.hashes import message_hash
from treaty.dialects.actp.messages import Message

REQUEST = build_request(
    CHAINS,
    BUYER,
    tx_id=TX,
    chain_id=CHAIN,
    service="translate",
    amount=500_000,
    max_price=2_000_000,
    deadline=NOW + 3_600,
    at_ms=AT_MS,
)
FIRST = quote()
SECOND = quote(quoted_amount=1_200_000, nonce=2, justification={"reason": "weniger geht, für Sie"})
COUNTER = counter()
COUNTER_2 = CounterOfferBuilder(CHAINS, BUYER).answer(
    SECOND, counter_amount=1_000_000, nonce=2, at_ms=AT_MS
)
ACCEPT_2 = CounterAcceptBuilder(CHAINS, SELLER).answer(COUNTER_2, nonce=1, at_ms=AT_MS)


def negotiated(*messages: Message, **changes: Any) -> Negotiated:
    """A negotiation of these messages, one second apart."""
    members: dict[str, Any] = {
        "chain_id": CHAIN, "kernel": KERNEL.lower(), "tx_id": TX, "consumer": did(BUYER),
        "provider": did(SELLER), "by": "consumer", "state": "QUOTED",
        "lines": [Line(one, AT_MS + 1_000 * n) for n, one in enumerate(messages)],
    }  # fmt: skip
    return Negotiated(**members | changes)


def by_acceptance() -> dict[str, Any]:
    """Quote, counter, dearer quote than hoped, counter, acceptance."""
    return plain(
        make_deal(
            negotiated(
                FIRST, COUNTER, SECOND, COUNTER_2, ACCEPT_2,
                request=REQUEST, state="AGREED", accepted=ACCEPT_2, accepted_at_ms=AT_MS + 9_000,
                budget="spent",
                decided=[
                    Decided(message_hash(FIRST), "counter", "a lower price is tried"),
                    Decided(message_hash(ACCEPT_2), "accept", "the provider accepted the counter"),
                ],
            )
        )
    )  # fmt: skip


def by_quote() -> dict[str, Any]:
    """Quote, counter, and the new quote taken as it is."""
    return plain(
        make_deal(
            negotiated(
                FIRST, COUNTER, SECOND,
                state="AGREED", accepted=SECOND, accepted_at_ms=AT_MS + 9_000, budget="spent",
            )
        )
    )  # fmt: skip


def walked() -> dict[str, Any]:
    """Quote, counter, silence."""
    return plain(make_deal(negotiated(FIRST, COUNTER, state="WALKED", budget="released")))


def plain(deal: Any) -> dict[str, Any]:
    """A file as it is read back."""
    read = json.loads(json.dumps(deal))
    assert isinstance(read, dict)
    return read


def failed(report: Report) -> tuple[str, ...]:
    """The claims that failed."""
    return report.of(Verdict.FAILED)


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of every value in a document that is no container, and of every empty one."""
    if isinstance(value, dict) and value:
        for name, inner in value.items():
            yield from places(inner, (*path, name))
    elif isinstance(value, list) and value:
        for index, inner in enumerate(value):
            yield from places(inner, (*path, index))
    else:
        yield path


__all__ = ["accept", "by_acceptance", "by_quote", "failed", "negotiated", "places", "walked"]
