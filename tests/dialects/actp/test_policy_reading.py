"""The three spellings of a policy, and every slip that is refused with its line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from treaty.dialects.actp.policy import PolicyError, ProviderPolicy, Semantics, Strategy
from treaty.dialects.actp.policy_reading import read_policy

EXAMPLE = Path(__file__).parents[3] / "examples" / "provider-policy.yaml"

SEED = """pricing:
  min_acceptable_amount: 500000 # 0.50 USDC base
  ideal_amount: 1_000_000 # $1.00 ideal
  hard_cap: 10_000_000 # $10 max for this agent
concurrency:
  max_active_negotiations: 50
session:
  ttl_seconds: 300
"""

RECIPE = """pricing:
  min_acceptable:
    amount: 500000 # $0.50 USDC
    currency: USDC
    unit: base
  ideal:
    amount: 1000000
    currency: USDC
    unit: base
services: ["translate"]
quote_ttl: 300
min_deadline_seconds: 60
counter_strategy: concede
concede_pct: 20
max_requotes: 2
"""

PEER = {
    "pricing": {"min_acceptable": {"amount": 500_000}, "ideal_price": {"amount": 1_000_000}},
    "services": [],
    "quote_ttl": "15m",
}

DOLLARS = {
    "amounts": "decimal",
    "services": ["code-review"],
    "pricing": {
        "min_acceptable": {"amount": 0.5, "currency": "USDC", "unit": "job"},
        "ideal_price": {"amount": 1, "currency": "USDC", "unit": "job"},
    },
    "quote_ttl": "1h",
}


def read(text):
    return read_policy(text.encode())


def refused(text):
    with pytest.raises(PolicyError) as error:
        read(text)
    return error.value


def seed_with(line, at=8):
    """The seed with a line put in after line ``at``."""
    lines = SEED.splitlines()
    return "\n".join([*lines[:at], line, *lines[at:]]) + "\n"


def test_the_seeds_yaml_is_read_with_its_defaults():
    assert read(SEED) == ProviderPolicy(
        floor_units=500_000,
        ideal_units=1_000_000,
        hard_cap_units=10_000_000,
        strategy=Strategy.CONCEDE,
        concede_pct=30,
        max_requotes=2,
        semantics=Semantics.DAEMON,
        session_ttl_s=300,
        quote_ttl_s=300,
        max_active=50,
        max_counter_ttl_s=3_600,
    )


def test_the_example_is_the_seeds_policy():
    assert read_policy(EXAMPLE.read_bytes()) == read(SEED)


def test_every_key_of_the_flat_spelling_is_read():
    text = seed_with("  public_max_price: 2_000_000", at=4)
    text = text.replace("  hard_cap", "  concession_target: 600_000\n  currency: USDC\n  hard_cap")
    text += (
        "services: [translate, code-review]\nquote_ttl: 2m\nmin_deadline_seconds: 120\n"
        "counter_strategy: walk\nconcede_pct: 25\nmax_requotes: 3\ndecision: canonical\n"
        "max_counter_ttl: 1d\namounts: base\n"
    )

    assert read(text) == ProviderPolicy(
        floor_units=500_000,
        ideal_units=1_000_000,
        hard_cap_units=10_000_000,
        public_max_price_units=2_000_000,
        concession_target_units=600_000,
        strategy=Strategy.WALK,
        concede_pct=25,
        max_requotes=3,
        semantics=Semantics.CANONICAL,
        services=("translate", "code-review"),
        min_deadline_s=120,
        session_ttl_s=300,
        quote_ttl_s=120,
        max_active=50,
        max_counter_ttl_s=86_400,
    )


def test_the_recipes_yaml_says_what_its_amounts_are():
    policy = read("amounts: base\n" + RECIPE)

    assert (policy.floor_units, policy.ideal_units) == (500_000, 1_000_000)
    assert (policy.services, policy.concede_pct) == (("translate",), 20)
    assert (policy.session_ttl_s, policy.quote_ttl_s) == (300, 300)
    assert "amounts" in refused(RECIPE).text


def test_the_peers_daemon_json_is_base_units_and_keeps_the_peers_defaults():
    policy = read(json.dumps(PEER))

    assert (policy.floor_units, policy.ideal_units) == (500_000, 1_000_000)
    assert (policy.strategy, policy.concede_pct, policy.max_requotes) == (Strategy.WALK, 30, 2)
    assert (policy.quote_ttl_s, policy.min_deadline_s) == (900, 60)


def test_the_peers_dollars_are_read_as_decimals_where_the_file_says_so():
    policy = read(json.dumps(DOLLARS, indent="\t"))

    assert (policy.floor_units, policy.ideal_units) == (500_000, 1_000_000)
    assert policy.quote_ttl_s == 3_600


def test_dollars_are_never_taken_for_base_units():
    """The same JSON means $500,000 to one of the peer's engines and $0.50 to the other."""
    silent = {name: value for name, value in DOLLARS.items() if name != "amounts"}
    no_unit = json.dumps(silent).replace(', "unit": "job"', "")

    assert "amounts" in refused(json.dumps(silent)).text
    assert "whole number" in refused(no_unit).text
    assert "between 50000" in refused(no_unit.replace("0.5", "5")).text


