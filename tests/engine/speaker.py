"""People who speak to a node in its own bytes, lawfully or not.

    town = Town()
    alpha, beta = await people(town)
    session = await alpha.invite(beta)
    await beta.say(session, "ACCEPT", {"referenceId": "inv"})

``write`` makes the bytes of a message that fits here and now, with whatever is asked to be
wrong about it; ``say`` hands them in. Nothing here decides anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.agent.local import ALPHA, BASE_URL, BETA, NODE, Town, signer_of
from tests.simulation.clock import now_ms
from treaty.dialects.asp import codec
from treaty.dialects.asp.conversation import Conversation
from treaty.dialects.asp.messages import Performative
from treaty.dialects.asp.rules import messages_url
from treaty.engine.hosted import Hosted, session_stream
from treaty.identity.cards import make_card
from treaty.identity.dpop import MessageBinding, message_proof
from treaty.identity.keys import Ed25519Signer
from treaty.wire.canonical import Json, canonical, read_json
from treaty.wire.ids import uuid7
from treaty.wire.instants import format_instant
from treaty.wire.money import Money, money_to_json

HOUR_MS = 3_600_000
FUNDS_UNITS = 50_000
CAROL = "agent://elsewhere.example/carol"


@dataclass
class Speaker:
    """One agent without a copy and without manners."""

    town: Town
    name: str
    uri: str

    @property
    def signer(self) -> Ed25519Signer:
        """Its key."""
        return signer_of(self.name)

    async def register(self, version: int = 1, **extra: Json) -> dict[str, Json]:
        """Register a card."""
        card = self.card(version, **extra)
        return (await self.town.at_home().registry.register(canonical(card)))[0]

    def card(self, version: int = 1, **extra: Json) -> dict[str, Json]:
        """Its card, signed."""
        return make_card(
            self.signer,
            uri=self.uri,
            name=self.name,
            organization="Org",
            org_id=f"org_{self.name}",
            capabilities=("negotiate.compute",),
            endpoints={},
            version=version,
            extra=extra,
        )

    async def state(self, session: str) -> Conversation:
        """The session as its host holds it."""
        hosted: Hosted = await self.town.at_home().desk.state(session_stream(session))
        conversation: Conversation = hosted.state
        return conversation

    async def write(
        self, session: str, performative: str, body: Mapping[str, Any], **changes: Any
    ) -> bytes:
        """The signed bytes of a message for the newest head; ``changes`` make it another."""
        now = await self.state(session)
        member = now.participants.get(self.uri)
        head = changes.pop("head", now.head)
        sequence = changes.pop("sequence", member.next_sequence if member else 0)
        at_ms = changes.pop("at_ms", now_ms())
        signer = changes.pop("signer", self.signer)
        message_id = changes.pop("message_id", uuid7(at_ms, self.town.chance.randbytes(16)))
        binding = MessageBinding(
            message_id, session, sequence, head, messages_url(BASE_URL, session)
        )
        document = codec.compose(
            message_id=message_id,
            at_ms=at_ms,
            sender={
                "agentId": self.uri,
                "orgId": f"org_{self.name}",
                "trustScore": 49,
                "dpopProof": message_proof(signer, binding, at_ms),
            },
            performative=Performative(performative),
            body=body,
            previous_hash=head,
            salt=self.town.chance.randbytes(16),
            session_id=session,
            sequence=sequence,
            recipient=changes.pop("recipient", None),
            constraints=changes.pop("constraints", None),
        )
        assert not changes, f"not a change: {changes}"
        return canonical(codec.seal(document, signer))

    async def say(
        self, session: str, performative: str, body: Mapping[str, Any], **changes: Any
    ) -> dict[str, Any]:
        """Hand a message in; returns the receipt."""
        raw = await self.write(session, performative, body, **changes)
        return await self.hand_in(session, raw)

    async def hand_in(self, session: str, raw: bytes) -> dict[str, Any]:
        """Hand in bytes."""
        return read(await self.town.at_home().sessions.submit(session, raw))

    def new_session(self) -> str:
        """An id nobody has used."""
        return uuid7(now_ms(), self.town.chance.randbytes(16))

    async def invitation(self, to: str, session: str, **changes: Any) -> bytes:
        """The bytes of an invitation; ``terms`` and ``valid_ms`` among the changes."""
        body = {
            "proposalId": changes.pop("proposal", "inv"),
            "type": "session-invitation",
            "subject": "GPUs",
            "terms": changes.pop("terms", {"host": {"uri": NODE}}),
            "validUntil": format_instant(now_ms() + changes.pop("valid_ms", 30_000)),
        }
        return await self.write(session, "PROPOSE", body, recipient=to, **changes)

    async def open(self, raw: bytes) -> dict[str, Any]:
        """Hand in an invitation; returns the receipt."""
        return read(await self.town.at_home().sessions.open(raw))

    async def invite(self, other: Speaker, **changes: Any) -> str:
        """Open a session."""
        session = self.new_session()
        await self.open(await self.invitation(other.uri, session, **changes))
        return session

    async def accept(self, session: str, reference: str = "inv", **changes: Any) -> dict[str, Any]:
        """Say yes."""
        return await self.say(session, "ACCEPT", {"referenceId": reference}, **changes)

    async def identify(self, session: str, **changes: Any) -> dict[str, Any]:
        """Show the card."""
        card = {"uri": self.uri, "publicKey": self.signer.key.text}
        return await self.inform(session, "identity", {"agentCard": card}, **changes)

    async def inform(
        self, session: str, kind: str, data: Mapping[str, Any], **changes: Any
    ) -> dict[str, Any]:
        """State something."""
        body = {"informType": kind, "subject": "News", "data": dict(data)}
        return await self.say(session, "INFORM", body, **changes)

    async def propose(self, session: str, proposal: str, **changes: Any) -> dict[str, Any]:
        """Put terms on the table."""
        return await self.say(session, "PROPOSE", proposal_of(proposal), **changes)

    async def observe(self, session: str, **changes: Any) -> dict[str, Any]:
        """Say something about the weather."""
        return await self.say(session, "OBSERVE", {"subject": "sky", "data": {}}, **changes)

    async def commit(self, session: str, commitment: str = "cmt", **changes: Any) -> dict[str, Any]:
        """Offer to be bound."""
        seed = {"arbiterSeed": changes.pop("arbiterSeed")} if "arbiterSeed" in changes else {}
        return await self.say(session, "COMMIT", {**commitment_of(commitment, **changes), **seed})

    async def fulfil(self, session: str, commitment: str = "cmt") -> dict[str, Any]:
        """Claim that the own part is done."""
        data = {"commitmentId": commitment, "status": "fulfilled"}
        return await self.inform(session, "result", data)

    async def close(
        self, session: str, reason: str = "completed", *fulfilled: str, rating: int | None = None
    ) -> dict[str, Any]:
        """Close."""
        outcome: dict[str, Any] = {"commitmentsFulfilled": list(fulfilled)}
        if rating is not None:
            outcome["peerRating"] = rating
        body = {"reason": reason, "summary": "Done.", "outcome": outcome}
        return await self.say(session, "CLOSE", body)


def read(raw: bytes) -> dict[str, Any]:
    """A JSON object."""
    value = read_json(raw)
    assert isinstance(value, dict)
    return value


def proposal_of(name: str, **terms: Any) -> dict[str, Any]:
    """The body of a proposal."""
    return {"proposalId": name, "type": "terms", "subject": "GPUs", "terms": terms or {"n": 1}}


def commitment_of(
    name: str, *, units: int = 18_000, pay_ms: int = 24 * HOUR_MS, provide_ms: int = HOUR_MS,
    window_ms: int = HOUR_MS, payer: str = ALPHA, payee: str = BETA,
    provider: dict[str, Any] | None = None, schedule: dict[str, Any] | None = None,
    currency: str = "USD",
) -> dict[str, Any]:  # fmt: skip
    """The body of a COMMIT: Alpha pays, Beta provides."""

    def duty(party: str, deadline_ms: int, method: str) -> dict[str, Any]:
        return {
            "party": party,
            "action": "as agreed",
            "deadline": format_instant(now_ms() + deadline_ms),
            "verificationMethod": method,
        }

    return {
        "commitmentId": name,
        "type": "resource-allocation",
        "subject": "GPUs",
        "terms": {},
        "disputeWindowMs": window_ms,
        "obligations": {
            "buyer": duty(payer, pay_ms, "escrow-release"),
            "provider": {**duty(payee, provide_ms, "counterparty-confirm"), **(provider or {})},
        },
        "escrow": {
            **money_to_json(Money(units, currency)),
            "releaseCondition": "obligation-met",
            **({"schedule": schedule} if schedule else {}),
        },
    }


async def people(town: Town, *, units: int = FUNDS_UNITS) -> tuple[Speaker, Speaker]:
    """Alpha with money, and Beta, both registered."""
    alpha, beta = Speaker(town, "alpha", ALPHA), Speaker(town, "beta", BETA)
    await alpha.register()
    await beta.register()
    if units:
        await town.fund(ALPHA, units)
    return alpha, beta


async def introduced(alpha: Speaker, beta: Speaker, **changes: Any) -> str:
    """A session in INTRODUCED."""
    session = await alpha.invite(beta, **changes)
    await beta.accept(session)
    await alpha.identify(session)
    await beta.identify(session)
    return session


async def bound(alpha: Speaker, beta: Speaker, **changes: Any) -> str:
    """A session in EXECUTING, its commitment ``cmt`` bound and its escrow reserved."""
    session = await introduced(alpha, beta)
    await alpha.propose(session, "p1")
    await alpha.commit(session, **changes)
    await beta.accept(session, "cmt")
    return session
