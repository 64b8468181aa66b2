"""How much a node takes on at once: sizes, deadlines, requests in flight, requests a minute.

Laws:

1. Every limit has a name here (law 8 of the house), and a refusal for it changes nothing.
2. What is over a limit is answered at once and briefly; nothing more is read from it.
3. A stream is not a request in flight. It has a limit of its own and leaves the other as soon
   as it streams.

Read next: ``connection``, which bounds what happens before a request is complete.
"""

from __future__ import annotations

import asyncio
import math
from collections import OrderedDict
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv6Address, ip_address
from typing import Final

from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope

from treaty.errors import Reason, Refused, UnavailableError, WireError

KIB: Final = 1024
ADDRESSES_MAX: Final = 10_000
"""Addresses whose rate is remembered; whoever was quiet longest is forgotten first."""
RATE_PER_MINUTE: Final = 600
"""For addresses that are not loopback, where nothing else was set."""
STRANGERS_PER_MINUTE: Final = 60
"""The same where whoever has a key may ask, be it known here or not (ACTP 9.6)."""
EXPECT: Final = "expect"
"""Key in ``scope["state"]``: a function that tells the connection how large a body may be."""
SLOW: Final = Reason("timeout", 408, transient=True)
"""The reason ``timeout`` where a request did not come to its end in time."""


@dataclass(frozen=True, slots=True)
class Settings:
    """The limits of one server."""

    body_bytes_max: int = 256 * KIB
    request_ms: int = 10_000
    """From the head of a request to the end of its answer; streams have no end."""
    head_bytes_max: int = 64 * KIB
    head_ms: int = 10_000
    """From the first byte of a request to the end of its head."""
    in_flight_max: int = 64
    streams_max: int = 20_000
    connections_max: int = 21_000
    idle_ms: int = 30_000
    """How long a connection without a request stays open."""
    heartbeat_ms: int = 15_000
    stall_ms: int = 60_000
    """How long a stream waits for a reader who does not read."""
    rate_per_minute: int | None = None
    """Requests a minute of one address. None: ``RATE_PER_MINUTE``, and no limit on loopback."""


class Gate:
    """Counts what is going on. One per server; everything in it is bounded."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._rates = AddressRates(settings.rate_per_minute)
        self._strangers = AddressRates(settings.rate_per_minute, STRANGERS_PER_MINUTE)
        self._principals = AddressRates(settings.rate_per_minute)
        self.in_flight = 0
        self.streams = 0

    def enter(self, address: str | None) -> Ticket:
        """Let one request in; its ticket must ``leave``.

        Raises ``Refused`` (``rate_limited``) and ``UnavailableError`` (``overloaded``).
        """
        if self.in_flight >= self._settings.in_flight_max:
            raise _overloaded(f"{self.in_flight} requests are being answered")
        _check_rate(self._rates, address)
        self.in_flight += 1
        return Ticket(self)

    def admit_stranger(self, address: str | None) -> None:
        """Count a request that anybody with a key may make.

        Raises ``Refused`` (``rate_limited``).
        """
        _check_rate(self._strangers, address)

    def admit_principal(self, principal: str, address: str | None) -> None:
        """Count a request of somebody who has proven who they are, wherever they come from.

        Raises ``Refused`` (``rate_limited``).
        """
        if _network(address)[1] and self._settings.rate_per_minute is None:
            return
        _check_rate(self._principals, principal)

    def allowance(self, address: str | None) -> Allowance | None:
        """What is left of an address's rate; None where none is kept."""
        if self._rates.spares(address):
            return None
        return self._rates.allowance(address, asyncio.get_running_loop().time())

    def start_stream(self) -> None:
        """Turn one request in flight into a stream."""
        if self.streams >= self._settings.streams_max:
            raise _overloaded(f"{self.streams} streams are open")
        self.in_flight -= 1
        self.streams += 1


@dataclass(slots=True)
class Ticket:
    """One request that was let in."""

    gate: Gate
    reading: bool = False
    """True while the body is read: a deadline that passes then is the client's fault."""
    streaming: bool = False
    deadline: asyncio.Timeout | None = None

    def start_stream(self) -> None:
        """Count as a stream from now on, without a deadline for the whole.

        Raises ``UnavailableError`` (``overloaded``); then it is still a request.
        """
        self.gate.start_stream()
        self.streaming = True
        if self.deadline is not None:
            self.deadline.reschedule(None)

    def leave(self) -> None:
        """Make room for the next."""
        if self.streaming:
            self.gate.streams -= 1
        else:
            self.gate.in_flight -= 1


