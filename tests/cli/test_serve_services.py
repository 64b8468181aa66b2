"""The options of a provider: whom it serves, what it offers, and files that are none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.cli.town import run, serving
from tests.http.nodes import signer
from treaty.app.services import load_capability, read_tokens
from treaty.dialects.mrp import codec, signing
from treaty.errors import MisuseError, WireError
from treaty.wire.digest import sha256
from treaty.wire.instants import format_instant, parse_instant

FUNCTION = '''\
from treaty.agent.capability import capability


@capability(cost="0.01")
async def shout(text: str) -> str:
    """Say it louder."""
    return text.upper()


def plain() -> None:
    """No capability."""
'''
TOKEN = "a-token-of-everything"


def said(url: str, payload: dict[str, Any], **members: Any) -> httpx.Response:
    """What a DISCOVER is answered with."""
    document = {
        "mrp_version": "0.1",
        "msg_id": "message-1",
        "msg_type": "DISCOVER",
        "timestamp": "2025-01-01T00:00:00Z",
        "sender": {"id": "agent:test/buyer"},
        "payload": payload,
        **members,
    }
    headers = {"content-type": "application/mrp+json"}
    return httpx.post(f"{url}/mrp/discover", json=document, headers=headers, trust_env=False)


def test_a_plain_node_offers_summarize_and_says_so(tmp_path: Path) -> None:
    with serving(tmp_path) as node:
        manifest = httpx.get(f"{node['url']}/mrp/manifest", trust_env=False).json()

    assert node["capabilities"] == ["summarize"]
    assert node["manifest"] == f"{node['url']}/mrp/manifest"
    assert node["mrpAuth"] == "none"
    assert node["mrpProvider"] == f"service:treaty/{node['keyId']}"
    assert manifest["capability"] == "summarize"
    assert manifest["cost"] == {"unit": "usd", "estimate": 0.01}
    assert manifest["constraints"]["policy"] == ["no_training", "no_pii"]


def test_functions_of_ones_own_are_offered(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(FUNCTION)
    with serving(tmp_path, "--no-summarize", "--capability", f"{file}:shout") as node:
        offers = said(node["url"], {"intent": "x"}).json()["payload"]["offers"]

    assert node["capabilities"] == ["shout"]
    assert [one["capability"] for one in offers] == ["shout"]


def test_tokens_are_asked_for_and_known_by_their_digest(tmp_path: Path) -> None:
    tokens = tmp_path / "tokens.txt"
    tokens.write_text(f"# ours\nsha256:{sha256(TOKEN.encode()).hex()} mrp:discover\n")
    with serving(tmp_path, "--mrp-auth", "bearer", "--mrp-tokens", tokens) as node:
        without = said(node["url"], {"intent": "x"}).json()
        auth = {"type": "bearer", "token": TOKEN}
        within = said(node["url"], {"intent": "x"}, auth=auth).json()

    assert node["mrpAuth"] == "bearer"
    assert without["payload"]["code"] == "MRP_AUTH_REQUIRED"
    assert within["msg_type"] == "OFFER"


def test_keys_are_asked_for_and_believed(tmp_path: Path) -> None:
    key = signer("agent://buyer.test/x")
    keys = tmp_path / "keys.json"
    keys.write_text(json.dumps({"keys": [key.key.jwk()]}))
    with serving(tmp_path, "--mrp-auth", "signed", "--mrp-keys", keys) as node:
        now = httpx.get(f"{node['url']}/mrp/none", trust_env=False).json()["timestamp"]
        at_ms = parse_instant(now)
        document = codec.compose(
            "DISCOVER",
            {"intent": "x"},
            sender="agent:x",
            receiver=node["mrpProvider"],
            at_ms=at_ms,
            entropy=bytes(16),
            nonce="n-1",
            expires_at_ms=at_ms + 60_000,
        )
        signed = signing.sign(document, key)
        answers = [said(node["url"], **one).json() for one in (signed, signed, document)]

    assert format_instant(at_ms) == now
    assert answers[0]["msg_type"] == "OFFER"
    reasons = [one["payload"]["details"]["reason"] for one in answers[1:]]
    assert reasons == ["nonce_reused", "auth_missing"]


def test_strict_and_rated_answers_have_their_status_and_headers(tmp_path: Path) -> None:
    with serving(tmp_path, "--mrp-strict", "--rate", "2/min") as node:
        answers = [said(node["url"], {}) for _ in range(3)]

    assert [one.status_code for one in answers] == [400, 400, 429]
    assert [one.headers["mrp-ratelimit-remaining"] for one in answers] == ["1", "0", "0"]


@pytest.mark.parametrize(
    ("option", "text", "told"),
    [
        ("--mrp-tokens", "short mrp:execute", "at least 16 characters"),
        ("--mrp-tokens", "a-token-that-is-long execute", "no scope such as mrp:execute"),
        ("--mrp-keys", "[]", "a key set has a list of keys"),
        ("--registry-entries", "{}", "a list of at most"),
        ("--registry-entries", '[{"id": "x"}, {"name": "y"}]', "entry 2"),
    ],
)
def test_a_file_that_is_none_is_misuse(tmp_path: Path, option: str, text: str, told: str) -> None:
    file = tmp_path / "file"
    file.write_text(text)
    done = run("serve", "--port", 0, option, file)

    assert done.exit_code == 2
    assert told in done.stderr


@pytest.mark.parametrize(
    ("named", "told"),
    [
        ("mine", "write it as module:name"),
        ("{0}:none", "is no capability"),
        ("{0}:plain", "is no capability"),
        ("nowhere.py:shout", "cannot load"),
        ("no.such.module:shout", "cannot load"),
        ("{0}:a b", "write it as module:name"),
    ],
)
def test_what_is_no_capability_is_misuse(tmp_path: Path, named: str, told: str) -> None:
    file = tmp_path / "mine.py"
    file.write_text(FUNCTION)
    done = run("serve", "--port", 0, "--capability", named.format(file))

    assert done.exit_code == 2
    assert told in done.stderr
    with pytest.raises(MisuseError):
        load_capability(named.format(file))


def test_bearer_without_tokens_is_misuse() -> None:
    done = run("serve", "--port", 0, "--mrp-auth", "bearer")

    assert (done.exit_code, "--mrp-tokens" in done.stderr) == (2, True)


def test_tokens_are_kept_by_digest_alone() -> None:
    tokens = read_tokens(f"{TOKEN} mrp:execute mrp:*\n\n  # nothing\n".encode())

    assert tokens == {sha256(TOKEN.encode()).hex(): frozenset({"mrp:execute", "mrp:*"})}
    with pytest.raises(WireError):
        read_tokens(b"\xff\xff")
