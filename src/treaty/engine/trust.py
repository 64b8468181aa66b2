"""The trust node: an append-only log of what happened, and scores that anyone can recompute.

The stream ``trust/log`` holds signed records (identity, attestation, endorsement, violation,
outcome); its bodies are the leaves of an RFC 6962 tree whose head the node signs (decision
B16). A score is ``core.trust.score`` of the folded log, and of nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from treaty.core.levels import Ceilings, Rates, ceilings, level_of
from treaty.core.levels import Standing as LevelStanding
from treaty.core.merkle import Frontier, append, grow, inclusion_proof, leaf_hash, root, root_of
from treaty.core.rates import DOLLAR, rates_at, read_rate
from treaty.core.trust import (
    RULES,
    Attestation,
    Before,
    Identity,
    Outcome,
    Party,
    Proof,
    Record,
    Roots,
    Score,
    TrustState,
    fold,
    outcome_value,
    record_from_json,
    record_kind,
    record_to_json,
    score,
    stamped,
    standing_at_opening,
)
from treaty.core.trust_components import endorsement_counts, newcomer_score
from treaty.core.trust_state import agent_state, from_units
from treaty.engine.desk import Desk, Kind, Transaction
from treaty.engine.dialect import Standing
from treaty.engine.openings import Stood, opening_stream
from treaty.engine.past import Past
from treaty.engine.ports import Entry, Nonce, Task
from treaty.errors import Refused
from treaty.identity.keys import PublicKey, Signer
from treaty.identity.records import open_record, seal
from treaty.wire import fields
from treaty.wire.canonical import Json, canonical, read_json
from treaty.wire.instants import format_instant
from treaty.wire.money import money_from_json, number_to_json

STREAM: Final = "trust"
LOG: Final = "trust/log"
PAGE_MAX: Final = 200
REPEATS_MS: Final = 86_400_000
"""How long a repeated report of an outcome is recognised; its task is gone at once."""
RECORD_KINDS: Final = frozenset(("identity", "attestation", "endorsement", "violation", "outcome"))

Announce = Callable[[Transaction, str, Mapping[str, Json], int], None]
"""(transaction, session, data, at): the session host writes an ``outcome`` fact."""


@dataclass(frozen=True, slots=True)
class TrustLog:
    """The folded log."""

    state: TrustState
    frontier: Frontier = field(default_factory=Frontier)


class TrustNode:
    """The trust log of one node."""

    def __init__(
        self, desk: Desk, *, uri: str, signer: Signer, operator: PublicKey, operator_uri: str
    ) -> None:
        self._desk = desk
        self._uri = uri
        self._signer = signer
        self._operator = operator
        self._operator_uri = operator_uri
        self._nodes: dict[tuple[int, int], bytes] = {}
        self._grown = Frontier()
        self._named: dict[str, int] = {}
        """Agent -> position of the last record that names it, until it is asked for."""
        self.roots = Roots(clearings=frozenset((uri,)), attesters=frozenset((operator_uri,)))
        self._past = Past(TrustState(roots=self.roots))
        desk.register(STREAM, Kind(self._empty, self._fold))

    def _empty(self, _stream: str) -> TrustLog:
        return TrustLog(TrustState(roots=self.roots))

    async def load(self, clearings: Iterable[str] = ()) -> None:
        """Fold the log once, at start; it is kept from then on.

        ``clearings`` are believed beside the node's own.
        """
        self.roots = replace(self.roots, clearings=frozenset((self._uri, *clearings)))
        self._past = Past(TrustState(roots=self.roots))
        await self._desk.pin(LOG)
        self._named.clear()

    def score(self, agent: str) -> Score:
        """The score of an agent now."""
        return score(self._log().state, agent, self._desk.clock())

    def standing(self, agent: str) -> Standing:
        """Score, level and whether provisional, as the other rooms of the node ask for it."""
        state, now_ms = self._log().state, self._desk.clock()
        newcomer = newcomer_score(state, agent, now_ms)
        if newcomer is not None:
            return Standing(newcomer, level_of(newcomer), provisional=True)
        now = score(state, agent, now_ms)
        return Standing(now.score, now.level, now.provisional)

    def before(self, agent: str, at_ms: int) -> Before:
        """The standing to store when a session opens (B16)."""
        return standing_at_opening(self._log().state, agent, at_ms)

    def before_then(self, agent: str, at_ms: int) -> Before:
        """The standing an agent had at an earlier time, as far back as is remembered."""
        state, as_of_ms = self._past.at(at_ms, self._log().state.size)
        return standing_at_opening(state, agent, as_of_ms)

    def taken_changes(self) -> set[str]:
        """The agents that durable records of the log have named since this was last asked."""
        if not self._named:
            return set()
        size = self._log().frontier.size
        taken = {agent for agent, position in self._named.items() if position <= size}
        for agent in taken:
            del self._named[agent]
        return taken

    def ceilings(self, payer: str, payee: str, asset: str, rates: Rates) -> Ceilings:
        """What may be open between two parties now, in an asset counted by these rates (B17)."""
        one, other = self.standing(payer), self.standing(payee)
        return ceilings(
            LevelStanding(one.level, one.provisional),
            LevelStanding(other.level, other.provisional),
            asset,
            rates,
        )

    def shares_its_bound(self, agent: str) -> bool:
        """True for a provisional agent of a proven domain: its bound is its domain's (B17)."""
        of = agent_state(self._log().state, agent)
        return of.domain_proven and self.standing(agent).provisional

    @property
    def state(self) -> TrustState:
        """The folded log as it stands."""
        return self._log().state

    def _log(self) -> TrustLog:
        log = self._desk.peek(LOG)
        assert isinstance(log, TrustLog)
        return log

    def note_identity(
        self, transaction: Transaction, agent: str, proof: Proof, key: PublicKey
    ) -> None:
        """Something about an agent's identity was proven, by this key (B16)."""
        record = Identity(agent, proof.value, transaction.now_ms, self._uri, key.text)
        self._append(transaction, record)

    def _fold(self, log: TrustLog, entry: Entry, parsed: object) -> TrustLog:
        record = parsed if isinstance(parsed, Record) else _read(entry)
        for agent in _agents_of(record):
            self._named[agent] = entry.position
        folded = _fold(log, entry, record)
        self._past.keep(record.at_ms, folded.state)
        return folded

    def _append(
        self, transaction: Transaction, record: Record, **members: Json
    ) -> tuple[int, dict[str, Json]]:
        """Seal a record of the node's own and append it; returns its index and itself."""
        kind = record_kind(record)
        sealed = seal(kind, {**record_to_json(record), **members}, self._signer)
        transaction.append(LOG, kind, canonical(sealed), None, record)
        return transaction.position(LOG) - 1, sealed

    async def attest(self, record: Json) -> dict[str, Json]:
        """Take in an attestation signed by the operator. Answers the agent's new standing.

        The same one again changes nothing. Raises ``SignatureError``, ``WireError``; ``Refused``:
        ``unauthorized`` when it names another attester, ``duplicate`` when a later one is known.
        """
        signed = open_record("attestation", record, self._operator).value
        attestation = record_from_json("attestation", signed)
        assert isinstance(attestation, Attestation)
        if attestation.by != self._operator_uri:
            raise Refused(f"this operator attests as {self._operator_uri}", "unauthorized")

        def decide(transaction: Transaction) -> None:
            log: TrustLog = transaction.state(LOG)
            known = agent_state(log.state, attestation.agent).attestation
            if known == attestation:
                return
            if known is not None and known.at_ms >= attestation.at_ms:
                # Otherwise anybody could bring an old attestation back by sending it again.
                raise Refused("a later attestation of this agent is on record", "duplicate")
            transaction.append(LOG, "attestation", canonical(signed), None, attestation)

        await self._desk.transact((LOG,), decide)
        return self.view(attestation.agent)

    async def record_outcome(self, task: Task, session_stream: str, announce: Announce) -> None:
        """Append the outcome of a settled commitment and tell its session, exactly once."""
        payload = read_json(task.payload)
        assert isinstance(payload, dict)
        opening = opening_stream(fields.ident(payload, "session"))

        def decide(transaction: Transaction) -> None:
            transaction.drop_task(task.id)
            # Another process may have taken up the same task.
            expires_ms = transaction.now_ms + REPEATS_MS
            transaction.consume(Nonce("outcome", task.id, expires_ms))
            outcome = settled_outcome(payload, self._uri, transaction.state(opening))
            data = self.note_outcome(transaction, outcome)
            announce(transaction, session_stream, data, transaction.now_ms)

        await self._desk.transact((LOG, session_stream, opening), decide)

    def note_outcome(
        self, transaction: Transaction, outcome: Outcome, **members: Json
    ) -> dict[str, Json]:
        """Stamp an outcome and append it, with further members of its entry.

        Answers ``{commitmentId, index, record, scores}``: the entry, and both parties' scores.
        """
        before: TrustLog = transaction.state(LOG)
        outcome = stamped(before.state, outcome)
        index, sealed = self._append(transaction, outcome, **members)
        after: TrustLog = transaction.state(LOG)
        return {
            "commitmentId": outcome.commitment,
            "index": index,
            "record": sealed,
            "scores": {
                party.agent: {
                    "before": _score_json(score(before.state, party.agent, outcome.at_ms)),
                    "after": _score_json(score(after.state, party.agent, outcome.at_ms)),
                }
                for party in outcome.parties
            },
        }

    def view(self, agent: str) -> dict[str, Json]:
        """What anyone may ask about an agent, and what it takes to compute it again (B18)."""
        now_ms, state = self._desk.clock(), self._log().state
        now, of = score(state, agent, now_ms), agent_state(state, agent)
        attestation = None if of.attestation is None else record_to_json(of.attestation)
        return {
            **_score_json(now),
            "agent": agent,
            "provisional": now.provisional,
            "attested": now.attested,
            "evidence": str(now.evidence),
            "breaches": str(now.breaches),
            "prior": str(now.prior),
            "cappedAt": None if now.capped_at is None else str(now.capped_at),
            "missing": now.missing,
            "attestation": attestation,
            "endorsements": [
                {
                    "endorser": one.agent,
                    "q": str(from_units(one.q).normalize()),
                    "counts": endorsement_counts(of, one.agent, agent, now_ms),
                }
                for one in of.endorsers
            ],
            "rules": RULES,
            "size": state.size,
            "at": format_instant(now_ms),
        }

    def head(self) -> dict[str, Json]:
        """The signed head of the log: size and root of its tree."""
        frontier = self._log().frontier
        return self._head(frontier.size, root(frontier))

    def _head(self, size: int, root_hash: bytes) -> dict[str, Json]:
        body: dict[str, Json] = {
            "uri": self._uri,
            "size": size,
            "root": root_hash.hex(),
            "at": format_instant(self._desk.clock()),
        }
        return seal("loghead", body, self._signer)

    async def extract(self, start: int, end: int, size: int | None = None) -> dict[str, Json]:
        """Records ``start`` (inclusive, from 0) to ``end`` with proofs under a signed head.

        ``size`` asks for the log as it was when it had so many records, so that the pages of a
        log that grows meanwhile fit together. Raises ``Refused`` (``reference_unknown``) for
        more than there are.
        """
        whole = self._log().frontier.size
        size = whole if size is None else size
        if size > whole:
            raise Refused(f"the log has {whole} records, not {size}", "reference_unknown")
        end = min(end, size, start + PAGE_MAX)
        await self._grow(size)
        entries = await self._desk.store.read(LOG, start, end - start) if end > start else []
        records: list[Json] = [
            {
                "index": entry.position - 1,
                "kind": entry.kind,
                "record": read_json(entry.body),
                "proof": [
                    one.hex() for one in inclusion_proof(self._node_at, entry.position - 1, size)
                ],
            }
            for entry in entries
            if entry.position <= size
        ]
        head = self._head(size, root_of(self._node_at, size))
        return {"records": records, "head": head, "next": start + len(records)}

    async def _grow(self, size: int) -> None:
        """Bring the tree's nodes up to ``size``; they are kept, for entries never change."""
        while self._grown.size < size:
            entries = await self._desk.store.read(LOG, self._grown.size, 1_000)
            for entry in entries:
                if entry.position == self._grown.size + 1:
                    self._grown, nodes = grow(self._grown, leaf_hash(entry.body))
                    self._nodes.update(((node.height, node.index), node.hash) for node in nodes)

    def _node_at(self, height: int, index: int) -> bytes:
        return self._nodes[height, index]


