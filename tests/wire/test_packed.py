"""MessagePack is another spelling of JSON values, and reads nothing else (B23)."""

from __future__ import annotations

import struct

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from treaty.errors import WireError
from treaty.wire.canonical import INT_MAX, canonical, read_json
from treaty.wire.packed import is_packed, read_packed, write_packed

SIZE = 65_536
FINITE = st.floats(allow_nan=False, allow_infinity=False).filter(
    lambda number: not (number.is_integer() and INT_MAX < abs(number) < 1e21)
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-INT_MAX, INT_MAX) | FINITE | st.text(max_size=40),
    lambda inner: (
        st.lists(inner, max_size=20) | st.dictionaries(st.text(max_size=40), inner, max_size=20)
    ),
    max_leaves=30,
)
DOCUMENTS = st.dictionaries(st.text(max_size=10), VALUES, max_size=20)


def packed(value: object, **options: object) -> bytes:
    return msgpack.packb(value, **options)


@given(DOCUMENTS)
def test_what_is_written_is_read_back_and_has_the_same_canonical_form(document):
    raw = write_packed(document)
    value = read_packed(raw, size_max=SIZE)
    assert is_packed(raw)
    assert canonical(value) == canonical(document)
    assert canonical(value) == canonical(read_json(canonical(document), size_max=SIZE))


@given(st.binary(max_size=60))
def test_any_bytes_are_a_document_or_refused(raw):
    try:
        value = read_packed(raw, size_max=SIZE)
    except WireError:
        return
    # What was read is JSON: it has a canonical form.
    assert canonical(value)


@given(DOCUMENTS, st.data())
def test_a_document_that_is_cut_or_goes_on_is_refused(document, data):
    raw = write_packed(document)
    cut = data.draw(st.integers(0, len(raw) - 1))
    for wrong in (raw[:cut], raw + b"\x00"):
        with pytest.raises(WireError):
            read_packed(wrong, size_max=SIZE)


@pytest.mark.parametrize(
    ("name", "raw"),
    [
        ("float32", packed({"a": 1.5}, use_single_float=True)),
        ("bin8", packed({"a": b"x"}, use_bin_type=True)),
        ("bin16", b"\x81\xa1a\xc5\x00\x01x"),
        ("bin32", b"\x81\xa1a\xc6\x00\x00\x00\x01x"),
        ("fixext", b"\x81\xa1a\xd4\x01x"),
        ("ext8", packed({"a": msgpack.ExtType(1, b"xyz")})),
        ("timestamp", packed({"a": msgpack.Timestamp(1)})),
        ("unused mark", b"\x81\xa1a\xc1"),
        ("number as a name", b"\x81\x01\x01"),
        ("nil as a name", b"\x81\xc0\x01"),
        ("map as a name", b"\x81\x80\x01"),
        ("bin as a name", b"\x81\xc4\x01a\x01"),
        ("the same name twice", b"\x82\xa1a\x01\xa1a\x02"),
        ("the same name, spelled longer", b"\x82\xa1a\x01\xd9\x01a\x02"),
        ("no UTF-8", b"\x81\xa1a\xa1\xff"),
        ("a surrogate", b"\x81\xa1a\xa3\xed\xa0\x80"),
        ("NaN", b"\x81\xa1a\xcb" + struct.pack(">d", float("nan"))),
        ("infinity", b"\x81\xa1a\xcb" + struct.pack(">d", float("-inf"))),
        ("beyond 2^53-1", packed({"a": 2**53})),
        ("below -(2^53-1)", packed({"a": -(2**53)})),
        ("as a double", packed({"a": float(2**53)})),
        ("64 bits", packed({"a": 2**64 - 1})),
        ("a list that promises more", b"\x81\xa1a\xdd\xff\xff\xff\xff"),
        ("a map that promises more", b"\xdf\xff\xff\xff\xff"),
        ("a text that promises more", b"\x81\xdb\xff\xff\xff\xff"),
        ("nothing", b""),
    ],
)
def test_what_json_has_no_word_for_is_refused(name, raw):
    with pytest.raises(WireError) as caught:
        read_packed(raw, size_max=SIZE)
    assert caught.value.code == "malformed", name


def nested(levels: int) -> bytes:
    return b"\x81\xa1a" + b"\x91" * (levels - 1) + b"\xc0"


def test_depth_and_size_are_bounded():
    assert read_packed(nested(32), size_max=SIZE)
    for levels in (33, 10_000):
        with pytest.raises(WireError):
            read_packed(nested(levels), size_max=SIZE)
    with pytest.raises(WireError) as caught:
        read_packed(write_packed({"a": "x" * 100}), size_max=99)
    assert caught.value.code == "too_large"


@pytest.mark.parametrize("value", [0, 127, 128, 255, 256, 65_535, 65_536, 2**32, INT_MAX])
def test_integers_of_every_width_are_the_numbers_they_are(value):
    for number in (value, -value):
        assert read_packed(packed({"a": number}), size_max=SIZE) == {"a": number}
    # Written wider than need be, as some encoders do, it is the same number.
    wide = b"\x81\xa1a\xd3" + struct.pack(">q", value)
    assert read_packed(wide, size_max=SIZE) == {"a": value}


@pytest.mark.parametrize("value", [b"x", {1: 2}, {"a": {3}}, object()])
def test_what_is_no_json_is_not_written(value):
    with pytest.raises(WireError):
        read_packed(write_packed(value), size_max=SIZE)


@pytest.mark.parametrize("raw", [b"{}", b" {}", b"\xef\xbb\xbf{}", b"[]", b"", b"\xc0", b"\x90"])
def test_json_and_what_is_no_map_is_not_packed(raw):
    assert not is_packed(raw)
