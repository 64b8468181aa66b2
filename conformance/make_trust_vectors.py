"""Write the trust vectors: ``python conformance/make_trust_vectors.py``.

A signed log of some seventy records that reaches every rule of trust/1, and the scores that follow
from it. Deterministic; a test makes them again, and asks ``vectors/trust/recompute.py``, which
knows nothing of treaty, for the same numbers.
"""

from __future__ import annotations

import json
import random
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from treaty.core.merkle import Frontier, append, leaf_hash, root
from treaty.core.trust import (
    COMPONENTS,
    Attestation,
    Endorsement,
    Identity,
    Outcome,
    Party,
    Record,
    Roots,
    TrustState,
    Violation,
    fold,
    record_kind,
    record_to_json,
    score,
    stamped,
    standing_at_opening,
)
from treaty.identity.keys import Ed25519Signer
from treaty.identity.records import seal
from treaty.wire.canonical import canonical
from treaty.wire.digest import sha256
from treaty.wire.instants import format_instant

FOLDER: Final = Path(__file__).parent / "vectors" / "trust"
DAY: Final = 86_400_000
START: Final = 1_772_892_000_000
NODE: Final = "agent://node.example/treaty"
OPERATOR: Final = "agent://node.example/operator"
AGENTS: Final = tuple(f"agent://org{number}.example/agent" for number in range(8))
SIBLING: Final = "agent://org2.example/second"
OUTCOMES: Final = 40


def signer(uri: str) -> Ed25519Signer:
    """The key an agent has here."""
    return Ed25519Signer(sha256(uri.encode()))


class Writer:
    """A log that is being written."""

    def __init__(self) -> None:
        self.state = TrustState(Roots(frozenset({NODE}), frozenset({OPERATOR})))
        self.now = START
        self.lines: list[dict[str, Any]] = []
        self.chance = random.Random("trust/1")
        self.frontier = Frontier()

    def write(self, record: Record, by: str = NODE) -> None:
        """Sign a record and append it."""
        sealed = seal(record_kind(record), record_to_json(record), signer(by))
        index = len(self.lines)
        self.lines.append({"index": index, "kind": record_kind(record), "record": sealed})
        self.frontier = append(self.frontier, leaf_hash(canonical(sealed)))
        self.state = fold(self.state, record)

    def prove(self, agent: str, *proofs: str, by: str = NODE) -> None:
        """Identity records."""
        for proof in proofs:
            key = signer(agent).key.text if proof == "key" else None
            self.write(Identity(agent, proof, self.now, by, key))

    def attest(self, agent: str, value: str, weight: str, days: int) -> None:
        """The operator's word."""
        parts = {name: Decimal(value) for name in COMPONENTS}
        until = self.now + days * DAY
        record = Attestation(
            agent, parts, Decimal(weight), until, OPERATOR, self.now, Decimal(3), "a vector"
        )
        self.write(record, OPERATOR)

    def deal(self, one: str, other: str, **more: Any) -> None:
        """A settled commitment between two agents, stored standings and all."""
        chance = self.chance
        opened = self.now
        before = {who: standing_at_opening(self.state, who, opened) for who in (one, other)}
        self.now += chance.randrange(1, 4 * DAY)
        kept = (chance.random() < 0.9, chance.random() < 0.9)
        parties = [
            Party(
                agent=who,
                kept=own,
                v=Decimal(chance.choice(("1", "1", "0.5", "0.0375", "0"))),
                escrow=chance.choice((own, own, None)),
                rating=chance.choice((None, 1, 3, 4, 5, 5)),
                before=before[who],
            )
            for who, own in zip((one, other), kept, strict=True)
        ]
        outcome = Outcome(
            session="019526a1-8e1a-7000-8000-000000000001",
            head="sha256:" + "0" * 64,
            commitment=f"cmt_{len(self.lines)}",
            clearing=more.get("clearing", NODE),
            parties=(parties[0], parties[1]),
            at_ms=self.now,
            disputed=chance.random() < 0.2,
            severity=5 if not all(kept) and chance.random() < 0.4 else None,
        )
        self.write(stamped(self.state, outcome))


