"""A client of one MCP server over its standard input and output: start it, list, call.

JSON-RPC 2.0, one message a line. The server is a program the operator named; its lines are
foreign all the same: bounded, read strictly, matched to requests by id, everything else ignored.

Laws:

1. The server is started when it is first needed, in a small environment without this program's
   secrets, and started again when it has ended and is needed once more.
2. Every request has a time limit; one that is given up is cancelled at the server.
3. When the server ends, all that waited for it fails with ``backend_failed``.

Read next: ``tools``, which makes capabilities of its tools.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Final

from treaty.errors import Refused, UnavailableError, WireError, shown
from treaty.wire import fields
from treaty.wire.canonical import Json, read_json

LINE_BYTES_MAX: Final = 4 * 1024 * 1024
DEPTH_MAX: Final = 128
START_MS: Final = 20_000
CALL_MS: Final = 50_000
STOP_MS: Final = 2_000
PAGES_MAX: Final = 50
TOOLS_MAX: Final = 500
WAITING_MAX: Final = 64
"""Calls under way at once; more wait."""
DETAIL_CHARS_MAX: Final = 300

VERSION: Final = "2025-06-18"
VERSIONS: Final = frozenset(("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"))
METHOD_NOT_FOUND: Final = -32_601

# What a program needs to run at all; nothing of ours is among them.
_PASSED: Final = ("PATH", "HOME", "LANG", "LC_ALL", "LOGNAME", "SHELL", "TERM", "TMPDIR", "USER")


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool as its server lists it."""

    name: str
    description: str
    schema: dict[str, Json]


@dataclass(slots=True)
class _Running:
    """A started server."""

    process: asyncio.subprocess.Process
    reading: asyncio.Task[None]
    waiting: dict[int, asyncio.Future[dict[str, Json]]] = field(default_factory=dict)

    @property
    def is_alive(self) -> bool:
        """True while its answers are read."""
        return not self.reading.done()


