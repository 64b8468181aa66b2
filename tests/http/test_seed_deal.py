"""The protocol's own example, message by message over HTTP, with the other party listening.

Alpha and Beta are plain HTTP clients here: what they send is the example re-signed, what they
learn comes from receipts and streams. The figures are the example's.
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

from tests.http.nodes import (
    ALPHA,
    BETA,
    MESSAGES,
    NODE,
    OPERATOR,
    SESSION,
    Agent,
    Chain,
    Stream,
    World,
    encoded,
    inbox_stream,
    operator_record,
    session_stream,
    signer,
    world,
)
from tests.simulation.clock import simulated
from treaty.dialects.asp.discovery import compose_query
from treaty.identity.records import open_record
from treaty.store.sqlite import SqliteStore
from treaty.wire.digest import ZERO_TAG, sha256_tag
from treaty.wire.instants import format_instant, parse_instant

EXAMPLE = Path(__file__).resolve().parents[2] / "conformance/vectors/asp/seed-transcript.json"
STATES = [
    "INVITED", "INVITED", "INVITED", "INTRODUCED", "CONVERSING", "CONVERSING", "CONVERSING",
    "CONVERSING", "AGREEING", "EXECUTING", "EXECUTING", "EXECUTING", "EXECUTING", "CLOSED",
]  # fmt: skip
"""After messages 3 to 16."""
BETA_COMPONENTS = {
    "IV": 100, "CH": 90, "CF": 95, "BC": 90, "RQ": 92, "SP": 75, "ER": 94, "PE": 68,
}  # fmt: skip


def example() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(EXAMPLE.read_text(encoding="utf-8"))
    return found


def remade(chain: Chain, message: dict[str, Any], sender: Agent) -> bytes:
    """A message of the example, signed by this sender for this chain."""
    body = message["content"]["body"]
    if body.get("informType") == "identity":
        body = {**body, "data": {"agentCard": json.loads(sender.card())}}
    options = {name: message[name] for name in ("recipient", "constraints") if name in message}
    return chain.make(
        sender, message["performative"], body, message_id=message["messageId"], **options
    )


async def prepare(here: World, start_ms: int) -> tuple[Agent, Agent]:
    """Both are registered, Beta is attested, Alpha has money."""
    here.clock.now_ms = start_ms
    alpha = await here.agent(ALPHA)
    pricing = {"gpu": "A100", "pricePerHour": 3.5, "currency": "USD"}
    beta = await here.agent(BETA, capabilities=("provision.cloud",), pricing=pricing)
    attestation = {
        "agent": BETA,
        "by": OPERATOR,
        "components": BETA_COMPONENTS,
        "weight": 200,
        "allowance": 100,
        "at": format_instant(start_ms),
        "until": format_instant(start_ms + 86_400_000),
        "reason": "known for years",
    }
    record = operator_record("attestation", attestation)
    assert (await here.post("/v1/trust/attestations", record)).status_code == 201
    await here.fund(ALPHA, "500.00")
    return alpha, beta


async def ask_the_registry(here: World, alpha: Agent, question: dict[str, Any]) -> Any:
    """Message 1, and the data of message 2."""
    body = question["content"]["body"]
    asked = compose_query(
        sender={"agentId": ALPHA, "orgId": "org_acme", "trustScore": 49},
        parameters=body["parameters"],
        subject=body["subject"],
        query_id=body["queryId"],
        signer=alpha.signer,
        at_ms=here.clock(),
        entropy=bytes(32),
    )
    answer = await here.post("/v1/asp/discover", asked)
    return answer.json()["content"]["body"]["data"]


async def score(here: World, agent: str) -> tuple[float, int]:
    found = (await here.http.get(f"/v1/asp/agents/{encoded(agent)}/trust")).json()
    return found["score"], found["level"]


async def available(here: World, agent: Agent) -> str:
    found = await here.read(agent, f"/v1/ledger/accounts/{encoded(agent.uri)}")
    (account,) = found.json()["accounts"]
    assert account["held"]["amount"] == "0.00"
    amount: str = account["available"]["amount"]
    return amount


def check_log(told: list[Any], sent: list[bytes]) -> None:
    """One signed, linked log: every message with its receipt, the host's facts between."""
    previous = ZERO_TAG
    for position, entry in enumerate(told, start=1):
        kind = "receipt" if "receipt" in entry else "fact"
        record = open_record(kind, entry[kind], signer(NODE).key).value
        assert (record["position"], record["previousEntry"]) == (position, previous)
        previous = record["integrity"]["hash"]
        if kind == "receipt":
            assert record["rawDigest"] == sha256_tag(entry["raw"].encode())
    assert [entry["raw"].encode() for entry in told if "raw" in entry] == sent


