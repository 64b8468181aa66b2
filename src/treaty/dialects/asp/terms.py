"""From the terms of a message to values: the invitation's settings, a commitment's parts.

Used by the fold (which trusts, because the message was accepted) and by ``rules`` (which asks
first). Reading clamps nothing: values outside their bounds are refused with ``malformed``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from treaty.core.commitment import Commitment, Escrow, Obligation
from treaty.dialects.asp.choices import (
    DISPUTE_WINDOW,
    DURATION,
    FORMATS,
    MIME,
    PARTICIPANTS_MAX,
    TIMEOUTS,
    Bounds,
)
from treaty.dialects.asp.conversation import CounterInvitation, Invitation, Named
from treaty.dialects.asp.messages import Commit, Counter, Envelope, Promise, Propose
from treaty.dialects.asp.schedules import method_of, read_schedule
from treaty.errors import Refused, WireError, shown
from treaty.wire import fields
from treaty.wire.canonical import Json, canonical
from treaty.wire.evolving import evolve

ROLES: Final = ("host", "clearing", "trust")
"""What nodes do for a session (B7)."""


def make_invitation(envelope: Envelope, body: Propose, at_ms: int) -> Invitation:
    """Read what an invitation sets (B7, B10). Raises ``WireError``."""
    timeouts, duration_ms, authorities = _settings(body.terms)
    delegates = read_listed(body.terms)
    return Invitation(
        id=body.proposal_id,
        hash=envelope.hash,
        subject=body.subject,
        terms=body.terms,
        timeouts=timeouts,
        duration_ms=duration_ms,
        expires_ms=_invitation_expiry(envelope, body, at_ms, timeouts["invitationMs"]),
        authorities=authorities,
        required_trust=envelope.required_trust,
        delegates=delegates,
        format=read_format(body.terms),
        trust=read_node(body.terms, "trust"),
    )


def counter_invitation(envelope: Envelope, body: Counter) -> CounterInvitation:
    """Read the terms on which the invitee would come (B9). Raises ``WireError``."""
    _settings(body.terms)
    read_listed(body.terms)
    read_format(body.terms)
    return CounterInvitation(body.counter_id, envelope.hash, body.terms, body.valid_until_ms)


def adopt(invitation: Invitation, counter: CounterInvitation) -> Invitation:
    """Put the accepted counter's terms in force."""
    timeouts, duration_ms, authorities = _settings(counter.terms)
    return evolve(
        invitation,
        terms=counter.terms,
        timeouts=timeouts,
        duration_ms=duration_ms,
        authorities=authorities,
        delegates=read_listed(counter.terms),
        format=read_format(counter.terms),
    )


def _settings(terms: Mapping[str, Json]) -> tuple[dict[str, int], int, dict[str, str | None]]:
    """Timeouts, duration and common authorities of a session, each within its bounds."""
    duration_ms = _bounded(terms, "proposedDuration", DURATION)
    return read_timeouts(terms), duration_ms, read_authorities(terms)


def read_timeouts(terms: Mapping[str, Json]) -> dict[str, int]:
    """Read ``terms.timeouts``, each within its bounds or absent (B10). Raises ``WireError``."""
    stated = fields.obj_or(terms, "timeouts") or {}
    return {name: _bounded(stated, name, bounds) for name, bounds in TIMEOUTS.items()}


def _bounded(parent: Mapping[str, Json], name: str, bounds: Bounds) -> int:
    value = fields.integer_or(parent, name, least=bounds.least_ms, most=bounds.most_ms)
    return bounds.default_ms if value is None else value


def _invitation_expiry(envelope: Envelope, body: Propose, at_ms: int, default_ms: int) -> int:
    """The earliest of ``validUntil``, ``maxResponseTimeMs`` and the timeout (B10)."""
    times = [at_ms + default_ms]
    if body.valid_until_ms is not None:
        times.append(body.valid_until_ms)
    if envelope.max_response_ms is not None:
        times.append(at_ms + envelope.max_response_ms)
    return min(times)


def read_authorities(terms: Mapping[str, Json]) -> dict[str, str | None]:
    """Read ``terms.authorities``: agents both accept as judges of an escalation (B11).

    The value is the id of the key each decides with, None where none was named.
    """
    found: dict[str, str | None] = {}
    for item in fields.items(terms, "authorities", most=8):
        entry = item if isinstance(item, dict) else {"uri": item}
        uri = fields.agent(entry, "uri")
        if uri in found:
            raise WireError(f"{uri} is named twice as an authority")
        found[uri] = fields.text_or(entry, "keyId")
    return found


def read_format(terms: Mapping[str, Json]) -> str:
    """Read ``terms.format``: the media type of the session's messages (B23).

    Raises ``WireError`` (``unsupported_media_type``).
    """
    stated = fields.text_or(terms, "format")
    if stated is not None and stated not in FORMATS:
        raise WireError(f"terms.format is {' or '.join(FORMATS)}", "unsupported_media_type")
    return stated or MIME


