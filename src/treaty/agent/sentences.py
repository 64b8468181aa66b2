"""Choosing the sentences of a text that answer an intent: the same ones every time.

Extractive and pure: nothing is written that does not stand in the text. Where some sentences answer
the intent, those that answer nothing of it are left out. A sentence weighs what it shares with the
intent, rare words more than common ones; then what it shares with the whole
text; what stands under a heading that answers the intent weighs more, and so does what comes
early. Sentences that say the same again are passed over. They are given in their own order.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import log
from typing import Final

from treaty.agent.pages import Block

SENTENCES_MAX: Final = 12
CHARS_MAX: Final = 1_600
CANDIDATES_MAX: Final = 5_000
SENTENCE_CHARS_MAX: Final = 500

_INTENT_WEIGHT: Final = 3.0
_HEADING_WEIGHT: Final = 1.5
_TEXT_WEIGHT: Final = 1.0
_LEAD_WEIGHT: Final = 0.5
_SAME: Final = 0.8
_WORDS_LEAST: Final = 6
"""Shorter sentences share no more for being short."""
_ROOM_LEAST: Final = 20
"""With less room left nothing more is looked for."""
_ABOUT_MONEY: Final = frozenset(("pric", "cost", "fee", "charg", "plan", "tariff", "bill"))
_MONEY: Final = re.compile(
    r"[$€£¥]\s?[0-9]|[0-9]\s?(?:[$€£¥]|(?:usd|eur|gbp|usdc|dollars?|euros?|pounds?|cents?)\b)"
    r"|\b(?:free of charge|for free)\b",
    re.IGNORECASE,
)

_WORD: Final = re.compile(r"\w+(?:['’]\w+)?")
# A sentence ends at . ! ? … before space and what may begin another; 3.5 and e.g. do not end one.
_END: Final = re.compile(
    r"(?<=[.!?…])[\"'\u201d\u2019)\]]?\s+(?=[\"'\u201c\u2018(\[]?[A-ZÀ-ÞΑ-ΩА-Я0-9])"
    r"|(?<=[\u3002\uff01\uff1f])"
)
_SHORTENED: Final = re.compile(
    r"(?:\A[0-9]{1,3}|\b(?:e\.g|i\.e|etc|vs|approx|no|dr|mr|mrs|ms|st|inc|ltd|co|[a-z]))\.\Z",
    re.IGNORECASE,
)
_SUFFIXES: Final = ("ations", "ation", "ings", "ing", "ies", "ment", "ed", "es", "ly", "s", "e")
_COMMON: Final = frozenset(
    """a about above after again all also am an and any are as at be because been before being
    below between both but by can could did do does doing down during each few for from further
    had has have having he her here hers him his how i if in into is it its itself just me more
    most my no nor not now of off on once only or other our ours out over own same she should so
    some such than that the their theirs them then there these they this those through to too
    under until up us very was we were what when where which while who whom why will with would
    you your yours""".split()  # noqa: SIM905 - a list of words reads as one
)
# What an intent asks to be done, and in what form; not what it is about.
_ASKING: Final = frozenset(
    """answer bullet bullets brief briefly describe detail details explain extract find format
    give get html json key list main make markdown md page please points provide report return
    shortly show site summarise summarize summary tell text tldr url web website write""".split()  # noqa: SIM905
)


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence as it stands in the text, and where."""

    text: str
    block: int
    """Index of its block."""
    heading: str
    is_item: bool


def choose(
    blocks: Sequence[Block],
    intent: str,
    *,
    sentences_max: int = SENTENCES_MAX,
    chars_max: int = CHARS_MAX,
) -> tuple[Sentence, ...]:
    """The sentences that answer the intent, in the order of the text.

    Where nothing answers it, a text that fits within the limits comes back whole, and of a longer
    one what it is about.
    """
    every = sentences(blocks)
    words = [stems(one.text) for one in every]
    answers = _answers(every, words, stems(intent) - _ASKED)
    weights = _weights(words, answers)
    order = sorted(range(len(every)), key=lambda index: (-weights[index], index))
    if any(answers):
        # A list goes on with what the words before it began.
        lists = {one.heading for one, share in zip(every, answers, strict=True) if share}
        order = [
            index
            for index in order
            if answers[index] or (every[index].is_item and every[index].heading in lists)
        ]
    return tuple(_fitting(every, order, sentences_max, chars_max))


