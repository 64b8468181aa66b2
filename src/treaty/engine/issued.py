"""The nonces we give to what we sign: growing, durable, and never given twice.

Laws:

1. A nonce is given inside a decision, and the unit of that decision carries a mark above it
   unless a mark above it is durable already. So whatever left this process is below a mark, and
   a process that is killed begins again at the mark.
2. Marks lie ``BLOCK`` apart, so that most units carry none and no two decisions wait for each
   other. A nonce of a decision that failed is lost; the order is not.

Read next: ``quotes``.
"""

from __future__ import annotations

from functools import partial
from typing import Final

from treaty.engine.desk import Transaction
from treaty.engine.ports import Store
from treaty.errors import MisuseError
from treaty.wire.canonical import canonical, read_json

BLOCK: Final = 1_000
PREFIX: Final = "issued"


class Issued:
    """The nonces of one signer, by scope: chain, kernel, account, message type."""

    __slots__ = ("_durable", "_next")

    def __init__(self) -> None:
        self._next: dict[str, int] = {}
        self._durable: dict[str, int] = {}
        """Scope -> the highest mark that is known to be stored."""

    async def load(self, store: Store, scope: str) -> None:
        """Go on behind everything this scope may have given. Before the first ``give``."""
        stored = await store.setting(_name(scope))
        mark = 1
        if stored is not None:
            mark = _read_mark(stored)
        self._next[scope] = self._durable[scope] = mark

    def give(self, transaction: Transaction, scope: str) -> int:
        """The next nonce, which this decision uses or loses."""
        nonce = self._next[scope]
        self._next[scope] = nonce + 1
        if nonce >= self._durable[scope]:
            # Others may have put this mark before us and may yet fail: then ours keeps it.
            mark = (nonce // BLOCK + 1) * BLOCK
            transaction.put_setting(_name(scope), canonical(mark))
            transaction.afterwards(partial(self._keep, scope, mark))
        return nonce

    def _keep(self, scope: str, mark: int) -> None:
        self._durable[scope] = max(mark, self._durable[scope])


def _name(scope: str) -> str:
    return f"{PREFIX}/{scope}"


def _read_mark(stored: bytes) -> int:
    mark = read_json(stored)
    if type(mark) is not int or mark < 1:
        raise MisuseError("the mark of issued nonces in the store is no number")
    return mark
