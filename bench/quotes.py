"""Counter-offers a second through the whole quote channel: HTTP in, durable signed reply out.

Run ``python -m bench.quotes``. ``treaty serve --policy … --mock --db …`` runs in a process of its
own with its address limit off for loopback, as it is unless ``--rate`` sets it; counters with
distinct transactions and nonces were signed beforehand, half of them good enough to accept and
half answered by a new quote. Beside it stand floors of the same run: digest, recovery and
signature alone, a commit alone, and the HTTP server alone. With ``AGIRAILS_VENV`` and
``AGIRAILS_COINCURVE_VENV`` (folders of virtual environments) the peer's ``actp serve --mock``
answers the same counters, without a signed reply and without keeping anything.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import secrets
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import uvloop

from bench.http import Connection, Run, measure, request_of, start_node
from treaty.dialects.actp import codec
from treaty.dialects.actp.builders import CounterOfferBuilder
from treaty.dialects.actp.chains import BASE_SEPOLIA, MOCK
from treaty.dialects.actp.dids import make_did
from treaty.dialects.actp.typed import digest_of
from treaty.engine.ports import Append, Entry, Task, Unit
from treaty.identity.secp256k1 import EvmSigner, recover
from treaty.store.sqlite import SqliteStore

CONNECTIONS = 16
COUNTERS = 16_000
ALONE = 3_000
PEER_COUNTERS = 600
SIGNERS = 32
ROOT = Path(__file__).resolve().parents[1]
POLICY = """\
pricing:
  min_acceptable_amount: 500000
  ideal_amount: 1_000_000
  hard_cap: 10_000_000
concurrency:
  max_active_negotiations: 100000
session:
  ttl_seconds: 86400
"""
PEER_POLICY = {
    "pricing": {
        "min_acceptable": {"amount": 500_000, "currency": "USDC", "unit": "base"},
        "ideal_price": {"amount": 1_000_000, "currency": "USDC", "unit": "base"},
    },
    "counter_strategy": "concede",
}


def signed_counters(count: int, provider: str) -> list[bytes]:
    """POST requests of counters to transactions nobody has heard of."""
    signers = [EvmSigner(secrets.token_bytes(32)) for _ in range(SIGNERS)]
    at_ms = time.time_ns() // 1_000_000
    return [_request(signers[number % SIGNERS], provider, number, at_ms) for number in range(count)]


def _request(signer: EvmSigner, provider: str, number: int, at_ms: int) -> bytes:
    tx_id = "0x" + secrets.token_hex(32)
    counter = CounterOfferBuilder(MOCK, signer).build(
        tx_id=tx_id,
        provider=make_did(BASE_SEPOLIA, provider),
        quote_amount=1_500_000,
        counter_amount=1_100_000 if number % 2 else 600_000,
        max_price=2_000_000,
        in_reply_to="0x" + "bb" * 32,
        chain_id=BASE_SEPOLIA,
        nonce=number + 1,
        at_ms=at_ms,
    )
    return request_of(f"/quote-channel/{BASE_SEPOLIA}/{tx_id}", codec.encode(counter))


# The servers.


@dataclass(frozen=True)
class Ours:
    """Our node while it runs."""

    url: str
    provider: str
    pid: int

    def cpu_us(self) -> tuple[float, float]:
        """Processor time of its first thread, and of all its threads and processes."""
        first = _cpu_us(self.pid, self.pid)
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        whole = sum(
            _cpu_us(pid, int(task.name))
            for pid in (self.pid, *map(int, children))
            for task in Path(f"/proc/{pid}/task").iterdir()
        )
        return first, whole


def _cpu_us(pid: int, thread: int) -> float:
    return int(Path(f"/proc/{pid}/task/{thread}/schedstat").read_text().split()[0]) / 1_000


@contextmanager
def ours(folder: Path, profile: Path | None) -> Iterator[Ours]:
    """Our node."""
    policy = folder / "policy.yaml"
    policy.write_text(POLICY)
    profiling = ["-m", "cProfile", "-o", str(profile)] if profile else []
    command = [
        sys.executable, *profiling, "-m", "treaty.cli", "serve", "--json", "--port", "0", "--mock",
        "--policy", str(policy), "--db", str(folder / "node.db"),
    ]  # fmt: skip
    env = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "TREATY_EVM_KEY": secrets.token_hex(32)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env) as process:
        assert process.stdout is not None
        told = json.loads(process.stdout.readline())
        try:
            yield Ours(told["url"], told["provider"], process.pid)
        finally:
            process.terminate()
            process.wait()


@contextmanager
def peers(venv: Path, folder: Path) -> Iterator[str]:
    """The peer's daemon from a virtual environment; gives its address."""
    policy = folder / "policy.json"
    policy.write_text(json.dumps(PEER_POLICY))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [
        str(venv / "bin" / "actp"), "serve", "--mock", "--policy", str(policy),
        "--host", "127.0.0.1", "--port", str(port),
    ]  # fmt: skip
    quiet = subprocess.DEVNULL
    with subprocess.Popen(command, stdout=quiet, stderr=quiet, cwd=folder) as process:
        url = f"http://127.0.0.1:{port}"
        try:
            _await_answer(url)
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


