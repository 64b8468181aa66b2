"""A decision as a deal file (``dialect: mrp/0.1``): its record and every message it rests on.

Read next: ``dialects.mrp.deal`` for the form.
"""

from __future__ import annotations

from treaty.agent.decisions import Decisions
from treaty.dialects.mrp.deal import make_deal
from treaty.wire.canonical import Json


async def export_decision(decisions: Decisions, decision_id: str) -> dict[str, Json]:
    """The deal file of one decision, as far as it has come. Raises ``Refused`` (``not_found``)."""
    decision = await decisions.read(decision_id)
    return make_deal(decision.record, decision.messages)
