"""A whole deal as a node and two agents make it, with everything a deal file holds.

    stage = played()
    deal = stage.export()
    assert verify(deal, stage.roots()).ok

The sixteen messages of the protocol's own example: salted, with proofs, with the accepted
proposal named by the COMMIT and the count and head by both CLOSEs, as the SDK sends them. The
node signs receipts, facts, outcome and log head; what it signs can be bent, to see a liar caught.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from copy import deepcopy
from decimal import Decimal
from typing import Any

from treaty.core.deal import Roots, read_deal, read_roots
from treaty.core.log import HostFact, entry_hash, read_log_record
from treaty.core.merkle import Frontier, append, inclusion_proof, leaf_hash, nodes_over, root
from treaty.core.rates import rates_at
from treaty.core.trust import (
    COMPONENTS,
    Attestation,
    Identity,
    Outcome,
    Party,
    Proof,
    Record,
    TrustState,
    fold,
    outcome_value,
    record_kind,
    record_to_json,
    stamped,
)
from treaty.core.trust import Roots as Believed
from treaty.dialects.asp import codec, rules
from treaty.dialects.asp.conversation import Conversation
from treaty.dialects.asp.deadlines import due, fold_fact
from treaty.dialects.asp.deal import log_leaf, make_deal, standings, trust_lines
from treaty.dialects.asp.dialect import ASP
from treaty.dialects.asp.folding import fold_message, orders
from treaty.dialects.asp.messages import Performative
from treaty.dialects.asp.rated import unrated
from treaty.identity.cards import make_card, make_listing, open_card
from treaty.identity.dpop import MessageBinding, message_proof
from treaty.identity.keys import Ed25519Signer
from treaty.identity.records import seal
from treaty.wire.canonical import Json, canonical
from treaty.wire.digest import ZERO_TAG, sha256_tag
from treaty.wire.ids import uuid7
from treaty.wire.instants import format_instant, parse_instant
from treaty.wire.money import Money, money_to_json

URL = "https://node.example"
NODE = "agent://node.example/clearing"
OPERATOR = "agent://operator.example/desk"
ALPHA = "agent://acme.com/procurement/alpha"
BETA = "agent://cloudprime.io/gpu/beta"
SESSION = "019526a1-8e1a-7000-8000-000000000001"
COMMITMENT = "cmt_001"

DAY_MS = 86_400_000
ATTESTED = {"IV": 100, "CH": 90, "CF": 95, "BC": 90, "RQ": 92, "SP": 75, "ER": 94, "PE": 68}
AGREED = {"gpu": "A100", "pricePerHour": 3.75, "quantity": 2, "sla": {"uptime": 99.95}}


def signer(name: str) -> Ed25519Signer:
    """The key of a name: its seed is the hash of the name."""
    return Ed25519Signer(hashlib.sha256(f"deal {name}".encode()).digest())


def clock(text: str) -> int:
    """A time of the example's day."""
    return parse_instant(f"2026-03-07T{text}.000Z")


Bend = Callable[[dict[str, Json]], dict[str, Json]]


