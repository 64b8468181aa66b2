"""A node over HTTP, as an agent reaches it (the SDK's ``NodeClient``).

Every request may be sent again when its answer was lost: reads prove themselves anew, and a
node answers the same bytes the same. So a node that is killed and comes back within the budget
is not noticed. What the node refuses comes back as the error it raised; see ``remote``.
"""

from __future__ import annotations

import asyncio
import re
import secrets
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from typing import Final, TypeVar
from urllib.parse import quote, urlencode

import httpx

from treaty.engine.items import InboxItem, LogItem, Page
from treaty.errors import MisuseError, TreatyError, UnavailableError, WireError, shown
from treaty.http.handing import Handing, segment
from treaty.http.media import EVENTS, JSON, MESSAGE, MESSAGE_PACKED
from treaty.http.remote import (
    ANSWER_BYTES_MAX,
    DEPTH_MAX,
    Answer,
    inbox_item,
    inbox_page_of,
    log_item,
    page_of,
)
from treaty.http.sse import Event, Reader
from treaty.identity.dpop import header_proof, normal_url
from treaty.identity.keys import Signer
from treaty.wire.canonical import Json, canonical, read_json
from treaty.wire.packed import is_packed

BUDGET_MS: Final = 10_000
PAUSE_S: Final = 0.05
PAUSE_MOST_S: Final = 1.0
CONNECT_S: Final = 5.0
ANSWER_S: Final = 15.0
SILENCE_S: Final = 45.0
"""Three heartbeats that did not come end a stream."""
CONNECTIONS_MAX: Final = 256
JTI_BYTES: Final = 16

T = TypeVar("T")

_LOOPBACK: Final = re.compile(
    r"https?://(localhost|127(\.[0-9]{1,3}){3}|\[::1\])(:[0-9]+)?(/|\Z)", re.IGNORECASE
)

_LOG_EVENTS: Final = frozenset(("message", "fact"))
_NO_INBOX_EVENT: Final = "heartbeat"


@dataclass(frozen=True, slots=True)
class _Request:
    """What is sent, as often as it takes."""

    method: str
    path: str
    query: str = ""
    body: bytes | None = None
    proven: bool = False
    accept: str = "*/*"


