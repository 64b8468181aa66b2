"""A party's side of a dispute: file it, show evidence, and reveal what was promised (ASP B15).

All of it is said by the program, beside the loops of buyer and provider: what went wrong is nothing
a loop could know, and a dispute outlasts them by days. Who does not reveal in time loses.

Read next: ``treaty.core.dispute`` for how a dispute comes to its ruling.
"""

from __future__ import annotations

from treaty.agent.deal import Deal
from treaty.errors import Refused
from treaty.identity.disputes import arbiter_secret, make_evidence, make_filing, make_reveal
from treaty.wire.canonical import Json


async def file_dispute(
    deal: Deal,
    reason: str,
    *,
    commitment_id: str | None = None,
    part: str | None = None,
    statement: str = "",
    severity: int | None = None,
) -> dict[str, Json]:
    """File a dispute about a bound commitment, by default the oldest; returns the dispute.

    ``part`` names one slice of a schedule. A bond is held until the ruling. Raises ``Refused``
    (``escrow_unfunded``, ``policy_violation`` after a confirmation, ``transition_invalid`` when
    the window is over, …).
    """
    bound = [one.id for one in deal.conversation.live if commitment_id in (None, one.id)]
    if not bound:
        raise Refused("no such commitment is bound here", "transition_invalid")
    voice = deal.line.voice
    record = make_filing(
        voice.signer,
        dispute=deal.new_id("dsp"),
        session=deal.id,
        commitment=bound[0],
        filer=deal.me,
        against=deal.counterparty,
        reason=reason,
        at_ms=voice.clock(),
        part=part,
        severity=severity,
        evidence={"statement": statement} if statement else None,
    )
    return await deal.line.client.file_dispute(record)


async def show_evidence(
    deal: Deal, dispute: str, statement: str, *, documents: Json = None, last: bool = False
) -> dict[str, Json]:
    """Show a piece of evidence; ``last`` says that this party brings no more."""
    voice = deal.line.voice
    record = make_evidence(
        voice.signer,
        dispute=dispute,
        session=deal.id,
        by=deal.me,
        statement=statement,
        at_ms=voice.clock(),
        documents=documents,
        last=last,
    )
    return await deal.line.client.post_dispute(dispute, "evidence", record)


async def reveal(deal: Deal, dispute: str) -> dict[str, Json]:
    """Show the secret that the draw of arbiters waits for, as promised with COMMIT or ACCEPT.

    Raises ``Refused`` (``reference_unknown`` for a dispute of another session,
    ``transition_invalid`` when nothing waits for it).
    """
    found = deal.conversation.disputes.get(dispute)
    if found is None:
        raise Refused("no such dispute in this session", "reference_unknown")
    voice = deal.line.voice
    secret = arbiter_secret(voice.signer, deal.id, found.commitment)
    record = make_reveal(
        voice.signer, dispute=dispute, by=deal.me, secret=secret, at_ms=voice.clock()
    )
    return await deal.line.client.post_dispute(dispute, "reveal", record)
