"""Answers that succeed. Problem documents are in ``problems``, streams in ``streams``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from starlette.responses import Response

from treaty.http.media import JSON
from treaty.wire.canonical import Json, canonical

HEADERS: Final[Mapping[str, str]] = {
    # Scores change and logs grow: nothing here is worth keeping in between.
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
}


_RAW_HEADERS: Final = [(name.encode(), value.encode()) for name, value in HEADERS.items()]


class Written(Response):
    """An answer whose bytes are there; its headers are written out once, not for every answer."""

    def __init__(self, body: bytes, status: int, media_type: str) -> None:
        """Take what ``Response`` would make of it."""
        self.body = body
        self.status_code = status
        self.media_type = media_type
        self.background = None
        self.raw_headers = [
            *_RAW_HEADERS,
            (b"content-length", b"%d" % len(body)),
            (b"content-type", media_type.encode("latin-1")),
        ]


def raw_json(body: bytes, status: int = 200, media_type: str = JSON) -> Response:
    """JSON that is written already, such as a signed receipt."""
    return Written(body, status, media_type)


def json(value: Mapping[str, Json], status: int = 200) -> Response:
    """An object, in canonical form."""
    return raw_json(canonical(dict(value)), status)
