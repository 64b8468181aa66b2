"""The one client for everything that is fetched on a stranger's word.

Laws:

1. A name is resolved here and the connection goes to an address that was checked, so a name
   that means something else a moment later changes nothing. Host and certificate stay the name's.
2. Every address a name has must be public, else none is tried. Loopback needs a switch, and an
   origin the operator wrote down himself may be anywhere.
3. Each redirect is a new URL and is checked as the first was, its domain too.
4. Bytes are counted as they come out of decompression, time from the first name to the last
   byte. Fetches beyond the limit wait, and their waiting counts.
5. No proxy, cookie or credential of the environment is used.
6. What is fetched for a named asker is paced: each hop has a connection of its own, which is
   counted for the name and for the address it goes to.

Read next: ``treaty.wire.hosts``, the rules; ``treaty.http.pinned``, the connections.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import AsyncIterable, Collection, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final, Self

import httpcore

from treaty.engine.fetching import FETCH_BYTES_MAX, FETCH_MS, REDIRECTS_MAX, Fetched
from treaty.errors import MisuseError, Refused, UnavailableError, shown
from treaty.http.inflating import Inflated, UnreadableError
from treaty.http.pinned import PinnedBackend, Resolve, Rules
from treaty.http.targets import PER_MINUTE, Targets
from treaty.wire.hosts import Place, follow, is_within, read_url

FETCHES_MAX: Final = 32
"""Fetches under way at once; more wait."""
IDLE_S: Final = 5.0
HEADER_BYTES_MAX: Final = 8_192
HEADERS_MAX: Final = 32

_ASKER: ContextVar[str] = ContextVar("asker")
"""On whose word the connection is that is being made."""

_METHODS: Final = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))
_REDIRECTS: Final = frozenset((301, 302, 303, 307, 308))
_KEEPS_METHOD: Final = frozenset((307, 308))
_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE: Final = re.compile(r"[\t -~\x80-\xff]*")
# They frame the message or choose whom it is for; the client alone writes them.
_OWN: Final = frozenset(
    (
        *("host", "connection", "content-length", "transfer-encoding", "upgrade", "te", "trailer"),
        *("expect", "keep-alive", "accept-encoding", "proxy-authorization", "proxy-connection"),
    )
)
# Carried to another origin by a redirect. Any other header may be a secret of the first one.
_CARRIED: Final = frozenset(("accept", "accept-language", "user-agent"))


@dataclass(frozen=True, slots=True)
class _Step:
    """One request of a fetch."""

    place: Place
    method: str
    headers: tuple[tuple[str, str], ...]
    body: bytes | None
    asker: str | None


class GuardedClient:
    """Fetches for strangers. One per process is enough; it is closed at the end.

    ``allow_loopback`` lets URLs lead to this machine. ``trusted`` are origins such as
    ``http://10.0.0.5:8080`` that an operator wrote down: they may have any unicast address, a
    redirect away from them may not. ``resolve`` and ``tls`` are for tests and private
    authorities; by default the system's resolver and the public authorities. ``per_minute`` is
    how often one host, and one address, is asked on the word of all askers together.
    """

    def __init__(
        self,
        *,
        allow_loopback: bool = False,
        trusted: Collection[str] = (),
        resolve: Resolve | None = None,
        tls: ssl.SSLContext | None = None,
        fetches_max: int = FETCHES_MAX,
        per_minute: int = PER_MINUTE,
    ) -> None:
        places = frozenset((one.host, one.port) for one in map(_origin, trusted))
        self._rules = Rules(allow_loopback, places)
        self._backend = PinnedBackend(self._rules, resolve)
        self._targets = Targets(per_minute)
        self._paced = PinnedBackend(self._rules, resolve, self._admit)
        self._tls = tls
        self._fetches_max = fetches_max
        self._slots = asyncio.Semaphore(fetches_max)
        self._pools: dict[tuple[str, bool], httpcore.AsyncConnectionPool] = {}

    async def fetch(
        self,
        url: str,
        *,
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        bytes_max: int = FETCH_BYTES_MAX,
        timeout_ms: int = FETCH_MS,
        allowed_domains: Sequence[str] = (),
        redirects_max: int = REDIRECTS_MAX,
        asker: str | None = None,
    ) -> Fetched:
        """Fetch a URL; see ``treaty.engine.fetching.Fetcher``."""
        if method not in _METHODS:
            raise MisuseError(f"not a method that is sent: {shown(method)}")
        step = _Step(self._place(url, allowed_domains), method, _headers(headers), body, asker)
        try:
            async with asyncio.timeout(timeout_ms / 1000), self._slots:
                return await self._follow(step, bytes_max, allowed_domains, redirects_max)
        except TimeoutError:
            raise UnavailableError(
                f"{shown(url)} did not answer wholly within {timeout_ms} ms", "fetch_timeout"
            ) from None

    async def close(self) -> None:
        """Let go of connections."""
        while self._pools:
            await self._pools.popitem()[1].aclose()
        self._backend.close()
        self._paced.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _follow(
        self, step: _Step, bytes_max: int, domains: Sequence[str], redirects_max: int
    ) -> Fetched:
        hops: list[str] = []
        while True:
            answer = await self._ask(step, bytes_max)
            if answer.status not in _REDIRECTS or redirects_max == 0:
                return replace(answer, hops=tuple(hops))
            hops.append(step.place.url)
            if len(hops) > redirects_max:
                raise Refused(f"more than {redirects_max} redirects", "redirect_refused")
            step = self._redirected(step, answer, domains)

    def _place(self, url: str, domains: Sequence[str]) -> Place:
        return self._checked(read_url(url), domains)

    def _checked(self, place: Place, domains: Sequence[str]) -> Place:
        if not is_within(place.host, domains):
            raise Refused(
                f"{shown(place.host)} is none of the domains agreed on", "domain_forbidden"
            )
        self._rules.check_host(place.host, place.port)
        return place

    def _redirected(self, step: _Step, answer: Fetched, domains: Sequence[str]) -> _Step:
        location = answer.headers.get("location", "")
        if not location:
            raise Refused("a redirect names no place", "redirect_refused")
        place = self._checked(follow(step.place, location), domains)
        if step.place.scheme == "https" and place.scheme == "http":
            raise Refused(f"a redirect leaves https for {shown(place.url)}", "scheme_forbidden")
        is_kept = answer.status in _KEEPS_METHOD or step.method in ("GET", "HEAD")
        method, body = (step.method, step.body) if is_kept else ("GET", None)
        headers = tuple(one for one in step.headers if is_kept or one[0] != "content-type")
        if place.origin != step.place.origin:
            if body is not None:
                raise Refused(
                    f"a redirect would carry the request to {place.origin}", "redirect_refused"
                )
            headers = tuple(pair for pair in headers if pair[0] in _CARRIED)
        return _Step(place, method, headers, body, step.asker)

    async def _ask(self, step: _Step, bytes_max: int) -> Fetched:
        request = httpcore.Request(
            step.method,
            step.place.url,
            headers=[*step.headers, *_framing(step)],
            content=step.body,
        )
        _ASKER.set(step.asker or "")
        pool = self._opened(step.place.scheme, paced=step.asker is not None)
        try:
            response = await pool.handle_async_request(request)
            try:
                return await _read(step, response, bytes_max)
            finally:
                await response.aclose()
        except _FAULTS as error:
            why = str(error) or type(error).__name__
            raise UnavailableError(
                f"{step.place.origin} cannot be read: {shown(why)}", "fetch_failed"
            ) from error

    def _admit(self, place: str) -> None:
        """Refuse (``rate_limited``) one connection too many; the asker is given a slot instead."""
        now_ms = asyncio.get_running_loop().time() * 1_000
        wait_ms = self._targets.wait_ms(place, _ASKER.get(), now_ms)
        if wait_ms:
            raise Refused(
                f"{shown(place)} is asked as often as it may be",
                "rate_limited",
                data={"retryAfterMs": wait_ms},
            )

    def _opened(self, scheme: str, *, paced: bool) -> httpcore.AsyncConnectionPool:
        """The pool of a scheme, made at its first fetch: reading the authorities takes a while."""
        if (scheme, paced) not in self._pools:
            is_secure = scheme == "https"
            self._pools[scheme, paced] = httpcore.AsyncConnectionPool(
                ssl_context=self._tls or httpcore.default_ssl_context() if is_secure else _NO_TLS,
                max_connections=self._fetches_max,
                # A connection that was kept would be asked again without being counted.
                max_keepalive_connections=0 if paced else self._fetches_max,
                keepalive_expiry=IDLE_S,
                network_backend=self._paced if paced else self._backend,
            )
        return self._pools[scheme, paced]


# Trusts nobody: a pool without TLS cannot be talked into it.
_NO_TLS: Final = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)

_FAULTS: Final = (
    httpcore.NetworkError,
    httpcore.ProtocolError,
    httpcore.TimeoutException,
    UnreadableError,
    OSError,
)


def _origin(text: str) -> Place:
    place = read_url(text)
    if place.target != "/":
        raise MisuseError(f"an origin has no path: {shown(text)}")
    return place


def _headers(given: Mapping[str, str] | None) -> tuple[tuple[str, str], ...]:
    found = [(name.lower(), value) for name, value in (given or {}).items()]
    if sum(len(name) + len(value) for name, value in found) > HEADER_BYTES_MAX:
        raise Refused(f"headers have at most {HEADER_BYTES_MAX} bytes", "header_forbidden")
    for name, value in found:
        if len(found) > HEADERS_MAX or name in _OWN or not _NAME.fullmatch(name):
            raise Refused(f"the header {shown(name)} may not be set", "header_forbidden")
        if not _VALUE.fullmatch(value):
            raise Refused(f"the header {name} holds what is not sent", "header_forbidden")
    return tuple(found)


def _framing(step: _Step) -> tuple[tuple[str, str], ...]:
    place = step.place
    own = [("host", place.origin.partition("://")[2]), ("accept-encoding", "gzip")]
    named = {name for name, _ in step.headers}
    own += [pair for pair in (("user-agent", "treaty"), ("accept", "*/*")) if pair[0] not in named]
    if step.body is not None:
        own.append(("content-length", str(len(step.body))))
    return tuple(own)


async def _read(step: _Step, response: httpcore.Response, bytes_max: int) -> Fetched:
    headers = _joined(response.headers)
    body = b""
    if response.status not in _REDIRECTS and step.method != "HEAD":
        encoding = headers.get("content-encoding", "")
        body = await _body(response, Inflated(encoding, bytes_max), step.place)
    return Fetched(
        status=response.status,
        headers=MappingProxyType(headers),
        body=body,
        url=step.place.url,
    )


async def _body(response: httpcore.Response, inflated: Inflated, place: Place) -> bytes:
    stream = response.stream
    assert isinstance(stream, AsyncIterable)
    async for chunk in stream:
        if not inflated.feed(chunk):
            raise UnavailableError(
                f"{place.origin} answers with more than {inflated.bytes_max} bytes",
                "answer_too_large",
            )
    return inflated.whole()


def _joined(raw: Sequence[tuple[bytes, bytes]]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for name, value in raw:
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        headers[key] = f"{headers[key]}, {text}" if key in headers else text
    return headers
