"""Disputes at a host: signed records come in, facts are written, arbiters are found (B15).

A record is checked against who must have signed it, and folded; what the fold refuses leaves
nothing behind. All that follows (phases, the draw, the ruling, the bond) is the fold's and the
clearing's affair. The stream ``dispute/<id>`` only says in which session a dispute is.

Read next: ``follow_up``, which settles what a ruling demands.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from treaty.engine.desk import Desk, Kind, Transaction
from treaty.engine.dialect import SessionDialect
from treaty.engine.follow_up import FollowUp
from treaty.engine.hosted import Hosted, session_stream
from treaty.engine.inbox import Inboxes
from treaty.engine.ports import Entry
from treaty.engine.registry import Registry
from treaty.errors import Refused, SignatureError, WireError, shown
from treaty.identity.keys import ProofKey, PublicKey
from treaty.identity.records import open_record, record_hash
from treaty.wire import fields
from treaty.wire.canonical import Json, canonical, read_json

STREAM: Final = "dispute"
RECORD_BYTES_MAX: Final = 32_768
PAGE: Final = 1_000
HEARSAY: Final = ("trustScore", "trustLevel")
"""Members of a listed card that nobody signed."""
PARTY_KINDS: Final = frozenset(("evidence", "reveal"))
"""Records that a party signs; the fold checks them against its pinned key."""
FACT_KINDS: Final = frozenset((*PARTY_KINDS, "vote", "ruling"))

CandidatesOf = Callable[[str, str], Mapping[str, Json]]
"""(party, other) -> who may be drawn as an arbiter between them: ``candidates``, each ``{uri,
organisation, keyId}``, and ``standing`` ``{size, at}``: by which records of the trust log, when."""


@dataclass(frozen=True, slots=True)
class DisputeNotice:
    """Something about a dispute, for an inbox."""

    agent: str
    kind: str
    body: Mapping[str, Json]


def dispute_stream(dispute: str) -> str:
    """The stream that says where a dispute is."""
    return f"{STREAM}/{dispute}"


def _fold(_state: Mapping[str, Json], entry: Entry, _parsed: object) -> Mapping[str, Json]:
    body = read_json(entry.body)
    assert isinstance(body, dict)
    return body


def _read(raw: bytes) -> dict[str, Json]:
    if len(raw) > RECORD_BYTES_MAX:
        raise WireError(f"a record of a dispute has at most {RECORD_BYTES_MAX} bytes", "too_large")
    record = read_json(raw)
    if not isinstance(record, dict):
        raise WireError("a record of a dispute is an object")
    return record


class Disputes:
    """Disputes about commitments of the sessions this node hosts."""

    def __init__(
        self,
        desk: Desk,
        dialect: SessionDialect,
        follow_up: FollowUp,
        *,
        registry: Registry,
        inboxes: Inboxes,
        operator: PublicKey,
        candidates: CandidatesOf,
    ) -> None:
        self._desk = desk
        self._dialect = dialect
        self._follow_up = follow_up
        self._registry = registry
        self._inboxes = inboxes
        self._operator = operator
        self._candidates = candidates
        desk.register(STREAM, Kind(lambda _stream: {}, _fold))

    async def file(self, raw: bytes) -> tuple[dict[str, Json], bool]:
        """Take in a filing; answers the dispute, and whether it is new.

        The same record again changes nothing. Raises ``WireError``, ``SignatureError`` and
        ``Refused`` (``unknown_session``, ``reference_unknown``, ``transition_invalid``,
        ``duplicate``, ``policy_violation``, ``escrow_unfunded``, …).
        """
        record = _read(raw)
        session, dispute = fields.uuid(record, "sessionId"), fields.ident(record, "disputeId")
        stream, index = session_stream(session), dispute_stream(dispute)
        tag = _tag(record)
        hosted: Hosted = await self._desk.state(stream)
        judges: Mapping[str, Json] = {}
        if not await self._desk.state(index):
            # Looking for candidates is work: nobody makes the node do it with a bad record.
            self._dialect.judge_dispute(hosted.state, record, self._desk.clock())
            judges = self._candidates(hosted.state.inviter, hosted.state.invitee)

        def decide(transaction: Transaction) -> bool:
            known = transaction.state(index)
            if known:
                if known.get("hash") != tag:
                    raise Refused(f"another dispute is called {shown(dispute)}", "duplicate")
                return False
            state = self._write(transaction, stream, "dispute", {"record": record, **judges})
            transaction.append(index, "filed", canonical({"session": session, "hash": tag}))
            filed = self._dialect.dispute(state, dispute)
            # The filer too: who files is rarely the process that stays to reveal.
            self._tell(transaction, state, filed, filed.parties, raw)
            return True

        new = await self._desk.transact((stream, index), decide)
        return await self._view(session, dispute), new

    async def submit(self, dispute: str, kind: str, raw: bytes) -> tuple[dict[str, Json], bool]:
        """Take in evidence, a revealed secret, a vote or a ruling; answers the dispute.

        The same record again changes nothing. Raises as ``file`` does; for a dispute that is
        not there, or not the sender's, ``reference_unknown``.
        """
        assert kind in FACT_KINDS
        record = _read(raw)
        if record.get("disputeId") != dispute:
            raise Refused("the record is about another dispute than the address", "malformed")
        session = await self._session(dispute)
        vouched = await self._vouched(kind, record)
        stream, index = session_stream(session), dispute_stream(dispute)
        tag = _tag(record)

        def decide(transaction: Transaction) -> bool:
            state = transaction.state(stream).state
            if tag in self._dialect.dispute_records(state, dispute):
                return False
            before = self._dialect.dispute(state, dispute)
            after = self._write(transaction, stream, kind, {"record": record, **vouched})
            now = self._dialect.dispute(after, dispute)
            if now.arbiters and not before.arbiters:
                self._tell(transaction, after, now, now.arbiters, raw)
            return True

        new = await self._desk.transact((stream, index), decide)
        return await self._view(session, dispute), new

    async def _vouched(self, kind: str, record: Mapping[str, Json]) -> dict[str, Json]:
        """What a reader of the log needs to tell whose record it is.

        An arbiter votes with the key of its card, the operator rules with its own.
        """
        if kind in PARTY_KINDS:
            return {}
        if kind == "ruling":
            open_record(kind, dict(record), self._operator)
            return {"publicKey": self._operator.text}
        by = fields.agent(record, "by")
        key = self._registry.key_of(by)
        if key is None:
            raise _unknown()
        open_record(kind, dict(record), key)
        card = await self._registry.listed(by)
        return {"card": {name: one for name, one in card.items() if name not in HEARSAY}}

    def _write(
        self, transaction: Transaction, stream: str, kind: str, data: Mapping[str, Json]
    ) -> Any:
        """Write one fact and do what it demands; the fold refuses what must not be."""
        at_ms = max(transaction.now_ms, transaction.state(stream).state.at_ms)
        self._follow_up.write_fact(transaction, stream, kind, data, at_ms)
        self._follow_up.settle(transaction, stream, at_ms)
        return transaction.state(stream).state

    def _tell(
        self, transaction: Transaction, state: Any, filed: Any, agents: Iterable[str], raw: bytes
    ) -> None:
        body: dict[str, Json] = {"session": state.id, "dispute": filed.id, "from": filed.filer}
        for agent in agents:
            transaction.need(*self._inboxes.streams(agent))
            notice = DisputeNotice(agent, "dispute", body)
            self._inboxes.deliver(transaction, notice, raw, transaction.now_ms)

    async def view(self, dispute: str, key: ProofKey) -> dict[str, Json]:
        """A dispute, for its parties, its arbiters and the operator.

        Raises ``Refused`` (``reference_unknown``) for everybody else.
        """
        session = await self._session(dispute)
        hosted: Hosted = await self._desk.state(session_stream(session))
        if key != self._operator and not self._may_read(hosted.state, dispute, key):
            raise _unknown()
        return await self._view(session, dispute)

    def _may_read(self, state: Any, dispute: str, key: ProofKey) -> bool:
        pinned = [state.participants[one].public_key for one in (state.inviter, state.invitee)]
        if isinstance(key, PublicKey) and key.text in pinned:
            return True
        found = self._dialect.dispute(state, dispute)
        readers = (state.inviter, state.invitee, *found.arbiters)
        cards = (self._registry.find(one) for one in readers)
        return any(
            card is not None and not card.barred and key in (card.key, card.proof_key)
            for card in cards
        )

    async def _session(self, dispute: str) -> str:
        known = await self._desk.state(dispute_stream(dispute))
        if not known:
            raise _unknown()
        return str(known["session"])

    async def _view(self, session: str, dispute: str) -> dict[str, Json]:
        hosted: Hosted = await self._desk.state(session_stream(session))
        view = self._dialect.dispute_view(hosted.state, dispute)
        return {**view, "records": [one async for one in self._records(session, dispute)]}

    async def _records(self, session: str, dispute: str) -> Any:
        """What was handed in about a dispute, oldest first, from the session's log."""
        stream, after = session_stream(session), 0
        while page := await self._desk.store.read(stream, after, PAGE):
            for entry in page:
                after = entry.position
                record = _dispute_record(entry)
                if record is not None and record["record"].get("disputeId") == dispute:
                    yield record
            if len(page) < PAGE:
                return


def _dispute_record(entry: Entry) -> dict[str, Any] | None:
    if entry.kind != "fact":
        return None
    body = read_json(entry.body, size_max=len(entry.body))
    assert isinstance(body, dict)
    data = body.get("data")
    kind = body.get("fact")
    if kind not in FACT_KINDS | {"dispute"} or not isinstance(data, dict):
        return None
    return {"kind": kind, "at": body["at"], "record": data["record"]}


def _unknown() -> Refused:
    return Refused("no dispute of yours has this id", "reference_unknown")


def _tag(record: Mapping[str, Json]) -> str:
    """The hash by which a repeat is known. Raises ``SignatureError`` when it is another."""
    stated = fields.text(fields.obj(record, "integrity"), "hash")
    if record_hash(record) != stated:
        raise SignatureError("the record does not have the hash it states", "hash_mismatch")
    return stated
