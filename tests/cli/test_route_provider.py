"""``treaty run`` against ``treaty serve``: open, with tokens, with signatures, and by registry."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.cli.town import run, serving

pytestmark = pytest.mark.slow

TOKEN = "token-of-a-buyer-0123456789"
SHOUT = '''
from treaty.agent.capability import Text, capability


@capability(
    cost="0.01", latency_ms=10, confidence="0.9", policy=("no_training",), retention_days=0,
    proofs=("attestation",), needs_agreement=True,
)
def shout(text: Text) -> str:
    """Say it louder."""
    return text.upper()
'''
WISH = (
    *("say it", "--input", "text=hello", "--policy", "no_training", "--proof", "attestation"),
    *("--retention-days", "0", "--max-cost", "0.02", "--capability", "shout", "--format", "text"),
)


@contextmanager
def provider(folder: Path, *words: object) -> Iterator[str]:
    """A ``treaty serve`` with the capability; gives the address of its manifest."""
    source = folder / "shouts.py"
    source.write_text(SHOUT)
    with serving(folder / "provider", "--capability", f"{source}:shout", *words) as listening:
        yield f"{listening['url']}/mrp/manifest/shout"


def called(folder: Path, *words: object) -> tuple[int, Any]:
    done = run(*words, "--json", env={"TREATY_HOME": str(folder / "buyer"), "NO_COLOR": "1"})
    assert done.stdout, done.output
    return done.exit_code, json.loads(done.stdout)


def test_an_agreement_is_made_kept_and_signed(tmp_path: Path) -> None:
    with provider(tmp_path) as manifest:
        code, told = called(tmp_path, "run", *WISH, "--manifest", manifest, "--require-negotiation")

    assert code == 0
    assert told["negotiation"]["status"] == "accepted"
    assert told["negotiation"]["price"] == "0.01"
    assert told["evidence"]["outputs"][0]["value"] == "HELLO"
    verdicts = {one["name"]: one["verdict"] for one in told["claims"]}
    assert verdicts["signature"] == verdicts["attestations"] == verdicts["reply"] == "verified"


def test_a_node_is_registry_and_provider_at_once(tmp_path: Path) -> None:
    """What the typed registry names at its own origin needs no leave."""
    with provider(tmp_path) as manifest:
        registry = manifest.removesuffix("/mrp/manifest/shout")
        code, told = called(tmp_path, "run", *WISH, "--registry", registry)

    assert (code, told["status"]) == (0, "done")


def test_a_token_opens_and_is_kept_nowhere(tmp_path: Path) -> None:
    tokens = tmp_path / "tokens"
    tokens.write_text(f"{TOKEN} mrp:discover mrp:negotiate mrp:execute\n")
    out = tmp_path / "deal.json"
    with provider(tmp_path, "--mrp-auth", "bearer", "--mrp-tokens", tokens) as manifest:
        shut, without = called(tmp_path, "run", *WISH, "--manifest", manifest)
        words = ("--manifest", manifest, "--token", TOKEN, "--out", out)
        code, told = called(tmp_path, "run", *WISH, *words)

    assert (shut, without["winner"]) == (1, None)
    assert "MRP_AUTH_REQUIRED" in without["unanswered"][0]["detail"]
    assert (code, told["status"]) == (0, "done")
    kept = [path.read_bytes() for path in (tmp_path / "buyer").glob("decisions.db*")]
    assert kept
    assert not any(TOKEN.encode() in one for one in (*kept, out.read_bytes()))


def test_a_signature_opens(tmp_path: Path) -> None:
    key = tmp_path / "buyer.key"
    # Whoever is to be known shows the key first; the first run makes it.
    called(tmp_path, "route", *WISH, "--manifest", "http://127.0.0.1:9/", "--key", key)
    with provider(tmp_path, "--mrp-auth", "signed", "--mrp-keys", f"{key}.jwks") as manifest:
        shut, _ = called(tmp_path, "run", *WISH, "--manifest", manifest)
        code, told = called(tmp_path, "run", *WISH, "--manifest", manifest, "--key", key)

    assert shut == 1
    assert (code, told["status"]) == (0, "done")
