"""Bytes as text: base64url and lower-case hex, one spelling each.

Laws: a decoder accepts exactly what its encoder writes. Padding, line breaks, upper-case hex and
trailing bits that carry no data are refused, because two spellings of one value are two
different messages with one meaning.

Read next: ``digest``, then ``treaty.identity`` for the signatures written this way.
"""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Final

from treaty.errors import WireError, shown
from treaty.wire.canonical import Json

_BASE64URL: Final = re.compile(r"[A-Za-z0-9_-]*")
_ANY: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
_LAST_OF: Final = (_ANY, "", _ANY[::16], _ANY[::4])
"""By length modulo four: the last characters whose unused bits are zero."""
_HEX: Final = re.compile(r"(?:[0-9a-f]{2})*")


def b64url_encode(data: bytes) -> str:
    """Write bytes as base64url without padding (RFC 4648 section 5)."""
    return urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def b64url_decode(text: Json) -> bytes:
    """Read unpadded base64url.

    Raises ``WireError`` for padding, a foreign alphabet, an impossible length and for unused
    trailing bits that are not zero.
    """
    if not isinstance(text, str) or _BASE64URL.fullmatch(text) is None or len(text) % 4 == 1:
        raise WireError(f"not unpadded base64url: {shown(text)}")
    if text[-1:] not in _LAST_OF[len(text) % 4]:
        raise WireError(f"base64url has stray trailing bits: {shown(text)}")
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def hex_decode(text: Json, size_bytes: int | None = None) -> bytes:
    """Read lower-case hex without a prefix, of exactly ``size_bytes`` bytes when given.

    Raises ``WireError`` for upper case, ``0x``, whitespace, odd or other lengths.
    """
    if not isinstance(text, str) or _HEX.fullmatch(text) is None:
        raise WireError(f"not lower-case hex: {shown(text)}")
    if size_bytes is not None and len(text) != 2 * size_bytes:
        raise WireError(f"expected {size_bytes} bytes of hex, got {len(text) // 2}")
    return bytes.fromhex(text)
