"""Typed data is hashed as EIP-712 says, down to its own published example."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from treaty.errors import MisuseError, WireError
from treaty.identity.eip712 import (
    DOMAIN_TYPE,
    address_word,
    bytes32_word,
    domain_separator,
    string_word,
    struct_hash,
    type_hash,
    typed_digest,
    uint_word,
)
from treaty.identity.secp256k1 import EvmSigner
from treaty.wire.digest import keccak256

VERIFYING = "0xCcCCccccCCCCcCCCCCCcCcCccCcCCCcCcccccccC"


def test_the_example_of_the_standard() -> None:
    """The mail from Cow to Bob in EIP-712: type, domain, struct, digest and signature."""
    person = type_hash("Person(string name,address wallet)")
    mail = type_hash(
        "Mail(Person from,Person to,string contents)Person(string name,address wallet)"
    )
    cow = struct_hash(
        person, string_word("Cow"), address_word("0xCD2a3d9F938E13CD947Ec05AbC7FE734Df8DD826")
    )
    bob = struct_hash(
        person, string_word("Bob"), address_word("0xbBbBBBBbbBBBbbbBbbBbbbbBBbBbbbbBbBbbBBbB")
    )
    separator = domain_separator("Ether Mail", "1", 1, VERIFYING)
    struct = struct_hash(mail, cow, bob, string_word("Hello, Bob!"))
    digest = typed_digest(separator, struct)
    signer = EvmSigner(keccak256(b"cow"))
    signature = signer.sign_digest(digest)

    assert mail.hex() == "a0cedeb2dc280ba39b857546d74f5549c3a1d7bdc2dd96bf881f76108e23dac2"
    assert separator.hex() == "f2cee375fa42b42143804025fc449deafd50cc031ca257e0b194a650a912090f"
    assert struct.hex() == "c52c0ee5d84264471806290a3f2c4cecfc5490626bf912d01f240d7a274b371e"
    assert digest.hex() == "be609aee343fb3c4b28e1df9e632fca64fcfaede20f02e86244efddf30957bd2"
    assert signer.address == "0xcd2a3d9f938e13cd947ec05abc7fe734df8dd826"
    assert signature.hex() == (
        "4355c47d63924e8a72e509b65029052eb6c299d53a04e167c5775fd466751c9d"
        "07299936d304c153f6443dfa05f40ff007d72911b6f72307f996231605b915621c"
    )


def test_the_domain_type() -> None:
    assert type_hash(DOMAIN_TYPE).hex() == (
        "8b73c3c69bb8fe3d512ecc4cf759cc79239f7b179b0ffacaa9a75d522b39400f"
    )


def test_an_address_means_the_same_in_any_case() -> None:
    lower = domain_separator("A", "1", 1, VERIFYING.lower())

    assert domain_separator("A", "1", 1, VERIFYING) == lower


def test_every_part_of_a_domain_counts() -> None:
    other = "0x" + "cd" * 20
    domains = [
        ("A", "1", 1, VERIFYING), ("B", "1", 1, VERIFYING), ("A", "2", 1, VERIFYING),
        ("A", "1", 2, VERIFYING), ("A", "1", 1, other),
    ]  # fmt: skip

    assert len({domain_separator(*one) for one in domains}) == len(domains)


@given(st.integers(0, 2**256 - 1))
def test_an_integer_is_a_big_endian_word(value: int) -> None:
    assert int.from_bytes(uint_word(value), "big") == value
    assert len(uint_word(value)) == 32


@pytest.mark.parametrize(("value", "bits"), [(-1, 256), (2**256, 256), (256, 8), (-1, 8)])
def test_an_integer_fits_its_type(value: int, bits: int) -> None:
    with pytest.raises(WireError):
        uint_word(value, bits)


def test_the_largest_of_each_type_fits() -> None:
    assert uint_word(255, 8) == bytes(31) + b"\xff"
    assert uint_word(2**256 - 1) == b"\xff" * 32


@pytest.mark.parametrize(
    "text", ["", "ab" * 32, "0x" + "ab" * 31, "0x" + "ab" * 33, "0X" + "ab" * 32,
             "0x" + "ab" * 32 + "\n", "0x" + "ab " * 32, "0x" + "\u0661" * 64]
)  # fmt: skip
def test_bytes32_are_64_hex_digits(text: str) -> None:
    with pytest.raises(WireError):
        bytes32_word(text)


@pytest.mark.parametrize(
    "text", ["", "ab" * 20, "0x" + "ab" * 19, "0x" + "ab" * 32, "0x" + "ab" * 20 + "\n"]
)
def test_an_address_is_40_hex_digits(text: str) -> None:
    with pytest.raises(WireError):
        address_word(text)


def test_text_is_hashed_in_utf_8() -> None:
    assert string_word("€\U0001f600") == keccak256("€\U0001f600".encode())
    assert string_word("") == keccak256(b"")
    with pytest.raises(WireError):
        string_word("\ud800")


@pytest.mark.parametrize(("separator", "struct"), [(b"", bytes(32)), (bytes(32), bytes(31))])
def test_only_whole_words_make_a_digest(separator: bytes, struct: bytes) -> None:
    with pytest.raises(MisuseError):
        typed_digest(separator, struct)
