"""The rate a commitment in another currency is counted by: stated with its COMMIT (B16, B17).

The host writes what one whole unit of the currency is worth in US dollars right behind the COMMIT,
as a signed fact; from then on it is part of the commitment, and nothing later changes it.

    {"commitmentId": "cmt_001", "currency": "EUR", "usdRate": "1.08"}
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from treaty.core.commitment import Commitment, CommitmentState
from treaty.core.log import HostFact
from treaty.core.rates import read_rate
from treaty.dialects.asp.conversation import Conversation, with_commitment
from treaty.errors import Refused, WireError, shown
from treaty.wire import fields
from treaty.wire.evolving import evolve

RATE: Final = "rate"


def unrated(conversation: Conversation) -> Mapping[str, str]:
    """Commitments that wait for a rate, each with the currency it is for."""
    return {
        one.id: one.escrow.money.asset
        for one in conversation.commitments.values()
        if one.escrow is not None and _waits(one)
    }


def _waits(commitment: Commitment) -> bool:
    escrow = commitment.escrow
    return escrow is not None and escrow.unrated and commitment.state is CommitmentState.PROPOSED


def note_rate(conversation: Conversation, fact: HostFact) -> Conversation:
    """Fold a rate into its commitment.

    Raises ``WireError`` for a fact that is not of its form or of another currency, and ``Refused``
    (``transition_invalid``) for one that no commitment waits for.
    """
    name = fields.ident(fact.data, "commitmentId")
    commitment = conversation.commitments.get(name)
    if commitment is None or commitment.escrow is None or not _waits(commitment):
        raise Refused(f"{shown(name)} waits for no rate", "transition_invalid")
    currency = fields.text(fact.data, "currency")
    if currency != commitment.escrow.money.asset:
        raise WireError(f"a rate of {shown(currency)} for {commitment.escrow.money.asset}")
    rate = read_rate(fact.data.get("usdRate"))
    escrow = evolve(commitment.escrow, usd_rate=rate)
    return with_commitment(conversation, evolve(commitment, escrow=escrow))
