"""The node: every role of ``treaty serve`` brought together around one desk.

Built by ``app`` from a store, keys, a clock and a dialect; asked by ``http``. ``start`` brings
it up after a stop or a crash, ``run`` does what falls due.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from treaty.core.deal import Anchor
from treaty.core.rates import UsdRates, rate_text
from treaty.engine.arbiters import candidates
from treaty.engine.background import Background
from treaty.engine.checks import TASK as CHECK
from treaty.engine.checks import Checks, NoFetcher
from treaty.engine.clearing import Clearing
from treaty.engine.currencies import Currencies
from treaty.engine.desk import Desk, Draw, Transaction
from treaty.engine.dialect import MessageVerifying, SessionDialect
from treaty.engine.disputes import Disputes
from treaty.engine.domains import Domains
from treaty.engine.endorsements import Endorsements
from treaty.engine.fetching import Fetcher
from treaty.engine.follow_up import FollowUp
from treaty.engine.hosted import session_stream
from treaty.engine.inbox import Inboxes
from treaty.engine.openings import Openings
from treaty.engine.outbox import Handler, Outbox
from treaty.engine.outcomes import CLEARINGS, Outcomes, clearings_to_json, read_clearings
from treaty.engine.ports import Store, Task, Unit
from treaty.engine.publications import Publications
from treaty.engine.quote_timers import TASK as QUOTE_TASK
from treaty.engine.quotes import Quotes, Selling
from treaty.engine.readers import Readers
from treaty.engine.registry import REVOCATION, Registry, Scores
from treaty.engine.reports import TASK as REPORT
from treaty.engine.reports import Reports
from treaty.engine.sampling import TASK as SAMPLE
from treaty.engine.sampling import Samples
from treaty.engine.service_dialect import Serving
from treaty.engine.services import Services
from treaty.engine.sessions import Host, Sessions
from treaty.engine.trust import LOG, TrustNode
from treaty.engine.violations import Violations
from treaty.engine.witness import Witness
from treaty.identity.cards import make_card
from treaty.identity.keys import PublicKey, Signer
from treaty.wire.canonical import Json, canonical, read_json
from treaty.wire.instants import format_instant

HEARTBEAT: Final = "heartbeat"
HEARTBEAT_MS: Final = 5_000
OUTAGE_LEAST_MS: Final = 2 * HEARTBEAT_MS
"""Shorter gaps than two heartbeats are no outage but a quick restart."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a node is and who operates it."""

    uri: str
    signer: Signer
    base_url: str
    operator_uri: str
    operator: PublicKey


