"""DPoP proofs: a JWT that binds one request to its sender's key (RFC 9449, ASP B6).

Two forms, never taken for each other:

* the **message** form stands in ``sender.dpopProof``. It names session (``sid``), sequence
  (``seq``) and the hash the message extends (``nonce``), so it fits one place of one chain;
* the **header** form stands in the ``DPoP`` header of reads and streams. It has no ``sid``, and
  its ``jti`` is used once (the caller remembers it until ``issued_at_ms`` + 120 s).

Laws:

1. The proof's ``jwk`` must be the pinned key; the algorithm follows from the key (EdDSA for
   Ed25519, ES256 for P-256) and never from the token.
2. Whatever is wrong with a proof, the answer is a SignatureError ``proof_invalid``.
3. Time is an argument: the receipt's ``receivedAt``, not the clock.

ES256 is checked for cards that carry a P-256 ``dpopPublicKey``; it needs the package
``cryptography``, imported at the first such proof. We sign with EdDSA only.

Read next: ``keys`` for the signature check, ``cards`` for where the pinned key comes from.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from treaty.errors import SignatureError, WireError, shown
from treaty.identity.keys import (
    ProofKey,
    PublicKey,
    Signer,
    check_es256,
    check_signature,
    read_jwk,
)
from treaty.wire.canonical import Json, canonical, read_json
from treaty.wire.encoding import b64url_decode, b64url_encode

PROOF_BYTES_MAX: Final = 4096
JTI_CHARS_MAX: Final = 128
WINDOW_MS: Final = 60_000
"""How far a proof's ``iat`` may lie from its receipt, either way (ASP B6)."""

_TYPE: Final = "dpop+jwt"
_MESSAGE_METHOD: Final = "POST"
_SECONDS_MAX: Final = 253_402_300_800
"""The year 10000; a later ``iat`` is nonsense and would only cost arithmetic."""
_HEADERS_CACHED: Final = 1024

_DEFAULT_PORTS: Final = {"http": 80, "https": 443, "ws": 80, "wss": 443}
_URL: Final = re.compile(
    r"([A-Za-z][A-Za-z0-9+.-]{0,15})://"
    r"(\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9._~%-]{1,255})(?::([0-9]{1,5}))?"
    r"(/[!-\"$->@-~]*)?(?:\?[!-\"$-~]*)?(?:#[!-~]*)?"
)


@dataclass(frozen=True, slots=True)
class MessageBinding:
    """The place of one message: what its proof must name (ASP B6)."""

    message_id: str
    session: str
    sequence: int
    previous_hash: str
    htu: str
    """``<public-url>/v1/asp/sessions/{sessionId}/messages``, from configuration."""


@dataclass(frozen=True, slots=True)
class HeaderProof:
    """A header proof whose signature by its own ``key`` holds; not yet compared with a pin."""

    key: ProofKey
    method: str
    url: str
    jti: str
    issued_at_ms: int


def make_proof(signer: Signer, claims: Mapping[str, Json]) -> str:
    """A DPoP JWT over ``claims``: typ ``dpop+jwt``, alg EdDSA, the signer's key as ``jwk``."""
    text = f"{_header_text(signer.key)}.{b64url_encode(canonical(dict(claims)))}"
    return f"{text}.{b64url_encode(signer.sign(text.encode('ascii')))}"


def message_proof(signer: Signer, binding: MessageBinding, at_ms: int) -> str:
    """The proof for ``sender.dpopProof``; ``iat`` is ``at_ms`` in whole seconds (ASP B6)."""
    return make_proof(
        signer,
        {
            "jti": binding.message_id,
            "iat": at_ms // 1000,
            "htm": _MESSAGE_METHOD,
            "htu": binding.htu,
            "sid": binding.session,
            "seq": binding.sequence,
            "nonce": binding.previous_hash,
        },
    )


def check_message_proof(
    token: str,
    key: ProofKey,
    binding: MessageBinding,
    received_at_ms: int,
    window_ms: int = WINDOW_MS,
) -> None:
    """Check a message's proof against the sender's pinned key and the message's place (ASP B6).

    1. A JWT of at most 4 KiB, strict JSON, ``typ`` and ``alg`` as they must be.
    2. Its ``jwk`` is the pinned key and the signature holds.
    3. ``jti``, ``htm``, ``sid``, ``seq``, ``nonce`` and ``htu`` are those of the message.
    4. ``iat`` lies within ``window_ms`` of ``received_at_ms``, either way.

    Raises SignatureError ``proof_invalid``.
    """
    claims = _open(token, key)[1]
    expected = (
        ("jti", binding.message_id),
        ("htm", _MESSAGE_METHOD),
        ("sid", binding.session),
        ("seq", binding.sequence),
        ("nonce", binding.previous_hash),
    )
    for name, value in expected:
        # Types are compared too: True and 1.0 are no sequence numbers.
        found = claims.get(name)
        if found != value or type(found) is not type(value):
            raise _invalid(f"its {name} is {shown(found)}, the message has {shown(value)}")
    _check_url(claims.get("htu"), binding.htu)
    _check_time(_issued_at_ms(claims), received_at_ms, window_ms)


