"""Signatures checked beside the event loop, in a process of their own, many at a time.

Reading a counter-offer and recovering its signer is a third of what one costs, hash, signature
and proof a third of a session's message, and all that is needed are the bytes. A thread does not
spare it: the interpreter runs one at a time, and a signature is too small to be worth two changes
of threads. So a loaded node hands what waits at this moment to a second process as one message,
and takes what was verified there back as one message.

Laws:

1. Only a yes is believed. Whatever was not verified there, for whatever reason, is verified by
   whoever asked; so one place says no, and no fault of the process is ever an answer.
2. The process gets no key, no policy and none of the environment's secrets. It ends with the
   connection, so it does not outlive the node.
3. What waits is bounded; an answer that takes too long ends the process and is not waited for.

A few at a time are verified where they are: the way there and back costs more than it spares.
Read next: ``verifier``, the other end; ``treaty.engine.quotes`` and ``sessions``, which ask.
"""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Callable
from typing import Final, cast

from treaty.app.verifier import (
    TX_CHARS,
    Setup,
    counter_item,
    framed,
    frames,
    heard_of,
    message_item,
    read_rows,
    write_items,
    write_setup,
)
from treaty.dialects.actp.dialect import ACTP, Heard
from treaty.engine.quote_dialect import QuoteDialect
from treaty.identity.keys import PublicKey
from treaty.wire.canonical import Json

CORES_LEAST: Final = 3
LOADED_FROM: Final = 4
"""Requests under way from which on the second process is asked."""
WAITING_MAX: Final = 256
BODY_BYTES_MAX: Final = 8_192
"""Larger ones are rare and are verified here, so that a message stays small."""
FRAMES_MAX: Final = 2
"""Frames under way; what comes meanwhile leaves together. One is looked at, one waits its turn."""
ANSWER_S: Final = 2.0
BROKEN_MAX: Final = 3
"""A process that broke off so often is not started again."""
PROGRAM: Final = "from treaty.app.verifier import main; main()"
SECRETS: Final = "TREATY_"
"""Begins the names of the variables that the process does not get."""

Complain = Callable[[str], None]
Waiting = asyncio.Future[Json]


class Verifying:
    """The node's end: starts the process when it is first worth it, and outlives its faults."""

    def __init__(self, dialect: ACTP | None, complain: Complain) -> None:
        setup = Setup() if dialect is None else Setup(dialect.chains, dialect.limits)
        self._setup = write_setup(setup)
        self._complain = complain
        self._items: list[bytes] = []
        self._waiting: list[Waiting] = []
        """Who waits for the items, which leave at the end of this turn of the loop."""
        self._line: _Line | None = None
        self._broken = 0
        self.handed_over = 0
        """How many items were sent there, for whoever measures."""

    async def counter(
        self, raw: bytes, chain_id: int, tx_id: str, at_ms: int, under_way: int
    ) -> Heard | None:
        """A counter, read and verified; None says to do it here.

        ``under_way`` is how many counters wait for anything now.
        """
        odd = len(tx_id) != TX_CHARS or not tx_id.isascii()
        if odd or not self._takes(raw, under_way):
            return None
        return heard_of(await self._ask(counter_item(raw, chain_id, tx_id, at_ms)))

    async def message(
        self, raw: bytes, key: PublicKey, at_ms: int, base_url: str, under_way: int
    ) -> bool:
        """True for a session's message whose hash, signature and proof hold by this one key.

        False says to find out here.
        """
        if not self._takes(raw, under_way):
            return False
        return await self._ask(message_item(raw, key, at_ms, base_url)) is True

    def _ask(self, item: bytes) -> Waiting:
        loop = asyncio.get_running_loop()
        waiting: Waiting = loop.create_future()
        if not self._items:
            loop.call_soon(self._send)
        self._items.append(item)
        self._waiting.append(waiting)
        self.handed_over += 1
        return waiting

    async def ready(self) -> bool:
        """Start the process if there is none, and wait until it takes items or has ended."""
        if self._line is None:
            self._start()
        return self._line is not None and await self._line.ready

    def close(self) -> None:
        """End the process, for good."""
        self._broken = BROKEN_MAX
        if self._line is not None:
            self._line.end()

    def _takes(self, raw: bytes, under_way: int) -> bool:
        if under_way < LOADED_FROM or len(raw) > BODY_BYTES_MAX:
            return False
        line = self._line
        if line is None:
            self._start()
            return False
        return line.takes and line.waiting + len(self._items) < WAITING_MAX

    def _start(self) -> None:
        if self._broken >= BROKEN_MAX:
            return
        try:
            self._line = _Line(self._setup, self._send, self._ended)
        except OSError:
            self._ended()

    def _send(self) -> None:
        line = self._line
        if not self._items or (line is not None and line.frames >= FRAMES_MAX):
            # With the next answer.
            return
        items, waiting = self._items, self._waiting
        self._items, self._waiting = [], []
        if line is None:
            _give_back(waiting)
        else:
            line.send(items, waiting)

    def _ended(self) -> None:
        self._line = None
        self._send()
        if self._broken < BROKEN_MAX:
            self._broken += 1
            self._complain("the process that checks signatures broke off; it is done here now")


