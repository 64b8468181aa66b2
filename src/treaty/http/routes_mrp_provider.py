"""MRP: what a provider says of itself, and what it is told of its losses (2, 5, 7).

The well-known file, manifests, keys, the published schemas, and receipts of buyers that chose
another offer.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import unquote

from starlette.responses import Response

from treaty.dialects.mrp import rejections, schemas
from treaty.dialects.mrp.choices import ENVELOPE_MEDIA, MANIFEST_MEDIA, VERSION
from treaty.dialects.mrp.keysets import KEYS_PATH, write_keys
from treaty.errors import Refused
from treaty.http.answers import raw_json
from treaty.http.asking import Ask, Routes
from treaty.http.routes_mrp import client_of, posted_json, said, services_of
from treaty.wire.canonical import Json, canonical
from treaty.wire.digest import sha256

SCHEMA_MEDIA: Final = "application/schema+json"
RECEIPT_BYTES_MAX: Final = 65_536
DESCRIPTION: Final = "Capabilities offered by a treaty node"


async def well_known(ask: Ask) -> Response:
    """What the provider can do, and where that is described."""
    dialect = services_of(ask).dialect
    names: list[Json] = list(dialect.offering.names)
    found: dict[str, Json] = {
        "mrp_version": VERSION,
        "id": dialect.provider,
        "name": ask.node.identity.uri,
        "description": DESCRIPTION,
        "capabilities": names,
        "manifest_url": "/mrp/manifest",
    }
    return raw_json(canonical(found), media_type=ENVELOPE_MEDIA)


async def manifest(ask: Ask) -> Response:
    """The manifest of a capability; without a name, of the first."""
    offering = services_of(ask).dialect.offering
    name = unquote(ask.params.get("capability", offering.first))
    if name not in offering.by_name:
        raise Refused("there is no such capability here", "not_found")
    return raw_json(canonical(offering.manifest(name)), media_type=MANIFEST_MEDIA)


async def keys(ask: Ask) -> Response:
    """The keys the provider signs with, as a key set (RFC 7517)."""
    return raw_json(canonical(write_keys([services_of(ask).dialect.signer.key])))


async def schema_index(_ask: Ask) -> Response:
    """The paths below which the schemas lie."""
    paths: list[Json] = [f"/mrp/schemas/{path}" for path in schemas.PATHS]
    return raw_json(canonical({"schemas": paths}))


async def schema(ask: Ask) -> Response:
    """One schema (JSON Schema 2020-12)."""
    found = schemas.schema_at(unquote(ask.params["path"]))
    if found is None:
        raise Refused("there is no such schema here", "not_found")
    return raw_json(canonical(dict(found)), media_type=SCHEMA_MEDIA)


async def reject(ask: Ask) -> Response:
    """Take in the receipt of a buyer that chose another offer; told twice, counted once."""
    services = services_of(ask)
    ask.ticket.gate.admit_stranger(client_of(ask))
    body, _ = await posted_json(ask, RECEIPT_BYTES_MAX)
    told = rejections.read_rejection(body)
    route = services.dialect.route(told.route_id)
    heard = sha256(canonical([told.key_id, told.route_id, told.offer_id])).hex()
    try:
        await services.losses.hear(route.ability.name, told.reasons, heard)
    except Refused as refusal:
        if refusal.code != "proof_replayed":
            raise
        return raw_json(canonical({"counted": False}))
    return raw_json(canonical({"counted": True}), 201)


ROUTES: Final[Routes] = {
    "/.well-known/mrp.json": {"GET": well_known, "HEAD": well_known},
    KEYS_PATH: {"GET": keys, "HEAD": keys},
    "/mrp/manifest": {"GET": manifest, "HEAD": manifest},
    "/mrp/manifest/{capability}": {"GET": manifest, "HEAD": manifest},
    "/mrp/schemas": {"GET": schema_index, "HEAD": schema_index},
    "/mrp/schemas/{path:path}": {"GET": schema, "HEAD": schema},
    rejections.PATH: {"POST": said(reject)},
}
