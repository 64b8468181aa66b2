"""The quote channel under fuzz: a whole node behind its application, without a network.

Time passes with every request, so that negotiations open, lapse and are forgotten as in a day of
traffic. What counts as wrong: an answer of 500 or above, no answer, an answer that is not JSON or
says no code, a place still taken at the end.
"""

from __future__ import annotations

import json
import resource
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fuzz.bodies import PROVIDER, Maker, Request
from treaty.dialects.actp.chains import MOCK
from treaty.dialects.actp.dialect import ACTP
from treaty.dialects.actp.policy import ProviderPolicy
from treaty.dialects.asp.dialect import ASP
from treaty.engine.node import Identity, Node
from treaty.engine.ports import Store
from treaty.engine.quotes import Selling
from treaty.http.server import make_app
from treaty.identity.keys import Ed25519Signer

URL = "http://fuzz.test"
STEP_MS = 50
"""What passes between two requests."""
START_MS = 1_772_892_000_000
TTL_S = 60


@dataclass
class Report:
    """What came of it."""

    sent: int = 0
    answers: Counter[tuple[int, str]] = field(default_factory=Counter)
    took_ms: list[float] = field(default_factory=list)
    rss_kib: list[int] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    @property
    def slowest_ms(self) -> float:
        return max(self.took_ms)

    def within_ms(self, share: float) -> float:
        """How long this share of the answers took at most."""
        return sorted(self.took_ms)[int(len(self.took_ms) * share)]


async def fuzzed(count: int, seed: int, store: Store) -> Report:
    """Send ``count`` requests made from ``seed`` to a node that keeps everything in ``store``."""
    report, maker = Report(), Maker(seed)
    now_ms = START_MS
    node = _node(store, lambda: now_ms)
    await node.start()
    app = make_app(node)
    for number in range(count):
        now_ms += STEP_MS
        request = maker.request(now_ms)
        begun = time.perf_counter()
        status, said = await ask(app, request)
        report.took_ms.append((time.perf_counter() - begun) * 1_000)
        _note(report, request, status, said)
        if number % 500 == 499:
            await _do_what_is_due(node)
        if number % (count // 10 or 1) == 0:
            report.rss_kib.append(rss_kib())
    now_ms += 2 * TTL_S * 1_000
    await _do_what_is_due(node)
    assert node.quotes is not None
    if node.quotes.active or app.gate.in_flight:
        report.wrong.append(f"{node.quotes.active} places and {app.gate.in_flight} requests left")
    await store.close()
    return report


def _node(store: Store, clock: Any) -> Node:
    signer = Ed25519Signer(b"\x01" * 32)
    identity = Identity("agent://fuzz.test/node", signer, URL, "agent://fuzz.test/op", signer.key)
    policy = ProviderPolicy(
        floor_units=500_000,
        ideal_units=1_000_000,
        hard_cap_units=10_000_000,
        max_active=100_000,
        session_ttl_s=TTL_S,
        quote_ttl_s=TTL_S,
    )
    selling = Selling(ACTP(policy, MOCK, PROVIDER))
    return Node(
        store, ASP, identity, clock=clock, entropy=bytes, complain=print, selling=selling
    )  # fmt: skip


async def _do_what_is_due(node: Node) -> None:
    while await node.outbox.run_due():
        pass


async def ask(app: Any, request: Request) -> tuple[int, bytes]:
    """One request to an application."""
    path, sent = request.path, []
    events = iter([{"type": "http.request", "body": request.body, "more_body": False}])

    async def receive() -> dict[str, Any]:
        return next(events, {"type": "http.disconnect"})

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "client": ("127.0.0.1", 1),
        "method": request.method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": list(request.headers),
    }
    await app(scope, receive, send)
    return sent[0]["status"], b"".join(one.get("body", b"") for one in sent[1:])


def _note(report: Report, request: Request, status: int, said: bytes) -> None:
    report.sent += 1
    try:
        answer = json.loads(said)
        code = answer["code"] if status >= 400 else ""
    except (ValueError, KeyError, TypeError):
        answer, code = None, "?"
    report.answers[status, str(code)] += 1
    if (status >= 500 or code == "?") and len(report.wrong) < 20:
        shown = f"{request.method} {request.path[:90]} {request.body[:400]!r}"
        report.wrong.append(f"{status} {said[:200]!r} to {shown}")


def rss_kib() -> int:
    """What this process holds in memory now; where that cannot be read, the most it ever held."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return pages * resource.getpagesize() // 1024
