"""What may be used once: nonces and ids of messages, and keys under which a repeat is known.

A mark is one row in the store, used up in the same unit as what the message did, so it outlives
the process. A message that is refused uses nothing up. Keys are digests: what a stranger writes
becomes no name in the store.

Laws:

1. The same key with the same payload is given the stored answer; another payload is refused.
2. What is used up is forgotten after its time, and not before.

Read next: ``services``.
"""

from __future__ import annotations

from typing import Final

from treaty.engine.ports import Nonce, Store
from treaty.engine.service_dialect import Asked, Mark
from treaty.engine.transaction import Transaction
from treaty.errors import Reason, Refused
from treaty.wire.canonical import canonical
from treaty.wire.digest import sha256

PREFIX: Final = "service"
REPEATED_MS: Final = 86_400_000
"""How long an answer is given again under its key."""


class Once:
    """Marks and idempotency keys of everybody who asks one provider."""

    __slots__ = ("_conflict", "_store")

    def __init__(self, store: Store, conflict: Reason) -> None:
        self._store = store
        self._conflict = conflict

    async def known(self, asked: Asked) -> str | None:
        """What was done under this key before, or None.

        Raises ``Refused`` for the key of another payload.
        """
        if asked.idempotency_key is None:
            return None
        stored = await self._store.nonce(*_key(asked))
        if stored is None:
            return None
        digest, _, reference = stored.decode("ascii").partition(" ")
        if digest != asked.digest:
            raise Refused("the idempotency key was used for another payload", self._conflict)
        return reference

    def use(self, transaction: Transaction, asked: Asked, reference: str) -> None:
        """Use up what a message carries; under its key ``reference`` is found again."""
        for mark in asked.marks:
            transaction.consume(_row(asked, mark))
        if asked.idempotency_key is not None:
            value = f"{asked.digest} {reference}".encode("ascii")
            scope, key = _key(asked)
            transaction.consume(Nonce(scope, key, asked.at_ms + REPEATED_MS, value))

    def marks(self, asked: Asked) -> tuple[Nonce, ...]:
        """The rows of a message that does nothing else."""
        return tuple(_row(asked, mark) for mark in asked.marks)

    async def refusal(self, asked: Asked, refusal: Refused) -> Refused:
        """Which of them was used before, where the store refused a unit for one of them."""
        if refusal.code != "proof_replayed":
            return refusal
        for mark in asked.marks:
            row = _row(asked, mark)
            if await self._store.nonce(row.scope, row.key) is not None:
                return Refused(f"this {mark.scope} was used before", mark.reason)
        return refusal


def _row(asked: Asked, mark: Mark) -> Nonce:
    scope = f"{PREFIX}/{mark.scope}/{_digest(asked.principal)}"
    return Nonce(scope, _digest(mark.key), mark.until_ms)


def _key(asked: Asked) -> tuple[str, str]:
    assert asked.idempotency_key is not None
    scope = f"{PREFIX}/repeat/{asked.endpoint}/{_digest(asked.principal)}"
    return scope, _digest(asked.idempotency_key)


def _digest(text: str) -> str:
    # Through the canonical form, which any text that was read has.
    return sha256(canonical(text)).hex()
