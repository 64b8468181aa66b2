"""The WebSocket binding: a session's log as it grows, and a way to speak in it (B23).

Frames are JSON objects with a ``type``; of a client also one message in MessagePack as a binary
frame. The first frame is ``auth`` with a DPoP proof for this URL. What is said here is judged like
what is posted, by the same host and against the same limits. Frames of a client::

    auth   {dpopProof, lastSequence?}   lastSequence is a position of the log
    send   {envelope}                   an object, or the exact text as a string
    pong   {}

and of the node: ``auth_ok``, ``message``, ``fact``, ``ack``, ``session_state``, ``trust_update``,
``heartbeat``, ``error``. A reader that is not let in hears ``error`` and close code 4001.

Laws: a socket holds a place in the log and nothing else, so a slow reader costs no memory, and
one who does not read is let go; what comes over one socket is judged in its order; whoever may
read no more is told so and let go.

Read next: ``streams``, the same log as server-sent events.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from functools import partial
from typing import Any, Final

from starlette.types import ASGIApp, Receive, Scope, Send

from treaty.dialects.asp.codec import read_document
from treaty.engine.desk import Watch
from treaty.engine.hosted import session_stream
from treaty.engine.ports import Entry
from treaty.errors import Refused, SignatureError, TreatyError, WireError, shown
from treaty.http.asking import Service
from treaty.http.entries import entry_json
from treaty.http.feeds import Pages, beyond_the_end, trust_updates
from treaty.http.limits import Gate
from treaty.http.problems import as_error, problem
from treaty.identity.keys import ProofKey
from treaty.wire import fields
from treaty.wire.canonical import Json, canonical, read_json
from treaty.wire.instants import format_instant
from treaty.wire.packed import is_packed

NOT_LET_IN: Final = 4001
GOING_AWAY: Final = 1001
FAREWELL_S: Final = 1.0
TEXT_FACTOR: Final = 2
"""A message as a string in JSON may be so many times as long as in itself."""
FRAME_EXTRA: Final = 16_384
"""What a frame holds beside a message: a proof, names."""
DEPTH_MAX: Final = 34
"""A message's own nesting, and the frame around it."""


def frame_bytes_max(body_bytes_max: int) -> int:
    """The largest frame that is read, for messages of at most ``body_bytes_max``."""
    return TEXT_FACTOR * body_bytes_max + FRAME_EXTRA


