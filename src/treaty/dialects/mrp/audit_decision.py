"""The decision of a deal file, made again: from the offers as received to winner and reasons.

What others told the buyer of a provider (its trust in a registry, what its manifest says of
residency) stands in the record alone and is taken as it stands there.

Read next: ``decision``, which makes it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from treaty.core.deal import Finding, lack
from treaty.dialects.mrp import choices as mrp
from treaty.dialects.mrp import numbers
from treaty.dialects.mrp.audit_file import File, Spoken
from treaty.dialects.mrp.decision import Heard, decide, record
from treaty.dialects.mrp.messages import Discover, Offer
from treaty.dialects.mrp.reading import read_discover, read_offer
from treaty.errors import TreatyError, WireError, shown
from treaty.wire import fields
from treaty.wire.canonical import Json, canonical

OFFERS: Final = "offers"
DECISION: Final = "decision"
CONSIDERED_MAX: Final = 100_000
_WORDS: Final = "text"
"""The member of a reason that is words; all others must be the same."""
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


@dataclass(slots=True)
class _Offered:
    """The offers that one provider made, by the address of its manifest."""

    spoken: Spoken
    """Its last OFFER."""
    senders: set[str] = field(default_factory=set)
    made: Counter[bytes] = field(default_factory=Counter)
    documents: dict[bytes, Json] = field(default_factory=dict)


def _offered(file: File) -> dict[str, _Offered]:
    found: dict[str, _Offered] = {}
    for spoken in file.said(mrp.OFFER, is_sent=False):
        one = found.setdefault(spoken.manifest_url, _Offered(spoken))
        one.spoken = spoken
        one.senders.add(spoken.envelope.sender)
        offers = spoken.envelope.payload.get("offers")
        for offer in offers[: mrp.OFFERS_MAX] if isinstance(offers, list) else ():
            bytes_of = canonical(offer)
            one.made[bytes_of] += 1
            one.documents[bytes_of] = offer
    return found


def offer_findings(file: File) -> Iterator[Finding]:
    """What was considered against what was offered."""
    try:
        considered = _considered(file)
        taken = Counter(canonical(one.get("offer")) for one in considered)
    except WireError as error:
        yield Finding(OFFERS, "decision", error.detail)
        return
    wanted, offered = wanted_of(file), _offered(file)
    is_named = wanted is None or wanted.constraints.capability is not None
    for one in offered.values():
        yield from _left_out(one, taken, is_named=is_named)
    made = Counter[bytes]()
    for one in offered.values():
        made += one.made
    for at, entry in enumerate(considered):
        bytes_of, where = canonical(entry.get("offer")), f"considered {at + 1}"
        if bytes_of not in made:
            yield Finding(OFFERS, where, "nobody offered this")
        elif taken[bytes_of] > made[bytes_of]:
            yield Finding(OFFERS, where, "it was considered more often than it was offered")
        elif _is_anothers(entry, bytes_of, offered.values()):
            yield Finding(OFFERS, where, f"{shown(entry.get('provider'))} did not offer this")


def _left_out(one: _Offered, taken: Mapping[bytes, int], *, is_named: bool) -> Iterator[Finding]:
    """The offers of a provider that were not considered, but for those a buyer may pass over.

    Where no capability was named it goes by what a manifest is about: then those for another one
    than what was considered of this provider. And a buyer need not read a provider's offers at
    all that are more than it has room for.
    """
    missing = [name for name in one.made if name not in taken]
    if not missing:
        return
    if one.made.total() > mrp.CONSIDERED_OF_ONE_MAX:
        yield lack(OFFERS, one.spoken.where, f"{one.made.total()} offers, too many to consider")
        return
    about = {_capability(one.documents[name]) for name in one.made if name in taken} - {None}
    for name in missing:
        if is_named or not about or _capability(one.documents[name]) in (None, *about):
            yield Finding(OFFERS, one.spoken.where, "an offer in it was not considered")
            return


def _capability(offer: Json) -> str | None:
    """What an offer is about; None for one that cannot be read, which is never passed over."""
    found = read_offer(offer)
    return found.capability if isinstance(found, Offer) else None


def _is_anothers(entry: Mapping[str, Json], bytes_of: bytes, offered: Iterable[_Offered]) -> bool:
    """True for an offer told of a provider that spoke here and did not make it."""
    own = [one for one in offered if entry.get("provider") in one.senders]
    return bool(own) and all(bytes_of not in one.made for one in own)


def winning_places(file: File) -> frozenset[str]:
    """The manifests of whoever made the offer that won; the one the record names, if it does."""
    won, considered = file.winner, file.record.get("considered")
    first = considered[0] if isinstance(considered, list) and considered else None
    if won is None or not isinstance(first, dict):
        return frozenset()
    try:
        bytes_of = canonical(first.get("offer"))
    except WireError:
        return frozenset()
    places = {url for url, one in _offered(file).items() if bytes_of in one.made}
    url = won.get("manifest_url")
    return frozenset(places if url is None else places & {url if isinstance(url, str) else ""})


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
        if isinstance(mine, dict) and isinstance(its, dict) and mine.keys() != its.keys():
            detail = f"it has the members {shown(sorted(its))}"
            yield Finding(DECISION, f"considered {at + 1}", detail)
        elif _verdict(mine) != _verdict(its):
            detail = f"{shown(_verdict(its))}, but {shown(_verdict(mine))} follows"
            yield Finding(DECISION, f"considered {at + 1}", detail)
        elif _texts(mine) != _texts(its):
            yield lack(DECISION, f"considered {at + 1}", OTHER_WORDS)


def _compared_winners(stated: Json, again: Json) -> Iterator[Finding]:
    """What follows must be stated so; a buyer adds where the offer came from."""
    if not isinstance(stated, dict) or not isinstance(again, dict):
        if stated != again:
            yield Finding(DECISION, "winner", f"{shown(stated)}, but {shown(again)} follows")
        return
    for name in sorted(stated.keys() - again.keys() - {"manifest_url"}):
        yield Finding(DECISION, "winner", f"there is no member {shown(name)} here")
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
        {name: member for name, member in one.items() if name != _WORDS}
        if isinstance(one, dict)
        else one
        for one in values
    ]
