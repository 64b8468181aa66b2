"""Identifiers: UUIDv7 from time and entropy, agent URIs, and the organisation behind a host.

Laws: ids are made from arguments, never from the clock (ASP B2); an agent URI has one spelling;
an organisation is the registrable domain, read from the list shipped with ``publicsuffixlist``.

Read next: ``treaty.identity`` for what proves that a URI belongs to a key.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Final

from publicsuffixlist import PublicSuffixList

from treaty.errors import MisuseError, WireError, shown
from treaty.wire.canonical import Json

UUID_ENTROPY_BYTES: Final = 10
AGENT_URI_BYTES_MAX: Final = 255
AGENT_SCHEME: Final = "agent://"

_AGENT_URIS_CACHED: Final = 4_096

_UUID: Final = re.compile(r"[0-9A-Fa-f]{8}-(?:[0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}")
_LABEL: Final = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
# A last label of digits only would make an IPv4 address look like a domain with an owner.
_HOST: Final = re.compile(rf"(?:{_LABEL}\.)*(?![0-9]+\Z){_LABEL}")
_SEGMENT: Final = re.compile(r"[A-Za-z0-9._~-]+")


def uuid7(at_ms: int, entropy: bytes) -> str:
    """A UUIDv7 (RFC 9562 section 5.7) of a time in ms since the epoch and 10 or more random bytes.

    Raises ``MisuseError`` for a time outside 48 bits or too little entropy.
    """
    if not 0 <= at_ms < 1 << 48:
        raise MisuseError(f"no UUIDv7 holds the time {at_ms} ms")
    if len(entropy) < UUID_ENTROPY_BYTES:
        raise MisuseError(f"a UUIDv7 needs {UUID_ENTROPY_BYTES} random bytes, got {len(entropy)}")
    chance = int.from_bytes(entropy[:UUID_ENTROPY_BYTES], "big")
    rand_a, rand_b = chance >> 68, chance & (1 << 62) - 1
    digits = f"{at_ms << 80 | 7 << 76 | rand_a << 64 | 2 << 62 | rand_b:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def is_uuid(text: Json) -> bool:
    """True for 8-4-4-4-12 hex digits of any version and case (ASP B2)."""
    return isinstance(text, str) and _UUID.fullmatch(text) is not None


@dataclass(frozen=True, slots=True)
class AgentUri:
    """A parsed agent URI; ``path`` is empty or begins with ``/``."""

    text: str
    host: str
    path: str


def parse_agent_uri(text: Json) -> AgentUri:
    """Read ``agent://<host>[/segment…]`` (ASP B2).

    The host is lower-case DNS labels, without a port; segments are ``[A-Za-z0-9._~-]+`` but never
    ``.`` or ``..``; 255 bytes in all. Raises ``WireError`` otherwise.
    """
    if not isinstance(text, str) or not text.startswith(AGENT_SCHEME):
        raise WireError(f"not an agent URI: {shown(text)}")
    if len(text) > AGENT_URI_BYTES_MAX:
        raise WireError(f"agent URI of more than {AGENT_URI_BYTES_MAX} bytes: {shown(text)}")
    return _parsed_agent_uri(text)


@lru_cache(maxsize=_AGENT_URIS_CACHED)
def _parsed_agent_uri(text: str) -> AgentUri:
    """The same few agents are named in every message of their sessions."""
    host, slash, rest = text[len(AGENT_SCHEME) :].partition("/")
    if _HOST.fullmatch(host) is None:
        raise WireError(f"not a lower-case host name: {shown(host)}")
    if slash and not all(_is_segment(segment) for segment in rest.split("/")):
        raise WireError(f"agent URI with a path that is not plain: {shown(text)}")
    return AgentUri(text, host, slash + rest)


def _is_segment(segment: str) -> bool:
    return segment not in (".", "..") and _SEGMENT.fullmatch(segment) is not None


@cache
def _public_suffixes() -> PublicSuffixList:
    # Reading the list takes long enough to be felt at import, and many programs never ask.
    return PublicSuffixList()


@lru_cache(maxsize=4_096)
def registrable_domain(host: str) -> str:
    """The organisation's domain of a lower-case host: the public suffix and one label more.

    Private suffixes (a hosting provider's) count as public, so that tenants are not one
    organisation. A host that is itself a suffix, or a single label, is its own domain.
    """
    return _public_suffixes().privatesuffix(host) or host