class SessionSocket:
    """One connection of one participant: an ASGI application for a WebSocket."""

    def __init__(self, service: Service, gate: Gate, session: str, url: str) -> None:
        self._service = service
        self._node = service.node
        self._gate = gate
        self._session = session
        self._url = url
        self._address: str | None = None
        self._writing = asyncio.Lock()
        self._state: Json = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve until either side leaves, or the reader may read no more."""
        client = scope.get("client")
        self._address = client[0] if client else None
        try:
            ticket = self._gate.enter(self._address)
        except TreatyError as error:
            await denied(error)(scope, receive, send)
            return
        try:
            ticket.start_stream()
        except TreatyError as error:
            ticket.leave()
            await denied(error)(scope, receive, send)
            return
        try:
            await receive()
            await send({"type": "websocket.accept"})
            await self._serve(receive, send)
        except TreatyError as error:
            await self._let_go(send, error)
        except TimeoutError:
            await self._let_go(send, Refused("nothing was read or said for too long", "timeout"))
        finally:
            ticket.leave()

    async def _let_go(self, send: Send, error: TreatyError) -> None:
        with suppress(TimeoutError):
            await self._write(send, error_frame(error))
            await self._close(send, NOT_LET_IN)

    async def _serve(self, receive: Receive, send: Send) -> None:
        async with asyncio.timeout(self._service.settings.head_ms / 1000):
            first = await _next(receive)
        if first is None:
            return
        key, after = await self._authenticate(first, send)
        watch = self._node.desk.watch(session_stream(self._session))
        self._service.streams.add(watch)
        listening = asyncio.create_task(self._listen(receive, send))
        listening.add_done_callback(lambda _: watch.wake())
        try:
            await self._pump(key, after, watch, listening, send)
        finally:
            listening.cancel()
            self._service.streams.remove(watch)
            watch.close()
        if listening.done() and not listening.cancelled():
            listening.result()
        if self._service.streams.closing:
            await self._close(send, GOING_AWAY)

    async def _authenticate(self, first: str | bytes, send: Send) -> tuple[ProofKey, int]:
        """Who reads, and behind which position. Raises an error of ours."""
        said = self._frame(first)
        if said.get("type") != "auth":
            raise SignatureError("the first frame is `auth`", "proof_invalid")
        after = fields.integer_or(said, "lastSequence") or 0
        token = fields.text_or(said, "dpopProof")
        key = await self._node.readers.check(token, method="GET", url=self._url)
        hosted = await self._node.sessions.reader(self._session, key)
        if after > hosted.state.position:
            raise beyond_the_end(after)
        view = self._node.sessions.view(hosted)
        welcome: dict[str, Json] = {
            "type": "auth_ok",
            "sessionId": self._session,
            "state": view["state"],
            "participants": view["participants"],
            "lastSequence": view["position"],
        }
        self._state = view["state"]
        await self._write(send, canonical(welcome))
        return key, after

    def _frame(self, frame: str | bytes) -> dict[str, Json]:
        """A frame of a client as an object. Raises ``WireError``."""
        if isinstance(frame, bytes):
            raise WireError("a binary frame is a message in MessagePack, and comes after `auth`")
        most = frame_bytes_max(self._service.settings.body_bytes_max)
        said = read_json(frame.encode(), size_max=most, depth_max=DEPTH_MAX, exact_numbers=True)
        if not isinstance(said, dict):
            raise WireError(f"a frame is a JSON object, not {shown(said)}")
        return said

    async def _listen(self, receive: Receive, send: Send) -> None:
        """Take what the client says, one frame after another, until it leaves."""
        while (frame := await _next(receive)) is not None:
            try:
                answer = await self._answer(frame)
                if answer is not None:
                    await self._write(send, answer)
            except OSError:
                # The client has left; nobody is there to be told.
                return

    async def _answer(self, frame: str | bytes) -> bytes | None:
        """What a frame is answered with, if anything. Each counts as a request does."""
        name = None
        try:
            ticket = self._gate.enter(self._address)
            try:
                raw, name = self._said(frame)
                return None if raw is None else await self._submit(raw, name)
            finally:
                ticket.leave()
        except TreatyError as error:
            return error_frame(error, name)
        except Exception as error:  # noqa: BLE001 - this is the rim: logged, and told apart.
            return error_frame(as_error(error), name)

    def _said(self, frame: str | bytes) -> tuple[bytes | None, Json]:
        """The message that a frame carries, and its id as far as it can be told."""
        if isinstance(frame, bytes):
            if not is_packed(frame):
                raise WireError("a binary frame is a message in MessagePack")
            return frame, _id_of(frame)
        said = self._frame(frame)
        if said.get("type") == "pong":
            return None, None
        if said.get("type") != "send":
            raise WireError(f"a frame is `send` or `pong`, not {shown(said.get('type'))}")
        envelope = said.get("envelope")
        if isinstance(envelope, str):
            return envelope.encode(), _id_of(envelope.encode())
        if not isinstance(envelope, dict):
            raise WireError("`envelope` is a message, or its text as a string")
        return canonical(envelope), envelope.get("messageId")

    async def _submit(self, raw: bytes, name: Json) -> bytes:
        """Hand a message in; gives the frame that acknowledges it."""
        receipt = await self._node.sessions.submit(self._session, raw)
        record = read_json(receipt, size_max=len(receipt))
        assert isinstance(record, dict)
        ack: dict[str, Json] = {
            "type": "ack",
            "messageId": name,
            "position": record["position"],
            "hash": record["hash"],
            "receipt": record,
        }
        return canonical(ack)

    async def _pump(
        self,
        key: ProofKey,
        after: int,
        watch: Watch,
        listening: asyncio.Task[None],
        send: Send,
    ) -> None:
        """Tell what is in the log behind a position, and then what comes."""
        loop = asyncio.get_running_loop()
        pause_s = self._service.settings.heartbeat_ms / 1000
        beat_at, news = loop.time() + pause_s, True
        sessions = self._node.sessions
        pages = Pages(partial(sessions.entries, self._session))
        while not listening.done() and not self._service.streams.closing:
            entries: list[Entry] = []
            if news:
                # Asked anew each time: who leaves a session stops seeing it.
                after = max(after, await sessions.since(self._session, key))
                entries = await pages.behind(after)
            for entry in entries:
                after = entry.position
                for frame in entry_frames(entry):
                    await self._write(send, frame)
            if loop.time() >= beat_at:
                await self._write(send, self._beat())
                beat_at = loop.time() + pause_s
            if not entries:
                await self._tell_state(key, after, send)
                news = await watch.wait(max(0.0, beat_at - loop.time()))

    async def _tell_state(self, key: ProofKey, after: int, send: Send) -> None:
        """Tell the session's state once its reader has all that led to it."""
        sessions = self._node.sessions
        view = sessions.view(await sessions.reader(self._session, key))
        if view["position"] == after and view["state"] != self._state:
            previous, self._state = self._state, view["state"]
            told: dict[str, Json] = {
                "type": "session_state",
                "state": self._state,
                "previous": previous,
                "timestamp": view["updatedAt"],
            }
            await self._write(send, canonical(told))

    def _beat(self) -> bytes:
        now = format_instant(self._node.desk.clock())
        return canonical({"type": "heartbeat", "timestamp": now, "state": self._state})

    async def _write(self, send: Send, frame: bytes) -> None:
        """Send one frame; whoever does not read for too long is let go."""
        sending = self._in_turn(send, {"type": "websocket.send", "text": frame.decode()})
        await self._service.streams.sent(sending, self._service.settings.stall_ms / 1000)

    async def _in_turn(self, send: Send, event: dict[str, Any]) -> None:
        async with self._writing:
            await send(event)

    async def _close(self, send: Send, code: int) -> None:
        sending = send({"type": "websocket.close", "code": code})
        await self._service.streams.sent(sending, self._service.settings.stall_ms / 1000)


