"""What the router asks of the world: providers, registries, artifacts and sources of MRP.

``http.mrp_client`` answers over the network. Read next: ``router``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from treaty.dialects.mrp.answers import Answer
from treaty.dialects.mrp.entries import Listing
from treaty.dialects.mrp.manifest import Manifest


class Providers(Protocol):
    """Reaches providers. Methods raise ``WireError``, ``Refused``, ``UnavailableError``."""

    async def manifest(self, url: str) -> Manifest:
        """Fetch and read a manifest."""

    async def listing(self, registry: str, capability: str | None, cursor: str | None) -> Listing:
        """One page of a registry's entries."""

    async def post(self, url: str, raw: bytes, *, timeout_ms: int) -> tuple[Answer, bytes]:
        """Post an envelope; the answer as it was read, and its bytes."""

    async def job(self, url: str) -> tuple[Answer, bytes]:
        """Ask how a job stands."""

    async def name_of(self, url: str) -> str | None:
        """What the provider at the origin of a URL calls itself; None where it says nothing."""

    async def leave(self, url: str, raw: bytes) -> bool:
        """Leave a receipt at the origin of a URL; True when it was taken."""

    async def keys(self, url: str) -> bytes | None:
        """The key set at the origin of a URL as it is served; None where there is none."""

    async def artifact(self, uri: str, base_url: str) -> bytes | str:
        """The bytes of an artifact, or why there are none."""

    async def source(self, url: str, domains: Sequence[str]) -> bytes | str:
        """A source as it is now, or why it cannot be fetched."""
