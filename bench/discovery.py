"""What a discovery question costs over a million listed agents, beside the least it could cost.

Run ``python -m bench.discovery``. Agents with capabilities of a skewed vocabulary, five levels,
prices and organisations are put up; then questions of the kinds people ask are answered in turn.
The floor is the same catalogue asked for nothing: its first page, unpacked, and no filter. The
naive search over all agents is timed beside it, on a few of the questions, and its answers are
compared. The target is a median of 5 ms.
"""

from __future__ import annotations

import argparse
import gc
import random
import statistics
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

from treaty.core.catalogue import Catalogue
from treaty.core.levels import level_of
from treaty.core.matching import Candidate, Need, Price, search

AGENTS = 1_000_000
NAIVE_QUESTIONS = 4
QUESTIONS = 2_000
TARGET_MS = 5.0
FIELDS = ("provision", "negotiate", "monitor", "translate", "review", "store", "route", "audit")


def vocabulary(chance: random.Random) -> list[str]:
    """2,000 capabilities of two or three parts."""
    names = {f"{field}.{chance.randrange(120)}" for field in FIELDS for _ in range(400)}
    while len(names) < 2_000:
        names.add(f"{chance.choice(FIELDS)}.{chance.randrange(120)}.{chance.randrange(40)}")
    return sorted(names)


def agents(count: int, seed: int) -> Iterator[Candidate]:
    """Agents as a registry would hold them: most are newcomers at 49, the best are few."""
    chance = random.Random(seed)
    names = vocabulary(chance)
    for number in range(count):
        newcomer = chance.random() < 0.8
        score = Decimal(49) if newcomer else Decimal(chance.randrange(200, 960)) / 10
        rate = chance.randrange(50, 2_000) / 100
        # The product of two even draws: a few capabilities are common, most are rare.
        offered = {
            names[int(len(names) * chance.random() * chance.random())]
            for _ in range(chance.randrange(1, 6))
        }
        yield Candidate(
            uri=f"agent://org{chance.randrange(count // 4 + 1)}.example/work/{number}",
            score=score,
            level=level_of(score),
            capabilities=tuple(sorted(offered)),
            schemas=("urn:asp:negotiation:v1",),
            protocols=("asp/0.1",),
            organization=f"Org {number % (count // 4 + 1)}",
            prices=(Price(Decimal(str(rate)), "hour", "USD"),),
            pricing={"pricePerHour": rate, "currency": "USD"},
        )


def questions(count: int, seed: int) -> dict[str, list[Need]]:
    """Questions by kind: what the seed asks, prefixes, rare wishes, impossible ones, deep pages."""
    chance = random.Random(seed)
    names = vocabulary(random.Random(1))

    def capability() -> str:
        return names[int(len(names) * chance.random() * chance.random())]

    def most() -> Price:
        return Price(Decimal(chance.randrange(100, 900)) / 100, "hour", "USD")

    kinds = {
        "capability, level, price": lambda: Need(capability(), chance.randrange(5), None, most()),
        "prefix, score": lambda: Need(
            f"{chance.choice(FIELDS)}.*", min_score=Decimal(chance.randrange(100))
        ),
        "rare capability": lambda: Need(names[-1 - chance.randrange(50)], max_price=most()),
        "nobody has it": lambda: Need("no.such.thing", 2, None, most()),
        "one organisation": lambda: Need(organization=f"Org {chance.randrange(200_000)}"),
        "a page in the middle": lambda: Need(
            capability(), after=(Decimal(49), f"agent://org{chance.randrange(10, 99)}"), limit=50
        ),
    }
    return {name: [make() for _ in range(count // len(kinds))] for name, make in kinds.items()}


def resident_mb() -> float:
    """Resident memory of this process in megabytes."""
    status = Path("/proc/self/status").read_text()
    (line,) = (one for one in status.splitlines() if one.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


def timed(catalogue: Catalogue, needs: list[Need]) -> list[float]:
    """Milliseconds of each question."""
    took = []
    for need in needs:
        begun = time.perf_counter()
        catalogue.search(need)
        took.append((time.perf_counter() - begun) * 1e3)
    return took


def show(name: str, took: list[float]) -> None:
    """One line of the table."""
    took = sorted(took)
    p99, most = took[int(len(took) * 0.99)], took[-1]
    print(f"  {name:<26}{statistics.median(took):8.3f} ms p50{p99:9.3f} p99{most:9.3f} most")


def compare(catalogue: Catalogue, count: int, kinds: dict[str, list[Need]]) -> None:
    """The naive search over the same agents: the same answers, and what they cost."""
    listed = list(agents(count, 1))
    took = []
    for needs in list(kinds.values())[:NAIVE_QUESTIONS]:
        begun = time.perf_counter()
        naive = search(listed, needs[0])
        took.append((time.perf_counter() - begun) * 1e3)
        assert catalogue.search(needs[0]) == naive, needs[0]
    show("naive, same answers", took)


def bench(count: int, asked: int, *, naive: bool) -> int:
    """Print the table. Returns 1 when the median over all questions is above the target."""
    before = resident_mb()
    begun = time.perf_counter()
    catalogue = Catalogue(agents(count, 1))
    # What was put up stays: the collector need not walk over it again and again.
    gc.collect()
    gc.freeze()
    held = resident_mb() - before
    print(f"{len(catalogue):,} agents put up in {time.perf_counter() - begun:.0f} s", end=", ")
    print(f"{held:,.0f} MB, {held * 1024 * 1024 / count:,.0f} bytes an agent")
    kinds = questions(asked, 2)
    catalogue.search(Need(max_price=Price(Decimal(1), "hour", "USD"), capability="no"))
    show("floor: the first page", timed(catalogue, [Need()] * 200))
    took = {name: timed(catalogue, needs) for name, needs in kinds.items()}
    for name, some in took.items():
        show(name, some)
    together = [one for some in took.values() for one in some]
    show("all questions", together)
    moved = list(agents(1_000, 1))
    begun = time.perf_counter()
    for one in moved:
        catalogue.rerank(one.uri, one.score + Decimal("0.1"), one.level)
    print(f"  a new score takes {(time.perf_counter() - begun) * 1e3 / len(moved):8.3f} ms")
    for one in moved:
        catalogue.rerank(one.uri, one.score, one.level)
    if naive:
        compare(catalogue, count, kinds)
    median = statistics.median(together)
    print(f"  median {median:.3f} ms, target {TARGET_MS} ms")
    return int(median > TARGET_MS)


def main() -> int:
    """The bench."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--agents", type=int, default=AGENTS)
    parser.add_argument("--questions", type=int, default=QUESTIONS)
    parser.add_argument("--no-naive", action="store_true", help="leave out the slow comparison")
    options = parser.parse_args()
    return bench(options.agents, options.questions, naive=not options.no_naive)


if __name__ == "__main__":
    raise SystemExit(main())
