"""Keys and the one place where a signature is checked.

Laws:

1. Ed25519 by RFC 8032, decided by one library (libsodium through PyNaCl), without the cofactor:
   S < L, canonical encodings, small-order keys and small-order R refused (ASP B4).
2. A key read from a stranger is a canonical point of the prime-order group. Honest keys always
   are; for the others, two correct verifiers could disagree about the same signature.
3. A key's name (``key_id``) is its RFC 7638 thumbprint.
4. P-256 is read for DPoP proofs alone (ASP B6); no record or envelope is signed with it.

Read next: ``records`` (signed objects), ``envelopes`` (signed messages), ``dpop`` (proofs).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final, Protocol, TypeAlias

from nacl.bindings import (
    crypto_core_ed25519_is_valid_point,
    crypto_sign,
    crypto_sign_open,
    crypto_sign_seed_keypair,
)
from nacl.exceptions import BadSignatureError

from treaty.errors import MisuseError, SignatureError, UnverifiableError, WireError, shown
from treaty.wire.canonical import Json, canonical, read_json
from treaty.wire.digest import sha256
from treaty.wire.encoding import b64url_decode, b64url_encode

KEY_BYTES: Final = 32
SEED_BYTES: Final = 32
SIGNATURE_BYTES: Final = 64
KEY_TEXT_MAX: Final = 1024
"""Longest ``publicKey`` text that is looked at; an Ed25519 JWK needs about 110 characters."""

SIGNATURE_PREFIX: Final = "ed25519:"
_SIGNATURE_TEXT_LENGTH: Final = len(SIGNATURE_PREFIX) + 2 * SIGNATURE_BYTES

_PRIVATE_MEMBERS: Final = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
"""JWK members that only a private or symmetric key has (RFC 7518 section 6)."""

# The curve P-256 (FIPS 186-5): y^2 = x^3 - 3x + b over the field of _P256_P elements.
_P256_P: Final = 0xFFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFF
_P256_B: Final = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B


KEYS_CACHED_MAX: Final = 4_096
"""Keys whose point was found good: the same few come with every message of a session."""


@dataclass(frozen=True, slots=True)
class PublicKey:
    """An Ed25519 public key. ``raw`` is the 32-byte point of RFC 8032.

    The constructor checks the length only; ``read_public_key`` is the way in for keys of
    strangers. A wrong length is a MisuseError.
    """

    raw: bytes = field(repr=False)
    algorithm: str = "ed25519"
    key_id: str = field(init=False, compare=False)
    """RFC 7638 thumbprint of the key, base64url."""

    def __post_init__(self) -> None:
        """Check the length, on which libsodium relies, and compute the thumbprint once."""
        if len(self.raw) != KEY_BYTES:
            raise MisuseError(f"an Ed25519 public key is {KEY_BYTES} bytes")
        object.__setattr__(self, "key_id", _thumbprint(self.jwk()))

    def jwk(self) -> dict[str, Json]:
        """The key as a JWK with exactly the members that identify it (RFC 8037)."""
        return {"kty": "OKP", "crv": "Ed25519", "x": b64url_encode(self.raw)}

    @property
    def text(self) -> str:
        """The key as a card's ``publicKey``: base64url of the canonical JWK (ASP B5)."""
        return b64url_encode(canonical(self.jwk()))


@dataclass(frozen=True, slots=True)
class EcPublicKey:
    """A P-256 public key, used for ES256 DPoP proofs only. Coordinates are 32 bytes each."""

    x: bytes = field(repr=False)
    y: bytes = field(repr=False)
    algorithm: str = "es256"
    key_id: str = field(init=False, compare=False)
    """RFC 7638 thumbprint of the key, base64url."""

    def __post_init__(self) -> None:
        """Check that the point lies on the curve (WireError) and compute the thumbprint once."""
        if not _on_p256(self.x, self.y):
            raise WireError("the JWK is not a point of P-256")
        object.__setattr__(self, "key_id", _thumbprint(self.jwk()))

    def jwk(self) -> dict[str, Json]:
        """The key as a JWK with exactly the members that identify it (RFC 7518)."""
        x, y = b64url_encode(self.x), b64url_encode(self.y)
        return {"kty": "EC", "crv": "P-256", "x": x, "y": y}


ProofKey: TypeAlias = PublicKey | EcPublicKey
"""A key that may sign DPoP proofs."""


class Signer(Protocol):
    """Whoever can sign: a key in memory, a key file, a remote signer."""

    @property
    def key(self) -> PublicKey:
        """The public half of the signing key."""

    def sign(self, data: bytes) -> bytes:
        """The 64-byte Ed25519 signature over ``data``."""


class Ed25519Signer:
    """A signing key in memory, from its 32-byte RFC 8032 seed. Never shown, never exported."""

    __slots__ = ("_secret", "key")

    def __init__(self, seed: bytes) -> None:
        if len(seed) != SEED_BYTES:
            raise MisuseError(f"an Ed25519 seed is {SEED_BYTES} bytes")
        raw, self._secret = crypto_sign_seed_keypair(seed)
        self.key: PublicKey = PublicKey(raw)

    def __repr__(self) -> str:
        return f"Ed25519Signer(key_id={self.key.key_id!r})"

    def sign(self, data: bytes) -> bytes:
        """The 64-byte Ed25519 signature over ``data``."""
        return crypto_sign(data, self._secret)[:SIGNATURE_BYTES]


def read_public_key(value: Json) -> PublicKey:
    """Read a stranger's Ed25519 key: a card's ``publicKey`` text or a JWK object (ASP B5).

    Raises WireError for anything else, for a private key, and for 32 bytes that are not the
    canonical encoding of a point of the prime-order group (so for all small-order points).
    """
    key = read_jwk(_jwk_of_text(value) if isinstance(value, str) else value)
    if not isinstance(key, PublicKey):
        raise WireError("the key is not an Ed25519 key")
    return key


