"""A provider's policy: what it offers, at what prices, and how it haggles. A frozen record.

Laws: amounts are whole base units of USDC (six decimals). Floor, ideal, hard cap and concession
target are private: they are not in a ``repr``, and an error's text names a field, never its
figure. A policy that exists is lawful: its invariants are checked when it is made.

The three ways to write one down are read by ``policy_reading``. What follows from one is in
``decision``; how many negotiations may be open, in ``slots``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from treaty.dialects.actp.choices import (
    AMOUNT_LEAST,
    AMOUNT_MOST,
    SERVICE_CHARS_MAX,
    TTL_DEFAULT_S,
    TTL_MOST_S,
)
from treaty.errors import MisuseError, WireError

POLICY_BYTES_MAX: Final = 262_144
ACTIVE_MAX: Final = 100_000
REQUOTES_MAX: Final = 100
SERVICES_MAX: Final = 64
DEADLINE_SECONDS_MAX: Final = 365 * 86_400


class Strategy(StrEnum):
    """What is done with a counter that is not good enough."""

    WALK = "walk"
    CONCEDE = "concede"


class Semantics(StrEnum):
    """Which of the peer's two readings of the floor decides (section 3)."""

    DAEMON = "daemon"
    """Below the ideal is the band that is negotiated about."""
    CANONICAL = "canonical"
    """At or above the floor is accepted at once. Whoever counters often enough learns it."""


class PolicyError(WireError):
    """A policy file that cannot be used: in which line, and why. It names no figure."""

    def __init__(self, detail: str, line: int, reason: str = "malformed") -> None:
        super().__init__(f"line {line}: {detail}", reason, data={"line": line})
        self.line = line
        self.text = detail


@dataclass(frozen=True, slots=True)
class ProviderPolicy:
    """How a provider sells. Raises ``MisuseError`` whose ``data["field"]`` names the fault."""

    floor_units: int = field(repr=False)
    """Private: the least it sells for."""
    ideal_units: int = field(repr=False)
    """What it asks where the buyer's ceiling allows; a counter at it is accepted."""
    hard_cap_units: int = field(default=AMOUNT_MOST, repr=False)
    """No quote and no acceptance above it."""
    public_max_price_units: int | None = None
    """What a quote says as ``maxPrice`` instead of the buyer's own ceiling; public by choice."""
    concession_target_units: int | None = field(default=None, repr=False)
    """Where concessions lead. Without it to the floor, which two re-quotes then give away."""
    strategy: Strategy = Strategy.CONCEDE
    concede_pct: int = 30
    max_requotes: int = 2
    semantics: Semantics = Semantics.DAEMON
    services: tuple[str, ...] = ()
    """What is offered; empty offers everything."""
    min_deadline_s: int = 60
    """Seconds that must be left until the transaction's deadline."""
    session_ttl_s: int = 900
    """How long a negotiation keeps its place."""
    quote_ttl_s: int = 900
    """How long our quotes hold; never longer than the negotiation."""
    max_active: int = 1_000
    """Negotiations that are open at a time."""
    max_counter_ttl_s: int = TTL_DEFAULT_S
    """The longest a counter may be valid, from its making to its expiry."""

    def __post_init__(self) -> None:
        _check_prices(self)
        _check_haggling(self)
        _check_times(self)
        _check_services(self.services)

    @property
    def target_units(self) -> int:
        """Where concessions lead: the target, or else the floor."""
        target = self.concession_target_units
        return self.floor_units if target is None else target

    @property
    def signer_slots(self) -> int:
        """How many open negotiations one signer may hold: a tenth, at least one (9.6)."""
        return max(1, self.max_active // 10)

    def offers(self, service: str) -> bool:
        """Tell whether a service is offered."""
        return not self.services or service in self.services


def warnings(policy: ProviderPolicy) -> tuple[str, ...]:
    """Say what of a lawful policy its owner should think about again (9.5). No figures."""
    found = []
    conceding = policy.strategy is Strategy.CONCEDE and policy.max_requotes >= 2
    if conceding and policy.concession_target_units is None:
        found.append(
            "two re-quotes reveal the floor: set pricing.concession_target to where concessions"
            " may lead"
        )
    if policy.semantics is Semantics.CANONICAL:
        found.append("decision: canonical accepts every counter from the floor upwards")
    return tuple(found)


def _check_prices(policy: ProviderPolicy) -> None:
    cap, floor, ideal = policy.hard_cap_units, policy.floor_units, policy.ideal_units
    public, target = policy.public_max_price_units, policy.concession_target_units
    _amount("floor_units", floor)
    _amount("ideal_units", ideal)
    _amount("hard_cap_units", cap)
    _require("ideal_units", ideal >= floor, "must not be below the floor")
    _require("hard_cap_units", cap >= ideal, "must not be below the ideal price")
    if public is not None:
        _amount("public_max_price_units", public)
        _require("public_max_price_units", public >= ideal, "must not be below the ideal price")
    if target is not None:
        _amount("concession_target_units", target)
        is_between = floor <= target <= ideal
        _require("concession_target_units", is_between, "must lie between floor and ideal price")


def _check_haggling(policy: ProviderPolicy) -> None:
    _require("strategy", isinstance(policy.strategy, Strategy), "must be walk or concede")
    is_known = isinstance(policy.semantics, Semantics)
    _require("semantics", is_known, "must be daemon or canonical")
    _whole("concede_pct", policy.concede_pct, 1, 99)
    _whole("max_requotes", policy.max_requotes, 0, REQUOTES_MAX)


def _check_times(policy: ProviderPolicy) -> None:
    _whole("min_deadline_s", policy.min_deadline_s, 0, DEADLINE_SECONDS_MAX)
    _whole("session_ttl_s", policy.session_ttl_s, 1, TTL_MOST_S)
    _whole("quote_ttl_s", policy.quote_ttl_s, 1, TTL_MOST_S)
    is_within = policy.quote_ttl_s <= policy.session_ttl_s
    _require("quote_ttl_s", is_within, "must not outlast the session")
    _whole("max_active", policy.max_active, 1, ACTIVE_MAX)
    _whole("max_counter_ttl_s", policy.max_counter_ttl_s, 1, TTL_MOST_S)


def _check_services(services: tuple[str, ...]) -> None:
    _require("services", isinstance(services, tuple), "must be a tuple of names")
    _require("services", len(services) <= SERVICES_MAX, f"has more than {SERVICES_MAX} names")
    _require("services", all(map(_is_service, services)), "has a name that is none")
    _require("services", len(set(services)) == len(services), "gives a name twice")


def _is_service(name: object) -> bool:
    is_text = isinstance(name, str) and 0 < len(name) <= SERVICE_CHARS_MAX
    return is_text and str(name).isprintable() and str(name).strip() == name


def _amount(name: str, units: object) -> None:
    _whole_number(name, units)
    is_within = isinstance(units, int) and AMOUNT_LEAST <= units <= AMOUNT_MOST
    limits = f"must lie between {AMOUNT_LEAST} and {AMOUNT_MOST} base units"
    _require(name, is_within, limits)


def _whole(name: str, number: object, least: int, most: int) -> None:
    _whole_number(name, number)
    is_within = isinstance(number, int) and least <= number <= most
    _require(name, is_within, f"must lie between {least} and {most}")


def _whole_number(name: str, number: object) -> None:
    _require(name, type(number) is int, "must be a whole number")


def _require(name: str, holds: bool, text: str) -> None:
    if not holds:
        raise MisuseError(f"{name} {text}", data={"field": name, "text": text})
