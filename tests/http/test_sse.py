"""Reading server-sent events as the standard describes them."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from treaty.errors import WireError
from treaty.http import sse
from treaty.http.sse import Event, Reader

STREAM = (
    b": a comment\nretry: 1000\n\n"
    b"id: 1\nevent: message\ndata: {}\n\n"
    b"event: heartbeat\r\ndata: a\r\ndata:b\r\n\r\n"
    b"data\rdata: \xc3\xa9\r\r"
    b"id: 9\nevent: no data\n\n"
    b"data: unfinished\n"
)
EVENTS = [
    Event("message", b"{}", "1"),
    Event("heartbeat", b"a\nb", None),
    Event("message", b"\n\xc3\xa9", None),
]


def test_events_end_with_an_empty_line_however_lines_end() -> None:
    assert Reader().feed(STREAM) == EVENTS


@given(st.lists(st.integers(0, len(STREAM)), max_size=12))
def test_it_does_not_matter_where_the_chunks_are_cut(cuts: list[int]) -> None:
    places = [0, *sorted(cuts), len(STREAM)]
    reader = Reader()

    found = [event for start, end in pairwise(places) for event in reader.feed(STREAM[start:end])]

    assert found == EVENTS


@given(st.binary(max_size=300))
def test_no_bytes_are_an_accident(chunk: bytes) -> None:
    for event in Reader().feed(chunk):
        assert isinstance(event.name, str)


def flood(reader: Reader, chunk: bytes) -> None:
    for _ in range(20):
        reader.feed(chunk)


def test_a_line_without_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "EVENT_BYTES_MAX", 100)
    reader = Reader()

    with pytest.raises(WireError) as refused:
        flood(reader, b"data: xxxxxxxxxx")

    assert refused.value.code == "too_large"


def test_an_event_of_too_many_lines_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "EVENT_BYTES_MAX", 100)
    reader = Reader()

    with pytest.raises(WireError) as refused:
        flood(reader, b"data: xxxxxxxxxx\n")

    assert refused.value.code == "too_large"


def test_long_streams_of_small_events_are_no_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "EVENT_BYTES_MAX", 100)
    reader = Reader()

    assert sum(len(reader.feed(b"data: xxxxxxxxxx\n\n")) for _ in range(100)) == 100
