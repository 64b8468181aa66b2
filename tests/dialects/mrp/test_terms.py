"""Terms as a table: who may spend what is given which price, and what that binds to."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.http.mrp_world import PROVIDER, SUMMARIZE, shout
from treaty.dialects.mrp.messages import Constraints, Execute, Item, Negotiate
from treaty.dialects.mrp.offering import make_route
from treaty.dialects.mrp.terms import (
    agree,
    check_execution,
    inputs_tag,
    is_async,
    price_for,
    read_job_id,
    spendable,
)
from treaty.errors import Refused, WireError

COST, FLOOR = Decimal("0.01"), Decimal("0.006")


def money(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)


@pytest.mark.parametrize(
    ("cap", "countered", "price", "is_agreed"),
    [
        (None, None, "0.01", True),
        ("0.01", None, "0.01", True),
        ("5", None, "0.01", True),
        ("0.008", None, "0.009", False),
        ("0.006", None, "0.008", False),
        ("0.0059", None, None, False),
        ("0", None, None, False),
        ("0.008", "0.009", "0.008", True),
        ("0.0095", "0.009", "0.009", True),
        ("0.0059", "0.009", None, False),
        ("5", "0.009", "0.01", True),
    ],
)
def test_what_is_asked_for_what_may_be_spent(
    cap: str | None, countered: str | None, price: str | None, is_agreed: bool
) -> None:
    before = None if countered is None else {"price": countered}

    assert price_for(shout, money(cap), before) == (money(price), is_agreed)


@given(cap=st.decimals(0, 1, places=6), countered=st.none() | st.decimals(0, 1, places=6))
def test_a_price_lies_between_floor_and_cost_and_an_agreed_one_within_the_cap(
    cap: Decimal, countered: Decimal | None
) -> None:
    before = None if countered is None else {"price": str(max(FLOOR, min(COST, countered)))}
    price, is_agreed = price_for(shout, cap, before)

    if price is None:
        assert cap < FLOOR
    else:
        assert FLOOR <= price <= COST
        assert not is_agreed or price <= cap


def test_what_was_countered_for_another_route_counts_for_nothing() -> None:
    asked = Negotiate(route_id="x", constraints=Constraints(max_cost=Decimal("0.008")))
    route = make_route(PROVIDER, shout)
    cheap = {"routeId": "route-cheap", "price": "0.0001"}
    own = {"routeId": route.id, "price": "0.0001"}

    assert agree(asked, route, cheap).status == "countered"
    assert agree(asked, route, own).record["price"] == "0.006", "the floor holds even so"


def test_without_a_floor_the_cost_is_the_price() -> None:
    assert price_for(SUMMARIZE, Decimal("0.0179"), None) == (None, False)


def test_a_cap_in_another_unit_agrees_to_nothing() -> None:
    in_euros = replace(SUMMARIZE, cost_unit="eur")
    asked = Negotiate(route_id="x", constraints=Constraints(max_cost=Decimal(5)))

    with pytest.raises(Refused) as refused:
        agree(asked, make_route(PROVIDER, in_euros), None)
    assert [one["code"] for one in refused.value.data["reasons"]] == ["cost_over_cap"]


@pytest.mark.parametrize(
    ("cap", "intent", "least"),
    [(None, None, None), ("2", None, "2"), (None, 1, "1"), ("2", 1, "1"), ("0.5", 1, "0.5")],
)
def test_the_smaller_of_cap_and_payment_intent_may_be_spent(
    cap: str | None, intent: int | None, least: str | None
) -> None:
    asked = Negotiate(
        route_id="x",
        constraints=Constraints(max_cost=money(cap)),
        payment_intent=None if intent is None else {"max_amount": intent},
    )

    assert spendable(asked) == money(least)


def item(value: str) -> Item:
    """A text input."""
    return Item(type="text", value=value, document={"type": "text", "value": value})


@pytest.mark.parametrize(
    ("agreed", "inputs", "reason"),
    [
        ({}, ("a",), None),
        ({}, ("b",), "inputs_mismatch"),
        ({}, (), "inputs_mismatch"),
        ({}, ("a", "a"), "inputs_mismatch"),
        ({"inputs": None}, ("b",), None),
        ({"routeId": "route-other"}, ("a",), "agreement_unknown"),
    ],
)
def test_an_execution_is_held_against_its_agreement(
    agreed: dict[str, Any], inputs: tuple[str, ...], reason: str | None
) -> None:
    terms = {"routeId": "route-shout", "inputs": inputs_tag([item("a")]), "allowedDomains": []}
    asked = Execute(route_id="route-shout", inputs=tuple(item(one) for one in inputs))

    if reason is None:
        check_execution(asked, shout, "route-shout", {**terms, **agreed})
        assert agreed in ({}, {"inputs": None})
        return
    with pytest.raises(Refused) as refused:
        check_execution(asked, shout, "route-shout", {**terms, **agreed})
    assert refused.value.code == reason


@pytest.mark.parametrize(
    ("job", "waits"),
    [({}, True), ({"async": True}, False), ({"mode": "async"}, False), ({"async": "true"}, True),
     ({"async": 1}, True), ({"mode": "ASYNC"}, True)],
)  # fmt: skip
def test_nobody_is_left_waiting_who_did_not_say_so(job: dict[str, Any], waits: bool) -> None:
    assert is_async(job) is not waits


@given(name=st.text(max_size=140) | st.integers() | st.booleans() | st.lists(st.text()))
def test_a_job_id_that_is_given_back_is_a_file_name(name: Any) -> None:
    try:
        read = read_job_id({"id": name})
    except WireError:
        return
    assert read == name
    assert read is not None
    assert 0 < len(read) <= 128
    assert set(read) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")
    assert not read.startswith(".")
