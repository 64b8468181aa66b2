"""The WebSocket binding over real sockets, spoken to with the client library people use (B23)."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.http.nodes import (
    ALPHA,
    BETA,
    MESSAGES,
    OTHER_SESSION,
    SESSION,
    Agent,
    Chain,
    World,
    introduced,
    served,
    world,
)
from tests.simulation.clock import simulated
from treaty.http.limits import Settings
from treaty.http.sockets import GOING_AWAY, NOT_LET_IN, frame_bytes_max
from treaty.identity.dpop import header_proof
from treaty.wire.packed import raw_from_json, write_packed

pytestmark = pytest.mark.anyio
WAIT_S = 10


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def address(world: World, session: str = SESSION) -> str:
    return f"ws{world.url.removeprefix('http')}/v1/asp/sessions/{session}/ws"


def auth(world: World, agent: Agent, session: str = SESSION, **changes: Any) -> str:
    proof = header_proof(
        agent.signer, method=changes.pop("method", "GET"),
        url=changes.pop("url", address(world, session)),
        jti=agent.fresh_id(), at_ms=world.clock(),
    )  # fmt: skip
    return json.dumps({"type": "auth", "dpopProof": proof, **changes})


@asynccontextmanager
async def joined(
    world: World, agent: Agent, session: str = SESSION, **options: Any
) -> AsyncIterator[ClientConnection]:
    async with connect(address(world, session), open_timeout=WAIT_S) as socket:
        await socket.send(auth(world, agent, session, **options))
        yield socket


async def heard(socket: ClientConnection, kind: str) -> dict[str, Any]:
    """The next frame of a kind."""
    while True:
        frame = json.loads(await asyncio.wait_for(socket.recv(), WAIT_S))
        if frame["type"] == kind:
            return frame


async def closed(socket: ClientConnection) -> int | None:
    """The code a socket is closed with, whatever was sent before."""
    try:
        while True:
            await asyncio.wait_for(socket.recv(), WAIT_S)
    except ConnectionClosed:
        return socket.close_code


async def test_a_participant_hears_all_and_then_what_comes() -> None:
    async with served() as here:
        chain, alpha, beta = await introduced(here)
        async with joined(here, alpha) as socket:
            welcome = await heard(socket, "auth_ok")
            assert (welcome["sessionId"], welcome["state"], welcome["lastSequence"]) == (
                *(SESSION, "INTRODUCED"),
                4,
            )
            positions = [(await heard(socket, "message"))["position"] for _ in range(4)]
            assert positions == [1, 2, 3, 4]
            message = chain.observation(beta)
            await here.say(chain.said(message))
            told = await heard(socket, "message")
            assert told["position"] == 5
            assert told["raw"] == message.decode()
            assert told["envelope"] == json.loads(message)
            assert told["receipt"]["hash"] == told["envelope"]["integrity"]["hash"]
            state = await heard(socket, "session_state")
            assert (state["previous"], state["state"]) == ("INTRODUCED", "CONVERSING")


async def test_the_last_position_resumes_behind_it() -> None:
    async with served() as here:
        _chain, alpha, _beta = await introduced(here)
        async with joined(here, alpha, lastSequence=3) as socket:
            assert (await heard(socket, "message"))["position"] == 4


async def test_a_position_that_is_not_there_is_refused_instead_of_waited_for() -> None:
    async with served() as here:
        _chain, alpha, _beta = await introduced(here)
        async with joined(here, alpha, lastSequence=4) as socket:
            assert (await heard(socket, "auth_ok"))["lastSequence"] == 4
        async with joined(here, alpha, lastSequence=5) as socket:
            assert (await heard(socket, "error"))["code"] == "reference_unknown"


@pytest.mark.parametrize("form", ["object", "text"])
async def test_what_is_sent_is_judged_and_acknowledged(form: str) -> None:
    async with served() as here:
        chain, alpha, _beta = await introduced(here)
        async with joined(here, alpha, lastSequence=4) as socket:
            message = chain.observation(alpha)
            envelope = json.loads(message) if form == "object" else message.decode()
            await socket.send(json.dumps({"type": "send", "envelope": envelope}))
            ack = await heard(socket, "ack")
            assert ack["position"] == 5
            assert ack["hash"] == json.loads(message)["integrity"]["hash"]
            assert ack["receipt"]["performative"] == "OBSERVE"
            # The same again is answered the same, over whichever road it comes.
            await socket.send(json.dumps({"type": "send", "envelope": envelope}))
            assert (await heard(socket, "ack"))["receipt"] == ack["receipt"]
            assert (await here.send(message)).json() == ack["receipt"]


async def test_a_refusal_is_told_and_the_connection_stays() -> None:
    async with served() as here:
        chain, alpha, beta = await introduced(here)
        stale = chain.observation(alpha)
        await here.say(chain.said(chain.observation(beta)))
        async with joined(here, alpha, lastSequence=5) as socket:
            await socket.send(json.dumps({"type": "send", "envelope": json.loads(stale)}))
            error = await heard(socket, "error")
            assert error["code"] == "chain_stale"
            assert error["messageId"] == json.loads(stale)["messageId"]
            assert error["problem"]["nextSequence"] == 2
            assert [one["position"] for one in error["problem"]["missed"]] == [5]
            await socket.send(json.dumps({"type": "pong"}))
            await here.say(chain.said(chain.observation(alpha)))
            assert (await heard(socket, "message"))["position"] == 6


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        ("hello", "malformed"),
        ("[]", "malformed"),
        ("{}", "malformed"),
        ('{"type":"shout"}', "malformed"),
        ('{"type":"send"}', "malformed"),
        ('{"type":"send","envelope":5}', "malformed"),
        ('{"type":"send","envelope":{}}', "malformed"),
        ('{"type":"send","type":"pong"}', "malformed"),
        ('{"type":"send","envelope":"{}"}', "malformed"),
        ("[" * 40 + "]" * 40, "malformed"),
        (b"\x80", "malformed"),
        (b"\x00", "malformed"),
    ],
)
async def test_a_frame_that_is_none_is_refused_and_forgotten(frame: Any, code: str) -> None:
    async with served() as here:
        chain, alpha, _beta = await introduced(here)
        async with joined(here, alpha, lastSequence=4) as socket:
            await socket.send(frame)
            assert (await heard(socket, "error"))["code"] == code
            await here.say(chain.said(chain.observation(alpha)))
            assert (await heard(socket, "message"))["position"] == 5


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"method": "POST"}, "proof_invalid"),
        ({"url": "ws://elsewhere.example/v1/asp/sessions/x/ws"}, "proof_invalid"),
        ({"dpopProof": "x"}, "proof_invalid"),
        ({"dpopProof": None}, "proof_invalid"),
        ({"type": "send"}, "proof_invalid"),
        ({"lastSequence": -1}, "malformed"),
        ({"lastSequence": "4"}, "malformed"),
    ],
)
async def test_who_does_not_prove_itself_is_not_let_in(change: Any, code: str) -> None:
    async with served() as here:
        _chain, alpha, _beta = await introduced(here)
        async with joined(here, alpha, **change) as socket:
            error = await heard(socket, "error")
            assert error["code"] == code, error
            assert await closed(socket) == NOT_LET_IN


async def test_strangers_and_strange_sessions_hear_the_same() -> None:
    async with served() as here:
        _chain, alpha, _beta = await introduced(here)
        carol = await here.agent("agent://elsewhere.test/carol")
        told = []
        for who, session in ((carol, SESSION), (alpha, OTHER_SESSION)):
            async with joined(here, who, session) as socket:
                told.append(await heard(socket, "error"))
                assert await closed(socket) == NOT_LET_IN
        assert told[0] == told[1]
        assert told[0]["code"] == "unknown_session"


async def test_a_proof_opens_one_socket() -> None:
    async with served() as here:
        _chain, alpha, _beta = await introduced(here)
        frame = auth(here, alpha)
        for code in ("auth_ok", "error"):
            async with connect(address(here)) as socket:
                await socket.send(frame)
                assert json.loads(await socket.recv())["type"] == code


async def test_who_leaves_the_session_is_let_go() -> None:
    async with served() as here:
        chain, alpha, beta = await introduced(here)
        gamma = await here.agent("agent://lawyers.test/gamma")
        delegation = {
            "delegationId": "del_1",
            "targetAgent": gamma.uri,
            "scope": "advice",
            "authority": "advisory",
            "expiresAt": "2026-03-07T15:00:00.000Z",
            "protocol": "asp",
        }
        await here.say(
            chain.said(chain.observation(alpha)),
            chain.next(alpha, "DELEGATE", delegation),
            chain.next(beta, "ACCEPT", {"referenceId": "del_1"}),
        )
        async with joined(here, gamma) as socket:
            # Without history it hears what comes from its joining on.
            assert (await heard(socket, "message"))["position"] == 7
            await here.say(chain.next(alpha, "WITHDRAW", {"referenceId": "del_1"}))
            assert (await heard(socket, "error"))["code"] == "unknown_session"
            assert await closed(socket) == NOT_LET_IN


async def test_who_says_nothing_and_who_says_too_much_is_let_go() -> None:
    settings = Settings(head_ms=200, heartbeat_ms=100)
    async with served(settings=settings) as here:
        _chain, alpha, _beta = await introduced(here)
        async with connect(address(here)) as silent:
            assert (await heard(silent, "error"))["code"] == "timeout"
            assert await closed(silent) == NOT_LET_IN
        async with joined(here, alpha) as socket:
            await heard(socket, "auth_ok")
            # Longer than a head may take: the socket is no request any more.
            for _ in range(5):
                await heard(socket, "heartbeat")
            await socket.send("x" * (frame_bytes_max(settings.body_bytes_max) + 1))
            assert await closed(socket) == 1009


async def test_a_quiet_session_has_a_heartbeat_and_the_end_of_the_server_is_told() -> None:
    settings = Settings(heartbeat_ms=50)
    async with served(settings=settings) as here:
        _chain, alpha, _beta = await introduced(here)
        socket = await connect(address(here))
        await socket.send(auth(here, alpha, lastSequence=4))
        assert (await heard(socket, "heartbeat"))["state"] == "INTRODUCED"
        assert here.app.gate.streams == 1
    assert await closed(socket) in (GOING_AWAY, 1012)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/v1/asp/sessions/no-uuid/ws", 404),
        ("/v1/asp/sessions", 404),
        ("/", 404),
    ],
)
async def test_there_are_no_other_sockets(path: str, status: int) -> None:
    async with served() as here:
        await here.agent(ALPHA)
        with pytest.raises(InvalidStatus) as caught:
            async with connect(f"ws{here.url.removeprefix('http')}{path}"):
                pass
        response = caught.value.response
        assert response.status_code == status
        assert json.loads(response.body or b"{}")["code"] == "not_found"


async def test_beyond_the_streams_a_socket_is_refused_in_the_words_of_http() -> None:
    async with served(settings=Settings(streams_max=1)) as here:
        _chain, alpha, _beta = await introduced(here)
        async with joined(here, alpha) as socket:
            await heard(socket, "auth_ok")
            with pytest.raises(InvalidStatus) as caught:
                async with connect(address(here)):
                    pass
            assert caught.value.response.status_code == 503
        assert here.app.gate.in_flight == 0


async def test_a_session_in_messagepack_is_spoken_over_every_road() -> None:
    async with served() as here:
        alpha, beta = await here.agent(ALPHA), await here.agent(BETA)
        chain = Chain(alpha, beta)
        invitation = chain.invitation(format="application/asp+msgpack")
        assert (await here.post("/v1/asp/sessions", invitation)).status_code == 201
        rest = [chain.next(beta, "ACCEPT", {"referenceId": "inv_1"})]
        for agent in (alpha, beta):
            card = json.loads(agent.card())
            body = {"informType": "identity", "subject": "me", "data": {"agentCard": card}}
            rest.append(chain.next(agent, "INFORM", body))
        kind = {"content-type": "application/asp+msgpack"}
        # Until it is agreed either format is read; afterwards the one that was agreed.
        assert (await here.send(rest[0])).status_code == 201
        refused = await here.send(rest[1])
        assert (refused.status_code, refused.json()["code"]) == (415, "unsupported_media_type")
        for message in rest[1:]:
            packed = write_packed(json.loads(message))
            answer = await here.http.post(MESSAGES, content=packed, headers=kind)
            assert answer.status_code == 201, answer.text
            assert answer.json()["hash"] == json.loads(message)["integrity"]["hash"]
        async with joined(here, alpha, lastSequence=3) as socket:
            told = await heard(socket, "message")
            assert raw_from_json(told["raw"]) == write_packed(json.loads(rest[-1]))
            assert told["envelope"] == json.loads(rest[-1])
            message = chain.next(alpha, "OBSERVE", {"subject": "x", "data": {}})
            await socket.send(write_packed(json.loads(message)))
            assert (await heard(socket, "ack"))["position"] == 5
        page = await here.read(beta, MESSAGES, "?after=4")
        (entry,) = page.json()["entries"]
        assert raw_from_json(entry["raw"]) == write_packed(json.loads(message))


@pytest.mark.parametrize("stated", ["application/xml", "json", "application/json"])
async def test_a_format_nobody_speaks_is_refused_with_the_invitation(stated: str) -> None:
    async with served() as here:
        chain = Chain(await here.agent(ALPHA), await here.agent(BETA))
        answer = await here.post("/v1/asp/sessions", chain.invitation(format=stated))
        assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")


def mangled(chance: random.Random, message: bytes) -> str | bytes:
    """A frame with something wrong about it, mostly."""
    packed = bytearray(write_packed(json.loads(message)))
    packed[chance.randrange(len(packed))] = chance.randrange(256)
    text = bytearray(json.dumps({"type": "send", "envelope": json.loads(message)}).encode())
    text[chance.randrange(len(text))] = chance.randrange(32, 127)
    letters = "".join(chr(chance.randrange(32, 0x300)) for _ in range(chance.randrange(80)))
    frames = (chance.randbytes(chance.randrange(200)), bytes(packed), text.decode(), letters)
    return chance.choice(frames)


async def test_whatever_a_client_sends_is_answered_and_nothing_breaks() -> None:
    chance = random.Random(7)
    async with served() as here:
        chain, alpha, _beta = await introduced(here)
        message = chain.observation(alpha)
        async with joined(here, alpha, lastSequence=4) as socket:
            await heard(socket, "auth_ok")
            for _ in range(200):
                await socket.send(mangled(chance, message))
                told = json.loads(await asyncio.wait_for(socket.recv(), WAIT_S))
                while told["type"] not in ("ack", "error"):
                    told = json.loads(await asyncio.wait_for(socket.recv(), WAIT_S))
                assert told["type"] == "ack" or told["code"] != "internal", told


@simulated
async def check_let_go() -> None:
    """A reader that takes two frames and then none; the time is that of the loop."""
    async with world() as here:
        _chain, alpha, _beta = await introduced(here)
        hears = asyncio.Queue[dict[str, Any]]()
        for event in (
            {"type": "websocket.connect"},
            {"type": "websocket.receive", "text": auth(here, alpha)},
        ):
            hears.put_nowait(event)
        told: list[dict[str, Any]] = []

        async def send(event: dict[str, Any]) -> None:
            if len(told) == 3:
                await asyncio.Future()
            told.append(event)

        path = f"/v1/asp/sessions/{SESSION}/ws"
        scope = {"type": "websocket", "raw_path": path.encode(), "client": None, "headers": []}
        began = asyncio.get_running_loop().time()
        await here.app(scope, hears.get, send)
        assert [one["type"] for one in told] == ["websocket.accept", *["websocket.send"] * 2]
        # Once for the frame it did not take, once more for the word that it is let go.
        waited_s = asyncio.get_running_loop().time() - began
        assert waited_s == pytest.approx(2 * Settings().stall_ms / 1000, abs=1)
        assert (here.app.gate.streams, here.app.gate.in_flight) == (0, 0)


def test_who_does_not_read_is_let_go() -> None:
    check_let_go()
