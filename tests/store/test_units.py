"""What a store refuses to be asked, before it looks into its medium."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from treaty.engine.ports import Append, Entry, Unit
from treaty.errors import MisuseError
from treaty.store.units import (
    INTEGER_MAX,
    NAME_CHARS_MAX,
    READ_ROWS_MAX,
    UNIT_BYTES_MAX,
    check_integer,
    check_question,
    check_unit,
    is_name,
    lost_race,
    replayed,
)


@given(st.text(max_size=NAME_CHARS_MAX + 8))
def test_a_name_is_text_every_database_can_keep(text: str) -> None:
    try:
        encoded = text.encode()
    except UnicodeEncodeError:
        encoded = b"\0"

    assert is_name(text) == (0 < len(text) <= NAME_CHARS_MAX and b"\0" not in encoded)


@pytest.mark.parametrize("number", [0, 1, INTEGER_MAX])
def test_a_number_fits_63_bits(number: int) -> None:
    check_integer(number)
    with pytest.raises(MisuseError):
        check_integer(~number)
    with pytest.raises(MisuseError):
        check_integer(INTEGER_MAX + 1 + number)


def test_a_reader_may_ask_for_one_row_up_to_the_limit() -> None:
    check_question(1)
    check_question(READ_ROWS_MAX, "any cursor")
    with pytest.raises(MisuseError, match="10001"):
        check_question(READ_ROWS_MAX + 1)


def test_bytes_of_all_entries_count_together() -> None:
    half = bytes(UNIT_BYTES_MAX // 2)
    fits = Append("s", 0, (Entry("s", 1, "fact", half, half),))
    check_unit(Unit(appends=(fits,)))
    more = Append("t", 0, (Entry("t", 1, "fact", b"x"),))
    with pytest.raises(MisuseError, match="bytes"):
        check_unit(Unit(appends=(fits, more)))


def test_a_lost_race_says_where_the_stream_ends() -> None:
    lost = lost_race("session/1", 3, 5)

    assert lost.data == {"stream": "session/1", "last": 5}
    assert "ends at 5" in lost.detail


def test_a_replay_has_its_reason_and_cuts_foreign_text() -> None:
    again = replayed("dpop", "j" * 500)

    assert again.code == "proof_replayed"
    assert len(again.detail) < 200
