"""Revocations: the word that a key of an agent is no longer to be heard (ASP B5).

A revocation ``{uri, keyId, since, publicKey}`` is signed by ``publicKey``, which becomes the
agent's next key: the one its card committed to, or one that has proven the agent's domain. Which
of the two it is, is for the registry to say; here its own signature is checked.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from treaty.errors import WireError
from treaty.identity.keys import PublicKey, Signer, read_public_key
from treaty.identity.records import open_record, seal
from treaty.wire import fields
from treaty.wire.canonical import Json
from treaty.wire.instants import format_instant


@dataclass(frozen=True, slots=True)
class Revocation:
    """A key that is not heard from ``since_ms`` on."""

    uri: str
    key_id: str
    """Of the revoked key."""
    since_ms: int
    by: PublicKey
    """The agent's next key, whose signature holds."""
    record: Mapping[str, Json] = field(repr=False)


def make_revocation(
    next_signer: Signer, *, uri: str, key_id: str, since_ms: int
) -> dict[str, Json]:
    """Revoke ``key_id`` from ``since_ms`` on, in the name of the next key."""
    body: dict[str, Json] = {
        "uri": uri,
        "keyId": key_id,
        "since": format_instant(since_ms),
        "publicKey": next_signer.key.text,
    }
    return seal("revocation", body, next_signer)


def open_revocation(record: Json) -> Revocation:
    """Read a revocation and check its signature by the key it shows.

    Raises ``WireError`` for its form, ``SignatureError`` when hash or signature fail.
    """
    if not isinstance(record, dict):
        raise WireError("a revocation is an object")
    by = read_public_key(record.get("publicKey"))
    signed = open_record("revocation", record, by).value
    key_id = fields.ident(signed, "keyId")
    if key_id == by.key_id:
        raise WireError("a key is revoked by its successor, not by itself")
    return Revocation(
        uri=fields.agent(signed, "uri"),
        key_id=key_id,
        since_ms=fields.instant(signed, "since"),
        by=by,
        record=record,
    )