def written() -> Writer:
    """The log."""
    log = Writer()
    log.prove(NODE, "key")
    for number, agent in enumerate(AGENTS):
        log.prove(agent, "key", *(("domain",) if number < 5 else ()))
    log.prove(AGENTS[1], "rotation")
    log.prove(AGENTS[4], "legal", "signer", by=OPERATOR)
    # By somebody who is no attester: this proves nothing.
    log.prove(AGENTS[3], "legal", "signer")
    log.attest(AGENTS[0], "91", "200", 900)
    log.attest(AGENTS[5], "60", "20", 60)
    log.attest(AGENTS[6], "80", "5", 900)
    for number in range(OUTCOMES):
        one, other = log.chance.sample(AGENTS, 2)
        log.deal(one, other)
        if number == OUTCOMES // 2:
            log.prove(SIBLING, "key", "domain")
            log.deal(AGENTS[1], AGENTS[0], clearing="agent://stranger.example/clearing")
        if number % 4 == 3:
            log.write(Endorsement(one, other, log.now), one)
    log.write(Endorsement(AGENTS[0], AGENTS[1], log.now), AGENTS[0])
    log.write(Endorsement(AGENTS[6], AGENTS[1], log.now), AGENTS[6])
    log.write(Endorsement(AGENTS[6], AGENTS[1], log.now, withdrawn=True), AGENTS[6])
    for evidence in ("sha256:ab", "sha256:cd", "sha256:ab"):
        log.write(Violation(AGENTS[2], "message-id-reused", evidence, log.now))
    log.deal(AGENTS[2], SIBLING)
    return log


def document(log: Writer) -> dict[str, Any]:
    """The log as ``treaty trust log`` writes it."""
    head = {
        "uri": NODE,
        "size": len(log.lines),
        "root": root(log.frontier).hex(),
        "at": format_instant(log.now),
    }
    named = {
        role: {"uri": uri, "keyId": signer(uri).key.key_id, "publicKey": signer(uri).key.text}
        for role, uri in (("node", NODE), ("operator", OPERATOR))
    }
    sealed = seal("loghead", head, signer(NODE))
    return {"treaty": "trustlog/1", **named, "head": sealed, "records": log.lines}


def expected(log: Writer) -> list[dict[str, Any]]:
    """Scores of every agent: half-way, at the end, and long after."""
    records = [(line["kind"], line["record"]) for line in log.lines]
    sizes = (len(records) // 2, len(records), len(records))
    times = (ms_of(records[sizes[0] - 1][1]), log.now, log.now + 200 * DAY)
    found = []
    for size, at_ms in zip(sizes, times, strict=True):
        state = replayed(records[:size])
        for agent in (*AGENTS, SIBLING, NODE, "agent://nobody.example/agent"):
            now = score(state, agent, at_ms)
            found.append(
                {
                    "at": format_instant(at_ms),
                    "size": size,
                    "agent": agent,
                    "score": str(now.score),
                    "level": now.level,
                    "provisional": now.provisional,
                    "components": {name: str(part) for name, part in now.components.items()},
                }
            )
    return found


def ms_of(record: dict[str, Any]) -> int:
    """When a record was made."""
    from treaty.wire.instants import parse_instant

    return parse_instant(record["at"])


def replayed(records: list[tuple[str, dict[str, Any]]]) -> TrustState:
    """The fold of records as they are read."""
    from treaty.core.trust import record_from_json

    state = TrustState(Roots(frozenset({NODE}), frozenset({OPERATOR})))
    for kind, record in records:
        state = fold(state, record_from_json(kind, record))
    return state


def files() -> dict[str, str]:
    """Name -> content of every file that is made."""
    log = written()
    made = {"log.json": document(log), "scores.json": {"rules": "trust/1", "scores": expected(log)}}
    return {name: json.dumps(value, indent=1) + "\n" for name, value in made.items()}


def main() -> None:
    """Write the files."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, text in files().items():
        (FOLDER / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
