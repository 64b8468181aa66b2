"""Disputes: filed and answered by signed records, read by whom they concern (ASP B15, B18)."""

from __future__ import annotations

from typing import Final
from urllib.parse import unquote_to_bytes

from starlette.responses import Response

from treaty.errors import WireError, shown
from treaty.http.answers import json
from treaty.http.asking import Ask, Handler, Routes
from treaty.wire import fields


async def file(ask: Ask) -> Response:
    """File a dispute: 201, or 200 when the same record was filed before."""
    view, new = await ask.node.disputes.file(await ask.body())
    return json(view, 201 if new else 200)


async def show(ask: Ask) -> Response:
    """A dispute, for its parties, its arbiters and the operator."""
    key = await ask.reader()
    return json(await ask.node.disputes.view(_dispute(ask), key))


def _taking(kind: str) -> Handler:
    async def take(ask: Ask) -> Response:
        view, new = await ask.node.disputes.submit(_dispute(ask), kind, await ask.body())
        return json(view, 201 if new else 200)

    return take


def _dispute(ask: Ask) -> str:
    """The dispute the path names. Raises ``WireError``."""
    name = unquote_to_bytes(ask.params["dispute"]).decode("utf-8", "replace")
    try:
        return fields.ident({"dispute": name}, "dispute")
    except WireError:
        raise WireError(f"not the id of a dispute: {shown(name)}") from None


ROUTES: Final[Routes] = {
    "/v1/asp/disputes": {"POST": file},
    "/v1/asp/disputes/{dispute}": {"GET": show},
    "/v1/asp/disputes/{dispute}/evidence": {"POST": _taking("evidence")},
    "/v1/asp/disputes/{dispute}/reveal": {"POST": _taking("reveal")},
    "/v1/asp/disputes/{dispute}/votes": {"POST": _taking("vote")},
    "/v1/asp/disputes/{dispute}/ruling": {"POST": _taking("ruling")},
}
