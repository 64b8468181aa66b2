"""LEARN: figures computed from one's own transcripts, said as they are, kept private."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal, localcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from treaty.core.bids import Bid
from treaty.core.learning import (
    Statistics,
    TimedBid,
    Transcript,
    confidence,
    observe,
    summarise,
)
from treaty.errors import MisuseError
from treaty.wire.canonical import canonical

BETA = "agent://cloudprime.io/gpu/beta"


def d(text):
    return None if text is None else Decimal(text)


def bid(side, price, at_s=0, quality=None, *, final=False):
    return TimedBid(Bid(side, d(price), d(quality), final), at_s * 1_000)


# Messages 7 to 10, seen by Alpha; times from message 7.
SEED = Transcript(
    bids=(
        bid("own", "3.50", 0, "99.9"),
        bid("other", "4.00", 30, "99.95"),
        bid("own", "3.75", 60, "99.95"),
    ),
    listed_price=d("3.50"),
    agreed_price=d("3.75"),
    accepted_at_ms=75_000,
    kept=True,
)
# The same deal, seen by Beta.
SOLD = replace(
    SEED,
    bids=tuple(
        replace(one, bid=replace(one.bid, side="other" if one.bid.side == "own" else "own"))
        for one in SEED.bids
    ),
)


def test_the_seeds_deal_in_figures():
    assert summarise([SEED]) == Statistics(
        negotiations=1,
        deals=1,
        opening_gap=d("0.142857"),
        concession=d("0.0625"),
        rounds=Decimal(1),
        response_ms=22_500,
        acceptance=d("-0.0625"),
        kept=Decimal(1),
    )


def test_the_other_side_of_the_seeds_deal():
    # Alpha opened at list, rose by 7.14 % over two bids, and took 30 s to answer.
    assert summarise([SOLD]) == Statistics(
        negotiations=1,
        deals=1,
        opening_gap=Decimal(0),
        concession=d("0.035714"),
        rounds=Decimal(2),
        response_ms=30_000,
        acceptance=d("0.071429"),
        kept=Decimal(1),
    )


def test_the_seeds_record_with_the_figures_right():
    written = observe(
        SEED,
        BETA,
        subject="Negotiation strategy for CloudPrime agents",
        tags=("negotiation-strategy", "gpu-provider", "cloudprime"),
    )
    assert written.to_json() == {
        "observationType": "learning",
        "subject": "Negotiation strategy for CloudPrime agents",
        "data": {
            "observation": (
                "Opens 14.3 % above list price; its first bid is not final. "
                "Offers quality 99.95 instead of 99.9 for a higher price. "
                "Accepted 6.3 % below its first bid after 1 bid of its own. "
                "Kept its promise."
            ),
            "counterparty": BETA,
            "tags": ["negotiation-strategy", "gpu-provider", "cloudprime"],
        },
        "confidence": 0.75,
        "visibility": "private",
    }


def test_the_record_has_canonical_bytes():
    assert b'"confidence":0.75' in canonical(observe(SEED, BETA).to_json())


def test_who_did_not_accept_settled():
    # Beta accepted, so from its side Alpha is not the one who did.
    assert "Settled 7.1 % above its first bid after 2 bids" in observe(SOLD, "a").observation


@pytest.mark.parametrize(
    ("first", "said"),
    [
        ("3.50", "Opens at list price;"),
        ("3.15", "Opens 10.0 % below list price;"),
        ("7.00", "Opens 100.0 % above list price;"),
        ("3.5001", "Opens less than 0.1 % above list price;"),
    ],
)
def test_an_opening_is_told_against_the_list(first, said):
    transcript = Transcript((bid("other", first),), listed_price=d("3.50"))
    assert observe(transcript, BETA).observation.startswith(said)


def test_what_is_not_known_is_not_said():
    bare = Transcript((bid("other", "4.00", final=True),))
    assert observe(bare, BETA).observation == (
        "Opens without a list price to compare; its first bid is final. "
        "No agreement after 1 bid of its own."
    )
    assert observe(Transcript(()), BETA).observation == (
        "Made no bid. No agreement after 0 bids of its own."
    )


def test_a_broken_promise_is_said():
    broken = observe(replace(SEED, kept=False), BETA).observation
    assert broken.endswith("Did not keep its promise.")


@pytest.mark.parametrize(
    ("asked", "answered"),
    [
        (("3.50", "99.9"), ("4.00", "99.9")),
        (("3.50", "99.9"), ("3.50", "99.95")),
        (("3.50", "99.9"), ("4.00", None)),
        (("3.50", None), ("4.00", "99.95")),
    ],
)
def test_a_trade_is_told_only_where_both_rose(asked, answered):
    bids = (bid("own", asked[0], 0, asked[1]), bid("other", answered[0], 1, answered[1]))
    assert "Offers quality" not in observe(Transcript(bids), BETA).observation


# Confidence.


@pytest.mark.parametrize(
    ("deals", "share"), [(0, "0.5"), (1, "0.75"), (2, "0.8333"), (3, "0.875"), (10**9, "0.9999")]
)
def test_confidence_grows_with_deals_and_is_never_certainty(deals, share):
    assert confidence(deals) == d(share)


def test_earlier_deals_count_and_a_failed_negotiation_adds_none():
    assert observe(SEED, BETA, deals_before=2).confidence == confidence(3)
    failed = replace(SEED, agreed_price=None)
    assert observe(failed, BETA, deals_before=2).confidence == confidence(2)


def test_a_negative_count_is_misuse():
    with pytest.raises(MisuseError):
        confidence(-1)


# Statistics.


def test_nothing_is_known_of_strangers():
    assert summarise([]) == Statistics()


def test_a_figure_is_the_median_of_the_negotiations_that_have_it():
    def agreed(price):
        return replace(SEED, agreed_price=d(price))

    # -10 %, -6.25 %, +100 %: one odd deal does not bend it.
    assert summarise([agreed("3.60"), agreed("8.00"), agreed("3.75")]).acceptance == d("-0.0625")
    assert summarise([agreed("3.60"), agreed("3.80")]).acceptance == d("-0.075")
    unknown = replace(SEED, agreed_price=None)
    assert summarise([agreed("3.60"), unknown, unknown]).acceptance == d("-0.1")


def test_promises_are_counted_where_their_end_is_known():
    ends = (True, False, True, None)
    assert summarise(replace(SEED, kept=kept) for kept in ends).kept == d("0.666667")
    assert summarise([replace(SEED, kept=None)]).kept is None


def test_without_agreement_the_last_bid_shows_the_concession():
    bids = (bid("own", "3.00"), bid("other", "4.00"), bid("own", "3.10"), bid("other", "3.80"))
    known = summarise([Transcript(bids)])
    assert (known.concession, known.acceptance, known.deals) == (d("0.025"), None, 0)


def test_going_away_is_a_negative_concession():
    bids = (bid("own", "3.00"), bid("other", "4.00"), bid("own", "3.10"), bid("other", "4.40"))
    assert summarise([Transcript(bids)]).concession == d("-0.05")


def test_only_answers_to_ones_own_bids_are_timed():
    bids = (
        bid("other", "5", 0),
        bid("other", "4", 100),
        bid("own", "3", 200),
        bid("own", "3", 210),
        bid("other", "4", 217),
    )
    assert summarise([Transcript(bids)]).response_ms == 7_000
    # An acceptance of ours is nobody's answer to us.
    ours = Transcript(bids, agreed_price=d("4"), accepted_at_ms=999_000)
    assert summarise([ours]).response_ms == 7_000


def test_clocks_that_disagree_give_no_negative_times():
    bids = (bid("own", "3", 60), bid("other", "4", 0))
    assert summarise([Transcript(bids)]).response_ms == 0


def test_nothing_is_divided_by_a_price_of_zero():
    bids = (bid("own", "0"), bid("other", "0"))
    free = Transcript(bids, listed_price=Decimal(0), agreed_price=Decimal(0))
    known = summarise([free])
    assert (known.opening_gap, known.concession, known.acceptance) == (None, None, None)
    assert "Settled after 1 bid" in observe(free, BETA).observation


@pytest.mark.parametrize("price", ["-1", "NaN", "1e13"])
def test_impossible_prices_are_misuse(price):
    with pytest.raises(MisuseError):
        replace(SEED, listed_price=d(price))
    with pytest.raises(MisuseError):
        replace(SEED, agreed_price=d(price))


def test_the_callers_decimal_context_does_not_matter():
    usual = summarise([SEED]), observe(SEED, BETA)
    with localcontext() as context:
        context.prec = 2
        assert (summarise([SEED]), observe(SEED, BETA)) == usual


AMOUNTS = st.decimals(0, 10**12, places=4) | st.just(Decimal("1e-30"))
TRANSCRIPTS = st.builds(
    Transcript,
    bids=st.lists(
        st.builds(
            TimedBid,
            st.builds(
                Bid, st.sampled_from(["own", "other"]), AMOUNTS, st.none() | AMOUNTS, st.booleans()
            ),
            st.integers(0, 10**13),
        ),
        max_size=6,
    ).map(tuple),
    listed_price=st.none() | AMOUNTS,
    agreed_price=st.none() | AMOUNTS,
    accepted_at_ms=st.none() | st.integers(0, 10**13),
    kept=st.none() | st.booleans(),
)


@given(st.lists(TRANSCRIPTS, max_size=5), st.randoms(use_true_random=False))
def test_the_order_of_transcripts_does_not_matter(transcripts, chance):
    shuffled = list(transcripts)
    chance.shuffle(shuffled)
    assert summarise(shuffled) == summarise(transcripts)


@given(TRANSCRIPTS)
def test_every_transcript_can_be_written_down(transcript):
    written = observe(transcript, BETA).to_json()
    assert written["visibility"] == "private"
    assert written["data"]["observation"].endswith(".")
    assert (summarise([transcript]).response_ms or 0) >= 0


def test_figures_are_told_as_they_were_computed():
    known = Statistics(3, 2, d("0.142857"), None, d("2.000000"), 1_500, d("-0.0625"), d("1"))
    assert known.to_json() == {
        "negotiations": 3,
        "deals": 2,
        "openingGap": "0.142857",
        "concession": None,
        "rounds": "2.000000",
        "responseMs": 1_500,
        "acceptance": "-0.0625",
        "kept": "1",
    }
