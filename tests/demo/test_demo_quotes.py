"""The demo's second part: the seed's quote flow between two processes, and its proof."""

import json

import pytest

from treaty import app


@pytest.fixture
def quoted(played):
    document, out = played
    return document["quotes"], out


def test_quote_counter_countered_counter_and_signed_acceptance(quoted):
    quotes, _ = quoted
    said = [(one["kind"], one["amount"]) for one in quotes["outcome"]["messages"]]

    assert said == [
        ("quote", "1000000"), ("counter", "825000"), ("quote", "850000"),
        ("counter", "750000"), ("accept", "750000"),
    ]  # fmt: skip
    assert quotes["outcome"]["status"] == "agreed"
    assert quotes["outcome"]["intended"]["newAmount"] == "750000"


def test_its_deal_file_verifies_and_a_changed_digit_does_not(quoted):
    quotes, out = quoted
    (path,) = out.glob("deal-actp-*.json")
    deal = json.loads(path.read_text())

    assert str(path) == quotes["deal"]
    assert app.verify(deal, require=["complete", "signatures", "accepted"]).ok
    deal["raw"][4] = deal["raw"][4].replace("750000", "749999")
    assert not app.verify(deal).ok


def test_no_private_limit_is_in_what_it_wrote(quoted):
    quotes, out = quoted
    (path,) = out.glob("deal-actp-*.json")

    for text in (json.dumps(quotes), path.read_text()):
        assert not any(secret in text for secret in ("950000", "5000000", "650000"))


def test_the_screen_shows_each_message_with_its_price(screen):
    _, _, second = screen.partition("\nQUOTE")
    prices = ("1.00 USDC", "0.825 USDC", "0.85 USDC", "0.75 USDC")
    for shown in (*prices, "the provider counters the counter", "the provider accepts"):
        assert shown in second
    assert "nothing was sent" in second
