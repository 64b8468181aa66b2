"""The registry: who is who, who offers what, and the signed answers to both questions.

A card lives in the stream ``card/<agent>``; the newest entry is the card in force. All cards
are held in a directory in memory, loaded at start, so that discovery reads no store.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from treaty.core.matching import Candidate, Price, search
from treaty.engine.desk import Desk, Kind, Transaction
from treaty.engine.dialect import SessionDialect, Standing
from treaty.engine.ports import Entry
from treaty.errors import Refused, UnverifiableError, WireError
from treaty.identity.cards import CardView, accepts_successor, make_listing, open_card
from treaty.identity.keys import PublicKey, Signer
from treaty.wire.canonical import Json, canonical, read_json
from treaty.wire.money import decimal_number

STREAM: Final = "card"
LISTING_MS: Final = 86_400_000
FRESHNESS_MS: Final = 60_000
CARDS_MAX: Final = 1_000_000

OnIdentity = Callable[[Transaction, CardView, CardView | None], None]
"""Called inside the registration's transaction: the trust node records the identity."""


@dataclass(frozen=True, slots=True)
class Card:
    """The card in force of one agent."""

    view: CardView
    candidate: Candidate
    """As discovery sees it, but for its score, which is looked up when asked."""


def card_stream(agent: str) -> str:
    """Name of an agent's card stream."""
    return f"{STREAM}/{agent}"


def _fold(_before: CardView | None, entry: Entry, parsed: object) -> CardView:
    if isinstance(parsed, CardView):
        return parsed
    return open_card(read_json(entry.body))


class Registry:
    """Cards, listings and discovery of one node."""

    def __init__(
        self,
        desk: Desk,
        dialect: SessionDialect,
        *,
        uri: str,
        signer: Signer,
        standing: Callable[[str], Standing],
        recent_standing: Callable[[str], Standing],
        on_identity: OnIdentity,
        trust_stream: str,
    ) -> None:
        self._desk = desk
        self._dialect = dialect
        self._uri = uri
        self._signer = signer
        self._standing = standing
        self._recent_standing = recent_standing
        self._on_identity = on_identity
        self._trust_stream = trust_stream
        self._directory: dict[str, Card] = {}
        desk.register(STREAM, Kind(lambda _stream: None, _fold))

    async def load(self) -> None:
        """Fill the directory from the store, once, before the first request."""
        after = ""
        while names := await self._desk.store.streams(f"{STREAM}/", after):
            for stream in names:
                view = await self._desk.state(stream)
                self._directory[view.uri.text] = _card(view)
                self._desk.forget(stream)
            after = names[-1]

    def find(self, agent: str) -> Card | None:
        """The card in force, or None."""
        return self._directory.get(agent)

    def key_of(self, agent: str) -> PublicKey | None:
        """The key of the card in force, or None."""
        card = self.find(agent)
        return None if card is None else card.view.key

    async def register(self, raw: bytes) -> tuple[dict[str, Json], bool]:
        """Register a card or its successor; answers the card with its listing, and if it is new.

        Raises ``WireError``, ``SignatureError``, ``Refused`` (``card_conflict``).
        """
        view = open_card(read_json(raw))
        agent = view.uri.text
        if agent not in self._directory and len(self._directory) >= CARDS_MAX:
            raise Refused("this registry is full", "capacity_unavailable")
        stream = card_stream(agent)

        def decide(transaction: Transaction) -> bool:
            current: CardView | None = transaction.state(stream)
            if current is not None and current.card_hash == view.card_hash:
                return False
            if current is not None:
                accepts_successor(current, view)
            transaction.append(stream, "card", canonical(_bare(view)), None, view)
            self._on_identity(transaction, view, current)
            transaction.afterwards(lambda: self._enter(agent, view))
            return current is None

        new = await self._desk.transact((stream, self._trust_stream), decide)
        return self.listed(agent), new

    def _enter(self, agent: str, view: CardView) -> None:
        self._directory[agent] = _card(view)
        # From here on the directory is asked.
        self._desk.forget(card_stream(agent))

    def listed(self, agent: str) -> dict[str, Json]:
        """A card with a fresh signed listing. Raises ``Refused`` (``unknown_agent``)."""
        card = self.find(agent)
        if card is None:
            raise Refused("no agent is registered under this URI", "unknown_agent")
        now_ms = self._desk.clock()
        standing = self._standing(agent)
        score = _number(standing.score)
        listing = make_listing(
            self._signer,
            card_hash=card.view.card_hash,
            uri=agent,
            registry=self._uri,
            at_ms=now_ms,
            expires_ms=now_ms + LISTING_MS,
            trust_score=score,
            trust_level=standing.level,
        )
        return {
            **_bare(card.view),
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
        now_ms = self._desk.clock()
        if abs(now_ms - message.timestamp_ms) > FRESHNESS_MS:
            raise Refused("the question is more than 60 s old, or from the future", "proof_invalid")
        self._dialect.check_query(message, card.view.key, received_at_ms=now_ms)
        page = search(self.candidates(), need)
        return self._dialect.answer_query(
            message,
            page,
            signer=self._signer,
            uri=self._uri,
            at_ms=now_ms,
            entropy=self._desk.entropy(32),
        )

    def candidates(self) -> Iterable[Candidate]:
        """Everybody listed, with the score of this minute."""
        for card in self._directory.values():
            standing = self._recent_standing(card.candidate.uri)
            yield Candidate(
                uri=card.candidate.uri,
                score=standing.score,
                level=standing.level,
                capabilities=card.candidate.capabilities,
                schemas=card.candidate.schemas,
                protocols=card.candidate.protocols,
                organization=card.candidate.organization,
                prices=card.candidate.prices,
                pricing=card.candidate.pricing,
            )


def _bare(view: CardView) -> dict[str, Json]:
    """The signed card without what nobody has to believe."""
    hearsay = ("listing", "trustScore", "trustLevel")
    return {name: value for name, value in view.card.items() if name not in hearsay}


def _number(score: Decimal) -> int | float:
    return int(score) if score == score.to_integral_value() else float(score)


def _card(view: CardView) -> Card:
    card = view.card
    pricing = card.get("pricing")
    stated: Mapping[str, Json] = pricing if isinstance(pricing, dict) else {}
    candidate = Candidate(
        uri=view.uri.text,
        score=Decimal(0),
        level=0,
        capabilities=view.capabilities,
        schemas=_texts(card.get("schemas")),
        protocols=_texts(card.get("protocols")),
        organization=str(card.get("organization", "")),
        prices=_prices(stated),
        pricing=stated,
    )
    return Card(view, candidate)


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
