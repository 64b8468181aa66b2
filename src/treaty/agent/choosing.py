"""From what was heard to a choice, and to the record that explains it.

The record is that of ``dialects.mrp.decision`` with what only the buyer knows beside it: whom it
asked and got nothing from, and how far the decision has come. ``treaty decisions show --json``
prints it.

Read next: ``treaty.dialects.mrp.decision``, which chooses and lays out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from treaty.agent.decisions import Record
from treaty.agent.hearing import Heard
from treaty.dialects.mrp import decision as mrp
from treaty.dialects.mrp.buying import Wish, discover_of
from treaty.dialects.mrp.messages import Discover, Malformed, Offer
from treaty.wire.canonical import Json, canonical


@dataclass(frozen=True, slots=True)
class Chosen:
    """The decision on all that was heard."""

    wish: Wish
    asked: Discover
    decision: mrp.Decision
    heard_all: Sequence[Heard]
    heard_from: Mapping[int, Heard]
    """By identity of the offer that was ranked: whose it is."""

    @property
    def heard(self) -> Heard | None:
        """The winner's provider."""
        won = self.decision.winner
        return None if won is None else self.heard_from[id(won)]

    @property
    def offer(self) -> Offer | None:
        """The winner's offer."""
        won = self.decision.winner
        return won.offer if won is not None and isinstance(won.offer, Offer) else None

    def record(
        self,
        decision_id: str,
        at_ms: int,
        window_ms: int,
        passed_over: Iterable[tuple[str, str]] = (),
    ) -> Record:
        """The decision for programs."""
        laid = mrp.record(self.asked, self.decision, decision_id=decision_id, at_ms=at_ms)
        over: list[Json] = [{"id": name, "detail": why} for name, why in passed_over]
        won = laid["winner"]
        if isinstance(won, dict) and self.heard is not None:
            won["manifest_url"] = self.heard.source.manifest_url
        return {
            **laid,
            "status": "decided" if won is not None else "no_winner",
            "inputs": [dict(one) for one in self.wish.inputs],
            "allowed_domains": list(self.wish.domains),
            "output_format": self.wish.output_format,
            "window_ms": window_ms,
            "unanswered": self._unanswered(),
            "passed_over": over,
        }

    def _unanswered(self) -> list[Json]:
        return [
            {
                "provider": one.provider,
                "manifest_url": one.source.manifest_url,
                "code": one.code,
                "detail": one.why,
            }
            for one in self.heard_all
            if one.why
        ]


def choose(wish: Wish, heard: Sequence[Heard], *, is_strict: bool) -> Chosen:
    """Decide on everything that was heard."""
    asked = discover_of(wish)
    pairs = [(one, _placed(one, offer)) for one, offer in _once(wish, heard)]
    decision = mrp.decide(asked, [offer for _, offer in pairs], strict_unknown=is_strict)
    heard_from = {id(offer): one for one, offer in pairs}
    return Chosen(wish, asked, decision, tuple(heard), heard_from)


def _placed(heard: Heard, offer: Offer | Malformed) -> mrp.Heard:
    return mrp.Heard(
        provider=heard.provider,
        offer=offer,
        trust=heard.source.trust,
        residency=None if heard.manifest is None else heard.manifest.residency,
    )


def _once(wish: Wish, heard: Iterable[Heard]) -> Iterable[tuple[Heard, Offer | Malformed]]:
    """Every offer that is meant; one that a place made in several answers alike is taken once."""
    seen: set[tuple[str, bytes]] = set()
    for one in heard:
        place = "" if one.manifest is None else one.manifest.execute_url
        for offer in _meant(wish, one):
            document = offer.document
            stated = dict(document) if isinstance(document, Mapping) else document
            key = (place, canonical(stated))
            if key not in seen:
                seen.add(key)
                yield one, offer


def _meant(wish: Wish, heard: Heard) -> Sequence[Offer | Malformed]:
    """A provider's offers; those for what its manifest is about, where no capability was named.

    A bridge answers for all its tools at once, and whoever names the manifest of one wants that.
    """
    if wish.capability is not None or heard.manifest is None:
        return heard.offers
    about = heard.manifest.capability
    others = [one for one in heard.offers if isinstance(one, Offer) and one.capability != about]
    if len(others) == sum(isinstance(one, Offer) for one in heard.offers):
        return heard.offers
    return [one for one in heard.offers if one not in others]
