"""Signatures checked beside the loop: the same answers, and none of the process's faults."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from tests.app.signed import HOST, SPEAKER, observation
from tests.engine.quote_stage import (
    CHAIN,
    OTHER,
    PROVIDER,
    START_MS,
    seed_policy,
    stage,
    tx,
    verdict_of,
)
from treaty.app import verifying
from treaty.app.verifying import BODY_BYTES_MAX, BROKEN_MAX, LOADED_FROM, WAITING_MAX, Verifying
from treaty.dialects.actp import codec
from treaty.dialects.actp.chains import MOCK
from treaty.dialects.actp.dialect import ACTP, Heard
from treaty.engine.quotes import Told
from treaty.errors import Refused, SignatureError

DIALECT = ACTP(seed_policy(), MOCK, PROVIDER)


@asynccontextmanager
async def beside() -> AsyncIterator[tuple[Verifying, list[str]]]:
    """A process that takes counters, and what is complained of."""
    complaints: list[str] = []
    one = Verifying(DIALECT, complaints.append)
    try:
        assert await one.ready()
        yield one, complaints
    finally:
        one.close()


def run(scene: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(30):
            await scene()

    asyncio.run(bounded())


async def ask(one: Verifying, raw: bytes, tx_id: str = tx(1)) -> Heard | None:
    return await one.counter(raw, CHAIN, tx_id, START_MS, LOADED_FROM)


def process_of(one: Verifying) -> int:
    assert one._line is not None
    return one._line.pid


def environment_of(pid: int) -> bytes:
    return Path(f"/proc/{pid}/environ").read_bytes()


def test_what_is_verified_there_is_what_would_be_verified_here() -> None:
    async def scene() -> None:
        async with stage() as desk, beside() as (one, _):
            reasons = {"reason": "dear", "marketRate": 0.75, "breakdown": {"ä": [1, {}]}}
            plain, argued = (
                desk.offer(tx(1), 600_000),
                desk.offer(tx(1), 600_000, justification=reasons),
            )
            found = await asyncio.gather(*(ask(one, codec.encode(c)) for c in (plain, argued)))
            assert found == [
                DIALECT.verify_counter(c, CHAIN, tx(1), START_MS) for c in (plain, argued)
            ]

    run(scene)


def test_whatever_is_not_verified_is_left_to_whoever_asked() -> None:
    async def scene() -> None:
        async with stage() as desk, beside() as (one, complaints):
            good = desk.offer(tx(1), 600_000)
            forged = replace(good, counter_amount="600001")
            late = desk.offer(tx(1), 600_000, at_ms=START_MS - 7_200_000)
            bodies = (b"", b"{", b"\xff" * 99, codec.encode(forged), codec.encode(late))
            assert [await ask(one, raw) for raw in bodies] == [None] * len(bodies)
            assert await ask(one, codec.encode(good), tx(2)) is None
            assert await ask(one, codec.encode(good)) is not None
            assert complaints == []

    run(scene)


def test_a_sessions_message_is_checked_there_too() -> None:
    async def scene() -> None:
        async with beside() as (one, _):
            raw, forged = observation(START_MS), observation(START_MS).replace(b"sky", b"sea")
            at = (SPEAKER.key, START_MS, HOST, LOADED_FROM)
            both = await asyncio.gather(one.message(raw, *at), one.message(forged, *at))
            assert (both, one.handed_over) == ([True, False], 2)

    run(scene)


@pytest.mark.parametrize(
    ("padding", "tx_id", "under_way"),
    [
        (0, tx(1), LOADED_FROM - 1),
        (BODY_BYTES_MAX, tx(1), LOADED_FROM),
        (0, tx(1) + "0", LOADED_FROM),
        (0, tx(1)[:-1] + "é", LOADED_FROM),
    ],
    ids=["few", "large", "long", "odd"],
)
def test_few_large_and_odd_ones_are_left_here(padding: int, tx_id: str, under_way: int) -> None:
    async def scene() -> None:
        async with stage() as desk, beside() as (one, _):
            raw = codec.encode(desk.offer(tx(1), 600_000)) + b" " * padding
            assert await one.counter(raw, CHAIN, tx_id, START_MS, under_way) is None
            assert one.handed_over == 0

    run(scene)


def test_what_waits_is_bounded() -> None:
    async def scene() -> None:
        async with stage() as desk, beside() as (one, _):
            raw = codec.encode(desk.offer(tx(1), 600_000))
            found = await asyncio.gather(*(ask(one, raw) for _ in range(WAITING_MAX + 5)))
            assert one.handed_over == WAITING_MAX
            assert [each is None for each in found] == [False] * WAITING_MAX + [True] * 5
            assert await ask(one, raw) is not None

    run(scene)


def test_a_process_that_is_killed_is_nobodys_answer_and_started_again_a_few_times() -> None:
    async def scene() -> None:
        async with stage() as desk, beside() as (one, complaints):
            raw = codec.encode(desk.offer(tx(1), 600_000))
            for broken in range(1, BROKEN_MAX + 1):
                os.kill(process_of(one), signal.SIGKILL)
                assert await ask(one, raw) is None
                assert await one.ready() == (broken < BROKEN_MAX)
                assert len(complaints) == broken
            assert await ask(one, raw) is None

    run(scene)


def test_a_process_that_talks_nonsense_is_nobodys_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    greeting = "sys.stdin.buffer.raw.read(4096); out = open(1, 'wb', buffering=0, closefd=False)"
    nonsense = "import os, sys; os.dup2(0, 1); " + greeting + "; out.write(b'\\0\\0\\0\\2[]'); "
    nonsense += "sys.stdin.buffer.raw.read(4096); out.write(b'\\0\\0\\0\\2[]'); sys.stdin.read()"
    monkeypatch.setattr(verifying, "PROGRAM", nonsense)

    async def scene() -> None:
        async with stage() as desk, beside() as (one, complaints):
            assert await ask(one, codec.encode(desk.offer(tx(1), 600_000))) is None
            assert len(complaints) == 1

    run(scene)


def test_where_no_process_can_be_started_everything_is_done_here(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(verifying.sys, "executable", "/nowhere/python")

    async def scene() -> None:
        complaints: list[str] = []
        one = Verifying(DIALECT, complaints.append)
        for broken in range(1, BROKEN_MAX + 2):
            assert not await one.ready()
            assert len(complaints) == min(broken, BROKEN_MAX)

    run(scene)


def test_a_process_that_does_not_answer_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verifying, "ANSWER_S", 0.2)

    async def scene() -> None:
        async with stage() as desk, beside() as (one, complaints):
            os.kill(process_of(one), signal.SIGSTOP)
            assert await ask(one, codec.encode(desk.offer(tx(1), 600_000))) is None
            assert len(complaints) == 1

    run(scene)


def test_the_process_gets_no_secret_and_ends_with_its_node(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TREATY_EVM_KEY", "11" * 32)

    async def scene() -> None:
        async with beside() as (one, complaints):
            environment = environment_of(process_of(one))
            assert b"PYTHONPATH=" in environment
            assert b"TREATY_" not in environment
            line = one._line
            assert line is not None
            one.close()
            assert line._process.returncode is not None
            assert await ask(one, b"{}") is None
            assert complaints == []

    run(scene)


def test_a_loaded_provider_answers_as_one_that_is_not() -> None:
    async def scene() -> None:
        policy = seed_policy(max_active=1_000)
        async with stage(policy=policy) as desk, beside() as (one, _):
            object.__setattr__(desk.quotes.selling, "verifying", one)
            counters = [desk.offer(tx(number), 600_000 + number) for number in range(5)]
            forged = replace(desk.offer(tx(20), 600_000), nonce=7)
            strange = desk.offer(tx(21), 600_000, provider=OTHER.address)
            twice = desk.offer(tx(22), 600_000)
            said = [*counters, forged, strange, twice, twice]
            told = await asyncio.gather(*map(desk.say, said), return_exceptions=True)
            assert [type(one) for one in told] == [Told] * 5 + [SignatureError, Refused] + [
                Told
            ] * 2
            answers = [one for one in told if isinstance(one, Told)]
            assert [verdict_of(one)[0] for one in answers] == ["COUNTER"] * 7
            assert [one.is_repeat for one in answers] == [False] * 6 + [True]
            assert one.handed_over == len(said) - LOADED_FROM

    run(scene)
