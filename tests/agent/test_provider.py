"""The provider's loop: one step at a time, whatever comes between the steps."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import pytest

from tests.agent.local import ALPHA, BETA, Town
from tests.agent.scene import (
    FUNDS_UNITS,
    SELLER,
    TERMS,
    alpha_of,
    audit,
    beta_of,
    beta_service,
    end,
    market,
    strike,
)
from tests.agent.session import commit
from tests.simulation.clock import later, simulated
from treaty.agent import Accept, Counter, Deal, Reject, Service, TermsShape, serve
from treaty.agent.provider import commitment_problem
from treaty.agent.service import bids
from treaty.dialects.asp.conversation import Conversation
from treaty.dialects.asp.messages import Reject as RejectBody
from treaty.engine.ports import Task, Unit
from treaty.errors import Refused
from treaty.wire.canonical import Json
from treaty.wire.money import Money

PRICED: dict[str, Json] = {**TERMS, "pricePerHour": 3.75}


@asynccontextmanager
async def visit(service: Service, town: Town | None = None) -> AsyncIterator[tuple[Town, Deal]]:
    """Alpha, introduced to a provider that serves; Alpha speaks by hand."""
    async with market(town, service=service) as (here, alpha, _beta):
        yield here, await alpha.invite(BETA)


async def next_state(deal: Deal, *states: str) -> None:
    await deal.until(lambda now: now.state in states)


@simulated
async def test_an_invitation_that_is_not_welcome_is_declined() -> None:
    service = beta_service()
    service.welcomes(lambda deal: deal.counterparty != ALPHA)
    async with market(service=service) as (_, alpha, _beta):
        with pytest.raises(Refused, match="not at this time") as caught:
            await alpha.invite(BETA)
        assert caught.value.code == "unauthorized"


def has_claim(now: Conversation) -> bool:
    return any(duty.state.value == "CLAIMED" for one in now.live for duty in one.obligations)


@simulated
async def test_functions_may_wait_or_not() -> None:
    service = Service()

    @service.welcomes
    async def welcome(_deal: Deal) -> bool:
        await later(10)
        return True

    @service.negotiates
    async def negotiate(_deal: Deal, proposal: Any) -> Any:
        await later(10)
        return Accept(f"fine: {proposal.id}")

    service.fulfils(lambda _deal, _commitment: {"instances": 2})
    async with visit(service) as (_, deal):
        await deal.propose(PRICED)
        await deal.until(lambda now: now.agreed is not None)
        await commit(deal)
        await deal.until(has_claim)
        result: Any = deal.messages[-1].body
        assert result.data["instances"] == 2


@simulated
async def test_without_a_policy_everything_is_accepted() -> None:
    async with visit(Service()) as (_, deal):
        await deal.propose({"anything": "goes"})
        now = await deal.until(lambda now: now.agreed is not None)

        assert [one.state for one in now.proposals.values()] == ["accepted"]


@pytest.mark.parametrize(
    ("answer", "performative"),
    [(Accept("yes"), "ACCEPT"), (Counter({"n": 2}, "dearer"), "COUNTER"), (Reject("no"), "REJECT")],
)
def test_an_answer_is_what_the_function_says(answer: Any, performative: str) -> None:
    @simulated
    async def check() -> None:
        service = Service()
        service.negotiates(lambda _deal, _proposal: answer)
        async with visit(service) as (_, deal):
            await deal.propose(PRICED)
            position = deal.conversation.position
            await deal.line.changed(position)
            assert deal.messages[-1].performative.value == performative

    check()


@simulated
async def test_terms_without_a_price_are_refused_by_a_policy() -> None:
    async with visit(Service(policy=SELLER)) as (_, deal):
        for terms in ({"n": 1}, {"pricePerHour": "cheap"}, {"pricePerHour": 3, "sla": 5}):
            await deal.propose(terms)
            await deal.line.changed(deal.conversation.position)
            body = deal.messages[-1].body
            assert isinstance(body, RejectBody)
            assert body.code == "schema_unsupported"
        await deal.propose({**PRICED, "pricePerHour": 4, "sla": {"uptimePercent": 99.95}})
        await deal.until(lambda now: now.agreed is not None)


@simulated
async def test_an_answer_is_to_the_terms_it_was_thought_about() -> None:
    """While Beta thinks, worse terms take the place of those it thinks about."""
    service = Service()
    thought: list[Any] = []

    @service.negotiates
    async def slow(_deal: Deal, proposal: Any) -> Any:
        thought.append(proposal.terms["pricePerHour"])
        await later(5_000)
        return Accept() if proposal.terms["pricePerHour"] >= 3 else Reject("too little")

    async with visit(service) as (_, deal):
        await deal.propose({"pricePerHour": 3})
        await later(1_000)
        await deal.propose({"pricePerHour": 0.01})
        await later(60_000)

        assert thought == [3, 0.01]
        assert deal.agreed() is None
        assert deal.messages[-1].performative.value == "REJECT"


@pytest.mark.parametrize("units", [17_999, 18_001])
def test_a_commitment_that_does_not_pay_the_terms_is_refused(units: int) -> None:
    @simulated
    async def check() -> None:
        async with visit(beta_service()) as (town, deal):
            await deal.propose({**PRICED, "sla": {"uptimePercent": 99.95}})
            await deal.until(lambda now: now.agreed is not None)
            await commit(deal, total=Money(units, "USD"))
            await next_state(deal, "CONVERSING")

            body = deal.messages[-1].body
            assert isinstance(body, RejectBody)
            assert body.code == "policy_violation"
            assert "terms come to 180" in body.reason
            await audit(town, deal.id)

    check()


@simulated
async def test_180_yen_do_not_pay_for_180_dollars() -> None:
    async with visit(beta_service(), Town(usd_rates={"JPY": "0.0067"})) as (town, deal):
        await town.fund(ALPHA, 1_000, "JPY")
        await deal.propose({**PRICED, "sla": {"uptimePercent": 99.95}})
        await deal.until(lambda now: now.agreed is not None)
        await commit(deal, total=Money(180, "JPY"))
        await next_state(deal, "CONVERSING")

        body = deal.messages[-1].body
        assert isinstance(body, RejectBody)
        assert body.reason == "the escrow holds JPY where the price is in USD"


@simulated
async def test_a_commitment_names_the_terms_that_were_accepted() -> None:
    async with visit(beta_service()) as (_, deal):
        await deal.propose({**PRICED, "sla": {"uptimePercent": 99.95}})
        await deal.until(lambda now: now.agreed is not None)
        body = {
            "commitmentId": "cmt_x",
            "terms": {},
            "obligations": {
                role: {
                    "party": party,
                    "action": "as agreed",
                    "deadline": "2026-03-07T16:00:00.000Z",
                    "verificationMethod": method,
                }
                for role, party, method in (
                    ("buyer", ALPHA, "escrow-release"),
                    ("provider", BETA, "counterparty-confirm"),
                )
            },
            "escrow": {"amount": "180.00", "currency": "USD", "releaseCondition": "obligation-met"},
        }
        await deal.commit(body)
        commitment = deal.commitment()
        assert commitment is not None
        problem = commitment_problem(deal, commitment, TermsShape())
        assert problem == "the commitment does not name the accepted proposal"
        await next_state(deal, "CONVERSING")


@simulated
async def test_a_provider_that_fails_in_one_session_goes_on_in_the_others() -> None:
    service = beta_service()
    broken: list[str] = []

    @service.fulfils
    async def work(deal: Deal, _commitment: Any) -> dict[str, Json]:
        if not broken:
            broken.append(deal.id)
            raise ZeroDivisionError
        return {}

    async with market(service=service) as (town, alpha, _beta):
        bad = asyncio.create_task(strike(alpha))
        await later(10_000)
        good = await strike(alpha)

        assert good.state == "CLOSED"
        assert broken != [good.id]
        await audit(town, good.id)
        await end(bad)


def test_what_a_provider_fails_of_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    service = beta_service()

    @service.fulfils
    def work(_deal: Deal, _commitment: Any) -> dict[str, Json]:
        raise ZeroDivisionError

    @service.ends
    def clean_up(_deal: Deal) -> None:
        raise KeyError

    @simulated
    async def check() -> None:
        async with market(service=service) as (_, alpha, _beta):
            buying = asyncio.create_task(strike(alpha))
            await later(10_000)
            await end(buying)

    with caplog.at_level(logging.ERROR, logger="treaty.agent"):
        check()
    assert "the provider failed in session" in caplog.text
    assert "ZeroDivisionError" in caplog.text
    assert "failed to clean up" in caplog.text


@simulated
async def test_cleaning_up_happens_once_whichever_way_a_session_ends() -> None:
    service = beta_service()
    ended: list[tuple[str, str]] = []
    service.ends(lambda deal: ended.append((deal.id, deal.state)))
    async with market(service=service) as (_, alpha, _beta):
        deal = await strike(alpha)
        cancelled = await alpha.invite(BETA)
        await cancelled.close(reason="cancelled")
        await later(10_000)
        open_still = await alpha.invite(BETA)
        assert ended == [(deal.id, "CLOSED"), (cancelled.id, "CLOSED")]
    assert [name for name, _ in ended] == [deal.id, cancelled.id, open_still.id]


@simulated
async def test_a_provider_that_starts_again_takes_up_what_was_open() -> None:
    """At every state of the deal it may have been stopped in."""
    for stop_after in range(2, 14):
        await check_taken_up(stop_after)


async def check_taken_up(stop_after: int) -> None:
    async with Town() as town, beta_of(town) as first, alpha_of(town) as alpha:
        await town.fund(ALPHA, FUNDS_UNITS)
        await town.attest(BETA)
        reached = asyncio.Event()
        first.watchers.append(
            lambda _session, item: reached.set() if item.position >= stop_after else None
        )
        serving = asyncio.create_task(serve(first, beta_service()))
        buying = asyncio.create_task(strike(alpha))
        await reached.wait()
        await end(serving)
        await first.__aexit__(None, None, None)
        await later(3_000)
        async with beta_of(town) as again:
            serving = asyncio.create_task(serve(again, beta_service()))
            deal = await buying
            await later(1_000)
            await end(serving)
            assert await again.copies.unfinished() == []
        await audit(town, deal.id)


@simulated
async def test_a_session_that_is_over_is_not_taken_up_again() -> None:
    async with market() as (town, alpha, beta):
        await strike(alpha)
        await later(1_000)
        await beta.copies.flush()
        assert await beta.copies.unfinished() == []
        assert len(await beta.copies.sessions()) == 1
        asked = beta.client.asked  # type: ignore[attr-defined]
        serving = asyncio.create_task(serve(beta, beta_service()))
        await later(1_000)
        await end(serving)

        assert beta.client.asked == asked  # type: ignore[attr-defined]
        assert town.complaints == []


@simulated
async def test_a_session_found_to_be_over_needs_no_more_attending() -> None:
    """It ended just before the provider was stopped, which had no time to note it."""
    async with market() as (town, alpha, beta):
        deal = await strike(alpha)
        await later(1_000)
        await beta.copies.flush()
        task = Task(f"session/{deal.id}", "session", 0, deal.id.encode())
        await town.store_of(BETA).commit(Unit(put_tasks=(task,)))
        assert await beta.copies.unfinished() == [deal.id]
        serving = asyncio.create_task(serve(beta, beta_service()))
        await later(1_000)
        await end(serving)

        assert await beta.copies.unfinished() == []


@simulated
async def test_an_agent_that_buys_and_sells_serves_only_what_it_was_invited_to() -> None:
    async with market() as (_, alpha, _beta):
        serving = asyncio.create_task(serve(alpha, beta_service()))
        deal = await strike(alpha)

        assert deal.state == "CLOSED"
        await end(serving)


@simulated
async def test_more_sessions_than_it_takes_at_once_wait_for_each_other() -> None:
    service = beta_service()
    working = most = 0

    @service.fulfils
    async def work(_deal: Deal, _commitment: Any) -> dict[str, Json]:
        nonlocal working, most
        working += 1
        most = max(most, working)
        await later(2_000)
        working -= 1
        return {}

    async with Town() as town, beta_of(town) as beta, alpha_of(town) as alpha:
        await town.fund(ALPHA, 2 * FUNDS_UNITS)
        await town.attest(BETA)
        serving = asyncio.create_task(serve(beta, service, sessions_max=2))
        deals = await asyncio.gather(*(strike(alpha, rating=None) for _ in range(3)))
        await end(serving)

        assert {deal.state for deal in deals} == {"CLOSED"}
        assert most == 2


@simulated
async def test_bids_end_with_the_proposal_in_question() -> None:
    async with visit(Service(policy=SELLER)) as (_, deal):
        await deal.propose({**PRICED, "pricePerHour": 3.5})
        await deal.line.changed(deal.conversation.position)
        proposals = list(deal.conversation.proposals.values())

        history = [(one.side, one.price) for one in bids(deal, TermsShape())]
        assert history == [("own", Decimal("3.5")), ("other", Decimal(4))]
        first = bids(deal, TermsShape(), until=proposals[0])
        assert [one.side for one in first] == ["own"]


@simulated
async def test_an_invitation_to_a_session_that_is_gone_is_passed_over() -> None:
    """It lapsed while Beta was away; the next one is served."""
    async with Town() as town, alpha_of(town) as alpha:
        async with beta_of(town):
            await town.fund(ALPHA, FUNDS_UNITS)
            await town.attest(BETA)
        with pytest.raises(Refused) as caught:
            await alpha.invite(BETA, timeout_ms=5_000)
        assert caught.value.code == "timeout"
        async with beta_of(town) as beta:
            serving = asyncio.create_task(serve(beta, beta_service()))
            deal = await strike(alpha)
            await end(serving)
        assert deal.state == "CLOSED"


def test_a_subclass_is_not_needed_to_be_a_provider() -> None:
    class Plain:
        def welcome(self, deal: Deal) -> bool:
            return True

        def negotiate(self, deal: Deal, proposal: Any) -> Any:
            return Accept()

        def fulfil(self, deal: Deal, commitment: Any) -> dict[str, Json]:
            return {"done": True}

        def rate(self, deal: Deal) -> int | None:
            return 3

        def ended(self, deal: Deal) -> None:
            return None

    @simulated
    async def check() -> None:
        async with Town() as town, beta_of(town) as beta, alpha_of(town) as alpha:
            await town.fund(ALPHA, FUNDS_UNITS)
            await town.attest(BETA)
            serving = asyncio.create_task(serve(beta, Plain()))
            deal = await strike(alpha)
            await end(serving)
            assert deal.conversation.closings[BETA].rating == 3

    check()
