"""A stage for ASP sessions: people who speak, a host who keeps order, a clock that is moved.

    stage = Stage()
    stage.alpha.invite()
    stage.beta.accept("inv")
    assert stage.state == "INVITED_ACCEPTED"

Every message is composed, signed, encoded, decoded, authenticated, judged and folded, as between
real parties; every fact of the host goes through ``fold_fact``. The clearing does at once what
``orders`` says, and timers fire when ``wait`` passes them. Nothing here decides anything.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from copy import copy
from dataclasses import replace
from typing import Any

import pytest

from treaty.core.commitment import Commitment, Obligation, Order, OrderKind
from treaty.core.log import HostFact
from treaty.dialects.asp import codec, rules
from treaty.dialects.asp.conversation import Conversation
from treaty.dialects.asp.deadlines import deadlines, due, fold_fact
from treaty.dialects.asp.folding import fold_message, orders
from treaty.dialects.asp.messages import Envelope, Performative
from treaty.dialects.asp.rated import unrated
from treaty.dialects.asp.watching import measurements, wanted_checks
from treaty.errors import TreatyError
from treaty.identity.cards import make_card
from treaty.identity.disputes import (
    arbiter_secret,
    arbiter_seed,
    make_evidence,
    make_filing,
    make_finding,
    make_reveal,
)
from treaty.identity.dpop import MessageBinding, message_proof
from treaty.identity.keys import Ed25519Signer, PublicKey
from treaty.wire.canonical import canonical
from treaty.wire.digest import sha256_tag
from treaty.wire.ids import uuid7
from treaty.wire.instants import format_instant, parse_instant
from treaty.wire.money import Money, money_from_json, money_to_json

START_MS = parse_instant("2026-03-07T14:01:00.000Z")
BASE_URL = "http://node.example"
SESSION = "019526a1-8e1a-7000-8000-000000000001"
NO_PROOF = "e30.e30.e30"
NO_SIGNATURE = "ed25519:" + "0" * 128

SECOND, MINUTE, HOUR, DAY = 1_000, 60_000, 3_600_000, 86_400_000

URIS = {
    "alpha": "agent://acme.com/procurement/alpha",
    "beta": "agent://cloudprime.io/gpu/beta",
    "gamma": "agent://advice.example/gamma",
    "delta": "agent://cloudprime.io/gpu/delta",
    "umpire": "agent://umpire.example/desk",
    "boss": "agent://acme.com/people/boss",
    "chief": "agent://cloudprime.io/people/chief",
    "stranger": "agent://elsewhere.example/stranger",
}


def signer_of(name: str) -> Ed25519Signer:
    """The key of an agent: its seed is the hash of its name."""
    return Ed25519Signer(hashlib.sha256(f"stage {name}".encode()).digest())


OPERATOR = signer_of("operator")
JUDGES = {
    f"agent://judge{number}.example/desk": signer_of(f"judge{number}") for number in range(1, 13)
}
CANDIDATES = [
    {"uri": uri, "organisation": uri.split("/")[2], "keyId": signer.key.key_id}
    for uri, signer in JUDGES.items()
]
SIGNERS = {name: signer_of(name) for name in (*URIS, "alpha's next", "beta's next")}


def card_of(uri: str, signer: Ed25519Signer, **extra: Any) -> dict[str, Any]:
    """An agent's card."""
    return make_card(
        signer, uri=uri, name="A judge", organization="Org", org_id="org", capabilities=(),
        endpoints={}, extra={"arbitrates": True, **extra},
    )  # fmt: skip


