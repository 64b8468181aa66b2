"""Deals in other currencies: the rate at the COMMIT holds; open sums are one (B13, B16, B17)."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import pytest

from tests.agent.local import ALPHA, BETA, Town
from tests.engine.speaker import Speaker, bound, introduced, people, read
from tests.simulation.clock import later, simulated
from treaty.core.movement import AccountId
from treaty.core.trust import Outcome, record_from_json
from treaty.engine.currencies import Currencies
from treaty.engine.hosted import session_stream
from treaty.engine.trust import LOG
from treaty.errors import Refused
from treaty.store.memory import MemoryStore
from treaty.wire.money import Money, amount_text


async def parties(town: Town, currency: str, units: int) -> tuple[Speaker, Speaker]:
    """Alpha with money in a currency, and a Beta of standing."""
    alpha, beta = await people(town, units=500_000)
    await town.fund(ALPHA, units, currency)
    await town.at_home().trust.attest(town.attestation(BETA))
    return alpha, beta


async def finish(alpha: Speaker, beta: Speaker, session: str) -> None:
    """Deliver, close, and let the outcome be logged."""
    await beta.fulfil(session)
    await alpha.close(session, "completed", "cmt", rating=5)
    await beta.close(session, "completed", "cmt", rating=5)
    await later(2_000)


async def facts(town: Town, session: str, kind: str) -> list[dict[str, Any]]:
    """What the host stated in a session, of one kind."""
    entries = await town.inner.read(session_stream(session), 0, 200)
    bodies = [read(entry.body) for entry in entries]
    return [body["data"] for body in bodies if body.get("fact") == kind]


async def outcome(town: Town) -> Outcome:
    """The last record of the trust log."""
    entries = await town.inner.read(LOG, 0, 100)
    found = record_from_json(entries[-1].kind, read(entries[-1].body))
    assert isinstance(found, Outcome)
    return found


async def balance(town: Town, agent: str, asset: str) -> tuple[str, str]:
    """What an account has and what is held of it."""
    account: Any = await town.at_home().clearing.account(AccountId(agent, asset))
    return account["settled"]["amount"], account["held"]["amount"]


@simulated
async def test_a_deal_in_euros_is_escrowed_settled_and_counted_by_its_rate() -> None:
    async with Town(usd_rates={"EUR": "1.08"}) as town:
        alpha, beta = await parties(town, "EUR", 50_000)
        session = await bound(alpha, beta, units=4_000, currency="EUR")
        assert await balance(town, ALPHA, "EUR") == ("500.00", "40.00")
        await finish(alpha, beta, session)

        stated = {"commitmentId": "cmt", "currency": "EUR", "usdRate": "1.08"}
        assert await facts(town, session, "rate") == [stated]
        assert await balance(town, ALPHA, "EUR") == ("460.00", "0.00")
        assert await balance(town, BETA, "EUR") == ("40.00", "0.00")
        assert await balance(town, ALPHA, "USD") == ("5000.00", "0.00")
        logged = await outcome(town)
        # 40 euros are 43.20 dollars.
        assert [party.v for party in logged.parties] == [Decimal("0.432")] * 2
        assert (logged.currency, logged.usd_rate) == ("EUR", Decimal("1.08"))


@simulated
async def test_a_rate_that_changes_under_way_changes_nothing_that_was_offered() -> None:
    async with Town(usd_rates={"EUR": "1.08"}) as town:
        alpha, beta = await parties(town, "EUR", 50_000)
        session = await bound(alpha, beta, units=4_000, currency="EUR")
        await town.stop()
        town.usd_rates = {"EUR": "2.5"}
        await town.wake()
        await finish(alpha, beta, session)

        assert [party.v for party in (await outcome(town)).parties] == [Decimal("0.432")] * 2
        second = await bound(alpha, beta, units=4_000, currency="EUR")
        await finish(alpha, beta, second)
        assert [party.v for party in (await outcome(town)).parties] == [Decimal(1)] * 2


@simulated
async def test_a_deal_is_finished_though_its_currency_has_no_rate_any_more() -> None:
    async with Town(usd_rates={"EUR": "1.08"}) as town:
        alpha, beta = await parties(town, "EUR", 50_000)
        session = await bound(alpha, beta, units=4_000, currency="EUR")
        await town.stop()
        town.usd_rates = {}
        await town.wake()
        await finish(alpha, beta, session)

        assert await balance(town, BETA, "EUR") == ("40.00", "0.00")
        assert (await outcome(town)).usd_rate == Decimal("1.08")
        with pytest.raises(Refused) as caught:
            await bound(alpha, beta, units=100, currency="EUR")
        assert caught.value.code == "currency_unsupported"


@pytest.mark.parametrize(
    ("currency", "rate", "most"),
    # A thousand dollars, rounded down: yen have no decimals, dinars three.
    [("EUR", "1.08", 92_592), ("JPY", "0.0067", 149_253), ("KWD", "3.26", 306_748)],
)
def test_a_newcomer_has_a_thousand_dollars_in_whichever_currency(
    currency: str, rate: str, most: int
) -> None:
    @simulated
    async def check() -> None:
        async with Town(usd_rates={currency: rate}) as town:
            alpha, beta = await parties(town, currency, 10 * most)
            with pytest.raises(Refused) as caught:
                await bound(alpha, beta, units=most + 1, currency=currency)
            assert caught.value.code == "ceiling_exceeded"
            await bound(alpha, beta, units=most, currency=currency)
            with pytest.raises(Refused) as caught:
                await bound(alpha, beta, units=1, currency=currency)
            assert caught.value.code == "ceiling_exceeded"

    check()


@pytest.mark.parametrize("first", ["USD", "EUR"])
def test_what_is_open_in_all_currencies_is_one_sum(first: str) -> None:
    """A newcomer with 540 dollars open has 460 left, in each of its currencies together."""

    @simulated
    async def check() -> None:
        async with Town(usd_rates={"EUR": "1.08", "JPY": "0.0067"}) as town:
            alpha, beta = await parties(town, "EUR", 500_000)
            await town.fund(ALPHA, 500_000, "JPY")
            units = {"USD": 54_000, "EUR": 50_000}
            await bound(alpha, beta, units=units[first], currency=first)
            for currency, most in (("EUR", 42_592), ("USD", 46_000), ("JPY", 68_655)):
                with pytest.raises(Refused) as caught:
                    await bound(alpha, beta, units=most + 1, currency=currency)
                assert caught.value.code == "ceiling_exceeded"
            await bound(alpha, beta, units=68_655, currency="JPY")
            with pytest.raises(Refused):
                await bound(alpha, beta, units=1, currency="EUR")

    check()


@simulated
async def test_two_currencies_at_once_do_not_both_find_the_room_that_is_there_once() -> None:
    async with Town(usd_rates={"EUR": "1.08"}) as town:
        alpha, beta = await parties(town, "EUR", 500_000)
        sessions = [await introduced(alpha, beta) for _ in range(2)]
        for session in sessions:
            await alpha.propose(session, "p1")
        answers = await asyncio.gather(
            alpha.commit(sessions[0], units=60_000, currency="EUR"),
            alpha.commit(sessions[1], units=60_000, currency="USD"),
            return_exceptions=True,
        )

        assert [one.code for one in answers if isinstance(one, Refused)] == ["ceiling_exceeded"]


@simulated
async def test_each_currency_is_conserved_by_itself() -> None:
    async with Town(usd_rates={"EUR": "1.08", "JPY": "0.0067"}) as town:
        alpha, beta = await parties(town, "EUR", 50_000)
        await town.fund(ALPHA, 70_000, "JPY")
        for currency, units in (("EUR", 4_001), ("JPY", 30_003), ("USD", 777)):
            session = await bound(alpha, beta, units=units, currency=currency)
            await finish(alpha, beta, session)
            paid = amount_text(Money(units, currency))
            assert await balance(town, BETA, currency) == (paid, amount_text(Money(0, currency)))

        left = {"EUR": "459.99", "JPY": "39997", "USD": "4992.23"}
        assert {code: (await balance(town, ALPHA, code))[0] for code in left} == left


@simulated
async def test_what_is_open_counts_on_when_its_currency_has_no_rate_any_more() -> None:
    async with Town(usd_rates={"EUR": "1.08"}) as town:
        alpha, beta = await parties(town, "EUR", 500_000)
        await bound(alpha, beta, units=50_000, currency="EUR")
        for _ in range(2):
            await town.stop()
            town.usd_rates = {}
            await town.wake()
            with pytest.raises(Refused) as caught:
                await bound(alpha, beta, units=46_001)
            assert caught.value.code == "ceiling_exceeded"
        await bound(alpha, beta, units=46_000)


@simulated
async def test_a_payees_own_offer_is_bound_by_the_rate_at_its_commit() -> None:
    async with Town(usd_rates={"EUR": "1.08"}) as town:
        alpha, beta = await parties(town, "EUR", 500_000)
        session = await introduced(alpha, beta)
        await beta.propose(session, "p1")
        await beta.commit(session, units=90_000, currency="EUR")
        assert await balance(town, ALPHA, "EUR") == ("5000.00", "0.00")
        await town.stop()
        # By this rate 900 euros would be beyond a thousand dollars.
        town.usd_rates = {"EUR": "2"}
        await town.wake()
        await alpha.accept(session, "cmt")

        assert await balance(town, ALPHA, "EUR") == ("5000.00", "900.00")
        assert [one["usdRate"] for one in await facts(town, session, "rate")] == ["1.08"]


@simulated
async def test_without_rates_only_dollars_are_taken() -> None:
    async with Town() as town:
        alpha, beta = await parties(town, "EUR", 50_000)
        with pytest.raises(Refused) as caught:
            await bound(alpha, beta, units=100, currency="EUR")
        assert caught.value.code == "currency_unsupported"
        session = await bound(alpha, beta, units=100)
        assert await facts(town, session, "rate") == []


@simulated
async def test_a_node_says_what_it_takes() -> None:
    async with Town(usd_rates={"EUR": "1.080", "JPY": "0.0067"}) as town:
        described = await town.at_home().describe()
        assert described["usdRates"] == {"EUR": "1.08", "JPY": "0.0067"}


@simulated
async def test_rates_are_remembered_by_the_store() -> None:
    store = MemoryStore()
    await Currencies({"EUR": Decimal("1.08"), "JPY": Decimal("0.0067")}).load(store)
    later_on = Currencies({"EUR": Decimal("1.2")})
    await later_on.load(store)

    assert later_on.given == {"EUR": Decimal("1.2")}
    assert later_on.others("USD") == ("EUR", "JPY")
    assert later_on.others("EUR") == ("USD", "JPY")
    assert later_on.beside("USD", {"USD": 100})["EUR"] * 12 == 1_000


@pytest.mark.parametrize("code", ["USD", "XAU", "eur", ""])
def test_a_rate_is_for_a_currency_beside_the_dollar(code: str) -> None:
    with pytest.raises(Refused) as caught:
        Currencies({code: Decimal(1)})
    assert caught.value.code == "currency_unsupported"
