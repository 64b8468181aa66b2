"""A signature has one spelling and one account; whatever else is not a signature."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from treaty.errors import MisuseError, SignatureError
from treaty.identity.secp256k1 import HALF_ORDER, ORDER, EvmSigner, recover

SIGNER = EvmSigner(b"\x11" * 32)
DIGEST = bytes(range(32))
SIGNATURE = SIGNER.sign_digest(DIGEST)
SCALARS = st.integers(1, ORDER - 1).map(lambda number: number.to_bytes(32, "big"))


def parts(signature: bytes) -> tuple[bytes, int, int]:
    return signature[:32], int.from_bytes(signature[32:64], "big"), signature[64]


def test_the_account_of_a_known_key() -> None:
    """Keys and accounts of the peer's fixtures."""
    assert SIGNER.address == "0x19e7e376e7c213b7e7e7e46cc70a5dd086daff2a"
    assert EvmSigner(b"\x22" * 32).address == "0x1563915e194d8cfba1943570603f7606a3115508"


@given(SCALARS, st.binary(min_size=32, max_size=32))
@settings(max_examples=60)
def test_what_is_signed_recovers_to_the_signer(secret: bytes, digest: bytes) -> None:
    signer = EvmSigner(secret)
    signature = signer.sign_digest(digest)
    _, s, v = parts(signature)

    assert recover(digest, signature) == signer.address
    assert s <= HALF_ORDER
    assert v in (27, 28)
    assert signer.sign_digest(digest) == signature, "deterministic (RFC 6979)"


def test_both_forms_of_v_are_read() -> None:
    r, s, v = parts(SIGNATURE)
    other = r + s.to_bytes(32, "big") + bytes((v - 27,))

    assert recover(DIGEST, other) == SIGNER.address


def test_the_twin_with_a_high_s_is_refused() -> None:
    """W15 and 1.7: other verifiers recover it, so one offer would have two signatures."""
    r, s, v = parts(SIGNATURE)
    twin = r + (ORDER - s).to_bytes(32, "big") + bytes((55 - v,))

    with pytest.raises(SignatureError, match="upper half"):
        recover(DIGEST, twin)


def test_s_at_the_half_is_low_and_above_it_high() -> None:
    r, _, _ = parts(SIGNATURE)

    assert recover(DIGEST, r + HALF_ORDER.to_bytes(32, "big") + b"\x1b").startswith("0x")
    with pytest.raises(SignatureError):
        recover(DIGEST, r + (HALF_ORDER + 1).to_bytes(32, "big") + b"\x1b")


@pytest.mark.parametrize("v", [2, 3, 26, 29, 30, 35, 37, 255])
def test_no_other_v_is_read(v: int) -> None:
    with pytest.raises(SignatureError, match="v of a signature"):
        recover(DIGEST, SIGNATURE[:64] + bytes((v,)))


@pytest.mark.parametrize("r", [0, ORDER, ORDER + 1, 2**256 - 1])
def test_r_lies_in_the_group(r: int) -> None:
    with pytest.raises(SignatureError, match="r of the signature"):
        recover(DIGEST, r.to_bytes(32, "big") + SIGNATURE[32:])


@pytest.mark.parametrize("s", [0, ORDER - 1, ORDER, 2**256 - 1])
def test_s_lies_in_the_lower_half(s: int) -> None:
    with pytest.raises(SignatureError, match="s of the signature"):
        recover(DIGEST, SIGNATURE[:32] + s.to_bytes(32, "big") + SIGNATURE[64:])


def test_r_on_no_point_recovers_to_nobody() -> None:
    """x = 5 has no y on the curve: 5**3 + 7 is not a square modulo p."""
    with pytest.raises(SignatureError, match="no key") as refusal:
        recover(DIGEST, (5).to_bytes(32, "big") + SIGNATURE[32:])

    assert refusal.value.code == "signature_invalid"


@pytest.mark.parametrize("size", [0, 1, 64, 66, 130])
def test_a_signature_has_65_bytes(size: int) -> None:
    with pytest.raises(SignatureError, match="65 bytes"):
        recover(DIGEST, (SIGNATURE * 2)[:size])


@given(st.binary(min_size=65, max_size=65))
@settings(max_examples=150)
def test_any_65_bytes_recover_or_are_refused(signature: bytes) -> None:
    try:
        account = recover(DIGEST, signature)
    except SignatureError:
        return
    assert len(account) == 42
    assert account != SIGNER.address


@pytest.mark.parametrize("digest", [b"", bytes(31), bytes(33)])
def test_only_digests_are_signed_and_recovered(digest: bytes) -> None:
    with pytest.raises(MisuseError):
        SIGNER.sign_digest(digest)
    with pytest.raises(MisuseError):
        recover(digest, SIGNATURE)


@pytest.mark.parametrize(
    "secret", [b"", bytes(32), ORDER.to_bytes(32, "big"), b"\xff" * 32, b"\x11" * 31, b"\x11" * 33]
)
def test_a_secret_is_a_number_of_the_group(secret: bytes) -> None:
    with pytest.raises(MisuseError):
        EvmSigner(secret)


def test_a_signer_does_not_show_its_secret() -> None:
    assert repr(SIGNER) == "EvmSigner(0x19e7e376e7c213b7e7e7e46cc70a5dd086daff2a)"
