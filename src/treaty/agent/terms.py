"""Terms as this SDK writes them: of an invitation, and of a COMMIT as the seed lays it out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from treaty.dialects.asp.conversation import Proposal
from treaty.identity.keys import PublicKey
from treaty.wire import fields
from treaty.wire.canonical import Json
from treaty.wire.instants import format_instant
from treaty.wire.money import Money, amount_text, money_to_json

HOUR_MS: Final = 3_600_000


def commit_body(
    *,
    commitment: str,
    proposal: Proposal,
    payer: str,
    payee: str,
    total: Money,
    at_ms: int,
    subject: str = "",
    pay: str = "",
    provide: str = "",
    method: str = "counterparty-confirm",
    provide_ms: int = HOUR_MS,
    pay_ms: int = 24 * HOUR_MS,
) -> dict[str, Json]:
    """Lay out a COMMIT by the payer for an accepted proposal (B11, B13).

    The terms contain the accepted ones and the total; the payer's obligation is kept by the
    escrow, the provider's is checked by ``method``. Times are from ``at_ms``.
    """
    text = f"{amount_text(total)} {total.asset}"
    return {
        "commitmentId": commitment,
        "type": "resource-allocation",
        "subject": subject or proposal.subject,
        "proposalId": proposal.id,
        "terms": {**dict(proposal.terms), "totalCost": dict(money_to_json(total))},
        "obligations": {
            "buyer": _duty(payer, pay or f"Pay {text}", at_ms + pay_ms, "escrow-release"),
            "provider": _duty(payee, provide or "Deliver as agreed", at_ms + provide_ms, method),
        },
        "escrow": {**money_to_json(total), "releaseCondition": "obligation-met"},
    }


def _duty(party: str, action: str, deadline_ms: int, method: str) -> dict[str, Json]:
    return {
        "party": party,
        "action": action,
        "deadline": format_instant(deadline_ms),
        "verificationMethod": method,
    }


def named_nodes(node: Mapping[str, Json], host: PublicKey) -> dict[str, Json]:
    """What an invitation says of the node it is opened at: its roles, and who rules for it (B15).

    ``node`` is what it says of itself, ``host`` its key.
    """
    own: dict[str, Json] = {"uri": fields.text(node, "uri"), "keyId": host.key_id}
    named: dict[str, Json] = {role: dict(own) for role in ("host", "clearing", "trust")}
    operator = fields.obj_or(node, "operator")
    if operator is not None:
        named["operator"] = {name: fields.text(operator, name) for name in ("uri", "keyId")}
    return named