class Actor:
    """One agent; each method says one thing and returns the act the host saw in it."""

    def __init__(self, stage: Stage, name: str) -> None:
        self.stage = stage
        self.name = name
        self.uri = URIS[name]

    @property
    def signer(self) -> Ed25519Signer:
        """The key it signs with now."""
        return SIGNERS[self.stage.key_names[self.name]]

    def say(self, performative: str, body: Mapping[str, Any], **envelope: Any) -> str:
        """Say anything; ``envelope`` replaces top-level members before hash and signature."""
        return self.stage.deliver(self.write(performative, body, **envelope))

    def write(self, performative: str, body: Mapping[str, Any], **changes: Any) -> bytes:
        """The signed bytes of a message that fits here and now."""
        return canonical(codec.seal(self.draft(performative, body, **changes), self.signer))

    def draft(self, performative: str, body: Mapping[str, Any], **changes: Any) -> dict[str, Any]:
        """The unsigned envelope, its proof included; ``proof=False`` leaves a dummy proof."""
        stage = self.stage
        now = stage.conversation
        member = now.participants.get(self.uri)
        sequence = changes.pop("sequence", member.next_sequence if member else 0)
        head = changes.pop("previous_hash", now.head)
        at_ms = changes.pop("at_ms", stage.now_ms)
        is_proven = changes.pop("proof", True)
        message_id = uuid7(at_ms, stage.entropy())
        binding = MessageBinding(
            message_id, SESSION, sequence, head, rules.messages_url(BASE_URL, SESSION)
        )
        document = codec.compose(
            message_id=message_id,
            at_ms=at_ms,
            sender={
                "agentId": self.uri,
                "orgId": f"org_{self.name}",
                "trustScore": 49,
                "dpopProof": message_proof(self.signer, binding, at_ms) if is_proven else NO_PROOF,
            },
            performative=Performative(performative),
            body=body,
            previous_hash=head,
            salt=stage.entropy(),
            session_id=SESSION,
            sequence=sequence,
            recipient=changes.pop("recipient", None),
            constraints=changes.pop("constraints", None),
        )
        return {**document, **changes}

    def invite(self, proposal: str = "inv", *, to: str = "beta", **changes: Any) -> str:
        """Invite somebody; ``terms`` and ``valid_until`` as keywords."""
        body = self._proposal(proposal, changes)
        return self.say(
            "PROPOSE", {**body, "type": "session-invitation"}, recipient=URIS[to], **changes
        )

    def propose(self, proposal: str, **changes: Any) -> str:
        """Put terms on the table."""
        body = self._proposal(proposal, changes)
        return self.say("PROPOSE", {**body, "type": "terms"}, **changes)

    def _proposal(self, name: str, changes: dict[str, Any]) -> dict[str, Any]:
        body = {"proposalId": name, "subject": "GPUs", "terms": changes.pop("terms", {})}
        until_ms = changes.pop("valid_until", None)
        return body if until_ms is None else {**body, "validUntil": format_instant(until_ms)}

    def dispute(
        self, name: str, commitment: str = "cmt", reason: str = "fulfillment-mismatch", **more: Any
    ) -> None:
        """File a dispute; ``part`` names a slice."""
        record = make_filing(
            self.signer,
            dispute=name,
            session=SESSION,
            commitment=commitment,
            filer=self.uri,
            against=URIS["beta" if self.name == "alpha" else "alpha"],
            reason=reason,
            at_ms=self.stage.now_ms,
            **more,
        )
        self.stage.hand_in("dispute", record)

    def show(self, dispute: str, *, last: bool = False) -> None:
        """Show a piece of evidence; ``last``: and rest."""
        record = make_evidence(
            self.signer, dispute=dispute, by=self.uri, statement="Look.", last=last,
            at_ms=self.stage.now_ms,
        )  # fmt: skip
        self.stage.hand_in("evidence", record)

    def rest(self, dispute: str) -> None:
        """Show the last piece of evidence."""
        self.show(dispute, last=True)

    def reveal(self, dispute: str, *, wrong: bool = False) -> None:
        """Show the secret for the draw of arbiters."""
        found = self.stage.conversation.disputes[dispute]
        secret = arbiter_secret(self.signer, SESSION, "other" if wrong else found.commitment)
        record = make_reveal(
            self.signer, dispute=dispute, by=self.uri, secret=secret, at_ms=self.stage.now_ms
        )
        self.stage.hand_in("reveal", record)

    def seed(self, commitment: str = "cmt") -> str:
        """The hash of that secret."""
        return arbiter_seed(self.signer, SESSION, commitment)

    def accept(self, reference: str, **members: Any) -> str:
        """Say yes."""
        return self.say("ACCEPT", {"referenceId": reference, **members})

    def reject(self, reference: str) -> str:
        """Say no."""
        body = {"referenceId": reference, "code": "policy_violation", "reason": "No."}
        return self.say("REJECT", body)

    def counter(self, reference: str, proposal: str, **changes: Any) -> str:
        """Say no and make another offer in the same breath."""
        body = {
            "referenceId": reference,
            "counterProposalId": proposal,
            "rejectionReason": "Costs are higher.",
            "subject": "GPUs",
            "terms": changes.pop("terms", {}),
            "final": changes.pop("final", False),
        }
        until_ms = changes.pop("valid_until", None)
        if until_ms is not None:
            body["validUntil"] = format_instant(until_ms)
        return self.say("COUNTER", body, **changes)

    def withdraw(self, reference: str) -> str:
        """Take back one's own."""
        return self.say("WITHDRAW", {"referenceId": reference})

    def inform(self, kind: str, data: Mapping[str, Any] | None = None) -> str:
        """State something."""
        return self.say("INFORM", {"informType": kind, "subject": "News", "data": data or {}})

    def identify(self, *, key: PublicKey | None = None, uri: str | None = None) -> str:
        """Show one's card."""
        return self.inform("identity", {"agentCard": self.card(key=key, uri=uri)})

    def card(self, *, key: PublicKey | None = None, uri: str | None = None) -> dict[str, Any]:
        """The card shown: name and key."""
        return {"uri": uri or self.uri, "publicKey": (key or self.signer.key).text}

    def fulfil(self, commitment: str, **data: Any) -> str:
        """Claim that one's own part is done; ``part`` for one milestone."""
        return self.inform("result", {"commitmentId": commitment, "status": "fulfilled", **data})

    def confirm(self, commitment: str, **data: Any) -> str:
        """Confirm that the other's part is done; ``part`` for one milestone."""
        return self.inform("result", {"commitmentId": commitment, "status": "confirmed", **data})

    def resolve(self, decision: str, escalation: str = "esc") -> str:
        """Decide an escalation."""
        return self.inform("resolution", {"escalationId": escalation, "decision": decision})

    def ask(self, query: str) -> str:
        """Ask a question with an id."""
        return self.say("QUERY", {"queryId": query, "queryType": "status", "parameters": {}})

    def clarify(self, reference: str) -> str:
        """Ask about something on the table."""
        return self.say("CLARIFY", {"referenceId": reference, "question": "How so?"})

    def observe(self) -> str:
        """Share an observation."""
        return self.say("OBSERVE", {"subject": "Weather", "data": {"sky": "blue"}})

    def commit(self, commitment: str = "cmt", **changes: Any) -> str:
        """Offer to bind; see ``Stage.commitment`` for what can be changed."""
        return self.say("COMMIT", self.stage.commitment(commitment, **changes))

    def delegate(self, delegation: str, to: str, authority: str = "advisory", **more: Any) -> str:
        """Ask to bring in a third agent."""
        return self.say("DELEGATE", self.stage.delegation(delegation, to, authority, **more))

    def escalate(self, escalation: str = "esc", to: str = "umpire") -> str:
        """Call an authority."""
        body = {"escalationId": escalation, "reason": "Beyond me.", "authority": URIS[to]}
        return self.say("ESCALATE", body)

    def close(
        self,
        reason: str = "completed",
        *fulfilled: str,
        rating: int | None = None,
        **outcome: Any,
    ) -> str:
        """Close, naming the commitments that were fulfilled."""
        told: dict[str, Any] = {"commitmentsFulfilled": list(fulfilled), **outcome}
        if rating is not None:
            told["peerRating"] = rating
        return self.say("CLOSE", {"reason": reason, "summary": "Done.", "outcome": told})


