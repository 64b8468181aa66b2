"""Providers and registries of MRP, as a buyer reaches them. All of it is a stranger's word.

Laws:

1. Every request goes through the guarded client: endpoints, status addresses, artifacts and
   sources. This machine is reached only where the user wrote its address down, or allowed it.
2. Nothing of an answer is believed here: it is read leniently and handed on.
3. A file of this machine is looked at only for a provider that runs on it; of its bytes nothing
   leaves but whether they have the stated hash.

Read next: ``treaty.agent.router``; ``guarded`` for where nobody is sent.
"""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import Sequence
from typing import Final
from urllib.parse import unquote, urlencode, urlsplit

from treaty.dialects.mrp.answers import Answer, read_answer
from treaty.dialects.mrp.choices import (
    ENVELOPE_BYTES_MAX,
    ENVELOPE_MEDIA,
    MANIFEST_BYTES_MAX,
    MANIFEST_MEDIA,
)
from treaty.dialects.mrp.entries import REGISTRY_BYTES_MAX, Listing, read_entries
from treaty.dialects.mrp.keysets import KEYS_BYTES_MAX, KEYS_PATH
from treaty.dialects.mrp.manifest import (
    WELL_KNOWN_PATH,
    Manifest,
    read_manifest,
    read_well_known,
    resolve,
)
from treaty.dialects.mrp.rejections import PATH as RECEIPTS_PATH
from treaty.engine.fetching import Fetched, Fetcher
from treaty.errors import Refused, TreatyError, UnavailableError, WireError
from treaty.wire.hosts import is_loopback, read_url

ARTIFACT_BYTES_MAX: Final = 16 * 1024 * 1024
PLAIN_MS: Final = 10_000
RECEIPT_MS: Final = 3_000
PAGE_ENTRIES: Final = 50
ACCEPTED_MEDIA: Final = f"{ENVELOPE_MEDIA}, application/json"
REGISTRY_PATH: Final = "/mrp/registry/query"


