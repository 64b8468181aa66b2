"""Manifests and the well-known file: strict out, lenient in (5).

A stranger's manifest needs two endpoints and nothing else; bridges leave out ``negotiate`` and
add members of their own. Endpoints are resolved against the address the manifest came from, by
RFC 3986, and are http or https; whether they may be fetched is the client's to ask.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urljoin, urlsplit

from treaty.dialects.mrp import choices as mrp
from treaty.dialects.mrp.checking import CHECK_MANIFEST
from treaty.dialects.mrp.messages import Object
from treaty.errors import MisuseError, WireError, shown
from treaty.wire import fields
from treaty.wire.canonical import Json, read_json

WELL_KNOWN_PATH: Final = "/.well-known/mrp.json"
ENDPOINTS: Final[Mapping[str, str]] = {
    "discover": "/mrp/discover",
    "negotiate": "/mrp/negotiate",
    "execute": "/mrp/execute",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """A capability as its provider describes it; only what somebody decides by is named."""

    capability_id: str
    capability: str
    """Empty when none is named."""
    version: str
    inputs: tuple[str, ...]
    """Types of items it takes; empty when none are stated."""
    outputs: tuple[str, ...]
    discover_url: str
    execute_url: str
    negotiate_url: str | None
    constraints: Object = field(default_factory=dict)
    cost: Object = field(default_factory=dict)
    latency: Object = field(default_factory=dict)
    proofs_required: tuple[str, ...] = ()
    document: Object = field(repr=False)

    @property
    def residency(self) -> str | None:
        """Where it says data stays, if it says so."""
        stated = self.constraints.get("data_residency")
        return stated if isinstance(stated, str) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class WellKnown:
    """``/.well-known/mrp.json``: what a provider has, and where the manifest is."""

    capabilities: tuple[str, ...]
    manifest_url: str
    provider: str | None
    """Its id, when it names one."""
    document: Object = field(repr=False)


def read_manifest(raw: bytes, url: str) -> Manifest:
    """Read a manifest that came from ``url``, leniently: it needs two endpoints. ``WireError``."""
    document = _document(raw, "a manifest")
    endpoints = fields.obj(document, "endpoints")
    capability = _text_or(document, "capability") or ""
    return Manifest(
        capability_id=_text_or(document, "capability_id") or f"capability:{capability}",
        capability=capability,
        version=_text_or(document, "version") or "",
        inputs=_types(document, "inputs"),
        outputs=_types(document, "outputs"),
        discover_url=_endpoint(endpoints, "discover", url),
        execute_url=_endpoint(endpoints, "execute", url),
        negotiate_url=_endpoint(endpoints, "negotiate", url)
        if endpoints.get("negotiate")
        else None,
        constraints=_object_or_empty(document, "constraints"),
        cost=_object_or_empty(document, "cost"),
        latency=_object_or_empty(document, "latency"),
        proofs_required=_texts(document, "proofs_required"),
        document=document,
    )


def read_well_known(raw: bytes, url: str) -> WellKnown:
    """Read the well-known file that came from ``url``. Raises ``WireError``."""
    document = _document(raw, "the well-known file")
    return WellKnown(
        capabilities=_texts(document, "capabilities"),
        manifest_url=_endpoint(document, "manifest_url", url),
        provider=_text_or(document, "id"),
        document=document,
    )


def resolve(reference: str, url: str) -> str:
    """An address a stranger names, made absolute: http or https, without a user in it.

    Spaces are percent-encoded, since a bridge's own addresses hold them. Raises ``WireError``.
    """
    if len(reference) > mrp.URL_CHARS_MAX or any(ord(one) < 32 for one in reference):
        raise WireError(f"no address: {shown(reference)}")
    try:
        joined = urljoin(url, reference.strip().replace(" ", "%20"))
        parts = urlsplit(joined)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise WireError(f"no address: {shown(reference)}") from None
    if parts.scheme not in ("http", "https") or not host or port == 0:
        raise WireError(f"no http address: {shown(joined)}")
    if parts.username is not None or parts.password is not None:
        raise WireError(f"an address with a user in it: {shown(joined)}")
    return joined


def make_manifest(
    *,
    capability_id: str,
    capability: str,
    version: str,
    inputs: Sequence[str],
    outputs: Sequence[str],
    tags: Sequence[str] = (),
    constraints: Mapping[str, Json] | None = None,
    cost: Mapping[str, Json] | None = None,
    latency: Mapping[str, Json] | None = None,
    proofs_required: Sequence[str] = (),
    endpoints: Mapping[str, str] = ENDPOINTS,
) -> dict[str, Json]:
    """Make a manifest that the published schema takes, members unknown to it left out.

    Core types get their ``schema_ref``. Raises ``MisuseError`` for what is none.
    """
    document: dict[str, Json] = {
        "capability_id": capability_id,
        "capability": capability,
        "version": version,
        "tags": list(tags),
        "inputs": [_port(one) for one in inputs],
        "outputs": [_port(one) for one in outputs],
        "constraints": dict(constraints or {}),
        "cost": None if cost is None else dict(cost),
        "latency": None if latency is None else dict(latency),
        "proofs_required": list(proofs_required),
        "endpoints": dict(endpoints),
    }
    stated: dict[str, Json] = {name: value for name, value in document.items() if value is not None}
    fault = CHECK_MANIFEST(stated)
    if fault is not None:
        raise MisuseError(f"no manifest: {fault.text}")
    return stated


def schema_ref(kind: str) -> str:
    """The reference of a core type: ``schema://mrp/types/text@1.0``."""
    return f"schema://mrp/types/{kind}@1.0"


def _port(kind: str) -> Json:
    core = kind in (*mrp.VALUE_TYPES, mrp.ARTIFACT)
    port: dict[str, Json] = {"type": kind}
    if core:
        port["schema_ref"] = schema_ref(kind)
    return port


def _document(raw: bytes, what: str) -> dict[str, Json]:
    value = read_json(raw, size_max=mrp.MANIFEST_BYTES_MAX, depth_max=mrp.DEPTH_MAX)
    if not isinstance(value, dict):
        raise WireError(f"{what} is a JSON object, not {shown(value)}")
    return value


def _text_or(document: Object, name: str) -> str | None:
    value = document.get(name)
    return value[: mrp.ID_CHARS_MAX] if isinstance(value, str) and value else None


def _object_or_empty(document: Object, name: str) -> dict[str, Json]:
    value = document.get(name)
    return value if isinstance(value, dict) else {}


def _texts(document: Object, name: str) -> tuple[str, ...]:
    value = document.get(name)
    if not isinstance(value, list):
        return ()
    return tuple(one for one in value[: mrp.NAMES_MAX] if isinstance(one, str))


def _types(document: Object, name: str) -> tuple[str, ...]:
    """Types as objects, or as the bare texts of an older form."""
    value = document.get(name)
    if not isinstance(value, list):
        return ()
    found = (one.get("type") if isinstance(one, dict) else one for one in value[: mrp.NAMES_MAX])
    return tuple(one for one in found if isinstance(one, str))


def _endpoint(document: Object, name: str, url: str) -> str:
    return resolve(fields.text(document, name, chars_max=mrp.URL_CHARS_MAX), url)
