"""The client: what a node holds comes back, and a node that is away for a while is waited for."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from itertools import pairwise
from typing import Any

import httpx
import pytest

from tests.http.nodes import (
    ALPHA,
    BETA,
    NODE,
    SESSION,
    URL,
    Agent,
    Chain,
    World,
    introduced,
    make_node,
    operator_record,
    served,
    signer,
    transfer,
    world,
)
from tests.simulation.clock import simulated
from treaty.dialects.asp.discovery import compose_query
from treaty.errors import (
    MisuseError,
    Refused,
    SignatureError,
    TreatyError,
    UnavailableError,
    WireError,
)
from treaty.http import remote
from treaty.http.client import HttpNode
from treaty.http.limits import Settings
from treaty.http.server import listen, make_app, serve
from treaty.store.sqlite import SqliteStore
from treaty.wire.encoding import b64url_decode


def client_of(here: World, agent: Agent, **options: Any) -> HttpNode:
    """A client in the process."""
    transport = httpx.ASGITransport(here.app)
    return HttpNode(URL, agent.signer, agent.uri, transport=transport, clock=here.clock, **options)


def over_the_network(here: World, agent: Agent, **options: Any) -> HttpNode:
    return HttpNode(here.url, agent.signer, agent.uri, clock=here.clock, **options)


@simulated
async def test_a_node_is_asked_for_all_it_tells_anyone() -> None:
    async with world() as here:
        alpha = Agent(ALPHA, here.clock)
        client = client_of(here, alpha)

        assert (await client.describe())["uri"] == NODE
        assert (await client.register(json.loads(alpha.card())))["listing"]["uri"] == ALPHA
        assert (await client.card(ALPHA))["uri"] == ALPHA
        assert (await client.trust(ALPHA))["score"] == 49
        assert len((await client.trust_log(0, 10))["records"]) == 2
        await client.close()


@simulated
async def test_a_question_is_answered_with_the_bytes_that_were_signed() -> None:
    async with world() as here:
        alpha = await here.agent(ALPHA)
        question = compose_query(
            sender={"agentId": ALPHA, "orgId": "org", "trustScore": 49},
            parameters={},
            subject="anyone",
            query_id="q1",
            signer=alpha.signer,
            at_ms=here.clock(),
            entropy=bytes(32),
        )

        answer = await client_of(here, alpha).discover(question)

        assert json.loads(answer)["content"]["body"]["data"]["queryId"] == "q1"


@simulated
async def test_a_session_is_opened_talked_in_and_read() -> None:
    async with world() as here:
        alpha, beta = await here.agent(ALPHA), await here.agent(BETA)
        client = client_of(here, alpha)
        chain = Chain(alpha, beta)
        invitation, *rest = chain.welcome()

        opened = await client.open_session(invitation)
        receipts = [await client.send(SESSION, message) for message in rest]

        assert [one["position"] for one in (opened, *receipts)] == [1, 2, 3, 4]
        assert (await client.session(SESSION))["head"] == chain.head
        first = await client.entries(SESSION, 0, 3)
        assert [item.raw for item in first.items] == [invitation, *rest[:2]]
        assert first.more
        assert (await client.entries(SESSION, 3)).more is False


@simulated
async def test_the_operator_pays_and_attests_and_an_owner_looks() -> None:
    async with world() as here:
        alpha = await here.agent(ALPHA)
        client = client_of(here, alpha)
        await client.post_transfer(json.loads(transfer("fund", ALPHA, "5.00")))
        body = {
            "agent": ALPHA,
            "by": "agent://operator.test/treasury",
            "components": {"IV": 100},
            "weight": 10,
            "allowance": 0,
            "at": "2026-03-07T14:00:00.000Z",
            "until": "2026-03-08T14:00:00.000Z",
            "reason": "known",
        }

        attested = await client.post_attestation(json.loads(operator_record("attestation", body)))

        assert attested["attested"] is True
        (account,) = (await client.statement())["accounts"]
        assert account["settled"]["amount"] == "5.00"


@simulated
async def test_the_operator_looks_at_another_account() -> None:
    async with world() as here:
        await here.fund(ALPHA, "5.00")
        operator = Agent("agent://operator.test/treasury", here.clock)

        found = await client_of(here, operator).statement(ALPHA)

        assert (found["agent"], len(found["accounts"])) == (ALPHA, 1)


Raised = tuple[type[TreatyError], str]


@simulated
async def test_a_refusal_comes_back_as_it_was_raised() -> None:
    async with world() as here:
        chain, alpha, beta = await introduced(here)
        client = client_of(here, alpha)
        late = chain.observation(beta)
        message = chain.said(chain.observation(alpha))
        await client.send(SESSION, message)
        forged = json.loads(chain.observation(alpha))
        forged["integrity"]["signature"] = "ed25519:" + "0" * 128
        cases: list[tuple[bytes, Raised]] = [
            (b"{", (WireError, "malformed")),
            (b" " * 300_000, (WireError, "too_large")),
            (json.dumps(forged).encode(), (SignatureError, "signature_invalid")),
            (chain.observation(alpha, sequence=9), (Refused, "sequence_gap")),
        ]
        for raw, (kind, code) in cases:
            with pytest.raises(kind) as raised:
                await client.send(SESSION, raw)
            assert (type(raised.value), raised.value.code) == (kind, code)

        with pytest.raises(Refused) as stale:
            await client.send(SESSION, late)

        assert stale.value.code == "chain_stale"
        assert stale.value.data["head"] == chain.head
        (missed,) = stale.value.data["missed"]
        assert (missed.position, missed.raw) == (5, message)
        assert stale.value.data["more"] is False


@simulated
async def test_a_session_of_others_is_unknown() -> None:
    async with world() as here:
        await introduced(here)
        client = client_of(here, await here.agent("agent://mallory.test/m"))

        for ask in (client.session(SESSION), client.entries(SESSION, 0)):
            with pytest.raises(Refused) as raised:
                await ask
            assert raised.value.code == "unknown_session"


class Line(httpx.AsyncBaseTransport):
    """A transport that answers as a script says; behind its end, as the last line says."""

    def __init__(self, *script: Callable[[httpx.Request], httpx.Response]) -> None:
        self._script = list(script)
        self.requests: list[httpx.Request] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        line = self._script.pop(0) if len(self._script) > 1 else self._script[0]
        return line(request)


def lost(_request: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("refused")


def cut(_request: httpx.Request) -> httpx.Response:
    async def body() -> AsyncIterator[bytes]:
        yield b'{"status":'
        raise httpx.ReadError("reset")

    return httpx.Response(200, content=body())


async def pieces(content: bytes) -> AsyncIterator[bytes]:
    """A body as a network brings it."""
    for start in range(0, len(content), 512):
        yield content[start : start + 512]


def said(status: int, body: Any, **headers: str) -> Callable[[httpx.Request], httpx.Response]:
    """A line that answers."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    good = "application/json" if status < 300 else "application/problem+json"
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    kind = {"content-type": good, **named}
    return lambda _request: httpx.Response(status, content=pieces(content), headers=kind)


