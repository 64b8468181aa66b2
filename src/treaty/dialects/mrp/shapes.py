"""The form of every MRP object as one table; checker and JSON Schemas are made from it.

Laws:

1. A shape says what JSON Schema 2020-12 says with the same words, nothing more: ``checking``
   and ``schemas`` give one verdict (tested against each other).
2. Profiles differ in rows, not in code: ``compat`` is what mrpd 0.1.1 takes, ``strict`` what the
   newer schemas take (15).
3. Objects are closed but for those that 0.1 leaves open: constraints, offers, auth, and what is
   free-form there.

Read next: ``checking``, ``schemas``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, TypeAlias

from treaty.dialects.mrp import choices as mrp
from treaty.dialects.mrp.choices import Profile


@dataclass(frozen=True, slots=True)
class Text:
    """A string."""

    chars_least: int = 0
    pattern: str | None = None
    """A regular expression that means the same in ECMA 262 and here."""
    one_of: tuple[str, ...] = ()
    is_instant: bool = False
    """RFC 3339 in UTC: a remark in compat, a rule in strict."""


@dataclass(frozen=True, slots=True)
class Number:
    """A number; ``true`` is none."""

    least: int | None = None
    most: int | None = None
    whole: bool = False
    """An integer; 400.0 is one."""


@dataclass(frozen=True, slots=True)
class Flag:
    """True or false."""


@dataclass(frozen=True, slots=True)
class Anything:
    """Any JSON value, null included."""


@dataclass(frozen=True, slots=True)
class Listing:
    """A list of one kind."""

    of: Shape


@dataclass(frozen=True, slots=True)
class Extra:
    """What a record must also satisfy when its tag has one value."""

    members: Mapping[str, Shape] = field(default_factory=dict)
    required: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Record:
    """An object. One with a ``path`` is a schema of its own, the others stand inside theirs."""

    members: Mapping[str, Shape] = field(default_factory=dict)
    required: tuple[str, ...] = ()
    is_open: bool = False
    path: str = ""
    title: str = ""
    tag: str = ""
    """The member whose value chooses an ``Extra``."""
    extras: Mapping[str, Extra] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Either:
    """An object of one of several records; its ``tag`` says which."""

    tag: str
    options: tuple[Record, ...]
    path: str = ""
    title: str = ""


Shape: TypeAlias = Text | Number | Flag | Anything | Listing | Record | Either

TEXT: Final = Text()
TEXTS: Final = Listing(TEXT)
FREE: Final = Record(is_open=True)
"""Any object."""
ID: Final = Text(mrp.NAME_CHARS_LEAST)
MSG_ID: Final = Text(mrp.MSG_ID_CHARS_LEAST)
INSTANT: Final = Text(is_instant=True)
COUNT: Final = Number(least=0, whole=True)
AMOUNT: Final = Number(least=0)

_VERSION: Final = r"^[0-9]+\.[0-9]+$"
_OUR_MAJOR: Final = rf"^{mrp.MAJOR}\.[0-9]+$"
_CODE: Final = r"^MRP_[A-Z0-9_]+$"
_HASH: Final = r"^(sha256|sha512):"

ARTIFACT: Final = Record(
    {
        "type": Text(one_of=(mrp.ARTIFACT,)),
        "uri": Text(1),
        "hash": Text(pattern=_HASH),
        "size": COUNT,
        "mime": TEXT,
    },
    required=("type", "uri", "hash"),
    path="types/artifact.schema.json",
    title="MRP artifact reference",
)
_VALUED: Final = Record(
    {
        "type": Text(one_of=mrp.VALUE_TYPES),
        "value": Anything(),
        "uri": TEXT,
        "hash": TEXT,
        "size": Number(whole=True),
        "mime": TEXT,
    },
    required=("type", "value"),
)
ITEM: Final = Either(
    "type", (_VALUED, ARTIFACT), path="types/input.schema.json", title="MRP input or output item"
)
ITEMS: Final = Listing(ITEM)

_OFFERED: Final = Record(
    {
        "route_id": TEXT,
        "capability": TEXT,
        "confidence": Number(least=0, most=1),
        "cost": FREE,
        "latency": FREE,
        "proofs": TEXTS,
        "policy": TEXTS,
        "risk": FREE,
        "endpoint": TEXT,
    },
    required=("route_id", "capability"),
    is_open=True,
)
_ASKED: Final = Record(
    {
        "max_cost": AMOUNT,
        "max_latency_ms": COUNT,
        "data_residency": TEXT,
        "policy": TEXTS,
    },
    is_open=True,
)


def _payload(msg_type: str, members: Mapping[str, Shape], required: tuple[str, ...] = ()) -> Record:
    name = msg_type.lower()
    return Record(
        members,
        required,
        path=f"payloads/{name}.schema.json",
        title=f"MRP {msg_type} payload",
    )


_PAYLOADS: Final[Mapping[str, Record]] = {
    mrp.DISCOVER: _payload(
        mrp.DISCOVER,
        {"intent": Text(1), "inputs": ITEMS, "constraints": _ASKED, "proofs_required": TEXTS},
        ("intent",),
    ),
    mrp.OFFER: _payload(mrp.OFFER, {"offers": Listing(_OFFERED), "page": FREE}, ("offers",)),
    mrp.NEGOTIATE: _payload(
        mrp.NEGOTIATE,
        {
            "route_id": TEXT,
            "constraints": FREE,
            "proofs": TEXTS,
            "inputs": ITEMS,
            "payment_intent": FREE,
        },
        ("route_id",),
    ),
    mrp.EXECUTE: _payload(
        mrp.EXECUTE,
        {"route_id": TEXT, "inputs": ITEMS, "output_format": TEXT, "job": FREE},
        ("route_id",),
    ),
    mrp.EVIDENCE: _payload(
        mrp.EVIDENCE,
        {
            "route_id": TEXT,
            "job_id": TEXT,
            "outputs": ITEMS,
            "provenance": FREE,
            "attestations": TEXTS,
            "usage": FREE,
            "settlement": FREE,
        },
        ("route_id",),
    ),
}
_ERROR: Final[Mapping[str, Shape]] = {
    "code": Text(pattern=_CODE),
    "message": TEXT,
    "retryable": Flag(),
    "retry_after_ms": COUNT,
    "details": FREE,
}
_ERROR_REQUIRED: Final = ("code", "message", "retryable")

# The newer schemas close what 0.1 left without a schema, and let an ERROR name its cause.
_NEWER: Final[Mapping[str, Record]] = {
    **_PAYLOADS,
    mrp.ERROR: _payload(mrp.ERROR, {**_ERROR, "caused_by": MSG_ID}, _ERROR_REQUIRED),
    mrp.HELLO: _payload(
        mrp.HELLO,
        {
            "schemas": Listing(Text(pattern=_VERSION)),
            "proofs": TEXTS,
            "capabilities": TEXTS,
            "manifest_url": TEXT,
            "auth_methods": TEXTS,
        },
    ),
    mrp.JOB_ACCEPTED: _payload(
        mrp.JOB_ACCEPTED,
        {"job_id": ID, "status": TEXT, "status_url": TEXT, "estimated_wait_ms": COUNT},
        ("job_id", "status", "status_url"),
    ),
    mrp.JOB_STATUS: _payload(
        mrp.JOB_STATUS,
        {"job_id": ID, "status": TEXT, "progress": Number(least=0, most=1), "message": TEXT},
        ("job_id", "status"),
    ),
    mrp.STREAM_CHUNK: _payload(
        mrp.STREAM_CHUNK,
        {"stream_id": ID, "sequence": COUNT, "final": Flag(), "chunk": ITEM},
        ("stream_id", "sequence", "final", "chunk"),
    ),
}
_OLDER: Final[Mapping[str, Record]] = {
    **_PAYLOADS,
    mrp.ERROR: _payload(mrp.ERROR, _ERROR, _ERROR_REQUIRED),
}

PAYLOADS: Final[Mapping[Profile, Mapping[str, Record]]] = MappingProxyType(
    {
        Profile.COMPAT: MappingProxyType(dict(_OLDER)),
        Profile.STRICT: MappingProxyType(dict(_NEWER)),
    }
)
"""The form of a payload by profile and msg_type; what is missing may be any object."""

# Which types the newer schemas want addressed, and tied to what they answer or follow.
_UNADDRESSED: Final = frozenset((mrp.HELLO, mrp.DISCOVER))
_ANSWERING: Final = frozenset((mrp.OFFER, mrp.NEGOTIATE, mrp.EXECUTE, mrp.EVIDENCE, mrp.ERROR))

_SIGNATURE: Final = Record(
    {"alg": TEXT, "key_id": TEXT, "value": TEXT}, required=("alg", "key_id", "value")
)
_AUTH: Final = Record(
    {
        "type": Text(one_of=("bearer", "mTLS", "signed")),
        "token": TEXT,
        "scopes": TEXTS,
        "issuer": TEXT,
        "signature": _SIGNATURE,
    },
    is_open=True,
)


def _extra(profile: Profile, msg_type: str) -> Extra:
    payload = PAYLOADS[profile].get(msg_type)
    members: dict[str, Shape] = {} if payload is None else {"payload": payload}
    if profile is Profile.COMPAT:
        return Extra(members)
    required = ("receiver",) * (msg_type not in _UNADDRESSED)
    return Extra(members, required + ("in_reply_to",) * (msg_type in _ANSWERING))


def _envelope(profile: Profile) -> Record:
    return Record(
        {
            "mrp_version": Text(pattern=_VERSION if profile is Profile.COMPAT else _OUR_MAJOR),
            "msg_id": MSG_ID,
            "msg_type": Text(one_of=mrp.MSG_TYPES),
            "timestamp": INSTANT,
            "sender": Record({"id": ID, "proofs": TEXTS}, required=("id",)),
            "receiver": Record({"id": ID}, required=("id",)),
            "in_reply_to": MSG_ID,
            "trace": Record({"root": TEXT, "parent": TEXT}),
            "auth": _AUTH,
            "nonce": TEXT,
            "expires_at": INSTANT,
            "idempotency_key": TEXT,
            "payload": FREE,
        },
        required=("mrp_version", "msg_id", "msg_type", "timestamp", "sender", "payload"),
        path="envelope.schema.json",
        title="MRP envelope",
        tag="msg_type",
        extras={msg_type: _extra(profile, msg_type) for msg_type in mrp.MSG_TYPES},
    )


ENVELOPE: Final[Mapping[Profile, Record]] = MappingProxyType(
    {profile: _envelope(profile) for profile in Profile}
)

_PORTS: Final = Listing(Record({"type": TEXT, "schema_ref": TEXT}, required=("type",)))
MANIFEST: Final = Record(
    {
        "capability_id": TEXT,
        "capability": TEXT,
        "version": TEXT,
        "tags": TEXTS,
        "inputs": _PORTS,
        "outputs": _PORTS,
        "constraints": FREE,
        "cost": FREE,
        "latency": FREE,
        "proofs_required": TEXTS,
        "endpoints": Record(
            {"discover": TEXT, "negotiate": TEXT, "execute": TEXT},
            required=("discover", "negotiate", "execute"),
        ),
    },
    required=("capability_id", "capability", "version", "inputs", "outputs", "endpoints"),
    path="manifest.schema.json",
    title="MRP capability manifest",
)
"""What we publish; what strangers publish is read leniently (5)."""