class MrpClient:
    """Reaches providers through one fetcher and the sources they cite through another."""

    def __init__(self, providers: Fetcher, sources: Fetcher) -> None:
        self._providers = providers
        self._sources = sources

    async def manifest(self, url: str) -> Manifest:
        """Fetch and read a manifest; of a bare origin the one its well-known file names.

        Raises ``WireError``, ``Refused``, ``UnavailableError``.
        """
        accept = f"{MANIFEST_MEDIA}, application/json"
        if read_url(url).target == "/":
            place = f"{read_url(url).origin}{WELL_KNOWN_PATH}"
            known = await self._get(place, accept, MANIFEST_BYTES_MAX)
            url = read_well_known(known.body, known.url).manifest_url
        answer = await self._get(url, accept, MANIFEST_BYTES_MAX)
        return read_manifest(answer.body, answer.url)

    async def listing(self, registry: str, capability: str | None, cursor: str | None) -> Listing:
        """One page of a registry's entries. Raises as ``manifest``."""
        query = {"limit": str(PAGE_ENTRIES)}
        query |= {"capability": capability} if capability else {}
        query |= {"cursor": cursor} if cursor else {}
        url = f"{registry.rstrip('/')}{REGISTRY_PATH}?{urlencode(query)}"
        answer = await self._get(url, "application/json", REGISTRY_BYTES_MAX)
        return read_entries(answer.body)

    async def post(self, url: str, raw: bytes, *, timeout_ms: int) -> tuple[Answer, bytes]:
        """Post an envelope; the answer as it was read, and its bytes. Redirects are answers.

        Raises ``Refused`` and ``UnavailableError`` when there is none.
        """
        answer = await self._providers.fetch(
            url,
            method="POST",
            headers={"content-type": ENVELOPE_MEDIA, "accept": ACCEPTED_MEDIA},
            body=raw,
            bytes_max=ENVELOPE_BYTES_MAX,
            timeout_ms=timeout_ms,
            redirects_max=0,
        )
        return read_answer(answer.status, answer.body), answer.body

    async def job(self, url: str) -> tuple[Answer, bytes]:
        """Ask how a job stands. Raises as ``post``."""
        answer = await self._providers.fetch(
            url,
            headers={"accept": ACCEPTED_MEDIA},
            bytes_max=ENVELOPE_BYTES_MAX,
            timeout_ms=PLAIN_MS,
            redirects_max=0,
        )
        return read_answer(answer.status, answer.body), answer.body

    async def name_of(self, url: str) -> str | None:
        """What the provider at the origin of a URL calls itself; None where it says nothing."""
        place = f"{read_url(url).origin}{WELL_KNOWN_PATH}"
        try:
            answer = await self._get(place, "application/json", MANIFEST_BYTES_MAX)
            return read_well_known(answer.body, answer.url).provider
        except (UnavailableError, Refused, WireError):
            return None

    async def leave(self, url: str, raw: bytes) -> bool:
        """Leave a receipt at the origin of a URL; True when it was taken. Raises as ``post``."""
        answer = await self._providers.fetch(
            f"{read_url(url).origin}{RECEIPTS_PATH}",
            method="POST",
            headers={"content-type": "application/json"},
            body=raw,
            bytes_max=KEYS_BYTES_MAX,
            timeout_ms=RECEIPT_MS,
            redirects_max=0,
        )
        return answer.is_success

    async def keys(self, url: str) -> bytes | None:
        """The key set at the origin of a URL as it is served; None where there is none."""
        place = f"{read_url(url).origin}{KEYS_PATH}"
        try:
            answer = await self._get(place, "application/json", KEYS_BYTES_MAX)
        except (UnavailableError, Refused):
            return None
        return answer.body

    async def artifact(self, uri: str, base_url: str) -> bytes | str:
        """The bytes of an artifact, or why there are none. ``base_url`` is whence it is named."""
        try:
            if urlsplit(uri).scheme == "file":
                return await _file_beside(uri, base_url)
            url = resolve(uri, base_url)
            return (await self._get(url, "*/*", ARTIFACT_BYTES_MAX)).body
        except (TreatyError, ValueError) as error:
            return getattr(error, "detail", "it is no address")

    async def source(self, url: str, domains: Sequence[str]) -> bytes | str:
        """A source as it is now, or why it cannot be fetched."""
        try:
            answer = await self._sources.fetch(
                url, bytes_max=ARTIFACT_BYTES_MAX, allowed_domains=domains
            )
        except TreatyError as error:
            return error.detail
        return answer.body if answer.is_success else f"{url} answers {answer.status}"

    async def _get(self, url: str, accept: str, bytes_max: int) -> Fetched:
        answer = await self._providers.fetch(
            url, headers={"accept": accept}, bytes_max=bytes_max, timeout_ms=PLAIN_MS
        )
        if not answer.is_success:
            raise UnavailableError(f"{url} answers {answer.status}")
        return answer


async def _file_beside(uri: str, base_url: str) -> bytes | str:
    """A file that a provider on this machine names."""
    if not _is_here(base_url):
        return "a file of the provider's own machine, which cannot be reached"
    parts = urlsplit(uri)
    if parts.netloc not in ("", "localhost"):
        raise WireError("a file of another machine")
    return await asyncio.to_thread(_read_file, unquote(parts.path))


def _is_here(url: str) -> bool:
    place = read_url(url)
    literal = place.literal
    return place.host == "localhost" if literal is None else is_loopback(literal)


def _read_file(path: str) -> bytes | str:
    try:
        # Not blocking: a stranger may name a pipe or a terminal.
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    except (OSError, ValueError):
        return "a file that cannot be read here"
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            return "no plain file"
        with open(handle, "rb", closefd=False) as file:
            content = file.read(ARTIFACT_BYTES_MAX + 1)
    finally:
        os.close(handle)
    return content if len(content) <= ARTIFACT_BYTES_MAX else "a file too large to be checked"
