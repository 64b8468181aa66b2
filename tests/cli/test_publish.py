"""``treaty publish``: a provider is listed by its operator, between two real nodes."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
import pytest

from tests.cli.town import run, serving


@pytest.mark.slow
def test_an_operator_lists_its_node_at_another(tmp_path: Path) -> None:
    db = tmp_path / "provider.db"
    with serving(tmp_path, "--allow-loopback") as registry, serving(tmp_path, "--db", db) as here:
        to = ("--registry", registry["url"], "--poll-seconds", 1)
        manifest = ("--manifest-url", f"{here['url']}/mrp/manifest")
        alone = run("publish", *manifest, *to, "--wait", 1)
        done = run("publish", *manifest, *to, "--db", db, "--json")
        query = f"{registry['url']}/mrp/registry/query?capability=summarize"
        listed = httpx.get(query, trust_env=False).json()["results"]

    assert alone.exit_code == 1
    assert "serve exactly this text at" in alone.stderr
    assert "challenge_not_found" in alone.stderr
    assert done.exit_code == 0, done.stderr
    entry = json.loads(done.stdout)["entry"]
    assert entry["manifest_url"] == f"{here['url']}/mrp/manifest"
    assert entry in listed


@pytest.mark.slow
def test_what_a_registry_or_a_node_refuses_is_said(tmp_path: Path) -> None:
    other = tmp_path / "other.db"
    with serving(tmp_path, "--db", tmp_path / "node.db") as here, serving(tmp_path, "--db", other):
        at = ("--registry", here["url"])
        bad = run("publish", "--manifest-url", "ftp://x/mrp/manifest", *at)
        manifest = ("--manifest-url", f"{here['url']}/mrp/manifest")
        wrong = run("publish", *manifest, *at, "--db", other, "--wait", 5)
        own = run("publish", *manifest, *at, "--wait", 5)

    assert (bad.exit_code, "scheme_forbidden" in bad.stderr) == (1, True)
    assert wrong.exit_code == 1
    assert "signature_invalid" in wrong.stderr
    assert (own.exit_code, own.stdout.startswith("listed as service:treaty/")) == (0, True)
