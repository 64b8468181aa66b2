"""The relay over HTTP: the peer's words on the wire, and the client on the other end."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote as percent

import httpx
import pytest

from tests.agent.market import HAGGLER, SEED, Market, market
from tests.dialects.actp.messages_made import (
    BUYER,
    CHAIN,
    OTHER_TX,
    SELLER,
    STRANGER,
    TX,
    did,
    signed,
)
from tests.http.nodes import URL
from treaty.agent.quote_export import export_quotes
from treaty.agent.quote_loop import negotiate_by_relay
from treaty.agent.quote_terms import Status
from treaty.dialects.actp.audit import verify
from treaty.dialects.actp.builders import QuoteBuilder, build_read
from treaty.dialects.actp.chains import MOCK
from treaty.dialects.actp.choices import ZERO_HASH
from treaty.dialects.actp.codec import document_of, encode, encode_read
from treaty.dialects.actp.messages import Message, PriceQuote
from treaty.dialects.actp.relaying import ActpRelay
from treaty.engine.relay import Relay
from treaty.errors import Refused, UnavailableError
from treaty.http.limits import Settings
from treaty.http.relay_client import Delivered, RelayClient
from treaty.http.relay_selling import answer
from treaty.http.server import make_app
from treaty.store.memory import MemoryStore
from treaty.wire.canonical import canonical

pytestmark = pytest.mark.anyio

MESSAGES = f"/api/v1/negotiations/{TX}/messages"
INBOX = f"/api/v1/negotiations/inbox/{percent(did(BUYER), safe='')}"


@dataclass
class Hall:
    """A relay beside a provider's market, and the way to reach it."""

    at: Market
    relay: Relay
    http: httpx.AsyncClient
    transport: httpx.ASGITransport

    def quote(self, units: int = 1_000_000, **changes: Any) -> PriceQuote:
        members: dict[str, Any] = {
            "tx_id": TX, "consumer": did(BUYER), "quoted_amount": units, "nonce": 1,
            "original_amount": 500_000, "max_price": 2_000_000, "chain_id": CHAIN,
            "at_ms": self.at.clock(), "justification": {"reason": "für Sie", "marketRate": 1e-7},
        }  # fmt: skip
        return QuoteBuilder(MOCK, SELLER).build(**members | changes)

    async def post(self, message: Message, path: str = MESSAGES) -> httpx.Response:
        return await self.http.post(path, content=encode(message))

    def reading(self, signer: Any = BUYER, tx_id: str = TX, later_ms: int = 0) -> dict[str, str]:
        at_ms = self.at.clock() + later_ms
        read = build_read(MOCK, signer, tx_id=tx_id, chain_id=CHAIN, at_ms=at_ms)
        return {"authorization": encode_read(read)}

    def client(self, signer: Any = BUYER, store: Any = None, **more: Any) -> RelayClient:
        return RelayClient(
            URL, signer, chains=MOCK, chain_id=CHAIN, clock=self.at.clock,
            store=store or MemoryStore(), transport=self.transport, **more,
        )  # fmt: skip


@asynccontextmanager
async def hall(*, is_open: bool = False, settings: Settings | None = None) -> AsyncIterator[Hall]:
    async with market() as at:
        relay = Relay(MemoryStore(), ActpRelay(MOCK), at.clock, is_open=is_open)
        await relay.start()
        app = make_app(at.node, settings=settings or Settings(), relay=relay)
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url=URL) as http:
            yield Hall(at, relay, http, transport)


# The wire.


async def test_w1_an_envelope_comes_out_as_the_camel_case_it_went_in() -> None:
    async with hall(is_open=True) as one:
        quote = one.quote()
        envelope = {"type": quote.type, "message": document_of(quote)}

        posted = await one.http.post(MESSAGES, json=envelope)
        again = await one.http.post(MESSAGES, json=envelope)

        assert (posted.status_code, posted.json()) == (201, {"ok": True})
        assert (again.status_code, again.json()) == (200, {"ok": True, "duplicate": True})
        (line,) = (await one.http.get(MESSAGES)).json()["messages"]
        assert line["envelope"] == envelope
        assert set(line) == {"cursor", "envelope", "receivedAt"}
        assert line["cursor"].isdigit()
        (named,) = (await one.http.get(INBOX)).json()["messages"]
        assert named == {**line, "txId": TX}


