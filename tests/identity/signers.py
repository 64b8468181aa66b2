"""Three fixed keys, so that every test of the room speaks of the same people."""

from __future__ import annotations

from treaty.identity.keys import Ed25519Signer

ALPHA = Ed25519Signer(b"\x01" * 32)
BETA = Ed25519Signer(b"\x02" * 32)
REGISTRY = Ed25519Signer(b"\x03" * 32)
