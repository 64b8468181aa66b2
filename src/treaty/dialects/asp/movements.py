"""What the clearing's signed fact about a movement of money says, and where one says otherwise.

Every participant holds the facts it is sent against this when it folds them, and so does whoever
verifies a deal file: a host that reserves less than was bound is found out at once.

Read next: ``deadlines``, which folds facts; ``audit_escrow``.
"""

from __future__ import annotations

from collections.abc import Mapping

from treaty.core.commitment import Order, OrderKind
from treaty.dialects.asp.conversation import Conversation
from treaty.errors import shown
from treaty.wire.canonical import Json
from treaty.wire.money import Money, money_to_json


def movement_data(conversation: Conversation, order: Order) -> dict[str, Json]:
    """What the clearing's fact about an order says (B13)."""
    escrow = order.escrow
    data: dict[str, Json] = {
        "movement": order.kind.value,
        "reservation": _reservation(conversation, order),
        "commitmentId": order.commitment,
        "commitHash": conversation.commitments[order.commitment].hash,
        "payer": escrow.payer,
        "payee": escrow.payee,
        "amount": dict(money_to_json(Money(order.units, escrow.money.asset))),
    }
    if order.slice:
        data["slice"] = order.slice
    if order.bond:
        data["bond"] = order.bond
    if order.kind is OrderKind.SETTLE:
        voided = order.units - order.post_units
        data["posted"] = dict(money_to_json(Money(order.post_units, escrow.money.asset)))
        data["voided"] = dict(money_to_json(Money(voided, escrow.money.asset)))
    return data


def _reservation(conversation: Conversation, order: Order) -> str:
    own = f"{conversation.id}/{order.commitment}"
    return f"{own}/{order.bond}" if order.bond else own


def differences(found: Mapping[str, Json], due: Mapping[str, Json]) -> list[str]:
    """Where a fact about a movement says otherwise than was due; empty when nowhere."""
    return [
        f"{name} is {shown(found.get(name))}, due was {shown(value)}"
        for name, value in due.items()
        # A settlement states what became of the amount; it need not repeat the amount itself.
        if found.get(name) != value
        and not (name == "amount" and name not in found and "posted" in due)
    ]
