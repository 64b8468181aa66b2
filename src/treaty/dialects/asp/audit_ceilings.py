"""Ceilings in a deal file: no more was reserved than both parties' standing allowed (B17, B22).

The level of a party at a COMMIT follows from the records of the trust log before it, and what the
level allows in another currency from the rate that was stated with the COMMIT. Where the file has
the log from its beginning, both are computed again. An extract says too little for that: then
nothing is said. What both parties had open besides is in other deals, and in no single file.
"""

from __future__ import annotations

from collections.abc import Iterator

from treaty.core.commitment import Commitment
from treaty.core.deal import Finding
from treaty.core.levels import ceiling_units
from treaty.core.trust import Outcome, Record, TrustState, fold, score
from treaty.dialects.asp.audit_escrow import RESERVED
from treaty.dialects.asp.audit_file import Deal
from treaty.dialects.asp.audit_fold import Played
from treaty.dialects.asp.audit_trust import everybody
from treaty.dialects.asp.choices import FRESHNESS_MS


def check_ceilings(deal: Deal, played: Played) -> Iterator[Finding]:
    """Every reservation of the session, as far as the file knows how its parties stood."""
    records = _whole_log(deal)
    if not records:
        return
    for commitment in played.conversation.commitments.values():
        escrow, at_ms = commitment.escrow, _committed_ms(deal, commitment)
        if escrow is None or at_ms is None or not commitment.reserved or escrow.unrated:
            continue
        level = _level(deal, records, (escrow.payer, escrow.payee), at_ms)
        most = ceiling_units(level, escrow.money.asset, escrow.rates)
        if escrow.money.units > most:
            detail = f"{escrow.money.units} units are beyond the {most} of trust level {level}"
            yield Finding(RESERVED, commitment.id, detail)


def _whole_log(deal: Deal) -> list[Record]:
    """The log from its beginning up to an outcome of this session; empty when some is missing."""
    records: list[Record] = []
    for place, logged in enumerate(deal.outcomes):
        if logged.index != place:
            return []
        if isinstance(logged.body, Outcome) and logged.body.session == deal.heading.id:
            return records
        records.append(logged.body)
    return []


def _committed_ms(deal: Deal, commitment: Commitment) -> int | None:
    message = next((one for one in deal.messages if one.hash == commitment.hash), None)
    receipt = None if message is None else deal.receipt_of(message)
    return None if receipt is None else receipt.at_ms


def _level(deal: Deal, records: list[Record], parties: tuple[str, str], at_ms: int) -> int:
    """The lower level of both at a moment; of several readings of that moment the highest.

    A record bears the time of what it is about, by its author's clock, so that of the last ones
    before a COMMIT and of those behind it nobody else knows on which side of it they came.
    """
    state, levels, is_behind = TrustState(everybody(deal)), [0], False
    for record in records:
        is_near = record.at_ms >= at_ms - FRESHNESS_MS and _names(record, parties)
        if is_near or (record.at_ms > at_ms and not is_behind):
            levels.append(_lower(state, parties, at_ms))
        is_behind = is_behind or record.at_ms > at_ms
        state = fold(state, record)
    return max(*levels, _lower(state, parties, at_ms))


def _names(record: Record, parties: tuple[str, str]) -> bool:
    if isinstance(record, Outcome):
        return any(party.agent in parties for party in record.parties)
    return record.agent in parties


def _lower(state: TrustState, parties: tuple[str, str], at_ms: int) -> int:
    return min(score(state, party, at_ms).level for party in parties)
