"""The fold of a negotiation: from its records alone it comes to what the live node knew."""

from __future__ import annotations

from typing import Any

import pytest

from tests.dialects.actp.messages_made import AT_MS, BUYER, CHAIN, CHAINS, NOW, SELLER, TX, did
from treaty.dialects.actp.builders import CounterOfferBuilder, build_request
from treaty.dialects.actp.dialect import ACTP
from treaty.dialects.actp.messages import CounterAccept, CounterOffer, PriceQuote
from treaty.dialects.actp.negotiation import EXPIRED_ENTRY, Negotiation
from treaty.dialects.actp.policy import ProviderPolicy
from treaty.errors import Refused
from treaty.wire.canonical import canonical, read_json

POLICY = ProviderPolicy(
    floor_units=500_000, ideal_units=1_000_000, session_ttl_s=300, quote_ttl_s=60
)
SHOP = ACTP(POLICY, CHAINS, SELLER)


class Scene:
    """A negotiation that is folded twice: live, and from the bytes of its records."""

    def __init__(self) -> None:
        self.live = self.cold = SHOP.start()
        self.nonce = 0

    def hear(self, message: Any, at_ms: int = AT_MS) -> Any:
        """Take a message as the desk does, and return the reply."""
        if isinstance(message, CounterOffer):
            heard = SHOP.verify_counter(message, CHAIN, TX, at_ms)
        else:
            heard = SHOP.verify_request(message, at_ms)
        SHOP.check(self.live, heard, None, at_ms)
        decision = SHOP.decide(self.live, heard, None, at_ms, None)
        self.nonce += 1
        nonce = self.nonce if SHOP.reply_type(decision) else None
        answer = SHOP.answer(self.live, heard, decision, nonce, at_ms)
        self.live = SHOP.fold(self.live, answer.kind, answer.record, answer.parsed)
        stored = read_json(canonical(answer.record))
        assert isinstance(stored, dict)
        self.cold = SHOP.fold(self.cold, answer.kind, stored, None)
        assert self.live == self.cold
        return answer.parsed.reply

    def counter(self, amount: int, quote: PriceQuote | None = None, **changes: Any) -> Any:
        builder = CounterOfferBuilder(CHAINS, BUYER)
        if quote is not None:
            members = {"counter_amount": amount, "nonce": 1, "at_ms": AT_MS, **changes}
            return self.hear(builder.answer(quote, **members))
        members = {
            "tx_id": TX, "provider": did(SELLER), "quote_amount": 1_500_000,
            "counter_amount": amount, "max_price": 2_000_000, "in_reply_to": "0x" + "bb" * 32,
            "chain_id": CHAIN, "nonce": 1, "at_ms": AT_MS,
        }  # fmt: skip
        return self.hear(builder.build(**members | changes))

    def request(self, **changes: Any) -> Any:
        members = {
            "tx_id": TX, "chain_id": CHAIN, "service": "s", "amount": 600_000,
            "max_price": 2_000_000, "deadline": NOW + 3_600, "at_ms": AT_MS,
        }  # fmt: skip
        return self.hear(build_request(CHAINS, BUYER, **members | changes))


def test_a_whole_negotiation_folds_to_the_same_state_from_bytes() -> None:
    scene = Scene()
    first = scene.request()
    second = scene.counter(600_000, first)
    third = scene.counter(650_000, second)
    accept = scene.counter(740_000, third, justification={"reason": "für immer 𝄞"})

    assert [one.units for one in (first, second, third)] == [1_000_000, 850_000, 745_000]
    # The last counter is below the quote and no round is left.
    assert accept is None
    assert scene.live.session.state == "QUOTED"
    assert not scene.live.is_open


def test_an_acceptance_remembers_until_when_it_holds() -> None:
    scene = Scene()
    accept = scene.counter(1_100_000, expires_at=NOW + 60)

    assert isinstance(accept, CounterAccept)
    assert (scene.live.agreed_units, scene.live.agreed_until_s) == (1_100_000, NOW + 60)
    assert (scene.live.session.state, scene.live.is_open) == ("AGREED", False)


def test_a_declined_request_ends_the_negotiation() -> None:
    scene = Scene()

    assert scene.request(max_price=600_001 - 1, amount=60_000, deadline=NOW) is None
    assert scene.live.session.state == "WALKED"


def test_a_rejected_opening_may_be_tried_again_by_the_same_account() -> None:
    scene = Scene()
    assert scene.counter(600_000, max_price=700_000) is None
    assert scene.live.session.state == "UNQUOTED"
    assert isinstance(scene.counter(1_100_000, max_price=1_200_000), CounterAccept)


def test_a_quote_lives_no_longer_than_its_own_time_or_the_negotiation() -> None:
    scene = Scene()
    first = scene.counter(600_000)
    assert first.expires_at == NOW + 60
    builder = CounterOfferBuilder(CHAINS, BUYER)
    late = builder.answer(first, counter_amount=600_000, nonce=2, at_ms=AT_MS)
    second = scene.hear(late, AT_MS + 270_000)
    assert second.expires_at == NOW + 300


def test_a_quote_never_says_it_was_opened_above_its_own_price() -> None:
    scene = Scene()
    first = scene.request(amount=1_000_000)
    second = scene.counter(600_000, first)

    assert (first.original_amount, second.original_amount) == ("1000000", "600000")


def test_time_ends_what_is_open() -> None:
    scene = Scene()
    scene.counter(600_000)
    ended = SHOP.fold(scene.live, EXPIRED_ENTRY, {"at": AT_MS}, None)

    assert (ended.session.state, ended.is_open) == ("EXPIRED", False)
    with pytest.raises(Refused):
        SHOP.fold(ended, EXPIRED_ENTRY, {"at": AT_MS}, None)


def test_nothing_heard_holds_no_place() -> None:
    assert not Negotiation().is_open
    assert not Negotiation().is_known


def test_no_private_figure_is_in_what_is_shown() -> None:
    scene = Scene()
    scene.counter(600_000)

    assert not {"500000", "1000000"} & set(map(str, SHOP.view(scene.live).values()))
