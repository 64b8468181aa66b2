"""A buyer's policy file: three spellings of one policy, and what is refused with its line."""

from __future__ import annotations

import json
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from treaty.dialects.actp.buying import BuyerPolicy, BuyerStrategy
from treaty.dialects.actp.buying_reading import read_buyer_policy
from treaty.dialects.actp.policy import PolicyError

OURS = b"""
constraints:
  max_unit_price_amount: 2_000_000
  max_daily_spend_amount: 10_000_000
target_amount: 800_000
public_max_price_amount: 2_000_000
negotiation:
  counter_strategy: midpoint
  rounds_per_provider: 3
  counter_response_ttl_seconds: 60
"""
WANTED = BuyerPolicy(
    ceiling_units=2_000_000, daily_units=10_000_000, target_units=800_000,
    public_max_price_units=2_000_000, strategy=BuyerStrategy.MIDPOINT, rounds_per_provider=3,
    response_ttl_s=60,
)  # fmt: skip


def peers(amounts: str | None, *figures: object) -> bytes:
    ceiling, daily, target = figures
    document = {
        "task": "translate",
        "constraints": {
            "max_unit_price": {"amount": ceiling, "currency": "USDC", "unit": "job"},
            "max_daily_spend": {"amount": daily, "currency": "USDC"},
        },
        "negotiation": {
            "rounds_max": 5, "rounds_per_provider": 3, "counter_strategy": "midpoint",
            "counter_response_ttl_seconds": 60,
        },
        "selection": {"prioritize": ["price"]},
        "target_unit_price": {"amount": target, "currency": "USDC", "unit": "job"},
        "public_max_price_amount": 2_000_000,
    }  # fmt: skip
    return json.dumps(document | ({} if amounts is None else {"amounts": amounts})).encode()


@pytest.mark.parametrize(
    "raw",
    [OURS, peers("base", 2_000_000, 10_000_000, 800_000), peers("decimal", 2, "10.00", 0.8)],
    ids=["ours", "base", "decimal"],
)
def test_each_spelling_is_the_same_policy(raw: bytes) -> None:
    assert read_buyer_policy(raw) == WANTED


@pytest.mark.parametrize(
    ("raw", "line", "word"),
    [
        (peers(None, 2, 10, 1), 1, "amounts"),
        (peers("dollars", 2, 10, 1), 1, "amounts"),
        (b"constraints:\n  max_unit_price_amount: 1.5\n", 2, "whole number"),
        (b"constraints:\n  max_unit_price_amount: 2000000\n", 2, "max_daily_spend"),
        (OURS.replace(b"midpoint", b"halfway"), 8, "counter_strategy"),
        (OURS + b"max_spend: 1\n", 11, "unknown name"),
        (OURS.replace(b"target_amount: 800_000", b"target_amount: 3_000_000"), 2, "target_units"),
        (OURS + b"target_unit_price: {amount: 1}\namounts: base\n", 5, "two names"),
        (b"[]", 1, "mapping"),
        (b"task: x\n", 1, "constraints"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_with_its_line(raw: bytes, line: int, word: str) -> None:
    with pytest.raises(PolicyError) as refused:
        read_buyer_policy(raw)

    assert refused.value.line == line
    assert word in refused.value.text


@pytest.mark.parametrize("missing", ["max_unit_price_amount", "max_daily_spend_amount"])
def test_attack_11_half_a_policy_is_no_policy(missing: str) -> None:
    lines = [line for line in OURS.splitlines(keepends=True) if missing.encode() not in line]

    with pytest.raises(PolicyError) as refused:
        read_buyer_policy(b"".join(lines))

    assert missing in refused.value.text


def test_a_refusal_shows_no_private_figure() -> None:
    with pytest.raises(PolicyError) as refused:
        read_buyer_policy(OURS.replace(b"800_000", b"2_000_001"))

    assert not any(one in str(refused.value) for one in ("2000001", "2_000_001", "2000000"))


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_a_policy_or_a_policy_error(raw: bytes) -> None:
    with suppress(PolicyError):
        assert read_buyer_policy(raw).ceiling_units
