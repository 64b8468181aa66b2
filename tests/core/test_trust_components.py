"""From state to score, formula by formula of ASP B16, with figures worked by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.core.trust_world import (
    ALPHA,
    BETA,
    DAY,
    HALF,
    NEW,
    OPERATOR,
    T0,
    attest,
    deal,
    deals,
    domain,
    folded,
    key,
    partner,
    partners,
)
from treaty.core.trust_components import newcomer_score, score
from treaty.core.trust_records import Endorsement, Identity, Violation

MANY = 12
NEWCOMER = "agent://late.acme.com/newcomer"
WORLD = folded(*partners(MANY), key(ALPHA))


def after(*records, day=0, agent=ALPHA):
    return score(folded(*records, start=WORLD), agent, T0 + day * DAY)


def component(name, *records, day=0, agent=ALPHA):
    return str(after(*records, day=day, agent=agent).components[name])


# Evidence and its decay.


@pytest.mark.parametrize(
    ("day", "evidence"),
    [
        (0, "2.0000"),
        (29, "2.0000"),
        (30, "2.0000"),
        # 30 days are free; d days later 2·2^(-d/90): 45 give 2/√2, 90 a half, 180 a quarter.
        (31, "1.9847"),
        (75, "1.4142"),
        (120, "1.0000"),
        (210, "0.5000"),
        (30 + 90 * 20, "0.0000"),
    ],
)
def test_evidence_decays_by_half_in_90_days_after_30_idle_ones(day, evidence):
    assert str(after(*deals(ALPHA, 2), day=day).evidence) == evidence


def test_idle_time_is_counted_in_parts_of_a_day():
    # 30.5 days: 2·2^(-0.5/90) = 1.99231…
    state = folded(*deals(ALPHA, 2), start=WORLD)
    found = score(state, ALPHA, T0 + 30 * DAY + DAY // 2)
    assert str(found.evidence) == "1.9923"


def test_a_weighted_deal_ends_idleness_and_another_one_does_not():
    nobody = "agent://nobody.example/agent"
    rows = deals(ALPHA, 1)
    assert (
        str(after(*rows, deal(ALPHA, partner(1), at=T0 + 100 * DAY), day=120).evidence) == "2.0000"
    )
    assert str(after(*rows, deal(ALPHA, nobody, at=T0 + 100 * DAY), day=120).evidence) == "0.5000"


def test_idle_time_runs_from_the_last_deal_in_time_whatever_its_place_in_the_log():
    # Logged last, but dated day 0: the deal of day 100 stays the last one.
    rows = [deal(ALPHA, partner(0), at=T0 + 100 * DAY), deal(ALPHA, partner(1), at=T0)]
    assert str(after(*rows, day=130).evidence) == "2.0000"


def test_evidence_that_decayed_makes_an_agent_provisional_again():
    assert not after(*deals(ALPHA, 1), day=30).provisional
    assert after(*deals(ALPHA, 1), day=31).provisional


def test_a_decayed_agent_returns_towards_its_prior():
    # E = 0.5: CH = 10·log2(1.5) = 5.8496, BC = 52.9248; rating 4: RQ = 88.
    # F = 10 + 0.87744 + 20 + 5.29248 + 8.8 + 5 + 10 = 59.96992; T = 0.5·49 + 0.5·59.96992
    found = after(*deals(ALPHA, 1, rating=4), day=120)
    assert str(found.components["CH"]) == "5.8496"
    assert str(found.components["BC"]) == "52.9248"
    assert str(found.score) == "54.5"


def test_an_attestations_evidence_decays_from_its_own_date():
    state = folded(attest(BETA, weight="200", days=400))
    assert str(score(state, BETA, T0 + 30 * DAY).evidence) == "200.0000"
    assert str(score(state, BETA, T0 + 120 * DAY).evidence) == "100.0000"
    # Attested again on day 100, it is fresh again.
    again = folded(attest(BETA, at=T0 + 100 * DAY, days=400), start=state)
    assert str(score(again, BETA, T0 + 120 * DAY).evidence) == "200.0000"


@pytest.mark.parametrize(("dealt", "attested"), [(0, 100), (100, 0)])
def test_idle_time_runs_from_the_later_of_deal_and_attestation(dealt, attested):
    # E0 + Σw = 200 + 1, idle for 20 days.
    rows = [
        deal(ALPHA, partner(0), at=T0 + dealt * DAY),
        attest(ALPHA, at=T0 + attested * DAY),
    ]
    assert str(after(*rows, day=120).evidence) == "201.0000"


def test_a_very_long_time_ends_in_no_evidence():
    found = score(folded(*deals(ALPHA, 1), start=WORLD), ALPHA, T0 + 10**15)
    assert (str(found.evidence), str(found.score)) == ("0.0000", "49.0")


# The components.


@pytest.mark.parametrize(
    ("count", "history", "consistency"),
    [
        (0, "0.0000", "50.0000"),
        (1, "10.0000", "55.0000"),
        (3, "20.0000", "60.0000"),  # log2(4) = 2
        (5, "25.8496", "62.9248"),  # log2(6) = 2.584962…
        (7, "30.0000", "65.0000"),
    ],
)
def test_history_and_consistency_grow_with_the_logarithm_of_evidence(count, history, consistency):
    assert component("CH", *deals(ALPHA, count)) == history
    assert component("BC", *deals(ALPHA, count)) == consistency


def test_history_ends_at_100():
    # 1,023 deals of full weight, with partners of as many organisations: log2(1024) = 10.
    state = folded(*partners(1_100), *deals(ALPHA, 1_023), key(ALPHA))
    assert str(score(state, ALPHA, T0).components["CH"]) == "100.0000"
    more = folded(*[deal(ALPHA, partner(number)) for number in range(1_023, 1_100)], start=state)
    assert str(score(more, ALPHA, T0).components["CH"]) == "100.0000"


@pytest.mark.parametrize(
    ("kept", "breached", "share"),
    [
        (0, 0, "0.0000"),
        (4, 0, "100.0000"),
        # Each full breach with a full partner is 1 in Σw and 1 in B: 3/(4 + 1) and 1/(3 + 2).
        (3, 1, "60.0000"),
        (1, 2, "20.0000"),
        (0, 1, "0.0000"),
    ],
)
def test_fulfilment_and_reliability_are_shares_of_what_was_promised(kept, breached, share):
    rows = deals(ALPHA, kept)
    rows += [deal(ALPHA, partner(kept + number), kept=False) for number in range(breached)]
    assert component("CF", *rows) == share
    assert component("ER", *rows) == share


def test_a_breach_stands_in_the_denominator_for_365_days():
    # 3 kept, 1 breached: 3/(4 + 1), a year later 3/4: its weight stays in Σw.
    rows = [*deals(ALPHA, 3), deal(ALPHA, partner(3), kept=False)]
    assert component("CF", *rows, day=364) == "60.0000"
    assert component("CF", *rows, day=365) == "75.0000"
    assert component("ER", *rows, day=365) == "75.0000"


def test_a_breach_towards_nobody_has_no_weight_but_counts_in_the_denominator():
    nobody = "agent://nobody.example/agent"
    rows = [*deals(ALPHA, 1), deal(ALPHA, nobody, kept=False)]
    # 1/(1 + 1)
    assert component("CF", *rows) == "50.0000"


def test_reliability_counts_escrow_events_only():
    # Two deals, one of them without escrow: CF of both, ER of the one.
    bare = deal(ALPHA, partner(1), kept=False)
    without = replace(bare, parties=(replace(bare.parties[0], escrow=None), bare.parties[1]))
    assert component("ER", *deals(ALPHA, 1), without) == "100.0000"
    # Kept 1 of Σw = 2, B = 1.
    assert component("CF", *deals(ALPHA, 1), without) == "33.3333"


def test_fulfilment_and_reliability_may_part_ways():
    # The buyer's money was there, its own obligation was not kept: CF 0/(1 + 1), ER 1/1.
    row = deal(ALPHA, partner(0), kept=False, escrow=True)
    assert (component("CF", row), component("ER", row)) == ("0.0000", "100.0000")
    # The other way round: a failed escrow is no breach of the commitment.
    row = deal(ALPHA, partner(0), kept=True)
    failed = replace(row, parties=(replace(row.parties[0], escrow=False), row.parties[1]))
    assert (component("CF", failed), component("ER", failed)) == ("100.0000", "0.0000")


@pytest.mark.parametrize(
    ("rating", "kept", "disputed", "quality"),
    [
        (5, True, False, "100.0000"),  # 60 + 40
        (4, True, False, "88.0000"),  # 48 + 40, as in the seed
        (3, True, False, "76.0000"),
        # On a kept, undisputed commitment a rating counts as at least 3.
        (1, True, False, "76.0000"),
        (1, True, True, "52.0000"),  # 12 + 40
        (5, False, False, "60.0000"),
        (1, False, False, "12.0000"),
        # A missing rating makes its term equal to the outcome.
        (None, True, False, "100.0000"),
        (None, True, True, "100.0000"),
        (None, False, False, "0.0000"),
    ],
)
def test_quality_blends_the_rating_with_the_outcome(rating, kept, disputed, quality):
    row = deal(ALPHA, partner(0), rating=rating, kept=kept, disputed=disputed)
    assert component("RQ", row) == quality


def test_quality_is_weighted():
    # 0.25·100 + 1·76, over 1.25
    rows = [deal(ALPHA, partner(0), v="0.25", rating=5), deal(ALPHA, partner(1), rating=3)]
    assert component("RQ", *rows) == "80.8000"


def violations(count):
    return [Violation(ALPHA, "forked", f"sha256:{number}", T0) for number in range(count)]


@pytest.mark.parametrize(
    ("count", "consistency"), [(1, "40.0000"), (4, "10.0000"), (5, "0.0000"), (9, "0.0000")]
)
def test_each_provable_violation_costs_ten(count, consistency):
    assert component("BC", *violations(count)) == consistency


def proof(name):
    by = OPERATOR if name in ("legal", "signer") else None
    return Identity(ALPHA, name, T0, by=by)


@pytest.mark.parametrize(
    ("proofs", "count", "identity", "security"),
    [
        ([], 0, "50.0000", "50.0000"),
        # Above 50 counts by min(1, E/10): at E = 0 nothing, at 5 half, from 10 on all.
        (["domain", "rotation"], 0, "50.0000", "50.0000"),
        (["domain", "rotation"], 5, "65.0000", "62.5000"),
        (["domain", "rotation"], 10, "80.0000", "75.0000"),
        (["domain", "rotation"], 12, "80.0000", "75.0000"),
        (["legal", "signer"], 10, "100.0000", "75.0000"),
        (["domain", "legal", "rotation", "signer"], 10, "100.0000", "100.0000"),
        (["domain", "legal", "rotation", "signer"], 1, "55.0000", "55.0000"),
    ],
)
def test_identity_and_security_above_50_need_evidence(proofs, count, identity, security):
    records = [*map(proof, proofs), *deals(ALPHA, count)]
    assert (component("IV", *records), component("SP", *records)) == (identity, security)


def test_nothing_proven_is_no_identity_and_no_posture():
    nobody = "agent://nobody.example/agent"
    assert (component("IV", agent=nobody), component("SP", agent=nobody)) == ("0.0000", "0.0000")


def endorse(number, *, at=T0):
    return Endorsement(partner(number), ALPHA, at)


def test_each_endorser_of_full_standing_counts_four():
    rows = [*deals(ALPHA, 3), *map(endorse, range(3))]
    assert component("PE", *rows) == "12.0000"


def test_an_endorser_counts_by_its_standing():
    half = attest(partner(0), components=HALF)
    assert component("PE", *deals(ALPHA, 1), half, endorse(0)) == "2.0000"


def test_an_endorser_needs_a_deal_of_the_last_365_days():
    assert component("PE", endorse(0)) == "0.0000"
    # The deal may come after the word.
    assert component("PE", endorse(0), *deals(ALPHA, 1)) == "4.0000"
    assert component("PE", *deals(ALPHA, 1), endorse(0), day=364) == "4.0000"
    assert component("PE", *deals(ALPHA, 1), endorse(0), day=365) == "0.0000"


def test_an_endorsers_last_deal_counts_whatever_its_place_in_the_log():
    early, late = (deal(ALPHA, partner(0), v="0.5", at=T0 + day * DAY) for day in (0, 100))
    for rows in ((early, late), (late, early)):
        assert component("PE", *rows, endorse(0), day=464) == "4.0000"
        assert component("PE", *rows, endorse(0), day=465) == "0.0000"


def test_an_endorser_of_the_same_domain_counts_nothing():
    sibling = "agent://acme.com/sales"
    word = Endorsement(sibling, ALPHA, T0)
    assert component("PE", attest(sibling), deal(ALPHA, sibling), word) == "0.0000"


def test_twenty_five_endorsers_are_enough():
    world = folded(*partners(30), key(ALPHA), *deals(ALPHA, 30), *map(endorse, range(30)))
    assert str(score(world, ALPHA, T0).components["PE"]) == "100.0000"


# Attestation.


def test_an_attested_component_is_blended_by_weight():
    # E0 = 3, Σw = 1: CH = (3·90 + 1·10)/4 = 70; CF = (3·95 + 100)/4 = 96.25; PE = 3·68/4 = 51
    # IV is attested as 100 and undamped: (3·100 + 50)/4 = 87.5
    rows = [attest(ALPHA, weight="3"), *deals(ALPHA, 1, rating=4)]
    found = after(*rows)
    shown = {name: str(value) for name, value in found.components.items()}
    assert shown == {
        "IV": "87.5000",
        "CH": "70.0000",
        "CF": "96.2500",
        "BC": "81.2500",  # (3·90 + 55)/4
        "RQ": "91.0000",  # (3·92 + 88)/4
        "SP": "68.7500",  # (3·75 + 50)/4
        "ER": "95.5000",  # (3·94 + 100)/4
        "PE": "51.0000",
    }
    assert (str(found.evidence), found.attested) == ("4.0000", True)


def test_a_breach_pulls_an_attested_agent_down_by_its_own_part():
    # E0 = 1, Σw = 1 + 1, B = 1: own CF = 1/(2 + 1) = 33.3333…; CF = (95 + 2·33.3333)/3
    rows = [attest(ALPHA, weight="1"), *deals(ALPHA, 1), deal(ALPHA, partner(1), kept=False)]
    assert component("CF", *rows) == "53.8889"


def test_what_is_blended_is_the_agents_own_component_as_it_would_be_shown():
    # Own BC = 50 + 5 - 90, which is 0 and not -35: (1·90 + 1·0)/2
    rows = [attest(ALPHA, weight="1"), *deals(ALPHA, 1), *violations(9)]
    assert component("BC", *rows) == "45.0000"


def test_what_is_not_attested_is_the_agents_own():
    rows = [attest(ALPHA, weight="3", components={"CH": "90"}), *deals(ALPHA, 1)]
    assert component("CH", *rows) == "70.0000"
    assert component("CF", *rows) == "100.0000"


def test_an_attestation_without_weight_says_nothing_of_the_components():
    found = after(attest(ALPHA, weight="0"))
    assert str(found.components["CH"]) == "0.0000"
    assert (found.attested, found.provisional, str(found.score)) == (True, False, "49.0")


def test_an_attestation_counts_from_its_date_to_its_end():
    state = folded(attest(BETA, at=T0 + DAY, days=9), start=folded(key(BETA)))
    scores = {day: str(score(state, BETA, T0 + day * DAY).score) for day in (0, 1, 9, 10)}
    assert scores == {0: "49.0", 1: "91.0", 9: "91.0", 10: "49.0"}


def test_the_last_attestation_replaces_the_one_before_even_when_it_is_over():
    # That is how an operator takes one back.
    state = folded(key(BETA), attest(BETA), attest(BETA, at=T0 + DAY, days=0))
    assert str(score(state, BETA, T0 + 2 * DAY).score) == "49.0"


def test_attested_components_are_not_trusted_beyond_0_to_100():
    rows = [attest(ALPHA, components={"CH": "100", "IV": "100"}, weight="1000000")]
    assert component("CH", *rows) == "100.0000"


# The whole.


def test_without_a_proven_key_a_score_starts_at_20():
    found = after(domain("agent://nobody.example/a"), agent="agent://nobody.example/a")
    assert (str(found.score), str(found.prior)) == ("20.0", "20")


def test_breaches_bring_a_score_to_maturity_as_evidence_does():
    # B = 0.5: T = 0.5·49 + 0.5·F, F = 10 + 5 + 5 = 20 (nothing kept) = 34.5
    nobody = "agent://nobody.example/agent"
    found = after(deal(ALPHA, nobody, kept=False, v="0.5"))
    assert str(found.score) == "34.5"
    assert found.provisional


def test_ten_kept_deals_of_a_domain_proven_agent():
    # E = 10: log2(11) = 3.459432: CH = 34.5943, BC = 67.2972; IV = 80, SP = 50; CF, ER, RQ = 100
    # F = 16 + 5.189145 + 20 + 6.72972 + 10 + 5 + 10 + 0 = 72.918865
    found = after(domain(ALPHA), *deals(ALPHA, 10, rating=5))
    assert (str(found.score), found.level) == ("72.9", 3)


def test_the_score_is_rounded_half_even_from_rounded_components():
    # Recomputable from what is shown: 0.2·50 + 0.15·CH + … with the four-place components.
    found = after(*deals(ALPHA, 6, rating=4))
    shown = found.components
    weights = (20, 15, 20, 10, 10, 10, 10, 5)
    total = sum(weight * value for weight, value in zip(weights, shown.values(), strict=True))
    assert found.score == round(total / 100, 1)


def test_the_deals_of_one_agent_are_not_the_counterpartys():
    rows = deals(ALPHA, 3)
    assert score(folded(*rows, start=WORLD), partner(0), T0) == score(WORLD, partner(0), T0)
    assert rows[0].parties[0].before == NEW


@pytest.mark.parametrize("day", [0, 1, 31, 400])
def test_a_newcomers_short_score_is_its_long_one(day):
    """The long computation agrees wherever the short one has an answer."""
    worlds = [
        WORLD,
        folded(key(NEWCOMER), domain(NEWCOMER), start=WORLD),
        folded(*deals(ALPHA, 2), key(NEWCOMER), start=WORLD),
        folded(*deals(ALPHA, 1, kept=False), key(NEWCOMER), start=WORLD),
        folded(attest(BETA), start=WORLD),
    ]
    at_ms, given = T0 + day * DAY, []
    for state in worlds:
        for agent in [*(uri for uri, _ in state.agents.items()), NEWCOMER, "agent://x.example/y"]:
            short, full = newcomer_score(state, agent, at_ms), score(state, agent, at_ms)
            assert short is None or (short, True) == (full.score, full.provisional), agent
            given.append(short is not None)
    assert any(given)
    assert not all(given)
