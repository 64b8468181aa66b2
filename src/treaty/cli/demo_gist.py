"""One line per message: what it says, for a person. Reads only what was signed and received."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from treaty.dialects.asp.messages import (
    Accept,
    Body,
    Close,
    Commit,
    Counter,
    Inform,
    Propose,
    Query,
)
from treaty.errors import WireError
from treaty.wire.canonical import Json
from treaty.wire.money import amount_text, decimal_number

SIGNS: Final = {"USD": "$", "EUR": "€", "GBP": "£"}


def money(amount: Json, currency: str = "USD") -> str:
    """``3.5`` -> ``$3.50``."""
    try:
        value = Decimal(amount) if isinstance(amount, str) else decimal_number(amount)
    except (WireError, ArithmeticError):
        return "?"
    return f"{SIGNS.get(currency, currency + ' ')}{value:,.2f}"


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


def gist(body: Body) -> str:
    """What a message says, in a few words."""
    if isinstance(body, Query):
        return _query(body)
    if isinstance(body, Propose):
        return f"invites: {body.subject}" if body.is_invitation else terms(body.terms)
    if isinstance(body, Counter):
        return f"{terms(body.terms)}{' (final)' if body.final else ''}: {body.rejection_reason}"
    if isinstance(body, Accept):
        return body.acknowledgment or f"accepts {body.reference_id}"
    if isinstance(body, Commit):
        return _commit(body)
    if isinstance(body, Inform):
        return _inform(body)
    if isinstance(body, Close):
        rating = f", rates {body.peer_rating} of 5" if body.peer_rating else ""
        return f"{body.reason}{rating}"
    return ""


def _query(body: Query) -> str:
    asked = body.parameters
    parts = [str(asked.get("capability", body.subject))]
    if "minTrustLevel" in asked:
        parts.append(f"trust level {asked['minTrustLevel']} or more")
    if "maxPricePerHour" in asked:
        parts.append(f"at most {money(asked['maxPricePerHour'])}/h")
    return ", ".join(parts)


def _commit(body: Commit) -> str:
    if body.escrow is None:
        return body.subject
    held = body.escrow.money
    return f"{body.subject}; escrow {SIGNS.get(held.asset, '')}{amount_text(held)} {held.asset}"


def _inform(body: Inform) -> str:
    data: Mapping[str, Any] = body.data
    card = data.get("agentCard")
    if isinstance(card, dict):
        return f"card of {card.get('name')}, key {str(card.get('publicKey'))[:12]}…"
    if body.inform_type == "progress":
        return f"{data.get('percentComplete')} %: {data.get('details')}"
    if isinstance(data.get("agents"), list):
        return _listing(data)
    if data.get("status") == "fulfilled":
        return f"fulfilled{_instances(data)}"
    return body.subject


def _listing(data: Mapping[str, Any]) -> str:
    found = []
    for agent in data["agents"][:3]:
        price = agent.get("pricing", {}).get("pricePerHour")
        at = f", {money(price)}/h" if price is not None else ""
        found.append(
            f"{agent.get('uri')} (trust {agent.get('trustScore')}, "
            f"level {agent.get('trustLevel')}{at})"
        )
    return "; ".join(found) or "nobody fits"


def _instances(data: Mapping[str, Any]) -> str:
    instances = data.get("instances")
    if not isinstance(instances, list):
        return ""
    named = (f"{one.get('id')} (process {one.get('pid')}) {one.get('status')}" for one in instances)
    return ": " + ", ".join(named)


def phase(body: Body, state: str) -> str:
    """The protocol's phase a message belongs to; ``state`` is the one after it ("" before)."""
    if not state:
        return "DISCOVER"
    if isinstance(body, Accept):
        return {"INVITED": "INVITE", "EXECUTING": "AGREE"}.get(state, "CONVERSE")
    if isinstance(body, Propose):
        return "INVITE" if body.is_invitation else "CONVERSE"
    if isinstance(body, Inform):
        return "INTRODUCE" if body.inform_type == "identity" else "EXECUTE"
    if isinstance(body, Commit):
        return "AGREE"
    return "CLOSE" if isinstance(body, Close) else "CONVERSE"
