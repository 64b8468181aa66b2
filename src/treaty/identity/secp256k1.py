"""secp256k1 as Ethereum uses it: a signer, and the account a signature recovers to.

Laws:

1. A signature is 65 bytes, r || s || v, with v 27 or 28 in what we write; 0 and 1 are read too,
   because both forms are in use.
2. One signature has one spelling: s lies in the lower half of the group order. The twin with the
   higher s is refused, as contracts and other SDKs refuse it (ACTP 9.4), although the library
   below would recover it.
3. An account is written ``0x`` and 40 lower-case hex digits. Comparing two accounts is comparing
   two strings.

Read next: ``eip712`` for what is signed, ``accounts`` for whom a signature may speak for.
"""

from __future__ import annotations

from typing import Final, Protocol

from coincurve import PrivateKey, PublicKey

from treaty.errors import MisuseError, SignatureError
from treaty.wire.digest import keccak256

SECRET_BYTES: Final = 32
DIGEST_BYTES: Final = 32
SIGNATURE_BYTES: Final = 65

ORDER: Final = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
"""How many points the group has (SEC 2, section 2.4.1)."""
HALF_ORDER: Final = ORDER // 2

_RECOVERY_IDS: Final = {0: b"\x00", 1: b"\x01", 27: b"\x00", 28: b"\x01"}


class DigestSigner(Protocol):
    """Whoever can sign 32 bytes for an account: a key in memory, a keystore, a device."""

    @property
    def address(self) -> str:
        """The account, ``0x`` and 40 lower-case hex digits."""

    def sign_digest(self, digest: bytes) -> bytes:
        """Sign 32 bytes; 65 bytes r || s || v come back."""


class EvmSigner:
    """A secp256k1 secret of 32 bytes and the account it controls.

    Raises ``MisuseError`` for another length and for numbers outside the group.
    """

    __slots__ = ("_key", "address")

    def __init__(self, secret: bytes) -> None:
        if len(secret) != SECRET_BYTES or not 0 < int.from_bytes(secret, "big") < ORDER:
            raise MisuseError(f"a secp256k1 secret is {SECRET_BYTES} bytes between 0 and the order")
        self._key = PrivateKey(secret)
        self.address = _address(self._key.public_key)

    def __repr__(self) -> str:
        return f"EvmSigner({self.address})"

    def sign_digest(self, digest: bytes) -> bytes:
        """Sign 32 bytes deterministically (RFC 6979): r || s || v, low s, v 27 or 28.

        Raises ``MisuseError`` for another length.
        """
        _check_digest(digest)
        signature = self._key.sign_recoverable(digest, hasher=None)
        return signature[:64] + bytes((27 + signature[64],))


def recover(digest: bytes, signature: bytes) -> str:
    """The account whose key made ``signature`` over these 32 bytes.

    Any well-formed signature recovers to *some* account; the caller compares. Raises
    ``SignatureError`` (``signature_invalid``) for a length other than 65, v other than 0, 1, 27
    or 28, r or s outside the group, s in the upper half, and r that is on no point.
    """
    _check_digest(digest)
    if len(signature) != SIGNATURE_BYTES:
        raise SignatureError(f"a signature has {SIGNATURE_BYTES} bytes, not {len(signature)}")
    recovery_id = _RECOVERY_IDS.get(signature[64])
    if recovery_id is None:
        raise SignatureError(f"v of a signature is 0, 1, 27 or 28, not {signature[64]}")
    if not 0 < int.from_bytes(signature[:32], "big") < ORDER:
        raise SignatureError("r of the signature lies outside the group")
    if not 0 < int.from_bytes(signature[32:64], "big") <= HALF_ORDER:
        raise SignatureError("s of the signature is zero or in the upper half of the group")
    try:
        key = PublicKey.from_signature_and_message(
            signature[:64] + recovery_id, digest, hasher=None
        )
    except ValueError:
        raise SignatureError("the signature recovers to no key") from None
    return _address(key)


def _check_digest(digest: bytes) -> None:
    if len(digest) != DIGEST_BYTES:
        raise MisuseError(f"what is signed is a digest of {DIGEST_BYTES} bytes")


def _address(key: PublicKey) -> str:
    return "0x" + keccak256(key.format(compressed=False)[1:])[12:].hex()
