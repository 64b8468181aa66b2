"""What canonical bytes and strict reading cost, with orjson's own cost beside them as the floor.

Run ``python bench/wire.py``. Each figure is the best of several rounds, in microseconds a call.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import orjson
import rfc8785

from treaty.wire.canonical import Json, canonical, read_json
from treaty.wire.instants import format_instant, parse_instant
from treaty.wire.money import money_from_json

ROUNDS = 7
CALLS = 2_000
HASH = "sha256:" + "5d41402abc4b2a76b9719d911017c592" * 2


def envelope(amount: float) -> dict[str, Json]:
    """An ASP COMMIT of about 1.5 KB; 180.5 prints alike everywhere, 180.0 does not."""
    proof = "eyJ0eXAiOiJkcG9wK2p3dCJ9." + "Zm9vYmFyYmF6" * 24
    deadline = "2026-03-07T16:00:00Z"
    return {
        "protocol": "asp/0.1",
        "messageId": "019cc8f1-2c00-7b3e-8d2a-4f1e9c0a2b11",
        "sessionId": "019cc8f0-7000-7c1e-9d2a-4f1e9c0a2b11",
        "timestamp": "2026-03-07T14:04:00.000Z",
        "sequenceNumber": 4,
        "sender": {
            "uri": "agent://acme.com/procurement/alpha",
            "orgId": "org_acme",
            "trustScore": 49,
            "dpopProof": proof,
        },
        "recipient": {"uri": "agent://cloudprime.io/gpu/beta"},
        "content": {
            "performative": "COMMIT",
            "salt": "p3xV0mJ8kq5Qe2hYx1tZ7w",
            "body": {
                "commitmentId": "cmt_001",
                "subject": "8 GPUs for 48 hours – Zürich",
                "terms": {"pricePerHour": 3.75, "currency": "USD", "hours": 48, "uptime": 99.95},
                "obligations": {
                    "buyer": [{"id": "obl_1", "deadline": deadline, "method": "escrow-release"}],
                    "provider": [{"id": "obl_2", "deadline": deadline, "method": "automated"}],
                },
                "escrow": {"amount": amount, "currency": "USD", "condition": "all-fulfilled"},
            },
        },
        "integrity": {"previousHash": HASH, "hash": HASH, "signature": "ed25519:" + "ab" * 64},
    }


def cost_us(call: Callable[[], object], calls: int = CALLS) -> float:
    """The cheapest round of a call, in microseconds a call."""
    rounds = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        for _ in range(calls):
            call()
        rounds.append(time.perf_counter() - start)
    return min(rounds) / calls * 1e6


def report(name: str, ours: float, floor_name: str, floor: float) -> None:
    """One line: ours, the floor, and how many times the floor that is."""
    print(f"{name:<34}{ours:8.2f} us   {floor_name:<18}{floor:8.2f} us   x{ours / floor:.1f}")


def main() -> None:
    """Print the table."""
    plain, whole = envelope(180.5), envelope(180.0)
    odd: dict[str, Json] = {**plain, "ratio": 1e-7}
    raw = orjson.dumps(plain)
    write_floor = cost_us(lambda: orjson.dumps(plain, option=orjson.OPT_SORT_KEYS))
    read_floor = cost_us(lambda: orjson.loads(raw))
    print(f"one envelope of {len(raw)} bytes, best of {ROUNDS} rounds")
    for name, value in (("plain", plain), ("with 180.0", whole), ("with 1e-7", odd)):
        ours = cost_us(lambda value=value: canonical(value), CALLS // 4)
        report(f"canonical, {name}", ours, "orjson.dumps", write_floor)
    report("rfc8785.dumps", cost_us(lambda: rfc8785.dumps(plain), 200), "orjson.dumps", write_floor)
    report("read_json", cost_us(lambda: read_json(raw)), "orjson.loads", read_floor)
    exact = cost_us(lambda: read_json(raw, exact_numbers=True))
    report("read_json, exact numbers", exact, "orjson.loads", read_floor)
    print(
        f"{'parse_instant':<34}{cost_us(lambda: parse_instant('2026-03-07T14:04:00.000Z')):8.2f} us"
    )
    print(f"{'format_instant':<34}{cost_us(lambda: format_instant(1_772_892_240_000)):8.2f} us")
    print(f"{'money_from_json':<34}{cost_us(lambda: money_from_json(180.0, 'USD')):8.2f} us")


if __name__ == "__main__":
    main()
