"""Signed messages a second through a whole node: HTTP in, checked, durable, receipt out.

Run ``python -m bench.http``. A node with a SQLite file runs in a process of its own; sixteen
connections bring messages that were signed beforehand, in rounds, of which the best counts: on a
machine that others use too the rest tells about them. Beside it stand floors of the same run: the
signatures alone, the commits alone, and the server alone with an application that does nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import pstats
import secrets
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import uvloop

from treaty.app.nodes import settle_memory
from treaty.app.verifying import open_verifying
from treaty.dialects.asp.codec import compose, seal
from treaty.dialects.asp.dialect import ASP
from treaty.dialects.asp.messages import Performative
from treaty.dialects.asp.rules import messages_url
from treaty.engine.node import Identity, Node
from treaty.engine.ports import Append, Entry, Unit
from treaty.http.limits import Settings
from treaty.http.server import listen, make_app, serve
from treaty.identity.cards import make_card
from treaty.identity.dpop import MessageBinding, message_proof
from treaty.identity.keys import Ed25519Signer, check_signature
from treaty.store.sqlite import SqliteStore
from treaty.wire.canonical import Json, canonical
from treaty.wire.digest import ZERO_TAG
from treaty.wire.ids import uuid7

CONNECTIONS = 16
SESSIONS = 160
ROUNDS = 8
MESSAGES = 100
"""In a session, after its opening; both senders stay below the burst that is allowed."""
PAIRS = 16
ROOT = Path(__file__).resolve().parents[1]
NODE = "agent://bench.test/node"


def now_ms() -> int:
    """Milliseconds since 1970."""
    return time.time_ns() // 1_000_000


# The node, in a process of its own.


class Echo:
    """An application that reads a body and answers a little."""

    settings = Settings()

    async def __call__(self, scope, receive, send) -> None:
        while (await receive()).get("more_body"):
            pass
        length = (b"content-length", b"2")
        await send({"type": "http.response.start", "status": 201, "headers": [length]})
        await send({"type": "http.response.body", "body": b"{}"})

    def close_streams(self) -> None:
        """It has none."""


async def run_bare() -> None:
    """Serve an echo until SIGTERM."""
    listening = listen("127.0.0.1", 0)
    await serve_until_told(Echo(), listening)


async def serve_until_told(app, listening) -> None:
    """Print the address when ready, and serve until SIGTERM."""
    host, port = listening.getsockname()
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await serve(app, listening, stop, on_ready=lambda: print(f"http://{host}:{port}", flush=True))


async def run_node(folder: Path) -> None:
    """Serve a node until SIGTERM."""
    listening = listen("127.0.0.1", 0)
    url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    store = await SqliteStore.open(folder / "node.db")
    signer = Ed25519Signer(secrets.token_bytes(32))
    identity = Identity(NODE, signer, url, "agent://bench.test/operator", signer.key)
    verifying = open_verifying(None, print)
    node = Node(
        store,
        ASP,
        identity,
        clock=now_ms,
        entropy=secrets.token_bytes,
        complain=print,
        verifying=verifying,
    )
    await node.start()
    outbox = asyncio.create_task(node.run())
    settle_memory()
    await serve_until_told(make_app(node), listening)
    outbox.cancel()
    if verifying is not None:
        verifying.close()
    await store.close()


def node_main(folder: Path, bare: bool, profile: Path | None) -> None:
    """The process of the node."""
    work = run_bare() if bare else run_node(folder)
    if profile is None:
        uvloop.run(work)
        return
    with cProfile.Profile() as profiler:
        uvloop.run(work)
    pstats.Stats(profiler).dump_stats(profile)


# The messages, signed beforehand.


@dataclass
class Talk:
    """One session, ready to be said."""

    session: str
    opening: list[bytes] = field(default_factory=list)
    messages: list[bytes] = field(default_factory=list)


class Pair:
    """Two agents and their sessions."""

    def __init__(self, number: int, url: str) -> None:
        self.url = url
        self.uris = (f"agent://buyer{number}.test/a", f"agent://seller{number}.test/b")
        self.signers = tuple(Ed25519Signer(secrets.token_bytes(32)) for _ in range(2))
        self.cards = [
            make_card(
                signer,
                uri=uri,
                name="bench",
                organization="bench",
                org_id="org",
                capabilities=("bench",),
                endpoints={},
            )
            for uri, signer in zip(self.uris, self.signers, strict=True)
        ]

    def talk(self, messages: int = MESSAGES, *, closing: bool = False) -> Talk:
        """A session with an opening of four messages and many observations.

        ``closing`` adds both sides' CLOSE to the opening, for sessions without observations.
        """
        talk = Talk(uuid7(now_ms(), secrets.token_bytes(16)))
        head, counts = ZERO_TAG, [0, 0]

        def say(who: int, performative: Performative, body: dict[str, Json]) -> bytes:
            nonlocal head
            document = self._message(talk.session, head, who, counts[who], performative, body)
            head = document["integrity"]["hash"]
            counts[who] += 1
            return canonical(document)

        invitation = {
            "proposalId": "inv_1",
            "type": "session-invitation",
            "subject": "bench",
            "terms": {},
        }
        talk.opening.append(say(0, Performative.PROPOSE, invitation))
        talk.opening.append(say(1, Performative.ACCEPT, {"referenceId": "inv_1"}))
        for who in (0, 1):
            data = {"agentCard": self.cards[who]}
            body = {"informType": "identity", "subject": "me", "data": data}
            talk.opening.append(say(who, Performative.INFORM, body))
        if closing:
            for who in (0, 1):
                talk.opening.append(say(who, Performative.CLOSE, {"reason": "completed"}))
        for number in range(messages):
            body = {"subject": "progress of the matter", "data": {"number": number, "of": 100}}
            talk.messages.append(say(number % 2, Performative.OBSERVE, body))
        return talk

    def _message(self, session, head, who, sequence, performative, body):
        at_ms, message_id = now_ms(), uuid7(now_ms(), secrets.token_bytes(16))
        binding = MessageBinding(
            message_id, session, sequence, head, messages_url(self.url, session)
        )
        document = compose(
            message_id=message_id,
            at_ms=at_ms,
            sender={
                "agentId": self.uris[who],
                "orgId": "org",
                "trustScore": 49,
                "dpopProof": message_proof(self.signers[who], binding, at_ms),
            },
            performative=performative,
            body=body,
            previous_hash=head,
            salt=secrets.token_bytes(16),
            session_id=session,
            sequence=sequence,
            recipient=self.uris[1 - who] if performative is Performative.PROPOSE else None,
        )
        return seal(document, self.signers[who])


# The client: as little as can be, so that the node is what is measured.


class Connection(asyncio.Protocol):
    """A connection that sends one request after the other."""

    def __init__(self) -> None:
        self._buffer = b""
        self._answer: asyncio.Future[int] | None = None
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, mark, body = self._buffer.partition(b"\r\n\r\n")
        if not mark:
            return
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        if len(body) < length:
            return
        self._buffer = b""
        status = int(head[9:12])
        if status not in (200, 201):
            self._answer.set_exception(RuntimeError((head + body).decode()))
        else:
            self._answer.set_result(status)

    def connection_lost(self, error) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(RuntimeError(f"connection lost: {error}"))

    async def post(self, request: bytes) -> int:
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._answer


def request_of(path: str, body: bytes) -> bytes:
    """The bytes of a POST."""
    head = (
        f"POST {path} HTTP/1.1\r\nhost: bench\r\ncontent-type: application/asp+json\r\n"
        f"content-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def connect(url: str) -> list[Connection]:
    """The connections of a run."""
    loop = asyncio.get_running_loop()
    host, port = url.removeprefix("http://").split(":")
    return [
        (await loop.create_connection(Connection, host, int(port)))[1] for _ in range(CONNECTIONS)
    ]


async def play(connections: Sequence[Connection], scripts: Sequence[list[bytes]]) -> list[float]:
    """Play each script in order on one connection; returns the time of each answer in seconds."""
    waiting = deque(scripts)
    times: list[float] = []

    async def work(connection: Connection) -> None:
        while waiting:
            for request in waiting.popleft():
                start = time.perf_counter()
                await connection.post(request)
                times.append(time.perf_counter() - start)

    await asyncio.gather(*(work(connection) for connection in connections))
    return times


@dataclass
class Run:
    """What a run came to."""

    count: int
    seconds: float
    times: list[float]

    @property
    def rate(self) -> float:
        return self.count / self.seconds


async def measure(connections: Sequence[Connection], scripts: Sequence[list[bytes]]) -> Run:
    """Play scripts and take the time."""
    start = time.perf_counter()
    times = await play(connections, scripts)
    return Run(len(times), time.perf_counter() - start, sorted(times))


async def through_node(url: str, pairs: Sequence[Pair], talks: Sequence[Talk]) -> list[Run]:
    """Register everybody, open all sessions, then measure the messages."""
    connections = await connect(url)
    cards = [canonical(card) for pair in pairs for card in pair.cards]
    await play(connections, [[request_of("/v1/asp/agents", card)] for card in cards])
    openings = []
    for talk in talks:
        first, *rest = talk.opening
        path = f"/v1/asp/sessions/{talk.session}/messages"
        openings.append(
            [request_of("/v1/asp/sessions", first), *(request_of(path, one) for one in rest)]
        )
    await play(connections, openings)
    return await rounds(connections, talks)


async def rounds(connections: Sequence[Connection], talks: Sequence[Talk]) -> list[Run]:
    """Measure the messages in rounds of as many sessions each, the best first."""
    scripts = scripts_of(talks)
    size = -(-len(scripts) // ROUNDS)
    runs = [
        await measure(connections, scripts[start : start + size])
        for start in range(0, len(scripts), size)
    ]
    return sorted(runs, key=lambda run: -run.rate)


def scripts_of(talks: Sequence[Talk]) -> list[list[bytes]]:
    """The requests of the measured part."""
    return [
        [request_of(f"/v1/asp/sessions/{talk.session}/messages", one) for one in talk.messages]
        for talk in talks
    ]


# The floors.


def crypto_floor_us(message: bytes) -> float:
    """Two verifications and one signature, the least that a message costs."""
    signer = Ed25519Signer(secrets.token_bytes(32))
    signature = signer.sign(message[:600])
    rounds = []
    for _ in range(7):
        start = time.perf_counter()
        for _ in range(200):
            check_signature(signer.key, signature, message[:600])
            check_signature(signer.key, signature, message[:600])
            signer.sign(message[:80])
        rounds.append((time.perf_counter() - start) / 200)
    return min(rounds) * 1e6


async def commit_floor(folder: Path, message: bytes) -> float:
    """Commits a second of the store alone, sixteen at a time."""
    store = await SqliteStore.open(folder / "floor.db")
    start, each = time.perf_counter(), 200

    async def work(number: int) -> None:
        name = f"session/{number}"
        for position in range(1, each + 1):
            entry = Entry(name, position, "receipt", message[:800], message)
            await store.commit(Unit((Append(name, position - 1, (entry,)),)))

    await asyncio.gather(*(work(number) for number in range(CONNECTIONS)))
    rate = CONNECTIONS * each / (time.perf_counter() - start)
    await store.close()
    return rate


def start_node(folder: Path, *options: str) -> tuple[subprocess.Popen[str], str]:
    """Start the process and wait for its address."""
    command = [sys.executable, "-m", "bench.http", "--node", str(folder), *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert process.stdout is not None
    url = process.stdout.readline().strip()
    if not url:
        raise RuntimeError("the node did not start")
    return process, url


def bench(sessions: int, profile: Path | None) -> None:
    """Print the table."""
    options = [] if profile is None else ["--profile", str(profile)]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        process, url = start_node(folder, *options)
        try:
            pairs = [Pair(number, url) for number in range(PAIRS)]
            talks = [pairs[number % PAIRS].talk() for number in range(sessions)]
            runs = uvloop.run(through_node(url, pairs, talks))
        finally:
            process.terminate()
            process.wait()
        message = talks[0].messages[50]
        bare, url = start_node(folder, "--bare")
        try:
            bare_runs = uvloop.run(bare_measure(url, talks))
        finally:
            bare.terminate()
            bare.wait()
        crypto_us = crypto_floor_us(message)
        commits = uvloop.run(commit_floor(folder, message))
    print_table(runs, bare_runs[0], crypto_us, commits, len(message))


async def bare_measure(url: str, talks: Sequence[Talk]) -> list[Run]:
    """The same requests, to the application that does nothing."""
    return await rounds(await connect(url), talks)


def print_table(
    runs: Sequence[Run], bare: Run, crypto_us: float, commits: float, size: int
) -> None:
    """Ours, and beside it the floors."""
    run, count = runs[0], sum(run.count for run in runs)
    others = ", ".join(f"{run.rate:.0f}" for run in runs[1:])
    p50 = statistics.median(run.times) * 1e3
    p99 = run.times[int(len(run.times) * 0.99)] * 1e3
    floor_us = crypto_us + 1e6 / bare.rate
    print(f"{count} messages of {size} bytes, {CONNECTIONS} connections, durable")
    print(f"  accepted, best round        {run.rate:9.0f} /s   p50 {p50:.1f} ms  p99 {p99:.1f} ms")
    print(f"  accepted, other rounds         {others} /s")
    print(f"  floor: 2 verify + 1 sign    {1e6 / crypto_us:9.0f} /s   {crypto_us:.0f} us, one core")
    print(f"  floor: server alone         {bare.rate:9.0f} /s   {1e6 / bare.rate:.0f} us")
    print(f"  floor: group commit alone   {commits:9.0f} /s   in a thread of its own")
    share = run.rate * floor_us / 1e4
    print(f"  both on one core            {1e6 / floor_us:9.0f} /s   reached {share:.0f} %")


def main() -> None:
    """The bench, or the process of its node."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=SESSIONS)
    parser.add_argument("--profile", type=Path)
    parser.add_argument("--node", type=Path)
    parser.add_argument("--bare", action="store_true")
    chosen = parser.parse_args()
    if chosen.node is None:
        bench(chosen.sessions, chosen.profile)
    else:
        node_main(chosen.node, chosen.bare, chosen.profile)


if __name__ == "__main__":
    main()