@pytest.mark.parametrize(
    "cursor",
    ["NaN", "-1", "1.5", "1e3", "9" * 17, "9" * 400, "", " 1", "0x1", "null", "\u0661", "Infinity"],
)
@pytest.mark.parametrize("path", [MESSAGES, INBOX])
async def test_attack_10_a_cursor_is_a_whole_number_or_400(cursor: str, path: str) -> None:
    async with hall(is_open=True) as one:
        await one.post(one.quote())

        answer = await one.http.get(path, params={"after": cursor})

        assert (answer.status_code, answer.json()["code"]) == (400, "malformed")


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400), (b"{", 400), (b"[]", 400), (b'{"type":"x","message":{}}', 400),
        (b'{"type":"agirails.quote.v1","message":{}}', 400), (b"\xff" * 100, 400),
        (b'{"a":' * 1_000, 400), (b" " * 70_000, 413),
    ],
)  # fmt: skip
async def test_what_is_no_envelope_is_refused_in_the_peers_shape(body: bytes, status: int) -> None:
    async with hall() as one:
        answer = await one.http.post(MESSAGES, content=body)

        assert answer.status_code == status
        assert set(answer.json()) >= {"error", "code"}


async def test_w1_snake_case_and_a_null_justification_are_refused_and_not_dropped() -> None:
    async with hall() as one:
        quote = one.quote()
        message = document_of(quote)
        snake = {"tx_id" if name == "txId" else name: value for name, value in message.items()}
        for wrong in (snake, message | {"justification": None}):
            answer = await one.http.post(MESSAGES, json={"type": quote.type, "message": wrong})
            assert answer.status_code == 400
        assert one.relay.size == 0


async def test_reads_are_signed_unless_the_relay_is_open() -> None:
    async with hall() as one:
        await one.post(one.quote())

        assert (await one.http.get(MESSAGES)).status_code == 401
        seen = await one.http.get(MESSAGES, headers=one.reading())
        assert len(seen.json()["messages"]) == 1
        again = await one.http.get(MESSAGES, headers=one.reading())
        assert (again.status_code, again.json()["code"]) == (401, "proof_replayed")
        foreign = await one.http.get(INBOX, headers=one.reading(STRANGER, ZERO_HASH))
        assert (foreign.status_code, foreign.json()["code"]) == (403, "unauthorized")
        own = await one.http.get(INBOX, headers=one.reading(BUYER, ZERO_HASH))
        assert len(own.json()["messages"]) == 1


async def test_attack_14_an_address_has_a_rate() -> None:
    async with hall(settings=Settings(rate_per_minute=5)) as one:
        statuses = [(await one.post(one.quote())).status_code for _ in range(6)]

        assert statuses == [201, 200, 200, 200, 200, 429]


async def test_there_is_no_relay_where_none_is_hosted() -> None:
    async with market() as at, httpx.AsyncClient(transport=at.transport, base_url=URL) as http:
        assert (await http.get(MESSAGES)).status_code == 404


# The client.


async def collect(client: RelayClient, tx_id: str = TX) -> list[Delivered]:
    heard: list[Delivered] = []

    async def keep(one: Delivered) -> None:
        heard.append(one)

    await client.poll_transaction(tx_id, keep)
    return heard


async def test_a_message_is_heard_once_and_the_cursor_outlives_the_client() -> None:
    async with hall() as one:
        store, quote = MemoryStore(), one.quote()
        await one.client(SELLER).post(TX, encode(quote))

        assert [heard.message for heard in await collect(one.client(store=store))] == [quote]
        one.at.clock.now_ms += 1
        assert await collect(one.client(store=store)) == []
        one.at.clock.now_ms += 1
        later = one.quote(900_000, nonce=2)
        await one.client(SELLER).post(TX, encode(later))
        assert [heard.message for heard in await collect(one.client(store=store))] == [later]


def spoken(body: bytes) -> httpx.Response:
    """An answer that is read as it comes."""
    return httpx.Response(200, stream=httpx.ByteStream(body))


class Lying:
    """A relay that hands out what a test says."""

    def __init__(self, *lines: Any) -> None:
        self.pages = [list(lines)]

    def transport(self) -> httpx.MockTransport:
        def answer(_request: httpx.Request) -> httpx.Response:
            page = self.pages.pop(0) if self.pages else []
            return spoken(canonical({"messages": page}))

        return httpx.MockTransport(answer)


def line(cursor: Any, message: Message, **changes: Any) -> dict[str, Any]:
    envelope = {"type": message.type, "message": document_of(message)}
    return {"cursor": cursor, "envelope": envelope, "receivedAt": "now", **changes}


async def test_attack_7_the_client_hears_the_genuine_message_behind_the_forged_one() -> None:
    async with hall() as one:
        genuine = one.quote()
        forged = replace(genuine, quoted_amount="600000")
        upper = replace(genuine, signature="0x" + genuine.signature[2:].upper())
        lying = Lying(line("1", forged), line("2", genuine), line("3", upper), line("4", genuine))

        one.transport = lying.transport()  # type: ignore[assignment]
        heard = await collect(one.client())

        assert [each.message for each in heard] == [genuine]


async def test_a_message_for_another_transaction_is_passed_over() -> None:
    async with hall() as one:
        lying = Lying(line("1", one.quote(tx_id=OTHER_TX)), line("2", one.quote()))
        one.transport = lying.transport()  # type: ignore[assignment]

        assert [each.cursor for each in await collect(one.client())] == [2]


