"""What signing and checking cost, with libsodium's own cost over the same bytes as the floor.

Run ``python bench/identity.py``. Each figure is the best of several rounds, in microseconds a
call; what stands beyond the floor is hashing, canonical bytes and strict reading.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from nacl.bindings import (
    crypto_core_ed25519_is_valid_point,
    crypto_sign,
    crypto_sign_open,
    crypto_sign_seed_keypair,
)

from treaty.identity.dpop import (
    MessageBinding,
    check_message_proof,
    header_proof,
    message_proof,
    read_header_proof,
)
from treaty.identity.envelopes import open_envelope, sign_envelope
from treaty.identity.keys import Ed25519Signer, read_public_key
from treaty.identity.records import open_record, seal
from treaty.wire.canonical import Json

ROUNDS = 9
CALLS = 400
SEED = b"\x01" * 32
AT_MS = 1_772_892_060_000
HASH = "sha256:" + "5d41402abc4b2a76b9719d911017c592" * 2
SESSION = "019526a1-8e1a-7000-8000-000000000001"
SIGNER = Ed25519Signer(SEED)
KEY = SIGNER.key

RECEIPT: dict[str, Json] = {
    "session": SESSION,
    "position": 7,
    "hash": HASH,
    "previousHash": HASH,
    "sender": "agent://acme.com/procurement/alpha",
    "performative": "PROPOSE",
    "rawDigest": HASH,
    "receivedAt": "2026-03-07T14:01:00.000Z",
}
BINDING = MessageBinding(
    message_id="019526a1-9a1b-7000-8000-000000000005",
    session=SESSION,
    sequence=1,
    previous_hash=HASH,
    htu=f"https://node.example/v1/asp/sessions/{SESSION}/messages",
)


def round_us(call: Callable[[], object]) -> float:
    """The mean of one round, in microseconds."""
    begun = time.perf_counter()
    for _ in range(CALLS):
        call()
    return (time.perf_counter() - begun) / CALLS * 1e6


def signing(data: bytes) -> Callable[[], object]:
    """What libsodium alone does to sign ``data``."""
    secret = crypto_sign_seed_keypair(SEED)[1]
    return lambda: crypto_sign(data, secret)


def verifying(data: bytes) -> Callable[[], object]:
    """What libsodium alone does to verify a signature over ``data``."""
    signed = SIGNER.sign(data) + data
    return lambda: crypto_sign_open(signed, KEY.raw)


def show(name: str, call: Callable[[], object], floor: Callable[[], object]) -> None:
    """One row. Rounds alternate, so that a busy machine is busy for both."""
    rounds = [(round_us(call), round_us(floor)) for _ in range(ROUNDS)]
    cost_us, floor_us = (min(column) for column in zip(*rounds, strict=True))
    print(f"{name:<26}{cost_us:8.1f}{floor_us:8.1f}{cost_us - floor_us:+8.1f}")


def main() -> None:
    """Print the table."""
    envelope: dict[str, Json] = {**RECEIPT, "integrity": {"previousHash": HASH}}
    receipt = seal("receipt", RECEIPT, SIGNER)
    signed = sign_envelope(envelope, SIGNER, prefix="asp/0.1 ")
    proof = message_proof(SIGNER, BINDING, AT_MS)
    header = header_proof(SIGNER, method="GET", url=BINDING.htu, jti=SESSION, at_ms=AT_MS)
    tag_text = b"treaty/1 receipt " + HASH.encode()
    proof_text, header_text = (token.rpartition(".")[0].encode() for token in (proof, header))

    print(f"{'us a call':<26}{'cost':>8}{'floor':>8}{'beyond':>8}")
    show("seal a receipt", lambda: seal("receipt", RECEIPT, SIGNER), signing(tag_text))
    show("open a receipt", lambda: open_record("receipt", receipt, KEY), verifying(tag_text))
    show(
        "sign an envelope",
        lambda: sign_envelope(envelope, SIGNER, prefix="asp/0.1 "),
        signing(tag_text),
    )
    show(
        "open an envelope",
        lambda: open_envelope(signed, KEY, prefix="asp/0.1 "),
        verifying(tag_text),
    )
    show(
        "make a message proof",
        lambda: message_proof(SIGNER, BINDING, AT_MS),
        signing(proof_text),
    )
    show(
        "check a message proof",
        lambda: check_message_proof(proof, KEY, BINDING, AT_MS),
        verifying(proof_text),
    )
    show("read a header proof", lambda: read_header_proof(header), verifying(header_text))
    show(
        "read a public key",
        lambda: read_public_key(KEY.text),
        lambda: crypto_core_ed25519_is_valid_point(KEY.raw),
    )


if __name__ == "__main__":
    main()
