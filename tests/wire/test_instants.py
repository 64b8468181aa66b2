"""Instants: RFC 3339 in Z, to the millisecond, by the calendar."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from treaty.errors import MisuseError, WireError
from treaty.wire.instants import format_instant, parse_instant

FIRST_MS = -62_135_596_800_000
LAST_MS = 253_402_300_799_999


@pytest.mark.parametrize(
    ("text", "at_ms"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("2026-03-07T14:00:00.000Z", 1_772_892_000_000),
        ("2026-03-07T14:00:00Z", 1_772_892_000_000),
        ("2026-03-07T14:00:00.5Z", 1_772_892_000_500),
        ("2026-03-07T14:00:00.05Z", 1_772_892_000_050),
        ("2026-03-07T14:00:00.123456789Z", 1_772_892_000_123),
        ("2026-03-07T14:00:00.999999999Z", 1_772_892_000_999),
        ("2024-02-29T23:59:59.999Z", 1_709_251_199_999),
        ("1969-12-31T23:59:59.999Z", -1),
        ("0001-01-01T00:00:00Z", FIRST_MS),
        ("9999-12-31T23:59:59.999Z", LAST_MS),
    ],
)
def test_instants_are_read_as_milliseconds(text: str, at_ms: int) -> None:
    assert parse_instant(text) == at_ms


@pytest.mark.parametrize(
    "text",
    [
        "2026-03-07T14:00:00+00:00",
        "2026-03-07T14:00:00-05:00",
        "2026-03-07T14:00:00",
        "2026-03-07t14:00:00z",
        "2026-03-07 14:00:00Z",
        "2026-03-07T14:00:00.Z",
        "2026-03-07T14:00:00,5Z",
        "2026-03-07T14:00:00.1234567890Z",
        "2026-03-07T14:00Z",
        "20260307T140000Z",
        "2026-W10-6T14:00:00Z",
        "2026-02-29T00:00:00Z",
        "2100-02-29T00:00:00Z",
        "2026-04-31T00:00:00Z",
        "2026-13-01T00:00:00Z",
        "2026-00-01T00:00:00Z",
        "2026-01-00T00:00:00Z",
        "0000-01-01T00:00:00Z",
        "10000-01-01T00:00:00Z",
        "-001-01-01T00:00:00Z",
        "2026-03-07T24:00:00Z",
        "2026-03-07T23:60:00Z",
        "2016-12-31T23:59:60Z",
        "2026-03-07T14:00:00Z\n",
        " 2026-03-07T14:00:00Z",
        "\u0662\u0660\u0662\u0666-03-07T14:00:00Z",
        "2026-03-07T14:00:00.\u0665Z",
        "",
        None,
        1_772_892_000_000,
        True,
        ["2026-03-07T14:00:00Z"],
    ],
)
def test_other_texts_are_no_instants(text: Any) -> None:
    with pytest.raises(WireError) as refusal:
        parse_instant(text)
    assert refusal.value.code == "malformed"


def test_an_instant_is_written_with_three_digits_and_z() -> None:
    assert format_instant(1_772_892_000_000) == "2026-03-07T14:00:00.000Z"
    assert format_instant(-1) == "1969-12-31T23:59:59.999Z"
    assert format_instant(FIRST_MS) == "0001-01-01T00:00:00.000Z"
    assert format_instant(LAST_MS) == "9999-12-31T23:59:59.999Z"


@given(st.integers(FIRST_MS, LAST_MS))
def test_writing_and_reading_agree_with_the_calendar(at_ms: int) -> None:
    text = format_instant(at_ms)
    expected = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=at_ms)

    assert text == expected.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    assert parse_instant(text) == at_ms


@pytest.mark.parametrize("at_ms", [FIRST_MS - 1, LAST_MS + 1, 10**18, -(10**18), 10**40])
def test_an_instant_outside_the_calendar_is_not_written(at_ms: int) -> None:
    with pytest.raises(MisuseError):
        format_instant(at_ms)
