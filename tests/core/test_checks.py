"""What a check asks for, what it finds, and when it holds (B13)."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from treaty.core.checks import (
    METRIC_AGE_MOST_MS,
    Check,
    Reading,
    holds,
    is_timely,
    look_up,
    read_check,
    value_in,
)
from treaty.errors import Refused
from treaty.wire.canonical import canonical
from treaty.wire.instants import parse_instant

URL = "https://metrics.example/gpu"


def check(**members: Any) -> Check:
    return read_check({"url": URL, **members}, needs_value=False)


def test_a_check_is_read_as_it_was_agreed() -> None:
    found = check(by="agent://m.example/meter", pointer="/uptime", op=">=", expect=0.9995)

    assert found == Check(URL, "agent://m.example/meter", None, "/uptime", "ge", 0.9995)


@pytest.mark.parametrize(
    ("op", "name"),
    [
        ("==", "eq"),
        ("=", "eq"),
        ("!=", "ne"),
        (">=", "ge"),
        ("gte", "ge"),
        ("<", "lt"),
        ("le", "le"),
    ],
)
def test_an_op_may_be_a_sign_or_a_word(op: str, name: str) -> None:
    assert check(pointer="", op=op, expect=1).op == name


@pytest.mark.parametrize(
    "members",
    [
        {"url": "ftp://metrics.example"},
        {"url": "https://"},
        {"url": "https://user:secret@metrics.example/"},
        {"url": "https://metrics.example/a b"},
        {"url": "https://metrics.example/\u00e9"},
        {"url": "https://" + "a" * 2_050},
        {"url": "http://[::1"},
        {"url": 7},
        {"pointer": "uptime", "op": "==", "expect": 1},
        {"pointer": "/a" * 33, "op": "==", "expect": 1},
        {"pointer": "/a", "op": "about", "expect": 1},
        {"pointer": "/a", "op": ">=", "expect": "much"},
        {"pointer": "/a", "op": ">=", "expect": True},
        {"pointer": "/a", "op": "==", "expect": {}},
        {"pointer": "/a", "op": "==", "expect": None},
        {"pointer": "/a"},
        {"pointer": "/a", "op": "==", "expect": "x" * 1_025},
        {"key": "k"},
    ],
)
def test_what_cannot_be_carried_out_is_refused(members: dict[str, Any]) -> None:
    with pytest.raises(Refused) as caught:
        check(**members)
    assert caught.value.code == "commitment_invalid"


def test_a_metric_needs_a_place_and_a_value() -> None:
    with pytest.raises(Refused):
        read_check({"url": URL}, needs_value=True)


@pytest.mark.parametrize(
    ("said", "age", "timely"),
    [
        ("2026-03-07T14:00:00Z", None, True),
        ("2026-03-07T13:55:00Z", None, True),
        ("2026-03-07T13:54:59.999Z", None, False),
        ("2026-03-07T14:01:00Z", None, True),
        ("2026-03-07T14:01:00.001Z", None, False),
        ("2026-03-07T13:59:59Z", 1_000, True),
        ("2026-03-07T13:59:58.999Z", 1_000, False),
        ("2026-03-06T14:00:00Z", METRIC_AGE_MOST_MS, True),
        ("2025-03-07T14:00:00Z", METRIC_AGE_MOST_MS, False),
        (None, None, False),
        ("yesterday", None, False),
        (1_772_892_000_000, None, False),
    ],
)
def test_a_signed_metric_says_when_it_was_measured_and_that_is_now(
    said: Any, age: int | None, timely: bool
) -> None:
    at_ms = parse_instant("2026-03-07T14:00:00Z")
    found = check(**({} if age is None else {"maxAgeMs": age}))

    assert is_timely(found, {} if said is None else {"at": said}, at_ms) is timely


@pytest.mark.parametrize("age", [0, 999, METRIC_AGE_MOST_MS + 1, -1, 1.5, "60000", True])
def test_an_age_without_bounds_is_refused(age: Any) -> None:
    with pytest.raises(Refused) as caught:
        check(maxAgeMs=age)
    assert caught.value.code == "commitment_invalid"


# status, op, value, expect -> whether it holds.
CASES: list[tuple[int | None, str, Any, Any, bool]] = [
    (200, "ge", 0.9995, 0.9995, True),
    (200, "ge", 0.9994, 0.9995, False),
    (200, "ge", "0.99950", 0.9995, True),
    (200, "gt", 1, 1, False),
    (200, "le", 1, 1.0, True),
    (200, "lt", 0.1, 0.3, True),
    (200, "eq", 1, True, False),
    (200, "eq", True, True, True),
    (200, "eq", "up", "up", True),
    (200, "ne", "down", "up", True),
    (200, "eq", None, "up", False),
    (200, "ne", None, "down", False),
    (200, "ne", None, 0, False),
    (200, "ge", None, 1, False),
    (200, "ge", "NaN", 1, False),
    (200, "ge", "Infinity", 1, False),
    (200, "ne", 1, 1.0, False),
    (199, "eq", 1, 1, False),
    (299, "eq", 1, 1, True),
    (300, "eq", 1, 1, False),
    (500, "eq", 1, 1, False),
    (None, "eq", 1, 1, False),
]


@pytest.mark.parametrize(("status", "op", "value", "expect", "found"), CASES)
def test_what_holds(status: int | None, op: str, value: Any, expect: Any, found: bool) -> None:
    agreed = check(pointer="/v", op=op, expect=expect)

    assert holds(agreed, Reading(status, value)) is found


def test_without_a_pointer_the_status_is_all() -> None:
    assert holds(check(), Reading(204))
    assert not holds(check(), Reading(404))


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b'{"a": {"b": [1, {"c": 7}]}}', 7),
        (b'{"a": {"b": [1, {"c": {}}]}}', None),
        (b'{"a": {"b": [1]}}', None),
        (b'{"a": 5}', None),
        (b"not json", None),
        (b"", None),
        (b'{"a": {"b": [1, {"c": 7}]}} ', 7),
        (b'{"a": 1, "a": 2}', None),
    ],
)
def test_a_value_is_found_or_it_is_not_there(body: bytes, value: Any) -> None:
    assert value_in(check(pointer="/a/b/1/c", op="eq", expect=7), body, 32) == value


def test_a_pointer_escapes_slash_and_tilde() -> None:
    assert look_up({"a/b": {"~c": 1}}, "/a~1b/~0c") == 1
    assert look_up([5], "") == [5]
    for wrong in ("/-1", "/0x0", "/01234567890", "/1"):
        with pytest.raises(LookupError):
            look_up([5], wrong)


@given(st.binary(max_size=64), st.text(max_size=8))
def test_no_answer_breaks_the_reading(body: bytes, step: str) -> None:
    name = step.replace("~", "~0").replace("/", "~1")
    found = value_in(Check(URL, pointer=f"/{name}"), body, 32)

    assert found is None or canonical(found)
