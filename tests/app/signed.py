"""A session's message with hash, signature and proof, as its host receives it."""

from __future__ import annotations

from typing import Final

from treaty.dialects.asp import codec
from treaty.dialects.asp.messages import Performative
from treaty.dialects.asp.rules import messages_url
from treaty.identity.dpop import MessageBinding, message_proof
from treaty.identity.keys import Ed25519Signer
from treaty.wire.canonical import canonical
from treaty.wire.digest import ZERO_TAG

HOST: Final = "https://host.example"
SESSION: Final = "019526a1-8e1a-7000-8000-000000000001"
SPEAKER: Final = Ed25519Signer(b"\x07" * 32)


def observation(at_ms: int, host: str = HOST) -> bytes:
    """What ``SPEAKER`` says at this time in a session of this host."""
    message_id = "019526a1-9a1b-7000-8000-000000000005"
    binding = MessageBinding(message_id, SESSION, 3, ZERO_TAG, messages_url(host, SESSION))
    document = codec.compose(
        message_id=message_id,
        at_ms=at_ms,
        sender={
            "agentId": "agent://speaker.example/one",
            "orgId": "org",
            "trustScore": 49,
            "dpopProof": message_proof(SPEAKER, binding, at_ms),
        },
        performative=Performative.OBSERVE,
        body={"subject": "sky", "data": {"cover": 0.5}},
        previous_hash=ZERO_TAG,
        salt=bytes(16),
        session_id=SESSION,
        sequence=3,
    )
    return canonical(codec.seal(document, SPEAKER))
