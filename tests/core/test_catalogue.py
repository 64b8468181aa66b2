"""The catalogue gives the answers of the naive search, whatever was put, moved and removed."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from treaty.core import catalogue as catalogue_module
from treaty.core.catalogue import Catalogue
from treaty.core.matching import Candidate, Need, Price, search
from treaty.core.shelf import SHELF_MAX
from treaty.errors import Refused

DECIMALS = st.sampled_from([Decimal(text) for text in ("0", "12.5", "49", "49.0", "60.8", "91")])
PRICES = st.builds(
    Price,
    amount=st.sampled_from([Decimal(text) for text in ("1", "2.50", "2.5", "4", "9")]),
    unit=st.sampled_from(["hour", "call"]),
    currency=st.sampled_from([None, "USD", "EUR"]),
)
CANDIDATE = st.builds(
    Candidate,
    uri=st.integers(0, 60).map("agent://a.io/{:02}".format),
    score=DECIMALS,
    level=st.integers(0, 4),
    capabilities=st.sampled_from([(), ("a.b",), ("a.c", "d"), ("a.b.c", "a.b.c"), ("d", "a.")]),
    schemas=st.sampled_from([(), ("s",), ("s", "t")]),
    protocols=st.sampled_from([(), ("asp/0.1",)]),
    organization=st.sampled_from(["", "a.io", "s"]),
    prices=st.lists(PRICES, max_size=3).map(tuple),
    pricing=st.just({"pricePerHour": 2.5}),
)
NEED = st.builds(
    Need,
    capability=st.sampled_from([None, "a.b", "a.*", "a.b.*", "d", ".*", "*", "no.*"]),
    min_level=st.sampled_from([None, 1, 3, 5]),
    min_score=st.sampled_from([None, Decimal("12.5"), Decimal("49.0"), Decimal(60)]),
    max_price=st.none() | PRICES,
    schema=st.sampled_from([None, "s", "t"]),
    protocol=st.sampled_from([None, "asp/0.1"]),
    organization=st.sampled_from([None, "a.io", "s"]),
    limit=st.integers(1, 7),
    after=st.none() | st.tuples(DECIMALS, st.integers(0, 60).map("agent://a.io/{:02}".format)),
)
STEP = st.one_of(
    st.tuples(st.just("put"), CANDIDATE),
    st.tuples(st.just("remove"), CANDIDATE),
    st.tuples(st.just("rerank"), CANDIDATE),
)


@pytest.fixture(autouse=True)
def small_shelves(monkeypatch):
    """So few agents stand on a shelf that a short list of them has many."""
    monkeypatch.setattr(catalogue_module, "SHELF_MAX", 6)
    monkeypatch.setattr(catalogue_module, "SHELF_FILLED", 4)


def take(kept: dict[str, Candidate], catalogue: Catalogue, step: str, one: Candidate) -> None:
    if step == "put":
        kept[one.uri] = one
        catalogue.put(one)
    elif step == "remove":
        kept.pop(one.uri, None)
        catalogue.remove(one.uri)
    else:
        if one.uri in kept:
            kept[one.uri] = replace(kept[one.uri], score=one.score, level=one.level)
        catalogue.rerank(one.uri, one.score, one.level)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(CANDIDATE, max_size=30, unique_by=lambda one: one.uri),
    st.lists(STEP, max_size=40),
    st.lists(NEED, min_size=1, max_size=4),
)
def test_every_answer_is_that_of_the_naive_search(first, steps, needs):
    catalogue = Catalogue(first)
    kept = {one.uri: one for one in first}
    for step, one in steps:
        take(kept, catalogue, step, one)
    assert len(catalogue) == len(kept)
    for need in needs:
        assert catalogue.search(need) == search(kept.values(), need)


@settings(max_examples=60, deadline=None)
@given(st.lists(CANDIDATE, max_size=40, unique_by=lambda one: one.uri), NEED)
def test_following_the_cursor_gives_the_naive_pages(candidates, need):
    catalogue = Catalogue(candidates)
    need = replace(need, after=None)
    while True:
        page = catalogue.search(need)
        assert page == search(candidates, need)
        if not page.more:
            return
        need = replace(need, after=(page.found[-1].score, page.found[-1].uri))


@pytest.mark.parametrize("count", [0, 1, 999, 1_000, 1_001, 1_500])
def test_totals_are_counted_to_a_thousand_over_many_shelves(count):
    crowd = [
        Candidate(f"agent://a.io/{number:04}", Decimal(49), 1, ("a.b",)) for number in range(count)
    ]
    for need in (Need(capability="a.b"), Need(capability="a.*", min_level=2), Need(limit=3)):
        assert Catalogue(crowd).search(need) == search(crowd, need)


def test_shelves_of_the_real_size_split_and_answer_the_same(monkeypatch):
    monkeypatch.undo()
    catalogue, crowd = Catalogue(), []
    for number in range(2 * SHELF_MAX + 10):
        score = Decimal(number * 7 % 1_000) / 10
        one = Candidate(f"agent://a.io/{number % 97}/{number}", score, number % 5, ("a.b",))
        crowd.append(one)
        catalogue.put(one)
    need = Need(capability="a.*", min_level=2, min_score=Decimal(30), limit=20)
    for after in (None, (Decimal("64.4"), "agent://a.io/5/1")):
        assert catalogue.search(replace(need, after=after)) == search(
            crowd, replace(need, after=after)
        )


def test_an_agent_is_listed_once_under_its_uri():
    one = Candidate("agent://a.io/x", Decimal(49), 1, ("a.b",))
    catalogue = Catalogue([one])
    catalogue.put(replace(one, capabilities=("c.d",)))
    assert catalogue.search(Need(capability="a.b")).total == 0
    assert catalogue.search(Need(capability="c.d")).found[0].capabilities == ("c.d",)
    assert catalogue.get("agent://a.io/x") == replace(one, capabilities=("c.d",))
    assert catalogue.get("agent://a.io/y") is None


def test_words_are_limited_and_given_back(monkeypatch):
    monkeypatch.setattr(catalogue_module, "WORDS_MAX", 8)
    one = Candidate("agent://a.io/x", Decimal(49), 1, ("a.b", "c.d"))
    catalogue = Catalogue([one])
    other = replace(one, uri="agent://a.io/y")
    with pytest.raises(Refused) as caught:
        catalogue.check_room(other)
    assert caught.value.code == "capacity_unavailable"
    # Its own words are not counted twice, and those of who left not at all.
    catalogue.check_room(replace(one, capabilities=("a.b", "c.e")))
    catalogue.remove(one.uri)
    catalogue.check_room(other)
