"""What is counted, what is refused, and what is forgotten."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from starlette.requests import ClientDisconnect

from tests.simulation.clock import simulated
from treaty.errors import Refused, UnavailableError, WireError
from treaty.http import limits
from treaty.http.limits import AddressRates, Gate, Settings, Ticket, read_body

LOOPBACK = "127.0.0.1"
ABROAD = "203.0.113.7"


@simulated
async def test_the_sixty_fifth_request_in_flight_is_refused() -> None:
    gate = Gate(Settings())
    tickets = [gate.enter(LOOPBACK) for _ in range(64)]

    with pytest.raises(UnavailableError) as refused:
        gate.enter(LOOPBACK)

    assert refused.value.code == "overloaded"
    assert refused.value.data == {"retryAfterMs": 1_000}
    tickets[0].leave()
    assert gate.enter(LOOPBACK)


@simulated
async def test_a_stream_is_not_a_request_in_flight() -> None:
    gate = Gate(Settings(in_flight_max=1, streams_max=1))
    ticket = gate.enter(LOOPBACK)
    ticket.start_stream()

    assert (gate.in_flight, gate.streams) == (0, 1)
    other = gate.enter(LOOPBACK)
    with pytest.raises(UnavailableError, match="1 streams are open"):
        other.start_stream()
    assert gate.in_flight == 1
    other.leave()
    ticket.leave()
    assert (gate.in_flight, gate.streams) == (0, 0)


@simulated
async def test_an_address_over_its_rate_is_told_how_long_to_wait() -> None:
    gate = Gate(Settings(rate_per_minute=2))
    gate.enter(ABROAD).leave()
    gate.enter(ABROAD).leave()

    with pytest.raises(Refused) as refused:
        gate.enter(ABROAD)

    assert refused.value.code == "rate_limited"
    assert refused.value.data == {"retryAfterMs": 30_001}
    assert gate.in_flight == 0


def waits(rates: AddressRates, address: str | None, number: int, now_s: float = 0) -> int:
    """How many of so many requests have to wait."""
    return sum(rates.wait_ms(address, now_s) > 0 for _ in range(number))


@pytest.mark.parametrize("address", [LOOPBACK, "127.8.9.10", "::1", "::ffff:127.0.0.1", None])
def test_loopback_is_limited_only_where_a_rate_was_set(address: str | None) -> None:
    assert waits(AddressRates(None), address, 5_000) == 0
    assert waits(AddressRates(10), address, 15) == 5


def test_others_have_a_rate_where_none_was_set() -> None:
    assert waits(AddressRates(None), ABROAD, limits.RATE_PER_MINUTE + 3) == 3


def test_tokens_come_back_with_time_and_not_beyond_a_minute() -> None:
    rates = AddressRates(60)
    assert waits(rates, ABROAD, 60) == 0

    assert waits(rates, ABROAD, 3, now_s=1) == 2
    assert waits(rates, ABROAD, 100, now_s=10_000) == 40


def test_addresses_do_not_share_their_rate() -> None:
    rates = AddressRates(1)

    assert waits(rates, ABROAD, 1) == 0
    assert waits(rates, "203.0.113.8", 1) == 0


def test_a_network_of_the_sixth_version_is_one_address() -> None:
    rates = AddressRates(1)
    assert waits(rates, "2001:db8:1:2::1", 1) == 0

    assert waits(rates, "2001:db8:1:2:ffff::9", 1) == 1
    assert waits(rates, "2001:db8:1:3::1", 1) == 0


def test_an_address_that_is_none_is_limited_by_its_text() -> None:
    rates = AddressRates(1)

    assert waits(rates, "unix-peer", 2) == 1


def test_whoever_was_quiet_longest_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "ADDRESSES_MAX", 2)
    rates = AddressRates(1)
    assert waits(rates, "203.0.113.1", 1) == 0
    assert waits(rates, "203.0.113.2", 1) == 0
    assert waits(rates, "203.0.113.1", 1) == 1
    assert waits(rates, "203.0.113.3", 1) == 0

    assert waits(rates, "203.0.113.2", 1) == 0, "forgotten"


class Wire:
    """A request body in pieces, counting how many are taken."""

    def __init__(self, *chunks: bytes, length: int | None = None, cut: bool = False) -> None:
        self.taken = 0
        self._events = self._make(chunks, cut)
        headers = [] if length is None else [(b"content-length", b"%d" % length)]
        self.scope = {"headers": headers}

    def _make(self, chunks: tuple[bytes, ...], cut: bool) -> Iterator[dict[str, Any]]:
        last = len(chunks) - 1
        for number, chunk in enumerate(chunks):
            yield {"type": "http.request", "body": chunk, "more_body": cut or number < last}
        yield {"type": "http.disconnect"}

    async def receive(self) -> dict[str, Any]:
        self.taken += 1
        return next(self._events)

    async def read(self, most: int) -> bytes:
        ticket = Ticket(Gate(Settings()))
        body = await read_body(self.scope, self.receive, ticket, most)
        assert not ticket.reading
        return body


@simulated
async def test_a_body_of_the_largest_size_is_read_in_pieces() -> None:
    assert await Wire(b"ab", b"", b"cde").read(5) == b"abcde"


@simulated
async def test_a_body_that_says_it_is_too_large_is_not_read_at_all() -> None:
    wire = Wire(b"abc", length=6)

    with pytest.raises(WireError) as refused:
        await wire.read(5)

    assert (refused.value.code, wire.taken) == ("too_large", 0)


@simulated
async def test_a_body_that_turns_out_too_large_is_not_read_on() -> None:
    wire = Wire(b"abc", b"def", b"ghi", b"jkl")

    with pytest.raises(WireError) as refused:
        await wire.read(5)

    assert (refused.value.code, wire.taken) == ("too_large", 2)


@pytest.mark.parametrize("length", [b"9" * 30, b"99999999999999999"])
@simulated
async def test_an_absurd_length_is_too_large(length: bytes) -> None:
    wire = Wire(b"")
    wire.scope = {"headers": [(b"content-length", length)]}

    with pytest.raises(WireError, match="at most 5 bytes"):
        await wire.read(5)


@simulated
async def test_a_client_that_leaves_is_noticed() -> None:
    with pytest.raises(ClientDisconnect):
        await Wire(b"ab", cut=True).read(5)
