"""What providers publish here: an entry each, listed once its owner has shown the domain is theirs.

A provider submits the address of its manifest and gets a token; it serves a text under that token
at its own origin; the registry fetches the text, then the manifest, and lists what that says. What
is fetched is fetched through the guarded port, without following a redirect.

Laws:

1. A token is good for one address, until another is given for the same address or a day is over.
2. Nothing but what was fetched from the proven origin is listed as published. Entries that the
   operator lists stand beside them and say so.
3. A token of our own origin needs no fetch: the node knows what it would serve.

Read next: ``treaty.dialects.mrp.listing`` for the form of an entry.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import Final, Protocol

from treaty.engine.desk import Desk, Kind, Transaction
from treaty.engine.fetching import Fetched, Fetcher
from treaty.engine.ports import Entry, Nonce, Unit
from treaty.errors import Refused, TreatyError, shown
from treaty.identity.keys import PublicKey, read_public_key
from treaty.wire import fields
from treaty.wire.canonical import Json, canonical, read_json
from treaty.wire.digest import sha256
from treaty.wire.encoding import b64url_encode
from treaty.wire.hosts import read_url

STREAM: Final = "publication"
PUBLISHED: Final = "published"
ENTRIES_MAX: Final = 100_000
PAGE_MAX: Final = 100
TOKEN_MS: Final = 86_400_000
NEWEST_MAX: Final = 10_000
"""Addresses of which it is remembered which token is the newest."""
TOKEN_BYTES: Final = 24
CHALLENGE_PATH: Final = "/.well-known/mrp-registry-challenge/"
CHALLENGE_BYTES_MAX: Final = 4_096
MANIFEST_BYTES_MAX: Final = 262_144
FETCH_MS: Final = 5_000
GOT_CHARS_MAX: Final = 200
_TOKENS: Final = "service/challenge"
_SERVED: Final = "service/served"


class Publisher(Protocol):
    """What the registry asks of the dialect."""

    def entry(self, manifest: bytes, url: str) -> Mapping[str, Json]:
        """What a manifest at this address says of its provider. Raises ``WireError``."""

    def keys(self, raw: bytes, at_ms: int) -> Sequence[Json]:
        """The keys a provider shows at its origin, as JWKs. Raises ``WireError``."""

    def fits(self, entry: Mapping[str, Json], capability: str | None, policy: str | None) -> bool:
        """True for an entry that has both."""


@dataclass(frozen=True, slots=True)
class Challenge:
    """What a provider has to serve, and where."""

    token: str
    expected: str
    url: str


@dataclass(frozen=True, slots=True)
class Published:
    """An entry and the keys that were shown beside it."""

    entry: Mapping[str, Json]
    keys: tuple[Json, ...]


def _fold(_before: Published | None, entry: Entry, _parsed: object) -> Published:
    body = read_json(entry.body, size_max=len(entry.body))
    assert isinstance(body, dict)
    return Published(fields.obj(body, "entry"), tuple(fields.items(body, "keys")))


class Publications:
    """The registry of providers of one node."""

    def __init__(
        self,
        desk: Desk,
        publisher: Publisher,
        fetcher: Fetcher,
        *,
        own: Sequence[Mapping[str, Json]],
        own_origin: str,
        listed: Sequence[Mapping[str, Json]] = (),
    ) -> None:
        self._desk = desk
        self._publisher = publisher
        self._fetcher = fetcher
        self._own = own
        self._own_origin = read_url(own_origin).origin
        self._listed = listed
        self._published: dict[str, Published] = {}
        self._keys: dict[str, PublicKey] = {}
        self._newest: OrderedDict[str, str] = OrderedDict()
        """Address -> the token given last, since this process began."""
        desk.register(STREAM, Kind(lambda _stream: None, _fold))

    async def load(self) -> None:
        """Load what was published."""
        after = ""
        while names := await self._desk.store.streams(f"{STREAM}/", after):
            for stream in names:
                self._enter(stream, await self._desk.state(stream))
                self._desk.forget(stream)
            after = names[-1]

    def key(self, key_id: str) -> PublicKey | None:
        """A key that a provider has shown at its proven origin."""
        return self._keys.get(key_id)

    def _enter(self, stream: str, published: Published) -> None:
        self._published[stream] = published
        for one in published.keys:
            key = read_public_key(one)
            self._keys[key.key_id] = key

    def query(
        self, capability: str | None, policy: str | None, limit: int, after: int
    ) -> tuple[list[Mapping[str, Json]], int | None]:
        """A page of entries that fit, and where the next one begins."""
        published = (one.entry for one in self._published.values())
        fitting = (
            one
            for one in chain(self._own, self._listed, published)
            if self._publisher.fits(one, capability, policy)
        )
        page = list(islice(fitting, after, after + limit + 1))
        return page[:limit], after + limit if len(page) > limit else None

    async def submit(self, url: str) -> Challenge:
        """Begin to publish a manifest. Raises ``Refused`` for a URL nobody fetches."""
        # Bridges of real peers have manifests at addresses with spaces in them.
        place = read_url(url.replace(" ", "%20"))
        if len(self._published) >= ENTRIES_MAX:
            raise Refused("this registry is full", "capacity_unavailable")
        token = b64url_encode(self._desk.entropy(TOKEN_BYTES))
        at_ms = self._desk.clock()
        value = canonical({"url": place.url})
        nonce = Nonce(_TOKENS, token, at_ms + TOKEN_MS, value)
        await self._desk.store.commit(Unit(nonces=(nonce,)))
        self._newest[place.url] = token
        self._newest.move_to_end(place.url)
        if len(self._newest) > NEWEST_MAX:
            self._newest.popitem(last=False)
        return _challenge(token, place.url)

    async def verify(self, token: str) -> Mapping[str, Json]:
        """List the entry of a token whose text is served; returns it.

        Raises ``Refused`` (``not_found``, ``challenge_not_found``, ``challenge_mismatch`` …) and
        ``WireError`` for a manifest that is none.
        """
        url = await self._address_of(token)
        challenge = _challenge(token, url)
        if self._is_own(url):
            return self._own_entry(url)
        await self._check_shown(challenge)
        manifest = await self._fetch(url, "application/mrp-manifest+json, application/json")
        if not manifest.is_success:
            detail = f"the manifest is answered with {manifest.status}"
            raise Refused(detail, "challenge_not_found", data=_told(challenge))
        entry = self._publisher.entry(manifest.body, url)
        await self._publish(url, entry, await self._keys_at(url))
        return entry

    async def _address_of(self, token: str) -> str:
        stored = await self._desk.store.nonce(_TOKENS, token) if _is_token(token) else None
        if stored is None:
            raise Refused("no such token was given, or its time is over", "not_found")
        body = read_json(stored)
        assert isinstance(body, dict)
        url = fields.text(body, "url")
        if self._newest.get(url, token) != token:
            raise Refused("a newer token was given for this manifest", "not_found")
        return url

    def _own_entry(self, url: str) -> Mapping[str, Json]:
        for entry in self._own:
            if entry.get("manifest_url") == url:
                return entry
        raise Refused("this node has no such manifest", "not_found")

    async def _check_shown(self, challenge: Challenge) -> None:
        got = await self._fetch(challenge.url, "text/plain")
        data = _told(challenge)
        if not got.is_success:
            detail = f"{challenge.url} is answered with {got.status}"
            raise Refused(detail, "challenge_not_found", data=data)
        text = got.body.decode("utf-8", "replace")
        if text.removesuffix("\n").removesuffix("\r") != challenge.expected:
            told = {**data, "got": text[:GOT_CHARS_MAX]}
            raise Refused("another text is served", "challenge_mismatch", data=told)

    async def _fetch(self, url: str, accept: str) -> Fetched:
        return await self._fetcher.fetch(
            url,
            headers={"accept": accept},
            bytes_max=MANIFEST_BYTES_MAX,
            timeout_ms=FETCH_MS,
            redirects_max=0,
        )

    async def _keys_at(self, url: str) -> Sequence[Json]:
        """The keys shown at an origin; none where it shows none that can be read."""
        try:
            got = await self._fetch(f"{read_url(url).origin}/.well-known/mrp-keys.json", "*/*")
            return self._publisher.keys(got.body, self._desk.clock()) if got.is_success else ()
        except TreatyError:
            return ()

    async def _publish(self, url: str, entry: Mapping[str, Json], keys: Sequence[Json]) -> None:
        stream = f"{STREAM}/{sha256(url.encode()).hex()}"
        published = Published(entry, tuple(keys))

        def decide(transaction: Transaction) -> None:
            if transaction.state(stream) == published:
                return
            body: dict[str, Json] = {
                "url": url,
                "entry": dict(entry),
                "keys": list(keys),
                "at": transaction.now_ms,
            }
            transaction.append(stream, PUBLISHED, canonical(body))
            transaction.afterwards(lambda: self._enter(stream, published))

        await self._desk.transact((stream,), decide)
        self._desk.forget(stream)

    def _is_own(self, url: str) -> bool:
        return read_url(url).origin == self._own_origin

    async def serve(self, token: str, expected: str) -> None:
        """Serve a text for another registry, for a day. The operator asks for this."""
        if not _is_token(token) or len(expected) > CHALLENGE_BYTES_MAX:
            raise Refused(f"no token of a registry: {shown(token)}", "malformed")
        until_ms = self._desk.clock() + TOKEN_MS
        nonce = Nonce(_SERVED, token, until_ms, expected.encode())
        try:
            await self._desk.store.commit(Unit(nonces=(nonce,)))
        except Refused:
            if await self._desk.store.nonce(_SERVED, token) != expected.encode():
                raise

    async def served(self, token: str) -> str:
        """The text under a token at this node. Raises ``Refused`` (``not_found``)."""
        if _is_token(token):
            stored = await self._desk.store.nonce(_SERVED, token)
            if stored is not None:
                return stored.decode()
            if self._is_own(await self._address_of(token)):
                return _challenge(token, self._own_origin).expected
        raise Refused("there is no such token", "not_found")


def _challenge(token: str, url: str) -> Challenge:
    shown_at = read_url(url).origin + CHALLENGE_PATH + token
    return Challenge(token, f"mrp-registry-challenge={token}", shown_at)


def _told(challenge: Challenge) -> dict[str, Json]:
    return {"challenge_url": challenge.url, "expected": challenge.expected}


def _is_token(text: str) -> bool:
    plain = text.replace("-", "").replace("_", "")
    return 8 <= len(text) <= 128 and plain.isascii() and plain.isalnum()
