"""Checks of claims as a real node makes them: fetched, stated once, decided by everybody (B13)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.agent.local import BETA, Town, signer_of
from tests.engine.speaker import Speaker, bound, people
from tests.engine.test_follow_up import check_copy, facts, fired, funds
from tests.engine.web import Web
from tests.simulation.clock import later, now_ms, simulated
from treaty.core.checks import METRIC_AGE_MS, METRIC_SKEW_MS
from treaty.dialects.asp.conversation import Conversation
from treaty.engine import outbox
from treaty.engine.checks import RETRY_MS
from treaty.engine.fetching import Fetched
from treaty.errors import Refused
from treaty.identity.keys import Ed25519Signer
from treaty.identity.records import seal
from treaty.wire.instants import format_instant

SECOND, MINUTE, HOUR, DAY = 1_000, 60_000, 3_600_000, 86_400_000
URL = "https://metrics.example/gpu"
METRIC = {
    "verificationMethod": "metric-query",
    "verification": {"url": URL, "by": BETA, "pointer": "/uptime", "op": ">=", "expect": 0.9995},
}


@pytest.fixture(autouse=True)
def _look_less_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "IDLE_MS", 2_000)


def provider_of(state: Conversation) -> str:
    return next(
        one.state.value for one in state.commitments["cmt"].obligations if one.role == "provider"
    )


async def claimed(town: Town, **provider: Any) -> tuple[Speaker, Speaker, str]:
    """Beta claims what a metric is to bear out."""
    alpha, beta = await people(town)
    session = await bound(alpha, beta, provider=provider or METRIC)
    await beta.fulfil(session)
    return alpha, beta, session


def measured_by(meter: Ed25519Signer, ago_ms: int = 0, **members: Any) -> dict[str, Any]:
    """What a meter signs: a good value, and when it was measured."""
    at = format_instant(now_ms() - ago_ms)
    return seal("metric", {"uptime": 1, "at": at, **members}, meter)


def signed_duty(meter: Ed25519Signer, **members: Any) -> dict[str, Any]:
    """A duty that a meter's signed word decides."""
    check = {**METRIC["verification"], "key": meter.key.text, **members}  # type: ignore[dict-item]
    return {"verificationMethod": "metric-query", "verification": check}


@simulated
async def test_a_claim_that_holds_is_looked_at_twice_and_paid() -> None:
    web = Web({URL: (200, {"uptime": 0.9999})})
    async with Town(fetcher=web) as town:
        alpha, _, session = await claimed(town)
        await later(SECOND)
        assert web.asked == [URL]
        assert provider_of(await alpha.state(session)) == "CLAIMED"

        await later(2 * HOUR)

        stated = await facts(town, session, "metric")
        assert [(one["check"], one["status"], one["value"]) for one in stated] == [
            ("claim", 200, 0.9999),
            ("window", 200, 0.9999),
        ]
        assert web.asked == [URL, URL]
        assert (await alpha.state(session)).commitments["cmt"].state == "FULFILLED"
        assert await funds(town) == (32_000, 0, 18_000)
        await check_copy(town, session)
        assert await town.inner.tasks("check") == []


@simulated
async def test_a_claim_that_does_not_hold_is_void_and_may_be_made_again() -> None:
    web = Web({URL: (200, {"uptime": 0.9})})
    async with Town(fetcher=web) as town:
        alpha, beta, session = await claimed(town)
        await later(SECOND)
        assert provider_of(await alpha.state(session)) == "PENDING"
        web.pages[URL] = (200, {"uptime": 1})
        await beta.fulfil(session)
        await later(SECOND)

        assert provider_of(await alpha.state(session)) == "CLAIMED"
        assert len(await facts(town, session, "metric")) == 2
        await check_copy(town, session)


@simulated
async def test_three_fetches_without_an_answer_leave_it_to_the_other_party() -> None:
    web = Web()
    async with Town(fetcher=web) as town:
        alpha, _, session = await claimed(town)
        began_ms = now_ms()
        await later(MINUTE)

        stated = await facts(town, session, "metric")
        assert [(one["status"], one["failure"]) for one in stated] == 3 * [(None, "unavailable")]
        assert 2 * RETRY_MS < 10 * SECOND < now_ms() - began_ms
        assert (await alpha.state(session)).commitments["cmt"].obligations[1].blind
        await later(4 * HOUR)
        # Silence did not confirm; the breach had its own window, and then the money went back.
        assert (await alpha.state(session)).commitments["cmt"].state == "BREACHED"
        assert await funds(town) == (50_000, 0, 0)
        assert len(web.asked) == 3
        await check_copy(town, session)


