"""Who judged a dispute: what the claims keys and trust say of arbiters and operators (B15, B22).

That a vote or a ruling was signed, by whom the draw or the invitation says, that the arbiters are
those that were drawn and the ruling their median: all this the play finds out (``audit_fold``).
Here stands what it cannot know. An arbiter's key is its own when a registry of the reader's lists
its card, and the trust log knows no other key of it; it could be drawn when it stood high enough
and had not dealt with a party, by the records the host says it went by. The operator is the one
the invitation names, else one of the reader's roots.

Law: only who was drawn is looked at. That others were left out nobody can see in a deal file.
"""

from __future__ import annotations

from collections.abc import Iterator

from treaty.core.arbiters import SCORE_LEAST, have_dealt
from treaty.core.deal import Finding, Roots, Verdict, lack
from treaty.core.log import HostFact
from treaty.core.trust import Identity, Outcome, Record, score
from treaty.dialects.asp.audit_chain import facts
from treaty.dialects.asp.audit_file import Deal, Entry
from treaty.dialects.asp.audit_fold import Played
from treaty.dialects.asp.audit_keys import anchored_keys, check_listing, unanchored
from treaty.dialects.asp.audit_trust import everybody
from treaty.dialects.asp.choices import FRESHNESS_MS
from treaty.dialects.asp.conversation import Conversation
from treaty.dialects.asp.deal import folded
from treaty.dialects.asp.judges import CARD, PUBLIC_KEY, operator_named
from treaty.errors import TreatyError
from treaty.identity.cards import CardView, open_card
from treaty.identity.keys import read_public_key
from treaty.wire import fields


def check_judges(deal: Deal, played: Played, roots: Roots | None) -> Iterator[Finding]:
    """Everybody whose vote or ruling counted in the play."""
    counted = {tag for one in played.conversation.disputes.values() for tag in one.records}
    for entry, fact in facts(deal, "vote"):
        if _record_hash(fact) in counted:
            yield from _check_arbiter(deal, roots, entry, fact)
    for entry, fact in facts(deal, "ruling"):
        if _record_hash(fact) in counted:
            yield from _check_operator(played.conversation, roots, entry, fact)
    for entry, fact in facts(deal, "dispute"):
        yield from _check_drawn(deal, played.conversation, entry, fact)


def _record_hash(fact: HostFact) -> str:
    """The hash of the record a fact holds; empty for one that has none."""
    record = fact.data.get("record")
    integrity = record.get("integrity") if isinstance(record, dict) else None
    return str(integrity.get("hash", "")) if isinstance(integrity, dict) else ""


def _check_arbiter(
    deal: Deal, roots: Roots | None, entry: Entry, fact: HostFact
) -> Iterator[Finding]:
    """The key of an arbiter that voted is the one of its listed card."""
    card = open_card(fact.data.get(CARD))
    listing = card.card.get("listing")
    held = listing if isinstance(listing, dict) else None
    yield from check_listing(deal, roots, entry.where, card, held, entry.log.at_ms)
    known = _proven_keys(deal, card)
    if known and card.key.text not in known:
        detail = f"the trust log knows another key of {card.uri.text} than it votes with"
        yield Finding("keys", entry.where, detail)


def _proven_keys(deal: Deal, card: CardView) -> set[str]:
    """Keys of an agent that its registry had the trust log write down."""
    return {
        one.body.key
        for one in deal.outcomes
        if isinstance(one.body, Identity)
        and one.body.agent == card.uri.text
        and one.body.key is not None
    }


def _check_operator(
    conversation: Conversation, roots: Roots | None, entry: Entry, fact: HostFact
) -> Iterator[Finding]:
    """A ruling by the operator is by the one the parties or the reader's roots know."""
    key = read_public_key(fact.data.get(PUBLIC_KEY))
    if key in anchored_keys(roots, "attester"):
        return
    by = fields.text(fields.obj(fact.data, "record"), "by")
    agreed = operator_named(conversation) is not None
    for found in unanchored("keys", entry.where, roots, "attester", by, key):
        # Whom both parties agreed on needs no word of the roots, but must not be another there.
        if found.verdict is Verdict.FAILED or not agreed:
            yield found


def _is_of_elsewhere(deal: Deal, record: Record) -> bool:
    """An outcome of another clearing: whether the host believes that one the file does not tell."""
    return isinstance(record, Outcome) and record.clearing != deal.heading.host


def _is_passed_over(deal: Deal, size: int, at_ms: int) -> bool:
    """True when the log held more by then than the candidates were chosen by.

    Only what the trust node dates itself tells: who attests or endorses may date it earlier.
    """
    later = (one.body for one in deal.outcomes if one.index >= size)
    return any(isinstance(one, Identity) and one.at_ms < at_ms - FRESHNESS_MS for one in later)


def _check_drawn(
    deal: Deal, conversation: Conversation, entry: Entry, fact: HostFact
) -> Iterator[Finding]:
    """Who was drawn stood high enough, and had dealt with neither party (``trust``)."""
    record = fields.obj_or(fact.data, "record") or {}
    dispute = conversation.disputes.get(str(record.get("disputeId")))
    if dispute is None or _record_hash(fact) not in dispute.records or not dispute.arbiters:
        return
    try:
        standing = fields.obj(fact.data, "standing")
        size, at_ms = fields.integer(standing, "size"), fields.instant(standing, "at")
    except TreatyError as error:
        yield Finding("trust", entry.where, f"by which records it chose: {error.detail}")
        return
    records = [one.body for one in deal.outcomes if one.index < size]
    if len(records) != size or any(_is_of_elsewhere(deal, one) for one in records):
        yield lack("trust", entry.where, "how the arbiters stood then: not all of it is here")
        return
    if at_ms > entry.log.at_ms + FRESHNESS_MS:
        yield Finding("trust", entry.where, "candidates were chosen at a time that was to come")
    if at_ms < entry.log.at_ms - FRESHNESS_MS or _is_passed_over(deal, size, at_ms):
        # So does a host whose clock was set back, and an old standing is the host's word alone.
        yield lack("trust", entry.where, "candidates were chosen by records that were old")
    state = folded(records, everybody(deal))
    for uri in dispute.arbiters:
        found = score(state, uri, at_ms).score
        if found < SCORE_LEAST:
            detail = f"{uri} stood at {found}, to be drawn takes {SCORE_LEAST}"
            yield Finding("trust", entry.where, detail)
        if any(have_dealt(state, uri, party, at_ms) for party in dispute.parties):
            yield Finding("trust", entry.where, f"{uri} had dealt with a party within a year")
