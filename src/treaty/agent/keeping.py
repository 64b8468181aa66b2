"""What an agent keeps of a session, and how it is opened: every entry is verified again.

``known`` is what the agent knew of host and parties when the session began for it::

    {host, operator, url, cards, discovery, counterparty, since?, view?}

``since`` and ``view`` are of an agent that joined late: behind which position it is shown the
log, and the host's word on what was before (``late``).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress

from treaty.agent.copies import Copies
from treaty.agent.copy import Known, VerifiedCopy, read_operator
from treaty.agent.late import LateCopy
from treaty.errors import Refused, SignatureError
from treaty.identity.cards import CardView, open_card
from treaty.identity.keys import read_public_key
from treaty.wire import fields
from treaty.wire.canonical import Json


def empty_copy(session: str, known: Mapping[str, Json]) -> VerifiedCopy:
    """A copy without an entry. Raises ``WireError`` and ``SignatureError`` for what is kept."""
    views = [open_card(card) for card in fields.items(known, "cards")]
    keys = Known(
        host=read_public_key(fields.obj(known, "host").get("publicKey")),
        base_url=fields.text(known, "url"),
        session=session,
        agents={view.uri.text: view.key for view in views},
        proofs={view.uri.text: view.proof_key for view in views},
        operator=read_operator(known),
    )
    view = fields.obj_or(known, "view")
    if view is None:
        return VerifiedCopy(keys)
    return LateCopy(keys, view=view, since=fields.integer(known, "since"))


async def late_known(
    known: Mapping[str, Json],
    view: Mapping[str, Json],
    since: int,
    find: Callable[[str], Awaitable[CardView]],
) -> dict[str, Json]:
    """The same for a session that is shown from behind a position on, with its host's view."""
    cards = fields.items(known, "cards")[:1]
    for name in ("inviter", "invitee"):
        # A party whose key is revoked has no card until its successor comes.
        with suppress(SignatureError):
            cards.append(dict((await find(fields.agent(view, name))).card))
    return {**known, "view": dict(view), "since": since, "cards": cards}


async def open_kept(copies: Copies, session: str) -> tuple[dict[str, Json], VerifiedCopy]:
    """What was known, and the copy. Raises ``Refused`` (``unknown_session``) without one."""
    known = await copies.known(session)
    if known is None:
        raise Refused("this agent keeps no copy of that session", "unknown_session")
    copy = empty_copy(session, known)
    since = copy.since if isinstance(copy, LateCopy) else 0
    for item in await copies.items(session, since):
        copy.absorb(item)
    return known, copy
