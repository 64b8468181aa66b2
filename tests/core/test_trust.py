"""Trust end to end: the seed's numbers, what a trust node stamps, and what a reader checks."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal, localcontext
from fractions import Fraction

import pytest

from tests.core.trust_world import (
    ALPHA,
    BETA,
    DAY,
    ROOTS,
    T0,
    attest,
    domain,
    folded,
    key,
    outcome,
    partner,
    side,
)
from treaty.core.trust import (
    COMPONENTS,
    WEIGHTS,
    Before,
    TrustState,
    discrepancies,
    outcome_value,
    outcome_weight,
    score,
    score_to_json,
    stamped,
    standing_at_opening,
    standing_before,
)
from treaty.errors import MisuseError, Refused
from treaty.wire.money import Money

STRANGERS = folded(key(ALPHA), key(BETA), attest(BETA))
CLOSED = T0 + 15 * 60_000


def the_seed(*, cents=180_00):
    """The seed's deal: Alpha pays Beta; Alpha rates 5, Beta rates 4."""
    v = outcome_value(Money(cents, "USD"))
    return outcome(side(ALPHA, v=str(v), rating=4), side(BETA, v=str(v), rating=5), at=CLOSED)


def test_the_weights_of_the_components_sum_to_one():
    assert sum(WEIGHTS.values()) == 1
    assert tuple(WEIGHTS) == COMPONENTS


def test_an_agent_with_a_proven_key_starts_at_49_level_1_provisional():
    alpha = score(STRANGERS, ALPHA, T0)
    assert (str(alpha.score), alpha.level, alpha.provisional) == ("49.0", 1, True)


def test_an_agent_nobody_knows_stands_at_20_level_0():
    nobody = score(STRANGERS, "agent://nobody.example/agent", T0)
    assert (str(nobody.score), nobody.level, nobody.provisional) == ("20.0", 0, True)


def test_the_seed_takes_alpha_from_49_to_60_8_component_by_component():
    before, after = (
        score(STRANGERS, ALPHA, T0),
        score(folded(the_seed(), start=STRANGERS), ALPHA, CLOSED),
    )
    # IV, BC and SP are there before, by the key; the rest begins at nothing (seed, table).
    assert [str(before.components[name]) for name in COMPONENTS] == [
        "50.0000", "0.0000", "0.0000", "50.0000", "0.0000", "50.0000", "0.0000", "0.0000",
    ]  # fmt: skip
    assert [str(after.components[name]) for name in COMPONENTS] == [
        "50.0000", "10.0000", "100.0000", "55.0000", "88.0000", "50.0000", "100.0000", "0.0000",
    ]  # fmt: skip
    # 10 + 1.5 + 20 + 5.5 + 8.8 + 5 + 10 + 0 = 60.8
    assert (str(before.score), str(after.score)) == ("49.0", "60.8")
    assert (after.level, after.provisional) == (2, False)


def test_beta_stands_at_exactly_91_before_and_after_its_deal_with_provisional_alpha():
    after = folded(the_seed(), start=STRANGERS)
    for state in (STRANGERS, after):
        beta = score(state, BETA, CLOSED)
        assert (str(beta.score), beta.level, beta.provisional) == ("91.0", 4, False)
        assert beta.attested
    assert outcome_weight(STRANGERS, the_seed(), BETA).w == 0


def test_a_deal_of_one_cent_leaves_a_new_agent_at_49():
    # v = 0.01/100, so m = 0.0001: T = 0.9999·49 + 0.0001·58.8 = 49.0010
    after = score(folded(the_seed(cents=1), start=STRANGERS), ALPHA, CLOSED)
    assert str(after.score) == "49.0"
    assert (str(after.evidence), after.provisional) == ("0.0001", True)


def test_a_deal_with_a_weak_partner_moves_a_score_only_a_little():
    weak = "agent://weak.example/agent"
    state = folded(key(ALPHA), key(weak), domain(weak))
    word = Before(Decimal("36.0"), provisional=False)
    # q = (36 - 30)/60 = 0.1; the partner received nothing, so it confers nothing either.
    row = outcome(side(ALPHA, rating=5), side(weak, before=word), at=CLOSED)
    assert outcome_weight(state, row, ALPHA).w == 0
    # Attested, it may: E = 0.1, and T moves by a tenth of the way.
    state = folded(attest(weak), start=state)
    assert str(outcome_weight(state, row, ALPHA).w.normalize()) == "0.1"
    # F = 10 + 0.15·1.3750 + 20 + 0.1·50.6875 + 10 + 5 + 10 = 60.275; T = 0.9·49 + 0.1·60.275
    assert str(score(folded(row, start=state), ALPHA, CLOSED).score) == "50.1"


def test_a_score_does_not_depend_on_the_callers_decimal_context():
    state = folded(the_seed(), start=STRANGERS)
    with localcontext() as context:
        context.prec = 3
        narrow = score(folded(the_seed(), start=STRANGERS), ALPHA, CLOSED + 77 * DAY)
    assert narrow == score(state, ALPHA, CLOSED + 77 * DAY)


def test_a_score_is_the_same_whatever_else_is_in_the_log():
    others = [key(partner(1)), attest(partner(2)), domain(partner(3))]
    alone = folded(the_seed(), start=STRANGERS)
    crowded = folded(*others, the_seed(), *others, start=STRANGERS)
    for agent in (ALPHA, BETA):
        assert score(alone, agent, CLOSED) == score(crowded, agent, CLOSED)
    assert (alone.size, crowded.size) == (4, 10)


