"""Publications: one token at a time, one proof for one address, pages that do not overlap."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.engine.service_stage import staged
from tests.http.nodes import Clock, entropy
from treaty.dialects.mrp.listing import Publishing, make_entry
from treaty.engine.desk import Desk
from treaty.engine.fetching import Fetched
from treaty.engine.publications import CHALLENGE_PATH, TOKEN_MS, Publications
from treaty.errors import Refused, UnavailableError
from treaty.store.memory import MemoryStore

URL = "https://provider.example/mrp/manifest"
OWN = "https://own.example"
MANIFEST = json.dumps(
    {"capability": "echo", "endpoints": {"discover": "/d", "execute": "/e"}}
).encode()


class Web:
    """What is served where."""

    def __init__(self) -> None:
        self.pages = {URL: MANIFEST}

    async def fetch(self, url: str, **options: Any) -> Fetched:
        assert options["redirects_max"] == 0, "whoever redirects proves nothing"
        if url not in self.pages:
            return Fetched(status=404, headers={}, body=b"", url=url)
        return Fetched(status=200, headers={}, body=self.pages[url], url=url)


class Away:
    """A network that is down."""

    async def fetch(self, url: str, **_: Any) -> Fetched:
        raise UnavailableError(f"{url} is away", "fetch_failed")


def own(count: int) -> list[dict[str, Any]]:
    return [
        make_entry(
            ident=f"service:own/{number}",
            name="x",
            url=f"{OWN}/mrp/manifest/{number}",
            capability="echo",
            policies=[],
            proofs=[],
        )
        for number in range(count)
    ]


async def registry(
    web: Any, *, entries: int = 0, store: MemoryStore | None = None, clock: Clock | None = None
) -> Publications:
    desk = Desk(store or MemoryStore(), clock=clock or Clock(), entropy=entropy())
    made = Publications(desk, Publishing(), web, own=own(entries), own_origin=OWN)
    await made.load()
    return made


@staged
async def test_a_proof_is_for_one_address() -> None:
    web = Web()
    here = await registry(web)
    mine, theirs = await here.submit(URL), await here.submit(URL.replace("provider", "other"))
    web.pages[mine.url] = mine.expected.encode()
    entry = await here.verify(mine.token)
    with pytest.raises(Refused) as refused:
        await here.verify(theirs.token)

    assert entry["manifest_url"] == URL
    assert refused.value.code == "challenge_not_found"
    assert len(here.query(None, None, 10, 0)[0]) == 1


@pytest.mark.parametrize("text", ["", " {0}", "{0} ", "{0}\n\n", '"{0}"', "{0}x"])
def test_the_text_is_compared_exactly_but_for_one_line_end(text: str) -> None:
    @staged
    async def scene() -> None:
        web = Web()
        here = await registry(web)
        challenge = await here.submit(URL)
        web.pages[challenge.url] = text.format(challenge.expected).encode()
        with pytest.raises(Refused) as refused:
            await here.verify(challenge.token)
        assert refused.value.code == "challenge_mismatch"
        web.pages[challenge.url] = f"{challenge.expected}\r\n".encode()
        assert await here.verify(challenge.token)

    scene()


@staged
async def test_a_token_ends_with_its_day() -> None:
    store, clock, web = MemoryStore(), Clock(), Web()
    here = await registry(web, store=store, clock=clock)
    challenge = await here.submit(URL)
    web.pages[challenge.url] = challenge.expected.encode()
    await store.purge(clock() + TOKEN_MS + 1)
    with pytest.raises(Refused) as refused:
        await here.verify(challenge.token)

    assert refused.value.code == "not_found"


@staged
async def test_a_network_that_is_down_lists_nobody_and_says_so() -> None:
    here = await registry(Away())
    challenge = await here.submit(URL)
    with pytest.raises(UnavailableError):
        await here.verify(challenge.token)

    assert here.query(None, None, 10, 0) == ([], None)


@staged
async def test_our_own_text_is_served_for_our_own_manifests_alone() -> None:
    here = await registry(Web(), entries=1)
    mine = await here.submit(f"{OWN}/mrp/manifest/0")
    strange = await here.submit(f"{OWN}/mrp/manifest/none")
    other = await here.submit(URL)

    assert mine.url == f"{OWN}{CHALLENGE_PATH}{mine.token}"
    assert await here.served(mine.token) == mine.expected
    assert (await here.verify(mine.token))["id"] == "service:own/0"
    for wrong in (strange, other):
        with pytest.raises(Refused):
            await here.verify(wrong.token)
    with pytest.raises(Refused):
        await here.served(other.token)


@staged
async def test_pages_follow_each_other() -> None:
    here = await registry(Web(), entries=5)
    found, cursor = [], 0
    while cursor is not None:
        page, cursor = here.query("echo", None, 2, cursor)
        found += [one["id"] for one in page]

    assert found == [f"service:own/{number}" for number in range(5)]
