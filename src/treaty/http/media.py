"""Names that both ends of the network use: media types, and members of problem documents."""

from __future__ import annotations

from typing import Final

JSON: Final = "application/json"
MESSAGE: Final = "application/asp+json"
MESSAGE_PACKED: Final = "application/asp+msgpack"
PROBLEM: Final = "application/problem+json"
EVENTS: Final = "text/event-stream"

MISSED: Final = "missed"
"""The member of a ``chain_stale`` problem that holds log entries."""
STANDARD_MEMBERS: Final = frozenset(("type", "title", "status", "detail", "code", "instance"))
"""What is not the error's own data: RFC 9457, and the code."""
