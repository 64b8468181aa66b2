"""The decision of a deal file, made again: from the offers as received to winner and reasons.

What others told the buyer of a provider (its trust in a registry, what its manifest says of
residency) stands in the record alone and is taken as it stands there.

Read next: ``decision``, which makes it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from treaty.core.deal import Finding, lack
from treaty.dialects.mrp import choices as mrp
from treaty.dialects.mrp import numbers
from treaty.dialects.mrp.audit_file import File
from treaty.dialects.mrp.decision import Heard, decide, record
from treaty.dialects.mrp.messages import Discover
from treaty.dialects.mrp.reading import read_discover, read_offer
from treaty.errors import TreatyError, WireError, shown
from treaty.wire import fields
from treaty.wire.canonical import Json, canonical

OFFERS: Final = "offers"
DECISION: Final = "decision"
CONSIDERED_MAX: Final = 100_000
_JUDGED: Final = ("code", "field", "required", "got")
"""What of a reason must be the same; its text is words."""
OTHER_WORDS: Final = "the sentences are not those that would be written here"


def wanted_of(file: File) -> Discover | None:
    """What was asked of everybody, as the first DISCOVER says it."""
    first = next(file.said(mrp.DISCOVER, is_sent=True), None)
    if first is None:
        return None
    try:
        return read_discover(first.envelope)
    except WireError:
        return None


def _considered(file: File) -> list[Mapping[str, Json]]:
    found = file.record.get("considered")
    if not isinstance(found, list) or len(found) > CONSIDERED_MAX:
        raise WireError("the record has no list of what was considered")
    if not all(isinstance(one, dict) for one in found):
        raise WireError("what was considered is an object each")
    return [one for one in found if isinstance(one, dict)]


def offer_findings(file: File) -> Iterator[Finding]:
    """What was considered against what was offered."""
    try:
        considered = _considered(file)
        shown_offers = {canonical(one.get("offer")): one for one in considered}
    except WireError as error:
        yield Finding(OFFERS, "decision", error.detail)
        return
    offered: set[bytes] = set()
    beside = _Beside(wanted_of(file), considered)
    for spoken in file.said(mrp.OFFER, is_sent=False):
        offers = spoken.envelope.payload.get("offers")
        for offer in offers[: mrp.OFFERS_MAX] if isinstance(offers, list) else ():
            bytes_of = canonical(offer)
            offered.add(bytes_of)
            if bytes_of not in shown_offers and not beside.allows(offer):
                yield Finding(OFFERS, spoken.where, "an offer in it was not considered")
    for at, one in enumerate(considered):
        if canonical(one.get("offer")) not in offered:
            yield Finding(OFFERS, f"considered {at + 1}", "nobody offered this")


class _Beside:
    """Offers a buyer may pass over: it went by what the manifests are about, naming nothing."""

    def __init__(self, wanted: Discover | None, considered: list[Mapping[str, Json]]) -> None:
        self._named = wanted is None or wanted.constraints.capability is not None
        named = (one.get("capability") for one in considered)
        self._about = {one for one in named if isinstance(one, str)}

    def allows(self, offer: Json) -> bool:
        """True for an offer of another capability, where none was asked for by name."""
        if self._named or not isinstance(offer, dict):
            return False
        capability = offer.get("capability")
        return isinstance(capability, str) and capability not in self._about


def decision_findings(file: File) -> Iterator[Finding]:
    """The record against the decision made again."""
    asked = list(file.said(mrp.DISCOVER, is_sent=True))
    if not asked:
        yield lack(DECISION, "", "nobody was asked")
        return
    payload = canonical(dict(asked[0].envelope.payload))
    for one in asked[1:]:
        if canonical(dict(one.envelope.payload)) != payload:
            yield Finding(DECISION, one.where, "this provider was asked something else")
    try:
        wanted = read_discover(asked[0].envelope)
        again = _again(file, wanted)
    except TreatyError as error:
        yield Finding(DECISION, "decision", error.detail)
        return
    yield from _compared(file.record, again)


def _again(file: File, wanted: Discover) -> dict[str, Json]:
    heard = [_heard(one) for one in _considered(file)]
    strict = fields.flag(file.record, "strict_unknown")
    decided = decide(wanted, heard, strict_unknown=strict)
    return record(wanted, decided, decision_id=file.id, at_ms=0)


def _heard(considered: Mapping[str, Json]) -> Heard:
    return Heard(
        provider=fields.text(considered, "provider"),
        offer=read_offer(considered.get("offer")),
        trust=numbers.amount(considered.get("trust"), "trust", 1),
        residency=fields.text_or(considered, "residency"),
    )


def _compared(stated: Mapping[str, Json], again: Mapping[str, Json]) -> Iterator[Finding]:
    for name in ("intent", "constraints", "proofs_required"):
        if stated.get(name) != again[name]:
            yield Finding(DECISION, name, "not what was asked")
    yield from _compared_winners(stated.get("winner"), again["winner"])
    if stated.get("why_won") != again["why_won"]:
        yield lack(DECISION, "why_won", OTHER_WORDS)
    ours, theirs = again["considered"], stated["considered"]
    assert isinstance(ours, list)
    assert isinstance(theirs, list)
    for at, (mine, its) in enumerate(zip(ours, theirs, strict=True)):
        if _verdict(mine) != _verdict(its):
            detail = f"{shown(_verdict(its))}, but {shown(_verdict(mine))} follows"
            yield Finding(DECISION, f"considered {at + 1}", detail)
        elif _texts(mine) != _texts(its):
            yield lack(DECISION, f"considered {at + 1}", OTHER_WORDS)


def _compared_winners(stated: Json, again: Json) -> Iterator[Finding]:
    """What follows must be stated so; a buyer may have added to it."""
    if not isinstance(stated, dict) or not isinstance(again, dict):
        if stated != again:
            yield Finding(DECISION, "winner", f"{shown(stated)}, but {shown(again)} follows")
        return
    for name, value in again.items():
        if stated.get(name) != value:
            detail = f"{name} {shown(stated.get(name))}, but {shown(value)} follows"
            yield Finding(DECISION, "winner", detail)


def _texts(considered: Json) -> list[Json]:
    one = considered if isinstance(considered, dict) else {}
    found = [one.get(name) for name in ("reasons", "warnings")]
    return [
        reason.get("text")
        for reasons in found
        for reason in (reasons if isinstance(reasons, list) else ())
        if isinstance(reason, dict)
    ]


def _verdict(considered: Json) -> tuple[Json, ...]:
    one = considered if isinstance(considered, dict) else {}
    return (
        one.get("provider"),
        one.get("route_id"),
        one.get("capability"),
        one.get("verdict"),
        _reasons(one.get("reasons")),
        _reasons(one.get("warnings")),
    )


def _reasons(stated: Json) -> list[Json]:
    values = stated if isinstance(stated, list) else [stated]
    return [
        {name: one.get(name) for name in _JUDGED} if isinstance(one, dict) else one
        for one in values
    ]
