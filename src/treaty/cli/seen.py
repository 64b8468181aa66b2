"""A session as somebody sees it: from an agent's own copy, a node's database, or the node.

All three give the same ``Seen``: the folded session and the entries of its log, which
``session`` shows.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from treaty import app
from treaty.agent.copies import Copies
from treaty.agent.copy import Known, VerifiedCopy, read_operator
from treaty.agent.export import catch_up, open_copy
from treaty.agent.late import LateCopy
from treaty.agent.ports import NodeClient
from treaty.cli.nodes import at_node, node_file, own_copies, signer_of
from treaty.dialects.asp.conversation import Conversation
from treaty.engine.hosted import STREAM, Hosted, session_stream
from treaty.engine.items import LogItem
from treaty.engine.node import Node
from treaty.errors import Refused, TreatyError
from treaty.identity.cards import open_card
from treaty.identity.keys import ProofKey, read_public_key
from treaty.wire import fields
from treaty.wire.canonical import Json, read_json

PAGE: Final = 1_000


@dataclass(frozen=True, slots=True)
class Seen:
    """One session, and where it was seen."""

    source: str
    conversation: Conversation
    items: Sequence[LogItem]


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A copy that does not hold any more."""

    session: str
    why: str


async def in_copies(uri: str, session: str) -> Seen:
    """A session in an agent's own copy, verified again. Raises ``Refused`` if it has none."""
    async with own_copies(uri) as copies:
        if copies is None:
            raise Refused(f"{uri} keeps no copy of that session", "unknown_session")
        return await _in_copies(copies, uri, session)


async def _in_copies(copies: Copies, uri: str, session: str) -> Seen:
    copy = (await open_copy(copies, session)).copy
    return Seen(f"own copy of {uri}, {_verified(copy)}", copy.conversation, copy.items)


async def in_file(db: Path, session: str) -> Seen:
    """A session in a node's database. Raises ``Refused`` if it is not there."""
    async with node_file(db) as opened:
        return await _in_node(opened.node, db, session)


async def _in_node(node: Node, db: Path, session: str) -> Seen:
    stream = session_stream(session)
    items: list[LogItem] = []
    while page := await node.desk.store.read(stream, len(items), PAGE):
        for entry in page:
            record = read_json(entry.body, size_max=len(entry.body))
            assert isinstance(record, dict)
            items.append(LogItem(entry.position, record, entry.raw))
    if not items:
        raise Refused(f"{db} holds no such session", "unknown_session")
    hosted: Hosted = await node.desk.state(stream)
    return Seen(f"database {db}", hosted.state, items)


async def at_host(node: str | None, uri: str, session: str) -> Seen:
    """A session as its host gives it to a participant, verified by the host's own key."""
    async with at_node(node, uri, signer_of(uri)) as client:
        described = await client.describe()
        view = await client.session(session)
        known = Known(
            host=read_public_key(described.get("publicKey")),
            base_url=fields.text(described, "url"),
            proofs=await _proof_keys(client, view),
            operator=read_operator(described),
        )
        copy = await _empty_copy(client, session, known, view)
        await catch_up(copy, client, session)
    return Seen(f"node {app.node_url(node)}, {_verified(copy)}", copy.conversation, copy.items)


async def _empty_copy(
    client: NodeClient, session: str, known: Known, view: Mapping[str, Json]
) -> VerifiedCopy:
    """What a guest that joined late is shown begins where it joined (B14)."""
    shown = (await client.entries(session, 0, 1)).items
    if not shown or shown[0].position == 1:
        return VerifiedCopy(known)
    return LateCopy(known, view=view, since=shown[0].position - 1)


def _verified(copy: VerifiedCopy) -> str:
    return f"verified from entry {copy.since + 1} on" if isinstance(copy, LateCopy) else "verified"


async def _proof_keys(client: NodeClient, view: Mapping[str, Json]) -> dict[str, ProofKey]:
    """The keys of DPoP proofs, of participants whose cards have another one for these (B6)."""
    found: dict[str, ProofKey] = {}
    for member in fields.items(view, "participants"):
        if isinstance(member, dict):
            card = open_card(await client.card(fields.agent(member, "uri")))
            if card.proof_key != card.key:
                found[card.uri.text] = card.proof_key
    return found


async def all_in_copies(uri: str, limit: int) -> tuple[list[Seen | Unreadable], int]:
    """The newest sessions of an agent's own copies, newest first, and how many there are."""
    async with own_copies(uri) as copies:
        if copies is None:
            return [], 0
        ids = await copies.sessions()
        found: list[Seen | Unreadable] = []
        for session in reversed(ids[-limit:]):
            try:
                found.append(await _in_copies(copies, uri, session))
            except TreatyError as error:
                # One copy that was tampered with must not hide the others.
                found.append(Unreadable(session, error.detail))
        return found, len(ids)


async def all_in_file(db: Path, limit: int) -> tuple[list[Seen | Unreadable], int]:
    """The newest sessions of a node's database, newest first, and how many there are."""
    async with node_file(db) as opened:
        store, count, after = opened.node.desk.store, 0, ""
        newest: deque[str] = deque(maxlen=limit)
        while names := await store.streams(f"{STREAM}/", after, PAGE):
            newest.extend(names)
            count += len(names)
            after = names[-1]
        ids = [name.removeprefix(f"{STREAM}/") for name in reversed(newest)]
        return [await _in_node(opened.node, db, session) for session in ids], count
