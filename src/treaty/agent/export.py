"""Export: a deal as one file, gathered from the agent's own verified copy (decision B22).

``export_deal`` takes what the agent keeps; ``export_copy`` the same from a store that is only
read. A node that can be reached adds what came after the copy's last entry and the extract of
the trust log from which the scores follow; without one the file is complete but for these.

Laws: nothing the node says enters the file unchecked, but for records of the trust log, which
``verify`` checks; a score is stated only when the records in the file bear it out.

Read next: ``treaty.dialects.asp.deal``, which lays the file out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from treaty.agent.agent import Agent
from treaty.agent.copies import Copies
from treaty.agent.copy import VerifiedCopy
from treaty.agent.keeping import open_kept
from treaty.agent.late import LateCopy
from treaty.agent.ports import NodeClient
from treaty.core.trust import Outcome, Record, record_from_json
from treaty.dialects.asp.deal import (
    Standings,
    believed_at,
    make_deal,
    standings,
    trust_lines,
    unfounded,
)
from treaty.errors import Refused, SignatureError, UnavailableError, WireError
from treaty.identity.cards import open_card
from treaty.identity.keys import read_public_key
from treaty.wire import fields
from treaty.wire.canonical import Json

RECORDS_MAX: Final = 1_000
"""The trust log is taken whole up to here; beyond, only what names one of the two parties."""
SEARCHED_MAX: Final = 20_000
"""Records looked through for those of the parties."""
PAGE: Final = 200
TRIES_MAX: Final = 4
"""How often the log is read again because it grew meanwhile."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A session as its participant keeps it, verified again."""

    known: Mapping[str, Json]
    """What the agent knew of host and parties when the session began."""
    copy: VerifiedCopy


@dataclass(frozen=True, slots=True)
class Extract:
    """Records of the trust log, in its order, with proofs under one signed head."""

    entries: tuple[Mapping[str, Json], ...] = ()
    """``{index, kind, record, proof}`` each."""
    head: Mapping[str, Json] | None = None
    records: tuple[Record, ...] = field(default=(), repr=False)
    """The same, read."""


async def export_deal(agent: Agent, session: str, *, share: bool = False) -> dict[str, Json]:
    """The deal file of one of an agent's sessions; ``share`` leaves discovery out.

    Raises ``Refused`` (``unknown_session``) when the agent keeps no copy of it.
    """
    await agent.copies.flush()
    return await export_copy(agent.copies, agent.client, session, share=share)


async def export_copy(
    copies: Copies, client: NodeClient | None, session: str, *, share: bool = False
) -> dict[str, Json]:
    """The deal file from an agent's store, which is only read.

    ``client`` is the session's own host, if it can be asked; ``logHead`` is None in what was
    made without it. Raises ``Refused`` (``unknown_session``; ``policy_violation`` for an agent
    that joined late and was not shown the whole log), and ``SignatureError`` or
    ``WireError`` for a copy or a host that contradicts itself.
    """
    kept = await open_copy(copies, session)
    if isinstance(kept.copy, LateCopy):
        raise Refused(
            f"this agent joined behind entry {kept.copy.since} and was not shown what came before; "
            "a deal file holds the whole log, so a party has to export it",
            "policy_violation",
        )
    extract, cards = Extract(), list[dict[str, Json]]()
    if client is not None:
        try:
            if await is_host(client, kept):
                await catch_up(kept.copy, client, session)
                extract = await take_extract(client, kept.copy)
                cards = await _other_cards(client, kept)
        except UnavailableError:
            # What the own copy holds is enough for a file; its reader sees what is missing.
            extract = Extract()
    return _lay_out(kept, extract, session, share, cards)


async def _other_cards(client: NodeClient, kept: Kept) -> list[dict[str, Json]]:
    """The listed cards of who came later: delegates and authorities that have spoken."""
    cards = fields.items(kept.known, "cards")
    known = {card.get("uri") for card in cards if isinstance(card, dict)}
    found = []
    for member in kept.copy.conversation.participants.values():
        if member.uri in known or member.public_key is None:
            continue
        try:
            card = await client.card(member.uri)
        except (Refused, SignatureError):
            continue
        # One that was replaced since says nothing about the key that signs here.
        if open_card(card).key == read_public_key(member.public_key):
            found.append(card)
    return found


async def open_copy(copies: Copies, session: str) -> Kept:
    """A kept session, every entry verified again. Raises ``Refused`` (``unknown_session``)."""
    return Kept(*await open_kept(copies, session))


async def is_host(client: NodeClient, kept: Kept) -> bool:
    """True when the node that answers has the key of this session's host."""
    described = await client.describe()
    return read_public_key(described.get("publicKey")) == kept.copy.known.host


