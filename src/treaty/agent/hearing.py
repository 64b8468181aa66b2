"""Asking many providers at once, in one sealed window.

Laws:

1. Everybody is asked the same and at the same moment. The window closes when all have answered
   or its time is over; who answered first is not kept.
2. A provider that is silent, slow or answers garbage spoils its own chance and delays nobody.
3. What a provider said is kept as received, and so is why nothing usable came.

Read next: ``router``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from treaty.agent.route_ports import Providers
from treaty.agent.speaking import Saying
from treaty.dialects.mrp.answers import Failed, NoEnvelope, Said
from treaty.dialects.mrp.choices import CONSIDERED_OF_ONE_MAX, OFFER
from treaty.dialects.mrp.codec import read_offers
from treaty.dialects.mrp.deal import Line
from treaty.dialects.mrp.manifest import Manifest
from treaty.dialects.mrp.messages import Envelope, Malformed, Offer
from treaty.errors import TreatyError, WireError, shown
from treaty.wire.hosts import same_origin

PROVIDERS_MAX: Final = 50
"""Providers asked in one window."""
PAGES_MAX: Final = 8
"""Pages of a registry that are read."""
OFFER_BYTES_MAX: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class Source:
    """A provider to ask, by its manifest."""

    manifest_url: str
    name: str = ""
    """Its id in the registry that named it."""
    trust: Decimal | None = None
    """0 to 1, the registry's word."""
    is_known: bool = False
    """True when the user wrote its manifest down."""


@dataclass(frozen=True, slots=True)
class Named:
    """Whom the registries named, and whom they could not."""

    sources: tuple[Source, ...]
    passed_over: tuple[tuple[str, str], ...] = ()
    """Entries that lead nowhere: id and why."""


@dataclass(slots=True)
class Heard:
    """What came of asking one provider."""

    source: Source
    manifest: Manifest | None = None
    messages: list[Line] = field(default_factory=list)
    reply: Envelope | None = None
    """Its OFFER."""
    offers: tuple[Offer | Malformed, ...] = ()
    why: str = ""
    """Why there is no usable answer."""
    code: str = "unavailable"
    """The reason code of that."""

    @property
    def provider(self) -> str:
        """Its id in the registry, else who it says it is, unproven, else its address."""
        stated = self.reply.sender if self.reply is not None else ""
        return self.source.name or stated or self.source.manifest_url

    def knows(self, url: str) -> bool:
        """True for an address at the origin of a manifest the user wrote down."""
        return self.source.is_known and same_origin(url, self.source.manifest_url)

    def keep(self, raw: bytes, *, is_sent: bool, at_ms: int) -> None:
        """Keep a message that passed."""
        url = self.source.manifest_url
        self.messages.append(Line(raw=raw, is_sent=is_sent, manifest_url=url, at_ms=at_ms))


Compose = Callable[[Heard, str, str | None], Saying]
"""The DISCOVER for one provider, its address, and the id it is called by where that is known."""


async def look_up(providers: Providers, registry: str, capability: str | None) -> Named:
    """Whom a registry names, page by page. A bad entry spoils only itself, a lead is said.

    Raises what asking the registry raises.
    """
    sources: dict[str, Source] = {}
    over: list[tuple[str, str]] = []
    cursor: str | None = None
    for _ in range(PAGES_MAX):
        page = await providers.listing(registry, capability, cursor)
        over += [(one.id, one.detail) for one in page.spoilt]
        for entry in page.entries:
            if entry.manifest_url is None:
                over.append((entry.id, "a lead: it names no manifest"))
            else:
                found = Source(entry.manifest_url, entry.id, entry.trust)
                sources.setdefault(entry.manifest_url, found)
        cursor = page.next_cursor
        if cursor is None or len(sources) >= PROVIDERS_MAX:
            break
    return Named(tuple(sources.values())[:PROVIDERS_MAX], tuple(over[:PROVIDERS_MAX]))


async def listen(
    providers: Providers,
    sources: Sequence[Source],
    compose: Compose,
    *,
    window_ms: int,
    clock: Callable[[], int],
    names_all: bool = False,
) -> list[Heard]:
    """Ask them all, and close the window. One ``Heard`` a provider, in the order of asking.

    ``names_all`` looks up what those the user knows call themselves, to name them as receivers.
    """
    heard = [Heard(source) for source in sources]
    asking = [
        asyncio.create_task(
            _ask(
                providers,
                one,
                compose,
                window_ms=window_ms,
                clock=clock,
                names_it=names_all,
            )
        )
        for one in heard
    ]
    if asking:
        _, late = await asyncio.wait(asking, timeout=window_ms / 1_000)
        for task in late:
            task.cancel()
        await asyncio.gather(*asking, return_exceptions=True)
    for one, task in zip(heard, asking, strict=True):
        if task.cancelled():
            one.why, one.code = f"no answer within {window_ms} ms", "timeout"
        elif (error := task.exception()) is not None:
            # Whatever a stranger brought about, it is that stranger's affair alone.
            one.why, one.code = f"its answer ends in {type(error).__name__}", "internal"
    return heard


async def _ask(
    providers: Providers,
    heard: Heard,
    compose: Compose,
    *,
    window_ms: int,
    clock: Callable[[], int],
    names_it: bool,
) -> None:
    source = heard.source
    try:
        heard.manifest = await providers.manifest(source.manifest_url)
        url = heard.manifest.discover_url
        name = await providers.name_of(url) if names_it and heard.knows(url) else None
        saying = compose(heard, url, name)
        heard.keep(saying.kept, is_sent=True, at_ms=clock())
        answer, came = await providers.post(url, saying.wire, timeout_ms=window_ms)
        if len(came) > OFFER_BYTES_MAX:
            raise WireError(f"its OFFER has {len(came)} bytes, at most {OFFER_BYTES_MAX} are read")
        if isinstance(answer, NoEnvelope):
            heard.why = answer.detail
            return
        heard.keep(came, is_sent=False, at_ms=clock())
        match answer:
            case Failed():
                heard.why = answer.detail
            case Said(envelope=envelope) if envelope.msg_type == OFFER:
                heard.reply, heard.offers = envelope, _offers(envelope)
            case Said(envelope=envelope):
                heard.why = f"a {shown(envelope.msg_type)} answers the DISCOVER"
    except TreatyError as error:
        heard.why, heard.code = error.detail, error.code


def _offers(envelope: Envelope) -> tuple[Offer | Malformed, ...]:
    offers = read_offers(envelope)
    if len(offers) > CONSIDERED_OF_ONE_MAX:
        raise WireError(f"it makes {len(offers)} offers, at most {CONSIDERED_OF_ONE_MAX} are read")
    return offers
