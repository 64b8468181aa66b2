"""The registry of providers: listed, found, published after a proof, and nothing else."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from tests.http.mrp_world import PROVIDER, SUMMARIZE, World, provider, shout
from tests.http.nodes import OPERATOR, signer
from tests.simulation.clock import simulated
from treaty.dialects.mrp.listing import read_listed
from treaty.http.server import listen
from treaty.identity.records import seal
from treaty.store.memory import MemoryStore

QUERY = "/mrp/registry/query"
OWN = "http://provider.test/mrp/manifest"


def listed(count: int) -> list[dict[str, Any]]:
    """Entries an operator lists."""
    entries = [
        {
            "id": f"service:listed/{number}",
            "name": f"Listed {number}",
            "manifest_url": f"https://listed-{number}.example/mrp/manifest",
            "capabilities": ["translate"] if number % 2 else ["translate", "summarize"],
            "policies": ["no_pii"],
            "trust": {"score": 0.5},
        }
        for number in range(count)
    ]
    return read_listed(json.dumps(entries).encode())


async def found(here: World, **wanted: Any) -> Any:
    """What a query finds."""
    answer = await here.http.get(QUERY, params=wanted, headers={"accept": "application/json"})
    assert answer.status_code == 200, answer.text
    return answer.json()


@simulated
async def test_a_nodes_own_capabilities_are_listed() -> None:
    async with provider(SUMMARIZE, shout) as here:
        results = (await found(here, limit=25))["results"]

        assert [(one["id"], one["capabilities"], one["manifest_url"]) for one in results] == [
            (PROVIDER, ["summarize"], OWN),
            (f"{PROVIDER}/shout", ["shout"], f"{OWN}/shout"),
        ]
        first = results[0]
        assert first["provider"] == first["id"]
        assert first["policies"] == ["no_training", "no_pii"]
        assert first["metadata"] == {}


@pytest.mark.parametrize(
    ("wanted", "count"),
    [
        ({}, 6),
        ({"capability": "summarize"}, 4),
        ({"policy": "no_training"}, 1),
        ({"capability": "translate", "policy": "no_pii"}, 5),
        ({"capability": "SUMMARIZE"}, 0),
        ({"capability": "summarize", "policy": "nobody_promises"}, 0),
        ({"capability": ""}, 6),
    ],
)
@simulated
async def test_a_query_matches_exactly(wanted: dict[str, str], count: int) -> None:
    async with provider(listed=listed(5)) as here:
        assert len((await found(here, **wanted))["results"]) == count


@simulated
async def test_pages_follow_each_other_without_gap_or_overlap() -> None:
    async with provider(listed=listed(6)) as here:
        names, cursor = [], "0"
        while cursor is not None:
            page = await found(here, limit=3, cursor=cursor)
            names += [one["id"] for one in page["results"]]
            assert len(page["results"]) <= 3
            cursor = page["next_page"]

        assert names == [PROVIDER, *(f"service:listed/{number}" for number in range(6))]


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=x", "limit=-1", "cursor=x", "capability=" + "a" * 300]
)
@simulated
async def test_a_query_that_is_none_is_told_so(query: str) -> None:
    async with provider() as here:
        answer = await here.get(f"{QUERY}?{query}")

        assert (answer.status_code, answer.json()["error"]) == (400, "malformed")


# Publishing.

MANIFEST = {
    "capability_id": "capability:x/echo",
    "capability": "echo",
    "version": "0.1",
    "inputs": [{"type": "json"}],
    "outputs": [{"type": "json"}],
    "constraints": {"policy": ["no_pii"]},
    "endpoints": {"discover": "/mrp/discover", "execute": "/mrp/execute"},
    "proofs_required": ["attestation"],
}


class Site:
    """A provider's web site on a loopback port, which serves what a test puts there."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.pages: dict[str, bytes] = {"/mrp/manifest": json.dumps(MANIFEST).encode()}
        self.asked: list[str] = []

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        path = (await reader.readuntil(b"\r\n\r\n")).split(b" ")[1].decode()
        self.asked.append(path)
        page = self.pages.get(path)
        if page is not None and page.startswith(b"->"):
            head = b"302 Found\r\nlocation: " + page[2:]
            page = b""
        else:
            head = b"404 Not Found" if page is None else b"200 OK"
        body = page or b""
        writer.write(
            b"HTTP/1.1 %s\r\ncontent-length: %d\r\nconnection: close\r\n\r\n%s"
            % (head, len(body), body)
        )
        await writer.drain()
        writer.close()


