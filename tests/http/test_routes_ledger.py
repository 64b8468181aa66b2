"""Money in and out by the operator, accounts for their owners."""

from __future__ import annotations

from tests.http.nodes import (
    ALPHA,
    OPERATOR,
    Agent,
    World,
    encoded,
    introduced,
    transfer,
    world,
)
from tests.simulation.clock import simulated

ACCOUNT = f"/v1/ledger/accounts/{encoded(ALPHA)}"


@simulated
async def test_the_operator_funds_and_pays_out() -> None:
    async with world() as here:
        await here.agent(ALPHA)

        funded = await here.post("/v1/ledger/transfers", transfer("fund", ALPHA, "500.00"))
        paid = await here.post("/v1/ledger/transfers", transfer("payout", ALPHA, "20.50", "tr_2"))

        assert (funded.status_code, paid.status_code) == (201, 201)
        assert funded.json()["available"] == {"amount": "500.00", "currency": "USD"}
        assert paid.json()["available"] == {"amount": "479.50", "currency": "USD"}


@simulated
async def test_a_transfer_sent_again_moves_nothing_again() -> None:
    async with world() as here:
        await here.agent(ALPHA)
        record = transfer("fund", ALPHA, "500.00")

        first = await here.post("/v1/ledger/transfers", record)
        again = await here.post("/v1/ledger/transfers", record)

        assert (again.status_code, again.content) == (201, first.content)


@simulated
async def test_more_than_there_is_cannot_be_paid_out() -> None:
    async with world() as here:
        await here.fund(ALPHA, "1.00")

        answer = await here.post("/v1/ledger/transfers", transfer("payout", ALPHA, "1.01", "t2"))

        assert (answer.status_code, answer.json()["code"]) == (402, "escrow_unfunded")


async def statement(here: World, agent: Agent) -> dict:
    answer = await here.read(agent, ACCOUNT)
    assert answer.status_code == 200, answer.text
    return answer.json()


@simulated
async def test_an_owner_sees_balances_and_movements() -> None:
    async with world() as here:
        await here.fund(ALPHA, "500.00")
        chain, alpha, _ = await introduced(here)
        await here.say(chain.said(chain.observation(alpha)), chain.said(chain.commitment(alpha)))

        found = await statement(here, alpha)

        (account,) = found["accounts"]
        assert found["agent"] == ALPHA
        assert account["held"]["amount"] == "180.00"
        assert account["available"]["amount"] == "320.00"
        assert len(account["movements"]) == 2


@simulated
async def test_the_operator_sees_every_account() -> None:
    async with world() as here:
        await here.fund(ALPHA, "500.00")
        operator = Agent(OPERATOR, here.clock)

        assert (await statement(here, operator))["accounts"][0]["settled"]["amount"] == "500.00"


@simulated
async def test_nobody_without_a_card_has_a_statement() -> None:
    async with world() as here:
        answer = await here.read(Agent(ALPHA, here.clock), ACCOUNT)

        assert (answer.status_code, answer.json()["code"]) == (404, "unknown_agent")