class DealStage:
    """One node, Alpha and Beta, and everything they sign."""

    def __init__(self, *, keys: Mapping[str, str] | None = None, session: str = SESSION) -> None:
        named = {ALPHA: "alpha", BETA: "beta", NODE: "node", OPERATOR: "operator", **(keys or {})}
        self.signers = {uri: signer(name) for uri, name in named.items()}
        self.session = session
        self.conversation = Conversation()
        self.entries: list[tuple[dict[str, Json], bytes | None]] = []
        self.discovery: list[bytes] = []
        self.now_ms = clock("13:50:00")
        self.bend_fact: Bend = lambda data: data
        """What the node states otherwise than it should, from now on."""
        self.bend_outcome: Callable[[Outcome], Outcome] = lambda outcome: outcome
        self.bend_stamped: Callable[[Outcome], Outcome] = lambda outcome: outcome
        """The same, behind the stamps that the trust node puts on it."""
        self.rates: dict[str, str] = {}
        """What the node states of currencies that a COMMIT asks for."""
        self.hidden: dict[str, Json] = {}
        """What the fact of a reservation says beside the money."""
        self.shown: dict[str, Json] = {}
        """The same for its settling."""
        self.state = TrustState(self.believed)
        self.records: list[tuple[str, dict[str, Json], Record]] = []
        self._drawn = 0
        self.cards = {uri: self.card(uri) for uri in (ALPHA, BETA)}

    # Registry and trust log.

    @property
    def believed(self) -> Believed:
        """Whom the node believes about trust."""
        return Believed(clearings=frozenset((NODE,)), attesters=frozenset((OPERATOR,)))

    def card(self, uri: str) -> dict[str, Json]:
        """An agent's card, listed."""
        card = make_card(
            self.signers[uri],
            uri=uri,
            name=uri.rpartition("/")[2],
            organization="An organisation",
            org_id="org",
            capabilities=["negotiate.compute"],
            endpoints={"asp": URL},
        )
        return {**card, "trustScore": 49, "trustLevel": 1, "listing": self.listing(card)}

    def listing(self, card: dict[str, Json], *, by: str = NODE, **changes: Any) -> dict[str, Json]:
        """The registry's listing of a card, for a day from now."""
        view = open_card(card)
        body: dict[str, Any] = {
            "card_hash": view.card_hash,
            "uri": view.uri.text,
            "registry": by,
            "at_ms": self.now_ms,
            "expires_ms": self.now_ms + DAY_MS,
            "trust_score": 49,
            "trust_level": 1,
        }
        return make_listing(self.signers[by], **{**body, **changes})

    def log_record(self, record: Record, by: str = NODE) -> dict[str, Json]:
        """Sign a record and append it to the trust log."""
        sealed = seal(record_kind(record), record_to_json(record), self.signers[by])
        self.records.append((record_kind(record), sealed, record))
        self.state = fold(self.state, record)
        return sealed

    def register(self) -> None:
        """Both keys are proven; the operator vouches for Beta."""
        for uri in (ALPHA, BETA):
            self.log_record(Identity(uri, Proof.KEY.value, self.now_ms, NODE))
        self.vouch(BETA)

    def vouch(self, uri: str) -> None:
        """The operator vouches for an agent."""
        vouched = Attestation(
            agent=uri,
            components={name: Decimal(value) for name, value in ATTESTED.items()},
            weight=Decimal(200),
            until_ms=self.now_ms + 365 * DAY_MS,
            by=OPERATOR,
            at_ms=self.now_ms,
        )
        self.log_record(vouched, OPERATOR)

    # Messages and facts.

    def entropy(self) -> bytes:
        """Sixteen bytes that no message has had before."""
        self._drawn += 1
        return hashlib.sha256(b"entropy %d" % self._drawn).digest()[:16]

    def write(self, sender: str, performative: str, body: Mapping[str, Any], **more: Any) -> bytes:
        """The signed bytes of the next message of a sender."""
        now = self.conversation
        in_session = more.pop("in_session", True)
        member = now.participants.get(sender)
        sequence = more.pop("sequence", member.next_sequence if member else 0)
        head = more.pop("previous_hash", now.head if in_session else ZERO_TAG)
        message_id = uuid7(self.now_ms, self.entropy())
        told: dict[str, Json] = {"agentId": sender, "orgId": "org", "trustScore": 49}
        if in_session:
            url = rules.messages_url(URL, self.session)
            binding = MessageBinding(message_id, self.session, sequence, head, url)
            told["dpopProof"] = message_proof(self.signers[sender], binding, self.now_ms)
        document = codec.compose(
            message_id=message_id,
            at_ms=more.pop("timestamp_ms", self.now_ms),
            sender=told,
            performative=Performative(performative),
            body=body,
            previous_hash=head,
            salt=self.entropy(),
            session_id=self.session if in_session else None,
            sequence=sequence if in_session else None,
            **more,
        )
        return canonical(codec.seal(document, self.signers[sender]))

    def say(
        self, at: str, sender: str, performative: str, body: Mapping[str, Any], **more: Any
    ) -> None:
        """Say something at a time of the day, and let the node do what follows."""
        self.now_ms = clock(at)
        self.receive(self.write(sender, performative, body, **more))

    def receive(self, raw: bytes) -> None:
        """Accept a message: receipt, fold, and the movements it leads to."""
        envelope = codec.decode(raw)
        first = envelope.sender not in {
            uri for uri, one in self.conversation.participants.items() if one.public_key
        }
        # Written out, as a stranger's host would: this is the format itself.
        body: dict[str, Json] = {
            "type": "receipt",
            "session": self.session,
            "position": len(self.entries) + 1,
            "hash": envelope.hash,
            "previousHash": envelope.previous_hash,
            "sender": envelope.sender,
            "performative": envelope.performative.value,
            "rawDigest": sha256_tag(raw),
            "receivedAt": format_instant(self.now_ms),
            "previousEntry": self.conversation.entry,
        }
        if first:
            body["publicKey"] = self.signers[envelope.sender].key.text
        record = seal("receipt", body, self.signers[NODE])
        self.entries.append((record, raw))
        self.conversation = fold_message(
            self.conversation,
            envelope,
            at_ms=self.now_ms,
            position=len(self.entries),
            entry=entry_hash(record),
            public_key=self.signers[envelope.sender].key.text if first else None,
        )
        self.clear()

    def state_fact(self, kind: str, data: dict[str, Json]) -> None:
        """Write and fold a fact of the node's."""
        body: dict[str, Json] = {
            "type": "fact",
            "session": self.session,
            "position": len(self.entries) + 1,
            "fact": kind,
            "data": self.bend_fact(data),
            "at": format_instant(self.now_ms),
            "previousEntry": self.conversation.entry,
        }
        record = seal("fact", body, self.signers[NODE])
        self.entries.append((record, None))
        # The node itself knows what it did, whatever it states.
        honest = read_log_record({**record, "data": data})
        assert isinstance(honest, HostFact)
        self.conversation = fold_fact(self.conversation, honest, entry=entry_hash(record))

    def clear(self) -> None:
        """State rates, carry out every order, report each settlement to the trust log."""
        for name, currency in unrated(self.conversation).items():
            if currency in self.rates:
                rate = {"currency": currency, "usdRate": self.rates[currency]}
                self.state_fact("rate", {"commitmentId": name, **rate})
        while found := orders(self.conversation):
            order, asset = found[0], found[0].escrow.money.asset
            own = f"{self.session}/{order.commitment}"
            data: dict[str, Json] = {
                "movement": order.kind.value,
                "reservation": f"{own}/{order.bond}" if order.bond else own,
                "commitmentId": order.commitment,
                "commitHash": self.conversation.commitments[order.commitment].hash,
                "payer": order.escrow.payer,
                "payee": order.escrow.payee,
                "amount": dict(money_to_json(Money(order.units, asset))),
                **({"slice": order.slice} if order.slice else {}),
                **({"bond": order.bond} if order.bond else {}),
                **(self.hidden if order.kind.value == "reserve" and not order.bond else {}),
            }
            if order.kind.value == "settle":
                voided = Money(order.units - order.post_units, asset)
                data["posted"] = dict(money_to_json(Money(order.post_units, asset)))
                data["voided"] = dict(money_to_json(voided))
                data |= {} if order.bond else self.shown
            self.state_fact("escrow", data)
        for commitment in ASP.unreported(self.conversation):
            if ASP.settled(self.conversation, commitment).value_units:
                self.report(commitment)

    def report(self, commitment: str) -> None:
        """Append the outcome to the trust log, and announce it to the session."""
        ending = ASP.settled(self.conversation, commitment)
        one, other = (
            Party(
                agent=uri,
                kept=ending.kept[uri],
                v=outcome_value(
                    Money(ending.values[uri], ending.asset),
                    rates_at(ending.asset, ending.usd_rate),
                ),
                escrow=ending.kept[uri],
                rating=ending.ratings.get(uri),
            )
            for uri in (ending.payer, ending.payee)
        )
        outcome = Outcome(
            session=self.session,
            head=self.conversation.head,
            commitment=commitment,
            clearing=NODE,
            parties=(one, other),
            at_ms=self.now_ms,
            disputed=ending.disputed,
            severity=ending.severity,
            currency=None if ending.usd_rate is None else ending.asset,
            usd_rate=ending.usd_rate,
        )
        sealed = self.log_record(self.bend_stamped(stamped(self.state, self.bend_outcome(outcome))))
        index = len(self.records) - 1
        self.state_fact("outcome", {"commitmentId": commitment, "index": index, "record": sealed})

    def fire(self, at: str) -> None:
        """Let the timer that is due at a time of the day fire."""
        self.now_ms = clock(at)
        timer = due(self.conversation, self.now_ms)
        assert timer is not None
        self.state_fact("timer", {"name": timer.name, "due": format_instant(timer.due_ms)})
        self.clear()

    # The file.

    def logged(self) -> list[dict[str, Json]]:
        """The records of the trust log with their audit paths."""
        leaves = [leaf_hash(log_leaf(sealed)) for _, sealed, _ in self.records]
        return [
            {
                "index": index,
                "kind": kind,
                "record": sealed,
                "proof": [
                    one.hex() for one in inclusion_proof(nodes_over(leaves), index, len(leaves))
                ],
            }
            for index, (kind, sealed, _) in enumerate(self.records)
        ]

    def log_head(self) -> dict[str, Json]:
        """The signed head of the trust log."""
        frontier = Frontier()
        for _, sealed, _ in self.records:
            frontier = append(frontier, leaf_hash(log_leaf(sealed)))
        body: dict[str, Json] = {
            "uri": NODE,
            "size": frontier.size,
            "root": root(frontier).hex(),
            "at": format_instant(self.now_ms),
        }
        return seal("loghead", body, self.signers[NODE])

    def host(self) -> dict[str, Json]:
        """The node as a deal's heading and the roots name it."""
        key = self.signers[NODE].key
        return {"uri": NODE, "keyId": key.key_id, "publicKey": key.text}

    def export(self, *, entries: int | None = None, **changes: Any) -> dict[str, Any]:
        """The deal file, as read back from its bytes; ``entries`` cuts the log short."""
        records = [record for _, _, record in self.records]
        found = standings(records, self.session, (ALPHA, BETA), self.believed)
        told: dict[str, Any] = {
            "host": self.host(),
            "url": URL,
            "entries": self.entries[:entries],
            "cards": self.cards.values(),
            "discovery": self.discovery,
            "outcomes": self.logged(),
            "trust": trust_lines(found),
            "log_head": self.log_head(),
        }
        deal = read_deal(canonical(make_deal(**{**told, **changes})))
        assert isinstance(deal, dict)
        return deal

    def roots(self, **changes: Any) -> Roots:
        """What a reader who knows this node trusts."""
        operator = self.signers[OPERATOR].key
        document = {
            "treaty": "roots/1",
            "registry": [self.host()],
            "host": [self.host()],
            "clearing": [self.host()],
            "attester": [{"uri": OPERATOR, "keyId": operator.key_id, "publicKey": operator.text}],
            "metric": [],
            "logHead": self.log_head(),
        }
        return read_roots({**document, **changes})


