"""A provider's quote channel over HTTP, as a buyer reaches it: ours, and the peer's daemon.

Laws:

1. Nothing of an answer is believed here: a reply is decoded strictly and handed on; whoever
   asked verifies its signature and what it binds to.
2. ``reply`` absent and ``reply`` null differ: a daemon that signs says null when it signs
   nothing, the peer's daemon knows no such member and signs nothing ever.
3. An answer is read for ten seconds and up to 128 KiB, redirects are not followed, and a refusal
   comes back as the error of ours with the same code.

An address is http or https without credentials. Which hosts may be asked is the caller's
affair: names are not resolved and checked here, so an address from a stranger must not be given
(spec 2.3).

Read next: ``treaty.agent.quotes``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

import httpx

from treaty.dialects.actp.codec import decode_envelope
from treaty.dialects.actp.messages import Message
from treaty.errors import (
    REASONS,
    MisuseError,
    Reason,
    Refused,
    SignatureError,
    TreatyError,
    UnavailableError,
    WireError,
    shown,
)
from treaty.wire import fields
from treaty.wire.canonical import Json, read_json

ANSWER_BYTES_MAX: Final = 128 * 1024
ANSWER_S: Final = 10.0
CONNECT_S: Final = 5.0
DETAIL_CHARS_MAX: Final = 300

# What a status stands for where the answer names no code of ours, as the peer's never does.
_BY_STATUS: Final[Mapping[int, str]] = {
    400: "malformed",
    401: "signature_invalid",
    403: "unauthorized",
    404: "not_found",
    405: "method_not_allowed",
    408: "timeout",
    409: "duplicate",
    410: "proposal_expired",
    413: "too_large",
    422: "policy_violation",
    429: "rate_limited",
}
_DATA: Final = frozenset(("next_nonce", "max_ttl", "retryAfterMs"))
"""Members of a refusal that say what to do better."""


@dataclass(frozen=True, slots=True)
class QuoteReply:
    """What came back for a counter-offer; ``reply`` is decoded and not verified."""

    is_repeat: bool
    action: str
    """The verdict's word, ``ACCEPT``, ``COUNTER`` or ``REJECT``; nobody signed it."""
    signs: bool
    """True when the daemon is one that signs its answers."""
    reply: Message | None


