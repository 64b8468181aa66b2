"""Reading server-sent events (WHATWG HTML, section 9.2), from bytes as they come.

Pure: a ``Reader`` is fed chunks and gives back the events they complete. What a server may
make it hold is bounded; a server that sends more is not one of ours.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

from treaty.errors import WireError

EVENT_BYTES_MAX: Final = 2 * 1_048_576
"""A message of 256 KiB appears twice in its event, once with its quotes escaped."""

_LINE_END: Final = re.compile(rb"\r\n|\n|\r(?!\Z)")


@dataclass(frozen=True, slots=True)
class Event:
    """One event."""

    name: str
    data: bytes
    id: str | None


@dataclass(slots=True)
class Reader:
    """What has come of the event that is not complete yet."""

    _rest: bytes = b""
    _fields: dict[bytes, bytes] = field(default_factory=dict)
    _size: int = 0

    def feed(self, chunk: bytes) -> list[Event]:
        """The events that are complete with this chunk. Raises ``WireError`` when one is too long.

        A line that ends with CR is complete when the next byte has come, since that may be LF.
        """
        text = self._rest + chunk
        if len(text) > EVENT_BYTES_MAX + len(chunk):
            raise WireError("a line of the stream has no end", "too_large")
        *lines, self._rest = _LINE_END.split(text)
        events = []
        for line in lines:
            event = self._take(line)
            if event is not None:
                events.append(event)
        return events

    def _take(self, line: bytes) -> Event | None:
        """Take one line; an empty one completes the event."""
        if not line:
            return self._complete()
        self._size += len(line)
        if self._size > EVENT_BYTES_MAX:
            raise WireError(f"an event has at most {EVENT_BYTES_MAX} bytes", "too_large")
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"data" and name in self._fields:
            value = self._fields[name] + b"\n" + value
        # A comment is a line with an empty name; it is kept under that and never looked at.
        self._fields[name] = value
        return None

    def _complete(self) -> Event | None:
        fields, self._fields, self._size = self._fields, {}, 0
        data = fields.get(b"data")
        if data is None:
            return None
        name = fields.get(b"event", b"message").decode("utf-8", "replace")
        position = fields.get(b"id")
        return Event(name, data, None if position is None else position.decode("utf-8", "replace"))