def play_discovery(stage: DealStage) -> None:
    """Alpha asks the registry, which answers."""
    stage.now_ms = clock("14:00:00")
    question = {
        "queryId": "qry_disc_001",
        "queryType": "capability",
        "subject": "GPU compute providers",
        "parameters": {"capability": "provision.cloud", "maxPricePerHour": 5},
    }
    asked = stage.write(ALPHA, "QUERY", question, in_session=False)
    answer = {
        "informType": "result",
        "subject": "Discovery results",
        "data": {"queryId": "qry_disc_001", "agents": [{"uri": BETA}], "totalResults": 1},
    }
    head = codec.decode_pre_session(asked).hash
    told = stage.write(NODE, "INFORM", answer, in_session=False, previous_hash=head)
    stage.discovery = [asked, told]


def play_opening(stage: DealStage, **more: Any) -> None:
    """Invitation, answer and both identities; ``more`` are terms of the invitation."""
    terms: dict[str, Any] = {
        "proposedDuration": 3_600_000,
        "schemas": ["urn:asp:negotiation:v1"],
        "host": {"uri": NODE, "keyId": stage.signers[NODE].key.key_id},
        **more,
    }
    if stage.discovery:
        terms["discovery"] = codec.decode_pre_session(stage.discovery[-1]).hash
    invitation = {
        "proposalId": "prop_inv_001",
        "type": "session-invitation",
        "subject": "GPU compute procurement",
        "terms": terms,
        "validUntil": "2026-03-07T14:01:30.000Z",
    }
    stage.say("14:01:00", ALPHA, "PROPOSE", invitation, recipient=BETA)
    stage.say("14:01:05", BETA, "ACCEPT", {"referenceId": "prop_inv_001"}, recipient=ALPHA)
    for at, uri in (("14:01:06", ALPHA), ("14:01:07", BETA)):
        card = {"uri": uri, "publicKey": stage.signers[uri].key.text}
        stage.say(at, uri, "INFORM", {"informType": "identity", "data": {"agentCard": card}})


