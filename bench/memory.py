"""Memory of a node over thousands of closed sessions: what it keeps of each.

Run ``python -m bench.memory``. A node with a SQLite file runs in a process of its own; sessions
are opened, introduced and closed by both sides, and its resident memory is read after 1,000
and after 10,000 of them. The limit is 30 MB between the two.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import uvloop

from bench.http import PAIRS, Pair, connect, play, request_of, start_node
from treaty.wire.canonical import canonical

FIRST, LAST, BATCH = 1_000, 10_000, 250


def resident_mb(pid: int) -> float:
    """Resident memory of a process in megabytes."""
    status = Path(f"/proc/{pid}/status").read_text()
    (line,) = (one for one in status.splitlines() if one.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


def script(pair: Pair) -> list[bytes]:
    """The requests of one session from its invitation to its second CLOSE."""
    talk = pair.talk(messages=0, closing=True)
    path = f"/v1/asp/sessions/{talk.session}/messages"
    first, *rest = talk.opening
    return [request_of("/v1/asp/sessions", first), *(request_of(path, one) for one in rest)]


async def fill(url: str, pid: int, total: int) -> list[tuple[int, float]]:
    """Close ``total`` sessions in batches; gives (sessions, megabytes) at the marks."""
    pairs = [Pair(number, url) for number in range(PAIRS)]
    connections = await connect(url)
    cards = [canonical(card) for pair in pairs for card in pair.cards]
    await play(connections, [[request_of("/v1/asp/agents", card)] for card in cards])
    marks = []
    for done in range(BATCH, total + 1, BATCH):
        scripts = [script(pairs[number % PAIRS]) for number in range(BATCH)]
        await play(connections, scripts)
        if done in (FIRST, total):
            marks.append((done, resident_mb(pid)))
    return marks


def bench(total: int) -> None:
    """Print the two marks and what lies between."""
    with tempfile.TemporaryDirectory() as name:
        process, url = start_node(Path(name))
        try:
            marks = uvloop.run(fill(url, process.pid, total))
        finally:
            process.terminate()
            process.wait()
    for sessions, megabytes in marks:
        print(f"  after {sessions:6} closed sessions {megabytes:8.1f} MB")
    print(f"  between                      {marks[-1][1] - marks[0][1]:8.1f} MB   (limit 30)")


def main() -> None:
    """The bench."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=LAST)
    bench(parser.parse_args().sessions)


if __name__ == "__main__":
    main()
