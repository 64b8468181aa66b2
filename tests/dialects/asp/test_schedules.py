"""Checks and schedules of a COMMIT: read exactly, or refused (B13)."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest

from tests.dialects.asp.stage import SIGNERS, URIS
from treaty.core.checks import METRIC_AGE_MS
from treaty.core.commitment import Method
from treaty.core.schedule import SAMPLE_AGE_LEAST_MS, Schedule
from treaty.dialects.asp.schedules import method_of, read_schedule
from treaty.errors import Refused
from treaty.wire.money import Money

ALPHA, BETA = URIS["alpha"], URIS["beta"]
METRIC = {"url": "https://m.example/"}
VALUE = {**METRIC, "pointer": "/v", "op": "==", "expect": 1}
HOURS = {"kind": "intervals", "parts": 24, "intervalMs": 3_600_000, "sla": 0.9995, "metric": METRIC}


def milestone(**members: Any) -> dict[str, Any]:
    return {"id": "a", "amount": 180, "deadline": "2026-03-07T15:00:00Z", **members}


def read(**members: Any) -> Schedule:
    stated = {name: value for name, value in {**HOURS, **members}.items() if value is not None}
    return read_schedule(stated, Money(18_000, "USD"), payer=ALPHA, payee=BETA).schedule


@pytest.mark.parametrize(
    ("stated", "level"),
    [
        (0.9995, "0.9995"),
        (99.95, "0.9995"),
        ("99.95%", "0.9995"),
        ("99.95 %", "0.9995"),
        ("0.9995", "0.9995"),
        ("0.5%", "0.005"),
        (50, "0.5"),
        (0.1, "0.1"),
    ],
)
def test_a_level_is_read_exactly(stated: Any, level: str) -> None:
    assert read(sla=stated).sla == Fraction(level)


@pytest.mark.parametrize(
    ("members", "age_ms"),
    [
        # Apart by 0.9 s, by two minutes, by an hour; and as the parties agreed.
        ({}, SAMPLE_AGE_LEAST_MS),
        ({"sla": 0.9, "samples": 30}, 120_000),
        ({"sla": 0.5, "samples": 4, "intervalMs": 4 * 3_600_000}, METRIC_AGE_MS),
        ({"metric": {**METRIC, "maxAgeMs": 5_000}}, 5_000),
    ],
)
def test_a_signed_sample_is_no_older_than_samples_are_apart(
    members: dict[str, Any], age_ms: int
) -> None:
    metric = read(**members).metric
    assert metric is not None
    assert metric.max_age_ms == age_ms


@pytest.mark.parametrize("stated", [0, 1, 100, 101, -0.5, "all", "1e1", True, None, "100%", "0%"])
def test_a_level_that_means_nothing_is_refused(stated: Any) -> None:
    with pytest.raises(Refused) as caught:
        read(sla=stated)
    assert caught.value.code == "commitment_invalid"


def test_samples_are_the_fewest_unless_more_are_agreed() -> None:
    assert read().samples == 4_000
    assert read(samples=5_000).samples == 5_000
    assert read(metric={**METRIC, "samples": 6_000}).samples == 6_000


@pytest.mark.parametrize(
    "members",
    [
        {"samples": 3_999},
        {"samples": 100_001},
        {"samples": 20_000},
        {"parts": 0},
        {"parts": 1_001},
        {"parts": [{"id": "a"}]},
        {"intervalMs": 999},
        {"intervalMs": None},
        {"metric": None},
        {"metric": {"url": "ftp://m.example"}},
        {"metric": {**METRIC, "key": "no key", "pointer": "", "op": "==", "expect": 1}},
        {"kind": "weekly"},
        {"kind": None},
        {"remainderTo": "agent://umpire.example/desk"},
        {"remainderTo": 7},
        {"kind": "milestones"},
        {"kind": "milestones", "parts": []},
        {"kind": "milestones", "parts": ["a"]},
        {
            "kind": "milestones",
            "parts": [{"id": "a#b", "amount": 180, "deadline": "2026-03-07T15:00:00Z"}],
        },
        {"kind": "milestones", "parts": [{"id": "a", "amount": 180, "deadline": "soon"}]},
        {
            "kind": "milestones",
            "parts": [{"id": "a", "amount": 180.001, "deadline": "2026-03-07T15:00:00Z"}],
        },
        {
            "kind": "milestones",
            "parts": [{"id": "a", "amount": -1, "deadline": "2026-03-07T15:00:00Z"}],
        },
    ],
)
def test_a_schedule_that_cannot_be_carried_out_is_refused(members: dict[str, Any]) -> None:
    with pytest.raises(Refused) as caught:
        read(**members)
    assert caught.value.code == "commitment_invalid"


@pytest.mark.parametrize("named", ["payee", "provider", BETA])
def test_the_remainder_may_be_the_payees(named: str) -> None:
    assert read(parts=7, remainderTo=named).remainder_to_payee
    assert read(parts=7).remainder_units == 18_000 % 7
    for payer in ("payer", "buyer", ALPHA, None):
        assert not read(parts=7, remainderTo=payer).remainder_to_payee


@pytest.mark.parametrize(
    ("members", "method"),
    [
        ({}, Method.COUNTERPARTY_CONFIRM),
        ({"verification": METRIC}, Method.HEALTH_CHECK),
        (
            {"verification": {**METRIC, "pointer": "/v", "op": "==", "expect": 1}},
            Method.METRIC_QUERY,
        ),
        ({"verificationMethod": "evidence", "verification": {}}, Method.EVIDENCE),
        ({"verificationMethod": "metric-query"}, Method.COUNTERPARTY_CONFIRM),
    ],
)
def test_a_milestone_says_how_it_is_checked(members: dict[str, Any], method: Method) -> None:
    stated = {"kind": "milestones", "parts": [milestone(**members)]}
    found = read_schedule(stated, Money(18_000, "USD"), payer=ALPHA, payee=BETA)

    (duty,) = found.duties
    assert (duty.method, duty.party, duty.part, duty.name) == (method, BETA, "a", "part:a")


def test_the_key_of_a_metric_is_kept_in_one_spelling() -> None:
    key = SIGNERS["beta"].key
    stated = {**METRIC, "pointer": "/v", "op": "==", "expect": 1, "key": key.text}

    _, check = method_of("metric-query", stated)
    assert check is not None
    assert check.key == key.text


def test_an_interval_is_nobodys_claim() -> None:
    found = read_schedule(HOURS, Money(18_000, "USD"), payer=ALPHA, payee=BETA)

    assert len(found.duties) == 24
    assert all(duty.measured and duty.party == BETA for duty in found.duties)
