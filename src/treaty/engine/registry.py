"""The registry: who is who, who offers what, and the signed answers to both questions.

Cards, proofs and revocations of an agent live in its stream ``card/<agent>``. In memory are, of
everybody, the key in force and what discovery asks for (``core.catalogue``); a whole card is read
when it is asked for. So a million agents take about a gigabyte, and a question reads no store.

Read next: ``registered``, who may change what; ``domains``, how a domain is proven.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from itertools import islice
from typing import Any, Final

from treaty.core.catalogue import Catalogue
from treaty.core.matching import Candidate, Need, Page, Price
from treaty.core.trust import Proof
from treaty.engine.desk import Desk, Kind, Transaction
from treaty.engine.dialect import SessionDialect, Standing
from treaty.engine.ports import Task
from treaty.engine.registered import (
    Registered,
    fold_registered,
    judge_card,
    judge_revocation,
    notice_of,
)
from treaty.errors import Refused, SignatureError, UnverifiableError, WireError
from treaty.identity.cards import CardView, make_listing, open_card
from treaty.identity.keys import (
    KEY_BYTES,
    ProofKey,
    PublicKey,
    Signer,
    read_ec_public_key,
)
from treaty.identity.revocations import open_revocation
from treaty.wire.canonical import Json, canonical, read_json
from treaty.wire.instants import format_instant
from treaty.wire.money import decimal_number

STREAM: Final = "card"
LISTING_MS: Final = 86_400_000
FRESHNESS_MS: Final = 60_000
ARBITERS_MAX: Final = 10_000
"""So many agents are known to judge disputes; further ones are not drawn."""
CARDS_MAX: Final = 1_000_000
ROUND_MS: Final = 60_000
"""Scores that time alone changes are looked at anew once a minute..."""
LOOK_MS: Final = 200
LOOKED_AT_ONCE: Final = 32
"""... so many agents at a time, so that nobody waits for it: over a million takes two hours."""
KEYS_CACHED_MAX: Final = 4_096
REVOCATION: Final = "revocation"
"""The task that tells open sessions of a revoked key."""

OnIdentity = Callable[[Transaction, str, Proof, PublicKey], None]
"""Called inside the registration's transaction: the trust node records what was proven."""


@dataclass(frozen=True, slots=True)
class Card:
    """What of an agent's card in force is at hand at once."""

    key: PublicKey
    proof_key: ProofKey
    """The key of its DPoP proofs."""
    barred: bool
    """The key is revoked, and its successor has not come yet."""


def card_stream(agent: str) -> str:
    """Name of an agent's card stream."""
    return f"{STREAM}/{agent}"


@dataclass(frozen=True, slots=True)
class Scores:
    """What the registry asks the trust node."""

    standing: Callable[[str], Standing]
    taken_changes: Callable[[], set[str]]
    """The agents whose records have changed since this was last asked."""
    on_identity: OnIdentity
    stream: str
    """Of the trust log."""