def busy(status: int, code: str, seconds: int) -> Callable[[httpx.Request], httpx.Response]:
    return said(status, {"code": code, "detail": "later"}, retry_after=str(seconds))


def scripted(line: Line, **options: Any) -> HttpNode:
    return HttpNode(URL, signer(ALPHA), ALPHA, transport=line, clock=lambda: 0, **options)


DESCRIBED = said(200, {"url": URL})


@simulated
async def test_a_request_whose_answer_was_lost_is_sent_again() -> None:
    line = Line(lost, cut, lost, said(201, {"position": 1}))

    receipt = await scripted(line).send(SESSION, b'{"same":"bytes"}')

    assert receipt == {"position": 1}
    assert {request.content for request in line.requests} == {b'{"same":"bytes"}'}
    assert len(line.requests) == 4


@simulated
async def test_a_node_that_stays_away_is_given_up_within_the_budget() -> None:
    loop = asyncio.get_running_loop()
    start = loop.time()
    line = Line(lost)

    with pytest.raises(UnavailableError, match=r"no node can be reached at http://node\.test"):
        await scripted(line, budget_ms=10_000).describe()

    assert 8 < loop.time() - start <= 10
    assert len(line.requests) < 20


@simulated
async def test_pauses_grow() -> None:
    times: list[float] = []

    def noted(request: httpx.Request) -> httpx.Response:
        times.append(asyncio.get_running_loop().time())
        return lost(request)

    with pytest.raises(UnavailableError):
        await scripted(Line(noted), budget_ms=4_000).describe()

    pauses = [round(later - sooner, 2) for sooner, later in pairwise(times)]
    assert pauses == [0.05, 0.1, 0.2, 0.4, 0.8, 1.0, 1.0]


