"""The quote channel over HTTP: the peer's statuses and members, and never a 5xx."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from itertools import count
from typing import Any

import httpx
import pytest

from tests.engine.quote_stage import (
    BUYER,
    CHAIN,
    OTHER,
    PROVIDER,
    account,
    seed_policy,
    tx,
)
from tests.engine.quote_stage import Stage as Desk
from tests.http.nodes import NODE, OPERATOR, URL, Clock, entropy, signer
from treaty.dialects.actp import codec
from treaty.dialects.actp.chains import MOCK
from treaty.dialects.actp.dialect import ACTP
from treaty.dialects.actp.messages import CounterOffer
from treaty.dialects.actp.policy import ProviderPolicy
from treaty.dialects.actp.typed import digest_of
from treaty.dialects.asp.dialect import ASP
from treaty.engine.node import Identity, Node
from treaty.engine.ports import Store
from treaty.engine.quotes import Selling
from treaty.http.limits import STRANGERS_PER_MINUTE, Settings
from treaty.http.server import App, listen, make_app, serve
from treaty.store.memory import MemoryStore

SPELLED = {"content-type": "application/json"}


@dataclass
class Shop:
    """A node that sells, and a client that posts to it."""

    app: App
    http: httpx.AsyncClient
    node: Node
    desk: Desk

    async def post(self, path: str, body: bytes | Any, **headers: str) -> httpx.Response:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        return await self.http.post(path, content=raw, headers={**SPELLED, **headers})

    async def say(self, counter: CounterOffer, tx_id: str | None = None) -> httpx.Response:
        """Post a counter where it belongs, or elsewhere."""
        path = f"/quote-channel/{CHAIN}/{tx_id or counter.tx_id}"
        return await self.post(path, codec.encode(counter))

    def document(self, amount: int = 1_100_000, number: int = 1) -> dict[str, Any]:
        """A good counter as JSON, to be spoilt."""
        return json.loads(codec.encode(self.desk.offer(tx(number), amount)))


def selling_node(store: Store, policy: ProviderPolicy | None = None) -> tuple[Node, Clock]:
    """A node that sells in the peer's mock mode."""
    clock = Clock()
    identity = Identity(NODE, signer(NODE), URL, OPERATOR, signer(OPERATOR).key)
    dialect = ACTP(policy or seed_policy(), MOCK, PROVIDER)
    node = Node(
        store,
        ASP,
        identity,
        clock=clock,
        entropy=entropy(),
        complain=print,
        selling=Selling(dialect),
    )
    return node, clock


@asynccontextmanager
async def shop(
    *,
    store: Store | None = None,
    policy: ProviderPolicy | None = None,
    settings: Settings | None = None,
    address: str = "127.0.0.1",
) -> AsyncIterator[Shop]:
    """The shop inside this process."""
    node, clock = selling_node(store or MemoryStore(), policy)
    await node.start()
    assert node.quotes is not None
    app = make_app(node, settings=settings)
    transport = httpx.ASGITransport(app, client=(address, 1))
    desk = Desk(node.quotes, node.desk, node.outbox, clock, MOCK, count(1))  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=transport, base_url=URL) as client:
        yield Shop(app, client, node, desk)


