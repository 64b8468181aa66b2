"""The clearing: the operator's transfers, escrow orders, statements (B13)."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.agent.local import ALPHA, BETA, Town, signer_of
from tests.engine.speaker import FUNDS_UNITS, bound, introduced, people
from tests.simulation.clock import simulated
from treaty.core.movement import AccountId
from treaty.errors import Refused, SignatureError, TreatyError, WireError
from treaty.identity.records import seal

USD = AccountId(ALPHA, "USD")


async def settled(town: Town, account: AccountId = USD) -> Any:
    """What an account has, as text."""
    return (await town.at_home().clearing.account(account))["settled"]["amount"]  # type: ignore[index]


@simulated
async def test_the_operator_brings_money_in_and_out() -> None:
    async with Town() as town:
        clearing = town.at_home().clearing
        await clearing.transfer(town.transfer("t1", ALPHA, 50_000))
        answer = await clearing.transfer(town.transfer("t2", ALPHA, 12_345, direction="payout"))

        assert answer == {
            "agent": ALPHA,
            "asset": "USD",
            "settled": {"amount": "376.55", "currency": "USD"},
            "held": {"amount": "0.00", "currency": "USD"},
            "available": {"amount": "376.55", "currency": "USD"},
        }


@simulated
async def test_the_same_transfer_moves_money_once() -> None:
    async with Town() as town:
        clearing = town.at_home().clearing
        record = town.transfer("t1", ALPHA, 50_000)
        answers = [await clearing.transfer(record) for _ in range(3)]
        await town.stop()
        await town.wake()
        answers.append(await town.at_home().clearing.transfer(record))

        assert all(one == answers[0] for one in answers)
        assert await town.inner.last(f"account/USD/{ALPHA}") == 1


@simulated
async def test_the_same_transfer_at_the_same_moment_moves_money_once() -> None:
    async with Town() as town:
        record = town.transfer("t1", ALPHA, 50_000)
        transfer = town.at_home().clearing.transfer
        answers = await asyncio.gather(*(transfer(record) for _ in range(10)))

        assert all(one == answers[0] for one in answers)
        assert await settled(town) == "500.00"


@pytest.mark.parametrize(
    "change", [{"units": 49_999}, {"direction": "payout"}]
)  # fmt: skip
def test_an_id_that_was_used_for_something_else_is_a_duplicate(change: dict[str, Any]) -> None:
    @simulated
    async def check() -> None:
        async with Town() as town:
            clearing = town.at_home().clearing
            stated: dict[str, Any] = {"units": 50_000, **change}
            await clearing.transfer(town.transfer("t1", ALPHA, 50_000))
            with pytest.raises(Refused) as caught:
                await clearing.transfer(
                    town.transfer(
                        "t1", ALPHA, stated["units"], direction=stated.get("direction", "fund")
                    )
                )
            assert caught.value.code == "duplicate"
            assert await settled(town) == "500.00"

    check()


@pytest.mark.parametrize(
    ("record", "kind"),
    [
        (lambda town: seal("transfer", dict(body_of(town)), signer_of("mallory")), SignatureError),
        (lambda town: {**town.transfer("t", ALPHA, 1), "agent": BETA}, SignatureError),
        (lambda town: seal("attestation", dict(body_of(town)), town.operator), SignatureError),
        (lambda town: dict(body_of(town)), TreatyError),
        (lambda town: [], WireError),
        (lambda town: town.transfer("t", ALPHA, 1, direction="burn"), Refused),
        (lambda town: town.transfer("t", ALPHA, 0), TreatyError),
        (lambda town: town.transfer("t", ALPHA, -5), TreatyError),
        (lambda town: town.transfer("t", ALPHA, 1, direction="payout"), Refused),
    ],
)
def test_a_transfer_that_does_not_hold_moves_nothing(record: Any, kind: type[TreatyError]) -> None:
    @simulated
    async def check() -> None:
        async with Town() as town:
            with pytest.raises(kind):
                await town.at_home().clearing.transfer(record(town))
            assert not await town.inner.streams("account/")

    check()


def body_of(town: Town) -> dict[str, Any]:
    """A transfer before it is signed."""
    record = town.transfer("t", ALPHA, 5_000)
    return {name: value for name, value in record.items() if name != "integrity"}


@simulated
async def test_no_more_is_paid_out_than_is_free() -> None:
    async with Town() as town:
        alpha, beta = await people(town)
        await bound(alpha, beta)
        clearing = town.at_home().clearing
        with pytest.raises(Refused) as caught:
            await clearing.transfer(town.transfer("p1", ALPHA, 32_001, direction="payout"))
        assert caught.value.code == "escrow_unfunded"

        answer: Any = await clearing.transfer(
            town.transfer("p2", ALPHA, 32_000, direction="payout")
        )
        assert answer["held"]["amount"] == "180.00"
        assert answer["available"]["amount"] == "0.00"


@simulated
async def test_a_settled_escrow_is_in_both_accounts() -> None:
    async with Town() as town:
        alpha, beta = await people(town)
        session = await bound(alpha, beta)
        await beta.fulfil(session)
        await alpha.close(session, "completed", "cmt")
        await beta.close(session, "completed", "cmt")

        for agent, amounts in ((ALPHA, ["500.00", "180.00", "180.00"]), (BETA, ["180.00"] * 2)):
            statement: Any = await town.at_home().clearing.statement(agent)
            (account,) = statement["accounts"]
            assert [one["amount"] for one in account["movements"]] == amounts
            kinds = [one["kind"] for one in account["movements"]]
            assert kinds == ["fund", "reserve", "post"][-len(amounts) :]
            assert account["held"]["amount"] == "0.00"
        assert await settled(town, AccountId(BETA, "USD")) == "180.00"


@simulated
async def test_accounts_of_different_assets_are_apart() -> None:
    async with Town() as town:
        clearing = town.at_home().clearing
        await clearing.transfer(town.transfer("t1", ALPHA, 500, "JPY"))
        await clearing.transfer(town.transfer("t2", ALPHA, 500, "USD"))
        statement: Any = await clearing.statement(ALPHA)

        assert [(one["asset"], one["settled"]["amount"]) for one in statement["accounts"]] == [
            ("JPY", "500"),
            ("USD", "5.00"),
        ]


@simulated
async def test_a_statement_shows_the_last_movements() -> None:
    async with Town() as town:
        clearing = town.at_home().clearing
        for number in range(6):
            await clearing.transfer(town.transfer(f"t{number}", ALPHA, 100))
        statement: Any = await clearing.statement(ALPHA, limit=3)

        (account,) = statement["accounts"]
        assert [one["id"] for one in account["movements"]] == ["t3", "t4", "t5"]
        assert account["settled"]["amount"] == "6.00"


@simulated
async def test_nobody_has_an_empty_statement() -> None:
    async with Town() as town:
        assert await town.at_home().clearing.statement(BETA) == {"agent": BETA, "accounts": []}


@simulated
async def test_newcomers_have_a_thousand_dollars_open_in_sum() -> None:
    """The ceilings of B17 hold under the account's own lock, also for two at once."""
    async with Town() as town:
        alpha, beta = await people(town, units=10 * FUNDS_UNITS)
        sessions = [await introduced(alpha, beta) for _ in range(3)]
        for session in sessions:
            await alpha.propose(session, "p1")

        answers = await asyncio.gather(
            *(alpha.commit(one, units=40_000) for one in sessions), return_exceptions=True
        )

        refused = [one for one in answers if isinstance(one, Refused)]
        assert [one.code for one in refused] == ["ceiling_exceeded"]
        account: Any = await town.at_home().clearing.account(USD)
        assert account["held"]["amount"] == "800.00"
