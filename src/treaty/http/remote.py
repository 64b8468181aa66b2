"""What a node answered, read back: errors as they were raised, log entries, inbox items.

A problem document becomes the same error with the same code and data. Whatever is not the
answer of a treaty node is ``UnavailableError`` and says what came instead: a proxy's page, a
login form, another service on that port.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from treaty.engine.items import InboxItem, LogItem, Page
from treaty.errors import (
    REASONS,
    Reason,
    Refused,
    SignatureError,
    TreatyError,
    UnavailableError,
    WireError,
    shown,
)
from treaty.http.media import MISSED, PROBLEM, STANDARD_MEMBERS
from treaty.wire import fields
from treaty.wire.canonical import Json, read_json
from treaty.wire.packed import raw_from_json

ANSWER_BYTES_MAX: Final = 8 * 1_048_576
INBOX_PAGE_MAX: Final = 200
DEPTH_MAX: Final = 64
"""A message of 32 levels stands a few levels deep in an answer."""
DETAIL_CHARS_MAX: Final = 1_000

_WIRE_STATUSES: Final = frozenset((400, 413, 415))


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer."""

    url: str
    status: int
    media_type: str
    body: bytes
    retry_after: str | None = None

    @property
    def good(self) -> bool:
        """True for the statuses a node answers with when it did what was asked."""
        return self.status in (200, 201)

    @property
    def busy(self) -> bool:
        """True when the same request may be answered a little later."""
        return self.status in (429, 503)

    @property
    def wait_s(self) -> float | None:
        """How long to wait before asking again, if the node said so."""
        stated = self.retry_after or ""
        return float(stated) if stated.isascii() and stated.isdigit() else None

    def json(self) -> dict[str, Json]:
        """The object that was asked for. Raises ``UnavailableError`` when it is none."""
        try:
            value = read_json(self.body, size_max=ANSWER_BYTES_MAX, depth_max=DEPTH_MAX)
        except WireError as error:
            raise self.foreign() from error
        if not isinstance(value, dict):
            raise self.foreign()
        return value

    def error(self) -> TreatyError:
        """The error a problem document stands for."""
        if self.media_type != PROBLEM:
            return self.foreign()
        try:
            return error_of(self.status, self.json())
        except (WireError, UnavailableError):
            return self.foreign()

    def foreign(self) -> UnavailableError:
        """The error for an answer that no treaty node gives."""
        return UnavailableError(
            f"{self.url} answered {self.status} with {shown(self.media_type)}, which is not what a "
            "treaty node says: check the address, and what stands between"
        )


def error_of(status: int, problem: Mapping[str, Json]) -> TreatyError:
    """The error of a problem document. Raises ``WireError`` when it has no code."""
    code = fields.ident(problem, "code")
    detail = str(problem.get("detail", ""))[:DETAIL_CHARS_MAX]
    reason = REASONS.get(code)
    if reason is None or reason.status != status:
        reason = Reason(code, status)
    data: dict[str, Any] = {k: v for k, v in problem.items() if k not in STANDARD_MEMBERS}
    if MISSED in data:
        data[MISSED] = list(log_items(data[MISSED]))
    if status in _WIRE_STATUSES:
        return WireError(detail, reason, data=data)
    if status == 401:
        return SignatureError(detail, reason, data=data)
    if status >= 500:
        return UnavailableError(detail, reason, data=data)
    return Refused(detail, reason, data=data)


def page_of(answer: Mapping[str, Json]) -> Page:
    """A page of a log. Raises ``WireError``."""
    return Page(log_items(answer.get("entries")), fields.flag(answer, "more"))


def log_items(value: Json) -> tuple[LogItem, ...]:
    """Log entries. Raises ``WireError``."""
    if not isinstance(value, list):
        raise WireError("log entries are a list")
    return tuple(log_item(one) for one in value)


def log_item(value: Json) -> LogItem:
    """One log entry. Raises ``WireError``."""
    if not isinstance(value, dict):
        raise WireError("a log entry is an object")
    position = fields.integer(value, "position", least=1)
    if "fact" in value:
        return LogItem(position, fields.obj(value, "fact"), None)
    return LogItem(position, fields.obj(value, "receipt"), _raw(value))


def inbox_item(kind: str, position: str | None, value: Json) -> InboxItem:
    """One inbox entry. Raises ``WireError``."""
    if not isinstance(value, dict):
        raise WireError("an inbox entry is an object")
    if position is None or not (position.isascii() and position.isdigit() and len(position) < 17):
        raise WireError(f"an inbox entry has a position, not {shown(position)}")
    body = {name: member for name, member in value.items() if name != "raw"}
    return InboxItem(int(position), kind, body, _raw(value) if "raw" in value else None)


def inbox_page_of(answer: Mapping[str, Json]) -> tuple[tuple[InboxItem, ...], bool]:
    """A page of an inbox, and whether there is more. Raises ``WireError``."""
    found = []
    for entry in fields.items(answer, "entries", most=INBOX_PAGE_MAX):
        if not isinstance(entry, dict):
            raise WireError("an inbox entry is an object")
        position = str(fields.integer(entry, "position", least=1))
        found.append(inbox_item(fields.text(entry, "kind"), position, entry.get("notice")))
    return tuple(found), fields.flag(answer, "more")


def _raw(value: Mapping[str, Json]) -> bytes:
    return raw_from_json(value.get("raw"))
