"""Nonces seen: which message a signer has used each of them for, durably.

A nonce is one row in the store: scope (chain, kernel, type, signer), key the number, value the
message hash (9.2). It is used up in the same unit as the message is written. On a mock chain a
nonce counts in its own transaction alone, because a peer that is restarted there begins at 1
again; then the negotiation's stream holds every nonce already, and a row beside it would say the
same twice, for a third of the cost of the unit.
"""

from __future__ import annotations

from typing import Final

from treaty.engine.channels import Channel, channel_stream
from treaty.engine.desk import Desk
from treaty.engine.ports import Nonce
from treaty.engine.quote_dialect import Heard, QuoteDialect
from treaty.errors import Refused
from treaty.wire.fields import INTEGER_MAX

KEPT_MS: Final = 400 * 86_400_000
"""Longer than a kernel lets a transaction live (a year)."""
PREFIX: Final = "quotes/seen"


class SeenNonces:
    """The nonces of all signers that speak to one provider."""

    __slots__ = ("_desk", "_dialect", "_store")

    def __init__(self, desk: Desk, dialect: QuoteDialect) -> None:
        self._desk = desk
        self._store = desk.store
        self._dialect = dialect

    def consumed(self, heard: Heard, chain_id: int, at_ms: int) -> Nonce | None:
        """The row that uses a message's nonce up; None where its own entry does."""
        if heard.nonce is None or self._dialect.is_mock(chain_id):
            return None
        scope = self._scope(heard, chain_id)
        value = heard.hash.encode("ascii")
        return Nonce(scope, str(heard.nonce), at_ms + KEPT_MS, value)

    async def refusal(self, heard: Heard | None, chain_id: int, refusal: Refused) -> Refused:
        """The refusal to be told: a used nonce goes before whatever else is wrong."""
        if heard is None or heard.nonce is None:
            return refusal
        used = await self._used_for(heard, chain_id)
        if used is None or used == heard.hash:
            return refusal
        data = {"next_nonce": await self._free(heard, chain_id)}
        reason = self._dialect.nonce_conflict
        return Refused("the nonce was used for another message", reason, data=data)

    async def _used_for(self, heard: Heard, chain_id: int) -> str | None:
        """The hash of the message that the nonce was used for; None when it is free."""
        if self._dialect.is_mock(chain_id):
            channel = await self._channel(heard, chain_id)
            return channel.used_for(heard)
        stored = await self._store.nonce(self._scope(heard, chain_id), str(heard.nonce))
        return None if stored is None else stored.decode("ascii")

    async def _channel(self, heard: Heard, chain_id: int) -> Channel:
        _, tx_id = self._dialect.place_of(heard.message)
        channel: Channel = await self._desk.state(channel_stream(chain_id, tx_id))
        return channel

    async def _free(self, heard: Heard, chain_id: int) -> int:
        """An unused nonce above the one of ``heard``."""
        assert heard.nonce is not None
        if self._dialect.is_mock(chain_id):
            channel = await self._channel(heard, chain_id)
            return min(channel.free_nonce(heard, heard.nonce), INTEGER_MAX)
        return await self._search(self._scope(heard, chain_id), heard.nonce)

    async def _search(self, scope: str, used: int) -> int:
        """An unused nonce above ``used``: the first one where they were used without gaps.

        Doubles the step until a free one is found and then halves the distance, so a signer
        that used a million nonces costs forty questions.
        """
        step = 1
        while await self._is_used(scope, used + step):
            step *= 2
        taken, free = used + step // 2, used + step
        while free - taken > 1:
            middle = (taken + free) // 2
            if await self._is_used(scope, middle):
                taken = middle
            else:
                free = middle
        return min(free, INTEGER_MAX)

    async def _is_used(self, scope: str, nonce: int) -> bool:
        return nonce <= INTEGER_MAX and await self._store.nonce(scope, str(nonce)) is not None

    def _scope(self, heard: Heard, chain_id: int) -> str:
        kernel = self._dialect.kernel(chain_id)
        return f"{PREFIX}/{chain_id}/{kernel}/{heard.type}/{heard.signer}"
