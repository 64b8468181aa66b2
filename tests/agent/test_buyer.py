"""The buyer's loop: it agrees, binds, waits and closes, or walks away; it never hangs."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import pytest

from tests.agent.local import ALPHA, BETA, Town
from tests.agent.scene import (
    BUYER,
    LISTED,
    alpha_of,
    audit,
    beta_of,
    beta_service,
    end,
    market,
    purchase,
    strike,
)
from tests.agent.session import agreed, seen, session
from tests.simulation.clock import later, now_ms, simulate, simulated
from treaty.agent import (
    Accept,
    BuyerPolicy,
    Counter,
    Deal,
    Purchase,
    Reject,
    Service,
    TermsShape,
    Tier,
    buy,
)
from treaty.agent.buyer import COMMITS_MAX, Mandate, exact_money
from treaty.dialects.asp.conversation import Conversation
from treaty.dialects.asp.messages import Close, Escalate
from treaty.errors import Refused, TreatyError
from treaty.wire.canonical import Json
from treaty.wire.money import Money


def last_close(deal: Deal) -> Close:
    """Alpha's CLOSE."""
    found = [one.body for one in deal.messages if one.sender == ALPHA]
    assert isinstance(found[-1], Close)
    return found[-1]


async def fails(service: Service, **changes: Any) -> tuple[Deal, Refused]:
    """A purchase that comes to nothing, and the session it leaves."""
    async with market(service=service) as (town, alpha, _beta):
        deal = await alpha.invite(BETA)
        with pytest.raises(Refused) as caught:
            await buy(deal, purchase(**changes))
        await later(120_000)
        await audit(town, deal.id)
        assert deal.state == "CLOSED"
        return deal, caught.value


@simulated
async def test_a_refused_proposal_ends_the_negotiation() -> None:
    service = Service()
    service.negotiates(lambda _deal, _proposal: Reject("not for sale", "policy_violation"))
    deal, refusal = await fails(service)

    assert "no agreement" in refusal.detail
    assert last_close(deal).reason == "cancelled"
    assert [one.performative.value for one in deal.messages[4:]] == [
        "PROPOSE", "REJECT", "CLOSE", "CLOSE",
    ]  # fmt: skip


@simulated
async def test_a_price_beyond_the_limit_is_walked_away_from() -> None:
    service = Service()
    dear: dict[str, Json] = {"pricePerHour": 9, "sla": {"uptimePercent": 99.95}}
    service.negotiates(lambda _deal, _proposal: Counter(dear, final=True))
    deal, _ = await fails(service)

    assert last_close(deal).reason == "cancelled"


@simulated
async def test_too_low_a_quality_is_not_bought_at_any_price() -> None:
    service = Service()
    poor: dict[str, Json] = {"pricePerHour": 0.01, "sla": {"uptimePercent": 90}}
    service.negotiates(lambda _deal, _proposal: Counter(poor, final=True))
    deal, _ = await fails(service)

    assert not deal.conversation.commitments


@pytest.mark.parametrize("terms", [{"n": 1}, {"pricePerHour": "little"}, {"pricePerHour": -1}])
def test_terms_that_name_no_readable_price_are_walked_away_from(terms: dict[str, Json]) -> None:
    @simulated
    async def check() -> None:
        service = Service()
        service.negotiates(lambda _deal, _proposal: Counter(terms))
        deal, refusal = await fails(service)

        assert last_close(deal).reason == "cancelled"
        assert "no agreement" in refusal.detail

    check()


@simulated
async def test_a_commitment_that_is_refused_is_not_offered_for_ever() -> None:
    """Beta's shape of a price is another one, so it never agrees with what is in escrow."""
    shape = TermsShape(duration="nothing")
    deal, _ = await fails(beta_service(policy=None, shape=shape))

    assert len(deal.conversation.commitments) == COMMITS_MAX
    assert last_close(deal).summary == "The commitment was not accepted."


@simulated
async def test_a_purse_that_is_empty_ends_the_session() -> None:
    async with market() as (town, alpha, _beta):
        await town.at_home().clearing.transfer(
            town.transfer("out", ALPHA, 49_999, direction="payout")
        )
        deal = await alpha.invite(BETA)
        with pytest.raises(Refused) as caught:
            await buy(deal, purchase())
        await later(1_000)

        assert caught.value.code == "escrow_unfunded"
        assert deal.state == "CLOSED"
        assert b"available" not in b"".join(one.raw for one in deal.messages)


@simulated
async def test_what_does_not_satisfy_is_not_confirmed() -> None:
    async with market() as (town, alpha, _beta):
        deal = await alpha.invite(BETA)
        looked: list[str] = []

        def satisfied(one: Deal) -> bool:
            looked.append(one.state)
            return False

        with pytest.raises(TimeoutError):
            await buy(deal, purchase(satisfied=satisfied))

        assert looked
        assert ALPHA not in deal.conversation.closings
        (commitment,) = deal.conversation.live
        assert commitment.reserved
        await audit(town, deal.id)


def has_claim(now: Conversation) -> bool:
    return any(duty.state.value == "CLAIMED" for one in now.live for duty in one.obligations)


@pytest.mark.parametrize("when", ["CLOSING", "CLOSED"])
def test_a_provider_that_closes_first_is_answered(when: str) -> None:
    """In time, or after the host has closed for the silent buyer: it pays all the same."""
    simulate(check_answered(when))


