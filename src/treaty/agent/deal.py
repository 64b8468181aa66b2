"""One deal from one party's side: what is so, and the words of the protocol as methods.

Every method that speaks returns the accepted message, raises ``OvertakenError`` when the other
party changed what is on the table first (its messages are in the copy then; decide again), and
``Refused`` when the host refuses.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from treaty.agent.line import Line, OvertakenError
from treaty.core.commitment import Commitment
from treaty.dialects.asp.conversation import Conversation, Proposal
from treaty.dialects.asp.dialect import ASP
from treaty.dialects.asp.folding import orders
from treaty.dialects.asp.messages import Envelope, Performative, Reject
from treaty.errors import MisuseError, Refused
from treaty.identity.disputes import arbiter_seed
from treaty.wire.canonical import Json
from treaty.wire.instants import format_instant
from treaty.wire.money import money_to_json


class Deal:
    """A session this agent takes part in."""

    def __init__(self, line: Line) -> None:
        self.line = line
        self.discovery: tuple[bytes, ...] = ()
        """The asker's discovery question and its answer, for the deal file."""

    @property
    def id(self) -> str:
        """The session's id."""
        return self.line.id

    @property
    def me(self) -> str:
        """This agent's URI."""
        return self.line.voice.uri

    @property
    def conversation(self) -> Conversation:
        """The session as verified so far."""
        return self.line.conversation

    @property
    def state(self) -> str:
        """State of the protocol, sub-states included."""
        return self.conversation.state

    @property
    def counterparty(self) -> str:
        """The other principal; for a delegate the other one than its own."""
        return self.conversation.other(self.side)

    @property
    def side(self) -> str:
        """The principal this agent acts for: itself, unless it is a delegate."""
        return self.conversation.side(self.me) or self.me

    @property
    def messages(self) -> tuple[Envelope, ...]:
        """All messages so far, in order."""
        return tuple(self.line.copy.envelopes)

    def open_proposal(self) -> Proposal | None:
        """The other party's proposal that waits for an answer, newest first."""
        for proposal in reversed(tuple(self.conversation.proposals.values())):
            if proposal.state == "open" and proposal.author != self.side:
                return proposal
        return None

    def agreed(self) -> Proposal | None:
        """The proposal accepted last."""
        name = self.conversation.agreed
        return self.conversation.proposals[name] if name else None

    def commitment(self) -> Commitment | None:
        """The commitment made last."""
        return next(reversed(tuple(self.conversation.commitments.values())), None)

    def outcome(self) -> Mapping[str, Json] | None:
        """The trust node's word on this session, once its host has logged it."""
        for item in reversed(self.line.copy.items):
            if item.record.get("fact") == "outcome":
                data = item.record.get("data")
                return data if isinstance(data, dict) else None
        return None

    @property
    def over(self) -> bool:
        """Ended, nothing bound any more, and the outcome of what was paid is known."""
        now = self.conversation
        # Between the last message and its facts the money is still to be moved.
        if not now.ended or now.live or orders(now):
            return False
        # What is nobody's merit or fault is not reported, such as a ruling by default.
        told = any(
            one.escrow is not None and ASP.settled(now, one.id).value_units for one in now.settled
        )
        return not told or self._is_told_elsewhere or self.outcome() is not None

    @property
    def _is_told_elsewhere(self) -> bool:
        """True when another node than the host hears of it, and answers when it can (B7)."""
        invitation = self.conversation.invitation
        node = None if invitation is None else invitation.trust
        host = self.line.copy.known.host
        return node is not None and node.key_id not in (None, host.key_id)

    async def until(
        self, condition: Callable[[Conversation], bool], timeout_s: float = 60.0
    ) -> Conversation:
        """Wait until the session is so. Raises ``TimeoutError``, or what broke the copy."""
        return await self.line.until(condition, timeout_s)

    async def leave(self) -> None:
        """Stop following the session."""
        await self.line.leave()

    def new_id(self, prefix: str) -> str:
        """An id for a proposal or commitment, unused in this session."""
        return f"{prefix}_{self.line.voice.entropy(6).hex()}"

    async def introduce(self, card: Mapping[str, Json]) -> Envelope:
        """Show one's card (phase INTRODUCE)."""
        hearsay = ("listing",)
        bare = {name: value for name, value in card.items() if name not in hearsay}
        body: dict[str, Json] = {
            "informType": "identity",
            "subject": f"Agent Card for {card.get('name', self.me)}",
            "data": {"agentCard": bare},
        }
        return await self.line.send(Performative.INFORM, body)

    async def renew(self, card: Mapping[str, Json]) -> None:
        """Show the card of the next key, where the session waits since the one before was revoked.

        Everywhere else it does nothing (B5).
        """
        own = self.conversation.participants.get(self.me)
        if own is not None and own.revoked and not self.conversation.ended:
            await self.introduce(card)

    async def propose(
        self, terms: Mapping[str, Json], *, subject: str = "", valid_ms: int | None = None
    ) -> Envelope:
        """Put terms on the table."""
        body: dict[str, Json] = {
            "proposalId": self.new_id("prop"),
            "type": "terms",
            "subject": subject,
            "terms": dict(terms),
        }
        if valid_ms is not None:
            body["validUntil"] = format_instant(self.line.voice.clock() + valid_ms)
        return await self.line.send(Performative.PROPOSE, body)

    async def counter(
        self, terms: Mapping[str, Json], *, reason: str = "", final: bool = False
    ) -> Envelope:
        """Refuse the open proposal and put other terms on the table."""
        proposal = self._open()
        body: dict[str, Json] = {
            "referenceId": proposal.id,
            "rejectionReason": reason,
            "counterProposalId": self.new_id("prop"),
            "subject": f"Revised: {proposal.subject}" if proposal.subject else "Revised terms",
            "terms": dict(terms),
            "final": final,
        }
        return await self.line.send(Performative.COUNTER, body)

    def _open(self) -> Proposal:
        proposal = self.open_proposal()
        if proposal is None:
            raise OvertakenError("there is no open proposal of the other party")
        return proposal

    async def accept(self, note: str = "") -> Envelope:
        """Accept what waits for this party's yes: a commitment, a proposal or the invitation."""
        reference, tag = self._waiting()
        body: dict[str, Json] = {"referenceId": reference, "referenceHash": tag}
        if reference in self.conversation.commitments:
            body["arbiterSeed"] = self._seed(reference)
        if note:
            body["acknowledgment"] = note
        recipient = self.counterparty if self.state == "INVITED" else None
        return await self.line.send(Performative.ACCEPT, body, recipient=recipient)

    async def reject(self, reason: str, code: str = "unspecified") -> Envelope:
        """Refuse what waits for this party's yes, with a code of the rejection registry."""
        reference, _ = self._waiting()
        body: dict[str, Json] = {"referenceId": reference, "code": code, "reason": reason}
        return await self.line.send(Performative.REJECT, body)

    def _waiting(self) -> tuple[str, str]:
        now = self.conversation
        commitment = self.commitment()
        if now.state == "AGREEING" and commitment is not None:
            return commitment.id, commitment.hash
        if now.state == "INVITED" and now.invitation is not None:
            return now.invitation.id, now.invitation.hash
        proposal = self._open()
        return proposal.id, proposal.hash

    async def withdraw(self, reference: str, reason: str = "") -> Envelope:
        """Take back one's own proposal or unaccepted commitment."""
        return await self.line.send(
            Performative.WITHDRAW, {"referenceId": reference, "reason": reason}
        )

    async def commit(self, body: Mapping[str, Json]) -> Envelope:
        """Offer to be bound: obligations and escrow (see ``terms.commit_body``)."""
        name = body.get("commitmentId")
        seed: dict[str, Json] = {"arbiterSeed": self._seed(name)} if isinstance(name, str) else {}
        return await self.line.send(Performative.COMMIT, {**seed, **body})

    def _seed(self, commitment: str) -> str:
        """The promised secret for a draw of arbiters, should it come to a dispute (B15)."""
        return arbiter_seed(self.line.voice.signer, self.id, commitment)

    async def progress(self, stage: str, percent: int, details: str = "", **more: Json) -> Envelope:
        """Report on the work."""
        commitment = self._bound()
        data: dict[str, Json] = {
            "stage": stage,
            "percentComplete": percent,
            "details": details,
            **more,
        }
        return await self._inform("progress", stage, data, commitment.id)

    async def fulfil(self, *, commitment_id: str | None = None, **result: Json) -> Envelope:
        """Claim that one's obligations are done.

        ``part`` names one milestone, ``evidence`` is what the method of that name asks for; all
        else is shown to the other party. Without ``commitment_id`` the oldest bound one.
        """
        commitment = self._bound(commitment_id)
        data: dict[str, Json] = {
            "commitmentId": commitment.id,
            "status": "fulfilled",
            **result,
        }
        return await self._inform("result", "Obligation fulfilled", data, commitment.id)

    async def confirm(
        self, *, commitment_id: str | None = None, part: str | None = None
    ) -> Envelope:
        """Confirm what the other party claims, without closing; ``part`` for one milestone."""
        commitment = self._bound(commitment_id)
        data: dict[str, Json] = {"commitmentId": commitment.id, "status": "confirmed"}
        if part is not None:
            data["part"] = part
        return await self._inform("result", "Obligation confirmed", data, commitment.id)

    def _bound(self, name: str | None = None) -> Commitment:
        for commitment in self.conversation.live:
            if name in (None, commitment.id):
                return commitment
        raise Refused("no commitment is bound here", "transition_invalid")

    async def _inform(
        self, kind: str, subject: str, data: Mapping[str, Json], commitment: str
    ) -> Envelope:
        body: dict[str, Json] = {
            "informType": kind,
            "subject": subject,
            "data": dict(data),
            "references": [commitment],
        }
        return await self.line.send(Performative.INFORM, body)

    async def escalate(
        self,
        authority: str,
        reason: str,
        *,
        reference: str | None = None,
        options: Sequence[Json] = (),
    ) -> Envelope:
        """Call a person or a higher authority; the session pauses until it decides (B9)."""
        body: dict[str, Json] = {
            "escalationId": self.new_id("esc"),
            "reason": reason,
            "authority": authority,
        }
        if reference is not None:
            body["referenceId"] = reference
        if options:
            body["options"] = list(options)
        return await self.line.send(Performative.ESCALATE, body)

    async def resolve(
        self, decision: str, note: str = "", *, escalation: str | None = None
    ) -> Envelope:
        """As the authority that was called: ``resume`` or ``abort`` (B11).

        ``escalation`` names the one that is meant, should both parties have called this agent.
        """
        waiting = [
            one.id
            for one in self.conversation.escalations.values()
            if one.authority == self.me and escalation in (None, one.id)
        ]
        if not waiting:
            raise Refused("nothing here waits for this agent's decision", "reference_unknown")
        if len(waiting) > 1:
            raise MisuseError(f"both parties wait: name one of {', '.join(waiting)}")
        data: dict[str, Json] = {"escalationId": waiting[0], "decision": decision}
        if note:
            data["note"] = note
        subject = f"Decision: {decision}"
        body: dict[str, Json] = {"informType": "resolution", "subject": subject, "data": data}
        return await self.line.send(Performative.INFORM, body)

    async def delegate(
        self,
        target: str,
        scope: str,
        *,
        expires_ms: int,
        authority: str = "advisory",
        limits: Mapping[str, Json] | None = None,
        history: bool = True,
    ) -> Envelope:
        """Ask to bring in a third agent, until ``expires_ms`` by the clock (B14)."""
        body: dict[str, Json] = {
            "delegationId": self.new_id("del"),
            "targetAgent": target,
            "scope": scope,
            "authority": authority,
            "expiresAt": format_instant(expires_ms),
            "history": history,
            "protocol": "asp",
        }
        if limits:
            body["limits"] = dict(limits)
        return await self.line.send(Performative.DELEGATE, body)

    async def admit(self, delegation: str, *, history: bool = True) -> Envelope:
        """Say yes to a delegate of the other party (B14)."""
        known = self.conversation.delegations[delegation]
        body: dict[str, Json] = {
            "referenceId": delegation,
            "referenceHash": known.hash,
            "history": history,
        }
        return await self.line.send(Performative.ACCEPT, body)

    async def close(
        self, *, rating: int | None = None, summary: str = "", reason: str = "completed"
    ) -> Envelope:
        """Close; naming the bound commitments confirms them. Again while the other is not in."""

        def body(now: Conversation) -> dict[str, Json]:
            fulfilled = [one.id for one in now.live] if reason == "completed" else []
            outcome: dict[str, Json] = {
                "commitmentsFulfilled": list(fulfilled),
                "chainHead": now.head,
                "messageCount": now.messages,
            }
            total = _total(now, fulfilled)
            if total is not None:
                outcome["totalTransactionValue"] = total
            if rating is not None:
                outcome["peerRating"] = rating
            return {"reason": reason, "summary": summary, "outcome": outcome}

        return await self.line.send(Performative.CLOSE, body)


def check_welcome(deal: Deal) -> None:
    """Raise what the invitee answered, when it was not yes."""
    if deal.state == "INVITED_ACCEPTED":
        return
    for envelope in deal.messages:
        if isinstance(envelope.body, Reject):
            raise Refused(f"{envelope.sender} declined: {envelope.body.reason}", "unauthorized")
    raise Refused(f"{deal.counterparty} did not answer the invitation", "timeout")


def _total(now: Conversation, commitments: list[str]) -> Json:
    """The money of these commitments as they were written, when there is just one."""
    held = [escrow.money for name in commitments if (escrow := now.commitments[name].escrow)]
    return dict(money_to_json(held[0])) if len(held) == 1 else None
