"""What liars say: the contents of messages and records, lawful before anybody spoils them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

from tests.dialects.asp.samples import BODIES
from tests.http.nodes import OPERATOR, Agent, Chain, encoded
from treaty.wire.instants import format_instant

ODD: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 1.5, -0.0, 0.1, 180.005, 1e15, 2**53 - 1, -(2**53 - 1), 1e300,
    "", "0", "-1", "1e3", "NaN", "180.00", "\u0661", "1\n", "USD", "EUR", "JPY", "a" * 5_000,
    "inv_1", "prop_1", "cmt_1", "esc_1", "del_1", "9999-12-31T23:59:59Z", "1969-12-31T23:59:59Z",
    "http://127.0.0.1:1/", "http://169.254.169.254/", "file:///etc/passwd", "agent://x.test/y",
    "escrow-release", "metric-query", "health-check-endpoint", "evidence", "counterparty-confirm",
    "terms", "session-invitation", "result", "identity", "payment-release", "binding", "advisory",
    "sha256:" + "0" * 64, "\x00", "\ud7ff", "\U0001f600", [], {}, [[]], {"": {}}, [1] * 70,
    {"amount": "180.00", "currency": "USD"}, {"kind": "milestones"}, {"__proto__": 1},
)  # fmt: skip
AHEAD_MS = (61_000, 3_600_000, 86_400_000, 10**9)
CENTS = (2, 100, 777, 5_000, 18_000)
METHODS = ("counterparty-confirm", "evidence", "escrow-release")
NAMED = {
    "proposalId": "prop",
    "counterProposalId": "prop",
    "commitmentId": "cmt",
    "delegationId": "del",
    "escalationId": "esc",
    "queryId": "qry",
}

HOURS = {
    "kind": "intervals", "parts": 3, "intervalMs": 3_600_000, "sla": 0.9,
    "metric": {"url": "https://metrics.example/gpu"},
}  # fmt: skip

Record = tuple[dict[str, Any], str, str]
"""A record's content, who signs it, and where it is sent."""