@simulated
async def test_a_node_that_fetches_nothing_leaves_it_to_the_other_party() -> None:
    async with Town() as town:
        alpha, _, session = await claimed(town)
        await later(MINUTE)
        await alpha.inform(session, "result", {"commitmentId": "cmt", "status": "confirmed"})

        assert provider_of(await alpha.state(session)) == "KEPT"


@simulated
async def test_a_slow_page_holds_up_no_timer() -> None:
    web = Web({URL: (200, {"uptime": 1})}, delay_ms=20 * SECOND)
    async with Town(fetcher=web) as town:
        alpha, beta, session = await claimed(town)
        other = await alpha.invite(beta, valid_ms=5 * SECOND)
        await later(8 * SECOND)

        assert await fired(town, other) == ["invitation"]
        assert await facts(town, session, "metric") == []
        await later(15 * SECOND)
        assert len(await facts(town, session, "metric")) == 1


@simulated
async def test_a_check_that_a_confirmation_overtook_states_nothing() -> None:
    web = Web({URL: (200, {"uptime": 0})}, delay_ms=5 * SECOND)
    async with Town(fetcher=web) as town:
        alpha, _, session = await claimed(town)
        await later(SECOND)
        await alpha.inform(session, "result", {"commitmentId": "cmt", "status": "confirmed"})
        await later(MINUTE)

        assert await facts(town, session, "metric") == []
        assert provider_of(await alpha.state(session)) == "KEPT"
        assert await town.inner.tasks("check") == []


@simulated
async def test_a_node_that_stopped_while_it_fetched_fetches_again_and_states_it_once() -> None:
    web = Web({URL: (200, {"uptime": 1})}, delay_ms=5 * SECOND)
    async with Town(fetcher=web) as town:
        _, _, session = await claimed(town)
        await later(SECOND)
        await town.stop()
        await later(SECOND)
        await town.wake()
        await later(2 * MINUTE)

        assert len(web.asked) == 2
        assert len(await facts(town, session, "metric")) == 1
        await check_copy(town, session)


@simulated
async def test_a_signed_metric_is_stated_with_its_record_and_believed_by_its_key() -> None:
    meter = signer_of("meter")
    check = {**METRIC["verification"], "key": meter.key.text}  # type: ignore[dict-item]
    duty = {"verificationMethod": "metric-query", "verification": check}
    web = Web({URL: lambda: (200, measured_by(meter))})
    async with Town(fetcher=web) as town:
        alpha, _, session = await claimed(town, **duty)
        await later(SECOND)
        (stated,) = await facts(town, session, "metric")
        assert stated["record"]["uptime"] == 1
        assert provider_of(await alpha.state(session)) == "CLAIMED"
        await check_copy(town, session)


@simulated
async def test_a_metric_signed_by_somebody_else_holds_nothing() -> None:
    check = {**METRIC["verification"], "key": signer_of("meter").key.text}  # type: ignore[dict-item]
    duty = {"verificationMethod": "metric-query", "verification": check}
    web = Web({URL: lambda: (200, measured_by(signer_of("beta")))})
    async with Town(fetcher=web) as town:
        alpha, _, session = await claimed(town, **duty)
        await later(SECOND)
        (stated,) = await facts(town, session, "metric")

        assert "record" not in stated
        assert provider_of(await alpha.state(session)) == "PENDING"
        await check_copy(town, session)


class Busy(Web):
    """A web whose places are asked too often until a time; it counts who was sent away."""

    until_ms = 0
    turned_away = 0

    async def fetch(self, url: str, **limits: Any) -> Fetched:
        assert limits["asker"], "checks are made on somebody's word"
        if now_ms() < self.until_ms:
            self.turned_away += 1
            data = {"retryAfterMs": min(20 * SECOND, self.until_ms - now_ms())}
            raise Refused("as often as it may be", "rate_limited", data=data)
        return await super().fetch(url, **limits)


