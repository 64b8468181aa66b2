"""The lax reader takes what Python's json takes, and nothing it does not."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from treaty.errors import WireError
from treaty.wire.lax import read_lax_json


def read(raw: bytes):
    return read_lax_json(raw, size_max=100_000)


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        (b'{"a":1,"a":2}', {"a": 2}),
        (b'{"a":1e400}', {"a": math.inf}),
        (b"[-Infinity]", [-math.inf]),
        (rb'["\ud800"]', ["\ud800"]),
        (b"[" * 600 + b"]" * 600, None),
        (b"[123456789012345678901234567890]", [1.2345678901234568e29]),
    ],
)
def test_lax_documents_are_read(raw: bytes, value: object) -> None:
    assert read(raw) == (json.loads(raw) if value is None else value)


def test_nan_is_read() -> None:
    assert math.isnan(read(b"[NaN]")[0])


@pytest.mark.parametrize(
    "raw",
    [b"", b"nope", b"\xff", b"\xef\xbb\xbf{}", b"[1] x", b"[" * 50_000, b"9" * 5_000],
)
def test_what_is_no_json_is_refused(raw: bytes) -> None:
    with pytest.raises(WireError) as refusal:
        read(raw)

    assert refusal.value.code == "malformed"


def test_size_is_asked_first() -> None:
    with pytest.raises(WireError) as refusal:
        read(b"0" * 100_001)

    assert refusal.value.code == "too_large"


@given(st.binary(max_size=40) | st.text(max_size=40).map(str.encode))
def test_any_bytes_are_read_or_refused_as_json_does(raw: bytes) -> None:
    try:
        expected = json.loads(raw.decode("utf-8"))
    except ValueError:
        with pytest.raises(WireError):
            read(raw)
    else:
        assert read(raw) == expected or math.isnan(expected)
