"""``mrp://`` addresses: a capability with what is asked of it, or one route (5).

``mrp://capability/<capability>?intent=&budget=&format=`` and ``mrp://route/<route-id>``. Segments
are percent-encoded; everything after ``route/`` is the id, slashes included. ``budget`` is
``max_cost``, ``format`` the output format, ``domain`` a domain that may be fetched from; every
other name is a constraint.

Laws: a name is given once, but for ``policy`` and ``domain``, which may be repeated; numbers are
read as exactly as those of a message; what is made here is read back to the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final
from urllib.parse import quote, unquote, urlsplit

from treaty.dialects.mrp import choices as mrp
from treaty.dialects.mrp import numbers
from treaty.errors import WireError, shown
from treaty.wire.canonical import Json, read_json

SCHEME: Final = "mrp://"
PARAMETERS_MAX: Final = 32
_REPEATED: Final = {"policy": "policy", "domain": "allowed_domains"}
_WHOLE: Final = {
    "max_latency_ms": mrp.LATENCY_MS_MAX,
    "data_retention_days": mrp.RETENTION_DAYS_MAX,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class CapabilityAddress:
    """A capability, and what is asked of whoever has it."""

    capability: str
    intent: str | None = None
    max_cost: Decimal | None = None
    output_format: str | None = None
    constraints: Mapping[str, Json] = field(default_factory=dict)
    """All other constraints, ``policy`` and ``allowed_domains`` as lists."""


@dataclass(frozen=True, slots=True)
class RouteAddress:
    """One route, by its id."""

    route_id: str


def parse_address(text: str) -> CapabilityAddress | RouteAddress:
    """Read an address. Raises ``WireError``."""
    if len(text) > mrp.URL_CHARS_MAX or not text.startswith(SCHEME) or not text.isprintable():
        raise WireError(f"no mrp:// address: {shown(text)}")
    try:
        parts = urlsplit(text)
    except ValueError:
        raise WireError(f"no mrp:// address: {shown(text)}") from None
    if parts.fragment:
        raise WireError(f"an address with a fragment: {shown(text)}")
    if parts.netloc == "route" and not parts.query:
        return RouteAddress(_named(parts.path[1:], text))
    if parts.netloc == "capability":
        return _capability(_named(parts.path[1:], text), parts.query)
    raise WireError(f"an address names a capability or a route: {shown(text)}")


def capability_address(address: CapabilityAddress) -> str:
    """Write the address of a capability."""
    pairs = [
        ("intent", address.intent),
        ("budget", None if address.max_cost is None else f"{address.max_cost:f}"),
        ("format", address.output_format),
        *_constraint_pairs(address.constraints),
    ]
    said = [f"{quote(name, safe='')}={quote(one, safe='')}" for name, one in pairs if one]
    where = f"{SCHEME}capability/{quote(address.capability, safe=':')}"
    return f"{where}?{'&'.join(said)}" if said else where


def route_address(route_id: str) -> str:
    """Write the address of a route."""
    return f"{SCHEME}route/{quote(route_id, safe=':/@')}"


def _constraint_pairs(constraints: Mapping[str, Json]) -> Iterator[tuple[str, str | None]]:
    back = {member: name for name, member in _REPEATED.items()}
    for name, value in constraints.items():
        for one in value if isinstance(value, list) else [value]:
            yield back.get(name, name), str(one)


def _named(path: str, text: str) -> str:
    name = _unescaped(path)
    if not name or len(name) > mrp.ID_CHARS_MAX or not name.isprintable():
        raise WireError(f"an address that names nothing: {shown(text)}")
    return name


def _unescaped(text: str) -> str:
    try:
        return unquote(text, errors="strict")
    except UnicodeDecodeError:
        raise WireError(f"escapes that are no UTF-8: {shown(text)}") from None


def _capability(capability: str, query: str) -> CapabilityAddress:
    given = _parameters(query)
    cost = given.pop("budget", given.pop("max_cost", None))
    intent, output_format = given.pop("intent", None), given.pop("format", None)
    return CapabilityAddress(
        capability=capability,
        intent=intent if isinstance(intent, str) else None,
        max_cost=numbers.amount(cost, "budget", mrp.COST_MAX),
        output_format=output_format if isinstance(output_format, str) else None,
        constraints={name: _constraint(name, value) for name, value in given.items()},
    )


def _parameters(query: str) -> dict[str, Json]:
    pairs = [one for one in query.split("&") if one]
    if len(pairs) > PARAMETERS_MAX:
        raise WireError(f"{len(pairs)} parameters, at most {PARAMETERS_MAX} are read")
    found: dict[str, Json] = {}
    for pair in pairs:
        name, _, value = (_unescaped(one) for one in pair.replace("+", "%20").partition("="))
        if name in _REPEATED:
            listed = found.setdefault(_REPEATED[name], [])
            assert isinstance(listed, list)
            listed.append(value)
        elif not name or name in found or name in _REPEATED.values():
            raise WireError(f"the parameter {shown(name)} is empty or given twice")
        else:
            found[name] = value
    if "budget" in found and "max_cost" in found:
        raise WireError("budget and max_cost are two names of one thing")
    return found


def _constraint(name: str, value: Json) -> Json:
    if name not in _WHOLE or not isinstance(value, str):
        return value
    return numbers.whole(read_json(value.encode()), name, _WHOLE[name])
