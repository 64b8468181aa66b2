"""Reading a negotiation: its two parties, once a signature, and nobody else."""

from __future__ import annotations

import asyncio

import pytest

from tests.engine.quote_stage import BUYER, CHAIN, OTHER, PROVIDER, Stage, seed_policy, stage, tx
from treaty.errors import TreatyError


async def code_of(desk: Stage, header: str, tx_id: str) -> str:
    with pytest.raises(TreatyError) as caught:
        await desk.quotes.readers.read(header, CHAIN, tx_id)
    return caught.value.code


def test_both_parties_see_what_was_said_and_how_it_stands() -> None:
    async def scene() -> None:
        async with stage() as desk:
            counter = desk.offer(tx(1), 600_000)
            await desk.say(counter)
            for signer in (BUYER, PROVIDER):
                header = desk.read_header(tx(1), signer)
                view, entries = await desk.quotes.readers.read(header, CHAIN, tx(1))
                assert view["state"] == "QUOTED"
                assert view["consumer"] == BUYER.address
                assert [one.kind for one in entries] == ["counter"]
                assert counter.signature.encode() in (entries[0].raw or b"")

    asyncio.run(scene())


def test_a_stranger_is_told_what_nobody_is_told() -> None:
    async def scene() -> None:
        async with stage() as desk:
            await desk.counter(tx(1), 600_000)
            assert await code_of(desk, desk.read_header(tx(1), OTHER), tx(1)) == "not_found"
            assert await code_of(desk, desk.read_header(tx(2)), tx(2)) == "not_found"

    asyncio.run(scene())


def test_a_read_is_used_once_fresh_and_for_its_own_negotiation() -> None:
    async def scene() -> None:
        async with stage() as desk:
            for number in (1, 2):
                await desk.counter(tx(number), 600_000)
            header = desk.read_header(tx(1))
            await desk.quotes.readers.read(header, CHAIN, tx(1))
            assert await code_of(desk, header, tx(1)) == "proof_replayed"
            assert await code_of(desk, desk.read_header(tx(2)), tx(1)) == "path_mismatch"
            old = desk.read_header(tx(1), at_ms=desk.clock() - 60_001)
            assert await code_of(desk, old, tx(1)) == "proof_invalid"
            assert await code_of(desk, "Bearer nothing", tx(1)) == "malformed"

    asyncio.run(scene())


def test_the_figures_a_policy_keeps_are_in_no_answer() -> None:
    async def scene() -> None:
        policy = seed_policy(floor_units=500_123, ideal_units=1_000_456, hard_cap_units=10_000_789)
        async with stage(policy=policy) as desk:
            await desk.counter(tx(1), 600_000)
            view, entries = await desk.quotes.readers.read(desk.read_header(tx(1)), CHAIN, tx(1))
            said = repr(view) + repr([(one.body, one.raw) for one in entries])
            for private in (500_123, 1_000_456, 10_000_789):
                assert str(private) not in said

    asyncio.run(scene())
