"""Our buyer and real providers of the peer's package: its server and what its tools generate."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, Final

import pytest

from tests.agent.stalls import open_stalls, seed_stall
from tests.interop.mrpd_venv import Mrpd

pytestmark = pytest.mark.slow

SOURCE: Final = Path(__file__).parents[2] / "src"
SEED: Final = (
    *("--max-cost", "0.02", "--max-latency-ms", "400", "--residency", "us"),
    *("--retention-days", "0", "--policy", "no_training", "--policy", "no_pii"),
    *("--proof", "attestation"),
)
PAGE: Final = "<html><body><h1>Pricing</h1><p>Basic is $10.</p></body></html>"


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        """Nobody reads it."""


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """One page on the loopback."""
    folder = tmp_path_factory.mktemp("web")
    (folder / "pricing.html").write_text(PAGE)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder)))
    Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def served(mrpd: Mrpd, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """``mrpd serve``."""
    with mrpd.serve(tmp_path_factory.mktemp("mrpd")) as url:
        yield url


class Ours:
    """``treaty``, as its users run it."""

    def __init__(self, home: Path) -> None:
        self.home = home

    def __call__(self, *arguments: object) -> subprocess.CompletedProcess[str]:
        """Run one command to its end."""
        return subprocess.run(
            [sys.executable, "-m", "treaty.cli", *map(str, arguments)],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            env={**os.environ, "PYTHONPATH": str(SOURCE), "TREATY_HOME": str(self.home)},
        )

    def json(self, *arguments: object) -> tuple[int, Any]:
        """The same with ``--json``: exit code and document."""
        done = self(*arguments, "--json")
        assert done.stdout, done.stderr
        return done.returncode, json.loads(done.stdout)


@pytest.fixture
def ours(tmp_path: Path) -> Ours:
    """A user with an empty home."""
    return Ours(tmp_path / "home")


def claims(record: Any) -> dict[str, str]:
    return {one["name"]: one["verdict"] for one in record["claims"]}


def test_a_run_gives_evidence_with_a_checked_artifact(ours: Ours, served: str, web: str) -> None:
    url = f"{web}/pricing.html"
    code, told = ours.json(
        *("run", "x", "--url", url, "--manifest", f"{served}/mrp/manifest"),
        *("--policy", "no_pii", "--format", "markdown", "--refetch"),
    )

    assert code == 0
    assert told["winner"]["route_id"] == "route:mrpd/summarize_url@0.1"
    assert told["winner"]["provider"] == "service:mrpd"
    assert "Basic is" in told["evidence"]["outputs"][0]["value"]
    assert claims(told) == {
        "reply": "verified",
        "format": "verified",
        "attestations": "verified",
        "citations": "verified",
        # The peer hashes the text it delivers, not the bytes it fetched.
        "sources": "not checkable",
        "artifacts": "verified",
        "signature": "not checkable",
    }
    kept_code, kept = ours.json("decisions", "show", "--last")
    assert kept_code == 0
    assert kept["decision_id"] == told["decision_id"]
    assert kept["status"] == "done"
    assert kept["evidence_msg_id"]


def test_its_offer_is_refused_under_the_seeds_constraints(
    ours: Ours, served: str, web: str
) -> None:
    manifest = ("--manifest", f"{served}/mrp/manifest")
    code, told = ours.json("run", "x", "--url", f"{web}/pricing.html", *manifest, *SEED)

    assert code == 1
    assert told["winner"] is None
    (only,) = told["considered"]
    assert [one["code"] for one in only["reasons"]] == ["policy_mismatch", "proof_missing"]
    assert "no_training" in only["reasons"][0]["text"]
    assert "attestation" in only["reasons"][1]["text"]
    assert ours.json("decisions", "show", "--last")[1]["considered"] == told["considered"]


def test_negotiation_is_unsupported_and_may_be_required(ours: Ours, served: str, web: str) -> None:
    order = ("run", "x", "--url", f"{web}/pricing.html", "--manifest", f"{served}/mrp/manifest")
    strict, told = ours.json(*order, "--require-negotiation")
    assert strict == 1
    assert told["negotiation"]["status"] == "unsupported"
    assert told["status"] == "stopped"
    assert "evidence" not in told

    lax, told = ours.json(*order)
    assert lax == 0
    assert told["negotiation"]["status"] in ("unsupported", "skipped")


def test_an_error_under_200_is_a_failure(ours: Ours, served: str, web: str) -> None:
    order = ("run", "x", "--url", f"{web}/gone.html", "--manifest", f"{served}/mrp/manifest")
    done = ours(*order)

    assert done.returncode == 1
    assert "MRP_INTERNAL_ERROR" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    kept = ours.json("decisions", "show", "--last")[1]
    assert (kept["status"], kept["evidence_msg_id"]) == ("failed", None)


def test_text_is_no_input_for_it(ours: Ours, served: str) -> None:
    code, told = ours.json(
        "run", "x", "--input", "text=hello", "--manifest", f"{served}/mrp/manifest"
    )

    assert (code, told["status"]) == (1, "failed")
    assert "missing url input" in told["detail"]


@contextmanager
def bridge(mrpd: Mrpd, folder: Path, *names: str) -> Iterator[str]:
    tools = folder / "tools.json"
    schema = {"type": "object"}
    tools.write_text(
        json.dumps([{"name": one, "description": one, "inputSchema": schema} for one in names])
    )
    out = folder / "bridge"
    command = ("bridge", "mcp", "--tools-json", tools, "--mcp-command", "true", "--out-dir", out)
    assert mrpd.run(*command, home=folder).returncode == 0
    with mrpd.generated("app:app", out, folder) as url:
        yield url


def test_a_bridge_implements_nothing(mrpd: Mrpd, ours: Ours, tmp_path: Path) -> None:
    with bridge(mrpd, tmp_path, "echo", "a b") as url:
        code, told = ours.json(
            "run", "x", "--input", 'json={"query":{}}', "--manifest", f"{url}/mrp/manifest/echo"
        )
        spaced, plain = ours.json("route", "x", "--manifest", f"{url}/mrp/manifest/a%20b")
        gone = ours("route", "x", "--manifest", f"{url}/mrp/manifest/none")

    assert (code, told["status"]) == (1, "failed")
    assert "MRP_NOT_IMPLEMENTED" in told["detail"]
    assert [one["capability"] for one in told["considered"]] == ["echo"]
    assert (spaced, plain["winner"]["capability"]) == (0, "a b")
    assert gone.returncode == 1
    assert "500" in gone.stdout
    assert "Traceback" not in gone.stderr


def test_a_generated_provider_echoes_json(mrpd: Mrpd, ours: Ours, tmp_path: Path) -> None:
    out = tmp_path / "provider"
    command = ("init-provider", "--capability", "shout", "--out-dir", out, "--policy", "no_pii")
    assert mrpd.run(*command, home=tmp_path).returncode == 0
    with mrpd.generated("app:app", out, tmp_path) as url:
        manifest = ("--manifest", f"{url}/mrp/manifest")
        code, told = ours.json(
            *("run", "x", "--input", 'json={"a":[1,2]}', *manifest, "--policy", "no_pii"),
            *("--capability", "shout", "--max-cost", "0.02", "--max-latency-ms", "400"),
        )
        strict, _ = ours.json("route", "x", *manifest, "--max-cost", "1", "--retention-days", "0",
                              "--strict-unknown")  # fmt: skip

    assert code == 0
    assert told["negotiation"]["status"] == "unsupported"
    assert told["evidence"]["outputs"][0]["value"]["echo"] == {"a": [1, 2]}
    assert strict == 1


def test_the_peer_finds_everything_we_say_valid(mrpd: Mrpd, ours: Ours, tmp_path: Path) -> None:
    with open_stalls(a := seed_stall("a")):
        order = ("run", "x", "--url", "https://example.com/pricing", *SEED, "--format", "markdown")
        assert ours(*order, "--manifest", a.manifest_url).returncode == 0

    assert [one["msg_type"] for _, one in a.came] == ["DISCOVER", "NEGOTIATE", "EXECUTE"]
    for _, message in a.came:
        done = mrpd.run("validate", "--path", "-", home=tmp_path, text=json.dumps(message))
        assert (done.returncode, done.stdout.strip()) == (0, "OK")


def test_the_seeds_offers_from_two_providers(ours: Ours) -> None:
    a, b = seed_stall("a"), seed_stall("b")
    order = ("route", "summarize pricing", "--url", "https://example.com/pricing", *SEED)
    with open_stalls(a, b):
        manifests = ("--manifest", b.manifest_url, "--manifest", a.manifest_url)
        code, told = ours.json(*order, *manifests)
        alone, nobody = ours.json(*order, "--manifest", b.manifest_url)

    assert (code, told["winner"]["route_id"]) == (0, "route-us-fast")
    loser = told["considered"][1]
    assert [one["code"] for one in loser["reasons"]] == [
        "policy_mismatch", "latency_miss", "retention_risk",
    ]  # fmt: skip
    assert (alone, nobody["winner"]) == (1, None)
    listed = ours.json("decisions", "list")[1]
    assert [one["status"] for one in listed["decisions"]] == ["no_winner", "decided"]
    again = ours.json("decisions", "show", told["decision_id"])[1]
    assert again["why_won"] == told["why_won"]