@pytest.mark.parametrize(
    ("units", "asset", "rates", "v"),
    [
        (180_00, "USD", None, "1"),
        (100_00, "USD", None, "1"),
        (99_99, "USD", None, "0.9999"),
        (50_00, "USD", None, "0.5"),
        (1, "USD", None, "0.0001"),
        (0, "USD", None, "0"),
        (1, "USDC", {"USDC": 1_000_000}, "0.00000001"),
        # 150 yen a dollar: 15,000 yen are 100 dollars; 1 yen is 1/15000, half-even at 12 places.
        (15_000, "JPY", {"JPY": 150}, "1"),
        (1, "JPY", {"JPY": 150}, "0.000066666667"),
        (1_00, "EUR", {"EUR": Fraction(274, 3)}, "0.010948905109"),
    ],
)
def test_value_counts_in_full_from_100_dollars_on(units, asset, rates, v):
    given = () if rates is None else (rates,)
    assert outcome_value(Money(units, asset), *given) == Decimal(v)


def test_a_value_without_a_rate_is_refused_and_one_below_zero_is_misuse():
    with pytest.raises(Refused) as refusal:
        outcome_value(Money(1, "EUR"))
    assert refusal.value.code == "currency_unsupported"
    with pytest.raises(MisuseError):
        outcome_value(Money(-1, "USD"))


def test_a_stamped_outcome_says_what_it_was_given():
    alpha, beta = stamped(STRANGERS, the_seed()).parties
    assert (alpha.number, alpha.organisation, alpha.q, alpha.w) == (1, ALPHA, 1, 1)
    assert alpha.before == Before(Decimal("49.0"), provisional=True)
    assert (beta.number, beta.organisation, beta.q, beta.w) == (1, BETA, 0, 0)
    assert beta.before == Before(Decimal("91.0"), provisional=False)


def test_a_stamp_keeps_the_standing_that_was_stored_before_the_session():
    stored = Before(Decimal("60.0"), provisional=False)
    given = replace(the_seed(), parties=(side(ALPHA), side(BETA, before=stored)))
    alpha, beta = stamped(STRANGERS, given).parties
    # q = (60 - 30)/60
    assert (beta.before, alpha.q) == (stored, Decimal("0.5"))


def test_a_stamp_overwrites_what_is_the_trust_nodes_to_say():
    forged = side(ALPHA, number=9, organisation="acme.com", q=Decimal(0), w=Decimal(0))
    given = replace(the_seed(), parties=(forged, the_seed().parties[1]))
    assert stamped(STRANGERS, given).parties[0].number == 1
    assert stamped(STRANGERS, given).parties[0].w == 1


def test_the_organisation_of_a_domain_proven_agent_is_its_domain():
    state = folded(domain(ALPHA), start=STRANGERS)
    assert stamped(state, the_seed()).parties[0].organisation == "acme.com"


def test_stamping_and_then_folding_is_folding():
    bare, full = the_seed(), stamped(STRANGERS, the_seed())
    later = CLOSED + DAY
    for agent in (ALPHA, BETA):
        assert score(folded(bare, start=STRANGERS), agent, later) == score(
            folded(full, start=STRANGERS), agent, later
        )


def test_a_stamp_that_holds_has_no_discrepancies():
    assert discrepancies(STRANGERS, stamped(STRANGERS, the_seed())) == ()
    assert discrepancies(STRANGERS, the_seed()) == ()


@pytest.mark.parametrize(
    ("member", "value", "found"),
    [
        ("number", 2, f"{ALPHA}: number 2, computed 1"),
        ("organisation", "acme.com", f"{ALPHA}: organisation acme.com, computed {ALPHA}"),
        ("q", Decimal("0.5"), f"{ALPHA}: q 0.5, computed 1"),
        ("w", Decimal("0.5"), f"{ALPHA}: w 0.5, computed 1"),
    ],
)
def test_a_stamp_that_the_log_does_not_bear_out_is_named(member, value, found):
    alpha, beta = stamped(STRANGERS, the_seed()).parties
    forged = replace(the_seed(), parties=(replace(alpha, **{member: value}), beta))
    assert discrepancies(STRANGERS, forged) == (found,)


def test_a_standing_is_what_a_session_stores_when_it_begins():
    # With the size of the log and the time, so that whoever has the log computes it again.
    assert standing_at_opening(STRANGERS, BETA, T0) == Before(Decimal("91.0"), False, 3, T0)
    assert standing_before(STRANGERS, BETA, T0) == Before(Decimal("91.0"), provisional=False)
    assert standing_before(TrustState(ROOTS), BETA, T0) == Before(Decimal("20.0"), True)


def test_a_score_is_shown_as_decimal_text():
    shown = score_to_json(score(folded(the_seed(), start=STRANGERS), ALPHA, CLOSED))
    assert shown == {
        "rules": "trust/1",
        "agent": ALPHA,
        "score": "60.8",
        "level": 2,
        "provisional": False,
        "attested": False,
        "components": {
            "IV": "50.0000",
            "CH": "10.0000",
            "CF": "100.0000",
            "BC": "55.0000",
            "RQ": "88.0000",
            "SP": "50.0000",
            "ER": "100.0000",
            "PE": "0.0000",
        },
        "evidence": "1.0000",
        "breaches": "0",
        "prior": "49",
        "missing": 0,
    }


def test_a_cap_is_shown_while_it_lasts():
    breach = outcome(side(BETA, kept=False), side(ALPHA), at=CLOSED)
    shown = score_to_json(score(folded(breach, start=STRANGERS), BETA, CLOSED))
    assert (shown["score"], shown["cappedAt"], shown["breaches"]) == ("89.9", "89.9", "1")
