"""Discovery: everything asked holds, pages join without a seam, near misses name their reason."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from treaty.core.matching import (
    COUNTED_MAX,
    NEAR_MISSES_MAX,
    PAGE_MAX,
    Candidate,
    Need,
    Price,
    failing_filters,
    search,
)


def hourly(amount, currency="USD"):
    return Price(Decimal(amount), "hour", currency)


BETA = Candidate(
    uri="agent://cloudprime.io/gpu/beta",
    score=Decimal(91),
    level=4,
    capabilities=("provision.cloud", "negotiate.compute", "monitor.resources"),
    schemas=("urn:asp:negotiation:v1",),
    protocols=("asp/0.1",),
    organization="cloudprime.io",
    prices=(hourly("3.50"),),
)
SEED = Need(capability="provision.cloud", min_level=3, max_price=hourly("5.00"))


def agent(name, score="50", **others):
    return replace(BETA, uri=f"agent://a.io/{name}", score=Decimal(score), **others)


def names(page):
    return [one.uri for one in page.found]


def test_the_seeds_question_finds_beta():
    page = search([BETA], SEED)
    assert (page.found, page.total, page.exact, page.more) == ((BETA,), 1, True, False)
    assert page.near_misses == ()


def test_who_asks_for_nothing_finds_everybody():
    everybody = [BETA, agent("bare", capabilities=(), schemas=(), protocols=(), prices=())]
    assert search(everybody, Need()).total == 2


@pytest.mark.parametrize(
    ("wanted", "holds"),
    [
        ("provision.cloud", True),
        ("provision.*", True),
        ("provision.cloud.*", False),
        ("provision", False),
        ("provision.clo", False),
        ("provision.clo*", False),
        ("*", False),
        (".*", False),
        ("PROVISION.CLOUD", False),
        ("monitor.resources", True),
    ],
)
def test_a_capability_is_exact_or_a_prefix_up_to_a_dot(wanted, holds):
    assert (failing_filters(Need(capability=wanted), BETA) == ()) is holds


def test_a_prefix_does_not_reach_into_a_longer_word():
    assert failing_filters(Need(capability="pro.*"), BETA) == ("capability",)


@pytest.mark.parametrize(
    ("need", "failed"),
    [
        (Need(min_level=4), ()),
        (Need(min_level=5), ("minTrustLevel",)),
        (Need(min_score=Decimal("91.0")), ()),
        (Need(min_score=Decimal("91.01")), ("minTrustScore",)),
        (Need(schema="urn:asp:negotiation:v1"), ()),
        (Need(schema="urn:asp:negotiation"), ("schema",)),
        (Need(protocol="asp/0.1"), ()),
        (Need(protocol="mrp/0.1"), ("protocol",)),
        (Need(organization="cloudprime.io"), ()),
        (Need(organization="acme.com"), ("organization",)),
    ],
)
def test_each_filter_has_its_bound(need, failed):
    assert failing_filters(need, BETA) == failed


@pytest.mark.parametrize(
    ("most", "listed", "holds"),
    [
        (hourly("3.50"), (hourly("3.5"),), True),
        (hourly("3.49"), (hourly("3.50"),), False),
        (Price(Decimal(100), "call", "USD"), (hourly("3.50"),), False),
        (hourly("5", "EUR"), (hourly("3.50", "USD"),), False),
        (hourly("5", None), (hourly("3.50", "USD"),), True),
        (hourly("5", "USD"), (hourly("3.50", None),), True),
        (hourly("5"), (hourly("9"), hourly("4")), True),
        (hourly("5"), (hourly("9"), Price(Decimal(4), "call", "USD")), False),
        (hourly("5"), (), False),
    ],
)
def test_a_maximum_price_is_met_by_one_price_of_its_unit(most, listed, holds):
    candidate = replace(BETA, prices=listed)
    assert (failing_filters(Need(max_price=most), candidate) == ()) is holds


def test_failing_filters_are_named_in_a_fixed_order():
    need = Need("x", 5, Decimal(99), hourly("1"), "x", "x", "x")
    assert failing_filters(need, BETA) == (
        "capability",
        "minTrustLevel",
        "minTrustScore",
        "maxPrice",
        "schema",
        "protocol",
        "organization",
    )


def test_the_best_trusted_come_first_and_equals_by_uri():
    page = search([agent("b"), agent("a"), agent("low", "10"), agent("high", "90")], Need())
    assert names(page) == [f"agent://a.io/{name}" for name in ("high", "a", "b", "low")]


def test_a_page_holds_at_most_fifty_and_at_least_one():
    crowd = [agent(f"{number:03}") for number in range(PAGE_MAX + 10)]
    assert len(search(crowd, Need(limit=1_000)).found) == PAGE_MAX
    assert len(search(crowd, Need(limit=-3)).found) == 1


@pytest.mark.parametrize(("count", "more"), [(PAGE_MAX, False), (PAGE_MAX + 1, True)])
def test_more_is_said_only_when_there_is_more(count, more):
    assert search([agent(f"{number:03}") for number in range(count)], Need()).more is more


@pytest.mark.parametrize(
    ("count", "total", "exact"),
    [(0, 0, True), (COUNTED_MAX, COUNTED_MAX, True), (COUNTED_MAX + 1, COUNTED_MAX, False)],
)
def test_the_total_is_exact_to_a_thousand(count, total, exact):
    page = search([agent(f"{number:04}") for number in range(count)], Need())
    assert (page.total, page.exact) == (total, exact)


def test_the_total_is_the_same_on_every_page():
    crowd = [agent(f"{number:03}") for number in range(7)]
    first = search(crowd, Need(limit=3))
    second = search(crowd, Need(limit=3, after=(first.found[-1].score, first.found[-1].uri)))
    assert (first.total, second.total) == (7, 7)


def test_a_near_miss_fails_exactly_one_filter_and_names_it():
    almost = agent("almost", "60", level=2)
    dear = agent("dear", "70", prices=(hourly("6"),))
    both = agent("both", "80", level=2, prices=(hourly("6"),))
    page = search([almost, dear, both, BETA], SEED)
    assert names(page) == [BETA.uri]
    assert [(miss.candidate.uri, miss.filter) for miss in page.near_misses] == [
        (dear.uri, "maxPrice"),
        (almost.uri, "minTrustLevel"),
    ]


def test_at_most_five_near_misses_are_told_the_best_ranked():
    crowd = [agent(str(number), str(number), level=0) for number in range(9)]
    told = search(crowd, Need(min_level=1)).near_misses
    assert [miss.candidate.score for miss in told] == [8, 7, 6, 5, 4]


def test_near_misses_lie_in_the_range_of_their_page():
    fits = [agent(f"fit{score}", str(score)) for score in (90, 70, 50)]
    misses = [agent(f"miss{score}", str(score), level=0) for score in (95, 80, 60, 40)]
    first = search([*fits, *misses], Need(min_level=1, limit=1))
    assert [miss.candidate.score for miss in first.near_misses] == [95]
    second = search([*fits, *misses], Need(min_level=1, limit=1, after=(Decimal(90), fits[0].uri)))
    assert [miss.candidate.score for miss in second.near_misses] == [80]
    # The last page reaches down to the last candidate.
    third = search([*fits, *misses], Need(min_level=1, limit=1, after=(Decimal(70), fits[1].uri)))
    assert [miss.candidate.score for miss in third.near_misses] == [60, 40]


def test_a_cursor_between_candidates_continues_there():
    # Whoever the cursor named may have left since.
    crowd = [agent("a", "90"), agent("b", "50"), agent("c", "50"), agent("d", "40")]
    page = search(crowd, Need(after=(Decimal(50), "agent://a.io/bb")))
    assert names(page) == ["agent://a.io/c", "agent://a.io/d"]


CANDIDATES = st.lists(
    st.builds(
        Candidate,
        uri=st.integers(0, 60).map("agent://a.io/{:02}".format),
        score=st.sampled_from([Decimal(text) for text in ("0", "12.5", "49", "49.0", "91")]),
        level=st.integers(0, 4),
        capabilities=st.sampled_from([(), ("a.b",), ("a.c", "d"), ("d",)]),
        organization=st.sampled_from(["", "a.io"]),
    ),
    max_size=40,
    unique_by=lambda one: one.uri,
)
NEEDS = st.builds(
    Need,
    capability=st.sampled_from([None, "a.b", "a.*", "d"]),
    min_level=st.sampled_from([None, 1, 3]),
    min_score=st.sampled_from([None, Decimal("12.5"), Decimal(60)]),
    organization=st.sampled_from([None, "a.io"]),
    limit=st.integers(1, 7),
)


def pages(candidates, need):
    """Follow the cursor to the end."""
    while True:
        page = search(candidates, need)
        yield page
        if not page.more:
            return
        need = replace(need, after=(page.found[-1].score, page.found[-1].uri))


@given(CANDIDATES, NEEDS)
def test_pages_join_without_gaps_or_doubles(candidates, need):
    read = list(pages(candidates, need))
    joined = [one for page in read for one in page.found]
    fitting = [one for one in candidates if not failing_filters(need, one)]
    assert joined == sorted(fitting, key=lambda one: (-one.score, one.uri))
    assert {page.total for page in read} == {len(fitting)}
    assert all(page.found for page in read[:-1])


@given(CANDIDATES, NEEDS)
def test_near_misses_join_without_doubles_and_each_fails_what_it_names(candidates, need):
    told = [miss for page in pages(candidates, need) for miss in page.near_misses]
    uris = [miss.candidate.uri for miss in told]
    assert len(set(uris)) == len(uris)
    assert all(failing_filters(need, miss.candidate) == (miss.filter,) for miss in told)
    missing = [one for one in candidates if len(failing_filters(need, one)) == 1]
    assert len(told) == len(missing) or len(told) >= NEAR_MISSES_MAX


@given(CANDIDATES, NEEDS, st.randoms(use_true_random=False))
def test_the_order_of_the_directory_does_not_matter(candidates, need, chance):
    shuffled = list(candidates)
    chance.shuffle(shuffled)
    assert search(shuffled, need) == search(candidates, need)
