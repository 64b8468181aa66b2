"""One party's line to a session: following the host's log, and sending on its newest head.

A ``Line`` keeps a ``VerifiedCopy`` up to date in the background. Sending makes a signed message
on the newest head; when the other party was faster, the missed messages are folded first and
the caller decides again (``OvertakenError``), except when they say nothing about what is on the
table: then the message is simply signed anew.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from treaty.agent.copy import VerifiedCopy
from treaty.agent.ports import LogItem, NodeClient
from treaty.dialects.asp.codec import compose, seal
from treaty.dialects.asp.conversation import Conversation
from treaty.dialects.asp.messages import Envelope, Performative
from treaty.dialects.asp.rules import messages_url
from treaty.errors import Refused, TreatyError, UnavailableError
from treaty.identity.dpop import MessageBinding, message_proof
from treaty.identity.keys import Signer
from treaty.wire.canonical import Json, canonical
from treaty.wire.ids import uuid7

TRIES_MAX: Final = 16
RECONNECT_S: Final = 0.2
RECONNECT_MOST_S: Final = 5.0
NEUTRAL: Final = frozenset(
    (Performative.INFORM, Performative.QUERY, Performative.OBSERVE, Performative.CLARIFY)
)
"""Messages that change nothing on the table: overtaken by them, one need not decide again."""


class OvertakenError(TreatyError):
    """The other party spoke first; its messages are in the copy now. Decide again."""

    default_code = "chain_stale"


@dataclass(frozen=True, slots=True)
class Voice:
    """Who speaks: an agent's identity and its sources of time and entropy."""

    uri: str
    org_id: str
    signer: Signer
    clock: Callable[[], int]
    entropy: Callable[[int], bytes]


