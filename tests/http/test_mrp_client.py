"""Providers and what they name, reached through the guarded client."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest

from tests.agent.stalls import Reply, Stall, open_stalls
from treaty.dialects.mrp.answers import NoEnvelope
from treaty.errors import TreatyError, UnavailableError
from treaty.http.guarded import GuardedClient
from treaty.http.mrp_client import ARTIFACT_BYTES_MAX, MrpClient

HERE = "http://127.0.0.1:8787/mrp/execute"
ELSEWHERE = "https://far.example/mrp/execute"


def asked(name: str, *arguments: Any, allow_loopback: bool = True, **named: Any) -> Any:
    """Call one method of a client."""

    async def call() -> Any:
        async with GuardedClient(allow_loopback=allow_loopback) as fetcher:
            return await getattr(MrpClient(fetcher, fetcher), name)(*arguments, **named)

    return asyncio.run(call())


def test_endpoints_are_resolved_against_the_manifest() -> None:
    with open_stalls(stall := Stall()):
        manifest = asked("manifest", stall.manifest_url)

    assert manifest.discover_url == f"{stall.url}/mrp/discover"


@pytest.mark.parametrize("end", ["", "/"])
def test_of_a_bare_address_the_well_known_file_leads_to_the_manifest(end: str) -> None:
    known = Reply(b'{"mrp_version":"0.1","capabilities":[],"manifest_url":"/mrp/manifest"}')
    with open_stalls(stall := Stall(answers={"/.well-known/mrp.json": known})):
        assert asked("manifest", stall.url + end).capability == "summarize"


@pytest.mark.parametrize("status", [301, 403, 404, 500])
def test_a_manifest_that_is_not_there_is_unavailable(status: int) -> None:
    stall = Stall(answers={"/mrp/manifest": Reply(b"", status)})
    with open_stalls(stall), pytest.raises(TreatyError):
        asked("manifest", stall.manifest_url)


def test_a_redirect_of_a_post_is_an_answer() -> None:
    moved = Reply(b"", 307, {"location": "/mrp/discover"})
    with open_stalls(stall := Stall(answers={"/old": moved})):
        answer, _ = asked("post", f"{stall.url}/old", b"{}", timeout_ms=5_000)

    assert isinstance(answer, NoEnvelope)
    assert answer.status == 307
    assert [path for path, _ in stall.came] == ["/old"]


@pytest.mark.parametrize("method", ["manifest", "job"])
def test_this_machine_is_out_of_reach(method: str) -> None:
    with open_stalls(stall := Stall()), pytest.raises(TreatyError) as refusal:
        asked(method, stall.manifest_url, allow_loopback=False)

    assert refusal.value.code == "address_forbidden"


def test_keys_are_asked_for_at_the_origin() -> None:
    answers = {"/.well-known/mrp-keys.json": Reply(b'{"keys":[]}')}
    with open_stalls(stall := Stall(answers=answers)):
        assert asked("keys", f"{stall.url}/deep/down/execute?x=1") == b'{"keys":[]}'


def test_no_keys_are_none() -> None:
    with open_stalls(stall := Stall()):
        assert asked("keys", stall.url + "/x") is None


def test_an_artifact_is_fetched_from_where_it_is_named() -> None:
    with open_stalls(stall := Stall(answers={"/mrp/artifacts/1": Reply(b"content")})):
        base = f"{stall.url}/mrp/execute"
        assert asked("artifact", "/mrp/artifacts/1", base) == b"content"
        assert asked("artifact", f"{stall.url}/mrp/artifacts/1", base) == b"content"


@pytest.mark.parametrize(
    "uri", ["/gone", "data:text/plain,x", "ftp://x.example/y", "http://[::1", "gopher://x", "\x00"]
)
def test_an_artifact_that_cannot_be_had_says_why(uri: str) -> None:
    with open_stalls(stall := Stall()):
        got = asked("artifact", uri, f"{stall.url}/mrp/execute")

    assert isinstance(got, str)
    assert got


def test_an_artifact_or_source_on_this_machine_is_not_fetched() -> None:
    with open_stalls(stall := Stall(answers={"/secret": Reply(b"secret")})):
        url = f"{stall.url}/secret"
        got = asked("artifact", url, ELSEWHERE, allow_loopback=False)
        source = asked("source", url, (), allow_loopback=False)

    assert isinstance(got, str)
    assert isinstance(source, str)


def test_a_source_is_fetched_within_its_domains() -> None:
    with open_stalls(stall := Stall(answers={"/page": Reply(b"page"), "/no": Reply(b"", 500)})):
        assert asked("source", f"{stall.url}/page", ("127.0.0.1",)) == b"page"
        assert isinstance(asked("source", f"{stall.url}/page", ("example.com",)), str)
        assert "500" in asked("source", f"{stall.url}/no", ())


def test_a_file_of_a_provider_on_this_machine_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a b.txt"
    path.write_bytes(b"content")
    uri = path.as_uri()

    assert "%20" in uri
    assert asked("artifact", uri, HERE) == b"content"
    assert asked("artifact", uri, "http://localhost:1/") == b"content"
    assert isinstance(asked("artifact", uri, ELSEWHERE), str)


def test_only_plain_files_of_this_machine_are_read(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    big = tmp_path / "big"
    with big.open("wb") as file:
        file.truncate(ARTIFACT_BYTES_MAX + 1)

    for uri in (
        pipe.as_uri(),
        big.as_uri(),
        tmp_path.as_uri(),
        (tmp_path / "none").as_uri(),
        f"file://other.example{big}",
        "file:///a%00b",
    ):
        assert isinstance(asked("artifact", uri, HERE), str), uri


def test_a_registry_is_asked_with_its_query() -> None:
    page = Reply(b'{"results":[],"next_page":"c"}')
    paths = {
        "/r/mrp/registry/query?limit=50": page,
        "/r/mrp/registry/query?limit=50&capability=a+b&cursor=c": page,
    }
    with open_stalls(stall := Stall(answers=paths)):
        assert asked("listing", f"{stall.url}/r/", None, None).next_cursor == "c"
        assert asked("listing", f"{stall.url}/r", "a b", "c").entries == ()


def test_a_registry_that_is_down_is_unavailable() -> None:
    with open_stalls(stall := Stall()), pytest.raises(UnavailableError):
        asked("listing", stall.url, "x", None)
