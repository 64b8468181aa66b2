"""Policies as people write them: the seed's YAML, the recipe's YAML, and the peer's JSON.

Three spellings of one record (section 3.1):

* *flat*, the seed's: ``pricing.min_acceptable_amount``, ``ideal_amount``, ``hard_cap`` are base
  units. The strategy defaults to concede, by 30 %, with 2 re-quotes.
* *nested*, the recipe's YAML: ``pricing.min_acceptable.amount`` and ``pricing.ideal.amount``. The
  same figures mean dollars to one of the peer's engines and base units to the other, so the file
  must say ``amounts: base`` or ``amounts: decimal``.
* *nested JSON*, the peer's: ``ideal_price`` for ``ideal``. Base units unless it says otherwise,
  as the peer's daemon reads it; a ``unit`` other than ``base`` must say otherwise.

The nested spellings keep the peer's defaults: walk, and quotes of 900 seconds. Unknown names are
refused, so that a slip of the pen never sells below the floor. Every refusal is a
``PolicyError`` with its line; no refusal shows a figure.

Read next: ``policy`` (the record), ``policy_tree`` (the bytes).
"""

from __future__ import annotations

import re
from typing import Any, Final

from treaty.dialects.actp.choices import CURRENCY
from treaty.dialects.actp.policy import (
    PolicyError,
    ProviderPolicy,
    Semantics,
    Strategy,
)
from treaty.dialects.actp.policy_tree import (
    Items,
    Node,
    Scalar,
    Table,
    check_names,
    decimal_units,
    read_tree,
    table_in,
    whole_number,
)
from treaty.errors import MisuseError

IN_BASE: Final = "base"
IN_DECIMAL: Final = "decimal"

_TOP: Final = frozenset(
    (
        "amounts",
        "concede_pct",
        "concurrency",
        "counter_strategy",
        "decision",
        "max_counter_ttl",
        "max_requotes",
        "min_deadline_seconds",
        "pricing",
        "quote_ttl",
        "services",
        "session",
    )
)
_FLAT: Final = {"min_acceptable_amount": "floor_units", "ideal_amount": "ideal_units"}
_NESTED: Final = {
    "min_acceptable": "floor_units",
    "ideal": "ideal_units",
    "ideal_price": "ideal_units",
}
_LIMITS: Final = {
    "hard_cap": "hard_cap_units",
    "public_max_price": "public_max_price_units",
    "concession_target": "concession_target_units",
}
_PRICING: Final = frozenset(("currency", *_FLAT, *_NESTED, *_LIMITS))
_PRICE: Final = frozenset(("amount", "currency", "unit"))

_DURATION: Final = re.compile(r"([1-9][0-9]{0,8})([smhd]?)")
_SECONDS: Final = {"": 1, "s": 1, "m": 60, "h": 3_600, "d": 86_400}
_TEXT_CHARS_MAX: Final = 256
_DEFAULT_TTL_S: Final = 900


class _Draft:
    """The fields read so far, and where each came from: its line and its name in the file."""

    __slots__ = ("fields", "sources")

    def __init__(self) -> None:
        self.fields: dict[str, Any] = {}
        self.sources: dict[str, tuple[int, str]] = {}

    def put(self, field: str, value: object, path: str, line: int) -> None:
        """Keep a field; two names for one field are a contradiction."""
        if field in self.fields:
            raise PolicyError("two names for the same price", line)
        self.fields[field] = value
        self.sources[field] = (line, path)


def read_policy(raw: bytes) -> ProviderPolicy:
    """Read a policy file in any of the three spellings.

    Raises ``PolicyError``, with line and reason, for whatever is not one lawful policy.
    """
    root, is_json = read_tree(raw)
    check_names(root, _TOP, "")
    pricing = table_in(root, "pricing")
    if pricing is None:
        raise PolicyError("pricing is missing", root.line)
    check_names(pricing, _PRICING, "pricing.")
    is_nested = _is_nested(pricing)
    draft = _Draft()
    _read_prices(pricing, _unit_of_amounts(root, pricing, is_json, is_nested), draft)
    _read_haggling(root, draft, Strategy.WALK if is_nested else Strategy.CONCEDE)
    _read_times(root, draft)
    _read_places(root, draft)
    return _made(draft, pricing.line)


def _made(draft: _Draft, line: int) -> ProviderPolicy:
    try:
        return ProviderPolicy(**draft.fields)
    except MisuseError as error:
        field, text = str(error.data["field"]), str(error.data["text"])
        at, path = draft.sources.get(field, (line, field))
        raise PolicyError(f"{path} {text}", at) from None


def _is_nested(pricing: Table) -> bool:
    names = [name for name in pricing.entries if name in _FLAT or name in _NESTED]
    if not names:
        raise PolicyError("pricing needs a floor and an ideal price", pricing.line)
    if len({name in _NESTED for name in names}) == 2:
        raise PolicyError("pricing mixes two spellings", pricing.lines[names[-1]])
    found = {_FLAT.get(name) or _NESTED[name] for name in names}
    if len(found) < 2:
        missing = "the ideal price" if "floor_units" in found else "the floor"
        raise PolicyError(f"pricing needs {missing} too", pricing.line)
    return names[0] in _NESTED


def _unit_of_amounts(root: Table, pricing: Table, is_json: bool, is_nested: bool) -> str:
    """Say what an ``amount`` counts: what the file says, or base units where that is safe."""
    said = _choice(root, "amounts", (IN_BASE, IN_DECIMAL))
    if said is None:
        if not is_nested or (is_json and not _names_foreign_unit(pricing)):
            return IN_BASE
        raise PolicyError("say what amounts are: add `amounts: base` or decimal", pricing.line)
    if said == IN_DECIMAL and not is_nested:
        raise PolicyError("amounts of this spelling are base units", root.lines["amounts"])
    return said


