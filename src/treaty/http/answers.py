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


def raw_json(body: bytes, status: int = 200, media_type: str = JSON) -> Response:
    """JSON that is written already, such as a signed receipt."""
    return Response(body, status, HEADERS, media_type)


def json(value: Mapping[str, Json], status: int = 200) -> Response:
    """An object, in canonical form."""
    return raw_json(canonical(dict(value)), status)