# The measurements.


async def _post_all(url: str, requests: Sequence[bytes], connections: int) -> Run:
    loop = asyncio.get_running_loop()
    host, port = url.removeprefix("http://").split(":")
    opened = [
        (await loop.create_connection(Connection, host, int(port)))[1] for _ in range(connections)
    ]
    return await measure(opened, [[one] for one in requests])


def post_all(url: str, requests: Sequence[bytes], connections: int) -> Run:
    """Post every request once over so many connections."""
    return uvloop.run(_post_all(url, requests, connections))


def crypto_floor_us(request: bytes) -> float:
    """One digest, one recovery and one signature, in microseconds."""
    message = codec.decode(request.partition(b"\r\n\r\n")[2])
    separator, signer = MOCK.separator(BASE_SEPOLIA), EvmSigner(secrets.token_bytes(32))
    signature = bytes.fromhex(message.signature[2:])
    rounds = 2_000
    start = time.perf_counter()
    for _ in range(rounds):
        digest = digest_of(message, separator)
        recover(digest, signature)
        signer.sign_digest(digest)
    return (time.perf_counter() - start) / rounds * 1e6


async def commit_floor(folder: Path, body: bytes, tasks: int, each: int) -> float:
    """Units of one entry and half a timer a second, which is what a counter writes."""
    store = await SqliteStore.open(folder / f"floor-{tasks}.db")

    async def work(worker: int) -> None:
        for number in range(each):
            name = f"quote/84532/0x{secrets.token_hex(32)}"
            entry = Entry(name, 1, "counter", body, body)
            timer = (Task(name, "quote", 2**60, b"{}"),) if number % 2 else ()
            await store.commit(Unit((Append(name, 0, (entry,)),), (), timer))

    start = time.perf_counter()
    await asyncio.gather(*(work(number) for number in range(tasks)))
    rate = tasks * each / (time.perf_counter() - start)
    await store.close()
    return rate


def best(rounds: int, run: Callable[[], Run]) -> Run:
    """The quickest of some runs, for a peer whose figures vary."""
    return max((run() for _ in range(rounds)), key=lambda one: one.rate)


