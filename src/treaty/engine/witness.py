"""Whether an agent answers for a message that somebody shows (ASP decisions B5, B16).

What the key in force signs is its owner's word. A key that was replaced may be in anybody's hands,
and the time in a message is its writer's own. So of what such a key signed two things count:

* what this node receipted, for it was heard then and nobody can add to that afterwards; but not
  since the instant from which its owner has revoked the key;
* what it signs in a session here in which it is pinned and which is not over: there it speaks for
  the agent to the end, a revocation excepted (B5).

Whatever belongs to a name's former owner counts for nobody.

Read next: ``violations``, which asks.
"""

from __future__ import annotations

from typing import Any, Final, TypeGuard

from treaty.core.log import HostFact, Receipt, read_log_record
from treaty.engine.desk import Desk
from treaty.engine.dialect import SessionDialect
from treaty.engine.hosted import Hosted, session_stream
from treaty.engine.registry import Card, Registry
from treaty.errors import Refused, SignatureError, UnverifiableError
from treaty.identity.keys import PublicKey, read_public_key
from treaty.wire import fields
from treaty.wire.canonical import read_json
from treaty.wire.digest import sha256_tag

PAGE: Final = 500


class Witness:
    """Says who answers for a message, by the cards and the sessions of one node."""

    def __init__(self, desk: Desk, dialect: SessionDialect, registry: Registry) -> None:
        self._desk = desk
        self._dialect = dialect
        self._registry = registry

    def card_of(self, agent: str) -> Card:
        """The agent's keys. Raises ``UnverifiableError`` (``unknown_agent``) without a card."""
        card = self._registry.find(agent)
        if card is None:
            raise UnverifiableError(f"{agent} has no card here, so its key is not known")
        return card

    async def check(self, agent: str, raw: bytes, message: Any) -> None:
        """Return when the agent answers for a message.

        Raises ``SignatureError`` (``key_revoked`` too), ``UnverifiableError`` (``unknown_agent``);
        ``Refused`` (``violation_unproven``) for what a key signed that speaks no longer.
        """
        card = self.card_of(agent)
        hosted: Hosted = await self._desk.state(session_stream(message.session_id))
        seen = hosted.seen.get((agent, message.message_id))
        if seen is not None and seen.digest == sha256_tag(raw):
            if await self._is_its_own(agent, message.session_id, seen.position):
                return
            raise _nobodys()
        try:
            self._dialect.check_signature(message, card.key)
        except SignatureError:
            await self._check_pinned(agent, hosted, message, card)
            return
        if card.barred:
            raise _revoked(card.key)

    async def _check_pinned(self, agent: str, hosted: Hosted, message: Any, card: Card) -> None:
        """The same by the key that is pinned in the session, if that is another one."""
        key = _pinned(hosted, agent) or card.key
        self._dialect.check_signature(message, key)
        if self._registry.is_revoked(agent, key.key_id):
            raise _revoked(key)
        is_over = hosted.state.ended and not hosted.state.live
        if is_over or not (await self._registry.registered(agent)).has_held(key.key_id):
            raise _nobodys()

    async def _is_its_own(self, agent: str, session: str, position: int) -> bool:
        """Whether what was receipted at a position was said by the owner of the name."""
        registered = await self._registry.registered(agent)
        hosted: Hosted = await self._desk.state(session_stream(session))
        pinned = _pinned(hosted, agent)
        assert pinned is not None
        if not registered.revoked:
            return registered.has_held(pinned.key_id)
        at_ms, key_id = await self._heard(agent, session, position, pinned)
        since_ms = registered.revoked.get(key_id)
        return registered.has_held(key_id) and (since_ms is None or at_ms < since_ms)

    async def _heard(
        self, agent: str, session: str, position: int, pinned: PublicKey
    ) -> tuple[int, str]:
        """When the message at a position came, and under which key its sender was heard then.

        A pin changes only after a fact that revokes it, so it is the one that the next such fact
        names, or else the one that is pinned now.
        """
        stream, after, at_ms = session_stream(session), position - 1, None
        while entries := await self._desk.store.read(stream, after, PAGE):
            for entry in entries:
                log = read_log_record(read_json(entry.body, size_max=len(entry.body)))
                at_ms = log.at_ms if at_ms is None else at_ms
                if _revokes(log, agent):
                    return at_ms, fields.ident(log.data, "keyId")
            after = entries[-1].position
        assert at_ms is not None
        return at_ms, pinned.key_id


def _pinned(hosted: Hosted, agent: str) -> PublicKey | None:
    """The key that is pinned for an agent in a session, also when it has left."""
    members = {**hosted.state.former, **hosted.state.participants}
    member = members.get(agent)
    text = None if member is None else member.public_key
    return None if text is None else read_public_key(text)


def _revokes(log: Receipt | HostFact, agent: str) -> TypeGuard[HostFact]:
    if not isinstance(log, HostFact) or log.fact != "revocation":
        return False
    return log.data.get("agent") == agent


def _revoked(key: PublicKey) -> SignatureError:
    return SignatureError(f"the key {key.key_id} was revoked", "key_revoked")


def _nobodys() -> Refused:
    return Refused(
        "a message was signed with a key that speaks for the agent no longer, "
        "and nothing shows that it did when it was signed",
        "violation_unproven",
    )
