"""How long a whole deal takes once the processes run: discover, negotiate, escrow, close.

Run ``python -m bench.deal``. A node and a provider are processes of their own, the buyer is
this one; all three check every signature of every entry. Beside it stands the floor: the
signatures of one deal that have to be made and checked one after the other.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import secrets
import statistics
import sys
import tempfile
import time
from decimal import Decimal
from pathlib import Path

import uvloop

from treaty import app
from treaty.agent import BuyerPolicy, Purchase, Tier, buy
from treaty.identity.keys import Ed25519Signer, check_signature
from treaty.identity.records import seal
from treaty.store.memory import MemoryStore
from treaty.wire.instants import format_instant

BUYER = "agent://acme.com/procurement/alpha"
LISTED = Tier(Decimal("3.50"), Decimal("99.9"))
WANTED = Purchase(
    {"gpuType": "A100", "quantity": 2, "durationHours": 1},
    BuyerPolicy(ask=None, reservation=Decimal("4.23"), quality_min=Decimal("99.9")),
    LISTED,
)
MESSAGES = 14
ROOT = Path(__file__).resolve().parents[1]


async def start(folder: Path, *arguments: str) -> tuple[asyncio.subprocess.Process, str]:
    """A process of its own, and the first line it prints."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "TREATY_HOME": str(folder)},
    )
    assert process.stdout is not None
    return process, (await process.stdout.readline()).decode()


async def fund(url: str, key: Path) -> None:
    """Give the buyer plenty."""
    operator = app.signer_at(key)
    client = app.connect(url, signer=operator)
    transfer = {
        "id": "bench",
        "direction": "fund",
        "agent": BUYER,
        "amount": {"amount": "1000000.00", "currency": "USD"},
        "at": format_instant(app.now_ms()),
    }
    await client.post_transfer(seal("transfer", transfer, operator))
    await client.close()


async def deals(url: str, count: int) -> list[float]:
    """Seconds of each deal."""
    times = []
    signer = Ed25519Signer(secrets.token_bytes(32))
    async with app.Agent(BUYER, node=url, signer=signer, store=MemoryStore()) as buyer:
        for _ in range(count):
            began = time.perf_counter()
            found = await buyer.discover("provision.cloud", maxPricePerHour=5)
            deal = await buyer.invite(found[0])
            await buy(deal, WANTED)
            times.append(time.perf_counter() - began)
            await buyer.forget(deal)
    return times


def floor_ms() -> float:
    """The signatures of one deal that wait for one another, in milliseconds.

    For each message two are made, the host checks both and makes a receipt, and whoever waits
    checks the receipt, the message and its proof.
    """
    signer = Ed25519Signer(secrets.token_bytes(32))
    data = b"x" * 80
    signature = signer.sign(data)
    rounds = []
    for _ in range(9):
        began = time.perf_counter()
        for _ in range(MESSAGES):
            for _ in range(3):
                signer.sign(data)
            for _ in range(5):
                check_signature(signer.key, signature, data)
        rounds.append(time.perf_counter() - began)
    return min(rounds) * 1e3


async def bench(count: int) -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        serve = ("-m", "treaty.cli", "serve", "--port", "0", "--json")
        node, line = await start(folder, *serve, "--db", str(folder / "node.db"))
        ready = json.loads(line)
        await fund(ready["url"], Path(ready["operatorKey"]))
        provider, _ = await start(folder, str(ROOT / "examples" / "provider.py"), ready["url"])
        try:
            times = sorted((await deals(ready["url"], count))[2:])
        finally:
            for process in (provider, node):
                process.terminate()
                await process.wait()
    p50, p90 = statistics.median(times) * 1e3, times[int(len(times) * 0.9)] * 1e3
    print(f"  whole deal, {len(times)} in a row     p50 {p50:6.1f} ms   p90 {p90:6.1f} ms")
    print(f"  floor: its signatures in sequence  {floor_ms():6.1f} ms")


def main() -> None:
    """The bench."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--deals", type=int, default=30)
    uvloop.run(bench(parser.parse_args().deals))


if __name__ == "__main__":
    main()
