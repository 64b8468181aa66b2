"""Refusals as RFC 9457 documents."""

from __future__ import annotations

import json
from typing import Any

import pytest

from treaty.engine.ports import Entry
from treaty.errors import (
    REASONS,
    Conflict,
    MisuseError,
    Refused,
    SignatureError,
    TreatyError,
    UnavailableError,
    WireError,
)
from treaty.http.limits import SLOW
from treaty.http.problems import problem, unexpected


def members(error: TreatyError) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(problem(error).body)
    return found


def test_a_problem_has_the_members_of_the_standard_and_the_code() -> None:
    answer = problem(Refused("the head moved on", "sequence_gap", data={"nextSequence": 4}))

    assert answer.status_code == 409
    assert answer.media_type == "application/problem+json"
    assert json.loads(answer.body) == {
        "type": "urn:treaty:reason:sequence_gap",
        "title": "Sequence gap",
        "status": 409,
        "detail": "the head moved on",
        "code": "sequence_gap",
        "nextSequence": 4,
    }


@pytest.mark.parametrize("code", sorted(set(REASONS) - {"internal"}))
def test_every_reason_has_its_status(code: str) -> None:
    assert problem(Refused("so", code)).status_code == REASONS[code].status


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (WireError("no message"), 400, "malformed"),
        (SignatureError("not signed"), 401, "signature_invalid"),
        (UnavailableError("gone"), 503, "unavailable"),
        (Refused("too slow", SLOW), 408, "timeout"),
    ],
)
def test_the_kind_of_an_error_needs_no_reason(error: TreatyError, status: int, code: str) -> None:
    assert (problem(error).status_code, members(error)["code"]) == (status, code)


def test_data_cannot_stand_in_for_the_standard_members() -> None:
    data = {"status": 200, "code": "fine", "type": "about:blank", "detail": "nothing", "n": 1}

    found = members(Refused("no", "duplicate", data=data))

    assert (found["status"], found["code"], found["detail"], found["n"]) == (
        409,
        "duplicate",
        "no",
        1,
    )


def test_missed_entries_are_spliced_in_as_they_are() -> None:
    missed = [
        Entry("session/x", 1, "receipt", b'{"type":"receipt"}', b'{\n"a":1}'),
        Entry("session/x", 2, "fact", b'{"type":"fact"}', None),
    ]

    found = members(Refused("stale", "chain_stale", data={"missed": missed, "more": True}))

    assert [entry["position"] for entry in found["missed"]] == [1, 2]
    assert found["missed"][0]["raw"] == '{\n"a":1}'
    assert found["more"] is True


def test_no_missed_entries_are_an_empty_list() -> None:
    assert members(Refused("stale", "chain_stale", data={"missed": []}))["missed"] == []


@pytest.mark.parametrize(
    ("error", "seconds"),
    [
        (Refused("held", "position_held", data={"retryAfterMs": 1_999}), "2"),
        (Refused("fast", "rate_limited", data={"retryAfterMs": 1}), "1"),
        (Refused("fast", "rate_limited"), "1"),
        (UnavailableError("full", "overloaded"), "1"),
        (Refused("no", "duplicate"), None),
    ],
)
def test_who_may_try_again_is_told_when(error: TreatyError, seconds: str | None) -> None:
    assert problem(error).headers.get("retry-after") == seconds


def test_an_allowed_method_is_named_in_the_header() -> None:
    answer = problem(Refused("no", "method_not_allowed", data={"allow": ["GET", "OPTIONS"]}))

    assert answer.headers["allow"] == "GET, OPTIONS"


@pytest.mark.parametrize("error", [MisuseError("secret detail"), Conflict("secret detail")])
def test_our_own_mistakes_are_logged_and_not_told(
    error: TreatyError, caplog: pytest.LogCaptureFixture
) -> None:
    answer = problem(error)

    assert answer.status_code == 500
    assert json.loads(answer.body)["code"] == "internal"
    assert b"secret" not in answer.body
    assert "secret detail" in caplog.text


def test_an_unexpected_error_leaves_a_traceback_in_the_log_only(
    caplog: pytest.LogCaptureFixture,
) -> None:
    try:
        raise ZeroDivisionError("by nothing")
    except ZeroDivisionError as error:
        answer = unexpected(error)

    assert answer.status_code == 500
    assert b"nothing" not in answer.body
    assert "Traceback" in caplog.text
    assert "by nothing" in caplog.text


def test_problems_are_not_kept_and_not_guessed_at() -> None:
    headers = problem(Refused("no", "duplicate")).headers

    assert headers["cache-control"] == "no-store"
    assert headers["x-content-type-options"] == "nosniff"
