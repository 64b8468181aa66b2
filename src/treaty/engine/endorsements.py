"""Endorsements: one agent's signed word for another, taken into the trust log (ASP B16).

The log keeps the record as its author signed it. How much it counts is never the author's to
say: q is that of its standing in the log, and it counts only while the two have a deal of weight
in the last 365 days. So a farm of agents that only endorse moves nothing.

What could not count today is refused at the door, so that nobody fills the log for nothing; what
is taken in may still count nothing, until there is a deal.

Read next: ``core.trust_fold`` for how an endorsement is folded.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from treaty.core.trust import Endorsement, endorser_word, record_from_json
from treaty.core.trust_components import dealt_lately
from treaty.core.trust_state import agent_state, from_units, same_domain
from treaty.engine.desk import Desk, Kind, Transaction
from treaty.engine.ports import Nonce
from treaty.engine.trust import LOG, TrustLog
from treaty.errors import Refused, UnverifiableError, WireError
from treaty.identity.keys import PublicKey
from treaty.identity.records import open_record
from treaty.wire import fields
from treaty.wire.canonical import Json, canonical, read_json
from treaty.wire.instants import format_instant

STREAM: Final = "endorsed"
A_DAY_MAX: Final = 50
"""Endorsements one agent gives in a day of UTC."""
FRESHNESS_MS: Final = 60_000
REPEATS_MS: Final = 86_400_000
"""How long the same record again is answered as it was."""
DAY_MS: Final = 86_400_000
_DAY_CHARS: Final = len("2026-03-07")

KeyOf = Callable[[str], PublicKey | None]
"""Agent -> the key of its registered card, or None."""


class Endorsements:
    """Takes endorsements into the trust log of one node."""

    def __init__(self, desk: Desk, key_of: KeyOf) -> None:
        self._desk = desk
        self._key_of = key_of
        desk.register(STREAM, Kind(lambda _stream: None, lambda _state, _entry, _parsed: None))

    async def endorse(self, record: Json) -> dict[str, Json]:
        """Take in an endorsement signed by the endorser; the same one again changes nothing.

        Answers ``{index, endorser, agent, q, counts, withdrawn}``. Raises ``WireError``,
        ``SignatureError``, ``UnverifiableError`` (``unknown_agent``); ``Refused``:
        ``unknown_agent``, ``policy_violation`` (itself, its own domain), ``proof_invalid`` (not
        of this minute), ``insufficient_trust_score``, ``rate_limited``.
        """
        signed, endorsement = self._read(record)
        digest = str(fields.obj(signed, "integrity")["hash"])
        known = await self._desk.store.nonce(STREAM, digest)
        if known is not None:
            answer = read_json(known)
            assert isinstance(answer, dict)
            return answer
        self._check(endorsement)
        day = f"{STREAM}/{format_instant(self._desk.clock())[:_DAY_CHARS]}/{endorsement.endorser}"

        def decide(transaction: Transaction) -> dict[str, Json]:
            answer = _weighed(transaction, endorsement)
            if transaction.position(day) >= A_DAY_MAX:
                raise Refused(
                    f"an agent endorses {A_DAY_MAX} times a day",
                    "rate_limited",
                    data={"retryAfterMs": DAY_MS - transaction.now_ms % DAY_MS},
                )
            transaction.append(LOG, "endorsement", canonical(signed), None, endorsement)
            transaction.append(day, "endorsed", canonical({"agent": endorsement.agent}))
            expires_ms = transaction.now_ms + REPEATS_MS
            transaction.consume(Nonce(STREAM, digest, expires_ms, canonical(answer)))
            return answer

        return await self._desk.transact((LOG, day), decide)

    def _read(self, record: Json) -> tuple[dict[str, Json], Endorsement]:
        if not isinstance(record, dict):
            raise WireError("an endorsement is an object")
        endorser = fields.agent(record, "endorser")
        key = self._key_of(endorser)
        if key is None:
            raise UnverifiableError(
                f"{endorser} has no card here: register it first", "unknown_agent"
            )
        signed = open_record("endorsement", record, key).value
        endorsement = record_from_json("endorsement", signed)
        assert isinstance(endorsement, Endorsement)
        return signed, endorsement

    def _check(self, endorsement: Endorsement) -> None:
        if self._key_of(endorsement.agent) is None:
            raise Refused(f"{endorsement.agent} has no card here", "unknown_agent")
        if same_domain(endorsement.endorser, endorsement.agent):
            raise Refused("within one domain nobody's word counts", "policy_violation")
        if abs(self._desk.clock() - endorsement.at_ms) > FRESHNESS_MS:
            raise Refused("it is dated more than 60 s from now: sign it afresh", "proof_invalid")


def _weighed(transaction: Transaction, endorsement: Endorsement) -> dict[str, Json]:
    """What an endorsement is worth now. Raises ``Refused`` for one that is worth nothing."""
    log: TrustLog = transaction.state(LOG)
    q = 0 if endorsement.withdrawn else endorser_word(log.state, endorsement)
    if not q and not endorsement.withdrawn:
        raise Refused(
            "an endorser has a score above 30, evidence of its own, and a proven domain or an "
            "attestation",
            "insufficient_trust_score",
        )
    of = agent_state(log.state, endorsement.agent)
    return {
        "index": transaction.position(LOG),
        "endorser": endorsement.endorser,
        "agent": endorsement.agent,
        "q": str(from_units(q).normalize()),
        "counts": bool(q) and dealt_lately(of, endorsement.endorser, endorsement.at_ms),
        "withdrawn": endorsement.withdrawn,
    }
