"""Who reads: the ``DPoP`` header of reads and streams, single use (decision B6).

A header proof shows its own key; the node that is asked finds out whose key that must be.
"""

from __future__ import annotations

from typing import Final

from treaty.engine.desk import Desk
from treaty.engine.ports import Nonce, Unit
from treaty.errors import SignatureError
from treaty.identity.dpop import HeaderProof, check_header_proof, read_header_proof
from treaty.identity.keys import ProofKey

SCOPE: Final = "read"
KEPT_MS: Final = 120_000
"""How long after ``iat`` a proof's id is remembered; it is stale sooner."""


class Readers:
    """Checks header proofs of one node."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def check(self, token: str | None, *, method: str, url: str) -> ProofKey:
        """The key that asks, after its proof was checked and used up.

        ``url`` is the public address of the resource, without query. Raises ``SignatureError``
        (``proof_invalid``) and ``Refused`` (``proof_replayed``).
        """
        if token is None:
            raise SignatureError("this read needs a DPoP header", "proof_invalid")
        proof: HeaderProof = read_header_proof(token)
        now_ms = self._desk.clock()
        check_header_proof(proof, key=proof.key, method=method, url=url, now_ms=now_ms)
        nonce = Nonce(f"{SCOPE}/{proof.key.key_id}", proof.jti, proof.issued_at_ms + KEPT_MS)
        await self._desk.store.commit(Unit(nonces=(nonce,)))
        return proof.key
