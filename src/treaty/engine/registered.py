"""What a registry knows of one agent, and who may change it (decision B5).

The stream ``card/<agent>`` holds cards, proofs of the agent's domain and revocations of its keys;
``fold_registered`` is their fold, ``judge_card`` and ``judge_revocation`` say what may come next.

Laws:

1. A name belongs to who holds its key, until the name's domain says otherwise: an unproven
   registration gives way at once to a key that proves the domain, and a new history begins.
2. A proven registration gives way only to a key that proves the domain twice, with 72 hours of
   public notice between; a proof by the registered key ends the notice.
3. A revoked key never comes back. One that was replaced already can be revoked too: sessions that
   are open still hear it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Final

from treaty.core.trust import Proof
from treaty.engine.ports import Entry
from treaty.errors import Refused, SignatureError, shown
from treaty.identity.cards import CardView, accepts_successor, key_hash, stored_card
from treaty.identity.keys import PublicKey
from treaty.identity.revocations import Revocation, open_revocation
from treaty.wire import fields
from treaty.wire.canonical import Json, read_json
from treaty.wire.instants import format_instant

NOTICE_MS: Final = 72 * 3_600_000
"""How long a contender for a proven name is public before it can take it."""
CONTENDER_MS: Final = 7 * 86_400_000
"""How long a proof by another key than the registered one is good for."""
FUTURE_MS: Final = 60_000
"""How far ahead of the node's clock a revocation's ``since`` may lie."""
REVOKED_MAX: Final = 64
"""Keys of one agent that may be revoked."""
FORMER_MAX: Final = 64
"""Keys that are remembered after they were replaced, the newest."""

_NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Contender:
    """A key other than the registered one has proven the domain of the name."""

    public_key: str
    key_id: str
    since_ms: int
    """When it first did."""
    again_ms: int
    """When it last did."""

    def matured(self) -> bool:
        """True when it has done so again after the days of notice."""
        return self.again_ms >= self.since_ms + NOTICE_MS


@dataclass(frozen=True, slots=True)
class Registered:
    """One agent at a registry. The empty one is a name nobody has."""

    view: CardView | None = None
    """The card in force."""
    proven: bool = False
    """True when the key in force, or one before it, has proven the domain."""
    revoked: Mapping[str, int] = field(default_factory=lambda: _NOTHING)
    """Key id -> since when it is not heard."""
    successor: str | None = None
    """The key that spoke the last revocation: it needs no introduction by the revoked one."""
    contender: Contender | None = None
    former: tuple[str, ...] = ()
    """Ids of the keys before the one in force, of the same owner."""

    @property
    def barred(self) -> bool:
        """True when the key in force is revoked and its successor has not come yet."""
        return self.view is not None and self.view.key.key_id in self.revoked

    def has_held(self, key_id: str) -> bool:
        """True for the key in force and those of the same owner before it."""
        return key_id in self.former or (self.view is not None and self.view.key.key_id == key_id)


def fold_registered(before: Registered, entry: Entry, parsed: object) -> Registered:
    """Fold one entry of a card stream."""
    if entry.kind == "card":
        view = parsed if isinstance(parsed, CardView) else stored_card(_read(entry))
        return _with_card(before, view)
    if entry.kind == "revocation":
        word = parsed if isinstance(parsed, Revocation) else open_revocation(_read(entry))
        revoked = {**before.revoked, word.key_id: word.since_ms}
        is_former = word.key_id in before.former
        successor = before.successor if is_former else word.by.text
        return replace(before, revoked=revoked, successor=successor)
    if entry.kind == "proof":
        body = _read(entry)
        assert isinstance(body, dict)
        return _with_proof(before, body)
    return before


def _read(entry: Entry) -> Json:
    return read_json(entry.body, size_max=len(entry.body))


def _with_card(before: Registered, view: CardView) -> Registered:
    contended = before.contender is not None and before.contender.public_key == view.key.text
    return replace(
        before,
        view=view,
        proven=before.proven or contended,
        successor=None if before.successor == view.key.text else before.successor,
        contender=None if contended else before.contender,
        former=_former(before, view, displaced=contended and not before.proven),
    )


def _former(before: Registered, view: CardView, *, displaced: bool) -> tuple[str, ...]:
    if displaced or before.view is None:
        return ()
    if before.view.key == view.key:
        return before.former
    return (*before.former, before.view.key.key_id)[-FORMER_MAX:]


def _with_proof(before: Registered, body: Mapping[str, Json]) -> Registered:
    key, at_ms = fields.text(body, "publicKey"), fields.instant(body, "at")
    if before.view is not None and before.view.key.text == key and not before.barred:
        return replace(before, proven=True, contender=None)
    old = before.contender
    goes_on = old is not None and old.public_key == key and at_ms <= old.again_ms + CONTENDER_MS
    since_ms = old.since_ms if old is not None and goes_on else at_ms
    return replace(before, contender=Contender(key, fields.ident(body, "keyId"), since_ms, at_ms))


def judge_card(state: Registered, view: CardView, now_ms: int) -> tuple[Proof, ...] | None:
    """What a card that is handed in proves of its agent; None when it is the one in force.

    Empty for a new version by the same key. Raises ``Refused`` (``card_conflict``) and
    ``SignatureError`` (``key_revoked``).
    """
    current = state.view
    if current is not None and current.card_hash == view.card_hash and not state.barred:
        return None
    if view.key.key_id in state.revoked:
        raise SignatureError(f"the key {view.key.key_id} was revoked", "key_revoked")
    contender = state.contender if _holds(state.contender, view.key, now_ms) else None
    if current is None:
        return (Proof.KEY, Proof.DOMAIN) if contender else (Proof.KEY,)
    if contender is not None and not state.proven:
        return (Proof.DISPLACEMENT,)
    if contender is not None and contender.matured() and view.version == current.version + 1:
        return (Proof.ROTATION,)
    if state.successor == view.key.text and view.version == current.version + 1:
        return (Proof.ROTATION,)
    accepts_successor(current, view)
    return () if view.key == current.key else (Proof.ROTATION,)


def _holds(contender: Contender | None, key: PublicKey, now_ms: int) -> bool:
    if contender is None or contender.public_key != key.text:
        return False
    return now_ms <= contender.again_ms + CONTENDER_MS


def judge_revocation(state: Registered, word: Revocation, now_ms: int) -> bool:
    """Whether a revocation changes anything; False for one that is known.

    Raises ``Refused``: ``unknown_agent``; ``unauthorized`` when it is not spoken by the next key
    (of a key that was replaced: the one in force) nor by one that has proven the domain;
    ``policy_violation`` beyond what is kept.
    """
    current = state.view
    if current is None:
        raise Refused("no agent is registered under this URI", "unknown_agent")
    if word.key_id in state.revoked:
        return False
    is_former = word.key_id in state.former
    if not state.has_held(word.key_id):
        detail = (
            f"{shown(word.key_id)} is not the key in force, {current.key.key_id}, nor one before"
        )
        raise Refused(detail, "reference_unknown")
    committed = current.card.get("nextKeyHash") == key_hash(word.by)
    if is_former:
        committed = word.by == current.key and not state.barred
    if not committed and not _holds(state.contender, word.by, now_ms):
        raise Refused(
            "a key is revoked by the next key of its card, or by one that has proven the domain",
            "unauthorized",
        )
    if word.since_ms > now_ms + FUTURE_MS:
        raise Refused("a key is revoked as of now or before, not in the future", "policy_violation")
    if len(state.revoked) >= REVOKED_MAX:
        raise Refused(f"{REVOKED_MAX} keys of this agent are revoked already", "policy_violation")
    return True


def notice_of(agent: str, state: Registered) -> dict[str, Json]:
    """What anybody may know of a name: proven or not, contended by whom, what is revoked."""
    told: dict[str, Json] = {
        "agent": agent,
        "registered": state.view is not None,
        "keyId": None if state.view is None else state.view.key.key_id,
        "proven": state.proven,
        "revoked": [
            {"keyId": key_id, "since": format_instant(since_ms)}
            for key_id, since_ms in sorted(state.revoked.items())
        ],
    }
    if state.contender is not None:
        told["contender"] = _contender_told(state, state.contender)
    return told


def _contender_told(state: Registered, contender: Contender) -> dict[str, Json]:
    wait_ms = NOTICE_MS if state.proven else 0
    return {
        "keyId": contender.key_id,
        "since": format_instant(contender.since_ms),
        "notBefore": format_instant(contender.since_ms + wait_ms),
    }
