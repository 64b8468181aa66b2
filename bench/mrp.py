"""What it costs to judge an MRP envelope, and to rank many offers with their reasons.

Bytes in, verdict out, for the seed's DISCOVER, with orjson's own reading beside it as the floor;
and beside mrpd's validator in the same run, where its environment is (``.venv/mrpd``, which the
interop tests make). Ranking is of 100,000 offers, half of which fail the seed's constraints.
"""

from __future__ import annotations

import json
import random
import subprocess
import time
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import orjson

from bench.wire import cost_us, report
from treaty.core.routing import RouteNeed, RouteOffer, rank
from treaty.dialects.mrp.choices import Profile
from treaty.dialects.mrp.codec import compose, decode, encode
from treaty.dialects.mrp.validation import validate

ROOT: Final = Path(__file__).parents[1]
PEER: Final = ROOT / ".venv" / "mrpd" / "bin" / "python"
OFFERS: Final = 100_000
PEER_TIMEOUT_S: Final = 60

# Runs in mrpd's environment, so it imports nothing of ours.
PEER_PROGRAM: Final = """
import json, sys, time, warnings
warnings.simplefilter("ignore")
from mrpd.core.schema import validate_envelope
raw = sys.stdin.read()
validate_envelope(json.loads(raw))
rounds = []
for _ in range(5):
    start = time.perf_counter()
    for _ in range(20):
        validate_envelope(json.loads(raw))
    rounds.append((time.perf_counter() - start) / 20)
print(min(rounds) * 1e6)
"""


def seed_discover() -> bytes:
    """The seed's DISCOVER in its envelope."""
    path = ROOT / "conformance" / "vectors" / "mrp" / "seed-transcript.json"
    payload = json.loads(path.read_text("utf-8"))[0]["payload"]
    document = compose(
        "DISCOVER", payload, sender="agent:acme/router", at_ms=1_767_225_600_000, entropy=bytes(10)
    )
    return encode(document)


def peer_us(raw: bytes) -> float | None:
    """The peer's validation of the same bytes, in microseconds; None where it is not installed."""
    if not PEER.exists():
        return None
    done = subprocess.run(
        [PEER, "-c", PEER_PROGRAM],
        input=raw,
        capture_output=True,
        timeout=PEER_TIMEOUT_S,
        check=True,
    )
    return float(done.stdout)


def offers(count: int) -> list[RouteOffer]:
    """Offers around the limits of the seed, the same in every run."""
    chance = random.Random(1)

    def one(number: int) -> RouteOffer:
        is_good = chance.random() < 0.5
        more: dict[str, Any] = {"policy": ("no_training", "no_pii")} if is_good else {}
        return RouteOffer(
            provider=f"service:p{number % 500}",
            route_id=f"route:{number}",
            capability="summarize",
            confidence=Decimal(chance.randrange(101)) / 100,
            cost=Decimal(chance.randrange(25)) / 1000,
            unit="usd",
            latency_ms=Decimal(chance.randrange(600)),
            training_use="none" if is_good else "optional",
            retention_days=Decimal(0 if is_good else 14),
            proofs=("attestation",),
            **more,
        )

    return [one(number) for number in range(count)]


def rank_s(count: int) -> tuple[float, float]:
    """Seconds to rank, and to rank and give every reason; the better of three rounds."""
    need = RouteNeed(
        capability="summarize",
        policy=("no_training", "no_pii"),
        max_cost=Decimal("0.02"),
        max_latency_ms=Decimal(400),
        retention_days=Decimal(0),
        residency="us",
        proofs=("attestation",),
    )
    heard = offers(count)
    rounds = []
    for _ in range(3):
        start = time.perf_counter()
        ranking = rank(need, heard)
        ranked = time.perf_counter()
        reasons = sum(len(one.reasons) for one in ranking.considered)
        assert reasons >= count - 1
        rounds.append((ranked - start, time.perf_counter() - start))
    return min(rounds, key=lambda one: one[1])


def main() -> None:
    """Print the table."""
    raw = seed_discover()
    floor = cost_us(lambda: orjson.loads(raw))
    print(f"the seed's DISCOVER, {len(raw)} bytes")
    for profile in Profile:
        ours = cost_us(lambda profile=profile: validate(raw, profile))
        report(f"validate, {profile}", ours, "orjson.loads", floor)
    report("decode to a record", cost_us(lambda: decode(raw)), "orjson.loads", floor)
    theirs = peer_us(raw)
    if theirs is None:
        print("mrpd is not installed in .venv/mrpd; tests/interop installs it")
    else:
        ours = cost_us(lambda: validate(raw))
        print(f"{'mrpd 0.1.1 validate':<34}{theirs:8.0f} us   {theirs / ours:.0f} times ours")
    ranked, told = rank_s(OFFERS)
    print(f"rank {OFFERS:,} offers {ranked:.2f} s, with every reason {told:.2f} s")


if __name__ == "__main__":
    main()
