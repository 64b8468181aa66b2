"""Bytes as text: one spelling each, and nothing else is read."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from treaty.errors import WireError
from treaty.wire.encoding import b64url_decode, b64url_encode, hex_decode


@pytest.mark.parametrize(
    ("data", "text"),
    [
        # RFC 4648, section 10, without the padding.
        (b"", ""),
        (b"f", "Zg"),
        (b"fo", "Zm8"),
        (b"foo", "Zm9v"),
        (b"foob", "Zm9vYg"),
        (b"fooba", "Zm9vYmE"),
        (b"foobar", "Zm9vYmFy"),
        (b"\xfb\xff\xbf", "-_-_"),
    ],
)
def test_base64url_has_no_padding_and_the_safe_alphabet(data: bytes, text: str) -> None:
    assert b64url_encode(data) == text
    assert b64url_decode(text) == data


@given(st.binary(max_size=70))
def test_base64url_reads_what_it_writes(data: bytes) -> None:
    assert b64url_decode(b64url_encode(data)) == data


@given(st.text("AQgw-_Zz", max_size=6))
def test_base64url_reads_only_what_it_writes(text: str) -> None:
    try:
        data = b64url_decode(text)
    except WireError:
        padded = text + "=" * (-len(text) % 4)
        assert len(text) % 4 == 1 or b64url_encode(base64.urlsafe_b64decode(padded)) != text
    else:
        assert b64url_encode(data) == text


@pytest.mark.parametrize(
    "text",
    ["Zg==", "Zh", "Zm9", "A", "AAAAA", "+/+/", "Zm9v\n", " Zm9v", "Zm 9v", "Zm9vé", "\uff3am9v",
     None, 1, True, ["Zg"], b"Zg"],
)  # fmt: skip
def test_other_spellings_of_base64url_are_refused(text: Any) -> None:
    with pytest.raises(WireError):
        b64url_decode(text)


@given(st.binary(max_size=70))
def test_hex_reads_what_bytes_write(data: bytes) -> None:
    assert hex_decode(data.hex()) == data
    assert hex_decode(data.hex(), len(data)) == data


@pytest.mark.parametrize(
    "text",
    ["0xab", "AB", "aB", "abc", "a", "ab ", " ab", "a b", "ab\n", "ag", "ab:cd", "\u0661\u0662",
     None, 12, ["ab"], b"ab"],
)  # fmt: skip
def test_other_spellings_of_hex_are_refused(text: Any) -> None:
    with pytest.raises(WireError):
        hex_decode(text)


@pytest.mark.parametrize("text", ["", "ab", "abcdef"])
def test_hex_of_another_size_is_refused(text: str) -> None:
    with pytest.raises(WireError, match="expected 2 bytes"):
        hex_decode(text, 2)