@pytest.mark.parametrize(("status", "code"), [(503, "overloaded"), (429, "rate_limited")])
@simulated
async def test_a_busy_node_is_asked_again_when_it_says(status: int, code: str) -> None:
    loop = asyncio.get_running_loop()
    start = loop.time()
    line = Line(busy(status, code, 2), busy(status, code, 3), said(200, {"url": URL}))

    assert await scripted(line).describe() == {"url": URL}
    assert loop.time() - start == pytest.approx(5)


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [(503, "overloaded", UnavailableError), (429, "inbox_full", Refused)],
)
@simulated
async def test_a_wait_beyond_the_budget_is_not_begun(
    status: int, code: str, kind: type[TreatyError]
) -> None:
    loop = asyncio.get_running_loop()
    start = loop.time()

    with pytest.raises(kind) as raised:
        await scripted(Line(busy(status, code, 30))).describe()

    assert raised.value.code == code
    assert loop.time() == start


@simulated
async def test_other_refusals_are_not_repeated() -> None:
    line = Line(busy(409, "position_held", 1))

    with pytest.raises(Refused):
        await scripted(line).send(SESSION, b"{}")

    assert len(line.requests) == 1


@simulated
async def test_every_attempt_to_read_proves_itself_anew() -> None:
    line = Line(DESCRIBED, lost, lost, said(200, {"state": "CLOSED"}))

    await scripted(line).session(SESSION)

    proofs = [request.headers["dpop"] for request in line.requests[1:]]
    assert len(set(proofs)) == 3


def htu(request: httpx.Request) -> str:
    """What a request's proof is for."""
    claims: str = request.headers["dpop"].split(".")[1]
    stated: str = json.loads(b64url_decode(claims))["htu"]
    return stated


PUBLIC = "https://treaty.example"
LOOPBACKS = ["http://127.0.0.1:8440", "http://localhost", "http://[::1]:1/", "http://127.9.9.9"]
NOT_LOOPBACKS = ["http://node.test", "http://127.0.0.1.evil.test", "http://localhost.evil.test:1"]


@pytest.mark.parametrize("address", LOOPBACKS)
@simulated
async def test_a_proof_names_the_public_address_which_is_asked_for_once(address: str) -> None:
    line = Line(said(200, {"url": PUBLIC}), said(200, {"state": "CLOSED"}))
    client = HttpNode(address, signer(ALPHA), ALPHA, transport=line, clock=lambda: 0)

    await client.session(SESSION)
    await client.session(SESSION)

    path = f"/v1/asp/sessions/{SESSION}"
    assert [request.url.path for request in line.requests] == [
        "/.well-known/asp.json",
        path,
        path,
    ]
    assert PUBLIC not in {str(request.url)[: len(PUBLIC)] for request in line.requests}
    assert [htu(request) for request in line.requests[1:]] == [PUBLIC + path] * 2


@pytest.mark.parametrize("address", NOT_LOOPBACKS)
@pytest.mark.parametrize("stated", [PUBLIC, "http://node.test:81", "", None, 7])
@simulated
async def test_a_node_elsewhere_gets_no_proof_for_another_address(
    address: str, stated: Any
) -> None:
    line = Line(said(200, {"url": stated}))
    client = HttpNode(address, signer(ALPHA), ALPHA, transport=line, clock=lambda: 0)

    with pytest.raises(UnavailableError, match="says that its address is"):
        await client.session(SESSION)

    assert not any("dpop" in request.headers for request in line.requests)


