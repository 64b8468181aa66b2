"""``treaty mrp``: the messages of MRP one by one, as a provider hears and answers them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.agent.stalls import Reply, Stall, open_stalls, reply_to, seed_stall
from tests.cli.town import run

URL = "https://example.com/pricing"
ROUTE = ("--route", "route-us-fast")


def called(stall: Stall, step: str, *words: object, home: Path) -> Any:
    with open_stalls(stall):
        env = {"TREATY_HOME": str(home), "NO_COLOR": "1"}
        return run("mrp", step, *words, "--manifest", stall.manifest_url, env=env)


def test_offers_are_shown_as_they_came(tmp_path: Path) -> None:
    stall = seed_stall("a")
    stall.offers.append(5)
    words = ("--intent", "summarize", "--url", URL, "--budget", "0.02")
    shown = called(stall, "discover", *words, home=tmp_path)
    told = called(stall, "discover", *words, "--json", home=tmp_path)

    assert (shown.exit_code, told.exit_code) == (0, 0)
    assert "route-us-fast" in shown.stdout
    assert "0.018 usd" in shown.stdout
    assert "malformed" in shown.stdout
    assert json.loads(told.stdout)["offers"] == stall.offers
    assert stall.said("DISCOVER")[0]["payload"]["constraints"]["max_cost"] == 0.02


def test_no_offers_are_exit_1(tmp_path: Path) -> None:
    assert called(Stall(), "discover", "--intent", "x", home=tmp_path).exit_code == 1


def test_terms_are_agreed_on_or_not(tmp_path: Path) -> None:
    words = (*ROUTE, "--budget", "0.02", "--policy", "no_pii", "--allowed-domain", "example.com")
    good = called(a := seed_stall("a"), "negotiate", *words, "--json", home=tmp_path)
    stub = {"/mrp/negotiate": {"accepted": False, "reason": "not implemented"}}
    bad = called(seed_stall("a", answers=stub), "negotiate", *words, home=tmp_path)

    assert good.exit_code == 0
    assert json.loads(good.stdout)["agreement"] == "agreement-1"
    assert a.said("NEGOTIATE")[0]["payload"]["constraints"] == {
        "max_cost": 0.02, "policy": ["no_pii"], "allowed_domains": ["example.com"],
    }  # fmt: skip
    assert (bad.exit_code, "unsupported" in bad.stdout) == (1, True)


def test_work_is_done_under_an_agreement(tmp_path: Path) -> None:
    words = (*ROUTE, "--url", URL, "--format", "markdown", "--agreement", "a-1")
    done = called(a := seed_stall("a"), "execute", *words, home=tmp_path)
    payload = a.said("EXECUTE")[0]["payload"]

    assert done.exit_code == 0
    assert "Pricing summary" in done.stdout
    assert payload["job"]["agreement"] == "a-1"
    assert payload["output_format"] == "markdown"


@pytest.mark.parametrize(
    "answer",
    [
        Reply(b'{"detail":"x"}', 500),
        lambda stall, request: reply_to(stall, request, "ERROR", {"code": "MRP_INTERNAL_ERROR"}),
        lambda stall, request: reply_to(stall, request, "HELLO", {}),
    ],
)
@pytest.mark.parametrize(("step", "words"), [("discover", ("--intent", "x")), ("execute", ROUTE)])
def test_anything_else_is_exit_1_in_words(
    step: str, words: tuple[str, ...], answer: Any, tmp_path: Path
) -> None:
    stall = seed_stall("a", answers={f"/mrp/{step}": answer})
    done = called(stall, step, *words, home=tmp_path)

    assert done.exit_code == 1
    assert done.stderr.startswith("error: ")
    assert "Traceback" not in done.output


@pytest.mark.parametrize(
    "words",
    [
        ("discover", "--manifest", "http://127.0.0.1:1"),
        ("discover", "--intent", "x"),
        ("negotiate", "--manifest", "http://127.0.0.1:1"),
        ("execute", "--manifest", "http://127.0.0.1:1"),
        ("execute", *ROUTE, "--manifest", "nonsense"),
        ("hello",),
    ],
)
def test_misuse_is_exit_2(words: tuple[str, ...], tmp_path: Path) -> None:
    assert run("mrp", *words, env={"TREATY_HOME": str(tmp_path)}).exit_code == 2
