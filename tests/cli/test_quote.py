"""``treaty quote`` against a real provider process: each step, the loop, the relay, and no."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.cli import town
from tests.cli.town import process, run
from tests.house.reading import ROOT

POLICY = ROOT / "examples" / "buyer-policy.yaml"
SELLER_POLICY = ROOT / "examples" / "provider-policy.yaml"
BUYER_KEY = "11" * 32
SELLER_KEY = "22" * 32
PROVIDER = "did:ethr:84532:0x1563915e194d8cfba1943570603f7606a3115508"
SECRETS = ("950000", "950_000", "5000000", "5_000_000", "0.95 ")


def tx(number: int) -> str:
    return "0x" + f"{number:064x}"


class Shop:
    """A provider that serves and relays, and a buyer's home."""

    def __init__(self, url: str, home: Path) -> None:
        self.url, self.home = url, home

    def quote(self, step: str, *words: object, policy: bool = True) -> Any:
        options = ["--mock", *(["--policy", POLICY] if policy else [])]
        env = {"TREATY_HOME": str(self.home), "TREATY_EVM_KEY": BUYER_KEY, "NO_COLOR": "1"}
        return run("quote", step, *words, *options, env=env)

    def json(self, step: str, *words: object, policy: bool = True, code: int = 0) -> Any:
        done = self.quote(step, *words, "--json", policy=policy)
        assert done.exit_code == code, done.output
        return json.loads(done.stdout)

    def ask(self, number: int, step: str = "ask", *more: object) -> Any:
        words = ("--endpoint", self.url, "--tx", tx(number), "--amount", "500_000")
        return self.json(step, *words, *more)


@contextmanager
def opened(folder: Path, *words: object) -> Iterator[str]:
    """A ``treaty serve`` of this provider; gives its address."""
    policy = folder / "provider-policy.yaml"
    # One signer has a tenth of the places, and all of these tests are one signer's.
    text = SELLER_POLICY.read_text("utf-8").replace("negotiations: 50", "negotiations: 500")
    policy.write_text(text, "utf-8")
    options = ("--policy", policy, "--mock", "--port", "0", "--json", *words)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(town, "environment", partial(town.environment, TREATY_EVM_KEY=SELLER_KEY))
        with process(folder, "serve", *options) as running:
            assert running.stdout is not None
            yield str(json.loads(running.stdout.readline())["url"])
            running.terminate()


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    folder = tmp_path_factory.mktemp("shop")
    with opened(folder, "--relay-serve") as url:
        yield Shop(url, folder / "buyer")


def units(document: Any) -> list[str]:
    return [one["amount"] for one in document["messages"]]


def test_the_loop_agrees_and_its_deal_file_verifies(shop: Shop, tmp_path: Path) -> None:
    out = tmp_path / "deal.json"

    told = shop.ask(1, "loop", "--out", out)

    assert (told["status"], told["amount"]) == ("agreed", "750000")
    assert units(told) == ["1000000", "825000", "850000", "750000", "750000"]
    assert told["intended"]["function"] == "acceptQuote(bytes32,uint256)"
    assert run("verify", out).exit_code == 0
    assert run("verify", out, "--require", "complete").exit_code == 0


def test_step_by_step_nothing_is_decided_until_it_is_said(shop: Shop) -> None:
    asked = shop.ask(2)
    assert (asked["status"], units(asked)) == ("open", ["1000000"])

    where = ("--endpoint", shop.url, "--tx", tx(2))
    countered = shop.json("counter", *where, "--amount", "700000")
    assert units(countered) == ["1000000", "700000", "850000"]

    accepted = shop.json("accept", "--tx", tx(2))
    assert (accepted["status"], accepted["amount"]) == ("agreed", "850000")
    assert shop.json("accept", "--tx", tx(2)) == accepted


def test_an_offer_beyond_the_policy_is_refused_without_its_figures(shop: Shop) -> None:
    shop.ask(3)

    done = shop.quote("counter", "--endpoint", shop.url, "--tx", tx(3), "--amount", "960000")

    assert done.exit_code == 1
    assert "policy_violation" in done.stderr
    assert not any(secret in done.stderr for secret in SECRETS)
    assert shop.json("show", "--tx", tx(3), policy=False)["status"] == "open"


