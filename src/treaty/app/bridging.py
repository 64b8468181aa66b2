"""Putting a bridge together: what is read, which capabilities it makes, what may be reached.

The operator's word decides where calls go: the address given with ``--backend``, else the server
that a description on this machine names. A description fetched from elsewhere may send calls to
its own origin and to the public internet, and nowhere else.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from treaty.bridges import mcp, openapi, rest, tools
from treaty.bridges.stated import Stated
from treaty.engine.capability import Capability
from treaty.errors import MisuseError, UnavailableError, shown
from treaty.wire.hosts import Place, read_url

FETCH_MS: Final = 20_000


@dataclass(frozen=True, slots=True)
class Bridged:
    """A bridge that was put together."""

    capabilities: tuple[Capability, ...]
    source: str
    """What is bridged, for people."""
    trusted: tuple[str, ...] = ()
    """Origins that calls may go to wherever they are."""
    left_out: tuple[str, ...] = ()
    close: Callable[[], Awaitable[None]] | None = None
    """What is to be ended with the node."""

    def only(self, names: Sequence[str]) -> Bridged:
        """The same with the named capabilities alone; all when none is named. ``MisuseError``."""
        known = {one.name: one for one in self.capabilities}
        for name in names:
            if name not in known:
                raise MisuseError(f"no capability {shown(name)}; there are {', '.join(known)}")
        return replace(self, capabilities=tuple(known[one] for one in names)) if names else self


async def bridge_openapi(
    spec: str, stated: Stated, *, backend: str | None, headers: Mapping[str, str]
) -> Bridged:
    """Make capabilities of an OpenAPI description, a file or a URL.

    Raises ``MisuseError`` for what cannot be read, ``UnavailableError``.
    """
    source, raw = await _read(spec)
    place = read_url(backend) if backend is not None else None
    description = openapi.read_description(raw)
    base = place or description.base_beside(source)
    if place is not None and place.target == "/" and description.is_relative:
        # A path alone is one at the backend, unless the backend was given with a path of its own.
        base = description.base_beside(place)
    if base is None:
        raise MisuseError("the description names no server; give --backend URL")
    if not description.operations:
        raise MisuseError("the description has no operation that can be carried out")
    is_own = backend is not None or source is None or source.origin == base.origin
    made = rest.Backend(base, headers)
    return Bridged(
        rest.capabilities(description, made, stated),
        f"{description.title or 'OpenAPI'} at {base.url}",
        (made.origin,) if is_own else (),
        description.left_out,
    )


async def bridge_mcp(
    command: Sequence[str], stated: Stated, environment: Mapping[str, str]
) -> Bridged:
    """Make capabilities of the tools of an MCP server, started once to list them.

    Raises ``MisuseError`` and ``UnavailableError`` (``backend_failed``).
    """
    listing = mcp.McpServer(command, environment)
    try:
        found = await listing.tools()
    finally:
        await listing.close()
    if not found:
        raise MisuseError("the server has no tools")
    # A server of its own for the node, whose event loop is another.
    server = mcp.McpServer(command, environment)
    named = " ".join(command)
    return Bridged(tools.capabilities(server, found, stated), named, close=server.close)


def environment_of(names: Sequence[str]) -> dict[str, str]:
    """Variables of this process by name. Raises ``MisuseError`` for one that is not set."""
    missing = [name for name in names if name not in os.environ]
    if missing:
        raise MisuseError(f"the environment has no {missing[0]}")
    return {name: os.environ[name] for name in names}


async def _read(spec: str) -> tuple[Place | None, bytes]:
    if not spec.startswith(("http://", "https://")):
        return None, _file(Path(spec))
    from treaty.http.guarded import GuardedClient

    place = read_url(spec)
    async with GuardedClient(trusted=(place.origin,)) as client:
        fetched = await client.fetch(spec, bytes_max=openapi.SPEC_BYTES_MAX, timeout_ms=FETCH_MS)
    if not fetched.is_success:
        raise UnavailableError(f"{spec} answered {fetched.status}", "fetch_failed")
    return read_url(fetched.url), fetched.body


def _file(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(openapi.SPEC_BYTES_MAX + 1)
    except OSError as error:
        raise MisuseError(f"cannot read {path}: {error.strerror}") from error