def sentences(blocks: Sequence[Block]) -> list[Sentence]:
    """The sentences of a text; one longer than is carried is cut at a word."""
    found: list[Sentence] = []
    for index, block in enumerate(blocks):
        for text in _split(block.text):
            found.append(Sentence(_cut(text), index, block.heading, block.is_item))
            if len(found) >= CANDIDATES_MAX:
                return found
    return found


def stems(text: str) -> frozenset[str]:
    """The words of a text without common ones and endings; prices, price and pricing are one."""
    words = (word.lower() for word in _WORD.findall(text))
    return frozenset(_stem(word) for word in words if word not in _COMMON)


@lru_cache(maxsize=8_192)
def _stem(word: str) -> str:
    for suffix in _SUFFIXES:
        if word.endswith(suffix) and len(word) - len(suffix) >= 3:
            return word[: -len(suffix)]
    return word


_ASKED: Final = frozenset(map(_stem, _ASKING))


def _split(text: str) -> Iterable[str]:
    held = ""
    for piece in _END.split(text):
        held = f"{held} {piece}".strip() if held else piece.strip()
        if held and not _SHORTENED.search(held):
            yield held
            held = ""
    if held:
        yield held


def _cut(text: str) -> str:
    if len(text) <= SENTENCE_CHARS_MAX:
        return text
    return text[: SENTENCE_CHARS_MAX - 1].rpartition(" ")[0] + "…"


def _answers(
    every: Sequence[Sentence], words: Sequence[frozenset[str]], asked: frozenset[str]
) -> list[float]:
    """How much of the intent each sentence answers, by its words and its heading's."""
    spread = Counter(word for own in words for word in own & asked)
    sections = Counter(one.heading for one in every)
    under = {
        heading: len(stems(heading) & asked) * (1 - number / len(every))
        for heading, number in sections.items()
    }
    wants_money = bool(asked & _ABOUT_MONEY)
    found = []
    for one, own in zip(every, words, strict=True):
        rarity = sum(1 + log(len(every) / spread[word]) for word in own & asked)
        money = 1 if wants_money and _is_about_money(one.text, own) else 0
        found.append(_INTENT_WEIGHT * (rarity + money) + _HEADING_WEIGHT * under[one.heading])
    return found


def _is_about_money(text: str, words: frozenset[str]) -> bool:
    """True for a figure with a currency, or a word such as plan or fee."""
    return bool(words & _ABOUT_MONEY) or _MONEY.search(text) is not None


def _weights(words: Sequence[frozenset[str]], answers: Sequence[float]) -> list[float]:
    spread = Counter(word for each in words for word in each)
    total = len(words)
    weights = []
    for index, own in enumerate(words):
        shared = sum(spread[word] for word in own) / (total * max(len(own), _WORDS_LEAST))
        lead = 1 - index / total
        weights.append(answers[index] + _TEXT_WEIGHT * shared + _LEAD_WEIGHT * lead)
    return weights


def _fitting(
    every: Sequence[Sentence], order: Iterable[int], sentences_max: int, chars_max: int
) -> list[Sentence]:
    chosen: list[int] = []
    chars = 0
    for index in order:
        size = len(every[index].text)
        if chars + size <= chars_max and not _is_said(every, chosen, index):
            chosen.append(index)
            chars += size
        if len(chosen) == sentences_max or chars_max - chars < _ROOM_LEAST:
            break
    return [every[index] for index in sorted(chosen)]


def _is_said(every: Sequence[Sentence], chosen: Sequence[int], index: int) -> bool:
    """True when a chosen sentence has nearly the same words."""
    own = frozenset(_WORD.findall(every[index].text.lower()))
    for other in chosen:
        words = frozenset(_WORD.findall(every[other].text.lower()))
        if len(own & words) > _SAME * len(own | words) or own == words:
            return True
    return False
