"""All benches, one after the other, each with its floor from the same run: ``make bench``.

Figures of a shared machine differ from day to day; the ratios to the floors are what to quote.
"""

from __future__ import annotations

import subprocess
import sys

BENCHES = (
    "wire",
    "identity",
    "actp",
    "store",
    "verify",
    "http",
    "quotes",
    "mrp_http",
    "deal",
    "discovery",
    "memory",
    "start",
)


def main() -> int:
    """Run each in a process of its own, so that none warms the next."""
    failed = 0
    for name in BENCHES:
        print(f"\n== {name}", flush=True)
        failed += subprocess.run([sys.executable, "-m", f"bench.{name}"], check=False).returncode
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