def read_node(terms: Mapping[str, Json], role: str) -> Named | None:
    """Read ``terms.host``, ``terms.clearing`` or ``terms.trust`` (B7); None when it is left out."""
    node = fields.obj_or(terms, role)
    if node is None:
        return None
    return Named(
        uri=fields.agent(node, "uri"),
        key_id=fields.ident_or(node, "keyId"),
        url=fields.text_or(node, "url"),
    )


def same_nodes(before: Mapping[str, Json], terms: Mapping[str, Json]) -> None:
    """A counter-invitation leaves host, clearing and trust node as they are.

    Raises ``Refused`` (``policy_violation``).
    """
    for role in ROLES:
        stated, now = read_node(before, role), read_node(terms, role)
        if now is not None and (stated is None or not _same(stated, now)):
            raise Refused(f"terms.{role} is not that of the invitation", "policy_violation")


def _same(one: Named, other: Named) -> bool:
    keys = {node.key_id for node in (one, other) if node.key_id is not None}
    return one.uri == other.uri and len(keys) <= 1


def read_listed(terms: Mapping[str, Json]) -> dict[str, bool]:
    """Read ``terms.delegates``: who may join without a further yes (B14).

    Each is a URI or ``{uri, history?}``; the value tells whether it may see what came before.
    """
    listed: dict[str, bool] = {}
    for item in fields.items(terms, "delegates", most=PARTICIPANTS_MAX):
        entry = item if isinstance(item, dict) else {"uri": item}
        listed[fields.agent(entry, "uri")] = fields.flag(entry, "history")
    return listed


def make_commitment(envelope: Envelope, body: Commit, author: str) -> Commitment:
    """Read a commitment proposed on the side of ``author`` (B13).

    Under a schedule each part of the escrow is one more duty of the payee. Raises ``Refused``
    (``commitment_invalid``, ``currency_unsupported``).
    """
    escrow, parts = _escrow(body)
    window = body.dispute_window_ms
    if window is None:
        window = DISPUTE_WINDOW.default_ms
    elif not DISPUTE_WINDOW.least_ms <= window <= DISPUTE_WINDOW.most_ms:
        raise Refused(f"disputeWindowMs {window} is not 1 h to 30 d", "commitment_invalid")
    duties = [_obligation(one, number) for number, one in enumerate(body.obligations, start=1)]
    _check_names(body, (*duties, *parts))
    return Commitment(
        id=body.commitment_id,
        author=author,
        hash=envelope.hash,
        obligations=(*duties, *parts),
        escrow=escrow,
        window_ms=window,
        seed=body.arbiter_seed,
    )


def _check_names(body: Commit, duties: tuple[Obligation, ...]) -> None:
    """Facts and disputes refer to a duty by its name, the ledger to an escrow by the id."""
    if len({duty.name for duty in duties}) != len(duties):
        raise Refused("a role has the name of a part of the schedule", "commitment_invalid")
    if body.escrow is not None and "#" in body.commitment_id:
        raise Refused(
            f"the id of a commitment with escrow has no #: {shown(body.commitment_id)}",
            "commitment_invalid",
        )


def _obligation(promise: Promise, number: int) -> Obligation:
    method, check = method_of(promise.method, promise.verification)
    return Obligation(
        role=promise.role,
        party=promise.party,
        action=promise.action,
        deadline_ms=promise.deadline_ms,
        method=method,
        # Roles are the names in an object; in a list a duty is called by its place.
        name=promise.role or str(number),
        check=check,
    )


def _escrow(body: Commit) -> tuple[Escrow | None, tuple[Obligation, ...]]:
    """Payer is ``escrow.payer``, else role ``buyer``; payee likewise, else ``provider`` (B13)."""
    terms = body.escrow
    if terms is None:
        return None, ()
    roles = {promise.role: promise.party for promise in body.obligations}
    payer = terms.payer or roles.get("buyer")
    payee = terms.payee or roles.get("provider")
    if payer is None or payee is None:
        raise Refused(
            "escrow needs a payer and a payee: name them, or use the roles buyer and provider",
            "commitment_invalid",
        )
    escrow = Escrow(payer, payee, terms.money, terms.condition, penalty_bps=terms.penalty_bps)
    if terms.schedule is None:
        return escrow, ()
    scheduled = read_schedule(terms.schedule, terms.money, payer=payer, payee=payee)
    return evolve(escrow, schedule=scheduled.schedule), scheduled.duties


def contains(whole: Json, part: Json) -> bool:
    """Tell whether ``whole`` states everything ``part`` states, with equal values (B11)."""
    if isinstance(part, dict):
        if not isinstance(whole, dict):
            return False
        return all(name in whole and contains(whole[name], value) for name, value in part.items())
    # Canonical bytes, because Python finds 1 equal to true, also deep inside a list.
    return canonical(part) == canonical(whole)
