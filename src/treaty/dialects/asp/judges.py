"""Whose word a vote or a ruling is: everybody who folds one can tell (ASP decision B15).

Who may be drawn is written down at the filing, before either secret is known, each candidate with
the key of its card. A vote travels with the card of its arbiter, a ruling with the key of the
operator, so that signatures can be checked by who keeps the log and nothing else.

Laws:

1. An arbiter votes with the key that was written down for it. One that has changed its key since
   is not heard: the host cannot put another key in its place.
2. Where the invitation names an operator, only that key rules.
3. That a key belongs to its URI is a registry's word, and checked by who knows the registry:
   ``agent.copy`` and ``audit_judges``.
"""

from __future__ import annotations

from typing import Final

from treaty.core.dispute import CANDIDATES_MAX, Candidate, Dispute
from treaty.core.trust_state import domain_of
from treaty.dialects.asp.conversation import Conversation
from treaty.errors import SignatureError, WireError, shown
from treaty.identity.cards import CardView, open_card
from treaty.identity.keys import PublicKey, read_public_key
from treaty.identity.records import open_record
from treaty.wire import fields
from treaty.wire.ids import parse_agent_uri

CARD: Final = "card"
PUBLIC_KEY: Final = "publicKey"
OPERATOR: Final = "operator"
"""The member of an invitation's terms that names who rules in the end: ``{uri, keyId}``."""


def read_candidates(data: fields.Object, parties: tuple[str, str]) -> tuple[Candidate, ...]:
    """Read who may be drawn, from the fact of a filing: ``{uri, organisation, keyId}`` each.

    One of an organisation, and none of the parties'. Raises ``WireError`` for anything else.
    """
    own = {domain_of(party) for party in parties}
    found: dict[str, Candidate] = {}
    for one in fields.items(data, "candidates", most=CANDIDATES_MAX):
        if not isinstance(one, dict):
            raise WireError(f"a candidate is an object, not {shown(one)}")
        name = fields.text(one, "organisation")
        candidate = Candidate(fields.agent(one, "uri"), name, fields.text(one, "keyId"))
        host = parse_agent_uri(candidate.uri).host
        if host != name and not host.endswith(f".{name}"):
            raise WireError(f"{candidate.uri} is not of the organisation {shown(name)}")
        if name in own or name in found:
            raise WireError(f"a candidate of {shown(name)} may not be drawn, or not another one")
        found[name] = candidate
    return tuple(found.values())


def check_vote(dispute: Dispute, by: str, data: fields.Object) -> CardView:
    """Check that an arbiter signed its vote with the key written down for it; gives its card.

    Raises ``SignatureError`` and ``WireError``.
    """
    card = open_card(fields.obj(data, CARD))
    if card.uri.text != by:
        raise SignatureError(f"with the vote of {by} comes the card of {card.uri.text}")
    pinned = next((one.key_id for one in dispute.candidates if one.uri == by), None)
    if card.key.key_id != pinned:
        raise SignatureError(f"{by} votes with another key than when the dispute was filed")
    open_record("vote", dict(fields.obj(data, "record")), card.key)
    return card


def check_ruling(conversation: Conversation, data: fields.Object) -> PublicKey:
    """Check who signed a ruling: the operator the invitation names, if it names one.

    Gives its key. Raises ``SignatureError`` and ``WireError``.
    """
    key = read_public_key(data.get(PUBLIC_KEY))
    open_record("ruling", dict(fields.obj(data, "record")), key)
    named = operator_named(conversation)
    if named not in (None, key.key_id):
        raise SignatureError(f"the invitation names the operator {shown(named)}, not {key.key_id}")
    return key


def operator_named(conversation: Conversation) -> str | None:
    """The id of the key that rules by the invitation; None where it names none."""
    invitation = conversation.invitation
    operator = None if invitation is None else fields.obj_or(invitation.terms, OPERATOR)
    return None if operator is None else fields.text(operator, "keyId")
