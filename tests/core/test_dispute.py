"""The draw, the bond and the decisions of the record, without any protocol (B15).

How a dispute runs through its phases is played in ``tests/scenarios/asp_disputes.txt``.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from treaty.core.checks import Check
from treaty.core.commitment import Method, Obligation
from treaty.core.dispute import (
    ARBITERS,
    Candidate,
    Dispute,
    bond_units,
    by_default,
    decided_by_record,
    draw,
    drawn_arbiters,
)

BUYER, SELLER = "agent://buyer.example", "agent://seller.example"
CHECK = Check("https://m.example/")
METRIC, EVIDENCE = Method.METRIC_QUERY, Method.EVIDENCE
COMMIT_HASH = "sha256:" + "ab" * 32


def dispute(units: int = 18_000) -> Dispute:
    return Dispute(
        "d", "c", COMMIT_HASH, "", units, BUYER, BUYER, SELLER, "r", 900, at_ms=1, due_ms=2
    )


def duty(**changes: object) -> Obligation:
    plain = Obligation("provider", SELLER, "act", 1_000, Method.COUNTERPARTY_CONFIRM, due_ms=1_060)
    return replace(plain, **changes)  # type: ignore[arg-type]


def test_the_draw_is_the_hash_that_the_decision_names() -> None:
    author, accepter = b"a" * 32, b"b" * 32
    expected = hashlib.sha256(b"treaty/1 draw " + COMMIT_HASH.encode() + author + accepter)

    assert draw(COMMIT_HASH, author, accepter) == expected.digest()
    assert draw(COMMIT_HASH, accepter, author) != expected.digest()


def candidates(count: int) -> list[Candidate]:
    return [
        Candidate(f"agent://j{number}.example/x", f"j{number}.example") for number in range(count)
    ]


@given(st.binary(min_size=32, max_size=32), st.randoms())
def test_three_of_different_organisations_whatever_the_order(drawn: bytes, chance) -> None:
    listed = [*candidates(9), Candidate("agent://k.j1.example/y", "j1.example")]
    found = drawn_arbiters(drawn, listed)
    chance.shuffle(listed)

    assert drawn_arbiters(drawn, listed) == found
    organisations = {one.organisation for one in listed if one.uri in found}
    assert len(found) == len(organisations) == ARBITERS


def test_everybody_is_drawn_about_equally_often() -> None:
    counted = Counter(
        uri
        for number in range(3_000)
        for uri in drawn_arbiters(hashlib.sha256(b"%d" % number).digest(), candidates(9))
    )

    # 1,000 of 3,000 draws each, give or take six standard deviations.
    assert all(845 < count < 1_155 for count in counted.values())
    assert len(counted) == 9


@pytest.mark.parametrize(
    ("units", "bond"), [(1, 100), (2_000, 100), (2_019, 100), (2_020, 101), (18_000, 900)]
)
def test_the_bond_is_five_percent_and_a_dollar_at_least(units: int, bond: int) -> None:
    assert bond_units(units, 100) == bond


# The duty -> what the record gives the payee of 18,000, and why; None: it does not decide.
RECORD = [
    (duty(), (0, "timeout")),
    (duty(due_ms=9_999), None),
    (duty(claimed_ms=900), None),
    (duty(claimed_ms=900, check=CHECK), None),
    (duty(claimed_ms=900, check=CHECK, passed=True, method=METRIC), (18_000, "metric")),
    (duty(claimed_ms=900, check=CHECK, passed=False, method=METRIC), (0, "metric")),
    # Evidence is what the claimant brought: whether it shows this delivery is for others to say.
    (duty(claimed_ms=900, check=Check(""), passed=True, method=EVIDENCE), None),
    (duty(claimed_ms=900, check=Check("", key="k"), passed=True, method=EVIDENCE), None),
    (duty(measured=True), None),
    (duty(measured=True, earned=12_000), (12_000, "metric")),
]


@pytest.mark.parametrize(("found", "expected"), RECORD)
def test_what_the_record_decides(found: Obligation, expected: tuple[int, str] | None) -> None:
    ruling = decided_by_record(dispute(), (found,), 2_000)

    assert (None if ruling is None else (ruling.to_payee, ruling.why)) == expected


def test_a_payee_that_disputes_its_own_claim_is_not_paid_by_the_record() -> None:
    proven = duty(claimed_ms=900, check=CHECK, passed=True, method=METRIC)
    failed = replace(proven, passed=False)
    by_payee = replace(dispute(), filer=SELLER)

    assert decided_by_record(by_payee, (proven,), 1_000) is None
    ruling = decided_by_record(by_payee, (failed,), 1_000)
    assert ruling is not None
    assert ruling.to_payee == 0


@pytest.mark.parametrize(
    ("found", "units"),
    [
        (duty(claimed_ms=900), 18_000),
        (duty(), 0),
        (duty(claimed_ms=900, passed=False), 0),
        (duty(measured=True), 0),
    ],
)
def test_what_the_record_gives_when_nobody_ruled(found: Obligation, units: int) -> None:
    ruling = by_default(dispute(), (found,), 2_000)

    assert (ruling.to_payee, ruling.severity, ruling.by) == (units, 0, "record")