class HttpNode(Handing):
    """One node, asked on behalf of one agent.

    ``base_url`` is where requests go. Proofs name the node's public address: ``public_url``
    if given, else what the node itself states. A node elsewhere than on this machine must state
    the address it was reached at: with another one it could spend the agent's proofs there.
    Requests that find nobody are repeated for ``budget_ms`` in all.
    """

    def __init__(
        self,
        base_url: str,
        signer: Signer,
        agent_uri: str,
        *,
        transport: httpx.AsyncBaseTransport | None = None,
        clock: Callable[[], int] | None = None,
        budget_ms: int = BUDGET_MS,
        public_url: str | None = None,
    ) -> None:
        if normal_url(base_url) is None:
            raise MisuseError(f"not the address of a node: {shown(base_url)}")
        self._base = base_url.rstrip("/")
        self._signer = signer
        self._agent = agent_uri
        self._clock = clock or _now_ms
        self._budget_s = budget_ms / 1000
        self._public = public_url
        self._http = httpx.AsyncClient(
            transport=transport,
            trust_env=False,
            follow_redirects=False,
            timeout=httpx.Timeout(ANSWER_S, connect=CONNECT_S),
            limits=httpx.Limits(max_connections=CONNECTIONS_MAX),
            headers={"accept-encoding": "identity", "user-agent": "treaty"},
        )

    async def describe(self) -> dict[str, Json]:
        """The node's card, URL, endpoints, key and operator."""
        return await self._get("/.well-known/asp.json")

    async def register(self, card: Mapping[str, Json]) -> dict[str, Json]:
        """Register a card; returns it with its listing."""
        return await self._post("/v1/asp/agents", canonical(dict(card)))

    async def card(self, agent: str) -> dict[str, Json]:
        """An agent's listed card."""
        return await self._get(f"/v1/asp/agents/{segment(agent)}/card")

    async def trust(self, agent: str) -> dict[str, Json]:
        """An agent's score, level and components."""
        return await self._get(f"/v1/asp/agents/{segment(agent)}/trust")

    async def trust_log(self, start: int, end: int, size: int | None = None) -> dict[str, Json]:
        """Records of the trust log with proofs under a signed head, as of a size if given."""
        as_of = "" if size is None else f"&size={size}"
        return await self._get("/v1/trust/log", f"?from={start}&to={end}{as_of}")

    async def discover(self, raw: bytes) -> bytes:
        """Ask a signed QUERY; returns the signed INFORM as received."""
        return (await self._ask(_Request("POST", "/v1/asp/discover", body=raw))).body

    async def look(self, filters: Mapping[str, Json]) -> dict[str, Json]:
        """Discovery that nobody signs (B19), for a first look; filters as in a QUERY."""
        query = urlencode({name: str(value) for name, value in filters.items()}, quote_via=quote)
        return await self._get("/v1/asp/discover", f"?{query}")

    async def open_session(self, raw: bytes) -> dict[str, Json]:
        """Send an invitation; returns the signed receipt."""
        return await self._post("/v1/asp/sessions", raw)

    async def send(self, session: str, raw: bytes) -> dict[str, Json]:
        """Send a message; returns the signed receipt.

        ``Refused`` (``chain_stale``) carries ``data["missed"]``, a list of ``LogItem``, and
        ``data["more"]``.
        """
        return await self._post(f"{_session(session)}/messages", raw)

    async def session(self, session: str) -> dict[str, Json]:
        """The session as its host sees it."""
        return await self._get(_session(session), proven=True)

    async def entries(self, session: str, after: int, limit: int = 200) -> Page:
        """Log entries behind a position."""
        query = f"?after={after}&limit={limit}"
        request = _Request("GET", f"{_session(session)}/messages", query, proven=True)
        answer = await self._ask(request)
        try:
            return page_of(answer.json())
        except WireError as error:
            raise answer.foreign() from error

    async def events(self, session: str, after: int) -> AsyncIterator[LogItem]:
        """Log entries behind a position as they come; ends when the connection does."""
        path = f"{_session(session)}/events"
        async with aclosing(self._stream(path, after)) as events:
            async for event in events:
                if event.name in _LOG_EVENTS:
                    yield _read(event, log_item)

    async def inbox(self, after: int) -> AsyncIterator[InboxItem]:
        """The agent's own inbox behind a position as it comes; ends when the connection does."""
        path = f"/v1/asp/agents/{segment(self._agent)}/inbox"
        async with aclosing(self._stream(path, after)) as events:
            async for event in events:
                if event.name != _NO_INBOX_EVENT:
                    yield _read(event, partial(inbox_item, event.name, event.id))

    async def inbox_page(self, after: int) -> tuple[tuple[InboxItem, ...], bool]:
        """What the agent's inbox holds behind a position now, and whether there is more."""
        path = f"/v1/asp/agents/{segment(self._agent)}/inbox"
        request = _Request("GET", path, f"?after={after}", proven=True, accept=JSON)
        answer = await self._ask(request)
        try:
            return inbox_page_of(answer.json())
        except WireError as error:
            raise answer.foreign() from error

    async def revoke(self, agent: str, record: Mapping[str, Json]) -> dict[str, Json]:
        """Hand in a revocation signed by the agent's next key."""
        return await self._post(
            f"/v1/asp/agents/{segment(agent)}/revocations", canonical({**record})
        )

    async def proofs(self, agent: str) -> dict[str, Json]:
        """What is known of a name: proven, contended, what is revoked."""
        return await self._get(f"/v1/asp/agents/{segment(agent)}/proofs")

    async def prove(self, agent: str, token: str | None = None) -> dict[str, Json]:
        """Ask for a token to prove the agent's domain with, or for the check of one."""
        path = f"/v1/asp/agents/{segment(agent)}/proofs"
        body = canonical({} if token is None else {"token": token})
        return (await self._ask(_Request("POST", path, body=body, proven=True))).json()

    async def statement(self, agent: str | None = None) -> dict[str, Json]:
        """The agent's own accounts and movements; another's for the operator."""
        path = f"/v1/ledger/accounts/{segment(agent or self._agent)}"
        return await self._get(path, proven=True)

    async def close(self) -> None:
        """Let go of connections."""
        await self._http.aclose()

    async def _get(self, path: str, query: str = "", *, proven: bool = False) -> dict[str, Json]:
        return (await self._ask(_Request("GET", path, query, proven=proven))).json()

    async def _post(self, path: str, body: bytes) -> dict[str, Json]:
        return (await self._ask(_Request("POST", path, body=body))).json()

    async def _ask(self, request: _Request) -> Answer:
        """Ask until there is an answer or the budget is used up; raises the node's error."""
        patience = _Patience(self._budget_s)
        while True:
            try:
                response = await self._send(request, ANSWER_S)
                answer = await _whole(response)
            except httpx.TransportError as error:
                await patience.pause(self._unreachable(error))
                continue
            if answer.good:
                return answer
            if not answer.busy:
                raise answer.error()
            await patience.pause(answer.error(), answer.wait_s)

    async def _stream(self, path: str, after: int) -> AsyncGenerator[Event, None]:
        """Events until the connection ends, however it ends."""
        response = await self._open_stream(_Request("GET", path, f"?after={after}", proven=True))
        reader = Reader()
        try:
            async for chunk in response.aiter_raw():
                for event in reader.feed(chunk):
                    yield event
        except httpx.TransportError:
            return
        except WireError as error:
            raise _foreign(error) from error
        finally:
            await response.aclose()

    async def _open_stream(self, request: _Request) -> httpx.Response:
        patience = _Patience(self._budget_s)
        while True:
            try:
                response = await self._send(request, SILENCE_S)
                if response.status_code == 200 and _media_type(response) == EVENTS:
                    return response
                answer = await _whole(response)
            except httpx.TransportError as error:
                await patience.pause(self._unreachable(error))
                continue
            if not answer.busy:
                raise answer.error()
            await patience.pause(answer.error(), answer.wait_s)

    async def _send(self, request: _Request, silence_s: float) -> httpx.Response:
        headers = {"accept": request.accept}
        if request.body is not None:
            headers["content-type"] = MESSAGE_PACKED if is_packed(request.body) else MESSAGE
        if request.proven:
            headers["dpop"] = await self._proof(request)
        built = self._http.build_request(
            request.method,
            self._base + request.path + request.query,
            content=request.body,
            headers=headers,
            timeout=httpx.Timeout(silence_s, connect=CONNECT_S),
        )
        return await self._http.send(built, stream=True)

    async def _proof(self, request: _Request) -> str:
        """A fresh proof; it names the node's public address, wherever the request goes (B6)."""
        if self._public is None:
            self._public = await self._stated_url()
        return header_proof(
            self._signer,
            method=request.method,
            url=self._public + request.path,
            jti=secrets.token_urlsafe(JTI_BYTES),
            at_ms=self._clock(),
        )

    async def _stated_url(self) -> str:
        stated = (await self.describe()).get("url")
        if not isinstance(stated, str) or not (
            normal_url(stated) == normal_url(self._base) or _LOOPBACK.match(self._base)
        ):
            raise UnavailableError(
                f"the node at {self._base} says that its address is {shown(stated)}: connect to "
                "that address, or have its operator set its public URL"
            )
        return stated.rstrip("/")

    def _unreachable(self, error: httpx.TransportError) -> UnavailableError:
        why = str(error) or type(error).__name__
        return UnavailableError(f"no node can be reached at {self._base}: {why}")


