"""A domain is proven by a page that only it could serve, fetched over TLS (B2, B18)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.http.nodes import Clock, entropy, make_node, signer
from tests.http.test_guarded import certificate, resolving
from treaty.engine.checks import NoFetcher
from treaty.engine.domains import PATH, TOKEN_MS, Challenge, Domains
from treaty.engine.node import Node
from treaty.errors import TreatyError
from treaty.http.guarded import GuardedClient
from treaty.identity.cards import make_card
from treaty.store.memory import MemoryStore
from treaty.wire.canonical import canonical
from treaty.wire.encoding import b64url_encode

pytestmark = pytest.mark.anyio

HOST = "shop.example"
AGENT = f"agent://{HOST}/sales"
OWNER, OTHER = signer("owner"), signer("other")


class Site:
    """A web server of the domain: what it answers, by path, and what it was asked."""

    def __init__(self) -> None:
        self.pages: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.port = 0

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        path = head.split(b" ")[1].decode()
        self.asked.append(path)
        body = self.pages.get(path)
        if body is not None and body.startswith(b"HTTP/"):
            writer.write(body)
        else:
            status = b"404 Not Found" if body is None else b"200 OK"
            body = body or b""
            writer.write(b"HTTP/1.1 %s\r\ncontent-length: %d\r\n\r\n%s" % (status, len(body), body))
        await writer.drain()
        writer.close()

    def serve(self, challenge: Challenge, body: bytes) -> None:
        self.pages[PATH + challenge.token] = body


@asynccontextmanager
async def checking(tmp_path: Path) -> AsyncIterator[tuple[Site, Domains, Node, Clock]]:
    """The domain's own server over TLS, and a node that resolves its name to this machine."""
    served, trusting = certificate(tmp_path, HOST)
    site, clock = Site(), Clock()
    server = await asyncio.start_server(site.answer, "127.0.0.1", 0, ssl=served)
    site.port = server.sockets[0].getsockname()[1]
    node = make_node(MemoryStore(), clock)
    await node.start()
    client = GuardedClient(allow_loopback=True, resolve=resolving(("127.0.0.1",)), tls=trusting)
    domains = Domains(node.registry, fetcher=client, secret=b"s" * 32, clock=clock, port=site.port)
    async with server, client:
        yield site, domains, node, clock


def card(by: Any, version: int = 1) -> bytes:
    made = make_card(
        by, uri=AGENT, name="Sales", organization="Shop", org_id="shop", capabilities=("a.b",),
        endpoints={}, version=version,
    )  # fmt: skip
    return canonical(made)


async def code_of(work: Any) -> str:
    with pytest.raises(TreatyError) as caught:
        await work
    return caught.value.code


async def test_a_domain_is_proven_by_its_own_page(tmp_path: Path) -> None:
    async with checking(tmp_path) as (site, domains, node, _clock):
        await node.registry.register(card(OWNER))
        before = node.trust.score(AGENT)
        challenge = domains.challenge(AGENT, OWNER.key)
        assert challenge.url == f"https://{HOST}:{site.port}{PATH}{challenge.token}"
        site.serve(challenge, challenge.thumbprint.encode() + b"\n")
        told = await domains.prove(AGENT, OWNER.key, challenge.token)
        assert told["proven"]
        assert site.asked == [PATH + challenge.token]
        # Identity verification counts what was proven, and the organisation is the domain now.
        assert node.trust.score(AGENT).components["IV"] >= before.components["IV"]
        assert (await node.registry.registered(AGENT)).proven


async def test_whoever_proves_the_domain_takes_the_name_from_who_did_not(tmp_path: Path) -> None:
    async with checking(tmp_path) as (site, domains, node, _clock):
        await node.registry.register(card(OTHER))
        challenge = domains.challenge(AGENT, OWNER.key)
        site.serve(challenge, challenge.thumbprint.encode())
        await domains.prove(AGENT, OWNER.key, challenge.token)
        await node.registry.register(card(OWNER))
        assert node.registry.key_of(AGENT) == OWNER.key


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"something else",
        OTHER.key.key_id.encode(),
        b"HTTP/1.1 404 Not Found\r\ncontent-length: 43\r\n\r\n" + OWNER.key.key_id.encode(),
        b"HTTP/1.1 302 Found\r\nlocation: https://shop.example/\r\ncontent-length: 0\r\n\r\n",
        b"x" * 2_000,
    ],
)
async def test_any_other_page_proves_nothing(tmp_path: Path, body: bytes) -> None:
    async with checking(tmp_path) as (site, domains, node, _clock):
        await node.registry.register(card(OWNER))
        challenge = domains.challenge(AGENT, OWNER.key)
        site.serve(challenge, body)
        code = await code_of(domains.prove(AGENT, OWNER.key, challenge.token))
        assert code in ("domain_unproven", "answer_too_large")
        assert not (await node.registry.registered(AGENT)).proven


async def test_a_token_is_for_one_key_and_agent_and_for_ten_minutes(tmp_path: Path) -> None:
    async with checking(tmp_path) as (site, domains, node, clock):
        await node.registry.register(card(OWNER))
        challenge = domains.challenge(AGENT, OWNER.key)
        site.serve(challenge, challenge.thumbprint.encode())
        for agent, key, token in (
            (AGENT, OTHER.key, challenge.token),
            (f"agent://{HOST}/other", OWNER.key, challenge.token),
            (AGENT, OWNER.key, challenge.token[:-2]),
            (AGENT, OWNER.key, b64url_encode(b"\xff" * 22)),
            (AGENT, OWNER.key, "../../admin"),
            (AGENT, OWNER.key, ""),
        ):
            assert await code_of(domains.prove(agent, key, token)) == "domain_unproven"
        assert site.asked == []
        clock.now_ms += TOKEN_MS + 1
        assert await code_of(domains.prove(AGENT, OWNER.key, challenge.token)) == "domain_unproven"


async def test_a_node_that_fetches_nothing_takes_no_proofs() -> None:
    node = make_node(MemoryStore(), Clock())
    await node.start()
    domains = Domains(node.registry, fetcher=NoFetcher(), secret=entropy()(32), clock=Clock())
    challenge = domains.challenge(AGENT, OWNER.key)
    assert await code_of(domains.prove(AGENT, OWNER.key, challenge.token)) == "unavailable"