def bench(counters: int, alone: int, profile: Path | None) -> dict[str, Run]:
    """Our figures and the floors, printed."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with ours(folder, profile) as node:
            url = node.url
            requests = signed_counters(alone + 1_000 + counters, node.provider)
            first, warm, many = (
                requests[:alone],
                requests[alone : alone + 1_000],
                requests[alone + 1_000 :],
            )
            post_all(url, warm, CONNECTIONS)
            plan = {
                "fresh, 1 connection": (first, 1),
                "fresh, 16 connections": (many, CONNECTIONS),
                "replay, 1 connection": (first, 1),
                "replay, 16 connections": (many, CONNECTIONS),
            }
            runs, costs = {}, {}
            for label, (those, connections) in plan.items():
                before = node.cpu_us()
                runs[label] = post_all(url, those, connections)
                spent = zip(before, node.cpu_us(), strict=True)
                costs[label] = tuple((after - earlier) / len(those) for earlier, after in spent)
        bare, url = start_node(folder, "--bare")
        try:
            http = {n: post_all(url, many[:6_000], n) for n in (1, CONNECTIONS)}
        finally:
            bare.terminate()
            bare.wait()
        body = many[0].partition(b"\r\n\r\n")[2]
        crypto_us = crypto_floor_us(many[0])
        commits = {n: uvloop.run(commit_floor(folder, body, n, 8_000 // n)) for n in (1, 16)}
    print(f"{counters} counters of {len(body)} bytes, durable, loopback, no address limit")
    for label, run in runs.items():
        show(label, run, costs[label])
    print(f"  floor: digest, recover, sign {crypto_us:8.0f} us")
    for n in (1, CONNECTIONS):
        print(
            f"  floor: {n:2} x HTTP alone      {1e6 / http[n].rate:8.0f} us"
            f"   {n:2} x commit alone {1e6 / commits[n]:6.0f} us"
        )
    floor_us = crypto_us + 1e6 / http[1].rate + 1e6 / commits[1]
    share = runs["fresh, 1 connection"].rate * floor_us / 1e4
    print(f"  all three, 1 connection      {floor_us:8.0f} us   reached {share:.0f} %")
    ratio = runs["replay, 1 connection"].rate / runs["fresh, 1 connection"].rate
    ratio_16 = runs["replay, 16 connections"].rate / runs["fresh, 16 connections"].rate
    print(f"  replay beside fresh          {ratio:8.1f} x at 1, {ratio_16:.1f} x at 16")
    return runs


def beside_peers(runs: dict[str, Run]) -> None:
    """The peer in its two builds, where they are there."""
    for label, name in (("default", "AGIRAILS_VENV"), ("coincurve", "AGIRAILS_COINCURVE_VENV")):
        venv = os.environ.get(name)
        if not venv:
            print(f"  agirails {label}: set {name}")
            continue
        with tempfile.TemporaryDirectory() as folder, peers(Path(venv), Path(folder)) as url:
            provider = EvmSigner(secrets.token_bytes(32)).address
            post_all(url, signed_counters(50, provider), 1)
            for connections in (1, CONNECTIONS):
                run = best(2, partial(_fresh_run, url, provider, connections))
                show(f"agirails {label}, {connections}", run)
                key = f"fresh, {connections} connection{'s' if connections > 1 else ''}"
                print(f"    ours beside it             {runs[key].rate / run.rate:8.1f} x")


def _fresh_run(url: str, provider: str, connections: int) -> Run:
    return post_all(url, signed_counters(PEER_COUNTERS, provider), connections)


def show(label: str, run: Run, cost_us: tuple[float, ...] = ()) -> None:
    """One line of the table."""
    p50 = statistics.median(run.times) * 1e3
    p99 = run.times[int(len(run.times) * 0.99)] * 1e3
    cost = f"   cpu {cost_us[0]:4.0f} of {cost_us[1]:4.0f} us" if cost_us else ""
    print(f"  {label:<28} {run.rate:8.0f} /s   p50 {p50:6.2f} ms  p99 {p99:6.2f} ms{cost}")


def main() -> None:
    """The bench."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--counters", type=int, default=COUNTERS)
    parser.add_argument("--alone", type=int, default=ALONE)
    parser.add_argument("--profile", type=Path)
    chosen = parser.parse_args()
    beside_peers(bench(chosen.counters, chosen.alone, chosen.profile))


if __name__ == "__main__":
    main()
