"""Make ``signed-transcript.json``: the seed's sixteen messages with real hashes and signatures.

Written from decisions B3, B4 and B6 alone, with a JCS library and PyNaCl, independent of treaty's
own code. Deterministic: running it again gives the same file.

    cd conformance/vectors/asp && python make_signed_transcript.py > signed-transcript.json
"""

from __future__ import annotations

import base64
import hashlib
import json
from datetime import datetime
from pathlib import Path

import rfc8785
from nacl.signing import SigningKey

BASE_URL = "https://node.example"
ZERO = "sha256:" + "0" * 64
SEEDS = {
    "agent://acme.com/procurement/alpha": bytes(range(32)),
    "agent://cloudprime.io/gpu/beta": bytes(range(32, 64)),
    "agent://npayload.com/registry/discovery": bytes(range(64, 96)),
}
# State on the wire after each message; the first two come before the session.
STATES = [None, None] + ["INVITED"] * 3 + ["INTRODUCED"] + ["CONVERSING"] * 4 + ["AGREEING"]
STATES += ["EXECUTING"] * 4 + ["CLOSED"]


def base64url(data: bytes) -> str:
    """Base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def jwk(key: SigningKey) -> dict[str, str]:
    """The public key as a JWK."""
    return {"kty": "OKP", "crv": "Ed25519", "x": base64url(bytes(key.verify_key))}


def key_text(key: SigningKey) -> str:
    """A card's ``publicKey``: base64url of the canonical JWK."""
    return base64url(rfc8785.dumps(jwk(key)))


def proof(key: SigningKey, message: dict, previous: str) -> str:
    """The DPoP proof of an in-session message (B6)."""
    session = message["sessionId"]
    header = {"typ": "dpop+jwt", "alg": "EdDSA", "jwk": jwk(key)}
    claims = {
        "jti": message["messageId"],
        "iat": int(datetime.fromisoformat(message["timestamp"]).timestamp()),
        "htm": "POST",
        "htu": f"{BASE_URL}/v1/asp/sessions/{session}/messages",
        "sid": session,
        "seq": message["sequenceNumber"],
        "nonce": previous,
    }
    text = f"{base64url(rfc8785.dumps(header))}.{base64url(rfc8785.dumps(claims))}"
    return f"{text}.{base64url(key.sign(text.encode()).signature)}"


def signed(message: dict, key: SigningKey, previous: str) -> dict:
    """Fill in proof, card key, hash and signature; all else stays as the seed has it."""
    message["integrity"] = {"previousHash": previous}
    if "sessionId" in message:
        message["sender"]["dpopProof"] = proof(key, message, previous)
    card = message["content"]["body"].get("data", {}).get("agentCard")
    if card is not None:
        card["publicKey"] = key_text(key)
    tag = "sha256:" + hashlib.sha256(rfc8785.dumps(message)).hexdigest()
    signature = "ed25519:" + key.sign(f"asp/0.1 {tag}".encode()).signature.hex()
    message["integrity"] |= {"hash": tag, "signature": signature}
    return message


def rows() -> list[dict]:
    """One row a message; the session's chain begins anew at message 3."""
    found, previous = [], ZERO
    for number, message in enumerate(json.loads(Path("seed-transcript.json").read_text()), 1):
        if number == 3:
            previous = ZERO
        signed(message, SigningKey(SEEDS[message["sender"]["agentId"]]), previous)
        previous = message["integrity"]["hash"]
        found.append(
            {
                "number": number,
                "receivedAt": message["timestamp"],
                "hash": previous,
                "signature": message["integrity"]["signature"],
                "stateAfter": STATES[number - 1],
                "raw": rfc8785.dumps(message).decode(),
            }
        )
    return found


if __name__ == "__main__":
    keys = {
        uri: {"seed": seed.hex(), "publicKey": key_text(SigningKey(seed))}
        for uri, seed in SEEDS.items()
    }
    document = {"baseUrl": BASE_URL, "keys": keys, "messages": rows()}
    print(json.dumps(document, indent=1, ensure_ascii=False))