def play_negotiation(stage: DealStage) -> None:
    """Offer, counter-offer, a better offer, yes."""
    offer = {"proposalId": "prop_gpu_001", "type": "terms", "subject": "2x A100"}
    opening = {**AGREED, "pricePerHour": 3.5, "sla": {"uptime": 99.9}}
    stage.say("14:02:00", ALPHA, "PROPOSE", {**offer, "terms": opening})
    counter = {
        "referenceId": "prop_gpu_001",
        "counterProposalId": "prop_gpu_002",
        "rejectionReason": "Costs at this SLA are higher.",
        "subject": "2x A100",
        "terms": {**AGREED, "pricePerHour": 4},
        "final": False,
    }
    stage.say("14:02:30", BETA, "COUNTER", counter)
    stage.say(
        "14:03:00", ALPHA, "PROPOSE", {**offer, "proposalId": "prop_gpu_003", "terms": AGREED}
    )
    stage.say("14:03:15", BETA, "ACCEPT", {"referenceId": "prop_gpu_003"})


def commitment(**changes: Any) -> dict[str, Any]:
    """The COMMIT of the example, with the proposal it carries out."""
    body: dict[str, Any] = {
        "commitmentId": COMMITMENT,
        "type": "resource-allocation",
        "subject": "2x A100 for 24 h",
        "proposalId": "prop_gpu_003",
        "terms": {**AGREED, "totalCost": 180},
        "obligations": {
            "buyer": {
                "party": ALPHA,
                "action": "Pay $180.00",
                "deadline": "2026-03-08T14:04:00.000Z",
                "verificationMethod": "escrow-release",
            },
            "provider": {
                "party": BETA,
                "action": "Provision 2x A100",
                "deadline": "2026-03-07T15:00:00.000Z",
                "verificationMethod": "counterparty-confirm",
            },
        },
        "escrow": {"amount": 180, "currency": "USD", "releaseCondition": "obligation-met"},
    }
    return {**body, **changes}