def run(scene: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(scene())


def forged(counter: CounterOffer, **changes: Any) -> CounterOffer:
    """A counter that says something else and is signed for that, past every builder."""
    changed = replace(counter, **changes)
    digest = digest_of(changed, MOCK.separator(CHAIN))
    return replace(changed, signature="0x" + BUYER.sign_digest(digest).hex())


# The rows of the peer's table that succeed.


@pytest.mark.parametrize(
    ("amount", "action", "units", "reply"),
    [
        (1_100_000, "ACCEPT", "1100000", "agirails.counteraccept.v1"),
        (600_000, "COUNTER", "850000", "agirails.quote.v1"),
    ],
)
def test_a_fresh_counter_is_created_with_verdict_and_reply(
    amount: int, action: str, units: str, reply: str
) -> None:
    async def scene() -> None:
        async with shop() as sold:
            answer = await sold.say(sold.desk.offer(tx(1), amount))
            body = answer.json()
            assert answer.status_code == 201
            assert answer.headers["content-type"] == "application/json"
            assert (body["accepted"], body["duplicate"]) == (True, False)
            assert body["verdict"]["action"] == action
            assert body["verdict"]["recommended_amount"] == units
            assert body["reply"]["type"] == reply == body["reply"]["message"]["type"]

    run(scene)


def test_a_rejected_counter_is_accepted_for_processing_and_gets_no_reply() -> None:
    async def scene() -> None:
        async with shop(policy=seed_policy(max_requotes=0)) as sold:
            answer = await sold.say(sold.desk.offer(tx(1), 600_000))
            body = answer.json()
            assert answer.status_code == 201
            assert (body["accepted"], body["reply"]) == (True, None)
            assert body["verdict"]["action"] == "REJECT"
            assert body["verdict"]["recommended_amount"] is None

    run(scene)


def test_the_same_bytes_again_are_a_duplicate_with_the_same_answer() -> None:
    async def scene() -> None:
        async with shop() as sold:
            counter = sold.desk.offer(tx(1), 600_000)
            first, again = await sold.say(counter), await sold.say(counter)
            assert (first.status_code, again.status_code) == (201, 200)
            assert again.json() == {**first.json(), "duplicate": True}

    run(scene)


# The rows that are refused.


def spoilt(**changes: Any) -> Callable[[Shop], Any]:
    """The JSON of a good counter with members changed after it was signed."""

    def make(sold: Shop) -> Any:
        document = sold.document()
        document["message"].update(changes)
        return document

    return make


def resigned(**changes: Any) -> Callable[[Shop], Any]:
    """A counter that its buyer really signed so."""

    def make(sold: Shop) -> Any:
        return json.loads(codec.encode(forged(sold.desk.offer(tx(1), 1_100_000), **changes)))

    return make


def without(name: str) -> Callable[[Shop], Any]:
    def make(sold: Shop) -> Any:
        document = sold.document()
        del document["message"][name]
        return document

    return make


def late(by_s: int) -> Callable[[Shop], Any]:
    def make(sold: Shop) -> Any:
        document = sold.document()
        sold.desk.clock.now_ms += (3_600 + by_s) * 1_000
        return document

    return make


DEEP = b"[" * 100 + b"]" * 100
ONLY = "Only agirails.counteroffer.v1 is supported by this handler in v1"
SIGNATURE = "[SIGNATURE_VERIFICATION_FAILED] "
NOT_THEIRS = SIGNATURE + "Counter-offer signature does not recover to consumer DID"
NOBODYS = SIGNATURE + "Failed to recover signer from counter-offer signature"
UNRECOVERABLE = "0x" + "ff" * 32 + "11" * 32 + "1b"

ROWS: list[tuple[str, Any, int, str, str]] = [
    ("not JSON", b"{", 400, "Invalid JSON", "malformed"),
    ("too deep", DEEP, 400, "Invalid JSON", "malformed"),
    ("not UTF-8", b'{"type":"\xff"}', 400, "Invalid JSON", "malformed"),
    ("not an object", b"[]", 400, "Invalid payload shape", "malformed"),
    ("another type", {"type": "agirails.quote.v1"}, 400, ONLY, "message_type_unsupported"),
    ("no type", {}, 400, ONLY, "message_type_unsupported"),
    ("no message", {"type": "agirails.counteroffer.v1"}, 400, "Missing message field", "malformed"),
    ("a key is missing", without("nonce"), 400, "Malformed CounterOffer: ", "malformed"),
    ("W12 nonce -1", spoilt(nonce=-1), 400, "Malformed CounterOffer: ", "malformed"),
    ("W12 nonce 2^256", spoilt(nonce=2**256), 400, "Invalid JSON", "malformed"),
    ("W12 expiresAt 2^300", spoilt(expiresAt=2**300), 400, "Invalid JSON", "malformed"),
    ("W12 counteredAt -5", spoilt(counteredAt=-5), 400, "Malformed CounterOffer: ", "malformed"),
    ("W12 Infinity", spoilt(expiresAt=float("inf")), 400, "Invalid JSON", "malformed"),
    ("W14 nonce 1.9", spoilt(nonce=1.9), 400, "Malformed CounterOffer: ", "malformed"),
    ("W14 nonce true", spoilt(nonce=True), 400, "Malformed CounterOffer: ", "malformed"),
    ("W14 chain as text", spoilt(chainId="84532"), 400, "Malformed CounterOffer: ", "malformed"),
    ("W14 amount as number", spoilt(quoteAmount=1), 400, "Malformed CounterOffer: ", "malformed"),
    ("W14 another key", spoilt(extra=1), 400, "Malformed CounterOffer: ", "malformed"),
    ("W14 version", spoilt(version="9.9"), 422, "version must be", "schema_invalid"),
    (
        "another chain in the message",
        resigned(chain_id=1),
        400,
        "chainId mismatch between URL and message",
        "path_mismatch",
    ),
    (
        "another transaction in the message",
        resigned(tx_id=tx(2)),
        400,
        "txId mismatch between URL and message",
        "path_mismatch",
    ),
    ("expired long ago", late(31), 410, "Message expired", "message_expired"),
    ("expired just now", late(1), 422, "Counter-offer expired", "offer_expired"),
    ("tampered", spoilt(counterAmount="1100001"), 401, NOT_THEIRS, "signature_invalid"),
    ("unrecoverable", spoilt(signature=UNRECOVERABLE), 401, NOBODYS, "signature_invalid"),
    (
        "short signature",
        spoilt(signature="0x1234"),
        422,
        "Invalid signature format",
        "signature_malformed",
    ),
    (
        "below the minimum",
        resigned(counter_amount="49999"),
        422,
        "counterAmount below platform minimum ($0.05)",
        "amount_below_minimum",
    ),
    (
        "not below the quote",
        resigned(counter_amount="1500000"),
        422,
        "counterAmount must be less than quoteAmount (otherwise just accept the quote)",
        "counter_not_below_quote",
    ),
    (
        "above maxPrice",
        resigned(max_price="1000000"),
        422,
        "counterAmount exceeds maxPrice",
        "above_max_price",
    ),
    (
        "from the future",
        resigned(countered_at=1_772_892_301, expires_at=1_772_893_000),
        422,
        "counteredAt is in the future beyond skew tolerance",
        "created_in_future",
    ),
    (
        "in euros",
        resigned(currency="EURC"),
        422,
        "Only USDC currency is supported",
        "currency_unsupported",
    ),
    ("seven decimals", resigned(decimals=7), 422, "USDC has 6 decimals", "schema_invalid"),
    ("bad DID", spoilt(provider="did:ethr:"), 422, "not did:ethr:", "did_invalid"),
    (
        "W10 a message for ten years",
        resigned(expires_at=1_772_892_000 + 315_360_000),
        422,
        "lives for",
        "ttl_exceeded",
    ),
    (
        "W8 another provider",
        resigned(provider=f"did:ethr:{CHAIN}:{OTHER.address}"),
        403,
        "did:ethr",
        "party_mismatch",
    ),
]


@pytest.mark.parametrize(
    ("body", "status", "reason", "code"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS]
)
def test_a_refusal_has_the_peers_status_and_shape(
    body: Any, status: int, reason: str, code: str
) -> None:
    async def scene() -> None:
        store = MemoryStore()
        async with shop(store=store) as sold:
            made = body(sold) if callable(body) else body
            answer = await sold.post(f"/quote-channel/{CHAIN}/{tx(1)}", made)
            said = answer.json()
            assert (answer.status_code, said["code"]) == (status, code), said
            assert said["accepted"] is False
            assert reason in said["reason"]
            assert await store.streams("quote/") == []

    run(scene)


def test_a_chain_that_is_not_configured_is_named() -> None:
    async def scene() -> None:
        async with shop() as sold:
            document = json.loads(codec.encode(sold.desk.offer(tx(1), 1_100_000)))
            document["message"]["chainId"] = 8453
            answer = await sold.post(f"/quote-channel/8453/{tx(1)}", document)
            assert answer.status_code == 400
            assert answer.json()["reason"] == "Unsupported chainId: 8453"

    run(scene)


def test_a_path_without_a_chain_id_is_unprocessable_in_the_frameworks_shape() -> None:
    async def scene() -> None:
        async with shop() as sold:
            for chain in ("x", "-1", "84532.0", "1" * 17):
                answer = await sold.post(f"/quote-channel/{chain}/{tx(1)}", sold.document())
                assert answer.status_code == 422
                assert answer.json()["detail"][0]["type"] == "int_parsing"

    run(scene)


def test_the_path_may_spell_the_transaction_in_upper_case() -> None:
    async def scene() -> None:
        async with shop() as sold:
            counter = sold.desk.offer("0x" + "ab" * 32, 1_100_000)
            first = await sold.say(counter, "0x" + "AB" * 32)
            again = await sold.say(counter)
            assert (first.status_code, again.status_code) == (201, 200)

    run(scene)


def test_a_nonce_conflict_says_which_nonce_is_free() -> None:
    async def scene() -> None:
        async with shop() as sold:
            await sold.say(sold.desk.offer(tx(1), 600_000, nonce=1))
            answer = await sold.say(sold.desk.offer(tx(1), 610_000, nonce=1))
            said = answer.json()
            assert (answer.status_code, said["code"]) == (409, "nonce_conflict")
            assert (said["accepted"], said["next_nonce"]) == (False, 2)
            assert "duplicate" not in said

    run(scene)


def test_a_full_house_says_when_to_come_back() -> None:
    async def scene() -> None:
        async with shop(policy=seed_policy(max_active=1)) as sold:
            await sold.say(sold.desk.offer(tx(1), 600_000))
            answer = await sold.say(sold.desk.offer(tx(2), 600_000, signer=OTHER))
            assert (answer.status_code, answer.json()["code"]) == (503, "negotiations_full")
            assert answer.headers["retry-after"] == "300"

    run(scene)


# Requests, reads, the recipe, health.


def test_a_request_gets_a_quote_in_its_envelope_and_the_same_one_again() -> None:
    async def scene() -> None:
        async with shop() as sold:
            raw = sold.desk.asked(tx(1))
            first = await sold.post("/actp/quote-requests", raw)
            again = await sold.post("/actp/quote-requests", raw)
            assert (first.status_code, again.status_code) == (201, 200)
            assert first.content == again.content
            quote = codec.decode(first.content)
            assert (quote.type, quote.units) == ("agirails.quote.v1", 1_000_000)

    run(scene)


def test_a_declined_request_tells_no_figures() -> None:
    async def scene() -> None:
        async with shop() as sold:
            raw = sold.desk.asked(tx(1), amount=60_000, max_price=400_000)
            answer = await sold.post("/actp/quote-requests", raw)
            assert (answer.status_code, answer.json()["code"]) == (422, "quote_declined")
            assert not any(letter.isdigit() for letter in answer.json()["reason"])

    run(scene)


def test_a_party_reads_the_negotiation_with_a_signed_header() -> None:
    async def scene() -> None:
        async with shop() as sold:
            counter = sold.desk.offer(tx(1), 600_000)
            told = (await sold.say(counter)).json()
            path = f"/quote-channel/{CHAIN}/{tx(1)}"
            header = {"authorization": sold.desk.read_header(tx(1))}
            answer = await sold.http.get(path, headers=header)
            said = answer.json()
            assert (answer.status_code, said["state"]) == (200, "QUOTED")
            entry = said["entries"][0]
            assert codec.decode(entry["raw"].encode()) == counter
            assert entry["record"]["reply"] == told["reply"]
            assert (await sold.http.get(path, headers=header)).status_code == 401
            assert (await sold.http.get(path)).status_code == 401
            stranger = {"authorization": sold.desk.read_header(tx(1), OTHER)}
            assert (await sold.http.get(path, headers=stranger)).status_code == 404

    run(scene)


@pytest.mark.parametrize(
    ("amount", "kind"), [(1_100_000, "CounterAccept"), (600_000, "PriceQuote")]
)
def test_the_recipe_posts_a_message_alone_and_reads_kind_and_payload(
    amount: int, kind: str
) -> None:
    async def scene() -> None:
        async with shop() as sold:
            document = sold.document(amount)["message"]
            answer = await sold.post(
                "/actp/counter-offer", document, **{"content-type": "text/plain;charset=UTF-8"}
            )
            body = answer.json()
            assert (answer.status_code, body["kind"]) == (201, kind)
            assert codec.decode_message(body["payload"]).tx_id == tx(1)
            again = await sold.post("/actp/counter-offer", document)
            assert (again.status_code, again.json()["payload"]) == (200, body["payload"])

    run(scene)


def test_the_recipe_gets_no_payload_for_a_rejected_counter() -> None:
    async def scene() -> None:
        async with shop(policy=seed_policy(max_requotes=0)) as sold:
            answer = await sold.post("/actp/counter-offer", sold.document(600_000)["message"])
            assert (answer.json()["kind"], answer.json()["payload"]) == ("Rejected", None)

    run(scene)


def test_health_is_the_peers_and_the_recipes() -> None:
    async def scene() -> None:
        async with shop() as sold:
            await sold.say(sold.desk.offer(tx(1), 600_000))
            assert (await sold.http.get("/")).json() == {
                "status": "ok",
                "provider": PROVIDER.address,
                "chains": [CHAIN],
                "service": "treaty",
            }
            health = (await sold.http.get("/healthz")).json()
            assert (health["ok"], health["negotiations_active"]) == (True, 1)
            # The other roles of the node are where they were.
            assert (await sold.http.get("/.well-known/asp.json")).status_code == 200

    run(scene)


# Limits.


def test_w13_a_body_over_64_kib_is_refused() -> None:
    async def scene() -> None:
        async with shop() as sold:
            document = sold.document()
            document["message"]["justification"] = {"reason": "x" * 65_536}
            answer = await sold.post(f"/quote-channel/{CHAIN}/{tx(1)}", document)
            assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
            assert answer.json()["accepted"] is False

    run(scene)


def test_w13_a_stranger_is_heard_sixty_times_a_minute() -> None:
    async def scene() -> None:
        async with shop(address="203.0.113.7") as sold:
            path = f"/quote-channel/{CHAIN}/{tx(1)}"
            answers = [await sold.post(path, b"{}") for _ in range(STRANGERS_PER_MINUTE + 5)]
            codes = [answer.status_code for answer in answers]
            assert codes == [400] * 60 + [429] * 5
            assert answers[-1].json()["code"] == "rate_limited"
            assert int(answers[-1].headers["retry-after"]) >= 1
            # Health is not counted among them.
            assert (await sold.http.get("/")).status_code == 200

    run(scene)


@pytest.mark.parametrize(("per_minute", "expected"), [(None, [400] * 70), (10, [400] * 10)])
def test_loopback_has_no_limit_unless_one_is_set(
    per_minute: int | None, expected: list[int]
) -> None:
    async def scene() -> None:
        async with shop(settings=Settings(rate_per_minute=per_minute)) as sold:
            path = f"/quote-channel/{CHAIN}/{tx(1)}"
            codes = [(await sold.post(path, b"{}")).status_code for _ in range(70)]
            assert codes == expected + [429] * (70 - len(expected))

    run(scene)


def test_w13_a_slow_body_is_given_up_while_others_are_served() -> None:
    async def scene() -> None:
        node, _ = selling_node(MemoryStore())
        await node.start()
        listening = listen("127.0.0.1", 0)
        host, port = listening.getsockname()
        ready, stop = asyncio.Event(), asyncio.Event()
        app = make_app(node, settings=Settings(request_ms=300))
        serving = asyncio.create_task(serve(app, listening, stop, on_ready=ready.set))
        await ready.wait()
        reader, writer = await asyncio.open_connection(host, port)
        head = f"POST /quote-channel/{CHAIN}/{tx(1)} HTTP/1.1\r\nhost: x\r\ncontent-length: 800"
        writer.write(head.encode() + b'\r\n\r\n{"type":')
        await writer.drain()
        async with httpx.AsyncClient(trust_env=False) as client:
            assert (await client.get(f"http://{host}:{port}/")).status_code == 200
        async with asyncio.timeout(5):
            answer = await reader.readuntil(b"}")
        assert answer.startswith(b"HTTP/1.1 408")
        writer.close()
        stop.set()
        await serving

    run(scene)


def mutated(chance: random.Random, raw: bytes) -> bytes:
    """A body that somebody has meddled with: bytes, members, values."""
    kind = chance.randrange(6)
    if kind == 0:
        return bytes(chance.randrange(256) for _ in range(chance.randrange(300)))
    if kind == 1:
        where = chance.randrange(len(raw))
        return raw[:where] + bytes((chance.randrange(256),)) + raw[where + 1 :]
    if kind == 2:
        return raw[: chance.randrange(len(raw))]
    document = json.loads(raw)
    message = document.get("message", document)
    name = chance.choice(sorted(message))
    odd = chance.choice(ODD)
    if kind == 3:
        message[name] = odd
    elif kind == 4:
        message[str(odd)[:40]] = message.pop(name)
    else:
        document[chance.choice(("type", "message"))] = odd
    return json.dumps(document).encode("utf-8", "surrogatepass")


ODD: list[Any] = [
    None, True, -1, 0, 1.5, 1e308, float("nan"), float("inf"), 2**63, 2**256, -(2**300), "", "0",
    "0x", "0x" + "0" * 64, "\ud800", "\x00", "A" * 5_000, [], {}, [[[]]], {"a": {"b": {}}},
    "did:ethr:84532:0x" + "0" * 40, "\u0661\u0662", "10\n", "1e5", "-5", "0" * 80,
]  # fmt: skip


def test_w12_no_body_ends_in_a_5xx() -> None:
    async def scene() -> None:
        chance = random.Random(2)
        async with shop() as sold:
            counter = codec.encode(sold.desk.offer(tx(1), 600_000))
            request = sold.desk.asked(tx(2))
            bare = json.dumps(json.loads(counter)["message"]).encode()
            places = [
                (f"/quote-channel/{CHAIN}/{tx(1)}", counter),
                ("/actp/quote-requests", request),
                ("/actp/counter-offer", bare),
            ]
            for number in range(3_000):
                path, raw = places[number % 3]
                answer = await sold.post(path, mutated(chance, raw))
                assert answer.status_code < 500, (path, answer.content)
                assert answer.status_code < 300 or answer.json()["accepted"] is False

    run(scene)


def test_no_path_and_no_header_ends_in_a_5xx() -> None:
    async def scene() -> None:
        async with shop() as sold:
            for odd in ("0x", "%00", "%ff%fe", "a" * 3_000, "0x" + "g" * 64, "..", "%2f"):
                path = f"/quote-channel/{CHAIN}/{odd}"
                assert (await sold.post(path, sold.document())).status_code < 500
                for header in ("QuoteRead", "QuoteRead !!!", "QuoteRead " + "A" * 2_000, "\x7f"):
                    read = await sold.http.get(path, headers={"authorization": header})
                    assert read.status_code < 500

    run(scene)


def test_a_node_without_a_policy_has_no_quote_channel() -> None:
    from tests.http.nodes import world

    async def scene() -> None:
        async with world() as plain:
            answer = await plain.post(f"/quote-channel/{CHAIN}/{tx(1)}", b"{}")
            assert answer.status_code == 404
            assert "ok" not in (await plain.http.get("/healthz")).json()

    run(scene)


def test_a_justification_in_any_script_is_verified_as_it_was_received() -> None:
    async def scene() -> None:
        async with shop() as sold:
            words = {"reason": "préféré 価格 𝄞", "marketRate": 1e-7, "breakdown": {}, "x": None}
            counter = sold.desk.offer(tx(1), 600_000, justification=words)
            assert (await sold.say(counter)).status_code == 201
            injected = sold.document(600_000, 2)
            injected["message"]["justification"] = {"reason": "added later"}
            answer = await sold.post(f"/quote-channel/{CHAIN}/{tx(2)}", injected)
            assert answer.status_code == 401

    run(scene)


def test_many_buyers_at_once_are_each_answered_once() -> None:
    async def scene() -> None:
        async with shop(policy=seed_policy(max_active=1_000)) as sold:
            offers = [
                sold.desk.offer(tx(number), 600_000, signer=account(f"buyer {number}"))
                for number in range(40)
            ]
            answers = await asyncio.gather(*(sold.say(one) for one in offers))
            assert {answer.status_code for answer in answers} == {201}
            nonces = [answer.json()["reply"]["message"]["nonce"] for answer in answers]
            assert len(set(nonces)) == 40
            assert sold.node.quotes is not None
            assert sold.node.quotes.active == 40

    run(scene)