@pytest.mark.parametrize("amount", ["0.5", '"0.5"', "0.500000", "'0.50'"])
def test_decimals_are_exact(amount):
    text = "amounts: decimal\n" + RECIPE.replace("500000", amount, 1).replace("1000000", "1.1")
    policy = read(text.replace("    unit: base\n", ""))

    assert (policy.floor_units, policy.ideal_units) == (500_000, 1_100_000)


@pytest.mark.parametrize(
    "amount", ["0.0000001", "5e-1", "-1", ".5", "01", "1_0", "\u0665", "0.5\\n"]
)
def test_what_is_not_a_decimal_of_six_places_is_refused(amount):
    written = f'"{amount}"' if "\\" in amount else amount
    text = "amounts: decimal\n" + RECIPE.replace("500000", written, 1).replace("unit: base", "")

    assert refused(text).line == 4


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        (seed_with("  min_acceptible: 1", at=2), 3, "unknown name 'pricing.min_acceptible'"),
        (seed_with("strategy: walk"), 9, "unknown name 'strategy'"),
        (seed_with("  ttl: 5"), 9, "unknown name 'session.ttl'"),
        (seed_with("  max: 5", at=6), 7, "unknown name 'concurrency.max'"),
        (seed_with("  ideal_amount: 1_000_000", at=4), 5, "given twice"),
        (seed_with("  ideal: {amount: 1}", at=4), 5, "mixes two spellings"),
        (SEED.replace("500000", '"500000"'), 2, "min_acceptable_amount must be a whole number"),
        (SEED.replace("500000", "5e5"), 2, "whole number"),
        (SEED.replace("500000", "0500000"), 2, "whole number"),
        (SEED.replace("500000", "500000.0"), 2, "whole number"),
        (SEED.replace("500000", "1:30:00"), 2, "whole number"),
        (SEED.replace("500000", "true"), 2, "whole number"),
        (SEED.replace("500000", "{amount: 500000}"), 2, "whole number"),
        (SEED.replace("500000", "\u0665" + "\u0660" * 5), 2, "whole number"),
        (SEED.replace("500000", "9" * 5_000), 2, "whole number"),
        (SEED.replace("500000", "49_999"), 2, "between 50000"),
        (SEED.replace("500000", "1_000_001"), 3, "pricing.ideal_amount must not be below"),
        (SEED.replace("10_000_000", "999_999"), 4, "hard_cap must not be below the ideal"),
        (SEED.replace("50\n", "0\n"), 6, "max_active_negotiations must lie"),
        (SEED.replace("300", "0"), 8, "session.ttl_seconds must be seconds"),
        (SEED.replace("300", "15x"), 8, "session.ttl_seconds must be seconds"),
        (SEED.replace("300", "2d"), 8, "session.ttl_seconds must lie"),
        (SEED.replace("ideal_amount", "floor"), 3, "unknown name"),
        (SEED.replace("  ideal_amount: 1_000_000", ""), 2, "the ideal price too"),
        (seed_with("concede_pct: 0"), 9, "concede_pct must lie"),
        (seed_with("concede_pct: 100"), 9, "concede_pct must lie"),
        (seed_with("max_requotes: -1"), 9, "whole number"),
        (seed_with("counter_strategy: haggle"), 9, "walk or concede"),
        (seed_with("decision: both"), 9, "daemon or canonical"),
        (seed_with("amounts: decimal"), 9, "base units"),
        (seed_with("amounts: cents"), 9, "base or decimal"),
        (seed_with("services: translate"), 9, "list"),
        (seed_with("services: [a, a]"), 9, "gives a name twice"),
        (seed_with("services: [[a]]"), 9, "text"),
        (seed_with("services: [~]"), 9, "text"),
        (seed_with("max_counter_ttl: 86401"), 9, "max_counter_ttl must lie"),
        (seed_with("  currency: EUR", at=4), 5, "currency must be USDC"),
        (seed_with("  public_max_price: 999_999", at=4), 5, "must not be below the ideal"),
        (seed_with("  concession_target: 499_999", at=4), 5, "between floor and ideal"),
        ("session: 3\npricing:\n  min_acceptable_amount: 1\n  ideal_amount: 2\n", 1, "mapping"),
        ("session: {ttl_seconds: 3}\n", 1, "pricing is missing"),
        ("pricing: 3\n", 1, "pricing must be a mapping"),
        ("pricing: {}\n", 1, "a floor and an ideal price"),
        ("amounts: base\n" + RECIPE.replace("USDC\n", "EUR\n"), 5, "must be USDC"),
        ("amounts: base\n" + RECIPE.replace("unit: base", "unit: job", 1), 3, "different units"),
        ("amounts: decimal\n" + RECIPE, 3, "unit says base"),
        ("amounts: base\n" + RECIPE.replace("amount:", "amounts:", 1), 4, "unknown name"),
        ("amounts: base\n" + RECIPE + "ideal_price: 3\n", 17, "unknown name"),
    ],
)
def test_a_slip_is_refused_with_its_line_and_reason(text, line, reason):
    error = refused(text)

    assert reason in error.text
    assert error.line == line


