"""Instants: RFC 3339 text and whole milliseconds since 1970-01-01T00:00:00Z.

Laws: inside treaty a time is an ``int`` of milliseconds; text is written in one form and read in
one zone, ``Z``. Nothing here knows what time it is.

Read next: ``money``.
"""

from __future__ import annotations

import re
from datetime import date
from typing import Final

from treaty.errors import MisuseError, WireError, shown
from treaty.wire.canonical import Json

_DAY_MS: Final = 86_400_000
_EPOCH_ORDINAL: Final = date(1970, 1, 1).toordinal()

# Explicit classes: \d would let other scripts' digits through. Whether the day exists is left
# to ``date``, which knows the calendar.
_INSTANT: Final = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})"
    r"T([01][0-9]|2[0-3]):([0-5][0-9]):([0-5][0-9])(?:\.([0-9]{1,9}))?Z"
)


def parse_instant(text: Json) -> int:
    """Read ``2026-03-07T14:00:00.000Z`` as milliseconds since the epoch.

    Up to nine fraction digits, cut to milliseconds. Raises ``WireError`` for another zone or
    case, leap seconds, days the calendar does not have and anything around the text.
    """
    match = _INSTANT.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise WireError(f"not an RFC 3339 instant in Z: {shown(text)}")
    day, hour, minute, second, fraction = match.groups()
    try:
        days = date.fromisoformat(day).toordinal() - _EPOCH_ORDINAL
    except ValueError as error:
        raise WireError(f"no such day: {shown(text)}") from error
    of_day_s = int(hour) * 3_600 + int(minute) * 60 + int(second)
    fraction_ms = int((fraction + "00")[:3]) if fraction else 0
    return days * _DAY_MS + of_day_s * 1_000 + fraction_ms


def format_instant(at_ms: int) -> str:
    """Write milliseconds since the epoch as ``2026-03-07T14:00:00.000Z``.

    Raises ``MisuseError`` outside the years 1 to 9999.
    """
    days, of_day_ms = divmod(at_ms, _DAY_MS)
    try:
        day = date.fromordinal(days + _EPOCH_ORDINAL)
    except (ValueError, OverflowError) as error:
        raise MisuseError(f"no calendar date for {at_ms} ms") from error
    of_day_s, ms = divmod(of_day_ms, 1_000)
    minutes, second = divmod(of_day_s, 60)
    hour, minute = divmod(minutes, 60)
    return f"{day.isoformat()}T{hour:02d}:{minute:02d}:{second:02d}.{ms:03d}Z"
