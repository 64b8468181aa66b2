"""Server-sent events: what is in the store, then what comes, for as long as somebody reads.

A stream holds a place in a log and nothing else. It reads a few entries when its reader has
taken the last ones, so a slow reader costs no memory, and one who stops reading is let go. A
feed asks for permission again before every page: who leaves a session stops seeing it.

Read next: ``feeds`` for what is streamed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping
from typing import Final, Protocol

from starlette.types import Receive, Scope, Send

from treaty.engine.desk import Watch
from treaty.errors import TreatyError
from treaty.http.limits import Settings
from treaty.http.media import EVENTS
from treaty.wire.canonical import Json, canonical

_HEADERS: Final = (
    (b"content-type", EVENTS.encode() + b"; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
    # A proxy that gathers a stream before it passes it on makes it useless.
    (b"x-accel-buffering", b"no"),
)
FAREWELL_S: Final = 1.0
"""How long a reader who does not read is waited for when the server stops."""
_OPENING: Final = b"retry: 1000\n\n"


class Feed(Protocol):
    """Where a stream gets its events from."""

    async def more(self) -> bytes:
        """Events that are there now, a bounded number; empty when there are none.

        Raises an error of ours when the reader may read no more.
        """

    def beat(self) -> bytes:
        """The event that says that all is well and nothing happened."""


def event(name: str, data: bytes, position: int | None = None) -> bytes:
    """One event. ``data`` is JSON without line breaks; ``position`` becomes its id."""
    head = b"" if position is None else b"id: %d\n" % position
    return b"%sevent: %s\ndata: %s\n\n" % (head, name.encode("ascii"), data)


def event_of(name: str, data: Mapping[str, Json]) -> bytes:
    """One event without an id, from plain data."""
    return event(name, canonical(dict(data)))


class Streams:
    """The open streams of one server, so that they can be ended together."""

    def __init__(self) -> None:
        self._watches: set[Watch] = set()
        self._patience: set[asyncio.Timeout] = set()
        self.closing = False

    def add(self, watch: Watch) -> None:
        """A stream begins."""
        self._watches.add(watch)

    def remove(self, watch: Watch) -> None:
        """A stream has ended."""
        self._watches.discard(watch)

    def close(self) -> None:
        """End all streams; readers come back when the node does."""
        self.closing = True
        for watch in self._watches:
            watch.wake()
        soon_s = asyncio.get_running_loop().time() + FAREWELL_S
        for patience in self._patience:
            if not patience.expired():
                patience.reschedule(soon_s)

    async def sent(self, sending: Awaitable[None], stall_s: float) -> None:
        """Wait until a reader takes what is sent: so long, but hardly once the streams end.

        Raises ``TimeoutError``.
        """
        async with asyncio.timeout(FAREWELL_S if self.closing else stall_s) as patience:
            self._patience.add(patience)
            try:
                await sending
            finally:
                self._patience.discard(patience)


class EventStream:
    """The answer that goes on: an ASGI application for one reader."""

    def __init__(self, feed: Feed, watch: Watch, streams: Streams, settings: Settings) -> None:
        self._feed = feed
        self._watch = watch
        self._streams = streams
        self._settings = settings

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        """Stream until the reader leaves, may read no more, or the server stops."""
        self._streams.add(self._watch)
        # The task only waits, so a reader who leaves is noticed while nothing happens.
        leaving = asyncio.create_task(_left(receive))
        leaving.add_done_callback(lambda _: self._watch.wake())
        try:
            await send({"type": "http.response.start", "status": 200, "headers": list(_HEADERS)})
            await self._write(send, _OPENING)
            await self._pump(send, leaving)
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            leaving.cancel()
            self._streams.remove(self._watch)
            self._watch.close()

    async def _pump(self, send: Send, leaving: asyncio.Task[None]) -> None:
        loop = asyncio.get_running_loop()
        pause_s = self._settings.heartbeat_ms / 1000
        beat_at, news = loop.time() + pause_s, True
        while not leaving.done() and not self._streams.closing:
            try:
                # Without news a stream does not look, so one that is quiet costs nothing.
                events = await self._feed.more() if news else b""
            except TreatyError:
                return
            if loop.time() >= beat_at:
                events += self._feed.beat()
                beat_at = loop.time() + pause_s
            if events:
                await self._write(send, events)
            else:
                news = await self._watch.wait(beat_at - loop.time())

    async def _write(self, send: Send, events: bytes) -> None:
        sending = send({"type": "http.response.body", "body": events, "more_body": True})
        await self._streams.sent(sending, self._settings.stall_ms / 1000)


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
