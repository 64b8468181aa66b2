"""What a node hands out of its logs and inboxes, as whoever asked receives it.

Both ends of the network share these values: ``http`` reads them off the wire, ``agent`` folds
them into its own copy. Nothing in them is checked yet; signatures are the reader's affair.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from treaty.wire.canonical import Json


@dataclass(frozen=True, slots=True)
class LogItem:
    """One entry of a session's log as a participant receives it."""

    position: int
    record: Mapping[str, Json]
    """The signed receipt or fact."""
    raw: bytes | None
    """For a receipt: the message as the host received it."""


@dataclass(frozen=True, slots=True)
class Page:
    """Some entries of a log."""

    items: tuple[LogItem, ...]
    more: bool


@dataclass(frozen=True, slots=True)
class InboxItem:
    """Something in an agent's inbox."""

    position: int
    kind: str
    body: Mapping[str, Json]
    """For an invitation: ``session``, ``from``, ``subject``, ``expires``."""
    raw: bytes | None
    """The message that caused it."""
