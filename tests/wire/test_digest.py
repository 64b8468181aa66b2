"""Digests by their published examples, and tags with one spelling."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from treaty.errors import WireError
from treaty.wire.digest import (
    ZERO_TAG,
    content_tag,
    hash_agrees,
    is_sha256_tag,
    keccak256,
    sha256,
    sha256_tag,
)

# FIPS 180-4's one-block example.
ABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_sha256_is_the_published_one() -> None:
    assert sha256(b"abc").hex() == ABC
    assert sha256_tag(b"abc") == "sha256:" + ABC


@pytest.mark.parametrize(
    ("data", "digest"),
    [
        (b"", "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"),
        (b"abc", "4e03657aea45a94fc7d47ba826c8d667c0d1e6e33a64a036ec44f58fa12d6c45"),
    ],
)
def test_keccak256_is_ethereums_and_not_sha3(data: bytes, digest: str) -> None:
    assert keccak256(data).hex() == digest
    assert keccak256(data) != hashlib.sha3_256(data).digest()


def test_equal_values_have_equal_tags() -> None:
    # Order, spelling of numbers and of strings are not content.
    assert content_tag({"b": 180.0, "a": ["é"]}) == content_tag({"a": ["é"], "b": 180})
    assert content_tag({"b": 180.0, "a": ["é"]}) == sha256_tag('{"a":["é"],"b":180}'.encode())
    assert content_tag({"a": 1}) != content_tag({"a": "1"})


def test_a_value_without_canonical_form_has_no_tag() -> None:
    with pytest.raises(WireError):
        content_tag(2**53)


def test_the_zero_tag_is_a_tag() -> None:
    assert ZERO_TAG == "sha256:" + "0" * 64
    assert is_sha256_tag(ZERO_TAG)
    assert is_sha256_tag("sha256:" + ABC)


@pytest.mark.parametrize(
    "text",
    [ABC, "sha256:" + ABC.upper(), "SHA256:" + ABC, f"sha256:{ABC}\n", f" sha256:{ABC}",
     f"sha256:{ABC}0", f"sha256:{ABC[:-1]}", "sha256:", "", "sha256:" + "\u0663" * 64, None, 0,
     [ZERO_TAG], ZERO_TAG.encode()],
)  # fmt: skip
def test_other_spellings_are_no_tags(text: Any) -> None:
    assert not is_sha256_tag(text)


@pytest.mark.parametrize(
    "stated",
    [
        "sha256:" + hashlib.sha256(b"x").hexdigest(),
        "sha256:" + hashlib.sha256(b"x").hexdigest().upper(),
        "sha512:" + hashlib.sha512(b"x").hexdigest(),
    ],
)
def test_a_stated_hash_agrees_with_its_bytes_alone(stated: str) -> None:
    assert hash_agrees(stated, b"x")
    assert not hash_agrees(stated, b"y")


@pytest.mark.parametrize("stated", [None, 5, "", "sha256:", "md5:0", "sha256:deadbeef", "x"])
def test_what_is_no_hash_agrees_with_nothing(stated: Any) -> None:
    assert not hash_agrees(stated, b"x")
