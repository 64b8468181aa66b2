"""How long a command takes to say its help, which is imports mostly.

The floor is an interpreter that does nothing. Processor time is told beside the clock's, since the
clock of a busy machine counts the others' work too.

Usage: ``python -m bench.start [--runs N]``
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import time
from statistics import median

COMMANDS = ("route", "run", "serve", "verify", "discover")
TARGETED = "route"
TARGET_MS = 150


def took(arguments: list[str], runs: int) -> tuple[float, float]:
    """Median milliseconds of a process from start to end: by the clock, and of the processor."""
    walls, busy = [], []
    for _ in range(runs):
        before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        subprocess.run(arguments, check=True, stdout=subprocess.DEVNULL)
        walls.append(time.perf_counter() - began)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        busy.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return median(walls) * 1_000, median(busy) * 1_000


def main() -> int:
    """Print one line a command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=9)
    runs = parser.parse_args().runs
    call = "from treaty.cli import main; main()"
    floor, floor_busy = took([sys.executable, "-c", "pass"], runs)
    print(f"load of this machine: {os.getloadavg()[0]:.1f}")
    print(f"{'an empty interpreter':<26}{floor:6.0f} ms, processor {floor_busy:4.0f} ms")
    for name in COMMANDS:
        wall, busy = took([sys.executable, "-c", call, name, "--help"], runs)
        line = f"{f'treaty {name} --help':<26}{wall:6.0f} ms, processor {busy:4.0f} ms"
        verdict = "held" if wall <= TARGET_MS else "MISSED"
        told = f", target {TARGET_MS} ms: {verdict}" if name == TARGETED else ""
        print(f"{line}, {wall / floor:4.1f} x the floor{told}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
