"""Real sockets on loopback that answer as a test says, and count who connects."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

Write = Callable[[bytes], Awaitable[None]]
Answer = Callable[["Asked", Write], Awaitable[None]]


@dataclass(frozen=True)
class Asked:
    """A request as it came."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Pages:
    """A server: what it was asked, and how often somebody connected."""

    port: int = 0
    asked: list[Asked] = field(default_factory=list)
    connections: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


def page(body: bytes | str, status: int = 200, **headers: str) -> bytes:
    """A whole answer; underscores in header names become dashes."""
    raw = body.encode() if isinstance(body, str) else body
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    named = {"content-type": "text/html", "content-length": str(len(raw)), **named}
    lines = [f"{name}: {value}" for name, value in named.items()]
    return "\r\n".join([f"HTTP/1.1 {status} X", *lines, "", ""]).encode("latin-1") + raw


@asynccontextmanager
async def pages(
    answers: dict[str, bytes] | Answer, tls: ssl.SSLContext | None = None
) -> AsyncIterator[Pages]:
    """Serve answers by path, or whatever the function writes."""
    served = Pages()
    tasks: set[asyncio.Task] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        served.connections += 1
        tasks.add(asyncio.current_task())
        ended = (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError)
        with suppress(*ended):
            while True:
                await _answer(reader, writer, served, answers)
        writer.transport.abort()
        with suppress(asyncio.CancelledError):
            # The loop lets go of the socket in its next round.
            await asyncio.sleep(0)

    server = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=tls)
    served.port = server.sockets[0].getsockname()[1]
    try:
        yield served
    finally:
        server.close()
        # Whoever connected a moment ago gets a task in the next rounds of the loop.
        for _ in range(4):
            await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _answer(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    served: Pages,
    answers: dict[str, bytes] | Answer,
) -> None:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").splitlines()
    method, target, _ = head[0].split(" ")
    headers = {
        name.lower(): value.strip()
        for name, _, value in (line.partition(":") for line in head[1:] if line)
    }
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    asked = Asked(method, target, headers, body)
    served.asked.append(asked)
    if callable(answers):

        async def write(raw: bytes) -> None:
            writer.write(raw)
            await writer.drain()

        await answers(asked, write)
    else:
        writer.write(answers.get(target.partition("?")[0], page("nothing here", 404)))
        await writer.drain()
