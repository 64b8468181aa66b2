"""Signed records handed in to a node: transfers, attestations, disputes (the client's half).

Read next: ``client``, which sends them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from urllib.parse import quote

from treaty.wire.canonical import Json, canonical


def segment(name: str) -> str:
    """A name as one segment of a path."""
    return quote(name, safe="")


class Handing(ABC):
    """What ``HttpNode`` hands in."""

    @abstractmethod
    async def _get(
        self, path: str, query: str = "", *, proven: bool = False
    ) -> dict[str, Json]: ...

    @abstractmethod
    async def _post(self, path: str, body: bytes) -> dict[str, Json]: ...

    async def post_transfer(self, record: Mapping[str, Json]) -> dict[str, Json]:
        """Hand in a transfer signed by the operator."""
        return await self._post("/v1/ledger/transfers", canonical(dict(record)))

    async def post_attestation(self, record: Mapping[str, Json]) -> dict[str, Json]:
        """Hand in an attestation signed by the operator."""
        return await self._post("/v1/trust/attestations", canonical(dict(record)))

    async def post_violation(self, body: Mapping[str, Json]) -> dict[str, Json]:
        """Hand in two signed things of one agent that cannot both stand."""
        return await self._post("/v1/trust/violations", canonical(dict(body)))

    async def post_endorsement(self, record: Mapping[str, Json]) -> dict[str, Json]:
        """Hand in an endorsement signed by the endorser."""
        return await self._post("/v1/trust/endorsements", canonical(dict(record)))

    async def file_dispute(self, record: Mapping[str, Json]) -> dict[str, Json]:
        """Hand in a signed filing; returns the dispute."""
        return await self._post("/v1/asp/disputes", canonical(dict(record)))

    async def dispute(self, dispute: str) -> dict[str, Json]:
        """A dispute, for its parties, its arbiters and the operator."""
        return await self._get(f"/v1/asp/disputes/{segment(dispute)}", proven=True)

    async def post_dispute(
        self, dispute: str, kind: str, record: Mapping[str, Json]
    ) -> dict[str, Json]:
        """Hand in ``evidence``, a ``reveal``, a ``vote`` or a ``ruling``; returns the dispute."""
        path = f"/v1/asp/disputes/{segment(dispute)}/{'votes' if kind == 'vote' else kind}"
        return await self._post(path, canonical(dict(record)))
