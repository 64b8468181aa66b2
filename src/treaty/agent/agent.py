"""The agent: an identity at a node, that finds others, deals with them, and remembers.

``async with Agent(...)`` registers the card and begins to keep copies; leaving it stops
following sessions, and flushes. ``treaty.Agent`` is this class with its ports filled in (HTTP,
a store and a key below ``TREATY_HOME``).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final, Self

from treaty.agent.copies import Copies
from treaty.agent.copy import VerifiedCopy
from treaty.agent.deal import Deal, check_welcome
from treaty.agent.found import Found, read_answer
from treaty.agent.keeping import empty_copy, late_known, open_kept
from treaty.agent.late import LateCopy
from treaty.agent.line import Line, Voice
from treaty.agent.patience import patiently
from treaty.agent.ports import LogItem, NodeClient
from treaty.agent.terms import named_nodes
from treaty.dialects.asp.codec import decode_pre_session
from treaty.dialects.asp.discovery import compose_query
from treaty.dialects.asp.messages import Performative
from treaty.engine.ports import Store
from treaty.errors import Refused, SignatureError
from treaty.identity.cards import CardView, make_card, open_card, open_listing
from treaty.identity.keys import PublicKey, Signer, read_public_key
from treaty.identity.records import seal
from treaty.wire import fields
from treaty.wire.canonical import Json
from treaty.wire.ids import uuid7
from treaty.wire.instants import format_instant

INVITATION_MS: Final = 30_000
DURATION_MS: Final = 3_600_000
SCHEMAS: Final = ("urn:asp:negotiation:v1",)


@dataclass(frozen=True, slots=True)
class Profile:
    """What an agent says of itself on its card."""

    name: str = ""
    organization: str = ""
    org_id: str = ""
    capabilities: Sequence[str] = ()
    extra: Mapping[str, Json] = field(default_factory=dict)
    """Further members of the card: ``pricing``, ``schemas``, ``description`` …"""


class Agent:
    """One agent at one node."""

    def __init__(
        self,
        uri: str,
        *,
        client: NodeClient,
        signer: Signer,
        open_store: Callable[[], Awaitable[Store]],
        clock: Callable[[], int],
        entropy: Callable[[int], bytes],
        profile: Profile | None = None,
    ) -> None:
        self.uri = uri
        self.client = client
        self.signer = signer
        self._open_store = open_store
        self._store: Store | None = None
        self._copies: Copies | None = None
        self.profile = profile or Profile()
        self.card: dict[str, Json] = {}
        """This agent's card with its listing, after entering."""
        self.node: dict[str, Json] = {}
        self._host: PublicKey | None = None
        self._deals: dict[str, Deal] = {}
        self.watchers: list[Callable[[str, LogItem], None]] = []
        """Told of every entry this agent has verified, as it comes: (session, entry)."""
        org = self.profile.org_id or uri.split("/")[2]
        self._voice = Voice(uri, org, signer, clock, entropy)

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as undo:
            undo.push_async_callback(self.client.close)
            self.node = await self.client.describe()
            self._host = read_public_key(self.node.get("publicKey"))
            self.card = await self._register()
            self._store = await self._open_store()
            undo.pop_all()
        self._copies = Copies(self._store)
        self._copies.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        async with AsyncExitStack() as last:
            # Whatever fails of this, the rest is done.
            last.push_async_callback(self.client.close)
            if self._store is not None:
                last.push_async_callback(self._store.close)
            if self._copies is not None:
                last.push_async_callback(self._copies.stop)
            for deal in self.following():
                last.push_async_callback(deal.leave)

    @property
    def copies(self) -> Copies:
        """This agent's own store."""
        assert self._copies is not None, "enter the agent first: async with Agent(...)"
        return self._copies

    @property
    def url(self) -> str:
        """The node's public URL."""
        return fields.text(self.node, "url")

    @property
    def host(self) -> PublicKey:
        """The node's key."""
        assert self._host is not None, "enter the agent first: async with Agent(...)"
        return self._host

    def now_ms(self) -> int:
        """Milliseconds since 1970, by this agent's clock."""
        return self._voice.clock()

    async def _register(self) -> dict[str, Json]:
        """Register this card, or its next version when something on it has changed.

        An agent that was told nothing about its card keeps the one it has.
        """
        if self.profile == Profile():
            with suppress(Refused):
                card = await self.client.card(self.uri)
                if open_card(card).key == self.signer.key:
                    return card
        card = self._make_card(1)
        try:
            return await self.client.register(card)
        except Refused as refusal:
            if refusal.code != "card_conflict":
                raise
        current = open_card(await self.client.card(self.uri))
        if open_card(self._make_card(current.version)).card_hash == current.card_hash:
            return await self.client.card(self.uri)
        return await self.client.register(self._make_card(current.version + 1))

    def _make_card(self, version: int) -> dict[str, Json]:
        profile = self.profile
        return make_card(
            self.signer,
            uri=self.uri,
            name=profile.name or self.uri.rsplit("/", 1)[-1],
            organization=profile.organization or self.uri.split("/")[2],
            org_id=self._voice.org_id,
            capabilities=tuple(profile.capabilities),
            endpoints={"asp": f"{self.url}/v1/asp"},
            version=version,
            extra=profile.extra,
        )

    async def find(self, uri: str) -> CardView:
        """An agent's card, listed by this node. Raises ``SignatureError`` if it does not hold."""
        card = await patiently(lambda: self.client.card(uri))
        view = open_card(card)
        open_listing(card.get("listing"), self.host, view, self.now_ms())
        if view.uri.text != uri:
            raise SignatureError("the registry answered with another agent's card")
        return view

    async def discover(
        self, capability: str | None = None, *, subject: str = "", **filters: Json
    ) -> list[Found]:
        """Ask the registry who fits, best first (phase DISCOVER).

        Filters as in B19: ``minTrustLevel``, ``minTrustScore``, ``maxPricePerHour``, ``schema``,
        ``protocol``, ``organization``, ``limit``. The answer's signature is checked.
        """
        parameters: dict[str, Json] = {**filters}
        if capability is not None:
            parameters["capability"] = capability

        async def ask() -> tuple[bytes, bytes]:
            question = compose_query(
                sender=self._sender(),
                parameters=parameters,
                subject=subject or f"Providers of {capability or 'anything'}",
                query_id=f"qry_{self._voice.entropy(6).hex()}",
                signer=self.signer,
                at_ms=self.now_ms(),
                entropy=self._voice.entropy(32),
            )
            return question, await self.client.discover(question)

        question, answer = await patiently(ask)
        return read_answer(question, answer, self.host)

    def _sender(self) -> dict[str, Json]:
        score = self.card.get("trustScore", 0)
        return {"agentId": self.uri, "orgId": self._voice.org_id, "trustScore": score}

    async def invite(
        self,
        whom: Found | str,
        *,
        subject: str = "",
        terms: Mapping[str, Json] | None = None,
        timeout_ms: int = INVITATION_MS,
    ) -> Deal:
        """Open a session and exchange identities (phases INVITE and INTRODUCE).

        Returns when the session is INTRODUCED. Raises ``Refused`` (the invitee's code) when it
        declined, ``timeout`` when it did not answer.
        """
        found = whom if isinstance(whom, Found) else None
        uri = found.uri if found else str(whom)
        session = uuid7(self.now_ms(), self._voice.entropy(16))
        discovery = found.discovery if found and found.discovery else ()
        deal = await self.begin(session, uri, discovery)
        self._deals[session] = deal
        body = self._invitation(deal, subject, terms or {}, found, timeout_ms)
        await deal.line.send(
            Performative.PROPOSE,
            body,
            recipient=uri,
            constraints={"maxResponseTimeMs": timeout_ms},
        )
        deal.line.follow()
        wait_s = timeout_ms / 1000 + 10
        await deal.until(lambda now: now.state not in ("INVITED", "INVITED_COUNTERED"), wait_s)
        check_welcome(deal)
        await deal.introduce(self.card)
        await deal.until(lambda now: now.state != "INVITED_ACCEPTED", wait_s)
        return deal

    def _invitation(
        self,
        deal: Deal,
        subject: str,
        terms: Mapping[str, Json],
        found: Found | None,
        timeout_ms: int,
    ) -> dict[str, Json]:
        stated: dict[str, Json] = {
            "proposedDuration": DURATION_MS,
            "schemas": list(SCHEMAS),
            **named_nodes(self.node, self.host),
        }
        if found and found.discovery:
            stated["discovery"] = decode_pre_session(found.discovery[1]).hash
        return {
            "proposalId": deal.new_id("prop_inv"),
            "type": "session-invitation",
            "subject": subject or "Negotiation",
            "terms": {**stated, **terms},
            "validUntil": format_instant(self.now_ms() + timeout_ms),
        }

    async def begin(self, session: str, uri: str, discovery: tuple[bytes, ...] = ()) -> Deal:
        """Begin a copy of a session with ``uri``, and keep what is known of host and parties."""
        known = self._known(uri, (await self.find(uri)).card, discovery)
        await self.copies.begin(session, known)
        return self._deal(session, empty_copy(session, known), discovery)

    def _known(
        self, counterparty: str, card: Mapping[str, Json], discovery: Sequence[bytes]
    ) -> dict[str, Json]:
        return {
            "host": {"uri": fields.text(self.node, "uri"), "publicKey": self.host.text},
            "operator": self.node.get("operator"),
            "url": self.url,
            "cards": [dict(self.card), dict(card)],
            "discovery": [one.decode() for one in discovery],
            "counterparty": counterparty,
        }

    async def _begin_late(self, deal: Deal) -> Deal:
        """The same for a session whose beginning is not shown (B14)."""
        view = await patiently(lambda: self.client.session(deal.id))
        own = self._known(fields.agent(view, "inviter"), self.card, ())
        known = await late_known(own, view, deal.line.shown_from - 1, self.find)
        await self.copies.begin(deal.id, known)
        return self._deal(deal.id, empty_copy(deal.id, known), ())

    def _deal(self, session: str, copy: VerifiedCopy, discovery: Sequence[bytes]) -> Deal:
        line = Line(
            session,
            self._voice,
            self.client,
            copy,
            keep=self._keep,
            trust_score=self.card.get("trustScore", 0),
        )
        deal = Deal(line)
        deal.discovery = tuple(discovery)
        return deal

    def _keep(self, session: str, item: LogItem) -> None:
        self.copies.keep(session, item, self._since(session))
        if session in self._deals and self._deals[session].over:
            self.copies.finish(session)
        for watcher in self.watchers:
            watcher(session, item)

    def _since(self, session: str) -> int:
        deal = self._deals.get(session)
        return deal.line.copy.since if deal and isinstance(deal.line.copy, LateCopy) else 0

    async def join(self, session: str, inviter: str) -> Deal:
        """Take part in a session one was invited to; follows its log from the beginning.

        A delegate that is not shown what came before follows it from its joining (B14).
        """
        if session in self._deals:
            return self._deals[session]
        kept = await self.copies.known(session)
        if kept is not None:
            return await self.resume(session)
        return await self._take_part(await self.begin(session, inviter))

    async def resume(self, session: str) -> Deal:
        """Go on with a session from this agent's own copy, verified again."""
        if session in self._deals:
            return self._deals[session]
        return await self._take_part(await self.peruse(session))

    async def _take_part(self, deal: Deal) -> Deal:
        """Catch up with a session's log, and follow it from there."""
        self._deals[deal.id] = deal
        try:
            await deal.line.sync()
            if not deal.line.copy.items and deal.line.shown_from > 1:
                deal = self._deals[deal.id] = await self._begin_late(deal)
                await deal.line.sync()
        except BaseException:
            self._deals.pop(deal.id, None)
            raise
        deal.line.follow()
        await deal.renew(self.card)
        return deal

    async def peruse(self, session: str) -> Deal:
        """Look at a session in this agent's own copy, verified again, without following it.

        Raises ``Refused`` (``unknown_session``) when there is no copy.
        """
        kept, copy = await open_kept(self.copies, session)
        discovery = tuple(str(one).encode() for one in fields.items(kept, "discovery"))
        return self._deal(session, copy, discovery)

    def is_following(self, session: str) -> bool:
        """True while a deal of this agent follows the session."""
        return session in self._deals

    def following(self) -> tuple[Deal, ...]:
        """The sessions this agent follows."""
        return tuple(self._deals.values())

    async def forget(self, deal: Deal) -> None:
        """Stop following a session; its copy stays in the store."""
        await deal.leave()
        self._deals.pop(deal.id, None)

    def deal(self, session: str) -> Deal:
        """A session this agent follows. Raises ``Refused`` (``unknown_session``)."""
        if session not in self._deals:
            raise Refused("this agent follows no such session", "unknown_session")
        return self._deals[session]

    async def trust(self, uri: str | None = None) -> dict[str, Json]:
        """What the trust node says of an agent, of this one by default."""
        return await patiently(lambda: self.client.trust(uri or self.uri))

    async def endorse(self, uri: str, *, withdraw: bool = False) -> dict[str, Json]:
        """Give this agent's word for another, or take it back; answers what it counts (B16)."""
        at = format_instant(self.now_ms())
        body: dict[str, Json] = {"endorser": self.uri, "agent": uri, "at": at}
        record = seal("endorsement", {**body, "withdrawn": withdraw}, self.signer)
        return await patiently(lambda: self.client.post_endorsement(record))

    async def balance(self) -> dict[str, Json]:
        """This agent's accounts and movements."""
        return await patiently(self.client.statement)
