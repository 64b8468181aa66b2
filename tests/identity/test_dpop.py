"""A proof fits one message at one place, or one request once, by the pinned key (ASP B6)."""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.identity.signers import ALPHA, BETA
from treaty.errors import SignatureError
from treaty.identity.dpop import (
    PROOF_BYTES_MAX,
    MessageBinding,
    check_header_proof,
    check_message_proof,
    header_proof,
    make_proof,
    message_proof,
    normal_url,
    read_header_proof,
)
from treaty.identity.keys import EcPublicKey, ProofKey, Signer
from treaty.wire.encoding import b64url_decode, b64url_encode

AT_MS = 1_772_892_060_000
SESSION = "019526a1-8e1a-7000-8000-000000000001"
URL = f"https://node.example/v1/asp/sessions/{SESSION}/messages"
BINDING = MessageBinding(
    message_id="019526a1-9a1b-7000-8000-000000000005",
    session=SESSION,
    sequence=1,
    previous_hash="sha256:" + "ab" * 32,
    htu=URL,
)
HEADER: dict[str, Any] = {"typ": "dpop+jwt", "alg": "EdDSA", "jwk": ALPHA.key.jwk()}
CLAIMS: dict[str, Any] = {
    "jti": BINDING.message_id,
    "iat": AT_MS // 1000,
    "htm": "POST",
    "htu": URL,
    "sid": SESSION,
    "seq": 1,
    "nonce": BINDING.previous_hash,
}
HEADER_CLAIMS: dict[str, Any] = {"jti": "abc", "iat": AT_MS // 1000, "htm": "GET", "htu": URL}


def token(header: Any = HEADER, claims: Any = CLAIMS, signer: Signer = ALPHA) -> str:
    """A signed token of any header and claims; bytes are taken as they are."""
    segments = [
        b64url_encode(part if isinstance(part, bytes) else json.dumps(part).encode())
        for part in (header, claims)
    ]
    text = ".".join(segments)
    return f"{text}.{b64url_encode(signer.sign(text.encode()))}"


def refused(proof: str, key: ProofKey = ALPHA.key) -> str:
    """The detail with which a message proof is refused."""
    with pytest.raises(SignatureError) as caught:
        check_message_proof(proof, key, BINDING, AT_MS)
    assert caught.value.code == "proof_invalid"
    return caught.value.detail


def parts(proof: str) -> tuple[dict[str, Any], dict[str, Any], bytes, bytes]:
    """Header, claims, signed bytes and signature, read without any code of the house."""
    header, claims, signature = proof.split(".")
    return (
        json.loads(b64url_decode(header)),
        json.loads(b64url_decode(claims)),
        f"{header}.{claims}".encode(),
        b64url_decode(signature),
    )


# --- the message form ---


def test_a_message_proof_says_what_b6_says_and_holds() -> None:
    proof = message_proof(ALPHA, BINDING, AT_MS)
    header, claims, signed, signature = parts(proof)
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    assert header == HEADER
    assert claims == CLAIMS
    Ed25519PublicKey.from_public_bytes(ALPHA.key.raw).verify(signature, signed)
    check_message_proof(proof, ALPHA.key, BINDING, AT_MS)


def test_a_proof_made_by_another_library_holds() -> None:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    private = Ed25519PrivateKey.from_private_bytes(b"\x01" * 32)
    text = ".".join(b64url_encode(json.dumps(part).encode()) for part in (HEADER, CLAIMS))

    check_message_proof(
        f"{text}.{b64url_encode(private.sign(text.encode()))}", ALPHA.key, BINDING, AT_MS
    )


def test_unknown_header_members_and_claims_are_ignored() -> None:
    header = {**HEADER, "kid": "k1", "jwk": {**ALPHA.key.jwk(), "use": "sig"}}

    check_message_proof(token(header, {**CLAIMS, "note": [1]}), ALPHA.key, BINDING, AT_MS)


@pytest.mark.parametrize(
    "change",
    [
        {"message_id": "019526a1-9a1b-7000-8000-000000000006"},
        {"session": "019526a1-8e1a-7000-8000-000000000002"},
        {"sequence": 2},
        {"sequence": 0},
        {"previous_hash": "sha256:" + "ac" * 32},
        {"htu": URL.replace("node.example", "other.example")},
        {"htu": URL + "/x"},
        {"htu": URL.replace("https", "http")},
    ],
)
def test_a_proof_holds_at_no_other_place(change: dict[str, Any]) -> None:
    elsewhere = replace(BINDING, **change)
    proof = message_proof(ALPHA, elsewhere, AT_MS)
    check_message_proof(proof, ALPHA.key, elsewhere, AT_MS)

    refused(proof)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("jti", None),
        ("jti", 5),
        ("htm", "GET"),
        ("htm", "post"),
        ("htu", None),
        ("htu", ["x"]),
        ("htu", ""),
        ("sid", None),
        ("seq", "1"),
        ("seq", True),
        ("seq", 1.0),
        ("seq", None),
        ("nonce", ""),
        ("nonce", BINDING.previous_hash.upper()),
    ],
)
def test_every_claim_is_needed_as_it_must_be(name: str, value: Any) -> None:
    without = {key: claim for key, claim in CLAIMS.items() if key != name}

    refused(token(claims=without))
    refused(token(claims={**CLAIMS, name: value}))