def test_a_quote_beyond_the_ceiling_cannot_be_accepted(shop: Shop) -> None:
    shop.ask(4)

    done = shop.quote("accept", "--tx", tx(4))

    assert (done.exit_code, "policy_violation" in done.stderr) == (1, True)


def test_the_screen_shows_prices_and_what_would_be_committed_and_no_limit(shop: Shop) -> None:
    words = ("--endpoint", shop.url, "--tx", tx(5), "--amount", "500000")

    done = shop.quote("loop", *words)

    assert done.exit_code == 0
    assert done.stdout.startswith("agreed: ")
    for shown in ("1.00 USDC", "0.75 USDC", "nothing was sent", f"acceptQuote({tx(5)}, 750000)"):
        assert shown in done.stdout
    assert not any(secret in done.output for secret in SECRETS)


def test_a_cancelled_negotiation_is_over(shop: Shop) -> None:
    shop.ask(6)

    assert shop.json("cancel", "--tx", tx(6), policy=False)["status"] == "cancelled"
    done = shop.quote("accept", "--tx", tx(6))
    assert (done.exit_code, "transition_invalid" in done.stderr) == (1, True)


def test_over_a_relay_an_offer_opens(shop: Shop, tmp_path: Path) -> None:
    with opened(tmp_path, "--relay", shop.url):
        told = shop.json(
            "loop", "--relay", shop.url, "--tx", tx(7), "--offer", "700000",
            "--listed", "1000000", "--max-price", "2000000", "--provider", PROVIDER,
        )  # fmt: skip

    assert (told["status"], units(told)) == ("agreed", ["700000", "850000", "750000", "750000"])


def test_all_of_them_are_listed(shop: Shop) -> None:
    shop.ask(8)

    listed = shop.json("show", policy=False)["negotiations"]

    assert f"84532/{tx(8)}" in [one["negotiation"] for one in listed]
    assert shop.quote("show", policy=False).exit_code == 0


def test_a_price_nobody_gives_exits_with_one(shop: Shop) -> None:
    words = ("--endpoint", shop.url, "--tx", tx(9), "--amount", "50000000")

    done = shop.quote("loop", *words)

    assert (done.exit_code, "quote_declined" in done.stderr) == (1, True)


def test_nobody_there_exits_with_one(shop: Shop) -> None:
    words = ("--endpoint", "http://127.0.0.1:9", "--tx", tx(10), "--amount", "500000")

    done = shop.quote("ask", *words)

    assert (done.exit_code, "unavailable" in done.stderr) == (1, True)


@pytest.mark.parametrize(
    "words",
    [
        ("ask", "--tx", tx(11), "--amount", "0.50"),
        ("ask", "--tx", tx(11), "--amount", "-1"),
        ("ask", "--tx", "0x12", "--amount", "500000"),
        ("ask", "--tx", tx(11)),
        ("loop", "--tx", tx(11), "--amount", "500000", "--relay", "http://x.test"),
    ],
)
def test_w17_wrong_words_exit_with_two(shop: Shop, words: tuple[str, ...]) -> None:
    done = shop.quote(words[0], "--endpoint", shop.url, *words[1:])

    assert done.exit_code == 2


def test_a_policy_that_cannot_be_read_is_named_with_its_line(shop: Shop, tmp_path: Path) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text("constraints:\n  max_unit_price_amount: 1\n  max_daily_spent: 2\n")

    done = run(
        "quote", "accept", "--tx", tx(12), "--mock", "--policy", policy,
        env={"TREATY_HOME": str(shop.home), "TREATY_EVM_KEY": BUYER_KEY},
    )  # fmt: skip

    assert done.exit_code == 2
    assert "line 3" in done.stderr


def test_relay_options_that_make_no_sense_are_refused() -> None:
    for words in (("--relay-open",), ("--relay", "http://x.test"), ("--mock",)):
        assert run("serve", *words).exit_code == 2
