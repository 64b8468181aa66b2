"""Attack 5: negotiations driven to every end leave nothing behind but their records.

The engine's ten thousand are in ``tests/engine/test_quotes.py``; here a thousand go through HTTP
and the store on disk, and the memory of the process is looked at as well.
"""

from __future__ import annotations

import gc
from collections import Counter
from typing import Any

import pytest

from fuzz.channel import rss_kib
from tests.attacks.shop import Shop, shop
from tests.engine.quote_stage import OTHER, TTL_MS, account, seed_policy, tx
from treaty.dialects.actp.codec import decode_envelope
from treaty.dialects.actp.messages import CounterAccept, CounterOffer, PriceQuote
from treaty.dialects.actp.negotiation import Negotiation
from treaty.engine.channels import Channel

pytestmark = [pytest.mark.slow, pytest.mark.anyio]
SIGNERS = [account(f"one of many {number}") for number in range(8)]
KINDS = (Channel, Negotiation, CounterOffer, PriceQuote, CounterAccept)


async def driven(here: Shop, number: int) -> str:
    """One negotiation to its end; returns which end that was."""
    signer: Any = SIGNERS[number % len(SIGNERS)]
    match number % 5:
        case 0:
            answer = await here.say(here.offer(number, 1_100_000, signer=signer))
        case 1:
            answer = await here.say(here.offer(number, 600_000, signer=signer))
            quote = decode_envelope(answer.json()["reply"])
            answer = await here.say(here.offer(number, 849_000, signer=signer, quote=quote))
        case 2:
            answer = await here.say(here.offer(number, 600_000, signer=signer))
            # It is left standing and lapses.
        case 3:
            path = here.http.post("/actp/quote-requests", content=here.stage.asked(tx(number)))
            return f"request {(await path).status_code}"
        case _:
            answer = await here.say(here.offer(number, provider=OTHER.address))
            return f"refused {answer.status_code}"
    return str(answer.json()["verdict"]["action"])


def held() -> Counter[str]:
    """What of a negotiation is in memory."""
    gc.collect()
    return Counter(type(one).__name__ for one in gc.get_objects() if isinstance(one, KINDS))


async def test_attack_05_a_thousand_negotiations_leave_nothing_in_memory() -> None:
    async with shop(seed_policy(max_active=10_000)) as here:
        before, ends, sizes = held(), Counter[str](), []
        for number in range(1_000):
            ends[await driven(here, number)] += 1
            if number % 100 == 99:
                here.stage.clock.now_ms += TTL_MS
                await here.stage.do_what_is_due()
                sizes.append(rss_kib())

        assert ends.keys() == {"ACCEPT", "COUNTER", "request 201", "refused 403"}
        assert here.node.quotes is not None
        assert (here.node.quotes.active, here.app.gate.in_flight) == (0, 0)
        assert held() == before
        # A store in memory keeps the records, a few KiB each; there is no more than that.
        assert sizes[-1] - sizes[1] < 20 * 1024
