"""Evidence of a delivery: a signed record that anybody can check (ASP decision B13).

Two forms are read: a record of kind ``evidence`` as treaty signs it, and an envelope
``EVIDENCE`` of the routing protocol MRP, signed over its RFC 8785 bytes without
``auth.signature``. Which key counts is agreed beforehand; the record never says.
"""

from __future__ import annotations

from typing import Final

from treaty.errors import SignatureError, WireError
from treaty.identity.keys import PublicKey, check_signature
from treaty.identity.records import open_record
from treaty.wire import fields
from treaty.wire.canonical import Json, canonical
from treaty.wire.encoding import b64url_decode

_ALGORITHM: Final = "EdDSA"


def check_evidence(document: Json, key: PublicKey) -> None:
    """Check that a piece of evidence is signed with this key.

    Raises ``WireError`` for what is no evidence, ``SignatureError`` when it does not hold.
    """
    if not isinstance(document, dict):
        raise WireError("evidence is a signed record")
    if document.get("msg_type") is None:
        open_record("evidence", document, key)
        return
    if document["msg_type"] != "EVIDENCE":
        raise WireError("an MRP message that is evidence is of the type EVIDENCE")
    _check_envelope(document, key)


def _check_envelope(document: dict[str, Json], key: PublicKey) -> None:
    auth = fields.obj(document, "auth")
    signature = fields.obj(auth, "signature")
    if signature.get("alg") != _ALGORITHM:
        raise SignatureError("the evidence is not signed with EdDSA")
    bare = {name: value for name, value in auth.items() if name != "signature"}
    signed = canonical({**document, "auth": bare})
    check_signature(key, b64url_decode(fields.text(signature, "value")), signed)
