"""A short run of the fuzzer; ``make fuzz`` makes the long one."""

from __future__ import annotations

import asyncio

from fuzz.channel import fuzzed
from treaty.store.memory import MemoryStore


def test_w12_no_body_ends_in_a_5xx_and_none_takes_long() -> None:
    report = asyncio.run(fuzzed(3_000, 11, MemoryStore()))

    assert not report.wrong, "\n".join(report.wrong)
    assert report.sent == 3_000
    assert report.slowest_ms < 1_000
    # Bodies of every kind get through to where they are decided on, or this proves little.
    told = {status for status, _ in report.answers}
    assert told >= {200, 201, 400, 401, 403, 404, 405, 409, 410, 413, 422}