@asynccontextmanager
async def site() -> AsyncIterator[Site]:
    """A site that answers until the block ends."""
    bound = listen("127.0.0.1", 0)
    served = Site(f"http://127.0.0.1:{bound.getsockname()[1]}")
    server = await asyncio.start_server(served.answer, sock=bound)
    async with server:
        yield served


async def post(here: World, path: str, body: dict[str, Any]) -> httpx.Response:
    return await here.http.post(f"/mrp/registry/{path}", json=body)


async def submitted(here: World, url: str) -> tuple[str, str, str]:
    """Token, path and text of a challenge."""
    answer = (await post(here, "submit", {"manifest_url": url})).json()
    challenge = answer["challenge"]
    assert challenge["url"] == url.removesuffix("/mrp/manifest") + challenge["path"]
    assert challenge["path"] == f"/.well-known/mrp-registry-challenge/{answer['token']}"
    return answer["token"], challenge["path"], challenge["expected"]


def test_a_provider_is_listed_when_its_origin_shows_the_text_and_not_before() -> None:
    async def scene() -> None:
        store = MemoryStore()
        async with site() as served, provider(store=store, allow_loopback=True) as here:
            token, path, expected = await submitted(here, f"{served.url}/mrp/manifest")
            early = await post(here, "verify", {"token": token})
            served.pages[path] = b"something else"
            wrong = await post(here, "verify", {"token": token})
            before = await found(here, capability="echo")
            served.pages[path] = expected.encode() + b"\n"
            done = await post(here, "verify", {"token": token})
            after = await found(here, capability="echo", policy="no_pii")
            clock = here.clock
        async with provider(store=store, clock=clock) as here:
            kept = await found(here, capability="echo")

        assert (early.status_code, early.json()["error"]) == (409, "challenge_not_found")
        assert early.json()["challenge_url"] == served.url + path
        assert (wrong.status_code, wrong.json()["error"]) == (409, "challenge_mismatch")
        assert (wrong.json()["expected"], wrong.json()["got"]) == (expected, "something else")
        assert before["results"] == []
        assert (done.status_code, done.json()["entry"]) == (200, after["results"][0])
        assert kept["results"] == after["results"]
        entry = after["results"][0]
        assert entry["id"] == f"service:{served.url.removeprefix('http://')}/echo"
        assert (entry["proofs"], entry["trust"]["level"]) == (["attestation"], "registry_attested")

    asyncio.run(scene())


def test_a_bridges_address_with_a_space_is_published_too() -> None:
    async def scene() -> None:
        async with site() as served, provider(allow_loopback=True) as here:
            served.pages["/mrp/manifest/a%20b"] = json.dumps(
                {**MANIFEST, "metadata": {"x": 1}, "endpoints": {"discover": "/d", "execute": "/e"}}
            ).encode()
            url = f"{served.url}/mrp/manifest/a b"
            challenge = (await post(here, "submit", {"manifest_url": url})).json()
            path, expected = challenge["challenge"]["path"], challenge["challenge"]["expected"]
            served.pages[path] = expected.encode()
            done = await post(here, "verify", {"token": challenge["token"]})

            assert done.json()["entry"]["manifest_url"] == url.replace(" ", "%20")

    asyncio.run(scene())


def test_a_new_token_ends_the_old_one() -> None:
    async def scene() -> None:
        async with site() as served, provider(allow_loopback=True) as here:
            old, path, expected = await submitted(here, f"{served.url}/mrp/manifest")
            served.pages[path] = expected.encode()
            await submitted(here, f"{served.url}/mrp/manifest")
            answer = await post(here, "verify", {"token": old})

            assert (answer.status_code, answer.json()["error"]) == (404, "not_found")
            assert (await found(here, capability="echo"))["results"] == []

    asyncio.run(scene())