@pytest.mark.parametrize("iat", [None, "1772892060", True, -1, [], 253_402_300_800, 1e300])
def test_iat_is_a_number_of_seconds(iat: Any) -> None:
    assert "iat" in refused(token(claims={**CLAIMS, "iat": iat}))


@pytest.mark.parametrize(
    ("apart_ms", "holds"), [(0, 1), (60_000, 1), (-60_000, 1), (60_001, 0), (-60_001, 0)]
)
def test_the_window_is_sixty_seconds_either_way(apart_ms: int, holds: int) -> None:
    proof = message_proof(ALPHA, BINDING, AT_MS)
    if holds:
        check_message_proof(proof, ALPHA.key, BINDING, AT_MS + apart_ms)
        return
    with pytest.raises(SignatureError, match=f"{apart_ms} ms"):
        check_message_proof(proof, ALPHA.key, BINDING, AT_MS + apart_ms)


def test_iat_may_have_decimals_and_they_count() -> None:
    proof = token(claims={**CLAIMS, "iat": AT_MS / 1000 + 0.25})

    check_message_proof(proof, ALPHA.key, BINDING, AT_MS + 60_250)
    with pytest.raises(SignatureError):
        check_message_proof(proof, ALPHA.key, BINDING, AT_MS + 60_251)


# --- algorithms and keys ---


@pytest.mark.parametrize("alg", ["none", "None", "HS256", "ES256", "RS256", "eddsa", "", None, 1])
def test_no_other_algorithm_is_taken_even_when_the_signature_holds(alg: Any) -> None:
    refused(token({**HEADER, "alg": alg}))


def test_an_unsigned_token_is_refused() -> None:
    text = token({**HEADER, "alg": "none"}).rpartition(".")[0]

    for proof in (text, text + ".", token().rpartition(".")[0] + "."):
        refused(proof)


def test_a_mac_keyed_with_the_public_key_is_refused() -> None:
    text = token({**HEADER, "alg": "HS256"}).rpartition(".")[0]
    for secret in (ALPHA.key.raw, ALPHA.key.text.encode()):
        mac = hmac.digest(secret, text.encode(), hashlib.sha256)
        refused(f"{text}.{b64url_encode(mac)}")
        refused(f"{text}.{b64url_encode(mac + mac)}")


def test_another_key_is_refused_although_its_own_signature_holds() -> None:
    proof = message_proof(BETA, BINDING, AT_MS)
    check_message_proof(proof, BETA.key, BINDING, AT_MS)

    assert BETA.key.key_id in refused(proof)


def test_the_pinned_jwk_over_another_keys_signature_is_refused() -> None:
    assert "does not hold" in refused(token(signer=BETA))


@pytest.mark.parametrize(
    "jwk",
    [
        None,
        ALPHA.key.text,
        [],
        {},
        {**ALPHA.key.jwk(), "d": b64url_encode(b"\x01" * 32)},
        {**ALPHA.key.jwk(), "k": "c2VjcmV0"},
        {**ALPHA.key.jwk(), "x": b64url_encode(bytes(31))},
        {**ALPHA.key.jwk(), "x": b64url_encode(b"\x01" + bytes(31))},
        {**ALPHA.key.jwk(), "crv": "Ed448"},
        {"kty": "oct", "k": b64url_encode(ALPHA.key.raw)},
    ],
)
def test_a_jwk_that_is_no_public_key_is_refused(jwk: Any) -> None:
    refused(token({**HEADER, "jwk": jwk}))


@pytest.mark.parametrize(
    "header",
    [
        {**HEADER, "typ": "JWT"},
        {**HEADER, "typ": "DPOP+JWT"},
        {"alg": "EdDSA", "jwk": ALPHA.key.jwk()},
        {"typ": "dpop+jwt", "alg": "EdDSA"},
        {**HEADER, "crit": ["exp"]},
        {**HEADER, "crit": []},
        [],
        "text",
        b"",
        b"not json",
        json.dumps(HEADER).encode()[:-1] + b',"alg":"EdDSA"}',
        json.dumps(HEADER).encode().replace(b'"x":', b'"x":"","x":'),
    ],
)
def test_a_wrong_header_is_refused(header: Any) -> None:
    refused(token(header))


