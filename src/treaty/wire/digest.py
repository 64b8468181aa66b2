"""Digests: SHA-256 and Keccak-256, and the ``sha256:<hex>`` tag that stands in envelopes.

Laws: a tag has one spelling, lower case; the digest of a value is the digest of its canonical
bytes and of nothing else (ASP B3).

Read next: ``canonical``.
"""

from __future__ import annotations

import re
from hashlib import sha256 as _sha256
from hashlib import sha512 as _sha512
from typing import Final

from sha3 import keccak_256 as _keccak_256

from treaty.wire.canonical import Json, canonical

_TAG: Final = re.compile(r"sha256:[0-9a-f]{64}")

ZERO_TAG: Final = "sha256:" + "0" * 64
"""What the first message of a chain names as its predecessor."""


def sha256(data: bytes) -> bytes:
    """The 32 bytes of SHA-256."""
    return _sha256(data).digest()


def sha256_tag(data: bytes) -> str:
    """SHA-256 as ``sha256:`` and 64 lower-case hex digits."""
    return "sha256:" + _sha256(data).hexdigest()


def is_sha256_tag(text: Json) -> bool:
    """True for exactly one spelling of a tag: lower case, nothing before or after it."""
    return isinstance(text, str) and _TAG.fullmatch(text) is not None


def content_tag(value: Json) -> str:
    """The tag of a JSON value: SHA-256 over its RFC 8785 bytes (ASP B3).

    Raises ``WireError`` when the value has no canonical form.
    """
    return sha256_tag(canonical(value))


def hash_agrees(stated: Json, data: bytes) -> bool:
    """True when ``sha256:<hex>`` or ``sha512:<hex>`` is the digest of these bytes, in any case."""
    if not isinstance(stated, str):
        return False
    name, _, digits = stated.partition(":")
    digest = {"sha256": _sha256, "sha512": _sha512}.get(name)
    return digest is not None and digits.lower() == digest(data).hexdigest()


def keccak256(data: bytes) -> bytes:
    """The 32 bytes of Keccak-256 as Ethereum uses it (the padding before SHA-3)."""
    digest: bytes = _keccak_256(data).digest()
    return digest
