"""``treaty serve --policy`` and ``actp serve`` as real processes, with one policy between them."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from treaty.dialects.actp.chains import BASE_SEPOLIA
from treaty.dialects.actp.dids import checksummed, make_did
from treaty.identity.secp256k1 import EvmSigner
from treaty.wire.digest import sha256

CHAIN: Final = BASE_SEPOLIA
ZERO_KERNEL: Final = "0x" + "0" * 40
PROVIDER_SECRET: Final = "0x" + "22" * 32
PROVIDER: Final = EvmSigner(b"\x22" * 32)
BUYER_SECRET: Final = "0x" + "11" * 32
BUYER: Final = EvmSigner(b"\x11" * 32)
FLOOR, IDEAL = 500_000, 1_000_000
POLICY: Final[dict[str, Any]] = {
    "pricing": {
        "min_acceptable": {"amount": FLOOR, "currency": "USDC", "unit": "base"},
        "ideal_price": {"amount": IDEAL, "currency": "USDC", "unit": "base"},
    },
    "counter_strategy": "concede",
    "concede_pct": 30,
    "max_requotes": 2,
}
"""In the peer's own spelling, which both daemons read."""


@dataclass(frozen=True)
class Daemon:
    """A running daemon and a client for it."""

    url: str
    http: httpx.Client
    process: subprocess.Popen[str]

    def post(self, tx_id: str, body: Any, *, chain: object = CHAIN) -> httpx.Response:
        """Post to the channel of a transaction; bytes as they are, anything else as JSON."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.http.post(
            f"/quote-channel/{chain}/{tx_id}",
            content=raw,
            headers={"content-type": "application/json"},
        )

    def counter(self, message: dict[str, Any]) -> httpx.Response:
        """Post a counter where it belongs."""
        return self.post(message["txId"], {"type": message["type"], "message": message})


def did(signer: EvmSigner, chain: int = CHAIN) -> str:
    """An account as the peer's builders spell it: with the checksum."""
    return f"did:ethr:{chain}:{checksummed(signer.address)}"


def low_did(signer: EvmSigner) -> str:
    """The same in lower case."""
    return make_did(CHAIN, signer.address)


def tx(name: str) -> str:
    """The id that a name always has."""
    return "0x" + sha256(name.encode()).hex()


def policy_file(folder: Path, **changes: Any) -> Path:
    """The policy as JSON, with members changed."""
    path = folder / "provider-policy.json"
    path.write_text(json.dumps({**POLICY, **changes}))
    return path


@contextmanager
def treaty_serve(policy: Path, *options: str) -> Iterator[Daemon]:
    """Run our daemon until the block ends."""
    command = [sys.executable, "-c", "from treaty.cli import main; main()", "serve", "--json"]
    command += ["--port", "0", "--policy", str(policy), "--mock", *options]
    source = str(Path(__file__).parents[2] / "src")
    environment = {"PYTHONPATH": source, "TREATY_EVM_KEY": PROVIDER_SECRET}
    with (
        running(command, environment, "listening") as (process, line),
        _client(json.loads(line)["url"], process) as daemon,
    ):
        yield daemon


@contextmanager
def actp_serve(agirails: Path, policy: Path) -> Iterator[Daemon]:
    """Run the peer's daemon until the block ends."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    command = [str(agirails / "bin" / "actp"), "serve", "--policy", str(policy), "--mock"]
    command += ["--host", "127.0.0.1", "--port", port]
    # It listens when its server says so, and not before.
    started = running(command, {"PYTHONUNBUFFERED": "1"}, "Uvicorn running on")
    with started as (process, _), _client(f"http://127.0.0.1:{port}", process) as daemon:
        yield daemon


@contextmanager
def _client(url: str, process: subprocess.Popen[str]) -> Iterator[Daemon]:
    # A connection each: the peer drops one over which it failed.
    once = httpx.Limits(max_keepalive_connections=0)
    with httpx.Client(base_url=url, trust_env=False, timeout=20, limits=once) as client:
        yield Daemon(url, client, process)


@contextmanager
def running(
    command: list[str], environment: dict[str, str], until: str
) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run a process; yields it with the line that says ``until``, and reads away the rest."""
    process = subprocess.Popen(
        command,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    with process:
        try:
            seen: list[str] = []
            while until not in (line := process.stdout.readline()):
                seen.append(line)
                assert line, f"{command} ended: {seen}"
            threading.Thread(target=process.stdout.read, daemon=True).start()
            yield process, line
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()


@dataclass(frozen=True)
class Both:
    """The two daemons side by side."""

    ours: Daemon
    theirs: Daemon


@pytest.fixture(scope="session")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """Our daemon, with a file of its own."""
    folder = tmp_path_factory.mktemp("treaty")
    policy = policy_file(folder)
    with treaty_serve(policy, "--db", str(folder / "treaty.db")) as daemon:
        yield daemon


@pytest.fixture(scope="session")
def both(agirails: Path, ours: Daemon, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    """The same policy, the same key, the same kernel."""
    policy = policy_file(tmp_path_factory.mktemp("actp"))
    with actp_serve(agirails, policy) as theirs:
        yield Both(ours, theirs)