@simulated
async def test_a_public_address_may_be_given() -> None:
    line = Line(said(200, {"state": "CLOSED"}))

    await scripted(line, public_url=PUBLIC).session(SESSION)

    assert [htu(request) for request in line.requests] == [f"{PUBLIC}/v1/asp/sessions/{SESSION}"]


@pytest.mark.parametrize(
    "line",
    [
        said(200, b"<html>", content_type="text/html"),
        said(200, b"[1]"),
        said(404, b"<html>", content_type="text/html"),
        said(302, b"", location="http://elsewhere.test/"),
        said(404, {"detail": "Not Found"}, content_type="application/json"),
    ],
)
@simulated
async def test_another_server_is_told_from_a_node(line: Any) -> None:
    script = Line(line)

    with pytest.raises(UnavailableError, match="not what a treaty node says"):
        await scripted(script).describe()

    assert len(script.requests) == 1, "no redirect is followed, nothing is repeated"


@simulated
async def test_a_page_of_something_else_is_told_from_a_log() -> None:
    line = Line(DESCRIBED, said(200, {"entries": [{"position": 0}]}))

    with pytest.raises(UnavailableError, match="not what a treaty node says"):
        await scripted(line).entries(SESSION, 0)


@simulated
async def test_an_endless_answer_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("treaty.http.client.ANSWER_BYTES_MAX", 1_000)
    assert remote.ANSWER_BYTES_MAX > 1_000

    with pytest.raises(UnavailableError, match="more than 1000 bytes"):
        await scripted(Line(said(200, b" " * 2_000))).describe()


@pytest.mark.parametrize("address", ["", "node.test", "ftp//x", "http://", "http://a b"])
def test_an_address_that_is_none_is_misuse(address: str) -> None:
    with pytest.raises(MisuseError, match="not the address of a node"):
        HttpNode(address, signer(ALPHA), ALPHA)


def test_the_environment_names_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")

    async def main() -> None:
        async with served() as here:
            client = over_the_network(here, Agent(ALPHA, here.clock, here.url), budget_ms=0)
            assert (await client.describe())["uri"] == NODE
            await client.close()

    asyncio.run(main())


async def two_readers() -> None:
    async with served() as here:
        chain, alpha, beta = await introduced(here)
        clients = [over_the_network(here, agent) for agent in (alpha, beta)]
        streams = [client.events(SESSION, 2) for client in clients]
        for stream in streams:
            assert [(await anext(stream)).position for _ in range(2)] == [3, 4]
        message = chain.said(chain.observation(alpha))
        await clients[0].send(SESSION, message)
        for stream, client in zip(streams, clients, strict=True):
            item = await anext(stream)
            assert (item.position, item.raw) == (5, message)
            assert item.record["sender"] == ALPHA
            await stream.aclose()
            await client.close()


def test_a_session_is_streamed_to_both_sides() -> None:
    asyncio.run(two_readers())


async def invited() -> None:
    async with served() as here:
        alpha, beta = await here.agent(ALPHA), await here.agent(BETA)
        client = over_the_network(here, beta)
        invitation = Chain(alpha, beta).invitation()
        async with aclosing(client.inbox(0)) as inbox:
            coming = asyncio.ensure_future(anext(inbox))
            await here.post("/v1/asp/sessions", invitation)
            item = await coming
        assert (item.kind, item.position, item.raw) == ("invitation", 1, invitation)
        assert (item.body["session"], item.body["from"]) == (SESSION, ALPHA)
        assert "raw" not in item.body
        await client.close()


def test_an_invitation_arrives_in_another_process() -> None:
    asyncio.run(invited())


