"""What the two parties of a negotiation may read of it, with a signed read used once (9.6)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from treaty.engine.channels import Channel, channel_stream
from treaty.engine.desk import Desk
from treaty.engine.ports import Entry, Nonce, Unit
from treaty.engine.quote_dialect import QuoteDialect
from treaty.errors import Refused
from treaty.wire.canonical import Json

SCOPE: Final = "quotes/reads"
KEPT_MS: Final = 180_000
"""A read is stale after a minute, before or behind our clock."""
ENTRIES_MAX: Final = 128


class QuoteReaders:
    """Checks signed reads and hands out what they may see."""

    __slots__ = ("_desk", "_dialect")

    def __init__(self, desk: Desk, dialect: QuoteDialect) -> None:
        self._desk = desk
        self._dialect = dialect

    async def read(
        self, header: str, chain_id: int, tx_id: str
    ) -> tuple[dict[str, Json], Sequence[Entry]]:
        """The negotiation as its dialect shows it, and its entries.

        Raises ``SignatureError`` (``proof_invalid``), ``Refused`` (``proof_replayed``, and
        ``not_found`` for a stranger as for what is not there).
        """
        now_ms = self._desk.clock()
        reading = self._dialect.verify_read(header, chain_id, tx_id, now_ms)
        nonce = Nonce(SCOPE, reading.digest.hex(), now_ms + KEPT_MS)
        await self._desk.store.commit(Unit(nonces=(nonce,)))
        stream = channel_stream(chain_id, tx_id)
        channel: Channel = await self._desk.state(stream)
        parties = (self._dialect.consumer(channel.state), self._dialect.provider)
        if not channel.known or reading.account not in parties:
            raise Refused("no negotiation of yours is here", "not_found")
        entries = await self._desk.store.read(stream, 0, ENTRIES_MAX)
        return self._dialect.view(channel.state), entries
