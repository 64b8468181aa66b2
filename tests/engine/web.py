"""Pages that a node under test may fetch: what each URL answers, told by the test.

It stands where ``treaty.http.guarded`` stands in a real node, behind the same port, and answers
in simulated time. An answer is a status with a body, or an error that is raised.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.simulation.clock import later
from treaty.engine.fetching import Fetched
from treaty.errors import UnavailableError
from treaty.wire.canonical import canonical

Answer = tuple[int, Any] | Exception


@dataclass
class Web:
    """A small web; ``pages`` maps a URL to an answer, or to a function that gives one."""

    pages: dict[str, Answer | Callable[[], Answer]] = field(default_factory=dict)
    delay_ms: float = 0.0
    asked: list[str] = field(default_factory=list)

    async def fetch(self, url: str, **_limits: Any) -> Fetched:
        """Answer as the pages say."""
        self.asked.append(url)
        if self.delay_ms:
            await later(self.delay_ms)
        page = self.pages.get(url, UnavailableError("nobody is there"))
        answer = page() if callable(page) else page
        if isinstance(answer, Exception):
            raise answer
        status, body = answer
        raw = body if isinstance(body, bytes) else canonical(body)
        return Fetched(status=status, headers={}, body=raw, url=url)