async def stream_ends() -> None:
    async with served() as here:
        _, alpha, _ = await introduced(here)
        client = over_the_network(here, alpha)
        items = []
        async with aclosing(client.events(SESSION, 0)) as stream:
            async for item in stream:
                items.append(item.position)
                if len(items) == 4:
                    here.app.close_streams()
        assert items == [1, 2, 3, 4]
        await client.close()


def test_a_stream_ends_with_its_connection() -> None:
    asyncio.run(stream_ends())


async def refused_stream() -> None:
    async with served(settings=Settings(streams_max=0)) as here:
        _, alpha, _ = await introduced(here)
        client = over_the_network(here, alpha, budget_ms=500)
        with pytest.raises(UnavailableError) as full:
            await anext(client.events(SESSION, 0))
        assert full.value.code == "overloaded"
        stranger = over_the_network(here, Agent("agent://mallory.test/m", here.clock, here.url))
        with pytest.raises(Refused) as unknown:
            await anext(stranger.events(SESSION, 0))
        assert unknown.value.code == "unknown_session"
        await client.close()
        await stranger.close()


def test_a_stream_that_is_refused_says_why() -> None:
    asyncio.run(refused_stream())


@pytest.mark.parametrize(
    "body",
    [
        b"id: 1\nevent: message\ndata: {\n\n",
        b'id: 1\nevent: message\ndata: {"position":1}\n\n',
        b"event: fact\ndata: []\n\n",
    ],
)
@simulated
async def test_a_stream_of_something_else_is_told(body: bytes) -> None:
    line = Line(DESCRIBED, said(200, body, content_type="text/event-stream"))

    with pytest.raises(UnavailableError, match="what no treaty node sends"):
        await anext(scripted(line).events(SESSION, 0))


@simulated
async def test_a_page_instead_of_a_stream_is_told() -> None:
    line = Line(DESCRIBED, said(200, b"<html>", content_type="text/html"))

    with pytest.raises(UnavailableError, match="not what a treaty node says"):
        await anext(scripted(line).events(SESSION, 0))


@asynccontextmanager
async def life(path: Any, port: int, clock: Any) -> AsyncIterator[int]:
    """One life of a node on a port of its own."""
    listening = listen("127.0.0.1", port)
    port = listening.getsockname()[1]
    store = await SqliteStore.open(path)
    node = make_node(store, clock, url=f"http://127.0.0.1:{port}")
    await node.start()
    ready, stop = asyncio.Event(), asyncio.Event()
    serving = asyncio.create_task(serve(make_app(node), listening, stop, on_ready=ready.set))
    await ready.wait()
    yield port
    stop.set()
    await serving
    await store.close()


async def survived(path: Any) -> None:
    async with served() as other:
        clock = other.clock
    async with life(path, 0, clock) as port:
        url = f"http://127.0.0.1:{port}"
        alpha, beta = Agent(ALPHA, clock, url), Agent(BETA, clock, url)
        client = HttpNode(url, alpha.signer, ALPHA, clock=clock)
        for agent in (alpha, beta):
            await client.register(json.loads(agent.card()))
        chain = Chain(alpha, beta)
        invitation, *rest = chain.welcome()
        await client.open_session(invitation)
        for message in rest:
            await client.send(SESSION, message)
        message = chain.said(chain.observation(alpha))
        receipt = await client.send(SESSION, message)
    # Nobody answers now; both requests wait for the node to come back.
    sending = asyncio.create_task(client.send(SESSION, chain.next(beta, "OBSERVE", OBSERVED)))
    reading = asyncio.create_task(client.entries(SESSION, 0))
    again = asyncio.create_task(client.send(SESSION, message))
    await asyncio.sleep(0)
    async with life(path, port, clock):
        assert (await sending)["position"] == 6
        assert len((await reading).items) >= 5
        assert await again == receipt
        assert (await client.session(SESSION))["messageCount"] == 6
        await client.close()


OBSERVED = {"subject": "still here", "data": {}}


def test_a_node_that_is_restarted_is_not_noticed(tmp_path) -> None:
    asyncio.run(survived(tmp_path / "node.db"))