def _id_of(raw: bytes) -> Json:
    """The id a message names, which is not checked yet; raises ``WireError`` for no document."""
    document = read_document(raw)
    return document.get("messageId") if isinstance(document, dict) else None


async def _next(receive: Receive) -> str | bytes | None:
    """The next frame; None when the client has left."""
    event: Any = await receive()
    if event["type"] != "websocket.receive":
        return None
    text = event.get("text")
    frame: str | bytes = text if text is not None else event["bytes"]
    return frame


def denied(error: TreatyError) -> ASGIApp:
    """Refuse the connection itself, in the words of HTTP."""
    said = problem(error)

    async def refuse(_scope: Scope, receive: Receive, send: Send) -> None:
        head = {"status": said.status_code, "headers": said.raw_headers}
        await send({"type": "websocket.http.response.start", **head})
        await send({"type": "websocket.http.response.body", "body": bytes(said.body)})
        with suppress(TimeoutError):
            # The server takes an application that is done before the connection is for a
            # mistake, and would say so in the log for every stranger.
            async with asyncio.timeout(FAREWELL_S):
                for _ in range(2):
                    await _left(receive)

    return refuse


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "websocket.disconnect":
        pass


def entry_frames(entry: Entry) -> list[bytes]:
    """One entry of the log as frames."""
    kind = b"fact" if entry.raw is None else b"message"
    frames = [b'{"type":"%s",%s' % (kind, entry_json(entry)[1:])]
    if entry.raw is None:
        frames += [canonical({"type": "trust_update", **one}) for one in trust_updates(entry)]
    return frames


def error_frame(error: TreatyError, message_id: Json = None) -> bytes:
    """What was refused, with the problem document that HTTP would answer."""
    document = bytes(problem(error).body)
    told: dict[str, Json] = {"type": "error", "code": error.code, "message": error.detail}
    if error.code == "internal":
        told["message"] = "the node made a mistake; its log says more"
    if message_id is not None:
        told["messageId"] = message_id
    return b'%s,"problem":%s}' % (canonical(told)[:-1], document)
