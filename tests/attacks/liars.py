"""Nonsense under good signatures: agents that say anything, and sign what they say.

A liar takes something lawful, spoils some of it at any depth, signs what came of it and sends it.
So what is hostile gets past hash, signature, proof and order, to where a node acts on what was
said. Time passes, and the node does what is due.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from random import Random
from typing import Any
from urllib.parse import urlencode

import httpx

from tests.attacks.contents import NAMED, ODD, Author, Talk
from tests.http.nodes import Agent, Chain, World, encoded, signer
from treaty.errors import TreatyError
from treaty.identity.cards import UNSIGNED
from treaty.identity.records import seal
from treaty.wire.canonical import canonical
from treaty.wire.money import money_from_json

MESSAGES = {
    "OBSERVE": 2, "INFORM": 6, "QUERY": 1, "CLARIFY": 1, "PROPOSE": 4, "COUNTER": 2, "ACCEPT": 8,
    "REJECT": 1, "WITHDRAW": 1, "COMMIT": 6, "DELEGATE": 2, "ESCALATE": 1, "CLOSE": 1,
}  # fmt: skip
RECORDS = {
    "transfer": 2, "attestation": 1, "endorsement": 1, "revocation": 1, "card": 4, "dispute": 6,
    "evidence": 3, "reveal": 1, "vote": 1, "ruling": 3,
}  # fmt: skip
TERMS = ("timeouts", "format", "host", "clearing", "trust", "delegates", "discovery", "maxTurns")
FILTERS = ("capability", "minTrustLevel", "minTrustScore", "maxPricePerHour", "cursor", "limit")
WAITS_MS = (0, 0, 0, 0, 0, 0, 1, 50, 1_000, 5_000)
LONG_MS = (20_000, 60_000, 3_600_000, 86_400_000)
TALKS_MAX = 6


@dataclass
class Found:
    """What came of it."""

    answers: Counter[tuple[int, str]] = field(default_factory=Counter)
    said: Counter[str] = field(default_factory=Counter)
    """What was taken, by kind."""
    wrong: list[str] = field(default_factory=list)
    funded: Counter[str] = field(default_factory=Counter)
    """What came from outside by currency, in minor units."""

    def note(self, answer: httpx.Response, sent: bytes) -> None:
        """Count an answer, and keep it when it is none of ours."""
        try:
            said = answer.json()
            code = said["code"] if answer.status_code >= 400 else ""
        except (ValueError, KeyError, TypeError):
            code = "?"
        self.answers[answer.status_code, code] += 1
        if answer.status_code >= 500 or code == "?":
            self.wrong.append(f"{answer.status_code} {answer.text[:300]} to {sent[:3_000]!r}")


class Liars:
    """Four agents of one node, in as many sessions as it takes."""

    def __init__(self, here: World, agents: list[Agent], seed: int) -> None:
        self.here = here
        self.agents = agents
        self.found = Found()
        self._chance = Random(seed)
        self._author = Author(self._chance, agents, here.clock)
        self._talks: list[Talk] = []

    async def step(self) -> None:
        """One thing said, by somebody, somewhere."""
        waits = LONG_MS if self._chance.random() < 0.01 else WAITS_MS
        self.here.clock.now_ms += self._chance.choice(waits)
        self._talks = [talk for talk in self._talks if not talk.is_over]
        if len(self._talks) < 2 or self._chance.random() < 0.02:
            await self._open()
        elif self._chance.random() < 0.15:
            await self._record(self._chance.choice(self._talks))
        else:
            await self._message(self._chance.choice(self._talks))
        if self._chance.random() < 0.05:
            await self.here.do_what_is_due()

    async def _open(self) -> None:
        inviter, invitee = self._chance.sample(self.agents[:3], 2)
        chain = Chain(inviter, invitee, inviter.fresh_id())
        terms: dict[str, Any] = {}
        if self._chance.random() < 0.3:
            terms = {self._chance.choice(TERMS): self._chance.choice(ODD)}
        invitation, *rest = chain.welcome(**terms)
        answer = await self.here.post("/v1/asp/sessions", invitation)
        self.found.note(answer, invitation)
        if answer.status_code != 201:
            return
        talk = Talk(Chain(inviter, invitee, chain.session), ["inv_1"])
        talk.chain.said(invitation)
        self._talks = [*self._talks, talk][-TALKS_MAX:]
        if self._chance.random() < 0.9:
            for message in rest:
                await self._send(talk, message)

    async def _message(self, talk: Talk) -> None:
        chain = talk.chain
        sender = self._chance.choice([chain.inviter, chain.invitee] * 4 + self.agents)
        performative = self._pick(MESSAGES)
        body = self._author.body(talk, performative)
        self._spoil(body)
        try:
            message = chain.make(sender, performative, body, **self._options())
        except TreatyError:
            return  # It has no form that could be signed.
        if await self._send(talk, message):
            self.found.said[performative] += 1

    def _options(self) -> dict[str, Any]:
        options: dict[str, Any] = {}
        if self._chance.random() < 0.05:
            options["sequence"] = self._chance.choice((0, 1, 2**53 - 1))
        if self._chance.random() < 0.03:
            options["at_ms"] = self.here.clock() + self._chance.choice((-(10**9), 10**9))
        if self._chance.random() < 0.1:
            options["recipient"] = self._chance.choice(self.agents).uri
        return options

    async def _send(self, talk: Talk, message: bytes) -> bool:
        answer = await self.here.send(message)
        self.found.note(answer, message)
        if answer.status_code == 201:
            talk.chain.said(message)
            body = json.loads(message)["content"]["body"]
            named = [body[key] for key in NAMED if isinstance(body.get(key), str)]
            talk.names += (name for name in named if name not in talk.names)
            return True
        detail = answer.json().get("detail", "")
        talk.is_over = "FAILED" in detail or ("CLOSED" in detail and self._chance.random() < 0.2)
        return False

    async def _record(self, talk: Talk) -> None:
        kind = self._pick(RECORDS)
        body, by, path = self._author.record(kind, talk)
        self._spoil(body)
        try:
            unsigned = UNSIGNED if kind == "card" else ()
            record = canonical(seal(kind, body, signer(by), unsigned=unsigned))
        except TreatyError:
            return
        answer = await self.here.post(path, record)
        self.found.note(answer, record)
        if answer.status_code in (200, 201):
            self.found.said[kind] += 1
            if kind == "transfer" and answer.status_code == 201:
                money = money_from_json(body["amount"], None)
                sign = 1 if body["direction"] == "fund" else -1
                self.found.funded[money.asset] += sign * money.units
            if kind == "card":
                self._author.versions[by] = body.get("version", 1)
            if kind == "dispute":
                self._author.disputes.append(body["disputeId"])
        await self._look(talk)

    async def _look(self, talk: Talk) -> None:
        """Read something back, as whoever it is."""
        reader = self._chance.choice(self.agents)
        who = encoded(reader.uri)
        paths = [f"/v1/asp/disputes/{encoded(name)}" for name in self._author.disputes[-3:]]
        paths += [f"/v1/asp/agents/{who}/trust", f"/v1/ledger/accounts/{who}"]
        paths += [f"/v1/asp/sessions/{talk.chain.session}", f"/v1/asp/discover?{self._filter()}"]
        path = self._chance.choice(paths)
        self.found.note(await self.here.read(reader, path), path.encode())

    def _filter(self) -> str:
        name = self._chance.choice(FILTERS)
        return urlencode({name: str(self._chance.choice(ODD)), "capability": "provision.*"})

    def _pick(self, weights: dict[str, int]) -> str:
        return self._chance.choices(list(weights), list(weights.values()))[0]

    def _spoil(self, body: dict[str, Any]) -> None:
        """Put something odd anywhere inside, half of the time."""
        for _ in range(self._chance.choice((0, 0, 0, 1, 1, 2))):
            self._spoil_once(body)

    def _spoil_once(self, value: Any) -> None:
        while isinstance(value, dict | list) and value:
            key = self._chance.choice([*(value if isinstance(value, dict) else range(len(value)))])
            inside = value[key]
            if isinstance(inside, dict | list) and inside and self._chance.random() < 0.7:
                value = inside
            elif isinstance(value, dict) and self._chance.random() < 0.2:
                del value[key]
                return
            else:
                value[key] = json.loads(json.dumps(self._chance.choice(ODD)))
                return
