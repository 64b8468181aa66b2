"""What a node or capability asks of the world when it needs a page: the port, and its answer.

The adapter is ``treaty.http.guarded``, which decides where nobody is sent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

FETCH_BYTES_MAX: Final = 2 * 1024 * 1024
FETCH_MS: Final = 10_000
REDIRECTS_MAX: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """An answer, whatever its status; the body is decoded from its transfer, not from its text."""

    status: int
    headers: Mapping[str, str]
    """By lower-case name; a header that came several times is joined with commas."""
    body: bytes
    url: str
    """Where the answer came from, after redirects."""
    hops: tuple[str, ...] = ()
    """The URLs that led there, the first being the one asked for; empty without redirects."""

    @property
    def is_success(self) -> bool:
        """True for 2xx."""
        return 200 <= self.status < 300

    @property
    def media_type(self) -> str:
        """The declared type in lower case without parameters; empty when none was declared."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()


class Fetcher(Protocol):
    """Fetches on a stranger's word, within limits."""

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
        """Fetch a URL; an answer of any status comes back.

        ``allowed_domains`` holds for every hop; empty allows all. With ``redirects_max`` 0 a
        redirect is an answer. With an ``asker``, on whose word it is done, hosts and addresses are
        asked only so often. Raises ``Refused`` (``rate_limited`` with ``retryAfterMs``,
        ``url_invalid``, ``scheme_forbidden``,
        ``address_forbidden``, ``domain_forbidden``, ``header_forbidden``, ``redirect_refused``)
        and ``UnavailableError`` (``fetch_failed``, ``fetch_timeout``, ``answer_too_large``).
        """
