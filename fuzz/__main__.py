"""Fuzz the quote channel: ``python -m fuzz --count 100000 --seed 1``; 1 when anything was wrong."""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from pathlib import Path

from fuzz.channel import Report, fuzzed
from treaty.store.sqlite import SqliteStore

SLOW_MS = 1_000.0
GROWTH_KIB = 64 * 1024


def show(report: Report, seconds: float) -> None:
    """Print the counts by status, and what time and memory did."""
    print(f"{report.sent} requests in {seconds:.0f} s, {report.sent / seconds:.0f} a second")
    for (status, code), number in sorted(report.answers.items()):
        print(f"  {status}  {code:28} {number:8}")
    print(f"slowest answer {report.slowest_ms:.1f} ms, 99 % within {report.within_ms(0.99):.1f} ms")
    print(f"memory after each tenth, KiB: {' '.join(map(str, report.rss_kib))}")


async def _on_disk(folder: Path, count: int, seed: int) -> Report:
    return await fuzzed(count, seed, await SqliteStore.open(folder / "fuzz.db"))


def main() -> int:
    """Run, show, judge."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        begun = time.perf_counter()
        report = asyncio.run(_on_disk(Path(folder), options.count, options.seed))
        show(report, time.perf_counter() - begun)
    wrong = list(report.wrong)
    if report.slowest_ms > SLOW_MS:
        wrong.append(f"an answer took {report.slowest_ms:.0f} ms")
    if len(report.rss_kib) > 1 and report.rss_kib[-1] - report.rss_kib[0] > GROWTH_KIB:
        wrong.append(f"memory grew by {report.rss_kib[-1] - report.rss_kib[0]} KiB")
    for line in wrong:
        print(f"WRONG {line}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
