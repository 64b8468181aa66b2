"""Patience with a node that is away for a moment: asking again, with growing pauses.

Everything an agent asks of a node may be asked again: reads change nothing, and a message that
was accepted already is answered as it was the first time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from treaty.errors import TreatyError, UnavailableError

PAUSE_S: Final = 0.2
PAUSE_MOST_S: Final = 5.0
"""The longest pause between two questions."""
AWAY_S: Final = 120.0
"""How long a question waits for a node that cannot be reached."""
ASKED_MOST_S: Final = 30.0
"""The longest pause that a node may ask for."""

T = TypeVar("T")


async def patiently(ask: Callable[[], Awaitable[T]], patience_s: float = AWAY_S) -> T:
    """Ask until there is an answer. Raises ``UnavailableError`` when patience ends."""
    pause_s, waited_s = PAUSE_S, 0.0
    while True:
        try:
            return await ask()
        except UnavailableError as error:
            pause_s = asked_s(error) or pause_s
            if waited_s + pause_s > patience_s:
                raise
        await asyncio.sleep(pause_s)
        waited_s += pause_s
        pause_s = min(PAUSE_MOST_S, pause_s * 2)


def asked_s(error: TreatyError) -> float:
    """The pause a node asks for, in seconds; 0 for none."""
    wait_ms = error.data.get("retryAfterMs")
    return min(ASKED_MOST_S, wait_ms / 1000) if type(wait_ms) is int and wait_ms > 0 else 0.0


def is_passing(error: TreatyError) -> bool:
    """Tell whether the same request may succeed later: a node that is away or busy."""
    return isinstance(error, UnavailableError) or error.reason.transient