async def check_answered(when: str) -> None:
    service = beta_service()

    @service.fulfils
    async def work(deal: Deal, _commitment: Any) -> dict[str, Json]:
        async def close_early() -> None:
            await deal.until(has_claim)
            await deal.close(rating=4)

        asyncio.get_running_loop().create_task(close_early())
        return {}

    def satisfied(one: Deal) -> bool:
        return one.state == when

    async with market(service=service) as (town, alpha, _beta):
        deal = await alpha.invite(BETA)
        await buy(deal, purchase(satisfied=satisfied))

        assert deal.state == "CLOSED"
        assert deal.conversation.closings[ALPHA].counts
        (commitment,) = deal.conversation.commitments.values()
        assert commitment.posted_units == 18_000
        await audit(town, deal.id)


@simulated
async def test_a_provider_that_only_closes_has_sold_nothing() -> None:
    service = Service()

    @service.negotiates
    async def leave(deal: Deal, _proposal: Any) -> Any:
        await deal.close(reason="cancelled")
        return Accept()

    async with market(service=service) as (_, alpha, _beta):
        deal = await alpha.invite(BETA)
        with pytest.raises(Refused, match="without a commitment"):
            await buy(deal, purchase())
        assert deal.state == "CLOSED"


@simulated
async def test_a_provider_that_falls_silent_is_not_waited_for_for_ever() -> None:
    async with Town() as town, beta_of(town) as beta, alpha_of(town) as alpha:
        await town.fund(ALPHA, 50_000)

        async def come_and_go() -> None:
            async for item in beta.client.inbox(0):
                if item.kind != "invitation":
                    continue
                deal = await beta.join(str(item.body["session"]), ALPHA)
                await deal.accept()
                await deal.until(lambda now: ALPHA in now.session.marks)
                await deal.introduce(beta.card)

        coming = asyncio.create_task(come_and_go())
        deal = await alpha.invite(BETA)
        began_ms = now_ms()
        with pytest.raises(TimeoutError):
            await buy(deal, purchase())
        assert now_ms() - began_ms == 600_000
        await end(coming)


@simulated
async def test_a_session_that_fails_is_reported() -> None:
    async with market() as (town, alpha, _beta):
        deal = await alpha.invite(BETA)
        await later(3_600_000)
        with pytest.raises(TreatyError):
            await buy(deal, purchase())
        assert deal.state == "FAILED"
        await audit(town, deal.id)


@simulated
async def test_it_opens_at_the_list_price_and_pays_no_more_than_its_limit() -> None:
    async with market() as (_, alpha, _beta):
        deal = await strike(alpha, listed=Tier(Decimal("3.80"), Decimal("99.95")))
        prices = [one.terms["pricePerHour"] for one in deal.conversation.proposals.values()]

        assert prices[0] == 3.8
        agreed = deal.agreed()
        assert agreed is not None
        assert Decimal(str(agreed.terms["pricePerHour"])) <= BUYER.reservation


@simulated
async def test_a_currency_without_decimals_is_negotiated_in_whole_units() -> None:
    policy = BuyerPolicy(ask=None, reservation=Decimal(500), rounds_max=4)
    async with market(service=beta_service(policy=None)) as (town, alpha, _beta):
        await town.fund(ALPHA, 30_000, "JPY")
        deal = await alpha.invite(BETA)
        with pytest.raises(Refused) as caught:
            await buy(deal, purchase(policy=policy, listed=None, currency="JPY"))

        # No rate is configured for yen, so nobody may be bound in them; the price was whole.
        assert caught.value.code == "currency_unsupported"
        agreed = deal.agreed()
        assert agreed is not None
        assert agreed.terms["pricePerHour"] == 250


@pytest.mark.parametrize(
    ("amount", "units"), [("180", 18_000), ("180.00", 18_000), ("0.01", 1), ("1E+2", 10_000)]
)
def test_an_amount_becomes_money_exactly(amount: str, units: int) -> None:
    assert exact_money(Decimal(amount), "USD") == Money(units, "USD")


@pytest.mark.parametrize("amount", ["0.001", "1.005"])
def test_an_amount_the_currency_cannot_hold_is_refused(amount: str) -> None:
    with pytest.raises(TreatyError):
        exact_money(Decimal(amount), "USD")


def test_a_purchase_states_what_it_needs() -> None:
    stated = Purchase({"n": 1}, BUYER)

    assert (stated.currency, stated.listed, stated.method) == ("USD", None, "counterparty-confirm")
    assert LISTED.price == Decimal("3.50")


PERSON = "agent://acme.com/people/finance"
CHIEF = "agent://cloudprime.io/people/chief"


@simulated
async def test_what_the_providers_authority_decides_does_not_stretch_the_buyers_mandate() -> None:
    async with session() as (town, alpha, beta), town.agent("chief", CHIEF) as chief:
        await agreed(alpha, beta)
        (proposal,) = [one.id for one in beta.conversation.proposals.values()]
        await beta.escalate(CHIEF, "May I?", reference=proposal)
        deal = await chief.join(alpha.id, ALPHA)
        await deal.resolve("resume")
        await seen(alpha, deal)
        buying = asyncio.create_task(buy(alpha, purchase(mandate=Mandate(PERSON, Decimal(1)))))
        await later(1_000)
        await end(buying)

        own = [one.body for one in alpha.messages if one.sender == ALPHA]
        assert isinstance(own[-1], Escalate)
        assert own[-1].authority == PERSON
        assert not alpha.conversation.commitments
