"""Places for open negotiations: taken, given back, lapsing with time, few for one signer.

Laws: a place is held from the opening of a negotiation to its end or the end of its time,
whichever is first; nothing is remembered of a place that was given back; a question costs the
same however many there are. Which negotiations are open is durable (the desk's tasks); this is
only the count of them, made anew at every start.

Read next: ``quotes``, which takes them.
"""

from __future__ import annotations

from collections import OrderedDict


class Places:
    """The places of one provider."""

    __slots__ = ("_most", "_of_signers", "_per_signer", "_signer_of", "_ttl_ms")

    def __init__(self, *, most: int, per_signer: int, ttl_ms: int) -> None:
        self._most = most
        self._per_signer = per_signer
        self._ttl_ms = ttl_ms
        self._signer_of: OrderedDict[str, tuple[str, int]] = OrderedDict()
        """Negotiation -> its signer and when it was opened, the oldest first."""
        self._of_signers: dict[str, OrderedDict[str, int]] = {}

    def taken(self, now_ms: int) -> int:
        """How many places are held now."""
        self._lapse(now_ms)
        return len(self._signer_of)

    def holds(self, name: str) -> bool:
        """True while a negotiation has a place."""
        return name in self._signer_of

    def wait_ms(self, signer: str, now_ms: int) -> int:
        """0 when this signer may open one more; else when the oldest in the way lapses."""
        self._lapse(now_ms)
        own = self._of_signers.get(signer)
        if own is not None and len(own) >= self._per_signer:
            return max(1, next(iter(own.values())) + self._ttl_ms - now_ms)
        if len(self._signer_of) >= self._most:
            _, oldest_ms = next(iter(self._signer_of.values()))
            return max(1, oldest_ms + self._ttl_ms - now_ms)
        return 0

    def take(self, name: str, signer: str, opened_ms: int) -> None:
        """Hold a place. Whether there is one was asked before; a restart only restores."""
        self.give(name)
        self._signer_of[name] = (signer, opened_ms)
        self._of_signers.setdefault(signer, OrderedDict())[name] = opened_ms

    def give(self, name: str) -> None:
        """Give a place back; nothing happens where there is none."""
        held = self._signer_of.pop(name, None)
        if held is None:
            return
        own = self._of_signers[held[0]]
        del own[name]
        if not own:
            del self._of_signers[held[0]]

    def _lapse(self, now_ms: int) -> None:
        while self._signer_of:
            name, (_, opened_ms) = next(iter(self._signer_of.items()))
            if opened_ms + self._ttl_ms > now_ms:
                return
            self.give(name)
