"""Measured intervals as a node measures them: sampled, stated once, paid part by part (B13)."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest

from tests.agent.local import Town, signer_of
from tests.engine.speaker import Speaker, bound, people
from tests.engine.test_checks import Busy, measured_by
from tests.engine.test_follow_up import check_copy, facts, funds
from tests.engine.web import Answer, Web
from tests.simulation.clock import later, now_ms, simulated
from treaty.core.schedule import SAMPLE_RETRY_MS, sample_ms, samples_least
from treaty.engine import outbox
from treaty.wire.digest import sha256_tag
from treaty.wire.instants import parse_instant

SECOND, MINUTE, HOUR = 1_000, 60_000, 3_600_000
URL = "https://metrics.example/health"
HOURS = {
    "kind": "intervals",
    "intervalMs": HOUR,
    "parts": 3,
    "sla": 0.9,
    "metric": {"url": URL},
}


@pytest.fixture(autouse=True)
def _look_less_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "IDLE_MS", 2_000)


async def measured(town: Town, **schedule: Any) -> tuple[Speaker, Speaker, str]:
    alpha, beta = await people(town)
    session = await bound(alpha, beta, schedule={**HOURS, **schedule}, provide_ms=5 * HOUR)
    return alpha, beta, session


@simulated
async def test_a_service_that_is_up_is_paid_hour_by_hour() -> None:
    web = Web({URL: (200, {})})
    async with Town(fetcher=web) as town:
        alpha, beta, session = await measured(town)
        assert await funds(town) == (50_000, 18_000, 0)
        paid = []
        for _ in range(4):
            await later(HOUR + MINUTE)
            paid.append((await funds(town))[2])
        await beta.fulfil(session)
        await later(2 * HOUR)

        assert paid == [0, 6_000, 12_000, 18_000]
        stated = await facts(town, session, "metric")
        assert [(one["part"], one["taken"], one["ok"]) for one in stated] == [
            ("1", 20, 20),
            ("2", 20, 20),
            ("3", 20, 20),
        ]
        assert len(web.asked) == 60
        state = await alpha.state(session)
        assert state.commitments["cmt"].state == "FULFILLED"
        assert await funds(town) == (32_000, 0, 18_000)
        await check_copy(town, session)
        assert await town.inner.tasks("sample") == []


@simulated
async def test_the_samples_were_taken_when_the_revealed_secret_says() -> None:
    times: list[int] = []

    def page() -> Answer:
        times.append(now_ms())
        return (200, {})

    async with Town(fetcher=Web({URL: page})) as town:
        alpha, _, session = await measured(town)
        await later(4 * HOUR)

        (reserved, *_) = await facts(town, session, "escrow")
        stated = await facts(town, session, "metric")
        assert [one.get("secret") is not None for one in stated] == [False, False, True]
        secret = bytes.fromhex(stated[2]["secret"])
        assert sha256_tag(secret) == reserved["secretHash"]
        commitment = (await alpha.state(session)).commitments["cmt"]
        assert commitment.escrow is not None
        schedule = commitment.escrow.schedule
        assert schedule is not None
        due = [
            sample_ms(
                schedule,
                secret,
                part=part.id,
                begin_ms=commitment.bound_ms + place * HOUR,
                number=number,
            )
            for place, part in enumerate(schedule.parts)
            for number in range(schedule.samples)
        ]
        assert [0 <= at - when <= 2 * SECOND for at, when in zip(times, due, strict=True)] == 60 * [
            True
        ]


@simulated
async def test_the_secret_is_shown_at_the_end_also_of_what_was_called_off() -> None:
    async with Town(fetcher=Web({URL: (200, {})})) as town:
        alpha, beta, session = await measured(town)
        await later(90 * MINUTE)
        for speaker in (alpha, beta):
            await speaker.close(session, "cancelled")

        reserved, *settled = await facts(town, session, "escrow")
        secrets = [one["secret"] for one in settled if "secret" in one]
        assert len(secrets) == 1
        assert sha256_tag(bytes.fromhex(secrets[0])) == reserved["secretHash"]
        assert "secret" in settled[-1]
        await later(HOUR)
        assert await town.inner.tasks("sample") == []
        await check_copy(town, session)


@simulated
async def test_a_failed_sample_is_tried_twice_more_and_then_counts() -> None:
    tries: list[int] = []

    def page() -> Answer:
        tries.append(now_ms())
        return (500, {})

    async with Town(fetcher=Web({URL: page})) as town:
        _, _, session = await measured(town, parts=1)
        await later(HOUR + 2 * MINUTE)

        (stated,) = await facts(town, session, "metric")
        assert (stated["taken"], stated["ok"]) == (20, 0)
        assert len(tries) == 60
        first = tries[0]
        assert [at - first for at in tries[:3]] == pytest.approx(
            [0, SAMPLE_RETRY_MS, 2 * SAMPLE_RETRY_MS], abs=2_100
        )
        assert [one["sample"] for one in stated["failures"]] == list(range(20))
        assert parse_instant(stated["failures"][0]["at"]) == tries[2]
        await later(2 * HOUR)
        assert await funds(town) == (50_000, 0, 0)
        await check_copy(town, session)


@simulated
async def test_a_level_that_was_missed_is_paid_pro_rata() -> None:
    count = [0]

    def page() -> Answer:
        count[0] += 1
        # Three answers hold, then a sample fails in all its tries.
        return (200, {}) if count[0] % 6 < 3 else (500, {})

    async with Town(fetcher=Web({URL: page})) as town:
        _, _, session = await measured(town, parts=1)
        await later(HOUR + 2 * MINUTE)
        (stated,) = await facts(town, session, "metric")
        ok, taken = stated["ok"], stated["taken"]
        assert 0 < ok < taken == 20
        await later(2 * HOUR)

        assert await funds(town) == (50_000 - 18_000 * ok // taken, 0, 18_000 * ok // taken)
        await check_copy(town, session)


@simulated
async def test_what_is_down_is_looked_at_as_often_as_what_is_up() -> None:
    """An hour at 99.95 % has a sample every 0.9 s: they do not wait for one that is tried again."""

    def page() -> Answer:
        down = 20 * MINUTE <= now_ms() - begun < 30 * MINUTE
        return (500, {}) if down else (200, {})

    async with Town(fetcher=Web({URL: page})) as town:
        _, _, session = await measured(town, parts=1, sla=0.9995)
        begun = now_ms()
        await later(HOUR + 2 * MINUTE)

        (stated,) = await facts(town, session, "metric")
        assert stated["samples"] == stated["taken"] == 4_000
        # Ten minutes of sixty; whatever comes back within the tries of a sample was not down.
        failed = stated["taken"] - stated["ok"]
        assert failed == pytest.approx((600_000 - 2 * SAMPLE_RETRY_MS) / 900, abs=5)
        await check_copy(town, session)


@simulated
async def test_samples_that_the_host_missed_are_not_counted() -> None:
    async with Town(fetcher=Web({URL: (200, {})})) as town:
        _, _, session = await measured(town, parts=1)
        await later(20 * MINUTE)
        await town.stop()
        await later(20 * MINUTE)
        await town.wake()
        await later(25 * MINUTE)

        (stated,) = await facts(town, session, "metric")
        assert 10 <= stated["taken"] < 20
        assert stated["ok"] == stated["taken"]
        await later(2 * HOUR)
        assert (await funds(town))[2] == 18_000
        await check_copy(town, session)


@simulated
async def test_an_hour_that_nobody_measured_is_nobodys_proof() -> None:
    async with Town(fetcher=Web({URL: (200, {})})) as town:
        alpha, _, session = await measured(town, parts=1)
        await town.stop()
        await later(2 * HOUR)
        await town.wake()
        await later(MINUTE)

        (stated,) = await facts(town, session, "metric")
        assert stated["taken"] == 0
        commitment = (await alpha.state(session)).commitments["cmt"]
        assert commitment.obligations[-1].state == "CLAIMED"
        assert commitment.obligations[-1].blind


@simulated
async def test_samples_that_have_to_wait_their_turn_are_missed_and_fail_nobody() -> None:
    web = Busy({URL: (200, {})})
    async with Town(fetcher=web) as town:
        _, _, session = await measured(town, parts=1)
        await later(10 * MINUTE)
        web.until_ms = now_ms() + 20 * MINUTE
        await later(HOUR)

        (stated,) = await facts(town, session, "metric")
        assert web.turned_away
        assert 10 <= stated["taken"] == stated["ok"] <= 15
        assert stated["failures"] == []
        await later(2 * HOUR)
        assert (await funds(town))[2] == 18_000
        await check_copy(town, session)


@simulated
async def test_an_hour_ends_though_what_failed_has_to_wait() -> None:
    """A sample that cannot be tried again in time is not counted, and holds up nothing."""
    web = Busy({URL: (500, {})})
    async with Town(fetcher=web) as town:
        _, _, session = await measured(town, parts=1)
        while not web.asked:
            await later(SECOND)
        web.until_ms = now_ms() + 2 * HOUR
        await later(HOUR + MINUTE)

        (stated,) = await facts(town, session, "metric")
        assert (stated["taken"], stated["ok"]) == (0, 0)


@simulated
async def test_a_good_answer_that_is_given_again_is_a_failed_sample() -> None:
    """The meter falls silent after half an hour, and its last good word is repeated."""
    meter = signer_of("meter")
    begun: list[int] = []
    kept: list[Any] = []

    def page() -> Answer:
        begun.append(now_ms())
        if not kept or now_ms() - begun[0] < 30 * MINUTE:
            kept[:] = [measured_by(meter)]
        return (200, kept[0])

    metric = {"url": URL, "pointer": "/uptime", "op": ">=", "expect": 1, "key": meter.key.text}
    async with Town(fetcher=Web({URL: page})) as town:
        _, _, session = await measured(town, parts=1, metric=metric)
        await later(HOUR + 2 * MINUTE)

        (stated,) = await facts(town, session, "metric")
        # Twenty samples, three minutes apart; the last word is good for one of them more.
        assert stated["taken"] == 20
        assert 9 <= stated["ok"] <= 12
        assert {one["status"] for one in stated["failures"]} == {None}
        await later(2 * HOUR)
        assert (await funds(town))[2] == 18_000 * stated["ok"] // 20
        await check_copy(town, session)


def test_the_fewest_samples_follow_from_the_level() -> None:
    found = {
        level: samples_least(Fraction(level)) for level in ("1/2", "9/10", "999/1000", "9995/10000")
    }

    assert found == {"1/2": 4, "9/10": 20, "999/1000": 2_000, "9995/10000": 4_000}
