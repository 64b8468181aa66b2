"""Violations that prove themselves, taken into the trust log (ASP B16: 10 points of BC each).

Two kinds can be shown to anybody without trusting who shows them, because the offender signed
both halves:

* ``message-id-reused``: two messages of one sender under one id in one session (B2);
* ``two-entries``: two receipts or facts of one host for one position of one session (B7).

What a key signed that was replaced since counts within the bounds of ``witness``; entries of a host
count by its key in force alone, since nobody else has seen when they were made.

The log keeps the digest of the two hashes, not what was said: messages are not everybody's to
read. The same evidence counts once, whoever brings it and however often.

Read next: ``core.trust_components`` for what a violation does to a score.
"""

from __future__ import annotations

from typing import Final

from treaty.core.log import read_log_record
from treaty.core.trust import Violation, record_to_json
from treaty.core.trust_state import VIOLATIONS_MAX, agent_state
from treaty.engine.desk import Desk, Transaction
from treaty.engine.dialect import SessionDialect
from treaty.engine.trust import LOG, TrustLog
from treaty.engine.witness import Witness
from treaty.errors import Refused, SignatureError, WireError, shown
from treaty.identity.keys import PublicKey, Signer
from treaty.identity.records import open_record, seal
from treaty.wire import fields
from treaty.wire.canonical import Json, canonical
from treaty.wire.digest import content_tag
from treaty.wire.packed import raw_from_json

REUSED: Final = "message-id-reused"
FORKED: Final = "two-entries"
PAIR: Final = 2


class Violations:
    """Takes proofs of violations into the trust log of one node."""

    def __init__(
        self, desk: Desk, dialect: SessionDialect, witness: Witness, *, signer: Signer
    ) -> None:
        self._desk = desk
        self._dialect = dialect
        self._witness = witness
        self._signer = signer

    async def report(self, body: Json) -> dict[str, Json]:
        """Take in ``{agent, messages: [text, text]}`` or ``{agent, entries: [record, record]}``.

        A message in MessagePack is ``{base64}`` instead of its text, as in a deal file.

        Answers the record in the log; what is there already changes nothing. Raises
        ``WireError``, ``SignatureError``, ``UnverifiableError`` (``unknown_agent``); ``Refused``:
        ``violation_unproven`` for two things that may both stand, or that anybody may have made.
        """
        if not isinstance(body, dict):
            raise WireError(f"a report is an object, not {shown(body)}")
        agent = fields.agent(body, "agent")
        card = self._witness.card_of(agent)
        if "messages" in body:
            violation, hashes = REUSED, await self._reused(agent, _pair(body, "messages"))
        elif card.barred:
            raise SignatureError(f"the key of {agent} was revoked", "key_revoked")
        else:
            violation, hashes = FORKED, _forked(card.key, _pair(body, "entries"))
        evidence = content_tag({"violation": violation, "hashes": list[Json](sorted(hashes))})

        def decide(transaction: Transaction) -> dict[str, Json]:
            log: TrustLog = transaction.state(LOG)
            known = agent_state(log.state, agent).violations
            record = Violation(agent, violation, evidence, transaction.now_ms)
            if evidence not in known and len(known) < VIOLATIONS_MAX:
                sealed = seal("violation", record_to_json(record), self._signer)
                transaction.append(LOG, "violation", canonical(sealed), None, record)
            return {"agent": agent, "violation": violation, "evidence": evidence}

        return await self._desk.transact((LOG,), decide)

    async def _reused(self, agent: str, texts: list[Json]) -> list[str]:
        found = []
        for text in texts:
            raw = raw_from_json(text)
            message = self._dialect.decode(raw)
            await self._witness.check(agent, raw, message)
            found.append((message.sender, message.session_id, message.message_id, message.hash))
        one, other = found
        if one[:-1] != other[:-1] or one[0] != agent or one[-1] == other[-1]:
            raise _unproven("two different messages of the agent under one id in one session")
        return [one[-1], other[-1]]


def _pair(body: fields.Object, name: str) -> list[Json]:
    values = fields.items(body, name, most=PAIR)
    if len(values) != PAIR:
        raise WireError(f"{name} are two")
    return values


def _forked(key: PublicKey, records: list[Json]) -> list[str]:
    found = []
    for record in records:
        kind = record.get("type") if isinstance(record, dict) else None
        signed = open_record("fact" if kind == "fact" else "receipt", record, key).value
        log = read_log_record(signed)
        found.append((log.session, log.position, content_tag(signed)))
    one, other = found
    if one[:-1] != other[:-1] or one[-1] == other[-1]:
        raise _unproven("two different entries for one position of one session")
    return [one[-1], other[-1]]


def _unproven(what: str) -> Refused:
    return Refused(f"these are not {what}", "violation_unproven")