@pytest.mark.parametrize(
    "claims",
    [
        [],
        "text",
        1,
        b"",
        b"\xff",
        json.dumps(CLAIMS).encode()[:-1] + b',"seq":1}',
        json.dumps(CLAIMS).encode() + b"{}",
        json.dumps(CLAIMS).encode().replace(b'"seq": 1', b'"seq": NaN'),
        b"[" * 1000 + b"]" * 1000,
    ],
)
def test_claims_that_are_no_strict_json_object_are_refused(claims: Any) -> None:
    refused(token(claims=claims))


def test_an_oversized_proof_is_refused_and_one_at_the_limit_is_not() -> None:
    def padded(length: int) -> str:
        # Base64 grows in steps; the token that is one step longer than the limit is looked for.
        return next(
            proof
            for n in range(4096)
            if len(proof := token(claims={**CLAIMS, "pad": "x" * n})) >= length
        )

    fits = next(
        proof
        for n in range(4096, 0, -1)
        if len(proof := token(claims={**CLAIMS, "pad": "x" * n})) <= PROOF_BYTES_MAX
    )
    assert len(fits) >= PROOF_BYTES_MAX - 1
    check_message_proof(fits, ALPHA.key, BINDING, AT_MS)
    assert str(PROOF_BYTES_MAX) in refused(padded(PROOF_BYTES_MAX + 1))


@pytest.mark.parametrize(
    "spoil",
    [
        lambda proof: "",
        lambda proof: "...",
        lambda proof: proof + ".",
        lambda proof: proof + "=",
        lambda proof: " " + proof,
        lambda proof: proof + "\n",
        lambda proof: proof.replace(".", ".\u0660", 1),
        lambda proof: proof[:-1],
        lambda proof: proof[:-4],
        lambda proof: proof.replace(".", ".A", 1),
        lambda proof: proof[::-1],
    ],
)
def test_a_spoilt_token_is_refused(spoil: Any) -> None:
    refused(spoil(token()))


@given(st.integers(0, 10_000), st.characters(codec="utf-8"))
def test_any_changed_character_is_refused(place: int, character: str) -> None:
    proof = token()
    place %= len(proof)
    if proof[place] != character:
        refused(proof[:place] + character + proof[place + 1 :])


@given(st.text() | st.lists(st.binary(max_size=60), max_size=4))
def test_any_text_is_refused_with_our_own_error(value: Any) -> None:
    proof = value if isinstance(value, str) else ".".join(map(b64url_encode, value))
    refused(proof)
    with pytest.raises(SignatureError) as caught:
        read_header_proof(proof)
    assert caught.value.code == "proof_invalid"


# --- ES256, for cards with a P-256 dpopPublicKey ---

# The private key is 987654321; `EcSigner` signs for no other point.
EC_KEY = EcPublicKey(
    bytes.fromhex("e13800beaf6a7dede4dddf874e4adcc271bf069e8cfc2c5ef989084bec33b260"),
    bytes.fromhex("165724349a377da36e357a79cf733cd24ce12981bd9a19675b08b1d36ed56801"),
)
EC_HEADER = {"typ": "dpop+jwt", "alg": "ES256", "jwk": EC_KEY.jwk()}


class EcSigner:
    """Signs as JWS ES256 does, by another library; only the tests have one."""

    key = ALPHA.key

    def sign(self, data: bytes) -> bytes:
        from cryptography.hazmat.primitives.asymmetric import ec, utils
        from cryptography.hazmat.primitives.hashes import SHA256

        private = ec.derive_private_key(987654321, ec.SECP256R1())
        r, s = utils.decode_dss_signature(private.sign(data, ec.ECDSA(SHA256())))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def test_an_es256_proof_holds_under_its_pinned_p256_key_only() -> None:
    proof = token(EC_HEADER, signer=EcSigner())
    check_message_proof(proof, EC_KEY, BINDING, AT_MS)

    refused(proof, ALPHA.key)
    refused(message_proof(ALPHA, BINDING, AT_MS), EC_KEY)
    refused(token({**EC_HEADER, "alg": "EdDSA"}, signer=EcSigner()), EC_KEY)
    refused(token(EC_HEADER, signer=ALPHA), EC_KEY)
    refused(token({**EC_HEADER, "jwk": ALPHA.key.jwk()}, signer=EcSigner()), EC_KEY)


# --- the header form ---