def test_a_redirect_proves_nothing() -> None:
    async def scene() -> None:
        async with site() as served, provider(allow_loopback=True) as here:
            token, path, expected = await submitted(here, f"{served.url}/mrp/manifest")
            served.pages[path] = f"->{served.url}/elsewhere".encode()
            served.pages["/elsewhere"] = expected.encode()
            answer = await post(here, "verify", {"token": token})

            assert (answer.status_code, answer.json()["error"]) == (409, "challenge_not_found")
            assert "/elsewhere" not in served.asked

    asyncio.run(scene())


def test_the_registry_is_sent_to_no_private_address() -> None:
    async def scene() -> None:
        async with site() as served, provider() as here:
            token, _, _ = await submitted(here, f"{served.url}/mrp/manifest")
            answer = await post(here, "verify", {"token": token})

            assert (answer.status_code, answer.json()["error"]) == (403, "address_forbidden")
            assert served.asked == []

    asyncio.run(scene())


def test_the_keys_a_proven_provider_shows_are_believed() -> None:
    key = signer("agent://partner.test/x")

    async def scene() -> None:
        async with site() as served, provider(allow_loopback=True) as here:
            served.pages["/.well-known/mrp-keys.json"] = json.dumps(
                {"keys": [{"kty": "EC"}, key.key.jwk()]}
            ).encode()
            asked = here.signed("DISCOVER", {"intent": "x"}, key)
            before = (await here.send("discover", asked)).json()
            token, path, expected = await submitted(here, f"{served.url}/mrp/manifest")
            served.pages[path] = expected.encode()
            await post(here, "verify", {"token": token})
            after = (await here.send("discover", asked)).json()

            assert (before["msg_type"], after["msg_type"]) == ("ERROR", "OFFER")

    asyncio.run(scene())


@simulated
async def test_a_nodes_own_manifest_needs_no_fetch() -> None:
    async with provider() as here:
        token, path, expected = await submitted(here, OWN)
        shown = await here.get(path)
        done = await post(here, "verify", {"token": token})

        assert (shown.text, shown.headers["content-type"]) == (
            expected,
            "text/plain; charset=utf-8",
        )
        assert (done.status_code, done.json()["entry"]["manifest_url"]) == (200, OWN)


@pytest.mark.parametrize("url", ["ftp://x/", "file:///etc/passwd", "nope", "", 5, "http://u:p@x/"])
@simulated
async def test_what_is_no_address_is_not_taken(url: Any) -> None:
    async with provider() as here:
        answer = await post(here, "submit", {"manifest_url": url})

        assert answer.status_code in (400, 422)
        assert answer.json()["error"] in ("malformed", "url_invalid", "scheme_forbidden")


@pytest.mark.parametrize("token", ["", "x", "..%2f..", "a" * 200, "unknown-token-of-nobody"])
@simulated
async def test_an_unknown_token_is_not_found(token: str) -> None:
    async with provider() as here:
        verified = await post(here, "verify", {"token": token})
        shown = await here.get(f"/.well-known/mrp-registry-challenge/{token}")

        assert (verified.status_code, verified.json()["error"]) == (404, "not_found")
        assert shown.status_code == 404


@simulated
async def test_the_operator_puts_a_text_up_for_another_registry() -> None:
    async with provider() as here:
        body: dict[str, Any] = {"token": "token-of-another", "expected": "exactly this"}
        forged = await post(here, "challenges", seal("challenge", body, signer("somebody")))
        before = await here.get("/.well-known/mrp-registry-challenge/token-of-another")
        signed = seal("challenge", body, signer(OPERATOR))
        put_up = [await post(here, "challenges", signed) for _ in range(2)]
        after = await here.get("/.well-known/mrp-registry-challenge/token-of-another")

        assert (forged.status_code, before.status_code) == (401, 404)
        assert [one.status_code for one in put_up] == [201, 201]
        assert after.content == b"exactly this"
