"""Keys are read strictly and named by their thumbprint; one place checks a signature."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.identity.signers import ALPHA, BETA
from treaty.errors import MisuseError, SignatureError, UnverifiableError, WireError
from treaty.identity.keys import (
    EcPublicKey,
    Ed25519Signer,
    PublicKey,
    check_es256,
    check_signature,
    check_signature_text,
    read_ec_public_key,
    read_jwk,
    read_public_key,
    sign_text,
)
from treaty.wire.canonical import canonical
from treaty.wire.encoding import b64url_encode

VECTORS = Path(__file__).parents[2] / "conformance" / "vectors" / "ed25519"
RFC_8032 = json.loads((VECTORS / "rfc8032.json").read_text())["vectors"]
EDGE_CASES = json.loads((VECTORS / "edge_cases.json").read_text())

# RFC 8037, appendix A.1 to A.3: the same key as RFC 8032 TEST 1.
RFC_8037_X = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
RFC_8037_THUMBPRINT = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"

# A generator of P-256 as FIPS 186-5 gives it: a point everybody agrees is on the curve.
P256_X = bytes.fromhex("6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296")
P256_Y = bytes.fromhex("4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5")


def jwk(raw: bytes, **more: Any) -> dict[str, Any]:
    return {"kty": "OKP", "crv": "Ed25519", "x": b64url_encode(raw), **more}


def named(cases: list[dict[str, Any]]) -> list[Any]:
    return [pytest.param(case, id=f"{n} {case['name']}") for n, case in enumerate(cases)]


# --- RFC 8032 ---


@pytest.mark.parametrize("vector", named(RFC_8032))
def test_rfc_8032_vector_is_signed_and_checked(vector: dict[str, str]) -> None:
    message, signature = bytes.fromhex(vector["message"]), bytes.fromhex(vector["signature"])
    signer = Ed25519Signer(bytes.fromhex(vector["seed"]))

    assert signer.key.raw.hex() == vector["key"]
    assert signer.sign(message) == signature
    check_signature(signer.key, signature, message)


@pytest.mark.parametrize("case", named(EDGE_CASES["signatures"]))
def test_edge_case_signature_holds_only_if_lawful(case: dict[str, Any]) -> None:
    key = PublicKey(bytes.fromhex(case["key"]))
    arguments = key, bytes.fromhex(case["signature"]), bytes.fromhex(case["message"])
    if case["valid"]:
        check_signature(*arguments)
        return
    with pytest.raises(SignatureError) as caught:
        check_signature(*arguments)
    assert caught.value.code == "signature_invalid"


@pytest.mark.parametrize("case", named(EDGE_CASES["keys"]))
def test_edge_case_key_is_read_only_if_honest(case: dict[str, Any]) -> None:
    value = jwk(bytes.fromhex(case["key"]))
    if case["valid"]:
        assert read_public_key(value).raw.hex() == case["key"]
        return
    with pytest.raises(WireError, match="prime-order"):
        read_public_key(value)


def test_edge_cases_are_what_their_generator_makes() -> None:
    spec = importlib.util.spec_from_file_location("edge", VECTORS / "make_edge_cases.py")
    assert spec is not None
    assert spec.loader is not None
    generator = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generator)

    assert generator.document() == (VECTORS / "edge_cases.json").read_text()


def test_all_fourteen_encodings_of_small_order_points_are_among_the_cases() -> None:
    small = {case["key"] for case in EDGE_CASES["keys"] if case["name"].startswith("small")}

    assert len(small) == 14


# --- names and texts of a key ---


def test_key_id_is_the_rfc_7638_thumbprint_of_rfc_8037() -> None:
    key = read_public_key({"kty": "OKP", "crv": "Ed25519", "x": RFC_8037_X})

    assert key.key_id == RFC_8037_THUMBPRINT
    assert key.jwk() == {"kty": "OKP", "crv": "Ed25519", "x": RFC_8037_X}


def test_key_text_looks_like_the_seeds_and_reads_back() -> None:
    assert ALPHA.key.text.startswith("eyJ")
    assert read_public_key(ALPHA.key.text) == ALPHA.key


def test_key_is_read_from_the_seeds_member_order_and_from_an_object() -> None:
    seed_order = json.dumps(jwk(ALPHA.key.raw), separators=(",", ":")).encode()

    assert b64url_encode(seed_order).startswith("eyJrdHkiOiJPS1AiLCJjcnYiOi")
    assert read_public_key(b64url_encode(seed_order)) == ALPHA.key
    assert read_public_key(jwk(ALPHA.key.raw, kid="k1", use="sig")) == ALPHA.key


@pytest.mark.parametrize(
    "value",
    [
        None,
        17,
        [],
        "",
        "eyJ",
        "not base64url!",
        b64url_encode(b"[]"),
        b64url_encode(b'{"kty":"OKP","kty":"OKP","crv":"Ed25519","x":""}'),
        b64url_encode(canonical(jwk(ALPHA.key.raw)) + b" " * 1000),
        {},
        jwk(ALPHA.key.raw[:31]),
        jwk(ALPHA.key.raw + b"\0"),
        {**jwk(b""), "x": b64url_encode(ALPHA.key.raw) + "="},
        {**jwk(b""), "x": list(ALPHA.key.raw)},
        {**jwk(ALPHA.key.raw), "crv": "X25519"},
        {**jwk(ALPHA.key.raw), "kty": "EC"},
        {"kty": "EC", "crv": "P-256", "x": b64url_encode(P256_X), "y": b64url_encode(P256_Y)},
        {"kty": "oct", "k": "c2VjcmV0"},
    ],
)
def test_what_is_no_ed25519_key_is_refused(value: Any) -> None:
    with pytest.raises(WireError):
        read_public_key(value)


@pytest.mark.parametrize("member", ["d", "p", "q", "dp", "dq", "qi", "oth", "k"])
def test_a_key_with_a_private_member_is_refused(member: str) -> None:
    with pytest.raises(WireError, match="private members"):
        read_public_key(jwk(ALPHA.key.raw, **{member: "c2VjcmV0"}))


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists))
def test_any_value_is_a_key_or_a_wire_error(value: Any) -> None:
    for attempt in (value, {"kty": "OKP", "crv": "Ed25519", "x": value}, {"kty": value}):
        with pytest.raises(WireError):
            read_public_key(attempt)


@given(st.binary(min_size=32, max_size=32))
def test_any_32_bytes_are_a_key_that_reads_back_or_a_wire_error(raw: bytes) -> None:
    try:
        key = read_public_key(jwk(raw))
    except WireError:
        return
    assert key.raw == raw
    assert read_public_key(key.text) == key


def test_keys_are_equal_by_their_bytes_and_hide_nothing_secret() -> None:
    assert PublicKey(ALPHA.key.raw) == ALPHA.key != BETA.key
    assert len({PublicKey(ALPHA.key.raw), ALPHA.key}) == 1
    seed = bytes(range(32))
    assert seed.hex() not in repr(Ed25519Signer(seed))
    assert repr(seed)[2:-1] not in repr(Ed25519Signer(seed))


@pytest.mark.parametrize("length", [0, 31, 33, 64])
def test_our_own_bytes_of_wrong_length_are_a_misuse(length: int) -> None:
    with pytest.raises(MisuseError):
        PublicKey(bytes(length))
    with pytest.raises(MisuseError):
        Ed25519Signer(bytes(length))


# --- signatures ---


def test_signature_text_is_one_spelling() -> None:
    text = sign_text(ALPHA, b"data")
    check_signature_text(ALPHA.key, text, b"data")

    assert text == "ed25519:" + ALPHA.sign(b"data").hex()
    for other in (
        text.upper(),
        "ed25519:" + text[8:].upper(),
        text[8:],
        text + " ",
        " " + text,
        text[:-1],
        text + "00",
        text[:-2] + " 0",
        text[:-2] + "0x",
        text[:-2] + "\u0661\u0661",
        "ed25519;" + text[8:],
        "",
    ):
        with pytest.raises(SignatureError) as caught:
            check_signature_text(ALPHA.key, other, b"data")
        assert caught.value.code == "signature_invalid"


def test_the_spellings_differ_in_the_vector_used() -> None:
    # Otherwise the upper-case case above could pass without a letter in the signature.
    assert sign_text(ALPHA, b"data")[8:] != sign_text(ALPHA, b"data")[8:].upper()


@pytest.mark.parametrize("length", [0, 63, 65, 128])
def test_a_signature_of_another_length_does_not_hold(length: int) -> None:
    with pytest.raises(SignatureError):
        check_signature(ALPHA.key, bytes(length), b"data")


def test_a_signature_does_not_lend_its_tail_to_the_data() -> None:
    signature = ALPHA.sign(b"data")

    with pytest.raises(SignatureError):
        check_signature(ALPHA.key, signature + b"d", b"ata")
    with pytest.raises(SignatureError):
        check_signature(ALPHA.key, signature[:-1], signature[-1:] + b"data")


@given(st.binary(max_size=200), st.integers(0, 511))
def test_a_signature_holds_for_its_key_and_data_and_for_no_changed_bit(
    data: bytes, bit: int
) -> None:
    signature = ALPHA.sign(data)
    check_signature(ALPHA.key, signature, data)

    changed = bytearray(signature)
    changed[bit // 8] ^= 1 << bit % 8
    for key, text, signed in (
        (ALPHA.key, bytes(changed), data),
        (BETA.key, signature, data),
        (ALPHA.key, signature, data + b"\0"),
    ):
        with pytest.raises(SignatureError):
            check_signature(key, text, signed)


# --- P-256, for proofs alone ---


def ec_jwk(**changes: Any) -> dict[str, Any]:
    whole = {"kty": "EC", "crv": "P-256", "x": b64url_encode(P256_X), "y": b64url_encode(P256_Y)}
    return {**whole, **changes}


def test_p256_key_is_read_and_named() -> None:
    key = read_ec_public_key(ec_jwk())

    assert key.jwk() == ec_jwk()
    assert read_jwk(ec_jwk()) == key
    # RFC 7638: SHA-256 over the required members in lexical order.
    members = '{"crv":"P-256","kty":"EC","x":"%s","y":"%s"}'
    text = members % (ec_jwk()["x"], ec_jwk()["y"])
    assert key.key_id == b64url_encode(hashlib.sha256(text.encode()).digest())


@pytest.mark.parametrize(
    "value",
    [
        ec_jwk(y=b64url_encode(P256_X)),
        ec_jwk(x=b64url_encode(b"\xff" * 32)),
        ec_jwk(x=b64url_encode(P256_X[1:])),
        ec_jwk(y=b64url_encode(b"\0" + P256_Y)),
        ec_jwk(y=None),
        ec_jwk(d=b64url_encode(P256_X)),
        ec_jwk(crv="P-384"),
        jwk(ALPHA.key.raw),
        "text",
    ],
)
def test_what_is_no_p256_key_is_refused(value: Any) -> None:
    with pytest.raises(WireError):
        read_ec_public_key(value)


def test_p256_coordinates_beyond_the_field_are_refused() -> None:
    field = 0xFFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFF
    # y of x = 0 is the root of b; p itself is another encoding of 0.
    root = 0x66485C780E2F83D72433BD5D84A06BB6541C2AF31DAE871728BF856A174F93F4
    honest = EcPublicKey(bytes(32), root.to_bytes(32, "big"))

    assert honest.x == bytes(32)
    with pytest.raises(WireError):
        EcPublicKey(field.to_bytes(32, "big"), root.to_bytes(32, "big"))


def test_es256_signature_made_elsewhere_is_checked() -> None:
    from cryptography.hazmat.primitives.asymmetric import ec, utils
    from cryptography.hazmat.primitives.hashes import SHA256

    private = ec.derive_private_key(12345, ec.SECP256R1())
    numbers = private.public_key().public_numbers()
    key = EcPublicKey(numbers.x.to_bytes(32, "big"), numbers.y.to_bytes(32, "big"))
    r, s = utils.decode_dss_signature(private.sign(b"data", ec.ECDSA(SHA256())))
    signature = r.to_bytes(32, "big") + s.to_bytes(32, "big")
    check_es256(key, signature, b"data")

    for wrong, data in (
        (signature, b"date"),
        (bytes(64), b"data"),
        (b"\xff" * 64, b"data"),
        (signature[:63], b"data"),
        (bytes(32) + signature[32:], b"data"),
    ):
        with pytest.raises(SignatureError):
            check_es256(key, wrong, data)


def test_es256_without_its_library_is_unverifiable_not_a_crash(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "cryptography.exceptions", None)
    with pytest.raises(UnverifiableError, match="cryptography"):
        check_es256(EcPublicKey(P256_X, P256_Y), bytes(64), b"data")