def test_a_header_proof_is_read_and_checked() -> None:
    proof = header_proof(ALPHA, method="GET", url=URL + "?after=3#x", jti="abc", at_ms=AT_MS)
    assert parts(proof)[1] == HEADER_CLAIMS

    read = read_header_proof(proof)
    assert (read.key, read.method, read.url) == (ALPHA.key, "GET", URL)
    assert (read.jti, read.issued_at_ms) == ("abc", AT_MS)
    check_header_proof(read, key=ALPHA.key, method="GET", url=URL + "?after=9", now_ms=AT_MS)


@pytest.mark.parametrize(
    "change",
    [
        {"key": BETA.key},
        {"key": EC_KEY},
        {"method": "POST"},
        {"method": "get"},
        {"url": URL + "/more"},
        {"url": "https://other.example/"},
        {"url": "no url"},
        {"now_ms": AT_MS + 60_001},
        {"now_ms": AT_MS - 60_001},
    ],
)
def test_a_header_proof_is_for_one_request_of_one_key(change: dict[str, Any]) -> None:
    read = read_header_proof(token(claims=HEADER_CLAIMS))
    request: dict[str, Any] = {"key": ALPHA.key, "method": "GET", "url": URL, "now_ms": AT_MS}
    check_header_proof(read, **request)

    with pytest.raises(SignatureError) as caught:
        check_header_proof(read, **{**request, **change})
    assert caught.value.code == "proof_invalid"


def test_the_two_forms_are_never_taken_for_each_other() -> None:
    with pytest.raises(SignatureError, match="no header proof") as caught:
        read_header_proof(message_proof(ALPHA, BINDING, AT_MS))
    assert caught.value.code == "proof_invalid"

    same = {**HEADER_CLAIMS, "jti": BINDING.message_id, "htm": "POST"}
    assert "sid" in refused(make_proof(ALPHA, same))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("jti", ""),
        ("jti", "x" * 129),
        ("jti", 1),
        ("jti", None),
        ("htm", None),
        ("htu", 1),
        ("iat", "now"),
        ("sid", None),
    ],
)
def test_a_header_proof_with_a_wrong_claim_is_refused(name: str, value: Any) -> None:
    with pytest.raises(SignatureError) as caught:
        read_header_proof(token(claims={**HEADER_CLAIMS, name: value}))
    assert caught.value.code == "proof_invalid"


def test_a_header_proof_is_checked_against_its_own_key() -> None:
    with pytest.raises(SignatureError):
        read_header_proof(token(claims=HEADER_CLAIMS, signer=BETA))


# --- htu ---


@pytest.mark.parametrize(
    ("url", "normal"),
    [
        ("https://Node.Example/a", "https://node.example/a"),
        ("HTTPS://node.example:443/a", "https://node.example/a"),
        ("http://node.example:80", "http://node.example/"),
        ("http://node.example:0080/", "http://node.example/"),
        ("http://node.example:443/", "http://node.example:443/"),
        ("https://node.example:8443/a?b#c", "https://node.example:8443/a"),
        ("https://node.example?b", "https://node.example/"),
        ("wss://node.example:443/a", "wss://node.example/a"),
        ("http://[::1]:8080/A", "http://[::1]:8080/A"),
        ("http://127.0.0.1/agent%3A%2F%2Fx", "http://127.0.0.1/agent%3A%2F%2Fx"),
    ],
)
def test_urls_are_compared_in_normal_form(url: str, normal: str) -> None:
    assert normal_url(url) == normal
    binding = replace(BINDING, htu=normal)
    check_message_proof(token(claims={**CLAIMS, "htu": url}), ALPHA.key, binding, AT_MS)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "/a",
        "node.example/a",
        "https:///a",
        "https://user@node.example/a",
        "https://node.example:/a",
        "https://node.example:99x/a",
        "https://node.example/a b",
        "https://node.example/a\n",
        "https://node.example/\u00e4",
        "https://node.example\\@other.example/",
        "https://[::1/a",
        "javascript:alert(1)",
    ],
)
def test_what_is_no_url_has_no_normal_form_and_equals_nothing(url: str) -> None:
    assert normal_url(url) is None
    refused(token(claims={**CLAIMS, "htu": url}))


def test_paths_keep_their_case() -> None:
    refused(token(claims={**CLAIMS, "htu": URL.replace("messages", "Messages")}))


def test_two_different_texts_that_are_no_urls_are_not_the_same_url() -> None:
    binding = replace(BINDING, htu="configured wrongly")
    with pytest.raises(SignatureError):
        check_message_proof(token(claims={**CLAIMS, "htu": "?"}), ALPHA.key, binding, AT_MS)


@given(st.text(max_size=40))
def test_normal_form_is_its_own_normal_form(text: str) -> None:
    for url in (text, "https://" + text, "http://a.example/" + text):
        normal = normal_url(url)
        assert normal is None or normal_url(normal) == normal