class QuoteClient:
    """One provider's quote channel."""

    def __init__(self, base_url: str, *, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self.base_url = check_url(base_url)
        self._http = httpx.AsyncClient(
            transport=transport,
            trust_env=False,
            follow_redirects=False,
            timeout=httpx.Timeout(ANSWER_S, connect=CONNECT_S),
            headers={"accept-encoding": "identity", "user-agent": "treaty"},
        )

    async def ask(self, raw: bytes) -> Message:
        """Send a request for a quote; the quote comes back, not verified.

        Raises ``Refused`` (``quote_declined`` ...), ``UnavailableError`` for what is no answer.
        """
        answer = await self._post("/actp/quote-requests", raw)
        try:
            return decode_envelope(answer)
        except WireError as error:
            raise self._foreign(error.detail) from error

    async def counter(self, chain_id: int, tx_id: str, raw: bytes) -> QuoteReply:
        """Send a counter-offer in its envelope.

        Raises ``Refused`` (``nonce_conflict`` with ``data["next_nonce"]`` ...), ``WireError``,
        ``SignatureError``, and ``UnavailableError`` for what is no answer.
        """
        answer = await self._post(f"/quote-channel/{chain_id}/{tx_id}", raw)
        try:
            return _reply_of(answer)
        except WireError as error:
            raise self._foreign(error.detail) from error

    async def read(self, chain_id: int, tx_id: str, authorization: str) -> dict[str, Json]:
        """The negotiation as the provider keeps it, for its parties (9.6)."""
        path = f"/quote-channel/{chain_id}/{tx_id}"
        return await self._send("GET", path, None, {"authorization": authorization})

    async def close(self) -> None:
        """Let go of connections."""
        await self._http.aclose()

    async def _post(self, path: str, body: bytes) -> dict[str, Json]:
        return await self._send("POST", path, body, {"content-type": "application/json"})

    async def _send(
        self, method: str, path: str, body: bytes | None, headers: dict[str, str]
    ) -> dict[str, Json]:
        status, raw = await fetch(
            self._http, method, self.base_url + path, body=body, headers=headers
        )
        try:
            document = read_json(raw, size_max=ANSWER_BYTES_MAX)
        except WireError:
            document = None
        if status not in (200, 201):
            raise refusal(self.base_url, status, document)
        if not isinstance(document, dict):
            raise self._foreign("its answer is no JSON object")
        return document

    def _foreign(self, why: str) -> UnavailableError:
        return UnavailableError(f"{self.base_url} is no quote channel: {why}")


async def fetch(
    http: httpx.AsyncClient,
    method: str,
    url: str,
    *,
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    bytes_max: int = ANSWER_BYTES_MAX,
) -> tuple[int, bytes]:
    """One request and its whole answer within bounds. Raises ``UnavailableError``."""
    request = http.build_request(method, url, content=body, headers=dict(headers or {}))
    answer = b""
    try:
        response = await http.send(request, stream=True)
        try:
            async for chunk in response.aiter_raw():
                answer += chunk
                if len(answer) > bytes_max:
                    raise UnavailableError(f"{url} answers with more than {bytes_max} bytes")
        finally:
            await response.aclose()
    except httpx.HTTPError as error:
        why = str(error) or type(error).__name__
        raise UnavailableError(f"{url} cannot be reached: {why}") from error
    return response.status_code, answer


def check_url(url: str) -> str:
    """An address that may be asked, without a slash at its end.

    Raises ``MisuseError`` for another scheme than http or https, credentials, a query, a
    fragment, and for what is no address.
    """
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - reading it is what checks it
    except ValueError:
        raise MisuseError(f"not an address: {shown(url)}") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise MisuseError(f"an address begins with http:// or https://, not {shown(url)}")
    if "@" in parts.netloc or parts.query or parts.fragment or "\\" in url:
        raise MisuseError("an address has no credentials, query or fragment")
    if not url.isascii() or any(one <= " " for one in url):
        raise MisuseError(f"not an address: {shown(url)}")
    return url.rstrip("/")


def refusal(url: str, status: int, document: Json) -> TreatyError:
    """The error of ours that an answer with this status stands for."""
    stated = document if isinstance(document, dict) else {}
    detail = _detail(stated) or f"{url} answered {status}"
    code = stated.get("code")
    if isinstance(code, str) and code.isascii() and 0 < len(code) <= fields.ID_CHARS_MAX:
        reason = REASONS.get(code) or Reason(code, status)
    elif status >= 500:
        reason = REASONS["unavailable"]
    else:
        reason = REASONS[_BY_STATUS.get(status, "unspecified")]
    data: dict[str, Any] = {name: stated[name] for name in _DATA & stated.keys()}
    if status in (400, 413, 415):
        return WireError(detail, reason, data=data)
    if status == 401:
        return SignatureError(detail, reason, data=data)
    if status >= 500 or status < 400:
        return UnavailableError(detail, reason, data=data)
    return Refused(detail, reason, data=data)


def _detail(stated: Mapping[str, Json]) -> str:
    for name in ("reason", "detail", "error"):
        text = stated.get(name)
        if isinstance(text, str):
            return text[:DETAIL_CHARS_MAX]
    return ""


def _reply_of(answer: Mapping[str, Json]) -> QuoteReply:
    if answer.get("accepted") is not True:
        raise WireError("it does not say that it took the counter-offer")
    verdict = fields.obj_or(answer, "verdict") or {}
    reply = fields.obj_or(answer, "reply")
    return QuoteReply(
        is_repeat=fields.flag(answer, "duplicate"),
        action=(fields.text_or(verdict, "action") or "")[:16],
        signs="reply" in answer,
        reply=None if reply is None else decode_envelope(reply),
    )