def halves(cents: int, soon: str) -> dict[str, Any]:
    """Two milestones."""
    shares = (cents // 2, cents - cents // 2)
    parts = [
        {"id": f"m{number}", "amount": share / 100, "deadline": soon}
        for number, share in enumerate(shares)
    ]
    return {"kind": "milestones", "parts": parts}


@dataclass
class Talk:
    """A session and the names that were used in it, the newest last."""

    chain: Chain
    names: list[str]
    is_over: bool = False


class Author:
    """Writes contents about what is there, at a time."""

    def __init__(self, chance: Random, agents: list[Agent], now_ms: Callable[[], int]) -> None:
        self.chance = chance
        self.agents = agents
        self.disputes: list[str] = []
        self.versions: Counter[str] = Counter(agent.uri for agent in agents)
        """Of the cards that are registered."""
        self._now_ms = now_ms
        self._number = 0

    def name(self, stem: str) -> str:
        """An id that nobody used."""
        self._number += 1
        return f"{stem}_{self._number}"

    def now(self) -> str:
        """The time, as text."""
        return format_instant(self._now_ms())

    def body(self, talk: Talk, performative: str) -> dict[str, Any]:
        """The body of a message."""
        body: dict[str, Any] = json.loads(json.dumps(BODIES[performative]))
        soon = format_instant(self._now_ms() + self.chance.choice(AHEAD_MS))
        for key in ("referenceHash", "arbiterSeed"):
            body.pop(key, None)
        for key, stem in NAMED.items():
            if key in body:
                body[key] = self.name(stem)
        for key in ("validUntil", "expiresAt"):
            if key in body:
                body[key] = soon
        if "referenceId" in body:
            body["referenceId"] = self._of(talk)
        writer = getattr(self, f"_{performative.lower()}", None)
        if writer is not None:
            writer(talk, body, soon)
        return body

    def _of(self, talk: Talk, stem: str = "") -> str:
        """A name of this session, most often the newest."""
        names = [name for name in talk.names if name.startswith(stem)] or talk.names
        return names[-1] if self.chance.random() < 0.7 else self.chance.choice(names)

    def _commit(self, talk: Talk, body: dict[str, Any], soon: str) -> None:
        parties = [talk.chain.inviter.uri, talk.chain.invitee.uri]
        if self.chance.random() < 0.3:
            parties.reverse()
        payer, payee = parties
        duties, escrow = body["obligations"], body["escrow"]
        duties["buyer"].update(party=payer, deadline=soon)
        duties["provider"].update(
            party=payee, deadline=soon, verificationMethod=self.chance.choice(METHODS)
        )
        if self.chance.random() < 0.9:
            del duties["provider"]["verification"]
        cents = self.chance.choice(CENTS)
        escrow.update(payer=payer, payee=payee, amount=cents / 100)
        escrow["schedule"] = self.chance.choice((halves(cents, soon), HOURS))
        for key in ("schedule", "penaltyBps"):
            if self.chance.random() < 0.7:
                del escrow[key]
        if self.chance.random() < 0.8:
            del body["proposalId"]

    def _inform(self, talk: Talk, body: dict[str, Any], _soon: str) -> None:
        kind = self.chance.choice(("result", "result", "result", "resolution", "progress"))
        body["informType"] = kind
        if kind == "result":
            body["data"] = {"commitmentId": self._of(talk, "cmt"), "status": "fulfilled"}
        if kind == "resolution":
            decision = self.chance.choice(("resume", "abort"))
            body["data"] = {"escalationId": self._of(talk, "esc"), "decision": decision}

    def _close(self, talk: Talk, body: dict[str, Any], _soon: str) -> None:
        kept = [name for name in talk.names if name.startswith("cmt")]
        body["outcome"] = {"commitmentsFulfilled": kept, "peerRating": 5}
        if self.chance.random() < 0.3:
            del body["outcome"]

    def _delegate(self, _talk: Talk, body: dict[str, Any], _soon: str) -> None:
        body["targetAgent"] = self.chance.choice(self.agents).uri
        body["authority"] = self.chance.choice(("binding", "advisory"))
        del body["limits"]

    def _escalate(self, _talk: Talk, body: dict[str, Any], _soon: str) -> None:
        body["authority"] = self.chance.choice(self.agents).uri

    # Records.

    def record(self, kind: str, talk: Talk) -> Record:
        """The content of a record of this kind."""
        made: Record = getattr(self, f"_{kind}")(talk)
        return made

    def _transfer(self, _talk: Talk) -> Record:
        amount = self.chance.choice(("0.01", "10.00", "99999.99"))
        body = {
            "id": self.name("tr"),
            "direction": self.chance.choice(("fund", "fund", "payout")),
            "agent": self.chance.choice(self.agents).uri,
            "amount": {"amount": amount, "currency": "USD"},
            "at": self.now(),
        }
        return body, OPERATOR, "/v1/ledger/transfers"

    def _attestation(self, _talk: Talk) -> Record:
        body = {
            "agent": self.chance.choice(self.agents).uri,
            "components": {"IV": "100", "CR": self.chance.choice(("0", "50", "70.5"))},
            "weight": self.chance.choice(("1", "40")),
            "until": format_instant(self._now_ms() + 10**10),
            "by": OPERATOR,
            "at": self.now(),
        }
        return body, OPERATOR, "/v1/trust/attestations"

    def _endorsement(self, _talk: Talk) -> Record:
        endorser, agent = self.chance.sample(self.agents, 2)
        body = {"endorser": endorser.uri, "agent": agent.uri, "at": self.now()}
        return body, endorser.uri, "/v1/trust/endorsements"

    def _card(self, _talk: Talk) -> Record:
        agent = self.chance.choice(self.agents)
        body = json.loads(agent.card())
        body["version"] = self.versions[agent.uri] + 1
        body["capabilities"] = ["negotiate.compute", "provision.cloud"]
        body["pricing"] = {"gpu": "A100", "pricePerHour": 3.5, "currency": "USD"}
        body["accounts"] = ["did:ethr:84532:0x" + "ab" * 20]
        body["schemas"], body["protocols"] = ["compute/1"], ["asp/0.1"]
        return body, agent.uri, "/v1/asp/agents"

    def _revocation(self, _talk: Talk) -> Record:
        agent, other = self.chance.sample(self.agents, 2)
        body = {
            "uri": agent.uri,
            "keyId": agent.signer.key.key_id,
            "since": self.now(),
            "publicKey": other.signer.key.text,
        }
        return body, other.uri, f"/v1/asp/agents/{encoded(agent.uri)}/revocations"

    def _dispute(self, talk: Talk) -> Record:
        filer, against = self.chance.sample([talk.chain.inviter, talk.chain.invitee], 2)
        reasons = ("specification-mismatch", "timeout", "metric-mismatch")
        body = {
            "disputeId": self.name("dsp"),
            "sessionId": talk.chain.session,
            "commitmentId": self._of(talk, "cmt"),
            "filedBy": filer.uri,
            "filedAgainst": against.uri,
            "reason": self.chance.choice(reasons),
            "at": self.now(),
        }
        return body, filer.uri, "/v1/asp/disputes"

    def _evidence(self, _talk: Talk) -> Record:
        return self._in_dispute("evidence", {"statement": "See the log.", "last": True})

    def _reveal(self, _talk: Talk) -> Record:
        return self._in_dispute("reveal", {"secret": "ab" * 32})

    def _vote(self, _talk: Talk) -> Record:
        return self._in_dispute("votes", self._finding())

    def _ruling(self, _talk: Talk) -> Record:
        return self._in_dispute("ruling", self._finding())

    def _finding(self) -> dict[str, Any]:
        amount = self.chance.choice(("0.00", "0.01", "1.00", "90.00", "180.00"))
        return {"toPayee": {"amount": amount, "currency": "USD"}, "severity": 2, "reason": ""}

    def _in_dispute(self, place: str, said: dict[str, Any]) -> Record:
        name = self.chance.choice(self.disputes or ["dsp_0"])
        by = self.chance.choice([agent.uri for agent in self.agents])
        if place == "ruling" and self.chance.random() < 0.8:
            by = OPERATOR
        body = {"disputeId": name, "by": by, "at": self.now(), **said}
        return body, by, f"/v1/asp/disputes/{encoded(name)}/{place}"
