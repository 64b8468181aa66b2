"""The key set of a provider or buyer: ``/.well-known/mrp-keys.json``, a JWK set (section 7).

A key is named by its ``kid`` and, as everywhere, by its thumbprint. Keys that are none of ours
are passed over: a set may hold others for other uses.

Read next: ``signing``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from treaty.errors import TreatyError, WireError, shown
from treaty.identity.keys import PublicKey, read_public_key
from treaty.wire.canonical import Json, canonical, read_json
from treaty.wire.encoding import b64url_encode
from treaty.wire.fields import ID_CHARS_MAX

KEYS_PATH: Final = "/.well-known/mrp-keys.json"
KEYS_BYTES_MAX: Final = 64 * 1024
KEYS_MAX: Final = 64


def write_keys(keys: Iterable[PublicKey]) -> dict[str, Json]:
    """The set that a server shows."""
    return {
        "keys": [{**key.jwk(), "kid": key.key_id, "use": "sig", "alg": "EdDSA"} for key in keys]
    }


def read_keys(raw: bytes, at_ms: int) -> Mapping[str, PublicKey]:
    """The Ed25519 keys of a set that are good now, by every name they have.

    Raises ``WireError`` for what is no set.
    """
    document = read_json(raw, size_max=KEYS_BYTES_MAX)
    listed = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(listed, list):
        raise WireError(f"a key set has a list of keys, not {shown(listed)}")
    found: dict[str, PublicKey] = {}
    for one in listed[:KEYS_MAX]:
        key = _key(one, at_ms)
        if key is not None and isinstance(one, dict):
            kid = one.get("kid")
            names = (kid, key.key_id) if isinstance(kid, str) else (key.key_id,)
            # The first of a name stays: a later one must not take it over.
            for name in names:
                found.setdefault(name[:ID_CHARS_MAX], key)
    return found


def _key(value: Json, at_ms: int) -> PublicKey | None:
    if not isinstance(value, dict) or value.get("use", "sig") != "sig":
        return None
    expires = value.get("exp")
    if isinstance(expires, bool) or not isinstance(expires, int | float | None):
        return None
    if expires is not None and expires * 1_000 <= at_ms:
        return None
    members: dict[str, Json] = {name: value.get(name) for name in ("kty", "crv", "x")}
    try:
        return read_public_key(b64url_encode(canonical(members)))
    except TreatyError:
        return None
