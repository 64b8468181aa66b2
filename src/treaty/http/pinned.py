"""Connections to addresses that were checked, whatever the name means a moment later.

The library asks for a connection to a name; this backend resolves it, checks every address it
has, and connects to one of those. TLS and the Host header go on speaking of the name.

Read next: ``treaty.wire.hosts``, what is public.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from ipaddress import ip_address
from typing import Final

import httpcore

from treaty.errors import Refused, shown
from treaty.wire.hosts import Address, is_loopback, is_private_name, is_public, is_unicast

TRIED_MAX: Final = 4
"""Addresses of one name that are tried, one after another."""
RESOLVED_MAX: Final = 32
CONNECT_S: Final = 3.0
"""For one address; then the next one is tried."""
PORTS: Final = frozenset((80, 443))
PORTS_FROM: Final = 1_024
"""Below it are mail, shells and name servers, which may take a request for one of theirs."""
RESOLVERS: Final = 8
"""Threads that wait for the system's resolver. They are these alone, so that names which never
resolve keep no other work waiting."""

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
Admit = Callable[[str], None]
"""(host or address): refuse (``rate_limited``) what is asked too often."""


@dataclass(frozen=True, slots=True)
class Rules:
    """Where connections may go besides the public internet."""

    allow_loopback: bool = False
    trusted: frozenset[tuple[str, int]] = frozenset()
    """Hosts and ports an operator wrote down."""

    def check_host(self, host: str, port: int) -> None:
        """Refuse, before anything is resolved, what the host alone gives away.

        Raises ``Refused`` (``address_forbidden``).
        """
        address = _literal(host)
        if (host, port) not in self.trusted and port < PORTS_FROM and port not in PORTS:
            raise Refused(f"port {port} is not one of the web's", "address_forbidden")
        if address is not None:
            self.check(address, host, port)
        elif is_private_name(host) and not self._is_own(host, port):
            raise Refused(f"{shown(host)} is no name of the internet", "address_forbidden")

    def check(self, address: Address, host: str, port: int) -> None:
        """Refuse an address the host may not lead to. Raises ``Refused``."""
        if (host, port) in self.trusted and is_unicast(address):
            return
        if self.allow_loopback and is_loopback(address):
            return
        if not is_public(address):
            # Where a name leads within is not told: whoever asks may be anybody.
            raise Refused(f"{shown(host)} is not on the public internet", "address_forbidden")

    def _is_own(self, host: str, port: int) -> bool:
        is_local = host == "localhost" or host.endswith(".localhost")
        return (host, port) in self.trusted or (self.allow_loopback and is_local)


class PinnedBackend(httpcore.AsyncNetworkBackend):
    """The library's own way to connect, to checked addresses only."""

    def __init__(
        self, rules: Rules, resolve: Resolve | None = None, admit: Admit | None = None
    ) -> None:
        self._rules = rules
        self._admit = admit or _everything
        self._threads: ThreadPoolExecutor | None = None
        self._resolve = resolve or self._resolved
        self._tcp = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the library's signature
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect to the first address of a host that answers.

        Raises ``Refused`` when one of its addresses is forbidden, or asked too often, and
        ``httpcore.ConnectError``.
        """
        addresses = await self._addresses(host, port)
        literal = _literal(host)
        self._admit(host if literal is None else _counted(literal))
        failure: Exception | None = None
        for address in addresses[:TRIED_MAX]:
            # Many names may lead to one machine, so it is counted by itself.
            if literal is None:
                self._admit(_counted(address))
            try:
                return await self._tcp.connect_tcp(
                    str(address), port, timeout or CONNECT_S, local_address, socket_options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure or httpcore.ConnectError("the name has no address")

    def close(self) -> None:
        """Let go of the threads, without waiting for names that never resolve."""
        if self._threads is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)
            self._threads = None

    async def sleep(self, seconds: float) -> None:
        """Wait, when the library asks."""
        await asyncio.sleep(seconds)

    async def _addresses(self, host: str, port: int) -> Sequence[Address]:
        """The addresses of a host, each checked; one that is forbidden forbids all."""
        literal = _literal(host)
        if literal is not None:
            self._rules.check(literal, host, port)
            return (literal,)
        try:
            found = [ip_address(one) for one in await self._resolve(host, port)]
        except (OSError, ValueError) as error:
            raise httpcore.ConnectError(f"{shown(host)} does not resolve") from error
        for address in found:
            self._rules.check(address, host, port)
        return found

    async def _resolved(self, host: str, port: int) -> Sequence[str]:
        """Ask the system's resolver, in its order, each address once."""
        if self._threads is None:
            self._threads = ThreadPoolExecutor(RESOLVERS, "resolve")
        ask = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
        rows = await asyncio.get_running_loop().run_in_executor(self._threads, ask)
        return list(dict.fromkeys(str(row[4][0]) for row in rows))[:RESOLVED_MAX]


def _counted(address: Address) -> str:
    """As what an address is counted: of IPv6 one machine has a whole /64, or more."""
    return str(address) if address.version == 4 else f"{int(address) >> 64:x}::/64"


def _everything(_place: str) -> None:
    """Refuse nothing."""


def _literal(host: str) -> Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None