class McpServer:
    """One server. ``environment`` is passed to it beside the few names every program gets."""

    def __init__(
        self, command: Sequence[str], environment: Mapping[str, str] | None = None
    ) -> None:
        self._command = tuple(command)
        self._environment = dict(environment or {})
        self._ids = count(1)
        self._starting = asyncio.Lock()
        self._places = asyncio.Semaphore(WAITING_MAX)
        self._running: _Running | None = None

    async def tools(self) -> tuple[Tool, ...]:
        """All tools. Raises ``UnavailableError`` (``backend_failed``)."""
        found: list[Tool] = []
        cursor: Json = None
        for _ in range(PAGES_MAX):
            page = await self._ask("tools/list", {"cursor": cursor} if cursor else {}, START_MS)
            listed = page.get("tools")
            found += [_tool(one) for one in (listed if isinstance(listed, list) else [])]
            cursor = page.get("nextCursor")
            if not isinstance(cursor, str) or not cursor or len(found) >= TOOLS_MAX:
                break
        return tuple(found[:TOOLS_MAX])

    async def call(self, name: str, arguments: Mapping[str, Json]) -> dict[str, Json]:
        """Call a tool; its result as it is, errors of its own included.

        Raises ``Refused`` (``backend_refused``) when the server refuses the call, and
        ``UnavailableError`` (``backend_failed``).
        """
        parameters: dict[str, Json] = {"name": name, "arguments": dict(arguments)}
        async with self._places:
            return await self._ask("tools/call", parameters, CALL_MS)

    async def close(self) -> None:
        """End the server: its input is closed, and it is killed when it does not end by itself."""
        running, self._running = self._running, None
        if running is None:
            return
        process = running.process
        assert process.stdin is not None
        process.stdin.close()
        try:
            async with asyncio.timeout(STOP_MS / 1000):
                await process.wait()
        except TimeoutError:
            _kill(process)
            await process.wait()
        running.reading.cancel()
        with suppress(asyncio.CancelledError):
            await running.reading

    async def _ask(
        self, method: str, parameters: dict[str, Json], limit_ms: int
    ) -> dict[str, Json]:
        try:
            async with asyncio.timeout(limit_ms / 1000):
                running = await self._started()
                return await self._request(running, method, parameters)
        except TimeoutError:
            raise _failed(f"no answer to {method} within {limit_ms} ms") from None

    async def _started(self) -> _Running:
        async with self._starting:
            if self._running is not None and self._running.is_alive:
                return self._running
            await self.close()
            running = await self._start()
            self._running = running
            try:
                await self._greet(running)
            except BaseException:
                _kill(running.process)
                raise
            return running

    async def _start(self) -> _Running:
        try:
            process = await asyncio.create_subprocess_exec(
                *self._command,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                env={**_passed(), **self._environment},
                limit=LINE_BYTES_MAX,
                # Ctrl-C is for the node, which ends its server itself.
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            raise _failed(f"{shown(self._command[0])} cannot be started") from error
        waiting: dict[int, asyncio.Future[dict[str, Json]]] = {}
        reading = asyncio.create_task(_read_all(process, waiting), name="mcp")
        return _Running(process, reading, waiting)

    async def _greet(self, running: _Running) -> None:
        parameters: dict[str, Json] = {
            "protocolVersion": VERSION,
            "capabilities": {},
            "clientInfo": {"name": "treaty", "version": "0.1"},
        }
        answer = await self._request(running, "initialize", parameters)
        if not fields.is_one_of(answer.get("protocolVersion"), VERSIONS):
            raise _failed(f"it speaks MCP {shown(answer.get('protocolVersion'))}")
        await _send(running.process, {"method": "notifications/initialized"})

    async def _request(
        self, running: _Running, method: str, parameters: dict[str, Json]
    ) -> dict[str, Json]:
        number = next(self._ids)
        future: asyncio.Future[dict[str, Json]] = asyncio.get_running_loop().create_future()
        running.waiting[number] = future
        try:
            await _send(running.process, {"id": number, "method": method, "params": parameters})
            if not running.is_alive:
                raise _failed("it ended")
            return _outcome(await future)
        except asyncio.CancelledError:
            cancelled: dict[str, Json] = {"requestId": number, "reason": "given up"}
            with suppress(UnavailableError):
                _write(running.process, {"method": "notifications/cancelled", "params": cancelled})
            raise
        finally:
            running.waiting.pop(number, None)


async def _read_all(
    process: asyncio.subprocess.Process, waiting: dict[int, asyncio.Future[dict[str, Json]]]
) -> None:
    """Read lines until there are no more; then everything that waits fails."""
    assert process.stdout is not None
    try:
        while line := await process.stdout.readline():
            _take(process, waiting, line)
    except ValueError:
        # A line longer than is read: the server is not to be understood any more.
        _kill(process)
    finally:
        for future in waiting.values():
            if not future.done():
                future.set_exception(_failed("it ended"))


def _take(
    process: asyncio.subprocess.Process,
    waiting: Mapping[int, asyncio.Future[dict[str, Json]]],
    line: bytes,
) -> None:
    try:
        message = read_json(line.strip(), size_max=LINE_BYTES_MAX, depth_max=DEPTH_MAX)
    except WireError:
        message = _unread(line)
    if not isinstance(message, dict):
        return
    ident = message.get("id")
    if "method" in message:
        if ident is not None:
            _write(process, _reply(message["method"], ident))
    elif isinstance(ident, int) and ident in waiting and not waiting[ident].done():
        waiting[ident].set_result(message)


def _unread(line: bytes) -> dict[str, Json] | None:
    """An answer for whoever waits for a line that JSON as we read it cannot hold, or None."""
    try:
        ident = json.loads(line)["id"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    return {"id": ident} if isinstance(ident, int) else None


def _reply(method: Json, ident: Json) -> dict[str, Json]:
    """The answer to a request of the server's: it may ask whether we are there, nothing else."""
    if method == "ping":
        return {"id": ident, "result": {}}
    return {"id": ident, "error": {"code": METHOD_NOT_FOUND, "message": "not offered"}}


def _outcome(message: dict[str, Json]) -> dict[str, Json]:
    error = message.get("error")
    if isinstance(error, dict):
        text = str(error.get("message"))[:DETAIL_CHARS_MAX]
        raise Refused(f"the server refuses: {shown(text)}", "backend_refused")
    result = message.get("result")
    if not isinstance(result, dict):
        raise _failed("its answer is no result")
    return result


def _write(process: asyncio.subprocess.Process, message: dict[str, Json]) -> None:
    assert process.stdin is not None
    if process.stdin.is_closing():
        raise _failed("it ended")
    process.stdin.write(json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n")


async def _send(process: asyncio.subprocess.Process, message: dict[str, Json]) -> None:
    _write(process, message)
    assert process.stdin is not None
    try:
        await process.stdin.drain()
    except ConnectionError as error:
        raise _failed("it ended") from error


def _tool(listed: Any) -> Tool:
    stated = listed if isinstance(listed, dict) else {}
    name, description, schema = (stated.get(one) for one in ("name", "description", "inputSchema"))
    if not isinstance(name, str) or not name:
        raise _failed("it lists a tool without a name")
    return Tool(
        name,
        description if isinstance(description, str) else "",
        schema if isinstance(schema, dict) else {},
    )


def _passed() -> dict[str, str]:
    return {name: os.environ[name] for name in _PASSED if name in os.environ}


def _kill(process: asyncio.subprocess.Process) -> None:
    with suppress(ProcessLookupError):
        process.kill()


def _failed(why: str) -> UnavailableError:
    return UnavailableError(f"the MCP server failed: {why}", "backend_failed")