class Registry:
    """Cards, listings and discovery of one node."""

    def __init__(
        self, desk: Desk, dialect: SessionDialect, *, uri: str, signer: Signer, scores: Scores
    ) -> None:
        self._desk = desk
        self._dialect = dialect
        self._uri = uri
        self._signer = signer
        self._scores = scores
        self._keys: dict[str, bytes] = {}
        """Agent -> the keys of its card, packed: a million of them must be small."""
        self._revoked: dict[str, frozenset[str]] = {}
        self._arbiters: set[str] = set()
        self._catalogue = Catalogue()
        self._round: Iterator[str] = iter(())
        self._round_ms = 0
        self._looked_ms = 0
        desk.register(STREAM, Kind(lambda _stream: Registered(), fold_registered))

    def __len__(self) -> int:
        return len(self._keys)

    async def load(self) -> None:
        """Fill the directory from the store, once, before the first request."""
        after = ""
        while names := await self._desk.store.streams(f"{STREAM}/", after):
            for stream in names:
                self._hold(stream.partition("/")[2], await self._desk.state(stream))
                self._desk.forget(stream)
            after = names[-1]
        self._catalogue.put_up()

    def _hold(self, agent: str, state: Registered) -> None:
        self._keep_keys(agent, state)
        if state.view is not None and not state.barred:
            self._catalogue.hold(_candidate(state.view, self._scores.standing(agent)))

    def find(self, agent: str) -> Card | None:
        """The keys in force, or None for an agent without a card."""
        packed = self._keys.get(agent)
        return None if packed is None else _unpacked(packed)

    def is_revoked(self, agent: str, key_id: str) -> bool:
        """True for a key that is not to be heard any more."""
        return key_id in self._revoked.get(agent, ())

    async def registered(self, agent: str) -> Registered:
        """Everything that is known of one agent."""
        state: Registered = await self._desk.state(card_stream(agent))
        return state

    @property
    def arbiters(self) -> frozenset[str]:
        """Agents whose cards say that they judge disputes of others (B15)."""
        return frozenset(self._arbiters)

    def key_of(self, agent: str) -> PublicKey | None:
        """The key of the card in force, or None."""
        card = self.find(agent)
        return None if card is None or card.barred else card.key

    async def register(self, raw: bytes) -> tuple[dict[str, Json], bool]:
        """Register a card or its successor; answers the card with its listing, and if it is new.

        The same card again changes nothing. Raises ``WireError``, ``SignatureError`` (also
        ``key_revoked``), ``Refused`` (``card_conflict``, ``capacity_unavailable``).
        """
        view = open_card(read_json(raw))
        agent = view.uri.text
        self._check_room(view)
        stream = card_stream(agent)

        def decide(transaction: Transaction) -> bool:
            before: Registered = transaction.state(stream)
            proofs = judge_card(before, view, transaction.now_ms)
            if proofs is None:
                return False
            transaction.append(stream, "card", canonical(_bare(view)), None, view)
            for proof in proofs:
                self._scores.on_identity(transaction, agent, proof, view.key)
            after = transaction.state(stream)
            transaction.afterwards(lambda: self._enter(agent, after))
            return before.view is None

        new = await self._desk.transact((stream, self._scores.stream), decide)
        return await self.listed(agent), new

    def _check_room(self, view: CardView) -> None:
        if view.uri.text not in self._keys and len(self._keys) >= CARDS_MAX:
            raise Refused("this registry is full", "capacity_unavailable")
        self._catalogue.check_room(_candidate(view, Standing(Decimal(0), 0, provisional=True)))

    def _enter(self, agent: str, state: Registered) -> None:
        """Believe what is stored of an agent."""
        self._keep_keys(agent, state)
        if state.barred:
            self._catalogue.remove(agent)
        elif state.view is not None:
            self._catalogue.put(_candidate(state.view, self._scores.standing(agent)))

    def _keep_keys(self, agent: str, state: Registered) -> None:
        if state.revoked:
            self._revoked[agent] = frozenset(state.revoked)
        if state.view is None:
            return
        self._keys[agent] = _packed(state.view, barred=state.barred)
        willing = state.view.card.get("arbitrates") is True and not state.barred
        willing = willing and (agent in self._arbiters or len(self._arbiters) < ARBITERS_MAX)
        (self._arbiters.add if willing else self._arbiters.discard)(agent)

    async def revoke(self, agent: str, raw: bytes) -> tuple[dict[str, Json], bool]:
        """Take in a revocation; answers what is known of the agent, and if that is new.

        From then on the key is refused, and open sessions of the agent are paused until it shows
        the successor. Raises as ``open_revocation`` and ``judge_revocation`` do.
        """
        word = open_revocation(read_json(raw))
        if word.uri != agent:
            raise Refused("the revocation is for another agent than the address", "malformed")
        stream = card_stream(agent)

        def decide(transaction: Transaction) -> bool:
            if not judge_revocation(transaction.state(stream), word, transaction.now_ms):
                return False
            body = canonical(dict(word.record))
            transaction.append(stream, REVOCATION, body, raw, word)
            name = f"{REVOCATION}/{agent}/{word.key_id}"
            transaction.put_task(Task(name, REVOCATION, transaction.now_ms, body))
            after = transaction.state(stream)
            transaction.afterwards(lambda: self._enter(agent, after))
            return True

        new = await self._desk.transact((stream,), decide)
        return await self.notice(agent), new

    async def note_proof(self, agent: str, key: PublicKey) -> dict[str, Json]:
        """Record that a key has proven the agent's domain; answers what is known of the agent."""
        stream = card_stream(agent)

        def decide(transaction: Transaction) -> None:
            before: Registered = transaction.state(stream)
            body: dict[str, Json] = {
                "publicKey": key.text,
                "keyId": key.key_id,
                "at": format_instant(transaction.now_ms),
            }
            transaction.append(stream, "proof", canonical(body))
            after: Registered = transaction.state(stream)
            if after.proven and not before.proven:
                self._scores.on_identity(transaction, agent, Proof.DOMAIN, key)
            transaction.afterwards(lambda: self._enter(agent, after))

        await self._desk.transact((stream, self._scores.stream), decide)
        return await self.notice(agent)

    async def notice(self, agent: str) -> dict[str, Json]:
        """What anybody may know of a name: proven or not, contended by whom, what is revoked.

        While the key in force is revoked also ``card``, which its successor takes over from.
        """
        state = await self.registered(agent)
        told = notice_of(agent, state)
        if state.view is not None and state.barred:
            told["card"] = _bare(state.view)
        return told

    async def listed(self, agent: str) -> dict[str, Json]:
        """A card with a fresh signed listing.

        Raises ``Refused`` (``unknown_agent``) and ``SignatureError`` (``key_revoked``).
        """
        state = await self.registered(agent)
        if state.view is None:
            raise Refused("no agent is registered under this URI", "unknown_agent")
        if state.barred:
            raise SignatureError("the key of this card was revoked", "key_revoked")
        now_ms = self._desk.clock()
        standing = self._scores.standing(agent)
        score = _number(standing.score)
        listing = make_listing(
            self._signer,
            card_hash=state.view.card_hash,
            uri=agent,
            registry=self._uri,
            at_ms=now_ms,
            expires_ms=now_ms + LISTING_MS,
            trust_score=score,
            trust_level=standing.level,
        )
        return {
            **_bare(state.view),
            "trustScore": score,
            "trustLevel": standing.level,
            "listing": listing,
        }

    async def answer(self, raw: bytes) -> bytes:
        """Answer a signed discovery question with a signed envelope (B8, B19).

        Raises ``WireError``, ``SignatureError``, ``UnverifiableError`` (``unknown_agent``).
        """
        message, need = self._dialect.read_query(raw)
        card = self.find(message.sender)
        if card is None:
            raise UnverifiableError(
                f"{message.sender} has no card here: register it, or ask with GET", "unknown_agent"
            )
        if card.barred:
            raise SignatureError(f"the key of {message.sender} was revoked", "key_revoked")
        now_ms = self._desk.clock()
        if abs(now_ms - message.timestamp_ms) > FRESHNESS_MS:
            raise Refused("the question is more than 60 s old, or from the future", "proof_invalid")
        self._dialect.check_signature(message, card.key)
        return self._dialect.answer_query(
            message,
            self.search(need),
            signer=self._signer,
            uri=self._uri,
            at_ms=now_ms,
            entropy=self._desk.entropy(32),
        )

    def search(self, need: Need) -> Page:
        """Answer a need, over everybody listed, by the scores of what is on record now."""
        for agent in self._scores.taken_changes():
            self._rerank(agent)
        return self._catalogue.search(need)

    def refresh(self) -> None:
        """Look at some scores anew, for time alone changes them. To be called now and then."""
        now_ms = self._desk.clock()
        if abs(now_ms - self._looked_ms) < LOOK_MS:
            return
        self._looked_ms = now_ms
        some = list(islice(self._round, LOOKED_AT_ONCE))
        if not some and abs(now_ms - self._round_ms) >= ROUND_MS:
            self._round, self._round_ms = iter(tuple(self._keys)), now_ms
        for agent in some:
            self._rerank(agent)

    def _rerank(self, agent: str) -> None:
        if agent in self._keys:
            standing = self._scores.standing(agent)
            self._catalogue.rerank(agent, standing.score, standing.level)


