"""Who asks, and may they: tokens with scopes, signed envelopes, nobody in particular (7).

Laws:

1. A key comes from the operator or from a provider that has proven its origin to this registry,
   never from the message; a token is compared by its digest alone.
2. Whoever signs follows the rules of signing, required or not: a receiver, a nonce, an end of at
   most five minutes. A signature that cannot be checked is refused, never overlooked.
3. What a message says of its freshness holds in every mode: what has expired is refused, a nonce
   is good once. That ids of messages are good once is asked where proof is asked.

Read next: ``serving``, which asks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from treaty.dialects.mrp import choices as mrp
from treaty.dialects.mrp import signing
from treaty.dialects.mrp.messages import Envelope
from treaty.errors import Reason, Refused, SignatureError, UnverifiableError, WireError, shown
from treaty.identity.keys import PublicKey
from treaty.wire.digest import sha256
from treaty.wire.instants import parse_instant

EVERY_SCOPE: Final = "mrp:*"
SCOPES: Final[Mapping[str, tuple[str, ...]]] = {
    "discover": ("mrp:discover",),
    # Whoever may execute may agree on what for.
    "negotiate": ("mrp:negotiate", "mrp:execute"),
}
"""Endpoint -> the scopes of which one is enough; all others need ``mrp:execute``."""
NONCE_MS: Final = 86_400_000
"""How long a nonce is remembered whose message does not say when it ends."""
GRACE_MS: Final = 600_000
"""How long a nonce and an id are remembered beyond the end of their message."""


class Mode(StrEnum):
    """What is asked of whoever asks."""

    NONE = "none"
    BEARER = "bearer"
    SIGNED = "signed"


@dataclass(frozen=True, slots=True)
class Used:
    """Something a message uses up."""

    scope: str
    key: str
    until_ms: int
    reason: Reason


@dataclass(frozen=True, slots=True)
class Standing:
    """Who asks, as far as the provider wants to know."""

    principal: str
    used: tuple[Used, ...] = ()


@dataclass(frozen=True, slots=True)
class Authority:
    """What the operator requires, and whom it knows."""

    mode: Mode = Mode.NONE
    tokens: Mapping[str, frozenset[str]] = field(default_factory=dict, repr=False)
    """SHA-256 of a token as hex -> its scopes."""
    key_of: Callable[[str], PublicKey | None] = field(default=lambda _key_id: None, repr=False)

    def standing(
        self, envelope: Envelope, endpoint: str, *, provider: str, address: str, at_ms: int
    ) -> Standing:
        """Who asks. Raises ``SignatureError``, ``Refused`` and ``WireError``."""
        ends_ms = _end(envelope, at_ms)
        auth = envelope.auth or {}
        if auth.get("type") == "signed" or auth.get("signature") is not None:
            key = self._signer(envelope)
            _check_signed(envelope, provider, ends_ms, at_ms)
            return self._standing(envelope, f"key:{key.key_id}", ends_ms, at_ms)
        if self.mode is Mode.SIGNED:
            raise SignatureError("this provider wants a signed envelope", mrp.AUTH_MISSING)
        token = auth.get("token")
        if self.tokens and isinstance(token, str):
            return self._standing(envelope, self.bearer(token, endpoint), ends_ms, at_ms)
        if self.mode is Mode.BEARER:
            raise SignatureError("this provider wants a bearer token", mrp.AUTH_MISSING)
        return self._standing(envelope, f"from:{address}/{envelope.sender}", ends_ms, at_ms)

    def bearer(self, token: str, endpoint: str) -> str:
        """The principal of a token. Raises ``SignatureError`` and ``Refused``."""
        digest = sha256(token.encode("utf-8", "replace")).hex()
        scopes = self.tokens.get(digest)
        if scopes is None:
            raise SignatureError("this token is not known here", mrp.AUTH_MISSING)
        enough = SCOPES.get(endpoint, ("mrp:execute",))
        if not scopes & {*enough, EVERY_SCOPE}:
            detail = f"the token is not good for {enough[0]}"
            raise Refused(detail, mrp.SCOPE_MISSING, data={"required_scopes": [enough[0]]})
        return f"token:{digest[:32]}"

    def _signer(self, envelope: Envelope) -> PublicKey:
        stated = (envelope.auth or {}).get("signature")
        key_id = stated.get("key_id") if isinstance(stated, dict) else None
        key = self.key_of(key_id) if isinstance(key_id, str) else None
        if key is None:
            raise UnverifiableError(f"no key {shown(key_id)} is known here", mrp.AUTH_MISSING)
        signing.check(envelope, key)
        return key

    def _standing(
        self, envelope: Envelope, principal: str, ends_ms: int | None, at_ms: int
    ) -> Standing:
        until_ms = at_ms + NONCE_MS
        if ends_ms is not None:
            until_ms = min(until_ms, ends_ms + GRACE_MS)
        used = []
        if envelope.nonce is not None:
            used.append(Used("nonce", envelope.nonce, until_ms, mrp.NONCE_REUSED))
        if self.mode is not Mode.NONE or principal.startswith("key:"):
            used.append(Used("msg_id", envelope.msg_id, until_ms, mrp.MESSAGE_REPLAYED))
        return Standing(principal, tuple(used))


def _end(envelope: Envelope, at_ms: int) -> int | None:
    """When a message ends, if it says so. Raises ``SignatureError`` for one that has ended."""
    if envelope.expires_at is None:
        return None
    try:
        ends_ms = parse_instant(envelope.expires_at)
    except WireError as error:
        raise WireError(f"expires_at is {error.detail}") from None
    if ends_ms <= at_ms:
        raise SignatureError("the envelope has expired", mrp.ENVELOPE_EXPIRED)
    return ends_ms


def _check_signed(envelope: Envelope, provider: str, ends_ms: int | None, at_ms: int) -> None:
    """Hold a signed envelope against the rules that bind it to one place and time."""
    if envelope.receiver is None or envelope.nonce is None or ends_ms is None:
        detail = "a signed envelope has receiver, nonce and expires_at"
        raise SignatureError(detail, mrp.FRESHNESS_MISSING)
    if envelope.receiver != provider:
        raise WireError(f"this is {provider}, not the receiver", mrp.RECEIVER_MISMATCH)
    if ends_ms > at_ms + mrp.SIGNED_LIFE_MS_MAX:
        detail = f"a signed envelope ends within {mrp.SIGNED_LIFE_MS_MAX // 1000} s"
        raise SignatureError(detail, mrp.LIFETIME_EXCEEDED)
