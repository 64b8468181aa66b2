"""Trust: the claim that the scores before and after the deal follow from the log (B16, B22).

The records of the trust log that the file carries are checked one by one (hash, signer, place
in the Merkle tree under the signed head), compared with what the session itself gave, and
folded again; every score, level and component in ``trust`` must come out. The log head is the
anchor: the one in the reader's roots, or one signed by a node that the roots name.

Scores are verified from the whole log up to the session's outcome. With records left out they are
computed all the same, and what contradicts itself has failed: a gap in the running numbers, a
standing stored in the outcome that these records do not give. But nothing shows that no violation
was among them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Final

from treaty.core.deal import Finding, Roots, lack
from treaty.core.merkle import leaf_hash, verify_inclusion
from treaty.core.rates import rates_at
from treaty.core.trust import (
    COMPONENTS,
    Attestation,
    Endorsement,
    Outcome,
    Party,
    Score,
    discrepancies,
    outcome_value,
)
from treaty.core.trust import Roots as Believed
from treaty.core.trust_reports import MEMBER
from treaty.dialects.asp.audit_chain import facts
from treaty.dialects.asp.audit_file import Deal, Logged
from treaty.dialects.asp.audit_fold import Played
from treaty.dialects.asp.audit_keys import (
    NO_ROOTS,
    Pins,
    anchored_keys,
    broken,
    check_record_hash,
    signer_among,
)
from treaty.dialects.asp.audit_reported import check_elsewhere, check_report
from treaty.dialects.asp.deal import (
    Standings,
    believed_at,
    folded,
    log_leaf,
    standings,
    unfounded,
)
from treaty.dialects.asp.dialect import Ending
from treaty.errors import SignatureError, WireError, shown
from treaty.identity.keys import PublicKey
from treaty.identity.records import open_record
from treaty.wire import fields
from treaty.wire.canonical import Json
from treaty.wire.encoding import hex_decode
from treaty.wire.fields import Object
from treaty.wire.money import Money

_NODE_ROLES: Final = ("clearing", "host", "registry")
_HEAD: Final = "log head"
_NUMBER: Final = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,4})?")


def check_trust(deal: Deal, played: Played, roots: Roots | None, pins: Pins) -> Iterator[Finding]:
    """Everything the file says about trust."""
    for logged in deal.outcomes:
        yield from _check_signer(deal, roots, pins, logged)
        yield from check_report(roots, logged)
    yield from _check_facts(deal, played)
    yield from _check_tree(deal, roots)
    for logged in deal.outcomes:
        if isinstance(logged.body, Outcome) and logged.body.session == deal.heading.id:
            yield from _check_outcome(deal, played, logged, logged.body)
    yield from _check_scores(deal, roots)


# The records and their place in the log.


def _check_signer(deal: Deal, roots: Roots | None, pins: Pins, logged: Logged) -> Iterator[Finding]:
    """Each record is signed by whom its kind demands, as far as that key is at hand."""
    keys = _signers(deal, roots, pins, logged)
    key = signer_among(keys, logged.signed)
    if key is None:
        yield from check_record_hash(logged.where, logged.kind, logged.signed)
        if not isinstance(logged.body, Outcome | Attestation):
            return
        if keys:
            yield Finding("trust", logged.where, "it is not signed by whom it names")
        else:
            detail = f"no key of the signer of this {logged.kind} is known"
            yield lack("trust", logged.where, detail)
        return
    try:
        open_record(logged.kind, dict(logged.signed), key)
    except (WireError, SignatureError) as error:
        yield from broken(logged.where, error)


def _signers(deal: Deal, roots: Roots | None, pins: Pins, logged: Logged) -> list[PublicKey]:
    body = logged.body
    if isinstance(body, Outcome):
        # What another clearing reported stands in the log under the trust node's own signature.
        if MEMBER in logged.signed:
            return _node_keys(deal, roots, _NODE_ROLES, deal.heading.host)
        return _node_keys(deal, roots, ("clearing",), body.clearing)
    if isinstance(body, Attestation):
        return anchored_keys(roots, "attester", body.by)
    if isinstance(body, Endorsement):
        key = pins.key_of(body.endorser)
        return [] if key is None else [key]
    return [
        *_node_keys(deal, roots, _NODE_ROLES, deal.heading.host),
        *anchored_keys(roots, "attester"),
    ]


def _node_keys(deal: Deal, roots: Roots | None, roles: Sequence[str], uri: str) -> list[PublicKey]:
    own = [deal.heading.host_key] if deal.heading.host == uri else []
    return own + [key for role in roles for key in anchored_keys(roots, role, uri)]


def _check_tree(deal: Deal, roots: Roots | None) -> Iterator[Finding]:
    """Every record stands in the log whose head was signed (RFC 6962)."""
    if deal.log_head is None:
        yield lack("trust", "", "the file has no signed head of the trust log")
        return
    try:
        size, root = _head(deal.log_head)
    except WireError as error:
        yield Finding("form", _HEAD, error.detail)
        yield lack("trust", _HEAD, "it cannot be read")
        return
    yield from _check_head(deal, roots, deal.log_head, size, root)
    indexes = [logged.index for logged in deal.outcomes]
    if sorted(set(indexes)) != indexes:
        yield Finding("trust", "", "the records are not in the order of the log, each once")
    for logged in deal.outcomes:
        leaf = leaf_hash(log_leaf(logged.signed))
        try:
            verify_inclusion(
                leaf, index=logged.index, size=size, proof=logged.proof, root_hash=root
            )
        except SignatureError as error:
            yield Finding("trust", logged.where, error.detail)


def _head(head: Object) -> tuple[int, bytes]:
    """Size and root of a signed head. Raises ``WireError``."""
    fields.instant(head, "at")
    return fields.integer(head, "size"), hex_decode(head.get("root"), 32)


def _check_head(
    deal: Deal, roots: Roots | None, head: Object, size: int, root: bytes
) -> Iterator[Finding]:
    """The head is signed by the node it names, and is the reader's or of a node they trust."""
    uri = str(head.get("uri"))
    keys = _node_keys(deal, roots, _NODE_ROLES, uri)
    key = signer_among(keys, head)
    if key is None:
        yield from check_record_hash(_HEAD, "loghead", head)
        if keys:
            yield Finding("trust", _HEAD, "it is not signed by the node it names")
        else:
            yield lack("trust", _HEAD, f"no key of {shown(uri)} is known")
    else:
        try:
            open_record("loghead", dict(head), key)
        except (WireError, SignatureError) as error:
            yield from broken(_HEAD, error)
    if roots is None:
        yield lack("trust", "", NO_ROOTS)
        return
    if roots.log_head is not None:
        try:
            known_size, known_root = _head(roots.log_head)
        except WireError as error:
            yield lack("trust", _HEAD, f"the log head of the roots cannot be read: {error.detail}")
            return
        if known_size == size and roots.log_head.get("uri") == uri:
            if known_root != root:
                yield Finding("trust", _HEAD, "the roots know another log of the same size")
            return
    anchored = [key for role in _NODE_ROLES for key in anchored_keys(roots, role, uri)]
    if key not in anchored:
        yield lack("trust", _HEAD, f"the roots know neither this log head nor the key of {uri}")


