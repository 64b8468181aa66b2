"""MRP: artifacts, announced, uploaded and read (8).

What is uploaded is taken when its size and hash are those announced. It is given out as a file
to save, whatever type its sender states: nothing of it runs at this node's origin.
"""

from __future__ import annotations

import re
from typing import Final

from starlette.responses import Response

from treaty.engine.artifacts import ARTIFACT_BYTES_MAX, Artifact, Artifacts
from treaty.errors import WireError, shown
from treaty.http.answers import HEADERS, json
from treaty.http.asking import Ask, Routes
from treaty.http.limits import read_body
from treaty.http.routes_mrp import bearer, client_of, posted_json, said, services_of
from treaty.wire import fields
from treaty.wire.canonical import Json
from treaty.wire.digest import is_sha256_tag

PATH: Final = "/mrp/artifacts"
NAME_CHARS_MAX: Final = 256
BODY_BYTES_MAX: Final = 16_384
_MIME: Final = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,63}/[a-z0-9][a-z0-9!#$&^_.+-]{0,63}")


async def announce(ask: Ask) -> Response:
    """Say what will be uploaded: ``{name, mime, size, hash}``."""
    bearer(ask, is_enough=False)
    ask.ticket.gate.admit_stranger(client_of(ask))
    body, _ = await posted_json(ask, BODY_BYTES_MAX)
    mime = (fields.text_or(body, "mime") or "application/octet-stream").lower()
    if _MIME.fullmatch(mime) is None:
        raise WireError(f"mime is a type such as text/plain, not {shown(mime)}")
    if not is_sha256_tag(body.get("hash")):
        raise WireError("hash is sha256: and 64 lower-case hex digits")
    artifact = await _artifacts(ask).announce(
        (fields.text_or(body, "name") or "")[:NAME_CHARS_MAX],
        mime,
        fields.integer(body, "size"),
        fields.text(body, "hash"),
        f"from:{client_of(ask)}",
    )
    url = f"{ask.node.identity.base_url}{PATH}/{artifact.id}"
    upload: dict[str, Json] = {"method": "PUT", "url": url, "headers": {"content-type": mime}}
    told: dict[str, Json] = {
        "artifact_id": artifact.id,
        "upload": upload,
        "artifact": _item(artifact),
    }
    return json(told, 201)


async def upload(ask: Ask) -> Response:
    """Take the bytes that were announced."""
    artifacts = _artifacts(ask)
    await artifacts.find(ask.params["artifact"])
    data = await read_body(ask.scope, ask.receive, ask.ticket, ARTIFACT_BYTES_MAX)
    artifact = await artifacts.store(ask.params["artifact"], data)
    return json({"artifact": _item(artifact)})


async def read(ask: Ask) -> Response:
    """The bytes of an artifact."""
    artifact, data = await _artifacts(ask).read(ask.params["artifact"])
    headers = {
        **HEADERS,
        "content-disposition": "attachment",
        "content-security-policy": "default-src 'none'; sandbox",
        "mrp-artifact-hash": artifact.hash,
    }
    return Response(data, 200, headers, artifact.mime)


def _artifacts(ask: Ask) -> Artifacts:
    return services_of(ask).artifacts


def _item(artifact: Artifact) -> dict[str, Json]:
    """The artifact as an input of a request."""
    return {
        "type": "artifact",
        "uri": f"{PATH}/{artifact.id}",
        "hash": artifact.hash,
        "size": artifact.size,
        "mime": artifact.mime,
    }


ROUTES: Final[Routes] = {
    f"{PATH}/init": {"POST": said(announce)},
    f"{PATH}/{{artifact}}": {"GET": said(read), "HEAD": said(read), "PUT": said(upload)},
}