class _Line(asyncio.Protocol):
    """One process and the connection to it."""

    def __init__(
        self, setup: bytes, on_answer: Callable[[], None], on_end: Callable[[], None]
    ) -> None:
        self.waiting = 0
        self.ready: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._setup = setup
        self._on_answer = on_answer
        self._on_end = on_end
        self._sent: deque[list[Waiting]] = deque()
        self._buffer = bytearray()
        self._timer: asyncio.TimerHandle | None = None
        self._transport: asyncio.WriteTransport | None = None
        ours, theirs = socket.socketpair()
        self._process = _started(ours, theirs)
        loop = asyncio.get_running_loop()
        self._connecting = loop.create_task(loop.create_unix_connection(lambda: self, sock=ours))

    @property
    def takes(self) -> bool:
        """True while items can be sent there."""
        return self._transport is not None and self.ready.done() and self.ready.result()

    @property
    def frames(self) -> int:
        """How many frames are not answered yet."""
        return len(self._sent)

    @property
    def pid(self) -> int:
        """The process."""
        return self._process.pid

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Say what it has to know; it answers when it is ready."""
        # uvloop's transports are of no class of asyncio's.
        self._transport = cast(asyncio.WriteTransport, transport)
        self._transport.write(framed(self._setup))
        self._sent.append([])

    def send(self, items: list[bytes], waiting: list[Waiting]) -> None:
        """Hand over some items as one message."""
        if self._transport is None:
            _give_back(waiting)
            return
        self._transport.write(framed(write_items(items)))
        self._sent.append(waiting)
        self.waiting += len(waiting)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(ANSWER_S, self.end)

    def data_received(self, data: bytes) -> None:
        """Tell those whose items were looked at."""
        self._buffer += data
        for frame in frames(self._buffer):
            # What cannot be read ends the connection, and everybody is given back what is his.
            answered = tuple(zip(self._sent[0], read_rows(frame), strict=True))
            self._sent.popleft()
            self.waiting -= len(answered)
            self._stop_timer()
            if not self.ready.done():
                self.ready.set_result(True)
            for one, row in answered:
                if not one.done():
                    one.set_result(row)
            self._on_answer()
        if self._sent and self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(ANSWER_S, self.end)

    def connection_lost(self, _error: Exception | None) -> None:
        """Give everything back."""
        self._transport = None
        self.end()
        for waiting in self._sent:
            _give_back(waiting)
        self._sent.clear()
        if not self.ready.done():
            self.ready.set_result(False)
        self._on_end()

    def end(self) -> None:
        """Hang up, and end the process if that is not enough."""
        self._stop_timer()
        if self._transport is not None:
            self._transport.abort()
        self._process.kill()
        self._process.wait()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def open_verifying(dialect: QuoteDialect | None, complain: Complain) -> Verifying | None:
    """The node's end where it helps; two cores are busy with node, disk and clients."""
    assert dialect is None or isinstance(dialect, ACTP)
    return Verifying(dialect, complain) if (os.cpu_count() or 1) >= CORES_LEAST else None


def _started(ours: socket.socket, theirs: socket.socket) -> subprocess.Popen[bytes]:
    """The process at the other end. Raises ``OSError``; then neither end is left open."""
    with theirs:
        try:
            return subprocess.Popen(  # noqa: S603 - this interpreter, on our own words.
                (sys.executable, "-c", PROGRAM),
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                env=_environment(),
            )
        except OSError:
            ours.close()
            raise


def _give_back(waiting: list[Waiting]) -> None:
    for one in waiting:
        if not one.done():
            one.set_result(None)


def _environment() -> dict[str, str]:
    """Where to find this program, and nothing that is secret."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(SECRETS)}
    return {**kept, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