@pytest.mark.parametrize("restarts", [False, True])
def test_a_check_that_has_to_wait_its_turn_is_made_and_is_no_failure(restarts: bool) -> None:
    @simulated
    async def check() -> None:
        web = Busy({URL: (200, {"uptime": 1})})
        web.until_ms = now_ms() + 10 * MINUTE
        async with Town(fetcher=web) as town:
            alpha, _, session = await claimed(town)
            await later(9 * MINUTE)
            if restarts:
                await town.stop()
                await town.wake()
            assert web.turned_away > 3
            assert await facts(town, session, "metric") == []
            duty = (await alpha.state(session)).commitments["cmt"].obligations[1]
            assert (duty.state, duty.failures) == ("CLAIMED", 0)
            await later(2 * MINUTE)

            (stated,) = await facts(town, session, "metric")
            assert (stated["status"], stated["value"]) == (200, 1)
            await later(2 * HOUR)
            assert await funds(town) == (32_000, 0, 18_000)
            await check_copy(town, session)

    check()


@simulated
async def test_a_window_that_ends_while_its_check_waits_breaches_nothing() -> None:
    web = Busy({URL: (200, {"uptime": 1})})
    async with Town(fetcher=web) as town:
        alpha, _, session = await claimed(town)
        await later(MINUTE)
        web.until_ms = now_ms() + 5 * HOUR
        await later(5 * HOUR - MINUTE)
        assert provider_of(await alpha.state(session)) == "CLAIMED"
        await later(2 * MINUTE)

        assert [one["check"] for one in await facts(town, session, "metric")] == ["claim", "window"]
        assert await funds(town) == (32_000, 0, 18_000)
        await check_copy(town, session)


@pytest.mark.parametrize(
    "record",
    [
        lambda meter: measured_by(meter, METRIC_AGE_MS + SECOND),
        lambda meter: measured_by(meter, 365 * DAY),
        lambda meter: measured_by(meter, -METRIC_SKEW_MS - MINUTE),
        lambda meter: seal("metric", {"uptime": 1}, meter),
        lambda meter: measured_by(meter, at="now"),
    ],
)
def test_a_signed_metric_of_another_time_is_no_answer(record: Any) -> None:
    """A good answer that is given again for ever: three times nothing, then the other's word."""

    @simulated
    async def check() -> None:
        meter = signer_of("meter")
        answer = record(meter)
        async with Town(fetcher=Web({URL: (200, answer)})) as town:
            alpha, _, session = await claimed(town, **signed_duty(meter))
            await later(MINUTE)

            stated = await facts(town, session, "metric")
            assert [(one["status"], one["value"], one["failure"]) for one in stated] == 3 * [
                (None, None, "metric_stale")
            ]
            assert stated[0]["record"] == answer
            assert (await alpha.state(session)).commitments["cmt"].obligations[1].blind
            await later(4 * HOUR)
            assert await funds(town) == (50_000, 0, 0)
            await check_copy(town, session)

    check()


@simulated
async def test_what_was_good_at_the_claim_is_measured_anew_at_the_end_of_the_window() -> None:
    meter = signer_of("meter")
    web = Web({URL: (200, measured_by(meter))})
    async with Town(fetcher=web) as town:
        _, _, session = await claimed(town, **signed_duty(meter))
        await later(HOUR + MINUTE)

        stated = await facts(town, session, "metric")
        assert [(one["check"], one["status"]) for one in stated] == [
            ("claim", 200), *3 * [("window", None)]
        ]  # fmt: skip
        await later(2 * HOUR)
        assert await funds(town) == (50_000, 0, 0)


@simulated
async def test_the_parties_may_agree_on_another_age() -> None:
    meter = signer_of("meter")
    web = Web({URL: (200, measured_by(meter))})
    async with Town(fetcher=web) as town:
        _, _, session = await claimed(town, **signed_duty(meter, maxAgeMs=2 * HOUR))
        await later(HOUR + MINUTE)

        assert [one["status"] for one in await facts(town, session, "metric")] == [200, 200]
        assert await funds(town) == (32_000, 0, 18_000)