class _Patience:
    """Waits between attempts, longer each time, until a budget is used up."""

    def __init__(self, budget_s: float) -> None:
        self._until = _loop_time() + budget_s
        self._pause_s = PAUSE_S

    async def pause(self, error: TreatyError, wait_s: float | None = None) -> None:
        """Wait as long as was asked, or a little longer than last time.

        Raises ``error`` when the budget does not last so long.
        """
        if wait_s is None:
            wait_s = self._pause_s
            self._pause_s = min(2 * wait_s, PAUSE_MOST_S)
        if _loop_time() + wait_s > self._until:
            raise error
        await asyncio.sleep(wait_s)


async def _whole(response: httpx.Response) -> Answer:
    """Read an answer to its end, within bounds, and give its connection back."""
    try:
        body = b""
        async for chunk in response.aiter_raw():
            body += chunk
            if len(body) > ANSWER_BYTES_MAX:
                raise UnavailableError(
                    f"{response.url} answers with more than {ANSWER_BYTES_MAX} bytes"
                )
    finally:
        await response.aclose()
    return Answer(
        str(response.url),
        response.status_code,
        _media_type(response),
        body,
        response.headers.get("retry-after"),
    )


def _media_type(response: httpx.Response) -> str:
    stated: str = response.headers.get("content-type", "")
    return stated.partition(";")[0].strip().lower()


def _read(event: Event, reading: Callable[[Json], T]) -> T:
    try:
        return reading(read_json(event.data, size_max=len(event.data), depth_max=DEPTH_MAX))
    except WireError as error:
        raise _foreign(error) from error


def _foreign(error: WireError) -> UnavailableError:
    return UnavailableError(f"a stream holds what no treaty node sends: {error.detail}")


def _session(session: str) -> str:
    return f"/v1/asp/sessions/{segment(session)}"


def _loop_time() -> float:
    return asyncio.get_running_loop().time()


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
