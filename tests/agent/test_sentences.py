"""Choosing sentences: what answers the intent comes out, in order, once, within limits."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from treaty.agent.pages import Block
from treaty.agent.sentences import choose, sentences, stems

FILLER = [
    Block(f"The {word} walked over {word}field towards the {word} hills.", "Walks")
    for word in (
        *("red", "green", "blue", "grey", "black", "white", "brown", "pink"),
        *("old", "young", "tall", "short", "quick", "slow", "loud", "quiet"),
    )
]
ANSWERS = [
    Block("The basic plan costs $10 a month.", "Plans"),
    Block("Prices do not include tax.", "Plans"),
]
TEXT = [*FILLER[:8], ANSWERS[0], *FILLER[8:], ANSWERS[1]]


def chosen(intent: str, blocks=TEXT, **limits) -> list[str]:
    return [one.text for one in choose(blocks, intent, **limits)]


@pytest.mark.parametrize("intent", ["summarize pricing", "What are the prices?", "price list"])
def test_what_answers_is_chosen_in_the_order_of_the_text(intent: str) -> None:
    found = chosen(intent)

    assert found == [ANSWERS[0].text, ANSWERS[1].text]


def test_the_same_is_chosen_every_time() -> None:
    assert chosen("summarize pricing") == chosen("summarize pricing")


def test_a_short_text_leaves_out_what_answers_nothing() -> None:
    text = (
        "Three plans. Basic costs 10 dollars. Pro is €20. Trials are free of charge. We have a dog."
    )

    found = chosen("summarize pricing", [Block(text)])

    assert found == text.replace(" We have a dog.", "").replace(". ", ".|").split("|")


def test_a_list_stays_with_the_words_that_begin_it() -> None:
    blocks = [
        Block("Our prices:", "Plans"),
        Block("Basic, ten a month", "Plans", True),
        Block("Ring the bell twice.", "Plans"),
        Block("Berlin", "Offices", True),
    ]

    assert chosen("summarize pricing", blocks) == ["Our prices:", "Basic, ten a month"]


def test_a_short_text_that_answers_nothing_comes_back_whole() -> None:
    short = [Block("One thing. Another thing."), Block("A last one")]

    assert chosen("nothing of this", short) == ["One thing.", "Another thing.", "A last one"]


def test_a_heading_answers_for_what_stands_under_it() -> None:
    blocks = [*FILLER, Block("Anna and Otto.", "Contact"), Block("Room 5.", "Contact")]

    assert {"Anna and Otto.", "Room 5."} <= set(chosen("contact", blocks))


def test_what_was_said_is_not_said_again() -> None:
    assert chosen("pricing", [*TEXT, *ANSWERS, *ANSWERS]).count(ANSWERS[0].text) == 1
    assert chosen("x", [Block("Twice."), Block("Twice.")]) == ["Twice."]


def test_an_intent_of_asking_alone_gives_what_the_text_is_about() -> None:
    assert len(chosen("summarize this page please")) == 12


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("One. Two! Three? Four… Five", ["One.", "Two!", "Three?", "Four…", "Five"]),
        ("It costs 3.5 dollars, e.g. Monday.", ["It costs 3.5 dollars, e.g. Monday."]),
        ("Ask Dr. Who. He knows.", ["Ask Dr. Who.", "He knows."]),
        ("v1.2 is out. see notes.", ["v1.2 is out. see notes."]),
        ("一つ。二つ。", ["一つ。", "二つ。"]),
        ("", []),
    ],
)
def test_where_a_sentence_ends(text: str, parts: list[str]) -> None:
    assert [one.text for one in sentences([Block(text)])] == parts


def test_a_sentence_longer_than_is_carried_is_cut_at_a_word() -> None:
    (one,) = sentences([Block("word " * 200)])

    assert len(one.text) <= 500
    assert one.text.endswith("word…")


def test_forms_of_a_word_are_one() -> None:
    assert stems("price prices pricing priced") == stems("price")
    assert stems("The and of") == frozenset()


@given(st.lists(st.text(max_size=80), max_size=40), st.text(max_size=40))
def test_nothing_is_made_up_and_limits_hold(lines: list[str], intent: str) -> None:
    blocks = [Block(line) for line in lines]
    found = choose(blocks, intent, sentences_max=4, chars_max=200)

    assert len(found) <= 4
    assert sum(len(one.text) for one in found) <= 200
    assert all(one.text in blocks[one.block].text for one in found)
    assert [one.block for one in found] == sorted(one.block for one in found)