def test_ideal_and_ideal_price_together_are_a_contradiction():
    prices = {**PEER["pricing"], "ideal": {"amount": 2_000_000}}

    assert "two names" in refused(json.dumps({"pricing": prices})).text


@pytest.mark.parametrize(
    ("written", "seconds"),
    [("300", 300), ("30s", 30), ("15m", 900), ("1h", 3_600), ("1d", 86_400), ('"15m"', 900)],
)
def test_a_ttl_is_seconds_or_has_a_unit(written, seconds):
    assert read(SEED.replace("300", written)).session_ttl_s == seconds


def test_a_quote_does_not_outlast_its_session():
    assert read(SEED + "quote_ttl: 1h\n").quote_ttl_s == 300
    assert read(SEED + "quote_ttl: 1m\n").quote_ttl_s == 60


def test_a_refusal_shows_no_figure():
    secret = "123456789"
    for text in (
        SEED.replace("500000", secret),
        SEED.replace("10_000_000", "700_001"),
        SEED.replace("1_000_000", "500_00I"),
    ):
        error = refused(text)
        for figure in (secret, "700", "500_00", "1000000"):
            assert figure not in str(error).replace("1000000000000000", "")


scalars = st.sampled_from(["1", "500000", "1_000_000", "x", "~", "15m", "-1", "[]", "{}", "base"])
names = st.sampled_from(
    ["pricing", "session", "services", "amounts", "quote_ttl", "decision", "concurrency", "odd"]
)
inner = st.sampled_from(["min_acceptable_amount", "ideal_amount", "ideal", "hard_cap", "unit"])


@given(
    st.dictionaries(
        names, scalars | st.dictionaries(inner, scalars | st.dictionaries(inner, scalars))
    )
)
def test_any_document_is_a_lawful_policy_or_a_policy_error(document):
    text = json.dumps(document).replace('"', "")
    try:
        policy = read(text.replace(":", ": "))
    except PolicyError as error:
        policy, line = None, error.line
    if policy is None:
        assert line >= 1
    else:
        assert 50_000 <= policy.floor_units <= policy.ideal_units <= policy.hard_cap_units