class Node:
    """Registry, sessions, clearing and trust of one process."""

    def __init__(
        self,
        store: Store,
        dialect: SessionDialect,
        identity: Identity,
        *,
        clock: Callable[[], int],
        entropy: Draw,
        complain: Callable[[str], None],
        selling: Selling | None = None,
        fetcher: Fetcher | None = None,
        serving: Serving | None = None,
        verifying: MessageVerifying | None = None,
        usd_rates: UsdRates | None = None,
        clearings: tuple[Anchor, ...] | None = None,
    ) -> None:
        self.identity = identity
        self.dialect = dialect
        self.desk = Desk(store, clock=clock, entropy=entropy)
        self.readers = Readers(self.desk)
        self.trust = TrustNode(
            self.desk,
            uri=identity.uri,
            signer=identity.signer,
            operator=identity.operator,
            operator_uri=identity.operator_uri,
        )
        self.registry = self._open_registry()
        self.domains = Domains(
            self.registry, fetcher=fetcher or NoFetcher(), secret=entropy(32), clock=clock
        )
        self.endorsements = Endorsements(self.desk, self.registry.key_of)
        witness = Witness(self.desk, dialect, self.registry)
        self.violations = Violations(self.desk, dialect, witness, signer=identity.signer)
        self.currencies = Currencies(usd_rates or {})
        self.clearing = Clearing(self.desk, identity.operator, self.trust, self.currencies)
        self.follow_up = FollowUp(
            self.desk, dialect, identity.signer, self.clearing, self.currencies.given
        )
        self.inboxes = Inboxes(self.desk, self.trust.standing)
        self._background = Background(self.desk, complain)
        self.outcomes = Outcomes(self.desk, dialect, self.trust, self.registry.registered)
        self._clearings = clearings
        self.reports = self._open_reports(fetcher or NoFetcher())
        self.sessions = self._host_sessions(verifying)
        self.disputes = self._open_disputes()
        self._beat_ms = 0
        self.quotes = None if selling is None else Quotes(self.desk, selling)
        self.services = None if serving is None else Services(self.desk, serving)
        self.publications = None if serving is None else self._registry_of(serving)
        handlers = self._handlers(fetcher or NoFetcher())
        self.outbox = Outbox(self.desk, handlers, complain, self._beat, ("timer", CHECK, SAMPLE))

    def _host_sessions(self, verifying: MessageVerifying | None) -> Sessions:
        own, trust = self.identity, self.trust
        return Sessions(
            self.desk,
            self.dialect,
            Host(own.uri, own.signer, own.base_url, own.operator.key_id),
            registry=self.registry,
            follow_up=self.follow_up,
            inboxes=self.inboxes,
            openings=Openings(self.desk, standing=trust.standing, before=trust.before),
            standing=trust.standing,
            usd_rates=self.currencies.given,
            check_trust=self.reports.check,
            verifying=verifying,
        )

    def _open_reports(self, fetcher: Fetcher) -> Reports:
        return Reports(
            self.desk,
            self.dialect,
            self.follow_up,
            uri=self.identity.uri,
            signer=self.identity.signer,
            registry=self.registry,
            fetcher=fetcher,
            background=self._background,
        )

    def _open_registry(self) -> Registry:
        return Registry(
            self.desk,
            self.dialect,
            uri=self.identity.uri,
            signer=self.identity.signer,
            scores=Scores(
                standing=self.trust.standing,
                taken_changes=self.trust.taken_changes,
                on_identity=self.trust.note_identity,
                stream=LOG,
            ),
        )

    def _open_disputes(self) -> Disputes:
        return Disputes(
            self.desk,
            self.dialect,
            self.follow_up,
            registry=self.registry,
            inboxes=self.inboxes,
            operator=self.identity.operator,
            candidates=self._candidates,
        )

    def _candidates(self, party: str, other: str) -> Mapping[str, Json]:
        """Who may judge between two parties, as of now (B15)."""
        now_ms, state = self.desk.clock(), self.trust.state
        found = candidates(
            self.registry.arbiters,
            (party, other),
            standing=self.trust.standing,
            key_id=self._key_id,
            state=state,
            now_ms=now_ms,
        )
        standing: dict[str, Json] = {"size": state.size, "at": format_instant(now_ms)}
        return {"candidates": [dict(one) for one in found], "standing": standing}

    def _key_id(self, agent: str) -> str:
        card = self.registry.find(agent)
        assert card is not None, "who is listed as willing has a card"
        return card.key.key_id

    def _handlers(self, fetcher: Fetcher) -> dict[str, Handler]:
        """Who does what falls due, by the kind of task."""
        own = (self.desk, self.dialect, self.follow_up)
        checks = Checks(*own, fetcher=fetcher, background=self._background)
        samples = Samples(*own, fetcher=fetcher, background=self._background)
        handlers: dict[str, Handler] = {
            "timer": self.follow_up.fire,
            "outcome": self._record_outcome,
            REVOCATION: self.follow_up.tell_revoked,
            CHECK: checks.run,
            SAMPLE: samples.run,
            REPORT: self.reports.run,
        }
        if self.quotes is not None:
            handlers[QUOTE_TASK] = self.quotes.expire
        handlers |= {} if self.services is None else self.services.handlers
        return handlers

    def _registry_of(self, serving: Serving) -> Publications:
        return Publications(
            self.desk,
            serving.publisher,
            serving.fetcher,
            own=serving.own,
            own_origin=self.identity.base_url,
            listed=serving.listed,
        )

    async def start(self) -> None:
        """Load what is kept in memory, and write down for how long the node was away."""
        await self.currencies.load(self.desk.store)
        await self.load()
        if self.quotes is not None:
            await self.quotes.start()
        if self.publications is not None:
            await self.publications.load()
        if self.services is not None:
            await self.services.start()
        await self._register_self()
        await self._note_outage()
        await self._beat()

    async def load(self) -> None:
        """Take up whose outcomes are believed, the trust log and the registry."""
        stored = read_clearings(await self.desk.store.setting(CLEARINGS))
        listed = stored if self._clearings is None else self._clearings
        if listed != stored:
            setting = (CLEARINGS, clearings_to_json(listed))
            await self.desk.store.commit(Unit(settings=(setting,)))
        # Its own outcomes it need not be told of.
        listed = tuple(one for one in listed if one.uri != self.identity.uri)
        self.outcomes.believe(listed)
        await self.trust.load(one.uri for one in listed)
        await self.registry.load()

    @property
    def anchor(self) -> Anchor:
        """Who this node is, and its key."""
        key = self.identity.signer.key
        return Anchor(self.identity.uri, key.key_id, key.text)

    async def run(self) -> None:
        """Do what falls due, until cancelled."""
        try:
            await self.outbox.run()
        finally:
            self._background.cancel()

    async def _register_self(self) -> None:
        """The node is an agent: its own card is in its own registry."""
        own = self.identity
        current = (await self.registry.registered(own.uri)).view
        version = 1
        if current is not None:
            endpoints = current.card.get("endpoints")
            if current.key == own.signer.key and endpoints == self._endpoints():
                return
            version = current.version + 1
        card = make_card(
            own.signer,
            uri=own.uri,
            name="treaty node",
            organization=own.uri.split("/")[2],
            org_id=own.uri.split("/")[2],
            capabilities=("registry", "sessions", "clearing", "trust"),
            endpoints=self._endpoints(),
            version=version,
        )
        await self.registry.register(canonical(card))

    def _endpoints(self) -> dict[str, str]:
        base = self.identity.base_url
        return {
            "asp": f"{base}/v1/asp",
            "trust": f"{base}/v1/trust",
            "ledger": f"{base}/v1/ledger",
        }

    async def _note_outage(self) -> None:
        """Add the time the node was away to every deadline that was running (B10)."""
        beat = await self.desk.store.setting(HEARTBEAT)
        if beat is None:
            return
        last = read_json(beat)
        assert isinstance(last, int)
        now_ms = self.desk.clock()
        if now_ms - last < OUTAGE_LEAST_MS:
            return
        after = ""
        while tasks := await self.desk.store.tasks("timer", 1_000, after):
            for task in tasks:
                await self.follow_up.note_outage(task.payload.decode(), last, now_ms)
            after = tasks[-1].id

    async def _beat(self) -> None:
        """Write down that the node lives, every five seconds, and forget what has lapsed."""
        self.registry.refresh()
        now_ms = self.desk.clock()
        if abs(now_ms - self._beat_ms) < HEARTBEAT_MS:
            return
        await self.desk.store.commit(Unit(settings=((HEARTBEAT, canonical(now_ms)),)))
        await self.desk.store.purge(now_ms)
        self._beat_ms = now_ms

    async def _record_outcome(self, task: Task) -> None:
        session = task.id.split("/")[1]
        await self.trust.record_outcome(task, session_stream(session), self._announce)

    def _announce(
        self, transaction: Transaction, stream: str, data: Mapping[str, Json], at_ms: int
    ) -> None:
        state = transaction.state(stream).state
        self.follow_up.write_fact(transaction, stream, "outcome", data, max(at_ms, state.at_ms))

    async def describe(self) -> dict[str, Json]:
        """``GET /.well-known/asp.json``: the node's card, endpoints and versions."""
        own = self.identity
        return {
            "uri": own.uri,
            "versions": [self.dialect.tag],
            "url": own.base_url,
            "endpoints": dict(self._endpoints()),
            "card": await self.registry.listed(own.uri),
            "keyId": own.signer.key.key_id,
            "publicKey": own.signer.key.text,
            "usdRates": {code: rate_text(one) for code, one in self.currencies.given.items()},
            "operator": {
                "uri": own.operator_uri,
                "keyId": own.operator.key_id,
                "publicKey": own.operator.text,
            },
            "clearings": [
                {"uri": one.uri, "keyId": one.key_id, "publicKey": one.public_key}
                for one in self.outcomes.listed
            ],
        }
