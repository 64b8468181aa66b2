"""Proof of a domain: the agent serves what only its domain could serve (decisions B2, B18).

The agent asks for a token with its key, puts the thumbprint of that key at
``https://<host>/.well-known/treaty-challenge/<token>``, and asks for the check. The node fetches
the page and compares; no third party is believed.

A token is an instant and a keyed digest over it, agent and key, so that nothing is kept of the
tokens that strangers ask for. It lives ten minutes, and no longer than the process.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from treaty.engine.fetching import Fetcher
from treaty.engine.registry import Registry
from treaty.errors import Refused, WireError
from treaty.identity.keys import PublicKey
from treaty.wire.canonical import Json
from treaty.wire.encoding import b64url_decode, b64url_encode
from treaty.wire.ids import parse_agent_uri
from treaty.wire.instants import format_instant

PATH: Final = "/.well-known/treaty-challenge/"
TOKEN_MS: Final = 600_000
PAGE_BYTES_MAX: Final = 1_024
FETCH_MS: Final = 5_000
_TIME_BYTES: Final = 6
_DIGEST_BYTES: Final = 16


@dataclass(frozen=True, slots=True)
class Challenge:
    """What an agent is to serve, where, and until when."""

    token: str
    url: str
    thumbprint: str
    expires_ms: int

    def to_json(self) -> dict[str, Json]:
        """As it is told to the agent."""
        return {
            "token": self.token,
            "url": self.url,
            "thumbprint": self.thumbprint,
            "expires": format_instant(self.expires_ms),
        }


class Domains:
    """Checks domains for one registry."""

    def __init__(
        self,
        registry: Registry,
        *,
        fetcher: Fetcher,
        secret: bytes,
        clock: Callable[[], int],
        port: int = 443,
    ) -> None:
        self._registry = registry
        self._fetcher = fetcher
        self._secret = secret
        self._clock = clock
        self._port = "" if port == 443 else f":{port}"

    def challenge(self, agent: str, key: PublicKey) -> Challenge:
        """What this key is to serve for this agent's domain."""
        expires_ms = self._clock() + TOKEN_MS
        token = b64url_encode(
            expires_ms.to_bytes(_TIME_BYTES, "big") + self._digest(agent, key, expires_ms)
        )
        return Challenge(token, self._url(agent, token), key.key_id, expires_ms)

    def _url(self, agent: str, token: str) -> str:
        return f"https://{parse_agent_uri(agent).host}{self._port}{PATH}{token}"

    def _digest(self, agent: str, key: PublicKey, expires_ms: int) -> bytes:
        said = f"{agent} {key.key_id} {expires_ms}".encode()
        return hmac.digest(self._secret, said, "sha256")[:_DIGEST_BYTES]

    async def prove(self, agent: str, key: PublicKey, token: str) -> dict[str, Json]:
        """Fetch the page and compare; answers what is then known of the agent.

        Raises ``Refused`` (``domain_unproven``) for a token that is not this key's or has run
        out and for a page that does not hold the thumbprint, and as ``Fetcher.fetch`` does.
        """
        self._check_token(agent, key, token)
        page = await self._fetcher.fetch(
            self._url(agent, token),
            bytes_max=PAGE_BYTES_MAX,
            timeout_ms=FETCH_MS,
            # The word must come from the very host, not from wherever it points to.
            redirects_max=0,
            asker=agent,
        )
        if page.status != 200 or page.body.strip() != key.key_id.encode():
            raise Refused(
                f"{page.url} answered {page.status} and not with the thumbprint {key.key_id}",
                "domain_unproven",
            )
        return await self._registry.note_proof(agent, key)

    def _check_token(self, agent: str, key: PublicKey, token: str) -> None:
        try:
            raw = b64url_decode(token)
        except WireError:
            raw = b""
        expires_ms = int.from_bytes(raw[:_TIME_BYTES], "big")
        right = hmac.compare_digest(raw[_TIME_BYTES:], self._digest(agent, key, expires_ms))
        if not right or self._clock() > expires_ms:
            detail = "this is no token of this key for this agent, or not any more"
            raise Refused(detail, "domain_unproven")