def settled_outcome(payload: Mapping[str, Json], clearing: str, stood: Stood) -> Outcome:
    """The outcome of a commitment, from what its session's host put down when it settled."""
    values = fields.obj(payload, "values")
    kept = fields.obj(payload, "kept")
    ratings = fields.obj(payload, "ratings")
    payer, payee = fields.agent(payload, "payer"), fields.agent(payload, "payee")
    # A task put down before there were rates is about dollars.
    currency = fields.text_or(payload, "currency") or DOLLAR
    rate = None if currency == DOLLAR else read_rate(payload.get("usdRate"))
    rates = rates_at(currency, rate)

    def party(agent: str) -> Party:
        return Party(
            agent=agent,
            kept=bool(kept.get(agent)),
            v=outcome_value(money_from_json(values.get(agent), currency), rates),
            escrow=bool(kept.get(agent)),
            rating=fields.integer_or(ratings, agent, least=1, most=5),
            before=stood.get(agent),
        )

    return Outcome(
        session=fields.ident(payload, "session"),
        head=fields.ident(payload, "head"),
        commitment=fields.ident(payload, "commitment"),
        clearing=clearing,
        parties=(party(payer), party(payee)),
        at_ms=fields.instant(payload, "at"),
        disputed=fields.flag(payload, "disputed"),
        severity=fields.integer_or(payload, "severity", least=1, most=5),
        currency=None if rate is None else currency,
        usd_rate=rate,
    )


def _fold(log: TrustLog, entry: Entry, record: Record) -> TrustLog:
    return replace(
        log,
        state=fold(log.state, record),
        frontier=append(log.frontier, leaf_hash(entry.body)),
    )


def _agents_of(record: Record) -> tuple[str, ...]:
    if isinstance(record, Outcome):
        return tuple(party.agent for party in record.parties)
    return (record.agent,)


def _read(entry: Entry) -> Record:
    return record_from_json(entry.kind, read_json(entry.body))


def _score_json(value: Score) -> dict[str, Json]:
    return {
        "score": number_to_json(value.score),
        "level": value.level,
        "components": {
            name: number_to_json(part.normalize()) for name, part in value.components.items()
        },
    }
