"""LEARN: what an agent keeps for itself about how a counterparty negotiates (ASP B21).

Laws: everything is computed from the agent's own transcripts, by decimal arithmetic, and said as
it was computed; figures are relative, so that they carry over to another price; a record is
private and nothing here sends it.

The seed's own note is arithmetically wrong (ASP 5.6 note 9): its provider did not open at list
price but 14.3 % above, and agreed 6.3 % below that. Read next: ``negotiation``, which may use
``Statistics`` within its limits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal, localcontext
from itertools import pairwise
from typing import Final

from treaty.core.bids import ARITHMETIC, PRICE_MAX, Bid, in_range
from treaty.errors import MisuseError
from treaty.wire.canonical import Json
from treaty.wire.money import number_to_json

PLACES: Final = Decimal("0.000001")
"""Shares are kept to six decimals."""

_TENTH: Final = Decimal("0.1")
_CONFIDENCE_PLACES: Final = Decimal("0.0001")


@dataclass(frozen=True, slots=True)
class TimedBid:
    """A bid, and when it was made."""

    bid: Bid
    at_ms: int


@dataclass(frozen=True, slots=True)
class Transcript:
    """One negotiation with one counterparty, from the agent's own copy of the session.

    Raises ``MisuseError`` for a listed or agreed price that no bid could have.
    """

    bids: tuple[TimedBid, ...]
    """Oldest first; ``other`` is the counterparty."""
    listed_price: Decimal | None = None
    """The price on the provider's card, before anybody spoke."""
    agreed_price: Decimal | None = None
    """None when there was no agreement."""
    accepted_at_ms: int | None = None
    kept: bool | None = None
    """Whether the counterparty kept its promise; None while that is not known."""

    def __post_init__(self) -> None:
        for price in (self.listed_price, self.agreed_price):
            if price is not None and not in_range(price):
                raise MisuseError(f"a price lies in 0 to {PRICE_MAX}")


@dataclass(frozen=True, slots=True)
class Statistics:
    """What one's own transcripts say about one counterparty.

    Every figure is the median over the negotiations that have it, so one odd deal does not bend
    it; None where none has. Shares are fractions of 1, to six decimals.
    """

    negotiations: int = 0
    deals: int = 0
    """Those that ended in agreement."""
    opening_gap: Decimal | None = None
    """First bid against the list price: 0.142857 is 14.3 % above it."""
    concession: Decimal | None = None
    """Per bid it made, the share of its first bid by which it came nearer; negative: went away."""
    rounds: Decimal | None = None
    """Bids it made."""
    response_ms: int | None = None
    """From a bid of ours to its answer."""
    acceptance: Decimal | None = None
    """Agreed price against its first bid: -0.0625 is 6.25 % below it."""
    kept: Decimal | None = None
    """Share of promises kept, of those whose end is known."""

    def to_json(self) -> dict[str, Json]:
        """The figures for the agent's owner: shares as decimal text, times in milliseconds."""
        figures = ("opening_gap", "concession", "rounds", "acceptance", "kept")
        names = ("openingGap", "concession", "rounds", "acceptance", "kept")
        said = {name: getattr(self, own) for name, own in zip(names, figures, strict=True)}
        return {
            "negotiations": self.negotiations,
            "deals": self.deals,
            "responseMs": self.response_ms,
            **{name: None if value is None else f"{value:f}" for name, value in said.items()},
        }


@dataclass(frozen=True, slots=True)
class Observation:
    """The seed's LEARN record. It stays with its author."""

    subject: str
    observation: str
    counterparty: str
    tags: tuple[str, ...]
    confidence: Decimal
    observation_type: str = "learning"
    visibility: str = "private"

    def to_json(self) -> dict[str, Json]:
        """The record as the seed spells it."""
        return {
            "observationType": self.observation_type,
            "subject": self.subject,
            "data": {
                "observation": self.observation,
                "counterparty": self.counterparty,
                "tags": list(self.tags),
            },
            "confidence": number_to_json(self.confidence),
            "visibility": self.visibility,
        }


def summarise(transcripts: Iterable[Transcript]) -> Statistics:
    """Fold transcripts with one counterparty into its statistics; their order does not matter."""
    all_of_them = tuple(transcripts)
    kept = [one.kept for one in all_of_them if one.kept is not None]
    answers = [wait for one in all_of_them for wait in _answers_ms(one)]
    with localcontext(ARITHMETIC):
        return Statistics(
            negotiations=len(all_of_them),
            deals=sum(one.agreed_price is not None for one in all_of_them),
            opening_gap=_typical(_opening_gap, all_of_them),
            concession=_typical(_concession, all_of_them),
            rounds=_typical(_rounds, all_of_them),
            response_ms=int(_median([Decimal(wait) for wait in answers])) if answers else None,
            acceptance=_typical(_acceptance, all_of_them),
            kept=_share(sum(kept), len(kept)) if kept else None,
        )


def _typical(
    figure: Callable[[Transcript], Decimal | None], transcripts: Sequence[Transcript]
) -> Decimal | None:
    known = [value for one in transcripts if (value := figure(one)) is not None]
    return _median(known).quantize(PLACES) if known else None


def _median(values: list[Decimal]) -> Decimal:
    ordered, middle = sorted(values), len(values) // 2
    if len(ordered) % 2:
        return ordered[middle]
    return (ordered[middle - 1] + ordered[middle]) / 2


def _share(part: int, whole: int) -> Decimal:
    return (Decimal(part) / whole).quantize(PLACES)