class Line:
    """A session as one of its parties follows it and speaks in it."""

    def __init__(
        self,
        session_id: str,
        voice: Voice,
        client: NodeClient,
        copy: VerifiedCopy,
        *,
        keep: Callable[[str, LogItem], None],
        trust_score: Json = 0,
    ) -> None:
        self.id = session_id
        self.voice = voice
        self.copy = copy
        self._client = client
        self._keep = keep
        self._trust_score = trust_score
        self._news = asyncio.Condition()
        self._pump: asyncio.Task[None] | None = None
        self._sending = asyncio.Lock()
        self.failure: TreatyError | None = None
        """Why following the log stopped, when it did: a host that lies, most of all."""

    @property
    def conversation(self) -> Conversation:
        """The session as verified so far."""
        return self.copy.conversation

    def follow(self) -> None:
        """Begin to follow the host's log in the background."""
        if self._pump is None:
            self._pump = asyncio.create_task(self._follow(), name=f"follow {self.id}")

    async def _follow(self) -> None:
        pause_s = RECONNECT_S
        while True:
            try:
                async for item in self._client.events(self.id, self.copy.position):
                    pause_s = RECONNECT_S
                    await self._absorb(item)
            except UnavailableError:
                pause_s = min(RECONNECT_MOST_S, pause_s * 2)
            except TreatyError as error:
                await self._fail(error)
                return
            await asyncio.sleep(pause_s)

    async def _fail(self, error: TreatyError) -> None:
        self.failure = error
        async with self._news:
            self._news.notify_all()

    async def _absorb(self, item: LogItem) -> None:
        if item.position > self.copy.position + 1:
            await self.sync()
        elif self.copy.absorb(item):
            self._keep(self.id, item)
            async with self._news:
                self._news.notify_all()

    async def sync(self) -> None:
        """Fetch and verify everything the host has logged so far."""
        more = True
        while more:
            page = await self._client.entries(self.id, self.copy.position)
            for item in page.items:
                if item.position <= self.copy.position + 1:
                    await self._absorb(item)
            more = page.more

    async def until(
        self, condition: Callable[[Conversation], bool], timeout_s: float = 60.0
    ) -> Conversation:
        """Wait until the session is so. Raises ``TimeoutError``, or what broke the copy."""
        async with asyncio.timeout(timeout_s):
            async with self._news:
                await self._news.wait_for(
                    lambda: self.failure is not None or condition(self.conversation)
                )
        if self.failure is not None:
            raise self.failure
        return self.conversation

    async def changed(self, position: int, timeout_s: float = 60.0) -> Conversation:
        """Wait until the log has grown beyond ``position``."""
        return await self.until(lambda now: now.position > position, timeout_s)

    async def leave(self) -> None:
        """Stop following the log."""
        if self._pump is not None:
            self._pump.cancel()
            await asyncio.gather(self._pump, return_exceptions=True)
            self._pump = None

    async def send(
        self,
        performative: Performative,
        body: Mapping[str, Json] | Callable[[Conversation], Mapping[str, Json]],
        *,
        recipient: str | None = None,
        constraints: Mapping[str, Json] | None = None,
    ) -> Envelope:
        """Sign and send one message; returns it as accepted.

        ``body`` may be a function of the session, for bodies that state its head. Raises
        ``OvertakenError`` when the other party changed what is on the table first, ``Refused``
        when the host refuses.
        """
        async with self._sending:
            return await self._send(performative, body, recipient, constraints)

    async def _send(
        self,
        performative: Performative,
        body: Mapping[str, Json] | Callable[[Conversation], Mapping[str, Json]],
        recipient: str | None,
        constraints: Mapping[str, Json] | None,
    ) -> Envelope:
        for _ in range(TRIES_MAX):
            stated = body(self.conversation) if callable(body) else body
            raw = self._signed(performative, stated, recipient, constraints)
            seen = len(self.copy.envelopes)
            try:
                receipt = await self._post(raw)
            except Refused as refusal:
                await self._make_way(refusal)
                if any(one.performative not in NEUTRAL for one in self.copy.envelopes[seen:]):
                    raise OvertakenError("the other party spoke first") from refusal
                continue
            await self._take_receipt(receipt, raw)
            return self._own(raw)
        raise UnavailableError("the other party was faster every time", "overloaded")

    async def _post(self, raw: bytes) -> dict[str, Json]:
        if not self.copy.items:
            return await self._client.open_session(raw)
        return await self._client.send(self.id, raw)

    async def _make_way(self, refusal: Refused) -> None:
        """Take in what was missed, or wait while the other party holds the next position."""
        if refusal.code not in ("chain_stale", "sequence_gap", "position_held"):
            raise refusal
        wait_ms = refusal.data.get("retryAfterMs", 0)
        missed = refusal.data.get("missed")
        if isinstance(missed, list | tuple):
            for item in missed:
                if isinstance(item, LogItem) and item.position <= self.copy.position + 1:
                    await self._absorb(item)
        if isinstance(wait_ms, int) and wait_ms > 0:
            position = self.copy.position
            with suppress(TimeoutError):
                await self.changed(position, timeout_s=wait_ms / 1000)
        if not missed or refusal.data.get("more"):
            await self.sync()

    async def _take_receipt(self, receipt: dict[str, Json], raw: bytes) -> None:
        position = receipt.get("position")
        assert isinstance(position, int)
        if position > self.copy.position + 1:
            await self.sync()
        await self._absorb(LogItem(position, receipt, raw))

    def _own(self, raw: bytes) -> Envelope:
        for envelope in reversed(self.copy.envelopes):
            if envelope.raw == raw:
                return envelope
        raise UnavailableError("the host gave a receipt but does not show the message")

    def _signed(
        self,
        performative: Performative,
        body: Mapping[str, Json],
        recipient: str | None,
        constraints: Mapping[str, Json] | None,
    ) -> bytes:
        """Compose, prove and sign one message on the newest head (B3, B4, B6)."""
        now_ms = self.voice.clock()
        member = self.conversation.participants.get(self.voice.uri)
        sequence = member.next_sequence if member else 0
        entropy = self.voice.entropy(32)
        message_id = uuid7(now_ms, entropy[:16])
        binding = MessageBinding(
            message_id=message_id,
            session=self.id,
            sequence=sequence,
            previous_hash=self.conversation.head,
            htu=messages_url(self.copy.known.base_url, self.id),
        )
        sender: dict[str, Json] = {
            "agentId": self.voice.uri,
            "orgId": self.voice.org_id,
            "trustScore": self._trust_score,
            "dpopProof": message_proof(self.voice.signer, binding, now_ms),
        }
        document = compose(
            message_id=message_id,
            at_ms=now_ms,
            sender=sender,
            performative=performative,
            body=body,
            previous_hash=self.conversation.head,
            salt=entropy[16:],
            session_id=self.id,
            sequence=sequence,
            recipient=recipient,
            constraints=constraints,
        )
        return canonical(seal(document, self.voice.signer))
