"""The TypeScript package in ``sdk-ts/``: what it makes is believed here, and its own tests pass."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

from treaty.dialects.actp.chains import Chains
from treaty.dialects.actp.codec import decode_message, read_body
from treaty.dialects.actp.hashes import message_hash
from treaty.dialects.actp.messages import CounterAccept, CounterOffer, Message, PriceQuote
from treaty.dialects.actp.rules import verify_accept, verify_counter, verify_quote
from treaty.errors import TreatyError
from treaty.identity.accounts import VerifiedByAccount

ROOT: Final = Path(__file__).parents[2]
VECTORS: Final = ROOT / "conformance" / "vectors"
MADE_BY_TS: Final = VECTORS / "actp" / "ts"
NOW_MS: Final = 1_700_000_000_000
INSTALL_TIMEOUT_S: Final = 240

RECORDS: Final = {
    "quote": PriceQuote,
    "counter_offer": CounterOffer,
    "counter_accept": CounterAccept,
}


def _vectors() -> list[Any]:
    return [
        pytest.param(vector, id=vector["name"])
        for path in sorted(MADE_BY_TS.glob("*.json"))
        for vector in json.loads(path.read_bytes())
    ]


def _received(vector: dict[str, Any]) -> bytes:
    text: str = vector["text"] if "text" in vector else json.dumps(vector["message"])
    return text.encode("utf-8")


def _verified(message: Message, chains: Chains) -> VerifiedByAccount[Any]:
    match message:
        case PriceQuote():
            return verify_quote(message, chains, at_ms=NOW_MS)
        case CounterOffer():
            return verify_counter(message, chains, at_ms=NOW_MS)
        case CounterAccept():
            return verify_accept(message, chains, at_ms=NOW_MS)


def _believed(vector: dict[str, Any]) -> VerifiedByAccount[Any]:
    domain = vector["domain"]
    chains = Chains({domain["chainId"]: domain["verifyingContract"]})
    return _verified(decode_message(read_body(_received(vector))), chains)


def _reason(attempt: Callable[[], object]) -> str:
    try:
        attempt()
    except TreatyError as error:
        return error.code
    return "ok"


@pytest.mark.parametrize("vector", _vectors())
def test_a_vector_made_in_typescript_means_the_same_here(vector: dict[str, Any]) -> None:
    if vector["expect"] != "ok":
        assert _reason(lambda: _believed(vector)) == vector["expect"]
        return
    verified = _believed(vector)
    assert isinstance(verified.value, RECORDS[vector["kind"]])
    assert "0x" + verified.digest.hex() == vector["digest"]
    assert message_hash(verified.value) == vector["messageHash"]
    assert verified.account == vector["signer"].lower()


def test_the_vectors_cover_every_message_in_both_directions() -> None:
    vectors = [vector for param in _vectors() for vector in param.values]
    assert {(vector["kind"], vector["expect"] == "ok") for vector in vectors} == {
        (kind, lawful) for kind in RECORDS for lawful in (True, False)
    }


def test_the_package_names_no_registry_and_keeps_no_lock_file() -> None:
    sdk = ROOT / "sdk-ts"
    assert "package-lock=false" in (sdk / ".npmrc").read_text().split()
    assert "package-lock.json" in (sdk / ".gitignore").read_text().split()
    for name in (".npmrc", "package.json"):
        assert "registry" not in (sdk / name).read_text()
        assert "http" not in (sdk / name).read_text()


@pytest.mark.slow
@pytest.mark.timeout(2 * INSTALL_TIMEOUT_S)
def test_the_package_compiles_strictly_and_its_tests_pass(tmp_path: Path) -> None:
    npm = _npm()
    # The folder is copied with the vectors beside it: nothing is installed into the tree.
    sdk = tmp_path / "sdk-ts"
    ignored = shutil.ignore_patterns("node_modules", "dist")
    shutil.copytree(ROOT / "sdk-ts", sdk, ignore=ignored)
    shutil.copytree(VECTORS, tmp_path / "conformance" / "vectors", ignore=ignored)
    installed = _run([npm, "install", "--no-audit", "--no-fund", "--loglevel=error"], sdk)
    if installed.returncode:
        pytest.skip(f"npm could not install the two dependencies: {installed.stderr[-300:]}")
    tested = _run([npm, "test"], sdk)
    assert tested.returncode == 0, tested.stdout[-3000:] + tested.stderr[-1000:]
    assert "\n# fail 0\n" in tested.stdout
    assert "\n# skipped 0\n" in tested.stdout


def _npm() -> str:
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        pytest.skip("node and npm are not installed")
    version = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout
    if int(version.strip().lstrip("v").split(".")[0]) < 20:
        pytest.skip(f"node 20 or later is needed, this is {version.strip()}")
    return npm


def _run(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    # Plain TAP, whatever the terminal, so that the counts can be read.
    environment = {**os.environ, "NODE_OPTIONS": "--test-reporter=tap", "CI": "1"}
    try:
        return subprocess.run(
            command,
            cwd=folder,
            env=environment if command[1] == "test" else None,
            capture_output=True,
            text=True,
            timeout=INSTALL_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as late:
        if command[1] != "install":
            raise
        return subprocess.CompletedProcess(command, 1, "", f"still not done after {late.timeout} s")
