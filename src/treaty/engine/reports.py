"""Outcomes of deals hosted here that another trust node is to hear of: reported there (B7, B16).

An invitation may name a trust node that is not the host. Then a settled commitment becomes a signed
report to that node, and a task in the store that hands it in until it is taken: a node that is
killed in between finds the task again. The report is written down before it is sent for the first
time and never made anew, so that however often it arrives, the trust node counts it once. What it
answers becomes a fact of the session.

How this host treats its agents goes by its own trust log all the same: ceilings, invitations a day
and inboxes guard the host's own accounts, and no node that two strangers name can widen them.

Laws:

1. The trust node is known by the key that the invitation named; where it is reached proves nothing.
2. It is reached through the guarded client, at the address the invitation gave or its card here.
3. Running numbers are used once, in the transaction that writes the report down.

Read next: ``outcomes``, the other end.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from treaty.core.log import Receipt, read_log_record
from treaty.core.trust_reports import Report, Shown, report_to_json
from treaty.engine.background import Background
from treaty.engine.desk import Desk, Kind, Transaction
from treaty.engine.dialect import NamedNode, SessionDialect
from treaty.engine.fetching import Fetched, Fetcher
from treaty.engine.follow_up import FollowUp
from treaty.engine.hosted import Hosted, session_stream
from treaty.engine.openings import Stood, opening_stream
from treaty.engine.ports import Entry, Task
from treaty.engine.registry import Registry, card_stream
from treaty.engine.report_answers import agents_of, read_answer, reason_in
from treaty.engine.trust import settled_outcome
from treaty.errors import (
    Refused,
    SignatureError,
    TreatyError,
    WireError,
    shown,
)
from treaty.identity.cards import stored_card
from treaty.identity.keys import Signer, read_public_key
from treaty.identity.records import seal
from treaty.wire import fields
from treaty.wire.canonical import Json, canonical, read_json
from treaty.wire.digest import content_tag
from treaty.wire.evolving import evolve
from treaty.wire.hosts import read_url

TASK: Final = "report"
STREAM: Final = "report"
COUNTED: Final = "counted"
ANSWER_BYTES_MAX: Final = 65_536
ANSWER_MS: Final = 10_000
PAUSE_MS: Final = 2_000
PAUSE_MOST_MS: Final = 4 * 3_600_000
TRYING_MS: Final = 30 * 86_400_000
"""How long a report is handed in again; then it is given up."""
PAGE: Final = 16
"""Entries of a session that are read at once; each may be large."""
_PATH: Final = "/v1/trust"
_JSON: Final = {"content-type": "application/json"}


@dataclass(frozen=True, slots=True)
class Written:
    """A report as it was written down. The empty one: it was not yet."""

    record: Mapping[str, Json] | None = None
    over: bool = False
    """It was taken, or given up."""


def report_stream(session: str, commitment: str) -> str:
    """Name of the stream that holds one report and what came of it."""
    return f"{STREAM}/{session}/{content_tag(commitment)}"


def counted_stream(trust: str, agent: str) -> str:
    """Name of the stream that counts an agent's outcomes for one trust node."""
    return f"{COUNTED}/{content_tag([trust, agent])}"


def _fold(before: Written, entry: Entry, _parsed: object) -> Written:
    if entry.kind != STREAM:
        return Written(before.record, over=True)
    record = read_json(entry.body)
    assert isinstance(record, dict)
    return Written(record)


