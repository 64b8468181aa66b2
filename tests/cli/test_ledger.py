"""``treaty ledger``: accounts, and the operator's transfers, each of which happens once."""

from __future__ import annotations

import pytest

from tests.cli.town import ALPHA, BETA, STRANGER, Town
from treaty import app

PAYEE = "agent://ledger.example/one"


def _operator(town: Town) -> tuple[str, str]:
    return "--operator-key", str(app.key_beside(town.db, "operator"))


def _available(document: dict) -> str:
    (account,) = document["accounts"]
    return str(account["available"]["amount"])


def test_the_same_account_is_seen_by_its_owner_the_operator_and_in_the_database(
    town: Town,
) -> None:
    own = town.read("ledger", "show", BETA)
    operators = town.read("ledger", "show", BETA, *_operator(town))
    filed = town.read("ledger", "show", BETA, "--db", town.db)

    assert own == operators == filed
    assert _available(own) == "180.00"
    kinds = [one["kind"] for one in own["accounts"][0]["movements"]]
    assert kinds == ["reserve", "post"]


def test_what_was_paid_is_missing_from_the_payer(town: Town) -> None:
    statement = town.read("ledger", "show", ALPHA, "--as", ALPHA)

    assert _available(statement) == "820.00"
    assert statement["accounts"][0]["held"]["amount"] == "0.00"


def test_another_agents_account_is_not_shown(town: Town) -> None:
    done = town.fail("ledger", "show", BETA, "--as", ALPHA)

    assert done.exit_code == 1
    assert "(unauthorized)" in done.stderr


def test_an_account_needs_a_key_or_a_database(town: Town) -> None:
    assert town.fail("ledger", "show", STRANGER).exit_code == 2


def test_a_transfer_with_an_id_happens_once(town: Town) -> None:
    fund = ("ledger", "fund", PAYEE, "12.5", "usd", "--id", "once", *_operator(town))
    first, again = town.read(*fund), town.read(*fund)

    assert first == again
    assert first["id"] == "once"
    assert first["direction"] == "fund"
    assert first["account"]["available"] == {"amount": "12.50", "currency": "USD"}


def test_an_id_cannot_stand_for_two_transfers(town: Town) -> None:
    fund = ("ledger", "fund", PAYEE)
    town.run(*fund, "1", "EUR", "--id", "euros", *_operator(town))
    done = town.fail(*fund, "2", "EUR", "--id", "euros", *_operator(town))

    assert done.exit_code == 1
    assert "(duplicate)" in done.stderr
    assert "needs an --id of its own" in done.stderr


def test_without_an_id_each_transfer_is_another(town: Town) -> None:
    uri = "agent://ledger.example/two"
    ids = {town.read("ledger", "fund", uri, "10", "JPY", "--db", town.db)["id"] for _ in range(2)}

    assert len(ids) == 2
    assert _available(town.read("ledger", "show", uri, "--db", town.db)) == "20"


def test_money_leaves_as_it_came(town: Town) -> None:
    uri = "agent://ledger.example/three"
    town.run("ledger", "fund", uri, "30.00", "GBP", "--db", town.db)
    text = town.run("ledger", "payout", uri, "20", "GBP", "--db", town.db).stdout

    assert f"{uri} paid out 20.00 GBP" in text
    assert "10.00" in text
    shown = town.run("ledger", "show", uri, "--db", town.db).stdout
    assert "payout" in shown


def test_more_than_there_is_cannot_be_paid_out(town: Town) -> None:
    done = town.fail("ledger", "payout", ALPHA, "100000", "USD", "--db", town.db)

    assert done.exit_code == 1
    assert "(escrow_unfunded)" in done.stderr
    assert f"treaty ledger show {ALPHA}" in done.stderr


def test_an_account_without_money_is_said_to_be_empty(town: Town) -> None:
    uri = "agent://ledger.example/empty"

    assert town.read("ledger", "show", uri, "--db", town.db) == {"agent": uri, "accounts": []}
    assert "no money has moved" in town.run("ledger", "show", uri, "--db", town.db).stdout


@pytest.mark.parametrize(
    ("amount", "currency", "said"),
    [
        ("ten", "USD", "not a canonical amount"),
        ("1.005", "USD", "more than 2 decimals"),
        ("1e3", "USD", "not a canonical amount"),
        ("0", "USD", "more than nothing"),
        ("5", "DOGE", "unknown currency 'DOGE'"),
        ("99999999999999999999", "USD", "not a canonical amount"),
    ],
)
def test_what_is_no_amount_is_misuse(town: Town, amount: str, currency: str, said: str) -> None:
    done = town.fail("ledger", "fund", PAYEE, amount, currency, "--db", town.db)

    assert done.exit_code == 2
    assert said in done.stderr


def test_only_an_operator_moves_money(town: Town) -> None:
    done = town.fail("ledger", "fund", PAYEE, "5", "USD")

    assert done.exit_code == 2
    assert "--operator-key FILE" in done.stderr
