"""What losers are told: their own figures against limits they were sent, and nothing else."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from tests.agent.routed import BARE, order, router
from tests.agent.stalls import Reply, Stall, open_stalls, seed_stall
from treaty.dialects.mrp.rejections import PATH, read_rejection

TAKEN = Reply(b'{"counted":true}', 201)


def told(*stalls: Stall, runs: bool = False, **members: Any) -> int | None:
    async def go() -> int | None:
        async with router() as one:
            call = one.run if runs else one.route
            outcome = await call(order(*stalls, **{"tells_losers": True, **members}))
            record = (await one.decisions.read(outcome.decision_id)).record
            found = record.get("losers_told")
            return found if isinstance(found, int) else None

    with open_stalls(*stalls):
        return asyncio.run(go())


def receipts(stall: Stall) -> list[dict[str, Any]]:
    return [message for path, message in stall.came if path == PATH]


def test_a_loser_is_told_its_own_figures() -> None:
    a, b = seed_stall("a"), seed_stall("b", answers={PATH: TAKEN})

    assert told(a, b) == 1
    (receipt,) = receipts(b)
    rejection = read_rejection(receipt)
    assert rejection.route_id == "route-global-cheap"
    assert rejection.discover_id == b.said("DISCOVER")[0]["msg_id"]
    assert [(one.code, one.over) for one in rejection.reasons] == [
        ("policy_mismatch", None), ("latency_miss", 120), ("retention_risk", 14),
    ]  # fmt: skip
    for secret in ("route-us-fast", "service:a", "0.86", "280", "0.018"):
        assert secret not in json.dumps(receipt)


def test_who_came_behind_is_told_no_figure() -> None:
    a, b = seed_stall("a"), seed_stall("b", answers={PATH: TAKEN})

    assert told(a, b, wish=BARE) == 1
    (reason,) = receipts(b)[0]["reasons"]
    assert reason == {"code": "confidence_lower", "field": "confidence"}


def test_the_winner_and_the_silent_are_told_nothing() -> None:
    a = seed_stall("a", answers={PATH: TAKEN})
    mute = Stall(answers={PATH: TAKEN, "/mrp/discover": Reply(b"", 500)})

    assert told(a, mute, runs=True) == 0
    assert receipts(a) == receipts(mute) == []


def test_nobody_is_told_unless_the_buyer_wants_it() -> None:
    b = seed_stall("b", answers={PATH: TAKEN})

    assert told(b, tells_losers=False) is None
    assert receipts(b) == []


def test_a_provider_that_takes_no_receipts_is_left_alone() -> None:
    assert told(seed_stall("a"), seed_stall("b")) == 0