# What the records say, against the session.


def _check_facts(deal: Deal, played: Played) -> Iterator[Finding]:
    """What the host told the session of the trust log is what stands in the file."""
    by_index = {logged.index: logged for logged in deal.outcomes}
    for entry, fact in facts(deal, "outcome"):
        if "trust" in fact.data:
            report, found = check_elsewhere(deal, entry.where, fact.data)
            yield from found
            if report is not None:
                yield from _check_saying(deal, played, entry.where, report)
            continue
        index = fact.data.get("index")
        logged = by_index.get(index) if type(index) is int else None
        if logged is None:
            yield lack("trust", entry.where, "the outcome it announces is not in the file")
        elif dict(logged.signed) != fact.data.get("record"):
            yield Finding(
                "trust", logged.where, f"it is not the outcome that {entry.where} announces"
            )


def _check_outcome(
    deal: Deal, played: Played, logged: Logged, outcome: Outcome
) -> Iterator[Finding]:
    """The outcome says of the commitment what the session shows of it."""
    yield from _check_saying(deal, played, logged.where, outcome)


def _check_saying(deal: Deal, played: Played, where: str, outcome: Outcome) -> Iterator[Finding]:
    ending = played.endings.get(outcome.commitment)
    if ending is None:
        yield lack("trust", where, f"how {outcome.commitment} ended is not in the log")
        return
    if all(message.hash != outcome.head for message in deal.messages):
        yield Finding("trust", where, "its head is no message of this session")
    agents = {party.agent for party in outcome.parties}
    if agents != {ending.payer, ending.payee}:
        yield Finding("trust", where, "its parties are not those of the commitment")
        return
    if (outcome.disputed, outcome.severity) != (ending.disputed, ending.severity):
        detail = f"its dispute is of severity {outcome.severity}, by the session {ending.severity}"
        yield Finding("trust", where, detail)
    stated = None if ending.usd_rate is None else ending.asset, ending.usd_rate
    if (outcome.currency, outcome.usd_rate) != stated:
        yield Finding("trust", where, "it is counted by another rate than the COMMIT's")
    for party in outcome.parties:
        for detail in _party_differences(party, ending):
            yield Finding("trust", where, f"{party.agent}: {detail}")


