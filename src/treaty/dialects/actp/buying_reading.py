"""A buyer's policy file: ours in YAML or JSON, and the peer's JSON (section 3.4).

Amounts under names that end in ``_amount`` are whole base units. The peer writes an object with
an ``amount`` that means dollars to one of its engines and base units to another, so a file that
uses those must say ``amounts: base`` or ``amounts: decimal`` (W17). Unknown names are refused
with their line, except the peer's that say nothing about a price: ``task`` and ``selection``. No
refusal shows a figure.

Read next: ``buying`` for what the policy does.
"""

from __future__ import annotations

from typing import Any, Final

from treaty.dialects.actp.buying import BuyerPolicy, BuyerStrategy
from treaty.dialects.actp.choices import CURRENCY
from treaty.dialects.actp.policy import PolicyError
from treaty.dialects.actp.policy_tree import (
    Scalar,
    Table,
    check_names,
    decimal_units,
    read_tree,
    table_in,
    whole_number,
)
from treaty.errors import MisuseError

_TOP: Final = frozenset(
    (
        "amounts", "constraints", "negotiation", "target_unit_price", "target_amount",
        "public_max_price_amount", "task", "selection",
    )
)  # fmt: skip
_CONSTRAINTS: Final = {
    "max_unit_price": "ceiling_units",
    "max_unit_price_amount": "ceiling_units",
    "max_daily_spend": "daily_units",
    "max_daily_spend_amount": "daily_units",
}
_NEGOTIATION: Final = frozenset(
    (
        "rounds_max", "rounds_per_provider", "quote_ttl", "counter_strategy",
        "counter_response_ttl_seconds",
    )
)  # fmt: skip
_PRICE: Final = frozenset(("amount", "currency", "unit"))


def read_buyer_policy(raw: bytes) -> BuyerPolicy:
    """Read a buyer's policy. Raises ``PolicyError`` with its line."""
    root, _ = read_tree(raw)
    check_names(root, _TOP, "")
    amounts = _amounts(root)
    found: dict[str, Any] = {}
    constraints = table_in(root, "constraints")
    if constraints is None:
        raise PolicyError("constraints is missing", root.line)
    check_names(constraints, frozenset(_CONSTRAINTS), "constraints.")
    for name, field in _CONSTRAINTS.items():
        _put(found, constraints, name, field, amounts)
    for field, name in (("ceiling_units", "max_unit_price"), ("daily_units", "max_daily_spend")):
        if field not in found:
            raise PolicyError(f"constraints.{name}_amount is missing", constraints.line)
    for name, field in (
        ("target_unit_price", "target_units"),
        ("target_amount", "target_units"),
        ("public_max_price_amount", "public_max_price_units"),
    ):
        _put(found, root, name, field, amounts)
    _read_haggling(root, found)
    try:
        return BuyerPolicy(**found)
    except MisuseError as error:
        # The figure itself is private; the name of the field is enough to find it.
        raise PolicyError(f"{error.data['field']} {error.data['text']}", root.line) from None


def _read_haggling(root: Table, found: dict[str, Any]) -> None:
    negotiation = table_in(root, "negotiation")
    if negotiation is None:
        return
    check_names(negotiation, _NEGOTIATION, "negotiation.")
    for name, field in (
        ("rounds_per_provider", "rounds_per_provider"),
        ("counter_response_ttl_seconds", "response_ttl_s"),
    ):
        if name in negotiation.entries:
            found[field] = whole_number(negotiation.entries[name], name)
    strategy = negotiation.entries.get("counter_strategy")
    if strategy is not None:
        text = strategy.text if isinstance(strategy, Scalar) else ""
        if text not in tuple(BuyerStrategy):
            raise PolicyError("counter_strategy must be walk, midpoint or undercut", strategy.line)
        found["strategy"] = BuyerStrategy(text)


def _amounts(root: Table) -> str | None:
    node = root.entries.get("amounts")
    if node is None:
        return None
    text = node.text if isinstance(node, Scalar) else ""
    if text not in ("base", "decimal"):
        raise PolicyError("amounts must be base or decimal", node.line)
    return text


def _put(found: dict[str, Any], table: Table, name: str, field: str, amounts: str | None) -> None:
    node = table.entries.get(name)
    if node is None:
        return
    if field in found:
        raise PolicyError("two names for the same price", table.lines[name])
    if name.endswith("_amount"):
        found[field] = whole_number(node, name)
        return
    if not isinstance(node, Table) or "amount" not in node.entries:
        raise PolicyError(f"{name} must be a mapping with an amount", node.line)
    check_names(node, _PRICE, f"{name}.")
    currency = node.entries.get("currency")
    if currency is not None and not (isinstance(currency, Scalar) and currency.text == CURRENCY):
        raise PolicyError(f"{name}.currency must be {CURRENCY}", currency.line)
    if amounts is None:
        raise PolicyError("say what amounts are: add `amounts: base` or decimal", node.line)
    inner = node.entries["amount"]
    found[field] = whole_number(inner, name) if amounts == "base" else decimal_units(inner, name)
