"""One party's line to a session: following the host's log, and sending on its newest head.

A ``Line`` keeps a ``VerifiedCopy`` up to date in the background. Sending makes a signed message
on the newest head; when the other party was faster, the missed messages are folded first and
the caller decides again (``OvertakenError``), except when they say nothing about what is on the
table: then the message is simply signed anew. A node that cannot be reached is given the same
bytes again, which it answers as it did the first time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from treaty.agent.copy import VerifiedCopy
from treaty.agent.late import LateCopy
from treaty.agent.patience import AWAY_S, PAUSE_MOST_S, PAUSE_S, asked_s, is_passing, patiently
from treaty.agent.ports import LogItem, NodeClient, Page
from treaty.dialects.asp.choices import MIME
from treaty.dialects.asp.codec import compose, seal, write_document
from treaty.dialects.asp.conversation import Conversation
from treaty.dialects.asp.messages import Envelope, Inform, Performative
from treaty.dialects.asp.rules import messages_url
from treaty.errors import Refused, SignatureError, TreatyError, UnavailableError, WireError
from treaty.identity.dpop import MessageBinding, message_proof
from treaty.identity.keys import Signer
from treaty.wire import fields
from treaty.wire.canonical import Json
from treaty.wire.ids import uuid7

TRIES_MAX: Final = 16
OUT_OF_ORDER: Final = frozenset(("chain_stale", "sequence_gap", "position_held", "rate_limited"))
"""Refusals that say: not now, rather than: not this."""
NEUTRAL: Final = frozenset(
    (Performative.INFORM, Performative.QUERY, Performative.OBSERVE, Performative.CLARIFY)
)
"""Messages that put nothing on the table and take nothing off: in their way or overtaken by
them, one need not decide again."""


class OvertakenError(TreatyError):
    """The session moved on first; what was missed is in the copy now. Decide again."""

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
        self._news = asyncio.Event()
        self._pump: asyncio.Task[None] | None = None
        self._sending = asyncio.Lock()
        self.shown_from = 1
        """The first position that the host shows; above 1 for a guest that joined late."""
        self._trouble = ""
        """Why the log cannot be followed at the moment."""
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
        pause_s = PAUSE_S
        while True:
            try:
                async for item in self._client.events(self.id, self.copy.position):
                    pause_s, self._trouble = PAUSE_S, ""
                    await self._absorb(item)
                    await self._ask_state()
            except TreatyError as error:
                self._trouble = error.detail
                if self.failure is None and not is_passing(error):
                    self._fail(error)
                pause_s = min(PAUSE_MOST_S, pause_s * 2)
            if self.failure is not None:
                return
            await asyncio.sleep(pause_s)

    def _fail(self, error: TreatyError) -> None:
        self.failure = error
        self._tell()

    def _tell(self) -> None:
        """Wake everybody who waits for the session to change."""
        self._news.set()
        self._news = asyncio.Event()

    def _check(self) -> None:
        """Act on nothing once the log did not hold."""
        if self.failure is not None:
            raise self.failure

    async def _absorb(self, item: LogItem) -> None:
        if item.position > self.copy.position + 1:
            await self.sync()
            if self.copy.position < item.position:
                self._fail(_withheld(item.position, self.copy.position + 1))
                self._check()
            return
        try:
            is_new = self.copy.absorb(item)
        except TreatyError as error:
            self._fail(error)
            raise
        if is_new:
            self._keep(self.id, item)
            self._tell()

    @property
    def client(self) -> NodeClient:
        """The session's host, as this agent reaches it."""
        return self._client

    async def sync(self, patience_s: float = AWAY_S) -> None:
        """Fetch and verify everything the host has logged so far."""

        def ask() -> Awaitable[Page]:
            return self._client.entries(self.id, self.copy.position)

        more = True
        while more:
            before = self.copy.position
            page = await patiently(ask, patience_s)
            if before == 0 and page.items:
                self.shown_from = page.items[0].position
            for item in page.items:
                if item.position <= self.copy.position + 1:
                    await self._absorb(item)
            more = page.more and self.copy.position > before
        await self._ask_state()

    async def _ask_state(self) -> None:
        """A copy that began late has the host's word for the state; hear what it is now."""
        if not isinstance(self.copy, LateCopy) or not self.copy.items:
            return
        # What was verified or sent stands, whether or not the host has time for this now.
        with suppress(UnavailableError, Refused):
            self.copy.take_word(await self._client.session(self.id))
            self._tell()

    async def until(
        self, condition: Callable[[Conversation], bool], timeout_s: float = 60.0
    ) -> Conversation:
        """Wait until the session is so. Raises ``TimeoutError``, or what broke the copy."""
        try:
            async with asyncio.timeout(timeout_s):
                while True:
                    self._check()
                    if condition(self.conversation):
                        return self.conversation
                    await self._news.wait()
        except TimeoutError:
            raise TimeoutError(self._still(timeout_s)) from None

    def _still(self, timeout_s: float) -> str:
        """Where the session stands though something else was waited for."""
        now = self.conversation
        stands = f"it is {now.state} at entry {now.position}"
        said = f"session {self.id}: not what was waited for in {timeout_s:g} s, {stands}"
        return f"{said}; its log cannot be followed: {self._trouble}" if self._trouble else said

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
        # Where the caller stood when it decided.
        position = self.copy.position
        for _ in range(TRIES_MAX):
            self._check()
            stated = body(self.conversation) if callable(body) else body
            raw = self._signed(performative, stated, recipient, constraints)
            seen = len(self.copy.envelopes)
            try:
                receipt = await self._post(raw)
            except Refused as refusal:
                await self._make_way(refusal, position)
                if self._is_overtaken(performative, self.copy.envelopes[seen:]):
                    raise OvertakenError("the session moved on first") from refusal
                continue
            if receipt is not None:
                await self._take_receipt(receipt, raw)
                return self._own(raw)
        raise UnavailableError("the other party was faster every time", "overloaded")

    def _is_overtaken(self, performative: Performative, missed: Sequence[Envelope]) -> bool:
        """Whether to decide again: also when the answer to an own message had been lost."""
        own = any(one.sender == self.voice.uri for one in missed)
        return own or (performative not in NEUTRAL and not all(_is_neutral(one) for one in missed))

    async def _post(self, raw: bytes) -> dict[str, Json] | None:
        """Hand a message in, again while the node is away; None to sign it anew."""
        tries = 0

        async def ask() -> dict[str, Json]:
            nonlocal tries
            tries += 1
            if not self.copy.items:
                return await self._client.open_session(raw)
            return await self._client.send(self.id, raw)

        try:
            return await patiently(ask)
        except SignatureError as error:
            # The node does not know these bytes, and by now their proof is too old for it.
            if tries > 1 and error.code == "proof_invalid":
                return None
            raise

    async def _make_way(self, refusal: Refused, position: int) -> None:
        """Take in what was missed, or wait while it is the other party's turn."""
        if refusal.code not in OUT_OF_ORDER:
            # It may have been right when it was signed: a timer or a movement came between.
            if self.copy.items:
                await self.sync()
            if self.copy.position > position:
                raise OvertakenError("the session moved on") from refusal
            raise refusal
        if refusal.code == "rate_limited":
            await asyncio.sleep(asked_s(refusal) or PAUSE_S)
            return
        missed = refusal.data.get("missed")
        for item in missed if isinstance(missed, list | tuple) else ():
            if isinstance(item, LogItem) and item.position <= self.copy.position + 1:
                await self._absorb(item)
        if wait_s := asked_s(refusal):
            with suppress(TimeoutError):
                await self.changed(self.copy.position, timeout_s=wait_s)
        if not missed or refusal.data.get("more"):
            await self.sync()

    async def _take_receipt(self, receipt: dict[str, Json], raw: bytes) -> None:
        position = fields.integer(receipt, "position", least=1)
        if position > self.copy.position + 1:
            await self.sync()
        await self._absorb(LogItem(position, receipt, raw))
        await self._ask_state()

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
        return write_document(seal(document, self.voice.signer), self._format())

    def _format(self) -> str:
        """The agreed media type; JSON until there is one (B23)."""
        invitation = self.conversation.invitation
        return MIME if invitation is None else invitation.format


def _withheld(shown_at: int, missing: int) -> WireError:
    """What a host does that shows an entry and, when it is asked, not those before it."""
    return WireError(f"the host shows entry {shown_at} and withholds entry {missing}")


def _is_neutral(envelope: Envelope) -> bool:
    body = envelope.body
    # A claim, a confirmation or a resolution changes what is bound.
    decides = isinstance(body, Inform) and body.inform_type in ("result", "resolution")
    return envelope.performative in NEUTRAL and not decides
