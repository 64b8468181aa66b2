"""What is read out of terms: authorities, commitments, and whether one statement holds another."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.dialects.asp.stage import DAY, HOUR, URIS, Stage
from treaty.core.commitment import Commitment, Method
from treaty.dialects.asp.codec import decode
from treaty.dialects.asp.messages import Commit
from treaty.dialects.asp.terms import contains, make_commitment, read_authorities, read_timeouts
from treaty.errors import Refused, WireError
from treaty.wire.money import Money

ALPHA, BETA = URIS["alpha"], URIS["beta"]


def test_authorities_are_uris_plain_or_with_a_key() -> None:
    listed = [URIS["umpire"], {"uri": URIS["boss"], "keyId": "k"}]

    assert read_authorities({"authorities": listed}) == {
        URIS["umpire"]: None,
        URIS["boss"]: "k",
    }
    assert read_authorities({}) == {}


@pytest.mark.parametrize(
    "listed", ["umpire", {}, [5], [None], ["umpire"], [{"keyId": "k"}], [URIS["umpire"]] * 2]
)
def test_other_authorities_are_malformed(listed: Any) -> None:
    with pytest.raises(WireError):
        read_authorities({"authorities": listed})


def test_every_timeout_has_a_value() -> None:
    assert read_timeouts({"timeouts": {"idleMs": 60_000, "lunchMs": "unknown"}}) == {
        "invitationMs": 30_000,
        "identityMs": 30_000,
        "idleMs": 60_000,
        "agreeingMs": 300_000,
        "escalatedMs": 86_400_000,
        "closingMs": 60_000,
    }


def read(**changes: Any) -> Commitment:
    """The commitment that alpha's COMMIT with these changes becomes."""
    stage = Stage()
    envelope = decode(stage.alpha.write("COMMIT", stage.commitment("cmt", **changes)))
    assert isinstance(envelope.body, Commit)
    return make_commitment(envelope, envelope.body, ALPHA)


def test_payer_and_payee_are_the_roles_buyer_and_provider() -> None:
    commitment = read()

    assert commitment.author == ALPHA
    assert commitment.escrow is not None
    assert (commitment.escrow.payer, commitment.escrow.payee) == (ALPHA, BETA)
    assert commitment.escrow.money == Money(18_000, "USD")
    assert commitment.window_ms == DAY


def test_no_role_has_the_name_of_a_part() -> None:
    """Facts refer to a duty by its name: two of one name would be moved together."""
    duties = Stage().commitment()["obligations"]
    spare = {**duties["provider"], "action": "Something else"}
    schedule = {
        "kind": "intervals",
        "parts": 2,
        "intervalMs": HOUR,
        "sla": 0.9,
        "metric": {"url": "https://metrics.example/gpu"},
    }

    with pytest.raises(Refused) as caught:
        read(obligations={**duties, "part:1": spare}, escrow={"schedule": schedule})
    assert caught.value.code == "commitment_invalid"
    read(obligations={**duties, "part:3": spare}, escrow={"schedule": schedule})


def test_named_parties_come_before_roles() -> None:
    escrow = read(escrow={"payer": BETA, "payee": ALPHA}).escrow

    assert escrow is not None
    assert (escrow.payer, escrow.payee) == (BETA, ALPHA)


@pytest.mark.parametrize("missing", ["buyer", "provider"])
def test_without_names_and_roles_nobody_can_be_paid(missing: str) -> None:
    duties = Stage().commitment()["obligations"]
    duties["third"] = duties.pop(missing)
    with pytest.raises(Refused) as caught:
        read(obligations=duties)

    assert caught.value.code == "commitment_invalid"


@pytest.mark.parametrize(
    ("method", "found"),
    [
        ("counterparty-confirm", Method.COUNTERPARTY_CONFIRM),
        ("escrow-release", Method.ESCROW_RELEASE),
        ("metric-query", Method.COUNTERPARTY_CONFIRM),
        ("health-check-endpoint", Method.COUNTERPARTY_CONFIRM),
        ("evidence", Method.COUNTERPARTY_CONFIRM),
    ],
)
def test_a_machine_method_without_parameters_is_the_other_partys_word(
    method: str, found: Method
) -> None:
    assert read(provider={"verificationMethod": method}).obligations[1].method is found


def test_a_machine_method_with_parameters_stays_what_it_is() -> None:
    check = {"url": "https://m.example", "pointer": "/v", "op": ">=", "expect": 1}
    provider = {"verificationMethod": "metric-query", "verification": check}

    assert read(provider=provider).obligations[1].method is Method.METRIC_QUERY


@pytest.mark.parametrize("window", [HOUR, DAY, 30 * DAY])
def test_a_dispute_window_lies_between_an_hour_and_thirty_days(window: int) -> None:
    assert read(window=window).window_ms == window
    for wrong in (HOUR - 1, 30 * DAY + 1, 0):
        with pytest.raises(Refused) as caught:
            read(window=wrong)
        assert caught.value.code == "commitment_invalid"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-99, 99) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=8,
)


@given(JSON)
def test_everything_contains_itself(value: Any) -> None:
    assert contains(value, value)


@given(st.dictionaries(st.text(max_size=3), JSON), st.dictionaries(st.text(max_size=3), JSON))
def test_an_object_contains_what_it_was_extended_from(part: Any, more: Any) -> None:
    assert contains({**more, **part}, part)


@given(JSON, JSON)
def test_two_that_contain_each_other_are_equal(one: Any, other: Any) -> None:
    if contains(one, other) and contains(other, one):
        assert repr(_sorted(one)) == repr(_sorted(other))
    else:
        assert one is not other


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _sorted(value[name]) for name in sorted(value)}
    return [_sorted(one) for one in value] if isinstance(value, list) else value


@pytest.mark.parametrize(
    ("whole", "part"),
    [
        ({}, {"a": None}),
        ({"a": 1}, {"a": True}),
        ({"a": [True]}, {"a": [1]}),
        ({"a": [{"b": 0}]}, {"a": [{"b": False}]}),
        ({"a": "1"}, {"a": 1}),
        ({"a": [1, 2]}, {"a": [1]}),
        ({"a": {"b": 1}}, {"a": 1}),
        ({"a": 1}, {"a": {"b": 1}}),
        ([], {}),
    ],
)
def test_what_only_looks_alike_is_not_contained(whole: Any, part: Any) -> None:
    assert not contains(whole, part)


def test_numbers_are_equal_by_value() -> None:
    assert contains({"a": [180.0, {"b": 1e2}]}, {"a": [180, {"b": 100}]})