def play_performance(stage: DealStage, **changes: Any) -> None:
    """Commitment, progress and result."""
    stage.say("14:04:00", ALPHA, "COMMIT", commitment(**changes))
    stage.say("14:04:10", BETA, "ACCEPT", {"referenceId": COMMITMENT})
    progress = {"informType": "progress", "data": {"percentComplete": 50}}
    stage.say("14:10:00", BETA, "INFORM", progress)
    result = {
        "informType": "result",
        "data": {"commitmentId": COMMITMENT, "status": "fulfilled"},
    }
    stage.say("14:14:00", BETA, "INFORM", result)


def play_closing(stage: DealStage, *, counted: bool = True) -> None:
    """Both close, and rate one another."""
    for at, uri, rating in (("14:15:00", ALPHA, 5), ("14:15:05", BETA, 4)):
        outcome: dict[str, Any] = {
            "commitmentsFulfilled": [COMMITMENT],
            "totalTransactionValue": 180,
            "peerRating": rating,
        }
        if counted:
            outcome["chainHead"] = stage.conversation.head
            outcome["messageCount"] = stage.conversation.messages
        stage.say(at, uri, "CLOSE", {"reason": "completed", "summary": "Done.", "outcome": outcome})


def played(stage: DealStage | None = None, *, counted: bool = True, **changes: Any) -> DealStage:
    """The whole example; ``changes`` are members of the COMMIT."""
    stage = stage or DealStage()
    stage.register()
    play_discovery(stage)
    play_opening(stage)
    play_negotiation(stage)
    play_performance(stage, **changes)
    play_closing(stage, counted=counted)
    return stage


_WHOLE = played()
_DEAL = _WHOLE.export()


def whole() -> DealStage:
    """The example, played once; not to be changed."""
    return _WHOLE


def golden() -> dict[str, Any]:
    """A fresh copy of the example's deal file, to be changed at will."""
    return deepcopy(_DEAL)


assert set(ATTESTED) == set(COMPONENTS)