@pytest.mark.parametrize("cursor", [None, True, -1, "x", "0", "9" * 40, 1.5, "\u0661", {}, "1 "])
async def test_a_page_without_a_cursor_that_goes_forward_moves_nothing(cursor: Any) -> None:
    async with hall() as one:
        lying = Lying(line(cursor, one.quote()), line("5", one.quote()))
        one.transport = lying.transport()  # type: ignore[assignment]
        store = MemoryStore()

        assert await collect(one.client(store=store)) == []
        name = f"relay/{URL}/{BUYER.address}/tx/{TX}"
        assert await store.setting(name) is None


@pytest.mark.parametrize("page", [b"", b"[]", b'{"messages":7}', b'{"messages":[7]}', b"<html>"])
async def test_a_relay_that_says_something_else_gives_nothing(page: bytes) -> None:
    async with hall() as one:
        said: list[str] = []
        transport = httpx.MockTransport(lambda _: spoken(page))
        one.transport = transport  # type: ignore[assignment]

        assert await collect(one.client(complain=said.append)) == []


async def test_attack_12_neither_kind_of_message_is_lost_for_the_other() -> None:
    async with hall() as one:
        later = one.quote(900_000, nonce=2)
        for message in (one.quote(), later):
            await one.client(SELLER).post(TX, encode(message))
        heard = await collect(one.client())

        assert [each.message for each in heard] == [one.quote(), later]


async def test_a_subscriber_that_fails_stops_nobody() -> None:
    async with hall() as one:
        for nonce in (1, 2):
            await one.client(SELLER).post(TX, encode(one.quote(nonce=nonce)))
        said: list[str] = []
        client, heard = one.client(complain=said.append), []

        async def breaks(each: Delivered) -> None:
            heard.append(each.message.nonce)
            raise ValueError("not mine")

        assert await client.poll_transaction(TX, breaks) == 2
        assert (heard, len(said)) == ([1, 2], 2)


async def test_what_could_not_be_taken_now_is_heard_again() -> None:
    async with hall() as one:
        await one.client(SELLER).post(TX, encode(one.quote()))
        client, tries = one.client(), []

        async def full(each: Delivered) -> None:
            tries.append(each.cursor)
            raise UnavailableError("disk")

        for _ in range(2):
            with pytest.raises(UnavailableError):
                await client.poll_transaction(TX, full)
        assert len(tries) == 2
        assert len(await collect(client)) == 1


async def test_a_refused_post_says_why() -> None:
    async with hall() as one:
        low = replace(one.quote(), quoted_amount="100000")
        with pytest.raises(Refused) as refused:
            await one.client().post(TX, encode(signed(low, SELLER, MOCK)))

        assert refused.value.code == "quote_below_original"


# Both ends.


async def test_a_whole_negotiation_without_a_port_on_either_side() -> None:
    async with hall() as one:
        said: list[str] = []
        selling = one.client(SELLER, complain=said.append)

        async def sell(_seconds: float) -> None:
            """While the buyer waits, the provider looks into its inbox."""

            async def told(each: Delivered) -> None:
                quotes = one.at.node.quotes
                assert quotes is not None
                await answer(quotes, selling, said.append, each)

            await selling.poll_inbox(told)

        buyer, terms = one.at.buyer(), one.at.opening()
        outcome = await negotiate_by_relay(buyer, one.client(sleep=sell), terms)

        assert (outcome.status, outcome.units) == (Status.AGREED, 745_000)
        assert verify(await export_quotes(buyer, terms.key)).ok
        assert (SEED.floor_units, said) == (500_000, [])


async def test_a_strangers_quote_on_the_relay_changes_nothing() -> None:
    async with hall() as one:
        buyer, terms = one.at.buyer(), one.at.opening()
        rogue = QuoteBuilder(MOCK, STRANGER).build(
            tx_id=TX, consumer=did(BUYER), quoted_amount=600_000, original_amount=500_000,
            max_price=2_000_000, chain_id=CHAIN, nonce=1, at_ms=one.at.clock(),
        )  # fmt: skip
        await one.post(rogue)

        async def silence(_seconds: float) -> None:
            one.at.clock.now_ms += HAGGLER.response_ttl_s * 1_000

        outcome = await negotiate_by_relay(buyer, one.client(sleep=silence), terms)

        assert (outcome.status, outcome.reason) == (Status.CANCELLED, "no answer in time")


async def test_the_lines_of_a_page_are_plain_json() -> None:
    async with hall(is_open=True) as one:
        await one.post(one.quote())
        text = (await one.http.get(MESSAGES)).text

        assert json.loads(text)["messages"][0]["envelope"]["message"]["justification"] == {
            "reason": "für Sie", "marketRate": 1e-7,
        }  # fmt: skip
