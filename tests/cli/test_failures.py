"""Errors in words: each says what happened, most say what to do."""

from __future__ import annotations

import click
import pytest

from treaty.cli.failures import ADVICE, Failed, Misused, failed_by, show
from treaty.errors import REASONS, MisuseError, Refused, SignatureError


def test_advice_is_for_reasons_that_exist() -> None:
    assert ADVICE.keys() <= REASONS.keys()


@pytest.mark.parametrize(
    ("error", "kind", "code"),
    [
        (Refused("no money", "escrow_unfunded"), Failed, "escrow_unfunded"),
        (SignatureError("not theirs"), Failed, "signature_invalid"),
        (MisuseError("wrong call"), Misused, None),
        (TimeoutError(), Failed, "timeout"),
        (PermissionError(13, "Permission denied", "key.json"), Failed, None),
        (ZeroDivisionError("0/0"), Failed, "internal"),
    ],
)
def test_an_exception_becomes_a_failure(error: Exception, kind: type, code: str | None) -> None:
    failure = failed_by(error)

    assert type(failure) is kind
    assert failure.code == code
    assert failure.exit_code == (2 if kind is Misused else 1)


def test_a_failure_is_shown_with_its_code_and_advice(capsys: pytest.CaptureFixture[str]) -> None:
    show(failed_by(Refused("alpha has 5 available, needs 180", "escrow_unfunded")))

    assert capsys.readouterr().err.splitlines() == [
        "error: alpha has 5 available, needs 180 (escrow_unfunded)",
        (
            "try: the node's operator funds the account: "
            "treaty ledger fund AGENT AMOUNT CURRENCY --operator-key FILE"
        ),
    ]


def test_own_advice_comes_before_that_of_the_code(capsys: pytest.CaptureFixture[str]) -> None:
    show(Failed("gone", code="unavailable", advice="look again"))

    assert capsys.readouterr().err.splitlines() == ["error: gone (unavailable)", "try: look again"]


def test_what_a_stranger_wrote_stays_on_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    show(Failed("he said:\n\x1b[2Jerror: all is well"))

    assert capsys.readouterr().err == "error: he said:\\n\\x1b[2Jerror: all is well\n"


def test_an_error_of_click_is_shown_alike(capsys: pytest.CaptureFixture[str]) -> None:
    show(click.ClickException("the buyer did not finish"))

    assert capsys.readouterr().err == "error: the buyer did not finish\n"
