"""Scores of a trust log by the rules trust/1, without treaty: ``python recompute.py [LOG]``.

A second reading of the rules, with nothing but the standard library: plain lists, every sum made
anew. It reads a log as ``treaty trust log`` writes it, believes its node and operator, and prints
the scores of the times that ``scores.json`` asks for. It checks no signature and no root.

Here a registrable domain is the last two labels of a host; the hosts of these vectors are so made.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, field
from datetime import datetime
from decimal import ROUND_HALF_EVEN, Context, Decimal, localcontext
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
DAY, PLACES = 86_400_000, Decimal("1e-12")
YEAR, QUARTER = 365 * DAY, 90 * DAY
FLOORS = (0, 25, 50, 70, 90)
WEIGHTS = {
    "IV": "0.20", "CH": "0.15", "CF": "0.20", "BC": "0.10",
    "RQ": "0.10", "SP": "0.10", "ER": "0.10", "PE": "0.05",
}  # fmt: skip
CONTEXT = Context(prec=28, rounding=ROUND_HALF_EVEN)


def ms(text: str) -> int:
    """An instant as milliseconds since 1970."""
    return round(datetime.fromisoformat(text).timestamp() * 1000)


def domain(agent: str) -> str:
    """The domain an agent names."""
    return ".".join(agent.removeprefix("agent://").split("/")[0].split(".")[-2:])


@dataclass
class Deal:
    """An outcome of weight above zero, as one side has it."""

    at: int
    w: Decimal
    kept: bool
    honoured: bool | None
    rated: Decimal
    other: str
    other_org: str
    own_org: str


@dataclass
class Agent:
    """What the log says of an agent."""

    proofs: set[str] = field(default_factory=set)
    born: int | None = None
    attestation: dict[str, Any] | None = None
    violations: set[str] = field(default_factory=set)
    deals: list[Deal] = field(default_factory=list)
    breaches: list[tuple[int, Decimal]] = field(default_factory=list)
    defaults: list[tuple[int, Decimal]] = field(default_factory=list)
    toward: list[tuple[int, Decimal]] = field(default_factory=list)
    severe: int | None = None
    cap: tuple[Decimal, int] | None = None
    endorsers: dict[str, Decimal] = field(default_factory=dict)


class Log:
    """A log as far as it was read."""

    def __init__(self, clearing: str, attester: str) -> None:
        self.clearing, self.attester = clearing, attester
        self.agents: dict[str, Agent] = {}
        self.full_breaches: list[tuple[str, int]] = []

    def of(self, agent: str) -> Agent:
        """The agent, known or not."""
        return self.agents.setdefault(agent, Agent())

    def org(self, agent: str) -> str:
        """Its organisation."""
        return domain(agent) if "domain" in self.of(agent).proofs else agent

    def attested(self, agent: str, at: int) -> dict[str, Any] | None:
        """The attestation in force."""
        found = self.of(agent).attestation
        return found if found and ms(found["at"]) <= at < ms(found["until"]) else None

    def read(self, kind: str, record: dict[str, Any]) -> None:
        """Take the next record."""
        at = ms(record["at"])
        if kind == "identity":
            if record["proof"] in ("legal", "signer") and record.get("by") != self.attester:
                return
            self.of(record["agent"]).proofs.add(record["proof"])
            born = self.of(record["agent"]).born
            self.of(record["agent"]).born = at if born is None else born
        elif kind == "attestation" and record["by"] == self.attester:
            self.of(record["agent"]).attestation = record
        elif kind == "violation":
            self.of(record["agent"]).violations.add(record["evidence"])
        elif kind == "endorsement":
            self.endorse(record, at)
        elif kind == "outcome" and record["clearing"] == self.clearing:
            self.outcome(record, at)

    def endorse(self, record: dict[str, Any], at: int) -> None:
        """One agent's word for another."""
        endorsers = self.of(record["agent"]).endorsers
        endorsers.pop(record["endorser"], None)
        q = self.word(record["agent"], record["endorser"], None, at)
        if q and not record.get("withdrawn"):
            endorsers[record["endorser"]] = q

    def word(self, agent: str, other: str, before: dict[str, Any] | None, at: int) -> Decimal:
        """q: how much the other's word counts for an agent."""
        vouched = "domain" in self.of(other).proofs or self.attested(other, at)
        if domain(agent) == domain(other) or not vouched:
            return Decimal(0)
        if before is None:
            now = self.score(other, at)
            before = {"score": now["score"], "provisional": now["provisional"]}
        if before["provisional"]:
            return Decimal(0)
        q = (Decimal(before["score"]) - 30) / 60
        return max(Decimal(0), min(Decimal(1), q)).quantize(PLACES)

    def outcome(self, record: dict[str, Any], at: int) -> None:
        """A settled commitment: both sides are weighed first, then both are entered."""
        one, other = record["parties"]
        weighed = [(me, you, self.weight(me, you, at)) for me, you in ((one, other), (other, one))]
        orgs = {party["agent"]: self.org(party["agent"]) for party in (one, other)}
        levels = {who: self.score(who, at)["level"] for who in orgs}
        for me, you, w in weighed:
            own, kept = self.of(me["agent"]), me["result"] == "kept"
            if me.get("escrow") == "failed":
                own.defaults.append((at, Decimal(me["v"])))
            if w:
                honoured = None if "escrow" not in me else me["escrow"] == "honoured"
                rated = self.rated(record, me, kept)
                sides = (you["agent"], orgs[you["agent"]], orgs[me["agent"]])
                own.deals.append(Deal(at, w, kept, honoured, rated, *sides))
            if not kept:
                self.breach(record, me, at, levels[me["agent"]])
                if Decimal(me["v"]) >= 1:
                    self.full_breaches.append((orgs[me["agent"]], at))

    def weight(self, me: dict[str, Any], you: dict[str, Any], at: int) -> Decimal:
        """w, within what the other's organisation may still confer."""
        q = self.word(me["agent"], you["agent"], you.get("before"), at)
        w = (q * Decimal(me["v"])).quantize(PLACES)
        org = self.org(you["agent"])
        lately = [
            (agent, deal)
            for agent, state in self.agents.items()
            for deal in state.deals
            if at - deal.at < YEAR
        ]
        from_it = sum(d.w for a, d in lately if a == me["agent"] and d.other_org == org)
        received = sum((d.w for _, d in lately if d.own_org == org), Decimal(0))
        conferred = sum((d.w for _, d in lately if d.other_org == org), Decimal(0))
        half = Decimal(int(received / PLACES) // 2) * PLACES
        room = min(1 - from_it, half + self.allowance(org, at) - conferred)
        return max(Decimal(0), min(w, room)) if q else Decimal(0)

    def allowance(self, org: str, at: int) -> Decimal:
        """What the organisation may confer beyond half of what it received."""
        found = [self.attested(one, at) for one in list(self.agents) if self.org(one) == org]
        return max((Decimal(one["allowance"]) for one in found if one), default=Decimal(0))

    @staticmethod
    def rated(record: dict[str, Any], me: dict[str, Any], kept: bool) -> Decimal:
        """0.6·rating/5 + 0.4·outcome, of 100."""
        if "rating" not in me:
            return Decimal(100 if kept else 0)
        least = 3 if kept and not record.get("disputed") else 0
        return Decimal(12 * max(me["rating"], least) + (40 if kept else 0))

    def breach(self, record: dict[str, Any], me: dict[str, Any], at: int, level: int) -> None:
        """A promise that was not kept, and the cap below ``level`` when they sum to one."""
        own, v = self.of(me["agent"]), Decimal(me["v"])
        own.breaches.append((at, v))
        own.toward = [one for one in own.toward if at - one[0] < QUARTER] + [(at, v)]
        own.severe = at if record.get("severity") == 5 else own.severe
        if sum(one for _, one in own.toward) < 1:
            return
        most = max(Decimal("0.0"), FLOORS[level] - Decimal("0.1"))
        if own.severe is not None and at - own.severe < QUARTER:
            most = min(most, Decimal("24.9"))
        own.cap, own.toward = (most, at + QUARTER), []

    def score(self, agent: str, at: int) -> dict[str, Any]:
        """An agent's score at a time, with all that it is made of."""
        with localcontext(CONTEXT):
            return self._score(agent, at)

    def _score(self, agent: str, at: int) -> dict[str, Any]:
        own, attested = self.of(agent), self.attested(agent, at)
        starts = [one.at for one in own.deals] + ([ms(attested["at"])] if attested else [])
        idle = Decimal(at - max(starts)) / DAY if starts else Decimal(0)
        decay = ((30 - idle) / 90 * Decimal(2).ln()).exp() if idle > 30 else Decimal(1)
        mine = sum((one.w for one in own.deals), Decimal(0))
        lent = Decimal(attested["weight"]) if attested else Decimal(0)
        evidence = (lent + mine) * decay
        breaches = sum((v for then, v in own.breaches if at - then < YEAR), Decimal(0))
        parts = self.components(agent, at, mine * decay, breaches)
        for name, value in ((attested or {}).get("components") or {}).items():
            if lent + mine:
                parts[name] = (lent * Decimal(value) + mine * clamp(parts[name])) / (lent + mine)
        parts = {name: clamp(parts[name]).quantize(Decimal("0.0001")) for name in WEIGHTS}
        m = min(Decimal(1), evidence + breaches)
        full = sum((Decimal(WEIGHTS[name]) * parts[name] for name in WEIGHTS), Decimal(0))
        prior = self.prior(agent, at)
        value = clamp((1 - m) * prior + m * full).quantize(Decimal("0.1"))
        if own.cap and at < own.cap[1]:
            value = min(value, own.cap[0])
        return {
            "agent": agent,
            "score": str(value),
            "level": max(n for n, floor in enumerate(FLOORS) if value >= floor),
            "provisional": not attested and evidence < 1,
            "components": {name: str(part) for name, part in parts.items()},
        }

    def components(self, agent: str, at: int, amount: Decimal, b: Decimal) -> dict[str, Decimal]:
        """The eight formulas over the agent's own events."""
        own = self.of(agent)
        growth = (1 + amount).ln() / Decimal(2).ln()
        damp = min(Decimal(1), amount / 10)
        weight = sum((one.w for one in own.deals), Decimal(0))
        escrows = [one for one in own.deals if one.honoured is not None]
        d = sum((v for then, v in own.defaults if at - then < YEAR), Decimal(0))
        key = 50 if "key" in own.proofs else 0
        iv = 100 if "legal" in own.proofs else 80 if "domain" in own.proofs else key
        sp = key + 25 * ("rotation" in own.proofs) + 25 * ("signer" in own.proofs)
        lately = {one.other for one in own.deals if at - one.at < YEAR}
        words = [
            q for who, q in own.endorsers.items() if who in lately and domain(who) != domain(agent)
        ]
        return {
            "IV": damped(iv, damp),
            "CH": 10 * growth,
            "CF": share([one for one in own.deals if one.kept], own.deals, b),
            "BC": 50 + 5 * growth - 10 * len(own.violations),
            "RQ": sum((one.w * one.rated for one in own.deals), Decimal(0)) / weight
            if weight
            else Decimal(0),
            "SP": damped(sp, damp),
            "ER": share([one for one in escrows if one.honoured], escrows, d),
            "PE": 4 * sum(words, Decimal(0)),
        }

    def prior(self, agent: str, at: int) -> int:
        """What the score is without evidence."""
        own, org = self.of(agent), self.org(agent)
        if "key" not in own.proofs or own.born is None:
            return 20
        broken = [then for who, then in self.full_breaches if who == org and at - then < YEAR]
        return 20 if broken and min(broken) < own.born else 49


def clamp(value: Decimal) -> Decimal:
    """0 to 100."""
    return max(Decimal(0), min(Decimal(100), value))


def damped(value: int, damp: Decimal) -> Decimal:
    """What is above 50, in part."""
    return min(value, 50) + max(0, value - 50) * damp


def share(kept: list[Deal], deals: list[Deal], breaches: Decimal) -> Decimal:
    """What was kept of what was promised, of 100."""
    whole = sum((one.w for one in deals), Decimal(0)) + breaches
    return 100 * sum((one.w for one in kept), Decimal(0)) / whole if whole else Decimal(0)


def scores(log: dict[str, Any], asked: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The scores that are asked for: ``agent``, ``at`` and ``size`` each."""
    found = []
    for one in asked:
        read = Log(log["node"]["uri"], log["operator"]["uri"])
        for line in log["records"][: one["size"]]:
            read.read(line["kind"], line["record"])
        made = read.score(one["agent"], ms(one["at"]))
        found.append({"at": one["at"], "size": one["size"], **made})
    return found


def main() -> None:
    """Print the scores of a log."""
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "log.json"
    asked = json.loads((HERE / "scores.json").read_text())["scores"]
    print(json.dumps(scores(json.loads(path.read_text()), asked), indent=2))


if __name__ == "__main__":
    main()
