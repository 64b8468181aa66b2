"""How a buyer says something: as nobody in particular, with a token, or under its own signature.

Laws:

1. A token and a signature are for providers whose manifest the user wrote down, at its own origin.
   Whom a registry names, and wherever else a manifest points, hears from nobody in particular.
2. A token goes over the wire and nowhere else: what is kept of the message is without it.
3. What is signed names its receiver, has a nonce, and ends within minutes (7).

Read next: ``router`` and ``working``, which say things.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from treaty.dialects.mrp.choices import MSG_ID_CHARS_LEAST, NAME_CHARS_LEAST
from treaty.dialects.mrp.codec import compose, encode
from treaty.dialects.mrp.signing import sign
from treaty.engine.desk import Draw
from treaty.identity.keys import Signer
from treaty.wire.canonical import Json
from treaty.wire.encoding import b64url_encode

SENDER: Final = "agent:treaty/client"
"""Who asks, where nobody says who: a name that all such buyers share, so that it tells nothing."""
LIFE_MS: Final = 120_000
ENTROPY: Final = 16


@dataclass(frozen=True, slots=True)
class Saying:
    """A message: as it goes out, and as it is kept."""

    msg_id: str
    wire: bytes
    kept: bytes


@dataclass(frozen=True, slots=True)
class Speaker:
    """Makes what a buyer says."""

    clock: Callable[[], int]
    entropy: Draw
    token: str | None = field(default=None, repr=False)
    signer: Signer | None = None

    @property
    def signs(self) -> bool:
        """True when messages are signed, and so have to name their receiver."""
        return self.signer is not None

    @property
    def sender(self) -> str:
        """Who speaks under a signature: the key."""
        return SENDER if self.signer is None else f"agent:treaty/{self.signer.key.key_id}"

    def say(
        self,
        msg_type: str,
        payload: Mapping[str, Json],
        *,
        receiver: str | None = None,
        in_reply_to: str | None = None,
        key: str | None = None,
        is_known: bool = False,
    ) -> Saying:
        """Compose a message. ``is_known`` says that the user wrote this place down.

        A receiver or id that no schema takes is left out. ``key`` is the idempotency key.
        """
        is_signed = is_known and self.signer is not None
        at_ms = self.clock()
        document = compose(
            msg_type,
            payload,
            sender=self.sender if is_signed else SENDER,
            at_ms=at_ms,
            entropy=self.entropy(ENTROPY),
            receiver=_long_enough(receiver, NAME_CHARS_LEAST),
            in_reply_to=_long_enough(in_reply_to, MSG_ID_CHARS_LEAST),
            idempotency_key=key,
            nonce=b64url_encode(self.entropy(ENTROPY)) if is_signed else None,
            expires_at_ms=at_ms + LIFE_MS if is_signed else None,
        )
        if is_signed:
            assert self.signer is not None
            document = sign(document, self.signer)
        kept = encode(document)
        if is_known and self.token is not None and not is_signed:
            document = {**document, "auth": {"type": "bearer", "token": self.token}}
        return Saying(str(document["msg_id"]), encode(document), kept)


def _long_enough(text: str | None, least: int) -> str | None:
    return text if text is not None and len(text) >= least else None