def stored_public_key(text: str) -> PublicKey:
    """A key's own text, from our own store: its point was found good before it was kept there.

    Raises WireError for what is no such text.
    """
    jwk = _jwk_of_text(text)
    return PublicKey(_coordinate(jwk, "x") if isinstance(jwk, dict) else b"")


def read_ec_public_key(value: Json) -> EcPublicKey:
    """Read a card's ``dpopPublicKey``: a P-256 JWK object (ASP B6). Raises WireError."""
    key = read_jwk(value)
    if not isinstance(key, EcPublicKey):
        raise WireError("the key is not a P-256 key")
    return key


def read_jwk(value: Json) -> ProofKey:
    """Read a public JWK of either kind; unknown members are ignored (RFC 7517). WireError."""
    if not isinstance(value, dict):
        raise WireError("a key is a JWK object")
    leaked = _PRIVATE_MEMBERS.intersection(value)
    if leaked:
        raise WireError(f"the JWK holds private members: {', '.join(sorted(leaked))}")
    kind = (value.get("kty"), value.get("crv"))
    if kind == ("OKP", "Ed25519"):
        return _ed25519_of(_coordinate(value, "x"))
    if kind == ("EC", "P-256"):
        return EcPublicKey(_coordinate(value, "x"), _coordinate(value, "y"))
    raise WireError(f"the JWK is of an unsupported kind: {shown(kind)}")


def check_signature(key: PublicKey, signature: bytes, data: bytes) -> None:
    """Check an Ed25519 signature; the only place in the house that does (law 1).

    ``signature`` is 64 bytes. Raises SignatureError when it does not hold.
    """
    if len(signature) != SIGNATURE_BYTES:
        raise SignatureError(f"a signature is {SIGNATURE_BYTES} bytes, not {len(signature)}")
    try:
        crypto_sign_open(signature + data, key.raw)
    except BadSignatureError:
        raise SignatureError(f"the signature does not hold under key {key.key_id}") from None


def check_signature_text(key: PublicKey, text: str, data: bytes) -> None:
    """Check ``ed25519:`` and 128 lower-case hex digits over ``data``. Raises SignatureError."""
    if len(text) != _SIGNATURE_TEXT_LENGTH or not text.startswith(SIGNATURE_PREFIX):
        raise SignatureError(f"not an ed25519 signature text: {shown(text)}")
    digits = text[len(SIGNATURE_PREFIX) :]
    try:
        signature = bytes.fromhex(digits)
    except ValueError:
        raise SignatureError("the signature text is not hex") from None
    # fromhex also takes capitals and blanks; one signature has one text.
    if signature.hex() != digits:
        raise SignatureError("the signature text is not 128 lower-case hex digits")
    check_signature(key, signature, data)


def sign_text(signer: Signer, data: bytes) -> str:
    """Sign ``data`` and write the signature as ``ed25519:`` and 128 lower-case hex digits."""
    return SIGNATURE_PREFIX + signer.sign(data).hex()


def check_es256(key: EcPublicKey, signature: bytes, data: bytes) -> None:
    """Check a JWS ES256 signature (r and s, 32 bytes each; RFC 7518 section 3.4).

    ``cryptography`` is imported here and not before, since hardly any agent uses ES256.
    Raises SignatureError, or UnverifiableError when ``cryptography`` is not installed.
    """
    if len(signature) != SIGNATURE_BYTES:
        raise SignatureError(f"a signature is {SIGNATURE_BYTES} bytes, not {len(signature)}")
    try:
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric import ec, utils
        from cryptography.hazmat.primitives.hashes import SHA256
    except ImportError:
        raise UnverifiableError(
            "ES256 proofs need the package `cryptography`", "signature_invalid"
        ) from None
    numbers = ec.EllipticCurvePublicNumbers(_integer(key.x), _integer(key.y), ec.SECP256R1())
    halves = _integer(signature[:32]), _integer(signature[32:])
    try:
        numbers.public_key().verify(utils.encode_dss_signature(*halves), data, ec.ECDSA(SHA256()))
    except InvalidSignature:
        raise SignatureError(f"the ES256 signature does not hold under {key.key_id}") from None


def _thumbprint(jwk: dict[str, Json]) -> str:
    return b64url_encode(sha256(canonical(jwk)))


def _jwk_of_text(text: str) -> Json:
    if len(text) > KEY_TEXT_MAX:
        raise WireError(f"a public key text has at most {KEY_TEXT_MAX} characters")
    return read_json(b64url_decode(text))


def _coordinate(jwk: dict[str, Json], member: str) -> bytes:
    text = jwk.get(member)
    if not isinstance(text, str) or len(text) > KEY_TEXT_MAX:
        raise WireError(f"the JWK has no {member}")
    raw = b64url_decode(text)
    if len(raw) != KEY_BYTES:
        raise WireError(f"the JWK's {member} is {KEY_BYTES} bytes, not {len(raw)}")
    return raw


@lru_cache(maxsize=KEYS_CACHED_MAX)
def _ed25519_of(raw: bytes) -> PublicKey:
    if not crypto_core_ed25519_is_valid_point(raw):
        raise WireError("the key is not a canonical Ed25519 point of the prime-order group")
    return PublicKey(raw)


def _on_p256(x: bytes, y: bytes) -> bool:
    if len(x) != KEY_BYTES or len(y) != KEY_BYTES:
        return False
    a, b = _integer(x), _integer(y)
    return a < _P256_P and b < _P256_P and (b * b - a * a * a + 3 * a - _P256_B) % _P256_P == 0


def _integer(raw: bytes) -> int:
    return int.from_bytes(raw, "big")