def header_proof(signer: Signer, *, method: str, url: str, jti: str, at_ms: int) -> str:
    """The proof for a ``DPoP`` header: one request, ``url`` without query and fragment."""
    htu = url.partition("#")[0].partition("?")[0]
    return make_proof(signer, {"jti": jti, "iat": at_ms // 1000, "htm": method, "htu": htu})


def read_header_proof(token: str) -> HeaderProof:
    """Read a ``DPoP`` header and check its signature against the key it carries itself.

    The caller finds out whose key it must be and calls ``check_header_proof``. Raises
    SignatureError ``proof_invalid``, also for a proof of the message form.
    """
    key, claims = _open(token, None)
    if "sid" in claims:
        raise _invalid("a message's proof is no header proof")
    jti, method, url = claims.get("jti"), claims.get("htm"), claims.get("htu")
    if not (isinstance(jti, str) and 0 < len(jti) <= JTI_CHARS_MAX):
        raise _invalid(f"its jti is not a text of 1 to {JTI_CHARS_MAX} characters")
    if not (isinstance(method, str) and isinstance(url, str)):
        raise _invalid("it does not name method and URL")
    return HeaderProof(key, method, url, jti, _issued_at_ms(claims))


def check_header_proof(
    proof: HeaderProof,
    *,
    key: ProofKey,
    method: str,
    url: str,
    now_ms: int,
    window_ms: int = WINDOW_MS,
) -> None:
    """Check a read header proof against the pinned ``key`` and the request it came with.

    Whether its ``jti`` was used before is for the caller, who has a store. Raises
    SignatureError ``proof_invalid``.
    """
    if proof.key != key:
        raise _invalid(f"its key {proof.key.key_id} is not the pinned key {key.key_id}")
    if proof.method != method:
        raise _invalid(f"it is for {shown(proof.method)}, the request is {method}")
    _check_url(proof.url, url)
    _check_time(proof.issued_at_ms, now_ms, window_ms)


def normal_url(url: str) -> str | None:
    """The form of ``url`` in which ``htu`` is compared; None when it is no such URL.

    Scheme and host in lower case, without default port, query and fragment (RFC 9449 section
    4.3, RFC 3986 section 6.2). Percent-encoding is left alone, since routes are matched on the
    raw path (ASP B18).
    """
    match = _URL.fullmatch(url)
    if match is None:
        return None
    scheme, host, port, path = match.groups()
    scheme = scheme.lower()
    if port is None or int(port) == _DEFAULT_PORTS.get(scheme):
        return f"{scheme}://{host.lower()}{path or '/'}"
    return f"{scheme}://{host.lower()}:{int(port)}{path or '/'}"


@lru_cache(maxsize=_HEADERS_CACHED)
def _header_text(key: PublicKey) -> str:
    return b64url_encode(canonical({"typ": _TYPE, "alg": "EdDSA", "jwk": key.jwk()}))


@lru_cache(maxsize=_HEADERS_CACHED)
def _key_of(header_text: str) -> ProofKey:
    """The key of a JOSE header that is what it must be; the same text always means the same.

    Raises WireError. Nothing but ``typ``, ``alg`` and ``jwk`` has a meaning here, so ``crit``
    (members that must be understood) is refused whatever it lists.
    """
    header = _object(header_text)
    key = read_jwk(header.get("jwk"))
    algorithm = "EdDSA" if isinstance(key, PublicKey) else "ES256"
    if header.get("typ") != _TYPE or header.get("alg") != algorithm:
        found = header.get("typ"), header.get("alg")
        raise WireError(f"its typ and alg are {shown(found)}, not {_TYPE} and {algorithm}")
    if "crit" in header:
        raise WireError("its header has critical extensions")
    return key


def _open(token: str, pinned: ProofKey | None) -> tuple[ProofKey, dict[str, Json]]:
    """Key and claims of a token whose signature holds, by ``pinned`` when one is given."""
    try:
        if len(token) > PROOF_BYTES_MAX:
            raise WireError(f"longer than {PROOF_BYTES_MAX} bytes")
        header_text, claims_text, signature_text = _segments(token)
        key = _key_of(header_text)
        if pinned is not None and key != pinned:
            raise WireError(f"its key {key.key_id} is not the pinned key {pinned.key_id}")
        signature = b64url_decode(signature_text)
        signed = f"{header_text}.{claims_text}".encode("ascii")
        if isinstance(key, PublicKey):
            check_signature(key, signature, signed)
        else:
            check_es256(key, signature, signed)
        return key, _object(claims_text)
    except (WireError, SignatureError) as error:
        raise _invalid(error.detail) from None


def _segments(token: str) -> tuple[str, str, str]:
    segments = token.split(".")
    if len(segments) != 3 or not token.isascii():
        raise WireError("not a JWT of three segments")
    return segments[0], segments[1], segments[2]


def _object(segment: str) -> dict[str, Json]:
    value = read_json(b64url_decode(segment), size_max=PROOF_BYTES_MAX)
    if not isinstance(value, dict):
        raise WireError("a JWT segment is not an object")
    return value


def _issued_at_ms(claims: Mapping[str, Json]) -> int:
    issued = claims.get("iat")
    if isinstance(issued, bool) or not isinstance(issued, int | float):
        raise _invalid("its iat is not a number of seconds")
    if not 0 <= issued < _SECONDS_MAX:
        raise _invalid(f"its iat is out of range: {shown(issued)}")
    return round(issued * 1000)


def _check_time(issued_at_ms: int, now_ms: int, window_ms: int) -> None:
    apart_ms = now_ms - issued_at_ms
    if abs(apart_ms) > window_ms:
        raise _invalid(f"it was made {apart_ms} ms before it came; at most {window_ms} are allowed")


def _check_url(found: Json, expected: str) -> None:
    if found == expected:
        return
    # None stands for "no URL"; two of them are not the same URL.
    if not isinstance(found, str) or normal_url(found) != (normal_url(expected) or ""):
        raise _invalid(f"it is for {shown(found)}, the request went to {expected}")


def _invalid(detail: str) -> SignatureError:
    return SignatureError(f"the DPoP proof does not hold: {detail}", "proof_invalid")