def _names_foreign_unit(pricing: Table) -> bool:
    prices = [node for node in pricing.entries.values() if isinstance(node, Table)]
    units = [price.entries["unit"] for price in prices if "unit" in price.entries]
    return any(not isinstance(unit, Scalar) or unit.text != IN_BASE for unit in units)


def _read_prices(pricing: Table, amounts: str, draft: _Draft) -> None:
    _check_currency(pricing, "pricing.")
    units: set[str] = set()
    for name, node in pricing.entries.items():
        field = _FLAT.get(name) or _NESTED.get(name) or _LIMITS.get(name)
        if field is None:
            continue
        path, line = f"pricing.{name}", pricing.lines[name]
        if isinstance(node, Table) and name not in _FLAT:
            draft.put(field, _price(node, path, amounts), path, line)
            units.update(_unit(node, path))
        elif name in _NESTED:
            raise PolicyError(f"{path} must be a mapping with an amount", line)
        else:
            draft.put(field, whole_number(node, path), path, line)
    if len(units) > 1:
        raise PolicyError("prices are given for different units", pricing.line)
    if amounts == IN_DECIMAL and IN_BASE in units:
        raise PolicyError("the unit says base, and amounts says decimal", pricing.line)


def _price(price: Table, path: str, amounts: str) -> int:
    check_names(price, _PRICE, f"{path}.")
    _check_currency(price, f"{path}.")
    node = price.entries.get("amount")
    if node is None:
        raise PolicyError(f"{path}.amount is missing", price.line)
    where = f"{path}.amount"
    return whole_number(node, where) if amounts == IN_BASE else decimal_units(node, where)


def _unit(price: Table, path: str) -> tuple[str, ...]:
    node = price.entries.get("unit")
    return () if node is None else (_text(node, f"{path}.unit"),)


def _check_currency(table: Table, path: str) -> None:
    node = table.entries.get("currency")
    if node is not None and _text(node, f"{path}currency") != CURRENCY:
        raise PolicyError(f"{path}currency must be {CURRENCY}", table.lines["currency"])


def _read_haggling(root: Table, draft: _Draft, default: Strategy) -> None:
    strategy = _choice(root, "counter_strategy", tuple(Strategy))
    draft.fields["strategy"] = default if strategy is None else Strategy(strategy)
    semantics = _choice(root, "decision", tuple(Semantics))
    if semantics is not None:
        draft.fields["semantics"] = Semantics(semantics)
    for name in ("concede_pct", "max_requotes"):
        _read_integer(root, name, name, draft)


def _read_times(root: Table, draft: _Draft) -> None:
    session = table_in(root, "session")
    if session is not None:
        check_names(session, frozenset(("ttl_seconds",)), "session.")
    _read_integer(root, "min_deadline_seconds", "min_deadline_s", draft)
    _read_duration(root, "max_counter_ttl", "max_counter_ttl_s", draft)
    _read_duration(root, "quote_ttl", "quote_ttl_s", draft)
    if session is not None:
        _read_duration(session, "ttl_seconds", "session_ttl_s", draft, "session.")
    # One of the two stands for both; a quote never outlasts its negotiation.
    quote = draft.fields.get("quote_ttl_s")
    whole = draft.fields.setdefault("session_ttl_s", _DEFAULT_TTL_S if quote is None else quote)
    draft.fields["quote_ttl_s"] = whole if quote is None else min(quote, whole)


def _read_places(root: Table, draft: _Draft) -> None:
    concurrency = table_in(root, "concurrency")
    if concurrency is not None:
        check_names(concurrency, frozenset(("max_active_negotiations",)), "concurrency.")
        _read_integer(concurrency, "max_active_negotiations", "max_active", draft, "concurrency.")
    node = root.entries.get("services")
    if node is None:
        return
    if not isinstance(node, Items):
        raise PolicyError("services must be a list of names", root.lines["services"])
    names = tuple(_text(item, "services") for item in node.items)
    draft.put("services", names, "services", root.lines["services"])


def _read_integer(table: Table, name: str, field: str, draft: _Draft, path: str = "") -> None:
    node = table.entries.get(name)
    if node is not None:
        draft.put(field, whole_number(node, path + name), path + name, table.lines[name])


def _read_duration(table: Table, name: str, field: str, draft: _Draft, path: str = "") -> None:
    node = table.entries.get(name)
    if node is not None:
        draft.put(field, _duration(node, path + name), path + name, table.lines[name])


def _choice(table: Table, name: str, choices: tuple[str, ...]) -> str | None:
    node = table.entries.get(name)
    if node is None:
        return None
    text = _text(node, name)
    if text not in choices:
        raise PolicyError(f"{name} must be {' or '.join(choices)}", table.lines[name])
    return text


def _text(node: Node, path: str) -> str:
    if not isinstance(node, Scalar) or node.is_null or len(node.text) > _TEXT_CHARS_MAX:
        raise PolicyError(f"{path} must be text", node.line)
    return node.text


def _duration(node: Node, path: str) -> int:
    match = _DURATION.fullmatch(node.text) if isinstance(node, Scalar) else None
    if match is None:
        raise PolicyError(f'{path} must be seconds or like "15m", "1h", "30s", "1d"', node.line)
    return int(match[1]) * _SECONDS[match[2]]
