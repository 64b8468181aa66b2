"""Nonces seen: which message a signer has used each of them for, durably.

A nonce is one row in the store: scope (chain, kernel, type, signer; on a mock chain also the
transaction, because a peer that is restarted there begins at 1 again), key the number, value
the message hash (9.2). It is used up in the same unit as the message is written.
"""

from __future__ import annotations

from typing import Final

from treaty.engine.ports import Nonce, Store
from treaty.engine.quote_dialect import Heard, QuoteDialect
from treaty.errors import Refused
from treaty.wire.fields import INTEGER_MAX

KEPT_MS: Final = 400 * 86_400_000
"""Longer than a kernel lets a transaction live (a year)."""
PREFIX: Final = "quotes/seen"


class SeenNonces:
    """The nonces of all signers that speak to one provider."""

    __slots__ = ("_dialect", "_store")

    def __init__(self, store: Store, dialect: QuoteDialect) -> None:
        self._store = store
        self._dialect = dialect

    def consumed(self, heard: Heard, chain_id: int, tx_id: str, at_ms: int) -> Nonce | None:
        """The row that uses a message's nonce up; None for a message without one."""
        if heard.nonce is None:
            return None
        scope = self._scope(heard, chain_id, tx_id)
        value = heard.hash.encode("ascii")
        return Nonce(scope, str(heard.nonce), at_ms + KEPT_MS, value)

    async def refusal(self, heard: Heard | None, chain_id: int, refusal: Refused) -> Refused:
        """The refusal to be told: a used nonce goes before whatever else is wrong."""
        if heard is None or heard.nonce is None:
            return refusal
        _, tx_id = self._dialect.place_of(heard.message)
        scope = self._scope(heard, chain_id, tx_id)
        stored = await self._store.nonce(scope, str(heard.nonce))
        if stored is None or stored == heard.hash.encode("ascii"):
            return refusal
        data = {"next_nonce": await self._free(scope, heard.nonce)}
        reason = self._dialect.nonce_conflict
        return Refused("the nonce was used for another message", reason, data=data)

    async def _free(self, scope: str, used: int) -> int:
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

    def _scope(self, heard: Heard, chain_id: int, tx_id: str) -> str:
        kernel = self._dialect.kernel(chain_id)
        scope = f"{PREFIX}/{chain_id}/{kernel}/{heard.type}/{heard.signer}"
        return f"{scope}/{tx_id}" if self._dialect.is_mock(chain_id) else scope