def _of(transcript: Transcript, side: str) -> list[Bid]:
    return [timed.bid for timed in transcript.bids if timed.bid.side == side]


def _relative(price: Decimal, to: Decimal | None) -> Decimal | None:
    return None if not to else (price - to) / to


def _opening_gap(transcript: Transcript) -> Decimal | None:
    theirs = _of(transcript, "other")
    return _relative(theirs[0].price, transcript.listed_price) if theirs else None


def _acceptance(transcript: Transcript) -> Decimal | None:
    theirs = _of(transcript, "other")
    if not theirs or transcript.agreed_price is None:
        return None
    return _relative(transcript.agreed_price, theirs[0].price)


def _rounds(transcript: Transcript) -> Decimal | None:
    return Decimal(len(_of(transcript, "other"))) or None


def _concession(transcript: Transcript) -> Decimal | None:
    """From its first bid to its last, or to the price it agreed to, per bid it made."""
    theirs, mine = _of(transcript, "other"), _of(transcript, "own")
    if not theirs or not mine:
        return None
    first, last = theirs[0].price, theirs[-1].price
    reached = last if transcript.agreed_price is None else transcript.agreed_price
    moved = _relative(reached, first)
    if moved is None or mine[0].price == first:
        return None
    nearer = moved if mine[0].price > first else -moved
    return nearer / len(theirs)


def _answers_ms(transcript: Transcript) -> list[int]:
    """How long it took to answer each bid of ours; an acceptance is an answer too."""
    moments = [(timed.bid.side, timed.at_ms) for timed in transcript.bids]
    if transcript.accepted_at_ms is not None and _they_accepted(transcript):
        moments.append(("other", transcript.accepted_at_ms))
    pairs = pairwise(moments)
    # Clocks of two hosts may disagree: no answer comes before its question.
    return [max(0, b - a) for (asked, a), (said, b) in pairs if (asked, said) == ("own", "other")]


def _they_accepted(transcript: Transcript) -> bool:
    """Whoever did not make the last bid is the one who accepted it."""
    bids = transcript.bids
    return transcript.agreed_price is not None and bool(bids) and bids[-1].bid.side == "own"


def confidence(deals: int) -> Decimal:
    """How much to trust a record that rests on so many deals: (deals + 1/2) / (deals + 1).

    The estimator of Krichevsky and Trofimov for something seen every time: 0.5 before the first
    deal, 0.75 after it as in the seed, then 0.8333, and never quite 1. Four decimals, rounded
    down. Raises ``MisuseError`` for a negative count.
    """
    if deals < 0:
        raise MisuseError(f"{deals} deals cannot be")
    with localcontext(ARITHMETIC):
        share = (deals + Decimal("0.5")) / (deals + 1)
        return share.quantize(_CONFIDENCE_PLACES, rounding=ROUND_DOWN)


def observe(
    transcript: Transcript,
    counterparty: str,
    *,
    subject: str = "",
    tags: Sequence[str] = ("negotiation-strategy",),
    deals_before: int = 0,
) -> Observation:
    """Write down, truthfully and in figures, how a counterparty negotiated (ASP B21).

    ``deals_before`` counts earlier deals with it and raises the confidence.
    """
    deals = deals_before + (transcript.agreed_price is not None)
    with localcontext(ARITHMETIC):
        said = [_opening(transcript), _trade(transcript), _end(transcript), _word(transcript)]
    return Observation(
        subject=subject or f"Negotiation with {counterparty}",
        observation=" ".join(sentence for sentence in said if sentence),
        counterparty=counterparty,
        tags=tuple(tags),
        confidence=confidence(deals),
    )


def _against(share: Decimal, what: str) -> str:
    """A share in words, such as ``14.3 % above list price``."""
    percent = abs(share * 100).quantize(_TENTH, rounding=ROUND_HALF_UP)
    if not share:
        return f"at {what}"
    return f"{percent or 'less than 0.1'} % {'above' if share > 0 else 'below'} {what}"


def _opening(transcript: Transcript) -> str:
    theirs = _of(transcript, "other")
    if not theirs:
        return "Made no bid."
    gap = _opening_gap(transcript)
    where = "without a list price to compare" if gap is None else _against(gap, "list price")
    manner = "final" if theirs[0].final else "not final"
    return f"Opens {where}; its first bid is {manner}."


def _trade(transcript: Transcript) -> str:
    """Better quality for a higher price than the bid it answers."""
    for asked, answer in pairwise(transcript.bids):
        mine, theirs = asked.bid, answer.bid
        if (mine.side, theirs.side) != ("own", "other"):
            continue
        if mine.quality is None or theirs.quality is None:
            continue
        if theirs.quality > mine.quality and theirs.price > mine.price:
            return f"Offers quality {theirs.quality} instead of {mine.quality} for a higher price."
    return ""


def _end(transcript: Transcript) -> str:
    count = len(_of(transcript, "other"))
    after = f"after {count} {'bid' if count == 1 else 'bids'} of its own"
    if transcript.agreed_price is None:
        return f"No agreement {after}."
    share = _acceptance(transcript)
    verb = "Accepted" if _they_accepted(transcript) else "Settled"
    where = "" if share is None else f" {_against(share, 'its first bid')}"
    return f"{verb}{where} {after}."


def _word(transcript: Transcript) -> str:
    if transcript.kept is None:
        return ""
    return "Kept its promise." if transcript.kept else "Did not keep its promise."
