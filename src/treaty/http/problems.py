"""Errors as problem documents (RFC 9457), the only form in which a node says no over HTTP.

``type`` is ``urn:treaty:reason:<code>``, ``code`` the stable reason, and what the error's
``data`` holds becomes members. The same refusal has the same bytes, whoever it was for: an
unknown session and a forbidden one cannot be told apart.

Read next: ``docs/reasons.md`` for what each code means and asks for.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, Final

from starlette.responses import Response

from treaty.engine.ports import Entry
from treaty.errors import MisuseError, TreatyError
from treaty.http.entries import entry_json
from treaty.http.media import MISSED, PROBLEM
from treaty.wire.canonical import Json, canonical

TYPE_PREFIX: Final = "urn:treaty:reason:"
WAIT_S: Final = 1
"""How long to wait before trying again, where the error does not tell."""

_LOG: Final = logging.getLogger("treaty.http")
_MAY_RETRY: Final = frozenset((429, 503))


def problem(error: TreatyError) -> Response:
    """The answer for an error of ours. What is our own fault is logged, not told."""
    if error.code == "internal":
        return unexpected(error)
    return _document(error.code, error.reason.status, error.detail, error.data)


def as_error(error: Exception) -> TreatyError:
    """A mistake in the node as an error of ours; its traceback is still with it."""
    failure = MisuseError("the node made a mistake; its log says more")
    failure.__cause__ = error
    return failure


def log_unexpected(error: BaseException) -> None:
    """Write a mistake of the node into its log."""
    _LOG.error("a request ended in an unexpected error", exc_info=error)


def unexpected(error: BaseException) -> Response:
    """The answer for a mistake in the node. The log holds the traceback, the answer nothing."""
    log_unexpected(error)
    return _document("internal", 500, "the node made a mistake; its log says more", {})


def _document(code: str, status: int, detail: str, data: Mapping[str, Any]) -> Response:
    members: dict[str, Json] = {
        **{name: value for name, value in data.items() if name != MISSED},
        "type": TYPE_PREFIX + code,
        "title": code.replace("_", " ").capitalize(),
        "status": status,
        "detail": detail,
        "code": code,
    }
    body = canonical(members)
    if MISSED in data:
        body = b'%s,"%s":%s}' % (body[:-1], MISSED.encode(), _entries(data[MISSED]))
    headers = headers_of(status, data)
    return Response(body, status, headers, PROBLEM)


def _entries(missed: list[Entry]) -> bytes:
    return b"[%s]" % b",".join(entry_json(entry) for entry in missed)


def headers_of(status: int, data: Mapping[str, Any]) -> dict[str, str]:
    """What the headers of a refusal say: when to come back, what is allowed, what ends here."""
    headers = {"cache-control": "no-store", "x-content-type-options": "nosniff"}
    wait_ms = data.get("retryAfterMs")
    if isinstance(wait_ms, int):
        headers["retry-after"] = str(max(1, -(-wait_ms // 1000)))
    elif status in _MAY_RETRY:
        headers["retry-after"] = str(WAIT_S)
    if "allow" in data:
        headers["allow"] = ", ".join(data["allow"])
    return headers