class Stage:
    """One session at one host, with everybody who may speak in it."""

    def __init__(self, at_ms: int = START_MS) -> None:
        self.now_ms = at_ms
        self.conversation = Conversation()
        self.key_names = {name: name for name in URIS}
        self.fired: list[str] = []
        self.movements: list[tuple[str, str, int]] = []
        """(commitment, ``reserve`` | ``post`` | ``void``, units)."""
        self.context: rules.Context | None = None
        self.is_clearing = True
        self.rates: dict[str, str] = {}
        """What the host states of currencies as soon as a COMMIT needs it."""
        self.candidates = CANDIDATES
        self._drawn = 0

    def __getattr__(self, name: str) -> Actor:
        if name not in URIS:
            raise AttributeError(name)
        return Actor(self, name)

    def fork(self) -> Stage:
        """Another stage that stands where this one stands; the session itself is a value."""
        other = copy(self)
        other.fired, other.movements = list(self.fired), list(self.movements)
        other.key_names = dict(self.key_names)
        return other

    def entropy(self) -> bytes:
        """Sixteen bytes that no message has had before."""
        self._drawn += 1
        return hashlib.sha256(b"entropy %d" % self._drawn).digest()[:16]

    @property
    def state(self) -> str:
        """The state of the automaton, sub-states included."""
        return self.conversation.state

    @property
    def timers(self) -> dict[str, int]:
        """Running timers: name -> milliseconds from now."""
        return {one.name: one.due_ms - self.now_ms for one in deadlines(self.conversation)}

    def proposal_state(self, name: str) -> str:
        """What became of a proposal."""
        return self.conversation.proposals[name].state

    def commitment_of(self, name: str = "cmt") -> Commitment:
        """A commitment of this session."""
        return self.conversation.commitments[name]

    def duty(self, role: str, name: str = "cmt") -> Obligation:
        """What the party in this role promised."""
        return next(one for one in self.commitment_of(name).obligations if one.role == role)

    def deliver(self, raw: bytes) -> str:
        """Receive bytes as the host does; whoever is refused leaves no trace."""
        envelope = codec.decode(raw)
        return self.accept_message(envelope, self._key_for(envelope))

    def _key_for(self, envelope: Envelope) -> PublicKey:
        """The pinned key; before the first message, and for a successor, the registered one."""
        member = self.conversation.participants.get(envelope.sender)
        name = next(name for name, uri in URIS.items() if uri == envelope.sender)
        if member is None or member.public_key is None or member.revoked:
            return SIGNERS[self.key_names[name]].key
        by_text = {one.key.text: one.key for one in SIGNERS.values()}
        return by_text[member.public_key]

    def accept_message(self, envelope: Envelope, key: PublicKey | None) -> str:
        """Authenticate (where a key is given), judge and fold one message."""
        if key is not None:
            rules.authenticate(envelope, key, received_at_ms=self.now_ms, base_url=BASE_URL)
        member = self.conversation.participants.get(envelope.sender)
        act = rules.judge(self.conversation, envelope, self.now_ms, self.context, key)
        is_first = member is None or member.public_key is None
        self.conversation = fold_message(
            self.conversation,
            envelope,
            at_ms=self.now_ms,
            position=self.conversation.position + 1,
            entry=self._entry(),
            public_key=key.text if key is not None and is_first else None,
        )
        self.clear()
        return act

    def _entry(self) -> str:
        return sha256_tag(b"entry %d" % (self.conversation.position + 1))

    def fact(self, kind: str, **data: Any) -> None:
        """Fold a fact of the host's."""
        fact = HostFact(
            session=SESSION,
            position=self.conversation.position + 1,
            at_ms=self.now_ms,
            previous_entry=self.conversation.entry,
            fact=kind,
            data=data,
            record={},
        )
        self.conversation = fold_fact(self.conversation, fact, entry=self._entry())

    def clear(self) -> None:
        """State rates and do what the clearing is ordered to do, as signed facts."""
        for name, currency in unrated(self.conversation).items():
            if currency in self.rates:
                rate = self.rates[currency]
                self.fact("rate", commitmentId=name, currency=currency, usdRate=rate)
        while self.is_clearing and (pending := orders(self.conversation)):
            order = pending[0]
            data = self.movement(order)
            if order.kind is OrderKind.RESERVE:
                self._book(order.bond or order.commitment, "reserve", order.units)
            else:
                self._book(order.bond or order.commitment, "post", order.post_units)
                self._book(order.bond or order.commitment, "void", order.units - order.post_units)
            self.fact("escrow", **data)

    def movement(self, order: Order) -> dict[str, Any]:
        """What the clearing's fact about an order says."""
        own = f"{self.conversation.id}/{order.commitment}"
        asset = order.escrow.money.asset
        data: dict[str, Any] = {
            "movement": order.kind.value,
            "reservation": f"{own}/{order.bond}" if order.bond else own,
            "commitmentId": order.commitment,
            "commitHash": self.conversation.commitments[order.commitment].hash,
            "payer": order.escrow.payer,
            "payee": order.escrow.payee,
            "amount": money_to_json(Money(order.units, asset)),
        }
        if order.slice:
            data["slice"] = order.slice
        if order.bond:
            data["bond"] = order.bond
        if order.kind is OrderKind.SETTLE:
            data["posted"] = money_to_json(Money(order.post_units, asset))
            data["voided"] = money_to_json(Money(order.units - order.post_units, asset))
        return data

    def _book(self, commitment: str, kind: str, units: int) -> None:
        if units:
            self.movements.append((commitment, kind, units))

    def money(self, name: str = "cmt") -> dict[str, int]:
        """Units of a commitment's escrow: ``held`` now, ``posted`` to the payee, ``voided``."""
        sums = {"reserve": 0, "post": 0, "void": 0}
        for commitment, kind, units in self.movements:
            if commitment == name:
                sums[kind] += units
        held = sums["reserve"] - sums["post"] - sums["void"]
        assert held >= 0
        return {"held": held, "posted": sums["post"], "voided": sums["void"]}

    def wait(self, ms: int) -> None:
        """Let time pass; the host fires each timer at the instant it is due."""
        until_ms = self.now_ms + ms
        while (timer := due(self.conversation, until_ms)) is not None:
            self.now_ms = max(self.now_ms, timer.due_ms)
            self.fire(timer.name)
        self.now_ms = until_ms

    def lag(self, ms: int) -> None:
        """Let time pass while the host is busy: no timer fires."""
        self.now_ms += ms

    def answer(self, duty: str, status: int | None, value: Any = None) -> None:
        """The host has fetched what a duty waits for; None when nobody answered."""
        found = next(one for one in wanted_checks(self.conversation) if one.obligation == duty)
        self.fact(
            "metric",
            commitmentId=found.commitment,
            obligation=duty,
            check=found.probe,
            status=status,
            value=value,
        )
        self.clear()

    def measure(self, ok: int, taken: int) -> None:
        """The host states the samples of the interval that is under way, once it is over."""
        found = measurements(self.conversation)[0]
        self.fact("metric", commitmentId=found.commitment, part=found.part, ok=ok, taken=taken)
        self.clear()

    def hand_in(self, kind: str, record: dict[str, Any], **vouched: Any) -> None:
        """The host takes in a signed record about a dispute."""
        data: dict[str, Any] = {"record": record, **vouched}
        if kind == "dispute":
            data["candidates"] = self.candidates
        self.fact(kind, **data)
        self.clear()

    def finding(
        self, kind: str, signer: Ed25519Signer, dispute: str, by: str, amount: str, **more: Any
    ) -> dict[str, Any]:
        """A vote of an arbiter, or the operator's ruling: so much to the payee."""
        to_payee = money_from_json({"amount": amount, "currency": "USD"}, None)
        return make_finding(
            kind, signer, dispute=dispute, by=by, to_payee=to_payee, at_ms=self.now_ms, **more
        )

    def rule(self, dispute: str, amount: str, **more: Any) -> None:
        """The operator rules."""
        by = "agent://node.example/operator"
        record = self.finding("ruling", OPERATOR, dispute, by, amount, **more)
        self.hand_in("ruling", record, publicKey=OPERATOR.key.text)

    def vote(self, dispute: str, number: int, amount: str, **more: Any) -> None:
        """An arbiter that was drawn votes."""
        arbiters = self.conversation.disputes[dispute].arbiters or (CANDIDATES[0]["uri"],)
        by = arbiters[number - 1]
        record = self.finding("vote", JUDGES[by], dispute, by, amount, **more)
        self.hand_in("vote", record, card=card_of(by, JUDGES[by]))

    def fire(self, name: str) -> None:
        """The host writes that a timer fired."""
        self.fact("timer", name=name, due=format_instant(self.now_ms))
        self.fired.append(name)
        assert len(self.fired) < 128, f"timers fire for ever: {self.fired[-4:]}"
        self.clear()

    def outage(self, ms: int) -> None:
        """The host is away for a while and writes that down when it is back."""
        gone_ms = self.now_ms
        self.now_ms += ms
        self.fact("outage", **{"from": format_instant(gone_ms), "to": format_instant(self.now_ms)})

    def revoke(self, name: str, *, key_name: str | None = None) -> None:
        """The host learns that a key is revoked; its owner goes on with the next one."""
        key = SIGNERS[key_name or self.key_names[name]].key
        self.fact("revocation", agent=URIS[name], keyId=key.key_id)
        self.key_names[name] = f"{name}'s next"

    def commitment(self, name: str = "cmt", **changes: Any) -> dict[str, Any]:
        """The body of a COMMIT: alpha pays 180 USD in escrow, beta delivers within the hour.

        ``amount=None`` leaves the escrow out; ``window`` is the dispute window in ms;
        ``buyer`` and ``provider`` replace members of their obligation; ``escrow`` those of the
        escrow; all else replaces members of the body.
        """
        buyer = {
            "party": URIS["alpha"],
            "action": "Pay",
            "deadline": format_instant(self.now_ms + DAY),
            "verificationMethod": "escrow-release",
            **changes.pop("buyer", {}),
        }
        provider = {
            "party": URIS["beta"],
            "action": "Deliver",
            "deadline": format_instant(self.now_ms + HOUR),
            "verificationMethod": "counterparty-confirm",
            **changes.pop("provider", {}),
        }
        body: dict[str, Any] = {
            "commitmentId": name,
            "type": "resource-allocation",
            "subject": "GPUs",
            "terms": {},
            "obligations": {"buyer": buyer, "provider": provider},
        }
        amount = changes.pop("amount", 180)
        if amount is None:
            buyer["verificationMethod"] = "counterparty-confirm"
        else:
            body["escrow"] = {
                "amount": amount,
                "currency": "USD",
                "releaseCondition": "obligation-met",
                **changes.pop("escrow", {}),
            }
        window_ms = changes.pop("window", None)
        if window_ms is not None:
            body["disputeWindowMs"] = window_ms
        return {**body, **changes}

    def delegation(
        self, name: str, to: str, authority: str = "advisory", **more: Any
    ) -> dict[str, Any]:
        """The body of a DELEGATE."""
        return {
            "delegationId": name,
            "targetAgent": URIS.get(to, to),
            "scope": "Look at the terms",
            "authority": authority,
            "expiresAt": format_instant(self.now_ms + 7 * DAY),
            "protocol": "asp",
            **more,
        }

    def with_revoked(self, name: str) -> Stage:
        """A stage where this party's key has just been revoked."""
        other = self.fork()
        other.revoke(name)
        return other

    def with_messages(self, name: str, count: int) -> Stage:
        """A stage where a party has sent ``count`` messages; only the counter is moved."""
        other = self.fork()
        member = replace(other.conversation.participants[URIS[name]], messages=count)
        people = {**other.conversation.participants, member.uri: member}
        other.conversation = replace(other.conversation, participants=people)
        return other


@contextmanager
def check_refused(stage: Stage, code: str) -> Iterator[None]:
    """What is done inside is refused with this reason, and changes nothing at all."""
    before, shown = stage.conversation, repr(stage.conversation)
    with pytest.raises(TreatyError) as caught:
        yield
    assert caught.value.code == code, caught.value.detail
    assert stage.conversation is before
    assert repr(before) == shown