def _party_differences(party: Party, ending: Ending) -> Iterator[str]:
    if party.kept != ending.kept.get(party.agent):
        yield f"kept is {party.kept}, by the session it is {not party.kept}"
    rating = ending.ratings.get(party.agent)
    if party.rating != rating:
        yield f"the rating is {party.rating}, by the session it is {rating}"
    rates = rates_at(ending.asset, ending.usd_rate)
    if ending.asset in rates:
        value = outcome_value(Money(ending.values.get(party.agent, 0), ending.asset), rates)
        if party.v != value:
            yield f"v is {party.v}, by the session it is {value}"


# The scores, computed again.


def _check_scores(deal: Deal, roots: Roots | None) -> Iterator[Finding]:
    """Every number in ``trust`` comes out of the records, for both parties."""
    parties = (deal.heading.inviter, deal.heading.invitee)
    if not deal.trust:
        yield lack("trust", "", "the file states no scores")
        return
    stated: dict[str, tuple[str, Object]] = {}
    for number, line in enumerate(deal.trust, start=1):
        uri = line.get("uri") if isinstance(line, dict) else None
        if not isinstance(line, dict) or uri not in parties or uri in stated:
            yield Finding("form", f"trust {number}", "it is no line for one of the two parties")
        else:
            stated[str(uri)] = (f"trust {number}", line)
    found = _recomputed(deal, everybody(deal))
    if not found:
        yield lack("trust", "", "the records hold no outcome of this session")
        return
    for uri, (where, scores) in stated.items():
        yield from _check_line(where, scores, found[uri])
    for uri in parties:
        if uri not in stated:
            yield lack("trust", uri, "the file states no scores of it")
        if found[uri].after.missing:
            detail = f"{found[uri].after.missing} of its outcomes are not in the file"
            yield lack("trust", uri, detail)
    yield from _check_extract(deal)
    yield from _check_believed(deal, roots)


def everybody(deal: Deal) -> Believed:
    """Self-consistency: whom the file's own trust node must have believed."""
    return believed_at(deal.heading.host, ((one.body, one.signed) for one in deal.outcomes))


