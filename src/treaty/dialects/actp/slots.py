"""Places for open negotiations: how many, how long, and how many for one signer. Pure.

A negotiation is active while it is not final and younger than the session's ttl. Everybody
together has ``max_active`` places and one signer a tenth of them, at least one (9.6), so that no
stranger can fill the house. Time is an argument; nothing is counted here that the caller does
not bring. Read next: ``policy``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from treaty.dialects.actp.policy import ProviderPolicy


@dataclass(frozen=True, slots=True)
class Slot:
    """One negotiation's claim to a place."""

    key: str
    signer: str
    """The address in lower case."""
    opened_at_ms: int
    is_final: bool = False


@dataclass(frozen=True, slots=True)
class Admission:
    """Whether a negotiation may open, and when to ask again if not."""

    is_admitted: bool
    retry_after_s: int = 0


def active(slots: Iterable[Slot], at_ms: int, ttl_s: int) -> tuple[Slot, ...]:
    """The negotiations that hold a place now."""
    oldest_ms = at_ms - ttl_s * 1_000
    return tuple(slot for slot in slots if not slot.is_final and slot.opened_at_ms > oldest_ms)


def admit(policy: ProviderPolicy, slots: Iterable[Slot], signer: str, at_ms: int) -> Admission:
    """Say whether a signer may open one more negotiation.

    ``retry_after_s`` is when the oldest place in the way becomes free by itself, at least 1.
    """
    taken = active(slots, at_ms, policy.session_ttl_s)
    own = tuple(slot for slot in taken if slot.signer == signer)
    if len(own) >= policy.signer_slots:
        return _wait(policy, own, at_ms)
    if len(taken) >= policy.max_active:
        return _wait(policy, taken, at_ms)
    return Admission(is_admitted=True)


def _wait(policy: ProviderPolicy, taken: tuple[Slot, ...], at_ms: int) -> Admission:
    oldest_ms = min(slot.opened_at_ms for slot in taken)
    left_ms = oldest_ms + policy.session_ttl_s * 1_000 - at_ms
    return Admission(is_admitted=False, retry_after_s=max(1, -(-left_ms // 1_000)))
