"""A party's side of a dispute: file it, show evidence, and reveal what was promised (ASP B15).

What went wrong, and what there is to show for it, is nothing a loop could know: the program says
it, beside the loops of buyer and provider. A secret is another matter. Who does not reveal it in
time loses, so whoever is there does that by itself (``reveal_due``); ``vigil`` is there for days.

Law: a secret leaves only where this agent's own verified copy says that it is waited for, and only
the one that was promised for this very commitment; what a host tells beside its log counts nothing.

Read next: ``vigil``, and ``treaty.core.dispute`` for how a dispute comes to its ruling.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from treaty.agent.deal import Deal
from treaty.core.dispute import Dispute, Phase
from treaty.dialects.asp.choices import FRESHNESS_MS
from treaty.errors import Refused, TreatyError
from treaty.identity.disputes import (
    arbiter_secret,
    arbiter_seed,
    make_evidence,
    make_filing,
    make_reveal,
)
from treaty.identity.keys import Signer
from treaty.wire.canonical import Json
from treaty.wire.instants import format_instant

OVERTAKEN: Final = frozenset(("duplicate", "transition_invalid"))
"""Refusals of a secret that say that it came before, or too late."""


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
    view = await deal.line.client.file_dispute(record)
    await deal.line.sync()
    return view


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
    return await _hand_in(deal, dispute, "evidence", record)


async def reveal(deal: Deal, dispute: str, keys: Sequence[Signer] = ()) -> dict[str, Json]:
    """Show the secret that the draw of arbiters waits for, as promised with COMMIT or ACCEPT.

    ``keys`` are earlier keys of the agent, in case it has another one since. Raises ``Refused``
    (``reference_unknown`` for a dispute of another session, ``transition_invalid`` when nothing
    waits for it, ``hash_mismatch`` when none of the keys made the promise).
    """
    found = deal.conversation.disputes.get(dispute)
    if found is None:
        raise Refused("no such dispute in this session", "reference_unknown")
    if not _is_waited_for(deal, found):
        raise Refused(f"nothing of {deal.me} is to be revealed now", "transition_invalid")
    promised_by = _who_promised(deal, found, keys)
    secret = arbiter_secret(promised_by, deal.id, found.commitment)
    record = make_reveal(
        _who_is_heard(deal, (promised_by, deal.line.voice.signer, *keys)),
        dispute=dispute,
        session=deal.id,
        by=deal.me,
        secret=secret,
        at_ms=deal.line.voice.clock(),
    )
    return await _hand_in(deal, dispute, "reveal", record)


async def _hand_in(deal: Deal, dispute: str, kind: str, record: dict[str, Json]) -> dict[str, Json]:
    view = await deal.line.client.post_dispute(dispute, kind, record)
    await deal.line.sync()
    return view


def _is_waited_for(deal: Deal, found: Dispute) -> bool:
    """True when this party's secret is asked for, by its own copy and its own clock.

    A host that dates the end of the evidence ahead would see a secret before its time.
    """
    is_asked = found.phase is Phase.REVEAL and found.seeds is not None
    is_ours = deal.me in found.parties and deal.me not in found.secrets
    return is_asked and is_ours and found.began_ms <= deal.line.voice.clock() + FRESHNESS_MS


def _who_promised(deal: Deal, found: Dispute, keys: Sequence[Signer]) -> Signer:
    assert found.seeds is not None
    promised = found.seeds.of(deal.me)
    for signer in (deal.line.voice.signer, *keys):
        if arbiter_seed(signer, deal.id, found.commitment) == promised:
            return signer
    raise Refused("the secret was promised with a key that is not at hand", "hash_mismatch")


def _who_is_heard(deal: Deal, signers: Sequence[Signer]) -> Signer:
    """The key that is pinned here: after a revocation another than the promise was made with."""
    pinned = deal.conversation.participants[deal.me].public_key
    return next((one for one in signers if one.key.text == pinned), signers[0])


async def reveal_due(deal: Deal, keys: Sequence[Signer] = ()) -> tuple[str, ...]:
    """Reveal wherever this party's secret is waited for; gives the disputes where it did.

    What another process of this agent has revealed meanwhile is no error. One that cannot be
    revealed in keeps no other waiting; why, is raised at the end.
    """
    done, failed = [], list[TreatyError]()
    for found in tuple(deal.conversation.disputes.values()):
        if not _is_waited_for(deal, found):
            continue
        try:
            await reveal(deal, found.id, keys)
            done.append(found.id)
        except TreatyError as error:
            if error.code not in OVERTAKEN:
                failed.append(error)
            else:
                await deal.line.sync()
    if failed:
        raise failed[0]
    return tuple(done)


def waiting(deal: Deal) -> tuple[Dispute, ...]:
    """The disputes of a session that are not ruled on."""
    return tuple(one for one in deal.conversation.disputes.values() if one.phase is not Phase.RULED)


class DisputeOpenError(TimeoutError):
    """A dispute goes on that nobody here waits for any longer; it says what is to be done."""


def left_open(deal: Deal) -> DisputeOpenError | None:
    """What to raise of a session with an open dispute; None where there is none."""
    found = waiting(deal)
    if not found:
        return None
    first = found[0]
    until = format_instant(first.due_ms)
    return DisputeOpenError(
        f"dispute {first.id} about {first.commitment} is open, in {first.phase.value} to {until}; "
        f"who does not reveal in time loses, so let this run until it is ruled on: "
        f"treaty dispute watch --as {deal.me}"
    )
