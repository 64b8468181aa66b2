"""The relay: what it keeps, for whom, how much, and for how long."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest

from tests.dialects.actp.messages_made import (
    AT_MS,
    BUYER,
    CHAIN,
    CHAINS,
    OTHER_TX,
    SELLER,
    STRANGER,
    TX,
    accept,
    counter,
    did,
    quote,
)
from treaty.dialects.actp.builders import build_read
from treaty.dialects.actp.choices import ZERO_HASH
from treaty.dialects.actp.codec import document_of, encode, encode_read
from treaty.dialects.actp.relaying import ActpRelay
from treaty.engine import relay as relaying
from treaty.engine.ports import Unit
from treaty.engine.relay import KEPT_MS, PER_MINUTE, PER_PARTY_MAX, Relay
from treaty.errors import Refused, SignatureError, TreatyError, UnavailableError, WireError
from treaty.identity.secp256k1 import ORDER
from treaty.store.memory import MemoryStore

pytestmark = pytest.mark.anyio


class Time:
    """The time, as a test wants it."""

    def __init__(self) -> None:
        self.now_ms = AT_MS

    def __call__(self) -> int:
        return self.now_ms


async def opened(store: Any = None, clock: Any = None, *, is_open: bool = False) -> Relay:
    made = Relay(store or MemoryStore(), ActpRelay(CHAINS), clock or Time(), is_open=is_open)
    await made.start()
    return made


def reading(signer: Any = BUYER, tx_id: str = TX, at_ms: int = AT_MS) -> str:
    return encode_read(build_read(CHAINS, signer, tx_id=tx_id, chain_id=CHAIN, at_ms=at_ms))


def counters(number: int, start: int = 1, **changes: Any) -> list[bytes]:
    """Different counter-offers of the buyer."""
    return [encode(counter(nonce=start + n, **changes)) for n in range(number)]


def patient(clock: Time) -> None:
    """A minute later, so that the rate of a signer is no matter."""
    clock.now_ms += 60_000


async def fill(relay: Relay, clock: Time, number: int, start: int = 1) -> None:
    for index, raw in enumerate(counters(number, start)):
        if index % PER_MINUTE == 0:
            patient(clock)
        assert await relay.post(raw, TX)


async def test_all_three_messages_are_kept_in_order_for_both_parties() -> None:
    relay = await opened()
    said = [quote(), counter(), accept()]
    for message in said:
        assert await relay.post(encode(message), TX)

    page = await relay.messages(TX, 0, reading())
    assert [one.envelope for one in page] == [encode(message) for message in said]
    assert [one.cursor for one in page] == sorted({one.cursor for one in page})
    for signer in (BUYER, SELLER):
        inbox = await relay.inbox(did(signer), 0, reading(signer, ZERO_HASH))
        assert inbox == page


async def test_a_page_goes_on_behind_its_cursor() -> None:
    clock = Time()
    relay = await opened(clock=clock, is_open=True)
    for raw in counters(5):
        await relay.post(raw, TX)

    first = (await relay.messages(TX, 0, None))[:2]
    rest = await relay.messages(TX, first[-1].cursor, None)

    assert len(rest) == 3
    assert await relay.messages(TX, rest[-1].cursor, None) == []


async def test_w15_one_message_has_one_place_in_whatever_spelling() -> None:
    relay = await opened()
    message = counter()
    assert await relay.post(encode(message), TX)

    upper = replace(message, signature="0x" + message.signature[2:].upper())
    assert not await relay.post(encode(upper), TX)

    r, s, v = message.signature[2:66], int(message.signature[66:130], 16), message.signature[130:]
    twin = "0x" + r + f"{ORDER - s:064x}" + ("1c" if v == "1b" else "1b")
    with pytest.raises(SignatureError):
        await relay.post(encode(replace(message, signature=twin)), TX)
    assert relay.size == 1


async def test_attack_7_a_tampered_copy_does_not_hide_the_genuine_message() -> None:
    relay = await opened()
    genuine = counter()
    for tampered in (
        replace(genuine, counter_amount="700000"),
        replace(genuine, justification={"reason": "added"}),
    ):
        with pytest.raises(SignatureError):
            await relay.post(encode(tampered), TX)

    assert await relay.post(encode(genuine), TX)
    (kept,) = await relay.messages(TX, 0, reading())
    assert kept.envelope == encode(genuine)


async def test_attack_8_a_hundred_posts_at_once_do_not_pass_the_cap() -> None:
    clock = Time()
    relay = await opened(clock=clock)
    await fill(relay, clock, PER_PARTY_MAX - 10)
    patient(clock)

    async def post(raw: bytes) -> str:
        try:
            return "kept" if await relay.post(raw, TX) else "repeat"
        except TreatyError as error:
            return error.code

    answers = await asyncio.gather(*(post(raw) for raw in counters(100, start=1_000)))

    assert answers.count("kept") == 10
    assert set(answers) == {"kept", "session_full"}
    assert relay.size == PER_PARTY_MAX


async def test_the_cap_is_each_partys_own() -> None:
    clock = Time()
    relay = await opened(clock=clock)
    await fill(relay, clock, PER_PARTY_MAX)
    patient(clock)

    with pytest.raises(Refused) as refused:
        await relay.post(encode(counter(nonce=999)), TX)

    assert (refused.value.code, refused.value.detail) == (
        "session_full", "per-tx message cap reached",
    )  # fmt: skip
    assert await relay.post(encode(quote()), TX)


async def test_attack_9_further_members_are_not_kept_but_refused() -> None:
    relay = await opened()
    envelope = {"type": counter().type, "message": document_of(counter())}
    for extra in (
        {**envelope, "note": 1},
        {**envelope, "message": {**envelope["message"], "x": 1}},
    ):  # type: ignore[dict-item]
        with pytest.raises(WireError):
            await relay.post(json.dumps(extra).encode(), TX)

    spaced = json.dumps(envelope, indent=2).encode()
    assert await relay.post(spaced, TX)
    (kept,) = await relay.messages(TX, 0, reading())
    assert kept.envelope == encode(counter())


async def test_attack_14_a_message_belongs_to_the_transaction_it_is_left_under() -> None:
    relay = await opened()

    with pytest.raises(Refused) as refused:
        await relay.post(encode(counter()), OTHER_TX)

    assert refused.value.code == "path_mismatch"
    with pytest.raises(WireError):
        await relay.post(encode(counter()), "0x12")


async def test_an_expired_message_and_another_chains_are_not_taken() -> None:
    clock = Time()
    relay = await opened(clock=clock)
    with pytest.raises(Refused) as refused:
        await relay.post(encode(replace(counter(), chain_id=8453)), TX)
    assert refused.value.code == "chain_unsupported"

    clock.now_ms += 3_700_000
    with pytest.raises(Refused) as refused:
        await relay.post(encode(counter()), TX)
    assert refused.value.code == "message_expired"


async def test_posts_of_one_signer_are_rated_across_transactions() -> None:
    clock = Time()
    relay = await opened(clock=clock)
    transactions = ["0x" + f"{n:064x}" for n in range(PER_MINUTE + 1)]
    posts = [(encode(quote(tx_id=tx)), tx) for tx in transactions]
    for raw, tx in posts[:-1]:
        await relay.post(raw, tx)

    with pytest.raises(Refused) as refused:
        await relay.post(*posts[-1])

    assert refused.value.code == "rate_limited"
    assert refused.value.data["retryAfterMs"] == 60_000
    patient(clock)
    assert await relay.post(*posts[-1])


async def test_a_full_relay_refuses_and_forgets_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relaying, "MESSAGES_MAX", 3)
    relay = await opened()
    for raw in counters(3):
        await relay.post(raw, TX)

    with pytest.raises(UnavailableError) as refused:
        await relay.post(encode(quote()), TX)

    assert refused.value.code == "overloaded"
    assert len(await relay.messages(TX, 0, reading())) == 3


async def test_what_is_kept_lapses_after_a_day_and_leaves_nothing() -> None:
    clock = Time()
    relay = await opened(clock=clock)
    for raw in counters(3):
        await relay.post(raw, TX)

    clock.now_ms += KEPT_MS

    assert await relay.messages(TX, 0, reading(at_ms=clock.now_ms)) == []
    tables = (relay._kept, relay._known, relay._of_party, relay._of_signer, relay._by_tx)
    assert [len(one) for one in (*tables, relay._inboxes)] == [0] * 6


async def test_a_restart_finds_everything_again_and_counts_on() -> None:
    store, clock = MemoryStore(), Time()
    first = await opened(store, clock)
    for raw in counters(3):
        await first.post(raw, TX)
    before = await first.messages(TX, 0, reading())

    second = await opened(store, clock)

    assert await second.messages(TX, 0, reading(at_ms=AT_MS + 1)) == before
    assert not await second.post(counters(1)[0], TX)
    await second.post(encode(quote()), TX)
    (newest,) = await second.messages(TX, before[-1].cursor, reading(at_ms=AT_MS + 2))
    assert newest.envelope == encode(quote())


async def test_cursors_grow_even_when_the_store_was_lost() -> None:
    clock = Time()
    lost = await opened(clock=clock)
    await lost.post(encode(quote()), TX)
    (before,) = await lost.messages(TX, 0, reading())

    clock.now_ms += 1
    fresh = await opened(clock=clock)
    await fresh.post(encode(counter()), TX)

    (after,) = await fresh.messages(TX, before.cursor, reading(at_ms=AT_MS + 1))
    assert after.envelope == encode(counter())


class Slow(MemoryStore):
    """A store in which a test says when a commit ends, and how."""

    def __init__(self) -> None:
        super().__init__()
        self.waiting: list[asyncio.Future[None]] = []

    async def commit(self, unit: Unit) -> None:
        if unit.put_tasks:
            self.waiting.append(asyncio.get_running_loop().create_future())
            await self.waiting[-1]
        await super().commit(unit)


async def test_a_reader_never_skips_a_message_that_is_still_being_written() -> None:
    store = Slow()
    relay = await opened(store)
    posts = [asyncio.ensure_future(relay.post(raw, TX)) for raw in counters(2)]
    await asyncio.sleep(0)
    store.waiting[1].set_result(None)
    await posts[1]

    assert await relay.messages(TX, 0, reading()) == []

    store.waiting[0].set_result(None)
    await posts[0]
    page = await relay.messages(TX, 0, reading(at_ms=AT_MS + 1))
    assert [one.envelope for one in page] == counters(2)


async def test_a_commit_that_fails_takes_no_place() -> None:
    store = Slow()
    relay = await opened(store)
    posting = asyncio.ensure_future(relay.post(encode(quote()), TX))
    await asyncio.sleep(0)
    with pytest.raises(UnavailableError):
        await relay.post(encode(quote()), TX)
    store.waiting[0].set_exception(UnavailableError("disk"))
    with pytest.raises(UnavailableError):
        await posting

    again = asyncio.ensure_future(relay.post(encode(quote()), TX))
    await asyncio.sleep(0)
    store.waiting[1].set_result(None)
    assert await again


# Reading.


@pytest.mark.parametrize(
    ("header", "code"),
    [
        (None, "malformed"),
        ("QuoteRead e30", "malformed"),
        (reading(tx_id=OTHER_TX), "path_mismatch"),
        (reading(tx_id=ZERO_HASH), "path_mismatch"),
        (reading(at_ms=AT_MS - 60_001), "proof_invalid"),
        (reading(at_ms=AT_MS + 60_001), "proof_invalid"),
    ],
)
async def test_a_read_is_signed_for_this_and_now(header: str | None, code: str) -> None:
    relay = await opened()

    with pytest.raises(TreatyError) as refused:
        await relay.messages(TX, 0, header)

    assert refused.value.code == code


async def test_a_read_is_used_once() -> None:
    relay, header = await opened(), reading()
    await relay.messages(TX, 0, header)

    with pytest.raises(Refused) as refused:
        await relay.messages(TX, 0, header)

    assert refused.value.code == "proof_replayed"


async def test_a_stranger_sees_nothing_of_a_transaction_and_no_other_inbox() -> None:
    relay = await opened()
    await relay.post(encode(quote()), TX)

    assert await relay.messages(TX, 0, reading(STRANGER)) == []
    with pytest.raises(Refused) as refused:
        await relay.inbox(did(BUYER), 0, reading(STRANGER, ZERO_HASH))
    assert refused.value.code == "unauthorized"


async def test_an_open_relay_shows_everything_to_everybody() -> None:
    relay = await opened(is_open=True)
    await relay.post(encode(quote()), TX)

    assert len(await relay.messages(TX, 0, None)) == 1
    assert len(await relay.inbox(did(BUYER), 0, None)) == 1


@pytest.mark.parametrize(
    "name", ["did:ethr:84532", "did:ethr:1:0x" + "11" * 20, "did:ethr:x:0x" + "11" * 20, "x" * 999]
)
async def test_an_inbox_is_of_a_did_on_a_configured_chain(name: str) -> None:
    relay = await opened(is_open=True)

    with pytest.raises((WireError, Refused)):
        await relay.inbox(name, 0, None)
