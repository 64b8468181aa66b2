"""A buyer's negotiation as a deal file (``dialect: actp/2.1``): what was said, and no limit.

Read next: ``dialects.actp.deal`` for the form.
"""

from __future__ import annotations

from typing import Final

from treaty.agent.quote_journal import Journal
from treaty.agent.quote_terms import Status
from treaty.agent.quotes import QuoteBuyer
from treaty.dialects.actp.buying import Why
from treaty.dialects.actp.deal import Negotiated, make_deal
from treaty.dialects.actp.dids import make_did
from treaty.dialects.actp.machine import AGREED, COUNTERED, EXPIRED, QUOTED, UNQUOTED, WALKED
from treaty.dialects.actp.messages import CounterOffer
from treaty.errors import Refused
from treaty.wire.canonical import Json

_OF_TIME: Final = frozenset((Why.DEADLINE.value, Why.NO_ANSWER.value))


async def export_quotes(buyer: QuoteBuyer, key: str) -> dict[str, Json]:
    """The deal file of one negotiation, finished or not.

    Raises ``Refused`` (``not_found``) for one of which nothing was heard or said.
    """
    journal = await buyer.journal(key)
    terms = journal.terms
    if terms is None or not journal.lines:
        raise Refused(f"nothing was said in {key} yet", "not_found")
    told = Negotiated(
        chain_id=terms.chain_id,
        kernel=buyer.chains.kernel(terms.chain_id),
        tx_id=terms.tx_id,
        consumer=make_did(terms.chain_id, buyer.account),
        provider=journal.lines[0].message.provider,
        by="consumer",
        state=_state(journal),
        lines=journal.lines,
        request=journal.request,
        accepted=journal.accepted,
        accepted_at_ms=0 if journal.end is None else journal.end.at_ms,
        decided=journal.decided,
        budget=_budget(journal),
    )
    return make_deal(told)


def _state(journal: Journal) -> str:
    """The negotiation's state in the words of the automaton."""
    end = journal.end
    if end is None:
        if journal.waits:
            return COUNTERED
        return UNQUOTED if journal.quote is None else QUOTED
    if end.status is Status.AGREED:
        return AGREED
    return EXPIRED if end.reason in _OF_TIME else WALKED


def _budget(journal: Journal) -> str:
    promised = any(isinstance(line.message, CounterOffer) for line in journal.lines)
    if journal.accepted is not None:
        return "spent"
    if not promised:
        return "none"
    return "held" if journal.end is None else "released"
