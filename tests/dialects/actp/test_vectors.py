"""Every vector, ours, the TypeScript side's and the peer's, is judged as it says."""

from __future__ import annotations

import json
import runpy
from typing import Any

import pytest

from tests.house.reading import ROOT
from treaty.dialects.actp.chains import Chains
from treaty.dialects.actp.codec import (
    decode,
    decode_message,
    decode_read,
    decode_request,
    encode,
    encode_read,
    encode_request,
    read_body,
)
from treaty.dialects.actp.hashes import message_hash
from treaty.dialects.actp.messages import KINDS, QuoteRead, QuoteRequest
from treaty.dialects.actp.rules import verify, verify_read, verify_request
from treaty.errors import TreatyError
from treaty.identity.accounts import VerifiedByAccount
from treaty.wire.canonical import canonical
from treaty.wire.encoding import b64url_encode

FOLDER = ROOT / "conformance" / "vectors" / "actp"
FOLDERS = (FOLDER, FOLDER / "access", FOLDER / "ts")
NOW = 1_700_000_000
KIND_NAMES = dict(zip(("quote", "counter_offer", "counter_accept"), KINDS, strict=True))


def _vectors() -> list[Any]:
    found = []
    for path in [path for folder in FOLDERS for path in sorted(folder.glob("*.json"))]:
        shown = path.relative_to(FOLDER).as_posix()
        found += [
            pytest.param(one, id=f"{shown}-{one['name']}")
            for one in json.loads(path.read_text(encoding="utf-8"))
        ]
    return found


def judged(vector: dict[str, Any]) -> VerifiedByAccount[Any]:
    domain = vector["domain"]
    chains = Chains({domain["chainId"]: domain["verifyingContract"]})
    at_ms = vector.get("now", NOW) * 1000
    text = vector["text"] if "text" in vector else json.dumps(vector["message"])
    raw = text.encode("utf-8")
    match vector["kind"]:
        case "request":
            return verify_request(decode_request(raw), chains, at_ms=at_ms)
        case "read":
            header = f"QuoteRead {b64url_encode(raw)}"
            return verify_read(decode_read(header), chains, at_ms=at_ms)
    return verify(decode_message(read_body(raw)), chains, at_ms=at_ms)


@pytest.mark.parametrize("vector", _vectors())
def test_a_vector_is_judged_as_it_says(vector: dict[str, Any]) -> None:
    try:
        verified = judged(vector)
    except TreatyError as refusal:
        said = refusal.code
    else:
        said = "ok"
    assert said == vector["expect"]
    if said == "ok":
        assert "0x" + verified.digest.hex() == vector["digest"]
        assert verified.account == vector["signer"].lower()
        _check_rest(verified.value, vector)


def _check_rest(message: Any, vector: dict[str, Any]) -> None:
    """The hash is the vector's, and what we write is read back as it was."""
    if isinstance(message, QuoteRequest):
        assert decode_request(encode_request(message)) == message
    elif isinstance(message, QuoteRead):
        assert decode_read(encode_read(message)) == message
    else:
        assert message_hash(message) == vector["messageHash"]
        assert decode(encode(message)) == message
        assert message.type == KIND_NAMES[vector["kind"]]


def test_the_peers_messages_are_written_as_the_peer_wrote_them() -> None:
    for vector in json.loads((FOLDER / "peer.json").read_text(encoding="utf-8")):
        written = read_body(encode(decode_message(vector["message"])))

        assert written["type"] == vector["message"]["type"]
        assert canonical(written["message"]) == canonical(vector["message"])


def test_every_vector_has_a_name_of_its_own() -> None:
    names = [one.values[0]["name"] for one in _vectors()]

    assert len(names) == len(set(names))
    assert len(names) > 330


def test_our_vectors_are_what_their_program_writes() -> None:
    program = runpy.run_path(str(ROOT / "conformance" / "make_actp_vectors.py"))
    files: dict[str, str] = program["files"]()

    for name, text in files.items():
        assert (FOLDER / name).read_text(encoding="ascii") == text, name


def test_every_file_has_its_origin() -> None:
    """Ours and the peer's stand at the top and in ``access``, the other side's in ``ts``."""
    program = runpy.run_path(str(ROOT / "conformance" / "make_actp_vectors.py"))
    known = {*program["files"](), "peer.json", "access/eth_account.json"}
    here = {
        path.relative_to(FOLDER).as_posix()
        for folder in (FOLDER, FOLDER / "access")
        for path in folder.glob("*.json")
    }

    assert here == known