def _packed(view: CardView, *, barred: bool) -> bytes:
    """The keys of a card: the key, a mark, and the key for proofs where there is another."""
    other = view.proof_key.jwk() if view.proof_key != view.key else None
    return view.key.raw + (b"!" if barred else b".") + (b"" if other is None else canonical(other))


@lru_cache(maxsize=KEYS_CACHED_MAX)
def _unpacked(packed: bytes) -> Card:
    key, rest = PublicKey(packed[:KEY_BYTES]), packed[KEY_BYTES:]
    proof_key = read_ec_public_key(read_json(rest[1:])) if rest[1:] else key
    return Card(key, proof_key, barred=rest[:1] == b"!")


def _bare(view: CardView) -> dict[str, Json]:
    """The signed card without what nobody has to believe."""
    hearsay = ("listing", "trustScore", "trustLevel")
    return {name: value for name, value in view.card.items() if name not in hearsay}


def _number(score: Decimal) -> int | float:
    return int(score) if score == score.to_integral_value() else float(score)


def _candidate(view: CardView, standing: Standing) -> Candidate:
    """An agent as discovery sees it."""
    card = view.card
    pricing = card.get("pricing")
    stated: Mapping[str, Json] = pricing if isinstance(pricing, dict) else {}
    return Candidate(
        uri=view.uri.text,
        score=standing.score,
        level=standing.level,
        capabilities=view.capabilities,
        schemas=_texts(card.get("schemas")),
        protocols=_texts(card.get("protocols")),
        organization=str(card.get("organization", "")),
        prices=_prices(stated),
        pricing=stated,
    )


def _texts(value: Json) -> tuple[str, ...]:
    items: list[Any] = value if isinstance(value, list) else []
    return tuple(item for item in items[:64] if isinstance(item, str))


def _prices(pricing: Mapping[str, Json]) -> tuple[Price, ...]:
    """Members called ``pricePer<Unit>`` are prices; what is no number is passed over."""
    currency = pricing.get("currency")
    found = []
    for name, value in pricing.items():
        unit = name.removeprefix("pricePer")
        if unit == name or isinstance(value, bool) or not isinstance(value, int | float):
            continue
        try:
            amount = decimal_number(value)
        except WireError:
            continue
        found.append(Price(amount, unit.lower(), currency if isinstance(currency, str) else None))
    return tuple(found)
