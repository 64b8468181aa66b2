"""Entries of a registry as they are given out, and what an operator may list by hand (10).

Every entry has both ``id`` and ``provider``, lists where lists belong, and nothing null: one
entry of another form empties the whole answer in real clients, so none is taken in.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Final

from treaty.dialects.mrp import choices as mrp
from treaty.dialects.mrp.keysets import read_keys
from treaty.dialects.mrp.manifest import Manifest, read_manifest
from treaty.errors import WireError, shown
from treaty.wire import fields
from treaty.wire.canonical import Json, read_json
from treaty.wire.hosts import read_url
from treaty.wire.money import decimal_number

LISTED_MAX: Final = 10_000
LISTED_BYTES_MAX: Final = 16 * 1_048_576
LEVELS: Final = ("self_asserted", "registry_attested", "third_party_indexed", "third_party_audited")
KINDS: Final = ("provider", "indexed")
_LISTS: Final = ("capabilities", "policies", "proofs")
_TEXTS: Final = ("manifest_url", "description", "repo", "canonical_id")
_ONE: Final = Decimal(1)


class Publishing:
    """What the registry of a node asks of MRP."""

    def entry(self, manifest: bytes, url: str) -> dict[str, Json]:
        """The entry of a provider that has proven the origin of its manifest. ``WireError``."""
        read = read_manifest(manifest, url)
        if not read.capability:
            raise WireError("a manifest that is listed names its capability")
        host = read_url(url).origin.partition("://")[2]
        return make_entry(
            ident=f"service:{host}/{read.capability}"[: mrp.ID_CHARS_MAX],
            name=f"{read.capability} at {host}"[: mrp.ID_CHARS_MAX],
            url=url,
            capability=read.capability,
            policies=_policies(read),
            proofs=read.proofs_required,
        )

    def keys(self, raw: bytes, at_ms: int) -> list[Json]:
        """The Ed25519 keys of a set that are good now. Raises ``WireError``."""
        found = {key.key_id: key for key in read_keys(raw, at_ms).values()}
        return [key.jwk() for key in found.values()]

    def fits(self, entry: Mapping[str, Json], capability: str | None, policy: str | None) -> bool:
        """True for an entry that names both, exactly."""
        return _names(entry, "capabilities", capability) and _names(entry, "policies", policy)


def make_entry(
    *,
    ident: str,
    name: str,
    url: str,
    capability: str,
    policies: Sequence[str],
    proofs: Sequence[str],
    description: str = "",
) -> dict[str, Json]:
    """An entry of ours: its domain was proven, and nothing else."""
    entry: dict[str, Json] = {
        "id": ident,
        "provider": ident,
        "name": name,
        "kind": "provider",
        "manifest_url": url,
        "capabilities": [capability],
        "policies": list(policies),
        "proofs": list(proofs),
        "trust": {"level": "registry_attested", "proofs": ["domain-control"]},
        "metadata": {},
    }
    return {**entry, "description": description} if description else entry


def read_listed(raw: bytes) -> list[dict[str, Json]]:
    """Read the entries an operator lists: a JSON list. Raises ``WireError`` naming the entry."""
    document = read_json(raw, size_max=LISTED_BYTES_MAX)
    if not isinstance(document, list) or len(document) > LISTED_MAX:
        raise WireError(f"the entries of a registry are a list of at most {LISTED_MAX}")
    return [_listed(value, number) for number, value in enumerate(document)]


def _listed(value: Json, number: int) -> dict[str, Json]:
    try:
        if not isinstance(value, dict):
            raise WireError(f"an entry is an object, not {shown(value)}")
        stated = {"id": value.get("provider"), **value}
        ident = fields.ident(stated, "id")
        texts = {name: fields.text(value, name) for name in _TEXTS if value.get(name) is not None}
        lists = {name: _texts(value, name) for name in _LISTS}
        kind = fields.text_or(value, "kind") or (
            "provider" if "manifest_url" in texts else "indexed"
        )
        if kind not in KINDS:
            raise WireError(f"kind is one of {', '.join(KINDS)}, not {shown(kind)}")
        return {
            "id": ident,
            "provider": ident,
            "name": fields.text_or(value, "name") or ident,
            "kind": kind,
            **texts,
            **lists,
            "trust": _trust(fields.obj_or(value, "trust") or {}),
            "metadata": fields.obj_or(value, "metadata") or {},
        }
    except WireError as error:
        raise WireError(f"entry {number + 1}: {error.detail}") from None


def _trust(stated: Mapping[str, Json]) -> dict[str, Json]:
    level = stated.get("level", LEVELS[0])
    if level not in LEVELS:
        raise WireError(f"trust.level is one of {', '.join(LEVELS)}, not {shown(level)}")
    trust: dict[str, Json] = {"level": level, "proofs": _texts(stated, "proofs")}
    score = stated.get("score")
    if score is None:
        return trust
    if not 0 <= decimal_number(score) <= _ONE:
        raise WireError(f"trust.score lies in 0 to 1, not {shown(score)}")
    return {**trust, "score": score}


def _texts(parent: Mapping[str, Json], name: str) -> list[Json]:
    values = fields.items(parent, name)
    return [fields.text({name: value}, name) for value in values]


def _policies(manifest: Manifest) -> list[str]:
    stated = manifest.constraints.get("policy")
    found = stated[: mrp.NAMES_MAX] if isinstance(stated, list) else []
    return [one for one in found if isinstance(one, str)]


def _names(entry: Mapping[str, Json], name: str, wanted: str | None) -> bool:
    listed = entry.get(name)
    return wanted is None or (isinstance(listed, list) and wanted in listed)
