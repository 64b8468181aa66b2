"""The peer's reproduced weaknesses, looked for here where no other test does it end to end.

``docs/spec/actp.md`` has all of them, each with its test.
"""

from __future__ import annotations

import json
import re
import tracemalloc
from dataclasses import replace
from typing import Any

import pytest

from tests.attacks.shop import Shop, shop
from tests.engine.quote_stage import CHAIN, OTHER, tx
from tests.house.reading import sources
from treaty.dialects.actp import codec
from treaty.http.limits import Settings

pytestmark = pytest.mark.anyio
ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


async def opened(here: Shop) -> int:
    """How many negotiations the provider says are open."""
    return (await here.http.get("/healthz")).json()["negotiations_active"]


async def test_w02_a_counter_of_one_transaction_is_nothing_on_anothers_address() -> None:
    async with shop() as here:
        answer = await here.post(codec.encode(here.offer(1)), 2)

        assert (answer.status_code, answer.json()["code"]) == (400, "path_mismatch")
        # At the address without a transaction it is taken for the one it names.
        document = codec.document_of(here.offer(1))
        taken = await here.http.post("/actp/counter-offer", content=json.dumps(document))
        assert taken.json()["payload"]["txId"] == tx(1)


async def test_w08_a_counter_for_another_provider_is_refused() -> None:
    async with shop() as here:
        answer = await here.say(here.offer(provider=OTHER.address))

        assert (answer.status_code, answer.json()["code"]) == (403, "party_mismatch")
        assert await opened(here) == 0


async def test_w13_64_mib_are_refused_without_being_held() -> None:
    # The body comes in pieces of 64 KiB; the second is one too many.
    async with shop() as here:
        pieces = iter([{"type": "http.request", "body": b"x" * 65_536, "more_body": True}] * 1_024)
        given, sent = [], []

        async def receive() -> dict[str, Any]:
            given.append(1)
            return next(pieces)

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {
            "type": "http", "client": ("127.0.0.1", 1), "method": "POST", "query_string": b"",
            "path": f"/quote-channel/{CHAIN}/{tx(1)}", "headers": [],
            "raw_path": f"/quote-channel/{CHAIN}/{tx(1)}".encode(),
        }  # fmt: skip
        tracemalloc.start()
        try:
            await here.app(scope, receive, send)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

        assert (sent[0]["status"], len(given)) == (413, 2)
        assert peak < 1024 * 1024


def test_w13_a_request_has_ten_seconds() -> None:
    assert (Settings().request_ms, Settings().head_ms) == (10_000, 10_000)


async def test_w15_one_message_in_three_spellings_has_one_effect() -> None:
    async with shop() as here:
        counter = here.offer(amount=600_000)
        told = bytes.fromhex(counter.signature[2:])
        high = (ORDER - int.from_bytes(told[32:64], "big")).to_bytes(32, "big")
        twin = "0x" + (told[:32] + high + bytes([55 - told[64]])).hex()
        spelled = [
            await here.say(replace(counter, signature=signature))
            for signature in (counter.signature, "0x" + told.hex().upper(), twin)
        ]

        assert [one.status_code for one in spelled] == [201, 200, 401]
        assert spelled[1].json()["reply"] == spelled[0].json()["reply"]
        assert await opened(here) == 1


def test_w19_no_service_key_stands_in_the_source() -> None:
    named = re.compile(
        r"""(?ix) (?:api|access|secret|auth|bundler|paymaster)_?(?:key|token)\w* \s*[:=][^\n]{0,20}
        ["'][A-Za-z0-9_\-]{16,}["']"""
    )
    keyed = re.compile(r"(?i)https?://[^\s\"']*(?:api_?key=|/v\d/)[A-Za-z0-9_-]{16,}")
    found = [one.shown for one in sources() if named.search(one.text) or keyed.search(one.text)]

    assert not found
    assert named.search('BUNDLER_API_KEY = "abcdefghijklmnop1234"')
    assert keyed.search("https://api.example.com/rpc?apikey=abcdefghijklmnop1234")