def _check_rate(rates: AddressRates, address: str | None) -> None:
    if rates.spares(address):
        return
    wait_ms = rates.wait_ms(address, asyncio.get_running_loop().time())
    if wait_ms:
        raise Refused(
            "too many requests from this address",
            "rate_limited",
            data={"retryAfterMs": wait_ms},
        )


def _overloaded(detail: str) -> UnavailableError:
    return UnavailableError(f"{detail}, try again soon", "overloaded", data={"retryAfterMs": 1_000})


@dataclass(frozen=True, slots=True)
class Allowance:
    """What is left of a rate."""

    limit: int
    """Requests a minute."""
    remaining: int
    reset_s: int
    """Seconds until the whole of it is there again."""


class AddressRates:
    """A token bucket per address, holding the tokens of one minute."""

    def __init__(self, per_minute: int | None, otherwise: int = RATE_PER_MINUTE) -> None:
        self._per_minute = otherwise if per_minute is None else per_minute
        self._spares_loopback = per_minute is None
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def spares(self, address: str | None) -> bool:
        """True for an address without a limit."""
        return self._spares_loopback and _network(address)[1]

    def wait_ms(self, address: str | None, now_s: float) -> int:
        """Take one token; returns 0, or how long to wait for the next one."""
        if self.spares(address):
            return 0
        network, _ = _network(address)
        most = float(self._per_minute)
        tokens, then_s = self._buckets.get(network, (most, now_s))
        tokens = min(most, tokens + (now_s - then_s) * most / 60)
        taken = tokens >= 1
        self._buckets[network] = (tokens - 1 if taken else tokens, now_s)
        self._buckets.move_to_end(network)
        if len(self._buckets) > ADDRESSES_MAX:
            self._buckets.popitem(last=False)
        return 0 if taken else int((1 - tokens) * 60_000 / most) + 1

    def allowance(self, address: str | None, now_s: float) -> Allowance:
        """What is left to an address that is counted."""
        network, _ = _network(address)
        most = float(self._per_minute)
        tokens, then_s = self._buckets.get(network, (most, now_s))
        tokens = min(most, tokens + (now_s - then_s) * most / 60)
        return Allowance(self._per_minute, int(tokens), math.ceil((most - tokens) * 60 / most))


@lru_cache(maxsize=4_096)
def _network(address: str | None) -> tuple[str, bool]:
    """Whose tokens an address takes, and whether it is loopback.

    A household has a whole IPv6 /64, so that counts as one. A peer without an address came
    through a socket file or from inside the process.
    """
    if address is None:
        return "", True
    try:
        parsed = ip_address(address)
    except ValueError:
        return address, False
    if isinstance(parsed, IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped), parsed.ipv4_mapped.is_loopback
        return f"{int(parsed) >> 64:x}::/64", parsed.is_loopback
    return address, parsed.is_loopback


async def read_body(scope: Scope, receive: Receive, ticket: Ticket, bytes_max: int) -> bytes:
    """Read a request's body; the ticket's deadline runs meanwhile.

    Raises ``WireError`` (``too_large``) and ``ClientDisconnect``.
    """
    if _content_length(scope) > bytes_max:
        raise _too_large(bytes_max)
    expect = scope.get("state", {}).get(EXPECT)
    if expect is not None:
        expect(bytes_max)
    ticket.reading = True
    chunks: list[bytes] = []
    size = 0
    while ticket.reading:
        event = await receive()
        if event["type"] == "http.disconnect":
            raise ClientDisconnect
        chunk: bytes = event.get("body", b"")
        size += len(chunk)
        if size > bytes_max:
            raise _too_large(bytes_max)
        chunks.append(chunk)
        ticket.reading = event.get("more_body", False)
    return b"".join(chunks)


def _content_length(scope: Scope) -> int:
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit():
            return int(value) if len(value) < 16 else 1 << 53
    return 0


def _too_large(bytes_max: int) -> WireError:
    return WireError(f"a body has at most {bytes_max} bytes", "too_large")
