"""What a message says, in a few words, for a person.

Reads only what was signed and received; whatever a stranger put there, the answer is a short
text and never an exception. Showing it is ``terminal``'s affair, which escapes it.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Final

from treaty.dialects.asp.messages import (
    Accept,
    Body,
    Clarify,
    Close,
    Commit,
    Counter,
    Delegate,
    Escalate,
    Inform,
    Observe,
    Propose,
    Query,
    Reject,
    Withdraw,
)
from treaty.errors import WireError
from treaty.wire.canonical import Json
from treaty.wire.money import ASSETS, amount_text, decimal_number

SIGNS: Final = {"USD": "$", "EUR": "€", "GBP": "£"}
DIGITS_MAX: Final = 15
"""Amounts with more are not written out: a stranger chose how many there are."""
TEXT_CHARS_MAX: Final = 160


def gist(body: Body) -> str:
    """What a message says."""
    text = _gist(body)
    return text if len(text) <= TEXT_CHARS_MAX else text[: TEXT_CHARS_MAX - 1] + "…"


def _gist(body: Body) -> str:
    match body:
        case Propose():
            return f"invites: {body.subject}" if body.is_invitation else _offer(body)
        case Counter():
            final = " (final)" if body.final else ""
            return f"{_offer(body)}{final}: {body.rejection_reason}"
        case Accept():
            return body.acknowledgment or f"accepts {body.reference_id}"
        case Reject():
            return f"{body.reason} ({body.code})"
        case Commit():
            return _commit(body)
        case Inform():
            return _inform(body)
        case Query():
            return _query(body)
        case Close():
            rating = f", rates {body.peer_rating} of 5" if body.peer_rating else ""
            return f"{body.reason}{rating}"
        case _:
            return _other(body)


def _other(body: Body) -> str:
    match body:
        case Clarify():
            return body.question or body.answer or ""
        case Delegate():
            return f"brings in {body.target_agent}: {body.scope}"
        case Escalate():
            return f"calls {body.authority}: {body.reason}"
        case Withdraw():
            return body.reason or f"takes back {body.reference_id}"
        case Observe():
            return body.subject
    return ""


def money(amount: Json, currency: str = "USD") -> str:
    """``3.5`` -> ``$3.50``; a question mark for what is no amount that anybody would write."""
    try:
        value = Decimal(amount) if isinstance(amount, str) else decimal_number(amount)
    except (WireError, InvalidOperation):
        return "?"
    if not value.is_finite() or abs(value.adjusted()) > DIGITS_MAX:
        return "?"
    decimals = ASSETS[currency].decimals if currency in ASSETS else 2
    return f"{SIGNS.get(currency, currency + ' ')}{value:,.{decimals}f}"


def _offer(body: Propose | Counter) -> str:
    return terms(body.terms) or body.subject


def terms(stated: Mapping[str, Json]) -> str:
    """``2x A100, 24 h, $3.75/h, 99.95 %`` as far as the terms say so."""
    parts = []
    if "quantity" in stated:
        parts.append(f"{stated['quantity']}x {stated.get('gpuType', 'units')}")
    if "durationHours" in stated:
        parts.append(f"{stated['durationHours']} h")
    if "pricePerHour" in stated:
        parts.append(f"{money(stated['pricePerHour'])}/h")
    sla = stated.get("sla")
    if isinstance(sla, dict) and "uptimePercent" in sla:
        parts.append(f"{sla['uptimePercent']} %")
    return ", ".join(parts)


def _commit(body: Commit) -> str:
    held = body.escrow.money if body.escrow else None
    escrow = f"escrow {amount_text(held)} {held.asset}" if held else ""
    return "; ".join(part for part in (body.subject, escrow) if part)


def _query(body: Query) -> str:
    asked = body.parameters
    parts = [str(asked.get("capability", body.subject))]
    if "minTrustLevel" in asked:
        parts.append(f"trust level {asked['minTrustLevel']} or more")
    if "maxPricePerHour" in asked:
        parts.append(f"at most {money(asked['maxPricePerHour'])}/h")
    return ", ".join(parts)


def _inform(body: Inform) -> str:
    data = body.data
    card = data.get("agentCard")
    if isinstance(card, dict):
        return f"card of {card.get('name')}, key {str(card.get('publicKey'))[:12]}…"
    if body.inform_type == "progress":
        return f"{data.get('percentComplete')} %: {data.get('details')}"
    agents = data.get("agents")
    if isinstance(agents, list):
        return "; ".join(_listed(one) for one in agents[:3]) or "nobody fits"
    if data.get("status") == "fulfilled":
        return f"fulfilled{_instances(data.get('instances'))}"
    return body.subject


def _listed(agent: Json) -> str:
    if not isinstance(agent, dict):
        return "?"
    pricing = agent.get("pricing")
    price = pricing.get("pricePerHour") if isinstance(pricing, dict) else None
    at = f", {money(price)}/h" if price is not None else ""
    return (
        f"{agent.get('uri')} (trust {agent.get('trustScore')}, level {agent.get('trustLevel')}{at})"
    )


def _instances(instances: Json) -> str:
    if not isinstance(instances, list):
        return ""
    named = [_instance(one) for one in instances[:8] if isinstance(one, dict)]
    return ": " + ", ".join(named) if named else ""


def _instance(stated: Mapping[str, Json]) -> str:
    process = f"(process {stated['pid']})" if "pid" in stated else ""
    return " ".join(str(part) for part in (stated.get("id"), process, stated.get("status")) if part)
