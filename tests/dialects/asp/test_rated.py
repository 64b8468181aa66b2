"""A commitment in another currency is counted by the rate stated with its COMMIT (B16, B17)."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tests.dialects.asp.scenes import scene
from tests.dialects.asp.stage import Stage, check_refused
from tests.dialects.asp.test_rules import known
from treaty.dialects.asp.dialect import ASP
from treaty.dialects.asp.rated import unrated
from treaty.dialects.asp.rules import Context
from treaty.errors import Refused, TreatyError, WireError

EUROS = {"currency": "EUR"}
STATED = {"commitmentId": "cmt", "currency": "EUR", "usdRate": "1.08"}


def waiting(**changes: Any) -> Stage:
    """Alpha has offered to be bound in euros, and the host has stated nothing."""
    stage = scene("in_company")
    stage.is_clearing = False
    stage.alpha.commit(escrow={**EUROS, **changes})
    return stage


def bound(rate: str = "1.08", **changes: Any) -> Stage:
    """A commitment in euros is bound."""
    stage = scene("in_company")
    stage.rates = {"EUR": rate}
    stage.alpha.commit(escrow={**EUROS, **changes})
    stage.beta.accept("cmt")
    return stage


def test_a_commitment_in_euros_waits_for_a_rate_and_one_in_dollars_does_not() -> None:
    stage = scene("in_company")
    stage.alpha.commit("dollars")

    assert unrated(stage.conversation) == {}
    assert unrated(waiting().conversation) == {"cmt": "EUR"}


def test_what_was_stated_is_the_commitments_own() -> None:
    stage = waiting()
    stage.fact("rate", **STATED)
    escrow = stage.commitment_of().escrow

    assert escrow is not None
    assert escrow.usd_rate == Decimal("1.08")
    assert escrow.rates["EUR"] * 108 == 10_000
    assert unrated(stage.conversation) == {}
    (view,) = ASP.view(stage.conversation)["commitments"]  # type: ignore[misc, union-attr]
    assert view["escrow"]["usdRate"] == "1.08"  # type: ignore[index, call-overload]


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"commitmentId": "other"}, Refused),
        ({"commitmentId": 1}, WireError),
        ({"currency": "JPY"}, WireError),
        ({"currency": None}, WireError),
        ({"usdRate": "0"}, WireError),
        ({"usdRate": "-1"}, WireError),
        ({"usdRate": 1.08}, WireError),
        ({"usdRate": "1e3"}, WireError),
        ({"usdRate": None}, WireError),
    ],
)
def test_another_statement_is_no_rate(change: dict[str, Any], error: type[TreatyError]) -> None:
    with pytest.raises(error):
        waiting().fact("rate", **{**STATED, **change})


def test_a_rate_is_stated_once_and_before_the_money_is_held() -> None:
    stage = bound()
    with pytest.raises(Refused) as caught:
        stage.fact("rate", **{**STATED, "usdRate": "1.09"})
    assert caught.value.code == "transition_invalid"

    stage = waiting()
    stage.fact("rate", **STATED)
    with pytest.raises(Refused):
        stage.fact("rate", **STATED)


def test_dollars_take_no_rate() -> None:
    stage = scene("in_company")
    stage.alpha.commit()
    with pytest.raises(Refused):
        stage.fact("rate", commitmentId="cmt", currency="USD", usdRate="1")


def test_no_money_is_held_in_a_currency_nobody_stated_a_rate_of() -> None:
    stage = scene("in_company")
    with pytest.raises(WireError) as caught:
        stage.alpha.commit(escrow=EUROS)
    assert "rate of EUR" in caught.value.detail


@pytest.mark.parametrize(
    ("amount", "rate", "bond"),
    # A dollar is 92.59 cents of a euro at 1.08; at 0.4 it is 250. Five percent of 180 are 9.
    [("180.00", "1.08", 900), ("10.00", "1.08", 93), ("10.00", "0.4", 250), ("0.01", "1", 100)],
)
def test_a_bond_is_at_least_a_dollar_by_the_commitments_rate(
    amount: str, rate: str, bond: int
) -> None:
    stage = bound(rate, amount=amount)
    stage.alpha.dispute("d1")

    assert stage.conversation.disputes["d1"].bond_units == bond
    assert ("d1", "reserve", bond) in stage.movements


def test_the_ending_says_by_which_rate_it_counts() -> None:
    stage = bound()
    stage.beta.fulfil("cmt")
    stage.alpha.close("completed", "cmt")
    stage.beta.close("completed", "cmt")
    ending = ASP.settled(stage.conversation, "cmt")

    assert (ending.asset, ending.value_units, ending.usd_rate) == ("EUR", 18_000, Decimal("1.08"))


@pytest.mark.parametrize(
    ("currency", "rate", "amount", "fits"),
    [
        ("EUR", "1.08", "925.92", True),
        ("EUR", "1.08", "925.93", False),
        ("JPY", "0.0067", "149253", True),
        ("JPY", "0.0067", "149254", False),
        ("KWD", "3.26", "306.748", True),
        ("KWD", "3.26", "306.749", False),
    ],
)
def test_the_ceiling_of_a_thousand_dollars_is_exact_in_every_currency(
    currency: str, rate: str, amount: str, fits: bool
) -> None:
    stage = scene("in_company")
    stage.rates = {currency: rate}
    standing = known(alpha=("49", 1), beta=("91", 4)).standing
    stage.context = Context(standing, {currency: Decimal(rate)})
    offer = {"amount": amount, "currency": currency}
    if fits:
        assert stage.alpha.commit(escrow=offer) == "COMMIT"
        return
    with check_refused(stage, "ceiling_exceeded"):
        stage.alpha.commit(escrow=offer)
