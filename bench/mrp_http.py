"""DISCOVER a second, through a whole node and through the real mrpd, in one run.

Run ``python -m bench.mrp_http``. ``treaty serve`` with one capability runs in a process of its own;
the same seed's DISCOVER is posted over one connection and over 32. Beside it stand the HTTP server
alone with an application that does nothing, and ``mrpd serve`` of the environment named by
``MRPD_VENV``, by default the one the tests make in ``.venv/mrpd``.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvloop

from bench.http import Connection, Run, measure, start_node
from bench.quotes import show
from treaty.dialects.mrp import codec

CONNECTIONS = 32
MANY = 20_000
ALONE = 4_000
PEER_MANY = 400
PEER_ALONE = 100
ROUNDS = 3
ROOT = Path(__file__).resolve().parents[1]
TIMES_THE_PEER = 40
P99_MS = 25.0
SHARE_OF_FLOOR = 0.5
CAPABILITY = '''\
"""The seed's provider A."""

from treaty.agent.capability import Markdown, Url, capability


@capability(
    cost="0.018", latency_ms=280, confidence="0.86", policy=("no_training", "no_pii"),
    proofs=("attestation",), retention_days=0,
)
async def summarize(url: Url) -> Markdown:
    """Summarize a page."""
    return Markdown(url)
'''
DISCOVER = {
    "intent": "summarize pricing",
    "inputs": [{"type": "url", "value": "https://example.com/pricing"}],
    "constraints": {
        "max_cost": 0.02,
        "max_latency_ms": 400,
        "data_residency": "us",
        "data_retention_days": 0,
        "policy": ["no_training", "no_pii"],
    },
    "proofs_required": ["attestation"],
}


def request(number: int) -> bytes:
    """One DISCOVER as it is posted."""
    document = codec.compose(
        "DISCOVER",
        DISCOVER,
        sender="agent:bench/buyer",
        at_ms=1_772_892_000_000,
        entropy=number.to_bytes(10, "big"),
    )
    body = codec.encode(document)
    head = (
        "POST /mrp/discover HTTP/1.1\r\nhost: bench\r\ncontent-type: application/mrp+json\r\n"
        f"content-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


@contextmanager
def ours(folder: Path, profile: Path | None) -> Iterator[str]:
    """Our node; gives its address."""
    (folder / "capabilities.py").write_text(CAPABILITY)
    profiling = ["-m", "cProfile", "-o", str(profile)] if profile else []
    command = [
        sys.executable, *profiling, "-m", "treaty.cli", "serve", "--json", "--port", "0",
        "--capability", "capabilities.py:summarize", "--db", str(folder / "node.db"),
    ]  # fmt: skip
    env = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env=env, cwd=folder
    ) as process:
        assert process.stdout is not None
        try:
            yield json.loads(process.stdout.readline())["url"]
        finally:
            process.terminate()
            process.wait()


@contextmanager
def peers(venv: Path, folder: Path) -> Iterator[str]:
    """The real mrpd; gives its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    quiet = subprocess.DEVNULL
    command = [str(venv / "bin" / "mrpd"), "serve", "--port", str(port)]
    env = {**os.environ, "HOME": str(folder)}
    with subprocess.Popen(command, stdout=quiet, stderr=quiet, env=env) as process:
        url = f"http://127.0.0.1:{port}"
        try:
            _await_answer(f"{url}/mrp/manifest")
            yield url
        finally:
            process.terminate()
            process.wait()


def _await_answer(url: str) -> None:
    for _ in range(200):
        try:
            urllib.request.urlopen(url, timeout=1).close()
            return
        except OSError:
            time.sleep(0.1)
    raise RuntimeError(f"nobody answers at {url}")


async def _post(url: str, count: int, connections: int) -> Run:
    import asyncio

    loop = asyncio.get_running_loop()
    host, port = url.removeprefix("http://").split(":")
    opened = [
        (await loop.create_connection(Connection, host, int(port)))[1] for _ in range(connections)
    ]
    return await measure(opened, [[request(number)] for number in range(count)])


def post(url: str, count: int, connections: int, rounds: int = ROUNDS) -> Run:
    """Post so many, in rounds of which the best counts; others use the machine too."""
    runs = [uvloop.run(_post(url, count, connections)) for _ in range(rounds)]
    return max(runs, key=lambda run: run.rate)


def p99_ms(run: Run) -> float:
    """The slowest of a hundred, in milliseconds."""
    return run.times[int(len(run.times) * 0.99)] * 1e3


def bench(many: int, alone: int, profile: Path | None) -> int:
    """The figures, printed; returns how many of the aims were missed."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with ours(folder, profile) as url:
            post(url, 500, CONNECTIONS, 1)
            run_1, run_many = post(url, alone, 1), post(url, many, CONNECTIONS)
        bare, url = start_node(folder, "--bare")
        try:
            floor_1, floor_many = post(url, alone, 1), post(url, many, CONNECTIONS)
        finally:
            bare.terminate()
            bare.wait()
        share, share_many = run_1.rate / floor_1.rate, run_many.rate / floor_many.rate
        print("DISCOVER of the seed, loopback, no address limit")
        show("ours, 1 connection", run_1)
        show("floor: HTTP alone, 1", floor_1)
        show(f"ours, {CONNECTIONS} connections", run_many)
        show(f"floor: HTTP alone, {CONNECTIONS}", floor_many)
        print(f"  reached {share:.0%} of the floor at 1, {share_many:.0%} at {CONNECTIONS}")
        missed = (share < SHARE_OF_FLOOR) + (p99_ms(run_many) >= P99_MS)
        return missed + beside_peer(folder, run_1, run_many)


def beside_peer(folder: Path, run_1: Run, run_many: Run) -> int:
    """The peer's figures beside ours; returns how many of the aims were missed."""
    venv = Path(os.environ.get("MRPD_VENV", ROOT / ".venv" / "mrpd"))
    if not (venv / "bin" / "mrpd").exists():
        print("  mrpd: set MRPD_VENV to an environment that has it")
        return 0
    with peers(venv, folder) as url:
        post(url, 5, 1, 1)
        peer_1 = post(url, PEER_ALONE, 1, 2)
        peer_many = post(url, PEER_MANY, CONNECTIONS, 2)
    show("mrpd, 1 connection", peer_1)
    show(f"mrpd, {CONNECTIONS} connections", peer_many)
    times = run_many.rate / peer_many.rate
    print(f"  ours beside it: {run_1.rate / peer_1.rate:.0f} x at 1, {times:.0f} x at many")
    return int(times < TIMES_THE_PEER)


def main() -> int:
    """The bench; fails where an aim is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--many", type=int, default=MANY)
    parser.add_argument("--alone", type=int, default=ALONE)
    parser.add_argument("--profile", type=Path)
    chosen = parser.parse_args()
    return bench(chosen.many, chosen.alone, chosen.profile)


if __name__ == "__main__":
    sys.exit(main())
