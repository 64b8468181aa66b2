"""Calls of bridged capabilities, as a provider makes them."""

from __future__ import annotations

from treaty.engine.capability import Call, Capability, Item, Result
from treaty.engine.fetching import Fetcher


async def ask(
    one: Capability, *values: object, fetcher: Fetcher | None = None, kind: str = "json", **members
) -> Result:
    """Execute with inputs of one type."""
    inputs = tuple(Item(type=kind, value=value) for value in values)
    return await one.execute(
        Call(**{"intent": "x", "inputs": inputs, "fetcher": fetcher, "at_ms": 0, **members})
    )