async def catch_up(copy: VerifiedCopy, client: NodeClient, session: str) -> None:
    """Fetch and verify what the host has logged behind the copy's last entry."""
    more = True
    while more:
        before = copy.position
        page = await client.entries(session, before)
        for item in page.items:
            copy.absorb(item)
        more = page.more and copy.position > before


def announced(copy: VerifiedCopy) -> list[int]:
    """Indexes in the host's trust log of this session's outcomes, as it announced them."""
    found = []
    for item in copy.items:
        data = item.record.get("data")
        if item.record.get("fact") != "outcome" or not isinstance(data, dict):
            continue
        # An outcome that was reported to another trust node stands in that one's log.
        if "trust" not in data:
            found.append(fields.integer(data, "index"))
    return found


async def take_extract(client: NodeClient, copy: VerifiedCopy) -> Extract:
    """The records up to the session's last outcome, from which its scores follow.

    A log that keeps growing while it is read, or that is too long, gives the outcomes alone.
    """
    indexes = announced(copy)
    if not indexes:
        return Extract()
    end = max(indexes) + 1
    parties = frozenset(copy.conversation.principals) | _arbiters(copy)
    if end <= SEARCHED_MAX:
        for _ in range(TRIES_MAX):
            extract = await _read_log(client, end, parties)
            if extract is not None:
                return extract
    page = await client.trust_log(max(indexes), end)
    return _extract(_entries(page), fields.obj(page, "head"))


def _arbiters(copy: VerifiedCopy) -> frozenset[str]:
    """Who judged: the records that name them are of the deal as well."""
    return frozenset(uri for one in copy.conversation.disputes.values() for uri in one.arbiters)


async def _read_log(client: NodeClient, end: int, parties: frozenset[str]) -> Extract | None:
    """Records 0 to ``end``; None when the head changed between two pages."""
    taken: list[Mapping[str, Json]] = []
    head: dict[str, Json] | None = None
    start = 0
    while start < end:
        page = await client.trust_log(start, min(end, start + PAGE))
        if head is not None and _size(head) != _size(fields.obj(page, "head")):
            return None
        head = head or fields.obj(page, "head")
        entries = _entries(page)
        if not entries:
            raise WireError("the trust log ends before the outcomes that were announced")
        taken += entries if end <= RECORDS_MAX else [one for one in entries if _names(one, parties)]
        start += len(entries)
    return _extract(taken, head)


def _entries(page: Mapping[str, Json]) -> list[dict[str, Json]]:
    return [one for one in fields.items(page, "records", most=PAGE) if isinstance(one, dict)]


def _size(head: Mapping[str, Json]) -> int:
    return fields.integer(head, "size")


def _names(entry: Mapping[str, Json], parties: frozenset[str]) -> bool:
    record = fields.obj(entry, "record")
    sides = record.get("parties")
    if isinstance(sides, list):
        named = [one.get("agent") for one in sides if isinstance(one, dict)]
    else:
        named = [record.get("agent"), record.get("endorser")]
    return any(isinstance(one, str) and one in parties for one in named)


def _extract(entries: Sequence[Mapping[str, Json]], head: Mapping[str, Json] | None) -> Extract:
    records = tuple(
        record_from_json(fields.text(one, "kind"), one.get("record")) for one in entries
    )
    return Extract(tuple(entries), head, records)


def _lay_out(
    kept: Kept,
    extract: Extract,
    session: str,
    share: bool,
    others: Sequence[dict[str, Json]],
) -> dict[str, Json]:
    host = kept.copy.known.host
    known = kept.known
    discovery = [str(one).encode() for one in fields.items(known, "discovery")]
    cards = [card for card in fields.items(known, "cards") if isinstance(card, dict)]
    cards += others
    named: dict[str, Json] = {
        "uri": fields.agent(fields.obj(known, "host"), "uri"),
        "keyId": host.key_id,
        "publicKey": host.text,
    }
    return make_deal(
        host=named,
        url=kept.copy.known.base_url,
        entries=[(item.record, item.raw) for item in kept.copy.items],
        cards=cards,
        discovery=discovery,
        outcomes=extract.entries,
        trust=trust_lines(scores(kept.copy, extract, str(named["uri"]), session)),
        log_head=extract.head,
        share=share,
    )


def scores(copy: VerifiedCopy, extract: Extract, host: str, session: str) -> dict[str, Standings]:
    """What the outcomes made of both parties; empty when the extract does not bear it out."""
    signed = (fields.obj(entry, "record") for entry in extract.entries)
    believed = believed_at(host, zip(extract.records, signed, strict=True))
    found = standings(extract.records, session, copy.conversation.principals, believed)
    indexes = (fields.integer(entry, "index") for entry in extract.entries)
    records = list(zip(indexes, extract.records, strict=True))
    for record in extract.records:
        if isinstance(record, Outcome) and record.session == session:
            return {} if unfounded(records, record, believed) else found
    return {}