async def walk(here: World) -> None:
    messages = example()
    alpha, beta = await prepare(here, parse_instant(messages[0]["timestamp"]))
    agents = {ALPHA: alpha, BETA: beta}
    found = await ask_the_registry(here, alpha, messages[0])
    assert [one["uri"] for one in found["agents"]] == [BETA]
    assert (found["agents"][0]["trustScore"], found["totalResults"]) == (91, 1)
    assert await score(here, ALPHA) == (49, 1)

    inbox = inbox_stream(here, beta)
    chain, sent = Chain(alpha, beta), []
    stream: Stream | None = None
    for message, state in zip(messages[2:], STATES, strict=True):
        here.clock.now_ms = parse_instant(message["timestamp"])
        raw = remade(chain, message, agents[message["sender"]["agentId"]])
        path = MESSAGES if sent else "/v1/asp/sessions"
        answer = await here.post(path, raw)
        assert answer.status_code == 201, answer.text
        sent.append(chain.said(raw))
        assert (await here.view(alpha))["state"] == state
        if stream is None:
            # The invitation tells Beta of a session it did not know.
            invitation = json.loads((await inbox.next("invitation")).data)
            assert (invitation["session"], invitation["raw"].encode()) == (SESSION, raw)
            stream = session_stream(here, beta)
    assert stream is not None
    await here.do_what_is_due()
    await check_end(here, stream, sent, alpha, beta)
    await inbox.leave()


async def check_end(
    here: World, stream: Stream, sent: list[bytes], alpha: Agent, beta: Agent
) -> None:
    """What Beta heard, and what is left at the node."""
    told = [json.loads(one.data) for one in await stream.several(17, "message", "fact")]
    check_log(told, sent)
    facts = [entry["fact"]["data"] for entry in told if "fact" in entry]
    assert [one.get("movement", "outcome") for one in facts] == ["reserve", "settle", "outcome"]
    assert facts[0]["amount"] == {"amount": "180.00", "currency": "USD"}
    assert facts[1]["posted"] == {"amount": "180.00", "currency": "USD"}
    updates = [json.loads(one.data) for one in await stream.several(2, "trust_update")]
    assert {one["agentId"]: (one["previous"], one["score"]) for one in updates} == {
        ALPHA: (49, 60.8),
        BETA: (91, 91),
    }
    await stream.leave()
    assert await score(here, ALPHA) == (60.8, 2)
    assert await score(here, BETA) == (91, 4)
    assert (await available(here, alpha), await available(here, beta)) == ("320.00", "180.00")


@simulated
async def test_the_example_is_dealt_over_http() -> None:
    async with world() as here:
        await walk(here)


async def on_disk(path: Path) -> None:
    async with world(store=await SqliteStore.open(path)) as here:
        await walk(here)
        ended_ms = here.clock()
    async with world(store=await SqliteStore.open(path)) as here:
        here.clock.now_ms = ended_ms
        alpha = Agent(ALPHA, here.clock)
        assert (await here.view(alpha))["state"] == "CLOSED"
        assert await score(here, ALPHA) == (60.8, 2)
        assert await available(here, alpha) == "320.00"


def test_what_was_dealt_is_on_the_disk(tmp_path: Path) -> None:
    asyncio.run(on_disk(tmp_path / "node.db"))