class Reports:
    """Hands the outcomes of this host's sessions to the trust nodes their parties chose."""

    def __init__(
        self,
        desk: Desk,
        dialect: SessionDialect,
        follow_up: FollowUp,
        *,
        uri: str,
        signer: Signer,
        registry: Registry,
        fetcher: Fetcher,
        background: Background,
    ) -> None:
        self._desk = desk
        self._dialect = dialect
        self._follow_up = follow_up
        self._uri = uri
        self._signer = signer
        self._registry = registry
        self._fetcher = fetcher
        self._background = background
        desk.register(STREAM, Kind(lambda _stream: Written(), _fold))
        desk.register(COUNTED, Kind(lambda _stream: None, lambda _state, _entry, _parsed: None))
        follow_up.report_elsewhere(self._put)

    async def check(self, node: NamedNode | None) -> None:
        """Refuse an invitation whose trust node could not be told of anything.

        Raises ``Refused``: ``policy_violation`` without a key, or with another key than this
        node's own; ``unknown_agent`` without an address and a card; ``url_invalid``.
        """
        if node is None:
            return
        if node.uri == self._uri:
            if node.key_id not in (None, self._signer.key.key_id):
                raise Refused(f"{shown(node.key_id)} is not this node's key", "policy_violation")
            return
        if node.key_id is None:
            raise Refused("terms.trust names another node without its keyId", "policy_violation")
        await self._address(node)

    async def _address(self, node: NamedNode) -> str:
        """The base URL of a trust node: as the invitation says, else as its card here does."""
        if node.url is not None:
            read_url(node.url)
            return node.url.rstrip("/")
        view = (await self._registry.registered(node.uri)).view
        endpoints = {} if view is None else view.card.get("endpoints")
        url = endpoints.get("trust") if isinstance(endpoints, dict) else None
        if view is None or view.key.key_id != node.key_id or not isinstance(url, str):
            raise Refused(
                f"no card of {node.uri} with the key {shown(node.key_id)} and endpoints.trust is "
                "registered here, and terms.trust has no url",
                "unknown_agent",
            )
        read_url(url)
        return url.rstrip("/").removesuffix(_PATH)

    def _elsewhere(self, state: Any) -> NamedNode | None:
        node = self._dialect.trust_node(state)
        return None if node is None or node.uri == self._uri else node

    def _put(self, transaction: Transaction, state: Any, payload: Mapping[str, Json]) -> bool:
        """Schedule a report, if the session's trust node is another; False when it is this one."""
        node = self._elsewhere(state)
        if node is None:
            return False
        commitment = fields.ident(payload, "commitment")
        name = f"{TASK}/{state.id}/{commitment}"
        pending = self._desk.due_ms(name) is not None or name in transaction.tasks
        if not pending and not transaction.state(report_stream(state.id, commitment)).over:
            task = Task(name, TASK, transaction.now_ms, canonical(dict(payload)))
            transaction.put_task(task)
        return True

    async def run(self, task: Task) -> None:
        """Begin handing one report in; called by the outbox."""
        await self._background.begin(task, lambda: self._deliver(task))

    async def _deliver(self, task: Task) -> None:
        payload = read_json(task.payload)
        assert isinstance(payload, dict)
        hosted: Hosted = await self._desk.state(session_stream(fields.ident(payload, "session")))
        node = self._elsewhere(hosted.state)
        assert node is not None
        try:
            record = await self._record(payload, hosted, node)
            answer = await self._hand_in(node, record)
            data = read_answer(answer, node, record)
        except TreatyError as error:
            await self._put_off(task, payload, error)
            return
        await self._note(task, payload, data)

    # The report, made once.

    async def _record(
        self, payload: Mapping[str, Json], hosted: Hosted, node: NamedNode
    ) -> dict[str, Json]:
        session, commitment = fields.ident(payload, "session"), fields.ident(payload, "commitment")
        stream, opening = report_stream(session, commitment), opening_stream(session)
        written: Written = await self._desk.state(stream)
        if written.record is not None:
            return dict(written.record)
        messages = await self._shown(hosted, payload)
        stood: Stood = await self._desk.state(opening)
        outcome = settled_outcome(payload, self._uri, {})
        opened_ms = min((one.at_ms or 0 for one in stood.values()), default=outcome.at_ms)

        def decide(transaction: Transaction) -> dict[str, Json]:
            before: Written = transaction.state(stream)
            if before.record is not None:
                return dict(before.record)
            one, other = (
                evolve(party, number=self._number(transaction, node.uri, party.agent, stream))
                for party in outcome.parties
            )
            report = Report(
                outcome=evolve(outcome, parties=(one, other)),
                trust_uri=node.uri,
                trust_key_id=node.key_id or "",
                opened_ms=opened_ms,
                shown=messages,
            )
            record = seal("outcome", report_to_json(report), self._signer)
            transaction.append(stream, STREAM, canonical(record))
            return record

        agents = (party.agent for party in outcome.parties)
        return await self._desk.transact(
            (stream, *(counted_stream(node.uri, agent) for agent in agents)), decide
        )

    def _number(self, transaction: Transaction, trust: str, agent: str, report: str) -> int:
        """The next running number of an agent for a trust node, used up by this."""
        stream = counted_stream(trust, agent)
        transaction.append(stream, COUNTED, canonical({"report": report}))
        return transaction.position(stream)

    async def _shown(self, hosted: Hosted, payload: Mapping[str, Json]) -> tuple[Shown, ...]:
        """The head and the last message of each party, by hash and signature; newest first."""
        wanted: set[str] = {fields.text(payload, "head"), *_parties(payload)}
        found: list[Shown] = []
        stream = session_stream(hosted.state.id)
        before = await self._desk.store.last(stream)
        while wanted and before > 0:
            after = max(0, before - PAGE)
            for entry in reversed(await self._desk.store.read(stream, after, before - after)):
                log = None if entry.raw is None else read_log_record(read_json(entry.body))
                if isinstance(log, Receipt) and wanted & {log.hash, log.sender}:
                    one = await self._signed(hosted, entry)
                    if one is not None:
                        found.append(one)
                        wanted -= {one.hash, one.sender}
            before = after
        return tuple(found)

    async def _signed(self, hosted: Hosted, entry: Entry) -> Shown | None:
        """A message by hash and signature, with the key that holds; None when none is known."""
        message = self._dialect.decode(entry.raw or b"")
        signature = self._dialect.signature(message)
        for text in await self._keys(hosted, message.sender):
            try:
                self._dialect.check_shown(message.hash, signature, read_public_key(text))
            except SignatureError:
                continue
            return Shown(message.sender, text, message.hash, signature)
        return None

    async def _keys(self, hosted: Hosted, agent: str) -> list[str]:
        state = hosted.state
        member = state.participants.get(agent) or state.former.get(agent)
        pinned = [] if member is None or member.public_key is None else [member.public_key]
        cards = await self._desk.store.read(card_stream(agent))
        return [*pinned, *(_key_of(entry) for entry in cards if entry.kind == "card")]

    # On the road.

    async def _hand_in(self, node: NamedNode, record: Mapping[str, Json]) -> dict[str, Json]:
        base, asker = await self._address(node), fields.ident(record, "session")
        url = f"{base}{_PATH}/outcomes"
        answer = await self._post(url, record, asker)
        if reason_in(answer) == "unknown_agent":
            # Both chose this trust node; what it lacks is their cards, which are public.
            for agent in agents_of(record):
                view = (await self._registry.registered(agent)).view
                if view is not None:
                    await self._post(f"{base}/v1/asp/agents", view.card, asker)
            answer = await self._post(url, record, asker)
        body = read_json(answer.body)
        if not isinstance(body, dict):
            raise WireError(f"the trust node answers {answer.status} with no object")
        if not answer.is_success:
            detail = f"the trust node answers {answer.status}: {shown(body.get('detail'))}"
            raise Refused(detail, reason_in(answer))
        return body

    async def _post(self, url: str, body: Mapping[str, Json], asker: str) -> Fetched:
        return await self._fetcher.fetch(
            url,
            method="POST",
            headers=_JSON,
            body=canonical(dict(body)),
            bytes_max=ANSWER_BYTES_MAX,
            timeout_ms=ANSWER_MS,
            redirects_max=0,
            asker=asker,
        )

    async def _put_off(self, task: Task, payload: dict[str, Json], error: TreatyError) -> None:
        """Try again later, with growing pauses; give up after a month. Raises ``error`` again."""
        tries = fields.integer_or(payload, "tries") or 0
        stream = report_stream(
            fields.ident(payload, "session"), fields.ident(payload, "commitment")
        )
        gives_up = self._desk.clock() > fields.instant(payload, "at") + TRYING_MS
        pause_ms = min(PAUSE_MOST_MS, PAUSE_MS * 2 ** min(tries, 13))

        def decide(transaction: Transaction) -> None:
            if gives_up:
                transaction.append(stream, "given-up", canonical({"code": error.code}))
                transaction.drop_task(task.id)
                return
            again = canonical({**payload, "tries": tries + 1})
            due_ms = transaction.now_ms + pause_ms
            transaction.put_task(replace(task, due_ms=due_ms, payload=again))

        await self._desk.transact((stream,), decide)
        raise error

    async def _note(
        self, task: Task, payload: Mapping[str, Json], data: Mapping[str, Json]
    ) -> None:
        """Write what the trust node answered into the session, once, and be done."""
        session, commitment = fields.ident(payload, "session"), fields.ident(payload, "commitment")
        stream, report = session_stream(session), report_stream(session, commitment)

        def decide(transaction: Transaction) -> None:
            transaction.drop_task(task.id)
            state = transaction.state(stream).state
            if commitment not in self._dialect.unreported(state):
                return
            transaction.append(report, "taken", canonical({"index": data["index"]}))
            at_ms = max(transaction.now_ms, state.at_ms)
            self._follow_up.write_fact(transaction, stream, "outcome", data, at_ms)

        await self._desk.transact((stream, report), decide)


def _key_of(entry: Entry) -> str:
    return stored_card(read_json(entry.body, size_max=len(entry.body))).key.text


def _parties(payload: Mapping[str, Json]) -> tuple[str, str]:
    return fields.agent(payload, "payer"), fields.agent(payload, "payee")