def _recomputed(deal: Deal, believed: Believed) -> dict[str, Standings]:
    records = [logged.body for logged in deal.outcomes]
    parties = (deal.heading.inviter, deal.heading.invitee)
    return standings(records, deal.heading.id, parties, believed)


def _check_line(where: str, line: Object, found: Standings) -> Iterator[Finding]:
    for name, right in (("before", found.before), ("after", found.after)):
        stated = line.get(name)
        if not isinstance(stated, dict) or not isinstance(stated.get("components"), dict):
            yield Finding("form", where, f"`{name}` has no score with components")
        else:
            yield from _check_standing(f"{where}, {name}", stated, right)
    if line.keys() != {"uri", "before", "after"}:
        yield Finding("form", where, "it has exactly uri, before and after")


def _check_standing(where: str, stated: Object, right: Score) -> Iterator[Finding]:
    parts = fields.obj(stated, "components")
    numbers: list[tuple[str, Json, Decimal]] = [
        ("score", stated.get("score"), right.score),
        ("level", stated.get("level"), Decimal(right.level)),
        *((name, parts.get(name), right.components[name]) for name in COMPONENTS),
    ]
    for name, value, computed in numbers:
        if _number(value) != computed:
            detail = f"{name} is {shown(value)}, computed {computed}"
            yield Finding("trust", where, detail)
    known = {"score", "level", "components"}
    if not known <= stated.keys() <= known | {"provisional"} or parts.keys() - set(COMPONENTS):
        yield Finding("form", where, "it has score, level and the eight components")
    if stated.get("provisional", right.provisional) is not right.provisional:
        yield Finding("trust", where, f"provisional is computed as {right.provisional}")


def _number(value: Json) -> Decimal | None:
    """A number, or its decimal text."""
    if isinstance(value, str):
        return Decimal(value) if _NUMBER.fullmatch(value) else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    # The digits of repr are those of RFC 8785, so this is the number that everybody reads.
    return Decimal(repr(value))


def _check_extract(deal: Deal) -> Iterator[Finding]:
    """The standings stored before the session, and the stamps, follow from the records before.

    A record that is left out can be one that speaks against a party, which no standing need show:
    a newcomer's is 49 with a violation and without. So scores are verified from the whole log
    up to the outcome alone.
    """
    records = [(logged.index, logged.body) for logged in deal.outcomes]
    own = [
        (place, logged, logged.body)
        for place, logged in enumerate(deal.outcomes)
        if isinstance(logged.body, Outcome) and logged.body.session == deal.heading.id
    ]
    for place, logged, outcome in own:
        # Indexes only grow, so this one tells that nothing is left out before it.
        complete = logged.index == place
        for agent in unfounded(records, outcome, everybody(deal)):
            if complete:
                detail = f"{agent} did not stand before the session where it says"
                yield Finding("trust", logged.where, detail)
            else:
                detail = f"with these records of the log alone, {agent} is not known well enough"
                yield lack("trust", logged.where, detail)
        if not complete:
            left_out = f"{logged.index - place} records of the log before it are not in the file"
            yield lack("trust", logged.where, f"{left_out}: they may be about its parties")
        else:
            state = folded((record for _, record in records[:place]), everybody(deal))
            for detail in discrepancies(state, outcome):
                yield Finding("trust", logged.where, detail)


def _check_believed(deal: Deal, roots: Roots | None) -> Iterator[Finding]:
    """With roots, the clearing and the attesters that the scores rest on are the reader's too."""
    if roots is None:
        return
    known = {anchor.uri for anchor in roots.clearing}
    for uri in sorted(everybody(deal).clearings - known):
        yield lack("trust", "", f"{uri} is no clearing of the roots")
    attesters = {anchor.uri for anchor in roots.attester}
    for logged in deal.outcomes:
        if isinstance(logged.body, Attestation) and logged.body.by not in attesters:
            yield lack("trust", logged.where, f"{logged.body.by} is no attester of the roots")
