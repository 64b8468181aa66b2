"""Whatever providers offer, there is a decision, and its record can be kept, shown and exported."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.agent.routed import SEED_WISH
from tests.dialects.mrp.made import AT_MS, encode_reply
from treaty.agent.choosing import choose
from treaty.agent.hearing import OFFER_BYTES_MAX, PROVIDERS_MAX, Heard, Source
from treaty.core.deal import DEAL_DEPTH_MAX
from treaty.core.routing import RouteVerdict
from treaty.dialects.mrp.answers import Said, read_answer
from treaty.dialects.mrp.choices import CONSIDERED_OF_ONE_MAX
from treaty.dialects.mrp.codec import read_offers
from treaty.dialects.mrp.deal import make_deal
from treaty.dialects.mrp.manifest import read_manifest
from treaty.store.units import UNIT_BYTES_MAX
from treaty.wire.canonical import canonical, read_json

NUMBERS = st.integers(-5, 600) | st.floats(-1e6, 1e6)
ODD = st.none() | st.booleans() | NUMBERS | st.text(max_size=8)
NAMES = st.lists(st.sampled_from(["no_training", "no_pii", "attestation"]) | ODD, max_size=4)
OFFER = st.fixed_dictionaries(
    {},
    optional={
        "route_id": st.sampled_from(["r1", "r2"]) | ODD,
        "capability": st.sampled_from(["summarize"]) | ODD,
        "confidence": st.floats(0, 1) | ODD,
        "cost": st.fixed_dictionaries({}, optional={"unit": ODD, "estimate": ODD}) | ODD,
        "latency": st.fixed_dictionaries({}, optional={"p50": st.just("280ms") | ODD}) | ODD,
        "latency_ms": ODD,
        "policy": NAMES | ODD,
        "proofs": NAMES | ODD,
        "risk": st.fixed_dictionaries(
            {}, optional={"data_retention_days": ODD, "training_use": ODD, "data_residency": ODD}
        )
        | ODD,
        "endpoint": ODD,
        "more": st.recursive(ODD, lambda one: st.lists(one, max_size=2), max_leaves=4),
    },
)
MANIFEST = (
    b'{"capability":"summarize","endpoints":{"discover":"/d","execute":"/e"},'
    b'"constraints":{"data_residency":"us"}}'
)


def heard(name: str, offers: list[Any]) -> Heard:
    url = f"https://{name}.example/manifest"
    one = Heard(Source(url, trust=Decimal("0.5")), read_manifest(MANIFEST, url))
    answer = read_answer(200, encode_reply("OFFER", {"offers": offers}, sender=f"service:{name}"))
    assert isinstance(answer, Said)
    one.reply, one.offers = answer.envelope, read_offers(answer.envelope)
    one.keep(answer.envelope.raw, is_sent=False, at_ms=AT_MS)
    return one


@settings(max_examples=150)
@given(st.lists(OFFER | ODD, max_size=4), st.lists(OFFER | ODD, max_size=4), st.booleans())
def test_any_offers_make_a_decision_that_can_be_kept(
    first: list[Any], second: list[Any], is_strict: bool
) -> None:
    providers = [heard("a", first), heard("b", second)]
    chosen = choose(SEED_WISH, providers, is_strict=is_strict)
    record = chosen.record("01a22268-8ff0-78dd-9ae9-562df8fea334", AT_MS, 2_000)
    other = choose(SEED_WISH, providers[::-1], is_strict=is_strict)

    raw = canonical(make_deal(record, [one for each in providers for one in each.messages]))
    read_json(raw, size_max=len(raw), depth_max=DEAL_DEPTH_MAX)
    verdicts = [one.verdict for one in chosen.decision.ranking.considered]
    assert verdicts.count(RouteVerdict.WON) == (chosen.offer is not None)
    assert record["winner"] == other.record("01a2", AT_MS, 2_000)["winner"]
    assert (chosen.heard is None) == (chosen.offer is None)


def test_the_most_that_can_be_heard_can_be_kept() -> None:
    name = "p" * 256
    worst = {
        "route_id": "r" * 160,
        "capability": "other",
        "confidence": 0.5,
        "cost": {"unit": "usd", "estimate": 5},
        "latency": {"p50": "900ms"},
        "policy": [name],
        "proofs": [],
        "risk": {"data_retention_days": 9},
    }
    offers = [{**worst, "data_residency": f"{at:03}"} for at in range(CONSIDERED_OF_ONE_MAX)]
    wish = replace(SEED_WISH, capability="summarize")
    providers = [heard(f"p{at}", offers) for at in range(PROVIDERS_MAX)]
    assert len(providers[0].messages[0].raw) < OFFER_BYTES_MAX
    record = choose(wish, providers, is_strict=True).record(name, AT_MS, 2_000)

    assert len(record["considered"]) == CONSIDERED_OF_ONE_MAX * PROVIDERS_MAX
    assert len(record["considered"][0]["reasons"]) == 7
    assert len(canonical(record)) < UNIT_BYTES_MAX
