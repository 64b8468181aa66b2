"""What the SDK asks of a node. ``http.client`` answers over the network, tests in process.

All methods raise the errors of ``treaty.errors``: a problem document of the node comes back as
the same ``Refused``, ``SignatureError`` or ``WireError`` with the same code and data that the
node raised; an unreachable node is ``UnavailableError``.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Protocol

from treaty.engine.items import InboxItem, LogItem, Page
from treaty.wire.canonical import Json

__all__ = ["InboxItem", "LogItem", "NodeClient", "Page"]


class NodeClient(Protocol):
    """A node, as an agent reaches it. Reads are proven with the agent's own key (B6)."""

    async def describe(self) -> dict[str, Json]:
        """The node's card, URL, endpoints, key and operator."""

    async def register(self, card: Mapping[str, Json]) -> dict[str, Json]:
        """Register a card; returns it with its listing."""

    async def card(self, agent: str) -> dict[str, Json]:
        """An agent's listed card."""

    async def trust(self, agent: str) -> dict[str, Json]:
        """An agent's score, level and components."""

    async def trust_log(self, start: int, end: int) -> dict[str, Json]:
        """Records of the trust log with proofs under a signed head."""

    async def discover(self, raw: bytes) -> bytes:
        """Ask a signed QUERY; returns the signed INFORM as received."""

    async def open_session(self, raw: bytes) -> dict[str, Json]:
        """Send an invitation; returns the signed receipt."""

    async def send(self, session: str, raw: bytes) -> dict[str, Json]:
        """Send a message; returns the signed receipt.

        ``Refused`` (``chain_stale``) carries ``data["missed"]``, a list of ``LogItem``, and
        ``data["more"]``.
        """

    async def session(self, session: str) -> dict[str, Json]:
        """The session as its host sees it."""

    async def entries(self, session: str, after: int, limit: int = 200) -> Page:
        """Log entries behind a position."""

    def events(self, session: str, after: int) -> AsyncIterator[LogItem]:
        """Log entries behind a position as they come; ends when the connection does."""

    def inbox(self, after: int) -> AsyncIterator[InboxItem]:
        """The agent's own inbox behind a position as it comes; ends when the connection does."""

    async def inbox_page(self, after: int) -> tuple[tuple[InboxItem, ...], bool]:
        """What the agent's inbox holds behind a position now, and whether there is more."""

    async def statement(self) -> dict[str, Json]:
        """The agent's own accounts and movements."""

    async def post_transfer(self, record: Mapping[str, Json]) -> dict[str, Json]:
        """Hand in a transfer signed by the operator."""

    async def post_attestation(self, record: Mapping[str, Json]) -> dict[str, Json]:
        """Hand in an attestation signed by the operator."""

    async def post_endorsement(self, record: Mapping[str, Json]) -> dict[str, Json]:
        """Hand in an endorsement signed by the endorser."""

    async def close(self) -> None:
        """Let go of connections."""

    async def file_dispute(self, record: Mapping[str, Json]) -> dict[str, Json]:
        """Hand in a signed filing; returns the dispute."""

    async def dispute(self, dispute: str) -> dict[str, Json]:
        """A dispute, for its parties, its arbiters and the operator."""

    async def post_dispute(
        self, dispute: str, kind: str, record: Mapping[str, Json]
    ) -> dict[str, Json]:
        """Hand in ``evidence``, a ``reveal``, a ``vote`` or a ``ruling``; returns the dispute."""
